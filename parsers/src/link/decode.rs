//! From the link header to the transport: which header follows which.
//!
//! Each step calls the next with what it left. A broken header ends it: the packet is invalid and keeps what was read before.
//! What a tunnel carries is not read here but named, and read as a packet of its own.

use super::ether_types::{ARP, IPV4, IPV6, LLC};
use super::ip_protocols::{AH, ESP, ICMP, ICMP_V6, IGMP, SCTP, TCP, UDP};
use super::link_types::{self, ETHERNET, RAW_BSD};
use super::tags::Follows;
use super::tunnel::Begins;
use super::tunnel_ports::Ports;
use super::{Aggregate, Header, Layer4, Packet, Timestamp, raise, tags, tunnel};
use super::{
    arp, docsis, ethernet, frame_relay, icmp, igmp, ipv4, ipv6, ipv6_extensions, llc, ppp, sctp, tcp, udp, vlan,
    wireless,
};
use crate::protocol::Anomaly;

/// How packets are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// Checksums are verified; otherwise every one counts as right.
    pub checksums: bool,
    /// Where tunnels are looked for.
    pub ports: Ports,
}

impl Default for How {
    fn default() -> Self {
        Self { checksums: true, ports: Ports::default() }
    }
}

impl<'a> Packet<'a> {
    /// Reads a captured packet from its link header on, with tunnels on their usual ports. Without `checksums` every checksum
    /// counts as right.
    // A packet is large enough that it should be made where it stays.
    #[inline]
    pub fn decode(
        number: u64,
        time: Timestamp,
        link_type: u32,
        data: &'a [u8],
        wire_len: u32,
        checksums: bool,
    ) -> Self {
        let mut packet = Self::new(number, time, link_type, data, wire_len);
        packet.read_captured(&How { checksums, ..How::default() });
        packet
    }

    /// Reads what is in `data` from the link header on.
    pub fn read_captured(&mut self, how: &How) {
        let read = read_link(self, how);
        self.give_up_if(read);
    }

    /// Reads the packet that another one carries; nothing if it carries none or is in too many others already.
    pub fn decode_inner(outer: &Packet<'a>, how: &How) -> Option<Self> {
        let inner = outer.inner?;
        let wire_len = u32::try_from(inner.data.len()).unwrap_or(u32::MAX).saturating_add(outer.cut);
        let mut packet = Self::new(outer.number, outer.time, RAW_BSD, inner.data, wire_len);
        packet.depth = outer.depth + 1;
        packet.joined = outer.joined;
        (packet.interface, packet.tenant) = (outer.interface, outer.tenant);
        packet.read_carried(inner.begins, how);
        Some(packet)
    }

    /// Reads what is in `data` of a packet that another one carried: `depth`, `joined` and the like are set.
    pub fn read_carried(&mut self, begins: Begins, how: &How) {
        let read = if self.depth > TUNNEL_LIMIT {
            Err(Anomaly("decoder.too_many_layers"))
        } else {
            read_inner(self, begins, how)
        };
        self.give_up_if(read);
    }

    fn give_up_if(&mut self, read: Result<(), Anomaly>) {
        if let Err(anomaly) = read {
            raise(&mut self.anomalies, anomaly.0);
            self.invalid = true;
            self.payload = &[];
        }
    }
}

fn read_inner(packet: &mut Packet<'_>, begins: Begins, how: &How) -> Result<(), Anomaly> {
    let data = packet.data;
    let (follows, rest) = match begins {
        Begins::Frame => (Follows::Frame, data),
        Begins::Type(ether_type) => (Follows::Type(ether_type), data),
        Begins::Ppp => ppp::read(data)?,
        Begins::FrameRelay => frame_relay::read(data).unwrap_or((Follows::Nothing, data)),
        Begins::Beside(Aggregate::Wireless) => (Follows::Control, wireless::subframe(data)?),
        Begins::Beside(Aggregate::Cable) => docsis::alone(data)?,
        Begins::Mirror { header, frame } => {
            let short = Anomaly("decoder.erspan.header_too_small");
            let (mirror, rest) = data.split_at_checked(usize::from(header)).ok_or(short)?;
            if let [high, low, ..] = *mirror {
                let id = u16::from_be_bytes([high & 15, low]);
                if let (true, Some(first)) = (id != 0, packet.vlans.ids.first_mut()) {
                    *first = id;
                    packet.vlans.count = 1;
                }
            }
            match rest.first().map(|first| first >> 4) {
                Some(6) if !frame => (Follows::Type(IPV6), rest),
                _ if !frame => (Follows::Type(IPV4), rest),
                _ => (Follows::Frame, rest),
            }
        }
    };
    read_tags(packet, follows, rest, how)
}

