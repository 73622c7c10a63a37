//! Files that come in parts (RFC 9110, section 14): the parts of one file in a flow are put together to a file of its own, which rules and
//! records see beside the parts.
//!
//! The whole goes on with each part that joins what is there. Parts from further behind wait within a budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Direction, FileHandle, FileRange, held};

use super::file::File;
use super::{FileSettings, Files};
use crate::decode::memory::Budget;

/// Bytes of parts that wait for those before them, of all flows, where the configuration does not say.
pub const PARTS_BYTES: u64 = 100 << 20;
/// Files of a flow that are put together at once.
const WHOLES_LIMIT: usize = 4;
/// What a part that waits takes beside its bytes.
const PLACE_BYTES: usize = 64;

/// Bytes of a part, with their place in the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// Of the transaction that brings it.
    pub(super) transaction: u64,
    pub(super) direction: Direction,
    pub(super) name: &'a [u8],
    /// Size of the whole.
    pub(super) size: u64,
    pub(super) start: u64,
    pub(super) data: &'a [u8],
}

/// A file that is put together. Its bytes are those of an open file of the flow.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) handle: FileHandle,
    name: Vec<u8>,
    size: u64,
    /// Bytes that are joined, from the first one on.
    joined: u64,
    waiting: Waiting,
}

/// Parts from further behind, by their place.
#[derive(Debug)]
struct Waiting {
    parts: BTreeMap<u64, Vec<u8>>,
    budget: Arc<Budget>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.budget.put_back(self.parts.values().map(Self::cost).sum());
    }
}

impl Waiting {
    fn cost(part: &Vec<u8>) -> usize {
        part.capacity() + PLACE_BYTES
    }

    /// Whether there was room for it. Of two at one place the first is kept.
    fn add(&mut self, start: u64, data: &[u8]) -> bool {
        if self.parts.contains_key(&start) {
            return true;
        }
        let copy = data.to_vec();
        let room = self.budget.draw(Self::cost(&copy));
        if room {
            self.parts.insert(start, copy);
        }
        room
    }

    /// Takes the first one, if it begins at a place or before it.
    fn take_up_to(&mut self, place: u64) -> Option<(u64, Vec<u8>)> {
        let first = self.parts.first_entry().filter(|first| *first.key() <= place)?;
        let (start, part) = first.remove_entry();
        self.budget.put_back(Self::cost(&part));
        Some((start, part))
    }
}

impl Whole {
    /// What of bytes at a place is new and follows what is joined; nothing of what waits for others, or is known.
    fn fresh<'d>(&self, start: u64, data: &'d [u8]) -> &'d [u8] {
        let known = usize::try_from(self.joined.saturating_sub(start)).unwrap_or(usize::MAX);
        data.get(known..).unwrap_or_default()
    }

    /// Bytes that it holds besides its own size, without those that wait.
    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.name)
    }
}

/// The part that a file is, if it is one and says of how much.
pub(super) fn part_of(file: &File) -> Option<FileRange> {
    let FileRange { start, end, size } = file.range?;
    let is_part = start <= end && end < size && (start > 0 || end + 1 < size);
    is_part.then_some(FileRange { start, end, size })
}

impl Files {
    /// Puts bytes of a part where they belong.
    pub(super) fn join(&mut self, part: &Part<'_>, mark: u64, settings: &FileSettings) {
        let Some(at) = self.whole_of(part, mark, settings) else { return };
        let Some(kept) = self.kept.as_deref_mut() else { return };
        let Some(whole) = kept.wholes.get_mut(at) else { return };
        if part.start > whole.joined {
            if !whole.waiting.add(part.start, part.data) {
                kept.losses.unjoined += 1;
                let handle = whole.handle;
                self.forget_whole(handle, mark);
            }
            return;
        }
        let handle = whole.handle;
        let Some(open) = kept.open.iter_mut().find(|open| (open.handle, open.mark) == (handle, mark)) else {
            // It was cut off for others.
            kept.wholes.remove(at);
            return;
        };
        if open.file.travel_in(part.transaction) {
            kept.marks.put_on(&mut open.file);
        }
        let (mut start, mut owned, mut room) = (part.start, None::<Vec<u8>>, true);
        loop {
            let fresh = whole.fresh(start, owned.as_deref().unwrap_or(part.data));
            whole.joined += fresh.len() as u64;
            room &= open.file.append(fresh);
            match whole.waiting.take_up_to(whole.joined) {
                Some((next, bytes)) => (start, owned) = (next, Some(bytes)),
                None => break,
            }
        }
        kept.losses.unkept += u64::from(!room);
        if whole.joined >= whole.size {
            kept.wholes.remove(at);
            self.close(handle, mark, true);
        }
    }

