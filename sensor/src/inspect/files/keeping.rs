//! Bytes of files that are stored, or may be: they wait here until a rule wants the file, and go on to the writer in pieces.
//!
//! While files may be stored at all, a file's bytes are kept until its rules were asked for the last time. All of them together have a
//! budget; a file that it has no room for is not stored, as half of it would be worth nothing.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::decode::memory::Budget;

/// Bytes that are handed on at once, unless the file ends.
const PIECE_BYTES: usize = 64 << 10;
/// Rules that are named with a file.
pub(super) const RULES_NAMED: usize = 16;

/// What is kept of a file.
#[derive(Debug)]
pub(super) struct Keeping {
    contents: Contents,
    /// It is to be stored.
    wanted: bool,
    /// Bytes that were handed on.
    handed: u64,
    /// The rules that want it.
    rules: SmallVec<[u32; 2]>,
}

#[derive(Debug)]
enum Contents {
    Waiting(Waiting),
    /// There was no room for them.
    Lost,
}

/// Bytes that are charged to a budget while they wait.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    budget: Arc<Budget>,
}

impl Waiting {
    fn append(&mut self, data: &[u8]) -> bool {
        let room = self.budget.draw(data.len());
        if room {
            self.bytes.extend_from_slice(data);
        }
        room
    }

    fn take(&mut self) -> Vec<u8> {
        self.budget.put_back(self.bytes.len());
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.take();
    }
}

impl Keeping {
    /// That of a new file.
    pub(super) fn new(wanted: bool, budget: Arc<Budget>) -> Self {
        let contents = Contents::Waiting(Waiting { bytes: Vec::new(), budget });
        Self { contents, wanted, handed: 0, rules: SmallVec::new() }
    }

    /// Takes bytes that follow; whether there was room for them, or there had not been before.
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        let Contents::Waiting(waiting) = &mut self.contents else { return true };
        let room = waiting.append(data);
        if !room {
            self.contents = Contents::Lost;
        }
        room
    }

    /// A rule wants it.
    pub(super) fn want(&mut self, sid: u32) {
        self.wanted = true;
        if !self.rules.contains(&sid) && self.rules.len() < RULES_NAMED {
            self.rules.push(sid);
        }
    }

    /// Whether it is stored, as far as is known.
    pub(super) fn is_storing(&self) -> bool {
        self.wanted && matches!(self.contents, Contents::Waiting(_))
    }

    /// The rules that want it.
    pub(super) fn rules(&self) -> &[u32] {
        &self.rules
    }

    /// Bytes that are due, with their place in the file: what there is at its `end`, a whole piece before.
    pub(super) fn take_piece(&mut self, end: bool) -> Option<(u64, Vec<u8>)> {
        let Contents::Waiting(waiting) = &mut self.contents else { return None };
        let due = if end { 1 } else { PIECE_BYTES };
        if !self.wanted || waiting.bytes.len() < due {
            return None;
        }
        let (at, bytes) = (self.handed, waiting.take());
        self.handed += bytes.len() as u64;
        Some((at, bytes))
    }

    /// Bytes that were handed on.
    pub(super) fn handed_bytes(&self) -> u64 {
        self.handed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_for_a_rule_within_the_budget() {
        let budget = Budget::new(100);
        let mut first = Keeping::new(false, Arc::clone(&budget));
        let mut second = Keeping::new(true, Arc::clone(&budget));
        assert!(first.append(&[1; 60]) && second.append(&[2; 40]));
        assert!(!second.append(&[2]), "no room is left");
        assert!(second.append(&[2]), "which is told once");
        assert_eq!((second.take_piece(true), second.is_storing()), (None, false));
        assert_eq!(budget.drawn_bytes(), 60, "what is lost is given back");
        assert_eq!(first.take_piece(true), None, "nobody wants it yet");
        first.want(7);
        first.want(7);
        assert_eq!(first.take_piece(false), None, "it is no whole piece");
        assert_eq!(first.take_piece(true), Some((0, vec![1; 60])));
        assert!(first.append(&[1; 5]));
        assert_eq!(first.take_piece(true), Some((60, vec![1; 5])));
        assert_eq!((first.rules(), first.handed_bytes(), budget.drawn_bytes()), (&[7][..], 65, 0));
    }
}
