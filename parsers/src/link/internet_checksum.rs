//! The Internet checksum (RFC 1071), and the pseudo headers that it covers (RFC 9293, 8200).

use std::net::IpAddr;

use super::Ip;

/// Whether the ones' complement sum over a header, its checksum included, is what it has to be.
#[inline]
pub fn holds(data: &[u8]) -> bool {
    fold(sum(data)) == 0xffff
}

/// What has to stand in the checksum field of a header in which it is 0.
pub fn of(data: &[u8]) -> [u8; 2] {
    // The words were added in the order of the machine.
    let folded = u16::try_from(fold(sum(data))).unwrap_or(u16::MAX);
    (!folded).to_ne_bytes()
}

/// The same for what IP carries, with the pseudo header of its addresses, `protocol` and length.
pub fn holds_over(ip: &Ip<'_>, protocol: u8, data: &[u8]) -> bool {
    pseudo_sum(ip, protocol, data).is_some_and(|pseudo| fold(sum(data) + pseudo) == 0xffff)
}

/// Whether a checksum is the sum of the pseudo header alone: what a host leaves there for its network card to go on with. Of a segment
/// that the card is to cut up, the length is left to it as well.
pub fn is_unfinished(ip: &Ip<'_>, protocol: u8, data: &[u8], checksum: [u8; 2]) -> bool {
    [data, &[]].into_iter().any(|counted| {
        pseudo_sum(ip, protocol, counted).is_some_and(|pseudo| fold(pseudo) == u64::from(u16::from_ne_bytes(checksum)))
    })
}

fn pseudo_sum(ip: &Ip<'_>, protocol: u8, data: &[u8]) -> Option<u64> {
    let addresses = match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum(&source.octets()) + sum(&destination.octets()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => sum(&source.octets()) + sum(&destination.octets()),
        _ => return None,
    };
    let length = (data.len() as u64).to_be_bytes();
    Some(addresses + sum(&length) + sum(&[0, protocol]))
}

/// The sum of the 32-bit words in the order of the machine: the sum of ones' complement does not mind the order of octets,
/// and 64 bits do not overflow before 16 GiB.
#[inline]
fn sum(data: &[u8]) -> u64 {
    let (words, rest) = data.as_chunks::<4>();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>() + u64::from(u32::from_ne_bytes(last))
}

/// The sum as 16 bits, with the carries added in.
#[inline]
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_until_a_bit_flips() {
        let header = [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert!(holds(&header));
        for bit in 0..header.len() * 8 {
            let mut broken = header;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&broken), "bit {bit}");
        }
    }

    #[test]
    fn odd_lengths_are_filled_with_zero() {
        assert_eq!(sum(&[1, 2, 3, 4, 5]), sum(&[1, 2, 3, 4, 5, 0, 0, 0]));
    }
}
