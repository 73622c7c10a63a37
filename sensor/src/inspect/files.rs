//! Files that travel inside flows: their names, sizes, hashes and types. Contents pass through; they are kept where files may be
//! stored, and only until that is decided.

mod file;
mod keeping;
mod kind;
mod marks;
mod whole;
mod wholes;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::protocol::{Direction, FileHandle, FileRange, FileSink, held};
use tapwire_signatures::rule::Filestore;

use crate::decode::memory::Budget;
pub use file::File;
use marks::{Mark, Marks};
pub use whole::{Joining, PARTS_BYTES, PARTS_TIMEOUT_S};
use whole::{Lent, Part};
use wholes::Origin;
pub use wholes::Wholes;

/// Files of a flow that are open at once, where the configuration does not say.
pub const OPEN_LIMIT: usize = 64;
/// Closed files of a flow that wait for their record.
const CLOSED_LIMIT: usize = 64;

/// Which hashes are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
    /// SHA-256 of what came of a file that was cut as well: stores name files by it.
    pub sha256_of_cut: bool,
}

/// What is done with files.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Which hashes are computed.
    pub hashes: Hashes,
    /// Rules look at what is in them.
    pub contents: bool,
    /// Rules on a request and its answer ask for them: those of the request are still there when the answer comes.
    pub asked_with_answer: bool,
    /// A rule or a record asks for their types.
    pub magic: bool,
    /// Whether they may be stored: their bytes may wait within a budget.
    pub storing: Option<Arc<Budget>>,
    /// All are stored.
    pub all_stored: bool,
    /// Bytes of a stream that are inspected while it carries a file to be stored, where that is not as for all.
    pub depth_bytes: Option<u64>,
    /// Files of one flow that are open at once.
    pub open_limit: usize,
    /// Parts of a file are put together, and may wait for each other within a budget.
    pub parts: Option<Arc<Budget>>,
    /// How long they do.
    pub parts_timeout_s: u32,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            hashes: Hashes::default(),
            contents: false,
            asked_with_answer: false,
            magic: false,
            storing: None,
            all_stored: false,
            depth_bytes: None,
            open_limit: OPEN_LIMIT,
            parts: None,
            parts_timeout_s: PARTS_TIMEOUT_S,
        }
    }
}

impl FileSettings {
    /// The same, but that nothing is stored.
    pub(super) fn unstored(&self) -> Self {
        Self { storing: None, all_stored: false, ..self.clone() }
    }
}

/// The files of one flow.
#[derive(Debug, Default)]
pub struct Files {
    /// Files so far.
    begun: u32,
    kept: Option<Box<Kept>>,
}

/// Files that are there.
#[derive(Debug, Default)]
struct Kept {
    open: SmallVec<[Open; 1]>,
    closed: VecDeque<Box<File>>,
    /// Files that have their record and that rules were not asked about since they ended.
    past: VecDeque<Box<File>>,
    /// Files of the worker that are with the flow.
    lent: Vec<Lent>,
    /// Those that it has, and had last: their numbers with the worker, and in the flow.
    had: Vec<(u64, u32)>,
    /// What rules said of files to come.
    marks: Marks,
    /// Files that were given to the writer and will have no record: the flow and the number that it knows them by.
    abandoned: Vec<(u64, u32)>,
    losses: Losses,
}

/// A file that goes on.
#[derive(Debug)]
struct Open {
    handle: FileHandle,
    /// What the transactions of its layer have in common.
    mark: u64,
    file: Box<File>,
}

/// What was lost of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Files that were cut off, for there were too many open at once.
    pub displaced: u64,
    /// Files that ended while too many waited for their record.
    pub dropped: u64,
    /// Files that could not be stored, for there was no room for their bytes.
    pub unkept: u64,
    /// Files whose parts were put together.
    pub joined: u64,
    /// Files whose parts were not put together, for there was no room.
    pub unjoined: u64,
}

