//! What waits behind holes.
//!
//! Bytes lie in runs without a hole, in a tree. Runs that touch become one as long as that is no longer than [`JOINED_BYTES`],
//! so that a segment meets as many runs as it has kilobytes or closes holes, however finely, and in whatever order, the ones
//! before it were cut.
//!
//! Whose bytes these are is noted beside them where the policy asks for it ([`Overlap`]). Every policy that compares segments
//! prefers the one that begins earlier. So what a new segment wins ends where it ends and has no gap: it is found from there
//! backwards, and what is passed on the way is replaced by one note.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::index;
use crate::flow::overlap::Overlap;

/// Bytes that came too early.
#[derive(Debug, Default)]
pub(super) struct Early {
    runs: BTreeMap<u64, Vec<u8>>,
    /// By the first of its bytes.
    origins: BTreeMap<u64, Origin>,
    bytes: usize,
}

/// Bytes that came in one segment.
#[derive(Clone, Copy, Debug)]
struct Origin {
    upto: u64,
    /// Start and end of that segment.
    segment: (u64, u64),
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed {
    /// Some of its bytes are kept.
    pub(super) accepted: bool,
    /// Some were there already.
    pub(super) overlaps: bool,
    /// Some are others than those that were there.
    pub(super) different: bool,
}

impl Early {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many places in a tree they take: as many as there were segments, or fewer.
    pub(super) fn places(&self) -> usize {
        self.runs.len().max(self.origins.len())
    }

    /// The memory that they take.
    pub(super) fn held_bytes(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        TREE_BYTES + self.bytes + self.runs.len() * RUN_BYTES + self.origins.len() * ORIGIN_BYTES
    }

    /// Forgets all of them; tells how many bytes that were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(self).bytes
    }

    /// Where the first byte stands.
    pub(super) fn first(&self) -> Option<u64> {
        self.runs.first_key_value().map(|(&offset, _)| offset)
    }

    /// Start and end of each run.
    pub(super) fn spans(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().map(|(&start, run)| (start, start + run.len() as u64))
    }

    /// Takes out the first run if it does not begin behind `end`.
    pub(super) fn take_at(&mut self, end: u64) -> Option<(u64, Vec<u8>)> {
        let entry = self.runs.first_entry().filter(|entry| *entry.key() <= end)?;
        let (offset, run) = entry.remove_entry();
        self.bytes -= run.len();
        let upto = offset + run.len() as u64;
        while let Some(origin) = self.origins.first_entry().filter(|origin| *origin.key() < upto) {
            origin.remove();
        }
        Some((offset, run))
    }

    /// Takes the part of a segment that begins at `offset`. Of bytes that are there already one copy counts, and the other one is
    /// handed to `rival`.
    pub(super) fn place(
        &mut self,
        offset: u64,
        data: &[u8],
        (segment, overlap): ((u64, u64), Overlap),
        rival: &mut dyn FnMut(u64, &[u8]),
    ) -> Placed {
        let end = offset + data.len() as u64;
        let won = self.won_from(offset, end, segment, overlap);
        let part = |from: u64, upto: u64| data.get(index(from - offset)..index(upto - offset)).unwrap_or(&[]);
        let mut placed = Placed::default();
        let mut holes: SmallVec<[(u64, u64); 4]> = SmallVec::new();
        let mut at = offset;
        let first = self.runs.range(..=offset).next_back().map_or(offset, |(&start, _)| start);
        for (&start, run) in self.runs.range_mut(first..end) {
            let (from, upto) = (start.max(offset), (start + run.len() as u64).min(end));
            if from >= upto {
                continue;
            }
            placed.overlaps = true;
            if at < from {
                holes.push((at, from));
            }
            at = upto;
            let Some(old) = run.get_mut(index(from - start)..index(upto - start)) else { continue };
            if old == part(from, upto) {
                continue;
            }
            placed.different = true;
            let turn = won.clamp(from, upto);
            let (kept, lost) = old.split_at_mut(index(turn - from).min(old.len()));
            if kept != part(from, turn) {
                rival(from, part(from, turn));
            }
            if lost != part(turn, upto) {
                rival(turn, lost);
                lost.copy_from_slice(part(turn, upto));
                placed.accepted = true;
            }
        }
        if at < end {
            holes.push((at, end));
        }
        placed.accepted |= !holes.is_empty();
        for (from, upto) in holes {
            self.put(from, part(from, upto));
        }
        if overlap.compares() && won < end {
            self.note(won, end, segment);
        }
        placed
    }

    /// From where on the copy in a new segment counts, which has the bytes from `offset` to `end`.
    fn won_from(&self, offset: u64, end: u64, segment: (u64, u64), overlap: Overlap) -> u64 {
        if !overlap.compares() {
            return if overlap == Overlap::Last { offset } else { end };
        }
        let origins = self.origins.range(..end).rev().take_while(|(_, origin)| origin.upto > offset);
        for (_, origin) in origins {
            if !overlap.prefers_new(origin.segment, segment) {
                return origin.upto.min(end);
            }
        }
        offset
    }

    /// Notes that bytes came in a segment.
    fn note(&mut self, from: u64, upto: u64, segment: (u64, u64)) {
        // The last one that has bytes of the range may go on behind it.
        let mut last = None;
        while let Some((&start, _)) = self.origins.range(from..upto).next_back() {
            let origin = self.origins.remove(&start);
            last = last.or(origin);
        }
        if let Some((_, before)) = self.origins.range_mut(..from).next_back().filter(|(_, origin)| origin.upto > from) {
            last = last.or(Some(*before));
            before.upto = from;
        }
        if let Some(origin) = last.filter(|origin| origin.upto > upto) {
            self.origins.insert(upto, origin);
        }
        self.origins.insert(from, Origin { upto, segment });
    }

    /// Fills a hole.
    fn put(&mut self, from: u64, bytes: &[u8]) {
        self.bytes += bytes.len();
        let fits = |run: &Vec<u8>, more: usize| run.len() + more <= JOINED_BYTES;
        let before = self.runs.range_mut(..from).next_back().filter(|(start, run)| **start + run.len() as u64 == from);
        let start = match before.filter(|(_, run)| fits(run, bytes.len())) {
            Some((&start, run)) => {
                append(run, bytes);
                start
            }
            None => {
                self.runs.insert(from, bytes.to_vec());
                from
            }
        };
        let end = from + bytes.len() as u64;
        let (own, behind) = (self.runs.get(&start).map_or(0, Vec::len), self.runs.get(&end));
        if behind.is_some_and(|behind| fits(behind, own))
            && let Some(behind) = self.runs.remove(&end)
            && let Some(run) = self.runs.get_mut(&start)
        {
            append(run, &behind);
        }
    }
}

/// Grows a run by no more than what it needs, rounded up.
fn append(run: &mut Vec<u8>, bytes: &[u8]) {
    let wanted = (run.len() + bytes.len()).next_multiple_of(GRAIN_BYTES);
    run.reserve_exact(wanted - run.len());
    run.extend_from_slice(bytes);
}

/// How long runs become by being joined.
const JOINED_BYTES: usize = 2048;
const GRAIN_BYTES: usize = 64;
/// What keeping a run costs besides its bytes, and what noting whose they are.
const RUN_BYTES: usize = 96;
const ORIGIN_BYTES: usize = 48;
/// What keeping any costs besides that.
const TREE_BYTES: usize = 768;
/// What a segment may cost besides its bytes.
pub(super) const EARLY_BYTES: usize = RUN_BYTES + 2 * ORIGIN_BYTES;
