//! Patterns that may stand anywhere in a text: one pass over it for all of them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use memchr::memmem::Finder;

use super::PatternId;
use super::flat::Flat;
use super::grams::Grams;
use super::patterns::Patterns;
use super::shorts::Shorts;

/// So few patterns of a kind are each looked for by themselves.
const FEW: usize = 2;
/// Comparisons that a text may cost, beside four for each of its bytes: so much that innocent traffic never comes near.
const FREE_COMPARISONS: usize = 256;

/// The filter.
#[derive(Debug, Default)]
pub(super) struct Floating {
    few: Vec<(PatternId, Finder<'static>)>,
    shorts: Option<Shorts>,
    grams: Option<Grams>,
    /// The patterns that `grams` knows.
    known: Vec<PatternId>,
    flat: OnceLock<Option<Flat>>,
    /// Texts that took more comparisons than they may.
    odd: AtomicU32,
}

/// So many of these are borne: to build the automaton costs more.
const BORNE: u32 = 64;

impl Floating {
    /// The filter of some patterns.
    pub(super) fn new(patterns: &Patterns, chosen: impl Iterator<Item = PatternId>) -> Self {
        let (mut known, mut short, mut few): (Vec<PatternId>, Vec<PatternId>, Vec<PatternId>) = Default::default();
        for id in chosen {
            let pattern = patterns.get(id);
            let lot = match pattern.len() {
                0..=3 => &mut short,
                _ if Grams::suits(pattern) => &mut known,
                _ => &mut few,
            };
            lot.push(id);
        }
        for lot in [&mut known, &mut short].into_iter().filter(|lot| lot.len() <= FEW) {
            few.append(lot);
        }
        let few = few.iter().map(|id| (*id, Finder::new(patterns.get(*id)).into_owned())).collect();
        let with_bytes = |lot: &[PatternId]| lot.iter().map(|id| (*id, patterns.get(*id))).collect::<Vec<_>>();
        let grams = Grams::new(with_bytes(&known).into_iter());
        let shorts = Shorts::new(with_bytes(&short).into_iter());
        Self { few, shorts, grams, known, flat: OnceLock::new(), odd: AtomicU32::new(0) }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.shorts.is_none() && self.grams.is_none()
    }

    /// Calls `found` for patterns that occur in the first `length` bytes of `text`, which is in lower case with padding behind, at
    /// least once for each that occurs. Whether the text was so odd that [`Flat`] was needed.
    #[inline]
    pub(super) fn scan(
        &self,
        text: &[u8],
        length: usize,
        patterns: &Patterns,
        found: &mut impl FnMut(PatternId),
    ) -> bool {
        let own = text.get(..length).unwrap_or(text);
        for (id, finder) in &self.few {
            if finder.find(own).is_some() {
                found(*id);
            }
        }
        let mut budget = FREE_COMPARISONS + 4 * length;
        match (&self.grams, &self.shorts) {
            (Some(grams), Some(shorts)) => grams.scan_with(shorts, text, length, patterns, &mut budget, found),
            (Some(grams), None) => grams.scan(text, length, patterns, &mut budget, found),
            (None, Some(shorts)) => shorts.scan(text, length, found),
            (None, None) => {}
        }
        if budget > 0 {
            return false;
        }
        self.scan_flat(own, text, patterns, found);
        true
    }

    #[cold]
    fn scan_flat(&self, own: &[u8], text: &[u8], patterns: &Patterns, found: &mut impl FnMut(PatternId)) {
        if let Some(shorts) = &self.shorts {
            shorts.scan(text, own.len(), found);
        }
        let is_borne = self.flat.get().is_none() && self.odd.fetch_add(1, Ordering::Relaxed) < BORNE;
        let flat = if is_borne { None } else { self.flat.get_or_init(|| Flat::new(patterns, &self.known)).as_ref() };
        match flat {
            Some(flat) => flat.scan(own, found),
            // Where it is not there, or cannot hold so many patterns, nothing but patience is left.
            None => {
                if let Some(grams) = &self.grams {
                    grams.scan(text, own.len(), patterns, &mut { usize::MAX }, found);
                }
            }
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.few.len() * size_of::<(PatternId, Finder<'static>)>()
            + self.grams.as_ref().map_or(0, Grams::memory_bytes)
            + self.shorts.as_ref().map_or(0, Shorts::memory_bytes)
            + self.known.len() * size_of::<PatternId>()
    }

    /// The same without vector instructions and without a limit on comparisons, and with the automaton alone.
    #[cfg(test)]
    pub(super) fn scan_otherwise(&self, text: &[u8], length: usize, patterns: &Patterns) -> [Vec<PatternId>; 2] {
        let own = text.get(..length).unwrap_or(text);
        let mut both = [Vec::new(), Vec::new()];
        let [plain, flat] = &mut both;
        for (id, finder) in &self.few {
            if finder.find(own).is_some() {
                plain.push(*id);
                flat.push(*id);
            }
        }
        if let Some(grams) = &self.grams {
            grams.scan_plainly(text, length, patterns, &mut { usize::MAX }, &mut |id| plain.push(id));
        }
        if let Some(shorts) = &self.shorts {
            shorts.scan_singles(own, &mut |id| plain.push(id));
            shorts.scan_plainly(own, &mut |id| plain.push(id));
        }
        self.odd.store(BORNE, Ordering::Relaxed);
        self.scan_flat(own, text, patterns, &mut |id| flat.push(id));
        both
    }
}
