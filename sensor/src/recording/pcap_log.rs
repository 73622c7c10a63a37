//! `pcap-log`: plain capture files, each of a limited size, and so many of them at most.
//!
//! A file is begun with the first packet that goes into it and has its time in its name; the first one that of the first packet that
//! was seen, as other sensors have it. Where there is a number of files, those of
//! earlier runs count as well. What cannot be written is counted; it is tried again a second of packet time later.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tapwire_parsers::link::Timestamp;

use super::filter::Filter;
use super::packet::{Belongs, Captured, Sink};
use super::pcap_file::{Compression, PACKET_HEADER_BYTES, PcapFile};
use super::selection::Selection;
use crate::sinks::open::Folder;

/// Which files there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One after the other.
    #[default]
    Normal,
    /// One for each worker, after the other.
    Multi,
    /// One after the other, in a folder for each day.
    Sguil,
}

/// How packets are logged.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Their folder, below that of records unless it is absolute.
    pub folder: PathBuf,
    /// What names of files begin with; of [`Layout::Multi`], with `%n`, `%i` and `%t`.
    pub filename: String,
    /// Which files there are.
    pub layout: Layout,
    /// Bytes of a file.
    pub limit_bytes: u64,
    /// Files that stay, of each worker; 0 for all.
    pub files: usize,
    /// How they are compressed.
    pub compression: Compression,
    /// Names have microseconds.
    pub micros: bool,
    /// Which packets they have.
    pub selection: Selection,
}

/// Between two tries to write after one failed, in microseconds of packet time.
const PATIENCE_US: u64 = 1_000_000;
/// Names that are tried for a file, where some were given in the same second.
const TRIES: u32 = 1_000;

/// Packets on their way to files.
pub struct PcapLog {
    settings: Settings,
    path: PathBuf,
    folder: Option<Folder>,
    filter: Option<Filter>,
    /// The file that grows, by worker where each has its own.
    open: BTreeMap<u16, Growing>,
    /// Files that were written, the oldest first, by worker.
    done: BTreeMap<u16, VecDeque<PathBuf>>,
    /// When the first packet came, whether it is written or not: the first file is called after that.
    first_seen: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    written: u64,
    lost: u64,
    other_links: u64,
    news: Vec<String>,
}

struct Growing {
    file: PcapFile,
    name: PathBuf,
    link_type: u32,
    /// Bytes of packets, before they are compressed.
    bytes: u64,
}

impl PcapLog {
    /// One below a folder.
    pub fn new(settings: &Settings, log_folder: &Path) -> io::Result<Self> {
        let filter = settings.selection.filter.as_deref().map(Filter::new).transpose().map_err(io::Error::other)?;
        let path = log_folder.join(&settings.folder);
        let mut log = Self {
            settings: settings.clone(),
            folder: None,
            filter,
            open: BTreeMap::new(),
            done: BTreeMap::new(),
            first_seen: None,
            failed_at: None,
            written: 0,
            lost: 0,
            other_links: 0,
            news: Vec::new(),
            path,
        };
        if log.settings.files > 0 && log.settings.layout == Layout::Normal {
            log.done.insert(0, log.earlier());
        }
        Ok(log)
    }

