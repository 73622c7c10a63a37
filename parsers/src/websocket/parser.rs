//! Bytes to frames and messages.

use super::frame::{COMPRESSED, CONTINUATION, FIN, Header, opcode_name};
use super::inflate::{Agreement, Failure, Inflater};
use super::transaction::Transaction;
use crate::http::Upgraded;
use crate::protocol::{
    Advance, Anomaly, Both, Context, Direction, Input, Opening, Output, Parser, TransactionList, Transactions, held,
};

/// The parser of a connection.
pub(super) struct WebSocketParser {
    /// Bytes of a frame, and of a message, that are kept.
    limit: usize,
    agreement: Agreement,
    sides: Both<Side>,
    transactions: Transactions<Transaction, MAX_OPEN>,
}

/// What is under way in a direction.
#[derive(Default)]
struct Side {
    frame: Option<Frame>,
    message: Option<Message>,
    inflater: Option<Inflater>,
}

/// A frame of which not all came.
struct Frame {
    header: Header,
    /// The transaction, unless it is told already.
    id: Option<u64>,
    /// Bytes that came.
    seen: u64,
    /// What is kept, as it travels but for its mask.
    kept: Vec<u8>,
}

/// A message of which not all frames came.
struct Message {
    is_compressed: bool,
    data: Vec<u8>,
    is_cut: bool,
}

