//! ICMP (RFC 792, 950, 1256) and ICMPv6 (RFC 4443, 4861, 2710 and later).

use std::net::IpAddr;

use super::ip_protocols::{ICMP, ICMP_V6, SCTP, TCP, UDP};
use super::{Anomalies, Icmp, Ip, Packet, internet_checksum, raise};
use crate::protocol::Anomaly;

/// Reads the ICMP header of what an IPv4 packet carries, as long as its type has it, and gives what follows it.
pub fn read_v4<'a>(
    ip: &Ip<'a>,
    verify_checksum: bool,
    anomalies: &mut Anomalies,
) -> Result<(Icmp<'a>, &'a [u8]), Anomaly> {
    let Some(&[kind, code, _, _, i0, i1, s0, s1]) = ip.payload.first_chunk::<8>() else {
        return Err(Anomaly("decoder.icmpv4.pkt_too_small"));
    };
    let length = match kind {
        // As many entries, of as many words of four octets.
        ROUTER_ADVERTISEMENT => 8 + 4 * usize::from(i0) * usize::from(i1),
        TIMESTAMP | TIMESTAMP_REPLY => 20,
        ADDRESS_MASK | ADDRESS_MASK_REPLY => 12,
        _ => 8,
    };
    if length > ip.payload.len() + ip.missing as usize {
        raise(anomalies, "decoder.icmpv4.pkt_too_small");
    }
    let (header, payload) = ip.payload.split_at_checked(length).unwrap_or((ip.payload, &[]));
    match CODES_V4.iter().find(|(known, _)| *known == kind) {
        None => raise(anomalies, "decoder.icmpv4.unknown_type"),
        Some((_, last)) if code > *last => raise(anomalies, "decoder.icmpv4.unknown_code"),
        // An error carries the beginning of the packet that caused it.
        Some(_) if matches!(kind, 3 | 4 | 5 | 11 | 12) => match payload.first() {
            None => {}
            _ if payload.len() < 20 && ip.missing == 0 => raise(anomalies, "decoder.icmpv4.ipv4_trunc_pkt"),
            Some(version) if version >> 4 != 4 => raise(anomalies, "decoder.icmpv4.ipv4_unknown_ver"),
            _ => {}
        },
        Some(_) => {}
    }
    let numbered = matches!(kind, 0 | 8 | 13..=18);
    let icmp = Icmp {
        kind,
        code,
        id: numbered.then_some(u16::from_be_bytes([i0, i1])),
        sequence: numbered.then_some(u16::from_be_bytes([s0, s1])),
        header,
        checksum_ok: !verify_checksum || ip.missing > 0 || internet_checksum::holds(ip.payload),
    };
    Ok((icmp, payload))
}

/// Reads the ICMPv6 header of what an IPv6 packet carries and gives what follows its eight octets.
pub fn read_v6<'a>(
    ip: &Ip<'a>,
    verify_checksum: bool,
    anomalies: &mut Anomalies,
) -> Result<(Icmp<'a>, &'a [u8]), Anomaly> {
    let Some((header, payload)) = ip.payload.split_at_checked(8) else {
        return Err(Anomaly("decoder.icmpv6.pkt_too_small"));
    };
    let &[kind, code, _, _, i0, i1, s0, s1] = header.first_chunk().unwrap_or(&[0; 8]);
    match kind {
        100 | 101 | 200 | 201 => raise(anomalies, "decoder.icmpv6.experimentation_type"),
        5..=126 | 162..=254 => raise(anomalies, "decoder.icmpv6.unassigned_type"),
        _ => match CODES_V6.iter().find(|(known, _)| *known == kind) {
            None => raise(anomalies, "decoder.icmpv6.unknown_type"),
            Some((_, last)) if code > *last => raise(anomalies, "decoder.icmpv6.unknown_code"),
            Some(_) if kind <= 4 => match payload.first() {
                _ if payload.len() < 40 && ip.missing == 0 => raise(anomalies, "decoder.icmpv6.ipv6_trunc_pkt"),
                Some(version) if version >> 4 != 6 => raise(anomalies, "decoder.icmpv6.ipv6_unknown_version"),
                _ => {}
            },
            Some(_) => {}
        },
    }
    if matches!(kind, 130..=132) && ip.ttl != 1 {
        raise(anomalies, "decoder.icmpv6.mld_message_with_invalid_hl");
    }
    let numbered = matches!(kind, 128 | 129);
    let icmp = Icmp {
        kind,
        code,
        id: numbered.then_some(u16::from_be_bytes([i0, i1])),
        sequence: numbered.then_some(u16::from_be_bytes([s0, s1])),
        header,
        checksum_ok: !verify_checksum || ip.missing > 0 || internet_checksum::holds_over(ip, ICMP_V6, ip.payload),
    };
    Ok((icmp, payload))
}

