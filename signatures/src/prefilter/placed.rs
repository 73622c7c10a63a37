//! Patterns that stand at one place of a buffer.
//!
//! One look at each place where some pattern begins: mostly the first byte tells that none has it. Else up to four bytes there are
//! hashed with the place, and a bitmap tells whether any pattern has them.

use std::collections::BTreeMap;

use super::PatternId;
use super::patterns::Patterns;

/// A pattern, by its place and first bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u32,
    pattern: PatternId,
}

/// A place, and how many bytes are looked at there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    place: u16,
    bytes: u8,
}

/// The first bytes that patterns have, one bit for each.
type FirstBytes = [u64; 4];

/// The filter.
#[derive(Debug)]
pub(super) struct Placed {
    looks: Vec<(Look, FirstBytes)>,
    bitmap: Vec<u64>,
    shift: u32,
    /// Sorted by key.
    entries: Vec<Entry>,
}

const BITS_EACH: usize = 64;

impl Placed {
    /// The filter of patterns with their places; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, u16, &'a [u8])>) -> Option<Self> {
        let (mut looks, mut entries): (BTreeMap<Look, FirstBytes>, Vec<Entry>) = Default::default();
        for (pattern, place, bytes) in patterns {
            let count = u8::try_from(bytes.len().min(4)).unwrap_or(4);
            let look = Look { place, bytes: count };
            let mut first = [0; 4];
            first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            if let Some(word) = looks.entry(look).or_default().get_mut(usize::from(first[0] >> 6)) {
                *word |= 1 << (first[0] & 63);
            }
            entries.push(Entry { key: key(look, u32::from_le_bytes(first)), pattern });
        }
        if entries.is_empty() {
            return None;
        }
        entries.sort_unstable_by_key(|entry| (entry.key, entry.pattern));
        let bits = (entries.len() * BITS_EACH).next_power_of_two().max(1 << 10);
        let shift = 32 - bits.trailing_zeros();
        let mut bitmap = vec![0; bits / 64];
        for entry in &entries {
            let bit = entry.key >> shift;
            if let Some(word) = bitmap.get_mut((bit / 64) as usize) {
                *word |= 1_u64 << (bit % 64);
            }
        }
        Some(Self { looks: looks.into_iter().collect(), bitmap, shift, entries })
    }

    /// Calls `found` for each pattern that stands at its place. `text` is in lower case, with padding behind its first `length` bytes;
    /// `place_of` tells a pattern's place.
    #[inline]
    pub(super) fn scan(&self, text: &[u8], length: usize, patterns: &Patterns, found: &mut impl FnMut(PatternId)) {
        for (look, first_bytes) in &self.looks {
            let place = usize::from(look.place);
            if place >= length {
                return;
            }
            let first = text.get(place).copied().unwrap_or(0);
            if first_bytes.get(usize::from(first >> 6)).is_none_or(|word| word >> (first & 63) & 1 == 0) {
                continue;
            }
            let Some(bytes) = text.get(place..).and_then(<[u8]>::first_chunk) else { return };
            let key = key(*look, u32::from_le_bytes(*bytes) & (u32::MAX >> (32 - 8 * u32::from(look.bytes))));
            let bit = key >> self.shift;
            let is_set = self.bitmap.get((bit / 64) as usize).copied().unwrap_or(0) >> (bit % 64) & 1 != 0;
            if is_set {
                self.compare(text.get(place..length).unwrap_or(&[]), key, patterns, found);
            }
        }
    }

    fn compare(&self, rest: &[u8], key: u32, patterns: &Patterns, found: &mut impl FnMut(PatternId)) {
        let from = self.entries.partition_point(|entry| entry.key < key);
        for entry in self.entries.get(from..).unwrap_or(&[]).iter().take_while(|entry| entry.key == key) {
            if rest.starts_with(patterns.get(entry.pattern)) {
                found(entry.pattern);
            }
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.looks.len() * size_of::<(Look, FirstBytes)>()
            + self.bitmap.len() * 8
            + self.entries.len() * size_of::<Entry>()
    }
}

#[inline]
fn key(look: Look, bytes: u32) -> u32 {
    (bytes ^ (u32::from(look.place) << 3 | u32::from(look.bytes)).wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b1)
}
