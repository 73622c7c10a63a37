//! The two formats of capture files: pcap and pcapng (draft-ietf-opsawg-pcapng).
//!
//! [`Walker::next`] is given the bytes from its position on and says what stands there, or how many bytes it needs. The crate
//! `pcap-parser` was weighed: it is as fast, but its errors do not tell a cut file from a damaged one, and not where.

use tapwire_parsers::link::Timestamp;

/// The longest packet that is believed.
const PACKET_LIMIT: usize = 256 << 10;
/// The longest block that is believed.
const BLOCK_LIMIT: usize = 16 << 20;
/// Interfaces of one section.
const INTERFACE_LIMIT: usize = 4_096;

/// What stands at a position.
pub(super) enum Step<'a> {
    /// A packet; the walk goes on after `size` bytes.
    Packet { time: Timestamp, link_type: u32, wire_len: u32, data: &'a [u8], size: usize },
    /// Something that is no packet, of `size` bytes.
    Other { size: usize },
    /// So many bytes must be there to tell.
    Need(usize),
    /// It cannot be.
    Wrong(&'static str),
}

/// A file's format and what its headers said.
pub(super) enum Walker {
    /// pcap: byte order, nanoseconds, link type.
    Pcap { little: bool, nano: bool, link_type: u32 },
    /// pcapng: byte order and interfaces of the section.
    Pcapng { little: bool, interfaces: Vec<Interface> },
}

/// An interface of a pcapng section.
pub(super) struct Interface {
    link_type: u32,
    /// Bytes that were kept of a packet; 0 for all.
    snapshot: u32,
    /// Ticks in a second.
    ticks: u64,
    offset_s: i64,
}

/// Bytes of a pcap file header.
pub(super) const PCAP_HEADER: usize = 24;

fn u16_at(data: &[u8], at: usize, little: bool) -> Option<u16> {
    let bytes: [u8; 2] = *data.get(at..)?.first_chunk()?;
    Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
}

fn u32_at(data: &[u8], at: usize, little: bool) -> Option<u32> {
    let bytes: [u8; 4] = *data.get(at..)?.first_chunk()?;
    Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
}

impl Walker {
    /// The format of a file by its first bytes, and the size of the header that is done with; `None` where it is neither.
    pub(super) fn open(data: &[u8]) -> Option<(Self, usize)> {
        let (little, nano) = match *data.first_chunk::<4>()? {
            [0xd4, 0xc3, 0xb2, 0xa1] => (true, false),
            [0x4d, 0x3c, 0xb2, 0xa1] => (true, true),
            [0xa1, 0xb2, 0xc3, 0xd4] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (false, true),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Some((Walker::Pcapng { little: true, interfaces: Vec::new() }, 0)),
            _ => return None,
        };
        // The upper bits tell of a frame check sequence.
        let link_type = u32_at(data, 20, little)? & 0xffff;
        Some((Walker::Pcap { little, nano, link_type }, PCAP_HEADER))
    }

    /// What stands at the start of `data`.
    pub(super) fn next<'a>(&mut self, data: &'a [u8]) -> Step<'a> {
        match self {
            Walker::Pcap { little, nano, link_type } => pcap_packet(data, *little, *nano, *link_type),
            Walker::Pcapng { little, interfaces } => block(data, little, interfaces),
        }
    }
}

fn pcap_packet(data: &[u8], little: bool, nano: bool, link_type: u32) -> Step<'_> {
    let field = |at| u32_at(data, at, little);
    let (Some(seconds), Some(fraction), Some(captured), Some(wire_len)) = (field(0), field(4), field(8), field(12))
    else {
        return Step::Need(16);
    };
    let length = captured as usize;
    if length > PACKET_LIMIT {
        return Step::Wrong("a packet is longer than 256 KiB");
    }
    let micros = u64::from(if nano { fraction / 1_000 } else { fraction });
    let time = Timestamp(u64::from(seconds) * 1_000_000 + micros);
    match data.get(16..16 + length) {
        Some(bytes) => Step::Packet { time, link_type, wire_len, data: bytes, size: 16 + length },
        None => Step::Need(16 + length),
    }
}

