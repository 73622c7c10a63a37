//! Trivial File Transfer Protocol (RFC 1350), with options (RFC 2347 to 2349) and windows (RFC 7440).
//!
//! A request goes to port 69; what answers it comes from a port of its own, so that a transfer is a flow that the request announces.
//! The request is a transaction with a record; the transfer is one as well, and carries the file.

mod message;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Direction, Field, Opener, Probe, Protocol, Settings, Usual, Value};
use message::{ERRORS, Message, OPERATIONS};
use transaction::Transaction;

/// The card of TFTP.
pub static PROTOCOL: Protocol = Protocol {
    name: "tftp",
    aliases: &[],
    doc: "Trivial File Transfer Protocol (RFC 1350, 2347, 2348, 2349, 7440).",
    parsed: Usual::Always,
    carriers: &[Carrier::Udp],
    link: None,
    patterns: &[],
    stands_alone: false,
    ports: &[69],
    probe: |_, direction, data| match (direction, Message::read(data)) {
        (Direction::ToServer, Some(Message::Request(request))) if request.has_known_mode() => Probe::Yes,
        _ => Probe::No,
    },
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("tftp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: false,
    configure,
    recorder: record::recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|opening| Box::new(parser::TftpParser::new(opening)))
}

const READ: Option<u8> = Some(0);
const DONE: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Transaction:
    "tftp.opcode": Number(Numbers::named(65_535, || named(OPERATIONS))), "Operation that was asked for: read 1, write 2.", [READ, READ], false,
        |tx, _, i| (i == 0).then_some(Value::Number(tx.operation().into()));
    "tftp.file": Text, "Name of the file.", [READ, READ], false, |tx, _, i| text(i, tx.name());
    "tftp.mode": Text, "Mode of the transfer as sent: octet, netascii, mail.", [READ, READ], false, |tx, _, i| text(i, tx.mode());
    "tftp.option": Text, "Each option of the request, `name=value`.", [READ, READ], true, |tx, _, i| tx.option(i).map(Value::Bytes);
    "tftp.error_code": Number(Numbers::named(65_535, || named(ERRORS))), "Code of the error that ended a transfer.", [DONE, DONE], false,
        |tx, d, i| tx.error(d).filter(|_| i == 0).map(|(code, _)| Value::Number(code.into()));
    "tftp.error_message": Text, "Text of the error that ended a transfer.", [DONE, DONE], false,
        |tx, d, i| text(i, tx.error(d)?.1);
    files "What is transferred.", [READ, READ];
};

fn text(index: usize, text: &[u8]) -> Option<Value<'_>> {
    (index == 0 && !text.is_empty()).then_some(Value::Bytes(text))
}

static ANOMALIES: &[AnomalyKind] = &[
    AnomalyKind {
        name: "tftp.malformed_message",
        record_name: "malformed_message",
        doc: "A datagram is no message of TFTP.",
    },
    AnomalyKind {
        name: "tftp.unknown_mode",
        record_name: "unknown_mode",
        doc: "A request with a mode that is not defined.",
    },
    AnomalyKind {
        name: "tftp.unexpected_message",
        record_name: "unexpected_message",
        doc: "A message that no transfer waits for.",
    },
    AnomalyKind {
        name: "tftp.too_many_messages",
        record_name: "too_many_messages",
        doc: "More requests wait for inspection than are kept; one was passed over.",
    },
];
