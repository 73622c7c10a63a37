//! The second step: which matches are alerts.
//!
//! What flows share and thresholds count over all flows, so that they are decided here, where matches of all workers stand in the
//! order of their packets; that makes them the same for any number of workers.

use std::collections::{BTreeMap, HashSet};
use std::io;

use tapwire_signatures::language::threshold_file::{Entry, Side, Suppression};
use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::rule::Action;
use tapwire_signatures::state::hostbits::Parties;
use tapwire_signatures::state::shared::Shared;
use tapwire_signatures::state::threshold::{RuleId, Subject, Thresholds};

use crate::inspect::Engine;
use crate::records::batch::RecordBatch;
use crate::records::finding::{AlertGate, Finding, What};
use crate::sinks::sets::Sets;

/// Thresholds that are followed at once.
const THRESHOLD_LIMIT: usize = 100_000;

/// What decides over matches.
pub(super) struct Decide {
    /// What flows share.
    pub(super) shared: Shared,
    thresholds: Thresholds,
    /// The match that was decided last: its worker, packet and group.
    last: Option<((u16, u64, u32), Decision)>,
    /// Flows that go on and had an alert that was decided here.
    alerted: HashSet<u64, foldhash::fast::RandomState>,
    /// Records of flows tell when these are over.
    follows_flows: bool,
    /// Matches that became no alert, by rule and reason.
    pub(super) held_back: BTreeMap<(RuleIndex, HeldBack), u64>,
}

/// What became of a match that was not decided before.
pub(super) struct Decided<'f> {
    /// The match.
    pub(super) gate: &'f AlertGate,
    /// The packet that it is of.
    pub(super) packet: u64,
    /// Its flow.
    pub(super) flow: Option<u64>,
    /// What became of it.
    pub(super) decision: Decision,
    /// It leaves records.
    pub(super) is_recorded: bool,
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// No alert.
    Nothing(HeldBack),
    /// An alert.
    Alert,
    /// An alert that says that the packet was blocked, as those of `reject` do.
    Block,
}

/// Why a match became no alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBack {
    /// A set, or a bit of a host, that all flows share says no.
    Shared,
    /// The threshold file suppresses it.
    Suppressed,
    /// A rate filter of the threshold file lets it pass.
    RateFilter,
    /// The rule's `detection_filter`.
    DetectionFilter,
    /// The threshold of the rule or of the threshold file.
    Threshold,
}

impl HeldBack {
    /// Who held it back, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            HeldBack::Shared => "dataset, xbits or hostbits",
            HeldBack::Suppressed => "suppression of the threshold file",
            HeldBack::RateFilter => "rate filter of the threshold file",
            HeldBack::DetectionFilter => "detection_filter",
            HeldBack::Threshold => "threshold",
        }
    }
}

impl Decide {
    /// Nothing was decided yet. `follows_flows` says that records of flows tell when they end.
    pub(super) fn new(engine: &Engine, follows_flows: bool) -> Self {
        Self {
            shared: Shared::new(&engine.plan.datasets),
            thresholds: Thresholds::new(THRESHOLD_LIMIT),
            last: None,
            alerted: HashSet::default(),
            follows_flows,
            held_back: BTreeMap::new(),
        }
    }

    /// Goes on with other rules.
    pub(super) fn follow(&mut self, engine: &Engine) {
        self.shared.follow(&engine.plan.datasets);
    }

