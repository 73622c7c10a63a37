//! The pcapng format (draft-ietf-opsawg-pcapng): blocks, of which those with packets and the descriptions of their
//! interfaces are read, and all others are left out. Packets of an interface of a kind that is not known are given out all the
//! same: who reads the file counts them and leaves them out.
//!
//! Walked by hand rather than with `pcap-parser`, whose reader wants a whole block in its buffer, however long the block says
//! it is, and does not tell where an error is: here a block without packets may have any length and takes no memory.

use tapwire_parsers::link::Timestamp;

use super::PACKET_LIMIT_BYTES;
use super::batch::Arrival;
use super::format::{Damage, Order};
use super::input::{Input, Short, VIEW_LIMIT_BYTES};

/// A capture in this format.
#[derive(Default)]
pub(super) struct Pcapng {
    order: Order,
    in_section: bool,
    /// Of this section.
    interfaces: Vec<Interface>,
    /// Simple packets have no time: they get that of the packet before.
    time: Timestamp,
    /// The block that was given last: it is left behind when the next one is asked for.
    last_len: u64,
}

struct Interface {
    link_type: u32,
    /// 0 is without limit.
    snap_len: u32,
    resolution: Resolution,
    offset_seconds: i64,
}

/// What one is added to a timestamp after.
#[derive(Clone, Copy)]
enum Resolution {
    /// A second divided by this power of ten.
    Decimal(u32),
    /// A second divided by this power of two.
    Binary(u32),
}

/// A block's own header.
struct Block {
    kind: u32,
    len: u32,
}

impl Pcapng {
    /// Whether a file that begins so is in this format.
    pub(super) fn follows(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == SECTION
    }

    /// The next packet; none at the end.
    #[inline]
    pub(super) fn next<'i>(&mut self, input: &'i mut Input) -> Result<Option<(Arrival, &'i [u8])>, Damage> {
        input.skip(std::mem::take(&mut self.last_len))?;
        while let Some(block) = self.next_block(input)? {
            match block.kind {
                SECTION => {
                    self.interfaces.clear();
                    check_end(view_block(&block, input)?, self.order)?;
                    input.skip(block.len.into())?;
                }
                INTERFACE => {
                    let body = check_end(view_block(&block, input)?, self.order)?;
                    let interface = read_interface(body, self.order).ok_or(BAD_INTERFACE)?;
                    if self.interfaces.len() >= INTERFACE_LIMIT {
                        return Err(Damage::Corrupt("more interfaces than there can be"));
                    }
                    self.interfaces.push(interface);
                    input.skip(block.len.into())?;
                }
                ENHANCED | SIMPLE | OBSOLETE => {
                    let body = check_end(view_block(&block, input)?, self.order)?;
                    let (arrival, start, len) = match block.kind {
                        ENHANCED => self.read_enhanced(body)?,
                        SIMPLE => self.read_simple(body)?,
                        _ => self.read_obsolete(body)?,
                    };
                    self.last_len = block.len.into();
                    let start = 8 + start;
                    // The block has just been looked at in whole.
                    let whole = input.view(start.saturating_add(len))?;
                    return Ok(Some((arrival, whole.get(start..).unwrap_or(&[]))));
                }
                _ => self.skip_block(&block, input)?,
            }
        }
        Ok(None)
    }

    /// The header of the next block, which stays where it is.
    #[inline]
    fn next_block(&mut self, input: &mut Input) -> Result<Option<Block>, Damage> {
        let header = match input.view_array::<8>() {
            Ok(header) => header,
            Err(Short::Ended) => return Ok(None),
            Err(short) => return Err(short.into()),
        };
        let kind = self.order.u32_at(&header, 0);
        // The number of a section reads the same in both byte orders, and is followed by what tells them.
        if kind == SECTION {
            self.order = match input.view_array::<12>()? {
                [.., 0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
                [.., 0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
                _ => return Err(Damage::Corrupt("a section without a byte order")),
            };
            let major = self.order.u16_at(input.view(14)?, 12);
            if major != 1 {
                return Err(Damage::Unsupported(format!("version {major} of the pcapng format")));
            }
            self.in_section = true;
        } else if !self.in_section {
            return Err(Damage::Corrupt("a block before the first section"));
        }
        let len = self.order.u32_at(&header, 4);
        if len < 12 || !len.is_multiple_of(4) {
            return Err(Damage::Corrupt("a block with a length that cannot be"));
        }
        Ok(Some(Block { kind, len }))
    }

    fn read_enhanced(&mut self, body: &[u8]) -> Result<(Arrival, usize, usize), Damage> {
        let order = self.order;
        let fixed = body.first_chunk::<20>().ok_or(SHORT_BLOCK)?;
        let interface = order.u32_at(fixed, 0);
        let ticks = u64::from(order.u32_at(fixed, 4)) << 32 | u64::from(order.u32_at(fixed, 8));
        let (len, wire_len) = (order.u32_at(fixed, 12), order.u32_at(fixed, 16));
        self.arrival(interface, ticks, len, wire_len, body.len() - fixed.len()).map(|(a, len)| (a, 20, len))
    }

    fn read_obsolete(&mut self, body: &[u8]) -> Result<(Arrival, usize, usize), Damage> {
        let order = self.order;
        let fixed = body.first_chunk::<20>().ok_or(SHORT_BLOCK)?;
        let interface = u32::from(order.u16_at(fixed, 0));
        let ticks = u64::from(order.u32_at(fixed, 4)) << 32 | u64::from(order.u32_at(fixed, 8));
        let (len, wire_len) = (order.u32_at(fixed, 12), order.u32_at(fixed, 16));
        self.arrival(interface, ticks, len, wire_len, body.len() - fixed.len()).map(|(a, len)| (a, 20, len))
    }

    fn arrival(
        &mut self,
        index: u32,
        ticks: u64,
        len: u32,
        wire_len: u32,
        room: usize,
    ) -> Result<(Arrival, usize), Damage> {
        let interface = self.interfaces.get(index as usize).ok_or(NO_INTERFACE)?;
        let data_len = len as usize;
        if data_len > PACKET_LIMIT_BYTES || data_len > room {
            return Err(Damage::Corrupt("a packet longer than its block"));
        }
        let time = interface.time(ticks);
        let link_type = interface.link_type;
        self.time = time;
        let interface = u16::try_from(index).unwrap_or(u16::MAX);
        Ok((Arrival { time, link_type, interface, wire_len: wire_len.max(len) }, data_len))
    }

    fn read_simple(&self, body: &[u8]) -> Result<(Arrival, usize, usize), Damage> {
        let interface = self.interfaces.first().ok_or(NO_INTERFACE)?;
        let wire_len = self.order.u32_at(body.first_chunk::<4>().ok_or(SHORT_BLOCK)?, 0);
        let limit = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
        let len = (wire_len.min(limit) as usize).min(body.len() - 4);
        if len > PACKET_LIMIT_BYTES {
            return Err(Damage::Corrupt("a packet longer than any"));
        }
        Ok((Arrival { time: self.time, link_type: interface.link_type, interface: 0, wire_len }, 4, len))
    }

    fn skip_block(&self, block: &Block, input: &mut Input) -> Result<(), Damage> {
        input.skip(u64::from(block.len) - 4)?;
        let end = input.view_array::<4>()?;
        if self.order.u32(end) != block.len {
            return Err(BAD_END);
        }
        Ok(input.skip(4)?)
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Timestamp {
        let microseconds = match self.resolution {
            Resolution::Decimal(power @ 0..=6) => ticks.saturating_mul(10u64.pow(6 - power)),
            Resolution::Decimal(power) => 10u64.checked_pow(power - 6).map_or(0, |parts| ticks / parts),
            Resolution::Binary(power) => {
                let parts = (u128::from(ticks) * 1_000_000).checked_shr(power).unwrap_or(0);
                u64::try_from(parts).unwrap_or(u64::MAX)
            }
        };
        Timestamp(microseconds.saturating_add_signed(self.offset_seconds.saturating_mul(1_000_000)))
    }
}

/// The whole block, with its header and end.
fn view_block<'i>(block: &Block, input: &'i mut Input) -> Result<&'i [u8], Damage> {
    match usize::try_from(block.len) {
        Ok(len) if len <= VIEW_LIMIT_BYTES => Ok(input.view(len)?),
        _ => Err(Damage::Corrupt("a block longer than a packet and its options")),
    }
}

