//! WebSocket (RFC 6455), with messages that are compressed one by one (RFC 7692).
//!
//! A connection speaks it from the moment that HTTP has agreed to it; nothing of it can be recognised. Each frame is a transaction. The last frame
//! of a message has all of the message, unmasked and decompressed.

mod frame;
mod inflate;
mod parser;
mod record;
#[cfg(test)]
mod tests;
mod transaction;

use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Opener, Probe, Protocol, Setting, Settings, Usual, Value};
use frame::{FLAGS, OPCODES};
use transaction::Transaction;

/// The card of WebSocket.
pub static PROTOCOL: Protocol = Protocol {
    name: "websocket",
    aliases: &[],
    doc: "WebSocket (RFC 6455) with compression of messages (RFC 7692), on connections for which HTTP agreed to it.",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[],
    stands_alone: false,
    ports: &[],
    probe: |_, _, _| Probe::No,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("websocket"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_parser(
        "max-payload-size",
        "64 KiB",
        "Bytes of a frame, and of a message of several frames, that are kept and looked at.",
    ),
    Setting::of_records("payload-base64", "no", "Records of frames of WebSocket show what they carry, in base64."),
    Setting::of_records("payload-printable", "no", "Records of frames of WebSocket show what they carry, as text."),
];

/// Bytes of a message that are kept, where the configuration does not say (`max-payload-size`).
const PAYLOAD_LIMIT_BYTES: u64 = 64 << 10;

fn configure(settings: &Settings) -> Opener {
    let limit = settings.bytes("max-payload-size", PAYLOAD_LIMIT_BYTES).min(u32::MAX.into());
    Box::new(move |opening| Box::new(parser::WebSocketParser::new(opening, limit)))
}

const BEGUN: Option<u8> = Some(0);
const DONE: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Transaction:
    "websocket.opcode": Number(Numbers::named(15, || named(OPCODES))), "What a frame is: text, binary, ping and others.", [BEGUN, BEGUN], false,
        |tx, d, i| (i == 0).then_some(Value::Number(tx.header(d)?.opcode.into()));
    "websocket.mask": Number(Numbers::up_to(u32::MAX as u64)), "The number that a frame is masked with, where it is.", [BEGUN, BEGUN], false,
        |tx, d, i| (i == 0).then_some(Value::Number(tx.header(d)?.mask?.into()));
    "websocket.flags": Number(Numbers::flags(255, || named(FLAGS))), "The first octet of a frame without its opcode: fin (0x80), comp (0x40), and two bits without a meaning.", [BEGUN, BEGUN], false,
        |tx, d, i| (i == 0).then_some(Value::Number(tx.header(d)?.flags.into()));
    "websocket.payload": Bytes, "What a frame carries, unmasked and decompressed; that of the last frame of a message is all of the message.", [DONE, DONE], false,
        |tx, d, i| (i == 0).then_some(Value::Bytes(tx.payload(d)?));
    frame "frame:websocket.header", "The header of a frame.", [true, true];
    frame "frame:websocket.pdu", "A frame.", [true, true];
    frame "frame:websocket.data", "What a frame carries, as it travels.", [true, true];
};

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind(
        "websocket.skip_end_of_payload",
        "skip_end_of_payload",
        "A frame is longer than what is kept of one; its end is passed over.",
    ),
    kind(
        "websocket.reassembly_limit_reached",
        "reassembly_limit_reached",
        "A message of several frames is longer than what is kept of one.",
    ),
    kind("websocket.unknown_opcode", "unknown_opcode", "A frame with an opcode that is not defined."),
    kind(
        "websocket.reserved_bits",
        "reserved_bits",
        "A frame has a bit set that nothing that was agreed on gives a meaning.",
    ),
    kind("websocket.unmasked_request", "unmasked_request", "A client's frame is not masked."),
    kind("websocket.masked_response", "masked_response", "A server's frame is masked."),
    kind(
        "websocket.bad_control_frame",
        "bad_control_frame",
        "A control frame is a part of a message, or has more than 125 bytes.",
    ),
    kind("websocket.bad_length", "bad_length", "A length is written longer than needed, or its first bit is set."),
    kind(
        "websocket.unexpected_continuation",
        "unexpected_continuation",
        "A frame continues a message, and none was begun.",
    ),
    kind("websocket.unfinished_message", "unfinished_message", "A message begins before the one before it has ended."),
    kind(
        "websocket.inflate_failed",
        "inflate_failed",
        "A compressed message does not decompress; what follows in its direction stays as it is.",
    ),
    kind(
        "websocket.inflate_limit",
        "inflate_limit",
        "A compressed message is much longer than what is kept of one; what follows in its direction stays as it is.",
    ),
    kind(
        "websocket.too_many_transactions",
        "too_many_transactions",
        "More frames wait for inspection than are kept; one was passed over.",
    ),
];
