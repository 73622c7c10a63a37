//! Ethernet II (IEEE 802.3, clause 3): two addresses and the type of what follows.

use super::Ethernet;
use crate::protocol::Anomaly;

/// Reads the header and gives what follows it.
#[inline]
pub fn read(data: &[u8]) -> Result<(Ethernet, &[u8]), Anomaly> {
    let Some((&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, k0, k1], rest)) = data.split_first_chunk::<14>() else {
        return Err(Anomaly("decoder.ethernet.pkt_too_small"));
    };
    let header = Ethernet {
        source: [s0, s1, s2, s3, s4, s5],
        destination: [d0, d1, d2, d3, d4, d5],
        kind: u16::from_be_bytes([k0, k1]),
    };
    Ok((header, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_comes_first() {
        let data = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x06, 99];
        let (header, rest) = read(&data).unwrap();
        assert_eq!(header.destination, [1, 2, 3, 4, 5, 6]);
        assert_eq!(header.source, [7, 8, 9, 10, 11, 12]);
        assert_eq!((header.kind, rest), (0x0806, &[99][..]));
        assert_eq!(read(&data[..13]).unwrap_err(), Anomaly("decoder.ethernet.pkt_too_small"));
    }
}
