//! The folder that segments are in, as a trait: the real one, and in tests one that crashes between any two steps.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use crate::sinks::mend::ReadAt;
use crate::sinks::open;

/// A folder.
pub trait Volume {
    /// A file in it, to be read and appended to.
    type File: VolumeFile;

    /// The names in it.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file to read it.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file to go on at its end; makes it where there is none.
    fn append(&self, name: &str) -> io::Result<Self::File>;
    /// Gives a file another name; what had that is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names survive a crash.
    fn sync(&self) -> io::Result<()>;
    /// Whether a name is still that of a file.
    fn is_in_place(&self, name: &str, file: &Self::File) -> bool;
    /// Makes the folder again if somebody took it away.
    fn renew(&self) -> io::Result<()>;
    /// Bytes of the file system, and how many of them are free.
    fn space(&self) -> io::Result<Space>;

    /// Writes a file that is there whole or not at all, and survives a crash.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let made = format!("{name}.new");
        let written = self.append(&made).and_then(|mut file| {
            file.truncate(0)?;
            file.append(bytes)?;
            file.sync()
        });
        written.and_then(|()| self.rename(&made, name)).and_then(|()| self.sync()).inspect_err(|_| {
            drop(self.remove(&made));
        })
    }

    /// All bytes of a file, if they are no more than a limit.
    fn get(&self, name: &str, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let file = self.open(name)?;
        let len = file.length()?;
        if len > limit_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is too long")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

impl<V: Volume> Volume for &V {
    type File = V::File;

    fn names(&self) -> io::Result<Vec<String>> {
        (**self).names()
    }

    fn open(&self, name: &str) -> io::Result<V::File> {
        (**self).open(name)
    }

    fn append(&self, name: &str) -> io::Result<V::File> {
        (**self).append(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        (**self).sync()
    }

    fn is_in_place(&self, name: &str, file: &V::File) -> bool {
        (**self).is_in_place(name, file)
    }

    fn renew(&self) -> io::Result<()> {
        (**self).renew()
    }

    fn space(&self) -> io::Result<Space> {
        (**self).space()
    }
}

/// A file in a folder.
pub trait VolumeFile: ReadAt {
    /// Writes behind what is there. After an error a part of it may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts it off at a place.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Makes its length so many bytes, for which there is room on the disk.
    fn allocate(&mut self, len: u64) -> io::Result<()>;
    /// Makes what was written survive a crash.
    fn sync(&mut self) -> io::Result<()>;
}

/// Room of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All bytes.
    pub total: u64,
    /// Those that are free for the sensor.
    pub free: u64,
}

/// A folder of the system.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The same, made where there is none.
    pub fn make(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self::at(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Volume for Folder {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        open::read(&self.0.join(name))
    }

    fn append(&self, name: &str) -> io::Result<File> {
        // A pipe of that name would be waited for.
        let file = open::append_now(&self.0.join(name))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other(format!("{name} is no plain file"))) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn is_in_place(&self, name: &str, file: &File) -> bool {
        let id = |found: &fs::Metadata| (found.dev(), found.ino());
        let here = file.metadata().map(|found| id(&found)).ok();
        here.is_some() && here == fs::symlink_metadata(self.0.join(name)).map(|found| id(&found)).ok()
    }

    fn renew(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)
    }

    fn space(&self) -> io::Result<Space> {
        let found = statvfs(&self.0)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }
}

impl VolumeFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        match fallocate(&*self, FallocateFlags::empty(), 0, len) {
            // Some file systems cannot; what is written has its room as well.
            Err(Errno::OPNOTSUPP) => fill(self, len),
            result => Ok(result?),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Writes noise up to a length: zeros might be stored as a hole.
fn fill(file: &File, len: u64) -> io::Result<()> {
    let mut noise = [0; 4096];
    getrandom::fill(&mut noise)?;
    let mut at = file.metadata()?.len();
    while at < len {
        let part = noise.get(..usize::try_from(len - at).unwrap_or(noise.len()).min(noise.len())).unwrap_or(&noise);
        FileExt::write_all_at(file, part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}
