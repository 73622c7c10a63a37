//! Files that travel inside flows: their names, sizes, hashes and types. Contents pass through; they are kept where files may be
//! stored, and only until that is decided.

mod file;
mod keeping;
mod kind;
mod marks;

use std::collections::VecDeque;
use std::sync::Arc;

use tapwire_parsers::protocol::{Both, Direction, FileRange, FileSink, held};
use tapwire_signatures::language::rule::Filestore;

use crate::decode::memory::Budget;
pub use file::File;
use marks::{Mark, Marks};

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
#[derive(Clone, Debug, Default)]
pub struct FileSettings {
    /// Which hashes are computed.
    pub hashes: Hashes,
    /// A rule or a record asks for their types.
    pub magic: bool,
    /// Whether they may be stored: their bytes may wait within a budget.
    pub storing: Option<Arc<Budget>>,
    /// All are stored.
    pub all_stored: bool,
    /// Bytes of a stream that are inspected while it carries a file to be stored, where that is not as for all.
    pub depth_bytes: Option<u64>,
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
    open: Both<Option<Box<File>>>,
    closed: VecDeque<Box<File>>,
    /// Files that have their record and that rules were not asked about since they ended.
    past: VecDeque<Box<File>>,
    /// What rules said of files to come.
    marks: Marks,
    /// Files that were given to the writer and will have no record.
    abandoned: Vec<u32>,
    losses: Losses,
}

/// What was lost of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Files that ended while too many waited for their record.
    pub dropped: u64,
    /// Files that could not be stored, for there was no room for their bytes.
    pub unkept: u64,
}

impl std::ops::AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.dropped += other.dropped;
        self.unkept += other.unkept;
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        let Both { to_server, to_client } = &self.open;
        let quiet = self.abandoned.is_empty() && self.marks.is_empty() && self.losses == Losses::default();
        quiet && self.closed.is_empty() && self.past.is_empty() && to_server.is_none() && to_client.is_none()
    }

    /// Files that have ended, oldest first.
    fn ended(&mut self) -> impl Iterator<Item = &mut Box<File>> {
        self.past.iter_mut().chain(&mut self.closed)
    }
}

impl Files {
    /// Where a parser puts files, of which is done what the settings say.
    pub fn sink<'a>(&'a mut self, settings: &'a FileSettings) -> Sink<'a> {
        Sink { files: self, settings }
    }

    /// The files of a transaction in a direction, oldest first.
    pub fn of(&self, transaction: u64, direction: Direction) -> impl Iterator<Item = &File> {
        let ended = self.kept.iter().flat_map(|kept| kept.past.iter().chain(&kept.closed)).map(|file| &**file);
        let open = self.kept.iter().filter_map(move |kept| kept.open.of(direction).as_deref());
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
    pub fn keep(&mut self, store: Filestore, sid: u32, (transaction, direction): (u64, Direction), file: Option<u64>) {
        let mark = Mark::new(store, sid, (transaction, direction), file);
        let kept = self.kept.get_or_insert_default();
        let Both { to_server, to_client } = &mut kept.open;
        let open = to_server.iter_mut().chain(to_client);
        open.chain(&mut kept.closed).for_each(|file| mark.put_on(file));
        kept.marks.remember(mark);
    }

    /// Whether a file that travels in a direction is stored.
    pub fn is_storing(&self, direction: Direction) -> bool {
        let open = self.kept.as_ref().and_then(|kept| kept.open.of(direction).as_ref());
        open.is_some_and(|file| file.is_storing())
    }

    /// Hands on what is due of files that go on: their numbers, where the bytes belong, and the bytes.
    pub fn hand_on(&mut self, mut hand: impl FnMut(u32, u64, Vec<u8>)) {
        let open = self.kept.iter_mut().flat_map(|kept| [&mut kept.open.to_server, &mut kept.open.to_client]);
        for file in open.flatten() {
            if let Some((at, bytes)) = file.take_piece() {
                hand(file.number, at, bytes);
            }
        }
    }

    /// Takes the numbers of files that were handed on in part and have no end.
    pub fn take_abandoned(&mut self) -> Vec<u32> {
        self.kept.as_mut().map(|kept| std::mem::take(&mut kept.abandoned)).unwrap_or_default()
    }

    /// Takes back a file whose record was written: rules that were not asked about its end yet will be.
    pub fn return_recorded(&mut self, file: Box<File>) {
        if !file.inspected {
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
            kept.past.retain(|file| file.transaction >= oldest && !file.inspected);
            kept.marks.retire(oldest);
        }
        self.kept.take_if(|kept| kept.is_empty());
    }

    /// Bytes that they hold besides their own size; those that wait to be stored have a budget of their own.
    pub(super) fn held_bytes(&self) -> usize {
        let Some(kept) = &self.kept else { return 0 };
        let Kept { open: Both { to_server, to_client }, closed, past, marks, abandoned, .. } = &**kept;
        let files = to_server.iter().chain(to_client).chain(closed).chain(past);
        let files: usize = files.map(|file| held::boxed::<File>(file.held_bytes())).sum();
        let places = held::block(closed.capacity() * 8) + held::block(past.capacity() * 8);
        held::boxed::<Kept>(files + places + marks.held_bytes() + held::list(abandoned))
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

    /// Ends what is open: the flow is over. The transaction that it travelled in, if anything was.
    pub fn truncate(&mut self, direction: Direction) -> Option<u64> {
        let transaction = self.kept.as_ref()?.open.of(direction).as_ref()?.transaction;
        self.close(direction, false);
        Some(transaction)
    }
}

impl Files {
    fn open(&mut self, mut file: Box<File>) {
        self.close(file.direction, false);
        self.begun = self.begun.wrapping_add(1);
        file.number = self.begun;
        let kept = self.kept.get_or_insert_default();
        kept.marks.put_on(&mut file);
        let place = kept.open.of_mut(file.direction);
        *place = Some(file);
    }

    fn close(&mut self, direction: Direction, complete: bool) {
        let Some(kept) = &mut self.kept else { return };
        let Some(mut file) = kept.open.of_mut(direction).take() else { return };
        file.close(complete);
        if kept.closed.len() < CLOSED_LIMIT {
            kept.closed.push_back(file);
            return;
        }
        kept.losses.dropped += 1;
        if file.is_handed() {
            kept.abandoned.push(file.number);
        }
    }
}

/// Takes files from a parser.
#[derive(Debug)]
pub struct Sink<'a> {
    files: &'a mut Files,
    settings: &'a FileSettings,
}

impl FileSink for Sink<'_> {
    fn open(&mut self, direction: Direction, transaction: u64, name: &[u8], range: Option<FileRange>) {
        self.files.open(Box::new(File::new((direction, transaction), name, range, self.settings)));
    }

