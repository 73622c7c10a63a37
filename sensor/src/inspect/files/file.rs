//! One file: what is known of it while it passes.

use std::sync::Arc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tapwire_parsers::protocol::{Direction, FileRange, held};
use tapwire_signatures::rule::condition::{FileKind, FileView};

use super::keeping::Keeping;
use super::kind::Kind;
use super::wholes::Origin;
use super::window::Window;
use super::{FileSettings, Hashes};

/// Bytes of a name that are kept.
const NAME_LIMIT_BYTES: usize = 4096;

/// A file.
#[derive(Debug)]
pub struct File {
    /// Its number in the flow, from 1 on.
    pub number: u32,
    /// The transaction it travels in.
    pub transaction: u64,
    /// Its direction.
    pub direction: Direction,
    /// Its size when the transaction that it travels in began to carry it.
    begins: u64,
    /// Its name as the protocol gives it.
    pub name: Vec<u8>,
    /// The part of a larger file that it is.
    pub range: Option<FileRange>,
    /// The file that it is a part of, or that it is where it is put together.
    pub(super) origin: Option<Box<Origin>>,
    /// What the writer knows it by, once it has some of it: a flow, which another one may go on with it for, and a number.
    pub(super) handed_as: Option<(u64, u32)>,
    /// Bytes so far.
    pub size: u64,
    /// Bytes are missing in it.
    pub gaps: bool,
    /// It has ended.
    pub closed: bool,
    /// All of it came.
    pub complete: bool,
    /// Rules were asked about it after it ended.
    pub(super) inspected: bool,
    /// They may be asked again as long as its transaction is open.
    asked_with_answer: bool,
    window: Option<Box<Window>>,
    kind: Option<Box<Kind>>,
    pub(super) keeping: Option<Box<Keeping>>,
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
    /// One that begins; its number comes with its place among the others.
    pub(super) fn new(
        (direction, transaction): (Direction, u64),
        name: &[u8],
        range: Option<FileRange>,
        settings: &FileSettings,
    ) -> Self {
        let Hashes { md5, sha1, sha256, sha256_of_cut } = settings.hashes;
        let running =
            Running { md5: md5.then(Box::default), sha1: sha1.then(Box::default), sha256: sha256.then(Box::default) };
        let storing = settings.storing.as_ref();
        Self {
            number: 0,
            transaction,
            direction,
            begins: 0,
            name: name.get(..NAME_LIMIT_BYTES).unwrap_or(name).to_vec(),
            range,
            origin: None,
            handed_as: None,
            size: 0,
            gaps: false,
            closed: false,
            complete: false,
            inspected: false,
            asked_with_answer: settings.asked_with_answer,
            window: settings.contents.then(Box::default),
            kind: settings.magic.then(Box::default),
            keeping: storing.map(|budget| Box::new(Keeping::new(settings.all_stored, Arc::clone(budget)))),
            digests: Digests { running, sha256_of_cut, ..Digests::default() },
        }
    }

