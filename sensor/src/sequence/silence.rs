//! The third step: what has no record because a rule that was decided here says so.

use std::collections::HashMap;

use super::decide::{Decided, Decision, HeldBack};
use crate::inspect::Engine;
use crate::inspect::silence::{Quiet, Silences};
use crate::records::finding::{Finding, Gate};

/// What rules said of the records of flows that go on.
#[derive(Default)]
pub(super) struct Silence {
    flows: HashMap<u64, Silences, foldhash::fast::RandomState>,
    /// The transaction that was looked at last: another output has its record as well.
    last: Option<((Option<u64>, Quiet), bool)>,
}

impl Silence {
    /// Follows what the rule of a match says of records, where that was left to be done here.
    pub(super) fn decided(&mut self, decided: &Decided<'_>, engine: &Engine) {
        if decided.decision == Decision::Nothing(HeldBack::Shared) {
            return;
        }
        let what = engine.plan.rule(decided.gate.rule).and_then(|rule| rule.silence);
        if let (Some(what), Some(on), Some(flow)) = (what, decided.gate.silence, decided.flow) {
            self.flows.entry(flow).or_default().add(what, on);
        }
    }

    /// Whether a finding has its record.
    pub(super) fn passes(&mut self, finding: &Finding) -> bool {
        let flow = finding.place.flow;
        match finding.gate() {
            Some(Gate::Transaction(quiet)) => {
                let key = (flow, *quiet);
                let is_silent = match self.last {
                    Some((last, is_silent)) if last == key => is_silent,
                    _ => flow.and_then(|flow| self.flows.get_mut(&flow)).is_some_and(|silences| silences.take(*quiet)),
                };
                self.last = Some((key, is_silent));
                !is_silent
            }
            Some(Gate::Flow) => !flow.and_then(|flow| self.flows.get(&flow)).is_some_and(|silences| silences.flow),
            _ => true,
        }
    }

    /// Forgets a flow that ended.
    pub(super) fn end(&mut self, flow: u64) {
        self.flows.remove(&flow);
    }

    /// Ends a batch.
    pub(super) fn end_batch(&mut self) {
        self.last = None;
    }
}
