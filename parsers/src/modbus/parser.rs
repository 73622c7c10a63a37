//! The stream of each direction to messages, and responses to the requests that they answer.
//!
//! Requests may be pipelined and answered in any order: a response belongs to the oldest request with its transaction and unit
//! identifiers. Requests without response are bounded; over the limit the oldest is given up. Where a length cannot be, or behind
//! a gap, the parser looks for the next place where a message can begin.

use std::collections::BTreeSet;

use crate::modbus::message::{HEADER_BYTES, MAX_LENGTH, MIN_LENGTH, Message, short};
use crate::modbus::transaction::ModbusTransaction;
use crate::protocol::{
    Advance, Anomaly, Both, Carrier, Direction, Fuel, Input, Output, Parser, Probe, TransactionList, Transactions,
};

/// Transactions that are kept, answered or not: more than a full window can hold in one call.
const MAX_OPEN: usize = 8192;
/// What the trees hold of a request that waits.
const WAITING_BYTES: usize = 48;
/// Requests that wait for a response, unless the settings say otherwise.
pub(super) const DEFAULT_WAITING: u64 = 500;

/// The parser of one flow.
pub(super) struct ModbusParser {
    streams: Both<Stream>,
    transactions: Transactions<ModbusTransaction, MAX_OPEN>,
    /// Transaction and unit identifiers of the requests that wait, and their transactions.
    waiting: BTreeSet<(u16, u8, u64)>,
    /// The same transactions by age.
    by_age: BTreeSet<u64>,
    max_waiting: usize,
}

/// Where one direction stands.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Bytes that were left at the end of the last call.
    left: usize,
    /// Bytes that must be there before anything can be read.
    needed: usize,
    /// Whether `needed` is the length of the message that is left.
    framed: bool,
    /// Bytes still to come of a message that a gap broke.
    skip: usize,
    /// The place of the next message is not known.
    lost: bool,
}

impl ModbusParser {
    /// A parser for a new flow with a limit of requests that wait.
    pub(super) fn new(max_waiting: usize) -> Self {
        Self {
            streams: Both::default(),
            transactions: Transactions::default(),
            waiting: BTreeSet::new(),
            by_age: BTreeSet::new(),
            max_waiting: max_waiting.clamp(1, MAX_OPEN / 2),
        }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], output: &mut Output<'_>) {
        output.spend(bytes.len() as u64);
        output.flush_raw = true;
        let Some(message) = Message::read(bytes, direction) else {
            output.anomalies.push(Anomaly("modbus.invalid_length"));
            return;
        };
        match direction {
            Direction::ToServer => self.request(message, output),
            Direction::ToClient => self.response(message, output),
        }
    }

    fn request(&mut self, message: Message, output: &mut Output<'_>) {
        let key = (message.transaction_id, message.unit);
        let number = self.transactions.next_id() + 1;
        let Some(id) = self.transactions.open(ModbusTransaction::requested(number, message)) else {
            output.anomalies.push(Anomaly("modbus.flooded"));
            return;
        };
        if self.by_age.len() >= self.max_waiting {
            self.give_up_oldest();
            if let Some(transaction) = self.transactions.find_mut(id) {
                transaction.anomalies.push(Anomaly("modbus.flooded"));
            }
        }
        self.by_age.insert(id);
        self.waiting.insert((key.0, key.1, id));
    }

    fn response(&mut self, message: Message, output: &mut Output<'_>) {
        let (transaction, unit) = (message.transaction_id, message.unit);
        let oldest = self.waiting.range((transaction, unit, 0)..=(transaction, unit, u64::MAX)).next().copied();
        if let Some(key) = oldest {
            self.waiting.remove(&key);
            self.by_age.remove(&key.2);
            if let Some(transaction) = self.transactions.find_mut(key.2) {
                transaction.answer(message);
                return;
            }
        }
        let number = self.transactions.next_id() + 1;
        if self.transactions.open(ModbusTransaction::unsolicited(number, message)).is_none() {
            output.anomalies.push(Anomaly("modbus.flooded"));
        }
    }

    fn give_up_oldest(&mut self) {
        let Some(id) = self.by_age.pop_first() else { return };
        if let Some(transaction) = self.transactions.find_mut(id) {
            transaction.abandoned = true;
            if let Some(request) = &transaction.request {
                self.waiting.remove(&(request.transaction_id, request.unit, id));
            }
        }
    }
}

