//! Packet or buffer to candidates: which of many byte strings occur in a buffer, with one scan for all of them.
//!
//! [`Prefilter`] answers with every pattern that may occur: case is ignored here and settled by the verifier, which looks
//! again anyway. Several filters share the work: [`placed`] has the patterns that can stand at one place only, and [`floating`] those
//! that may stand anywhere in the text or in its head. There [`grams`] has those of five bytes and more and [`pairs`] those of two to
//! four, which the plan avoids where a rule has anything better; where there are very few, each is looked for by itself. Grams and
//! pairs are read by [`lanes`], many places at once. A text that costs too many comparisons goes through [`flat`].

mod bitmap;
mod flat;
mod floating;
mod grams;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod pairs;
mod patterns;
mod placed;
mod rarity;

pub(crate) use rarity::{rarest_byte, rarity};

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use floating::{Floating, PADDING, Text};
use grams::Grams;
use patterns::Patterns;
use placed::Placed;

/// Index of a pattern, in the order in which they were added.
pub type PatternId = u32;

/// Where a pattern may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// At this position alone.
    At(u16),
    /// It ends within so many bytes.
    Head(u16),
    /// Anywhere.
    Anywhere,
}

/// A set of byte strings.
#[derive(Debug, Default, Hash)]
pub struct PatternSet {
    patterns: Patterns,
    places: Vec<Place>,
}

impl PatternSet {
    /// Adds a pattern of at least one byte; ASCII case does not matter.
    pub fn add(&mut self, bytes: &[u8]) -> PatternId {
        self.add_at(bytes, Place::Anywhere)
    }

    /// Adds a pattern that matters at some places only.
    pub fn add_at(&mut self, bytes: &[u8], place: Place) -> PatternId {
        self.places.push(place);
        self.patterns.push(bytes.iter().map(u8::to_ascii_lowercase))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Compiles the set.
    pub fn compile(self) -> Prefilter {
        let Self { mut patterns, mut places } = self;
        patterns.shrink();
        places.shrink_to_fit();
        let mut at_place: HashMap<u16, usize> = HashMap::new();
        for place in &places {
            if let Place::At(at) = place {
                *at_place.entry(*at).or_default() += 1;
            }
        }
        // To look at a place in every text costs more than to find what tells enough wherever it stands.
        let is_placed = |id: PatternId, at: u16| {
            let pattern = patterns.get(id);
            let is_lonely = at_place.get(&at).is_none_or(|others| *others < WORTH_A_LOOK);
            !(is_lonely && Grams::suits(pattern) && rarity(pattern) >= TELLING)
        };
        let (mut placed, mut floating) = (Vec::new(), Vec::new());
        for (id, place) in (0..).zip(&places) {
            match *place {
                Place::At(at) if is_placed(id, at) => placed.push((id, at, patterns.get(id))),
                Place::At(at) => {
                    let at = usize::from(at);
                    floating.push((id, at..at + patterns.get(id).len()));
                }
                Place::Head(end) => floating.push((id, 0..usize::from(end))),
                Place::Anywhere => floating.push((id, 0..usize::MAX)),
            }
        }
        let placed = Placed::new(placed.into_iter());
        let floating = Floating::new(&patterns, floating.into_iter());
        Prefilter { patterns, places, placed, floating }
    }
}

/// So many patterns make it worth to look at a place of every text.
const WORTH_A_LOOK: usize = 3;
/// Eighths of a bit that a pattern tells which is rather looked for everywhere.
const TELLING: u32 = 18 * 8;

/// A compiled set of byte strings.
#[derive(Debug, Default)]
pub struct Prefilter {
    patterns: Patterns,
    places: Vec<Place>,
    placed: Option<Placed>,
    floating: Floating,
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

    fn text(&self) -> Text<'_> {
        let own = self.text.get(..self.text.len().saturating_sub(PADDING)).unwrap_or(&[]);
        Text { padded: &self.text, own }
    }
}

/// Which patterns a scan has met; a worker has one for all of its prefilters.
#[derive(Debug, Default)]
pub struct Scratch {
    stamps: Vec<u32>,
    stamp: u32,
    /// Buffers that took more comparisons than they may.
    pub(crate) odd_buffers: u64,
}

impl Prefilter {
    /// Calls `found` once for each pattern that occurs in a buffer, at its place if it has one, ASCII case ignored.
    pub fn scan(&self, buffer: &Folded, scratch: &mut Scratch, mut found: impl FnMut(PatternId)) {
        let text = buffer.text();
        let Scratch { stamps, stamp, odd_buffers } = scratch;
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
            placed.scan(text.padded, text.own.len(), &self.patterns, &mut once);
        }
        let mut at = |id: PatternId, start: usize| {
            let is_there = match self.places.get(id as usize) {
                Some(Place::At(at)) => start == usize::from(*at),
                Some(Place::Head(end)) => start + self.patterns.get(id).len() <= usize::from(*end),
                Some(Place::Anywhere) => true,
                None => false,
            };
            if is_there {
                once(id);
            }
        };
        if !self.floating.is_empty() && self.floating.scan(text, &self.patterns, &mut at) {
            *odd_buffers += 1;
        }
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.patterns.len() == 0
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.patterns.memory_bytes()
            + self.places.len() * size_of::<Place>()
            + self.placed.as_ref().map_or(0, Placed::memory_bytes)
            + self.floating.memory_bytes()
    }
}

#[cfg(test)]
mod agreement;

#[cfg(test)]
mod tests {
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

    #[test]
    fn patterns_of_every_length_are_found_at_both_ends() {
        let patterns: Vec<Vec<u8>> =
            ["a", "bc", "DEF", "ghij", "longer pattern"].iter().map(|p| p.as_bytes().to_vec()).collect();
        for (index, pattern) in patterns.iter().enumerate() {
            for buffer in [pattern.clone(), [b"....", &pattern[..]].concat(), [&pattern[..], b"...."].concat()] {
                let found = matches(&patterns, &buffer.to_ascii_uppercase());
                assert!(found.contains(&u32::try_from(index).unwrap()), "{index} in {buffer:?}");
                assert_eq!(found, agreement::simplest(&patterns, &buffer));
            }
        }
    }

    #[test]
    fn a_pattern_with_a_place_is_found_there_alone() {
        let mut set = PatternSet::default();
        for (pattern, place) in [("GET ", 0), ("ab", 3), ("x", 1), ("smb", 4), ("longer one", 5)] {
            set.add_at(pattern.as_bytes(), Place::At(place));
        }
        set.add_at(b"rare\x1c\x01q", Place::At(8));
        set.add_at(b"early\x1c\x01q", Place::Head(14));
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
            ("....... rare\u{1c}\u{1}q", vec![5]),
            ("...... rare\u{1c}\u{1}q", vec![]),
            ("..... early\u{1c}\u{1}q", vec![6]),
            ("....... early\u{1c}\u{1}q", vec![]),
        ] {
            let mut found = Vec::new();
            folded.fold(buffer.as_bytes());
            prefilter.scan(&folded, &mut Scratch::default(), |id| found.push(id));
            found.sort_unstable();
            assert_eq!(found, expected, "{buffer:?}");
        }
    }
}
