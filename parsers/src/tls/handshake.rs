//! Handshake messages from the fragments that records carry them in.
//!
//! A message may be cut anywhere and a record may carry many. A message that is whole in a fragment is read where it is;
//! otherwise it is collected, up to [`MESSAGE_LIMIT`] octets; a longer one is an anomaly and passed over.

use crate::protocol::held;

/// Most octets of a handshake message that are collected.
pub(super) const MESSAGE_LIMIT: usize = 128 << 10;

/// A message that could be read, or one that was too long.
pub(super) enum Message<'a> {
    /// Type and body.
    Whole(u8, &'a [u8]),
    /// The type of a message that is passed over.
    TooLong(u8),
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
    /// Takes octets from the front of a fragment until a message is whole or the fragment is used up.
    pub(super) fn next(&mut self, fragment: &mut &[u8], take: impl FnOnce(Message<'_>)) {
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
            if self.missing > MESSAGE_LIMIT {
                self.passing_over = true;
                take(Message::TooLong(self.kind()));
                return;
            }
        }
        let (part, rest) = fragment.split_at_checked(self.missing).unwrap_or((fragment, &[]));
        *fragment = rest;
        self.missing -= part.len();
        let whole = self.missing == 0;
        if self.passing_over {
            if whole {
                self.reset();
            }
        } else if whole && self.body.is_empty() {
            take(Message::Whole(self.kind(), part));
            self.reset();
        } else {
            self.body.extend_from_slice(part);
            if whole {
                take(Message::Whole(self.kind(), &self.body));
                self.reset();
            }
        }
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

    fn messages(fragments: &[&[u8]]) -> Vec<(u8, usize)> {
        let (mut assembler, mut seen) = (Assembler::default(), vec![]);
        for fragment in fragments {
            let mut rest = *fragment;
            while !rest.is_empty() {
                assembler.next(&mut rest, |message| {
                    seen.push(match message {
                        Message::Whole(kind, body) => (kind, body.len()),
                        Message::TooLong(kind) => (kind, usize::MAX),
                    });
                });
            }
        }
        seen
    }

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let bytes = [1, 0, 0, 2, 9, 9, 14, 0, 0, 0, 11, 0, 0, 1, 5];
        let expected = [(1, 2), (14, 0), (11, 1)];
        assert_eq!(messages(&[&bytes]), expected);
        assert_eq!(messages(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_message_over_the_limit_is_passed_over() {
        let mut bytes = vec![1, 3, 0, 0];
        bytes.extend(vec![0; 3 << 16]);
        bytes.extend([14, 0, 0, 0]);
        assert_eq!(messages(&[&bytes]), [(1, usize::MAX), (14, 0)]);
    }
}
