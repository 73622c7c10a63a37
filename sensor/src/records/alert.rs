//! `alert`: a rule matched, with the evidence at hand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use data_encoding::BASE64;
use tapwire_parsers::json::Object;
use tapwire_parsers::link::Timestamp;
use tapwire_signatures::rule::{Action, Rule, Target};
use tapwire_signatures::verify::{Context, Evidence, Shown};

use super::header::{Clock, Header, protocol_name, record};
use super::slot::{Blank, Slot};
use crate::decode::tunnels::Tunnel;

/// What the flow was when the alert was raised.
#[derive(Clone, Copy, Debug)]
pub struct FlowBrief {
    /// Packets to server and to client.
    pub packets: (u64, u64),
    /// Bytes to server and to client.
    pub bytes: (u64, u64),
    /// Time of its first packet.
    pub start: Timestamp,
    /// The client and the server, over IP.
    pub hosts: Option<(IpAddr, IpAddr)>,
    /// Their ports, where the protocol has some.
    pub ports: Option<(u16, u16)>,
}

/// Inspected bytes, and how they are shown.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// As text.
    pub printable: bool,
    /// In base64.
    pub base64: bool,
    /// How many there are.
    pub length: bool,
}

/// An alert.
pub struct Alert<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The packet around the packet.
    pub tunnel: Option<Tunnel>,
    /// The client behind a proxy.
    pub forwarded: Option<IpAddr>,
    /// What it captured.
    pub context: &'a Context,
    /// Recognised protocol, or `failed`.
    pub app_protocol: Option<&'a str>,
    /// `to_server` or `to_client`.
    pub direction: Option<&'static str>,
    /// The flow.
    pub flow: Option<FlowBrief>,
    /// How far the transaction had come in each direction.
    pub progress: Option<(&'static str, &'static str)>,
    /// The inspected bytes.
    pub payload: Option<Payload<'a>>,
    /// Whether they are reassembled ones.
    pub stream: bool,
    /// The packet and its link type.
    pub packet: Option<(&'a [u8], u32)>,
    /// Whether the rule's metadata is shown.
    pub metadata: bool,
    /// Whether its references are.
    pub references: bool,
    /// Whether its text is.
    pub text: bool,
    /// What becomes of the packet, where that is wanted.
    pub verdict: Option<&'static str>,
    /// The bytes that fulfilled the rule's conditions.
    pub evidence: &'a [Evidence],
    /// It is on a copy of bytes other than the one that counts.
    pub other_copy: bool,
    /// Packets that the sensor lost while its flow went on, of all flows.
    pub lost_packets: u64,
    /// Whether bytes of its flow are missing, to server and to client.
    pub gaps: [bool; 2],
}