/// Whether the protocol number is that of ICMP of the IP version.
pub fn follows(ip: &Ip<'_>) -> bool {
    ip.protocol == if ip.source.is_ipv4() { ICMP } else { ICMP_V6 }
}

const ROUTER_ADVERTISEMENT: u8 = 9;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
const ADDRESS_MASK: u8 = 17;
const ADDRESS_MASK_REPLY: u8 = 18;

/// Types of ICMP that are known, and their highest code.
const CODES_V4: [(u8, u8); 15] = [
    (0, 0),
    (3, 15),
    (4, 0),
    (5, 3),
    (8, 0),
    // A router may be one that only Mobile IP uses (RFC 5944).
    (9, 16),
    (10, 0),
    (11, 1),
    (12, 2),
    (13, 0),
    (14, 0),
    (15, 0),
    (16, 0),
    (17, 0),
    (18, 0),
];

/// Types of ICMPv6 that are known, and their highest code.
const CODES_V6: [(u8, u8); 36] = [
    (1, 7),
    (2, 0),
    (3, 1),
    (4, 3),
    (128, 0),
    (129, 0),
    (130, 0),
    (131, 0),
    (132, 0),
    (133, 0),
    (134, 0),
    (135, 0),
    (136, 0),
    (137, 0),
    (138, 255),
    (139, 2),
    (140, 2),
    (141, 0),
    (142, 0),
    (143, 0),
    (144, 0),
    (145, 0),
    (146, 0),
    (147, 0),
    (148, 0),
    (149, 0),
    (150, 255),
    (151, 255),
    (152, 255),
    (153, 255),
    (154, 255),
    (155, 255),
    (157, 255),
    (158, 255),
    (160, 255),
    (161, 255),
];

/// The packet that an error tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it was for.
    pub destination: IpAddr,
    /// IP protocol number: that of TCP, UDP or SCTP.
    pub protocol: u8,
    /// Its ports.
    pub ports: (u16, u16),
}

