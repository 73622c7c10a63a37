//! The pcap format (draft-ietf-opsawg-pcap): a header, then packets, in either byte order, with micro- or nanoseconds, and
//! the variant of a patched libpcap with longer packet headers.
//!
//! Walked by hand rather than with `pcap-parser`: a packet header is four numbers, and errors must say at which byte they are
//! and whether bytes are missing or wrong, which that library's reader does not tell.

use tapwire_parsers::link::{Timestamp, is_supported};

use super::PACKET_LIMIT_BYTES;
use super::batch::Arrival;
use super::format::{Damage, Order};
use super::input::{Input, Short};

/// A capture in this format.
pub(super) struct Pcap {
    order: Order,
    /// How many of the parts of a second make a microsecond.
    parts: u32,
    link_type: u32,
    /// Length of a packet header: 16, or 24 where it names the interface.
    header_len: usize,
    /// The packet that was given last: it is left behind when the next one is asked for.
    last_len: u64,
}

impl Pcap {
    /// Reads the header of the file, if it begins with the format's magic number.
    pub(super) fn open(magic: [u8; 4], input: &mut Input) -> Result<Option<Self>, Damage> {
        let (order, parts, header_len) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1000, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1000, 16),
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1, 24),
            _ => return Ok(None),
        };
        let header = input.view_array::<24>()?;
        let major = order.u16_at(&header, 4);
        if major != 2 {
            return Err(Damage::Unsupported(format!("version {major} of the pcap format")));
        }
        // The upper bits tell of checksums behind the packets, which are behind what IP says is its end.
        let link_type = order.u32_at(&header, 20) & 0xffff;
        if !is_supported(link_type) {
            return Err(Damage::Unsupported(format!("link type {link_type}")));
        }
        input.skip(24)?;
        Ok(Some(Self { order, parts, link_type, header_len, last_len: 0 }))
    }

    /// The next packet; none at the end.
    #[inline]
    pub(super) fn next<'i>(&mut self, input: &'i mut Input) -> Result<Option<(Arrival, &'i [u8])>, Damage> {
        input.skip(std::mem::take(&mut self.last_len))?;
        let header = match input.view(self.header_len) {
            Ok(header) => header,
            Err(Short::Ended) => return Ok(None),
            Err(short) => return Err(short.into()),
        };
        let seconds = u64::from(self.order.u32_at(header, 0));
        let parts = u64::from(self.order.u32_at(header, 4) / self.parts);
        let len = self.order.u32_at(header, 8);
        let wire_len = self.order.u32_at(header, 12).max(len);
        let interface = if self.header_len > 16 { self.order.u32_at(header, 16) & 0xffff } else { 0 };
        let len = len as usize;
        if len > PACKET_LIMIT_BYTES {
            return Err(Damage::Corrupt("a packet longer than any"));
        }
        let whole = self.header_len + len;
        let data = input.view(whole)?.get(self.header_len..).unwrap_or(&[]);
        self.last_len = whole as u64;
        let arrival = Arrival {
            time: Timestamp(seconds * 1_000_000 + parts),
            link_type: self.link_type,
            interface: u16::try_from(interface).unwrap_or(0),
            wire_len,
        };
        Ok(Some((arrival, data)))
    }
}
