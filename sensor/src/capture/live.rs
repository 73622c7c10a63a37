//! Live capture through libpcap, which opens a memory-mapped ring under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pcap::{Active, Capture};
use tapwire_parsers::link::{Timestamp, is_supported};

use super::batch::Batch;
use super::{CaptureError, Source};

/// Bytes kept of a packet: more than any frame has, with offloading.
const SNAPSHOT_BYTES: i32 = 262_144;
/// Bytes of the kernel's ring.
const RING_BYTES: i32 = 64 << 20;
/// The longest that a batch waits for more packets.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// An interface that is watched.
pub struct LiveSource {
    name: String,
    capture: Capture<Active>,
    link_type: u32,
    stop: Arc<AtomicBool>,
    next_number: u64,
}

impl LiveSource {
    /// Opens an interface; `stop` ends the capture.
    pub fn open(interface: &str, filter: Option<&str>, stop: Arc<AtomicBool>) -> Result<Self, CaptureError> {
        let device = |error: pcap::Error| CaptureError::Device { name: interface.to_owned(), what: error.to_string() };
        let capture = Capture::from_device(interface).map_err(device)?;
        let timeout_ms = i32::try_from(BATCH_WAIT.as_millis()).unwrap_or(100);
        let mut capture = capture
            .promisc(true)
            .snaplen(SNAPSHOT_BYTES)
            .buffer_size(RING_BYTES)
            .timeout(timeout_ms)
            .open()
            .map_err(device)?;
        if let Some(filter) = filter {
            capture.filter(filter, true).map_err(device)?;
        }
        let link_type = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
        if !is_supported(link_type) {
            return Err(CaptureError::Device {
                name: interface.to_owned(),
                what: format!("link type {link_type} is not supported"),
            });
        }
        let capture = capture.setnonblock().map_err(device)?;
        Ok(Self { name: interface.to_owned(), capture, link_type, stop, next_number: 1 })
    }

    /// Packets that the kernel dropped so far because they came too fast.
    pub fn dropped(&mut self) -> u64 {
        self.capture.stats().map_or(0, |s| u64::from(s.dropped) + u64::from(s.if_dropped))
    }
}

impl Source for LiveSource {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        let start = Instant::now();
        while !batch.is_full() && start.elapsed() < BATCH_WAIT {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            match self.capture.next_packet() {
                Ok(packet) => {
                    let seconds = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
                    let micros = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
                    batch.push(
                        self.next_number,
                        Timestamp(seconds * 1_000_000 + micros),
                        self.link_type,
                        packet.header.len,
                        packet.data,
                    );
                    self.next_number += 1;
                }
                Err(pcap::Error::TimeoutExpired) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(CaptureError::Device { name: self.name.clone(), what: error.to_string() }),
            }
        }
        Ok(!self.stop.load(Ordering::Relaxed))
    }
}
