//! The file, pipe or device that the records of one output go to, and how it gets over what goes wrong there.
//!
//! A plain file only ever holds whole pieces: what was written of one that did not fit is taken back. A pipe cannot take anything
//! back, so the rest of a piece is kept and goes on at the byte where it stopped.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tapwire_parsers::link::Timestamp;

use super::mend::{self, Tail};
use super::open;
use super::rotation::{self, Rotation, Since};
use super::zstd::Frames;
use crate::capture::clock;

/// How long a pipe may take nothing before that counts as a fault.
const PIPE_PATIENCE: Duration = Duration::from_secs(1);
const PIPE_NAP: Duration = Duration::from_millis(2);
/// Names that are tried for a file that is put aside.
const NAMES: u32 = 1_000;

/// How records become bytes, and how the file is opened.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Where it is.
    pub path: PathBuf,
    /// Frames of zstd, or the text as it is.
    pub zstd: bool,
    /// What is there stays.
    pub append: bool,
    /// An interface is watched: nothing is waited for, and a file that is gone is made again.
    pub live: bool,
    /// When a new file is begun, when live.
    pub rotation: Rotation,
}

/// Where the records of one output go.
pub struct Target {
    shape: Shape,
    /// Its path with the time of day not filled in, when live.
    pattern: PathBuf,
    since: Since,
    frames: Option<Frames>,
    file: Option<Opened>,
    /// The rest of a piece that a pipe took a part of.
    rest: Vec<u8>,
    /// What was found and done when it was opened, to be told.
    notes: Vec<String>,
}

struct Opened {
    file: File,
    id: (u64, u64),
    is_plain: bool,
    /// Where the last whole piece ends, while bytes of another one stand behind it.
    torn_at: Option<u64>,
}

impl Target {
    /// Opens it. A pipe that nobody reads yet is one for later when live.
    pub fn open(mut shape: Shape) -> io::Result<Self> {
        let frames = shape.zstd.then(Frames::new).transpose()?;
        let (pattern, now) = (shape.path.clone(), clock::now());
        if shape.live {
            shape.path = rotation::named(&pattern, now);
        }
        let since = Since::now(now);
        let mut target = Self { shape, pattern, since, frames, file: None, rest: Vec::new(), notes: Vec::new() };
        match target.reopen(target.shape.append) {
            Err(error) if target.shape.live && is_unread_pipe(&error) => {}
            result => result?,
        }
        Ok(target)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shape.path
    }

    /// What is to be told of it since this was last asked.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Where it is, or the pattern of where it is at each time.
    pub fn pattern(&self) -> &Path {
        &self.pattern
    }