/// Whether a packet is TCP or UDP over IP over Ethernet and no piece of a datagram, as nearly all are: it carries no other one.
/// Others may be as well; this is only a quick look.
#[inline]
pub fn is_plain(link_type: u32, data: &[u8], ports: &Ports) -> bool {
    let Some(&[_, _, _, _, _, _, _, _, _, _, _, _, t0, t1, version, _, _, _, _, _, f0, f1, _, protocol]) =
        data.first_chunk::<24>()
    else {
        return false;
    };
    let (next, udp_at) = match (u16::from_be_bytes([t0, t1]), version) {
        (IPV4, 0x45) if (f0 & 0x3f, f1) == (0, 0) => (protocol, 34),
        (IPV6, 0x60..=0x6f) => (f0, 54),
        _ => return false,
    };
    link_type == ETHERNET && (next == TCP || next == UDP && has_plain_ports(data, udp_at, ports))
}

#[inline]
fn has_plain_ports(data: &[u8], at: usize, ports: &Ports) -> bool {
    let found = data.get(at..).and_then(|udp| udp.first_chunk::<4>());
    found.is_some_and(|&[s0, s1, d0, d1]| {
        ![[s0, s1], [d0, d1]].into_iter().any(|port| ports.has(u16::from_be_bytes(port)))
    })
}

/// The name of a link type in records: that of its number in libpcap.
pub fn name(link_type: u32) -> Option<&'static str> {
    link_types::of(link_type).map(|kind| kind.name)
}

/// Whether packets of a link type can be read.
#[inline]
pub fn is_supported(link_type: u32) -> bool {
    link_type == ETHERNET || link_types::of(link_type).is_some()
}

#[inline]
fn read_link(packet: &mut Packet<'_>, how: &How) -> Result<(), Anomaly> {
    let data = packet.data;
    if packet.link_type == ETHERNET {
        let (header, rest) = ethernet::read(data)?;
        packet.ethernet = Some(header);
        return read_tags(packet, Follows::Type(header.kind), rest, how);
    }
    // Packets of other link types are left out when a capture is read.
    let Some(kind) = link_types::of(packet.link_type) else { return Ok(()) };
    if let Some(counted) = kind.counted {
        packet.note(counted);
    }
    let (follows, rest) = (kind.read)(packet, data)?;
    read_tags(packet, follows, rest, how)
}

/// Takes off what stands between the link and the network header.
#[inline]
fn read_tags<'a>(packet: &mut Packet<'a>, mut follows: Follows, mut rest: &'a [u8], how: &How) -> Result<(), Anomaly> {
    let mut layers = 0;
    loop {
        let ether_type = match follows {
            Follows::Type(ether_type) => ether_type,
            Follows::Control => LLC,
            Follows::Frame => {
                let (header, behind) = ethernet::read(rest)?;
                packet.ethernet.get_or_insert(header);
                rest = behind;
                header.kind
            }
            Follows::Nothing => {
                packet.payload = rest;
                return Ok(());
            }
        };
        packet.ether_type = ether_type;
        packet.payload = rest;
        if matches!(ether_type, IPV4 | IPV6) {
            break;
        }
        if vlan::follows(ether_type) {
            let (behind, data) = vlan::read(ether_type, rest, &mut packet.vlans, &mut packet.anomalies)?;
            (follows, rest) = (Follows::Type(behind), data);
        } else if tags::is_tag(ether_type) {
            if let Some(header) = tags::header(ether_type) {
                packet.note(header);
            }
            (follows, rest) = tags::read(ether_type, rest, &mut packet.anomalies)?;
        } else if let Some(behind) = llc::of_length(ether_type, rest) {
            (follows, rest) = behind;
        } else {
            break;
        }
        layers += 1;
        if layers > TAG_LIMIT {
            return Err(Anomaly("decoder.too_many_layers"));
        }
    }
    read_network(packet, rest, how)
}

