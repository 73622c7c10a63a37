//! What rules need to be done with files before they can be asked about them.

use serde::{Deserialize, Serialize};

use crate::rule::{Arrow, Buffer, Rule};

/// What rules ask for of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNeeds {
    /// MD5, SHA-1, SHA-256.
    pub hashes: [bool; 3],
    /// What is in them.
    pub contents: bool,
    /// Those of a request when its answer is there.
    pub with_answer: bool,
    /// The description of their type.
    pub magic: bool,
    /// Files may have to be stored.
    pub stored: bool,
}

impl FileNeeds {
    /// What one rule asks for.
    pub(super) fn of(rule: &Rule) -> Self {
        let uses = |test: fn(Buffer) -> bool| rule.sections.iter().any(|section| test(section.buffer));
        // A script may ask for anything.
        let mut needs = Self {
            magic: uses(|buffer| buffer == Buffer::File("file.magic")),
            contents: !rule.scripts.is_empty() || uses(|buffer| buffer.is_field("file.data")),
            with_answer: rule.arrow == Arrow::Transactional,
            stored: rule.filestore.is_some(),
            ..Self::default()
        };
        for condition in &rule.file {
            needs.add(Self { hashes: condition.hashes(), ..Self::default() });
        }
        needs
    }

    /// What another rule asks for as well.
    pub(super) fn add(&mut self, other: Self) {
        self.hashes.iter_mut().zip(other.hashes).for_each(|(all, one)| *all |= one);
        self.contents |= other.contents;
        self.with_answer |= other.with_answer;
        self.magic |= other.magic;
        self.stored |= other.stored;
    }
}
