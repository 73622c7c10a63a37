//! Packet or buffer to candidates: which of many byte strings occur in a buffer, with one scan for all of them.
//!
//! [`Prefilter`] answers with every pattern that may occur: case is ignored here and settled by the verifier, which looks
//! again anyway. Two filters share the work. [`grams`] stands for patterns of four bytes and more: each is known by its rarest
//! four-byte gram, a bitmap tells positions whose gram nobody has, and what is left is compared. [`shorts`] stands for patterns
//! of one to three bytes, which the plan avoids where a rule has anything better.

mod grams;
mod rarity;
mod shorts;

pub(crate) use rarity::rarity;

use grams::Grams;
use shorts::Shorts;

/// Index of a pattern, in the order in which they were added.
pub type PatternId = u32;

/// A set of byte strings.
#[derive(Debug, Default)]
pub struct PatternSet {
    patterns: Vec<Box<[u8]>>,
}

impl PatternSet {
    /// Adds a pattern of at least one byte; ASCII case does not matter.
    pub fn add(&mut self, bytes: &[u8]) -> PatternId {
        let id = self.patterns.len();
        self.patterns.push(bytes.to_ascii_lowercase().into_boxed_slice());
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Compiles the set.
    pub fn compile(self) -> Prefilter {
        let (long, short): (Vec<PatternId>, Vec<PatternId>) =
            (0..).take(self.patterns.len()).partition(|&id| self.bytes(id).len() >= grams::GRAM);
        let grams = Grams::new(long.iter().map(|&id| (id, self.bytes(id))));
        let shorts = Shorts::new(short.iter().map(|&id| (id, self.bytes(id))));
        Prefilter { patterns: self.patterns, grams, shorts }
    }

    fn bytes(&self, id: PatternId) -> &[u8] {
        self.patterns.get(id as usize).map_or(&[], |p| p)
    }
}

/// A compiled set of byte strings.
#[derive(Debug)]
pub struct Prefilter {
    patterns: Vec<Box<[u8]>>,
    grams: Option<Grams>,
    shorts: Option<Shorts>,
}

/// What one scan needs and the next one can use again: a worker has one for all of its prefilters.
#[derive(Debug, Default)]
pub struct Scratch {
    folded: Vec<u8>,
    stamps: Vec<u32>,
    stamp: u32,
}

impl Prefilter {
    /// Calls `found` once for each pattern that occurs in `buffer`, ASCII case ignored.
    pub fn scan(&self, buffer: &[u8], scratch: &mut Scratch, mut found: impl FnMut(PatternId)) {
        let Scratch { folded, stamps, stamp } = scratch;
        folded.clear();
        folded.extend(buffer.iter().map(u8::to_ascii_lowercase));
        if stamps.len() < self.patterns.len() {
            stamps.resize(self.patterns.len(), 0);
        }
        *stamp = stamp.wrapping_add(1);
        if *stamp == 0 {
            stamps.fill(0);
            *stamp = 1;
        }
        let mut once = |id: PatternId| {
            if let Some(seen) = stamps.get_mut(id as usize)
                && *seen != *stamp
            {
                *seen = *stamp;
                found(id);
            }
        };
        if let Some(grams) = &self.grams {
            grams.scan(folded, &self.patterns, &mut once);
        }
        if let Some(shorts) = &self.shorts {
            shorts.scan(folded, &mut once);
        }
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.patterns.iter().map(|p| p.len() + size_of::<Box<[u8]>>()).sum::<usize>()
            + self.grams.as_ref().map_or(0, Grams::memory_bytes)
            + self.shorts.as_ref().map_or(0, Shorts::memory_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(patterns: &[Vec<u8>], buffer: &[u8]) -> Vec<PatternId> {
        let mut set = PatternSet::default();
        for pattern in patterns {
            set.add(pattern);
        }
        let mut found = Vec::new();
        set.compile().scan(buffer, &mut Scratch::default(), |id| found.push(id));
        found.sort_unstable();
        found
    }

    fn reference(patterns: &[Vec<u8>], buffer: &[u8]) -> Vec<PatternId> {
        let engine = aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(patterns).unwrap();
        let mut found: Vec<_> = engine.find_overlapping_iter(buffer).map(|m| m.pattern().as_u32()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn patterns_of_every_length_are_found_at_both_ends() {
        let patterns: Vec<Vec<u8>> =
            ["a", "bc", "DEF", "ghij", "longer pattern"].iter().map(|p| p.as_bytes().to_vec()).collect();
        for (index, pattern) in patterns.iter().enumerate() {
            for buffer in [pattern.clone(), [b"....", &pattern[..]].concat(), [&pattern[..], b"...."].concat()] {
                let found = matches(&patterns, &buffer.to_ascii_uppercase());
                assert!(found.contains(&u32::try_from(index).unwrap()), "{index} in {buffer:?}");
                assert_eq!(found, reference(&patterns, &buffer));
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_simplest_matcher(
            patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abAB\x00 ".to_vec()), 1..9), 1..30),
            buffer in prop::collection::vec(prop::sample::select(b"abAB\x00 ".to_vec()), 0..300),
        ) {
            prop_assert_eq!(matches(&patterns, &buffer), reference(&patterns, &buffer));
        }
    }
}