#[inline]
fn read_network<'a>(packet: &mut Packet<'a>, data: &'a [u8], how: &How) -> Result<(), Anomaly> {
    match packet.ether_type {
        IPV4 => {
            packet.ip = Some(ipv4::read(data, how.checksums, packet.cut, &mut packet.anomalies)?);
            read_transport(packet, how)
        }
        IPV6 => {
            let (ip, broken) = ipv6::read(data, packet.cut, &mut packet.anomalies)?;
            packet.ip = Some(ip);
            match broken {
                Some(anomaly) => Err(anomaly),
                None => read_transport(packet, how),
            }
        }
        other => {
            if other == ARP {
                packet.note(Header::Arp);
                return arp::read(data, &mut packet.anomalies).map(|_| ());
            }
            if crate::carried_by(other).is_some() {
                return Ok(());
            }
            if packet.vlans.count > 0 && !KNOWN_ETHER_TYPES.contains(&other) {
                return Err(Anomaly("decoder.vlan.unknown_type"));
            }
            if packet.ethernet.is_some() && !KNOWN_ETHER_TYPES.contains(&other) {
                raise(&mut packet.anomalies, "decoder.ethernet.unknown_ethertype");
            }
            Ok(())
        }
    }
}

#[inline]
fn read_transport(packet: &mut Packet<'_>, how: &How) -> Result<(), Anomaly> {
    let Some(ip) = &mut packet.ip else { return Ok(()) };
    let checksums = how.checksums;
    if ip.protocol == AH && ip.fragment.is_none() {
        ipv6_extensions::authenticated(&mut ip.protocol, &mut ip.payload);
    }
    packet.payload = ip.payload;
    let counted = match ip.protocol {
        GRE => Some(Header::Gre),
        ESP => Some(Header::Esp),
        SCTP => Some(Header::Sctp),
        IGMP => Some(Header::Igmp),
        _ => None,
    };
    if let Some(header) = counted {
        packet.headers |= 1 << header as u32;
    }
    if ip.fragment.is_some() {
        return Ok(());
    }
    let (layer4, payload) = match ip.protocol {
        IP_IN_IP | IP_V6_IN_IP | GRE => {
            packet.inner = tunnel::inside(ip, &Layer4::None, ip.payload, &how.ports, &mut packet.anomalies)?;
            return Ok(());
        }
        // Nearly all are one of these: their headers are written once, where they stay.
        TCP => {
            let (tcp, payload) = tcp::read(ip, checksums, &mut packet.anomalies)?;
            packet.layer4 = Layer4::Tcp(tcp);
            packet.payload = payload;
            return Ok(());
        }
        UDP => {
            let (udp, payload) = udp::read(ip, checksums)?;
            packet.layer4 = Layer4::Udp(udp);
            packet.inner = tunnel::inside(ip, &packet.layer4, payload, &how.ports, &mut packet.anomalies)?;
            packet.payload = payload;
            return Ok(());
        }
        ICMP if ip.source.is_ipv4() => {
            let (icmp, payload) = icmp::read_v4(ip, checksums, &mut packet.anomalies)?;
            (Layer4::Icmp(icmp), payload)
        }
        ICMP_V6 if ip.source.is_ipv6() => {
            let (icmp, payload) = icmp::read_v6(ip, checksums, &mut packet.anomalies)?;
            (Layer4::Icmp(icmp), payload)
        }
        ICMP_V6 => return Err(Anomaly("decoder.ipv4.icmpv6")),
        IGMP if ip.source.is_ipv4() => {
            let (igmp, payload) = igmp::read(ip)?;
            (Layer4::Igmp(igmp), payload)
        }
        SCTP => {
            let (sctp, payload) = sctp::read(ip, &mut packet.anomalies)?;
            (Layer4::Sctp(sctp), payload)
        }
        ESP if ip.payload.len() < ESP_HEADER => return Err(Anomaly("decoder.esp.pkt_too_small")),
        other => {
            if ip.source.is_ipv4() && !KNOWN_PROTOCOLS.contains(&other) {
                raise(&mut packet.anomalies, "decoder.ipv4.unknown_protocol");
            }
            return Ok(());
        }
    };
    packet.layer4 = layer4;
    packet.payload = payload;
    Ok(())
}

