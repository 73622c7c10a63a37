//! A rule's header: action, protocol, two endpoints, and the arrow between them.

use tapwire_parsers::{protocol as card_of, protocol_id};

use super::variables::Sets;
use crate::builder::Environment;
use crate::builder::nearest::nearest;
use crate::rule::fault::Fault;
use crate::rule::protocols::{canonical_protocol, protocol_names};
use crate::rule::{Action, Arrow, Endpoint, PacketHook, RuleProtocol};

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// What is done on a match.
    pub action: Action,
    /// Protocol word.
    pub protocol: RuleProtocol,
    /// What follows the protocol's colon.
    pub hook: Option<String>,
    /// The same, where it is one of packets.
    pub packet_hook: Option<PacketHook>,
    /// Left side.
    pub source: Endpoint,
    /// Arrow.
    pub arrow: Arrow,
    /// Right side.
    pub destination: Endpoint,
}

/// Reads a header.
pub(super) fn read(text: &str, environment: &Environment, sets: &mut Sets) -> Result<Header, Fault> {
    let words = words(text);
    let mut words = words.iter();
    let mut next = |what: &str| {
        words.next().copied().ok_or_else(|| {
            Fault::new(
                0..text.len(),
                format!("the header has no {what}"),
                "write action, protocol, addresses, ports, an arrow, addresses, ports",
            )
        })
    };
    let (at, word) = next("action")?;
    let action = action(word).ok_or_else(|| {
        let hint = match nearest(word, ACTIONS.iter().map(|(name, _)| *name)) {
            none if none.is_empty() => "one of alert, pass, drop, reject, config".to_owned(),
            hint => hint,
        };
        Fault::new(at..at + word.len(), format!("`{word}` is no action"), hint)
    })?;
    let (at, word) = next("protocol")?;
    let (name, hook) = word.split_once(':').map_or((word, None), |(name, hook)| (name, Some(hook)));
    let protocol = protocol(name).ok_or_else(|| {
        let known = PROTOCOLS.iter().map(|(known, _)| *known).chain(protocol_names());
        let hint = nearest(&name.to_ascii_lowercase(), known);
        Fault::new(at..at + name.len(), format!("`{name}` is no protocol"), hint)
    })?;
    let of_packets = hook.and_then(|name| packet_hook(protocol, name));
    let hook = hook.filter(|_| of_packets.is_none());
    if let Some(hook) = hook {
        let start = at + name.len() + 1;
        check_hook(protocol, hook).map_err(|(message, hint)| Fault::new(start..at + word.len(), message, hint))?;
    }
    let from = (next("source address")?, next("source port")?);
    let (at, word) = next("arrow")?;
    let arrow = match word {
        "->" => Arrow::ToDestination,
        "<>" => Arrow::BothWays,
        "=>" => Arrow::Transactional,
        _ => return Err(Fault::new(at..at + word.len(), format!("`{word}` is no arrow"), "one of ->, <>, =>")),
    };
    let to = (next("destination address")?, next("destination port")?);
    if let Some((at, word)) = words.next() {
        return Err(Fault::new(*at..at + word.len(), format!("`{word}` is too much"), "lists stand in brackets"));
    }
    let source = endpoint(from, environment, sets)?;
    let destination = endpoint(to, environment, sets)?;
    let hook = hook.map(str::to_owned);
    Ok(Header { action, protocol, hook, packet_hook: of_packets, source, arrow, destination })
}

fn endpoint(
    ((at, address), (port_at, port)): ((usize, &str), (usize, &str)),
    environment: &Environment,
    sets: &mut Sets,
) -> Result<Endpoint, Fault> {
    let addresses =
        sets.addresses(address, &environment.addresses).map_err(|e| Fault::new(at..at + address.len(), e, ""))?;
    let ports = sets.ports(port, &environment.ports).map_err(|e| Fault::new(port_at..port_at + port.len(), e, ""))?;
    let negated = negated(address, environment, 0);
    Ok(Endpoint { addresses, ports, negated })
}

