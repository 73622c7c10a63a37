//! Memory of streams: what they are charged to, and buffers to be used again.

use super::memory::Account;

/// What the streams of one table share.
#[derive(Debug)]
pub struct Store {
    account: Account,
    spare: Vec<Vec<u8>>,
    refused_segments: u64,
    refused_bytes: u64,
}

impl Store {
    /// A store that draws from `account`.
    pub fn new(account: Account) -> Self {
        Self { account, spare: Vec::new(), refused_segments: 0, refused_bytes: 0 }
    }

    /// Bytes that streams are charged with.
    pub fn used_bytes(&self) -> usize {
        self.account.used_bytes()
    }

    /// Segments that were dropped because memory or places for early segments had run out, and their bytes.
    pub fn refused(&self) -> (u64, u64) {
        (self.refused_segments, self.refused_bytes)
    }

    /// Whether the budget has `bytes`.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.account.has(bytes)
    }

    /// Takes `bytes` if the budget has them.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        self.account.take(bytes)
    }

    /// Gives `bytes` back.
    pub(super) fn give(&mut self, bytes: usize) {
        self.account.give(bytes);
    }

    /// Counts a segment that there was no room for.
    pub(super) fn refuse(&mut self, bytes: usize) {
        self.refused_segments += 1;
        self.refused_bytes += bytes as u64;
    }

    /// A buffer with nothing in it, used before if there is one.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps a buffer to be used again.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= SPARE_BYTES && self.spare.len() < SPARE_BUFFERS {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// Buffers that are kept to be used again, and how large they may be.
const SPARE_BUFFERS: usize = 64;
const SPARE_BYTES: usize = 64 * 1024;
