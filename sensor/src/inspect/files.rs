//! Files that travel inside flows: their names, sizes and hashes. Contents pass through and are not kept.

use std::collections::VecDeque;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tapwire_parsers::protocol::{Both, Direction, FileRange, FileSink};
use tapwire_signatures::verify::condition::FileView;

/// First bytes of a file that are kept for conditions on its type.
const HEAD_LIMIT_BYTES: usize = 256;
/// Bytes of a name that are kept.
const NAME_LIMIT_BYTES: usize = 4096;
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

/// A file.
#[derive(Debug)]
pub struct File {
    /// Its number in the flow, from 1 on.
    number: u32,
    /// The transaction it travels in.
    pub transaction: u64,
    /// Its direction.
    pub direction: Direction,
    /// Its name as the protocol gives it.
    pub name: Vec<u8>,
    /// The part of a larger file that it is.
    pub range: Option<FileRange>,
    /// Bytes so far.
    pub size: u64,
    /// Bytes are missing in it.
    pub gaps: bool,
    /// It has ended.
    pub closed: bool,
    /// All of it came.
    pub complete: bool,
    /// Rules were asked about it after it ended.
    inspected: bool,
    head: Vec<u8>,
    digests: Digests,
}

#[derive(Debug, Default)]
struct Digests {
    running: Running,
    sha256_of_cut: bool,
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
}

#[derive(Debug, Default)]
struct Running {
    md5: Option<Box<Md5>>,
    sha1: Option<Box<Sha1>>,
    sha256: Option<Box<Sha256>>,
}

impl File {
    /// MD5 of a complete file, where it was asked for.
    pub fn md5(&self) -> Option<&[u8; 16]> {
        self.digests.md5.as_ref()
    }

    /// SHA-1 of a complete file, where it was asked for.
    pub fn sha1(&self) -> Option<&[u8; 20]> {
        self.digests.sha1.as_ref()
    }

    /// SHA-256 of a complete file, where it was asked for.
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.digests.sha256.as_ref()
    }

    /// What rules may know of it.
    pub fn view(&self) -> FileView<'_> {
        FileView {
            number: self.number.into(),
            name: &self.name,
            size: self.size,
            head: &self.head,
            closed: self.closed,
            complete: self.complete,
            md5: self.md5(),
            sha1: self.sha1(),
            sha256: self.sha256(),
        }
    }

    /// `CLOSED` or `TRUNCATED`, `UNKNOWN` while it goes on, as records say it.
    pub fn state(&self) -> &'static str {
        match (self.closed, self.complete) {
            (false, _) => "UNKNOWN",
            (true, true) => "CLOSED",
            (true, false) => "TRUNCATED",
        }
    }

    fn close(&mut self, complete: bool) {
        self.closed = true;
        self.complete = complete && !self.gaps;
        let Running { md5, sha1, sha256 } = std::mem::take(&mut self.digests.running);
        if self.complete {
            self.digests.md5 = md5.map(|h| h.finalize().into());
            self.digests.sha1 = sha1.map(|h| h.finalize().into());
        }
        if self.complete || self.digests.sha256_of_cut {
            self.digests.sha256 = sha256.map(|h| h.finalize().into());
        }
    }
}

/// The files of one flow.
#[derive(Debug, Default)]
pub struct Files {
    hashes: Hashes,
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
    /// Files that ended while too many waited for their record.
    dropped: u64,
}

impl Kept {
    fn is_empty(&self) -> bool {
        let Both { to_server, to_client } = &self.open;
        self.closed.is_empty() && self.past.is_empty() && to_server.is_none() && to_client.is_none()
    }

    /// Files that have ended, oldest first.
    fn ended(&mut self) -> impl Iterator<Item = &mut Box<File>> {
        self.past.iter_mut().chain(&mut self.closed)
    }
}

impl Files {
    /// No files yet; `hashes` tells which are computed.
    pub fn new(hashes: Hashes) -> Self {
        Self { hashes, ..Self::default() }
    }

    /// Whether no hash is computed.
    pub fn has_no_hashes(&self) -> bool {
        self.hashes == Hashes::default()
    }

    /// Which hashes are computed from the next file on.
    pub fn set_hashes(&mut self, hashes: Hashes) {
        self.hashes = hashes;
    }

    /// The files of a transaction in a direction, oldest first.
    pub fn of(&self, transaction: u64, direction: Direction) -> impl Iterator<Item = &File> {
        let ended = self.kept.iter().flat_map(|kept| kept.past.iter().chain(&kept.closed)).map(|file| &**file);
        let open = self.kept.iter().filter_map(move |kept| kept.open.of(direction).as_deref());
        ended.chain(open).filter(move |f| f.transaction == transaction && f.direction == direction)
    }

