//! Linux cooked captures, what captures on all interfaces of a Linux host have instead of a link header: version 1 and 2.
//!
//! The protocol is an Ethernet type or a number of Linux's own; one of these says that logical link control follows.

use super::tags::Follows;
use crate::protocol::Anomaly;

/// Reads the header of version 1 and gives what follows it.
#[inline]
pub fn read(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    match data.split_first_chunk::<16>() {
        Some((&[.., k0, k1], rest)) => Ok((follows([k0, k1]), rest)),
        None => Err(Anomaly("decoder.sll.pkt_too_small")),
    }
}

/// Reads the header of version 2 and gives what follows it.
#[inline]
pub fn read_v2(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    match data.split_first_chunk::<20>() {
        Some((&[k0, k1, ..], rest)) => Ok((follows([k0, k1]), rest)),
        None => Err(Anomaly("decoder.sll2.pkt_too_small")),
    }
}

fn follows(protocol: [u8; 2]) -> Follows {
    match u16::from_be_bytes(protocol) {
        LLC => Follows::Control,
        ether_type @ 0x600.. => Follows::Type(ether_type),
        _ => Follows::Nothing,
    }
}

const LLC: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_stands_at_the_end_or_at_the_beginning() {
        let mut data = [0; 21];
        (data[14], data[15], data[20]) = (0x86, 0xdd, 7);
        assert_eq!(read(&data), Ok((Follows::Type(0x86dd), &data[16..])));
        (data[14], data[15]) = (0, 4);
        assert_eq!(read(&data), Ok((Follows::Control, &data[16..])));
        (data[0], data[1]) = (0x08, 0x00);
        assert_eq!(read_v2(&data), Ok((Follows::Type(0x0800), &[7][..])));
        assert_eq!(read(&data[..15]), Err(Anomaly("decoder.sll.pkt_too_small")));
        assert_eq!(read_v2(&data[..19]), Err(Anomaly("decoder.sll2.pkt_too_small")));
    }
}
