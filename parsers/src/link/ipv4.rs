//! IPv4 (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use super::checksum::{fold, sum};
use super::{Fragment, Ip, Packet, transport};
use crate::protocol::Anomaly;

/// Reads an IPv4 header and what it carries.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some(fixed) = data.first_chunk::<20>() else {
        packet.refuse("decoder.ipv4.pkt_too_small");
        return;
    };
    let &[first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = fixed;
    if first >> 4 != 4 {
        packet.refuse("decoder.ipv4.wrong_ip_version");
        return;
    }
    let header_len = usize::from(first & 15) * 4;
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if header_len < 20 {
        packet.refuse("decoder.ipv4.hlen_too_small");
        return;
    }
    if total < header_len {
        packet.refuse("decoder.ipv4.iplen_smaller_than_hlen");
        return;
    }
    let Some(header) = data.get(..header_len) else {
        packet.refuse("decoder.ipv4.trunc_pkt");
        return;
    };
    if data.len() < total {
        packet.refuse("decoder.ipv4.trunc_pkt");
        return;
    }
    options(packet, header.get(20..).unwrap_or(&[]));
    let payload = data.get(header_len..total).unwrap_or(&[]);
    let placement = u16::from_be_bytes([f0, f1]);
    let (more, offset) = (placement & 0x2000 != 0, u32::from(placement & 0x1fff) * 8);
    let fragment = (more || offset > 0).then_some(Fragment { offset, more });
    packet.ip = Some(Ip {
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        protocol,
        ttl,
        tos,
        id: u32::from(u16::from_be_bytes([i0, i1])),
        fragment,
        flags: f0 >> 5,
        header,
        payload,
        checksum_ok: !checksums || fold(sum(header)) == 0xffff,
    });
    packet.payload = payload;
    if fragment.is_none() {
        transport(packet, protocol, payload, checksums);
    }
}

/// Walks the options, to tell broken ones.
fn options(packet: &mut Packet<'_>, mut rest: &[u8]) {
    while let Some((&kind, behind)) = rest.split_first() {
        match kind {
            0 => return,
            1 => rest = behind,
            _ => {
                let Some(&length) = behind.first() else {
                    packet.anomalies.push(Anomaly("decoder.ipv4.opt_invalid_len"));
                    return;
                };
                match rest.get(usize::from(length)..) {
                    Some(next) if length >= 2 => rest = next,
                    _ => {
                        packet.anomalies.push(Anomaly("decoder.ipv4.opt_invalid_len"));
                        return;
                    }
                }
            }
        }
    }
}