impl Parser for ModbusParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        let mut stream = *self.streams.of(direction);
        let mut at = 0;
        loop {
            let rest = chunk.get(at..).unwrap_or_default();
            if rest.len() < stream.needed {
                break;
            }
            (stream.needed, stream.framed) = (0, false);
            if !output.spend(1) {
                break;
            }
            if stream.skip > 0 {
                let skipped = stream.skip.min(rest.len());
                stream.skip -= skipped;
                at += skipped;
                if skipped == rest.len() {
                    break;
                }
            } else if stream.lost {
                let (passed, needed) = resynchronise(rest, direction, &mut output.fuel);
                at += passed;
                stream.needed = needed.unwrap_or(0);
                stream.lost = needed.is_some();
                if stream.lost {
                    break;
                }
            } else if let Some(length) = short(rest, 4) {
                if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
                    output.anomalies.push(Anomaly("modbus.invalid_length"));
                    stream.lost = true;
                    at += 1;
                    continue;
                }
                let end = HEADER_BYTES + usize::from(length);
                let Some(message) = rest.get(..end) else {
                    (stream.needed, stream.framed) = (end, true);
                    break;
                };
                self.message(direction, message, output);
                at += end;
            } else {
                stream.needed = HEADER_BYTES;
                break;
            }
        }
        stream.left = chunk.len().saturating_sub(at);
        *self.streams.of_mut(direction) = stream;
        Advance { consumed: at, wanted: stream.needed }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut Output<'_>) -> bool {
        let stream = self.streams.of_mut(direction);
        let lacking = match *stream {
            Stream { skip: skip @ 1.., .. } => Some(skip),
            Stream { framed: true, needed, left, .. } => Some(needed.saturating_sub(left)),
            _ => None,
        };
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        *stream = match lacking.and_then(|lacking| lacking.checked_sub(missing)) {
            Some(skip) => Stream { skip, ..Stream::default() },
            None => Stream { lost: true, ..Stream::default() },
        };
        true
    }

    fn close(&mut self, direction: Direction, _: &mut Output<'_>) {
        // Nothing answers any more.
        if direction == Direction::ToClient {
            while !self.by_age.is_empty() {
                self.give_up_oldest();
            }
        }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.transactions.held_bytes() + self.by_age.len() * WAITING_BYTES
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// Passes over bytes until a message can begin: how many, and where it is not found yet, the bytes that are needed to go on.
fn resynchronise(data: &[u8], direction: Direction, fuel: &mut Fuel) -> (usize, Option<usize>) {
    for at in 0..data.len() {
        fuel.spend(1);
        let rest = data.get(at..).unwrap_or_default();
        match looks_like_message(rest, direction) {
            Some(true) => return (at, None),
            Some(false) => {}
            None => return (at, Some(HEADER_BYTES + 2)),
        }
    }
    (data.len(), Some(0))
}

/// Whether the header and function can be those of a message; `None` with too few bytes to tell.
fn looks_like_message(data: &[u8], direction: Direction) -> Option<bool> {
    let (protocol, length, function) = (short(data, 2)?, short(data, 4)?, *data.get(HEADER_BYTES + 1)?);
    let exception = function & 0x80 != 0;
    let function_fits = match direction {
        Direction::ToServer => !exception,
        Direction::ToClient => !exception || length == 3,
    };
    Some(protocol == 0 && (MIN_LENGTH..=MAX_LENGTH).contains(&length) && function & 0x7f != 0 && function_fits)
}

/// Looks at the first bytes of a direction.
pub(super) fn probe(_: Carrier, direction: Direction, data: &[u8]) -> Probe {
    match looks_like_message(data, direction) {
        Some(true) => Probe::Yes,
        Some(false) => Probe::No,
        None if short(data, 2).is_some_and(|protocol| protocol != 0) => Probe::No,
        None => Probe::Unsure,
    }
}