    /// Files of earlier runs, the oldest first.
    fn earlier(&self) -> VecDeque<PathBuf> {
        let prefix = format!("{}.", self.settings.filename);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let time =
                name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(self.settings.compression.ending()));
            let is_time = |time: &&str| time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if let Some(time) = time.filter(is_time).and_then(|time| time.parse::<f64>().ok()) {
                found.push((time, PathBuf::from(name)));
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// Writes a packet, if its file has packets of its link type.
    fn write(&mut self, packet: &Captured, data: &[u8]) -> io::Result<bool> {
        let worker = if self.settings.layout == Layout::Multi { packet.shard } else { 0 };
        let size = PACKET_HEADER_BYTES + data.len() as u64;
        let limit = self.settings.limit_bytes;
        let is_full = |growing: &Growing| growing.bytes > 0 && growing.file.bytes().saturating_add(size) > limit;
        if self.open.get(&worker).is_some_and(is_full)
            && let Some(growing) = self.open.remove(&worker)
        {
            self.end_file(worker, growing)?;
        }
        if self.open.get(&worker).is_some_and(|growing| growing.link_type != packet.link_type) {
            // A file of this kind has packets of one link type.
            self.other_links += 1;
            return Ok(false);
        }
        let growing = match self.open.get_mut(&worker) {
            Some(growing) => growing,
            None => {
                let (name, file) = self.begin_file(worker, packet.time)?;
                let file = PcapFile::begin(file, self.settings.compression, packet.link_type)?;
                self.open.entry(worker).or_insert(Growing { file, name, link_type: packet.link_type, bytes: 0 })
            }
        };
        growing.file.write(packet, data)?;
        growing.bytes += size;
        Ok(true)
    }

    /// Makes a file; makes room for it before.
    fn begin_file(&mut self, worker: u16, time: Timestamp) -> io::Result<(PathBuf, File)> {
        if self.folder.is_none() {
            self.folder = Some(Folder::make(&self.path)?);
        }
        let Some(folder) = &self.folder else { return Err(io::ErrorKind::NotFound.into()) };
        let done = self.done.entry(worker).or_default();
        while self.settings.files > 0 && done.len() >= self.settings.files {
            if let Some(oldest) = done.pop_front() {
                std::fs::remove_file(self.path.join(oldest)).ok();
            }
        }
        let is_first = done.is_empty() && self.written == 0;
        let plain = name(&self.settings, worker, self.first_seen.filter(|_| is_first).unwrap_or(time));
        for again in 0..TRIES {
            let again = if again > 0 { format!(".{again}") } else { String::new() };
            let name = PathBuf::from(format!("{plain}{again}{}", self.settings.compression.ending()));
            // One of an earlier run is replaced, one of this run is not.
            if done.contains(&name) && self.settings.files == 0 {
                continue;
            }
            if let Some(day) = name.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                folder.below(day)?;
            }
            done.retain(|known| *known != name);
            return Ok((name.clone(), folder.file(&name, false)?));
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn end_file(&mut self, worker: u16, growing: Growing) -> io::Result<()> {
        self.done.entry(worker).or_default().push_back(growing.name);
        growing.file.finish()
    }

    fn fail(&mut self, time: Timestamp, error: &io::Error) {
        if self.failed_at.replace(time).is_none() {
            let what = if self.settings.compression == Compression::None { "" } else { "compressed " };
            let path = self.path.join(&self.settings.filename);
            self.news.push(format!(
                "packets cannot be written to {}: error opening file for {what}output: {error}; it is tried again",
                path.display()
            ));
        }
        self.open.clear();
    }
}

impl Sink for PcapLog {
    fn seen(&mut self, time: Timestamp) {
        self.first_seen.get_or_insert(time);
    }

    fn packet(&mut self, packet: &Captured, data: &[u8], _: &[Belongs]) {
        if self.failed_at.is_some_and(|failed| packet.time.since(failed) < PATIENCE_US) {
            self.lost += 1;
            return;
        }
        match self.write(packet, data) {
            Ok(written) => {
                self.written += u64::from(written);
                if self.failed_at.take().is_some() {
                    self.news.push(format!("packets are written again; {} were not", self.lost));
                }
            }
            Err(error) => {
                self.lost += 1;
                self.fail(packet.time, &error);
            }
        }
    }

    fn tick(&mut self, _: std::time::Instant) {
        for growing in self.open.values_mut() {
            // What cannot be written is seen with the next packet.
            growing.file.flush().ok();
        }
    }

    fn end(&mut self) {
        for (worker, growing) in std::mem::take(&mut self.open) {
            if let Err(error) = self.end_file(worker, growing) {
                self.fail(Timestamp(0), &error);
            }
        }
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("pcap_log.written", self.written),
            ("pcap_log.filtered_bpf", self.filter.as_ref().map_or(0, |filter| filter.refused)),
            ("tapwire.pcap_log.lost", self.lost),
            ("tapwire.pcap_log.other_links", self.other_links),
        ]
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        self.filter.as_mut()
    }
}

/// The name of a file that begins at a time, without its last ending.
fn name(settings: &Settings, worker: u16, time: Timestamp) -> String {
    let (seconds, micros) = (time.0 / 1_000_000, time.0 % 1_000_000);
    let stamp = if settings.micros { format!("{seconds}.{micros:06}") } else { seconds.to_string() };
    let plain = &settings.filename;
    match settings.layout {
        Layout::Normal => format!("{plain}.{stamp}"),
        Layout::Sguil => format!("{}/{plain}.{stamp}", day(seconds)),
        Layout::Multi if !plain.contains('%') => format!("{plain}.{}.{stamp}", worker + 1),
        Layout::Multi => {
            let number = (u32::from(worker) + 1).to_string();
            let timed = plain.contains("%t");
            let filled = plain.replace("%n", &number).replace("%i", &number).replace("%t", &stamp);
            if timed { filled } else { format!("{filled}.{stamp}") }
        }
    }
}

/// The day of a second since 1970, in UTC.
fn day(seconds: u64) -> String {
    let second = i64::try_from(seconds).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(layout: Layout, filename: &str) -> Settings {
        Settings {
            folder: "".into(),
            filename: filename.into(),
            layout,
            limit_bytes: 200,
            files: 0,
            compression: Compression::None,
            micros: true,
            selection: Selection::default(),
        }
    }

    fn packet(number: u64, shard: u16) -> Captured {
        let time = Timestamp(1_700_000_000_000_000 + number);
        Captured { number, time, link_type: 1, interface: 0, shard, wire_len: 100 }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut all: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    }

    fn log(settings: &Settings, folder: &Path, packets: u64) -> PcapLog {
        let mut log = PcapLog::new(settings, folder).unwrap();
        (0..packets).for_each(|number| log.packet(&packet(number, u16::try_from(number % 2).unwrap()), &[7; 100], &[]));
        log.end();
        log
    }

    #[test]
    fn files_have_names_of_their_layout() {
        for (layout, filename, expected) in [
            (Layout::Normal, "log.pcap", "log.pcap.1700000000.000005"),
            (Layout::Sguil, "log.pcap", "2023-11-14/log.pcap.1700000000.000005"),
            (Layout::Multi, "log.pcap", "log.pcap.4.1700000000.000005"),
            (Layout::Multi, "p%n-%i-%t.pcap", "p4-4-1700000000.000005.pcap"),
            (Layout::Multi, "p%n", "p4.1700000000.000005"),
        ] {
            assert_eq!(name(&settings(layout, filename), 3, packet(5, 0).time), expected);
        }
        assert_eq!(
            name(&Settings { micros: false, ..settings(Layout::Normal, "a") }, 0, packet(5, 0).time),
            "a.1700000000"
        );
    }

    #[test]
    fn a_file_has_its_limit_and_none_of_a_run_is_lost_to_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { micros: false, ..settings(Layout::Normal, "log") };
        let log = log(&settings, folder.path(), 3);
        assert_eq!(names(folder.path()), ["log.1700000000", "log.1700000000.1", "log.1700000000.2"]);
        assert_eq!((log.written, log.lost), (3, 0));
        for name in names(folder.path()) {
            assert_eq!(std::fs::metadata(folder.path().join(name)).unwrap().len(), 24 + 116);
        }
    }

