//! UDP (RFC 768).

use super::{Layer4, Packet, Udp, checksum};

/// Reads a UDP header.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some((&[s0, s1, d0, d1, l0, l1, c0, c1], _)) = data.split_first_chunk::<8>() else {
        packet.refuse("decoder.udp.pkt_too_small");
        return;
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length < 8 || length > data.len() {
        packet.refuse(if length < 8 { "decoder.udp.len_invalid" } else { "decoder.udp.hlen_invalid" });
        return;
    }
    let Some((header, payload)) = data.get(..length).and_then(|d| d.split_at_checked(8)) else { return };
    let unused = [c0, c1] == [0, 0];
    let checksum_ok = !checksums
        || unused
        || packet.ip.as_ref().is_none_or(|ip| checksum::transport_ok(ip, 17, data.get(..length).unwrap_or(data)));
    packet.payload = payload;
    packet.layer4 = Layer4::Udp(Udp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        header,
        checksum_ok,
    });
}
