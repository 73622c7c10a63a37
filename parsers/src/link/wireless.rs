//! Data frames of wireless networks (IEEE 802.11-2020, 9.3.2), and the headers that captures write before them: radiotap, those of
//! Prism and AVS cards.
//!
//! Frames whose body is encrypted or a piece, and frames without data, are left as they are.

use super::tags::Follows;
use super::{Aggregate, Beside};
use crate::protocol::Anomaly;

/// What a frame carries, and the further packets of an aggregate.
pub type Read<'a> = (Follows, &'a [u8], Option<Beside<'a>>);

/// Reads the header of a frame. Some cards fill it up to a multiple of four octets.
pub fn read(data: &[u8], padded: bool) -> Result<Read<'_>, Anomaly> {
    let short = Anomaly("decoder.wlan.pkt_too_small");
    let &[kind, flags] = data.first_chunk::<2>().ok_or(short)?;
    let is_data = kind & 0x0f == DATA && kind & NO_DATA == 0;
    let sequence = data.get(22..24).and_then(|field| field.first_chunk::<2>()).copied().unwrap_or_default();
    let is_piece = flags & MORE_PIECES != 0 || sequence[0] & 0x0f != 0;
    if !is_data || is_piece || flags & PROTECTED != 0 {
        return Ok((Follows::Nothing, data, None));
    }
    let mut length = 24;
    if flags & BOTH_SYSTEMS == BOTH_SYSTEMS {
        length += 6;
    }
    let mut aggregate = false;
    if kind & QUALITY != 0 {
        aggregate = data.get(length).ok_or(short)? & AGGREGATE != 0;
        length += 2;
        if flags & CONTROL != 0 {
            length += 4;
        }
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    let body = data.get(length..).ok_or(short)?;
    if !aggregate {
        return Ok((Follows::Control, body, None));
    }
    let (first, rest) = split(body).ok_or(short)?;
    let beside = (!rest.is_empty()).then_some(Beside { kind: Aggregate::Wireless, data: rest });
    Ok((Follows::Control, first.get(SUBFRAME..).unwrap_or(&[]), beside))
}

/// Splits the first packet of an aggregate off, header included.
pub fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[.., high, low] = data.first_chunk::<SUBFRAME>()?;
    let length = SUBFRAME + usize::from(u16::from_be_bytes([high, low]));
    let first = data.get(..length).unwrap_or(data);
    Some((first, data.get(length.next_multiple_of(4)..).unwrap_or(&[])))
}

/// What follows the header of a packet of an aggregate.
pub fn subframe(data: &[u8]) -> Result<&[u8], Anomaly> {
    data.get(SUBFRAME..).ok_or(Anomaly("decoder.wlan.pkt_too_small"))
}

/// Takes off a radiotap header (radiotap.org) and the check sequence, where it says that there is one, and reads the frame.
pub fn radiotap(data: &[u8]) -> Result<Read<'_>, Anomaly> {
    let short = Anomaly("decoder.wlan.pkt_too_small");
    let &[version, _, low, high] = data.first_chunk::<4>().ok_or(short)?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let (header, frame) = data.split_at_checked(length).filter(|_| version == 0 && length >= 8).ok_or(short)?;
    let flags = radiotap_flags(header).unwrap_or(0);
    let end = if flags & HAS_CHECK != 0 { frame.len().saturating_sub(4) } else { frame.len() };
    read(frame.get(..end).unwrap_or(frame), flags & IS_PADDED != 0)
}

fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let mut words = header.get(4..)?.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let present = words.next()?;
    // Further words follow while the highest bit is set.
    let more = if present >> 31 == 0 { 0 } else { 1 + words.take_while(|word| word >> 31 != 0).count() };
    let mut at = 8 + 4 * more;
    if present & 1 != 0 {
        // A time of eight octets, which lies at a multiple of eight.
        at = at.next_multiple_of(8) + 8;
    }
    header.get(at).copied().filter(|_| present & 2 != 0)
}

