//! Bytes of a stream that stand together.

/// Bytes without a hole.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Offset of `bytes[start]`.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) start: usize,
}

impl Piece {
    pub(super) fn live(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }

    pub(super) fn end(&self) -> u64 {
        self.offset + self.live().len() as u64
    }

    /// Frees what is before `offset`.
    pub(super) fn free_before(&mut self, offset: u64) {
        let count = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(self.live().len());
        self.start += count;
        self.offset += count as u64;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start >= COMPACT_BYTES && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

/// Read bytes are moved out of the way when they are at least this many and more than half of the buffer.
const COMPACT_BYTES: usize = 4096;
