//! The ring: segments in a folder, of which the oldest go where there are too many bytes, too little room on the disk, or their time is
//! over. Where even that makes no room, packets are not recorded, which is counted and told; everything else goes on.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tapwire_parsers::link::Timestamp;

use super::filter::Filter;
use super::packet::{Alerted, Belongs, Captured, Id, Sink};
use super::segment::index::Index;
use super::segment::names::{name, segments};
use super::segment::read::Segment;
use super::segment::write::Writer;
use super::selection::Selection;
use crate::sinks::lock::{FolderLock, Refused};
use crate::sinks::open;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder, below that of records unless it is absolute.
    pub folder: PathBuf,
    /// Bytes of all segments.
    pub size_bytes: u64,
    /// Bytes of one.
    pub segment_bytes: u64,
    /// Percent of the disk that stay free.
    pub free_percent: u64,
    /// How long a segment stays; 0 for any time.
    pub age_s: u64,
    /// The level of zstd.
    pub level: i32,
    /// Which packets there are.
    pub selection: Selection,
}

/// Live, a block is written so long after its first packet came.
const BLOCK_TIME: Duration = Duration::from_secs(1);
/// Blocks between two looks at how much room the disk has.
const LOOK_EVERY: u64 = 64;
/// A segment is at most this part of all.
const PARTS: u64 = 4;
/// Bytes of the smallest limit of a segment.
const LEAST_BYTES: u64 = 64 << 10;
/// Between two tries to write after one failed, in microseconds of packet time.
const PATIENCE_US: u64 = 1_000_000;
/// Alerts that wait for the first packet.
const ALERT_LIMIT: usize = 4_096;
/// Segments that are removed for one block, where the disk is full.
const TRIES: usize = 8;

/// Segments, and the one that grows.
pub struct Ring {
    settings: Settings,
    folder: PathBuf,
    /// Nobody else writes there.
    _lock: FolderLock,
    filter: Option<Filter>,
    /// Those that are done, the oldest first, with their bytes and the time of their last packet.
    done: VecDeque<(PathBuf, u64, Timestamp)>,
    done_bytes: u64,
    growing: Option<(PathBuf, Writer)>,
    next_number: u64,
    until_look: u64,
    /// When packets could not be written, while that is so.
    failed_at: Option<Timestamp>,
    /// Alerts before the first packet.
    alerts: Vec<Alerted>,
    counts: Counts,
    news: Vec<String>,
}

#[derive(Default)]
struct Counts {
    written: u64,
    lost: u64,
    segments: u64,
    removed: u64,
    errors: u64,
}

impl Ring {
    /// Opens the ring in a folder; segments that a run before did not finish are finished.
    pub fn open(settings: &Settings, log_folder: &Path) -> io::Result<Self> {
        let filter = settings.selection.filter.as_deref().map(Filter::new).transpose().map_err(io::Error::other)?;
        let folder = log_folder.join(&settings.folder);
        let lock = FolderLock::hold(&folder).map_err(|refused| match refused {
            Refused::Held(who) => io::Error::other(format!("{} is in use: {who} records there", folder.display())),
            Refused::System(error) => error,
        })?;
        let segment_bytes = settings.segment_bytes.min(settings.size_bytes / PARTS).max(LEAST_BYTES);
        let mut ring = Self {
            settings: Settings { segment_bytes, ..settings.clone() },
            folder,
            _lock: lock,
            filter,
            done: VecDeque::new(),
            done_bytes: 0,
            growing: None,
            next_number: 1,
            until_look: 0,
            failed_at: None,
            alerts: Vec::new(),
            counts: Counts::default(),
            news: Vec::new(),
        };
        for (number, path) in segments(&ring.folder)? {
            ring.next_number = number.saturating_add(1);
            ring.take_over(path);
        }
        Ok(ring)
    }

