//! Bytes as they were read, for people: those of streams (`tcp-data`) and of bodies (`http-body-data`), as a dump of all of them in
//! one file, as files of the bare bytes of each direction, or both.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;

use super::open::{self, Folder};

/// How bytes are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file of the dump below the folder of records, if there is one.
    pub filename: Option<PathBuf>,
    /// The folder of bare bytes, below that of records unless it is absolute, if there are some.
    pub folder: Option<PathBuf>,
    /// Addresses of IPv6 have their shortest form.
    pub short_addresses: bool,
    /// Whether the dump goes on behind what is in its file.
    pub append: bool,
    /// Files of bare bytes that a run makes.
    pub files: u64,
}

/// Where some bytes came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Id of the flow.
    pub flow: u64,
    /// When the flow began.
    pub start: Timestamp,
    /// Who sent them.
    pub source: (IpAddr, u16),
    /// Who got them.
    pub destination: (IpAddr, u16),
    /// Where they went.
    pub direction: Direction,
}

/// Writes bytes.
pub struct StreamData {
    dump: Option<BufWriter<File>>,
    folder: Option<(PathBuf, Option<Folder>)>,
    short_addresses: bool,
    limit: u64,
    /// Directions of flows whose file was begun, while they go on.
    begun: BTreeMap<(u64, bool), String>,
    /// Pieces that were written.
    pub written: u64,
    /// Files that were made.
    pub made: u64,
    /// Pieces that have no file because a run makes no more of them.
    pub refused: u64,
    /// Times that the file system refused something.
    pub errors: u64,
    failure: Option<String>,
}

impl StreamData {
    /// Opens the dump below a folder.
    pub fn open(settings: &Settings, log_folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(log_folder)?;
        let open = if settings.append { open::append } else { open::fresh };
        let dump = settings.filename.as_ref().map(|name| open(&log_folder.join(name))).transpose()?;
        Ok(Self {
            dump: dump.map(BufWriter::new),
            folder: settings.folder.as_ref().map(|folder| (log_folder.join(folder), None)),
            short_addresses: settings.short_addresses,
            limit: settings.files,
            begun: BTreeMap::new(),
            written: 0,
            made: 0,
            refused: 0,
            errors: 0,
            failure: None,
        })
    }

    /// Writes a piece; nothing comes behind one that closes.
    pub fn write(&mut self, origin: &Origin, data: &[u8], closes: bool) {
        if !data.is_empty() {
            let (name, ending) = (self.name(origin), ending(origin.direction));
            let dumped = self.dump.as_mut().map_or(Ok(()), |dump| {
                writeln!(dump, "{name}-{ending}:")?;
                hex(dump, data)
            });
            let kept = self.keep(origin, &name, data);
            match dumped.and(kept) {
                Ok(()) => self.written += 1,
                Err(error) => self.refuse(&error),
            }
        }
        if closes {
            self.begun.remove(&key(origin));
        }
    }

    /// Makes what was dumped readable.
    pub fn flush(&mut self) {
        if let Some(Err(error)) = self.dump.as_mut().map(Write::flush) {
            self.refuse(&error);
        }
    }

    /// What went wrong first, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Puts bytes behind those of their direction.
    fn keep(&mut self, origin: &Origin, name: &str, data: &[u8]) -> io::Result<()> {
        let Some((path, held)) = &mut self.folder else { return Ok(()) };
        let known = self.begun.get(&key(origin));
        if known.is_none() && self.made >= self.limit {
            self.refused += 1;
            return Ok(());
        }
        let folder = match held {
            Some(folder) => folder,
            None => held.insert(Folder::make(path)?),
        };
        let is_known = known.is_some();
        let file = known.cloned().unwrap_or_else(|| {
            let at = origin.start.0;
            let ending = ending(origin.direction);
            format!("{}.{:06}-{name}-{}-{ending}.data", at / 1_000_000, at % 1_000_000, origin.flow)
        });
        folder.file(Path::new(&file), is_known)?.write_all(data)?;
        if !is_known {
            self.made += 1;
            self.begun.insert(key(origin), file);
        }
        Ok(())
    }

    fn name(&self, origin: &Origin) -> String {
        let address = |address: IpAddr| match address {
            IpAddr::V6(v6) if !self.short_addresses => v6.segments().map(|group| format!("{group:04x}")).join(":"),
            _ => address.to_string(),
        };
        let Origin { source, destination, .. } = origin;
        format!("{}_{}-{}_{}", address(source.0), source.1, address(destination.0), destination.1)
    }

