//! The folder of stored files: each once, under the SHA-256 of its bytes, so that traffic names no path.
//!
//! A file grows under a name of chance in `tmp` and is renamed when it is whole; what has no end is removed. Files that are begun, their
//! bytes and those that are open at once are limited; a file that goes over a limit, or that the disk refuses, is given up and counted,
//! and everything else goes on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hashlink::{LinkedHashMap, LruCache};
use tempfile::TempPath;

use super::open::{self, Folder, put_in_place};
use crate::records::finding::FileId;

/// How files are stored.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder: below that of records, unless it is absolute.
    pub folder: PathBuf,
    /// How many stay open between two pieces of theirs.
    pub open_files: usize,
    /// Files that are begun and not at their end.
    pub begun_files: u64,
    /// Bytes of them.
    pub begun_bytes: u64,
}

/// The folder of files that grow.
const TEMPORARY: &str = "tmp";

/// Stores files.
pub struct FileStore {
    folder: PathBuf,
    begun_files_limit: u64,
    begun_bytes_limit: u64,
    /// Files that are begun, the one that got bytes last at the end.
    begun: LinkedHashMap<FileId, Begun>,
    begun_bytes: u64,
    /// Those of them that are open; no more than fit stay so.
    open: Option<LruCache<FileId, fs::File>>,
    /// Files that are in their place and whose records are being written.
    ended: LinkedHashMap<FileId, Stored>,
    counts: Counts,
    failure: Option<String>,
}

struct Begun {
    path: TempPath,
    bytes: u64,
}

/// A file in its place.
struct Stored {
    id: u64,
    path: PathBuf,
    time_s: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files in their place, each time that one came.
    pub stored: u64,
    /// Of these such as were there already.
    pub known: u64,
    /// Files that were given up for a limit.
    pub given_up: u64,
    /// Files that were closed before their end because too many were open.
    pub open_max_hit: u64,
    /// What the file system refused.
    pub errors: u64,
}

impl FileStore {
    /// A store in a folder below another one, or where its settings say.
    pub fn new(settings: &Settings, log_folder: &Path) -> Self {
        let mut store = Self {
            folder: log_folder.join(&settings.folder),
            begun_files_limit: settings.begun_files,
            begun_bytes_limit: settings.begun_bytes,
            begun: LinkedHashMap::new(),
            begun_bytes: 0,
            open: (settings.open_files > 0).then(|| LruCache::new(settings.open_files)),
            ended: LinkedHashMap::new(),
            counts: Counts::default(),
            failure: None,
        };
        // A folder that cannot be written is told at once, not at the first file.
        let made = Folder::make(&store.folder).and_then(|folder| folder.below(Path::new(TEMPORARY)));
        store.note(made.and_then(|_| store.create().map(drop)));
        store
    }

    /// Appends bytes that belong at a place of a file. Those behind a place that is missing belong to a file that was given up.
    pub fn append(&mut self, file: FileId, at: u64, bytes: &[u8]) {
        let begun = self.begun.to_back(&file).map(|begun| begun.bytes);
        if begun.unwrap_or(0) != at {
            return self.give_up(file);
        }
        if self.begun_bytes.saturating_add(bytes.len() as u64) > self.begun_bytes_limit {
            self.counts.given_up += 1;
            return self.give_up(file);
        }
        let result = if begun.is_none() { self.begin(file) } else { Ok(()) };
        let result = result.and_then(|()| self.write(file, bytes));
        if !self.note(result) {
            self.give_up(file);
        }
    }

    /// Puts a file in its place, if all its bytes are there: its number among those that were stored.
    pub fn finish(&mut self, file: FileId, sha256: &[u8; 32], bytes: u64, time_s: u64) {
        if bytes == 0 && !self.begun.contains_key(&file) {
            let result = self.begin(file);
            self.note(result);
        }
        self.close(file);
        let Some(begun) = self.begun.remove(&file) else { return };
        self.begun_bytes -= begun.bytes;
        if begun.bytes != bytes {
            return;
        }
        let result = self.place(begun.path, sha256);
        if let Ok(path) = &result {
            self.counts.stored += 1;
            self.ended.insert(file, Stored { id: self.counts.stored, path: path.clone(), time_s });
        }
        self.note(result.map(drop));
    }

    /// Lets a file go.
    pub fn give_up(&mut self, file: FileId) {
        self.close(file);
        if let Some(begun) = self.begun.remove(&file) {
            self.begun_bytes -= begun.bytes;
        }
    }

    /// The number of a file that has just been stored.
    pub fn number(&self, file: FileId) -> Option<u64> {
        self.ended.get(&file).map(|stored| stored.id)
    }

