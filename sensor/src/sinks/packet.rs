//! A single packet that is kept for a developer, as a capture file.

use std::fs;
use std::io;
use std::path::Path;

use crate::capture::batch::Frame;

/// Writes a packet as the only one of a capture file (pcap, microseconds).
pub fn keep(path: &Path, frame: &Frame, data: &[u8]) -> io::Result<()> {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut file = Vec::with_capacity(40 + data.len());
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, frame.link_type] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&number(frame.time.0 / 1_000_000));
    file.extend_from_slice(&number(frame.time.0 % 1_000_000));
    file.extend_from_slice(&number(data.len() as u64));
    file.extend_from_slice(&frame.wire_len.to_le_bytes());
    file.extend_from_slice(data);
    fs::write(path, file)
}
