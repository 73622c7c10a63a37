//! What bytes that wait may begin, told from as few of them as possible.

use super::parser::blank;
use super::uri::hex;

/// How far the bytes that wait were looked at to tell what begins with them, so that none is looked at again.
#[derive(Clone, Copy, Default)]
pub(super) struct Look {
    /// Bytes that were looked at.
    seen: usize,
    /// One of them was not blank.
    begun: bool,
    /// Letters of a version among them.
    letters: usize,
}

/// What the versions of answers begin with.
const NAME: &[u8; 5] = b"HTTP/";

impl Look {
    /// Whether the first bytes of an answer are those of a status line or blank; `None` while it cannot be told.
    pub(super) fn begins_response(&mut self, data: &[u8]) -> Option<bool> {
        for &byte in data.get(self.seen..).unwrap_or_default() {
            if self.letters >= NAME.len() {
                break;
            }
            if self.begun || !blank(byte) {
                self.begun = true;
                if byte != 0 {
                    if NAME.get(self.letters) != Some(&byte.to_ascii_uppercase()) {
                        return Some(false);
                    }
                    self.letters += 1;
                }
            }
            self.seen += 1;
        }
        (self.letters >= NAME.len()).then_some(true)
    }

    /// Whether a line with the size of a chunk can begin like this: with a digit, whatever follows.
    pub(super) fn may_begin_chunk(&mut self, data: &[u8]) -> bool {
        let unseen = data.get(self.seen..).unwrap_or_default();
        self.seen += unseen.iter().take_while(|&&b| blank(b)).count();
        data.get(self.seen).is_none_or(|&b| hex(b).is_some())
    }
}

/// `HTTP/1.1`, or what stands in its place behind the same name.
pub(super) fn looks_like_version(text: &[u8]) -> bool {
    text.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME))
}

/// Whether what follows is a status line; `None` while it cannot be told.
pub(super) fn begins_status_line(data: &[u8]) -> Option<bool> {
    match data.get(..NAME.len()) {
        Some(start) => Some(start.eq_ignore_ascii_case(NAME)),
        None if NAME.get(..data.len()).is_some_and(|start| start.eq_ignore_ascii_case(data)) => None,
        None => Some(false),
    }
}

/// Whether what follows begins with the version of an answer and a status, as far as both are there.
pub(super) fn begins_answer(data: &[u8]) -> bool {
    let Some([name @ .., major, b'.', minor, b' ', status]) = data.get(..10) else { return false };
    name == NAME && [major, minor, status].into_iter().all(u8::is_ascii_digit)
}

/// Bytes that came together with the end of a body and begin no answer: they belong to the body, which some servers count short
/// by a line end. A body ends with its length all the same, so that nothing waits for bytes that need not come.
pub(super) fn surplus(rest: &[u8]) -> usize {
    if rest.iter().all(|&b| blank(b)) || Look::default().begins_response(rest) == Some(false) {
        memchr::memmem::find(rest, b"\nHTTP/").map_or(rest.len(), |at| at + 1)
    } else {
        0
    }
}