fn block<'a>(data: &'a [u8], little: &mut bool, interfaces: &mut Vec<Interface>) -> Step<'a> {
    let (Some(head), true) = (data.first_chunk::<4>(), data.len() >= 12) else { return Step::Need(12) };
    if *head == [0x0a, 0x0d, 0x0d, 0x0a] {
        *little = match data.get(8..12) {
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => true,
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => false,
            _ => return Step::Wrong("a section has no byte order"),
        };
        interfaces.clear();
    }
    let (Some(kind), Some(size)) = (u32_at(data, 0, *little), u32_at(data, 4, *little)) else { return Step::Need(12) };
    let size = size as usize;
    if size < 12 || !size.is_multiple_of(4) || size > BLOCK_LIMIT {
        return Step::Wrong("a block has no possible length");
    }
    let Some(body) = data.get(8..size - 4) else { return Step::Need(size) };
    if data.len() < size {
        return Step::Need(size);
    }
    match kind {
        1 => match interface(body, *little) {
            Some(described) if interfaces.len() < INTERFACE_LIMIT => {
                interfaces.push(described);
                Step::Other { size }
            }
            _ => Step::Wrong("an interface is not described"),
        },
        6 => enhanced(body, *little, interfaces, size, false),
        2 => enhanced(body, *little, interfaces, size, true),
        3 => simple(body, *little, interfaces, size),
        _ => Step::Other { size },
    }
}

fn interface(body: &[u8], little: bool) -> Option<Interface> {
    let link_type = u32::from(u16_at(body, 0, little)?);
    let snapshot = u32_at(body, 4, little)?;
    let (mut ticks, mut offset_s) = (1_000_000, 0);
    let mut options = body.get(8..).unwrap_or(&[]);
    while let (Some(code), Some(length)) = (u16_at(options, 0, little), u16_at(options, 2, little)) {
        let length = usize::from(length);
        let Some(value) = options.get(4..4 + length) else { break };
        match (code, value) {
            (0, _) => break,
            (9, [resolution]) if resolution & 0x80 == 0 => {
                ticks = 10_u64.checked_pow(u32::from(*resolution)).unwrap_or(ticks)
            }
            (9, [resolution]) => ticks = 1_u64.checked_shl(u32::from(resolution & 0x7f)).unwrap_or(ticks),
            (14, [_, _, _, _, _, _, _, _]) => {
                let bytes: [u8; 8] = *value.first_chunk()?;
                offset_s = if little { i64::from_le_bytes(bytes) } else { i64::from_be_bytes(bytes) };
            }
            _ => {}
        }
        options = options.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(Interface { link_type, snapshot, ticks, offset_s })
}

/// An enhanced packet block, or the packet block that it replaced.
fn enhanced<'a>(body: &'a [u8], little: bool, interfaces: &[Interface], size: usize, old: bool) -> Step<'a> {
    let index = if old { u16_at(body, 0, little).map(u32::from) } else { u32_at(body, 0, little) };
    let field = |at| u32_at(body, at, little);
    let (Some(index), Some(high), Some(low), Some(captured), Some(wire_len)) =
        (index, field(4), field(8), field(12), field(16))
    else {
        return Step::Wrong("a packet block is too short");
    };
    let Some(interface) = interfaces.get(index as usize) else {
        return Step::Wrong("a packet's interface is not described");
    };
    let length = captured as usize;
    if length > PACKET_LIMIT {
        return Step::Wrong("a packet is longer than 256 KiB");
    }
    let Some(data) = body.get(20..20 + length) else { return Step::Wrong("a packet is longer than its block") };
    let ticks = u64::from(high) << 32 | u64::from(low);
    let micros = u128::from(ticks) * 1_000_000 / u128::from(interface.ticks.max(1));
    let micros = i128::try_from(micros).unwrap_or(i128::MAX).saturating_add(i128::from(interface.offset_s) * 1_000_000);
    let time = Timestamp(u64::try_from(micros.max(0)).unwrap_or(u64::MAX / 2));
    Step::Packet { time, link_type: interface.link_type, wire_len, data, size }
}

fn simple<'a>(body: &'a [u8], little: bool, interfaces: &[Interface], size: usize) -> Step<'a> {
    let (Some(wire_len), Some(interface)) = (u32_at(body, 0, little), interfaces.first()) else {
        return Step::Wrong("a packet's interface is not described");
    };
    let data = body.get(4..).unwrap_or(&[]);
    let kept = if interface.snapshot == 0 { wire_len } else { wire_len.min(interface.snapshot) };
    let data = data.get(..kept as usize).unwrap_or(data);
    if data.len() > PACKET_LIMIT {
        return Step::Wrong("a packet is longer than 256 KiB");
    }
    Step::Packet { time: Timestamp(0), link_type: interface.link_type, wire_len, data, size }
}
