//! An interface, through libpcap: for links that packet sockets show otherwise, for `any`, and where a configuration says so.
//!
//! The library is asked without waiting: on Linux its own timeout counts from the first packet on, so that on a silent link
//! it would never come back to see that it has to stop.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Error};
use tapwire_parsers::link::{Timestamp, is_supported};

use super::super::batch::{Arrival, Batch, SumSaid};
use super::super::{CaptureError, Losses};
use super::settings::{Sums, Watched};
use super::steady::Steady;
use super::tap::Tap;

/// An interface that packets are captured from.
pub(super) struct Interface {
    watched: Watched,
    index: u16,
    capture: Option<Capture<Active>>,
    link_type: u32,
    /// A packet that was looked at: the library keeps none.
    peeked: Option<(Timestamp, u32, Vec<u8>)>,
    seen: Instant,
    counted: Counts,
    losses: Losses,
    used: bool,
    closed: bool,
    news: Vec<String>,
}

/// The system's counts, which wrap around.
#[derive(Clone, Copy, Default)]
struct Counts {
    received: u32,
    dropped: u32,
    dropped_by_interface: u32,
}

impl Interface {
    /// The `index`th interface of the run.
    pub(super) fn new(watched: &Watched, index: u16) -> Self {
        Self {
            watched: watched.clone(),
            index,
            capture: None,
            link_type: 0,
            peeked: None,
            seen: Instant::now(),
            counted: Counts::default(),
            losses: Losses::default(),
            used: false,
            closed: false,
            news: Vec::new(),
        }
    }

    fn open(&mut self) -> Result<(), CaptureError> {
        let Watched { name, filter, snap_bytes, promiscuous, ring_bytes, block_timeout_ms, .. } = &self.watched;
        let failed = |cause: Error| CaptureError::Interface { name: name.clone(), cause: cause.to_string() };
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let capture = Capture::from_device(name.as_str()).map_err(failed)?;
        let capture = capture
            .snaplen(number((*snap_bytes).into()))
            .promisc(*promiscuous)
            .timeout(number((*block_timeout_ms).into()))
            .buffer_size(number(*ring_bytes))
            .immediate_mode(false);
        let mut capture = capture.open().and_then(Capture::setnonblock).map_err(failed)?;
        if let Some(filter) = filter {
            let refused = |cause| CaptureError::Filter { name: name.clone(), cause };
            capture.filter(filter, true).map_err(refused)?;
        }
        self.link_type = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
        if !is_supported(self.link_type) {
            let what = format!("link type {}", self.link_type);
            return Err(CaptureError::Unsupported { name: name.clone(), offset: 0, uncompressed: false, what });
        }
        (self.capture, self.counted) = (Some(capture), Counts::default());
        Ok(())
    }

    fn count(&mut self) {
        let Some(Ok(stat)) = self.capture.as_mut().map(Capture::stats) else { return };
        let before = std::mem::replace(
            &mut self.counted,
            Counts { received: stat.received, dropped: stat.dropped, dropped_by_interface: stat.if_dropped },
        );
        self.losses.received += u64::from(stat.received.wrapping_sub(before.received));
        self.losses.dropped += u64::from(stat.dropped.wrapping_sub(before.dropped));
        self.losses.dropped_by_interface += u64::from(stat.if_dropped.wrapping_sub(before.dropped_by_interface));
    }

    /// Hands the next packet over, if there is one.
    fn next(&mut self, with: &mut dyn FnMut(Timestamp, u32, &[u8])) -> bool {
        let Some(capture) = self.capture.as_mut().filter(|_| !self.closed) else { return false };
        match capture.next_packet() {
            Ok(packet) => {
                let header = packet.header;
                with(time(header.ts.tv_sec, header.ts.tv_usec), header.len, packet.data);
                true
            }
            Err(Error::TimeoutExpired) => false,
            Err(cause) => {
                self.count();
                let name = &self.watched.name;
                self.news.push(format!("{name}: nothing can be captured: {cause}; it is tried again"));
                self.capture = None;
                false
            }
        }
    }

    fn push(&self, batch: &mut Batch, time: Timestamp, wire_len: u32, data: &[u8]) {
        batch.push(0, Arrival { time, link_type: self.link_type, interface: self.index, wire_len }, data);
        batch.note_sum(match self.watched.sums {
            Sums::Auto => SumSaid::Nothing,
            Sums::Yes => SumSaid::Strict,
            Sums::No => SumSaid::Ignored,
        });
    }
}

impl Tap for Interface {
    fn look(&mut self) -> Result<(), CaptureError> {
        if self.capture.is_some() || self.closed {
            return Ok(());
        }
        match self.open() {
            Ok(()) if self.used => self.news.push(format!("{}: packets are captured again", self.watched.name)),
            Ok(()) => {}
            // It was there, and will be again.
            Err(CaptureError::Interface { .. }) if self.used => {}
            Err(error) => return Err(error),
        }
        self.used = true;
        Ok(())
    }

    fn is_bound(&self) -> bool {
        self.capture.is_some()
    }

    fn described(&self) -> String {
        format!("link type {}, through libpcap", self.link_type)
    }

    fn awaited(&self) -> Option<&'static str> {
        None
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn peek(&mut self) -> Option<Timestamp> {
        if self.peeked.is_none() {
            let mut found = None;
            self.next(&mut |time, len, data| found = Some((time, len, data.to_vec())));
            (self.peeked, self.seen) = (found, Instant::now());
        }
        self.peeked.as_ref().map(|(time, ..)| *time)
    }

    fn seen(&self) -> Instant {
        self.seen
    }

    fn take(&mut self, batch: &mut Batch, clock: &Steady, most: usize) {
        for _ in 0..most.min(PACKETS_AT_ONCE) {
            if batch.is_full() || self.peek().is_none() {
                return;
            }
            if let Some((time, len, data)) = self.peeked.take() {
                self.push(batch, clock.of_packet(time), len, &data);
            }
        }
    }

    fn close(&mut self) {
        self.count();
        self.closed = true;
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.capture.as_ref().map(AsFd::as_fd)
    }

    fn held(&self) -> Duration {
        Duration::from_millis(u64::from(self.watched.block_timeout_ms) * 2 + 2)
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

/// Between two looks at whether to stop.
const PACKETS_AT_ONCE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_says_what_to_check() {
        let error = Interface::new(&Watched::named("no-such-thing"), 0).look().unwrap_err();
        assert_eq!(error.exit_status(), 1);
        assert!(error.to_string().starts_with("no-such-thing: cannot capture: "), "{error}");
    }

    #[test]
    fn a_time_before_the_beginning_is_the_beginning() {
        assert_eq!(time(2, 3), Timestamp(2_000_003));
        assert_eq!(time(-1, 0), Timestamp(0));
    }
}
