//! The Point-to-Point Protocol (RFC 1661) in HDLC-like framing (RFC 1662).
//!
//! Address and control may be left out, and the upper octet of a protocol number below 256 too.

use super::cisco_hdlc;
use super::ether_types::{IPV4, IPV6};
use super::tags::{Follows, MPLS_MULTICAST, MPLS_UNICAST};
use crate::protocol::Anomaly;

/// Reads a frame of a serial line, which may be one of Cisco's framing as well (RFC 1547, 4.3.1).
pub fn read_serial(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    if let [CISCO_UNICAST | CISCO_MULTICAST, 0, ..] = data { cisco_hdlc::read(data) } else { read(data) }
}

/// Reads the header and gives what follows it.
pub fn read(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    if data.len() < 4 {
        return Err(Anomaly("decoder.ppp.pkt_too_small"));
    }
    let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
    let (protocol, rest) = match *data {
        // Only the last octet of a protocol number is odd.
        [low, ref rest @ ..] if low & 1 == 1 => (u16::from(low), rest),
        [high, low, ref rest @ ..] => (u16::from_be_bytes([high, low]), rest),
        _ => return Err(Anomaly("decoder.ppp.pkt_too_small")),
    };
    match protocol {
        IP if rest.len() < 20 => Err(Anomaly("decoder.ppp.ip4_pkt_too_small")),
        UNCOMPRESSED_TCP if rest.len() < 20 => Err(Anomaly("decoder.ppp.vju_pkt_too_small")),
        IP_V6 if rest.len() < 40 => Err(Anomaly("decoder.ppp.ip6_pkt_too_small")),
        IP | UNCOMPRESSED_TCP => Ok((Follows::Type(IPV4), rest)),
        IP_V6 => Ok((Follows::Type(IPV6), rest)),
        MPLS => Ok((Follows::Type(MPLS_UNICAST), rest)),
        MPLS_TO_SEVERAL => Ok((Follows::Type(MPLS_MULTICAST), rest)),
        BRIDGED => bridged(rest),
        _ if UNSUPPORTED.contains(&protocol) => Err(Anomaly("decoder.ppp.unsup_proto")),
        _ => Err(Anomaly("decoder.ppp.wrong_type")),
    }
}

/// A frame of another network (RFC 3518, 4.2): flags, with how much it was filled up, and the kind of network.
fn bridged(data: &[u8]) -> Result<(Follows, &[u8]), Anomaly> {
    match data {
        [flags, ETHERNET, frame @ ..] if flags & LAN_ID == 0 => Ok((Follows::Frame, frame)),
        [flags, ETHERNET, _, _, _, _, frame @ ..] if flags & LAN_ID != 0 => Ok((Follows::Frame, frame)),
        _ => Err(Anomaly("decoder.ppp.unsup_proto")),
    }
}

const LAN_ID: u8 = 0x40;
const ETHERNET: u8 = 1;
const CISCO_UNICAST: u8 = 0x0f;
const CISCO_MULTICAST: u8 = 0x8f;
const MPLS: u16 = 0x0281;
const MPLS_TO_SEVERAL: u16 = 0x0283;
const BRIDGED: u16 = 0x0031;
const IP: u16 = 0x0021;
const UNCOMPRESSED_TCP: u16 = 0x002f;
const IP_V6: u16 = 0x0057;
/// Protocols that are assigned: other networks, compressed TCP, several links, and the control protocols.
const UNSUPPORTED: [u16; 22] = [
    0x0023, 0x0025, 0x0027, 0x0029, 0x002b, 0x002d, 0x0033, 0x0035, 0x003d, 0x00fd, 0x8021, 0x8023, 0x8025, 0x8027,
    0x8029, 0x802b, 0x8057, 0x80fd, 0xc021, 0xc023, 0xc025, 0xc223,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_compressed() {
        let body = [0x45; 40];
        let with = |header: &[u8]| [header, &body].concat();
        let ip = |ether_type| Ok(Follows::Type(ether_type));
        for (header, expected) in [
            (&[0xff, 3, 0, 0x21][..], ip(IPV4)),
            (&[0xff, 3, 0x21], ip(IPV4)),
            (&[0, 0x57], ip(IPV6)),
            (&[0x2f], ip(IPV4)),
            (&[0xff, 3, 2, 0x81], ip(MPLS_UNICAST)),
            (&[2, 0x83], ip(MPLS_MULTICAST)),
            (&[0, 0x31, 0, 1], Ok(Follows::Frame)),
            (&[0, 0x31, 0x40, 1, 0, 0, 0, 9], Ok(Follows::Frame)),
            (&[0x0f, 0, 8, 0], ip(IPV4)),
            (&[0x8f, 0, 0x86, 0xdd], ip(IPV6)),
            (&[0xff, 3, 0xc0, 0x21], Err(Anomaly("decoder.ppp.unsup_proto"))),
            (&[0xff, 3, 0xee, 0x21], Err(Anomaly("decoder.ppp.wrong_type"))),
        ] {
            let data = with(header);
            assert_eq!(read_serial(&data), expected.map(|follows| (follows, &body[..])), "{header:x?}");
        }
    }

    #[test]
    fn short_packets_say_what_was_to_follow() {
        for (data, name) in [
            (&[0xff, 3, 0][..], "decoder.ppp.pkt_too_small"),
            (&[0xff, 3, 0, 0x21, 0x45], "decoder.ppp.ip4_pkt_too_small"),
            (&[0xff, 3, 0, 0x57, 0x60], "decoder.ppp.ip6_pkt_too_small"),
            (&[0xff, 3, 0, 0x2f, 0x45], "decoder.ppp.vju_pkt_too_small"),
        ] {
            assert_eq!(read(data), Err(Anomaly(name)));
        }
    }
}