impl std::ops::AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.displaced += other.displaced;
        self.dropped += other.dropped;
        self.unkept += other.unkept;
        self.joined += other.joined;
        self.unjoined += other.unjoined;
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        let quiet = self.abandoned.is_empty() && self.marks.is_empty() && self.losses == Losses::default();
        quiet && self.had.is_empty() && self.closed.is_empty() && self.past.is_empty() && self.open.is_empty()
    }

    /// A file that goes on.
    fn open_mut(&mut self, handle: FileHandle, mark: u64) -> Option<&mut File> {
        let mut open = self.open.iter_mut();
        open.find(|open| (open.handle, open.mark) == (handle, mark)).map(|open| &mut *open.file)
    }

    /// Files that go on, and those that wait for their record.
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Box<File>> {
        self.open.iter_mut().map(|open| &mut open.file).chain(&mut self.closed)
    }

    /// Files that have ended, oldest first.
    fn ended(&mut self) -> impl Iterator<Item = &mut Box<File>> {
        self.past.iter_mut().chain(&mut self.closed)
    }
}

impl Files {
    /// Where a parser puts files, of which is done what the settings say. `mark` is what its transactions have in common.
    pub fn sink<'a>(&'a mut self, settings: &'a FileSettings, mark: u64) -> Sink<'a> {
        Sink { files: self, settings, mark, joining: None }
    }

    /// The files of a transaction in a direction, oldest first.
    pub fn of(&self, transaction: u64, direction: Direction) -> impl Iterator<Item = &File> {
        let ended = self.kept.iter().flat_map(|kept| kept.past.iter().chain(&kept.closed)).map(|file| &**file);
        let open = self.kept.iter().flat_map(|kept| &kept.open).map(|open| &*open.file);
        ended.chain(open).filter(move |f| f.transaction == transaction && f.direction == direction)
    }

    /// Takes the next file that has ended. One that a rule may still want stored is waited with, unless it is the `last` chance.
    pub fn take_closed(&mut self, last: bool) -> Option<Box<File>> {
        let closed = &mut self.kept.as_mut()?.closed;
        let is_decided = |file: &File| last || file.inspected || file.keeping.is_none();
        let file = closed.iter().position(|file| is_decided(file)).and_then(|at| closed.remove(at));
        self.kept.take_if(|kept| kept.is_empty());
        file
    }

    /// What was lost since this was last asked.
    pub fn take_losses(&mut self) -> Losses {
        self.kept.as_mut().map_or(Losses::default(), |kept| std::mem::take(&mut kept.losses))
    }

    /// Keeps files, where any may be, because a rule matched: on a file, or without one on a transaction in a direction.
    /// With a part the file that it belongs to is kept, wherever that is.
    pub fn keep(
        &mut self,
        store: Filestore,
        sid: u32,
        (transaction, direction): (u64, Direction),
        file: Option<u64>,
        wholes: &mut Wholes,
    ) {
        let mark = Mark::new(store, sid, (transaction, direction), file);
        let kept = self.kept.get_or_insert_default();
        let mut of_parts: SmallVec<[Origin; 1]> = SmallVec::new();
        for file in kept.all_mut().filter(|file| mark.means(file)) {
            file.want(sid);
            of_parts.extend(file.origin.as_deref().copied());
        }
        for origin in of_parts {
            kept.all_mut().filter(|file| file.origin.as_deref() == Some(&origin)).for_each(|file| file.want(sid));
            wholes.want(&origin, sid);
        }
        kept.marks.remember(mark);
    }

    /// Whether a file that travels in a direction is stored.
    pub fn is_storing(&self, direction: Direction) -> bool {
        let mut open = self.kept.iter().flat_map(|kept| &kept.open);
        open.any(|open| open.handle.direction == direction && open.file.is_storing())
    }

