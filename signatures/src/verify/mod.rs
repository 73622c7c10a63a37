//! Candidate to match.
//!
//! [`Matcher`] is what a worker holds: it finds the candidates of a packet, a chunk or a transaction in the plan and decides each
//! one. [`header`] has what a rule's first line and `flow` ask for, [`payload`] what its sections do.

mod again;
mod asn1;
pub mod cost;
pub mod evidence;
pub mod explain;
mod frame;
pub mod fuel;
mod header;
mod memory;
pub mod packet;
pub mod payload;
pub mod stress;
mod transaction;

use tapwire_parsers::protocol::{Both, Direction};

use crate::lua::Runtime;
use crate::plan::{Chance, Glance, Plan, RuleIndex};
use crate::prefilter::{Folded, Scratch};
use crate::rule::condition::{PacketView, TransactionView, Verdict};
use crate::state::flow::FlowState;
use crate::state::shared::Step;
use again::HeldBack;
use cost::{CostBooks, CostReport, CostSettings, Costs, Excess};
pub use evidence::Evidence;
use explain::{Look, Watch};
pub use frame::FrameView;
use fuel::{Fuel, FuelSettings, UNITS_A_STEP};
use memory::Notes;
pub use memory::{Context, Shown};
use payload::Limits;
pub use transaction::{Flowside, TransactionState};

/// What a rule matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The packet itself.
    Packet,
    /// Reassembled bytes.
    Stream,
    /// A frame, by its id in the flow.
    Frame(u64),
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
    /// The file that it is about, by its number in the flow, where it is about one.
    pub file: Option<u64>,
    /// It is on a copy of bytes other than the one that counts.
    pub is_other_copy: bool,
    /// What the rule captured for its alert.
    pub context: Context,
    /// What is left to decide about it, with what all flows share.
    pub steps: Vec<Step>,
    /// The bytes that fulfilled its conditions, where they are wanted.
    pub evidence: Vec<Evidence>,
    /// The first reassembled bytes that it was looked for in, where they are wanted.
    pub chunk: Box<[u8]>,
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
    held_back: HeldBack,
    /// Bytes of a chunk that a match carries.
    shown_bytes: usize,
    /// Scripts.
    pub lua: Runtime,
    /// When growing bodies are looked at.
    pub body_windows: Both<BodyWindow>,
    /// Limits that were hit so far.
    pub limits: Limits,
    /// Candidates that were decided so far.
    pub decided: u64,
    /// Follows a rule that is to be explained.
    pub watch: Option<Box<Watch>>,
    /// The look at the rule that is followed, while it is decided.
    look: Option<Box<Look>>,
    costs: Costs,
    fuel: Fuel,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            scratch: Scratch::default(),
            folded: Folded::default(),
            candidates: Vec::new(),
            transformed: Default::default(),
            notes: Notes::default(),
            held_back: HeldBack::default(),
            shown_bytes: 0,
            lua: Runtime::default(),
            body_windows: Both {
                to_server: BodyWindow { first: 32 << 10, next: 4 << 10 },
                to_client: BodyWindow { first: 40 << 10, next: 16 << 10 },
            },
            limits: Limits::default(),
            decided: 0,
            watch: None,
            look: None,
            costs: Costs::default(),
            fuel: Fuel::default(),
        }
    }
}

/// What is noted beside matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Pieces of evidence that a match carries; none where it is 0.
    pub evidence_pieces: usize,
    /// Bytes of a chunk that a match in it carries; none where it is 0.
    pub shown_bytes: usize,
    /// The rule that is to be explained, and how many looks at it are kept.
    pub watch: Option<(RuleIndex, usize)>,
    /// How the cost of rules is counted.
    pub costs: CostSettings,
    /// How much work there may be.
    pub fuel: FuelSettings,
}

impl Matcher {
    /// A matcher for the rules of a plan.
    pub fn new(plan: &Plan, settings: Settings) -> Self {
        let watch = settings.watch.map(|(rule, looks)| Box::new(Watch::new(plan, rule, looks)));
        let mut matcher = Self { watch, costs: Costs::new(plan, settings.costs), ..Self::default() };
        matcher.notes.trail.limit = settings.evidence_pieces;
        matcher.lua.follow(plan);
        matcher.shown_bytes = settings.shown_bytes;
        matcher.fuel.settings = settings.fuel;
        matcher
    }

