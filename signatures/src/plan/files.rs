//! What rules need to be done with files before they can be asked about them.

use serde::{Deserialize, Serialize};

use crate::rule::{Buffer, Rule};

/// What rules ask for of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNeeds {
    /// MD5, SHA-1, SHA-256.
    pub hashes: [bool; 3],
    /// The description of their type.
    pub magic: bool,
    /// Files may have to be stored.
    pub stored: bool,
}

impl FileNeeds {
    /// What one rule asks for.
    pub(super) fn of(rule: &Rule) -> Self {
        let mut needs = Self {
            magic: rule.sections.iter().any(|section| section.buffer == Buffer::File("file.magic")),
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
        self.magic |= other.magic;
        self.stored |= other.stored;
    }
}
