//! Domain Name System (RFC 1035), over datagrams and streams.
//!
//! Every message is a transaction of one direction. What a broken message still says is kept and shown, with an anomaly that
//! names what is wrong; limits cut names and sections, and the next message is read as ever.

pub(crate) mod local;
mod message;
mod name;
mod odd;
mod parser;
mod presentation;
mod record;
mod services;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;

use crate::dns::message::Message;
use crate::dns::parser::DnsParser;
use crate::fields;
use crate::protocol::{Anomaly, AnomalyKind, Both, Carrier, Field, Opener, Protocol, Setting, Settings, Usual};
pub use tables::{RECORD_TYPES, RETURN_CODES};

/// The card of DNS.
pub static PROTOCOL: Protocol = Protocol {
    name: "dns",
    aliases: &[],
    doc: "Domain Name System (RFC 1035).",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    link: None,
    patterns: &[],
    stands_alone: true,
    ports: &[53],
    probe: |carrier, direction, data| parser::probe(&DIALECT, carrier, direction, data),
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[
        "dns.not_a_request",
        "dns.not_a_response",
        "dns.unsolicited_response",
        "dns.flooded",
        "dns.state_memcap_reached",
    ],
    event_type: Some("dns"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_records("requests", "yes", "Requests have records; the same for `mdns` and `llmnr`."),
    Setting::of_records("responses", "yes", "Responses have records; the same for `mdns` and `llmnr`."),
    Setting::of_records("types", "all", "Record types that are asked for in messages that have records."),
    Setting::of_records(
        "version",
        "3, or what `SURICATA_EVE_DNS_VERSION` in the environment says",
        "The form of records: 2 or 3.",
    ),
    Setting::of_records("formats", "both", "`detailed` shows each record of an answer, `grouped` their data by type."),
];

/// What tells DNS and its relatives apart, which share the form of messages.
pub(crate) struct Dialect {
    /// Anomalies that it raises.
    pub(crate) anomalies: &'static [AnomalyKind],
    /// Whether questions and answers go in either direction (to a group, all do).
    pub(crate) is_symmetric: bool,
    /// Whether records show the data of types that are not read.
    pub(crate) shows_unknown_data: bool,
}

static DIALECT: Dialect = Dialect { anomalies: ANOMALIES, is_symmetric: false, shows_unknown_data: false };

impl Dialect {
    /// An anomaly by its name in records, if it has that one.
    fn anomaly(&self, record_name: &str) -> Option<Anomaly> {
        self.anomalies.iter().find(|kind| kind.record_name == record_name).map(|kind| Anomaly(kind.name))
    }
}

fn configure(_: &Settings) -> Opener {
    Box::new(|opening| Box::new(DnsParser::new(opening.carrier, &DIALECT)))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Message:
    "dns.query" | "dns_query": Domain, "Names that a request asks for.", [READ, None], true, |m, d, i| m.query_name(d, i);
    "dns.query.name": Domain, "Names in the question section of a request or response.", [READ, READ], true, |m, d, i| m.query_name(d, i);
    "dns.queries.rrname": Domain, "Names in the question section of a request or response.", [READ, READ], true, |m, d, i| m.query_name(d, i);
    "dns.answer.name": Domain, "Names of the records in the answer section.", [READ, READ], true, |m, d, i| m.record_name(0, d, i);
    "dns.answers.rrname": Domain, "Names of the records in the answer section.", [READ, READ], true, |m, d, i| m.record_name(0, d, i);
    "dns.authorities.rrname": Domain, "Names of the records in the authority section.", [READ, READ], true, |m, d, i| m.record_name(1, d, i);
    "dns.additionals.rrname": Domain, "Names of the additional records.", [READ, READ], true, |m, d, i| m.record_name(2, d, i);
    "dns.response.rrname": Domain, "Every name in a response: of questions, of records, and in the data of CNAME, MX, NS, PTR and SOA.", [None, READ], true,
        |m, d, i| m.response_name(d, i);
    "dns.opcode": Number(Numbers::up_to(15)), "Kind of operation, 0 for a query.", [READ, READ], false, |m, d, _| m.operation(d);
    "dns.rcode": Number(Numbers::named(65_535, || named(RETURN_CODES))), "Return code: the four bits of the header, and eight more where an `OPT` record has them.", [READ, READ], false, |m, d, _| m.result(d);
    "dns.rrtype": Number(Numbers::named(65_535, || named(RECORD_TYPES))), "Record types: of the questions of a request, of the answers of a response.", [READ, READ], true, |m, d, i| m.record_type(d, i);
    frame "frame:dns.pdu", "A message, without its length in front.", [true, true];
};

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind(
        "dns.malformed_data",
        "malformed_data",
        "A message ends early, or the names or records of its questions and answers are broken.",
    ),
    kind("dns.not_request", "not_request", "A message to the server is marked as a response."),
    kind("dns.not_response", "not_response", "A message to the client is not marked as a response."),
    kind("dns.z_flag_set", "z_flag_set", "The reserved bit of the header is set."),
    kind("dns.invalid_opcode", "invalid_opcode", "The kind of operation is not assigned."),
    kind("dns.name_too_long", "name_too_long", "A name has more than 1025 characters and was cut."),
    kind("dns.infinite_loop", "infinite_loop", "The compression pointers of a name go in a circle."),
    kind("dns.too_many_labels", "too_many_labels", "A name has more than 255 labels and pointers and was cut."),
    kind("dns.invalid_additionals", "invalid_additionals", "The additional section, or one of its records, is broken."),
    kind("dns.invalid_authorities", "invalid_authorities", "The authority section, or one of its records, is broken."),
    kind("dns.too_many_records", "too_many_records", "A section has more entries than are kept (256)."),
    kind(
        "dns.too_many_messages",
        "too_many_messages",
        "More messages wait for inspection than are kept; one was passed over.",
    ),
];
