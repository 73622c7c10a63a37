//! The head of a block: a skippable frame that says how long the block is, from when its packets are, what they belong to, and which
//! alerts were raised meanwhile.

use tapwire_parsers::link::Timestamp;

use super::Words;
use crate::recording::packet::{Alerted, Belongs};

/// The magic number of skippable frames that are ours; those of heads and of the index begin with words of their own.
pub(super) const SKIPPABLE: u32 = 0x184d_2a5b;
const NAME: &[u8; 4] = b"TWb1";
/// Bytes of the largest head.
pub const HEAD_LIMIT: usize = 16 << 20;
/// Bytes of the largest block, before it is compressed.
pub const BLOCK_LIMIT: usize = 32 << 20;
/// Bytes before what a head belongs to.
pub const FIXED: usize = 52;
const OWNER: usize = 16;
const ALERT: usize = 40;

/// A head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the block that follows.
    pub block_len: u32,
    /// Bytes of it, before it was compressed.
    pub plain_len: u32,
    /// Its packets.
    pub packets: u32,
    /// The time of the earliest.
    pub first: Timestamp,
    /// The time of the latest.
    pub last: Timestamp,
    /// What they belong to.
    pub owners: Vec<Belongs>,
    /// Alerts since the last block.
    pub alerts: Vec<Alerted>,
}

impl Head {
    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        out.extend_from_slice(&SKIPPABLE.to_le_bytes());
        let body = FIXED - 8 + self.owners.len() * OWNER + self.alerts.len() * ALERT + 4;
        out.extend_from_slice(&number(body).to_le_bytes());
        out.extend_from_slice(NAME);
        for word in [self.block_len, self.plain_len, self.packets, number(self.owners.len()), number(self.alerts.len())]
        {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.first.0, self.last.0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        // So that what follows a cut head is not taken for more of it.
        let checksum = crc32fast::hash(out.get(start..).unwrap_or(&[]));
        out.extend_from_slice(&checksum.to_le_bytes());
        for owner in &self.owners {
            [owner.id, owner.alias].iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        }
        for alert in &self.alerts {
            let rule = u64::from(alert.gid) << 32 | u64::from(alert.sid);
            for word in [rule, alert.flow.unwrap_or(0), alert.number, alert.time.0, alert.flow.is_some().into()] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        let checksum = crc32fast::hash(out.get(start..).unwrap_or(&[]));
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// The length of the head that bytes begin with; nothing where they begin with none.
    pub fn len(bytes: &[u8; FIXED]) -> Option<usize> {
        let mut words = Words(bytes);
        let (magic, len, name) = (words.u32()?, words.u32()?, words.u32()?);
        let begin = bytes.get(..FIXED - 4)?;
        let is_ours = magic == SKIPPABLE && name.to_le_bytes() == *NAME;
        let checksum = Words(bytes.get(FIXED - 4..)?).u32()?;
        let len = usize::try_from(len).ok()?.checked_add(8)?;
        let fits = is_ours && checksum == crc32fast::hash(begin) && (FIXED + 4..=HEAD_LIMIT).contains(&len);
        fits.then_some(len)
    }

    /// Reads a whole one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (all, checksum) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*checksum) != crc32fast::hash(all) {
            return None;
        }
        let mut words = Words(all.get(12..)?);
        let (block_len, plain_len, packets) = (words.u32()?, words.u32()?, words.u32()?);
        let (owners, alerts) = (words.u32()?, words.u32()?);
        let (first, last) = (Timestamp(words.u64()?), Timestamp(words.u64()?));
        words.u32()?;
        let mut head = Self { block_len, plain_len, packets, first, last, ..Self::default() };
        if usize::try_from(plain_len).ok()? > BLOCK_LIMIT {
            return None;
        }
        for _ in 0..owners {
            head.owners.push(Belongs { id: words.u64()?, alias: words.u64()? });
        }
        for _ in 0..alerts {
            let (rule, flow, number) = (words.u64()?, words.u64()?, words.u64()?);
            let (time, has_flow) = (Timestamp(words.u64()?), words.u64()? != 0);
            let (gid, sid) = (u32::try_from(rule >> 32).ok()?, u32::try_from(rule & 0xffff_ffff).ok()?);
            head.alerts.push(Alerted { number, time, flow: has_flow.then_some(flow), gid, sid, tags: false });
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_damage_is_seen() {
        let alert = Alerted { number: 7, time: Timestamp(9), flow: Some(5), gid: 1, sid: u32::MAX, tags: false };
        let head = Head {
            block_len: 1,
            plain_len: 2,
            packets: 3,
            first: Timestamp(4),
            last: Timestamp(5),
            owners: vec![Belongs { id: 6, alias: 7 }, Belongs { id: 8, alias: 0 }],
            alerts: vec![alert, Alerted { flow: None, ..alert }],
        };
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        let len = |bytes: &[u8]| Head::len(bytes.first_chunk().unwrap());
        assert_eq!((len(&bytes), Head::read(&bytes)), (Some(bytes.len()), Some(head)));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(len(&damaged).is_none() || Head::read(&damaged).is_none(), "{at}");
            assert!(Head::read(&bytes[..at]).is_none());
        }
    }
}