/// Writes an alert; `protocols` adds the objects of its transaction. What became of the packet is a slot.
pub fn write(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    alert: &Alert<'_>,
    clock: &mut Clock,
    protocols: impl FnOnce(&mut Object<'_>),
) -> Option<Slot> {
    let (mut start, mut slot) = (String::new(), None);
    if let Some(flow) = &alert.flow {
        start.push_str(clock.timestamp(flow.start));
    }
    let own = |o: &mut Object<'_>| members(o, alert);
    let is_whole = alert.lost_packets == 0 && alert.gaps == [false; 2];
    let names_attack = header.id.is_some() && is_attack(alert.rule);
    let has_own = !alert.evidence.is_empty() || alert.other_copy || !is_whole || names_attack;
    let header = &Header { own: if has_own { Some(&own) } else { None }, ..*header };
    record(out, header, clock, |object| {
        object.object("alert", |o| slot = rule(o, header, alert));
        if let Some(tunnel) = &alert.tunnel {
            object.object("tunnel", |o| {
                o.address("src_ip", tunnel.source);
                if let Some((source, _)) = tunnel.ports {
                    o.number("src_port", source);
                }
                o.address("dest_ip", tunnel.destination);
                if let Some((_, destination)) = tunnel.ports {
                    o.number("dest_port", destination);
                }
                o.text("proto", protocol_name(tunnel.protocol).as_bytes()).number("depth", tunnel.depth);
            });
        }
        if let Some((to_server, to_client)) = alert.progress {
            object.text("ts_progress", to_server).text("tc_progress", to_client);
        }
        protocols(object);
        if let Some(protocol) = alert.app_protocol {
            object.text("app_proto", protocol);
        }
        if let Some(direction) = alert.direction {
            object.text("direction", direction);
        }
        if let Some(action) = alert.verdict {
            object.object("verdict", |o| {
                o.text("action", action);
            });
        }
        if let Some(flow) = &alert.flow {
            object.object("flow", |o| {
                o.number("pkts_toserver", flow.packets.0).number("pkts_toclient", flow.packets.1);
                o.number("bytes_toserver", flow.bytes.0).number("bytes_toclient", flow.bytes.1);
                o.text("start", &start);
                if let Some((source, destination)) = flow.hosts {
                    o.address("src_ip", source).address("dest_ip", destination);
                }
                if let Some((source, destination)) = flow.ports {
                    o.number("src_port", source).number("dest_port", destination);
                }
            });
        }
        if let Some(Payload { bytes, printable, base64, length }) = alert.payload {
            if base64 && !bytes.is_empty() {
                object.text("payload", BASE64.encode(bytes));
            }
            if printable && !bytes.is_empty() {
                object.shown("payload_printable", &self::printable(bytes));
            }
            if length {
                object.number("payload_length", bytes.len());
            }
            object.number("stream", u8::from(alert.stream));
        }
        if let Some((bytes, link_type)) = alert.packet {
            super::packet::bytes(object, bytes, link_type);
        }
    });
    slot
}

/// What only Tapwire says of an alert.
fn members(object: &mut Object<'_>, alert: &Alert<'_>) {
    if is_attack(alert.rule) {
        object.object("attack", |o| {
            for (member, key) in [("tactics", "mitre_tactic_id"), ("techniques", "mitre_technique_id")] {
                let mut ids = alert.rule.metadata.iter().filter(|(name, _)| &**name == key).peekable();
                if ids.peek().is_some() {
                    o.array(member, |list| {
                        ids.for_each(|(_, id)| {
                            list.text(id.as_bytes());
                        })
                    });
                }
            }
        });
    }
    if alert.other_copy {
        object.boolean("other_copy", true);
    }
    if alert.lost_packets > 0 {
        object.number("lost_packets", alert.lost_packets);
    }
    if alert.gaps != [false; 2] {
        object.array("gaps", |array| {
            for (name, _) in ["to_server", "to_client"].iter().zip(alert.gaps).filter(|(_, gap)| *gap) {
                array.text(name);
            }
        });
    }
    if !alert.evidence.is_empty() {
        object.array("evidence", |array| {
            for piece in alert.evidence {
                array.object(|o| evidence(o, piece));
            }
        });
    }
}

/// Whether a rule says to which tactic or technique of ATT&CK it belongs.
fn is_attack(rule: &Rule) -> bool {
    rule.metadata.iter().any(|(name, _)| matches!(&**name, "mitre_tactic_id" | "mitre_technique_id"))
}

/// What there is to say of the rule; the slot of what it does.
fn rule(object: &mut Object<'_>, header: &Header<'_>, alert: &Alert<'_>) -> Option<Slot> {
    let rule = alert.rule;
    let is_blocked = rule.action == Action::Reject;
    object.text("action", if is_blocked { "blocked" } else { "allowed" });
    let slot = (!is_blocked).then(|| Slot::before(object.end(), Blank::Action));
    object.number("gid", rule.gid).number("signature_id", rule.sid).number("rev", rule.rev);
    object
        .text("signature", &rule.message)
        .text("category", rule.category.as_bytes())
        .number("severity", rule.severity);
    let (source, destination) =
        ((header.source, header.ports.map(|p| p.0)), (header.destination, header.ports.map(|p| p.1)));
    let sides = match rule.target {
        Some(Target::Source) => Some((destination, source)),
        Some(Target::Destination) => Some((source, destination)),
        None => None,
    };
    if let Some((attacker, victim)) = sides {
        for (name, (address, port)) in [("source", attacker), ("target", victim)] {
            object.object(name, |o| {
                if let Some(address) = address {
                    o.address("ip", address);
                }
                if let Some(port) = port {
                    o.number("port", port);
                }
            });
        }
    }
    if alert.metadata && !rule.metadata.is_empty() {
        let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in rule.metadata.iter() {
            by_key.entry(key).or_default().push(value);
        }
        object.object("metadata", |o| {
            for (key, values) in by_key {
                o.named(key).array(|array| {
                    for value in values {
                        array.text(value);
                    }
                });
            }
        });
    }
    if let Some(address) = alert.forwarded {
        object.address("xff", address);
    }
    if !alert.context.is_empty() {
        object.object("context", |o| {
            for (name, value) in alert.context {
                match value {
                    Shown::Text(bytes) => o.named(name).text(bytes),
                    Shown::Json(object) => o.named(name).json(object),
                }
            }
        });
    }
    if alert.references && !rule.references.is_empty() {
        object.array("references", |array| {
            for reference in &rule.references {
                array.text(reference.as_bytes());
            }
        });
    }
    if let Some(text) = rule.text.as_ref().filter(|_| alert.text) {
        object.text("rule", text);
    }
    slot
}

/// Where the bytes are that fulfilled a condition.
fn evidence(object: &mut Object<'_>, piece: &Evidence) {
    object.text("buffer", piece.buffer);
    if piece.instance > 0 {
        object.number("instance", piece.instance);
    }
    if piece.transformed {
        object.boolean("transformed", true);
    }
    object.text("keyword", piece.keyword).number("offset", piece.offset).number("length", piece.length);
}

/// Bytes as text for reading: what cannot be printed becomes a dot.
pub fn printable(bytes: &[u8]) -> String {
    let shown = |b: u8| if (0x20..0x7f).contains(&b) || matches!(b, b'\r' | b'\n') { char::from(b) } else { '.' };
    bytes.iter().map(|&b| shown(b)).collect()
}
