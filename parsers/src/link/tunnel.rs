//! Packets inside packets: IP in IP, GRE with its mirrors ([`gre`]), VXLAN, Geneve, Teredo and GTP-U.
//!
//! [`inside`] looks behind the last header of a packet for another one. That one is a packet of its own, with a flow of its own;
//! it borrows the same captured bytes.

use super::ether_types::{ARP, IPV4, IPV6};
use super::tags::{MPLS_UNICAST, NSH};
use super::tunnel_ports::Ports;
use super::{Aggregate, Anomalies, Ip, Layer4, gre, raise};
use crate::protocol::Anomaly;

/// A packet within a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner<'a> {
    /// What carries it.
    pub carrier: Carrier,
    /// How its first header is read.
    pub begins: Begins,
    /// Its bytes.
    pub data: &'a [u8],
}

/// What carries a packet within another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// IP in IPv4 or IPv6.
    Ip,
    /// Generic routing encapsulation (RFC 2784, 2890, 2637).
    Gre,
    /// A mirror session (ERSPAN).
    Erspan,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// Teredo (RFC 4380).
    Teredo,
    /// GPRS tunnelling, user plane (3GPP TS 29.281).
    Gtp,
}

impl Carrier {
    /// Where records say that a packet comes from that it carries.
    pub fn source(self, outer_v6: bool) -> &'static str {
        match self {
            Carrier::Ip if outer_v6 => "ipv6 tunnel",
            Carrier::Ip => "ipv4 tunnel",
            Carrier::Gre | Carrier::Erspan => "gre tunnel",
            Carrier::Vxlan => "vxlan encapsulation",
            Carrier::Geneve => "geneve encapsulation",
            Carrier::Teredo => "teredo tunnel",
            Carrier::Gtp => "gtp-u tunnel",
        }
    }
}

/// How the first header of a packet is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// As an Ethernet frame.
    Frame,
    /// As what an Ethernet type says.
    Type(u16),
    /// As PPP.
    Ppp,
    /// As frame relay.
    FrameRelay,
    /// As one of the packets that share a frame.
    Beside(Aggregate),
    /// As the header of a mirror session, whose first 12 bits behind its version are a VLAN, and what it mirrors.
    Mirror {
        /// Its octets.
        header: u8,
        /// An Ethernet frame follows, and no IP packet.
        frame: bool,
    },
}

/// The packet inside a packet, if one of the carriers is there.
pub fn inside<'a>(
    ip: &Ip<'a>,
    layer4: &Layer4<'a>,
    payload: &'a [u8],
    ports: &Ports,
    anomalies: &mut Anomalies,
) -> Result<Option<Inner<'a>>, Anomaly> {
    if ip.fragment.is_some() {
        return Ok(None);
    }
    Ok(match (layer4, ip.protocol) {
        (Layer4::Udp(udp), _) => {
            let (source, destination) = (udp.source_port, udp.destination_port);
            // Where a carrier may be on any port, the ports of others are theirs first.
            if ports.vxlan.names(destination) {
                vxlan(payload, anomalies)
            } else if ports.geneve.names(destination) {
                geneve(payload, anomalies)
            } else if destination == GTP_PORT {
                gtp(payload)
            } else if ports.teredo.has(destination) || ports.teredo.has(source) {
                teredo(payload)
            } else if ports.vxlan.has(destination) {
                vxlan(payload, &mut Anomalies::new())
            } else if ports.geneve.has(destination) {
                geneve(payload, &mut Anomalies::new())
            } else {
                None
            }
        }
        (Layer4::None, 4) => Some(ip_in_ip(ip, IPV4)?),
        (Layer4::None, 41) => Some(ip_in_ip(ip, IPV6)?),
        (Layer4::None, 47) => gre::read(ip.payload, anomalies)?,
        _ => None,
    })
}

