//! Which packets belong together: the flow key, its public digest and the flow's identifier.
//!
//! A key is written from the point of view of one packet. [`Key::reverse`] is that of a packet in the other direction, and
//! [`Key::canonical`] is the same for both, so that tables hash that. ICMP has types and codes where others have ports: a
//! request and its reply (echo, timestamp, …) are each other's reverse. Frames without IP have keys where a card names their Ethernet
//! type: their ends are stations, and what they are about stands where others have ports ([`super::ends`]).

use std::hash::BuildHasher;
use std::net::IpAddr;

use sha1::{Digest, Sha1};
use tapwire_parsers::link::{Ip, Layer4, Packet, Vlans, icmp};
use tapwire_parsers::protocol::{Ends, Sides};
use tapwire_parsers::{carried_by, protocol};

pub use super::ends::{Address, IpEnds, LinkEnds};

/// Protocol number of ICMP.
pub const ICMP: u8 = 1;
/// Protocol number of TCP.
pub const TCP: u8 = 6;
/// Protocol number of UDP.
pub const UDP: u8 = 17;
/// Protocol number of the encapsulating security payload.
pub const ESP: u8 = 50;
/// Protocol number of ICMPv6.
pub const ICMP_V6: u8 = 58;
/// Protocol number of SCTP.
pub const SCTP: u8 = 132;
/// In place of an IP protocol number, where there is no IP: it is reserved.
pub const LINK: u8 = 255;

/// What identifies a flow, as seen from the sender of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Address of the sender.
    pub source: Address,
    /// Address of the receiver.
    pub destination: Address,
    /// Port of the sender. ICMP: type and code in one number. ESP: the upper half of the SPI. Without IP:
    /// the Ethernet type.
    pub source_port: u16,
    /// Port of the receiver. ICMP: type and code of the answer, if there is one for this type. ESP: the lower half of the SPI.
    /// Without IP: what the card of the protocol tells flows apart by ([`tapwire_parsers::protocol::Link::id`]).
    pub destination_port: u16,
    /// IP protocol number, or [`LINK`].
    pub protocol: u8,
    /// In how many tunnels the packet came.
    pub tunnel_depth: u8,
    /// VLAN ids, if they separate flows.
    pub vlans: Vlans,
    /// The interface of the capture, if it separates flows.
    pub interface: u16,
    /// The tenant whose packets they are, 0 for nobody's: rules of one never see what those of another noted of a flow.
    pub tenant: TenantNumber,
}

/// The number of a tenant, in halves: a flow has no room for more that lies at a multiple of four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TenantNumber([u16; 2]);

impl From<u32> for TenantNumber {
    fn from(number: u32) -> Self {
        let [a, b, c, d] = number.to_ne_bytes();
        Self([u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])])
    }
}

impl From<TenantNumber> for u32 {
    fn from(TenantNumber([first, second]): TenantNumber) -> Self {
        let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
        Self::from_ne_bytes([a, b, c, d])
    }
}

impl Key {
    /// The two ends, that of the client first, as parsers are told.
    pub fn sides(&self) -> Ends {
        let Some(ends) = self.ip() else {
            let (client, server) = self.link().map(|ends| (ends.source, ends.destination)).unwrap_or_default();
            return Ends::Link(Sides { client, server });
        };
        Ends::Ip(Sides { client: (ends.source, ends.source_port), server: (ends.destination, ends.destination_port) })
    }

