//! Sticky buffers: keywords that choose what the items after them look at. Those of protocols are fields of their cards.

use tapwire_parsers::protocol::Direction;
use tapwire_parsers::{REGISTRY, protocol_id};

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{Buffer, FieldName, RuleProtocol};

macro_rules! buffers {
    ($($name:literal $doc:literal;)*) => {
        &[$(Keyword { name: $name, aliases: &[], doc: $doc, examples: &[], parse }),*]
    };
}

/// The family: buffers that belong to no protocol.
pub(super) static KEYWORDS: &[Keyword] = buffers! {
    "pkt_data" "The payload of the packet, or the bytes of the stream.";
    "file.name" "The name of a file.";
    "file.magic" "What a file is, as libmagic says it.";
    "frame" "A message or a part of one, by its name: `frame:dns.pdu`.";
    "ip.src" "The source address, as octets.";
    "ip.dst" "The destination address, as octets.";
    "ipv4.hdr" "The IPv4 header.";
    "ipv6.hdr" "The IPv6 header.";
    "tcp.hdr" "The TCP header.";
    "udp.hdr" "The UDP header.";
    "icmpv4.hdr" "The ICMP header, as long as the type of the message has it.";
    "icmpv6.hdr" "The ICMPv6 header and what it carries.";
    "igmp.hdr" "The IGMP header; in version 3 with the sources of a query or the records of a report.";
    "sctp.hdr" "The SCTP header and all chunks.";
    "sctp.chunk_data" "What an SCTP chunk carries.";
    "ether.hdr" "The Ethernet header.";
};

/// The buffer that a canonical name means.
pub(super) fn resolve(name: &'static str) -> Buffer {
    match name {
        "pkt_data" => Buffer::Payload,
        "file.name" | "file.magic" => Buffer::File(name),
        "ip.src" | "ip.dst" | "ipv4.hdr" | "ipv6.hdr" | "tcp.hdr" | "udp.hdr" | "icmpv4.hdr" | "icmpv6.hdr"
        | "igmp.hdr" | "sctp.hdr" | "sctp.chunk_data" | "ether.hdr" => Buffer::Header(name),
        _ => FieldName::find(name).map_or(Buffer::Later(name), Buffer::Field),
    }
}

/// The frame of a protocol that a name means: a message or a part of one. The protocol may be left to the rule's header.
fn frame(builder: &Builder<'_>, text: &str) -> Option<Buffer> {
    let fields = || REGISTRY.iter().flat_map(|p| p.fields).map(|field| field.name);
    let known = |whole: &str| {
        // Protocols have other names in rules.
        let (protocol, name) = whole.split_once('.')?;
        let card = REGISTRY.iter().find(|card| card.name == protocol || card.aliases.contains(&protocol))?;
        let own = |field: &str| {
            let short = field.strip_prefix("frame:").and_then(|field| field.strip_prefix(card.name));
            short.and_then(|field| field.strip_prefix('.')) == Some(name)
        };
        fields().find(|field| own(field)).map(Buffer::Frame)
    };
    let of_header = match builder.rule.protocol {
        RuleProtocol::Application(protocol) => Some(protocol),
        _ => None,
    };
    let found = of_header.and_then(|protocol| known(&format!("{protocol}.{text}"))).or_else(|| known(text));
    // Those of protocols that are not parsed yet are not known by name.
    let named = protocol_id(text.split('.').next().unwrap_or(text)).is_some();
    let is_stream = text == "stream" || text.ends_with(".stream");
    let may_come = is_stream || !named && of_header.is_none_or(|protocol| protocol_id(protocol).is_none());
    found.or_else(|| may_come.then_some(Buffer::Later("frame")))
}

pub(super) fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let name = super::find(argument.keyword).map_or("pkt_data", |keyword| keyword.name);
    enter(builder, argument, name)
}

/// What follows looks at a buffer, in the direction that the argument states where it does.
pub(super) fn enter(builder: &mut Builder<'_>, argument: &Argument<'_>, name: &'static str) -> Result<(), Fault> {
    if builder.is_idle() {
        return Err(argument.fault(
            "nothing looks at the sticky buffer before this one",
            "put a content or another condition after it",
        ));
    }
    let needs =
        |feature: &&String| name.strip_prefix(feature.as_str()).is_some_and(|rest| rest.starts_with(['.', 's']));
    if let Some(feature) = builder.environment.switched_off.iter().find(needs) {
        let message = format!("`{}` looks at {feature}, which is switched off", argument.keyword);
        return Err(argument.fault(message, "switch it on in the configuration of its protocol, or leave the rule out"));
    }
    let direction = match argument.text {
        None => None,
        Some(_) if name == "frame" => None,
        Some("to_server" | "request") => Some(Direction::ToServer),
        Some("to_client" | "response") => Some(Direction::ToClient),
        Some(_) => {
            return Err(argument.fault(
                format!("`{}` takes no value", argument.keyword),
                "or to_server, to_client where the buffer is in both",
            ));
        }
    };
    let buffer = match argument.text {
        Some(text) if name == "frame" => frame(builder, text).ok_or_else(|| {
            argument.fault(format!("`{text}` is no frame of the protocol"), "such as dns.pdu or ssh.record.data")
        })?,
        _ => resolve(name),
    };
    if let Buffer::Later(name) = buffer {
        builder.rule.later.push(name);
    }
    builder.enter(buffer, argument.span.clone());
    if direction.is_some() {
        builder.section_to_transform().direction = direction;
    }
    Ok(())
}
