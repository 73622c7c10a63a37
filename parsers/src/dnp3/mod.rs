//! Distributed Network Protocol (IEEE 1815): what masters ask of outstations, and what those report.
//!
//! Every message, a request, a response or an unsolicited response, is a transaction of one direction.

mod frame;
mod message;
mod parser;
mod record;

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
    Setting::of_parser("max-points", "16,384", "Points of a message that are kept."),
];

fn configure(settings: &Settings) -> Opener {
    let max_open = settings.number("max-tx", parser::DEFAULT_OPEN);
    let max_points = settings.number("max-points", parser::DEFAULT_POINTS);
    Box::new(move |opening| Box::new(Dnp3Parser::new(opening.carrier, max_open, max_points)))
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
    kind("dnp3.flooded", "flooded", "More messages wait for inspection than are kept; one was passed over."),
    kind("dnp3.len_too_small", "len_too_small", "A frame is shorter than its header."),
    kind("dnp3.bad_link_crc", "bad_link_crc", "The check of a frame's header is wrong."),
    kind("dnp3.bad_transport_crc", "bad_transport_crc", "A check of a frame's data is wrong."),
    kind("dnp3.unknown_object", "unknown_object", "An object of a kind whose size is not known."),
    kind("dnp3.too_many_objects", "too_many_objects", "More headers of objects than are kept."),
    kind("dnp3.too_many_points", "too_many_points", "The objects of a message have more points than are read."),
    kind("dnp3.malformed", "malformed", "A frame or a message that cannot be read."),
];
