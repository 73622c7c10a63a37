//! The form of a recording: segment files of blocks, with an index at the end.
//!
//! A segment is a row of zstd frames (RFC 8878), the first of them without packets, so that `zstd -dc` of it, or Wireshark, reads it as it is.
//! Before each [`block`] stands a
//! skippable frame, its [`head`], with its length, its times and what its packets belong to; behind the last one stands another, the
//! [`index`], whose [tables](table) are sorted by what is looked for, in pages with a checksum each, so that a search reads a few of them
//! and never all. A block is a section of pcapng by itself. Where the sensor was ended before the index was written, or where the index
//! is damaged, the heads say the same; where a head is damaged, the next one is looked for.

pub mod block;
pub mod head;
pub mod index;
pub mod names;
pub mod read;
pub mod table;
pub mod write;

/// Bytes that a number takes.
pub(super) const WORD: usize = 8;

/// Numbers out of bytes, one behind the other.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl Words<'_> {
    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<WORD>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*word))
    }
}
