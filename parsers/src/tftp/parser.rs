//! Datagrams to requests and transfers.
//!
//! The flow of a request announces that of the transfer: the host that was asked sends from any port to the one that asked. A server
//! that answers from the port it was asked at is followed as well, in the flow of the request. A request that is sent again
//! is one more transaction, and announces the same transfer anew.

use super::message::{Message, Request, options};
use super::transaction::{Asked, Transaction};
use crate::protocol::{
    Advance, Anomaly, Carrier, Context, Direction, Expected, Input, Opening, Output, Parser, TransactionList,
    Transactions,
};

/// The parser of a flow: of a request, of a transfer, or of both.
#[derive(Default)]
pub(super) struct TftpParser {
    /// What the transfer is of, once that is known.
    asked: Option<Asked>,
    transfer: Option<Transfer>,
    transactions: Transactions<Transaction, MAX_OPEN>,
}

/// A transfer that is under way.
struct Transfer {
    id: u64,
    /// Where the data goes, once some came.
    way: Option<Direction>,
    /// The block that comes next.
    next: u16,
    block_bytes: usize,
}

impl TftpParser {
    /// That of a flow, which may be a transfer that was announced.
    pub(super) fn new(opening: &Opening) -> Self {
        let asked = opening.context.as_ref().and_then(Context::get::<Asked>).cloned();
        Self { asked, ..Self::default() }
    }

    fn request(&mut self, request: &Request<'_>, input: &Input<'_>, output: &mut Output<'_>) {
        let asked = Asked::of(request);
        let anomalies = if request.has_known_mode() { Vec::new() } else { vec![Anomaly("tftp.unknown_mode")] };
        if let Some((to, from)) = input.ends.ip().map(|ends| ends.in_direction(input.direction)) {
            output.expect(Expected {
                from: (from.0, None),
                to: (to.0, Some(to.1)),
                carrier: Carrier::Udp,
                protocol: "tftp",
                context: Context::new(asked.clone()),
                within_s: WITHIN_S,
            });
        }
        self.end(None, output);
        self.asked = Some(asked.clone());
        if self.transactions.open(Transaction::request(asked, input.direction, anomalies)).is_none() {
            output.anomalies.push(Anomaly("tftp.too_many_messages"));
        }
    }

    /// The transfer, which begins with its first message.
    fn transfer(&mut self) -> Option<&mut Transfer> {
        if self.transfer.is_none() {
            let asked = self.asked.take()?;
            let id = self.transactions.open(Transaction::transfer(asked))?;
            self.transfer = Some(Transfer { id, way: None, next: 1, block_bytes: BLOCK_BYTES });
        }
        self.transfer.as_mut()
    }

    fn data(&mut self, block: u16, data: &[u8], direction: Direction, output: &mut Output<'_>) -> bool {
        let Some(transfer) = self.transfer() else { return false };
        let (id, block_bytes) = (transfer.id, transfer.block_bytes);
        let is_first = transfer.way.is_none();
        if *transfer.way.get_or_insert(direction) != direction {
            return false;
        }
        // What was sent already is sent again where its acknowledgement got lost.
        let ahead = block.wrapping_sub(transfer.next);
        if ahead > u16::MAX / 2 {
            return true;
        }
        transfer.next = block.wrapping_add(1);
        if is_first {
            let name = self.transactions.find(id).map(|transaction| transaction.name().to_vec());
            output.files.open(direction.into(), id, &name.unwrap_or_default(), None);
        }
        if ahead > 0 {
            output.files.gap(direction.into(), u64::from(ahead) * block_bytes as u64);
        }
        output.files.append(direction.into(), data);
        if data.len() < block_bytes {
            output.files.close(direction.into(), true);
            self.over(None);
        }
        true
    }

    /// The options that both agreed on.
    fn agree(&mut self, agreed: &[u8]) -> bool {
        let Some(transfer) = self.transfer() else { return false };
        for (name, value) in options(agreed) {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            if let Some(bytes) =
                number.filter(|bytes| name.eq_ignore_ascii_case(b"blksize") && (8..=65_464).contains(bytes))
            {
                transfer.block_bytes = bytes;
            }
        }
        true
    }

    /// The transfer ends before all of it came.
    fn end(&mut self, error: Option<(Direction, u16, &[u8])>, output: &mut Output<'_>) -> bool {
        if error.is_some() && self.transfer().is_none() {
            return false;
        }
        if let Some(way) = self.transfer.as_ref().and_then(|transfer| transfer.way) {
            output.files.close(way.into(), false);
        }
        self.over(error);
        true
    }

    fn over(&mut self, error: Option<(Direction, u16, &[u8])>) {
        if let Some(transfer) = self.transfer.take()
            && let Some(transaction) = self.transactions.find_mut(transfer.id)
        {
            transaction.end(error);
        }
    }
}

impl Parser for TftpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        output.spend(data.len() as u64);
        let fits = match Message::read(data) {
            None => {
                output.anomalies.push(Anomaly("tftp.malformed_message"));
                true
            }
            Some(Message::Request(request)) => {
                self.request(&request, input, output);
                true
            }
            Some(Message::Data { block, data }) => self.data(block, data, direction, output),
            Some(Message::Options(agreed)) => self.agree(agreed),
            Some(Message::Error { code, text }) => self.end(Some((direction, code, text)), output),
            // The last one comes when the transfer is over.
            Some(Message::Acknowledgement) => true,
        };
        if !fits {
            output.anomalies.push(Anomaly("tftp.unexpected_message"));
        }
        Advance::consumed(data.len())
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
        true
    }

    fn close(&mut self, _: Direction, output: &mut Output<'_>) {
        self.end(None, output);
    }

    fn held_bytes(&self) -> usize {
        let asked = self.asked.as_ref().map_or(0, Asked::held_bytes);
        size_of::<Self>() + asked + self.transactions.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

/// Requests that wait to be inspected, and a transfer.
const MAX_OPEN: usize = 64;
/// Bytes of a block where nothing else was agreed.
const BLOCK_BYTES: usize = 512;
/// Seconds in which a server answers: the longest time that a request can ask for (RFC 2349).
const WITHIN_S: u32 = 255;
