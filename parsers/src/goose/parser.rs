//! Frames to what is told of control blocks.
//!
//! A station may publish several of them with one number. Each that is known here costs memory, so there are few: where there are
//! more, the one that was silent for longest is told of and forgotten.

use super::data::Items;
use super::message::{Header, Message};
use super::stream::{State, Stream};
use super::transaction::{Transaction, What};
use crate::link::Timestamp;
use crate::protocol::{Advance, Anomaly, Direction, Input, Output, Parser, TransactionList, Transactions, held};

/// The parser of the frames between two stations with one number.
#[derive(Default)]
pub(super) struct GooseParser {
    streams: Vec<Stream>,
    transactions: Transactions<Transaction, MAX_OPEN>,
}

impl GooseParser {
    fn message(&mut self, message: Message<'_>, input: &Input<'_>, output: &mut Output<'_>) {
        let (direction, now) = (input.direction, input.time);
        let is_same = |stream: &Stream| stream.state.gocb_ref == message.gocb_ref && stream.direction == direction;
        let Some(stream) = self.streams.iter_mut().find(|stream| is_same(stream)) else {
            self.begin(message, direction, now, output);
            return;
        };
        let due = stream.is_due(now).then(|| published(stream, now));
        let (previous, odd) = stream.advance(&message, now);
        let state = (previous.is_some() || !odd.is_empty() || !message.notes.is_empty()).then(|| stream.state.clone());
        due.into_iter().for_each(|due| self.open(due, output));
        if let Some(state) = state {
            let what = previous.map_or(What::Odd, What::Change);
            self.tell(what, state, (message, odd), direction, output);
        }
    }

    fn begin(&mut self, message: Message<'_>, direction: Direction, now: Timestamp, output: &mut Output<'_>) {
        if self.streams.len() >= STREAMS_LIMIT
            && let Some((place, _)) = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.last())
        {
            output.anomalies.push(Anomaly("goose.flooded"));
            self.end(place, output);
        }
        let (stream, odd) = Stream::begin(&message, direction, now);
        self.tell(What::Begin, stream.state.clone(), (message, odd), direction, output);
        self.streams.push(stream);
    }

    /// Tells of a message.
    fn tell(
        &mut self,
        what: What,
        state: State,
        (message, odd): (Message<'_>, Vec<Anomaly>),
        direction: Direction,
        output: &mut Output<'_>,
    ) {
        let items = if what == What::Odd { Items::default() } else { Items::read(message.data) };
        let mut anomalies = message.notes;
        anomalies.extend(odd);
        self.open(Transaction { direction, what, state, items, anomalies }, output);
    }

    /// Tells of a control block for the last time.
    fn end(&mut self, place: usize, output: &mut Output<'_>) {
        let mut stream = self.streams.swap_remove(place);
        if stream.untold_frames > 0 {
            let last = stream.last();
            self.open(published(&mut stream, last), output);
        }
    }

    fn open(&mut self, transaction: Transaction, output: &mut Output<'_>) {
        if self.transactions.open(transaction).is_none() {
            output.anomalies.push(Anomaly("goose.too_many_messages"));
        }
    }
}

/// What is told of the frames of a control block since this was last done.
fn published(stream: &mut Stream, now: Timestamp) -> Transaction {
    let what = What::Published { frames: stream.tell(now), state_frames: stream.state_frames };
    let (direction, state) = (stream.direction, stream.state.clone());
    Transaction { direction, what, state, items: Items::default(), anomalies: Vec::new() }
}

impl Parser for GooseParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        output.spend(input.data.len() as u64);
        match Message::read(input.data) {
            Ok(message) => self.message(message, input, output),
            Err(anomaly) => {
                let state = State {
                    header: Header::read(input.data).map(|(header, _)| header).unwrap_or_default(),
                    ..State::default()
                };
                let (direction, what, items) = (input.direction, What::Unread, Items::default());
                self.open(Transaction { direction, what, state, items, anomalies: vec![anomaly] }, output);
            }
        }
        Advance::consumed(input.data.len())
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
        true
    }

    fn close(&mut self, direction: Direction, output: &mut Output<'_>) {
        while let Some(place) = self.streams.iter().position(|stream| stream.direction == direction) {
            self.end(place, output);
        }
    }

    fn held_bytes(&self) -> usize {
        let streams = self.streams.iter().map(|stream| stream.state.held_bytes()).sum::<usize>();
        size_of::<Self>() + held::list(&self.streams) + streams + self.transactions.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// Control blocks that are known of one flow.
const STREAMS_LIMIT: usize = 8;
/// What waits to be inspected.
const MAX_OPEN: usize = 256;