/// The packet right behind an IP header. Over IPv6 a header that cannot be one makes the outer packet invalid; over IPv4 the inner
/// packet tells its own faults.
fn ip_in_ip<'a>(ip: &Ip<'a>, ether_type: u16) -> Result<Inner<'a>, Anomaly> {
    let data = ip.payload;
    if ip.source.is_ipv6() {
        let (version, header, short, wrong) = if ether_type == IPV4 {
            (4, 20, "decoder.ipv6.ipv4_in_ipv6_too_small", "decoder.ipv6.ipv4_in_ipv6_wrong_version")
        } else {
            (6, 40, "decoder.ipv6.ipv6_in_ipv6_too_small", "decoder.ipv6.ipv6_in_ipv6_wrong_version")
        };
        let fault = match data.first() {
            Some(first) if data.len() >= header => (first >> 4 != version).then_some(wrong),
            _ => Some(short),
        };
        if let Some(fault) = fault {
            return Err(Anomaly(fault));
        }
    }
    Ok(Inner { carrier: Carrier::Ip, begins: Begins::Type(ether_type), data })
}

/// VXLAN (RFC 7348), with the next protocol of its extension (draft-ietf-nvo3-vxlan-gpe).
fn vxlan<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Option<Inner<'a>> {
    let (&[flags, _, _, next, ..], rest) = data.split_first_chunk::<8>()?;
    let begins = match (flags & NEXT_PROTOCOL != 0, next) {
        // The bit that says that there is an identifier, which is always there.
        (false, _) => (flags & IDENTIFIED != 0 && rest.len() >= 14).then_some(Begins::Frame)?,
        (true, 1) => Begins::Type(IPV4),
        (true, 2) => Begins::Type(IPV6),
        (true, 0 | 3) => Begins::Frame,
        (true, 4) => Begins::Type(NSH),
        (true, 5) => Begins::Type(MPLS_UNICAST),
        _ => {
            raise(anomalies, "decoder.vxlan.unknown_payload_type");
            return None;
        }
    };
    Some(Inner { carrier: Carrier::Vxlan, begins, data: rest })
}

fn geneve<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Option<Inner<'a>> {
    let &[first, _, high, low] = data.first_chunk::<4>()?;
    let rest = data.get(8 + usize::from(first & 0x3f) * 4..).filter(|_| first >> 6 == 0)?;
    let begins = match u16::from_be_bytes([high, low]) {
        BRIDGED => Begins::Frame,
        other @ (IPV4 | IPV6 | ARP | MPLS_UNICAST | NSH) => Begins::Type(other),
        _ => {
            raise(anomalies, "decoder.geneve.unknown_payload_type");
            return None;
        }
    };
    Some(Inner { carrier: Carrier::Geneve, begins, data: rest })
}

/// An IPv6 packet behind origin and authentication, if it is one in every respect: other protocols use any port.
fn teredo(mut data: &[u8]) -> Option<Inner<'_>> {
    if let [0, 1, identifier, authentication, ..] = data {
        data = data.get(13 + usize::from(*identifier) + usize::from(*authentication)..)?;
    }
    if let [0, 0, ..] = data {
        data = data.get(8..)?;
    }
    let header = data.first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let fits = header[0] >> 4 == 6 && data.len() >= 40 + length;
    fits.then_some(Inner { carrier: Carrier::Teredo, begins: Begins::Type(IPV6), data })
}

fn gtp(data: &[u8]) -> Option<Inner<'_>> {
    let &[flags, kind, high, low] = data.first_chunk::<4>()?;
    // Version 1 of the protocol, and a packet of a user.
    if flags >> 4 != 3 || kind != 0xff {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let body = data.get(8..8 + length).or_else(|| data.get(8..))?;
    let mut rest = body;
    if flags & 7 != 0 {
        let (&[_, _, _, mut next], after) = body.split_first_chunk::<4>()?;
        rest = after;
        while next != 0 {
            let size = usize::from(*rest.first()?) * 4;
            next = *rest.get(size.checked_sub(1)?)?;
            rest = rest.get(size..)?;
        }
    }
    let begins = match rest.first()? >> 4 {
        4 => Begins::Type(IPV4),
        6 => Begins::Type(IPV6),
        _ => return None,
    };
    Some(Inner { carrier: Carrier::Gtp, begins, data: rest })
}

