//! A single packet that is kept for a developer, as a capture file.

use std::io::{self, Write};
use std::path::Path;

use super::open;
use crate::capture::batch::Frame;

/// Packets of one number that are kept in a folder.
const NAMES: u32 = 64;

/// Writes a packet as the only one of a new capture file (pcap, microseconds) in a folder.
pub fn keep(folder: &Path, frame: &Frame, data: &[u8]) -> io::Result<()> {
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
    // Another run may have kept one of the same number, which stays.
    let mut again = 0;
    loop {
        let more = if again == 0 { String::new() } else { format!(".{again}") };
        match open::exclusive(&folder.join(format!("panic-{}{more}.pcap", frame.number))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && again < NAMES => again += 1,
            opened => return opened?.write_all(&file),
        }
    }
}