/// Headers between link and network, each group of VLAN tags counting as one.
const TAG_LIMIT: u32 = 16;
/// Packets around a packet.
const TUNNEL_LIMIT: u8 = 16;
/// Octets of the parameter index and sequence number of ESP.
const ESP_HEADER: usize = 8;
const IP_IN_IP: u8 = 4;
const IP_V6_IN_IP: u8 = 41;
const GRE: u8 = 47;

/// What Ethernet may carry without being odd: ARP, MPLS, PPPoE, provider backbone and other tags, network service headers,
/// Ethernet in GRE and its mirrors.
const KNOWN_ETHER_TYPES: [u16; 14] =
    [ARP, 0x6558, 0x8847, 0x8848, 0x8863, 0x8864, 0x8903, 0x8926, 0x88e7, 0x893f, 0x894f, 0x8988, 0x88be, 0x22eb];
/// What IPv4 may carry without being odd: what is decoded, and IP and GRE tunnels.
const KNOWN_PROTOCOLS: [u8; 6] = [IGMP, 4, 41, 47, ESP, SCTP];

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;

    const NULL: u32 = 0;
    const LOOP: u32 = 108;
    const PPP: u32 = 9;
    const RAW: u32 = 101;
    const CISCO_HDLC: u32 = 104;
    const LINUX_COOKED: u32 = 113;
    const LINUX_COOKED_V2: u32 = 276;
    /// Logical link control that says that IPv4 follows.
    const LLC_IP: &[u8] = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

    fn decode(link_type: u32, data: &[u8]) -> Packet<'_> {
        Packet::decode(1, Timestamp(0), link_type, data, 0, true)
    }

    fn names<'p>(packet: &'p Packet<'_>) -> Vec<&'p str> {
        packet.anomalies.iter().map(|anomaly| anomaly.0).collect()
    }

    fn udp_over_ipv4() -> Vec<u8> {
        let mut data = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(53, 5353).write(&mut data, b"hello").unwrap();
        data
    }

    #[test]
    fn every_link_type_leads_to_ip() {
        let ip = udp_over_ipv4();
        let with = |header: &[u8]| [header, &ip, &[0; 3]].concat();
        let mut cooked = [0; 16];
        cooked[14] = 8;
        let mut cooked_v2 = [0; 20];
        cooked_v2[0] = 8;
        let mut frame = [0; 14];
        frame[12] = 8;
        let mut tagged = [0; 22];
        (tagged[12], tagged[13], tagged[15], tagged[16], tagged[19], tagged[20]) = (0x88, 0xa8, 5, 0x81, 6, 8);
        for (link_type, header, vlans) in [
            (NULL, &[2, 0, 0, 0][..], &[][..]),
            (NULL, &[0, 8, 0, 0], &[]),
            (LOOP, &[0, 0, 0, 2], &[]),
            (ETHERNET, &[&[0; 12][..], &[0, 44], LLC_IP].concat(), &[]),
            (ETHERNET, &[&[0; 12][..], &[0x81, 0, 0, 5, 0, 44], LLC_IP].concat(), &[5]),
            (ETHERNET, &[&[0; 12][..], &[0x88, 0x70], LLC_IP].concat(), &[]),
            (ETHERNET, &[&[0; 12][..], &[0x89, 0x88, 1, 1, 1, 1, 1, 1, 8, 0]].concat(), &[]),
            (8, &[0; 16], &[]),
            (11, LLC_IP, &[]),
            (50, &[0xff, 3, 0, 0x21], &[]),
            (50, &[0x0f, 0, 8, 0], &[]),
            (PPP, &[0xff, 3, 2, 0x81, 0, 6, 0x41, 0xff], &[]),
            (51, &[0x11, 0, 0, 1, 0, 35, 0, 0x21], &[]),
            (105, &[&[8, 1], &[0; 22][..], LLC_IP].concat(), &[]),
            (107, &[0x18, 0x41, 3, 0xcc], &[]),
            (109, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]),
            (117, &[&[61, 2][..], &[0; 62]].concat(), &[]),
            (127, &[&[0, 0, 8, 0, 0, 0, 0, 0, 8, 1], &[0; 22][..], LLC_IP].concat(), &[]),
            (143, &[&[0, 0, 0, 0, 0, 0], &frame[..]].concat(), &[]),
            (166, &[0, 3, 0, 0x21], &[]),
            (204, &[1, 0xff, 3, 0, 0x21], &[]),
            (205, &[1, 0x0f, 0, 8, 0], &[]),
            (206, &[1, 0x18, 0x41, 3, 0xcc], &[]),
            (239, &[2, 0, 0, 0, 37, 0, 9, 0], &[]),
            (258, &[&[12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], &frame[..]].concat(), &[]),
            (ETHERNET, &frame, &[]),
            (ETHERNET, &tagged, &[5, 6]),
            (PPP, &[0xff, 3, 0, 0x21], &[]),
            (RAW, &[], &[]),
            (RAW_BSD, &[], &[]),
            (14, &[], &[]),
            (228, &[], &[]),
            (CISCO_HDLC, &[0x0f, 0, 8, 0], &[]),
            (LINUX_COOKED, &cooked, &[]),
            (LINUX_COOKED_V2, &cooked_v2, &[]),
        ] {
            assert!(is_supported(link_type));
            let data = with(header);
            let packet = decode(link_type, &data);
            let what = format!("link type {link_type} {header:x?} {:?}", packet.anomalies);
            assert_eq!((packet.ports(), packet.payload), ((53, 5353), &b"hello"[..]), "{what}");
            assert_eq!((packet.vlans.as_slice(), packet.ether_type, packet.invalid), (vlans, IPV4, false));
            assert!(packet.ip.unwrap().checksum_ok && packet.udp().unwrap().checksum_ok && names(&packet).is_empty());
        }
        assert!(!is_supported(147));
    }

    #[test]
    fn a_broken_transport_header_leaves_the_addresses() {
        let mut data = udp_over_ipv4();
        data.truncate(24);
        data[3] = 24;
        let packet = decode(RAW, &data);
        assert_eq!(names(&packet), ["decoder.udp.hlen_too_small"]);
        assert!(packet.invalid && packet.ip.is_some() && packet.payload.is_empty());
    }

    #[test]
    fn pieces_of_datagrams_have_no_transport_header() {
        let mut data = udp_over_ipv4();
        data[6] = 0x20;
        let packet = decode(RAW, &data);
        assert!(matches!(packet.layer4, Layer4::None) && !packet.invalid);
        assert_eq!(packet.payload.len(), 13);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let mut frame = [0; 60];
        frame[12] = 0x77;
        assert_eq!(names(&decode(ETHERNET, &frame)), ["decoder.ethernet.unknown_ethertype"]);
        (frame[12], frame[13], frame[16]) = (0x81, 0, 0x77);
        assert_eq!(names(&decode(ETHERNET, &frame)), ["decoder.vlan.unknown_type"]);
        let mut data = udp_over_ipv4();
        data[9] = 200;
        assert_eq!(names(&decode(RAW, &data)), ["decoder.ipv4.unknown_protocol"]);
        data[9] = 58;
        assert_eq!(names(&decode(RAW, &data)), ["decoder.ipv4.icmpv6"]);
        assert_eq!(names(&decode(RAW, &[0x50])), ["decoder.ipraw.invalid_ip_version"]);
    }

    proptest! {
        #[test]
        fn noise_never_panics(link in 0u32..300, data in proptest::collection::vec(any::<u8>(), 0..200), cut in 0u32..90) {
            let mut packet = Packet::new(1, Timestamp(0), link, &data, u32::try_from(data.len()).unwrap() + cut);
            packet.read_captured(&How::default());
            packet.beside.iter().for_each(|beside| beside.packets().for_each(drop));
        }

        #[test]
        fn changed_packets_never_panic(
            v6 in any::<bool>(),
            changes in proptest::collection::vec((0usize..120, any::<u8>()), 0..6),
            cut in 0usize..130,
        ) {
            let mut data = valid(v6, Some(7), true, 1, 2, b"some payload that is long enough");
            for (at, byte) in changes {
                if let Some(place) = data.get_mut(at) {
                    *place = byte;
                }
            }
            data.truncate(cut);
            let packet = decode(ETHERNET, &data);
            let whole = packet.inner.is_none() && packet.ip.is_none_or(|ip| ip.fragment.is_none());
            prop_assert!(whole || !is_plain(ETHERNET, &data, &Ports::default()));
        }

        #[test]
        fn plain_packets_are_no_tunnels_and_no_pieces(
            v6 in any::<bool>(),
            tcp in any::<bool>(),
            ports in proptest::collection::vec(
                proptest::sample::select(vec![53, 443, 4789, 8472, 4790, 48_879, 6081, 3544, 2152]), 2..=2),
            changes in proptest::collection::vec((12usize..62, any::<u8>()), 0..3),
        ) {
            let carried = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &valid(false, None, true, 1, 2, b"web")].concat();
            let mut data = valid(v6, None, tcp, ports[0], ports[1], &carried);
            prop_assert_eq!(is_plain(ETHERNET, &data, &Ports::default()), tcp || ports.iter().all(|port| *port < 2000));
            for (at, byte) in changes {
                data[at] = byte;
            }
            let packet = decode(ETHERNET, &data);
            let whole = packet.inner.is_none() && packet.ip.is_none_or(|ip| ip.fragment.is_none());
            prop_assert!(whole || !is_plain(ETHERNET, &data, &Ports::default()));
        }

        #[test]
        fn valid_packets_are_read_as_another_library_does(
            v6 in any::<bool>(),
            vlan in proptest::option::of(0u16..4096),
            tcp in any::<bool>(),
            from in any::<u16>(),
            to in any::<u16>(),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let data = valid(v6, vlan, tcp, from, to, &payload);
            let packet = decode(ETHERNET, &data);
            let other = SlicedPacket::from_ethernet(&data).unwrap();
            prop_assert_eq!(packet.vlans.as_slice(), vlan.as_slice());
            prop_assert_eq!(packet.ports(), (from, to));
            let ip = packet.ip.unwrap();
            match other.net.unwrap() {
                NetSlice::Ipv4(net) => {
                    prop_assert_eq!(ip.source, net.header().source_addr());
                    prop_assert_eq!(ip.ttl, net.header().ttl());
                    prop_assert_eq!(ip.header, net.header().slice());
                    prop_assert_eq!(ip.payload, net.payload().payload);
                }
                NetSlice::Ipv6(net) => {
                    prop_assert_eq!(ip.destination, net.header().destination_addr());
                    prop_assert_eq!(ip.ttl, net.header().hop_limit());
                    prop_assert_eq!(ip.payload, net.payload().payload);
                }
                NetSlice::Arp(_) => unreachable!("no ARP is built"),
            }
            match other.transport.unwrap() {
                TransportSlice::Tcp(segment) => {
                    let tcp = packet.tcp().unwrap();
                    prop_assert_eq!(tcp.sequence, segment.sequence_number());
                    prop_assert_eq!(tcp.window, segment.window_size());
                    prop_assert_eq!(tcp.header, segment.header_slice());
                    prop_assert_eq!(packet.payload, segment.payload());
                    prop_assert!(tcp.checksum_ok);
                }
                TransportSlice::Udp(datagram) => {
                    prop_assert_eq!(packet.payload, datagram.payload());
                    prop_assert!(packet.udp().unwrap().checksum_ok);
                }
                _ => unreachable!("only TCP and UDP are built"),
            }
            prop_assert!(ip.checksum_ok && packet.anomalies.is_empty());
        }
    }

    fn valid(v6: bool, vlan: Option<u16>, tcp: bool, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        let link = PacketBuilder::ethernet2([1; 6], [2; 6]);
        let ip = match (vlan, v6) {
            (Some(id), true) => link.single_vlan(id.try_into().unwrap()).ipv6([3; 16], [4; 16], 9),
            (Some(id), false) => link.single_vlan(id.try_into().unwrap()).ipv4([10, 1, 2, 3], [10, 3, 2, 1], 9),
            (None, true) => link.ipv6([3; 16], [4; 16], 9),
            (None, false) => link.ipv4([10, 1, 2, 3], [10, 3, 2, 1], 9),
        };
        if tcp {
            let options = [etherparse::TcpOptionElement::MaximumSegmentSize(1460)];
            ip.tcp(from, to, 77, 1024).options(&options).unwrap().write(&mut data, payload).unwrap();
        } else {
            ip.udp(from, to).write(&mut data, payload).unwrap();
        }
        data
    }
}
