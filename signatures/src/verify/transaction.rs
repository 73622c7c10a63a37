//! Rules on transactions.
//!
//! A transaction is looked at in each direction whenever it came further. Buffers are scanned once, when they are there;
//! a rule that holds as far as can be told waits in the transaction's state until the rest of it can. A rule matches at most once
//! for a transaction and direction.

mod files;
mod holds;
mod known;
mod resume;
mod scan;

use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, Protocol, Value};

use super::evidence::place_in_packet;
use super::explain::Subject;
use super::{Ground, Inspection, Match, Matcher, header, memory};
use crate::lua::Context;
use crate::plan::{Chance, Glance, Plan, RuleIndex, hook_progress};
use crate::rule::condition::{PacketView, TransactionView, Verdict};
use crate::rule::{Arrow, Buffer, Rule};
use crate::state::flow::FlowState;
use files::{is_of_files, newer_files, newest};
pub use known::{Flowside, TransactionState};
use known::{bits_allow, change_bits};

/// The rules that are asked about a transaction at once.
#[derive(Clone, Copy)]
struct Asked<'a> {
    candidates: &'a [RuleIndex],
    /// Those of them that waited.
    waiting: &'a [RuleIndex],
    /// The direction that is looked at.
    direction: Direction,
}

impl Matcher {
    /// Appends the rules that match a transaction in a direction, in order.
    pub fn transaction(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        subject: &TransactionView<'_>,
        known: &mut TransactionState,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let direction = subject.direction;
        let Some(transaction_plan) = plan.transaction_plan(subject.protocol, direction) else { return };
        let Some(side) = known.sides.get_mut(direction.index()) else { return };
        let progress = subject.transaction.progress(direction);
        let mut moved = !side.started || progress != side.progress;
        self.candidates.clear();
        if side.generation != plan.generation() {
            self.resume(plan, transaction_plan, subject, side);
            moved = true;
        }
        let inspection = Inspection { plan, view, open: None };
        if !side.started {
            self.candidates.extend_from_slice(&transaction_plan.always);
            if let Some(watch) = &mut self.watch {
                watch.transaction(&inspection, state);
            }
        }
        let lasting = std::mem::take(&mut side.lasting);
        if progress == side.progress {
            self.candidates.extend(lasting);
        } else {
            side.matched.extend(lasting);
        }
        side.started = true;
        side.progress = progress;
        self.meet_files(transaction_plan, subject, side);
        while let Some(engine) = transaction_plan.engines.get(side.next_engine).filter(|e| e.from <= progress) {
            self.scan_engine(engine, side.next_engine, subject, &mut side.growing);
            side.next_engine += 1;
        }
        moved |= self.scan_growing(&transaction_plan.engines, subject, &mut side.growing);
        let engines = transaction_plan.engines.get(..side.next_engine).unwrap_or_default();
        moved |= self.scan_contents(engines, subject, &mut side.growing);
        let newest_file = newest(subject);
        let behind = side.rearmed.iter().filter(|(_, newest)| *newest < newest_file);
        self.candidates.extend(behind.map(|(rule, _)| *rule));
        let anomalies = subject.transaction.anomalies();
        for anomaly in anomalies.get(side.anomalies..).unwrap_or(&[]).iter().chain(subject.flow_anomalies) {
            self.candidates.extend_from_slice(transaction_plan.by_event.get(anomaly.0).map_or(&[], |rules| rules));
            moved = true;
        }
        side.anomalies = anomalies.len();
        // What waits is looked at when there is more of what it waits for, and not with every packet.
        let window = *self.body_windows.of(direction);
        let (looked, mut newest_look) = (side.looked, side.looked);
        let next_look = if looked == 0 { window.first } else { looked + window.next };
        let mut is_due = |index: &RuleIndex| {
            let Some(rule) = plan.rule(*index) else { return false };
            let size = streamed(rule, subject);
            let due = moved || has_more(rule, subject) || size >= next_look;
            newest_look = newest_look.max(if due { size } else { 0 });
            due
        };
        let waiting: Vec<RuleIndex> = side.waiting.extract_if(.., |rule| is_due(rule)).collect();
        side.looked = newest_look;
        if !self.candidates.is_empty() || !waiting.is_empty() {
            self.candidates.extend_from_slice(&waiting);
            let candidates = self.take_candidates(&inspection);
            let asked = Asked { candidates: &candidates, waiting: &waiting, direction };
            self.decide_transaction(&inspection, subject, asked, known, state, matches);
            self.return_candidates(candidates);
            if let Some(side) = known.sides.get_mut(direction.index()) {
                // What waits is looked up by its place.
                side.waiting.sort_unstable();
            }
        }
        let further = moved || !subject.raw.is_empty() || !subject.files.is_empty();
        if direction == Direction::ToClient && plan.is_transactional && further {
            self.answer(&inspection, subject, known, state, matches);
        }
    }

    /// Asks rules on request and response that wait since the request again, now that more of the response is there.
    fn answer(
        &mut self,
        inspection: &Inspection<'_>,
        subject: &TransactionView<'_>,
        known: &mut TransactionState,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let plan = inspection.plan;
        let [side, _] = &mut known.sides;
        let is_on_both = |rule: &RuleIndex| plan.rule(*rule).is_some_and(|rule| rule.arrow == Arrow::Transactional);
        if side.generation != plan.generation() || !side.waiting.iter().any(is_on_both) {
            return;
        }
        let waiting: Vec<RuleIndex> = side.waiting.extract_if(.., |rule| is_on_both(rule)).collect();
        let request = TransactionView {
            direction: Direction::ToServer,
            files: subject.other_files,
            other_files: subject.files,
            raw: &[],
            ..*subject
        };
        let asked = Asked { candidates: &waiting, waiting: &waiting, direction: subject.direction };
        self.decide_transaction(inspection, &request, asked, known, state, matches);
        let [side, _] = &mut known.sides;
        // What waits is looked up by its place.
        side.waiting.sort_unstable();
    }

