//! IPv6 (RFC 8200): the fixed header; what may follow it is in [`ipv6_extensions`](super::ipv6_extensions).

use std::net::{IpAddr, Ipv6Addr};

use super::{Anomalies, Ip, ipv6_extensions};
use crate::protocol::Anomaly;

/// Reads the header and its extensions. The payload is cut at the length that the header states; of a packet of which `cut` octets
/// were not captured, it is what is there.
///
/// If an extension is broken, there is a header all the same, of which the payload is what could not be read.
#[inline]
pub fn read<'a>(data: &'a [u8], cut: u32, anomalies: &mut Anomalies) -> Result<(Ip<'a>, Option<Anomaly>), Anomaly> {
    let Some((&[fixed @ .., l0, l1, next, hops], addresses)) = data.split_first_chunk::<8>() else {
        return Err(Anomaly("decoder.ipv6.pkt_too_small"));
    };
    let Some((source, rest)) = addresses.split_first_chunk::<16>() else {
        return Err(Anomaly("decoder.ipv6.pkt_too_small"));
    };
    let Some((destination, rest)) = rest.split_first_chunk::<16>() else {
        return Err(Anomaly("decoder.ipv6.pkt_too_small"));
    };
    let [first, second, ..] = fixed;
    if first >> 4 != 6 {
        return Err(Anomaly("decoder.ipv6.wrong_ip_version"));
    }
    let len = match u16::from_be_bytes([l0, l1]) {
        0 => unstated_length(next, rest, cut),
        stated => usize::from(stated),
    };
    let captured = if cut > 0 { len.min(rest.len()) } else { len };
    let Some(rest) = rest.get(..captured) else {
        return Err(Anomaly("decoder.ipv6.trunc_pkt"));
    };
    let (end, broken) = ipv6_extensions::read(next, rest, anomalies);
    let header_len = FIXED_LEN + rest.len().saturating_sub(end.payload.len());
    let ip = Ip {
        source: IpAddr::V6(Ipv6Addr::from(*source)),
        destination: IpAddr::V6(Ipv6Addr::from(*destination)),
        protocol: end.protocol,
        ttl: hops,
        tos: first << 4 | second >> 4,
        id: end.id,
        fragment: end.fragment,
        flags: 0,
        header: data.get(..header_len).unwrap_or(data),
        payload: end.payload,
        missing: u32::try_from(len - captured).unwrap_or(u32::MAX),
        detour: end.detour,
        checksum_ok: true,
    };
    Ok((ip, broken))
}

/// The length of what follows a header that states none: a jumbogram has it in an option (RFC 2675), and a packet that a network card
/// is to cut up ends where the capture does.
#[cold]
fn unstated_length(next: u8, data: &[u8], cut: u32) -> usize {
    match next {
        ipv6_extensions::NONE => 0,
        ipv6_extensions::HOP_BY_HOP => ipv6_extensions::jumbo_length(data).map_or(0, |length| length as usize),
        _ => data.len() + cut as usize,
    }
}

const FIXED_LEN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut data = vec![0x61, 0x23, 0x45, 0x67, 0, 0, next, 64];
        data[5] = u8::try_from(payload.len()).unwrap();
        data.extend([&[0x20; 16][..], &[0xfe; 16], payload].concat());
        data
    }

    #[test]
    fn the_fields_and_no_padding_are_read() {
        let mut data = packet(17, &[1, 2, 3, 4, 5, 6, 7, 8]);
        data.extend([9; 6]);
        let (ip, broken) = read(&data, 0, &mut Anomalies::new()).unwrap();
        assert_eq!((ip.protocol, ip.ttl, ip.tos, broken), (17, 64, 0x12, None));
        assert_eq!((ip.header, ip.payload), (&data[..40], &data[40..48]));
    }

    #[test]
    fn a_packet_without_a_length_or_its_end_is_what_was_captured() {
        let unstated = |next, payload: &[u8]| {
            let mut data = packet(next, payload);
            data[5] = 0;
            data
        };
        let jumbo = [17, 0, 0xc2, 4, 0, 0, 0, 12, 1, 2, 3, 4, 9, 9];
        for (data, cut, payload, missing) in [
            (unstated(6, &[1, 2, 3]), 0, &[1, 2, 3][..], 0),
            (unstated(6, &[1, 2, 3]), 5, &[1, 2, 3], 5),
            (unstated(59, &[1, 2, 3]), 0, &[], 0),
            (unstated(0, &jumbo), 0, &[1, 2, 3, 4], 0),
            (unstated(0, &jumbo[..10]), 2, &[1, 2], 2),
            (packet(17, &[1, 2, 3, 4])[..42].to_vec(), 2, &[1, 2], 2),
        ] {
            let (ip, broken) = read(&data, cut, &mut Anomalies::new()).unwrap();
            assert_eq!((ip.payload, ip.missing, broken), (payload, missing, None), "{data:?}");
        }
    }

    #[test]
    fn extensions_belong_to_the_header() {
        let data = packet(0, &[6, 0, 5, 2, 0, 0, 0, 0, 0xaa, 0xbb]);
        let (ip, _) = read(&data, 0, &mut Anomalies::new()).unwrap();
        assert_eq!((ip.protocol, ip.header.len(), ip.payload), (6, 48, &[0xaa, 0xbb][..]));
    }

    #[test]
    fn broken_headers_have_names() {
        let data = packet(17, &[1, 2, 3]);
        let mut wrong = data.clone();
        wrong[0] = 0x41;
        for (data, name) in [
            (&data[..39], "decoder.ipv6.pkt_too_small"),
            (&data[..7], "decoder.ipv6.pkt_too_small"),
            (&data[..42], "decoder.ipv6.trunc_pkt"),
            (&wrong[..], "decoder.ipv6.wrong_ip_version"),
        ] {
            assert_eq!(read(data, 0, &mut Anomalies::new()).unwrap_err(), Anomaly(name));
        }
    }
}
