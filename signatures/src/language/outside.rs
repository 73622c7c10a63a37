//! What a rule was read with beside its own text: where that changed, the rule is read again, though its text is the same.

use std::sync::Arc;

use super::builder::SharedNames;
use super::entry::Entry;
use super::files::Place;
use super::load::Environment;
use crate::state::dataset::Dataset;

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
    pub(crate) fn now(environment: &Environment, beside: Option<&str>, name: &str) -> Self {
        let mut file = Self { beside: beside.map(str::to_owned), name: name.to_owned(), stamp: None };
        file.stamp = environment.files.stamp(file.place());
        file
    }

    fn place(&self) -> Place<'_> {
        match &self.beside {
            Some(rule_file) => Place::Beside(rule_file, &self.name),
            None => Place::State(&self.name),
        }
    }

    /// Whether the file is certainly as it was.
    pub(crate) fn is_unchanged(&self, environment: &Environment) -> bool {
        self.stamp.is_some() && environment.files.stamp(self.place()) == self.stamp
    }
}

/// Whether a rule that was read before says the same in this load, where it stands in a file. The sets that it uses are known
/// from then on.
pub(crate) fn is_current(entry: &Entry, file: &str, environment: &Environment, names: &mut SharedNames) -> bool {
    let unchanged = entry.outside().iter().all(|outside| match outside {
        Outside::File(named) => {
            named.beside.as_deref().is_none_or(|beside| beside == file) && named.is_unchanged(environment)
        }
        Outside::Set { set, defines } => names.datasets.is_current(set, *defines, environment),
        Outside::Lists(stamp) => stamp.is_some() && *stamp == environment.lists_stamp,
    });
    if unchanged {
        for outside in entry.outside() {
            if let Outside::Set { set, .. } = outside {
                names.datasets.note_use(set);
            }
        }
    }
    unchanged
}
