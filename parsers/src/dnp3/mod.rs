//! Distributed Network Protocol (IEEE 1815): what masters ask of outstations, and what those report.
//!
//! Every message, a request, a response or an unsolicited response, is a transaction of one direction.

mod frame;
mod message;
mod objects;
mod parser;
mod points;
mod record;
#[cfg(test)]
mod tests;

pub use frame::Header;
pub use message::{FUNCTIONS, INDICATIONS, Message, ObjectHeader};

use crate::dnp3::parser::Dnp3Parser;
use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Opener, Protocol, Setting, Settings, Usual, Value};

/// The card of DNP3.
pub static PROTOCOL: Protocol = Protocol {
    name: "dnp3",
    aliases: &[],
    doc: "Distributed Network Protocol (IEEE 1815).",
    parsed: Usual::WithoutConfiguration,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[20000],
    probe: parser::probe,
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("dnp3"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_parser(
        "max-tx",
        "500",
        "Messages of a flow that are open at once; one more is passed over and an anomaly (`dnp3.flooded`).",
    ),
    Setting::of_parser("max-points", "16,384", "Points of a message that are read (`dnp3.too_many_points`)."),
    Setting::of_parser(
        "max-objects",
        "2,048",
        "Headers of objects of a message that are read (`dnp3.too_many_objects`).",
    ),
    Setting::of_parser(
        "max-message",
        "64 KiB",
        "Octets of a message that are put together from its frames (`dnp3.too_long_reassembly`).",
    ),
    Setting::of_records("points", "1,024", "Points of a message that its record shows."),
];

fn configure(settings: &Settings) -> Opener {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let limits = parser::Settings {
        open: settings.number("max-tx", parser::DEFAULT_OPEN),
        message_bytes: size(settings.bytes("max-message", parser::DEFAULT_MESSAGE_BYTES)),
        message: message::Limits {
            points: settings.number("max-points", parser::DEFAULT_POINTS),
            objects: size(settings.number("max-objects", parser::DEFAULT_OBJECTS)),
        },
    };
    Box::new(move |opening| Box::new(Dnp3Parser::new(opening.carrier, limits)))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Message:
    "dnp3.func" | "dnp3_func": Number(Numbers::named(255, || named(&FUNCTIONS))), "Function code.", [READ, READ], false, |m, d, i| m.seen(d).filter(|_| i == 0).map(|m| Value::Number(m.function.into()));
    "dnp3.ind": Number(Numbers::up_to(65_535)), "Internal indications of a response, the first octet in the upper bits.", [READ, READ], false,
        |m, d, i| m.seen(d).filter(|_| i == 0)?.indications.map(|bits| Value::Number(bits.into()));
    "dnp3.obj": Number(Numbers::up_to(65_535)), "Group times 256 and variation of each object header.", [READ, READ], true,
        |m, d, i| m.seen(d)?.objects.get(i).map(|o| Value::Number(u64::from(o.group) << 8 | u64::from(o.variation)));
    "dnp3.data" | "dnp3_data": Bytes, "The octets of the application layer.", [READ, READ], false,
        |m, d, i| m.seen(d).filter(|_| i == 0).map(|m| Value::Bytes(&m.data));
};

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind("dnp3.flooded", "FLOODED", "More messages wait for inspection than are kept; one was passed over."),
    kind("dnp3.len_too_small", "LEN_TOO_SMALL", "A frame is shorter than its header."),
    kind("dnp3.bad_link_crc", "BAD_LINK_CRC", "The check of a frame's header is wrong."),
    kind("dnp3.bad_transport_crc", "BAD_TRANSPORT_CRC", "A check of a frame's data is wrong."),
    kind("dnp3.unknown_object", "UNKNOWN_OBJECT", "An object of a kind whose size is not known."),
    kind("dnp3.too_many_objects", "TOO_MANY_OBJECTS", "More headers of objects than are kept."),
    kind("dnp3.too_many_points", "TOO_MANY_POINTS", "The objects of a message have more points than are read."),
    kind(
        "dnp3.too_long_reassembly",
        "TOO_LONG_REASSEMBLY",
        "The frames of a message have more octets than are put together; it was passed over.",
    ),
    kind("dnp3.malformed", "MALFORMED", "A frame or a message that cannot be read."),
];
