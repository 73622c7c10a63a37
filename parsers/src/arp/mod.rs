//! Address Resolution Protocol (RFC 826), with probes and announcements (RFC 5227).
//!
//! Every frame is a message of its own. A sender is what it says it is or is not, which the Ethernet header tells. What is no
//! question about IPv4 over Ethernet is an anomaly of the headers (`decode-event`), and has no flow.

mod message;
mod parser;
mod record;
#[cfg(test)]
mod tests;

use crate::fields;
use crate::protocol::{AnomalyKind, Both, Carrier, Field, Link, Opener, Probe, Protocol, Settings, Usual, Value};
use message::{FORMS, Message, OPERATIONS};

/// The card of ARP.
pub static PROTOCOL: Protocol = Protocol {
    name: "arp",
    aliases: &[],
    doc: "Address Resolution Protocol (RFC 826, 5227).",
    parsed: Usual::Always,
    carriers: &[Carrier::Link(0x0806)],
    link: Some(Link { id: |_| 0, is_background: true }),
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
    event_type: Some("arp"),
    shows_transaction_id: false,
    listed_as: None,
    settings: &[],
    is_own: true,
    configure,
    recorder: record::recorder,
};

fn configure(_: &Settings) -> Opener {
    Box::new(|_| Box::new(parser::ArpParser::default()))
}

const READ: Option<u8> = Some(1);

static FIELDS: &[Field] = fields! { Message:
    "arp.opcode": Number(Numbers::named(65_535, || named(OPERATIONS))), "Operation: request 1, reply 2, and others.", [READ, READ], false,
        |m, d, i| m.seen(d, i)?.number(m.operation);
    "arp.hw_type": Number(Numbers::up_to(65_535)), "Kind of hardware addresses: 1 for Ethernet.", [READ, READ], false,
        |m, d, i| m.seen(d, i)?.number(message::ETHERNET);
    "arp.proto_type": Number(Numbers::up_to(65_535)), "Kind of protocol addresses, an Ethernet type: 2048 for IPv4.", [READ, READ], false,
        |m, d, i| m.seen(d, i)?.number(message::IPV4);
    "arp.src_mac": Text, "Hardware address of the sender.", [READ, READ], false, |m, d, i| m.seen(d, i)?.text(&m.texts().sender.0);
    "arp.src_ip": Address, "Protocol address of the sender.", [READ, READ], false, |m, d, i| m.seen(d, i)?.text(&m.texts().sender.1);
    "arp.dest_mac": Text, "Hardware address of the target.", [READ, READ], false, |m, d, i| m.seen(d, i)?.text(&m.texts().target.0);
    "arp.dest_ip": Address, "Protocol address of the target.", [READ, READ], false, |m, d, i| m.seen(d, i)?.text(&m.texts().target.1);
    "arp.form": Number(Numbers::named(3, || named(FORMS))), "What it is for: to resolve an address 0, to probe whether one is free 1, to announce one's own 2 by a request, 3 by a reply.", [READ, READ], false,
        |m, d, i| m.seen(d, i)?.number(m.form());
};

impl Message {
    fn number(&self, number: u16) -> Option<Value<'_>> {
        Some(Value::Number(number.into()))
    }

    fn text<'m>(&'m self, text: &'m str) -> Option<Value<'m>> {
        Some(Value::Bytes(text.as_bytes()))
    }
}

static ANOMALIES: &[AnomalyKind] = &[
    AnomalyKind {
        name: "arp.malformed_message",
        record_name: "malformed_message",
        doc: "A frame is no message about IPv4 over Ethernet.",
    },
    AnomalyKind {
        name: "arp.sender_mismatch",
        record_name: "sender_mismatch",
        doc: "The hardware address that a sender states is not that of the station that sent the frame.",
    },
    AnomalyKind {
        name: "arp.target_mismatch",
        record_name: "target_mismatch",
        doc: "A reply to one station states another one as its target.",
    },
    AnomalyKind {
        name: "arp.group_sender",
        record_name: "group_sender",
        doc: "The hardware address of a sender is that of a group or of all: who believes it sends to all what is meant for one.",
    },
    AnomalyKind {
        name: "arp.invalid_sender_ip",
        record_name: "invalid_sender_ip",
        doc: "The IP address of a sender is one that no host has: of a group, of all, or of the host itself.",
    },
    AnomalyKind {
        name: "arp.too_many_messages",
        record_name: "too_many_messages",
        doc: "More messages wait for inspection than are kept; one was passed over.",
    },
];