    fn append(&mut self, direction: Direction, data: &[u8]) {
        let Some(kept) = &mut self.files.kept else { return };
        if let Some(file) = kept.open.of_mut(direction) {
            kept.losses.unkept += u64::from(!file.append(data));
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64) {
        let kept = self.files.kept.as_mut();
        if let Some(file) = kept.and_then(|kept| kept.open.of_mut(direction).as_mut()) {
            file.gap(missing);
        }
    }

    fn is_kept(&self, direction: Direction) -> bool {
        self.files.is_storing(direction)
    }

    fn close(&mut self, direction: Direction, complete: bool) {
        self.files.close(direction, complete);
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
            let mut sink = files.sink(&settings);
            sink.open(Direction::ToClient, 3, b"a.txt", None);
            sink.append(Direction::ToClient, b"abc");
            sink.close(Direction::ToClient, complete);
        }
        let whole = files.take_closed(false).unwrap();
        assert_eq!((whole.state(), whole.size), ("CLOSED", 3));
        assert_eq!(whole.md5().unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        let cut = files.take_closed(false).unwrap();
        assert_eq!((cut.state(), cut.md5()), ("TRUNCATED", None));
    }

    #[test]
    fn files_that_nobody_takes_are_counted_and_let_go() {
        let mut files = Files::default();
        for _ in 0..CLOSED_LIMIT + 3 {
            files.sink(&FileSettings::default()).open(Direction::ToClient, 3, b"a.txt", None);
            files.close(Direction::ToClient, true);
        }
        assert_eq!((files.take_losses().dropped, files.take_losses().dropped), (3, 0));
        assert_eq!(std::iter::from_fn(|| files.take_closed(false)).count(), CLOSED_LIMIT);
    }

    #[test]
    fn a_file_waits_for_its_rules_behind_its_record() {
        let mut files = Files::default();
        let seen = |files: &Files| files.of(3, Direction::ToClient).count();
        for _ in 0..2 * CLOSED_LIMIT {
            files.sink(&FileSettings::default()).open(Direction::ToClient, 3, b"a.txt", None);
            files.close(Direction::ToClient, true);
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
        files.sink(&FileSettings::default()).open(Direction::ToClient, 3, b"a.txt", None);
        files.close(Direction::ToClient, true);
        files.note_inspected(3, Direction::ToClient);
        let file = files.take_closed(false).unwrap();
        files.return_recorded(file);
        assert_eq!(seen(&files), 0);
    }
}
