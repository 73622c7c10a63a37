//! Cisco HDLC: address, control and an Ethernet type.

use super::tags::Follows;
use crate::protocol::Anomaly;

/// Reads the header and gives what follows it.
pub fn read(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    match data.split_first_chunk::<4>() {
        Some((&[_address, _control, k0, k1], rest)) => Ok((Follows::Type(u16::from_be_bytes([k0, k1])), rest)),
        None => Err(Anomaly("decoder.chdlc.pkt_too_small")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_behind_address_and_control() {
        assert_eq!(read(&[0x0f, 0, 8, 0, 1]), Ok((Follows::Type(0x0800), &[1][..])));
        assert_eq!(read(&[0x0f, 0, 8]), Err(Anomaly("decoder.chdlc.pkt_too_small")));
    }
}
