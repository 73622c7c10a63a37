//! Why a rule matches or does not: each look at it, condition by condition, and how far everything else came.
//!
//! A [`Watch`] follows one rule. It is told of every packet, chunk and transaction that is inspected, whether or not the rule is a
//! candidate there, and of each decision on the rule. The verifier decides as always; what it says of buffers is read from its trail,
//! what lies before them is asked once more, condition by condition. Nothing of it runs where no rule is watched.

mod conditions;
mod funnel;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;

use super::evidence::Evidence;
use super::{Ground, Inspection};
use crate::plan::{Found, Plan, RuleIndex};
use crate::rule::Rule;
use crate::rule::condition::{TransactionView, Verdict};
use crate::state::flow::FlowState;
pub use funnel::{Funnel, Stage};

/// How a condition fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It holds.
    Held,
    /// It does not.
    Failed,
    /// It does not yet: more may come.
    Open,
    /// One before it failed.
    NotLooked,
}

/// A condition of a rule, and how it fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its text, as in the rule where the rule was read with labels.
    pub text: String,
    /// How it fared.
    pub mark: Mark,
    /// What is there instead, where it does not hold.
    pub note: String,
    /// The bytes that it is about.
    pub bytes: Option<Bytes>,
}

/// Bytes of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// The buffer, as rules name it.
    pub buffer: &'static str,
    /// Which of several, from 0.
    pub instance: u16,
    /// The buffer went through transforms.
    pub transformed: bool,
    /// Bytes of the whole buffer, where known.
    pub size: Option<u64>,
    /// Position of the first byte.
    pub offset: u64,
    /// How many fulfilled the condition; 0 where it does not hold.
    pub length: u64,
    /// The first of them.
    pub excerpt: Box<[u8]>,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A condition does not hold.
    Failed,
    /// The rule waits for more of the transaction.
    Open,
    /// The rule matched.
    Matched,
}

/// One look at the rule: a packet, a chunk or a transaction in a direction.
#[derive(Clone, Debug)]
pub struct Look {
    /// Number of the packet with which it came, from 1; 0 at the end of a flow.
    pub packet: u64,
    /// Packet time.
    pub time: Timestamp,
    /// The flow's id.
    pub flow: Option<u64>,
    /// Where the packet comes from.
    pub source: Option<(IpAddr, u16)>,
    /// Where it goes.
    pub destination: Option<(IpAddr, u16)>,
    /// IP protocol.
    pub protocol: u8,
    /// What was looked at.
    pub ground: Ground,
    /// Its direction.
    pub direction: Direction,
    /// What came of it.
    pub outcome: Outcome,
    /// The rule's conditions, in the order in which they are decided.
    pub conditions: Vec<Condition>,
}

/// What became of a match behind the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It went on to become an alert.
    Alert,
    /// It is that of a pass rule, which took effect.
    Passes,
    /// A pass rule that goes before matched on the same packet.
    PassedBy(RuleIndex),
    /// The rule raises no alert (`noalert`, `config`).
    Silent,
    /// The packet had as many alerts as it may have.
    AlertLimit,
}

/// Follows one rule.
#[derive(Clone, Debug)]
pub struct Watch {
    rule: RuleIndex,
    /// Looks that are kept.
    limit: usize,
    /// It is found by a fast pattern, whatever the header says.
    by_pattern: bool,
    /// The looks that came nearest, in no order.
    looks: Vec<Look>,
    /// All looks.
    pub made: u64,
    /// Looks at which the rule matched.
    pub matched: u64,
    /// How far packets came in the header and what is asked of packets.
    pub packets: Funnel,
    /// How far chunks of streams came.
    pub chunks: Funnel,
    /// How far transactions came, each counted once in each direction.
    pub transactions: Funnel,
    /// Packets that were not inspected, because a pass rule had matched in their flow or the flow was bypassed.
    pub uninspected: u64,
    /// What became of the matches.
    pub fates: BTreeMap<Fate, u64>,
}

/// What a decision is about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) ground: Ground,
    /// With whether the rule waited for more of it.
    pub(super) transaction: Option<(&'a TransactionView<'a>, bool)>,
}

impl Condition {
    fn new(text: String, held: bool, there: impl FnOnce() -> String) -> Self {
        let (mark, note) = if held { (Mark::Held, String::new()) } else { (Mark::Failed, there()) };
        Self { text, mark, note, bytes: None }
    }

    fn open(text: String, note: String) -> Self {
        Self { text, mark: Mark::Open, note, bytes: None }
    }
}

impl Bytes {
    fn of(evidence: &Evidence, excerpt: Box<[u8]>) -> Self {
        let Evidence { buffer, instance, transformed, offset, length, .. } = *evidence;
        Self { buffer, instance, transformed, size: None, offset, length, excerpt }
    }
}

impl Look {
    /// How many conditions held before one did not.
    pub fn depth(&self) -> usize {
        self.conditions.iter().take_while(|condition| condition.mark == Mark::Held).count()
    }

    /// Its rank: the larger, the nearer.
    fn rank(&self) -> (Outcome, usize) {
        let open = self.conditions.iter().filter(|condition| condition.mark == Mark::Open).count();
        (self.outcome, self.depth() + open)
    }

    fn is_same_transaction(&self, other: &Self) -> bool {
        matches!(self.ground, Ground::Transaction(_))
            && (self.flow, self.ground, self.direction) == (other.flow, other.ground, other.direction)
    }
}