    /// Takes the next file that has ended.
    pub fn take_closed(&mut self) -> Option<Box<File>> {
        let file = self.kept.as_mut()?.closed.pop_front();
        self.kept.take_if(|kept| kept.is_empty());
        file
    }

    /// How many files ended while too many waited for their record, since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        self.kept.as_mut().map_or(0, |kept| std::mem::take(&mut kept.dropped))
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
        }
        self.kept.take_if(|kept| kept.is_empty());
    }

    /// Whether a file has ended and waits for its record.
    pub fn has_closed(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.closed.is_empty())
    }

    fn open_mut(&mut self, direction: Direction) -> Option<&mut File> {
        self.kept.as_mut()?.open.of_mut(direction).as_deref_mut()
    }

    /// Ends what is open: the flow is over.
    pub fn truncate(&mut self, direction: Direction) {
        self.close(direction, false);
    }
}

impl FileSink for Files {
    fn open(&mut self, direction: Direction, transaction: u64, name: &[u8], range: Option<FileRange>) {
        self.close(direction, false);
        let Hashes { md5, sha1, sha256, sha256_of_cut } = self.hashes;
        let running =
            Running { md5: md5.then(Box::default), sha1: sha1.then(Box::default), sha256: sha256.then(Box::default) };
        self.begun = self.begun.wrapping_add(1);
        *self.kept.get_or_insert_default().open.of_mut(direction) = Some(Box::new(File {
            number: self.begun,
            transaction,
            direction,
            name: name.get(..NAME_LIMIT_BYTES).unwrap_or(name).to_vec(),
            range,
            size: 0,
            gaps: false,
            closed: false,
            complete: false,
            inspected: false,
            head: Vec::new(),
            digests: Digests { running, sha256_of_cut, ..Digests::default() },
        }));
    }

    fn append(&mut self, direction: Direction, data: &[u8]) {
        let Some(file) = self.open_mut(direction) else { return };
        file.size += data.len() as u64;
        let room = HEAD_LIMIT_BYTES.saturating_sub(file.head.len());
        file.head.extend_from_slice(data.get(..room).unwrap_or(data));
        let Running { md5, sha1, sha256 } = &mut file.digests.running;
        if let Some(hash) = md5 {
            hash.update(data);
        }
        if let Some(hash) = sha1 {
            hash.update(data);
        }
        if let Some(hash) = sha256 {
            hash.update(data);
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64) {
        if let Some(file) = self.open_mut(direction) {
            file.gaps = true;
            file.size += missing;
        }
    }

    fn close(&mut self, direction: Direction, complete: bool) {
        let Some(kept) = &mut self.kept else { return };
        if let Some(mut file) = kept.open.of_mut(direction).take() {
            file.close(complete);
            if kept.closed.len() < CLOSED_LIMIT {
                kept.closed.push_back(file);
            } else {
                kept.dropped += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_file_has_its_hashes_and_a_cut_one_none() {
        let mut files = Files::new(Hashes { md5: true, ..Hashes::default() });
        for complete in [true, false] {
            files.open(Direction::ToClient, 3, b"a.txt", None);
            files.append(Direction::ToClient, b"abc");
            files.close(Direction::ToClient, complete);
        }
        let whole = files.take_closed().unwrap();
        assert_eq!((whole.state(), whole.size), ("CLOSED", 3));
        assert_eq!(whole.md5().unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        let cut = files.take_closed().unwrap();
        assert_eq!((cut.state(), cut.md5()), ("TRUNCATED", None));
    }

    #[test]
    fn files_that_nobody_takes_are_counted_and_let_go() {
        let mut files = Files::default();
        for _ in 0..CLOSED_LIMIT + 3 {
            files.open(Direction::ToClient, 3, b"a.txt", None);
            files.close(Direction::ToClient, true);
        }
        assert_eq!((files.take_dropped(), files.take_dropped()), (3, 0));
        assert_eq!(std::iter::from_fn(|| files.take_closed()).count(), CLOSED_LIMIT);
    }

    #[test]
    fn a_file_waits_for_its_rules_behind_its_record() {
        let mut files = Files::default();
        let seen = |files: &Files| files.of(3, Direction::ToClient).count();
        for _ in 0..2 * CLOSED_LIMIT {
            files.open(Direction::ToClient, 3, b"a.txt", None);
            files.close(Direction::ToClient, true);
            let file = files.take_closed().unwrap();
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
        files.open(Direction::ToClient, 3, b"a.txt", None);
        files.close(Direction::ToClient, true);
        files.note_inspected(3, Direction::ToClient);
        let file = files.take_closed().unwrap();
        files.return_recorded(file);
        assert_eq!(seen(&files), 0);
    }
}
