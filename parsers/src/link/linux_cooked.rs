//! Linux cooked captures, what captures on all interfaces of a Linux host have instead of a link header: version 1 and 2.

use crate::protocol::Anomaly;

/// Reads the header of version 1 and gives the Ethernet type of what follows it.
#[inline]
pub fn read(data: &[u8]) -> Result<(u16, &[u8]), Anomaly> {
    match data.split_first_chunk::<16>() {
        Some((&[.., k0, k1], rest)) => Ok((u16::from_be_bytes([k0, k1]), rest)),
        None => Err(Anomaly("decoder.sll.pkt_too_small")),
    }
}

/// Reads the header of version 2 and gives the Ethernet type of what follows it.
#[inline]
pub fn read_v2(data: &[u8]) -> Result<(u16, &[u8]), Anomaly> {
    match data.split_first_chunk::<20>() {
        Some((&[k0, k1, ..], rest)) => Ok((u16::from_be_bytes([k0, k1]), rest)),
        None => Err(Anomaly("decoder.sll2.pkt_too_small")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_stands_at_the_end_or_at_the_beginning() {
        let mut data = [0; 21];
        (data[14], data[15], data[20]) = (0x86, 0xdd, 7);
        assert_eq!(read(&data), Ok((0x86dd, &data[16..])));
        (data[0], data[1]) = (0x08, 0x00);
        assert_eq!(read_v2(&data), Ok((0x0800, &[7][..])));
        assert_eq!(read(&data[..15]), Err(Anomaly("decoder.sll.pkt_too_small")));
        assert_eq!(read_v2(&data[..19]), Err(Anomaly("decoder.sll2.pkt_too_small")));
    }
}
