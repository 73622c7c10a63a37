//! The BSD loopback encapsulation: an address family in the byte order of the machine that captured.

use super::ether_types::{IPV4, IPV6};
use super::{Anomalies, raise};
use crate::protocol::Anomaly;

/// Reads the header and gives the Ethernet type of what follows it, 0 for a family that is not IP.
pub fn read<'a>(data: &'a [u8], anomalies: &mut Anomalies) -> Result<(u16, &'a [u8]), Anomaly> {
    let Some((family, rest)) = data.split_first_chunk::<4>() else {
        return Err(Anomaly("decoder.ltnull.pkt_too_small"));
    };
    // A family is a small number, so that in the wrong byte order it is none.
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    let ether_type = match family {
        2 => IPV4,
        // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => IPV6,
        _ => {
            raise(anomalies, "decoder.ltnull.unsupported_type");
            0
        }
    };
    Ok((ether_type, rest))
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
            assert_eq!(read(&data, &mut anomalies), Ok((expected, &[9][..])));
        }
        assert!(anomalies.is_empty());
        assert_eq!(read(&[7, 0, 0, 0], &mut anomalies), Ok((0, &[][..])));
        assert_eq!(anomalies[..], [Anomaly("decoder.ltnull.unsupported_type")]);
        assert_eq!(read(&[2, 0, 0], &mut anomalies), Err(Anomaly("decoder.ltnull.pkt_too_small")));
    }
}