    /// Begins a new file where it is time.
    pub fn rotate_if_due(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(opened) = self.file.as_ref().filter(|opened| opened.is_plain && self.shape.live) else {
            return Ok(());
        };
        let bytes = opened.file.metadata()?.len();
        if self.shape.rotation.is_due(self.since, bytes, now) { self.rotate(now) } else { Ok(()) }
    }

    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        self.sync()?;
        self.file = None;
        self.since = Since::now(now);
        let finished = self.shape.rotation.finish(&self.shape.path, &self.pattern, now);
        self.shape.path = rotation::named_anew(&self.pattern, now);
        self.reopen(true)?;
        finished
    }

    /// Finds the file again that was moved; where its name has the time in it, begins one for now.
    pub fn begin_anew(&mut self, now: Timestamp) -> io::Result<()> {
        if self.shape.live && rotation::named(&self.pattern, now) != self.shape.path {
            return self.rotate(now);
        }
        self.renew()
    }

    /// Writes text of whole records. After an error nothing of it counts as written, unless [`Self::is_halfway`].
    pub fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.ready()?;
        let Self { shape, frames, file: Some(opened), rest, .. } = self else { return Err(gone()) };
        let bytes = match frames {
            Some(frames) => frames.of(text)?,
            None => text,
        };
        if opened.is_plain || !shape.live {
            return opened.write_whole(bytes);
        }
        let (taken, result) = write_some(&opened.file, bytes);
        if result.is_err() && taken > 0 {
            *rest = bytes.get(taken..).unwrap_or(&[]).to_vec();
        }
        result
    }

    /// Whether a pipe took a part of a piece, which goes on with [`Self::go_on`].
    pub fn is_halfway(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Writes the rest of a piece.
    pub fn go_on(&mut self) -> io::Result<()> {
        let Some(opened) = &self.file else { return Err(gone()) };
        let (taken, result) = write_some(&opened.file, &self.rest);
        self.rest.drain(..taken.min(self.rest.len()));
        result
    }

    /// Opens the file again if that may help: after a fault, for it may be another file system by now.
    pub fn renew(&mut self) -> io::Result<()> {
        // What a pipe holds goes on to be read by whoever opens it next.
        if self.file.as_ref().is_some_and(|opened| !opened.is_plain) { Ok(()) } else { self.reopen(true) }
    }

    /// Makes everything that was written survive a crash. A pipe or a device has nothing to keep and says so; that is no fault.
    pub fn sync(&self) -> io::Result<()> {
        match self.file.as_ref().map(|opened| opened.file.sync_data()) {
            Some(Err(error)) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens what is not open, and makes again what somebody took away.
    fn ready(&mut self) -> io::Result<()> {
        let Some(opened) = &self.file else {
            return self.reopen(true).map_err(|error| match is_unread_pipe(&error) {
                true => io::Error::new(io::ErrorKind::NotConnected, "nobody reads this pipe"),
                false => error,
            });
        };
        if !self.shape.live || std::fs::metadata(&self.shape.path).is_ok_and(|found| id(&found) == opened.id) {
            return Ok(());
        }
        self.reopen(true)?;
        self.notes.push(format!("{} was taken away; records go to a new one", self.shape.path.display()));
        Ok(())
    }

    fn reopen(&mut self, append: bool) -> io::Result<()> {
        let Shape { path, live, .. } = &self.shape;
        if let Some(folder) = path.parent().filter(|folder| *live && !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = if *live { open::append_now(path)? } else { open::append(path)? };
        let found = file.metadata()?;
        let mut opened = Opened { file, id: id(&found), is_plain: found.is_file(), torn_at: None };
        if let Some(before) = self.file.take().filter(|before| before.id == opened.id) {
            opened.torn_at = before.torn_at;
        } else if opened.is_plain && found.len() > 0 {
            if append {
                opened = self.mend(opened)?;
            } else {
                opened.file.set_len(0)?;
            }
        }
        self.file = Some(opened);
        Ok(())
    }

    /// Cuts off what a crash left at the end, or puts a file aside that cannot be gone on with.
    fn mend(&mut self, opened: Opened) -> io::Result<Opened> {
        let Shape { path, zstd, .. } = &self.shape;
        let reader = open::read(path)?;
        let (tail, what) = if *zstd { (mend::frames(&reader)?, "frame") } else { (mend::lines(&reader)?, "line") };
        match tail {
            Tail::Whole => Ok(opened),
            Tail::Torn(at) => {
                let bytes = opened.file.metadata()?.len() - at;
                opened.file.set_len(at)?;
                self.notes.push(format!(
                    "{}: the last {what} was not finished; its {bytes} bytes are cut off, records go on behind byte {at}",
                    path.display()
                ));
                Ok(opened)
            }
            Tail::Foreign => {
                let aside = put_aside(path)?;
                let kind = if *zstd { "zstd frames" } else { "lines" };
                self.notes.push(format!(
                    "{} holds more than {kind} of records and stays as {}; records go to a new one",
                    path.display(),
                    aside.display()
                ));
                let file = open::append(path)?;
                let found = file.metadata()?;
                Ok(Opened { file, id: id(&found), is_plain: true, torn_at: None })
            }
        }
    }
}

impl Opened {
    /// Writes all bytes at the end of the file, or none.
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_plain {
            return self.file.write_all(bytes);
        }
        if let Some(end) = self.torn_at {
            self.file.set_len(end)?;
            self.torn_at = None;
        }
        // Somebody may have emptied it, as logrotate's copytruncate does.
        let end = self.file.metadata()?.len();
        self.file.write_all(bytes).inspect_err(|_| {
            // Half a piece would make readers stumble: it goes, and the pieces before it stay.
            self.torn_at = self.file.set_len(end).is_err().then_some(end);
        })
    }
}

/// Writes what a pipe takes: how much that was, and why not all.
fn write_some(mut pipe: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let (mut taken, mut last) = (0, Instant::now());
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match pipe.write(rest) {
            Ok(count) if count > 0 => (taken, last) = (taken + count, Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if last.elapsed() >= PIPE_PATIENCE {
                    return (taken, Err(io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing")));
                }
                std::thread::sleep(PIPE_NAP);
            }
            Ok(_) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn is_unread_pipe(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "it is not open")
}

/// Gives a file another name that no file has.
fn put_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..NAMES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        match renameat_with(CWD, path, CWD, &name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            renamed => return renamed.map(|()| name.into()).map_err(io::Error::from),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shape(path: &Path, zstd: bool, append: bool) -> Shape {
        Shape { path: path.to_owned(), zstd, append, live: true, rotation: Rotation::default() }
    }

    fn text_of(path: &Path) -> String {
        let bytes = fs::read(path).unwrap();
        let text =
            if path.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn files_are_appended_to_behind_what_a_crash_left() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["eve.json", "eve.json.zst"] {
            let (path, zstd) = (folder.path().join(name), name.ends_with("zst"));
            for (append, expected, cut) in
                [(false, "{1}\n", 0), (true, "{1}\n{1}\n", 3), (true, "{1}\n{1}\n{1}\n", 0), (false, "{1}\n", 2)]
            {
                let mut target = Target::open(shape(&path, zstd, append)).unwrap();
                target.write(b"{1}\n").unwrap();
                target.sync().unwrap();
                assert_eq!(text_of(&path), expected, "{name}");
                target.write(b"{half}\n").unwrap();
                let whole = fs::metadata(&path).unwrap().len();
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                let notes = |target: &mut Target| target.take_notes().join(" ");
                if cut > 0 {
                    file.set_len(whole - cut).unwrap();
                    let mut again = Target::open(shape(&path, zstd, true)).unwrap();
                    assert!(notes(&mut again).contains("cut off"), "{name}");
                } else {
                    let end = whole - 7;
                    if !zstd {
                        file.set_len(end).unwrap();
                    }
                    drop(Target::open(shape(&path, zstd, true)).unwrap());
                    if zstd {
                        fs::remove_file(&path).unwrap();
                        let mut back = Target::open(shape(&path, zstd, true)).unwrap();
                        expected.lines().for_each(|_| back.write(b"{1}\n").unwrap());
                    }
                }
                assert_eq!(text_of(&path), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_foreign_file_is_put_aside_and_never_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json.zst");
        for number in 1..3 {
            fs::write(&path, "precious").unwrap();
            let mut target = Target::open(shape(&path, true, true)).unwrap();
            target.write(b"{}\n").unwrap();
            assert_eq!(text_of(&path), "{}\n");
            let aside = folder.path().join(format!("eve.json.zst.damaged-{number}"));
            assert_eq!(fs::read(aside).unwrap(), b"precious");
            assert_eq!(target.take_notes().len(), 1);
        }
    }

    #[test]
    fn a_file_that_is_taken_away_is_made_again_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let path = logs.join("eve.json");
        let mut target = Target::open(shape(&path, false, true)).unwrap();
        target.write(b"{1}\n").unwrap();
        fs::remove_dir_all(&logs).unwrap();
        target.write(b"{2}\n").unwrap();
        assert_eq!((text_of(&path).as_str(), target.take_notes().len()), ("{2}\n", 1));
        fs::rename(&path, logs.join("old")).unwrap();
        target.write(b"{3}\n").unwrap();
        assert_eq!((text_of(&path).as_str(), text_of(&logs.join("old")).as_str()), ("{3}\n", "{2}\n"));
        fs::remove_dir_all(&logs).unwrap();
        fs::write(&logs, "in the way").unwrap();
        assert!(target.write(b"{4}\n").is_err());
        fs::remove_file(&logs).unwrap();
        target.renew().unwrap();
        target.write(b"{5}\n").unwrap();
        assert_eq!(text_of(&path), "{5}\n");
    }

    #[test]
    fn what_did_not_fit_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json.zst");
        let mut target = Target::open(shape(&path, true, false)).unwrap();
        target.write(b"{\"a\":1}\n").unwrap();
        // A device that is always full stands for the disk during one write.
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let whole = std::mem::replace(&mut target.file.as_mut().unwrap().file, full);
        assert_eq!(target.write(b"{\"lost\":1}\n").unwrap_err().kind(), io::ErrorKind::StorageFull);
        // Nor could it be cut: that is made up for before the next piece.
        (&whole).write_all(b"half").unwrap();
        let opened = target.file.as_mut().unwrap();
        (opened.file, opened.torn_at) = (whole, Some(fs::metadata(&path).unwrap().len() - 4));
        target.renew().unwrap();
        target.write(b"{\"b\":2}\n").unwrap();
        assert_eq!(text_of(&path), "{\"a\":1}\n{\"b\":2}\n");
    }

    #[test]
    fn a_pipe_goes_on_at_the_byte_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut target = Target::open(shape(&path, false, true)).unwrap();
        assert!(target.write(b"nobody reads\n").is_err() && !target.is_halfway());
        let reader = open::append_now(&path);
        assert!(reader.is_err(), "nobody reads yet");
        let both = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let text: Vec<u8> = (0..30_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        assert!(target.write(&text).is_err() && target.is_halfway(), "a pipe holds less");
        let reader = File::open(&path).unwrap();
        drop(both);
        let wanted = text.len();
        let reading = std::thread::spawn(move || {
            let mut read = vec![0; wanted];
            io::Read::read_exact(&mut &reader, &mut read).unwrap();
            read
        });
        while target.is_halfway() {
            drop(target.go_on());
        }
        assert!(reading.join().unwrap() == text);
    }
}
