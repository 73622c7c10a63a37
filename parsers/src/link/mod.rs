//! The lower layers: one header, one file.
//!
//! [`Packet`] is what decoding leaves of a captured packet: borrowed bytes and the facts that flows, records and rules need.
//! It never owns bytes and never allocates for a well-formed packet.
//!
//! Every file reads the header that it is named after, in the same way: `read` takes the bytes from the header on and gives
//! the header and what follows it, or the [`Anomaly`] of a header that is broken, after which nothing can be read. What is
//! odd in a header that can be read all the same goes to the packet's [`Anomalies`].

pub mod aggregate;
pub mod arp;
pub mod cisco_hdlc;
mod decode;
pub mod docsis;
pub mod ethernet;
pub mod events;
pub mod fragments;
pub mod frame_relay;
pub mod gre;
pub mod icmp;
pub mod igmp;
pub mod internet_checksum;
pub mod ipv4;
pub mod ipv4_options;
pub mod ipv6;
pub mod ipv6_extensions;
mod link_types;
pub mod linux_cooked;
pub mod llc;
pub mod nflog;
pub mod null;
pub mod ppp;
pub mod sctp;
pub mod tags;
pub mod tcp;
pub mod tunnel;
pub mod tunnel_ports;
pub mod udp;
pub mod vlan;
pub mod wireless;

pub use aggregate::{Aggregate, Beside};
pub use decode::{How, is_plain, is_supported, name};

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
    /// Octets of the payload that were not captured.
    pub missing: u32,
    /// It has a source route, or a routing header that names further places to go to: hosts drop it unless told otherwise.
    pub detour: bool,
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

/// Ethernet types of what a link carries.
pub mod ether_types {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// Address resolution.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// Logical link control, where a frame has no length in the place of a type (IEEE 802.1AC).
    pub const LLC: u16 = 0x8870;
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// A service VLAN tag (IEEE 802.1ad).
    pub const VLAN_SERVICE: u16 = 0x88a8;
    /// A VLAN tag as some stacked it before there was a standard.
    pub const VLAN_STACKED: u16 = 0x9100;
}

