//! Packet or buffer to candidates: which of many byte strings occur in a buffer, with one scan for all of them.
//!
//! [`Prefilter`] answers with every pattern that may occur: case is ignored here and settled by the verifier, which looks
//! again anyway. Several filters share the work: [`placed`] has the patterns that can stand at one place only, [`grams`] those of four bytes
//! and more, [`shorts`] those of one to three, which the plan avoids where a rule has anything better; where there are very few, each is
//! looked for by itself. Grams and shorts are read by [`lanes`], eight places at once.

mod grams;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod placed;
mod rarity;
mod shorts;

use memchr::memmem::Finder;

pub(crate) use rarity::rarity;

use grams::{Grams, PADDING};
use placed::Placed;
use shorts::Shorts;

/// Index of a pattern, in the order in which they were added.
pub type PatternId = u32;

/// So few patterns of a kind are each looked for by themselves.
const FEW: usize = 8;

/// A set of byte strings.
#[derive(Debug, Default, Hash)]
pub struct PatternSet {
    patterns: Vec<Box<[u8]>>,
    /// Where those stand that have one place.
    places: Vec<Option<u16>>,
}

impl PatternSet {
    /// Adds a pattern of at least one byte; ASCII case does not matter.
    pub fn add(&mut self, bytes: &[u8]) -> PatternId {
        self.add_at(bytes, None)
    }

    /// Adds a pattern that stands at one place, if there is one.
    pub fn add_at(&mut self, bytes: &[u8], place: Option<u16>) -> PatternId {
        let id = self.patterns.len();
        self.patterns.push(bytes.to_ascii_lowercase().into_boxed_slice());
        self.places.push(place);
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Compiles the set.
    pub fn compile(self) -> Prefilter {
        let numbered = || (0..).zip(&self.patterns).zip(&self.places);
        let placed = numbered().filter_map(|((id, pattern), place)| Some((id, (*place)?, &**pattern)));
        let placed = Placed::new(placed);
        let (mut known, mut short, mut few): (Vec<(PatternId, &[u8])>, Vec<_>, Vec<_>) = Default::default();
        for ((id, pattern), _) in numbered().filter(|(_, place)| place.is_none()) {
            let lot = match pattern.len() {
                0..=3 => &mut short,
                _ if Grams::suits(pattern) => &mut known,
                _ => &mut few,
            };
            lot.push((id, pattern));
        }
        for lot in [&mut known, &mut short].into_iter().filter(|lot| lot.len() <= FEW) {
            few.append(lot);
        }
        let few = few.iter().map(|(id, bytes)| (*id, Finder::new(bytes).into_owned())).collect();
        let grams = Grams::new(known.into_iter());
        let shorts = Shorts::new(short.into_iter());
        Prefilter { placed, few, shorts, grams, patterns: self.patterns }
    }
}

/// A compiled set of byte strings.
#[derive(Debug, Default)]
pub struct Prefilter {
    patterns: Vec<Box<[u8]>>,
    placed: Option<Placed>,
    few: Vec<(PatternId, Finder<'static>)>,
    shorts: Option<Shorts>,
    grams: Option<Grams>,
}

/// A buffer as prefilters read it: in lower case. It is folded once for all of them.
#[derive(Debug, Default)]
pub struct Folded {
    /// The bytes, and [`PADDING`] more.
    text: Vec<u8>,
}

impl Folded {
    /// Takes another buffer.
    pub fn fold(&mut self, buffer: &[u8]) {
        self.text.clear();
        self.text.extend(buffer.iter().map(u8::to_ascii_lowercase));
        self.text.extend([0; PADDING]);
    }

    fn len(&self) -> usize {
        self.text.len().saturating_sub(PADDING)
    }
}

/// Which patterns a scan has met; a worker has one for all of its prefilters.
#[derive(Debug, Default)]
pub struct Scratch {
    stamps: Vec<u32>,
    stamp: u32,
}

impl Prefilter {
    /// Calls `found` once for each pattern that occurs in a buffer, at its place if it has one, ASCII case ignored.
    pub fn scan(&self, buffer: &Folded, scratch: &mut Scratch, mut found: impl FnMut(PatternId)) {
        let (text, length) = (buffer.text.as_slice(), buffer.len());
        let own = text.get(..length).unwrap_or(text);
        for (id, finder) in &self.few {
            if finder.find(own).is_some() {
                found(*id);
            }
        }
        let Scratch { stamps, stamp } = scratch;
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
        if let Some(placed) = &self.placed {
            placed.scan(text, length, &self.patterns, &mut once);
        }
        if let Some(grams) = &self.grams {
            grams.scan(text, length, &self.patterns, &mut once);
        }
        if let Some(shorts) = &self.shorts {
            shorts.scan(text, length, &mut once);
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
            + self.few.len() * size_of::<(PatternId, Finder<'static>)>()
            + self.placed.as_ref().map_or(0, Placed::memory_bytes)
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
        let mut folded = Folded::default();
        folded.fold(buffer);
        set.compile().scan(&folded, &mut Scratch::default(), |id| found.push(id));
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

    #[test]
    fn a_pattern_with_a_place_is_found_there_alone() {
        let mut set = PatternSet::default();
        for (pattern, place) in [("GET ", 0), ("ab", 3), ("x", 1), ("smb", 4), ("longer one", 5)] {
            set.add_at(pattern.as_bytes(), Some(place));
        }
        let (prefilter, mut folded) = (set.compile(), Folded::default());
        for (buffer, expected) in [
            ("get /", vec![0]),
            (" get /", vec![]),
            ("...AB", vec![1]),
            ("..ab", vec![]),
            ("\u{1}X..SMB", vec![2, 3]),
            ("xxxxxlonger one", vec![2, 4]),
            ("x", vec![]),
            ("", vec![]),
        ] {
            let mut found = Vec::new();
            folded.fold(buffer.as_bytes());
            prefilter.scan(&folded, &mut Scratch::default(), |id| found.push(id));
            found.sort_unstable();
            assert_eq!(found, expected, "{buffer:?}");
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