    /// Hands on what is due of files that go on: what the writer knows them by, where the bytes belong, and the bytes.
    pub fn hand_on(&mut self, flow: u64, mut hand: impl FnMut((u64, u32), u64, Vec<u8>)) {
        for Open { file, .. } in self.kept.iter_mut().flat_map(|kept| &mut kept.open) {
            if let Some((at, bytes)) = file.take_piece() {
                hand(file.name_for_writer(flow), at, bytes);
            }
        }
    }

    /// Takes what the writer knows files by that were handed on in part and have no end.
    pub fn take_abandoned(&mut self) -> Vec<(u64, u32)> {
        self.kept.as_mut().map(|kept| std::mem::take(&mut kept.abandoned)).unwrap_or_default()
    }

    /// Takes back a file whose record was written: rules that were not asked about its end yet will be.
    pub fn return_recorded(&mut self, file: Box<File>) {
        if !file.is_done() {
            let past = &mut self.kept.get_or_insert_default().past;
            if past.len() >= CLOSED_LIMIT {
                past.pop_front();
            }
            past.push_back(file);
        }
    }

    /// Rules were asked about a transaction in a direction.
    pub fn note_inspected(&mut self, transaction: u64, direction: Direction) {
        let ended = self.kept.iter_mut().flat_map(|kept| kept.ended());
        ended
            .filter(|file| file.transaction == transaction && file.direction == direction)
            .for_each(|file| file.inspected = true);
    }

    /// Forgets files that rules were asked about and that have their record, and those of transactions before `oldest`.
    pub fn retire(&mut self, oldest: u64) {
        if let Some(kept) = &mut self.kept {
            kept.past.retain(|file| file.transaction >= oldest && !file.is_done());
            kept.marks.retire(oldest);
        }
        self.kept.take_if(|kept| kept.is_empty());
    }

    /// Bytes that they hold besides their own size; those that wait to be stored have a budget of their own.
    pub(super) fn held_bytes(&self) -> usize {
        let Some(kept) = &self.kept else { return 0 };
        let Kept { open, closed, past, lent, had, marks, abandoned, .. } = &**kept;
        let files = open.iter().map(|open| &open.file).chain(closed).chain(past);
        let files: usize = files.map(|file| held::boxed::<File>(file.held_bytes())).sum();
        let spilled = if open.spilled() { open.capacity() * size_of::<Open>() } else { 0 };
        let places = held::block(closed.capacity() * 8) + held::block(past.capacity() * 8) + held::block(spilled);
        let lists = held::list(lent) + held::list(had) + held::list(abandoned);
        held::boxed::<Kept>(files + places + lists + marks.held_bytes())
    }

    /// Forgets files that have their record or will have none, but for what rules said of those to come.
    pub(super) fn let_go(&mut self) {
        if let Some(kept) = &mut self.kept {
            (kept.past, kept.closed) = (VecDeque::new(), VecDeque::new());
        }
        self.kept.take_if(|kept| kept.is_empty());
    }

    /// Whether a file has ended and waits for its record.
    pub fn has_closed(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.closed.is_empty())
    }

    /// Ends what is open in a direction: the flow is over. The transactions that it travelled in. What belongs to the worker
    /// goes on when rules were asked about it.
    pub fn truncate(&mut self, direction: Direction) -> Vec<u64> {
        let Some(kept) = &self.kept else { return Vec::new() };
        let is_lent = |open: &Open| kept.lent.iter().any(|lent| lent.is(open));
        let open = kept.open.iter().filter(|open| open.handle.direction == direction && !is_lent(open));
        let ends: Vec<_> = open.map(|open| (open.handle, open.mark, open.file.transaction)).collect();
        for (handle, mark, _) in &ends {
            self.close(*handle, *mark, false);
        }
        ends.into_iter().map(|(.., transaction)| transaction).collect()
    }
}

