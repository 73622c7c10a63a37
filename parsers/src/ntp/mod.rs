//! Network Time Protocol (RFC 5905).
//!
//! Every datagram is a transaction of one direction. Control and private messages (modes 6 and 7) are told apart by their mode
//! alone: they have another form behind the first octet.

use crate::fields;
use crate::protocol::{
    Advance, Anomaly, AnomalyKind, Both, Carrier, Direction, Field, Input, OneWay, Opener, Output, Parser, Probe,
    Protocol, Purpose, Recorder, Settings, Transaction, TransactionList, Transactions, Usual, Value,
};

/// The card of NTP.
pub static PROTOCOL: Protocol = Protocol {
    name: "ntp",
    aliases: &[],
    doc: "Network Time Protocol (RFC 5905).",
    parsed: Usual::Always,
    carriers: &[Carrier::Udp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[123],
    probe: |_, _, data| if Message::read(data, Direction::ToServer).is_some() { Probe::Yes } else { Probe::No },
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("ntp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: false,
    configure,
    recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::new(NtpParser::default()))
}

const READ: Option<u8> = Some(1);

/// Modes (RFC 5905, figure 10).
const MODES: &[(u8, &str)] = &[
    (0, "reserved"),
    (1, "symmetric_active"),
    (2, "symmetric_passive"),
    (3, "client"),
    (4, "server"),
    (5, "broadcast"),
    (6, "control"),
    (7, "private"),
];

static FIELDS: &[Field] = fields! { Message:
    "ntp.version": Number(Numbers::up_to(7)), "Version of the protocol.", [READ, READ], false, |m, d, i| m.seen(d, i)?.number(m.version);
    "ntp.mode": Number(Numbers::named(7, || named(MODES))), "Who speaks: client 3, server 4, broadcast 5, control 6 and others.", [READ, READ], false, |m, d, i| m.seen(d, i)?.number(m.mode);
    "ntp.stratum": Number(Numbers::up_to(255)), "Distance from the reference clock.", [READ, READ], false, |m, d, i| m.seen(d, i)?.number(m.stratum);
    "ntp.reference_id": Bytes, "The four octets that name the server or clock.", [READ, READ], false,
        |m, d, i| m.seen(d, i).map(|m| Value::Bytes(&m.reference_id));
};

static ANOMALIES: &[AnomalyKind] = &[
    AnomalyKind { name: "ntp.malformed_data", record_name: "malformed_data", doc: "A datagram is no message of NTP." },
    AnomalyKind {
        name: "ntp.too_many_messages",
        record_name: "too_many_messages",
        doc: "More messages wait for inspection than are kept; one was passed over.",
    },
];

/// A message.
struct Message {
    direction: Direction,
    version: u8,
    mode: u8,
    stratum: u8,
    reference_id: [u8; 4],
}

impl Message {
    fn read(data: &[u8], direction: Direction) -> Option<Self> {
        let &[first, stratum, ..] = data.first_chunk::<2>()?;
        let (version, mode) = (first >> 3 & 7, first & 7);
        let smallest = if mode >= CONTROL { CONTROL_LEN } else { HEADER_LEN };
        let fits = (1..=4).contains(&version) && mode != 0 && data.len() >= smallest;
        let reference_id = data.get(12..16).and_then(|octets| octets.try_into().ok()).unwrap_or_default();
        fits.then_some(Self { direction, version, mode, stratum, reference_id })
    }

    fn seen(&self, direction: Direction, index: usize) -> Option<&Self> {
        (index == 0 && self.direction == direction).then_some(self)
    }

    fn number(&self, number: u8) -> Option<Value<'_>> {
        Some(Value::Number(number.into()))
    }
}

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn held(&self) -> usize {
        0
    }
}

#[derive(Default)]
struct NtpParser {
    messages: Transactions<Message, MAX_OPEN>,
}

impl Parser for NtpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        output.spend(1);
        let anomaly = match Message::read(chunk, direction) {
            None => Some("ntp.malformed_data"),
            Some(message) => self.messages.open(message).is_none().then_some("ntp.too_many_messages"),
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

fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction: &dyn Transaction, _: Purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        let [a, b, c, d] = message.reference_id;
        record.object("ntp", |ntp| {
            ntp.number("version", message.version).number("mode", message.mode).number("stratum", message.stratum);
            ntp.text("reference_id", format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}"));
        });
        true
    })
}

/// Messages that wait to be inspected.
const MAX_OPEN: usize = 1024;
/// Octets of the header up to its last timestamp.
const HEADER_LEN: usize = 48;
const CONTROL: u8 = 6;
const CONTROL_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_modes_are_read() {
        let mut data = vec![0; 48];
        (data[0], data[1], data[12]) = (0x24, 2, 0xc0);
        let message = Message::read(&data, Direction::ToClient).unwrap();
        assert_eq!((message.version, message.mode, message.stratum, message.reference_id), (4, 4, 2, [0xc0, 0, 0, 0]));
        assert!(Message::read(&data[..47], Direction::ToClient).is_none());
        data[0] = 0x16;
        assert_eq!(Message::read(&data[..8], Direction::ToServer).unwrap().mode, 6);
        for first in [0x20, 0x04, 0x2c] {
            data[0] = first;
            assert!(Message::read(&data, Direction::ToServer).is_none(), "{first:#x}");
        }
    }
}