pub(super) const BRIDGED: u16 = 0x6558;
const GTP_PORT: u16 = 2152;
/// Flags of VXLAN.
const IDENTIFIED: u8 = 0x08;
const NEXT_PROTOCOL: u8 = 0x04;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::super::{How, Packet, Timestamp};
    use crate::link::tunnel_ports::{PortSet, Ports};

    const RAW: u32 = 101;

    fn web(payload: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1000, 2000).write(&mut data, payload).unwrap();
        data
    }

    fn frame(inner: &[u8]) -> Vec<u8> {
        [&[2; 12][..], &[8, 0], inner].concat()
    }

    fn over_ip(protocol: u8, body: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        let ip = etherparse::Ipv4Header::new(
            u16::try_from(body.len()).unwrap(),
            64,
            etherparse::IpNumber(protocol),
            [192, 0, 2, 1],
            [192, 0, 2, 2],
        );
        ip.unwrap().write(&mut data).unwrap();
        [data, body.to_vec()].concat()
    }

    fn over_udp(port: u16, body: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(40_000, port).write(&mut data, body).unwrap();
        data
    }

    fn erspan_3(gre_type: u16, kind: u8, body: &[u8]) -> Vec<u8> {
        let [high, low] = gre_type.to_be_bytes();
        let header =
            [0x10, 0, high, low, 0, 0, 0, 1, 0x20, 23, 0, 0, 0, 0, 0, 0, 0, 0, kind, 1, 7, 7, 7, 7, 7, 7, 7, 7];
        over_ip(47, &[&header, body].concat())
    }

    #[test]
    fn ports_are_those_that_are_set() {
        let inner = web(b"hello");
        let data = over_udp(5000, &[&[8, 0, 0, 0, 0, 0, 9, 0], &frame(&inner)[..]].concat());
        for (ports, carries) in [(&[(5000, 5000)][..], true), (&[(0, u16::MAX)], true), (&[(4789, 4790)], false)] {
            let vxlan = PortSet::of(ports).unwrap();
            let how = How { checksums: true, ports: Ports { vxlan, ..Ports::default() } };
            let mut packet = Packet::new(1, Timestamp(1), RAW, &data, 0);
            packet.read_captured(&how);
            assert_eq!(packet.inner.is_some(), carries, "{ports:?}");
        }
    }

    #[test]
    fn each_carrier_gives_the_packet_in_it() {
        let inner = web(b"hello");
        let mut v6 = Vec::new();
        PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(1000, 2000).write(&mut v6, b"hello").unwrap();
        for (name, outer, vlans) in [
            ("ip in ip", over_ip(4, &inner), &[][..]),
            ("6in4", over_ip(41, &v6), &[]),
            ("gre", over_ip(47, &[&[0, 0, 8, 0], &inner[..]].concat()), &[]),
            ("gre with everything", over_ip(47, &[&[0xb0, 0, 8, 0], &[0; 12][..], &inner[..]].concat()), &[]),
            ("gre with a frame", over_ip(47, &[&[0, 0, 0x65, 0x58], &frame(&inner)[..]].concat()), &[]),
            ("pptp", over_ip(47, &[&[0x20, 1, 0x88, 0x0b, 0, 9, 0, 9, 0xff, 3, 0, 0x21], &inner[..]].concat()), &[]),
            ("erspan 1", over_ip(47, &[&[0, 0, 0x88, 0xbe], &frame(&inner)[..]].concat()), &[]),
            (
                "erspan 2",
                over_ip(
                    47,
                    &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 23, 0, 0, 0, 0, 0, 0], &frame(&inner)[..]].concat(),
                ),
                &[23],
            ),
            ("gre of a cache", over_ip(47, &[&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &inner[..]].concat()), &[]),
            ("gre of an older cache", over_ip(47, &[&[0, 0, 0x88, 0x3e], &inner[..]].concat()), &[]),
            (
                "gre with frame relay",
                over_ip(47, &[&[0, 0, 0x65, 0x59, 0x18, 0x41, 3, 0xcc], &inner[..]].concat()),
                &[],
            ),
            ("gre with mpls", over_ip(47, &[&[0, 0, 0x88, 0x47, 0, 6, 0x41, 0xff], &inner[..]].concat()), &[]),
            ("erspan 3", erspan_3(0x22eb, 0x80, &frame(&inner)), &[23]),
            ("erspan 3 with ip", erspan_3(0x22eb, 0x08, &inner), &[23]),
            ("erspan 3 by the older type", erspan_3(0x88be, 0, &frame(&inner)), &[23]),
            ("vxlan with ip", over_udp(4790, &[&[0x0c, 0, 0, 1, 0, 0, 9, 0], &inner[..]].concat()), &[]),
            ("vxlan with ipv6", over_udp(4789, &[&[0x0c, 0, 0, 2, 0, 0, 9, 0], &v6[..]].concat()), &[]),
            ("vxlan with a frame", over_udp(4790, &[&[0x0c, 0, 0, 3, 0, 0, 9, 0], &frame(&inner)[..]].concat()), &[]),
            (
                "vxlan with a service header",
                over_udp(4790, &[&[0x0c, 0, 0, 4, 0, 0, 9, 0, 0, 2, 2, 1, 0, 0, 0, 0], &inner[..]].concat()),
                &[],
            ),
            ("vxlan", over_udp(4789, &[&[8, 0, 0, 0, 0, 0, 9, 0], &frame(&inner)[..]].concat()), &[]),
            (
                "geneve",
                over_udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 9, 0, 0, 0, 0, 0], &frame(&inner)[..]].concat()),
                &[],
            ),
            ("teredo", over_udp(3544, &[&[0; 8], &v6[..]].concat()), &[]),
            ("gtp-u", over_udp(2152, &[&[0x30, 0xff, 0, 33, 0, 0, 0, 1], &inner[..]].concat()), &[]),
        ] {
            let outer = Packet::decode(7, Timestamp(1), RAW, &outer, 0, true);
            let packet =
                Packet::decode_inner(&outer, &How::default()).unwrap_or_else(|| panic!("{name} carries nothing"));
            assert_eq!((packet.ports(), packet.payload), ((1000, 2000), &b"hello"[..]), "{name}");
            assert_eq!((packet.depth, packet.number, packet.vlans.as_slice()), (1, 7, vlans), "{name}");
            assert!(packet.anomalies.is_empty() && outer.anomalies.is_empty(), "{name}: {:?}", packet.anomalies);
        }
    }

    #[test]
    fn over_ipv6_what_is_no_ip_header_is_a_fault_of_the_outer_packet() {
        for (protocol, body, event) in [
            (4, [&[0x56][..], &[0; 39]].concat(), "decoder.ipv6.ipv4_in_ipv6_wrong_version"),
            (4, vec![0x45; 19], "decoder.ipv6.ipv4_in_ipv6_too_small"),
            (41, [&[0x45][..], &[0; 39]].concat(), "decoder.ipv6.ipv6_in_ipv6_wrong_version"),
            (41, vec![0x60; 39], "decoder.ipv6.ipv6_in_ipv6_too_small"),
        ] {
            let length = u8::try_from(body.len()).unwrap();
            let data = [&[0x60, 0, 0, 0, 0, length, protocol, 64][..], &[1; 32], &body].concat();
            let packet = Packet::decode(1, Timestamp(1), RAW, &data, 0, true);
            assert!(packet.inner.is_none() && packet.invalid, "{event}");
            assert!(packet.anomalies.iter().any(|anomaly| anomaly.0 == event), "{event}");
        }
    }

    #[test]
    fn tunnels_end_where_their_number_does() {
        let mut data = web(b"hello");
        for _ in 0..40 {
            data = over_ip(47, &[&[0, 0, 8, 0], &data[..]].concat());
        }
        let mut packet = Packet::decode(1, Timestamp(1), RAW, &data, 0, true);
        while let Some(inner) = Packet::decode_inner(&packet, &How::default()) {
            packet = inner;
        }
        assert_eq!((packet.depth, packet.invalid), (17, true));
        assert_eq!(packet.anomalies[0].0, "decoder.too_many_layers");
    }

    #[test]
    fn what_is_no_tunnel_carries_nothing() {
        for (port, body) in [
            (4789, &b"plain text on this port"[..]),
            (6081, &[0xff; 40]),
            (3544, &[0x60; 30]),
            (2152, &[0x30, 0xff, 0, 4]),
            (2000, &[8, 0, 0, 0, 0, 0, 9, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ] {
            let data = over_udp(port, body);
            let packet = Packet::decode(1, Timestamp(1), RAW, &data, 0, true);
            assert!(packet.inner.is_none() && !packet.invalid, "{port}");
        }
    }
}
