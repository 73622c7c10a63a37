//! How the sensor opens what it writes: never through a symbolic link, readable by its own user and group (0640, less where the umask
//! says so), and under a name of chance where a file is still in the making.
//!
//! The folders that whoever runs the sensor names may be links; what lies below them may not. A [`Folder`] is held open, so that
//! nobody can put another in its place between a look and the writing.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// Who may read what the sensor writes.
const MODE: u32 = 0o640;
/// Folders that only the system fills: what they link to is its own (`/dev/stdout`).
const OF_SYSTEM: [&str; 2] = ["/dev", "/proc/self/fd"];
/// Names that are tried for a file in the making.
const TRIES: usize = 16;

/// Opens a file to go on at its end; makes it where there is none.
pub fn append(path: &Path) -> io::Result<File> {
    options(path).append(true).create(true).open(path).map_err(named)
}

/// The same, and never waits: a pipe that nobody reads is refused, one whose reader is slow takes what it can.
pub fn append_now(path: &Path) -> io::Result<File> {
    let flags = flags(path) | OFlags::NONBLOCK;
    options(path).append(true).create(true).custom_flags(flags.bits().cast_signed()).open(path).map_err(named)
}

/// Opens a file to read it.
pub fn read(path: &Path) -> io::Result<File> {
    options(path).read(true).open(path).map_err(named)
}

/// Opens a file to begin anew: what was in it is gone.
pub fn fresh(path: &Path) -> io::Result<File> {
    options(path).write(true).create(true).truncate(true).open(path).map_err(named)
}

/// Makes a file that must not be there yet.
pub fn exclusive(path: &Path) -> io::Result<File> {
    options(path).write(true).create_new(true).open(path)
}

/// Makes a file under a name of chance that begins with a given one; it is removed unless it is persisted.
pub fn temporary(folder: &Path, name: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
}

/// Writes a file that is there whole or not at all; makes the folders that it needs.
pub fn put_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(not_below()) };
    Folder::make(folder)?.put(Path::new(name), bytes)
}

fn options(path: &Path) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(MODE).custom_flags(flags(path).bits().cast_signed());
    options
}

fn flags(path: &Path) -> OFlags {
    let of_system = OF_SYSTEM.iter().any(|folder| path.starts_with(folder));
    if of_system { OFlags::empty() } else { OFlags::NOFOLLOW }
}

/// A folder that is held open.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// A folder that whoever runs the sensor named; it is made where there is none.
    pub fn make(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::fs::create_dir_all(path)?;
        let handle = open(path, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { handle, path: path.to_owned() })
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below this one, which is made where there is none. No part of its name is a link or leads upwards.
    pub fn below(&self, name: &Path) -> io::Result<Self> {
        let mut handle = self.handle.try_clone()?;
        for part in name.components() {
            let Component::Normal(part) = part else { return Err(not_below()) };
            match mkdirat(&handle, part, Mode::from_raw_mode(0o777)) {
                Err(error) if error != Errno::EXIST => return Err(error.into()),
                _ => handle = enter(&handle, Path::new(part))?,
            }
        }
        Ok(Self { handle, path: self.path.join(name) })
    }

    /// Opens a file below the folder, in one that exists, to go on at its end or to begin anew.
    pub fn file(&self, name: &Path, append: bool) -> io::Result<File> {
        let mut handle = self.handle.try_clone()?;
        let (Some(file), parts) = (name.file_name(), name.components()) else { return Err(not_below()) };
        for part in parts.take(name.components().count().saturating_sub(1)) {
            let Component::Normal(part) = part else { return Err(not_below()) };
            handle = enter(&handle, Path::new(part))?;
        }
        let how = if append { OFlags::APPEND } else { OFlags::TRUNC };
        // A pipe that nobody reads would be waited for.
        let how = how | OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&handle, file, how, Mode::from_raw_mode(MODE)).map_err(|e| named(e.into()))?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
    }

    /// Writes a file below the folder that is there whole or not at all. What has the name already is replaced, and never written through.
    pub fn put(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = name.file_name() else { return Err(not_below()) };
        let folder = self.below(name.parent().unwrap_or(Path::new("")))?;
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let made = format!(".{}.{}.new", file.display(), chance()?);
            let handle = match openat(&folder.handle, &*made, how, Mode::from_raw_mode(MODE)) {
                Err(Errno::EXIST) => continue,
                handle => handle?,
            };
            let done = File::from(handle).write_all(bytes);
            let done = done.and_then(|()| Ok(renameat(&folder.handle, &*made, &folder.handle, file)?));
            if done.is_err() {
                unlinkat(&folder.handle, &*made, AtFlags::empty()).ok();
            }
            return done;
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Gives a file below the folder another name in the same place, so that it survives a crash; what had that is gone.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (Some(old), Some(name)) = (from.file_name(), to.file_name()) else { return Err(not_below()) };
        let folder = self.below(to.parent().unwrap_or(Path::new("")))?;
        renameat(&folder.handle, old, &folder.handle, name)?;
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        File::from(openat(&folder.handle, ".", how, Mode::empty())?).sync_all()
    }

    /// Takes a file below the folder away.
    pub fn remove(&self, name: &Path) -> io::Result<()> {
        let Some(file) = name.file_name() else { return Err(not_below()) };
        let folder = self.below(name.parent().unwrap_or(Path::new("")))?;
        Ok(unlinkat(&folder.handle, file, AtFlags::empty())?)
    }
}

