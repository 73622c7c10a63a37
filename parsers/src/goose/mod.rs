//! Generic Object Oriented Substation Events (IEC 61850-8-1), as frames without IP.
//!
//! A control block publishes a state again and again, thousands of times a second where it has just changed. What is told of it is
//! that it began, each change of its state with how often the one before was said, and each minute and at its end how many frames
//! there were. What else changes, or does not follow, is an anomaly.

mod ber;
mod data;
mod message;
mod parser;
mod record;
mod stream;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{
    AnomalyKind, Both, Carrier, Field, Link, Numbers, Opener, Probe, Protocol, Settings, Usual, Value,
};
use message::Header;
use transaction::Transaction;

/// The card of GOOSE.
pub static PROTOCOL: Protocol = Protocol {
    name: "goose",
    aliases: &[],
    doc: "Generic Object Oriented Substation Events (IEC 61850-8-1), on Ethernet.",
    parsed: Usual::WithoutConfiguration,
    carriers: &[Carrier::Link(0x88b8)],
    link: Some(Link { id: |data| Header::read(data).map_or(0, |(header, _)| header.appid), is_background: false }),
    patterns: &[],
    stands_alone: true,
    ports: &[],
    probe: |_, _, _| Probe::Yes,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("goose"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: true,
    configure,
    recorder: record::recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::new(parser::GooseParser::default()))
}

const READ: Option<u8> = Some(1);
const U16: Numbers = Numbers::up_to(0xffff);
const U32: Numbers = Numbers::up_to(0xffff_ffff);
const SWITCH: Numbers = Numbers::named(1, || vec![("false", 0), ("true", 1)]);

static FIELDS: &[Field] = fields! { Transaction:
    "goose.verb": Text, "What is told: begin, state_change, publish (many frames at once), repeat for a message with an anomaly, or unread for what is none.", [READ, READ], false,
        |tx, d, i| text(tx.seen(d, i)?.what.verb().as_bytes());
    "goose.appid": Number(U16), "Number of the application, APPID of the header.", [READ, READ], false, |tx, d, i| number(tx.seen(d, i)?.state.header.appid);
    "goose.length": Number(U16), "Length that the header states.", [READ, READ], false, |tx, d, i| number(tx.seen(d, i)?.state.header.length);
    "goose.reserved1": Number(U16), "First reserved field of the header: 0x8000 for simulation, the low 12 bits the length of an extension.", [READ, READ], false,
        |tx, d, i| number(tx.seen(d, i)?.state.header.reserved1);
    "goose.reserved2": Number(U16), "Second reserved field of the header.", [READ, READ], false, |tx, d, i| number(tx.seen(d, i)?.state.header.reserved2);
    "goose.gocb_ref": Device, "Reference of the control block.", [READ, READ], false, |tx, d, i| text(&tx.said(d, i)?.gocb_ref);
    "goose.time_allowed_to_live": Number(U32), "Milliseconds within which the next message comes.", [READ, READ], false,
        |tx, d, i| number(tx.said(d, i)?.time_allowed_to_live_ms);
    "goose.dat_set": Text, "Reference of the data set.", [READ, READ], false, |tx, d, i| text(&tx.said(d, i)?.dat_set);
    "goose.go_id": Text, "Name of the control block.", [READ, READ], false, |tx, d, i| text(&tx.said(d, i)?.go_id);
    "goose.t": Number(U32), "When the state began, seconds since 1970.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.time.seconds);
    "goose.st_num": Number(U32), "Number of the state.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.st_num);
    "goose.sq_num": Number(U32), "Number of the message in its state.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.sq_num);
    "goose.simulation": Number(SWITCH), "Whether a test set speaks, by the header or the message.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.simulation);
    "goose.conf_rev": Number(U32), "Revision of the configuration.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.conf_rev);
    "goose.nds_com": Number(SWITCH), "Whether the control block needs commissioning.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.nds_com);
    "goose.entries": Number(U32), "How many values the message says that it has.", [READ, READ], false, |tx, d, i| number(tx.said(d, i)?.entries);
    "goose.frames": Number(U32), "How many frames were published, where that is told.", [READ, READ], false,
        |tx, d, i| tx.seen(d, i)?.frames().map(Value::Number);
    "goose.object": Text, "Each value of a first message or a change: octets and bits in hexadecimal, the rest as in records.", [READ, READ], true,
        |tx, d, i| text(tx.seen(d, 0)?.items.kept.get(i)?.value.as_bytes());
};

fn text(text: &[u8]) -> Option<Value<'_>> {
    (!text.is_empty()).then_some(Value::Bytes(text))
}

fn number<'v>(number: impl Into<u64>) -> Option<Value<'v>> {
    Some(Value::Number(number.into()))
}

static ANOMALIES: &[AnomalyKind] = &[
    anomaly("goose.malformed_message", "malformed_message", "A frame is no message that can be read."),
    anomaly("goose.unknown_function", "unknown_function", "A frame has something else than a message of GOOSE in it."),
    anomaly("goose.invalid_length", "invalid_length", "The length in the header is not that of the message."),
    anomaly(
        "goose.invalid_value",
        "invalid_value",
        "A field is there twice, in no order, or not as the standard has it.",
    ),
    anomaly("goose.entries_mismatch", "entries_mismatch", "A message has more or fewer values than it says."),
    anomaly(
        "goose.st_num_back",
        "st_num_back",
        "The number of the state went back: a restart, an old message, or a forged one.",
    ),
    anomaly("goose.st_num_jump", "st_num_jump", "Numbers of states were passed over."),
    anomaly("goose.sq_num_jump", "sq_num_jump", "A message does not follow the one before it in its state."),
    anomaly("goose.data_changed", "data_changed", "Values changed, and the number of the state did not."),
    anomaly("goose.conf_rev_changed", "conf_rev_changed", "The revision of the configuration changed."),
    anomaly(
        "goose.data_set_changed",
        "data_set_changed",
        "A control block publishes another data set, or has another name.",
    ),
    anomaly("goose.ttl_expired", "ttl_expired", "A message came later than the one before it had allowed."),
    anomaly("goose.simulation", "simulation", "A test set begins to speak for a control block."),
    anomaly("goose.needs_commissioning", "needs_commissioning", "A control block says that it is not configured."),
    anomaly(
        "goose.flooded",
        "flooded",
        "More control blocks speak with one number than are followed; one was forgotten.",
    ),
    anomaly(
        "goose.too_many_messages",
        "too_many_messages",
        "More waits for inspection than is kept; something was passed over.",
    ),
];

const fn anomaly(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}