    /// A segment of a run before.
    fn take_over(&mut self, path: PathBuf) {
        let last =
            Segment::open(&path).ok().and_then(|segment| segment.index().ok().map(|index: Index<'_>| index.last));
        let last = last.or_else(|| {
            Segment::finish(&path).ok()?;
            Some(Segment::open(&path).ok()?.index().ok()?.last)
        });
        // What cannot be read is as old as it looks: it goes in its turn.
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        self.keep(path, bytes, last.unwrap_or_default());
    }

    fn keep(&mut self, path: PathBuf, bytes: u64, last: Timestamp) {
        self.done_bytes += bytes;
        self.done.push_back((path, bytes, last));
    }

    fn write(&mut self, packet: &Captured, data: &[u8], owners: &[Belongs]) -> io::Result<()> {
        if self.growing.as_ref().is_some_and(|(_, writer)| writer.is_block_full()) {
            self.write_block()?;
        }
        let is_full = |writer: &Writer| writer.bytes() >= self.settings.segment_bytes || writer.is_full();
        if self.growing.as_ref().is_some_and(|(_, writer)| is_full(writer)) {
            self.seal();
        }
        if self.growing.is_none() {
            self.retire(packet.time);
            self.make_room()?;
            self.begin_segment(packet.time)?;
        }
        if let Some((_, writer)) = &mut self.growing {
            writer.packet(packet, data, owners);
            self.counts.written += 1;
        }
        Ok(())
    }

    /// Begins a segment; the oldest ones go where there is no room for it.
    fn begin_segment(&mut self, time: Timestamp) -> io::Result<()> {
        for _ in 0..TRIES {
            let path = self.folder.join(name(time, self.next_number));
            fs::create_dir_all(&self.folder)?;
            let begun = open::exclusive(&path).and_then(|file| {
                // Without its first frame there is nothing in it.
                Writer::begin(file, self.settings.level).inspect_err(|_| drop(fs::remove_file(&path)))
            });
            match begun {
                Ok(mut writer) => {
                    self.alerts.drain(..).for_each(|alert| writer.alert(&alert));
                    self.next_number += 1;
                    self.counts.segments += 1;
                    self.growing = Some((path, writer));
                    return Ok(());
                }
                Err(error) if is_full(&error) && self.remove_oldest() => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Writes the block that is full; the oldest segments go where there is no room for it.
    fn write_block(&mut self) -> io::Result<()> {
        if self.until_look == 0 {
            self.until_look = LOOK_EVERY;
            self.make_room()?;
        }
        self.until_look -= 1;
        for _ in 0..TRIES {
            let Some((_, writer)) = &mut self.growing else { return Ok(()) };
            match writer.write_block() {
                Ok(()) => {
                    self.recovered();
                    while self.bytes() > self.settings.size_bytes && self.remove_oldest() {}
                    return Ok(());
                }
                Err(error) if is_full(&error) && !self.done.is_empty() => {
                    self.remove_oldest();
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Ends the segment; one without an index is read by its heads.
    fn seal(&mut self) {
        let Some((path, writer)) = self.growing.take() else { return };
        let (bytes, last) = (writer.bytes(), writer.last());
        let sealed = writer.seal();
        self.counts.errors += u64::from(sealed.is_err());
        self.keep(path, sealed.unwrap_or(bytes), last);
    }

    /// Removes segments whose time is over.
    fn retire(&mut self, now: Timestamp) {
        let age_us = self.settings.age_s.saturating_mul(1_000_000);
        while age_us > 0 && self.done.front().is_some_and(|(_, _, last)| now.since(*last) > age_us) {
            self.remove_oldest();
        }
    }

    /// Removes the oldest segments until the disk has as much room as is to stay free, and there are not too many.
    fn make_room(&mut self) -> io::Result<()> {
        while self.bytes() > self.settings.size_bytes && self.remove_oldest() {}
        loop {
            let disk = rustix::fs::statvfs(&self.folder)?;
            let least = u128::from(disk.f_blocks) * u128::from(self.settings.free_percent) / 100;
            if u128::from(disk.f_bavail) >= least {
                return Ok(());
            }
            if !self.remove_oldest() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
    }

    fn remove_oldest(&mut self) -> bool {
        let Some((path, bytes, _)) = self.done.pop_front() else { return false };
        self.done_bytes -= bytes;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => self.counts.errors += 1,
            _ => self.counts.removed += 1,
        }
        true
    }

    /// Bytes of all segments.
    fn bytes(&self) -> u64 {
        self.done_bytes + self.growing.as_ref().map_or(0, |(_, writer)| writer.bytes())
    }

    /// What could not be written is lost, so that memory does not grow.
    fn fail(&mut self, error: &io::Error, time: Timestamp) {
        self.counts.errors += 1;
        if let Some((_, writer)) = &mut self.growing {
            self.counts.lost += writer.waiting();
            self.counts.written -= writer.waiting().min(self.counts.written);
            writer.drop_block();
        }
        // The disk is looked at before the next one.
        self.until_look = 0;
        if self.failed_at.replace(time).is_none() {
            let folder = self.folder.display();
            self.news.push(format!("packets cannot be recorded in {folder}: {error}; everything else goes on"));
        }
    }

    fn recovered(&mut self) {
        if self.failed_at.take().is_some() {
            self.news.push(format!("packets are recorded again; {} were not so far", self.counts.lost));
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Sink for Ring {
    fn packet(&mut self, packet: &Captured, data: &[u8], owners: &[Belongs]) {
        if self.failed_at.is_some_and(|failed| packet.time.since(failed) < PATIENCE_US) {
            self.counts.lost += 1;
        } else if let Err(error) = self.write(packet, data, owners) {
            self.counts.lost += 1;
            self.fail(&error, packet.time);
        }
    }

    fn relate(&mut self, flow: Id, alias: u64) {
        if let Some((_, writer)) = &mut self.growing {
            writer.relate(flow, alias);
        }
    }

    fn alert(&mut self, alert: &Alerted) {
        match &mut self.growing {
            Some((_, writer)) => writer.alert(alert),
            None if self.alerts.len() < ALERT_LIMIT => self.alerts.push(*alert),
            None => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        let begun = self.growing.as_ref().and_then(|(_, writer)| writer.begun());
        if begun.is_some_and(|begun| now.saturating_duration_since(begun) >= BLOCK_TIME) {
            let time = self.growing.as_ref().map(|(_, writer)| writer.newest()).unwrap_or_default();
            if let Err(error) = self.write_block() {
                self.fail(&error, time);
            }
        }
    }

    fn end(&mut self) {
        if let Err(error) = self.write_block() {
            self.fail(&error, Timestamp::default());
        }
        self.seal();
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let Counts { written, lost, segments, removed, errors } = self.counts;
        vec![
            ("tapwire.recording.written", written),
            ("tapwire.recording.lost", lost),
            ("tapwire.recording.filtered", self.filter.as_ref().map_or(0, |filter| filter.refused)),
            ("tapwire.recording.bytes", self.bytes()),
            ("tapwire.recording.segments", segments),
            ("tapwire.recording.segments_removed", removed),
            ("tapwire.recording.fs_errors", errors),
        ]
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        self.filter.as_mut()
    }
}
