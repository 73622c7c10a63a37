//! What waits behind holes, and copies of bytes that do not count: most streams have neither.

use std::collections::VecDeque;

use super::early::Early;
use super::missing::Missing;
use super::piece::Piece;
use super::{DIFFERENT, Stored, StreamSettings};
use crate::flow::overlap::Overlap;
use crate::flow::store::Store;
use crate::flow::urgent::Urgent;

/// What only some streams need: those with holes, several copies of bytes, urgent bytes, or a depth of their own.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Bytes in order before the last piece; each is followed by a gap.
    pub(super) older: VecDeque<Piece>,
    /// What came beyond the end of the last piece.
    pub(super) early: Early,
    pub(super) rivals: Rivals,
    pub(super) urgent: Urgent,
    /// What is missing of what nobody reads.
    pub(super) missing: Missing,
    /// The parser gets nothing from here on.
    pub(super) parser_end: Option<u64>,
    /// The depth of its protocol, where that has one of its own.
    pub(super) depth_bytes: Option<u64>,
    pub(super) max_regions: u32,
}

/// Copies of bytes that the receiver may have taken in the place of those that count.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    pub(super) copies: Vec<(u64, Vec<u8>)>,
    /// Their memory.
    held_bytes: usize,
    /// The lowest of their ends.
    first_end: u64,
    /// Bytes that were ever kept here.
    pub(super) bytes: usize,
    /// The bytes of which the parser last saw another version, up to the first new copy since then.
    pub(super) asked: std::ops::Range<u64>,
}

impl Rare {
    /// Bytes held here.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + self.early.held_bytes()
            + self.rivals.held_bytes
            + self.older.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// Keeps another copy of bytes; whether there was room.
    pub(super) fn keep_rival(&mut self, offset: u64, copy: &[u8], settings: &StreamSettings) -> bool {
        self.rivals.keep(offset, copy, settings)
    }

    /// Puts the part of a segment that begins at `offset` among what waits, unless there is no place for more of them; one that
    /// is `due` will not wait.
    pub(super) fn place_early(
        &mut self,
        (offset, due): (u64, bool),
        data: &[u8],
        of: ((u64, u64), Overlap),
        settings: &StreamSettings,
        store: &mut Store,
        stored: &mut Stored,
    ) {
        if self.early.places() >= settings.early_segments && !due {
            store.refuse_place(data.len());
            return;
        }
        let rivals = &mut self.rivals;
        let mut unkept = false;
        let mut rival = |at: u64, copy: &[u8]| unkept |= !rivals.keep(at, copy, settings);
        let placed = self.early.place(offset, data, of, &mut rival);
        stored.accepted |= placed.accepted;
        stored.overlaps |= placed.overlaps;
        stored.unkept |= unkept;
        if placed.different {
            stored.anomaly = Some(DIFFERENT);
        }
    }
}

impl Rivals {
    fn keep(&mut self, offset: u64, copy: &[u8], settings: &StreamSettings) -> bool {
        let bytes = copy.len() + RIVAL_BYTES;
        let fits = self.bytes + bytes <= settings.rival_bytes;
        if fits {
            self.bytes += bytes;
            self.held_bytes += bytes;
            self.asked.end = self.asked.end.min(offset);
            let end = offset + copy.len() as u64;
            self.first_end = if self.copies.is_empty() { end } else { self.first_end.min(end) };
            self.copies.push((offset, copy.to_vec()));
        }
        fits
    }

    /// Forgets those that end before `passed`.
    pub(super) fn free_before(&mut self, passed: u64) {
        if self.copies.is_empty() || self.first_end > passed {
            return;
        }
        let end = |(offset, copy): &(u64, Vec<u8>)| offset + copy.len() as u64;
        self.copies.retain(|copy| end(copy) > passed);
        self.held_bytes = self.copies.iter().map(|(_, copy)| copy.len() + RIVAL_BYTES).sum();
        self.first_end = self.copies.iter().map(end).min().unwrap_or(0);
    }
}

/// What keeping another copy costs besides its bytes.
const RIVAL_BYTES: usize = 96;