/// Whether a message is an error: it answers no question, but a packet (RFC 792, RFC 4443 section 2.1).
pub fn is_error(kind: u8, v6: bool) -> bool {
    if v6 { (1..=4).contains(&kind) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// The packet that an error carries the first bytes of, if it had ports.
pub fn cause(packet: &Packet<'_>) -> Option<Cause> {
    let v6 = packet.ip.as_ref()?.source.is_ipv6();
    packet.icmp().filter(|icmp| is_error(icmp.kind, v6))?;
    let inner = packet.payload;
    let (source, destination, protocol, rest): (IpAddr, IpAddr, u8, &[u8]) = if v6 {
        let (fixed, rest) = inner.split_first_chunk::<40>()?;
        let address = |at: usize| <[u8; 16]>::try_from(fixed.get(at..at + 16)?).ok().map(IpAddr::from);
        (*fixed.first()? >> 4 == 6).then_some(())?;
        (address(8)?, address(24)?, *fixed.get(6)?, rest)
    } else {
        let fixed = inner.first_chunk::<20>()?;
        let length = usize::from(fixed.first()? & 15) * 4;
        let address = |at: usize| <[u8; 4]>::try_from(fixed.get(at..at + 4)?).ok().map(IpAddr::from);
        (*fixed.first()? >> 4 == 4 && length >= 20).then_some(())?;
        (address(12)?, address(16)?, *fixed.get(9)?, inner.get(length..)?)
    };
    let &[p0, p1, q0, q1] = rest.first_chunk::<4>()?;
    let ports = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([q0, q1]));
    matches!(protocol, TCP | UDP | SCTP).then_some(Cause { source, destination, protocol, ports })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn ip(source: IpAddr, payload: &[u8]) -> Ip<'_> {
        Ip {
            source,
            destination: source,
            protocol: ICMP,
            ttl: 64,
            tos: 0,
            id: 0,
            fragment: None,
            flags: 0,
            header: &[],
            payload,
            missing: 0,
            detour: false,
            checksum_ok: true,
        }
    }

    #[test]
    fn echoes_have_numbers() {
        let data = [8, 0, 0, 0, 1, 2, 3, 4, 0xaa];
        let (icmp, payload) = read_v4(&ip(Ipv4Addr::LOCALHOST.into(), &data), false, &mut Anomalies::new()).unwrap();
        assert_eq!((icmp.kind, icmp.id, icmp.sequence, payload), (8, Some(0x102), Some(0x304), &[0xaa][..]));
        let data = [1, 0, 0, 0, 1, 2, 3, 4];
        let (icmp, _) = read_v6(&ip(Ipv6Addr::LOCALHOST.into(), &data), false, &mut Anomalies::new()).unwrap();
        assert_eq!((icmp.id, icmp.sequence), (None, None));
    }

    #[test]
    fn headers_are_as_long_as_their_type_has_them() {
        let message = |kind, counts: [u8; 2]| [&[kind, 0, 0, 0][..], &counts, &[0; 30]].concat();
        for (data, length, whole) in [
            (message(8, [1, 2]), 8, true),
            (message(13, [1, 2]), 20, true),
            (message(14, [1, 2]), 20, true),
            (message(17, [1, 2]), 12, true),
            (message(9, [3, 2]), 32, true),
            (message(9, [0, 2]), 8, true),
            (message(9, [4, 2]), 36, false),
        ] {
            let mut anomalies = Anomalies::new();
            let (icmp, payload) = read_v4(&ip(Ipv4Addr::LOCALHOST.into(), &data), false, &mut anomalies).unwrap();
            assert_eq!(
                (icmp.header.len(), payload.len(), anomalies.is_empty()),
                (length, 36 - length, whole),
                "{data:?}"
            );
        }
    }

    #[test]
    fn odd_messages_have_names() {
        let message = |kind, code, rest: &[u8]| [&[kind, code, 0, 0, 0, 0, 0, 0], rest].concat();
        for (v6, data, names) in [
            (false, message(0, 0, &[]), &[][..]),
            (false, message(3, 16, &[0x45; 20]), &["decoder.icmpv4.unknown_code"]),
            (false, message(3, 1, &[0x45; 19]), &["decoder.icmpv4.ipv4_trunc_pkt"]),
            (false, message(11, 1, &[0x65; 20]), &["decoder.icmpv4.ipv4_unknown_ver"]),
            (false, message(99, 0, &[]), &["decoder.icmpv4.unknown_type"]),
            (true, message(135, 0, &[]), &[]),
            (true, message(128, 1, &[]), &["decoder.icmpv6.unknown_code"]),
            (true, message(100, 0, &[]), &["decoder.icmpv6.experimentation_type"]),
            (true, message(70, 0, &[]), &["decoder.icmpv6.unassigned_type"]),
            (true, message(255, 0, &[]), &["decoder.icmpv6.unknown_type"]),
            (true, message(131, 0, &[]), &["decoder.icmpv6.mld_message_with_invalid_hl"]),
            (true, message(3, 0, &[0x60; 39]), &["decoder.icmpv6.ipv6_trunc_pkt"]),
            (true, message(3, 0, &[0x40; 40]), &["decoder.icmpv6.ipv6_unknown_version"]),
        ] {
            let mut anomalies = Anomalies::new();
            let read = if v6 {
                read_v6(&ip(Ipv6Addr::LOCALHOST.into(), &data), false, &mut anomalies)
            } else {
                read_v4(&ip(Ipv4Addr::LOCALHOST.into(), &data), false, &mut anomalies)
            };
            read.unwrap();
            assert_eq!(anomalies.iter().map(|a| a.0).collect::<Vec<_>>(), names, "{data:?}");
        }
    }

    #[test]
    fn short_messages_are_broken() {
        let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        let mut anomalies = Anomalies::new();
        let broken = read_v4(&ip(v4, &[8, 0, 0, 0, 0, 0, 0]), false, &mut anomalies).unwrap_err();
        assert_eq!(broken, Anomaly("decoder.icmpv4.pkt_too_small"));
        let broken = read_v6(&ip(v6, &[]), false, &mut anomalies).unwrap_err();
        assert_eq!(broken, Anomaly("decoder.icmpv6.pkt_too_small"));
    }
}
