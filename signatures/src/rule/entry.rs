//! A rule of a set: what the plan needs to know of it, and the rule itself once something asks for it.
//!
//! Most rules of a large set are never candidates. Of those the text is kept, which is read again when it is wanted; a rule that
//! was read with something beside its text is kept as it was read. Tenants that have the same rule share its text.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Rule;
use super::digest::Digest;
use super::outside::Outside;

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
    /// Its text, behind it its outline, which is what the plan needs to know of it, in the form in which the cache has it.
    said: Arc<[u8]>,
    text_bytes: u32,
    reader: Arc<dyn Reader>,
    rule: OnceLock<Option<Box<Rule>>>,
}

/// Reads rules again that were read before.
pub(crate) trait Reader: fmt::Debug + Send + Sync {
    /// Whose rules they are: the number of a tenant, 0 where they are nobody's.
    fn tenant(&self) -> u32;
    /// That of what they are read with.
    fn environment(&self) -> Digest;
    /// The rule of a text that stands at a place and has this digest; `None` where it cannot be read now.
    fn read(&self, text: &str, place: (u32, u32), digest: Digest) -> Option<Box<Rule>>;
}

/// A rule as a later run remembers it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// `gid`, `sid`, `rev`
    pub(crate) id: (u32, u32, u32),
    /// See [`Entry::later`].
    pub(crate) later: Option<Box<str>>,
    /// See [`Entry::outline`].
    pub(crate) outline: Box<[u8]>,
}

impl Entry {
    /// A rule that has just been read, with its outline.
    pub(crate) fn of(rule: Box<Rule>, outline: Box<[u8]>, text: &str, reader: Arc<dyn Reader>) -> Self {
        let later = rule.later.first().map(|name| (*name).into());
        let known = Remembered { id: (rule.gid, rule.sid, rule.rev), later, outline };
        let entry = Self::known(known, (rule.digest, rule.place), text, reader);
        if !rule.outside.is_empty() {
            let _ = entry.rule.set(Some(rule));
        }
        entry
    }

    /// A rule of which only this is known.
    pub(crate) fn known(
        known: Remembered,
        (digest, place): (Digest, (u32, u32)),
        text: &str,
        reader: Arc<dyn Reader>,
    ) -> Self {
        let Remembered { id: (gid, sid, rev), later, outline } = known;
        // A file has fewer bytes than 4 GiB.
        let text_bytes = u32::try_from(text.len()).unwrap_or(0);
        let said = [text.as_bytes(), &outline].concat().into();
        Self { gid, sid, rev, digest, later, place, said, text_bytes, reader, rule: OnceLock::new() }
    }

    /// Shares memory with the same rule of another tenant.
    pub(crate) fn share(&mut self, other: &Self) {
        if self.said == other.said {
            self.said = Arc::clone(&other.said);
        }
    }

    fn text(&self) -> &str {
        let text = self.said.get(..self.text_bytes as usize);
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Its outline, as it was given.
    pub(crate) fn outline(&self) -> &[u8] {
        self.said.get(self.text_bytes as usize..).unwrap_or_default()
    }

    /// Whose rule it is: the number of a tenant, 0 where it is nobody's.
    pub fn tenant(&self) -> u32 {
        self.reader.tenant()
    }

    /// That of what it was read with.
    pub(crate) fn environment(&self) -> Digest {
        self.reader.environment()
    }

    /// What a later run needs to know of it.
    pub(crate) fn remember(&self) -> Remembered {
        let Self { gid, sid, rev, later, .. } = self;
        Remembered { id: (*gid, *sid, *rev), later: later.clone(), outline: self.outline().into() }
    }

    /// The rule; `None` where its text, which was read before, cannot be read now.
    pub fn rule(&self) -> Option<&Rule> {
        self.rule.get_or_init(|| self.reader.read(self.text(), self.place, self.digest)).as_deref()
    }

    /// What it was read with beside its text.
    pub(crate) fn outside(&self) -> &[Outside] {
        self.rule.get().and_then(Option::as_deref).map_or(&[], |rule| &rule.outside)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Entry({}:{}:{})", self.gid, self.sid, self.rev)
    }
}
