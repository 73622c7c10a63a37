//! The lower layers: one header, one file.
//!
//! [`Packet`] is what decoding leaves of a captured packet: borrowed bytes and the facts that flows, records and rules need.
//! It never owns bytes and never allocates for a well-formed packet.

mod checksum;
mod cooked;
mod ethernet;
mod icmp;
mod ipv4;
mod ipv6;
mod tcp;
mod udp;

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::protocol::Anomaly;

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time that passed since `earlier`, in microseconds; 0 if it is later.
    pub fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Ethernet addresses and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Source address.
    pub source: [u8; 6],
    /// Destination address.
    pub destination: [u8; 6],
    /// Type of what follows, before VLAN tags are looked through.
    pub kind: u16,
}

/// VLAN ids, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlans {
    /// The ids; unused places are 0.
    pub ids: [u16; 3],
    /// How many there are.
    pub count: u8,
}

impl Vlans {
    /// The ids that are there.
    pub fn as_slice(&self) -> &[u16] {
        self.ids.get(..usize::from(self.count)).unwrap_or(&[])
    }
}

/// The innermost IP header.
#[derive(Clone, Copy, Debug)]
pub struct Ip<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// The protocol that follows the header and its extensions (6, 17, 1, 58, …).
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Identification (IPv4, or of the IPv6 fragment header; 0 where there is none).
    pub id: u32,
    /// Whether it is a fragment, and not the first one, or more follow.
    pub fragment: Option<Fragment>,
    /// IPv4 flags: reserved, don't fragment, more fragments in bits 2, 1, 0.
    pub flags: u8,
    /// The header with its options or extension headers.
    pub header: &'a [u8],
    /// What follows the header, cut at the length that it states.
    pub payload: &'a [u8],
    /// Whether the IPv4 header checksum is right (always so for IPv6).
    pub checksum_ok: bool,
}

/// A piece of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Position of its first byte in the datagram's payload.
    pub offset: u32,
    /// Whether further pieces follow.
    pub more: bool,
}

/// TCP header fields (RFC 9293).
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// Window as on the wire, not scaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// The whole header with its options.
    pub header: &'a [u8],
    /// The options that the stream engine and rules use.
    pub options: TcpOptions,
    /// Whether the checksum is right.
    pub checksum_ok: bool,
}

/// TCP flag bits.
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 16;
    /// The urgent pointer counts.
    pub const URG: u8 = 32;
    /// Congestion echo.
    pub const ECE: u8 = 64;
    /// Congestion window reduced.
    pub const CWR: u8 = 128;
}

/// TCP options (RFC 9293, 7323, 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale shift.
    pub window_scale: Option<u8>,
    /// Selective acknowledgement is permitted.
    pub sack_permitted: bool,
    /// Timestamp value and echo reply.
    pub timestamps: Option<(u32, u32)>,
    /// An MD5 or authentication option is there.
    pub signed: bool,
}

/// What is above IP.
#[derive(Clone, Copy, Debug)]
pub enum Layer4<'a> {
    /// Nothing that is decoded: another protocol, a later fragment, or too short.
    None,
    /// TCP.
    Tcp(Tcp<'a>),
    /// UDP.
    Udp(Udp<'a>),
    /// ICMP or ICMPv6.
    Icmp(Icmp<'a>),
}

/// UDP header fields (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// The header.
    pub header: &'a [u8],
    /// Whether the checksum is right or was not used.
    pub checksum_ok: bool,
}

/// ICMP header fields (RFC 792, 4443).
#[derive(Clone, Copy, Debug)]
pub struct Icmp<'a> {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier of an echo or similar.
    pub id: Option<u16>,
    /// Sequence number of an echo or similar.
    pub sequence: Option<u16>,
    /// The first eight octets.
    pub header: &'a [u8],
    /// Whether the checksum is right.
    pub checksum_ok: bool,
}

