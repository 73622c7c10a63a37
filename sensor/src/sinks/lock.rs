//! One live sensor a folder: whoever writes there holds a lock, which the kernel takes back when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::open;

/// The file in the folder that is locked.
pub const NAME: &str = "tapwire.lock";
/// More is no process id.
const ID_BYTES: u64 = 32;

/// A folder that is held.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
}

/// Why a folder is not to be had.
#[derive(Debug)]
pub enum Refused {
    /// A live sensor holds it: what it says of itself.
    Held(String),
    /// The system does not let it be locked.
    System(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl FolderLock {
    /// Holds a folder for a live sensor; makes it where there is none.
    pub fn hold(folder: &Path) -> Result<Self, Refused> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(NAME);
        loop {
            let file = open::append(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Refused::Held(holder(&path))),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let lock = Self { file, path: path.clone() };
            // Whoever removed the file meanwhile made room for another one of the same name.
            if lock.is_in_place() {
                lock.sign();
                return Ok(lock);
            }
        }
    }

    /// Keeps live sensors off a folder that captures are replayed into, if one was ever there.
    pub fn respect(folder: &Path) -> Result<Option<Self>, Refused> {
        let path = folder.join(NAME);
        let file = match open::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { file, path })),
            Err(TryLockError::WouldBlock) => Err(Refused::Held(holder(&path))),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whether the file that is locked is still where others look for it.
    pub fn is_in_place(&self) -> bool {
        let id = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
        let here = self.file.metadata().map(|metadata| id(&metadata)).ok();
        here.is_some() && here == std::fs::symlink_metadata(&self.path).map(|metadata| id(&metadata)).ok()
    }

    /// Writes who holds it, for others to read; a full disk does not matter.
    fn sign(&self) {
        let id = format!("{}\n", std::process::id());
        drop(self.file.set_len(0).and_then(|()| (&self.file).write_all(id.as_bytes())));
    }
}

fn holder(path: &Path) -> String {
    let mut id = String::new();
    let read = open::read(path).and_then(|file| file.take(ID_BYTES).read_to_string(&mut id));
    match (read, id.trim().parse::<u32>()) {
        (Ok(_), Ok(id)) => format!("process {id}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sensor_holds_a_folder_and_replays_keep_off() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FolderLock::respect(folder.path()).unwrap().is_none(), "nobody was ever there");
        let held = FolderLock::hold(folder.path()).unwrap();
        let own = format!("process {}", std::process::id());
        assert!(matches!(FolderLock::hold(folder.path()), Err(Refused::Held(who)) if who == own));
        assert!(matches!(FolderLock::respect(folder.path()), Err(Refused::Held(who)) if who == own));
        drop(held);
        let replays = [FolderLock::respect(folder.path()).unwrap(), FolderLock::respect(folder.path()).unwrap()];
        assert!(replays.iter().all(Option::is_some), "they do not keep each other off");
        assert!(matches!(FolderLock::hold(folder.path()), Err(Refused::Held(_))));
        drop(replays);
        assert!(FolderLock::hold(folder.path()).is_ok());
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let held = FolderLock::hold(folder.path()).unwrap();
        assert!(held.is_in_place());
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        assert!(!held.is_in_place());
    }
}