    /// Takes bytes that follow; whether there was room for them, where they may be stored, or there had not been before.
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        self.size += data.len() as u64;
        if let Some(window) = &mut self.window {
            window.append(data);
        }
        if let Some(kind) = &mut self.kind {
            kind.append(data);
        }
        let Running { md5, sha1, sha256 } = &mut self.digests.running;
        if let Some(hash) = md5 {
            hash.update(data);
        }
        if let Some(hash) = sha1 {
            hash.update(data);
        }
        if let Some(hash) = sha256 {
            hash.update(data);
        }
        self.keeping.as_mut().is_none_or(|keeping| keeping.append(data))
    }

    /// Another transaction may carry what follows; whether it is another one.
    pub(super) fn travel_in(&mut self, transaction: u64) -> bool {
        let is_other = transaction != self.transaction;
        if is_other {
            self.change_to(transaction);
        }
        is_other
    }

    /// A transaction of another flow may.
    pub(super) fn change_to(&mut self, transaction: u64) {
        (self.transaction, self.begins) = (transaction, self.size);
    }

    /// Whether no rule will be asked about it any more.
    pub(super) fn is_done(&self) -> bool {
        self.inspected && !self.asked_with_answer
    }

    /// Bytes that it holds besides its own size, without those that wait to be stored.
    pub(super) fn held_bytes(&self) -> usize {
        let Running { md5, sha1, sha256 } = &self.digests.running;
        let md5 = md5.as_ref().map_or(0, |_| held::boxed::<Md5>(0));
        let sha1 = sha1.as_ref().map_or(0, |_| held::boxed::<Sha1>(0));
        let sha256 = sha256.as_ref().map_or(0, |_| held::boxed::<Sha256>(0));
        let kind = self.kind.as_ref().map_or(0, |kind| held::boxed::<Kind>(kind.held_bytes()));
        let keeping = self.keeping.as_ref().map_or(0, |_| held::boxed::<Keeping>(0));
        let window = self.window.as_ref().map_or(0, |window| held::boxed::<Window>(window.held_bytes()));
        let origin = self.origin.as_ref().map_or(0, |_| held::boxed::<Origin>(0));
        held::list(&self.name) + origin + window + md5 + sha1 + sha256 + kind + keeping
    }

    /// Bytes are missing in it.
    pub(super) fn gap(&mut self, missing: u64) {
        self.gaps = true;
        self.size += missing;
        self.window.iter_mut().for_each(|window| window.gap(missing));
        self.kind.iter_mut().for_each(|kind| kind.end());
    }

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
            begins: self.begins,
            size: self.size,
            contents: self.window.as_ref().and_then(|window| window.contents()),
            kind: self.kind.as_deref().map(|kind| kind as &dyn FileKind),
            closed: self.closed,
            complete: self.complete,
            md5: self.md5(),
            sha1: self.sha1(),
            sha256: self.sha256(),
        }
    }

    /// What it looks like, where that is wanted and enough of it came.
    pub fn magic(&self) -> Option<&str> {
        self.kind.as_deref()?.describe()
    }

    /// Whether it is stored, as far as is known.
    pub fn is_storing(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| keeping.is_storing())
    }

    /// Whether the writer has heard of it, or will.
    pub fn is_handed(&self) -> bool {
        self.is_storing() || self.keeping.as_ref().is_some_and(|keeping| keeping.handed_bytes() > 0)
    }

    /// What the writer knows it by, or will from now on, for a flow hands on some of it.
    pub fn name_for_writer(&mut self, flow: u64) -> (u64, u32) {
        *self.handed_as.get_or_insert((flow, self.number))
    }

    /// A rule wants it stored.
    pub(super) fn want(&mut self, sid: u32) {
        self.keeping.iter_mut().for_each(|keeping| keeping.want(sid));
    }

    /// The rules that want it stored.
    pub fn stored_for(&self) -> &[u32] {
        self.keeping.as_ref().map_or(&[], |keeping| keeping.rules())
    }

    /// Bytes of it that the writer was given.
    pub fn handed_bytes(&self) -> u64 {
        self.keeping.as_ref().map_or(0, |keeping| keeping.handed_bytes())
    }

    /// Bytes of it that are due at the writer, with their place in it.
    pub fn take_piece(&mut self) -> Option<(u64, Vec<u8>)> {
        self.keeping.as_mut()?.take_piece(self.closed)
    }

    /// `CLOSED` or `TRUNCATED`, `UNKNOWN` while it goes on, as records say it.
    pub fn state(&self) -> &'static str {
        match (self.closed, self.complete) {
            (false, _) => "UNKNOWN",
            (true, true) => "CLOSED",
            (true, false) => "TRUNCATED",
        }
    }

    pub(super) fn close(&mut self, complete: bool) {
        self.closed = true;
        self.complete = complete && !self.gaps;
        self.window.iter_mut().for_each(|window| window.end());
        self.kind.iter_mut().for_each(|kind| kind.end());
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
