//! Files that rules come from: whether one of them changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that changes whenever a file is written or replaced; `None` where there is no file.
pub(super) fn stamp(path: &Path) -> Option<u64> {
    let data = std::fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec())
        .hash(&mut hasher);
    Some(hasher.finish())
}

/// The stamps of all of some files, in order.
pub(super) fn stamps<'p>(paths: impl IntoIterator<Item = &'p Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    paths.into_iter().for_each(|path| stamp(path).hash(&mut hasher));
    hasher.finish()
}

/// Files that rules name, each with its stamp when it was last asked for. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Named(Arc<Mutex<BTreeMap<PathBuf, Option<u64>>>>);

impl Named {
    /// The stamp of a file, which is about to be read if it is another one than before.
    pub(super) fn stamp(&self, path: PathBuf) -> Option<u64> {
        let now = stamp(&path);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path, now);
        now
    }

    /// The stamps of all, when they were asked for or as they are now.
    pub(super) fn stamps(&self, now: bool) -> u64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hasher = DefaultHasher::new();
        known.iter().for_each(|(path, before)| if now { stamp(path) } else { *before }.hash(&mut hasher));
        hasher.finish()
    }
}

/// Tells when files changed and are quiet again: what is half written is not worth reading.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The stamps that were read.
    read: (u64, u64),
    /// Those of the last look.
    last: (u64, u64),
}

impl Watch {
    /// Files are read now, as these stamps have them.
    pub(super) fn note_read(&mut self, stamps: (u64, u64)) {
        (self.read, self.last) = (stamps, stamps);
    }

    /// Whether files are other ones than those that were read, and the same as at the last look.
    pub(super) fn is_due(&mut self, stamps: (u64, u64)) -> bool {
        let quiet = std::mem::replace(&mut self.last, stamps) == stamps;
        quiet && stamps != self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_once_it_is_quiet() {
        let mut watch = Watch::default();
        watch.note_read((1, 0));
        let looks = [1, 2, 3, 3].map(|stamps| watch.is_due((stamps, 0)));
        assert_eq!(looks, [false, false, false, true]);
        watch.note_read((3, 0));
        assert_eq!([3, 4, 3, 3].map(|stamps| watch.is_due((stamps, 0))), [false; 4]);
    }

    #[test]
    fn a_stamp_changes_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rules");
        assert_eq!(stamp(&path), None);
        std::fs::write(&path, "a").unwrap();
        let first = stamp(&path);
        assert_eq!(stamp(&path), first);
        std::fs::write(&path, "ab").unwrap();
        assert_ne!(stamp(&path), first);
    }
}
