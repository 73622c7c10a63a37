//! ICMP (RFC 792) and ICMPv6 (RFC 4443).

use super::checksum::{fold, sum, transport_ok};
use super::{Icmp, Layer4, Packet};

/// Reads the header of an ICMP message, of version 6 where `v6`.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], v6: bool, checksums: bool) {
    let least = if v6 { 4 } else { 8 };
    let &[kind, code, ..] = data else {
        packet.refuse(if v6 { "decoder.icmpv6.pkt_too_small" } else { "decoder.icmpv4.pkt_too_small" });
        return;
    };
    if data.len() < least {
        packet.refuse(if v6 { "decoder.icmpv6.pkt_too_small" } else { "decoder.icmpv4.pkt_too_small" });
        return;
    }
    let (header, payload) = data.split_at_checked(8).unwrap_or((data, &[]));
    let carries_id = if v6 { matches!(kind, 128 | 129) } else { matches!(kind, 0 | 8 | 13 | 14 | 15 | 16 | 17 | 18) };
    let (id, sequence) = match *header {
        [_, _, _, _, i0, i1, s0, s1] if carries_id => {
            (Some(u16::from_be_bytes([i0, i1])), Some(u16::from_be_bytes([s0, s1])))
        }
        _ => (None, None),
    };
    let checksum_ok = !checksums
        || if v6 { packet.ip.as_ref().is_none_or(|ip| transport_ok(ip, 58, data)) } else { fold(sum(data)) == 0xffff };
    packet.payload = payload;
    packet.layer4 = Layer4::Icmp(Icmp { kind, code, id, sequence, header, checksum_ok });
}