impl Files {
    fn open(&mut self, (handle, mark): (FileHandle, u64), mut file: Box<File>, limit: usize) {
        self.close(handle, mark, false);
        if file.number == 0 {
            self.begun = self.begun.wrapping_add(1);
            file.number = self.begun;
        }
        let oldest =
            self.kept.as_ref().filter(|kept| kept.open.len() >= limit.max(1)).and_then(|kept| kept.open.first());
        if let Some((handle, mark)) = oldest.map(|oldest| (oldest.handle, oldest.mark)) {
            self.close(handle, mark, false);
            self.kept.get_or_insert_default().losses.displaced += 1;
        }
        let kept = self.kept.get_or_insert_default();
        kept.marks.put_on(&mut file);
        kept.open.push(Open { handle, mark, file });
    }

    fn close(&mut self, handle: FileHandle, mark: u64, complete: bool) {
        let Some(kept) = &mut self.kept else { return };
        let Some(place) = kept.open.iter().position(|open| (open.handle, open.mark) == (handle, mark)) else { return };
        let mut file = kept.open.remove(place).file;
        file.close(complete);
        if kept.closed.len() < CLOSED_LIMIT {
            kept.closed.push_back(file);
            return;
        }
        kept.losses.dropped += 1;
        kept.abandoned.extend(file.handed_as);
    }
}

/// Takes files from a parser.
#[derive(Debug)]
pub struct Sink<'a> {
    files: &'a mut Files,
    settings: &'a FileSettings,
    mark: u64,
    /// Where parts of files are put together.
    pub joining: Option<Joining<'a>>,
}

impl Sink<'_> {
    fn find(&mut self, handle: FileHandle) -> Option<&mut File> {
        self.files.kept.as_mut()?.open_mut(handle, self.mark)
    }
}