/// What is between a block's header and its end, which repeats the length.
fn check_end(block: &[u8], order: Order) -> Result<&[u8], Damage> {
    let (body, end) = block.split_last_chunk::<4>().ok_or(SHORT_BLOCK)?;
    if order.u32(*end) as usize != block.len() {
        return Err(BAD_END);
    }
    body.get(8..).ok_or(SHORT_BLOCK)
}

fn read_interface(body: &[u8], order: Order) -> Option<Interface> {
    let (fixed, mut options) = body.split_first_chunk::<8>()?;
    let mut interface = Interface {
        link_type: order.u16_at(fixed, 0).into(),
        snap_len: order.u32_at(fixed, 4),
        resolution: Resolution::Decimal(6),
        offset_seconds: 0,
    };
    while let Some((header, rest)) = options.split_first_chunk::<4>() {
        let (kind, len) = (order.u16_at(header, 0), usize::from(order.u16_at(header, 2)));
        let value = rest.get(..len)?;
        match (kind, value) {
            (0, _) => break,
            (TIME_RESOLUTION, &[power]) if power & 0x80 != 0 => {
                interface.resolution = Resolution::Binary(u32::from(power & 0x7f));
            }
            (TIME_RESOLUTION, &[power]) => interface.resolution = Resolution::Decimal(power.into()),
            (TIME_OFFSET, value) => {
                let bytes = *value.first_chunk::<8>()?;
                interface.offset_seconds = match order {
                    Order::Little => i64::from_le_bytes(bytes),
                    Order::Big => i64::from_be_bytes(bytes),
                };
            }
            _ => {}
        }
        // The last option may lack its padding.
        options = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(interface)
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
const INTERFACE_LIMIT: usize = 65_536;
const SHORT_BLOCK: Damage = Damage::Corrupt("a block too short for what it is");
const BAD_END: Damage = Damage::Corrupt("a block whose two lengths differ");
const BAD_INTERFACE: Damage = Damage::Corrupt("an interface that cannot be read");
const NO_INTERFACE: Damage = Damage::Corrupt("a packet of an interface that was not described");
