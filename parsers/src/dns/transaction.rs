//! A message as a transaction: each is one by itself, in the direction in which it travels.
//!
//! Queries and answers are not matched: whoever reads the records joins them by `id`, and an unasked answer is as visible as
//! an asked one.

use crate::dns::message::{Message, Query};
use crate::dns::name::Text;
use crate::protocol::{Anomaly, Direction, OneWay, Value, held};

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn answer(&self) -> Option<u64> {
        Some(self.header.id.into())
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        let Self { queries, answers, authorities, additionals, options, response_names, texts, anomalies, .. } = self;
        let records = held::list(answers) + held::list(authorities) + held::list(additionals);
        let names = held::list(queries) + held::list(response_names) + held::list(options);
        records + names + texts.held_bytes() + held::list(anomalies)
    }
}

impl Message {
    /// A name of the questions.
    pub(super) fn query_name(&self, direction: Direction, index: usize) -> Option<Value<'_>> {
        self.queries(direction).get(index).map(|q| self.value(q.name))
    }

    /// A name of records: those of the answers (0), the authorities (1) or the additional records (2).
    pub(super) fn record_name(&self, section: usize, direction: Direction, index: usize) -> Option<Value<'_>> {
        let records = self.sections().get(section).copied().filter(|_| direction == self.direction)?;
        records.get(index).map(|record| self.value(record.name))
    }

    /// A name anywhere in a response.
    pub(super) fn response_name(&self, direction: Direction, index: usize) -> Option<Value<'_>> {
        let names = self.response_names.get(index).filter(|_| direction == self.direction && self.is_answer());
        names.map(|name| self.value(*name))
    }

    /// The record type of a question or, to client, of an answer.
    pub(super) fn record_type(&self, direction: Direction, index: usize) -> Option<Value<'_>> {
        if direction != self.direction {
            return None;
        }
        let kind = match direction {
            Direction::ToServer => self.queries.get(index).map(|q| q.kind),
            Direction::ToClient => self.answers.get(index).map(|a| a.kind),
        };
        kind.map(|kind| Value::Number(kind.into()))
    }

    /// The kind of operation.
    pub(super) fn operation(&self, direction: Direction) -> Option<Value<'_>> {
        (direction == self.direction).then(|| Value::Number(self.header.opcode().into()))
    }

    /// The result.
    pub(super) fn result(&self, direction: Direction) -> Option<Value<'_>> {
        (direction == self.direction).then(|| Value::Number(self.rcode().into()))
    }

    /// Whether it answers: where the direction does not tell, its flag does.
    fn is_answer(&self) -> bool {
        self.direction == Direction::ToClient || self.header.is_response()
    }

    fn queries(&self, direction: Direction) -> &[Query] {
        if direction == self.direction { &self.queries } else { &[] }
    }

    fn value(&self, text: Text) -> Value<'_> {
        Value::Bytes(self.text(text))
    }
}
