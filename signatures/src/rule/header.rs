//! A rule's header: what is done, on which protocol, between which addresses and ports.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tapwire_parsers::protocol::Carrier;
use tapwire_parsers::{protocol, protocol_id};

/// What is done when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Raise an alert.
    Alert,
    /// Stop inspecting what matched.
    Pass,
    /// On a passive sensor: raise an alert.
    Drop,
    /// On a passive sensor: raise an alert whose action says blocked.
    Reject,
    /// `config`: change the settings of a flow or transaction.
    Config,
}

impl Action {
    /// The word for it in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Action::Alert => "alert",
            Action::Pass => "pass",
            Action::Drop => "drop",
            Action::Reject => "reject",
            Action::Config => "config",
        }
    }
}

/// A hook on packets: which of them a rule is asked about, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketHook {
    /// `flow_start`: the first packet of a flow in each direction.
    FlowStart,
    /// `pre_flow`: every packet, as if it had no flow yet.
    PreFlow,
    /// `pre_stream`: every packet. A sensor that only listens has no order of tables in which this would differ from `all`.
    PreStream,
    /// `all`: every packet.
    All,
}

impl PacketHook {
    /// Their names in a rule.
    pub const NAMES: [(&str, Self); 4] = [
        ("flow_start", Self::FlowStart),
        ("pre_flow", Self::PreFlow),
        ("pre_stream", Self::PreStream),
        ("all", Self::All),
    ];
}

/// The protocol word of a rule's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleProtocol {
    /// `ip`: anything with an IP header.
    Ip,
    /// `ipv4` / `ip4`.
    Ipv4,
    /// `ipv6` / `ip6`.
    Ipv6,
    /// `tcp`.
    Tcp,
    /// `tcp-pkt`: packets only.
    TcpPacket,
    /// `tcp-stream`: reassembled bytes only.
    TcpStream,
    /// `udp`.
    Udp,
    /// `icmp`: both versions.
    Icmp,
    /// `icmpv4`.
    Icmpv4,
    /// `icmpv6`.
    Icmpv6,
    /// `igmp`.
    Igmp,
    /// `sctp`.
    Sctp,
    /// `pkthdr`: packets whose headers could not be read as well.
    PacketHeader,
    /// `ether`.
    Ether,
    /// An application protocol, by its canonical name (`http`, `dns`).
    Application(&'static str),
}

impl RuleProtocol {
    /// Whether it is an application protocol that frames carry without IP: each of them says so, with a flow or without one.
    pub fn is_on_frames(self) -> bool {
        let RuleProtocol::Application(name) = self else { return false };
        let carriers = protocol_id(name).map_or(&[][..], |id| protocol(id).carriers);
        carriers.iter().any(|carrier| matches!(carrier, Carrier::Link(_)))
    }

    /// The word for it in a rule.
    pub fn name(self) -> &'static str {
        match self {
            RuleProtocol::Ip => "ip",
            RuleProtocol::Ipv4 => "ipv4",
            RuleProtocol::Ipv6 => "ipv6",
            RuleProtocol::Tcp => "tcp",
            RuleProtocol::TcpPacket => "tcp-pkt",
            RuleProtocol::TcpStream => "tcp-stream",
            RuleProtocol::Udp => "udp",
            RuleProtocol::Icmp => "icmp",
            RuleProtocol::Icmpv4 => "icmpv4",
            RuleProtocol::Icmpv6 => "icmpv6",
            RuleProtocol::Igmp => "igmp",
            RuleProtocol::Sctp => "sctp",
            RuleProtocol::PacketHeader => "pkthdr",
            RuleProtocol::Ether => "ether",
            RuleProtocol::Application(name) => name,
        }
    }
}

/// The arrow of a rule's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// `->`
    ToDestination,
    /// `<>`
    BothWays,
    /// `=>`: request and response of one transaction.
    Transactional,
}

/// A set of addresses: sorted, disjoint, inclusive ranges. `any` is the whole of both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// IPv4 ranges.
    pub v4: Vec<(u32, u32)>,
    /// IPv6 ranges.
    pub v6: Vec<(u128, u128)>,
}

impl Addresses {
    /// Every address.
    pub fn any() -> Self {
        Self { v4: vec![(0, u32::MAX)], v6: vec![(0, u128::MAX)] }
    }

    /// Whether it is every address.
    pub fn is_any(&self) -> bool {
        *self == Self::any()
    }

    /// Whether an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
            let after = ranges.partition_point(|r| r.0 <= value);
            after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|r| value <= r.1)
        }
        match address {
            IpAddr::V4(a) => within(&self.v4, u32::from(a)),
            IpAddr::V6(a) => within(&self.v6, u128::from(a)),
        }
    }
}

/// A set of ports: sorted, disjoint, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ports(pub Vec<(u16, u16)>);

impl Ports {
    /// Every port.
    pub fn any() -> Self {
        Self(vec![(0, u16::MAX)])
    }

    /// Whether it is every port.
    pub fn is_any(&self) -> bool {
        *self == Self::any()
    }

    /// Whether a port is in the set.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|r| r.0 <= port && port <= r.1)
    }
}

/// One side of a rule's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Addresses. Rules that share a set share it in the plan.
    pub addresses: Arc<Addresses>,
    /// Ports.
    pub ports: Arc<Ports>,
    /// The address part was written with a negation or a range (decides whether the rule is IP-only).
    pub negated: bool,
}
