//! Datagrams to messages.

use crate::dhcp::message::Message;
use crate::protocol::{Advance, Anomaly, Direction, Input, Output, Parser, TransactionList, Transactions};

/// Messages that wait to be inspected.
const MAX_OPEN: usize = 1024;

/// The parser of one flow.
#[derive(Default)]
pub(super) struct DhcpParser {
    messages: Transactions<Message, MAX_OPEN>,
}

impl Parser for DhcpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        output.spend(chunk.len() as u64);
        let anomaly = match Message::read(chunk, direction) {
            None => Some("dhcp.malformed_options"),
            Some(message) => self.messages.open(message).is_none().then_some("dhcp.too_many_messages"),
        };
        output.anomalies.extend(anomaly.map(Anomaly));
        Advance::consumed(chunk.len())
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
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
