//! Bytes to connections, and the messages that they carry.

use super::message::{CONFIRM, DATA, DISCONNECT, DISCONNECT_CONFIRM, ERROR, REQUEST, TPKT_BYTES, Tpdu, kind};
use super::transaction::Transaction;
use crate::protocol::{
    Advance, Anomaly, Both, CarriedMessage, Course, Direction, Input, Output, Parser, TransactionList, Transactions,
    held,
};

/// The parser of a flow.
#[derive(Default)]
pub(super) struct CotpParser {
    connections: Transactions<Transaction, MAX_OPEN>,
    /// The connection that data belongs to.
    current: Option<u64>,
    /// It was said that there is none.
    is_unseen: bool,
    sides: Both<Side>,
}

#[derive(Default)]
struct Side {
    /// Units of a message of which not all came.
    message: Vec<u8>,
    /// The rest of the message is passed over.
    is_cut: bool,
}

impl CotpParser {
    fn unit(&mut self, direction: Direction, packet: &[u8], output: &mut Output<'_>) {
        let Some(unit) = Tpdu::read(packet) else {
            // Kinds without a meaning here have no header to lack anything.
            output.anomalies.push(Anomaly("cotp.malformed_unit"));
            return;
        };
        match unit.code {
            DATA => self.data(direction, &unit, packet.get(unit.header_bytes..).unwrap_or_default(), output),
            REQUEST => {
                self.end();
                self.current = self.connections.open(Transaction::default());
                self.tell(direction, unit, output);
            }
            CONFIRM | DISCONNECT | ERROR => {
                let waits =
                    self.current.and_then(|id| self.connections.find(id)).is_some_and(|c| c.tpdu(direction).is_none());
                if !waits {
                    self.end();
                    self.current = self.connections.open(Transaction::default());
                }
                let ends = unit.code != CONFIRM;
                self.tell(direction, unit, output);
                if ends {
                    self.end();
                }
            }
            DISCONNECT_CONFIRM => self.end(),
            code => output.anomalies.push(Anomaly(match kind(code) {
                Some(_) => "cotp.unexpected_unit",
                None => "cotp.unknown_unit",
            })),
        }
    }

    fn tell(&mut self, direction: Direction, unit: Tpdu, output: &mut Output<'_>) {
        match self.current.and_then(|id| self.connections.find_mut(id)) {
            Some(connection) => connection.tell(direction, unit),
            None => output.anomalies.push(Anomaly("cotp.too_many_transactions")),
        }
        output.flush_raw = true;
    }

    /// The connection is not waited for any more.
    fn end(&mut self) {
        if let Some(connection) = self.current.and_then(|id| self.connections.find_mut(id)) {
            connection.end();
        }
    }

    fn data(&mut self, direction: Direction, unit: &Tpdu, data: &[u8], output: &mut Output<'_>) {
        if self.current.is_none() && !std::mem::replace(&mut self.is_unseen, true) {
            output.anomalies.push(Anomaly("cotp.data_without_connection"));
        }
        let carried = CarriedMessage::new(0, direction).of(self.current);
        let side = self.sides.of_mut(direction);
        let is_whole = unit.is_end && side.message.is_empty() && !side.is_cut;
        if is_whole {
            output.carry(carried, data);
            return;
        }
        if side.message.len().saturating_add(data.len()) > MESSAGE_LIMIT && !side.is_cut {
            output.anomalies.push(Anomaly("cotp.message_too_long"));
            side.is_cut = true;
        }
        if side.is_cut {
            side.message = Vec::new();
        } else {
            side.message.extend_from_slice(data);
        }
        if unit.is_end {
            if !std::mem::take(&mut side.is_cut) {
                output.carry(carried, &side.message);
            }
            side.message = Vec::new();
        }
    }
}

impl Parser for CotpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data, .. } = *input;
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            let &[version, _, high, low, ..] = rest else { return Advance { consumed: at, wanted: TPKT_BYTES } };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if version != 3 || length < TPKT_BYTES {
                output.anomalies.push(Anomaly("cotp.malformed_packet"));
                output.course = Course::Stop;
                return Advance::consumed(data.len());
            }
            let Some(packet) = rest.get(TPKT_BYTES..length) else { return Advance { consumed: at, wanted: length } };
            if !output.spend(length as u64) {
                return Advance::consumed(at);
            }
            output.place = at;
            output.frame("tpkt", 0, length as u64, None);
            self.unit(direction, packet, output);
            at += length;
        }
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
        // Where the next packet begins is not known.
        false
    }

    fn close(&mut self, _: Direction, _: &mut Output<'_>) {
        self.end();
    }

    fn held_bytes(&self) -> usize {
        let sides = [&self.sides.to_server, &self.sides.to_client];
        let messages: usize = sides.into_iter().map(|side| held::list(&side.message)).sum();
        size_of::<Self>() + messages + self.connections.held_bytes()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.connections
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.connections
    }
}

/// Connections that wait to be inspected.
const MAX_OPEN: usize = 64;
/// Bytes of a message in several units.
const MESSAGE_LIMIT: usize = 64 << 10;
