//! Packets inside packets: IP in IP, GRE with its mirrors, VXLAN, Geneve, Teredo and GTP-U.
//!
//! [`inside`] looks behind the last header of a packet for another one. That one is a packet of its own, with a flow of its own;
//! it borrows the same captured bytes.

use super::ether_types::{ARP, IPV4, IPV6};
use super::{Anomalies, Ip, Layer4, raise};
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
    /// As a mirror session's header of so many octets, whose first 12 bits behind its version are a VLAN, and a frame.
    Mirror(u8),
}

/// Whether a port is that of a tunnel over UDP.
pub fn is_tunnel_port(port: u16) -> bool {
    matches!(port, VXLAN_PORT | 8472 | 4790 | 48_879 | GENEVE_PORT | TEREDO_PORT | GTP_PORT)
}

/// The packet inside a packet, if one of the carriers is there.
pub fn inside<'a>(
    ip: &Ip<'a>,
    layer4: &Layer4<'a>,
    payload: &'a [u8],
    anomalies: &mut Anomalies,
) -> Result<Option<Inner<'a>>, Anomaly> {
    if ip.fragment.is_some() {
        return Ok(None);
    }
    Ok(match (layer4, ip.protocol) {
        (Layer4::Udp(udp), _) => match (udp.destination_port, udp.source_port) {
            (VXLAN_PORT | 8472 | 4790 | 48_879, _) => vxlan(payload),
            (GENEVE_PORT, _) => geneve(payload),
            (TEREDO_PORT, _) | (_, TEREDO_PORT) => teredo(payload),
            (GTP_PORT, _) => gtp(payload),
            _ => None,
        },
        (Layer4::None, 4) => Some(ip_in_ip(ip, IPV4)?),
        (Layer4::None, 41) => Some(ip_in_ip(ip, IPV6)?),
        (Layer4::None, 47) => gre(ip.payload, anomalies)?,
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

fn gre<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<Option<Inner<'a>>, Anomaly> {
    let short = Anomaly("decoder.gre.pkt_too_small");
    let &[flags, second, high, low] = data.first_chunk::<4>().ok_or(short)?;
    let protocol = u16::from_be_bytes([high, low]);
    let has = |bit: u8| flags & bit != 0;
    let mut length = 4;
    match second & 7 {
        0 => {
            if flags & 7 != 0 {
                return Err(Anomaly("decoder.gre.version0_recur"));
            }
            if second & 0xf8 != 0 {
                return Err(Anomaly("decoder.gre.version0_flags"));
            }
            // A checksum or a route bring both fields along; then a key, then a number.
            length += 4 * (usize::from(has(0x80) || has(0x40)) + usize::from(has(0x20)) + usize::from(has(0x10)));
            while has(0x40) {
                let entry = data.get(length..).and_then(|rest| rest.first_chunk::<4>()).ok_or(short)?;
                let [family, family_low, _, size] = *entry;
                length += 4 + usize::from(size);
                if family == 0 && family_low == 0 && size == 0 {
                    break;
                }
                if length > data.len() {
                    return Err(Anomaly("decoder.gre.version0_malformed_sre_hdr"));
                }
            }
            if length > data.len() {
                return Err(Anomaly("decoder.gre.version0_hdr_too_big"));
            }
        }
        1 => {
            for (wrong, name) in [
                (has(0x80), "decoder.gre.version1_chksum"),
                (has(0x40), "decoder.gre.version1_route"),
                (has(0x08), "decoder.gre.version1_ssr"),
                (flags & 7 != 0, "decoder.gre.version1_recur"),
                (second & 0x78 != 0, "decoder.gre.version1_flags"),
                (protocol != PPTP, "decoder.gre.version1_wrong_protocol"),
                (!has(0x20), "decoder.gre.version1_no_key"),
            ] {
                if wrong {
                    return Err(Anomaly(name));
                }
            }
            length += 4 * (1 + usize::from(has(0x10)) + usize::from(second & 0x80 != 0));
            if length > data.len() {
                return Err(Anomaly("decoder.gre.version1_hdr_too_big"));
            }
        }
        _ => return Err(Anomaly("decoder.gre.wrong_version")),
    }
    let rest = data.get(length..).unwrap_or(&[]);
    let inner = |carrier, begins, data| Ok(Some(Inner { carrier, begins, data }));
    match protocol {
        IPV4 | IPV6 | ARP | MPLS | VLAN => inner(Carrier::Gre, Begins::Type(protocol), rest),
        BRIDGED => inner(Carrier::Gre, Begins::Frame, rest),
        PPTP if !rest.is_empty() => inner(Carrier::Gre, Begins::Ppp, rest),
        ERSPAN => {
            // Without a number it is the first kind, which has no header of its own.
            if !has(0x10) {
                return inner(Carrier::Erspan, Begins::Frame, rest);
            }
            let header = rest.first_chunk::<8>().ok_or(Anomaly("decoder.erspan.header_too_small"))?;
            if header[0] >> 4 != 1 {
                return Err(Anomaly("decoder.erspan.unsupported_version"));
            }
            inner(Carrier::Erspan, Begins::Mirror(8), rest)
        }
        ERSPAN_III => {
            let fixed = rest.first_chunk::<12>().ok_or(Anomaly("decoder.erspan.header_too_small"))?;
            if fixed[0] >> 4 != 2 {
                return Err(Anomaly("decoder.erspan.unsupported_version"));
            }
            let header = if fixed[11] & 1 != 0 { 20 } else { 12 };
            inner(Carrier::Erspan, Begins::Mirror(header), rest)
        }
        _ => {
            if protocol != PPTP && protocol != 0 {
                raise(anomalies, "decoder.gre.unknown_protocol");
            }
            Ok(None)
        }
    }
}

fn vxlan(data: &[u8]) -> Option<Inner<'_>> {
    let (&[flags, ..], rest) = data.split_first_chunk::<8>()?;
    // The bit that says that there is an identifier, which is always there.
    let framed = flags & 8 != 0 && rest.len() >= 14;
    framed.then_some(Inner { carrier: Carrier::Vxlan, begins: Begins::Frame, data: rest })
}

fn geneve(data: &[u8]) -> Option<Inner<'_>> {
    let &[first, _, high, low] = data.first_chunk::<4>()?;
    let rest = data.get(8 + usize::from(first & 0x3f) * 4..).filter(|_| first >> 6 == 0)?;
    let begins = match u16::from_be_bytes([high, low]) {
        BRIDGED => Begins::Frame,
        other @ (IPV4 | IPV6 | ARP) => Begins::Type(other),
        _ => return None,
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

const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const TEREDO_PORT: u16 = 3544;
const GTP_PORT: u16 = 2152;
const BRIDGED: u16 = 0x6558;
const PPTP: u16 = 0x880b;
const MPLS: u16 = 0x8847;
const VLAN: u16 = 0x8100;
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::super::{Packet, Timestamp};

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
            let packet = Packet::decode_inner(&outer, true).unwrap_or_else(|| panic!("{name} carries nothing"));
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
        while let Some(inner) = Packet::decode_inner(&packet, true) {
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