    #[test]
    fn so_many_files_stay_also_of_earlier_runs() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["log.1600000000.000001", "log.1500000000.000001", "log.other", "log.1400000000.000001.lz4"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let settings = Settings { files: 2, ..settings(Layout::Normal, "log") };
        log(&settings, folder.path(), 1);
        assert_eq!(
            names(folder.path()),
            ["log.1400000000.000001.lz4", "log.1600000000.000001", "log.1700000000.000000", "log.other"]
        );
        log(&settings, folder.path(), 5);
        assert_eq!(names(folder.path())[1..3], ["log.1700000000.000003", "log.1700000000.000004"]);
    }

    #[test]
    fn each_worker_has_its_files_and_each_day_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        log(&settings(Layout::Multi, "%n.%t"), folder.path(), 2);
        assert_eq!(names(folder.path()), ["1.1700000000.000000", "2.1700000000.000001"]);
        let folder = tempfile::tempdir().unwrap();
        log(&settings(Layout::Sguil, "log"), folder.path(), 1);
        assert_eq!(names(&folder.path().join("2023-11-14")), ["log.1700000000.000000"]);
    }

    #[test]
    fn every_compression_can_be_undone() {
        let mut all = Vec::new();
        for compression in [
            Compression::None,
            Compression::Lz4 { checksum: false },
            Compression::Lz4 { checksum: true },
            Compression::Zstd { level: 3 },
        ] {
            let folder = tempfile::tempdir().unwrap();
            log(&Settings { compression, limit_bytes: 1 << 20, ..settings(Layout::Normal, "log") }, folder.path(), 50);
            let name = names(folder.path()).remove(0);
            assert_eq!(name, format!("log.1700000000.000000{}", compression.ending()));
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            all.push(match compression {
                Compression::None => bytes,
                Compression::Lz4 { .. } => {
                    let mut plain = Vec::new();
                    io::copy(&mut lz4_flex::frame::FrameDecoder::new(&bytes[..]), &mut plain).unwrap();
                    plain
                }
                Compression::Zstd { .. } => zstd::decode_all(&bytes[..]).unwrap(),
            });
        }
        assert!(all.iter().all(|bytes| *bytes == all[0]) && all[0].len() == 24 + 50 * 116);
    }

    #[test]
    fn what_cannot_be_written_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("packets");
        std::fs::write(&in_the_way, "").unwrap();
        let settings = Settings { folder: "packets".into(), ..settings(Layout::Normal, "log") };
        let mut log = PcapLog::new(&settings, folder.path()).unwrap();
        (0..3).for_each(|number| log.packet(&packet(number, 0), b"x", &[]));
        std::fs::remove_file(in_the_way).unwrap();
        log.packet(&packet(2_000_000, 0), b"x", &[]);
        log.packet(&Captured { link_type: 101, ..packet(2_000_001, 0) }, b"x", &[]);
        log.end();
        assert_eq!((log.written, log.lost, log.other_links), (1, 3, 1));
        assert_eq!(log.take_news().len(), 2);
    }
}