    /// The key of a packet, if it is not broken or a fragment.
    pub fn of(packet: &Packet<'_>, use_vlans: bool, use_interfaces: bool, tunnel_depth: u8) -> Option<Self> {
        let Some(ip) = packet.ip.as_ref() else {
            return Self::of_frame(packet, use_vlans, use_interfaces, tunnel_depth);
        };
        if packet.invalid {
            return None;
        }
        let (source_port, destination_port) = match &packet.layer4 {
            Layer4::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
            Layer4::Udp(udp) => (udp.source_port, udp.destination_port),
            Layer4::Icmp(icmp) => icmp_ports(ip.protocol, icmp.kind, icmp.code),
            // Pieces of a datagram have no ports: the datagram gets the flow when it is put together.
            Layer4::None if matches!(ip.protocol, TCP | UDP | SCTP | ICMP | ICMP_V6) => return None,
            Layer4::Sctp(sctp) => (sctp.source_port, sctp.destination_port),
            Layer4::None | Layer4::Igmp(_) => spi(ip),
        };
        let vlans = if use_vlans { packet.vlans } else { Vlans::default() };
        Some(Self {
            source: ip.source.into(),
            destination: ip.destination.into(),
            source_port,
            destination_port,
            protocol: ip.protocol,
            tunnel_depth,
            vlans,
            interface: if use_interfaces { packet.interface } else { 0 },
            tenant: packet.tenant.into(),
        })
    }

    /// The key of a frame without IP whose Ethernet type a card names.
    #[cold]
    fn of_frame(packet: &Packet<'_>, use_vlans: bool, use_interfaces: bool, tunnel_depth: u8) -> Option<Self> {
        let card = protocol(carried_by(packet.ether_type).filter(|_| !packet.invalid)?);
        // A capture without Ethernet headers has no addresses.
        let (source, destination) =
            packet.ethernet.map(|header| (header.source, header.destination)).unwrap_or_default();
        Some(Self {
            source: Address::Station(source),
            destination: Address::Station(destination),
            source_port: packet.ether_type,
            destination_port: card.link.map_or(0, |link| (link.id)(packet.payload)),
            protocol: LINK,
            tunnel_depth,
            vlans: if use_vlans { packet.vlans } else { Vlans::default() },
            interface: if use_interfaces { packet.interface } else { 0 },
            tenant: packet.tenant.into(),
        })
    }

    /// Its ends, where it is over IP.
    pub fn ip(&self) -> Option<IpEnds> {
        let (source, destination) = (self.source.ip()?, self.destination.ip()?);
        let Self { source_port, destination_port, protocol, .. } = *self;
        Some(IpEnds { source, destination, source_port, destination_port, protocol })
    }

    /// Its ends, where it is without IP.
    pub fn link(&self) -> Option<LinkEnds> {
        let (Address::Station(source), Address::Station(destination)) = (self.source, self.destination) else {
            return None;
        };
        Some(LinkEnds { source, destination, ether_type: self.source_port, id: self.destination_port })
    }

    /// Whether it is one of those that murmur on any network ([`tapwire_parsers::protocol::Link::is_background`]).
    pub fn is_background(&self) -> bool {
        let murmurs = |ends: LinkEnds| protocol(carried_by(ends.ether_type)?).link.map(|link| link.is_background);
        self.protocol == LINK && self.link().and_then(murmurs) == Some(true)
    }

    /// The key of a packet in the other direction.
    pub fn reverse(&self) -> Self {
        // The two directions of an IPsec pair have parameter indexes of their own; what answers one is unknown. Without IP both
        // are about the same.
        let (source_port, destination_port) = match self.protocol {
            ESP | LINK => (self.source_port, self.destination_port),
            _ => (self.destination_port, self.source_port),
        };
        Self { source: self.destination, destination: self.source, source_port, destination_port, ..*self }
    }

    /// Whether it is the other's [`Key::reverse`].
    pub fn is_reverse_of(&self, other: &Key) -> bool {
        let (from, to) = match self.protocol {
            ESP | LINK => (self.source_port, self.destination_port),
            _ => (self.destination_port, self.source_port),
        };
        (from, to) == (other.source_port, other.destination_port)
            && (self.source, self.destination) == (other.destination, other.source)
            && (self.protocol, self.tunnel_depth, self.interface, self.tenant)
                == (other.protocol, other.tunnel_depth, other.interface, other.tenant)
            && self.vlans == other.vlans
    }

