//! The items of a section on one buffer: contents, expressions and byte arithmetic, left to right with a cursor.
//!
//! The cursor stands after the last match. When an item fails and its position depends on the one before, that one is tried
//! again at its next occurrence; an item that stands for itself fails for good. Where an item's occurrences were tried before, from an
//! earlier cursor, they are passed over: what follows one of them depends on nothing but where it ends. Work is taken from the
//! rule's tank ([`super::fuel`]); a section whose tank runs dry does not match.

mod arithmetic;
mod base64;
mod content;
mod entropy;
mod pcre;
mod variables;
mod why;

use std::ops::Range;

use smallvec::SmallVec;

use super::evidence::Evidence;
use super::fuel::{CONDITION, SCRIPT};
use super::memory::Notes;
use crate::lua::{Context, Runtime};
use crate::regex::tank::SEARCHED_BYTES;
use crate::rule::condition::Verdict;
use crate::rule::dataset::{Note, Operation};
use crate::rule::item::{DatasetTest, Item};
pub use entropy::shannon_entropy;
pub(super) use variables::Variables;

/// Characters that a number in text may have.
const TEXT_LIMIT: usize = 23;

/// A buffer to look at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Size of the whole value so far, which can be more than is kept.
    pub size: u64,
    /// Whether nothing more will come.
    pub complete: bool,
}

impl<'a> View<'a> {
    /// A buffer that is there as a whole.
    pub fn whole(data: &'a [u8]) -> Self {
        Self { data, size: data.len() as u64, complete: true }
    }
}

/// Counters of what verification met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Expressions that gave up a place at which they might match.
    pub regex_hit: u64,
    /// Alerts whose evidence was cut at its limit.
    pub evidence_hit: u64,
    /// Walks over elements of ASN.1 given up at their limit.
    pub asn1_hit: u64,
}

/// How the items of a section fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Match,
    /// Another occurrence of the item before may help.
    Fail,
    /// Nothing helps in this buffer as it is.
    Stop,
}

/// Whether all items of a section hold on a buffer. `NotYet` where the buffer still grows and more of it may help.
pub(crate) fn section_holds(
    items: &[Item],
    view: View<'_>,
    limits: &mut Limits,
    notes: &mut Notes,
    (lua, context): (&mut Runtime, &mut Context<'_>),
) -> Verdict {
    let mut run = Run {
        view,
        tried: SmallVec::new(),
        decoded: Vec::new(),
        limits,
        notes,
        lua,
        context,
        sized: true,
        read: (0, 0..0),
        end: items.len(),
        decoding: false,
    };
    let noted = run.notes.trail.len();
    run.notes.tank.begin_buffer(view.data.len());
    let outcome = run.items(items, view.data, 0);
    run.notes.tank.end_buffer();
    match outcome {
        Outcome::Match => return Verdict::Yes,
        Outcome::Fail | Outcome::Stop => run.notes.trail.truncate(noted),
    }
    if run.sized && !view.complete && !run.notes.tank.is_dry() { Verdict::NotYet } else { Verdict::No }
}

struct Run<'a, 'l, 'c> {
    view: View<'a>,
    /// For each item by its position the begins of occurrences after which the rest failed, or of which there are none.
    tried: SmallVec<[Range<usize>; 4]>,
    decoded: Vec<u8>,
    limits: &'l mut Limits,
    notes: &'l mut Notes,
    lua: &'l mut Runtime,
    context: &'l mut Context<'c>,
    /// False once a size test cannot hold any more, however the buffer grows.
    sized: bool,
    /// The number that was read last, and where it stands.
    read: (u64, Range<usize>),
    /// Position behind the last item, counted over the section with what is within `base64_data`.
    end: usize,
    /// The bytes are those that `base64_decode` made.
    decoding: bool,
}