fn negated(text: &str, environment: &Environment, depth: usize) -> bool {
    let written = text.contains('!') || text.contains('-');
    let mut names = text.split('$').skip(1).map(|t| t.split([',', ']', ' ']).next().unwrap_or_default());
    written
        || depth < 16 && names.any(|n| environment.addresses.get(n).is_some_and(|v| negated(v, environment, depth + 1)))
}

/// Words and their positions; brackets hold blanks together.
fn words(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut level, mut start) = (Vec::with_capacity(8), 0_usize, None);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => level += 1,
            b']' => level = level.saturating_sub(1),
            _ => {}
        }
        match (byte.is_ascii_whitespace() && level == 0, start) {
            (true, Some(from)) => {
                found.extend(text.get(from..at).map(|w| (from, w)));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    found.extend(start.and_then(|from| text.get(from..).map(|w| (from, w))));
    found
}

const ACTIONS: &[(&str, Action)] = &[
    ("alert", Action::Alert),
    ("pass", Action::Pass),
    ("drop", Action::Drop),
    ("reject", Action::Reject),
    ("rejectsrc", Action::Reject),
    ("rejectdst", Action::Reject),
    ("rejectboth", Action::Reject),
    ("config", Action::Config),
];

/// Words for what is no application protocol.
const PROTOCOLS: &[(&str, RuleProtocol)] = &[
    ("ip", RuleProtocol::Ip),
    ("ipv4", RuleProtocol::Ipv4),
    ("ip4", RuleProtocol::Ipv4),
    ("ipv6", RuleProtocol::Ipv6),
    ("ip6", RuleProtocol::Ipv6),
    ("tcp", RuleProtocol::Tcp),
    ("tcp-pkt", RuleProtocol::TcpPacket),
    ("tcp-stream", RuleProtocol::TcpStream),
    ("udp", RuleProtocol::Udp),
    ("icmp", RuleProtocol::Icmp),
    ("icmpv4", RuleProtocol::Icmpv4),
    ("icmpv6", RuleProtocol::Icmpv6),
    ("igmp", RuleProtocol::Igmp),
    ("sctp", RuleProtocol::Sctp),
    ("pkthdr", RuleProtocol::PacketHeader),
    ("ether", RuleProtocol::Ether),
];

fn action(word: &str) -> Option<Action> {
    ACTIONS.iter().find(|(name, _)| *name == word).map(|(_, action)| *action)
}

fn protocol(word: &str) -> Option<RuleProtocol> {
    let word = word.to_ascii_lowercase();
    let known = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, protocol)| *protocol);
    known.or_else(|| canonical_protocol(&word).map(RuleProtocol::Application))
}

/// The hook on packets that a name means where a protocol has packets of its own.
fn packet_hook(protocol: RuleProtocol, name: &str) -> Option<PacketHook> {
    let has_packets = !matches!(protocol, RuleProtocol::Application(_)) || protocol.is_on_frames();
    PacketHook::NAMES.iter().find(|(known, _)| has_packets && *known == name).map(|(_, hook)| *hook)
}

/// Tells what is wrong with a hook that is none of packets: those of a protocol are the states of its card, if it has one.
fn check_hook(protocol: RuleProtocol, hook: &str) -> Result<(), (String, String)> {
    let of_packets = || PacketHook::NAMES.iter().map(|(name, _)| *name);
    let known: Vec<&str> = match protocol {
        RuleProtocol::Application(name) => match protocol_id(name).map(card_of) {
            Some(card) => card.states.to_server.iter().chain(card.states.to_client).copied().collect(),
            None => return Ok(()),
        },
        _ => of_packets().collect(),
    };
    if known.contains(&hook) {
        return Ok(());
    }
    let hint = match nearest(hook, known.iter().copied()) {
        none if none.is_empty() => format!("one of {}", known.join(", ")),
        hint => hint,
    };
    Err((format!("`{hook}` is no hook of {}", protocol.name()), hint))
}
