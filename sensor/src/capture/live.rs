//! An interface, through libpcap.
//!
//! A batch ends when it is full or a tenth of a second after it began, so that records are not late on a quiet link. Packets
//! carry the time that the system gave them; a batch without any says what time it is.
//!
//! The library is asked without waiting: on Linux its own timeout counts from the first packet on, so that on a silent link
//! it would never come back to see that it has to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Error};
use tapwire_parsers::link::{Timestamp, is_supported};

use super::batch::{Arrival, Batch};
use super::clock::Ticking;
use super::{CaptureError, Losses, More, PACKET_LIMIT_BYTES, Source};

/// An interface that packets are captured from.
pub struct Interface {
    name: String,
    index: u16,
    capture: Capture<Active>,
    link_type: u32,
    stop: Arc<AtomicBool>,
    number: u64,
    ticking: Ticking,
    counted: Counts,
    losses: Losses,
    /// Given after the packets before it.
    failed: Option<CaptureError>,
}

/// The system's counts, which wrap around.
#[derive(Clone, Copy, Default)]
struct Counts {
    received: u32,
    dropped: u32,
    dropped_by_interface: u32,
}

impl Interface {
    /// Opens the interface `name`, the `index`th of the run, with a filter in tcpdump's language, until `stop` is set.
    pub fn open(name: &str, index: u16, filter: Option<&str>, stop: Arc<AtomicBool>) -> Result<Self, CaptureError> {
        let failed = |cause| CaptureError::Interface { name: name.to_owned(), cause };
        let capture = Capture::from_device(name).map_err(failed)?;
        let capture = capture
            .snaplen(i32::try_from(PACKET_LIMIT_BYTES).unwrap_or(i32::MAX))
            .promisc(true)
            .timeout(TIMEOUT_MS)
            .buffer_size(BUFFER_BYTES)
            .immediate_mode(false);
        let mut capture = capture.open().and_then(Capture::setnonblock).map_err(failed)?;
        if let Some(filter) = filter {
            let refused = |cause| CaptureError::Filter { name: name.to_owned(), cause };
            capture.filter(filter, true).map_err(refused)?;
        }
        let link_type = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
        if !is_supported(link_type) {
            let what = format!("link type {link_type}");
            return Err(CaptureError::Unsupported { name: name.to_owned(), offset: 0, uncompressed: false, what });
        }
        Ok(Self {
            name: name.to_owned(),
            index,
            capture,
            link_type,
            stop,
            number: 0,
            ticking: Ticking::start(),
            counted: Counts::default(),
            losses: Losses::default(),
            failed: None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn count(&mut self) {
        let Ok(stat) = self.capture.stats() else { return };
        let before = std::mem::replace(
            &mut self.counted,
            Counts { received: stat.received, dropped: stat.dropped, dropped_by_interface: stat.if_dropped },
        );
        self.losses.received += u64::from(stat.received.wrapping_sub(before.received));
        self.losses.dropped += u64::from(stat.dropped.wrapping_sub(before.dropped));
        self.losses.dropped_by_interface += u64::from(stat.if_dropped.wrapping_sub(before.dropped_by_interface));
    }
}

impl Source for Interface {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<More, CaptureError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let began = Instant::now();
        while !batch.is_full() {
            match self.capture.next_packet() {
                Ok(packet) => {
                    let arrival = Arrival {
                        time: time(packet.header.ts.tv_sec, packet.header.ts.tv_usec),
                        link_type: self.link_type,
                        interface: self.index,
                        wire_len: packet.header.len,
                    };
                    self.number += 1;
                    batch.push(self.number, arrival, packet.data);
                    if !self.number.is_multiple_of(PACKETS_PER_LOOK) {
                        continue;
                    }
                }
                Err(Error::TimeoutExpired) => thread::sleep(NAP),
                Err(Error::NoMorePackets) => return Ok(More::No),
                Err(cause) => {
                    let error = CaptureError::Interface { name: self.name.clone(), cause };
                    if batch.frames.is_empty() {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    break;
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            if began.elapsed() >= BATCH_TIME {
                break;
            }
        }
        match batch.frames.last() {
            Some(frame) => self.ticking.packet(frame.time),
            // What the system has not handed over yet may be a little older.
            None => batch.tick = Some(Timestamp(self.ticking.time().0.saturating_sub(LATE_US))),
        }
        let more = if self.stop.load(Ordering::Relaxed) { More::No } else { More::Yes };
        Ok(more)
    }

    fn losses(&mut self) -> Losses {
        self.count();
        std::mem::take(&mut self.losses)
    }
}

fn time(seconds: i64, microseconds: i64) -> Timestamp {
    let all = seconds.saturating_mul(1_000_000).saturating_add(microseconds);
    Timestamp(u64::try_from(all).unwrap_or(0))
}

const TIMEOUT_MS: i32 = 100;
const BUFFER_BYTES: i32 = 64 << 20;
const BATCH_TIME: Duration = Duration::from_millis(100);
/// What comes meanwhile fits into the buffer, at 100 Gbit/s too.
const NAP: Duration = Duration::from_millis(4);
/// Microseconds that packets may wait in the system's buffer.
const LATE_US: u64 = 500_000;
/// A clock is too slow to be asked at every packet.
const PACKETS_PER_LOOK: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_says_what_to_check() {
        let Err(error) = Interface::open("no-such-thing", 0, None, Arc::default()) else { panic!("it is there") };
        assert_eq!(error.exit_status(), 1);
        assert!(error.to_string().starts_with("no-such-thing: cannot capture: "), "{error}");
    }

    #[test]
    fn a_time_before_the_beginning_is_the_beginning() {
        assert_eq!(time(2, 3), Timestamp(2_000_003));
        assert_eq!(time(-1, 0), Timestamp(0));
    }
}
