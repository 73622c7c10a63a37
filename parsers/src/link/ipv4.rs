//! IPv4 (RFC 791): the header; options are in [`ipv4_options`](super::ipv4_options).
//!
//! A length of 0 is what a host leaves to its network card, which cuts the packet up, or stands for one that is longer than a length
//! can tell: such a packet ends where the capture does.

use std::net::{IpAddr, Ipv4Addr};

use super::{Anomalies, Fragment, Ip, internet_checksum, ipv4_options};
use crate::protocol::Anomaly;

/// Reads the header. The payload is cut at the length that the header states, so that padding of the link is left out; of a packet
/// of which `cut` octets were not captured, it is what is there.
#[inline]
pub fn read<'a>(data: &'a [u8], verify_checksum: bool, cut: u32, anomalies: &mut Anomalies) -> Result<Ip<'a>, Anomaly> {
    let Some(&[first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3]) =
        data.first_chunk::<20>()
    else {
        return Err(Anomaly("decoder.ipv4.pkt_too_small"));
    };
    if first >> 4 != 4 {
        return Err(Anomaly("decoder.ipv4.wrong_ip_version"));
    }
    let header_len = usize::from(first & 15) * 4;
    let total_len = match u16::from_be_bytes([l0, l1]) {
        0 => data.len() + cut as usize,
        stated => usize::from(stated),
    };
    if header_len < 20 {
        return Err(Anomaly("decoder.ipv4.hlen_too_small"));
    }
    if total_len < header_len {
        return Err(Anomaly("decoder.ipv4.iplen_smaller_than_hlen"));
    }
    let captured = if cut > 0 { total_len.min(data.len()) } else { total_len };
    let Some((header, payload)) = data.get(..captured).and_then(|data| data.split_at_checked(header_len)) else {
        return Err(Anomaly("decoder.ipv4.trunc_pkt"));
    };
    let detour = header_len > 20 && ipv4_options::check(header, anomalies)?;
    let offset = u32::from(u16::from_be_bytes([f0 & 0x1f, f1])) * 8;
    let more = f0 & 0x20 != 0;
    Ok(Ip {
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        protocol,
        ttl,
        tos,
        id: u32::from(u16::from_be_bytes([i0, i1])),
        fragment: (more || offset > 0).then_some(Fragment { offset, more }),
        flags: f0 >> 5,
        header,
        payload,
        missing: u32::try_from(total_len - captured).unwrap_or(u32::MAX),
        detour,
        checksum_ok: !verify_checksum || internet_checksum::holds(header),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 20] = [0x45, 4, 0, 22, 0x12, 0x34, 0x40, 0, 64, 17, 0x92, 0x9d, 10, 0, 0, 1, 192, 168, 1, 2];

    fn with(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut data = [&HEADER[..], &[1, 2, 0xff, 0xff]].concat();
        change(&mut data);
        data
    }

    #[test]
    fn the_fields_and_no_padding_are_read() {
        let data = with(|_| ());
        let ip = read(&data, true, 0, &mut Anomalies::new()).unwrap();
        assert_eq!((ip.source.to_string(), ip.destination.to_string()), ("10.0.0.1".into(), "192.168.1.2".into()));
        assert_eq!((ip.protocol, ip.ttl, ip.tos, ip.id, ip.flags), (17, 64, 4, 0x1234, 2));
        assert_eq!((ip.header, ip.payload, ip.fragment), (&HEADER[..], &[1, 2][..], None));
    }

    #[test]
    fn a_packet_without_a_length_or_its_end_is_what_was_captured() {
        let data = with(|d| (d[2], d[3]) = (0, 0));
        for (cut, missing) in [(0, 0), (9, 9)] {
            let ip = read(&data, false, cut, &mut Anomalies::new()).unwrap();
            assert_eq!((ip.payload, ip.missing), (&[1, 2, 0xff, 0xff][..], missing));
        }
        let data = with(|d| d[3] = 60);
        let ip = read(&data, false, 36, &mut Anomalies::new()).unwrap();
        assert_eq!((ip.payload.len(), ip.missing), (4, 36));
        assert!(read(&data, false, 0, &mut Anomalies::new()).is_err(), "nothing was cut off");
    }

    #[test]
    fn fragments_have_their_place() {
        for (bytes, expected) in [
            ([0x20, 0], Some(Fragment { offset: 0, more: true })),
            ([0x1f, 0xff], Some(Fragment { offset: 65_528, more: false })),
            ([0xc0, 0], None),
        ] {
            let data = with(|data| data[6..8].copy_from_slice(&bytes));
            assert_eq!(read(&data, false, 0, &mut Anomalies::new()).unwrap().fragment, expected);
        }
    }

    #[test]
    fn broken_headers_have_names() {
        for (data, name) in [
            (with(|d| d.truncate(19)), "decoder.ipv4.pkt_too_small"),
            (with(|d| d[0] = 0x65), "decoder.ipv4.wrong_ip_version"),
            (with(|d| d[0] = 0x44), "decoder.ipv4.hlen_too_small"),
            (with(|d| d[3] = 19), "decoder.ipv4.iplen_smaller_than_hlen"),
            (with(|d| d[3] = 25), "decoder.ipv4.trunc_pkt"),
        ] {
            assert_eq!(read(&data, false, 0, &mut Anomalies::new()).unwrap_err(), Anomaly(name));
        }
    }

    #[test]
    fn a_wrong_checksum_is_no_broken_header() {
        let data = with(|d| d[8] = 63);
        assert!(!read(&data, true, 0, &mut Anomalies::new()).unwrap().checksum_ok);
        assert!(read(&data, false, 0, &mut Anomalies::new()).unwrap().checksum_ok);
    }
}
