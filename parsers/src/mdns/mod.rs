//! Multicast DNS (RFC 6762): messages in the form of DNS, to a group on the local link.
//!
//! Every message is a transaction of one direction. Who asks and who answers is told by the message, not by its direction.

use crate::dns::{Dialect, local};
use crate::local_fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Protocol, Usual};

/// The card of mdns.
pub static PROTOCOL: Protocol = Protocol {
    name: "mdns",
    aliases: &[],
    doc: "Multicast DNS (RFC 6762).",
    parsed: Usual::Always,
    carriers: &[Carrier::Udp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[5353],
    probe: |carrier, direction, data| local::probe(&DIALECT, carrier, direction, data),
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: &FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("mdns"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: false,
    configure: |_| local::opener(&DIALECT),
    recorder: |settings| local::recorder(FORM, settings),
};

static DIALECT: Dialect = Dialect { anomalies: ANOMALIES, is_symmetric: true, shows_unknown_data: true };

const FORM: local::Form = local::Form {
    name: "mdns",
    flags: &[(0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x40, "z"), (0x20, "ad"), (0x10, "cd")],
    shows_result: true,
};

static FIELDS: [Field; 6] = local_fields!("mdns");

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind(
        "mdns.malformed_data",
        "malformed_data",
        "A message ends early, or the names or records of its questions and answers are broken.",
    ),
    kind("mdns.z_flag_set", "z_flag_set", "The reserved bit of the header is set."),
    kind("mdns.invalid_opcode", "invalid_opcode", "The kind of operation is not assigned."),
    kind("mdns.name_too_long", "name_too_long", "A name has more than 1025 characters and was cut."),
    kind("mdns.infinite_loop", "infinite_loop", "The compression pointers of a name go in a circle."),
    kind("mdns.too_many_labels", "too_many_labels", "A name has more than 255 labels and pointers and was cut."),
    kind(
        "mdns.invalid_additionals",
        "invalid_additionals",
        "The additional section, or one of its records, is broken.",
    ),
    kind("mdns.invalid_authorities", "invalid_authorities", "The authority section, or one of its records, is broken."),
    kind("mdns.too_many_records", "too_many_records", "A section has more entries than are kept (256)."),
    kind(
        "mdns.too_many_messages",
        "too_many_messages",
        "More messages wait for inspection than are kept; one was passed over.",
    ),
];
