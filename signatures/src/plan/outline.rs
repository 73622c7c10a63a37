//! Rule to its outline: all that the plan needs to know of it, so that the rule itself need not be kept.

use serde::{Deserialize, Serialize};

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::Direction;

use super::files::FileNeeds;
use super::gate::Gate;
use super::group::{ListedPorts, Pattern};
use super::kind::{self, Kind, applies_to, find_field};
use super::{addresses, fast_pattern, order};
use crate::prefilter::Place;
use crate::rule::entry::Entry;
use crate::rule::item::Item;
use crate::rule::{Action, Addresses, Arrow, Buffer, Ports, Rule, RuleProtocol};

/// What the plan needs to know of a rule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outline {
    pub(super) action: Action,
    /// What it does with what flows and hosts remember, see [`order::of_memory`].
    pub(super) memory: [u8; 5],
    pub(super) severity: u8,
    pub(super) kind: Kind,
    pub(super) gate: Gate,
    /// Where it is looked for; nowhere if it cannot match yet.
    pub(super) sites: Vec<Site>,
    /// Fields of protocols that it looks at, if it can match.
    pub(super) fields: Vec<String>,
    /// What of files it asks for.
    pub(super) files: FileNeeds,
    /// Whether it looks at requests and their responses together.
    pub(super) is_transactional: bool,
    /// Whether it tags hosts, if it tags.
    pub(super) tags_hosts: Option<bool>,
    pub(super) is_of_records: bool,
    /// A script is asked about it.
    pub(super) has_script: bool,
}

/// A place where candidates are found at which a rule is one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Site {
    /// Packets with anomalies.
    Anomaly,
    /// The end of a flow's recognition.
    Recognised,
    /// Payloads, by its pattern or as one without it, in some directions.
    Payload { payloads: Payloads, directions: [bool; 2], pattern: Option<(Vec<u8>, Place)>, ports: Option<ListedPorts> },
    /// Packets, by addresses of their source or their destination.
    Addresses { of_source: bool, addresses: Addresses },
    /// Packets, by their ports.
    Ports(Vec<u16>),
    /// All packets of some carriers.
    Packets(Payloads),
    /// Frames, by the name of their field.
    Frame { name: String, directions: [bool; 2], pattern: Option<Vec<u8>> },
    /// Transactions of the protocol at a place of the registry.
    Transaction { protocol: usize, to_server: bool, by: ByTransaction },
}

/// Whose payloads, or packets.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Payloads {
    pub(super) tcp: bool,
    pub(super) udp: bool,
    pub(super) other: bool,
    pub(super) streams: bool,
}

/// By what of a transaction a rule is found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ByTransaction {
    /// A pattern in the field at a place of the protocol's card, after the transforms of a section of the rule, which are told as text.
    Field { field: usize, section: usize, transforms: String, pattern: Vec<u8> },
    /// An anomaly.
    Event(String),
    /// A file, or with `described` one of which the type is known.
    File { described: bool },
    /// Nothing.
    Any,
}

impl Outline {
    /// That of a rule.
    pub(crate) fn of(rule: &Rule) -> Self {
        let kind = kind::of(rule);
        let can_match = rule.later.is_empty();
        let fields = rule.sections.iter().filter_map(|section| match section.buffer {
            Buffer::Field(name) if can_match => Some(name.as_str().to_owned()),
            _ => None,
        });
        let tags_hosts = (!rule.tags.is_empty()).then(|| rule.tags.iter().any(|tag| tag.host.is_some()));
        Self {
            action: rule.action,
            memory: order::of_memory(rule),
            severity: rule.severity,
            kind,
            gate: Gate::of(rule),
            sites: if can_match { sites(rule, kind) } else { Vec::new() },
            fields: fields.collect(),
            files: FileNeeds::of(rule),
            is_transactional: rule.arrow == Arrow::Transactional,
            tags_hosts,
            is_of_records: rule.silence.is_some(),
            has_script: !rule.scripts.is_empty() || rule.sections.iter().flat_map(|s| &s.items).any(is_script),
        }
    }

    /// That of a rule of a set.
    pub(super) fn of_entry(entry: &Entry) -> Option<Self> {
        Self::decode(entry.outline()).or_else(|| entry.rule().map(Self::of))
    }

    /// The form in which it is kept.
    pub(crate) fn encode(&self) -> Box<[u8]> {
        postcard::to_stdvec(self).unwrap_or_default().into()
    }