/// A decoded packet.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Position in the capture, from 1 (`pcap_cnt`).
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Link type of the capture as tcpdump numbers it (1 Ethernet, 101 raw IP, 113 Linux cooked, …).
    pub link_type: u32,
    /// All captured bytes from the link header on.
    pub data: &'a [u8],
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// The Ethernet header, if it has one.
    pub ethernet: Option<Ethernet>,
    /// VLAN tags.
    pub vlans: Vlans,
    /// The IP header, if one could be read.
    pub ip: Option<Ip<'a>>,
    /// What is above IP.
    pub layer4: Layer4<'a>,
    /// What follows the last decoded header.
    pub payload: &'a [u8],
    /// What was wrong with it, such as `decoder.ipv4.trunc_pkt`.
    pub anomalies: SmallVec<[Anomaly; 4]>,
    /// A header was broken: the packet has no flow and is counted as invalid.
    pub invalid: bool,
}

impl<'a> Packet<'a> {
    /// A packet of which nothing is decoded yet.
    pub fn new(number: u64, time: Timestamp, link_type: u32, data: &'a [u8], wire_len: u32) -> Self {
        Self {
            number,
            time,
            link_type,
            data,
            wire_len,
            ethernet: None,
            vlans: Vlans::default(),
            ip: None,
            layer4: Layer4::None,
            payload: &[],
            anomalies: SmallVec::new(),
            invalid: false,
        }
    }

    /// Notes that a header is broken: nothing behind it is read.
    fn refuse(&mut self, anomaly: &'static str) {
        self.anomalies.push(Anomaly(anomaly));
        self.invalid = true;
    }

    /// Reads a captured packet from its link header on. Without `checksums` every checksum counts as right.
    pub fn decode(
        number: u64,
        time: Timestamp,
        link_type: u32,
        data: &'a [u8],
        wire_len: u32,
        checksums: bool,
    ) -> Self {
        let mut packet = Self::new(number, time, link_type, data, wire_len);
        match link_type {
            1 => ethernet::read(&mut packet, data, checksums),
            113 => cooked::sll(&mut packet, data, checksums),
            276 => cooked::sll2(&mut packet, data, checksums),
            0 | 108 => cooked::null(&mut packet, data, checksums),
            12 | 14 | 101 | 228 | 229 => cooked::raw(&mut packet, data, checksums),
            9 | 50 => cooked::ppp(&mut packet, data, checksums),
            104 => cooked::hdlc(&mut packet, data, checksums),
            _ => packet.refuse("decoder.unknown_link_type"),
        }
        packet
    }

    /// The TCP header.
    pub fn tcp(&self) -> Option<&Tcp<'a>> {
        match &self.layer4 {
            Layer4::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The UDP header.
    pub fn udp(&self) -> Option<&Udp<'a>> {
        match &self.layer4 {
            Layer4::Udp(udp) => Some(udp),
            _ => None,
        }
    }

    /// The ICMP header.
    pub fn icmp(&self) -> Option<&Icmp<'a>> {
        match &self.layer4 {
            Layer4::Icmp(icmp) => Some(icmp),
            _ => None,
        }
    }

    /// Source and destination port of TCP and UDP; (0, 0) for others.
    pub fn ports(&self) -> (u16, u16) {
        match &self.layer4 {
            Layer4::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
            Layer4::Udp(udp) => (udp.source_port, udp.destination_port),
            _ => (0, 0),
        }
    }
}

/// Reads what an EtherType announces; whether it is known.
fn network<'a>(packet: &mut Packet<'a>, kind: u16, data: &'a [u8], checksums: bool) -> bool {
    match kind {
        cooked::IPV4 => ipv4::read(packet, data, checksums),
        cooked::IPV6 => ipv6::read(packet, data, checksums),
        // ARP is known, and carries nothing that is read.
        0x0806 => packet.payload = data,
        _ => return false,
    }
    true
}

/// Reads what an IP protocol number announces.
fn transport<'a>(packet: &mut Packet<'a>, protocol: u8, data: &'a [u8], checksums: bool) {
    match protocol {
        6 => tcp::read(packet, data, checksums),
        17 => udp::read(packet, data, checksums),
        1 => icmp::read(packet, data, false, checksums),
        58 => icmp::read(packet, data, true, checksums),
        _ => {}
    }
}

/// Whether packets of a link type can be read.
pub fn is_supported(link_type: u32) -> bool {
    matches!(link_type, 0 | 1 | 9 | 12 | 14 | 50 | 101 | 104 | 108 | 113 | 228 | 229 | 276)
}
