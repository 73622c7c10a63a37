//! What a rule is asked about, and when.

use serde::{Deserialize, Serialize};
use tapwire_parsers::protocol::{Direction, Field, Protocol};
use tapwire_parsers::{protocol, protocol_id};

use crate::rule::item::Item;
use crate::rule::{Arrow, BitOperation, Buffer, PacketHook, Rule, RuleProtocol, Section};

/// What a rule is asked about: it decides when it is evaluated and how often it can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Packets with something wrong in their headers or their place in a stream, or with which something wrong with their flow
    /// comes to light.
    Anomaly,
    /// The first packet of a flow in each direction: nothing but addresses and ports, or with the hook `flow_start`.
    IpOnly,
    /// Every packet.
    Packet,
    /// Every packet of a flow whose application protocol is known.
    ApplicationPacket,
    /// Chunks of a stream, and packets as well.
    PacketAndStream,
    /// Chunks of a TCP stream, and payloads of what has no streams.
    PayloadOrStream,
    /// Chunks of a stream.
    Stream,
    /// The end of a flow's recognition.
    Recognised,
    /// Frames.
    Frame,
    /// Transactions.
    Transaction,
}

impl Kind {
    /// What such a rule is asked about, in a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Anomaly => "packet anomaly",
            Kind::IpOnly => "flow start",
            Kind::Packet => "packet",
            Kind::ApplicationPacket => "application packet",
            Kind::PacketAndStream => "packet and stream",
            Kind::PayloadOrStream => "payload or stream",
            Kind::Stream => "stream",
            Kind::Recognised => "recognition",
            Kind::Frame => "frame",
            Kind::Transaction => "transaction",
        }
    }
}

/// The kind of a rule.
pub(super) fn of(rule: &Rule) -> Kind {
    match rule.packet_hook {
        Some(PacketHook::FlowStart) => return Kind::IpOnly,
        Some(PacketHook::PreFlow | PacketHook::PreStream | PacketHook::All) => return Kind::Packet,
        None => {}
    }
    let uses = |test: fn(&Buffer) -> bool| rule.sections.iter().any(|s| test(&s.buffer));
    if uses(|b| matches!(b, Buffer::Frame(_))) {
        return Kind::Frame;
    }
    let on_transactions = uses(|b| matches!(b, Buffer::Field(_) | Buffer::File(_)))
        || !rule.transaction.is_empty()
        || !rule.file.is_empty()
        || rule.events.iter().any(|event| !is_of_flow(event))
        || rule.hook.is_some()
        || rule.filestore.is_some();
    if on_transactions {
        return Kind::Transaction;
    }
    if !rule.events.is_empty() || rule.packet.iter().any(|c| c.is_anomaly()) {
        return Kind::Anomaly;
    }
    let payload = uses(|b| *b == Buffer::Payload);
    let of_packets = rule.packet.iter().any(|c| c.needs_packet())
        || rule.scripts.iter().any(|test| test.script.is_of_packets())
        || uses(|b| matches!(b, Buffer::Header(_)));
    if payload {
        return of_payload(rule, of_packets);
    }
    if of_packets {
        return Kind::Packet;
    }
    if !rule.app_protocol.is_empty() {
        return if rule.flow.established.is_some() { Kind::Packet } else { Kind::Recognised };
    }
    if matches!(rule.protocol, RuleProtocol::Application(_)) {
        return Kind::ApplicationPacket;
    }
    if is_ip_only(rule) { Kind::IpOnly } else { Kind::Packet }
}

/// Whether an event belongs to no protocol: it comes with a packet, whatever transactions there are.
fn is_of_flow(event: &str) -> bool {
    !event.contains('.')
}

