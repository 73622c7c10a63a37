//! Domain names (RFC 1035 section 4.1.4): labels and compression pointers to dotted text.
//!
//! A name is text without length bytes or a final dot, in the case and with the bytes that the wire has. It may point forward as
//! well as back. Three limits hold it: steps, characters of one name, characters of all names of a message. A name over
//! a limit is cut, never dropped, and its end in the message is still found.

use crate::protocol::{Fuel, held};

/// Labels and pointers that are followed in one name.
const MAX_STEPS: usize = 255;
/// Characters that are kept of a name.
const MAX_NAME_BYTES: usize = 1025;
/// Bytes that are kept of all names and texts of a message.
const MAX_TEXT_BYTES: usize = 128 << 10;

/// Bytes in the text of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    start: u32,
    len: u32,
    /// Whether it was longer on the wire.
    pub(super) truncated: bool,
}

/// All names and texts of a message, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Arena(Vec<u8>);

impl Arena {
    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.0)
    }

    /// The bytes of a text.
    pub(super) fn get(&self, text: Text) -> &[u8] {
        let start = text.start as usize;
        self.0.get(start..start + text.len as usize).unwrap_or_default()
    }

    /// Keeps bytes; those over the limit are cut.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Text {
        let start = self.0.len();
        let kept = bytes.get(..MAX_TEXT_BYTES.saturating_sub(start)).unwrap_or(bytes);
        self.0.extend_from_slice(kept);
        self.since(start, kept.len() < bytes.len())
    }

    /// Gives back what it does not need.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    fn since(&self, start: usize, truncated: bool) -> Text {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Text { start: narrow(start), len: narrow(self.0.len().saturating_sub(start)), truncated }
    }

    /// Adds a label to the name that began at `start`; whether all of it found room.
    fn label(&mut self, start: usize, label: &[u8]) -> bool {
        let room = (start + MAX_NAME_BYTES).min(MAX_TEXT_BYTES.max(start)).saturating_sub(self.0.len());
        let dot = usize::from(self.0.len() > start);
        if dot > 0 && room > 0 {
            self.0.push(b'.');
        }
        let kept = label.get(..room.saturating_sub(dot)).unwrap_or(label);
        self.0.extend_from_slice(kept);
        dot + label.len() <= room
    }
}

/// What was wrong with the names of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameFaults {
    /// A name had more characters than are kept.
    pub(super) too_long: bool,
    /// A pointer led back to itself.
    pub(super) endless: bool,
    /// A name had more labels and pointers than are followed.
    pub(super) too_many_labels: bool,
    /// A pointer led out of the message.
    pub(super) astray: bool,
}

/// Reads the name at `start` of `message`, whose own bytes end before `end`. Returns its text and the position behind it;
/// `None` if the bytes end before it does or it has a label of unknown kind. Every step is counted in `work`.
pub(super) fn read(
    message: &[u8],
    start: usize,
    end: usize,
    arena: &mut Arena,
    faults: &mut NameFaults,
    fuel: &mut Fuel,
) -> Option<(Text, usize)> {
    let begin = arena.0.len();
    let name = follow(message, start, end, arena, faults, fuel);
    if name.is_none() {
        arena.0.truncate(begin);
    }
    name
}

fn follow(
    message: &[u8],
    start: usize,
    end: usize,
    arena: &mut Arena,
    faults: &mut NameFaults,
    fuel: &mut Fuel,
) -> Option<(Text, usize)> {
    let begin = arena.0.len();
    let (mut at, mut limit) = (start, end.min(message.len()));
    let (mut after, mut steps, mut jumps) = (None, 0usize, 0usize);
    let (mut keep, mut truncated) = (true, false);
    loop {
        steps += 1;
        fuel.spend(1);
        if steps > MAX_STEPS {
            // A chain of nothing but pointers can only be that long by going in a circle.
            if jumps > MAX_STEPS / 2 {
                faults.endless = true;
            } else {
                faults.too_many_labels = true;
            }
            keep = false;
            if after.is_some() {
                break;
            }
        }
        let own = message.get(..limit)?;
        match *own.get(at)? {
            0 => {
                after.get_or_insert(at + 1);
                break;
            }
            length @ 1..=63 => {
                let next = at + 1 + usize::from(length);
                let label = own.get(at + 1..next)?;
                jumps = 0;
                fuel.spend(u64::from(length));
                if keep && !arena.label(begin, label) {
                    (keep, truncated, faults.too_long) = (false, true, true);
                }
                at = next;
            }
            high @ 0xc0..=0xff => {
                let target = usize::from(high & 0x3f) << 8 | usize::from(*own.get(at + 1)?);
                after.get_or_insert(at + 2);
                if target == at {
                    faults.endless = true;
                    break;
                }
                if target >= message.len() {
                    faults.astray = true;
                    break;
                }
                jumps += 1;
                (at, limit) = (target, message.len());
            }
            _ => return None,
        }
    }
    Some((arena.since(begin, truncated), after?))
}

