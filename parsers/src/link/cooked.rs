//! Link headers other than Ethernet: Linux cooked captures (versions 1 and 2), BSD loopback, PPP, Cisco HDLC, raw IP.

use super::{Packet, ethernet, network};

/// EtherType of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub(super) const IPV6: u16 = 0x86dd;

/// LINKTYPE_LINUX_SLL.
pub(super) fn sll<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    match data.split_first_chunk::<16>() {
        Some((header, rest)) => ethernet::tagged(packet, u16::from_be_bytes([header[14], header[15]]), rest, checksums),
        None => packet.refuse("decoder.sll.pkt_too_small"),
    }
}

/// LINKTYPE_LINUX_SLL2.
pub(super) fn sll2<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    match data.split_first_chunk::<20>() {
        Some((header, rest)) => ethernet::tagged(packet, u16::from_be_bytes([header[0], header[1]]), rest, checksums),
        None => packet.refuse("decoder.sll2.pkt_too_small"),
    }
}

/// LINKTYPE_NULL and LINKTYPE_LOOP: an address family, in the byte order of the capturing host or of the network.
pub(super) fn null<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some((&family, rest)) = data.split_first_chunk::<4>() else {
        packet.refuse("decoder.ltnull.pkt_too_small");
        return;
    };
    let family = match family {
        [f, 0, 0, 0] | [0, 0, 0, f] => f,
        _ => 0,
    };
    match family {
        2 => drop(network(packet, IPV4, rest, checksums)),
        10 | 24 | 28 | 30 => drop(network(packet, IPV6, rest, checksums)),
        _ => packet.refuse("decoder.ltnull.unsupported_type"),
    }
}

/// LINKTYPE_RAW and its kin: an IP header without anything before it.
pub(super) fn raw<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    match data.first().map(|first| first >> 4) {
        Some(4) => drop(network(packet, IPV4, data, checksums)),
        Some(6) => drop(network(packet, IPV6, data, checksums)),
        _ => packet.refuse("decoder.ipraw.invalid_ip_version"),
    }
}

/// LINKTYPE_PPP, with or without the HDLC address and control bytes.
pub(super) fn ppp<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    let (protocol, rest) = match *data {
        [first, ref rest @ ..] if first & 1 == 1 => (u16::from(first), rest),
        [p0, p1, ref rest @ ..] => (u16::from_be_bytes([p0, p1]), rest),
        _ => {
            packet.refuse("decoder.ppp.pkt_too_small");
            return;
        }
    };
    match protocol {
        0x21 => drop(network(packet, IPV4, rest, checksums)),
        0x57 => drop(network(packet, IPV6, rest, checksums)),
        _ => packet.refuse("decoder.ppp.unsup_proto"),
    }
}

/// LINKTYPE_C_HDLC.
pub(super) fn hdlc<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    match *data {
        [_, _, k0, k1, ref rest @ ..] => ethernet::tagged(packet, u16::from_be_bytes([k0, k1]), rest, checksums),
        _ => packet.refuse("decoder.chdlc.pkt_too_small"),
    }
}
