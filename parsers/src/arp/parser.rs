//! Frames to messages.

use super::message::Message;
use crate::link::{Anomalies, arp};
use crate::protocol::{Advance, Anomaly, Direction, Input, Output, Parser, TransactionList, Transactions};

/// The parser of what one station says to another one, or to all.
#[derive(Default)]
pub(super) struct ArpParser {
    messages: Transactions<Message, MAX_OPEN>,
}

impl Parser for ArpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        output.spend(1);
        // What an operation is not known by is told by the headers' own anomaly.
        let anomaly = match arp::read(input.data, &mut Anomalies::new()) {
            Err(_) => Some("arp.malformed_message"),
            Ok(read) => {
                let message = Message::of(&read, input.direction, &input.ends);
                self.messages.open(message).is_none().then_some("arp.too_many_messages")
            }
        };
        output.anomalies.extend(anomaly.map(Anomaly));
        Advance::consumed(input.data.len())
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

/// Messages that wait to be inspected.
const MAX_OPEN: usize = 1024;
