//! Candidate to match.
//!
//! [`Matcher`] is what a worker holds: it finds the candidates of a packet, a chunk or a transaction in the plan and decides each
//! one. [`header`] has what a rule's first line and `flow` ask for, [`payload`] what its sections do.

pub mod asn1;
pub mod condition;
mod header;
mod memory;
pub mod number;
pub mod numbers;
pub mod packet;
pub mod payload;
pub mod regex;
mod transaction;
pub mod transform;

use tapwire_parsers::protocol::{Both, Direction};

use crate::lua::Runtime;
use crate::plan::{Plan, RuleIndex};
use crate::prefilter::{Folded, Scratch};
use crate::state::shared::Step;
use memory::Notes;
pub use memory::{Context, Shown};
use payload::Limits;
pub use transaction::{Flowside, TransactionState, TransactionView};

/// What a rule matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The packet itself.
    Packet,
    /// Reassembled bytes.
    Stream,
    /// A transaction, by its id.
    Transaction(u64),
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule; lower ones go first.
    pub rule: RuleIndex,
    /// What it matched on.
    pub ground: Ground,
    /// The direction that was inspected.
    pub direction: Direction,
    /// What the rule captured for its alert.
    pub context: Context,
    /// What is left to decide about it, with what all flows share.
    pub steps: Vec<Step>,
}

/// How much of a body that still grows is waited for before it is looked at, and looked at again, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyWindow {
    /// Before the first look.
    pub first: u64,
    /// Before each further look.
    pub next: u64,
}

/// Finds and decides candidates, with the memory that this needs: one for each worker.
#[derive(Debug)]
pub struct Matcher {
    scratch: Scratch,
    folded: Folded,
    candidates: Vec<RuleIndex>,
    transformed: [Vec<u8>; 2],
    notes: Notes,
    /// Scripts.
    pub lua: Runtime,
    /// When growing bodies are looked at.
    pub body_windows: Both<BodyWindow>,
    /// Limits that were hit so far.
    pub limits: Limits,
    /// Candidates that were decided so far.
    pub decided: u64,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            scratch: Scratch::default(),
            folded: Folded::default(),
            candidates: Vec::new(),
            transformed: Default::default(),
            notes: Notes::default(),
            lua: Runtime::default(),
            body_windows: Both {
                to_server: BodyWindow { first: 32 << 10, next: 4 << 10 },
                to_client: BodyWindow { first: 40 << 10, next: 16 << 10 },
            },
            limits: Limits::default(),
            decided: 0,
        }
    }
}

impl Matcher {
    /// Takes the candidates out, sorted and each once, to walk over them while the matcher works.
    fn take_candidates(&mut self) -> Vec<RuleIndex> {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable();
        candidates.dedup();
        self.decided += candidates.len() as u64;
        candidates
    }

    /// Gives the list back, to use its memory again.
    fn return_candidates(&mut self, mut candidates: Vec<RuleIndex>) {
        candidates.clear();
        self.candidates = candidates;
    }
}

/// What every decision needs beside the candidate.
pub(crate) struct Inspection<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) view: &'a condition::PacketView<'a>,
}