/// Opens a folder in another one, unless it is a link.
fn enter(folder: impl AsFd, name: &Path) -> io::Result<OwnedFd> {
    let how = OFlags::DIRECTORY | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, how, Mode::empty()).map_err(|error| match error {
        // That is what the kernel says of a link where a folder must be.
        Errno::NOTDIR => io::Error::other(format!("`{}` is no folder; links are not followed", name.display())),
        error => error.into(),
    })
}

/// Characters that nobody can know before.
fn chance() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}

fn not_below() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it is not below its folder")
}

/// What the kernel says of a link, in words that name it.
fn named(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP) => {
            io::Error::new(io::ErrorKind::PermissionDenied, "it is a symbolic link; those are not followed")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_appended_to_or_begun_anew_for_the_sensors_group_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        for (open, expected) in
            [(append as fn(&Path) -> io::Result<File>, "x"), (append, "xx"), (fresh, "x"), (append, "xx")]
        {
            open(&path).unwrap().write_all(b"x").unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path) & !MODE), (expected, 0));
        }
        assert_eq!(exclusive(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(exclusive(&folder.path().join("new")).is_ok());
        let temporary = temporary(folder.path(), "eve.json").unwrap();
        assert_eq!(mode(temporary.path()) & !MODE, 0);
        assert!(append(Path::new("/dev/null")).and_then(|mut file| file.write_all(b"x")).is_ok());
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_never_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        let below = Folder::make(folder.path()).unwrap();
        for open in [append, fresh, exclusive] {
            assert!(open(&link).is_err());
        }
        assert!(fresh(&link).unwrap_err().to_string().contains("link"));
        for append in [true, false] {
            assert!(below.file(Path::new("link"), append).is_err());
        }
        put_in_place(&link, b"own").unwrap();
        assert_eq!((fs::read(&victim).unwrap(), fs::read(&link).unwrap()), (b"precious".into(), b"own".into()));
        assert!(!link.is_symlink(), "the link itself is replaced");
    }

    #[test]
    fn what_is_below_a_folder_stays_there() {
        let outer = tempfile::tempdir().unwrap();
        let (inside, outside) = (outer.path().join("inside"), outer.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        let folder = Folder::make(&inside).unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        for name in ["../x", "/tmp/tapwire-x", "link/x", "a/../../x", "link/a/x", "..", ""] {
            assert!(folder.put(Path::new(name), b"x").is_err(), "{name}");
            assert!(folder.file(Path::new(name), true).is_err(), "{name}");
        }
        assert!(folder.below(Path::new("link")).unwrap_err().to_string().contains("link"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        folder.put(Path::new("a/b/c"), b"one").unwrap();
        folder.file(Path::new("a/b/c"), true).unwrap().write_all(b" two").unwrap();
        assert_eq!(fs::read(inside.join("a/b/c")).unwrap(), b"one two");
        assert_eq!(fs::read_dir(inside.join("a/b")).unwrap().count(), 1, "nothing in the making is left");
        // The folder itself may be a link: whoever runs the sensor named it.
        symlink(&inside, outer.path().join("named")).unwrap();
        assert!(Folder::make(&outer.path().join("named")).unwrap().put(Path::new("d"), b"x").is_ok());
    }

    #[test]
    fn special_files_are_no_place_for_what_others_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let below = Folder::make(folder.path()).unwrap();
        for name in ["pipe", "folder"] {
            assert!(below.file(Path::new(name), true).is_err(), "{name}");
        }
        assert!(below.put(Path::new("folder"), b"x").is_err());
    }
}
