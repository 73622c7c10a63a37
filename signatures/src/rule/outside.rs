//! What a rule was read with beside its own text: where that changed, the rule is read again, though its text is the same.

use std::sync::Arc;

use super::dataset::Dataset;
use super::files::{Files, Place};

/// Something outside of its text that a rule depends on.
#[derive(Clone, Debug)]
pub enum Outside {
    /// A file, and its stamp when it was read.
    File(Box<NamedFile>),
    /// A set of values. `defines`: the rule says what it is, so that it need not be known already.
    Set {
        /// The set.
        set: Arc<Dataset>,
        /// Whether the rule says of what type it is.
        defines: bool,
    },
    /// The lists of addresses, by their stamp.
    Lists(Option<u64>),
}

/// A file that a rule or a set names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The rule file that names it; `None` for what a run before left.
    pub beside: Option<String>,
    /// Its name.
    pub name: String,
    /// Its stamp when it was read.
    pub stamp: Option<u64>,
}

impl NamedFile {
    /// A file as it is now.
    pub(crate) fn now(files: &Files, beside: Option<&str>, name: &str) -> Self {
        let mut file = Self { beside: beside.map(str::to_owned), name: name.to_owned(), stamp: None };
        file.stamp = files.stamp(file.place());
        file
    }

    fn place(&self) -> Place<'_> {
        match &self.beside {
            Some(rule_file) => Place::Beside(rule_file, &self.name),
            None => Place::State(&self.name),
        }
    }

    /// Whether the file is certainly as it was.
    pub(crate) fn is_unchanged(&self, files: &Files) -> bool {
        self.stamp.is_some() && files.stamp(self.place()) == self.stamp
    }
}
