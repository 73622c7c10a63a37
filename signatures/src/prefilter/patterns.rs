//! The bytes of all patterns of a set, one behind the other.

use super::PatternId;

/// Byte strings by number.
#[derive(Debug, Default, Hash)]
pub(super) struct Patterns {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Patterns {
    /// Adds one, and gives its number.
    pub(super) fn push(&mut self, bytes: impl Iterator<Item = u8>) -> PatternId {
        let id = self.len();
        self.bytes.extend(bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// The bytes of one.
    #[inline]
    pub(super) fn get(&self, id: PatternId) -> &[u8] {
        let id = id as usize;
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(id).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Gives unused memory back.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Bytes of memory it holds.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 4
    }
}
