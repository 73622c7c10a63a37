//! What rules remember of a flow: conditions on it, and changes to it after a match.

use std::sync::Arc;

use super::evidence::Trail;
use super::payload::Variables;
use crate::regex::tank::Tank;
use crate::rule::dataset::Key;
use crate::rule::item::{Capture, DatasetTest};
use crate::rule::{BitOperation, Rule};
use crate::state::flow::FlowState;
use crate::state::shared::Step;

/// Bytes of a captured value that are kept.
const VALUE_LIMIT_BYTES: usize = 4 << 10;

/// What an alert shows of its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Bytes that an expression captured.
    Text(Box<[u8]>),
    /// A JSON object of a set.
    Json(Arc<str>),
}

/// Names and values.
pub type Context = Vec<(Arc<str>, Shown)>;

/// What was noted of the buffers of a rule while it was decided: it counts once the rule matches.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    captured: Vec<(Capture, Box<[u8]>)>,
    shown: Context,
    steps: Vec<Step>,
    /// The buffer that is looked at, as records name it.
    pub(super) buffer: &'static str,
    /// The section that is looked at, and the instance of its buffer.
    pub(super) place: (u16, u16),
    /// What the rule's items read so far.
    pub(super) variables: Variables,
    /// The bytes that hold so far.
    pub(super) trail: Trail,
    /// What may still be spent on the rule that is decided.
    pub(super) tank: Tank,
}

/// How much was noted at a time: what came later is forgotten when it turns out not to hold.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    captured: usize,
    shown: usize,
    steps: usize,
    trail: usize,
}

impl Notes {
    /// Nothing, with so much to spend.
    pub(super) fn with(tank: Tank) -> Self {
        Self { tank, ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.captured.clear();
        self.shown.clear();
        self.steps.clear();
        self.variables.clear();
        self.trail.clear();
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            captured: self.captured.len(),
            shown: self.shown.len(),
            steps: self.steps.len(),
            trail: self.trail.len(),
        }
    }

    pub(super) fn return_to(&mut self, mark: Mark) {
        self.captured.truncate(mark.captured);
        self.shown.truncate(mark.shown);
        self.steps.truncate(mark.steps);
        self.trail.truncate(mark.trail);
    }

    /// Leaves a set that rules change for where the order of all matches is known.
    pub(super) fn defer(&mut self, test: &DatasetTest, key: Key) {
        let (section, instance) = self.place;
        let (set, operation, subdomains) = (test.set.index, test.operation, test.subdomains);
        self.steps.push(Step { section, instance, set, operation, subdomains, key });
    }

    /// Whether something of the section that is looked at was left for later.
    pub(super) fn defers(&self) -> bool {
        self.steps.last().is_some_and(|step| step.section == self.place.0)
    }

    /// Shows a record of a set with the alert.
    pub(super) fn show(&mut self, name: &Arc<str>, record: &Arc<str>) {
        self.shown.push((Arc::clone(name), Shown::Json(Arc::clone(record))));
    }

    /// What was left for later.
    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    pub(super) fn capture(&mut self, to: &Capture, value: &[u8]) {
        self.captured.push((to.clone(), value.get(..VALUE_LIMIT_BYTES).unwrap_or(value).into()));
    }
}

/// Whether what a rule wants to have been set is set.
pub(super) fn holds(rule: &Rule, state: &FlowState) -> bool {
    rule.flowbits.iter().all(|bits| state.allows_bits(bits))
        && rule.flowints.iter().all(|int| state.allows_int(int))
        && rule.variable_tests.iter().all(|test| state.allows_variable(test))
}

/// Whether a bit that a rule wants to be set is not.
pub(super) fn awaits_bit(rule: &Rule, state: &FlowState) -> bool {
    rule.flowbits.iter().any(|bits| bits.operation == BitOperation::IsSet && !state.allows_bits(bits))
}

/// What a rule changes when it has matched; returns what its alert shows, and whether a flowbit rose.
pub(super) fn apply(rule: &Rule, state: &mut FlowState, notes: &mut Notes) -> (Context, bool) {
    let mut risen = false;
    for bits in &rule.flowbits {
        risen |= state.apply_bits(bits);
    }
    for int in &rule.flowints {
        state.apply_int(int);
    }
    let mut context = std::mem::take(&mut notes.shown);
    for (to, value) in notes.captured.drain(..) {
        match to {
            Capture::Flow(name) => state.notes_mut().set_variable(name, value),
            Capture::Packet(name) => state.notes_mut().packet_variables.push((name, value)),
            Capture::Alert(name) => context.push((name, Shown::Text(value))),
        }
    }
    (context, risen)
}