/// Where two octets point, if they are a pointer.
pub(super) fn pointer(octets: u16) -> Option<usize> {
    (octets >= 0xc000).then(|| usize::from(octets & 0x3fff))
}

/// The position behind the name at `start`, without following pointers.
pub(super) fn skip(message: &[u8], start: usize, fuel: &mut Fuel) -> Option<usize> {
    let mut at = start;
    loop {
        fuel.spend(1);
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0..=0xff => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(message: &[u8], start: usize) -> (Option<(String, usize)>, NameFaults) {
        let (mut arena, mut faults) = (Arena::default(), NameFaults::default());
        let name = read(message, start, message.len(), &mut arena, &mut faults, &mut Fuel::ENDLESS.clone());
        (name.map(|(text, after)| (String::from_utf8_lossy(arena.get(text)).into_owned(), after)), faults)
    }

    #[test]
    fn names_are_dotted_text_and_pointers_are_followed_both_ways() {
        for (message, start, expected) in [
            (&b"\x03www\x01a\x00"[..], 0, Some(("www.a", 7))),
            (b"\x00", 0, Some(("", 1))),
            (b"\x01a\x00\x01b\xc0\x00", 3, Some(("b.a", 7))),
            (b"\xc0\x02\x01a\x00", 0, Some(("a", 2))),
            (b"\x03a.b\x00", 0, Some(("a.b", 5))),
            (b"\x03ww", 0, None),
            (b"\x40a\x00", 0, None),
            (b"\xc0", 0, None),
            (b"", 0, None),
        ] {
            let (name, faults) = name(message, start);
            assert_eq!(name, expected.map(|(t, a)| (t.to_owned(), a)), "{message:?}");
            assert_eq!(faults, NameFaults::default());
        }
    }

    #[test]
    fn circles_and_excess_end_with_a_fault_and_a_cut_name() {
        let fault = |message: &[u8]| name(message, 0).1;
        assert!(fault(b"\xc0\x00").endless);
        assert!(fault(b"\xc0\x02\xc0\x00").endless);
        assert!(fault(b"\x01a\xc0\x00").too_many_labels);
        assert!(fault(b"\xc0\xff").astray);
        let long = [&[63u8; 64][..]; 20].concat();
        let message = [&long[..], b"\0"].concat();
        let (text, faults) = name(&message, 0);
        assert_eq!(text.map(|(t, after)| (t.len(), after)), Some((MAX_NAME_BYTES, message.len())));
        assert!(faults.too_long && !faults.too_many_labels);
        let many = [&b"\x01a".repeat(300)[..], b"\0"].concat();
        let (text, faults) = name(&many, 0);
        assert_eq!(text.map(|(_, after)| after), Some(601));
        assert!(faults.too_many_labels);
        let circle = [&[63u8; 64][..], b"\xc0\x00"].concat();
        let faults = fault(&circle);
        assert!(faults.too_long && faults.too_many_labels);
    }

    #[test]
    fn all_texts_of_a_message_have_one_limit() {
        let mut arena = Arena::default();
        assert!(!arena.keep(&vec![b'a'; MAX_TEXT_BYTES - 2]).truncated);
        let text = arena.keep(b"abc");
        assert!(text.truncated);
        assert_eq!(arena.get(text), b"ab");
    }
}
