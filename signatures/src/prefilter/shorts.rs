//! Patterns of one to three bytes.
//!
//! A bitmap over pairs of neighbouring bytes tells positions where one of two or three bytes may start; patterns of one byte
//! are looked for by themselves.

use super::PatternId;

/// The filter.
#[derive(Debug)]
pub(super) struct Shorts {
    singles: Vec<(u8, PatternId)>,
    /// One bit for each pair of first bytes; empty where there are only singles.
    pairs: Vec<u64>,
    /// First two bytes, third byte if there is one, pattern; sorted.
    entries: Vec<(u16, Option<u8>, PatternId)>,
}

impl Shorts {
    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut filter = Self { singles: Vec::new(), pairs: Vec::new(), entries: Vec::new() };
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
            for &(pair, _, _) in &filter.entries {
                if let Some(word) = filter.pairs.get_mut(usize::from(pair / 64)) {
                    *word |= 1 << (pair % 64);
                }
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
            let pair = u16::from_be_bytes([a, b]);
            if self.pairs.get(usize::from(pair / 64)).is_some_and(|word| word & (1 << (pair % 64)) != 0) {
                let third = text.get(position + 2).copied();
                let start = self.entries.partition_point(|e| e.0 < pair);
                for entry in self.entries.get(start..).unwrap_or(&[]).iter().take_while(|e| e.0 == pair) {
                    if entry.1.is_none() || entry.1 == third {
                        found(entry.2);
                    }
                }
            }
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.pairs.len() * 8 + self.entries.len() * size_of::<(u16, Option<u8>, PatternId)>() + self.singles.len() * 8
    }
}
