//! Handshake messages from the fragments that records carry them in.
//!
//! A message may be cut anywhere and a record may carry many. A message that is whole in a fragment is read where it is;
//! otherwise it is collected, up to a limit; of a longer one what came first is read and the rest passed over.

use super::tables::message;
use crate::protocol::held;

/// A message.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    /// Its type.
    pub(super) kind: u8,
    /// Its body.
    pub(super) body: &'a [u8],
    /// The body goes on behind what is kept, or behind what came.
    pub(super) is_cut: bool,
}

/// Collects the messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    header: [u8; 4],
    header_filled: usize,
    body: Vec<u8>,
    /// Octets of the body that have not come.
    missing: usize,
    passing_over: bool,
}

impl Assembler {
    /// Takes octets from the front of a fragment until a message is there or the fragment is used up. Of a message no more than
    /// `limit` octets are collected.
    pub(super) fn next(&mut self, fragment: &mut &[u8], limit: usize, take: impl FnOnce(Message<'_>)) {
        if self.header_filled < self.header.len() {
            while let (Some(slot), Some((&octet, rest))) =
                (self.header.get_mut(self.header_filled), fragment.split_first())
            {
                *slot = octet;
                self.header_filled += 1;
                *fragment = rest;
            }
            if self.header_filled < self.header.len() {
                return;
            }
            let [_, a, b, c] = self.header;
            self.missing = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            // Nothing is read of it, and its length may be no length: what is wrong is told before it is through.
            if !message::is_known(self.kind()) {
                self.passing_over = true;
                take(Message { kind: self.kind(), body: &[], is_cut: false });
                return;
            }
        }
        let (part, rest) = fragment.split_at_checked(self.missing).unwrap_or((fragment, &[]));
        *fragment = rest;
        self.missing -= part.len();
        let whole = self.missing == 0;
        let kind = self.kind();
        if !self.passing_over && self.body.len() + part.len() > limit {
            let kept = part.get(..limit.saturating_sub(self.body.len())).unwrap_or(part);
            self.body.extend_from_slice(kept);
            take(Message { kind, body: &std::mem::take(&mut self.body), is_cut: true });
            self.passing_over = true;
        } else if !self.passing_over && whole && self.body.is_empty() {
            take(Message { kind, body: part, is_cut: false });
        } else if !self.passing_over {
            self.body.extend_from_slice(part);
            if whole {
                take(Message { kind, body: &self.body, is_cut: false });
            }
        }
        if whole {
            self.reset();
        }
    }

    /// What came of a message whose rest will not come.
    pub(super) fn rest(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.kind();
        let body = std::mem::take(self).body;
        (!body.is_empty()).then_some((kind, body))
    }

    /// Bytes that it keeps.
    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.body)
    }

    /// Whether the header of a message is there in part: no honest sender cuts it.
    pub(super) fn is_within_header(&self) -> bool {
        (1..self.header.len()).contains(&self.header_filled)
    }

    fn kind(&self) -> u8 {
        let [kind, ..] = self.header;
        kind
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn messages(fragments: &[&[u8]]) -> Vec<(u8, usize)> {
        let (mut assembler, mut seen) = (Assembler::default(), vec![]);
        for fragment in fragments {
            let mut rest = *fragment;
            while !rest.is_empty() {
                assembler.next(&mut rest, LIMIT, |message| {
                    assert_eq!(message.is_cut, message.body.len() == LIMIT);
                    seen.push((message.kind, message.body.len()));
                });
            }
        }
        seen
    }

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let bytes = [1, 0, 0, 2, 9, 9, 14, 0, 0, 0, 99, 0, 0, 2, 9, 9, 99, 0, 0, 0, 11, 0, 0, 1, 5];
        let expected = [(1, 2), (14, 0), (99, 0), (99, 0), (11, 1)];
        assert_eq!(messages(&[&bytes]), expected);
        assert_eq!(messages(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn of_a_message_over_the_limit_the_first_octets_are_read() {
        let mut bytes = vec![11, 3, 0, 0];
        bytes.extend(vec![0; 3 << 16]);
        bytes.extend([14, 0, 0, 0]);
        for piece in [1, 300, 1000, 1001, usize::MAX] {
            assert_eq!(messages(&bytes.chunks(piece).collect::<Vec<_>>()), [(11, LIMIT), (14, 0)], "{piece}");
        }
    }

    #[test]
    fn what_came_of_a_message_is_handed_over_at_the_end() {
        let mut assembler = Assembler::default();
        for (fragment, rest) in [(&[11, 0, 0, 9, 7][..], Some((11, vec![7]))), (&[11, 0, 0, 9], None)] {
            assembler.next(&mut &*fragment, LIMIT, |_| panic!("it is not whole"));
            assert_eq!(assembler.rest(), rest);
        }
    }
}
