//! UDP (RFC 768).

use std::net::IpAddr;

use super::ip_protocols::UDP;
use super::{Ip, Udp, internet_checksum};
use crate::protocol::Anomaly;

/// Reads the header of what an IP packet carries and gives the payload, cut at the length that the header states, as far as it was
/// captured. A jumbogram states none (RFC 2675 section 4).
#[inline]
pub fn read<'a>(ip: &Ip<'a>, verify_checksum: bool) -> Result<(Udp<'a>, &'a [u8]), Anomaly> {
    let data = ip.payload;
    let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = data.first_chunk::<8>() else {
        return cut_header(ip).ok_or(Anomaly("decoder.udp.hlen_too_small"));
    };
    let whole = data.len() + ip.missing as usize;
    let len = match u16::from_be_bytes([l0, l1]) {
        0 if whole > usize::from(u16::MAX) => whole,
        stated => usize::from(stated),
    };
    if len < 8 {
        return Err(Anomaly("decoder.udp.len_invalid"));
    }
    let captured = if ip.missing > 0 { len.min(data.len()) } else { len };
    let Some(datagram) = data.get(..captured) else {
        return Err(Anomaly("decoder.udp.pkt_too_small"));
    };
    let (header, payload) = datagram.split_at_checked(8).unwrap_or((datagram, &[]));
    // Over IPv6 the checksum may not be left out.
    let unused = [c0, c1] == [0, 0] && matches!(ip.source, IpAddr::V4(_));
    let udp = Udp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        header,
        checksum_ok: !verify_checksum || unused || captured < len || internet_checksum::holds_over(ip, UDP, datagram),
    };
    Ok((udp, payload))
}

/// A header whose end was not captured, but whose ports were.
#[cold]
fn cut_header<'a>(ip: &Ip<'a>) -> Option<(Udp<'a>, &'a [u8])> {
    let &[s0, s1, d0, d1] = ip.payload.first_chunk::<4>().filter(|_| ip.missing > 0)?;
    let (source_port, destination_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    Some((Udp { source_port, destination_port, header: ip.payload, checksum_ok: true }, &[]))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn ip(source: IpAddr, payload: &[u8]) -> Ip<'_> {
        Ip {
            source,
            destination: source,
            protocol: UDP,
            ttl: 1,
            tos: 0,
            id: 0,
            fragment: None,
            flags: 0,
            header: &[],
            payload,
            missing: 0,
            detour: false,
            checksum_ok: true,
        }
    }

    #[test]
    fn the_payload_ends_where_the_header_says() {
        let data = [0, 53, 1, 0, 0, 9, 0, 0, 0xaa, 0xbb];
        let ip4 = ip(Ipv4Addr::LOCALHOST.into(), &data);
        let (udp, payload) = read(&ip4, true).unwrap();
        assert_eq!((udp.source_port, udp.destination_port, payload), (53, 256, &[0xaa][..]));
        assert!(udp.checksum_ok, "a checksum of 0 is none");
        let ip6 = ip(Ipv6Addr::LOCALHOST.into(), &data);
        assert!(!read(&ip6, true).unwrap().0.checksum_ok, "over IPv6 it is one");
    }

    #[test]
    fn what_was_not_captured_is_missed_by_nobody() {
        let data = [0, 53, 1, 0, 0, 20, 9, 9, 0xaa];
        for (captured, payload) in [(9, &[0xaa][..]), (5, &[])] {
            let cut = Ip {
                missing: 20 - u32::try_from(captured).unwrap(),
                ..ip(Ipv4Addr::LOCALHOST.into(), &data[..captured])
            };
            let (udp, found) = read(&cut, true).unwrap();
            assert_eq!((udp.source_port, udp.destination_port, found, udp.checksum_ok), (53, 256, payload, true));
        }
        let mut jumbo = vec![0; 70_000];
        jumbo[1] = 53;
        assert_eq!(read(&ip(Ipv6Addr::LOCALHOST.into(), &jumbo), false).unwrap().1.len(), 69_992);
    }

    #[test]
    fn broken_headers_have_names() {
        for (data, name) in [
            (&[0, 1, 0, 2, 0, 8, 0][..], "decoder.udp.hlen_too_small"),
            (&[0, 1, 0, 2, 0, 7, 0, 0], "decoder.udp.len_invalid"),
            (&[0, 1, 0, 2, 0, 9, 0, 0], "decoder.udp.pkt_too_small"),
        ] {
            assert_eq!(read(&ip(Ipv4Addr::LOCALHOST.into(), data), false).unwrap_err(), Anomaly(name));
        }
    }
}