    /// The key without its VLANs.
    pub fn untagged(&self) -> Self {
        Self { vlans: Vlans::default(), ..*self }
    }

    /// The one of the two directions' keys that orders first.
    pub fn canonical(&self) -> Self {
        if (self.source, self.source_port) <= (self.destination, self.destination_port) {
            *self
        } else {
            self.reverse()
        }
    }

    /// Type and code of the packet that this is the key of, if it is ICMP.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        type_and_code(self.protocol, self.source_port)
    }

    /// Type and code of the answer to it, if there is one.
    pub fn icmp_answer(&self) -> Option<(u8, u8)> {
        let (kind, code) = self.icmp()?;
        icmp_counterpart(self.protocol, kind).map(|answer| (answer, code))
    }

    /// The security parameter index, if it is that of an ESP packet.
    pub fn spi(&self) -> Option<u32> {
        (self.protocol == ESP).then(|| u32::from(self.source_port) << 16 | u32::from(self.destination_port))
    }

    /// Whether both directions' packets carry ports.
    pub fn has_ports(&self) -> bool {
        matches!(self.protocol, TCP | UDP | SCTP)
    }

    /// For an error of ICMPv4, the key of the packet that it answers, of which it carries the first bytes. Errors of ICMPv6 begin
    /// flows of their own: a worker that has not the flow that one is about cannot know whether another one has it.
    pub fn of_cause(packet: &Packet<'_>, key: &Key) -> Option<Self> {
        let icmp::Cause { source, destination, protocol, ports } =
            icmp::cause(packet).filter(|_| key.protocol == ICMP)?;
        let (source, destination) = (source.into(), destination.into());
        Some(Self { source, destination, source_port: ports.0, destination_port: ports.1, protocol, ..*key })
    }

    /// Whether it is that of an error of ICMPv4, which never begins a flow.
    pub fn is_error(&self) -> bool {
        self.protocol == ICMP && self.icmp().is_some_and(|(kind, _)| icmp::is_error(kind, false))
    }

    /// The hash of both directions, under a table's secret.
    pub fn digest(&self, secret: &impl BuildHasher) -> u64 {
        let (mut from, mut to) =
            ((self.source.bits(), self.source_port), (self.destination.bits(), self.destination_port));
        if from > to {
            // As in `reverse`.
            (from, to) =
                if matches!(self.protocol, ESP | LINK) { ((to.0, from.1), (from.0, to.1)) } else { (to, from) };
        }
        let [a, b, c] = self.vlans.ids.map(u64::from);
        let ports = u64::from(from.1) << 16 | u64::from(to.1);
        let rest = u64::from(self.interface) << 16 | u64::from(self.tunnel_depth) << 8 | u64::from(self.protocol);
        let tenant = u64::from(u32::from(self.tenant)) << 48;
        secret.hash_one((from.0, to.0, ports << 32 | rest, tenant ^ (a << 32 | b << 16 | c)))
    }
}

/// The flow's identifier in records: the same in every run over the same packets, below 2^51 so that JSON readers that know
/// only floating point keep it exact, and never 0.
pub fn flow_id(key: &Key, first_packet: u64) -> u64 {
    let key = key.canonical();
    let mut state = mix(first_packet ^ 0x9e37_79b9_7f4a_7c15);
    let mut add = |number: u64| state = mix(state ^ number);
    for address in [key.source, key.destination] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = address.bits().to_be_bytes();
        add(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        add(u64::from_be_bytes(rest));
    }
    add(u64::from(key.source_port) << 32 | u64::from(key.destination_port) << 16 | u64::from(key.protocol));
    for &id in key.vlans.as_slice() {
        add(u64::from(id));
    }
    add(u64::from(key.tunnel_depth));
    (state & ((1 << 51) - 1)).max(1)
}

/// A community id as text: the version, and twenty octets in base 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommunityId([u8; 30]);

