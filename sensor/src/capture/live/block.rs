//! Packets in a block that the kernel filled (`tpacket3_hdr` of `linux/if_packet.h`).
//!
//! A block is bytes, and read as any others are: what does not fit ends it. A VLAN tag that the card or the kernel took out is put back
//! where it was, in the room before the packet.

use tapwire_parsers::link::Timestamp;

/// A packet of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lying {
    /// When it came.
    pub(super) time: Timestamp,
    /// Where it lies.
    pub(super) from: usize,
    /// Bytes of it that are there.
    pub(super) len: usize,
    /// Bytes on the wire.
    pub(super) wire_len: u32,
    /// What else the kernel says: `TP_STATUS_CSUMNOTREADY` …
    pub(super) status: u32,
}

/// Where the next packet of a block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    at: usize,
    left: u32,
}

impl Cursor {
    /// Before the first packet of a block.
    pub(super) fn of(block: &[u8]) -> Self {
        Self { at: word(block, 16).and_then(|at| at.try_into().ok()).unwrap_or(0), left: word(block, 12).unwrap_or(0) }
    }

    /// The next packet; with `tagged` links a VLAN tag is put back.
    #[inline]
    pub(super) fn next(&mut self, block: &mut [u8], tagged: bool) -> Option<Lying> {
        self.left = self.left.checked_sub(1)?;
        let header: &[u8; HEADER] = block.get(self.at..)?.first_chunk()?;
        let field = |at: usize| word(header, at).unwrap_or(0);
        let (further, seconds, nanoseconds) = (field(0), field(4), field(8));
        let (len, wire_len, status) = (field(12), field(16), field(20));
        let short = |at: usize| header.get(at..).and_then(|b| b.first_chunk()).copied().map_or(0, u16::from_ne_bytes);
        let tag = (short(36), short(32));
        let mut lying = Lying {
            time: Timestamp(u64::from(seconds) * 1_000_000 + u64::from(nanoseconds / 1_000)),
            from: self.at.checked_add(short(24).into())?,
            len: usize::try_from(len).ok()?,
            wire_len,
            status,
        };
        // The length of the last one says nothing of a further one.
        self.at = self.at.checked_add(usize::try_from(further).ok()?)?;
        let end = lying.from.checked_add(lying.len)?;
        if end > block.len() {
            self.left = 0;
            return None;
        }
        if tagged && status & libc::TP_STATUS_VLAN_VALID != 0 {
            put_back(block, &mut lying, tag);
        }
        Some(lying)
    }
}

/// Puts a VLAN tag back behind the two addresses.
fn put_back(block: &mut [u8], lying: &mut Lying, (kind, tag): (u16, u16)) {
    let (Some(from), true) = (lying.from.checked_sub(TAG), lying.len >= ADDRESSES) else { return };
    block.copy_within(lying.from..lying.from + ADDRESSES, from);
    let kind = if lying.status & libc::TP_STATUS_VLAN_TPID_VALID != 0 { kind } else { VLAN };
    let ([a, b], [c, d]) = (kind.to_be_bytes(), tag.to_be_bytes());
    if let Some(place) = block.get_mut(from + ADDRESSES..from + ADDRESSES + TAG) {
        place.copy_from_slice(&[a, b, c, d]);
    }
    (lying.from, lying.len, lying.wire_len) = (from, lying.len + TAG, lying.wire_len.saturating_add(4));
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_ne_bytes)
}

/// Bytes of a packet's header that are read.
const HEADER: usize = 40;
/// Bytes of two Ethernet addresses.
const ADDRESSES: usize = 12;
/// Bytes of a tag.
const TAG: usize = 4;
/// The type of a tag that nothing is said of.
const VLAN: u16 = 0x8100;

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with packets of (status, tag, bytes), as the kernel lays them.
    fn block(packets: &[(u32, u16, &[u8])]) -> Vec<u8> {
        let mut block = vec![0; 48];
        block[12..16].copy_from_slice(&u32::try_from(packets.len()).unwrap().to_ne_bytes());
        block[16..20].copy_from_slice(&48_u32.to_ne_bytes());
        for (status, tag, data) in packets {
            let len = u32::try_from(data.len()).unwrap();
            let mut header: Vec<u8> = [96 + len.next_multiple_of(16), 7, 5_999, len, len + 1, *status]
                .into_iter()
                .flat_map(u32::to_ne_bytes)
                .collect();
            header.extend([96_u16, 110].into_iter().flat_map(u16::to_ne_bytes));
            header.extend([0, u32::from(*tag)].into_iter().flat_map(u32::to_ne_bytes));
            header.extend(0x88a8_u16.to_ne_bytes());
            header.resize(96, 0);
            header.extend(*data);
            header.resize(header.len().next_multiple_of(16), 0);
            block.extend(header);
        }
        block
    }

    fn all(block: &mut [u8], tagged: bool) -> Vec<(Lying, Vec<u8>)> {
        let mut cursor = Cursor::of(block);
        let mut found = Vec::new();
        while let Some(lying) = cursor.next(block, tagged) {
            found.push((lying, block[lying.from..lying.from + lying.len].to_vec()));
        }
        found
    }

    #[test]
    fn packets_are_read_where_they_lie() {
        let mut block = block(&[(0, 0, b"first"), (libc::TP_STATUS_CSUMNOTREADY, 0, b"and the second")]);
        let found = all(&mut block, true);
        assert_eq!(found.iter().map(|(_, data)| &data[..]).collect::<Vec<_>>(), [&b"first"[..], b"and the second"]);
        assert_eq!(found[1].0.time, Timestamp(7_000_005));
        assert_eq!((found[1].0.wire_len, found[1].0.status), (15, libc::TP_STATUS_CSUMNOTREADY));
    }

    #[test]
    fn tags_are_put_back_where_links_have_some() {
        let valid = libc::TP_STATUS_VLAN_VALID;
        let frame = b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x08\x00data";
        let packets =
            [(valid | libc::TP_STATUS_VLAN_TPID_VALID, 0x2064, &frame[..]), (valid, 5, frame), (valid, 5, b"short")];
        let found = all(&mut block(&packets), true);
        assert_eq!(found[0].1, [&frame[..12], b"\x88\xa8\x20\x64", &frame[12..]].concat());
        assert_eq!(found[1].1, [&frame[..12], b"\x81\x00\x00\x05", &frame[12..]].concat());
        assert_eq!((&found[2].1[..], found[0].0.wire_len, found[2].0.wire_len), (&b"short"[..], 23, 6));
        assert_eq!(all(&mut block(&packets), false)[0].1, frame);
    }

    #[test]
    fn what_does_not_fit_ends_the_block() {
        let whole = block(&[(0, 0, b"first"), (0, 0, b"second")]);
        for len in 0..whole.len() {
            assert!(all(&mut whole[..len].to_vec(), true).len() <= 2);
        }
        let mut many = whole.clone();
        many[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(all(&mut many, true).len(), 2);
    }
}
