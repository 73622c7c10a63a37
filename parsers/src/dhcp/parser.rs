//! Datagrams to messages.

use crate::dhcp::message::Message;
use crate::protocol::{Advance, Anomaly, Direction, Effects, Parser, TransactionList, Transactions};

/// Messages that wait to be inspected.
const MAX_OPEN: usize = 1024;

/// The parser of one flow.
#[derive(Default)]
pub(super) struct DhcpParser {
    messages: Transactions<Message, MAX_OPEN>,
}

impl Parser for DhcpParser {
    fn advance(&mut self, direction: Direction, chunk: &[u8], effects: &mut Effects<'_>) -> Advance {
        effects.work += chunk.len() as u64;
        let anomaly = match Message::read(chunk, direction) {
            None => Some("dhcp.malformed_options"),
            Some(message) => self.messages.open(message).is_none().then_some("dhcp.too_many_messages"),
        };
        effects.anomalies.extend(anomaly.map(Anomaly));
        Advance::consumed(chunk.len())
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Effects<'_>) -> bool {
        true
    }

    fn close(&mut self, _: Direction, _: &mut Effects<'_>) {}

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
