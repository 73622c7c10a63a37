//! The matcher of last resort: an automaton that takes the same time for each byte, whatever the bytes are.
//!
//! A hostile buffer can be made of near misses, each of which costs the other filters a comparison. Once they have spent what a
//! buffer may cost, this goes over it once. It is built when it is first needed, which on most links is never.

use std::collections::HashMap;

use daachorse::DoubleArrayAhoCorasick;

use super::PatternId;
use super::patterns::Patterns;

/// The automaton, and the patterns of each of its strings.
pub(super) struct Flat {
    automaton: DoubleArrayAhoCorasick<u32>,
    patterns: Vec<Vec<PatternId>>,
}

impl std::fmt::Debug for Flat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Flat").field("strings", &self.patterns.len()).finish()
    }
}

impl Flat {
    /// The automaton of some patterns; `None` where there are more than it can hold.
    pub(super) fn new(all: &Patterns, chosen: &[PatternId]) -> Option<Self> {
        let mut by_string: HashMap<&[u8], Vec<PatternId>> = HashMap::new();
        for &id in chosen {
            by_string.entry(all.get(id)).or_default().push(id);
        }
        let (strings, patterns): (Vec<&[u8]>, Vec<_>) = by_string.into_iter().unzip();
        let automaton = DoubleArrayAhoCorasick::new(strings).ok()?;
        Some(Self { automaton, patterns })
    }

    /// Calls `found` for each occurrence of a pattern, with where it starts.
    pub(super) fn scan(&self, text: &[u8], found: &mut impl FnMut(PatternId, usize)) {
        for hit in self.automaton.find_overlapping_iter(text) {
            self.patterns.get(hit.value() as usize).into_iter().flatten().for_each(|id| found(*id, hit.start()));
        }
    }
}
