//! Patterns that may stand anywhere in a text: one pass over it for all of them.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use memchr::memmem::Finder;

use super::PatternId;
use super::flat::Flat;
use super::grams::{Grams, STRIDE, word};
#[cfg(target_arch = "x86_64")]
use super::lanes::{Lanes, READ};
use super::pairs::Pairs;
use super::patterns::Patterns;
use super::rarity::{GRAM, rarest_gram};

/// So few patterns of a kind are each looked for by themselves.
const FEW: usize = 2;
/// Comparisons that a text may cost, beside four for each of its bytes: so much that innocent traffic never comes near.
const FREE_COMPARISONS: usize = 256;
/// Bytes behind the text that are read and do not matter.
pub(super) const PADDING: usize = 64;
#[cfg(target_arch = "x86_64")]
const _: () = assert!(READ <= PADDING);

/// The filter.
#[derive(Debug, Default)]
pub(super) struct Floating {
    few: Vec<(PatternId, Span, Finder<'static>)>,
    grams: Option<Grams>,
    pairs: Option<Pairs>,
    /// The patterns that `grams` and `pairs` know.
    known: Vec<PatternId>,
    flat: OnceLock<Option<Flat>>,
    /// Texts that took more comparisons than they may.
    odd: AtomicU32,
}

/// So many of these are borne: to build the automaton costs more.
const BORNE: u32 = 64;

/// The part of a text that a pattern may stand in; it may reach behind the text's end.
pub(super) type Span = Range<usize>;

/// A text in lower case: with [`PADDING`] behind, and without it.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) padded: &'t [u8],
    pub(super) own: &'t [u8],
}

impl Floating {
    /// The filter of some patterns.
    pub(super) fn new(patterns: &Patterns, chosen: impl Iterator<Item = (PatternId, Span)>) -> Self {
        let mut lots: [Vec<(PatternId, Span)>; 3] = Default::default();
        let [by_grams, by_pairs, few] = &mut lots;
        for (id, span) in chosen {
            let pattern = patterns.get(id);
            let lot = match pattern.len() {
                0 | 1 => &mut *few,
                _ if Grams::suits(pattern) => &mut *by_grams,
                2..=3 => &mut *by_pairs,
                _ if rarest_gram(pattern).is_some() => &mut *by_pairs,
                _ => &mut *few,
            };
            lot.push((id, span));
        }
        for lot in [&mut *by_grams, &mut *by_pairs].into_iter().filter(|lot| lot.len() <= FEW) {
            few.append(lot);
        }
        let finder = |(id, span): (PatternId, Span)| (id, span, Finder::new(patterns.get(id)).into_owned());
        let few = few.drain(..).map(finder).collect();
        let with_bytes = |(id, _): &(PatternId, Span)| (*id, patterns.get(*id));
        let grams = Grams::new(by_grams.iter().map(with_bytes));
        let pairs = Pairs::new(by_pairs.iter().map(with_bytes));
        let known = by_grams.iter().chain(&*by_pairs).map(|(id, _)| *id).collect();
        Self { few, grams, pairs, known, flat: OnceLock::new(), odd: AtomicU32::new(0) }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.known.is_empty()
    }

    /// Calls `found` for patterns that occur in a text, and with where they start, at least once for each that occurs where it may.
    /// Whether the text was so odd that [`Flat`] was needed.
    #[inline]
    pub(super) fn scan(&self, text: Text<'_>, patterns: &Patterns, found: &mut impl FnMut(PatternId, usize)) -> bool {
        self.scan_few(text.own, found);
        if self.known.is_empty() {
            return false;
        }
        let mut budget = FREE_COMPARISONS + 4 * text.own.len();
        self.scan_known(text, patterns, &mut budget, found);
        if budget > 0 {
            return false;
        }
        self.scan_flat(text, patterns, found);
        true
    }

    #[inline]
    fn scan_few(&self, own: &[u8], found: &mut impl FnMut(PatternId, usize)) {
        for (id, span, finder) in &self.few {
            let part = own.get(span.start..span.end.min(own.len())).unwrap_or(&[]);
            if let Some(start) = finder.find(part) {
                found(*id, span.start + start);
            }
        }
    }

    /// Looks for the patterns that are known by grams or pairs. Gives up where that takes more comparisons than `budget` has: then it
    /// is spent.
    #[inline]
    fn scan_known(
        &self,
        text: Text<'_>,
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        #[cfg(target_arch = "x86_64")]
        {
            let nibbles = self.pairs.as_ref().map(|pairs| &pairs.nibbles);
            let shortest = if nibbles.is_some() { 2 } else { GRAM };
            let Some(last) = text.own.len().checked_sub(shortest) else { return };
            if let Some(lanes) = Lanes::new(self.grams.as_ref().map(|grams| &grams.bitmap), nibbles) {
                return lanes.scan(text.padded, last, |block, grams, pairs| {
                    self.block(text.own, block, (grams, pairs), patterns, budget, found);
                    *budget > 0
                });
            }
        }
        self.scan_plainly(text.own, patterns, budget, found);
    }

