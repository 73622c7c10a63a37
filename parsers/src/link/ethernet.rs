//! Ethernet II (IEEE 802.3) with its VLAN tags (802.1Q, 802.1ad).

use super::{Ethernet, Packet, network};
use crate::protocol::Anomaly;

/// Tags that are looked through.
const TAG_LIMIT: usize = 3;

/// Reads an Ethernet header and what it carries.
pub(super) fn read<'a>(packet: &mut Packet<'a>, data: &'a [u8], checksums: bool) {
    let Some((&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, k0, k1], rest)) = data.split_first_chunk::<14>() else {
        packet.refuse("decoder.ethernet.pkt_too_small");
        return;
    };
    let kind = u16::from_be_bytes([k0, k1]);
    packet.ethernet = Some(Ethernet { source: [s0, s1, s2, s3, s4, s5], destination: [d0, d1, d2, d3, d4, d5], kind });
    tagged(packet, kind, rest, checksums);
}

/// Looks through VLAN tags, then reads what is behind.
pub(super) fn tagged<'a>(packet: &mut Packet<'a>, mut kind: u16, mut rest: &'a [u8], checksums: bool) {
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
        let Some((&[t0, t1, k0, k1], behind)) = rest.split_first_chunk::<4>() else {
            packet.refuse("decoder.vlan.header_too_small");
            return;
        };
        let count = usize::from(packet.vlans.count);
        match packet.vlans.ids.get_mut(count) {
            Some(id) => *id = u16::from_be_bytes([t0, t1]) & 0x0fff,
            None => {
                packet.refuse("decoder.vlan.too_many_layers");
                return;
            }
        }
        packet.vlans.count += 1;
        debug_assert!(usize::from(packet.vlans.count) <= TAG_LIMIT);
        kind = u16::from_be_bytes([k0, k1]);
        rest = behind;
    }
    if !network(packet, kind, rest, checksums) && kind >= 0x0600 {
        packet.anomalies.push(Anomaly("decoder.ethernet.unknown_ethertype"));
        packet.payload = rest;
    }
}
