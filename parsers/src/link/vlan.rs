//! VLAN tags (IEEE 802.1Q, 802.1ad), one behind the other.
//!
//! The ids of the first three are kept, as records and rules know no more. Further tags are an anomaly, but they are looked
//! through up to [`LIMIT`], because a switch would.

use super::ether_types::{VLAN, VLAN_SERVICE, VLAN_STACKED};
use super::{Anomalies, Vlans, raise};
use crate::protocol::Anomaly;

/// Whether a tag follows an Ethernet type.
#[inline]
pub fn follows(ether_type: u16) -> bool {
    matches!(ether_type, VLAN | VLAN_SERVICE | VLAN_STACKED)
}

/// Reads all tags behind an Ethernet type and gives the type of what follows them.
pub fn read<'a>(
    mut ether_type: u16,
    mut data: &'a [u8],
    vlans: &mut Vlans,
    anomalies: &mut Anomalies,
) -> Result<(u16, &'a [u8]), Anomaly> {
    for _ in 0..LIMIT {
        if !follows(ether_type) {
            return Ok((ether_type, data));
        }
        let Some((&[t0, t1, k0, k1], rest)) = data.split_first_chunk::<4>() else {
            return Err(Anomaly("decoder.vlan.header_too_small"));
        };
        match vlans.ids.get_mut(usize::from(vlans.count)) {
            Some(id) => {
                *id = u16::from_be_bytes([t0, t1]) & 0x0fff;
                vlans.count += 1;
            }
            None => raise(anomalies, "decoder.vlan.too_many_layers"),
        }
        (ether_type, data) = (u16::from_be_bytes([k0, k1]), rest);
    }
    if follows(ether_type) { Err(Anomaly("decoder.vlan.too_many_layers")) } else { Ok((ether_type, data)) }
}

/// How many tags are looked through.
const LIMIT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(count: u16) -> Vec<u8> {
        (1..=count)
            .flat_map(|id| {
                let next: u16 = if id == count { 0x0800 } else { VLAN };
                let [a, b] = (0xe000 | id).to_be_bytes();
                let [c, d] = next.to_be_bytes();
                [a, b, c, d]
            })
            .collect()
    }

    #[test]
    fn tags_are_looked_through_and_the_outer_three_kept() {
        for (count, kept, odd) in [(1, vec![1], false), (3, vec![1, 2, 3], false), (8, vec![1, 2, 3], true)] {
            let (mut vlans, mut anomalies) = (Vlans::default(), Anomalies::new());
            assert_eq!(read(VLAN_SERVICE, &tags(count), &mut vlans, &mut anomalies), Ok((0x0800, &[][..])));
            assert_eq!((vlans.as_slice(), !anomalies.is_empty()), (&kept[..], odd), "{count} tags");
        }
    }

    #[test]
    fn too_many_and_cut_tags_are_broken() {
        let (mut vlans, mut anomalies) = (Vlans::default(), Anomalies::new());
        let data = tags(9);
        assert_eq!(read(VLAN, &data, &mut vlans, &mut anomalies), Err(Anomaly("decoder.vlan.too_many_layers")));
        let cut = read(VLAN, &[0, 1, 8], &mut Vlans::default(), &mut anomalies);
        assert_eq!(cut, Err(Anomaly("decoder.vlan.header_too_small")));
    }
}
