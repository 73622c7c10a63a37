//! TCP (RFC 9293): header and options (RFC 7323, 2018, 2385, 5925, 7413).

use super::ip_protocols::TCP;
use super::{Anomalies, Ip, Tcp, TcpOptions, internet_checksum, raise};
use crate::protocol::Anomaly;

/// Reads the header of what an IP packet carries and gives the payload.
#[inline]
pub fn read<'a>(ip: &Ip<'a>, verify_checksum: bool, anomalies: &mut Anomalies) -> Result<(Tcp<'a>, &'a [u8]), Anomaly> {
    let data = ip.payload;
    let mut filled = [0; 20];
    let Some(&[s0, s1, d0, d1, n0, n1, n2, n3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1]) =
        data.first_chunk::<20>().or_else(|| fill(ip, &mut filled))
    else {
        return Err(Anomaly("decoder.tcp.pkt_too_small"));
    };
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 {
        return Err(Anomaly("decoder.tcp.hlen_too_small"));
    }
    let captured = if ip.missing > 0 { header_len.min(data.len()) } else { header_len };
    let Some((header, payload)) = data.split_at_checked(captured) else {
        return Err(Anomaly("decoder.tcp.invalid_optlen"));
    };
    let options = match header.get(20..) {
        None | Some([]) => TcpOptions::default(),
        // The last option may be one that was not captured whole.
        Some(_) if captured < header_len => read_options(header, &mut Anomalies::new()),
        Some(_) => read_options(header, anomalies),
    };
    let missing = data.len() + ip.missing as usize - header_len.min(data.len() + ip.missing as usize) - payload.len();
    let tcp = Tcp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
        window: u16::from_be_bytes([w0, w1]),
        urgent: u16::from_be_bytes([u0, u1]),
        header,
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
        options,
        checksum_ok: !verify_checksum || ip.missing > 0 || internet_checksum::holds_over(ip, TCP, data),
    };
    Ok((tcp, payload))
}

/// A header whose end was not captured, but whose ports, numbers and flags were: the rest counts as 0.
#[cold]
fn fill<'f>(ip: &Ip<'_>, filled: &'f mut [u8; 20]) -> Option<&'f [u8; 20]> {
    let captured = ip.payload;
    if ip.missing == 0 || captured.len() < AS_FAR_AS_FLAGS {
        return None;
    }
    filled.iter_mut().zip(captured).for_each(|(to, from)| *to = *from);
    Some(filled)
}

/// The first of each option counts.
fn read_options(header: &[u8], anomalies: &mut Anomalies) -> TcpOptions {
    let mut options = TcpOptions::default();
    // Most segments have timestamps and nothing else, written like this.
    if let Some(&[NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3]) = header.get(20..) {
        options.timestamps = Some((u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3])));
        return options;
    }
    let mut rest = header.get(20..).unwrap_or(&[]);
    let mut seen_fast_open = false;
    let mut seen_blocks = false;
    loop {
        let option = match rest {
            [] | [END, ..] => return options,
            [NO_OPERATION, after @ ..] => {
                rest = after;
                continue;
            }
            [_] => {
                raise(anomalies, "decoder.tcp.opt_invalid_len");
                return options;
            }
            &[_, len, ..] => match rest.split_at_checked(usize::from(len)) {
                Some((option, after)) if len >= 2 => {
                    rest = after;
                    option
                }
                _ => {
                    raise(anomalies, "decoder.tcp.opt_invalid_len");
                    return options;
                }
            },
        };
        let duplicate = match *option {
            [MAXIMUM_SEGMENT, _, s0, s1] => set(&mut options.mss, u16::from_be_bytes([s0, s1])),
            [WINDOW_SCALE, _, shift] => set(&mut options.window_scale, shift),
            [SACK_PERMITTED, _] => std::mem::replace(&mut options.sack_permitted, true),
            [TIMESTAMPS, _, v0, v1, v2, v3, e0, e1, e2, e3] => set(
                &mut options.timestamps,
                (u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3])),
            ),
            // Without blocks it says nothing, and is legal.
            [SACK, _, ref blocks @ ..] if blocks.len().is_multiple_of(8) => std::mem::replace(&mut seen_blocks, true),
            [SIGNATURE, 18, ..] => std::mem::replace(&mut options.signed, true),
            [AUTHENTICATION, _, _, _, ..] => std::mem::replace(&mut options.signed, true),
            // A cookie has an even length of 4 to 16 octets; without one it is a request.
            [FAST_OPEN, len @ (2 | 6..=18), ..] if len.is_multiple_of(2) => {
                options.fast_open |= len > 2;
                std::mem::replace(&mut seen_fast_open, true)
            }
            // RFC 7413 appendix A: the same with an experimental number.
            [EXPERIMENTAL, _, 0xf9, 0x89, _, ..] => {
                options.fast_open = true;
                false
            }
            [
                MAXIMUM_SEGMENT | WINDOW_SCALE | SACK_PERMITTED | TIMESTAMPS | SACK | SIGNATURE | AUTHENTICATION
                | FAST_OPEN,
                ..,
            ] => {
                raise(anomalies, "decoder.tcp.opt_invalid_len");
                false
            }
            _ => false,
        };
        if duplicate {
            raise(anomalies, "decoder.tcp.opt_duplicate");
        }
    }
}