    /// What rules cost so far.
    pub fn cost_books(&mut self) -> CostBooks {
        self.costs.books()
    }

    /// Rules that took more than their share, or ran out of fuel, since this was last asked, each once.
    pub fn take_cost_reports(&mut self) -> Vec<CostReport> {
        let mut reports = self.costs.take_reports();
        let dry = self.fuel.take_untold().into_iter();
        reports.extend(dry.map(|rule| CostReport { rule, excess: Excess::Fuel }));
        reports
    }

    /// Goes on with the rules of another plan.
    pub fn follow(&mut self, before: &Plan, plan: &Plan) {
        self.costs.follow(before, plan);
        self.fuel.follow();
        self.lua.follow(plan);
    }

    /// Goes on with the books of a matcher that is given up.
    pub fn take_over(&mut self, other: Self) {
        (self.watch, self.costs) = (other.watch, other.costs);
    }

    /// Begins to decide on a candidate; not so where its rule is suspended.
    #[inline]
    fn begin(
        &mut self,
        inspection: &Inspection<'_>,
        rule: RuleIndex,
        subject: explain::Subject<'_>,
        state: &FlowState,
    ) -> bool {
        let goes_on = self.costs.begin(rule);
        self.fuel.fill(rule, &mut self.notes.tank);
        if goes_on && self.watch.is_some() {
            self.begin_look(inspection, rule, subject, state);
        }
        goes_on
    }

    #[cold]
    fn begin_look(
        &mut self,
        inspection: &Inspection<'_>,
        rule: RuleIndex,
        subject: explain::Subject<'_>,
        state: &FlowState,
    ) {
        let watch = self.watch.as_ref();
        self.look = watch.and_then(|watch| watch.begin(inspection, rule, subject, state));
        if self.look.is_some() {
            self.notes.trail.start_record();
        }
    }

    /// Ends what was begun.
    #[inline]
    fn end(&mut self, plan: &Plan, rule: RuleIndex, verdict: Verdict) {
        self.fuel.settle(rule, &self.notes.tank);
        self.costs.end(rule, self.notes.tank.spent() / UNITS_A_STEP, verdict == Verdict::Yes);
        if self.watch.is_some() {
            self.end_look(plan, verdict);
        }
    }

    #[cold]
    fn end_look(&mut self, plan: &Plan, verdict: Verdict) {
        if let (Some(look), Some(watch)) = (self.look.take(), &mut self.watch) {
            watch.end(plan, *look, verdict, &mut self.notes.trail);
        }
    }

    /// The evidence of the rule that has just matched.
    fn take_evidence(&mut self) -> Vec<Evidence> {
        let (evidence, left_out) = self.notes.trail.evidence();
        self.limits.evidence_hit += u64::from(left_out > 0);
        evidence
    }

    /// Whether a candidate's gate lets it through. A rule that is explained is looked at all the same.
    #[inline]
    fn may_hold(&self, plan: &Plan, rule: RuleIndex, glance: &Glance, state: &FlowState) -> Chance {
        if self.watch.is_some() { Chance::Open } else { plan.may_hold(rule, glance, state) }
    }

    /// Takes the candidates out that are for a packet, sorted and each once, to walk over them while the matcher works.
    fn take_candidates(&mut self, inspection: &Inspection<'_>) -> Vec<RuleIndex> {
        let mut candidates = std::mem::take(&mut self.candidates);
        inspection.plan.scope(inspection.view.packet.tenant).retain(&mut candidates);
        candidates.sort_unstable();
        candidates.dedup();
        self.decided += candidates.len() as u64;
        candidates
    }

    /// How often a rule ran dry so far.
    pub fn dry(&self) -> u64 {
        self.fuel.dry
    }

    /// Buffers so far that took more comparisons to find candidates than they may.
    pub fn odd_buffers(&self) -> u64 {
        self.scratch.odd_buffers
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
    pub(crate) view: &'a PacketView<'a>,
    /// A transaction of the packet's flow that scripts of rules on packets may look at.
    pub(crate) open: Option<&'a TransactionView<'a>>,
}
