//! Pieces of datagrams: what of a packet is the piece, and the datagram that pieces make (RFC 791 section 3.2, RFC 8200
//! section 4.5).
//!
//! A datagram is the piece with the offset 0 from its first captured byte on, link headers included, with all bytes in the
//! place of its own and the headers changed to what they were before somebody cut it.

use super::{Ip, Packet, internet_checksum};

/// A piece of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What stands before the bytes: link headers, IP header and, for IPv6, the extensions that every piece has.
    pub head: Head<'a>,
    /// Position of its first byte in the datagram, in bytes.
    pub offset: u32,
    /// Whether further pieces follow.
    pub more: bool,
    /// Its bytes.
    pub body: &'a [u8],
}

/// What stands before the bytes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where the IP header begins.
    pub ip: usize,
    /// IPv6: where the number of the fragment header stands, and the number of what follows it.
    pub next: Option<(usize, u8)>,
}

impl Head<'_> {
    /// Bytes of IP headers, which count towards the length of a datagram.
    pub fn ip_len(&self) -> usize {
        let counted = if self.next.is_some() { self.ip + IPV6_FIXED } else { self.ip };
        self.bytes.len().saturating_sub(counted)
    }
}

impl<'a> Piece<'a> {
    /// Bytes of the IP packet that it came in.
    pub fn len(&self) -> usize {
        let fragment_header = if self.head.next.is_some() { FRAGMENT_HEADER } else { 0 };
        self.head.bytes.len() - self.head.ip + fragment_header + self.body.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The piece that a packet is, if it is one.
    pub fn of(packet: &Packet<'a>) -> Option<Self> {
        let ip = packet.ip.as_ref()?;
        let fragment = ip.fragment?;
        let ip_at = place_in(packet.data, ip.header)?;
        if ip.source.is_ipv4() {
            let bytes = packet.data.get(..ip_at + ip.header.len())?;
            // Only the end of a datagram can have another length than a multiple of eight; the rest of others is cut off.
            let kept = if fragment.more { ip.payload.len() & !7 } else { ip.payload.len() };
            let head = Head { bytes, ip: ip_at, next: None };
            return Some(Self { head, offset: fragment.offset, more: fragment.more, body: ip.payload.get(..kept)? });
        }
        let (field, at) = fragment_header(ip)?;
        let &[next, ..] = ip.header.get(at..)? else { return None };
        let end = place_in(packet.data, ip.payload)? + ip.payload.len();
        let head = Head { bytes: packet.data.get(..ip_at + at)?, ip: ip_at, next: Some((ip_at + field, next)) };
        let body = packet.data.get(ip_at + at + FRAGMENT_HEADER..end)?;
        Some(Self { head, offset: fragment.offset, more: fragment.more, body })
    }
}

/// The datagram with the head of its first piece and `body`. `None` if no datagram can be that long.
pub fn join(head: &Head<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(head.ip_len() + body.len()).ok()?.to_be_bytes();
    let mut data = Vec::with_capacity(head.bytes.len() + body.len());
    data.extend_from_slice(head.bytes);
    data.extend_from_slice(body);
    match head.next {
        Some((field, next)) => {
            *data.get_mut(field)? = next;
            data.get_mut(head.ip + 4..head.ip + 6)?.copy_from_slice(&len);
        }
        None => {
            let header = data.get_mut(head.ip..head.bytes.len())?;
            header.get_mut(2..4)?.copy_from_slice(&len);
            let flags = header.get_mut(6..8)?;
            flags.copy_from_slice(&[flags.first()? & 0x40, 0]);
            header.get_mut(10..12)?.fill(0);
            let checksum = internet_checksum::of(header);
            header.get_mut(10..12)?.copy_from_slice(&checksum);
        }
    }
    Some(data)
}

/// Where an IPv6 header's fragment header is named, and where it begins.
fn fragment_header(ip: &Ip<'_>) -> Option<(usize, usize)> {
    let (mut field, mut at) = (6, IPV6_FIXED);
    let mut kind = *ip.header.get(field)?;
    while kind != FRAGMENT {
        let &[next, len, ..] = ip.header.get(at..)? else { return None };
        let units = usize::from(len);
        field = at;
        at += if kind == AUTHENTICATION { (units + 2) * 4 } else { (units + 1) * 8 };
        kind = next;
    }
    Some((field, at))
}

/// Where a part of some bytes begins in them.
fn place_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (at + part.len() <= whole.len()).then_some(at)
}

const IPV6_FIXED: usize = 40;
const FRAGMENT_HEADER: usize = 8;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Timestamp;

    fn decode(data: &[u8]) -> Packet<'_> {
        Packet::decode(1, Timestamp(0), 101, data, 0, true)
    }

    #[test]
    fn an_ipv4_datagram_is_what_it_was_before_it_was_cut() {
        let body = [&[0, 53, 0, 53, 0, 24, 0, 0][..], &[7; 16]].concat();
        let mut header = vec![0x46, 0, 0, 48, 0, 9, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 0];
        let sum = internet_checksum::of(&header);
        header[10..12].copy_from_slice(&sum);
        let whole = [header.clone(), body.clone()].concat();
        let mut cut = header;
        (cut[3], cut[6], cut[10], cut[11]) = (40, 0x60, 0, 0);
        let packet = [&cut[..], &body[..16], &[0xee; 3]].concat();
        let packet = decode(&packet);
        let piece = Piece::of(&packet).unwrap();
        assert_eq!((piece.offset, piece.more, piece.body, piece.head.ip), (0, true, &body[..16], 0));
        assert_eq!(join(&piece.head, &body).unwrap(), whole);
        assert!(decode(&whole).udp().is_some());
    }

    #[test]
    fn an_ipv6_datagram_loses_its_fragment_header_only() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8 + 8 + 16, 0, 64];
        packet.extend([[1; 16], [2; 16]].concat());
        packet.extend([44, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend([60, 0, 0, 1, 0, 0, 0, 9]);
        let body = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &[0, 53, 0, 53, 0, 16, 0, 0]].concat();
        packet.extend(&body);
        let decoded = decode(&packet);
        let piece = Piece::of(&decoded).unwrap();
        assert_eq!((piece.offset, piece.more, piece.body), (0, true, &body[..]));
        assert_eq!(piece.head.ip_len(), 8);
        let joined = join(&piece.head, &[&body[..], &[7; 8]].concat()).unwrap();
        assert_eq!((joined[5], joined[40], joined.len()), (32, 60, 72));
        let whole = decode(&joined);
        assert_eq!((whole.ports(), whole.payload), ((53, 53), &[7; 8][..]));
    }

    #[test]
    fn a_datagram_has_a_limit() {
        let head = Head { bytes: &[0x45; 20], ip: 0, next: None };
        assert!(join(&head, &[0; 65_515]).is_some());
        assert!(join(&head, &[0; 65_516]).is_none());
    }
}