    fn refuse(&mut self, error: &io::Error) {
        if self.errors == 0 {
            self.failure = Some(format!("bytes of streams cannot be written: {error}; records go on"));
        }
        self.errors += 1;
    }
}

fn key(origin: &Origin) -> (u64, bool) {
    (origin.flow, origin.direction == Direction::ToServer)
}

fn ending(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "ts",
        Direction::ToClient => "tc",
    }
}

/// Sixteen bytes a line, in hexadecimal and as text.
fn hex(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let mut line = String::new();
    for (row, bytes) in (0..).step_by(16).zip(data.chunks(16)) {
        line.clear();
        line.push_str(&format!(" {row:04X}  "));
        for place in 0..16 {
            match bytes.get(place) {
                Some(byte) => line.push_str(&format!("{byte:02X} ")),
                None => line.push_str("   "),
            }
            if place == 7 {
                line.push(' ');
            }
        }
        line.push_str("  ");
        for (place, &byte) in bytes.iter().enumerate() {
            if place == 8 {
                line.push(' ');
            }
            line.push(if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '.' });
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(flow: u64, direction: Direction) -> Origin {
        let ends = [("2001:db8::1", 50_000), ("2001:db8::2", 80)].map(|(a, port)| (a.parse().unwrap(), port));
        let [source, destination] = if direction == Direction::ToServer { ends } else { [ends[1], ends[0]] };
        Origin { flow, start: Timestamp(7_000_001), source, destination, direction }
    }

    fn open(folder: &Path, short_addresses: bool, files: u64) -> StreamData {
        let (filename, below) = (Some("data.log".into()), Some("data".into()));
        StreamData::open(&Settings { filename, folder: below, short_addresses, append: false, files }, folder).unwrap()
    }

    #[test]
    fn a_dump_has_the_bytes_of_all_and_a_file_those_of_one_direction() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = open(folder.path(), true, 2);
        data.write(&origin(1, Direction::ToServer), b"GET / HTTP/1.1\r\nx", false);
        data.write(&origin(1, Direction::ToServer), b"yz", true);
        data.write(&origin(1, Direction::ToClient), b"\xff", true);
        data.write(&origin(2, Direction::ToClient), b"more", true);
        data.flush();
        let read = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.path().join(name)).unwrap()).into_owned();
        let (to, from) = ("2001:db8::1_50000-2001:db8::2_80-ts:", "2001:db8::2_80-2001:db8::1_50000-tc:");
        let gap = |bytes: usize| " ".repeat(3 * (16 - bytes) + usize::from(bytes < 8));
        let expected = [
            to.to_owned(),
            " 0000  47 45 54 20 2F 20 48 54  54 50 2F 31 2E 31 0D 0A   GET / HT TP/1.1..".into(),
            format!(" 0010  78 {}  x", gap(1)),
            to.to_owned(),
            format!(" 0000  79 7A {}  yz", gap(2)),
            from.to_owned(),
            format!(" 0000  FF {}  .", gap(1)),
            from.to_owned(),
            format!(" 0000  6D 6F 72 65 {}  more", gap(4)),
        ];
        assert_eq!(read("data.log").lines().collect::<Vec<_>>(), expected);
        assert_eq!(read("data/7.000001-2001:db8::1_50000-2001:db8::2_80-1-ts.data"), "GET / HTTP/1.1\r\nxyz");
        assert_eq!((data.written, data.made, data.refused, data.errors), (4, 2, 1, 0));
        assert!(data.begun.is_empty());
    }

    #[test]
    fn addresses_are_long_unless_they_are_to_be_short() {
        let folder = tempfile::tempdir().unwrap();
        let data = open(folder.path(), false, 1);
        let long = "2001:0db8:0000:0000:0000:0000:0000:0001_50000-2001:0db8:0000:0000:0000:0000:0000:0002_80";
        assert_eq!(data.name(&origin(1, Direction::ToServer)), long);
    }

    #[test]
    fn what_cannot_be_written_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), "in the way").unwrap();
        let mut data = open(folder.path(), true, 9);
        (0..3).for_each(|flow| data.write(&origin(flow, Direction::ToServer), b"x", true));
        assert_eq!((data.written, data.errors), (0, 3));
        assert!(data.take_failure().is_some() && data.take_failure().is_none());
    }
}