/// Takes off the header of a Prism card, or the one of AVS that came in its place, and reads the frame.
pub fn prism(data: &[u8]) -> Result<Read<'_>, Anomaly> {
    let short = Anomaly("decoder.wlan.pkt_too_small");
    let &[m0, m1, m2, _, l0, l1, l2, l3] = data.first_chunk::<8>().ok_or(short)?;
    let length = if [m0, m1, m2 & 0xf0] == [0x80, 0x21, 0x10] {
        u32::from_be_bytes([l0, l1, l2, l3])
    } else {
        // In the byte order of the machine that captured: it is a small number.
        u32::from_be_bytes([l0, l1, l2, l3]).min(u32::from_le_bytes([l0, l1, l2, l3]))
    };
    read(data.get(length as usize..).ok_or(short)?, false)
}

/// Version 0, type data.
const DATA: u8 = 0x08;
/// Bits of the subtype.
const NO_DATA: u8 = 0x40;
const QUALITY: u8 = 0x80;
/// To and from a distribution system: there is a fourth address.
const BOTH_SYSTEMS: u8 = 0x03;
const MORE_PIECES: u8 = 0x04;
const PROTECTED: u8 = 0x40;
/// With quality of service, a control field of four octets follows.
const CONTROL: u8 = 0x80;
/// Of the control of quality of service: the body is an aggregate.
const AGGREGATE: u8 = 0x80;
/// Octets before a packet of an aggregate: two addresses and a length.
const SUBFRAME: usize = 14;
/// Bits of radiotap's flags.
const HAS_CHECK: u8 = 0x10;
const IS_PADDED: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, extra: &[u8], body: &[u8]) -> Vec<u8> {
        [&[kind, flags], &[0; 22][..], extra, body].concat()
    }

    #[test]
    fn headers_have_parts_that_the_frame_says() {
        for (name, data, padded, body) in [
            ("plain", frame(0x08, 1, &[], b"body"), false, Some(&b"body"[..])),
            ("four addresses", frame(0x08, 3, &[0; 6], b"body"), false, Some(b"body")),
            ("quality", frame(0x88, 1, &[0; 2], b"body"), false, Some(b"body")),
            ("padded", frame(0x88, 1, &[0; 4], b"body"), true, Some(b"body")),
            ("control", frame(0x88, 0x81, &[0; 6], b"body"), false, Some(b"body")),
            ("protected", frame(0x08, 0x41, &[], b"body"), false, None),
            ("a piece", frame(0x08, 0x05, &[], b"body"), false, None),
            ("no data", frame(0x48, 1, &[], b""), false, None),
            ("a beacon", frame(0x80, 0, &[], b"body"), false, None),
        ] {
            let (follows, rest, beside) = read(&data, padded).unwrap();
            assert_eq!((follows == Follows::Control, beside), (body.is_some(), None), "{name}");
            assert!(body.is_none_or(|body| rest == body), "{name}");
        }
        assert!(read(&frame(0x88, 3, &[], b"1234567"), false).is_err() && read(&[8], false).is_err());
    }

    #[test]
    fn an_aggregate_is_several_packets() {
        let packet = |body: &[u8]| [&[7; 12][..], &[0, u8::try_from(body.len()).unwrap()], body].concat();
        let data = frame(0x88, 1, &[0x80, 0], &[packet(b"first"), vec![0], packet(b"second")].concat());
        let (follows, first, beside) = read(&data, false).unwrap();
        assert_eq!((follows, first), (Follows::Control, &b"first"[..]));
        let second = packet(b"second");
        assert_eq!(beside.unwrap().packets().collect::<Vec<_>>(), [&second[..]]);
    }

    #[test]
    fn headers_of_captures_are_taken_off() {
        let plain = frame(0x08, 1, &[], b"body");
        let with_time = [&[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0], &[9; 8][..], &[HAS_CHECK]].concat();
        let prism_header = [&[0x44, 0, 0, 0, 144, 0, 0, 0], &[0; 136][..]].concat();
        for (read, header, behind) in [
            (radiotap as fn(&[u8]) -> Result<Read<'_>, Anomaly>, &[0, 0, 9, 0, 2, 0, 0, 0, 0][..], &[][..]),
            (radiotap, &with_time, &[1, 2, 3, 4]),
            (prism, &prism_header, &[]),
            (prism, &[0x80, 0x21, 0x10, 1, 0, 0, 0, 8], &[]),
        ] {
            let data = [header, &plain, behind].concat();
            assert_eq!(read(&data), Ok((Follows::Control, &b"body"[..], None)), "{header:x?}");
        }
    }
}
