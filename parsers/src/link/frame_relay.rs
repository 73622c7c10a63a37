//! Frame relay (ITU-T Q.922, RFC 2427), also as Cisco's routers write it.

use super::llc;
use super::tags::Follows;

/// Reads the address and what says what follows; nothing if that is not known.
pub fn read(data: &[u8]) -> Option<(Follows, &[u8])> {
    // The last octet of an address is odd.
    let length = 1 + data.iter().take(ADDRESS_LIMIT).position(|octet| octet & 1 == 1)?;
    match data.get(length..)? {
        // A zero makes the length even.
        [UNNUMBERED, 0, rest @ ..] | [UNNUMBERED, rest @ ..] => llc::identified(rest),
        &[high, low, ref rest @ ..] => Some((Follows::Type(u16::from_be_bytes([high, low])), rest)),
        _ => None,
    }
}

const UNNUMBERED: u8 = 0x03;
const ADDRESS_LIMIT: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::ether_types::{IPV4, IPV6};
    use super::*;

    #[test]
    fn addresses_have_two_to_four_octets() {
        for (data, expected) in [
            (&[0x18, 0x41, 3, 0xcc, 9][..], Some(Follows::Type(IPV4))),
            (&[0x18, 0x40, 0x41, 3, 0, 0x80, 0, 0, 0, 0x86, 0xdd, 9], Some(Follows::Type(IPV6))),
            (&[0x18, 0x40, 0x40, 0x41, 3, 0x80, 0, 0x80, 0xc2, 0, 7, 9], Some(Follows::Frame)),
            (&[0x18, 0x41, 8, 0, 9], Some(Follows::Type(IPV4))),
            (&[0x18, 0x41, 3, 8, 9], None),
            (&[0x18, 0x40, 0x40, 0x40, 0x41], None),
        ] {
            assert_eq!(read(data), expected.map(|follows| (follows, &[9][..])), "{data:x?}");
        }
    }
}
