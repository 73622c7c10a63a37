//! A block: a section of pcapng (draft-ietf-opsawg-pcapng) with the interfaces that its packets came from. What a packet belongs to is
//! said in a comment, `flow_id 123` or `key 8f…`, which Wireshark shows; its number in the run is its `epb_packetid`.

use std::io::Write;

use tapwire_parsers::link::Timestamp;

use super::Words;
use crate::recording::packet::{Belongs, Captured, Id, Owners, is_flow};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const COMMENT: u16 = 1;
const PACKET_ID: u16 = 5;
/// Interfaces of one block.
const INTERFACES: usize = 4_096;

/// The beginning of each block.
pub fn begin(out: &mut Vec<u8>) {
    for word in [SECTION, 28, BYTE_ORDER, 1, u32::MAX, u32::MAX, 28] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Appends an interface of a link type.
pub fn interface(out: &mut Vec<u8>, link_type: u32) {
    for word in [INTERFACE, 20, link_type & 0xffff, 0, 20] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Appends a packet that came from an interface of the section.
pub fn packet(out: &mut Vec<u8>, interface: u32, packet: &Captured, data: &[u8], owners: &[Belongs]) {
    let start = out.len();
    let (high, low) = halves(packet.time.0);
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    for word in [PACKET, 0, interface, high, low, len, packet.wire_len] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    padded(out, data);
    option(out, PACKET_ID, &packet.number.to_le_bytes());
    for owner in owners {
        let mut text = [0u8; 32];
        let room = text.len();
        let mut rest = &mut text[..];
        // The longest of them has room.
        let _ = if is_flow(owner.id) {
            write!(rest, "flow_id {}", owner.id)
        } else {
            write!(rest, "key {:016x}", owner.id)
        };
        let len = room - rest.len();
        option(out, COMMENT, text.get(..len).unwrap_or(&[]));
    }
    out.extend_from_slice(&[0; 4]);
    let total = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&total);
    if let Some(place) = out.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&total);
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    padded(out, value);
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.extend_from_slice([0; 3].get(..bytes.len().wrapping_neg() % 4).unwrap_or(&[]));
}

fn halves(number: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

/// A packet out of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The packet; which worker it belonged to is not known.
    pub packet: Captured,
    /// Its bytes.
    pub data: &'a [u8],
    /// What it belongs to.
    pub owners: Owners,
}

/// The packets of a block, up to the first place where it makes no sense.
pub fn packets<'a>(mut block: &'a [u8], each: &mut dyn FnMut(Found<'a>)) {
    let mut links = Vec::new();
    while let Some((kind, body, rest)) = next(block) {
        match kind {
            SECTION => links.clear(),
            INTERFACE if links.len() < INTERFACES => {
                links.push(Words(body).u32().unwrap_or(0) & 0xffff);
            }
            PACKET => match read(body, &links) {
                Some(found) => each(found),
                None => return,
            },
            _ => {}
        }
        block = rest;
    }
}

/// The next block of pcapng: its type, what is in it, and what is behind it.
fn next(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let mut words = Words(bytes);
    let (kind, len) = (words.u32()?, usize::try_from(words.u32()?).ok()?);
    let (block, rest) = bytes.split_at_checked(len)?;
    Some((kind, block.get(8..len.checked_sub(4)?)?, rest))
}

fn read<'a>(body: &'a [u8], links: &[u32]) -> Option<Found<'a>> {
    let mut words = Words(body);
    let interface = words.u32()?;
    let link_type = *links.get(usize::try_from(interface).ok()?)?;
    let time = Timestamp(u64::from(words.u32()?) << 32 | u64::from(words.u32()?));
    let (len, wire_len) = (usize::try_from(words.u32()?).ok()?, words.u32()?);
    let (data, mut options) = take(words.0, len)?;
    let (mut number, mut owners) = (0, Owners::new());
    while let Some(([a, b, c, d], rest)) = options.split_first_chunk::<4>() {
        let (code, len) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let (value, rest) = take(rest, len.into())?;
        match code {
            0 => break,
            PACKET_ID => number = Words(value).u64()?,
            COMMENT => owners.extend(owner(value).map(|id| Belongs { id, alias: 0 })),
            _ => {}
        }
        options = rest;
    }
    let interface = u16::try_from(interface).unwrap_or(u16::MAX);
    Some(Found { packet: Captured { number, time, link_type, interface, shard: 0, wire_len }, data, owners })
}

/// So many bytes, and what is behind them and their padding.
fn take(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let value = bytes.get(..len)?;
    Some((value, bytes.get(len.checked_next_multiple_of(4)?..)?))
}

fn owner(comment: &[u8]) -> Option<Id> {
    let (kind, value) = std::str::from_utf8(comment).ok()?.split_once(' ')?;
    match kind {
        "flow_id" => value.parse().ok(),
        "key" => Id::from_str_radix(value, 16).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::recording::packet::of_alias;

    fn sample() -> (Vec<u8>, Vec<Captured>) {
        let (mut out, mut all) = (Vec::new(), Vec::new());
        begin(&mut out);
        interface(&mut out, 1);
        interface(&mut out, 101);
        for number in 0..6 {
            let interface = u16::try_from(number % 2).unwrap();
            let captured = Captured {
                number,
                time: Timestamp(1_700_000_000_123_456 + number),
                link_type: [1, 101][usize::from(interface)],
                interface,
                shard: 0,
                wire_len: 900,
            };
            let owners: Owners =
                smallvec![Belongs { id: number, alias: 0 }, Belongs { id: of_alias(number), alias: 0 }];
            packet(&mut out, interface.into(), &captured, &vec![7; usize::try_from(number).unwrap()], &owners);
            all.push(captured);
        }
        (out, all)
    }

    #[test]
    fn packets_come_back_with_what_they_belong_to() {
        let (block, all) = sample();
        let mut found = Vec::new();
        packets(&block, &mut |packet| found.push(packet));
        assert_eq!(found.iter().map(|found| found.packet).collect::<Vec<_>>(), all);
        for (number, found) in (0..).zip(&found) {
            assert_eq!(found.data.len() as u64, number);
            assert_eq!(found.owners.iter().map(|owner| owner.id).collect::<Vec<_>>(), [number, of_alias(number)]);
        }
    }

    #[test]
    fn a_damaged_block_is_read_as_far_as_it_makes_sense() {
        let (block, all) = sample();
        for cut in 0..block.len() {
            let mut count = 0;
            packets(&block[..cut], &mut |_| count += 1);
            assert!(count < all.len());
        }
        for at in 0..block.len() {
            for value in [0, 0xff, 0x80] {
                let mut damaged = block.clone();
                damaged[at] = value;
                packets(&damaged, &mut |_| ());
            }
        }
    }
}
