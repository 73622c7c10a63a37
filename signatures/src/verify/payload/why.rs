//! Why an item does not hold: what is there instead. Asked only where a rule is explained.

use super::content::find;
use super::{Run, to_i64};
use crate::regex::tank::Tank;
use crate::rule::arithmetic::{Comparison, NumberFormat};
use crate::rule::item::{Content, Item};
use crate::verify::evidence::Failure;
use crate::verify::payload::entropy::{self, shannon_entropy};

impl Run<'_, '_, '_> {
    /// What there is instead of what an item asks for.
    pub(super) fn why(&mut self, item: &Item, data: &[u8], cursor: usize) -> Failure {
        let plain = |why: String| Failure { why, span: None };
        match item {
            Item::Content(content) => self.why_content(content, data, cursor),
            Item::Pcre(pcre) => {
                let from = if pcre.relative { cursor } else { 0 };
                let place = if from > 0 { format!(" from {from} on") } else { String::new() };
                let why = if pcre.negated {
                    format!("the expression matches{place}, and must not")
                } else {
                    format!("the expression does not match{place}")
                };
                Failure { why, span: Some(from..data.len().max(from)) }
            }
            Item::ByteTest(test) => match self.number(&test.number, data, cursor) {
                Some((number, _)) => {
                    let (value, not) = (self.value(test.value), if test.negated { "!" } else { "" });
                    let span = self.read.1.clone();
                    let why = format!(
                        "the number at {} is {number}, and {number} {not}{} {value} is false",
                        span.start,
                        sign(test.operator)
                    );
                    Failure { why, span: Some(span) }
                }
                None => self.unread(&test.number, data, cursor),
            },
            Item::ByteJump(jump) => match self.number(&jump.number, data, cursor) {
                Some((number, _)) => {
                    let why =
                        format!("the number is {number}: the jump leads out of the buffer of {} bytes", data.len());
                    Failure { why, span: Some(self.read.1.clone()) }
                }
                None => self.unread(&jump.number, data, cursor),
            },
            Item::ByteExtract(extract) => self.unread(&extract.number, data, cursor),
            Item::ByteMath(math) => self.unread(&math.number, data, cursor),
            Item::IsDataAt(at) => {
                let from = if at.relative { to_i64(cursor) } else { 0 };
                let position = from.saturating_add(self.value(at.position));
                let there = if at.negated { "there is data at" } else { "there is no data at" };
                plain(format!("{there} {position}: the buffer has {} bytes", data.len()))
            }
            Item::Size(_) => plain(format!("the buffer has {} bytes", self.view.size)),
            Item::Base64Data(_) => plain("nothing could be decoded".into()),
            Item::Absent { .. } => plain("the buffer is there".into()),
            Item::Asn1(_) => plain("no element breaks what is asked about".into()),
            Item::Entropy(entropy) => {
                plain(format!("the entropy is {:.3} bits a byte", shannon_entropy(entropy::part(entropy, data))))
            }
            Item::Dataset(test) => plain(match test.set.kind.key(data) {
                None => "the value is none of the set's type".into(),
                Some(_) if test.operation == crate::rule::dataset::Operation::IsSet => {
                    "the value is not in the set".into()
                }
                Some(_) => "the value is in the set".into(),
            }),
            Item::DatasetScore(_) => plain("the value is not in the set with such a score".into()),
            Item::Script(_) => plain("the script says no".into()),
            Item::Base64Decode(_) => plain("nothing could be decoded".into()),
        }
    }

    fn why_content(&self, content: &Content, data: &[u8], cursor: usize) -> Failure {
        let anywhere = find(data, content, &mut Tank::endless());
        let size = content.bytes.len();
        let Some((low, high)) = self.window(content, data.len(), cursor) else {
            let from =
                if content.is_relative() { format!(" and its place counts from {cursor}") } else { String::new() };
            let elsewhere = anywhere.map_or("does not occur".into(), |at| format!("occurs at {at}"));
            let room = format!("there is no room for it: the buffer has {} bytes{from}", data.len());
            return Failure { why: format!("{elsewhere}; {room}"), span: anywhere.map(|at| at..at + size) };
        };
        let allowed = format!("of {low} to {high}");
        if content.negated {
            let at = data
                .get(low..high)
                .and_then(|window| find(window, content, &mut Tank::endless()))
                .map_or(0, |at| low + at);
            return Failure { why: format!("occurs at {at}, and must not occur"), span: Some(at..at + size) };
        }
        // The occurrence that is nearest to where it may stand.
        let before = data.get(..low.saturating_add(size).saturating_sub(1).min(data.len()));
        let last_before = before.and_then(|part| (0..part.len()).rev().find(|&at| is_at(part, at, content)));
        let after = data.get(low..).and_then(|part| find(part, content, &mut Tank::endless())).map(|at| low + at);
        match (after.or(last_before), anywhere) {
            (Some(at), _) | (None, Some(at)) => {
                Failure { why: format!("occurs at {at}, outside {allowed}"), span: Some(at..at + size) }
            }
            (None, None) => Failure { why: "does not occur in the buffer".into(), span: Some(low..low) },
        }
    }

    fn unread(&self, format: &NumberFormat, data: &[u8], cursor: usize) -> Failure {
        let from = if format.relative { to_i64(cursor) } else { 0 };
        let start = from.saturating_add(self.value(format.offset));
        let why = format!("there is no such number at {start}: the buffer has {} bytes", data.len());
        Failure { why, span: None }
    }
}

fn is_at(data: &[u8], at: usize, content: &Content) -> bool {
    data.get(at..at + content.bytes.len()).is_some_and(|part| {
        if content.nocase { part.eq_ignore_ascii_case(&content.bytes) } else { part == content.bytes }
    })
}

fn sign(operator: Comparison) -> &'static str {
    match operator {
        Comparison::Equal => "=",
        Comparison::Less => "<",
        Comparison::Greater => ">",
        Comparison::LessOrEqual => "<=",
        Comparison::GreaterOrEqual => ">=",
        Comparison::And => "&",
        Comparison::Xor => "^",
    }
}