impl CommunityId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Community ID, version 1: a digest of addresses, ports and protocol that other tools compute in the same way.
pub fn community_id(key: &IpEnds, seed: u16) -> CommunityId {
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    let (mut from, mut to) = (key.source_port, key.destination_port);
    let mut one_way = false;
    if let Some((kind, code)) = type_and_code(key.protocol, key.source_port) {
        let answer = icmp_counterpart(key.protocol, kind);
        (from, to) = (u16::from(kind), u16::from(answer.unwrap_or(code)));
        one_way = answer.is_none();
    } else if !has_ports(key.protocol) {
        (from, to) = (0, 0);
    }
    let (mut source, mut destination) = (key.source, key.destination);
    if !one_way && (source, from) > (destination, to) {
        (source, destination, from, to) = (destination, source, to, from);
    }
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => hash.update(address.octets()),
            IpAddr::V6(address) => hash.update(address.octets()),
        }
    }
    hash.update([key.protocol, 0]);
    // A protocol without ports, or what stands for them, has nothing in their place.
    if has_ports(key.protocol) || is_icmp(key.protocol) {
        hash.update(from.to_be_bytes());
        hash.update(to.to_be_bytes());
    }
    let mut text = *b"1:............................";
    data_encoding::BASE64.encode_mut(&hash.finalize(), &mut text[2..]);
    CommunityId(text)
}

/// Whether its packets have ports.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | SCTP)
}

fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, ICMP | ICMP_V6)
}

/// Type and code of a packet of ICMP, which stand where others have the sender's port.
fn type_and_code(protocol: u8, source_port: u16) -> Option<(u8, u8)> {
    is_icmp(protocol).then(|| source_port.to_be_bytes().into())
}

/// The type of the message that answers one of type `kind`.
pub fn icmp_counterpart(protocol: u8, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = if protocol == ICMP { &ICMP_PAIRS } else { &ICMP_V6_PAIRS };
    pairs.iter().find_map(|&(request, answer)| match kind {
        _ if kind == request => Some(answer),
        _ if kind == answer => Some(request),
        _ => None,
    })
}

fn icmp_ports(protocol: u8, kind: u8, code: u8) -> (u16, u16) {
    let answer = icmp_counterpart(protocol, kind).map_or(0, |answer| u16::from_be_bytes([answer, code]));
    (u16::from_be_bytes([kind, code]), answer)
}

