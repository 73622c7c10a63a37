//! Patterns of four bytes and more, each known by one gram of four bytes.
//!
//! A scan hashes the gram at every place and asks a bitmap whether any pattern has it; few places pass. Those look up the gram in
//! sorted buckets, compare four further bytes of the pattern, and then the whole. Grams are chosen where they are rarest in traffic, and
//! those that are everywhere, such as runs of one byte, are not used. Text is folded to lower case before.

use super::PatternId;
use super::bitmap::Bitmap;
#[cfg(target_arch = "x86_64")]
use super::lanes::{BLOCK, Lanes};
use super::patterns::Patterns;
use super::rarity::{GRAM, rarest_gram, rarity};
use super::shorts::Shorts;

/// A pattern in the table, by one of its grams.
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
    bitmap: Bitmap,
    /// First entry of each bucket, by the upper bits of the same hash.
    buckets: Vec<u32>,
    bucket_shift: u32,
    entries: Vec<Entry>,
}

/// Bitmap bits for each gram: about one place in two hundred passes by chance.
const BITS_EACH: usize = 32;
/// Places that are looked at before the first branch.
#[cfg(not(target_arch = "x86_64"))]
const BLOCK: usize = 16;
/// Bytes behind the text that are read and do not matter.
pub(super) const PADDING: usize = 32;

impl Grams {
    /// Whether a pattern has grams that it can be known by.
    pub(super) fn suits(pattern: &[u8]) -> bool {
        rarest_gram(pattern).is_some()
    }

    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        for (pattern, bytes) in patterns {
            let Some(offset) = rarest_gram(bytes) else { continue };
            let check_offset = rarest_check(bytes, offset);
            let (Some(gram), Some(check)) = (word(bytes, offset), word(bytes, check_offset)) else { continue };
            let (Ok(offset), Ok(check_offset)) = (u16::try_from(offset), u16::try_from(check_offset)) else { continue };
            entries.push(Entry { gram, pattern, offset, check_offset, check });
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
        let mut total = 0;
        for start in &mut buckets {
            total += *start;
            *start = total;
        }
        Some(Self { bitmap, buckets, bucket_shift, entries })
    }

    /// Calls `found` for occurrences of patterns in the first `length` bytes of `text`, at least once for each that occurs. `text` and
    /// `patterns` are in lower case; behind the text stand [`PADDING`] further bytes. Gives up where that takes more comparisons than
    /// `budget` has: then it is spent.
    #[inline]
    pub(super) fn scan(
        &self,
        text: &[u8],
        length: usize,
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId),
    ) {
        let Some(last) = length.checked_sub(GRAM) else { return };
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = self.lanes() {
            return lanes.scan(text, last, |block, hits| {
                self.block(text, length, (block, hits), patterns, budget, found);
                *budget > 0
            });
        }
        self.scan_plainly(text, length, patterns, budget, found);
    }

    /// The same, with the patterns of one to three bytes of `shorts`, in one pass over the text where there are vectors.
    #[inline]
    pub(super) fn scan_with(
        &self,
        shorts: &Shorts,
        text: &[u8],
        length: usize,
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId),
    ) {
        #[cfg(target_arch = "x86_64")]
        if let (Some(own), Some(pairs), Some(last)) = (self.lanes(), shorts.lanes(), length.checked_sub(2)) {
            let whole = text.get(..length).unwrap_or(text);
            shorts.scan_singles(whole, found);
            return own.scan_both(&pairs, text, last, |block, hits, pairs| {
                if hits != 0 {
                    self.block(text, length, (block, hits), patterns, budget, found);
                }
                shorts.block(whole, block, pairs, found);
                *budget > 0
            });
        }
        self.scan(text, length, patterns, budget, found);
        shorts.scan(text, length, found);
    }

    #[cfg(target_arch = "x86_64")]
    fn lanes(&self) -> Option<Lanes<'_>> {
        Lanes::new(&self.bitmap)
    }

    /// The same without vector instructions.
    pub(super) fn scan_plainly(
        &self,
        text: &[u8],
        length: usize,
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId),
    ) {
        let mut position = 0;
        // A block at a time: the bits of several places are joined before the only branch.
        while position + GRAM <= length && *budget > 0 {
            let Some(block) = text.get(position..).and_then(<[u8]>::first_chunk::<32>) else { return };
            let hits = (0..BLOCK).fold(0, |hits, at| hits | u32::from(self.bitmap.contains(gram(block, at))) << at);
            if hits != 0 {
                self.block(text, length, (position, hits), patterns, budget, found);
            }
            position += BLOCK;
        }
    }

    /// Looks closer at those places of a block whose grams some pattern may have: one bit for each.
    #[inline(never)]
    fn block(
        &self,
        text: &[u8],
        length: usize,
        (block, mut hits): (usize, u32),
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId),
    ) {
        let own = text.get(..length).unwrap_or(text);
        while hits != 0 {
            let position = block + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            if let Some(gram) = word(own, position) {
                let compared = self.compare(own, position, gram, patterns, found);
                *budget = budget.saturating_sub(compared);
            }
        }
    }

    /// Compares the patterns of a gram at a place; how many there were.
    #[inline]
    fn compare(
        &self,
        text: &[u8],
        position: usize,
        gram: u32,
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId),
    ) -> usize {
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
                found(entry.pattern);
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

#[inline]
fn gram(block: &[u8; 32], at: usize) -> u32 {
    block.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The four bytes at a place, if they are there.
#[inline]
fn word(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(FACTOR)
}

/// The factor of the hash: its upper bits depend on all of the gram.
const FACTOR: u32 = 0x9e37_79b1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn vectors_see_what_the_plain_loop_sees(
            patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abc\x00".to_vec()), 4..12), 1..40),
            text in prop::collection::vec(prop::sample::select(b"abc\x00".to_vec()), 0..300),
        ) {
            let mut all = Patterns::default();
            let ids: Vec<PatternId> = patterns.into_iter().map(|pattern| all.push(pattern.into_iter())).collect();
            let suiting = ids.iter().map(|id| (*id, all.get(*id))).filter(|(_, pattern)| Grams::suits(pattern));
            let Some(filter) = Grams::new(suiting) else { return Ok(()) };
            let padded = [text.as_slice(), &[0; PADDING]].concat();
            let (mut plain, mut vectors) = (Vec::new(), Vec::new());
            filter.scan_plainly(&padded, text.len(), &all, &mut { usize::MAX }, &mut |id| plain.push(id));
            filter.scan(&padded, text.len(), &all, &mut { usize::MAX }, &mut |id| vectors.push(id));
            prop_assert_eq!(plain, vectors);
        }
    }
}
