//! The BSD loopback encapsulation: an address family in the byte order of the machine that captured. Some interfaces write an
//! Ethernet type or a header of PPP in its place.

use super::ether_types::{IPV4, IPV6};
use super::tags::Follows;
use super::{Anomalies, ppp, raise};
use crate::protocol::Anomaly;

/// Reads the header and gives what follows it.
pub fn read<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<(Follows, &'a [u8]), Anomaly> {
    let Some((header, rest)) = data.split_first_chunk::<4>() else {
        return Err(Anomaly("decoder.ltnull.pkt_too_small"));
    };
    if let [0xff, 0x03, ..] = header {
        return ppp::read(data);
    }
    let family = family(*header);
    let follows = match (ip_of_family(family), u16::try_from(family)) {
        (Some(ether_type), _) => Follows::Type(ether_type),
        (None, Ok(ether_type @ 0x600..)) => Follows::Type(ether_type),
        _ => {
            raise(anomalies, "decoder.ltnull.unsupported_type");
            Follows::Nothing
        }
    };
    Ok((follows, rest))
}

/// An address family in either byte order: it is a small number, so that in the wrong one it is none.
pub fn family(header: [u8; 4]) -> u32 {
    u32::from_be_bytes(header).min(u32::from_le_bytes(header))
}

/// The Ethernet type of the version of IP that an address family means on one of the systems.
pub fn ip_of_family(family: u32) -> Option<u16> {
    match family {
        2 => Some(IPV4),
        // Linux; NetBSD and OpenBSD; Solaris; FreeBSD; Darwin.
        10 | 24 | 26 | 28 | 30 => Some(IPV6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_in_either_byte_order() {
        let mut anomalies = Anomalies::new();
        for (data, expected) in
            [([2, 0, 0, 0, 9], IPV4), ([0, 0, 0, 2, 9], IPV4), ([30, 0, 0, 0, 9], IPV6), ([0, 0, 0, 24, 9], IPV6)]
        {
            assert_eq!(read(&data, &mut anomalies), Ok((Follows::Type(expected), &[9][..])));
        }
        let ip = [[0x45; 20]; 1].concat();
        for (header, ether_type) in [([0, 8, 0, 0], IPV4), ([0, 0, 0x86, 0xdd], IPV6), ([0xff, 3, 0, 0x21], IPV4)] {
            let data = [&header[..], &ip].concat();
            assert_eq!(read(&data, &mut anomalies), Ok((Follows::Type(ether_type), &ip[..])), "{header:x?}");
        }
        assert!(anomalies.is_empty());
        assert_eq!(read(&[7, 0, 0, 0], &mut anomalies), Ok((Follows::Nothing, &[][..])));
        assert_eq!(anomalies[..], [Anomaly("decoder.ltnull.unsupported_type")]);
        assert_eq!(read(&[2, 0, 0], &mut anomalies), Err(Anomaly("decoder.ltnull.pkt_too_small")));
    }
}