    /// Decides candidates, among them those that waited.
    fn decide_transaction(
        &mut self,
        inspection: &Inspection<'_>,
        subject: &TransactionView<'_>,
        asked: Asked<'_>,
        known: &mut TransactionState,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let Inspection { plan, view, .. } = *inspection;
        let Some(side) = known.sides.get_mut(subject.direction.index()) else { return };
        let (glance, newest_file) = (Glance::at(view), newest(subject));
        for &index in asked.candidates {
            let rearmed = side.rearmed.iter().position(|(rule, _)| *rule == index);
            let waited = rearmed.is_some() || asked.waiting.binary_search(&index).is_ok();
            if side.matched.contains(&index) || !waited && self.may_hold(plan, index, &glance, state) != Chance::Open {
                continue;
            }
            let Some(rule) = plan.rule(index) else { continue };
            // What waited fulfilled these when it became a candidate.
            let due = waited
                || header::holds(rule, view) && rule.packet.iter().all(|c| c.holds(view)) && memory::holds(rule, state);
            let about = Subject { ground: Ground::Transaction(subject.id), transaction: Some((subject, waited)) };
            if !self.begin(inspection, index, about, state) {
                continue;
            }
            let (mut verdict, mut file) = (Verdict::No, None);
            if due {
                self.notes.clear();
                let newer =
                    rearmed.and_then(|at| side.rearmed.get(at)).map(|(_, newest)| newer_files(subject, *newest));
                let files = newer.as_deref().unwrap_or(subject.files);
                let mut context = Context::new(plan, rule, view, Some(subject), state);
                (verdict, file) = self.decide_by_file(rule, &TransactionView { files, ..*subject }, &mut context);
            }
            if verdict == Verdict::Yes && !bits_allow(rule, &known.bits) {
                verdict = Verdict::No;
            }
            match verdict {
                Verdict::Yes => {
                    change_bits(rule, &mut known.bits);
                    let context = memory::apply(rule, state, &mut self.notes).0;
                    if lasts(rule, protocol(subject.protocol), subject.direction, side.progress) {
                        side.lasting.push(index);
                    } else if is_of_files(rule) {
                        side.rearm(index, file.unwrap_or(newest_file));
                    } else {
                        side.matched.push(index);
                    }
                    let (steps, mut evidence) = (self.notes.take_steps(), self.take_evidence());
                    place_in_packet(&mut evidence, subject.raw, view.packet.payload);
                    let (ground, direction) = (about.ground, asked.direction);
                    let chunk = Box::default();
                    matches.push(Match {
                        rule: index,
                        ground,
                        direction,
                        file,
                        is_other_copy: false,
                        context,
                        steps,
                        evidence,
                        chunk,
                    });
                }
                Verdict::NotYet if rearmed.is_none() => side.waiting.push(index),
                Verdict::No if rearmed.is_some() => side.rearm(index, newest_file),
                Verdict::NotYet | Verdict::No => {}
            }
            self.end(plan, index, verdict);
        }
    }
}

/// Whether there are raw bytes or files for a rule that asks for such, or a script, which may ask for anything.
fn has_more(rule: &Rule, subject: &TransactionView<'_>) -> bool {
    let of_raw = || rule.sections.iter().any(|section| matches!(section.buffer, Buffer::Payload));
    let has_raw = !subject.raw.is_empty() && (of_raw() || !rule.scripts.is_empty());
    has_raw || !subject.files.is_empty() && (is_of_files(rule) || !rule.scripts.is_empty())
}

/// Size of the longest buffer of a rule that grows.
fn streamed(rule: &Rule, subject: &TransactionView<'_>) -> u64 {
    let sizes = rule.sections.iter().filter_map(|section| {
        let Buffer::Field(name) = section.buffer else { return None };
        let field = name.of(subject.protocol)?;
        let most = if field.multi { usize::MAX } else { 1 };
        let instances = (0..most).map_while(|index| subject.value(field, subject.direction, index));
        instances.map_while(|value| grown(&value)).max()
    });
    sizes.max().unwrap_or(0)
}

/// The size of a value that grows, of what is not kept any more as well.
fn grown(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Stream { data, offset, .. } => Some(offset + data.len() as u64),
        Value::Bytes(_) | Value::Number(_) => None,
    }
}

/// Whether a rule asks for nothing but a state of a direction, which is the one where it stands.
fn lasts(rule: &Rule, known: &'static Protocol, direction: Direction, progress: u8) -> bool {
    let hook = rule.hook.as_ref().filter(|_| rule.sections.is_empty() && rule.transaction.is_empty());
    hook.is_some_and(|hook| hook_progress(known, direction, hook) == Some(progress))
}

pub(super) fn weaker(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::No, _) | (_, Verdict::No) => Verdict::No,
        (Verdict::NotYet, _) | (_, Verdict::NotYet) => Verdict::NotYet,
        _ => Verdict::Yes,
    }
}
