//! A rule of a set: what the plan needs to know of it, and the rule itself once something asks for it.
//!
//! Most rules of a large set are never candidates. Of those the text is kept, which is read again when it is wanted; a rule that
//! was read with something beside its text is kept as it was read.

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
    text: Box<str>,
    /// Its [`Outline`], in the form in which the cache has it.
    outline: Box<[u8]>,
    reader: Arc<Reader>,
    rule: OnceLock<Option<Box<Rule>>>,
}

/// Reads rules again that were read before.
#[derive(Debug)]
pub(crate) struct Reader {
    environment: Environment,
    known: Mutex<(SharedNames, Sets)>,
}

impl Reader {
    pub(super) fn new(environment: &Environment) -> Self {
        Self { environment: environment.clone(), known: Mutex::default() }
    }

    /// Learns the names that rules of a load have; those of loads before keep their numbers.
    pub(super) fn learn(&self, names: &SharedNames) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.learn(names);
    }

    fn read(&self, entry: &Entry) -> Option<Box<Rule>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, sets) = &mut *known;
        let place = ("", entry.place, entry.digest);
        match load::read(&entry.text, place, &self.environment, names, sets) {
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
        let (text, reader) = (text.into(), Arc::clone(reader));
        Self { gid, sid, rev, digest, later, place, text, outline, reader, rule: OnceLock::new() }
    }

    /// What a later run needs to know of it.
    pub(super) fn remember(&self) -> Remembered {
        let Self { gid, sid, rev, later, outline, .. } = self;
        Remembered { id: (*gid, *sid, *rev), later: later.clone(), outline: outline.clone() }
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
        Outline::decode(&self.outline).or_else(|| self.rule().map(Outline::of))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Entry({}:{}:{})", self.gid, self.sid, self.rev)
    }
}
