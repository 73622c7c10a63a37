//! Datagrams and streams to messages.
//!
//! A datagram is a message. On a stream each message follows its length in two octets (RFC 1035 section 4.2.2), so that a broken
//! one is stepped over. Behind a gap the parser goes on where the message that the gap fell into ends; if it does not know where
//! that is, it looks for the next place where a message can begin.

use crate::dns::message::{HEADER_BYTES, Header, Message, is_assigned, short};
use crate::dns::{Dialect, name};
use crate::protocol::{
    Advance, Both, Carrier, Direction, Fuel, Input, Output, Parser, Probe, TransactionList, Transactions,
};

/// Messages that wait to be inspected: more than a full window can hold in one call.
const MAX_OPEN: usize = 4096;
/// Bytes of a message that are looked at to tell whether it can be one: a header, the longest name, type and class.
const LOOK_BYTES: usize = HEADER_BYTES + 256 + 4;

/// The parser of one flow.
pub(super) struct DnsParser {
    carrier: Carrier,
    dialect: &'static Dialect,
    streams: Both<Stream>,
    messages: Transactions<Message, MAX_OPEN>,
}

/// Where one direction of a stream stands.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Bytes that were left at the end of the last call.
    left: usize,
    /// Bytes that must be there before anything can be read.
    needed: usize,
    /// Bytes still to come of a message that a gap broke.
    skip: usize,
    /// The place of the next message is not known.
    lost: bool,
}

impl DnsParser {
    /// A parser for a new flow.
    pub(super) fn new(carrier: Carrier, dialect: &'static Dialect) -> Self {
        Self { carrier, dialect, streams: Both::default(), messages: Transactions::default() }
    }

    fn message(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) {
        let id = self.messages.next_id();
        output.frame("pdu", 0, data.len() as u64, Some(id));
        match Message::read(data, direction, id, self.dialect, &mut output.fuel) {
            None => output.anomalies.extend(self.dialect.anomaly("malformed_data")),
            Some(message) if message.says_nothing() => output.anomalies.extend(message.anomalies),
            Some(message) => {
                if self.messages.open(message).is_none() {
                    output.anomalies.extend(self.dialect.anomaly("too_many_messages"));
                }
            }
        }
        output.flush_raw = true;
    }

    fn stream(&mut self, direction: Direction, chunk: &[u8], output: &mut Output<'_>) -> Advance {
        let mut stream = *self.streams.of(direction);
        let mut at = 0;
        loop {
            let rest = chunk.get(at..).unwrap_or_default();
            if rest.len() < stream.needed {
                break;
            }
            stream.needed = 0;
            if stream.skip > 0 {
                let skipped = stream.skip.min(rest.len());
                stream.skip -= skipped;
                at += skipped;
                if skipped == rest.len() {
                    break;
                }
                continue;
            }
            if stream.lost {
                let (passed, found) = resynchronise(rest, direction, &mut output.fuel);
                at += passed;
                match found {
                    Ok(()) => stream.lost = false,
                    Err(needed) => {
                        stream.needed = needed;
                        break;
                    }
                }
                continue;
            }
            if !output.spend(1) {
                break;
            }
            let Some(length) = short(rest, 0) else {
                stream.needed = 2;
                break;
            };
            let end = 2 + usize::from(length);
            let Some(message) = rest.get(2..end) else {
                stream.needed = end;
                break;
            };
            output.place = at + 2;
            self.message(direction, message, output);
            at += end;
        }
        stream.left = chunk.len().saturating_sub(at);
        *self.streams.of_mut(direction) = stream;
        Advance { consumed: at, wanted: stream.needed }
    }
}

impl Parser for DnsParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        match self.carrier {
            Carrier::Tcp => self.stream(direction, chunk, output),
            _ => {
                self.message(direction, chunk, output);
                Advance::consumed(chunk.len())
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut Output<'_>) -> bool {
        let stream = self.streams.of_mut(direction);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let lacking = if stream.skip > 0 {
            Some(stream.skip)
        } else if stream.lost || stream.left < 2 {
            None
        } else {
            Some(stream.needed.saturating_sub(stream.left))
        };
        *stream = match lacking.and_then(|lacking| lacking.checked_sub(missing)) {
            Some(skip) => Stream { skip, ..Stream::default() },
            None => Stream { lost: true, ..Stream::default() },
        };
        true
    }

    fn close(&mut self, _: Direction, _: &mut Output<'_>) {}

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.messages.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.messages
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.messages
    }
}

/// Passes over bytes until a message can begin: how many, and the bytes that are needed to tell where it is not known yet.
fn resynchronise(data: &[u8], direction: Direction, fuel: &mut Fuel) -> (usize, Result<(), usize>) {
    for at in 0..data.len() {
        fuel.spend(1);
        let rest = data.get(at..).unwrap_or_default();
        match begins(rest, direction, fuel) {
            Begin::Yes => return (at, Ok(())),
            Begin::No => {}
            Begin::Needs(bytes) => return (at, Err(bytes)),
        }
    }
    (data.len(), Err(0))
}

enum Begin {
    Yes,
    No,
    Needs(usize),
}

/// Whether a message with its length can begin here: a strict look, because any place is asked.
fn begins(data: &[u8], direction: Direction, fuel: &mut Fuel) -> Begin {
    let (Some(length), Some(header)) = (short(data, 0), data.get(2..).and_then(Header::read)) else {
        return Begin::Needs(2 + HEADER_BYTES);
    };
    let length = usize::from(length);
    let [questions, records @ ..] = header.counts;
    let fits = 5 + records.iter().map(|&n| 11 * usize::from(n)).sum::<usize>() + HEADER_BYTES <= length;
    if header.is_response() != (direction == Direction::ToClient) || header.opcode() >= 7 || questions != 1 || !fits {
        return Begin::No;
    }
    let look = length.min(LOOK_BYTES);
    let Some(message) = data.get(2..2 + look) else { return Begin::Needs(2 + look) };
    let class = name::skip(message, HEADER_BYTES, fuel).and_then(|after| short(message, after + 2));
    if class.is_some_and(is_assigned) { Begin::Yes } else { Begin::No }
}

/// Looks at the first bytes of a direction.
pub(super) fn probe(dialect: &Dialect, carrier: Carrier, direction: Direction, data: &[u8]) -> Probe {
    let (message, length) = match (carrier, short(data, 0)) {
        (Carrier::Tcp, Some(length)) => {
            let length = usize::from(length);
            let message = data.get(2..).unwrap_or_default();
            (message.get(..length).unwrap_or(message), length)
        }
        (Carrier::Tcp, None) => return Probe::Unsure,
        _ => (data, data.len()),
    };
    if length < HEADER_BYTES {
        return Probe::No;
    }
    let Some(header) = Header::read(message) else { return Probe::Unsure };
    // Two octets an entry is less than any entry has, but what is cut short is still worth reading.
    if 2 * header.counts.iter().map(|&n| usize::from(n)).sum::<usize>() + HEADER_BYTES > length {
        return Probe::No;
    }
    let question = header.counts.first().is_none_or(|&n| n == 0)
        || name::skip(message, HEADER_BYTES, &mut Fuel::ENDLESS.clone()).is_some();
    if !question && (message.len() == length || message.len() > LOOK_BYTES) {
        return Probe::No;
    }
    match (header.is_response(), direction) {
        _ if dialect.is_symmetric => Probe::Yes,
        (false, Direction::ToServer) | (true, Direction::ToClient) => Probe::Yes,
        _ => Probe::Reversed,
    }
}
