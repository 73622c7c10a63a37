//! IPv6 (RFC 8200) with its extension headers.

use std::net::{IpAddr, Ipv6Addr};

use super::{Fragment, Ip, Packet, transport};
use crate::protocol::Anomaly;

/// Extension headers that are looked through.
const EXTENSION_LIMIT: usize = 16;

/// Reads an IPv6 header, its extensions and what it carries.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some(fixed) = data.first_chunk::<40>() else {
        packet.refuse("decoder.ipv6.pkt_too_small");
        return;
    };
    let &[v0, v1, _, _, l0, l1, next, hops, ..] = fixed;
    if v0 >> 4 != 6 {
        packet.refuse("decoder.ipv6.wrong_ip_version");
        return;
    }
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    let Some(body) = data.get(40..40 + total) else {
        packet.refuse("decoder.ipv6.trunc_pkt");
        return;
    };
    let (Some(source), Some(destination)) = (address(fixed, 8), address(fixed, 24)) else { return };
    let mut ip = Ip {
        source,
        destination,
        protocol: next,
        ttl: hops,
        tos: v0 << 4 | v1 >> 4,
        id: 0,
        fragment: None,
        flags: 0,
        header: data.get(..40).unwrap_or(&[]),
        payload: body,
        checksum_ok: true,
    };
    let mut rest = body;
    let mut fits = true;
    for _ in 0..EXTENSION_LIMIT {
        let (length, kind) = match (ip.protocol, rest) {
            (0 | 43 | 60, [kind, length, ..]) => ((usize::from(*length) + 1) * 8, *kind),
            (51, [kind, length, ..]) => ((usize::from(*length) + 2) * 4, *kind),
            (44, [kind, _, o0, o1, i0, i1, i2, i3, ..]) => {
                let placement = u16::from_be_bytes([*o0, *o1]);
                let (more, offset) = (placement & 1 != 0, u32::from(placement & 0xfff8));
                ip.id = u32::from_be_bytes([*i0, *i1, *i2, *i3]);
                if more || offset > 0 {
                    ip.fragment = Some(Fragment { offset, more });
                }
                (8, *kind)
            }
            (0 | 43 | 44 | 51 | 60, _) => {
                fits = false;
                break;
            }
            _ => break,
        };
        let Some(behind) = rest.get(length..) else {
            fits = false;
            break;
        };
        ip.protocol = kind;
        rest = behind;
        if ip.fragment.is_some() {
            break;
        }
    }
    ip.payload = rest;
    ip.header = data.get(..data.len().min(40 + total - rest.len())).unwrap_or(&[]);
    let (protocol, whole) = (ip.protocol, ip.fragment.is_none());
    packet.ip = Some(ip);
    packet.payload = rest;
    if !fits {
        packet.anomalies.push(Anomaly("decoder.ipv6.trunc_exthdr"));
        packet.invalid = true;
    } else if whole {
        transport(packet, protocol, rest, checksums);
    }
}

fn address(header: &[u8; 40], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = *header.get(at..)?.first_chunk()?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}