/// The parameter index of ESP, in halves.
fn spi(ip: &Ip<'_>) -> (u16, u16) {
    match ip.payload.first_chunk::<4>() {
        Some(&[a, b, c, d]) if ip.protocol == ESP && ip.fragment.is_none_or(|part| part.offset == 0) => {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        _ => (0, 0),
    }
}

/// A step of a hash that is the same on every machine, for identifiers only: tables use a secret one.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Protocols over IP that have flows where not all have: ICMP, IPv4, TCP, UDP, IPv6, ESP, ICMPv6 and SCTP.
pub const FOLLOWED: [u8; 8] = [ICMP, 4, TCP, UDP, 41, ESP, ICMP_V6, SCTP];
const ICMP_PAIRS: [(u8, u8); 5] = [(8, 0), (9, 10), (13, 14), (15, 16), (17, 18)];
const ICMP_V6_PAIRS: [(u8, u8); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(protocol: u8, source: &str, from: u16, destination: &str, to: u16) -> Key {
        Key {
            source: source.parse::<IpAddr>().unwrap().into(),
            destination: destination.parse::<IpAddr>().unwrap().into(),
            source_port: from,
            destination_port: to,
            protocol,
            tunnel_depth: 0,
            vlans: Vlans::default(),
            interface: 0,
            tenant: TenantNumber::default(),
        }
    }

    #[test]
    fn community_ids_are_those_that_other_tools_compute() {
        let echo = icmp_ports(ICMP, 8, 0);
        let solicitation = icmp_ports(ICMP_V6, 135, 0);
        let cases = [
            (key(TCP, "128.232.110.120", 34855, "66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (key(UDP, "192.168.1.52", 54585, "8.8.8.8", 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (key(SCTP, "192.168.170.8", 7, "192.168.170.56", 80), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
            // RSVP and ESP have no ports, whatever flows of theirs are told apart by.
            (key(46, "10.1.24.4", 0, "10.1.12.1", 0), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
            (key(ESP, "10.1.24.4", 7, "10.1.12.1", 9), "1:bi3iljcHhcLdRZQuBuURakpF2bk="),
            (key(ICMP, "192.168.0.89", echo.0, "192.168.0.1", echo.1), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (
                key(ICMP_V6, "fe80::200:86ff:fe05:80da", solicitation.0, "fe80::260:97ff:fe07:69ea", solicitation.1),
                "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            ),
        ];
        for (key, expected) in cases {
            assert_eq!(community_id(&key.ip().unwrap(), 0).as_str(), expected, "{key:?}");
            assert_eq!(community_id(&key.reverse().ip().unwrap(), 0).as_str(), expected, "{key:?} in reverse");
        }
    }

    #[test]
    fn a_key_knows_any_number_of_a_tenant() {
        for number in [0, 1, 65_536, 0x1234_5678, u32::MAX] {
            assert_eq!(u32::from(TenantNumber::from(number)), number);
        }
    }

    fn station(from: u8, to: u8, id: u16) -> Key {
        let [source, destination] = [from, to].map(|last| Address::Station([2, 0, 0, 0, 0, last]));
        Key { source, destination, ..key(LINK, "10.0.0.1", 0x88b8, "10.0.0.2", id) }
    }

    #[test]
    fn stations_take_no_more_room_than_addresses() {
        assert_eq!(size_of::<Address>(), size_of::<IpAddr>());
        let ends = station(1, 2, 7).reverse().link().unwrap();
        assert_eq!((ends.source[5], ends.destination[5], ends.ether_type, ends.id), (2, 1, 0x88b8, 7));
        assert!(station(1, 2, 7).ip().is_none() && key(TCP, "10.0.0.1", 1, "10.0.0.2", 2).link().is_none());
    }

    #[test]
    fn both_directions_have_one_hash_and_one_identifier() {
        let secret = foldhash::quality::RandomState::default();
        let keys = [
            key(TCP, "10.0.0.1", 5000, "10.0.0.2", 80),
            key(UDP, "2001:db8::1", 53, "2001:db8::2", 53),
            key(ESP, "10.0.0.9", 1, "10.0.0.2", 2),
            key(TCP, "10.0.0.1", 90, "10.0.0.1", 80),
            station(1, 2, 7),
            station(9, 2, 7),
            station(1, 1, 0),
        ];
        for key in keys {
            assert_eq!(key.canonical(), key.reverse().canonical(), "{key:?}");
            assert_eq!(key.digest(&secret), key.reverse().digest(&secret));
            assert!(key.is_reverse_of(&key.reverse()) && key.reverse().is_reverse_of(&key));
            assert_eq!(key.is_reverse_of(&key), key == key.reverse());
            let others = [Key { protocol: 99, ..key }, Key { tunnel_depth: 9, ..key }, Key { interface: 9, ..key }];
            let vlans = Vlans { ids: [9, 0, 0], count: 1 };
            let others = others.into_iter().chain([Key { tenant: 9.into(), ..key }]);
            for other in others.chain([Key { vlans, ..key }, Key { source_port: 9999, ..key }]) {
                assert!(!other.is_reverse_of(&key.reverse()), "{other:?}");
            }
            assert_eq!(flow_id(&key, 7), flow_id(&key.reverse(), 7));
            assert!(flow_id(&key, 7) < 1 << 51);
            assert_ne!(flow_id(&key, 7), flow_id(&key, 8));
        }
    }
}
