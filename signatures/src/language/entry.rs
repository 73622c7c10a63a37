//! A rule of a set: what the plan needs to know of it, and the rule itself once something asks for it.
//!
//! Most rules of a large set are never candidates. Of those the text is kept, which is read again when it is wanted; a rule that
//! was read with something beside its text is kept as it was read. Tenants that have the same rule share its text.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::builder::SharedNames;
use super::cache::Remembered;
use super::digest::Digest;
use super::load::{self, Environment};
use super::outside::Outside;
use super::rule::Rule;
use super::variables::Sets;
use crate::plan::Outline;

/// A rule of a set.
pub struct Entry {
    /// `gid`
    pub gid: u32,
    /// `sid`
    pub sid: u32,
    /// `rev`
    pub rev: u32,
    /// That of its text.
    pub digest: Digest,
    /// The first keyword whose protocol or state is not active yet: the rule cannot match.
    pub later: Option<Box<str>>,
    place: (u32, u32),
    /// Its text, behind it its [`Outline`] in the form in which the cache has it.
    said: Arc<[u8]>,
    text_bytes: u32,
    reader: Arc<Reader>,
    rule: OnceLock<Option<Box<Rule>>>,
}

/// Reads rules again that were read before.
#[derive(Debug)]
pub(crate) struct Reader {
    environment: Environment,
    /// That of the environment.
    pub(super) digest: Digest,
    known: Mutex<(SharedNames, Sets)>,
}

impl Reader {
    pub(super) fn new(environment: &Environment, digest: Digest) -> Self {
        Self { environment: environment.clone(), digest, known: Mutex::default() }
    }

    /// Learns the names that rules of a load have; those of loads before keep their numbers.
    pub(super) fn learn(&self, names: &SharedNames) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.learn(names);
    }

    fn read(&self, entry: &Entry) -> Option<Box<Rule>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, sets) = &mut *known;
        let place = ("", entry.place, entry.digest);
        match load::read(entry.text(), place, &self.environment, names, sets) {
            Ok(load::Outcome::Rule(rule)) => Some(rule),
            Ok(load::Outcome::Skipped(_)) | Err(_) => None,
        }
    }
}

impl Entry {
    /// A rule that has just been read.
    pub(super) fn of(rule: Box<Rule>, text: &str, reader: &Arc<Reader>) -> Self {
        let later = rule.later.first().map(|name| (*name).into());
        let known = Remembered { id: (rule.gid, rule.sid, rule.rev), later, outline: Outline::of(&rule).encode() };
        let entry = Self::known(known, (rule.digest, rule.place), text, reader);
        if !rule.outside.is_empty() {
            let _ = entry.rule.set(Some(rule));
        }
        entry
    }

    /// A rule of which only this is known.
    pub(super) fn known(
        known: Remembered,
        (digest, place): (Digest, (u32, u32)),
        text: &str,
        reader: &Arc<Reader>,
    ) -> Self {
        let Remembered { id: (gid, sid, rev), later, outline } = known;
        // A file has fewer bytes than 4 GiB.
        let text_bytes = u32::try_from(text.len()).unwrap_or(0);
        let said = [text.as_bytes(), &outline].concat().into();
        let reader = Arc::clone(reader);
        Self { gid, sid, rev, digest, later, place, said, text_bytes, reader, rule: OnceLock::new() }
    }

    /// Shares memory with the same rule of another tenant.
    pub(super) fn share(&mut self, other: &Self) {
        if self.said == other.said {
            self.said = Arc::clone(&other.said);
        }
    }

    fn text(&self) -> &str {
        let text = self.said.get(..self.text_bytes as usize);
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn encoded_outline(&self) -> &[u8] {
        self.said.get(self.text_bytes as usize..).unwrap_or_default()
    }

    /// Whose rule it is: the number of a tenant, 0 where it is nobody's.
    pub fn tenant(&self) -> u32 {
        self.reader.environment.tenant
    }

    /// That of what it was read with.
    pub(crate) fn environment(&self) -> Digest {
        self.reader.digest
    }

    /// What a later run needs to know of it.
    pub(super) fn remember(&self) -> Remembered {
        let Self { gid, sid, rev, later, .. } = self;
        Remembered { id: (*gid, *sid, *rev), later: later.clone(), outline: self.encoded_outline().into() }
    }

    /// The rule; `None` where its text, which was read before, cannot be read now.
    pub fn rule(&self) -> Option<&Rule> {
        self.rule.get_or_init(|| self.reader.read(self)).as_deref()
    }

    /// What it was read with beside its text.
    pub(super) fn outside(&self) -> &[Outside] {
        self.rule.get().and_then(Option::as_deref).map_or(&[], |rule| &rule.outside)
    }

    /// What the plan needs to know of it.
    pub(crate) fn outline(&self) -> Option<Outline> {
        Outline::decode(self.encoded_outline()).or_else(|| self.rule().map(Outline::of))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Entry({}:{}:{})", self.gid, self.sid, self.rev)
    }
}