/// Sets a value that is not set yet; whether it was.
fn set<T>(place: &mut Option<T>, value: T) -> bool {
    let duplicate = place.is_some();
    place.get_or_insert(value);
    duplicate
}

const AS_FAR_AS_FLAGS: usize = 14;
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
const SIGNATURE: u8 = 19;
const AUTHENTICATION: u8 = 29;
const FAST_OPEN: u8 = 34;
const EXPERIMENTAL: u8 = 254;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(payload: &[u8]) -> Ip<'_> {
        let address = Ipv4Addr::LOCALHOST.into();
        Ip {
            source: address,
            destination: address,
            protocol: TCP,
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

    fn segment(options: &[u8]) -> Vec<u8> {
        let offset = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
        let fixed = [0, 80, 1, 0, 0, 0, 0, 9, 0, 0, 1, 0, offset, 0x18, 0x20, 0, 0, 0, 0, 5];
        [&fixed, options, &[0xaa, 0xbb]].concat()
    }

    #[test]
    fn the_fields_are_read() {
        let data = segment(&[]);
        let (tcp, payload) = read(&ip(&data), false, &mut Anomalies::new()).unwrap();
        assert_eq!((tcp.source_port, tcp.destination_port, tcp.sequence, tcp.acknowledgement), (80, 256, 9, 256));
        assert_eq!((tcp.flags, tcp.window, tcp.urgent, payload), (0x18, 0x2000, 5, &[0xaa, 0xbb][..]));
    }

    #[test]
    fn the_options_are_read_and_the_odd_ones_named() {
        let none = TcpOptions::default();
        let stamp = Some((0x0102_0304, 0x0506_0708));
        let (length, twice) = ("decoder.tcp.opt_invalid_len", "decoder.tcp.opt_duplicate");
        for (options, expected, names) in [
            (&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8][..], TcpOptions { timestamps: stamp, ..none }, &[][..]),
            (&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9], TcpOptions { timestamps: stamp, ..none }, &[]),
            (&[2, 4, 5, 0xb4, 3, 3, 7, 0], TcpOptions { mss: Some(1460), window_scale: Some(7), ..none }, &[]),
            (&[4, 2, 4, 2], TcpOptions { sack_permitted: true, ..none }, &[twice]),
            (&[2, 4, 0, 1, 2, 4, 0, 2], TcpOptions { mss: Some(1), ..none }, &[twice]),
            (&[5, 2, 1, 1], none, &[]),
            (&[5, 2, 5, 2], none, &[twice]),
            (&[5, 6, 1, 1, 1, 1, 1, 1], none, &[length]),
            (&[2, 3, 5, 1], none, &[length]),
            (&[1, 1, 1, 2], none, &[length]),
            (&[9, 1, 0, 0], none, &[length]),
            (&[9, 5, 0, 0], none, &[length]),
            (&[29, 4, 0, 0], TcpOptions { signed: true, ..none }, &[]),
            (&[34, 2, 1, 1], none, &[]),
            (&[34, 4, 1, 1], none, &[length]),
        ] {
            let (data, mut anomalies) = (segment(options), Anomalies::new());
            let (tcp, _) = read(&ip(&data), false, &mut anomalies).unwrap();
            assert_eq!(tcp.options, expected, "{options:?}");
            assert_eq!(anomalies.iter().map(|a| a.0).collect::<Vec<_>>(), names, "{options:?}");
        }
    }

    #[test]
    fn a_header_counts_as_far_as_it_was_captured() {
        let data = segment(&[2, 4, 5, 0xb4, 1, 1, 1, 0]);
        // What is captured, of 60 octets, and what is missing behind the header.
        for (captured, mss, missing) in
            [(30, Some(1460), 30), (28, Some(1460), 32), (24, Some(1460), 32), (20, None, 32), (14, None, 32)]
        {
            let cut = Ip { missing: 60 - u32::try_from(captured).unwrap(), ..ip(&data[..captured]) };
            let mut anomalies = Anomalies::new();
            let (tcp, payload) = read(&cut, true, &mut anomalies).unwrap();
            assert_eq!((tcp.sequence, tcp.flags, tcp.options.mss), (9, 0x18, mss), "{captured}");
            assert_eq!((payload.len(), tcp.missing, tcp.checksum_ok), (captured.saturating_sub(28), missing, true));
            assert!(anomalies.is_empty());
        }
        let cut = Ip { missing: 47, ..ip(&data[..13]) };
        assert!(read(&cut, true, &mut Anomalies::new()).is_err());
    }

    #[test]
    fn broken_headers_have_names() {
        let data = segment(&[]);
        let with_offset = |offset| {
            let mut data = data.clone();
            data[12] = offset;
            data
        };
        for (data, name) in [
            (data[..19].to_vec(), "decoder.tcp.pkt_too_small"),
            (with_offset(0x40), "decoder.tcp.hlen_too_small"),
            (with_offset(0x60), "decoder.tcp.invalid_optlen"),
        ] {
            assert_eq!(read(&ip(&data), false, &mut Anomalies::new()).unwrap_err(), Anomaly(name));
        }
    }
}