impl Run<'_, '_, '_> {
    fn items(&mut self, items: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let Some((item, rest)) = items.split_first() else { return Outcome::Match };
        if !self.spend(CONDITION) {
            return Outcome::Stop;
        }
        let holds = |held: bool| if held { Ok(cursor) } else { Err(Outcome::Fail) };
        // What does not depend on where the items before it matched is not helped by other occurrences of them.
        let alone = |held: bool| if held { Ok(cursor) } else { Err(Outcome::Stop) };
        let next = match item {
            Item::Content(content) => return self.content((item, content), rest, data, cursor),
            Item::Pcre(pcre) => return self.pcre((item, pcre), rest, data, cursor),
            Item::ByteTest(test) => holds(self.byte_test(test, data, cursor)),
            Item::ByteJump(jump) => self.byte_jump(jump, data, cursor).ok_or(Outcome::Fail),
            Item::ByteExtract(extract) => self.byte_extract(extract, data, cursor).ok_or(Outcome::Fail),
            Item::ByteMath(math) => self.byte_math(math, data, cursor).ok_or(Outcome::Fail),
            Item::IsDataAt(at) => holds(self.is_data_at(at, data, cursor)),
            Item::Size(test) => match test.verdict(self.view.size, self.view.complete) {
                Verdict::Yes => Ok(cursor),
                Verdict::NotYet => Err(Outcome::Stop),
                Verdict::No => {
                    self.sized = false;
                    Err(Outcome::Stop)
                }
            },
            Item::Base64Decode(decode) => {
                self.base64_decode(*decode, data, cursor);
                Ok(cursor)
            }
            Item::Base64Data(inner) => {
                let decoded = std::mem::take(&mut self.decoded);
                if decoded.is_empty() {
                    self.fail(rest, item, data, cursor);
                    return Outcome::Stop;
                }
                (self.end, self.decoding) = (self.end - rest.len() + inner.len(), true);
                let outcome = self.items(inner, &decoded, 0);
                (self.end, self.decoding) = (self.end - inner.len() + rest.len(), false);
                self.decoded = decoded;
                return outcome;
            }
            // That the buffer is there at all is what `absent` denies; with `or_else` the other items decide.
            Item::Absent { or_else } => alone(*or_else),
            Item::Dataset(test) => return self.dataset((item, test), rest, data, cursor),
            Item::DatasetScore(score) => {
                self.spend(data.len() as u64 / SEARCHED_BYTES);
                let note = score.set.kind.key(data).and_then(|key| score.set.find(&key, false));
                alone(matches!(note, Some(Note::Score(number)) if score.test.holds(number.into())))
            }
            Item::Entropy(entropy) => {
                let part = entropy::part(entropy, data);
                self.spend(part.len() as u64);
                let value = shannon_entropy(part);
                // It is told whether or not the rule matches.
                if let Some(state) = self.context.state.as_deref_mut() {
                    state.notes_mut().set_entropy(self.notes.buffer, value);
                }
                alone(entropy::holds(entropy, value))
            }
            Item::Asn1(test) => {
                let found = super::asn1::holds(test, data, cursor);
                self.limits.asn1_hit += u64::from(found.is_none());
                holds(found == Some(true))
            }
            Item::Script(test) => {
                self.context.variables = self.notes.variables.all().into();
                let held = self.spend(SCRIPT) && self.lua.holds(test, Some(data), self.context);
                self.notes.tank.spend(self.lua.take_work());
                alone(held)
            }
        };
        match next {
            Ok(cursor) => {
                if self.notes.trail.is_on() {
                    self.hold_item(rest, item, data);
                }
                self.items(rest, data, cursor)
            }
            Err(outcome) => {
                self.fail(rest, item, data, cursor);
                outcome
            }
        }
    }

    /// Notes the bytes that fulfilled an item which is neither a content nor an expression.
    fn hold_item(&mut self, rest: &[Item], item: &Item, data: &[u8]) {
        let span = match item {
            Item::ByteTest(_) | Item::ByteJump(_) | Item::ByteExtract(_) | Item::ByteMath(_) => self.read.1.clone(),
            Item::Size(_) | Item::DatasetScore(_) => 0..data.len(),
            Item::Entropy(entropy) => {
                let start = (entropy.offset as usize).min(data.len());
                start..start + entropy::part(entropy, data).len()
            }
            _ => return,
        };
        self.hold(rest, item.keyword(), data, span);
    }

    /// Notes the bytes that fulfilled an item; `rest` are those behind it.
    #[inline]
    fn hold(&mut self, rest: &[Item], keyword: &'static str, data: &[u8], span: Range<usize>) {
        if !self.notes.trail.is_on() {
            return;
        }
        let buffer = if self.decoding { "base64_data" } else { self.notes.buffer };
        // The first bytes of a long body may be gone.
        let gone = if self.decoding { 0 } else { self.view.size.saturating_sub(data.len() as u64) };
        let evidence = Evidence {
            buffer,
            instance: self.notes.place.1,
            transformed: self.notes.trail.transformed && !self.decoding,
            keyword,
            offset: gone + span.start as u64,
            length: span.len() as u64,
            place: (self.notes.place.0, self.position(rest)),
        };
        self.notes.trail.hold(evidence, data.get(span).unwrap_or(&[]));
    }

    /// Notes where an item failed, for whom a rule is explained.
    #[inline]
    fn fail(&mut self, rest: &[Item], item: &Item, data: &[u8], cursor: usize) {
        if self.notes.trail.is_recorded() {
            self.record_failure(rest, item, data, cursor);
        }
    }

    #[cold]
    fn record_failure(&mut self, rest: &[Item], item: &Item, data: &[u8], cursor: usize) {
        let (section, instance) = self.notes.place;
        if self.notes.trail.is_further((section, self.position(rest))) {
            let failure = self.why(item, data, cursor);
            self.notes.trail.fail((section, self.position(rest)), instance, data, failure);
        }
    }

    /// Position in the section of the item before `rest`.
    fn position(&self, rest: &[Item]) -> u16 {
        u16::try_from(self.end - rest.len() - 1).unwrap_or(u16::MAX)
    }

    /// Takes work out of the rule's tank; whether it can go on.
    #[inline]
    fn spend(&mut self, units: u64) -> bool {
        self.notes.tank.spend(units)
    }

    /// From where on an item's occurrences are to be tried that are wanted from `low` on.
    fn untried(&mut self, position: usize, low: usize) -> usize {
        if self.tried.len() <= position {
            self.tried.resize(position + 1, 0..0);
        }
        match self.tried.get_mut(position) {
            Some(tried) if (tried.start..=tried.end).contains(&low) => tried.end,
            Some(tried) => {
                *tried = low..low;
                low
            }
            None => low,
        }
    }

    /// Notes that occurrences that begin before `until` were tried.
    fn note_tried(&mut self, position: usize, until: usize) {
        if let Some(tried) = self.tried.get_mut(position) {
            tried.end = tried.end.max(until);
        }
    }

    /// Asks a set, or leaves that for where the order of all matches is known.
    fn dataset(&mut self, (item, test): (&Item, &DatasetTest), rest: &[Item], data: &[u8], cursor: usize) -> Outcome {
        self.spend(data.len() as u64 / SEARCHED_BYTES);
        let Some(key) = test.set.kind.key(data) else {
            self.fail(rest, item, data, cursor);
            return Outcome::Stop;
        };
        let mark = self.notes.mark();
        if test.set.is_changed_by_rules() {
            self.notes.defer(test, key);
        } else {
            let found = test.set.find(&key, test.subdomains);
            if found.is_some() != (test.operation == Operation::IsSet) {
                self.fail(rest, item, data, cursor);
                return Outcome::Stop;
            }
            if let (Some(name), Some(Note::Record(record))) = (&test.context, found) {
                self.notes.show(name, record);
            }
        }
        self.hold(rest, item.keyword(), data, 0..data.len());
        let outcome = self.items(rest, data, cursor);
        if outcome != Outcome::Match {
            self.notes.return_to(mark);
        }
        outcome
    }
}

/// Whether another occurrence of what is before some items may help them: the first one that has a place counts it from there.
fn is_again(rest: &[Item]) -> bool {
    rest.iter().find(|item| item.has_place()).is_some_and(Item::is_relative)
}

fn to_i64(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
