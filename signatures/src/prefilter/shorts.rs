//! Patterns of one to three bytes.
//!
//! A bitmap over pairs of neighbouring bytes tells places where one of two or three bytes may start; patterns of one byte are looked
//! for by themselves.

use super::PatternId;
use super::bitmap::Bitmap;
#[cfg(target_arch = "x86_64")]
use super::lanes::Lanes;

/// The filter.
#[derive(Debug, Default)]
pub(super) struct Shorts {
    singles: Vec<(u8, PatternId)>,
    /// Pairs of first bytes; nothing where there are only singles.
    pairs: Option<Bitmap>,
    /// First two bytes, third byte if there is one, pattern; sorted.
    entries: Vec<(u16, Option<u8>, PatternId)>,
}

/// The factor of a hash that depends on the first two of four bytes alone.
const FACTOR: u32 = 0x9e37_0000;
/// Bitmap bits for each pair.
const BITS_EACH: usize = 32;

impl Shorts {
    /// The filter of some patterns; `None` for none.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (PatternId, &'a [u8])>) -> Option<Self> {
        let mut filter = Self::default();
        for (id, bytes) in patterns {
            match *bytes {
                [a] => filter.singles.push((a, id)),
                [a, b] => filter.entries.push((u16::from_le_bytes([a, b]), None, id)),
                [a, b, c] => filter.entries.push((u16::from_le_bytes([a, b]), Some(c), id)),
                _ => {}
            }
        }
        if filter.singles.is_empty() && filter.entries.is_empty() {
            return None;
        }
        filter.entries.sort_unstable();
        if !filter.entries.is_empty() {
            let pairs = filter.pairs.insert(Bitmap::new(filter.entries.len() * BITS_EACH, FACTOR));
            filter.entries.iter().for_each(|(pair, ..)| pairs.insert(u32::from(*pair)));
        }
        Some(filter)
    }

    /// Calls `found` for occurrences of patterns in the first `length` bytes of `text`, which is in lower case and has padding behind.
    pub(super) fn scan(&self, text: &[u8], length: usize, found: &mut impl FnMut(PatternId)) {
        let own = text.get(..length).unwrap_or(text);
        self.scan_singles(own, found);
        let Some(last) = length.checked_sub(2).filter(|_| self.pairs.is_some()) else { return };
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = self.lanes() {
            return lanes.scan(text, last, |block, hits| {
                self.block(own, block, hits, found);
                true
            });
        }
        self.scan_plainly(own, found);
    }

    /// Calls `found` for the patterns of one byte.
    pub(super) fn scan_singles(&self, own: &[u8], found: &mut impl FnMut(PatternId)) {
        for &(byte, id) in &self.singles {
            if memchr::memchr(byte, own).is_some() {
                found(id);
            }
        }
    }

    /// The bitmap of pairs as vectors read it, where there are pairs.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn lanes(&self) -> Option<Lanes<'_>> {
        self.pairs.as_ref().and_then(Lanes::new)
    }

    /// Looks closer at those places of a block whose pairs some pattern has: one bit for each.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(super) fn block(&self, own: &[u8], block: usize, mut hits: u32, found: &mut impl FnMut(PatternId)) {
        while hits != 0 {
            self.compare(own, block + hits.trailing_zeros() as usize, found);
            hits &= hits - 1;
        }
    }

    /// The same without vector instructions.
    pub(super) fn scan_plainly(&self, own: &[u8], found: &mut impl FnMut(PatternId)) {
        let Some(pairs) = &self.pairs else { return };
        for (position, window) in own.windows(2).enumerate() {
            let &[a, b] = window else { continue };
            if pairs.contains(u16::from_le_bytes([a, b]).into()) {
                self.compare(own, position, found);
            }
        }
    }

    fn compare(&self, own: &[u8], position: usize, found: &mut impl FnMut(PatternId)) {
        let Some([a, b, rest @ ..]) = own.get(position..) else { return };
        let pair = u16::from_le_bytes([*a, *b]);
        let from = self.entries.partition_point(|entry| entry.0 < pair);
        for entry in self.entries.get(from..).unwrap_or(&[]).iter().take_while(|entry| entry.0 == pair) {
            if entry.1.is_none() || entry.1 == rest.first().copied() {
                found(entry.2);
            }
        }
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.pairs.as_ref().map_or(0, Bitmap::memory_bytes)
            + self.entries.len() * size_of::<(u16, Option<u8>, PatternId)>()
            + self.singles.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn vectors_see_what_the_plain_loop_sees(
            patterns in prop::collection::vec(prop::collection::vec(0_u8..4, 2..4), 1..20),
            text in prop::collection::vec(0_u8..4, 0..200),
        ) {
            let filter = Shorts::new((0..).zip(patterns.iter().map(Vec::as_slice))).unwrap();
            let (mut plain, mut vectors) = (Vec::new(), Vec::new());
            filter.scan_plainly(&text, &mut |id| plain.push(id));
            let padded = [text.as_slice(), &[0; super::super::PADDING]].concat();
            filter.scan(&padded, text.len(), &mut |id| vectors.push(id));
            prop_assert_eq!(plain, vectors);
        }
    }
}