    /// The same without vector instructions.
    fn scan_plainly(
        &self,
        own: &[u8],
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        if let Some(grams) = &self.grams {
            for position in (0..own.len()).step_by(STRIDE) {
                if *budget > 0 && word(own, position).is_some_and(|gram| grams.bitmap.contains(gram)) {
                    *budget = budget.saturating_sub(grams.compare(own, position, patterns, found));
                }
            }
        }
        if let Some(pairs) = &self.pairs {
            for position in 0..own.len() {
                if *budget > 0 {
                    *budget = budget.saturating_sub(pairs.compare(own, position, patterns, found));
                }
            }
        }
    }

    /// Looks closer at those places of a block where something may stand: one bit for the gram at every second, one for the pair at each.
    #[cfg(target_arch = "x86_64")]
    #[inline(never)]
    fn block(
        &self,
        own: &[u8],
        block: usize,
        (grams, pairs): (u32, u32),
        patterns: &Patterns,
        budget: &mut usize,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        if let Some(filter) = &self.grams {
            for place in places(grams) {
                *budget = budget.saturating_sub(filter.compare(own, block + STRIDE * place, patterns, found));
            }
        }
        if let Some(filter) = &self.pairs {
            for place in places(pairs) {
                *budget = budget.saturating_sub(filter.compare(own, block + place, patterns, found));
            }
        }
    }

    #[cold]
    fn scan_flat(&self, text: Text<'_>, patterns: &Patterns, found: &mut impl FnMut(PatternId, usize)) {
        let is_borne = self.flat.get().is_none() && self.odd.fetch_add(1, Ordering::Relaxed) < BORNE;
        let flat = if is_borne { None } else { self.flat.get_or_init(|| Flat::new(patterns, &self.known)).as_ref() };
        match flat {
            Some(flat) => flat.scan(text.own, found),
            // Where it is not there, or cannot hold so many patterns, nothing but patience is left.
            None => self.scan_known(text, patterns, &mut { usize::MAX }, found),
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.few.len() * size_of::<(PatternId, Span, Finder<'static>)>()
            + self.grams.as_ref().map_or(0, Grams::memory_bytes)
            + self.pairs.as_ref().map_or(0, Pairs::memory_bytes)
            + self.known.len() * size_of::<PatternId>()
    }

    /// The same without vector instructions and without a limit on comparisons, and with the automaton alone.
    #[cfg(test)]
    pub(super) fn scan_otherwise(&self, text: Text<'_>, patterns: &Patterns) -> [Vec<(PatternId, usize)>; 2] {
        let mut both = [Vec::new(), Vec::new()];
        for answer in &mut both {
            self.scan_few(text.own, &mut |id, start| answer.push((id, start)));
        }
        let [plain, flat] = &mut both;
        self.scan_plainly(text.own, patterns, &mut { usize::MAX }, &mut |id, start| plain.push((id, start)));
        self.odd.store(BORNE, Ordering::Relaxed);
        self.scan_flat(text, patterns, &mut |id, start| flat.push((id, start)));
        both
    }
}

/// The numbers of the bits that are set.
#[cfg(target_arch = "x86_64")]
fn places(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        place
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn vectors_see_what_the_plain_loop_sees(
            patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abc\x00\x9c".to_vec()), 2..12), 3..40),
            text in prop::collection::vec(prop::sample::select(b"abc\x00\x9c".to_vec()), 0..300),
        ) {
            let mut all = Patterns::default();
            let ids: Vec<PatternId> = patterns.into_iter().map(|pattern| all.push(pattern.into_iter())).collect();
            let filter = Floating::new(&all, ids.into_iter().map(|id| (id, 0..usize::MAX)));
            let padded = [text.as_slice(), &[0; PADDING]].concat();
            let (mut plain, mut vectors) = (Vec::new(), Vec::new());
            filter.scan_plainly(&text, &all, &mut { usize::MAX }, &mut |id, start| plain.push((id, start)));
            let text = Text { padded: &padded, own: &text };
            filter.scan_known(text, &all, &mut { usize::MAX }, &mut |id, start| vectors.push((id, start)));
            plain.sort_unstable();
            vectors.sort_unstable();
            prop_assert_eq!(plain, vectors);
        }
    }
}
