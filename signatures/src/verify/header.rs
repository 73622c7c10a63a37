//! What the first line of a rule and its `flow` keyword ask of a packet.

use std::net::IpAddr;

use tapwire_parsers::link::Packet;
use tapwire_parsers::{carried_by, protocol};

use crate::rule::condition::PacketView;
use crate::rule::{Arrow, Endpoint, FlowCondition, Rule, RuleProtocol};

/// Whether a packet is what the rule's header means.
pub(super) fn holds(rule: &Rule, view: &PacketView<'_>) -> bool {
    flow_holds(&rule.flow, view) && protocol_holds(rule.protocol, view) && endpoints_hold(rule, view.packet)
}

fn flow_holds(wanted: &FlowCondition, view: &PacketView<'_>) -> bool {
    if !wanted.present && wanted.direction.is_none() {
        return true;
    }
    if wanted.fragments.is_some_and(|only| only != (view.packet.joined > 0)) {
        return false;
    }
    let Some(flow) = view.flow else {
        return wanted.direction.is_none() && wanted.established != Some(true) && !wanted.only_stream;
    };
    wanted.direction.is_none_or(|d| d == flow.direction) && wanted.established.is_none_or(|e| e == flow.established)
}

#[inline]
pub(super) fn protocol_holds(wanted: RuleProtocol, view: &PacketView<'_>) -> bool {
    let carried = view.packet.ip.map(|ip| (ip.protocol, ip.source.is_ipv4()));
    let is = |numbers: &[u8]| carried.is_some_and(|(n, _)| numbers.contains(&n));
    match wanted {
        RuleProtocol::Ip => carried.is_some(),
        RuleProtocol::Ipv4 => carried.is_some_and(|(_, v4)| v4),
        RuleProtocol::Ipv6 => carried.is_some_and(|(_, v4)| !v4),
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => is(&[6]),
        RuleProtocol::Udp => is(&[17]),
        RuleProtocol::Icmp => is(&[1, 58]),
        RuleProtocol::Icmpv4 => is(&[1]),
        RuleProtocol::Icmpv6 => is(&[58]),
        RuleProtocol::Igmp => is(&[2]),
        RuleProtocol::Sctp => is(&[132]),
        RuleProtocol::PacketHeader | RuleProtocol::Ether => true,
        RuleProtocol::Application(name) => {
            // Without IP each frame says what it is, be it broken or without a flow.
            let of_frame = || if carried.is_none() { carried_by(view.packet.ether_type) } else { None };
            let of_flow = view.flow.and_then(|flow| flow.protocol).or_else(of_frame);
            let inside = view.flow.iter().flat_map(|flow| flow.layers.iter());
            let mut spoken = of_flow.into_iter().chain(inside).map(protocol);
            spoken.any(|card| card.name == name || card.aliases.contains(&name))
        }
    }
}

fn endpoints_hold(rule: &Rule, packet: &Packet<'_>) -> bool {
    let any = |e: &Endpoint| e.addresses.is_any() && e.ports.is_any();
    let Some(ip) = &packet.ip else { return any(&rule.source) && any(&rule.destination) };
    let ports = packet.ports();
    let one_way = |from: (IpAddr, u16), to: (IpAddr, u16)| {
        endpoint_holds(&rule.source, from.0, from.1) && endpoint_holds(&rule.destination, to.0, to.1)
    };
    let (from, to) = ((ip.source, ports.0), (ip.destination, ports.1));
    one_way(from, to) || rule.arrow == Arrow::BothWays && one_way(to, from)
}

fn endpoint_holds(endpoint: &Endpoint, address: IpAddr, port: u16) -> bool {
    endpoint.ports.contains(port) && endpoint.addresses.contains(address)
}