impl WebSocketParser {
    /// That of a connection for which HTTP agreed on something.
    pub(super) fn new(opening: &Opening, limit: u64) -> Self {
        let upgraded = opening.context.as_ref().and_then(Context::get::<Upgraded>);
        let agreement = upgraded.map_or_else(Agreement::default, |upgraded| Agreement::read(&upgraded.extensions));
        let side = |direction| Side { inflater: agreement.inflater(direction), ..Side::default() };
        let sides = Both { to_server: side(Direction::ToServer), to_client: side(Direction::ToClient) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { limit, agreement, sides, transactions: Transactions::default() }
    }

    /// A header came: what is wrong with it, and a frame is under way.
    fn begin(&mut self, direction: Direction, header: Header, output: &mut Output<'_>) {
        let side = self.sides.of_mut(direction);
        let is_compressed = header.flags & COMPRESSED != 0;
        let may_be_compressed = self.agreement.is_compressed && !header.is_control() && header.opcode != CONTINUATION;
        let is_masked = header.mask.is_some();
        let faults = [
            (opcode_name(header.opcode).is_none(), "websocket.unknown_opcode"),
            (header.flags & !(FIN | COMPRESSED) != 0 || is_compressed && !may_be_compressed, "websocket.reserved_bits"),
            (direction == Direction::ToServer && !is_masked, "websocket.unmasked_request"),
            (direction == Direction::ToClient && is_masked, "websocket.masked_response"),
            (header.is_bad_control(), "websocket.bad_control_frame"),
            (header.has_odd_length, "websocket.bad_length"),
            (header.opcode == CONTINUATION && side.message.is_none(), "websocket.unexpected_continuation"),
            (
                !header.is_control() && header.opcode != CONTINUATION && side.message.is_some(),
                "websocket.unfinished_message",
            ),
        ];
        let anomalies = faults.iter().filter(|(is_so, _)| *is_so).map(|(_, name)| Anomaly(name)).collect();
        if !header.is_control() && header.opcode != CONTINUATION || side.message.is_none() && !header.is_control() {
            side.message = Some(Message { is_compressed, data: Vec::new(), is_cut: false });
        }
        let id = self.transactions.open(Transaction::new(direction, header, anomalies));
        if id.is_none() {
            output.anomalies.push(Anomaly("websocket.too_many_transactions"));
        }
        side.frame = Some(Frame { header, id, seen: 0, kept: Vec::new() });
    }

    /// Bytes of the frame that is under way; how many belong to it.
    fn payload(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) -> usize {
        let limit = self.limit;
        let side = self.sides.of_mut(direction);
        let Some(frame) = &mut side.frame else { return 0 };
        let left = usize::try_from(frame.header.length - frame.seen).unwrap_or(usize::MAX);
        let piece = data.get(..left.min(data.len())).unwrap_or_default();
        let room = limit.saturating_sub(frame.kept.len()).min(piece.len());
        let kept = piece.get(..room).unwrap_or_default();
        let mask = frame.header.mask.unwrap_or(0).to_be_bytes();
        let from = frame.seen;
        // What is kept is the begin, so that it is at its place.
        frame.kept.extend(kept.iter().zip(from..).map(|(octet, at)| octet ^ mask_octet(mask, at)));
        frame.seen += piece.len() as u64;
        let is_whole = frame.seen == frame.header.length;
        if room < piece.len() && !is_whole && frame.id.is_some() {
            self.end(direction, true, output);
        } else if is_whole {
            let is_cut = frame.header.length > limit as u64;
            self.end(direction, is_cut, output);
            self.sides.of_mut(direction).frame = None;
        }
        piece.len()
    }

    /// The frame is whole, or as much of it came as is kept: it is told once.
    fn end(&mut self, direction: Direction, is_cut: bool, output: &mut Output<'_>) {
        let limit = self.limit;
        let side = self.sides.of_mut(direction);
        let Some(frame) = &mut side.frame else { return };
        let (header, kept) = (frame.header, std::mem::take(&mut frame.kept));
        let Some(transaction) = frame.id.take().and_then(|id| self.transactions.find_mut(id)) else { return };
        output.flush_raw = true;
        if is_cut {
            transaction.note("websocket.skip_end_of_payload");
            output.limit();
        }
        let message = side.message.as_mut().filter(|_| !header.is_control());
        let Some(message) = message else {
            transaction.complete(kept);
            return;
        };
        let before = message.data.len();
        if let Some(inflater) = side.inflater.as_mut().filter(|_| message.is_compressed) {
            let mut made = inflater.piece(&kept, &mut message.data, limit, &mut output.fuel);
            if header.is_final() && made.is_ok() {
                made = inflater.end(&mut message.data, limit, &mut output.fuel);
            }
            // What was not kept is missing in the window of all that follows.
            let made = if is_cut { made.and(Err(Failure::TooLong)) } else { made };
            if let Err(failure) = made {
                side.inflater = None;
                transaction.note(match failure {
                    Failure::Broken => "websocket.inflate_failed",
                    Failure::TooLong => "websocket.inflate_limit",
                });
                if message.data.len() == before {
                    let room = limit.saturating_sub(before).min(kept.len());
                    message.data.extend_from_slice(kept.get(..room).unwrap_or_default());
                }
            }
        } else {
            let room = limit.saturating_sub(before).min(kept.len());
            message.data.extend_from_slice(kept.get(..room).unwrap_or_default());
            message.is_cut |= room < kept.len();
        }
        if message.is_cut {
            transaction.note("websocket.reassembly_limit_reached");
            output.limit();
        }
        if header.is_final() {
            transaction.complete(std::mem::take(&mut message.data));
            side.message = None;
        } else {
            transaction.complete(message.data.get(before..).unwrap_or_default().to_vec());
        }
    }
}

fn mask_octet(mask: [u8; 4], at: u64) -> u8 {
    let [first, second, third, fourth] = mask;
    match at & 3 {
        0 => first,
        1 => second,
        2 => third,
        _ => fourth,
    }
}

impl Parser for WebSocketParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            if output.fuel.is_empty() {
                return Advance::consumed(at);
            }
            output.place = at;
            if self.sides.of(direction).frame.is_some() {
                let taken = self.payload(direction, rest, output);
                output.spend(taken as u64);
                at += taken;
                if self.sides.of(direction).frame.is_some() {
                    return Advance::consumed(at);
                }
                continue;
            }
            match Header::read(rest) {
                Err(wanted) => return Advance { consumed: at, wanted },
                Ok(header) => {
                    output.spend(u64::from(header.size));
                    self.begin(direction, header, output);
                    let id = self.sides.of(direction).frame.as_ref().and_then(|frame| frame.id);
                    let size = u64::from(header.size);
                    output.frame("header", 0, size, id);
                    output.frame("pdu", 0, size.saturating_add(header.length), id);
                    output.frame("data", i64::from(header.size), header.length, id);
                    at += usize::from(header.size);
                    if header.length == 0 {
                        self.end(direction, false, output);
                        self.sides.of_mut(direction).frame = None;
                    }
                }
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        let side = self.sides.of_mut(direction);
        // Where the next header is, is known only if the hole is within a frame.
        let Some(frame) = side.frame.as_mut().filter(|frame| missing <= frame.header.length - frame.seen) else {
            return false;
        };
        frame.seen += missing;
        let is_whole = frame.seen == frame.header.length;
        side.inflater = None;
        self.end(direction, true, output);
        if is_whole {
            self.sides.of_mut(direction).frame = None;
        }
        true
    }

    fn close(&mut self, _: Direction, _: &mut Output<'_>) {}

    fn held_bytes(&self) -> usize {
        let sides = [&self.sides.to_server, &self.sides.to_client];
        let sides: usize = sides.into_iter().map(Side::held_bytes).sum();
        size_of::<Self>() + sides + self.transactions.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

impl Side {
    fn held_bytes(&self) -> usize {
        let frame = self.frame.as_ref().map_or(0, |frame| held::list(&frame.kept));
        let message = self.message.as_ref().map_or(0, |message| held::list(&message.data));
        frame + message + self.inflater.as_ref().map_or(0, Inflater::held_bytes)
    }
}

/// Frames that wait to be inspected.
const MAX_OPEN: usize = 256;