/// IP protocol numbers that are looked into.
pub mod ip_protocols {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// Internet Group Management Protocol.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Encapsulating security payload.
    pub const ESP: u8 = 50;
    /// Authentication header.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMP_V6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
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
    /// The whole header with its options, as far as it was captured.
    pub header: &'a [u8],
    /// Octets behind it that were not captured.
    pub missing: u32,
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
    /// A cookie with which a server takes data on a SYN (RFC 7413).
    pub fast_open: bool,
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
    /// Group management.
    Igmp(igmp::Igmp<'a>),
    /// SCTP.
    Sctp(sctp::Sctp<'a>),
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
    /// The header, as long as its type has it.
    pub header: &'a [u8],
    /// Whether the checksum is right.
    pub checksum_ok: bool,
}

/// Headers that are counted by their presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Linux cooked capture.
    Sll,
    /// Linux cooked capture, version 2.
    Sll2,
    /// Raw IP.
    Raw,
    /// BSD loopback.
    Null,
    /// PPP.
    Ppp,
    /// Cisco HDLC.
    Chdlc,
    /// Address resolution.
    Arp,
    /// MPLS labels.
    Mpls,
    /// PPP over Ethernet.
    Pppoe,
    /// Provider backbone.
    Ieee8021ah,
    /// Bridge port extension.
    Etag,
    /// Virtual network tag.
    Vntag,
    /// Network service header.
    Nsh,
    /// Generic routing encapsulation.
    Gre,
    /// Encapsulating security payload.
    Esp,
    /// SCTP.
    Sctp,
    /// Group management.
    Igmp,
}

impl Header {
    /// All of them, by their names in counters.
    pub const ALL: [(Header, &'static str); 17] = [
        (Header::Sll, "sll"),
        (Header::Sll2, "sll2"),
        (Header::Raw, "raw"),
        (Header::Null, "null"),
        (Header::Ppp, "ppp"),
        (Header::Chdlc, "chdlc"),
        (Header::Arp, "arp"),
        (Header::Mpls, "mpls"),
        (Header::Pppoe, "pppoe"),
        (Header::Ieee8021ah, "ieee8021ah"),
        (Header::Etag, "etag"),
        (Header::Vntag, "vntag"),
        (Header::Nsh, "nsh"),
        (Header::Gre, "gre"),
        (Header::Esp, "esp"),
        (Header::Sctp, "sctp"),
        (Header::Igmp, "igmp"),
    ];
}

/// What was odd or wrong in a packet's headers.
pub type Anomalies = SmallVec<[Anomaly; 4]>;

/// Adds an anomaly, which may be there already; the first [`ANOMALY_LIMIT`] of a packet are kept.
#[cold]
pub fn raise(anomalies: &mut Anomalies, name: &'static str) {
    if anomalies.len() < ANOMALY_LIMIT {
        anomalies.push(Anomaly(name));
    }
}

/// Anomalies that are kept of a packet.
pub const ANOMALY_LIMIT: usize = 15;

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
    /// The interface that it was captured on, from 0.
    pub interface: u16,
    /// Whose network it is from: the number of a tenant, 0 where it is nobody's.
    pub tenant: u32,
    /// VLAN tags.
    pub vlans: Vlans,
    /// What follows the link headers and VLAN tags, as an Ethernet type ([`ether_types`]); 0 if that is not known.
    pub ether_type: u16,
    /// The IP header, if one could be read.
    pub ip: Option<Ip<'a>>,
    /// What is above IP.
    pub layer4: Layer4<'a>,
    /// What follows the last decoded header.
    pub payload: &'a [u8],
    /// What was wrong with it, such as `decoder.ipv4.trunc_pkt`.
    pub anomalies: Anomalies,
    /// A header was broken: the packet has no flow and is counted as invalid.
    pub invalid: bool,
    /// It stands for a datagram that never became whole, and is no packet of its own.
    pub incomplete: bool,
    /// Octets at its end that were not captured.
    pub cut: u32,
    /// Headers that it has, a bit for each [`Header`].
    pub headers: u32,
    /// In how many other packets it came.
    pub depth: u8,
    /// How often it, or a packet around it, was put together from pieces; 0 as captured.
    pub joined: u8,
    /// A packet that it carries, which is one of its own: see [`Packet::decode_inner`].
    pub inner: Option<tunnel::Inner<'a>>,
    /// Packets beside it in the same frame.
    pub beside: Option<Beside<'a>>,
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
            interface: 0,
            tenant: 0,
            vlans: Vlans::default(),
            ether_type: 0,
            ip: None,
            layer4: Layer4::None,
            payload: &[],
            anomalies: Anomalies::new(),
            invalid: false,
            incomplete: false,
            cut: wire_len.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            headers: 0,
            depth: 0,
            joined: 0,
            inner: None,
            beside: None,
        }
    }

    /// Notes that it has a header.
    pub fn note(&mut self, header: Header) {
        self.headers |= 1 << header as u32;
    }

    /// Whether it has a header.
    pub fn has(&self, header: Header) -> bool {
        self.headers & 1 << header as u32 != 0
    }

    /// Whether its receiver drops it before looking at what IP carries.
    pub fn is_dropped(&self) -> bool {
        self.ip.as_ref().is_some_and(|ip| ip.detour || !ip.checksum_ok)
    }

    /// Whether it has a transport header, and the checksum in it is right.
    pub fn has_right_checksum(&self) -> bool {
        match &self.layer4 {
            Layer4::None | Layer4::Igmp(_) | Layer4::Sctp(..) => false,
            Layer4::Tcp(tcp) => tcp.checksum_ok,
            Layer4::Udp(udp) => udp.checksum_ok,
            Layer4::Icmp(icmp) => icmp.checksum_ok,
        }
    }

    /// Whether it has a checksum of TCP or UDP.
    pub fn has_transport_sum(&self) -> bool {
        matches!(self.layer4, Layer4::Tcp(_) | Layer4::Udp(_))
    }

    /// Takes a checksum of TCP or UDP for right; whether it has one.
    pub fn accept_checksum(&mut self) -> bool {
        match &mut self.layer4 {
            Layer4::Tcp(tcp) => tcp.checksum_ok = true,
            Layer4::Udp(udp) => udp.checksum_ok = true,
            _ => return false,
        }
        true
    }

    /// Takes the checksum of an IPv4 header for right, if the header is one for which that is so; whether it is right now.
    pub fn accept_header_checksum(&mut self, is_excused: impl FnOnce(&[u8]) -> bool) -> bool {
        let Some(ip) = &mut self.ip else { return true };
        ip.checksum_ok = ip.checksum_ok || is_excused(ip.header);
        ip.checksum_ok
    }

    /// Whether its checksum of TCP or UDP is wrong, and is what a host leaves for its network card to finish.
    pub fn has_unfinished_checksum(&self) -> bool {
        let Some(ip) = &self.ip else { return false };
        let (is_right, protocol, data, at) = match &self.layer4 {
            Layer4::Tcp(tcp) => (tcp.checksum_ok, ip_protocols::TCP, ip.payload, 16),
            Layer4::Udp(udp) => {
                let len = udp.header.len() + self.payload.len();
                (udp.checksum_ok, ip_protocols::UDP, ip.payload.get(..len).unwrap_or(&[]), 6)
            }
            _ => return false,
        };
        let field = data.get(at..).and_then(|rest| rest.first_chunk::<2>());
        !is_right && field.is_some_and(|sum| internet_checksum::is_unfinished(ip, protocol, data, *sum))
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

    /// The SCTP header and chunks.
    pub fn sctp(&self) -> Option<&sctp::Sctp<'a>> {
        match &self.layer4 {
            Layer4::Sctp(sctp) => Some(sctp),
            _ => None,
        }
    }

    /// Whether it has ports.
    pub fn has_ports(&self) -> bool {
        matches!(self.layer4, Layer4::Tcp(_) | Layer4::Udp(_) | Layer4::Sctp(..))
    }

    /// Source and destination port of TCP, UDP and SCTP; (0, 0) for others.
    pub fn ports(&self) -> (u16, u16) {
        match &self.layer4 {
            Layer4::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
            Layer4::Udp(udp) => (udp.source_port, udp.destination_port),
            Layer4::Sctp(sctp) => (sctp.source_port, sctp.destination_port),
            _ => (0, 0),
        }
    }
}
