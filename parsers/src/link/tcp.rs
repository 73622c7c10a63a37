//! TCP (RFC 9293) and the options that streams and rules use.

use super::{Layer4, Packet, Tcp, TcpOptions, checksum};
use crate::protocol::Anomaly;

/// Reads a TCP header.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some(&[s0, s1, d0, d1, n0, n1, n2, n3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1]) =
        data.first_chunk::<20>()
    else {
        packet.refuse("decoder.tcp.pkt_too_small");
        return;
    };
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 {
        packet.refuse("decoder.tcp.hlen_too_small");
        return;
    }
    let Some((header, payload)) = data.split_at_checked(header_len) else {
        packet.refuse("decoder.tcp.invalid_optlen");
        return;
    };
    let options = options(packet, header.get(20..).unwrap_or(&[]));
    let checksum_ok = !checksums || packet.ip.as_ref().is_none_or(|ip| checksum::transport_ok(ip, 6, data));
    packet.payload = payload;
    packet.layer4 = Layer4::Tcp(Tcp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        urgent: u16::from_be_bytes([u0, u1]),
        header,
        options,
        checksum_ok,
    });
}

fn options(packet: &mut Packet<'_>, mut rest: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    while let Some((&kind, behind)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = behind;
                continue;
            }
            _ => {}
        }
        let length = behind.first().map_or(0, |&l| usize::from(l));
        let Some((option, next)) = rest.split_at_checked(length).filter(|_| length >= 2) else {
            packet.anomalies.push(Anomaly("decoder.tcp.opt_invalid_len"));
            break;
        };
        match *option {
            [2, 4, m0, m1] => options.mss = Some(u16::from_be_bytes([m0, m1])),
            [3, 3, shift] => options.window_scale = Some(shift.min(14)),
            [4, 2] => options.sack_permitted = true,
            [8, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                options.timestamps = Some((u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3])));
            }
            [19 | 29, ..] => options.signed = true,
            _ => {}
        }
        rest = next;
    }
    options
}