impl FileSink for Sink<'_> {
    fn open(&mut self, handle: FileHandle, transaction: u64, name: &[u8], range: Option<FileRange>) {
        let mut file = File::new((handle.direction, self.mark | transaction), name, range, self.settings);
        let key = self.joining.as_ref().map(|joining| joining.key);
        file.origin = key.and_then(|key| Origin::of(key, handle.direction, range)).map(Box::new);
        self.files.open((handle, self.mark), Box::new(file), self.settings.open_limit);
    }

    fn append(&mut self, handle: FileHandle, data: &[u8]) {
        let Some(file) = self.find(handle) else { return };
        let (before, room) = (file.size, file.append(data));
        let transaction = file.transaction;
        let part = file.origin.as_deref().copied().zip(file.range).map(|part| (part, file.name.clone()));
        if let Some(kept) = self.files.kept.as_mut().filter(|_| !room) {
            kept.losses.unkept += 1;
        }
        if let Some(((origin, range), name)) = part
            && let Some(Joining { wholes, now, .. }) = &mut self.joining
        {
            let start = range.start.saturating_add(before);
            // What is behind its end is not of the file.
            let length = usize::try_from((range.end + 1).saturating_sub(start)).unwrap_or(usize::MAX);
            let data = data.get(..length).unwrap_or(data);
            let part = Part { origin, transaction, name: &name, start, data };
            self.files.join(&part, self.mark, self.settings, (&mut **wholes, *now));
            let abandoned = wholes.take_abandoned();
            if !abandoned.is_empty() {
                self.files.kept.get_or_insert_default().abandoned.extend(abandoned);
            }
        }
    }

    fn gap(&mut self, handle: FileHandle, missing: u64) {
        if let Some(file) = self.find(handle) {
            file.gap(missing);
        }
    }

    fn is_kept(&self, handle: FileHandle) -> bool {
        let mut open = self.files.kept.iter().flat_map(|kept| &kept.open);
        open.any(|open| (open.handle, open.mark) == (handle, self.mark) && open.file.is_storing())
    }

    fn close(&mut self, handle: FileHandle, complete: bool) {
        self.files.close(handle, self.mark, complete);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_file_has_its_hashes_and_a_cut_one_none() {
        let mut files = Files::default();
        let hashes = Hashes { md5: true, ..Hashes::default() };
        let settings = FileSettings { hashes, ..FileSettings::default() };
        for complete in [true, false] {
            let mut sink = files.sink(&settings, 0);
            sink.open(Direction::ToClient.into(), 3, b"a.txt", None);
            sink.append(Direction::ToClient.into(), b"abc");
            sink.close(Direction::ToClient.into(), complete);
        }
        let whole = files.take_closed(false).unwrap();
        assert_eq!((whole.state(), whole.size), ("CLOSED", 3));
        assert_eq!(whole.md5().unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        let cut = files.take_closed(false).unwrap();
        assert_eq!((cut.state(), cut.md5()), ("TRUNCATED", None));
    }

    #[test]
    fn any_number_of_files_is_open_at_once_up_to_a_limit() {
        let mut files = Files::default();
        let handle = |number| FileHandle { direction: Direction::ToClient, number };
        let settings = FileSettings { open_limit: 3, ..FileSettings::default() };
        for number in 0..3 {
            files.sink(&settings, 0).open(handle(number), number, b"a", None);
        }
        // What is inside another protocol has handles of its own.
        let mut inner = files.sink(&settings, 1 << 48);
        inner.open(handle(1), 7, b"b", None);
        inner.append(handle(1), b"of the layer");
        inner.close(handle(1), true);
        let mut sink = files.sink(&settings, 0);
        for number in [2, 0, 1, 2] {
            sink.append(handle(number), b"abc");
        }
        sink.close(handle(2), true);
        sink.close(handle(1), true);
        let sizes =
            std::iter::from_fn(|| files.take_closed(false)).map(|file| (file.transaction, file.size, file.state()));
        let sizes: Vec<_> = sizes.collect();
        let first = [(0, 0, "TRUNCATED"), (1 << 48 | 7, 12, "CLOSED")];
        assert_eq!(sizes, [first[0], first[1], (2, 6, "CLOSED"), (1, 3, "CLOSED")]);
        assert_eq!(files.take_losses().displaced, 1);
    }

    #[test]
    fn files_that_nobody_takes_are_counted_and_let_go() {
        let mut files = Files::default();
        for _ in 0..CLOSED_LIMIT + 3 {
            files.sink(&FileSettings::default(), 0).open(Direction::ToClient.into(), 3, b"a.txt", None);
            files.close(Direction::ToClient.into(), 0, true);
        }
        assert_eq!((files.take_losses().dropped, files.take_losses().dropped), (3, 0));
        assert_eq!(std::iter::from_fn(|| files.take_closed(false)).count(), CLOSED_LIMIT);
    }

    #[test]
    fn a_file_waits_for_its_rules_behind_its_record() {
        let mut files = Files::default();
        let seen = |files: &Files| files.of(3, Direction::ToClient).count();
        for _ in 0..2 * CLOSED_LIMIT {
            files.sink(&FileSettings::default(), 0).open(Direction::ToClient.into(), 3, b"a.txt", None);
            files.close(Direction::ToClient.into(), 0, true);
            let file = files.take_closed(false).unwrap();
            files.return_recorded(file);
        }
        assert_eq!(seen(&files), CLOSED_LIMIT);
        files.note_inspected(3, Direction::ToServer);
        files.retire(0);
        assert_eq!(seen(&files), CLOSED_LIMIT);
        files.note_inspected(3, Direction::ToClient);
        assert_eq!(seen(&files), CLOSED_LIMIT, "alerts show them");
        files.retire(0);
        assert_eq!(seen(&files), 0);
        // What rules were asked about before its record is forgotten with it.
        files.sink(&FileSettings::default(), 0).open(Direction::ToClient.into(), 3, b"a.txt", None);
        files.close(Direction::ToClient.into(), 0, true);
        files.note_inspected(3, Direction::ToClient);
        let file = files.take_closed(false).unwrap();
        files.return_recorded(file);
        assert_eq!(seen(&files), 0);
    }
}
