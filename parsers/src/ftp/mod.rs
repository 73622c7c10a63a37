//! File Transfer Protocol (RFC 959; RFC 2228, 2389, 2428).
//!
//! A command with its replies is a transaction, and so is what the server says unasked. What a transfer carries goes over a connection
//! that the control connection announces ([`crate::ftp_data`]): the command that follows names the file.

mod control;
mod line;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{
    AnomalyKind, Both, Carrier, Direction, Field, Opener, Pattern, Protocol, Settings, Usual, Value,
};
use transaction::Exchange;

/// The card of the control connection.
pub static PROTOCOL: Protocol = Protocol {
    name: "ftp",
    aliases: &[],
    doc: "File Transfer Protocol (RFC 959), with RFC 2228, 2389 and 2428.",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[Pattern {
        carrier: Carrier::Tcp,
        direction: Direction::ToClient,
        bytes: b"ftp",
        nocase: true,
        offset: 4,
        depth: 128,
    }],
    stands_alone: false,
    ports: &[21],
    probe: |_, direction, data| match direction {
        Direction::ToServer => control::begins_with_command(data),
        Direction::ToClient => control::begins_with_reply(data),
    },
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("ftp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: false,
    configure: |_: &Settings| -> Opener { Box::new(|_| Box::new(control::FtpParser::default())) },
    recorder: record::recorder,
};

const ASKED: Option<u8> = Some(1);
const ANSWERED: Option<u8> = Some(1);
const MODES: &[(u8, &str)] = &[(0, "active"), (1, "passive")];
const ANSWERS: &[(u8, &str)] = &[(0, "no"), (1, "yes")];

static FIELDS: &[Field] = fields! { Exchange:
    "ftp.command": Text, "The command, in upper case.", [ASKED, None], false, |tx, _, i| text(i, tx.command());
    "ftp.command_data": Text, "What follows the command.", [ASKED, None], false, |tx, _, i| text(i, tx.argument());
    "ftp.reply": Text, "Each line of the replies, without the code.", [None, ANSWERED], true,
        |tx, _, i| tx.replies().get(i).map(|line| Value::Bytes(line));
    "ftp.completion_code": Text, "The code of each reply.", [None, ANSWERED], true,
        |tx, _, i| tx.codes().get(i).map(|code| Value::Bytes(code));
    "ftp.mode": Number(Numbers::named(1, || named(MODES))), "Who begins the connection for data: the server (active) or the client (passive).",
        [ASKED, ANSWERED], false, |tx, _, i| number(i, tx.mode().map(|(is_passive, _)| u64::from(is_passive)));
    "ftp.dynamic_port": Number(Numbers::up_to(65_535)), "The port of the connection for data.", [ASKED, ANSWERED], false,
        |tx, _, i| number(i, tx.mode().map(|(_, port)| port.into()));
    "ftp.reply_received": Number(Numbers::named(1, || named(ANSWERS))), "Whether there was a reply.", [None, ANSWERED], false,
        |tx, _, i| number(i, Some(u64::from(tx.is_answered())));
};

fn text(index: usize, text: &[u8]) -> Option<Value<'_>> {
    (index == 0 && !text.is_empty()).then_some(Value::Bytes(text))
}

fn number(index: usize, number: Option<u64>) -> Option<Value<'static>> {
    number.filter(|_| index == 0).map(Value::Number)
}

static ANOMALIES: &[AnomalyKind] = &[
    AnomalyKind {
        name: "ftp.request_command_too_long",
        record_name: "request_command_too_long",
        doc: "A command is longer than what is kept of one.",
    },
    AnomalyKind {
        name: "ftp.response_command_too_long",
        record_name: "response_command_too_long",
        doc: "A line of a reply is longer than what is kept of one.",
    },
    AnomalyKind {
        name: "ftp.too_many_transactions",
        record_name: "too_many_transactions",
        doc: "More commands wait for a reply than are kept; one was passed over.",
    },
    AnomalyKind {
        name: "ftp.file_before_port",
        record_name: "file_before_port",
        doc: "A file is to be moved before any connection for data was announced.",
    },
    AnomalyKind {
        name: "ftp.file_without_name",
        record_name: "file_without_name",
        doc: "A file is to be moved that has no name.",
    },
];
