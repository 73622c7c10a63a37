//! Logical link control (IEEE 802.2), the headers behind it that say what follows (SNAP, RFC 1042; network layer identifiers,
//! ISO/IEC TR 9577 and RFC 2427), and frames of which a length stands in the place of an Ethernet type.

use super::ether_types::{ARP, IPV4, IPV6};
use super::ppp;
use super::tags::Follows;

/// The highest number in the place of an Ethernet type that is a length.
pub const LONGEST: u16 = 1500;

/// Reads the header of what a frame of IEEE 802.3 with this length carries; nothing if what follows is not known.
pub fn of_length(length: u16, data: &[u8]) -> Option<(Follows, &[u8])> {
    let is_length = (1..=LONGEST).contains(&length);
    read(data.get(..usize::from(length)).unwrap_or(data)).filter(|_| is_length)
}

/// Reads the header and gives what follows it; nothing if that is not known.
pub fn read(data: &[u8]) -> Option<(Follows, &[u8])> {
    let &[destination, source, control, ref rest @ ..] = data else { return None };
    // Only unnumbered information carries packets; a bit of it asks for an answer.
    if control & !0x10 != UNNUMBERED {
        return None;
    }
    match (destination & !1, source & !1) {
        (SNAP, SNAP) => snap(rest),
        (NETWORK, NETWORK) => identified(rest),
        (INTERNET, INTERNET) => Some((Follows::Type(IPV4), rest)),
        (ADDRESSES, ADDRESSES) => Some((Follows::Type(ARP), rest)),
        _ => None,
    }
}

/// Reads an organisation's number and its own for a protocol.
pub fn snap(data: &[u8]) -> Option<(Follows, &[u8])> {
    let (&[a, b, c, high, low], rest) = data.split_first_chunk::<5>()?;
    match ([a, b, c], u16::from_be_bytes([high, low])) {
        // Ethernet types as they are, and those of bridges to networks that have none (IEEE 802.1H).
        ([0, 0, 0] | [0, 0, 0xf8], ether_type) => Some((Follows::Type(ether_type), rest)),
        // Bridged frames of IEEE 802.3, with and without their check sequence.
        ([0, 0x80, 0xc2], 1 | 7) => Some((Follows::Frame, rest)),
        _ => None,
    }
}

/// Reads a network layer identifier.
pub fn identified(data: &[u8]) -> Option<(Follows, &[u8])> {
    match *data {
        [0xcc, ref rest @ ..] => Some((Follows::Type(IPV4), rest)),
        [0x8e, ref rest @ ..] => Some((Follows::Type(IPV6), rest)),
        [0x80, ref rest @ ..] => snap(rest),
        [0xcf, ref rest @ ..] => ppp::read(rest).ok(),
        _ => None,
    }
}

const UNNUMBERED: u8 = 0x03;
const INTERNET: u8 = 0x06;
const ADDRESSES: u8 = 0x98;
const SNAP: u8 = 0xaa;
const NETWORK: u8 = 0xfe;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_says_what_follows() {
        for (data, expected) in [
            (&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, 9][..], Some(Follows::Type(IPV6))),
            (&[0xab, 0xaa, 0x13, 0, 0, 0xf8, 8, 0, 9], Some(Follows::Type(IPV4))),
            (&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 9], Some(Follows::Frame)),
            (&[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 9], None),
            (&[0xaa, 0xaa, 1, 0, 0, 0, 8, 0, 9], None),
            (&[0xfe, 0xfe, 3, 0xcc, 9], Some(Follows::Type(IPV4))),
            (&[0xfe, 0xfe, 3, 0x80, 0, 0, 0, 8, 6, 9], Some(Follows::Type(ARP))),
            (&[6, 6, 3, 9], Some(Follows::Type(IPV4))),
            (&[0x42, 0x42, 3, 0, 0], None),
            (&[0xaa, 0xaa, 3, 0, 0, 0, 8], None),
        ] {
            assert_eq!(read(data), expected.map(|follows| (follows, &[9][..])), "{data:x?}");
        }
        assert_eq!(of_length(4, &[6, 6, 3, 7, 0, 0]), Some((Follows::Type(IPV4), &[7][..])), "padding is left out");
    }
}
