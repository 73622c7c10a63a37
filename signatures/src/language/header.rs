//! A rule's header: action, protocol, two endpoints, and the arrow between them.

use super::variables::Sets;
use crate::builder::Environment;
use crate::rule::fault::Fault;
use crate::rule::protocols::canonical_protocol;
use crate::rule::{Action, Arrow, Endpoint, RuleProtocol};

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// What is done on a match.
    pub action: Action,
    /// Protocol word.
    pub protocol: RuleProtocol,
    /// What follows the protocol's colon.
    pub hook: Option<String>,
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
        Fault::new(at..at + word.len(), format!("`{word}` is no action"), "one of alert, pass, drop, reject, config")
    })?;
    let (at, word) = next("protocol")?;
    let (name, hook) = word.split_once(':').map_or((word, None), |(name, hook)| (name, Some(hook.to_string())));
    let protocol =
        protocol(name).ok_or_else(|| Fault::new(at..at + word.len(), format!("`{name}` is no protocol"), ""))?;
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
    Ok(Header { action, protocol, hook, source, arrow, destination })
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

fn action(word: &str) -> Option<Action> {
    Some(match word {
        "alert" => Action::Alert,
        "pass" => Action::Pass,
        "drop" => Action::Drop,
        "reject" | "rejectsrc" | "rejectdst" | "rejectboth" => Action::Reject,
        "config" => Action::Config,
        _ => return None,
    })
}

fn protocol(word: &str) -> Option<RuleProtocol> {
    Some(match word.to_ascii_lowercase().as_str() {
        "ip" => RuleProtocol::Ip,
        "ipv4" | "ip4" => RuleProtocol::Ipv4,
        "ipv6" | "ip6" => RuleProtocol::Ipv6,
        "tcp" => RuleProtocol::Tcp,
        "tcp-pkt" => RuleProtocol::TcpPacket,
        "tcp-stream" => RuleProtocol::TcpStream,
        "udp" => RuleProtocol::Udp,
        "icmp" => RuleProtocol::Icmp,
        "icmpv4" => RuleProtocol::Icmpv4,
        "icmpv6" => RuleProtocol::Icmpv6,
        "igmp" => RuleProtocol::Igmp,
        "sctp" => RuleProtocol::Sctp,
        "pkthdr" => RuleProtocol::PacketHeader,
        "ether" => RuleProtocol::Ether,
        name => RuleProtocol::Application(canonical_protocol(name)?),
    })
}
