//! Dynamic Host Configuration Protocol (RFC 2131, options of RFC 2132).
//!
//! Every datagram is a transaction of one direction: relays, broadcasts and addresses that change in between leave nothing that
//! both directions of a flow share. Options are kept that records or rules show; those in the fields for the server's name
//! and the boot file are read as well where the message says so.

mod message;
mod parser;
mod record;
mod tables;
#[cfg(test)]
mod tests;

use crate::dhcp::message::{Message, option};
use crate::dhcp::parser::DhcpParser;
use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Opener, Probe, Protocol, Setting, Settings, Usual, Value};

/// The card of DHCP.
pub static PROTOCOL: Protocol = Protocol {
    name: "dhcp",
    aliases: &[],
    doc: "Dynamic Host Configuration Protocol (RFC 2131).",
    parsed: Usual::Always,
    carriers: &[Carrier::Udp],
    link: None,
    patterns: &[],
    // A client is found at a port of its own.
    stands_alone: true,
    ports: &[67, 68],
    probe: |_, _, data| if Message::is_one(data) { Probe::Yes } else { Probe::No },
    states: Both {
        to_server: &["request_started", "request_complete"],
        to_client: &["response_started", "response_complete"],
    },
    fields: FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("dhcp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[Setting::of_records(
    "extended",
    "no; without `--config` yes",
    "Every message has a record with all that it says, not only those that give a lease.",
)];

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::new(DhcpParser::default()))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Message:
    "dhcp.leasetime": Number(Numbers::up_to(u32::MAX as u64)), "Seconds for which an address is lent.", [READ, READ], false,
        |m, d, _| m.seen_in(d)?.number(option::LEASE_TIME).map(Value::Number);
    "dhcp.renewal_time": Number(Numbers::up_to(u32::MAX as u64)), "Seconds until the client asks its server to go on lending (T1).", [READ, READ], false,
        |m, d, _| m.seen_in(d)?.number(option::RENEWAL_TIME).map(Value::Number);
    "dhcp.rebinding_time": Number(Numbers::up_to(u32::MAX as u64)), "Seconds until the client asks any server to go on lending (T2).", [READ, READ], false,
        |m, d, _| m.seen_in(d)?.number(option::REBINDING_TIME).map(Value::Number);
};

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind(
        "dhcp.truncated_options",
        "truncated_options",
        "The options of a field go past its end, or do not say where theirs is.",
    ),
    kind(
        "dhcp.malformed_options",
        "malformed_options",
        "A datagram is no message of DHCP, or an option has a length that it cannot have.",
    ),
    kind(
        "dhcp.too_many_messages",
        "too_many_messages",
        "More messages wait for inspection than are kept; one was passed over.",
    ),
];