fn of_payload(rule: &Rule, of_packets: bool) -> Kind {
    let asn1 = rule.sections.iter().flat_map(|s| &s.items).any(|item| matches!(item, Item::Asn1(_)));
    let packets_only = of_packets || asn1 || rule.protocol == RuleProtocol::TcpPacket || rule.flow.no_stream;
    let streams_only = rule.protocol == RuleProtocol::TcpStream || rule.flow.only_stream;
    let positioned = rule.packet.iter().any(|condition| condition.is_about_streams())
        || rule.sections.iter().filter(|s| s.buffer == Buffer::Payload).any(is_positioned);
    match rule.protocol {
        _ if packets_only => Kind::Packet,
        _ if streams_only => Kind::Stream,
        RuleProtocol::Tcp if positioned => Kind::PacketAndStream,
        RuleProtocol::Tcp => Kind::Stream,
        RuleProtocol::Application(_) | RuleProtocol::Ip | RuleProtocol::Ipv4 | RuleProtocol::Ipv6 if positioned => {
            Kind::PacketAndStream
        }
        RuleProtocol::Application(_) | RuleProtocol::Ip | RuleProtocol::Ipv4 | RuleProtocol::Ipv6 => {
            Kind::PayloadOrStream
        }
        _ => Kind::Packet,
    }
}

/// Whether a content stands at a fixed place: such rules look at packets as well as at the stream.
fn is_positioned(section: &Section) -> bool {
    section
        .items
        .iter()
        .any(|item| matches!(item, Item::Content(c) if c.offset.is_some() || c.depth.is_some() || c.startswith))
}

fn is_ip_only(rule: &Rule) -> bool {
    !rule.flow.present
        && rule.flowints.is_empty()
        && rule.packet.iter().all(|condition| condition.is_about_addresses())
        && !rule.source.negated
        && !rule.destination.negated
        && rule.flowbits.iter().all(|b| b.operation == BitOperation::Set)
        && rule.sections.is_empty()
        && rule.variable_tests.is_empty()
        && rule.scripts.is_empty()
}

/// A field of a protocol by name.
pub(super) fn find_field(protocol: &'static Protocol, name: &str) -> Option<&'static Field> {
    protocol.fields.iter().find(|f| f.name == name)
}

/// The directions in which a rule on transactions applies to a protocol; none where it does not.
pub(crate) fn applies_to(rule: &Rule, of: &'static Protocol) -> Vec<Direction> {
    if let RuleProtocol::Application(name) = rule.protocol
        && protocol_id(name).map(protocol).is_none_or(|p| !std::ptr::eq(p, of))
    {
        return Vec::new();
    }
    if rule.transaction.iter().any(|c| c.protocol() != of.name) {
        return Vec::new();
    }
    let own_event = |event: &String| is_of_flow(event) || event.split('.').next() == Some(of.name);
    if !rule.events.iter().all(own_event) {
        return Vec::new();
    }
    if rule.hook.is_some() && !matches!(rule.protocol, RuleProtocol::Application(_)) {
        return Vec::new();
    }
    let fields = rule.sections.iter().filter_map(|s| match s.buffer {
        Buffer::Field(name) => Some((s, name)),
        _ => None,
    });
    let mut directions = Direction::BOTH.to_vec();
    for (section, name) in fields {
        let Some(field) = find_field(of, name.as_str()) else { return Vec::new() };
        if rule.arrow != Arrow::Transactional {
            directions.retain(|&d| field.from.of(d).is_some() && section.direction.is_none_or(|wanted| wanted == d));
        }
    }
    if rule.arrow == Arrow::Transactional {
        return vec![Direction::ToServer];
    }
    for condition in &rule.transaction {
        directions.retain(|&d| condition.from().of(d).is_some());
    }
    directions.retain(|&d| rule.flow.direction.is_none_or(|wanted| wanted == d));
    if let Some(hook) = &rule.hook {
        directions.retain(|&d| hook_progress(of, d, hook).is_some());
    }
    directions
}

/// The progress that a hook's name means in a direction.
pub(crate) fn hook_progress(of: &Protocol, direction: Direction, hook: &str) -> Option<u8> {
    of.states.of(direction).iter().position(|&s| s == hook).and_then(|p| u8::try_from(p).ok())
}