impl Watch {
    /// Follows a rule of a plan; keeps the `limit` looks that came nearest.
    pub fn new(plan: &Plan, rule: RuleIndex, limit: usize) -> Self {
        Self {
            rule,
            limit,
            by_pattern: plan.estimate(rule).is_some_and(|estimate| estimate.found == Found::Pattern),
            looks: Vec::new(),
            made: 0,
            matched: 0,
            packets: Funnel::default(),
            chunks: Funnel::default(),
            transactions: Funnel::default(),
            uninspected: 0,
            fates: BTreeMap::new(),
        }
    }

    /// The rule that is followed.
    pub fn rule(&self) -> RuleIndex {
        self.rule
    }

    /// The looks that came nearest, nearest first.
    pub fn into_looks(mut self) -> Vec<Look> {
        self.looks.sort_by_key(|look| (std::cmp::Reverse(look.rank()), look.time, look.packet));
        self.looks
    }

    /// Counts what became of a match, if it is the rule's.
    pub fn settle(&mut self, rule: RuleIndex, fate: Fate) {
        if rule == self.rule {
            *self.fates.entry(fate).or_default() += 1;
        }
    }

    /// Counts how far a packet comes.
    pub(super) fn packet(&mut self, inspection: &Inspection<'_>, state: &FlowState) {
        let plan = inspection.plan;
        let Some((rule, kind)) = self.own(inspection).zip(plan.kind(self.rule)) else { return };
        let mut asked = conditions::of_header(rule, inspection.view);
        if kind != crate::plan::Kind::Transaction {
            asked.extend(conditions::of_packet(plan, rule, inspection.view, state));
            asked.extend(conditions::of_events(rule, inspection.view.flow_anomalies.iter()));
        }
        self.packets.count(&asked);
    }

    /// The rule, if it is for the packet.
    fn own<'i>(&self, inspection: &Inspection<'i>) -> Option<&'i Rule> {
        let plan = inspection.plan;
        plan.rule(self.rule).filter(|_| plan.scope(inspection.view.packet.tenant).contains(self.rule))
    }

    /// Counts how far a chunk comes.
    pub(super) fn chunk(&mut self, inspection: &Inspection<'_>, state: &FlowState) {
        let Some(rule) = self.own(inspection) else { return };
        let mut asked = conditions::of_header(rule, inspection.view);
        asked.extend(conditions::of_packet(inspection.plan, rule, inspection.view, state));
        self.chunks.count(&asked);
    }

    /// Counts how far a transaction comes.
    pub(super) fn transaction(&mut self, inspection: &Inspection<'_>, state: &FlowState) {
        let Some(rule) = self.own(inspection) else { return };
        let mut asked = conditions::of_header(rule, inspection.view);
        asked.extend(conditions::of_packet(inspection.plan, rule, inspection.view, state));
        self.transactions.count(&asked);
    }

    /// A look begins: what is known of it before the rule is decided. `None` where the rule is not near.
    pub(super) fn begin(
        &self,
        inspection: &Inspection<'_>,
        rule: RuleIndex,
        subject: Subject<'_>,
        state: &FlowState,
    ) -> Option<Box<Look>> {
        if rule != self.rule {
            return None;
        }
        let (view, rule) = (inspection.view, inspection.plan.rule(rule)?);
        let mut conditions = conditions::of_header(rule, view);
        let fits = conditions.iter().all(|condition| condition.mark == Mark::Held);
        if !fits && !self.by_pattern {
            return None;
        }
        conditions.extend(conditions::of_packet(inspection.plan, rule, view, state));
        if let Some((transaction, waited)) = subject.transaction {
            // What waited fulfilled these when it became a candidate.
            if waited {
                conditions.iter_mut().for_each(|c| (c.mark, c.note) = (Mark::Held, String::new()));
            }
            conditions.extend(conditions::of_transaction(rule, transaction));
            conditions.extend(conditions::of_files(rule, transaction));
        } else {
            conditions.extend(conditions::of_events(rule, view.flow_anomalies.iter()));
        }
        let ports = view.packet.ports();
        Some(Box::new(Look {
            packet: view.packet.number,
            time: view.packet.time,
            flow: view.flow.map(|flow| flow.id),
            source: view.packet.ip.map(|ip| (ip.source, ports.0)),
            destination: view.packet.ip.map(|ip| (ip.destination, ports.1)),
            protocol: view.packet.ip.map_or(0, |ip| ip.protocol),
            ground: subject.ground,
            direction: view.flow.map_or(Direction::ToServer, |flow| flow.direction),
            outcome: Outcome::Failed,
            conditions,
        }))
    }

    /// A look ends: the rule was decided.
    pub(super) fn end(&mut self, plan: &Plan, mut look: Look, verdict: Verdict, trail: &mut super::evidence::Trail) {
        let (Some(rule), Some((record, held))) = (plan.rule(self.rule), trail.take_record()) else { return };
        look.outcome = match verdict {
            Verdict::Yes => Outcome::Matched,
            Verdict::NotYet => Outcome::Open,
            Verdict::No => Outcome::Failed,
        };
        sections::add(rule, &mut look, *record, held);
        self.made += 1;
        self.matched += u64::from(look.outcome == Outcome::Matched);
        // A transaction is looked at again as it grows: what came last counts.
        if let Some(known) = self.looks.iter_mut().find(|known| known.is_same_transaction(&look)) {
            if known.outcome != Outcome::Matched {
                *known = look;
                self.made -= 1;
            }
            return;
        }
        self.looks.push(look);
        if self.looks.len() > self.limit {
            let furthest = (0..self.looks.len()).rev().min_by_key(|&at| self.looks.get(at).map(Look::rank));
            furthest.map(|at| self.looks.swap_remove(at));
        }
    }
}
