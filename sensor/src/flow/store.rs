//! Memory of streams: what they are charged to, and buffers to be used again.
//!
//! Buffers come in sizes that double. A stream that waits, as most do, for the last bytes of an answer to be acknowledged or
//! inspected keeps them in the smallest one that fits, and those of busy streams come from here and go back without the allocator.

use super::memory::Account;

/// What the streams of one table share.
#[derive(Debug)]
pub struct Store {
    account: Account,
    /// By size, from [`SMALLEST_BYTES`] on.
    spare: [Vec<Vec<u8>>; SIZES],
    refused_segments: u64,
    refused_bytes: u64,
}

impl Store {
    /// A store that draws from `account`.
    pub fn new(account: Account) -> Self {
        Self { account, spare: Default::default(), refused_segments: 0, refused_bytes: 0 }
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

    /// Appends to a buffer, which is exchanged for a larger one where it is too small.
    pub(super) fn append(&mut self, buffer: &mut Vec<u8>, data: &[u8]) {
        let wanted = buffer.len().saturating_add(data.len());
        if wanted > buffer.capacity() && wanted <= LARGEST_BYTES {
            let bytes = wanted.next_power_of_two().max(SMALLEST_BYTES);
            let spare = self.spare.get_mut(size_index(bytes)).and_then(Vec::pop);
            let mut larger = spare.unwrap_or_else(|| Vec::with_capacity(bytes));
            larger.extend_from_slice(buffer);
            self.recycle(std::mem::replace(buffer, larger));
        }
        buffer.extend_from_slice(data);
    }

    /// Keeps a buffer to be used again.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if !(SMALLEST_BYTES..=LARGEST_BYTES).contains(&bytes) {
            return;
        }
        // One of a size in between counts as the smaller one.
        let index = size_index(bytes);
        if let Some(spare) = self.spare.get_mut(index)
            && spare.len() < SPARE_SMALLEST >> index
        {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

fn size_index(bytes: usize) -> usize {
    (bytes.max(SMALLEST_BYTES).ilog2() - SMALLEST_BYTES.ilog2()) as usize
}

const SMALLEST_BYTES: usize = 64;
const LARGEST_BYTES: usize = SMALLEST_BYTES << (SIZES - 1);
/// 64 bytes to 64 KiB.
const SIZES: usize = 11;
/// What is kept of each size to be used again, in buffers of the smallest one: 128 KiB.
const SPARE_SMALLEST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::memory::Budget;

    #[test]
    fn buffers_fit_what_is_in_them_and_come_back() {
        let mut store = Store::new(Account::new(Budget::new(0)));
        let mut buffer = Vec::new();
        let mut sizes = Vec::new();
        for _ in 0..100 {
            store.append(&mut buffer, &[7; 1000]);
            sizes.push(buffer.capacity());
        }
        assert!(buffer.len() == 100_000 && buffer.iter().all(|byte| *byte == 7));
        assert_eq!(sizes[..5], [1024, 2048, 4096, 4096, 8192]);
        let used: Vec<usize> = store.spare.iter().map(Vec::len).collect();
        assert_eq!(used, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0], "the last one grew beyond what is kept");
        let mut again = Vec::new();
        store.append(&mut again, &[1; 3000]);
        assert_eq!((again.capacity(), store.spare[6].len()), (4096, 0));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut store = Store::new(Account::new(Budget::new(0)));
        for size in 0..20 {
            for _ in 0..10_000 {
                store.recycle(Vec::with_capacity(1 << size));
            }
        }
        let kept: usize = store.spare.iter().flatten().map(Vec::capacity).sum();
        assert_eq!(kept, SIZES * SPARE_SMALLEST * SMALLEST_BYTES);
    }
}