    /// Takes a finding: what becomes of the match that it tells of, and the same for other steps where that is new.
    pub(super) fn finding<'f>(
        &mut self,
        batch: &RecordBatch,
        finding: &'f Finding,
        engine: &Engine,
    ) -> (Decision, Option<Decided<'f>>) {
        if let What::Additions(additions) = &finding.what {
            additions.iter().for_each(|addition| self.shared.add(addition));
        }
        let Some(gate) = finding.alert() else { return (Decision::Alert, None) };
        // All records of an alert share what was decided of it.
        let key = (batch.worker, finding.place.packet, gate.group);
        if let Some((_, decision)) = self.last.filter(|(last, _)| *last == key) {
            return (decision, None);
        }
        let (packet, flow) = (finding.place.packet, finding.place.flow);
        let decision = self.decide(engine, gate, flow);
        self.last = Some((key, decision));
        let is_recorded = finding.record().is_some() || matches!(finding.what, What::Shown(_));
        match decision {
            Decision::Nothing(why) => *self.held_back.entry((gate.rule, why)).or_default() += 1,
            _ if is_recorded => self.alerted.extend(flow.filter(|_| self.follows_flows)),
            _ => {}
        }
        (decision, Some(Decided { gate, packet, flow, decision, is_recorded }))
    }

    /// Whether a flow that goes on had an alert that was decided here.
    pub(super) fn is_alerted(&self, flow: Option<u64>) -> bool {
        flow.is_some_and(|flow| self.alerted.contains(&flow))
    }

    /// Forgets a flow that ended.
    pub(super) fn end(&mut self, flow: u64) {
        self.alerted.remove(&flow);
    }

    /// Ends a batch: what is decided next is something else, whatever it is called.
    pub(super) fn end_batch(&mut self) {
        self.last = None;
    }

    /// Memory of thresholds, and of what rules remember of hosts and of pairs of hosts, by name.
    pub(super) fn memory(&self) -> [(&'static str, u64); 8] {
        let (thresholds, most_thresholds) = self.thresholds.memory_bytes();
        let (hosts, pairs, most_bits) = self.shared.bit_memory_bytes();
        [
            ("detect.thresholds.memuse", thresholds),
            ("detect.thresholds.memcap", most_thresholds),
            ("detect.thresholds.bitmap_memuse", 0),
            ("detect.thresholds.bitmap_alloc_fail", 0),
            ("host.memuse", hosts),
            ("host.memcap", most_bits),
            ("ippair.memuse", pairs),
            ("ippair.memcap", most_bits),
        ]
    }

    /// Matches that became no alert.
    pub(super) fn suppressed(&self) -> u64 {
        self.held_back.values().sum()
    }

    /// Whether what is left of an alert's rule holds, and it passes the suppressions and thresholds; those of the file replace the
    /// rule's own.
    fn decide(&mut self, engine: &Engine, gate: &AlertGate, flow: Option<u64>) -> Decision {
        let Some(rule) = engine.plan.rule(gate.rule) else { return Decision::Alert };
        let own = engine.own_of_rule(gate.rule);
        let parties = Parties { tenant: own.tenant, source: gate.source, destination: gate.destination };
        if !self.shared.decide(rule, &gate.steps, parties, gate.time) {
            return Decision::Nothing(HeldBack::Shared);
        }
        let subject = Subject { source: gate.source, destination: gate.destination, ports: gate.ports, flow };
        let id = RuleId { tenant: own.tenant, gid: rule.gid, sid: rule.sid };
        let (mut filed, mut decision) = (None, Decision::Alert);
        for (_, entry) in own.thresholds.iter().filter(|(rules, _)| rules.contains(rule.gid, rule.sid)) {
            match entry {
                Entry::Suppress(None) => return Decision::Nothing(HeldBack::Suppressed),
                Entry::Suppress(Some(suppression)) if is_suppressed(suppression, gate) => {
                    return Decision::Nothing(HeldBack::Suppressed);
                }
                Entry::Threshold(threshold) => filed = Some(threshold),
                Entry::Suppress(Some(_)) => {}
                Entry::RateFilter { threshold, action, timeout_s } => {
                    if self.thresholds.rate_exceeded(id, threshold, *timeout_s, &subject, gate.time) {
                        decision = match action {
                            Action::Pass => return Decision::Nothing(HeldBack::RateFilter),
                            Action::Reject => Decision::Block,
                            Action::Alert | Action::Drop | Action::Config => Decision::Alert,
                        };
                    }
                }
            }
        }
        let counted = [
            (HeldBack::DetectionFilter, rule.detection_filter.as_ref()),
            (HeldBack::Threshold, filed.or(rule.threshold.as_ref())),
        ];
        for (why, threshold) in counted {
            if threshold.is_some_and(|t| !self.thresholds.decide(id, t, &subject, gate.time)) {
                return Decision::Nothing(why);
            }
        }
        decision
    }

    /// Writes the sets that are kept in files. One that may not be where its rule says is told and left out.
    pub(super) fn save(&mut self, sets: &Sets, news: &mut Vec<String>) -> io::Result<()> {
        let mut result = Ok(());
        for (tenant, name, kind, text) in self.shared.saved() {
            match sets.keep(tenant, name, kind, &text) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    news.push(format!("a set cannot be kept in {name}: {error}"));
                }
                kept => result = result.and(kept),
            }
        }
        result
    }
}

fn is_suppressed(suppression: &Suppression, gate: &AlertGate) -> bool {
    let listed = |address| suppression.addresses.contains(address);
    match suppression.side {
        Side::Source => listed(gate.source),
        Side::Destination => listed(gate.destination),
        Side::Either => listed(gate.source) || listed(gate.destination),
    }
}
