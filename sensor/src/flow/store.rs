//! Memory of streams: what they are charged to, and buffers to be used again.
//!
//! Buffers come in sizes of which each is a quarter of a power of two larger than the one before. A stream that waits, as most do, for the last bytes of an answer to be acknowledged or
//! inspected keeps them in the smallest one that fits, and those of busy streams come from here and go back without the allocator.

use crate::decode::memory::Account;

/// What the streams of one table share.
#[derive(Debug)]
pub struct Store {
    account: Account,
    /// By size, from [`SMALLEST_BYTES`] on.
    spare: [Vec<Vec<u8>>; SIZES],
    refused_segments: u64,
    refused_bytes: u64,
    /// Of the refused segments those for which there was no place.
    placeless: u64,
    /// Buffers that were used again, and new ones.
    buffers: (u64, u64),
}

impl Store {
    /// A store that draws from `account`.
    pub fn new(account: Account) -> Self {
        Self {
            account,
            spare: [const { Vec::new() }; SIZES],
            refused_segments: 0,
            refused_bytes: 0,
            placeless: 0,
            buffers: (0, 0),
        }
    }

    /// Bytes that streams are charged with.
    pub fn used_bytes(&self) -> usize {
        self.account.used_bytes()
    }

    /// Segments that were dropped because memory or places for early segments had run out, and their bytes.
    pub fn refused(&self) -> (u64, u64) {
        (self.refused_segments, self.refused_bytes)
    }

    /// Of those the segments for which all places for early ones were taken.
    pub(super) fn placeless(&self) -> u64 {
        self.placeless
    }

    /// Buffers of streams that were used again, and those that were made.
    pub(super) fn buffers(&self) -> (u64, u64) {
        self.buffers
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

    /// Counts a segment for which all places for early ones were taken.
    pub(super) fn refuse_place(&mut self, bytes: usize) {
        self.refuse(bytes);
        self.placeless += 1;
    }

    /// Appends to a buffer, which is exchanged for a larger one where it is too small.
    pub(super) fn append(&mut self, buffer: &mut Vec<u8>, data: &[u8]) {
        let wanted = buffer.len().saturating_add(data.len());
        if wanted > buffer.capacity() && wanted <= LARGEST_BYTES {
            // What grows once will again: then by half at least, so that each byte is moved a few times at most.
            let half = buffer.capacity() + buffer.capacity() / 2;
            let bytes = fitting(wanted.max(half.min(LARGEST_BYTES)));
            let spare = self.spare.get_mut(size_index(bytes)).and_then(Vec::pop);
            let (again, made) = &mut self.buffers;
            *(if spare.is_some() { again } else { made }) += 1;
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
            && spare.len() < (SPARE_SMALLEST >> (index / STEPS)).max(1)
        {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// The smallest size of buffers that so many bytes fit into.
fn fitting(bytes: usize) -> usize {
    let bytes = bytes.max(SMALLEST_BYTES);
    bytes.next_multiple_of(bytes.next_power_of_two() / (2 * STEPS))
}

/// The place of the largest size that is at most `bytes`.
fn size_index(bytes: usize) -> usize {
    let bytes = bytes.max(SMALLEST_BYTES);
    let doublings = bytes.ilog2() - SMALLEST_BYTES.ilog2();
    let within = (bytes >> (doublings + SMALLEST_BYTES.ilog2() - STEPS.ilog2())) % STEPS;
    doublings as usize * STEPS + within
}

const SMALLEST_BYTES: usize = 64;
const LARGEST_BYTES: usize = 64 * 1024;
/// Sizes from one power of two to the next.
const STEPS: usize = 4;
const SIZES: usize = (LARGEST_BYTES / SMALLEST_BYTES).ilog2() as usize * STEPS + 1;
/// Buffers of the smallest size that are kept to be used again; half as many of those of twice the size, and so on: 32 KiB
/// and more of each.
const SPARE_SMALLEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::memory::Budget;

    #[test]
    fn sizes_have_a_place_each_and_waste_a_quarter_at_most() {
        let mut sizes = vec![];
        for bytes in 1..=LARGEST_BYTES {
            let size = fitting(bytes);
            assert!(size >= bytes && (size * 4 <= bytes * 5 || size == SMALLEST_BYTES), "{bytes} {size}");
            assert!(size_index(bytes) <= size_index(size));
            if sizes.last() != Some(&size) {
                assert_eq!(size_index(size), sizes.len(), "{size}");
                sizes.push(size);
            }
        }
        assert_eq!((sizes.len(), sizes[1], sizes[SIZES - 1]), (SIZES, 80, LARGEST_BYTES));
    }

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
        sizes.dedup();
        assert_eq!(sizes[..5], [1024, 2048, 3072, 5120, 8192]);
        let kept: Vec<usize> = store.spare.iter().flatten().map(Vec::capacity).collect();
        assert_eq!(kept[..4], [1024, 2048, 3072, 5120]);
        let mut again = Vec::new();
        store.append(&mut again, &[1; 3000]);
        assert_eq!((again.capacity(), store.spare[size_index(3072)].len()), (3072, 0));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut store = Store::new(Account::new(Budget::new(0)));
        for size in 1..=LARGEST_BYTES / 16 {
            for _ in 0..100 {
                store.recycle(Vec::with_capacity(size * 16));
            }
        }
        let kept: usize = store.spare.iter().flatten().map(Vec::capacity).sum();
        assert!(kept < SIZES * SPARE_SMALLEST * SMALLEST_BYTES * 2, "{kept}");
        assert!(kept > SIZES * SPARE_SMALLEST * SMALLEST_BYTES / 2, "{kept}");
    }
}
