//! The two ends of a flow or packet, as records name them.

use std::net::IpAddr;

use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol::{Direction, Mac};

use super::Moment;
use crate::flow::Key;
use crate::flow::ends::LinkEnds;
use crate::records::header::Header;

/// The two ends of a flow as a direction has them.
pub(super) struct Ends {
    /// Addresses of hosts, over IP.
    pub(super) hosts: Option<(IpAddr, IpAddr)>,
    /// Stations, without IP.
    pub(super) stations: Option<LinkEnds>,
    /// The stations are not shown: nobody looks for flows of what murmurs on any network.
    pub(super) is_background: bool,
    pub(super) ports: (u16, u16),
    pub(super) protocol: Option<u8>,
    pub(super) has_ports: bool,
    pub(super) icmp: Option<(u8, u8)>,
}

impl Ends {
    pub(super) fn of(key: &Key, direction: Direction) -> Self {
        let turned = if direction == Direction::ToServer { *key } else { key.reverse() };
        let Some(ends) = turned.ip() else {
            let (hosts, ports, protocol, has_ports, icmp) = (None, (0, 0), None, false, None);
            let (stations, is_background) = (turned.link(), turned.is_background());
            return Self { hosts, stations, is_background, ports, protocol, has_ports, icmp };
        };
        Self {
            hosts: Some((ends.source, ends.destination)),
            stations: None,
            is_background: false,
            ports: (ends.source_port, ends.destination_port),
            protocol: Some(ends.protocol),
            has_ports: key.has_ports(),
            icmp: key.icmp(),
        }
    }

    pub(super) fn of_packet(packet: &Packet<'_>) -> Option<Self> {
        let ip = packet.ip.as_ref()?;
        let icmp = packet.icmp().map(|i| (i.kind, i.code));
        let has_ports = packet.has_ports();
        Some(Self {
            hosts: Some((ip.source, ip.destination)),
            stations: None,
            is_background: false,
            ports: packet.ports(),
            protocol: Some(ip.protocol),
            has_ports,
            icmp,
        })
    }

    /// Whom thresholds and bits of hosts count it for: a station by the address that it makes itself (RFC 4291, appendix A).
    pub(super) fn counted_as(&self) -> Option<(IpAddr, IpAddr)> {
        let own =
            |[a, b, c, d, e, f]: Mac| IpAddr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        self.hosts.or_else(|| self.stations.map(|ends| (own(ends.source), own(ends.destination))))
    }

    pub(super) fn header<'a>(&self, event_type: &'a str, moment: &Moment) -> Header<'a> {
        let stations = self.stations.filter(|_| !self.is_background);
        Header {
            time: moment.time,
            packet_number: moment.packet_number,
            event_type,
            source: self.hosts.map(|(source, _)| source),
            destination: self.hosts.map(|(_, destination)| destination),
            ports: self.has_ports.then_some(self.ports),
            protocol: self.protocol,
            is_without_ip: stations.is_some(),
            ether_type: stations.map(|ends| ends.ether_type),
            ethernet: stations.map(|ends| (ends.source, ends.destination)),
            icmp: self.icmp,
            packet_source: Some(moment.source()),
            ..Header::default()
        }
    }
}
