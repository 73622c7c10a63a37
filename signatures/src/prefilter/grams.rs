//! Patterns of five bytes and more, each known by two grams of four bytes that follow each other.
//!
//! One of the two starts at an even place of a text wherever the pattern stands, so that only these are hashed; a bitmap tells whether
//! any pattern has the gram there, and few places pass. Those look up the gram, and the one before it, in sorted buckets, compare four
//! further bytes of the pattern, and then the whole. Grams are chosen where they are rarest in traffic, and those that are everywhere,
//! such as runs of one byte, are not used. Text is folded to lower case before.

use super::PatternId;
use super::bitmap::Bitmap;
use super::patterns::Patterns;
use super::rarity::{GRAM, has_grams, rarest_grams, rarity};

/// A pattern in the table, by the first of its two grams.
#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    pattern: PatternId,
    /// Where the gram stands in the pattern.
    offset: u16,
    /// Four bytes of the pattern that are compared first, and where they stand.
    check_offset: u16,
    check: u32,
}

/// The filter.
#[derive(Debug)]
pub(super) struct Grams {
    pub(super) bitmap: Bitmap,
    /// First entry of each bucket, by the upper bits of the same hash.
    buckets: Vec<u32>,
    bucket_shift: u32,
    entries: Vec<Entry>,
}

/// Bitmap bits for each pattern: about one place in two hundred passes by chance.
const BITS_EACH: usize = 64;
/// Places from one gram that is read to the next.
pub(super) const STRIDE: usize = 2;

impl Grams {
    /// Whether a pattern has grams that it can be known by.
    pub(super) fn suits(pattern: &[u8]) -> bool {
        has_grams(pattern)
    }

    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seconds = Vec::new();
        for (pattern, bytes) in patterns {
            let Some(offset) = rarest_grams(bytes) else { continue };
            let check_offset = rarest_check(bytes, offset);
            let (Some(gram), Some(check)) = (word(bytes, offset), word(bytes, check_offset)) else { continue };
            let (Ok(offset), Ok(check_offset)) = (u16::try_from(offset), u16::try_from(check_offset)) else { continue };
            entries.push(Entry { gram, pattern, offset, check_offset, check });
            seconds.extend(word(bytes, usize::from(offset) + 1));
        }
        if entries.is_empty() {
            return None;
        }
        let mut bitmap = Bitmap::new((entries.len() * BITS_EACH).max(1 << 12), FACTOR);
        let bucket_count = entries.len().next_power_of_two().max(64);
        let bucket_shift = 32 - bucket_count.trailing_zeros();
        entries.sort_by_key(|e| (hash(e.gram) >> bucket_shift, e.gram, e.pattern));
        let mut buckets = vec![0u32; bucket_count + 1];
        for entry in &entries {
            bitmap.insert(entry.gram);
            if let Some(count) = buckets.get_mut((hash(entry.gram) >> bucket_shift) as usize + 1) {
                *count += 1;
            }
        }
        seconds.into_iter().for_each(|gram| bitmap.insert(gram));
        let mut total = 0;
        for start in &mut buckets {
            total += *start;
            *start = total;
        }
        Some(Self { bitmap, buckets, bucket_shift, entries })
    }

    /// Compares the patterns of which a gram stands at a place that passed; `found` is told which, and where they start. How many there
    /// were.
    #[inline]
    pub(super) fn compare(
        &self,
        text: &[u8],
        position: usize,
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId, usize),
    ) -> usize {
        let before = position.checked_sub(1).map_or(0, |before| self.compare_first(text, before, patterns, found));
        before + self.compare_first(text, position, patterns, found)
    }

    /// Compares the patterns whose first gram stands at a place.
    #[inline]
    fn compare_first(
        &self,
        text: &[u8],
        position: usize,
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId, usize),
    ) -> usize {
        let Some(gram) = word(text, position).filter(|gram| self.bitmap.contains(*gram)) else { return 0 };
        let bucket = (hash(gram) >> self.bucket_shift) as usize;
        let (Some(&start), Some(&end)) = (self.buckets.get(bucket), self.buckets.get(bucket + 1)) else { return 0 };
        let entries = self.entries.get(start as usize..end as usize).unwrap_or(&[]);
        for entry in entries {
            if entry.gram != gram {
                continue;
            }
            let Some(from) = position.checked_sub(usize::from(entry.offset)) else { continue };
            if word(text, from + usize::from(entry.check_offset)) == Some(entry.check)
                && text.get(from..).is_some_and(|rest| rest.starts_with(patterns.get(entry.pattern)))
            {
                found(entry.pattern, from);
            }
        }
        entries.len()
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bitmap.memory_bytes() + self.buckets.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}

/// Where the four bytes stand that tell most beside a window: as far away from it as there is room.
fn rarest_check(pattern: &[u8], window: usize) -> usize {
    let last = pattern.len().saturating_sub(GRAM);
    let (before, behind) = (window.saturating_sub(GRAM).min(last), (window + GRAM).min(last));
    let worth = |at: usize| (at.abs_diff(window).min(GRAM), rarity(pattern.get(at..at + GRAM).unwrap_or(&[])));
    if worth(before) > worth(behind) { before } else { behind }
}

/// The four bytes at a place, if they are there.
#[inline]
pub(super) fn word(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(FACTOR)
}

/// The factor of the hash: its upper bits depend on all of the gram.
const FACTOR: u32 = 0x9e37_79b1;
