//! Room on the disk that is kept for alerts: a file of nothing, which is made shorter when the disk is full and an alert must be written.

use std::io;

use super::volume::{Volume, VolumeFile};

/// The file.
const NAME: &str = "alerts.reserve";
/// What is let go of at once, at least: other records of a full disk wait.
const STEP_BYTES: u64 = 64 << 10;

/// The room that is kept.
pub(crate) struct Reserve<F> {
    file: Option<F>,
    bytes: u64,
    wanted: u64,
    /// Some was let go of, and is not there again.
    is_spent: bool,
}

impl<F: VolumeFile> Reserve<F> {
    /// Keeps so many bytes if they are there; what is not may be later.
    pub(crate) fn keep<V: Volume<File = F>>(volume: &V, wanted: u64) -> Self {
        let mut reserve = Self { file: None, bytes: 0, wanted, is_spent: false };
        if wanted == 0 {
            // What a run with other settings kept is not wanted.
            drop(volume.remove(NAME));
        }
        reserve.renew(volume);
        reserve
    }

    /// Takes back what was let go of, where the disk has twice as much.
    pub(crate) fn renew<V: Volume<File = F>>(&mut self, volume: &V) {
        if self.bytes >= self.wanted || volume.space().is_ok_and(|space| space.free / 2 < self.wanted - self.bytes) {
            return;
        }
        let Ok(mut file) = volume.append(NAME) else { return };
        if file.length().is_ok_and(|len| len > self.wanted) {
            drop(file.truncate(self.wanted));
        }
        if file.allocate(self.wanted).is_err() {
            // A part of it may have been made.
            drop(file.truncate(self.bytes));
        }
        self.bytes = file.length().unwrap_or(0);
        self.is_spent &= self.bytes < self.wanted;
        self.file = Some(file);
    }

    /// Lets go of room for so many bytes; false if there is none left.
    pub(crate) fn release(&mut self, bytes: u64) -> bool {
        let Some(file) = self.file.as_mut().filter(|_| self.bytes > 0) else { return false };
        let left = self.bytes.saturating_sub(bytes.max(STEP_BYTES));
        if file.truncate(left).is_err() {
            return false;
        }
        (self.bytes, self.is_spent) = (left, true);
        true
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether what was let go of cannot be had back: what is free on the disk is the alerts'.
    pub(crate) fn is_spent<V: Volume<File = F>>(&mut self, volume: &V) -> bool {
        if self.is_spent {
            self.renew(volume);
        }
        self.is_spent
    }
}

/// Whether a disk is full, or somebody's share of it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::log::volume::Folder;

    #[test]
    fn room_is_kept_let_go_of_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        let len = || std::fs::metadata(folder.path().join(NAME)).unwrap().len();
        let mut reserve = Reserve::keep(&volume, 1 << 20);
        assert_eq!((reserve.bytes(), len()), (1 << 20, 1 << 20));
        assert!(reserve.release(10) && reserve.release(500 << 10));
        assert_eq!((reserve.bytes(), len()), (460 << 10, 460 << 10));
        assert!(reserve.release(1 << 20) && !reserve.release(1) && reserve.is_spent);
        assert!(!reserve.is_spent(&volume), "the disk has room again");
        assert_eq!((reserve.bytes(), len()), (1 << 20, 1 << 20));
        assert_eq!(Reserve::keep(&volume, 4096).bytes(), 4096, "less is wanted now");
        drop(Reserve::keep(&volume, 0));
        assert!(!folder.path().join(NAME).exists());
    }
}
