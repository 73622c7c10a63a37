//! Patterns of one to three bytes.
//!
//! A bitmap over pairs of neighbouring bytes tells positions where one of two or three bytes may start; patterns of one byte
//! are looked for by themselves.

use super::PatternId;

/// The filter.
#[derive(Debug, Default)]
pub(super) struct Shorts {
    singles: Vec<(u8, PatternId)>,
    /// One bit for each pair of first bytes; empty where there are only singles.
    pairs: Vec<u64>,
    /// One bit for each pair of second and third byte; where there is no third one, for each that could be.
    tails: Vec<u64>,
    /// How many pairs the words before each have.
    ranks: Vec<u16>,
    /// Where each pair's entries begin, in the order of pairs, and where the last one's end.
    starts: Vec<u32>,
    /// First two bytes, third byte if there is one, pattern; sorted.
    entries: Vec<(u16, Option<u8>, PatternId)>,
}

impl Shorts {
    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut filter = Self { singles: Vec::new(), ..Self::default() };
        for (id, bytes) in patterns {
            match *bytes {
                [a] => filter.singles.push((a, id)),
                [a, b] => filter.entries.push((u16::from_be_bytes([a, b]), None, id)),
                [a, b, c] => filter.entries.push((u16::from_be_bytes([a, b]), Some(c), id)),
                _ => {}
            }
        }
        if filter.singles.is_empty() && filter.entries.is_empty() {
            return None;
        }
        filter.entries.sort_unstable();
        if !filter.entries.is_empty() {
            filter.pairs = vec![0; 1 << 10];
            filter.tails = vec![0; 1 << 10];
            let mut before = None;
            for (at, &(pair, third, _)) in (0..).zip(&filter.entries) {
                if let Some(word) = filter.pairs.get_mut(usize::from(pair / 64)) {
                    *word |= 1 << (pair % 64);
                }
                let second = usize::from(pair & 0xff) << 2;
                match (third, filter.tails.get_mut(second..second + 4)) {
                    (Some(third), Some(words)) => {
                        if let Some(word) = words.get_mut(usize::from(third >> 6)) {
                            *word |= 1 << (third & 63);
                        }
                    }
                    (_, Some(words)) => words.fill(u64::MAX),
                    (_, None) => {}
                }
                if before.replace(pair) != Some(pair) {
                    filter.starts.push(at);
                }
            }
            filter.starts.push(u32::try_from(filter.entries.len()).unwrap_or(u32::MAX));
            let mut rank = 0;
            for word in &filter.pairs {
                filter.ranks.push(rank);
                rank = rank.saturating_add(u16::try_from(word.count_ones()).unwrap_or(0));
            }
        }
        Some(filter)
    }

    /// Calls `found` for each occurrence of a pattern; `text` is in lower case.
    pub(super) fn scan(&self, text: &[u8], found: &mut impl FnMut(PatternId)) {
        for &(byte, id) in &self.singles {
            if memchr::memchr(byte, text).is_some() {
                found(id);
            }
        }
        if self.pairs.is_empty() {
            return;
        }
        for (position, window) in text.windows(2).enumerate() {
            let &[a, b] = window else { continue };
            let (word, bit) = (usize::from(a) << 2 | usize::from(b >> 6), 1_u64 << (b & 63));
            let Some(pairs) = self.pairs.get(word).filter(|pairs| **pairs & bit != 0) else { continue };
            let third = text.get(position + 2).copied();
            let tail = usize::from(b) << 2 | usize::from(third.unwrap_or(0) >> 6);
            let fits = self.tails.get(tail).is_some_and(|word| word >> (third.unwrap_or(0) & 63) & 1 != 0);
            if third.is_some() && !fits {
                continue;
            }
            for entry in self.entries_of(word, *pairs, bit) {
                if entry.1.is_none() || entry.1 == third {
                    found(entry.2);
                }
            }
        }
    }

    /// The entries of a pair by its word and its bit in it.
    #[inline]
    fn entries_of(&self, word: usize, pairs: u64, bit: u64) -> &[(u16, Option<u8>, PatternId)] {
        let within = (pairs & (bit - 1)).count_ones() as usize;
        let rank = usize::from(self.ranks.get(word).copied().unwrap_or(0)) + within;
        let Some(&[start, end]) = self.starts.get(rank..rank + 2) else { return &[] };
        self.entries.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        (self.pairs.len() + self.tails.len()) * 8
            + self.ranks.len() * 2
            + self.starts.len() * 4
            + self.entries.len() * size_of::<(u16, Option<u8>, PatternId)>()
            + self.singles.len() * 8
    }
}
