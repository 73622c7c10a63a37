//! What the firewall of Linux logs (nfnetlink_log): a family, and attributes of which one is the packet.

use super::null;
use super::tags::Follows;

/// Finds the packet; nothing if there is none, or what it is is not known.
pub fn read(data: &[u8]) -> Option<(Follows, &[u8])> {
    let (&[family, version, ..], mut rest) = data.split_first_chunk::<4>()?;
    if version != 0 {
        return None;
    }
    let mut ether_type = null::ip_of_family(family.into());
    // Attributes are in the byte order of the machine that captured. The length of the first one is a small number.
    let &[low, high] = rest.first_chunk::<2>()?;
    let little = u16::from_le_bytes([low, high]) <= u16::from_be_bytes([low, high]);
    let number = |octets| if little { u16::from_le_bytes(octets) } else { u16::from_be_bytes(octets) };
    while let Some(&[l0, l1, k0, k1]) = rest.first_chunk::<4>() {
        let length = usize::from(number([l0, l1]));
        // What is cut off is the end of the packet, which is the last attribute.
        let value = rest.get(4..length.max(4).min(rest.len()))?;
        match (number([k0, k1]), value) {
            (PACKET_HEADER, &[high, low, ..]) if [high, low] != [0, 0] => {
                ether_type = Some(u16::from_be_bytes([high, low]));
            }
            (PAYLOAD, payload) => return Some((Follows::Type(ether_type?), payload)),
            _ => {}
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

/// Attributes: its value begins with the Ethernet type, in network order.
const PACKET_HEADER: u16 = 1;
const PAYLOAD: u16 = 9;

#[cfg(test)]
mod tests {
    use super::super::ether_types::{ARP, IPV4, IPV6};
    use super::*;

    #[test]
    fn the_packet_is_one_of_the_attributes() {
        let prefix = [5, 0, 10, 0, 0, 0, 0, 0];
        for (data, expected) in [
            ([&[2, 0, 0, 0][..], &prefix, &[5, 0, 9, 0, 7]].concat(), Some(IPV4)),
            ([&[10, 0, 0, 0][..], &[0, 8, 0, 1, 0, 0, 0, 0, 0, 5, 0, 9, 7]].concat(), Some(IPV6)),
            ([&[7, 0, 0, 0][..], &[8, 0, 1, 0, 8, 6, 0, 0], &[9, 0, 9, 0, 7]].concat(), Some(ARP)),
            ([&[2, 1, 0, 0][..], &[5, 0, 9, 0, 7]].concat(), None),
            ([&[2, 0, 0, 0][..], &prefix].concat(), None),
            ([&[2, 0, 0, 0][..], &[0; 8], &[5, 0, 9, 0, 7]].concat(), Some(IPV4)),
        ] {
            assert_eq!(read(&data), expected.map(|kind| (Follows::Type(kind), &[7][..])), "{data:?}");
        }
    }
}
