//! What waits behind holes, and copies of bytes that do not count: most streams have neither.

use std::collections::{BTreeMap, VecDeque};

use smallvec::SmallVec;

use super::piece::Piece;
use super::{DIFFERENT, Stored, StreamSettings, index};
use crate::flow::overlap::Overlap;
use crate::flow::store::Store;
use crate::flow::urgent::Urgent;

/// What only some streams need: those with holes, several copies of bytes, urgent bytes, or a depth of their own.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Bytes in order before the last piece; each is followed by a gap.
    pub(super) older: VecDeque<Piece>,
    /// Segments beyond the end of the last piece, by offset; they do not overlap.
    pub(super) early: BTreeMap<u64, Early>,
    pub(super) early_bytes: usize,
    pub(super) rivals: Rivals,
    pub(super) urgent: Urgent,
    /// The parser gets nothing from here on.
    pub(super) parser_end: Option<u64>,
    /// The depth of its protocol, where that has one of its own.
    pub(super) depth_bytes: Option<u64>,
    pub(super) max_regions: u32,
}

/// Bytes that wait behind a hole.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) bytes: Vec<u8>,
    /// Start and end of the segment in which they came.
    pub(super) segment: (u64, u64),
}

/// Copies of bytes that the receiver may have taken in the place of those that count.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    pub(super) copies: Vec<(u64, Vec<u8>)>,
    /// Bytes that were ever kept here.
    pub(super) bytes: usize,
    /// The bytes of which the parser last saw another version, up to the first new copy since then.
    pub(super) asked: std::ops::Range<u64>,
}

impl Rare {
    /// Bytes held here.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + self.early_bytes
            + self.early.len() * EARLY_BYTES
            + if self.early.is_empty() { 0 } else { TREE_BYTES }
            + self.rivals.copies.iter().map(|(_, copy)| copy.len() + EARLY_BYTES).sum::<usize>()
            + self.older.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// Gives up what waits behind holes; tells how many bytes that were.
    pub(super) fn clear_early(&mut self) -> usize {
        self.early.clear();
        std::mem::take(&mut self.early_bytes)
    }

    pub(super) fn keep_rival(&mut self, offset: u64, copy: Vec<u8>, settings: &StreamSettings) {
        let rivals = &mut self.rivals;
        if rivals.bytes + copy.len() + EARLY_BYTES <= settings.rival_bytes {
            rivals.bytes += copy.len() + EARLY_BYTES;
            rivals.asked.end = rivals.asked.end.min(offset);
            rivals.copies.push((offset, copy));
        }
    }

    /// Puts the part of a segment that begins at `offset` among those that wait; of bytes that are there already one copy or the
    /// other counts.
    #[expect(clippy::too_many_arguments, reason = "a segment, and everything that decides where its bytes go")]
    pub(super) fn place_early(
        &mut self,
        offset: u64,
        data: &[u8],
        segment: (u64, u64),
        overlap: Overlap,
        settings: &StreamSettings,
        store: &mut Store,
        stored: &mut Stored,
    ) {
        if self.early.len() >= settings.early_segments {
            store.refuse(data.len());
            return;
        }
        let end = offset + data.len() as u64;
        let first = self.early.range(..=offset).next_back().map_or(offset, |(&start, _)| start);
        let overlapped: SmallVec<[u64; 4]> = self.early.range(first..end).map(|(&start, _)| start).collect();
        let part = |from: u64, upto: u64| data.get(index(from - offset)..index(upto - offset)).unwrap_or(&[]);
        let mut at = offset;
        for start in overlapped {
            let Some(old) = self.early.get(&start) else { continue };
            let old_end = start + old.bytes.len() as u64;
            let (from, upto) = (start.max(offset), old_end.min(end));
            if from >= upto {
                continue;
            }
            if at < from {
                self.put_early(at, part(at, from), segment);
                stored.accepted = true;
            }
            at = upto;
            self.share(start, from, part(from, upto), (segment, overlap), settings, stored);
        }
        if at < end {
            self.put_early(at, part(at, end), segment);
            stored.accepted = true;
        }
    }

    fn put_early(&mut self, offset: u64, bytes: &[u8], segment: (u64, u64)) {
        self.early_bytes += bytes.len();
        self.early.insert(offset, Early { bytes: bytes.to_vec(), segment });
    }

    /// Two segments have the bytes from `from` on, of which the early one is kept at `start`.
    fn share(
        &mut self,
        start: u64,
        from: u64,
        new: &[u8],
        (segment, overlap): ((u64, u64), Overlap),
        settings: &StreamSettings,
        stored: &mut Stored,
    ) {
        let room = self.early.len() < settings.early_segments;
        let Some(old) = self.early.get_mut(&start) else { return };
        let within = index(from - start);
        let Some(kept) = old.bytes.get(within..within + new.len()) else { return };
        let wins = room && overlap.prefers_new(old.segment, segment);
        let different = kept != new;
        let rival = different.then(|| if wins { kept.to_vec() } else { new.to_vec() });
        if wins {
            let behind = old.bytes.split_off(within + new.len());
            old.bytes.truncate(within);
            let (old_segment, emptied) = (old.segment, within == 0);
            if emptied {
                self.early.remove(&start);
            }
            self.early.insert(from, Early { bytes: new.to_vec(), segment });
            if !behind.is_empty() {
                self.early.insert(from + new.len() as u64, Early { bytes: behind, segment: old_segment });
            }
            stored.accepted |= different;
        }
        if let Some(copy) = rival {
            stored.anomaly = Some(DIFFERENT);
            self.keep_rival(from, copy, settings);
        }
    }
}

/// What keeping an early segment costs besides its bytes.
pub(super) const EARLY_BYTES: usize = 96;
/// What keeping some of them costs besides that.
const TREE_BYTES: usize = 384;
