//! What the verifier's trail says of a rule's buffers, item by item.

use super::{Bytes, Condition, Look, Mark, Outcome};
use crate::rule::condition::Verdict;
use crate::rule::item::Item;
use crate::rule::{BitTrack, Rule, Section};
use crate::verify::evidence::{Attempt, Held, Record};
use crate::verify::explain::conditions::label;

/// Adds the conditions of sections and what comes behind them to a look, and marks what no one looked at.
pub(super) fn add(rule: &Rule, look: &mut Look, record: Record, held: Held) {
    let matched = look.outcome == Outcome::Matched;
    for (position, section) in (0..).zip(&rule.sections) {
        let verdict = record.verdicts.iter().rev().find(|(s, _)| *s == position).map(|(_, verdict)| *verdict);
        let failed = record.furthest.as_ref().filter(|attempt| attempt.place.0 == position);
        let size = |instance: u16| {
            record.buffers.iter().rev().find(|(s, i, _)| (*s, *i) == (position, instance)).map(|buffer| buffer.2)
        };
        let is_there = record.buffers.iter().any(|(s, ..)| *s == position);
        let fresh = items(rule, position, section);
        let from = look.conditions.len();
        look.conditions.extend(match (matched, verdict, failed) {
            (true, ..) | (_, Some(Verdict::Yes), _) => holding(fresh, position, &held),
            (_, Some(verdict), Some(attempt)) if is_there => attempted(fresh, verdict, attempt, section),
            (_, Some(verdict), _) => absent(fresh, verdict, section),
            (_, None, _) => fresh,
        });
        for bytes in look.conditions.iter_mut().skip(from).filter_map(|condition| condition.bytes.as_mut()) {
            bytes.size = size(bytes.instance).filter(|_| bytes.buffer == section.buffer.name());
        }
    }
    behind(rule, look, matched);
    if !matched {
        let first = look.conditions.iter().position(|condition| condition.mark == Mark::Failed);
        for condition in look.conditions.iter_mut().skip(first.map_or(usize::MAX, |first| first + 1)) {
            *condition = Condition {
                mark: Mark::NotLooked,
                note: String::new(),
                bytes: None,
                text: std::mem::take(&mut condition.text),
            };
        }
    }
}

/// The conditions of a section before anybody looked.
fn items(rule: &Rule, position: u16, section: &Section) -> Vec<Condition> {
    let count =
        section.items.iter().map(|item| if let Item::Base64Data(inner) = item { inner.len() + 1 } else { 1 }).sum();
    let labels = rule.labels.as_deref().and_then(|labels| labels.items.get(usize::from(position)));
    let text = |at: usize| {
        let known = labels.and_then(|labels| labels.get(at).cloned());
        let text = known.or_else(|| section.items.get(at).map(|item| item.keyword().to_owned()));
        text.unwrap_or_else(|| "condition".into())
    };
    (0..count).map(|at| Condition { text: text(at), mark: Mark::NotLooked, note: String::new(), bytes: None }).collect()
}

fn holding(mut conditions: Vec<Condition>, position: u16, held: &Held) -> Vec<Condition> {
    for (at, condition) in (0..).zip(&mut conditions) {
        condition.mark = Mark::Held;
        condition.bytes = bytes_of(held, (position, at));
    }
    conditions
}

fn bytes_of(held: &Held, place: (u16, u16)) -> Option<Bytes> {
    let (evidence, excerpt) = held.iter().rev().find(|(evidence, _)| evidence.place == place)?;
    Some(Bytes::of(evidence, excerpt.clone()))
}

fn attempted(mut conditions: Vec<Condition>, verdict: Verdict, attempt: &Attempt, section: &Section) -> Vec<Condition> {
    let (position, failed) = attempt.place;
    for (at, condition) in (0..=failed).zip(&mut conditions) {
        if at < failed {
            condition.mark = Mark::Held;
            condition.bytes = bytes_of(&attempt.held, (position, at));
            continue;
        }
        condition.mark = if verdict == Verdict::NotYet { Mark::Open } else { Mark::Failed };
        condition.note.clone_from(&attempt.failure.why);
        let decoded = section.items.iter().position(|item| matches!(item, Item::Base64Data(_)));
        condition.bytes = Some(Bytes {
            buffer: if decoded.is_some_and(|from| usize::from(failed) > from) {
                "base64_data"
            } else {
                section.buffer.name()
            },
            instance: attempt.instance,
            transformed: !section.transforms.is_empty(),
            size: None,
            offset: attempt.failure.span.as_ref().map_or(0, |span| span.start as u64),
            length: 0,
            excerpt: attempt.excerpt.clone(),
        });
    }
    conditions
}

/// The buffer of a section was not there.
fn absent(mut conditions: Vec<Condition>, verdict: Verdict, section: &Section) -> Vec<Condition> {
    let buffer = section.buffer.name();
    if let Some(first) = conditions.first_mut() {
        (first.mark, first.note) = match verdict {
            Verdict::NotYet => (Mark::Open, format!("{buffer} has not come, or not to its end")),
            Verdict::Yes | Verdict::No => (Mark::Failed, format!("there is no {buffer} here")),
        };
    }
    conditions
}

/// Scripts, and bits of transactions: they are asked when all else holds.
fn behind(rule: &Rule, look: &mut Look, matched: bool) {
    let all_held = look.conditions.iter().all(|condition| condition.mark == Mark::Held);
    for position in 0..rule.scripts.len() {
        let text = label(rule, |l| &l.scripts, position);
        look.conditions.push(Condition::new(text, matched || !all_held, || "the script says no".into()));
    }
    for (position, bits) in rule.hostbits.iter().enumerate() {
        let text = label(rule, |l| &l.hostbits, position);
        let own = bits.track == BitTrack::Transaction;
        let mut condition = Condition::new(text, matched || !own || !all_held, || "not so for this transaction".into());
        if matched && !own {
            condition.note = "decided with what all flows share".into();
        }
        look.conditions.push(condition);
    }
}
