//! The Internet checksum (RFC 1071), with the pseudo headers of IPv4 and IPv6.

use std::net::IpAddr;

use super::Ip;

/// The sum of 16-bit words, not folded.
pub(super) fn sum(data: &[u8]) -> u64 {
    let (pairs, rest) = data.as_chunks::<4>();
    let mut total: u64 = pairs.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let (words, last) = rest.as_chunks::<2>();
    total += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
    if let [odd] = last {
        total += u64::from(*odd) << 8;
    }
    total
}

/// Folds a sum to 16 bits.
pub(super) fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

/// Whether the checksum of a transport segment is right.
pub(super) fn transport_ok(ip: &Ip<'_>, protocol: u8, segment: &[u8]) -> bool {
    let addresses = match (ip.source, ip.destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => sum(&s.octets()) + sum(&d.octets()),
        (IpAddr::V6(s), IpAddr::V6(d)) => sum(&s.octets()) + sum(&d.octets()),
        _ => return true,
    };
    fold(addresses + u64::from(protocol) + segment.len() as u64 + sum(segment)) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_sums_up() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    }
}