    /// The outline that was kept so; `None` where it is none.
    fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

fn is_script(item: &Item) -> bool {
    matches!(item, Item::Script(_))
}

fn sites(rule: &Rule, kind: Kind) -> Vec<Site> {
    let streams = Payloads { streams: true, ..Payloads::default() };
    match kind {
        Kind::Anomaly => vec![Site::Anomaly],
        Kind::Recognised => vec![Site::Recognised],
        Kind::IpOnly | Kind::Packet | Kind::ApplicationPacket => of_packets(rule),
        Kind::PacketAndStream => {
            let mut sites = of_packets(rule);
            sites.push(of_payloads(rule, streams));
            sites
        }
        Kind::Stream => vec![of_payloads(rule, streams)],
        Kind::PayloadOrStream => {
            vec![of_payloads(rule, Payloads { tcp: false, udp: true, other: true, streams: true })]
        }
        Kind::Frame => of_frames(rule).into_iter().collect(),
        Kind::Transaction => of_transactions(rule),
    }
}

fn of_packets(rule: &Rule) -> Vec<Site> {
    let carriers = carriers(rule);
    if fast_pattern::of_payload(rule).is_some() {
        return vec![of_payloads(rule, carriers)];
    }
    let listed = addresses::listed(rule);
    if !listed.is_empty() {
        let site =
            |(of_source, addresses): (bool, &Addresses)| Site::Addresses { of_source, addresses: addresses.clone() };
        return listed.into_iter().map(site).collect();
    }
    match listed_ports(rule) {
        Some(ports) => vec![Site::Ports(ports.all().to_vec())],
        // Among others are the later fragments of what TCP and UDP carry.
        None => vec![Site::Packets(Payloads { other: true, ..carriers })],
    }
}

fn of_payloads(rule: &Rule, payloads: Payloads) -> Site {
    let pattern = fast_pattern::of_payload(rule).map(|Pattern { bytes, place }| (bytes.to_vec(), place));
    Site::Payload { payloads, directions: directions(rule), pattern, ports: listed_ports(rule) }
}

fn of_frames(rule: &Rule) -> Option<Site> {
    let name = rule.sections.iter().find_map(|section| match section.buffer {
        Buffer::Frame(name) => Some(name.to_owned()),
        _ => None,
    })?;
    let best = fast_pattern::choose(rule, |section| section.transforms.is_empty());
    let pattern = best.map(|(_, content)| fast_pattern::bytes(content).to_vec());
    Some(Site::Frame { name, directions: directions(rule), pattern })
}

fn of_transactions(rule: &Rule) -> Vec<Site> {
    let mut sites = Vec::new();
    for (position, protocol) in REGISTRY.iter().enumerate() {
        for direction in applies_to(rule, protocol) {
            let best = fast_pattern::choose(rule, |section| match section.buffer {
                Buffer::Field(name) => {
                    find_field(protocol, name.as_str()).is_some_and(|f| f.from.of(direction).is_some())
                }
                _ => false,
            });
            let by_field = best.and_then(|(section, content)| {
                let Buffer::Field(name) = section.buffer else { return None };
                Some(ByTransaction::Field {
                    field: protocol.fields.iter().position(|field| field.name == name.as_str())?,
                    section: rule.sections.iter().position(|own| std::ptr::eq(own, section))?,
                    transforms: format!("{:?}", section.transforms),
                    pattern: fast_pattern::bytes(content).to_vec(),
                })
            });
            let by = by_field.or_else(|| by_event(rule)).or_else(|| by_file(rule)).unwrap_or(ByTransaction::Any);
            sites.push(Site::Transaction { protocol: position, to_server: direction == Direction::ToServer, by });
        }
    }
    sites
}

fn by_event(rule: &Rule) -> Option<ByTransaction> {
    rule.events.first().map(|event| ByTransaction::Event(event.clone()))
}

/// By the names or types of files; a rule on request and response is asked before there are any.
fn by_file(rule: &Rule) -> Option<ByTransaction> {
    let described = FileNeeds::of(rule).magic;
    let on_files = rule.sections.iter().any(|section| matches!(section.buffer, Buffer::File(_)));
    (on_files && rule.arrow != Arrow::Transactional).then_some(ByTransaction::File { described })
}

/// The directions that a rule is about, that to the server first.
fn directions(rule: &Rule) -> [bool; 2] {
    Direction::BOTH.map(|direction| rule.flow.direction.is_none_or(|own| own == direction))
}

/// Numbers of protocols above IP.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Whether a rule means packets of TCP, of UDP, and of others.
fn carriers(rule: &Rule) -> Payloads {
    let allowed = |number| rule.packet.iter().all(|condition| condition.allows_protocol(number));
    let (tcp, udp, other) = match rule.protocol {
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => (true, false, false),
        RuleProtocol::Udp => (false, true, false),
        RuleProtocol::Application(_) => (true, true, rule.protocol.is_on_frames()),
        RuleProtocol::Icmp | RuleProtocol::Icmpv4 | RuleProtocol::Icmpv6 | RuleProtocol::Igmp | RuleProtocol::Sctp => {
            (false, false, true)
        }
        _ => (true, true, true),
    };
    Payloads { tcp: tcp && allowed(TCP), udp: udp && allowed(UDP), other, streams: false }
}

/// The ports by which a rule on packets can be found, where they are few: those of the side that names them.
pub(super) fn listed_ports(rule: &Rule) -> Option<ListedPorts> {
    const LISTED_LIMIT: usize = 64;
    if rule.arrow == Arrow::BothWays {
        return None;
    }
    let few = |ports: &Ports| {
        let count: usize = ports.0.iter().map(|r| usize::from(r.1 - r.0) + 1).sum();
        (count <= LISTED_LIMIT).then(|| ports.0.iter().flat_map(|r| r.0..=r.1).collect())
    };
    let destination = few(&rule.destination.ports).map(ListedPorts::Destination);
    destination.or_else(|| few(&rule.source.ports).map(ListedPorts::Source))
}