    /// The place of the whole that a part belongs to, which may begin with it.
    fn whole_of(&mut self, part: &Part<'_>, mark: u64, settings: &FileSettings) -> Option<usize> {
        let budget = settings.parts.as_ref()?;
        let kept = self.kept.get_or_insert_default();
        let is_same = |whole: &Whole| {
            whole.size == part.size && whole.handle.direction == part.direction && whole.name == part.name
        };
        if let Some(at) = kept.wholes.iter().position(is_same) {
            return Some(at);
        }
        if kept.wholes.len() >= WHOLES_LIMIT {
            kept.losses.unjoined += 1;
            let handle = kept.wholes.first()?.handle;
            self.forget_whole(handle, mark);
        }
        // Parsers number what they have from 0 on.
        let handle = FileHandle { direction: part.direction, number: u64::MAX - u64::from(self.begun) };
        let file = Box::new(File::new((part.direction, part.transaction), part.name, None, settings));
        self.open((handle, mark), file, settings.open_limit);
        let waiting = Waiting { parts: BTreeMap::new(), budget: Arc::clone(budget) };
        let kept = self.kept.get_or_insert_default();
        kept.wholes.push(Whole { handle, name: part.name.to_vec(), size: part.size, joined: 0, waiting });
        Some(kept.wholes.len() - 1)
    }

    /// Gives up on a whole: its parts have their records.
    fn forget_whole(&mut self, handle: FileHandle, mark: u64) {
        let Some(kept) = &mut self.kept else { return };
        kept.wholes.retain(|whole| whole.handle != handle);
        let open = kept.open.iter().position(|open| (open.handle, open.mark) == (handle, mark));
        if let Some(open) = open.map(|at| kept.open.remove(at)).filter(|open| open.file.is_handed()) {
            kept.abandoned.push(open.file.number);
        }
    }

    /// Gives up on what is not whole in a direction: the flow is over.
    pub(super) fn forget_wholes(&mut self, direction: Direction) {
        let Some(kept) = &self.kept else { return };
        let handles = kept.wholes.iter().map(|whole| whole.handle).filter(|handle| handle.direction == direction);
        let open = |handle| kept.open.iter().find(|open| open.handle == handle).map(|open| (handle, open.mark));
        let unfinished: SmallVec<[_; WHOLES_LIMIT]> = handles.filter_map(open).collect();
        for (handle, mark) in unfinished {
            self.forget_whole(handle, mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::protocol::FileSink;

    use super::*;

    const TO_CLIENT: Direction = Direction::ToClient;

    /// Parts of `0123456789`, as `first-last`, each in a transaction of its own; the files that came of them.
    fn files_of(parts: &[(u64, u64)], budget: usize) -> (Vec<(u64, u64, Option<u64>)>, u64) {
        let settings = FileSettings { contents: true, parts: Some(Budget::new(budget)), ..FileSettings::default() };
        let mut files = Files::default();
        for (id, &(start, end)) in (0..).zip(parts) {
            let mut sink = files.sink(&settings, 0);
            sink.open(TO_CLIENT.into(), id, b"a", Some(FileRange { start, end, size: 10 }));
            sink.append(
                TO_CLIENT.into(),
                &b"0123456789"[usize::try_from(start).unwrap()..=usize::try_from(end).unwrap()],
            );
            sink.close(TO_CLIENT.into(), true);
        }
        files.truncate(TO_CLIENT);
        let all = std::iter::from_fn(|| files.take_closed(true));
        let all = all.map(|file| {
            let contents = file.view().contents.map(|contents| contents.data.to_vec()).unwrap();
            let whole = b"0123456789".iter().skip(if file.range.is_some() { usize::MAX } else { 0 });
            assert!(file.range.is_some() || contents.iter().eq(whole), "{contents:?}");
            (file.transaction, file.size, file.range.map(|range| range.start))
        });
        (all.collect(), files.take_losses().unjoined)
    }

    #[test]
    fn parts_are_joined_in_whatever_order_they_come() {
        for order in [[(0, 4), (5, 9)], [(5, 9), (0, 4)], [(0, 7), (2, 9)], [(1, 9), (0, 9)]] {
            let (files, _) = files_of(&order, 100);
            let part = |id: usize| (id as u64, order[id].1 - order[id].0 + 1, Some(order[id].0));
            let is_whole_part = order[1] == (0, 9);
            let mut wanted = vec![part(0), (1, 10, None), part(1)];
            if is_whole_part {
                // One that has all is no part, and needs no other.
                wanted.remove(1);
            }
            assert_eq!(files, wanted, "{order:?}");
        }
        assert_eq!(files_of(&[(0, 3), (5, 9)], 100).0.len(), 2, "a byte is missing");
    }

    #[test]
    fn parts_wait_within_a_budget() {
        let (files, unjoined) = files_of(&[(5, 9), (0, 4)], 3);
        assert_eq!((files.len(), unjoined > 0), (2, true));
        let (files, unjoined) = files_of(&[(5, 9), (0, 4)], 100);
        assert_eq!((files.len(), unjoined), (3, 0));
    }

    #[test]
    fn what_waits_is_given_back() {
        let budget = Budget::new(1_000);
        let settings = FileSettings { parts: Some(Arc::clone(&budget)), ..FileSettings::default() };
        let mut files = Files::default();
        let mut sink = files.sink(&settings, 0);
        sink.open(TO_CLIENT.into(), 0, b"a", Some(FileRange { start: 5, end: 9, size: 10 }));
        sink.append(TO_CLIENT.into(), b"56789");
        assert_eq!(budget.drawn_bytes(), 5 + PLACE_BYTES);
        files.truncate(TO_CLIENT);
        assert_eq!(budget.drawn_bytes(), 0);
    }
}
