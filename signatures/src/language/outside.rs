//! Whether what a rule was read with beside its text is as it was.

use crate::builder::{Environment, SharedNames};
use crate::rule::entry::Entry;
use crate::rule::outside::Outside;

/// Whether a rule that was read before says the same in this load, where it stands in a file. The sets that it uses are known
/// from then on.
pub(super) fn is_current(entry: &Entry, file: &str, environment: &Environment, names: &mut SharedNames) -> bool {
    let unchanged = entry.outside().iter().all(|outside| match outside {
        Outside::File(named) => {
            named.beside.as_deref().is_none_or(|beside| beside == file) && named.is_unchanged(&environment.files)
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
