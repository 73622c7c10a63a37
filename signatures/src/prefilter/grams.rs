//! Patterns of four bytes and more, each known by its rarest four-byte gram.
//!
//! A scan hashes the gram at every position and asks a bitmap whether any pattern has it; few positions pass. Those look up
//! the patterns of the gram in a table of sorted buckets and compare the whole pattern. Text is folded to lower case before.

use super::PatternId;
use super::rarity::rarest_window;

/// Bytes in a gram.
pub(super) const GRAM: usize = 4;

/// A pattern in the table: where its gram stands in it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    pattern: PatternId,
    offset: u16,
}

/// The filter.
#[derive(Debug)]
pub(super) struct Grams {
    /// One bit for each hash value.
    bitmap: Vec<u64>,
    /// Shift that leaves the bits of a bitmap index.
    bitmap_shift: u32,
    /// First entry of each bucket, by the upper bits of the same hash.
    buckets: Vec<u32>,
    bucket_shift: u32,
    entries: Vec<Entry>,
}

/// Bitmap bits for each pattern: about one position in thirty-two passes by chance.
const BITS_EACH: usize = 32;

impl Grams {
    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut entries: Vec<Entry> = patterns
            .filter_map(|(pattern, bytes)| {
                let offset = rarest_window(bytes, GRAM);
                let gram = u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?);
                Some(Entry { gram, pattern, offset: u16::try_from(offset).ok()? })
            })
            .collect();
        if entries.is_empty() {
            return None;
        }
        let bitmap_bits = (entries.len() * BITS_EACH).next_power_of_two().max(1 << 12);
        let bucket_count = entries.len().next_power_of_two().max(64);
        let bitmap_shift = 32 - bitmap_bits.trailing_zeros();
        let bucket_shift = 32 - bucket_count.trailing_zeros();
        entries.sort_by_key(|e| (hash(e.gram) >> bucket_shift, e.gram, e.pattern));
        let mut bitmap = vec![0u64; bitmap_bits / 64];
        let mut buckets = vec![0u32; bucket_count + 1];
        for entry in &entries {
            let bit = hash(entry.gram) >> bitmap_shift;
            if let Some(word) = bitmap.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
            if let Some(count) = buckets.get_mut((hash(entry.gram) >> bucket_shift) as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut buckets {
            total += *start;
            *start = total;
        }
        Some(Self { bitmap, bitmap_shift, buckets, bucket_shift, entries })
    }

    /// Calls `found` for each occurrence of a pattern; `text` and `patterns` are in lower case.
    #[inline]
    pub(super) fn scan(&self, text: &[u8], patterns: &[Box<[u8]>], found: &mut impl FnMut(PatternId)) {
        for (position, window) in text.windows(GRAM).enumerate() {
            let Some(gram) = window.first_chunk() else { continue };
            let gram = u32::from_le_bytes(*gram);
            let hash = hash(gram);
            let bit = hash >> self.bitmap_shift;
            if self.bitmap.get((bit / 64) as usize).is_some_and(|word| word & (1 << (bit % 64)) != 0) {
                self.compare(text, position, gram, hash, patterns, found);
            }
        }
    }

    #[cold]
    fn compare(
        &self,
        text: &[u8],
        position: usize,
        gram: u32,
        hash: u32,
        patterns: &[Box<[u8]>],
        found: &mut impl FnMut(PatternId),
    ) {
        let bucket = (hash >> self.bucket_shift) as usize;
        let (Some(&start), Some(&end)) = (self.buckets.get(bucket), self.buckets.get(bucket + 1)) else { return };
        for entry in self.entries.get(start as usize..end as usize).unwrap_or(&[]) {
            if entry.gram != gram {
                continue;
            }
            let Some(from) = position.checked_sub(usize::from(entry.offset)) else { continue };
            if let (Some(rest), Some(pattern)) = (text.get(from..), patterns.get(entry.pattern as usize))
                && rest.starts_with(pattern)
            {
                found(entry.pattern);
            }
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bitmap.len() * 8 + self.buckets.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}

#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1) ^ (gram.wrapping_mul(0x85eb_ca6b) >> 15)
}