    /// Puts a record beside a file that was stored, if there is one, and is done with it.
    pub fn settle(&mut self, file: FileId, record: Option<&[u8]>) {
        let Some(stored) = self.ended.remove(&file) else { return };
        if let Some(record) = record {
            let name = stored.path.file_name().unwrap_or_default().display();
            let beside = stored.path.with_file_name(format!("{name}.{}.{}.json", stored.time_s, stored.id));
            let result = put_in_place(&beside, record);
            self.note(result);
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What went wrong first, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join(TEMPORARY)
    }

    fn create(&self) -> io::Result<(fs::File, TempPath)> {
        Ok(open::temporary(&self.temporary(), "file")?.into_parts())
    }

    /// Begins a file; if there are too many, the one that has been quiet for longest makes room.
    fn begin(&mut self, file: FileId) -> io::Result<()> {
        if self.begun.len() as u64 >= self.begun_files_limit.max(1)
            && let Some(oldest) = self.begun.front().map(|(oldest, _)| *oldest)
        {
            self.counts.given_up += 1;
            self.give_up(oldest);
        }
        let (handle, path) = self.create()?;
        self.begun.insert(file, Begun { path, bytes: 0 });
        self.keep_open(file, handle);
        Ok(())
    }

    fn keep_open(&mut self, file: FileId, handle: fs::File) {
        let Some(open) = &mut self.open else { return };
        self.counts.open_max_hit += u64::from(open.len() >= open.capacity());
        open.insert(file, handle);
    }

    fn close(&mut self, file: FileId) {
        if let Some(open) = &mut self.open {
            open.remove(&file);
        }
    }

    fn write(&mut self, file: FileId, bytes: &[u8]) -> io::Result<()> {
        let Some(begun) = self.begun.get_mut(&file) else { return Ok(()) };
        let mut handle = match self.open.as_mut().and_then(|open| open.remove(&file)) {
            Some(handle) => handle,
            None => open::append(&begun.path)?,
        };
        handle.write_all(bytes)?;
        begun.bytes += bytes.len() as u64;
        self.begun_bytes += bytes.len() as u64;
        self.keep_open(file, handle);
        Ok(())
    }

    /// Moves a whole file to where its name says; one that is there already stays.
    fn place(&mut self, path: TempPath, sha256: &[u8; 32]) -> io::Result<PathBuf> {
        let name = HEXLOWER.encode(sha256);
        let folder = Folder::make(&self.folder)?.below(Path::new(name.get(..2).unwrap_or_default()))?;
        let place = folder.path().join(&name);
        if fs::symlink_metadata(&place).is_ok_and(|known| known.is_file()) {
            self.counts.known += 1;
            return Ok(place);
        }
        path.persist_noclobber(&place).map_err(|refused| refused.error)?;
        Ok(place)
    }

    /// Counts what the file system refuses, and remembers the first of it; whether it did not.
    fn note(&mut self, result: io::Result<()>) -> bool {
        let Err(error) = result else { return true };
        if self.counts.errors == 0 {
            let folder = self.folder.display();
            self.failure = Some(format!(
                "files cannot be stored below {folder}: {error}; what is refused is counted as file_store.fs_errors, records go on"
            ));
        }
        self.counts.errors += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: [u8; 32] = [0xab; 32];

    fn store(folder: &Path, open_files: usize, (begun_files, begun_bytes): (u64, u64)) -> FileStore {
        FileStore::new(&Settings { folder: "files".into(), open_files, begun_files, begun_bytes }, folder)
    }

    fn file(number: u32) -> FileId {
        FileId { flow: 1, number }
    }

    fn temporary(folder: &Path) -> usize {
        fs::read_dir(folder.join("files/tmp")).unwrap().count()
    }

    #[test]
    fn a_file_is_in_its_place_when_it_is_whole_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("files/ab").join(HEXLOWER.encode(&SHA256));
        for open_files in [0, 1, 8] {
            let mut store = store(folder.path(), open_files, (4_096, 4 << 30));
            for number in 0..3 {
                store.append(file(number), 0, b"one ");
            }
            for number in 0..3 {
                store.append(file(number), 4, b"two");
                store.finish(file(number), &SHA256, 7, 99);
                assert_eq!(store.number(file(number)), Some(u64::from(number) + 1));
                store.settle(file(number), Some(b"{}\n"));
                assert_eq!(store.number(file(number)), None);
                let beside = place.with_file_name(format!("{}.99.{}.json", HEXLOWER.encode(&SHA256), number + 1));
                assert_eq!(fs::read(beside).unwrap(), b"{}\n");
            }
            assert_eq!(fs::read(&place).unwrap(), b"one two");
            assert_eq!((store.counts().stored, store.counts().errors, temporary(folder.path())), (3, 0, 0));
            assert_eq!(store.counts().open_max_hit > 0, open_files == 1);
        }
    }

    #[test]
    fn what_goes_over_a_limit_is_given_up_and_nothing_of_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path(), 8, (2, 20));
        store.append(file(1), 0, b"1234");
        store.append(file(2), 0, b"1234");
        store.append(file(1), 4, b"5");
        store.append(file(3), 0, b"12345");
        assert_eq!((store.counts().given_up, temporary(folder.path())), (1, 2), "the second was quiet for longest");
        store.append(file(2), 4, b"5678");
        store.finish(file(2), &SHA256, 8, 0);
        assert_eq!(store.number(file(2)), None, "its begin is gone");
        store.append(file(1), 5, b"6789012345678901");
        store.finish(file(1), &SHA256, 21, 0);
        assert_eq!((store.number(file(1)), store.counts().given_up), (None, 2), "too many bytes");
        store.finish(file(3), &SHA256, 5, 0);
        assert_eq!(store.number(file(3)), Some(1));
        store.append(file(4), 0, b"x");
        drop(store);
        assert_eq!(temporary(folder.path()), 0, "what has no end is removed");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("files"), "in the way").unwrap();
        let mut store = store(folder.path(), 8, (4_096, 4 << 30));
        assert!(store.take_failure().unwrap().contains("files"));
        store.append(file(1), 0, b"x");
        store.finish(file(1), &SHA256, 1, 0);
        assert_eq!((store.number(file(1)), store.counts().errors, store.take_failure()), (None, 2, None));
    }
}
