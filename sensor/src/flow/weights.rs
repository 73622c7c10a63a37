//! Which flow holds most of what applications keep.
//!
//! Flows of about the same weight are in one list, the one that came to that weight first in front; four lists for each doubling. So the
//! heaviest flow, to within a fifth, is the front of the last list that is not empty, and a flow moves only when its weight does. What is
//! small is all in one list: a request of a few lines more is no reason to go before one that has waited for longer.
//! Which it is depends on the packets alone.

/// The flows of a table by weight.
#[derive(Debug)]
pub(super) struct Weights {
    /// By the places of flows.
    links: Vec<Link>,
    lists: [(u32, u32); CLASSES],
    /// A bit for each list that is not empty.
    filled: u128,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    class: u8,
    before: u32,
    behind: u32,
    bytes: u32,
}

const NONE: u32 = u32::MAX;
const ALONE: Link = Link { class: 0, before: NONE, behind: NONE, bytes: 0 };
/// What is lighter is in no list: an idle parser is.
const LIGHT_BYTES: u32 = 256;
/// What is lighter is in the first list.
const SMALL_BYTES: u32 = 4 << 10;
/// Lists from one power of two to the next, as a power of two.
const STEP_BITS: u32 = 2;
const CLASSES: usize = 100;

impl Default for Weights {
    fn default() -> Self {
        Self { links: Vec::new(), lists: [(NONE, NONE); CLASSES], filled: 0 }
    }
}

impl Weights {
    /// The flow at a place holds so much now. What it was known to hold before, and is now.
    pub(super) fn set(&mut self, place: u32, bytes: usize) -> (usize, usize) {
        let at = place as usize;
        if self.links.len() <= at {
            if bytes == 0 {
                return (0, 0);
            }
            self.links.resize(at + 1, ALONE);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let class = class_of(bytes);
        let Some(link) = self.links.get_mut(at) else { return (0, 0) };
        let (before, known) = (std::mem::replace(&mut link.bytes, bytes), link.class);
        if before != bytes && class != known {
            self.leave(place);
            if class != 0 {
                self.link(place, class);
            }
        }
        (before as usize, bytes as usize)
    }

    /// A flow is in no list until it holds more or less than it does.
    pub(super) fn leave(&mut self, place: u32) {
        if self.links.get(place as usize).is_some_and(|link| link.class != 0) {
            self.unlink(place);
        }
    }

    /// The flow that holds most.
    pub(super) fn heaviest(&self) -> Option<u32> {
        let class = 127 - self.filled.leading_zeros().min(127);
        let (first, _) = *self.lists.get(class as usize)?;
        (first != NONE).then_some(first)
    }

    fn link(&mut self, place: u32, class: u8) {
        let Some((first, last)) = self.lists.get_mut(usize::from(class)) else { return };
        let before = std::mem::replace(last, place);
        if *first == NONE {
            *first = place;
        }
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = place;
        }
        if let Some(link) = self.links.get_mut(place as usize) {
            *link = Link { class, before, behind: NONE, ..*link };
        }
        self.filled |= 1 << class;
    }

    fn unlink(&mut self, place: u32) {
        let Some(link) = self.links.get_mut(place as usize) else { return };
        let Link { class, before, behind, bytes } = *link;
        *link = Link { bytes, ..ALONE };
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = behind;
        }
        if let Some(link) = self.links.get_mut(behind as usize) {
            link.before = before;
        }
        let Some((first, last)) = self.lists.get_mut(usize::from(class)) else { return };
        if *first == place {
            *first = behind;
        }
        if *last == place {
            *last = before;
        }
        if *first == NONE {
            self.filled &= !(1 << class);
        }
    }
}

/// The list of a weight; 0 for none.
fn class_of(bytes: u32) -> u8 {
    if bytes < LIGHT_BYTES {
        return 0;
    }
    if bytes < SMALL_BYTES {
        return 1;
    }
    let doublings = bytes.ilog2() - SMALL_BYTES.ilog2();
    let within = (bytes >> (bytes.ilog2() - STEP_BITS)) & ((1 << STEP_BITS) - 1);
    u8::try_from(2 + (doublings << STEP_BITS) + within).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_flow_is_named_and_of_equals_the_one_that_was_so_first() {
        let mut weights = Weights::default();
        assert_eq!(weights.heaviest(), None);
        for (place, bytes, heaviest) in [
            (7, 16_000, Some(7)),
            (3, 255, Some(7)),
            (5, 16_380, Some(7)),
            (2, 640_000, Some(2)),
            (9, 648_000, Some(2)),
            (2, 656_000, Some(2)),
            (2, 0, Some(9)),
            (2, 639_999, Some(9)),
            (9, 14_400, Some(2)),
            (2, 4_800, Some(7)),
            (7, 100, Some(5)),
            (5, 256, Some(9)),
            (9, 4_095, Some(2)),
            (2, 0, Some(5)),
            (5, 0, Some(9)),
            (9, 0, None),
            (usize::MAX.count_ones(), usize::MAX, Some(64)),
        ] {
            weights.set(place, bytes);
            assert_eq!(weights.heaviest(), heaviest, "{place} {bytes}");
        }
    }

    #[test]
    fn weights_of_a_list_differ_by_a_quarter_at_most_but_for_small_ones() {
        assert_eq!([LIGHT_BYTES - 1, LIGHT_BYTES, SMALL_BYTES - 1, SMALL_BYTES].map(class_of), [0, 1, 1, 2]);
        let mut begins = vec![SMALL_BYTES];
        for bytes in SMALL_BYTES..1 << 20 {
            let (before, class) = (class_of(*begins.last().unwrap()), class_of(bytes));
            assert!(class == before || class == before + 1);
            if class > before {
                begins.push(bytes);
            }
            assert!(bytes * 4 <= begins.last().unwrap() * 5);
        }
    }
}
