//! Whether what a rule says of a transaction holds, as far as can be told by now.

use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, Value};

use super::files::files_hold;
use super::weaker;
use crate::lua::Context;
use crate::plan::hook_progress;
use crate::rule::condition::{FileKind, FileView, TransactionView, Verdict};
use crate::rule::item::Item;
use crate::rule::{Arrow, Buffer, Rule, Section};
use crate::verify::Matcher;
use crate::verify::payload::View;

impl Matcher {
    /// Whether everything that a rule says of a transaction holds.
    pub(in crate::verify) fn transaction_rule(
        &mut self,
        rule: &Rule,
        subject: &TransactionView<'_>,
        context: &mut Context<'_>,
    ) -> Verdict {
        let known = protocol(subject.protocol);
        let mut verdict = Verdict::Yes;
        if let Some(hook) = &rule.hook {
            match hook_progress(known, subject.direction, hook) {
                Some(from) if subject.transaction.progress(subject.direction) >= from => {}
                Some(_) => verdict = Verdict::NotYet,
                None => return Verdict::No,
            }
        }
        for condition in &rule.transaction {
            let from = condition.from();
            let direction = match rule.arrow {
                Arrow::Transactional => Direction::BOTH.into_iter().find(|&d| from.of(d).is_some()),
                _ => None,
            };
            let direction = direction.unwrap_or(subject.direction);
            match *from.of(direction) {
                Some(from) if subject.transaction.progress(direction) < from => verdict = Verdict::NotYet,
                Some(_) if condition.holds(subject.transaction, direction) => {}
                _ => return Verdict::No,
            }
        }
        let anomalies = subject.transaction.anomalies();
        let raised = |event: &String| anomalies.iter().chain(subject.flow_anomalies).any(|a| a.0 == event);
        if !rule.events.iter().all(raised) {
            return Verdict::No;
        }
        for (position, section) in (0..).zip(&rule.sections) {
            self.notes.place = (position, 0);
            let held = if self.notes.variables.has(section.wanted) {
                self.transaction_section(rule, section, subject, context)
            } else {
                Verdict::NotYet
            };
            self.notes.trail.decide(position, held);
            match held {
                Verdict::Yes => {}
                Verdict::NotYet => verdict = Verdict::NotYet,
                Verdict::No => return Verdict::No,
            }
        }
        if !rule.file.is_empty() || rule.filestore.is_some() {
            verdict = weaker(verdict, files_hold(rule, subject));
        }
        if verdict != Verdict::Yes || self.scripts_hold(rule, context) {
            return verdict;
        }
        // What a script looks for may come with the rest.
        let done = subject.transaction.progress(subject.direction) >= last_state(subject, subject.direction);
        if done { Verdict::No } else { Verdict::NotYet }
    }

    fn transaction_section<'a>(
        &mut self,
        rule: &Rule,
        section: &Section,
        subject: &TransactionView<'a>,
        context: &mut Context<'_>,
    ) -> Verdict {
        match section.buffer {
            Buffer::Field(name) => {
                let Some(field) = name.of(subject.protocol) else { return Verdict::No };
                let direction = if rule.arrow == Arrow::Transactional {
                    let own = section.direction.or(Direction::BOTH.into_iter().find(|&d| field.from.of(d).is_some()));
                    own.unwrap_or(subject.direction)
                } else {
                    subject.direction
                };
                match *field.from.of(direction) {
                    Some(from) if subject.transaction.progress(direction) < from => return Verdict::NotYet,
                    Some(_) => {}
                    None => return Verdict::No,
                }
                let may_be_absent = section.items.iter().any(|i| matches!(i, Item::Absent { .. }));
                // A body may begin after its headers: what is not there may still come while the direction goes on.
                let mut verdict = if may_be_absent { Verdict::Yes } else { Verdict::NotYet };
                let mut deferred = false;
                for index in 0.. {
                    let Some(value) = subject.value(field, direction, index) else { break };
                    self.notes.place.1 = u16::try_from(index).unwrap_or(u16::MAX);
                    let view = match value {
                        Value::Bytes(data) => View::whole(data),
                        Value::Stream { data, offset, complete } => {
                            View { data, size: offset + data.len() as u64, complete }
                        }
                        Value::Number(_) => return Verdict::No,
                    };
                    match self.section(section, view, context) {
                        // What was left for later may turn out not to hold: each instance is a chance.
                        Verdict::Yes if field.multi && self.notes.defers() => deferred = true,
                        Verdict::Yes => return Verdict::Yes,
                        other if index == 0 => verdict = other,
                        Verdict::NotYet => verdict = Verdict::NotYet,
                        Verdict::No => {}
                    }
                    if !field.multi {
                        break;
                    }
                }
                if deferred {
                    return Verdict::Yes;
                }
                let done = subject.transaction.progress(direction) >= last_state(subject, direction);
                match verdict {
                    Verdict::NotYet if done => Verdict::No,
                    // What is not in one file may be in another.
                    Verdict::No if !done && field.is_contents() => Verdict::NotYet,
                    _ => verdict,
                }
            }
            Buffer::Payload => match self.section(section, View::whole(subject.raw), context) {
                Verdict::Yes if !subject.raw.is_empty() => Verdict::Yes,
                _ => Verdict::NotYet,
            },
            Buffer::File(name) => {
                let text = |file: &FileView<'a>| match name {
                    "file.magic" => file.kind.and_then(FileKind::describe).map(str::as_bytes),
                    _ => Some(file.name),
                };
                let mut texts = subject.files.iter().filter_map(text);
                let held = texts.any(|text| self.section(section, View::whole(text), context) == Verdict::Yes);
                if held { Verdict::Yes } else { Verdict::NotYet }
            }
            Buffer::Header(name) if self.header_holds(section, name, context) => Verdict::Yes,
            Buffer::Header(_) => Verdict::No,
            Buffer::Frame(_) | Buffer::Later(_) => Verdict::No,
        }
    }
}

fn last_state(subject: &TransactionView<'_>, direction: Direction) -> u8 {
    let states = protocol(subject.protocol).states.of(direction).len();
    u8::try_from(states.saturating_sub(1)).unwrap_or(u8::MAX)
}
