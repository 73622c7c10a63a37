//! The writer of the log: frames to the segment that is open, and a new segment when it is time.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tapwire_parsers::link::Timestamp;

use super::index::Indexer;
use super::leftovers::{self, Rebuilding};
use super::name::{Name, segments};
use super::positions;
use super::reserve::{Reserve, is_full};
use super::retention::{Gone, Inventory, Retention};
use super::volume::{Folder, Volume, VolumeFile};
use crate::sinks::zstd::Frames;

/// Between two looks at what is kept.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A wall clock that went astray by more since the start is not asked how old records are.
const ASTRAY: Duration = Duration::from_secs(3_600);
/// Room on the disk without which no index is made later.
const INDEX_ROOM: u64 = 64 << 20;
/// What is still to be told, at most.
const NOTES: usize = 100;

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The sensor's name.
    pub sensor: String,
    /// Bytes after which a segment is finished.
    pub segment_bytes: u64,
    /// Seconds after which it is.
    pub segment_s: u32,
    /// How much is kept.
    pub retention: Retention,
    /// Bytes of the disk that are for alerts alone.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let sensor = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            sensor,
            segment_bytes: 64 << 20,
            segment_s: 3_600,
            retention: Retention::default(),
            reserve_bytes: 16 << 20,
        }
    }
}

impl Figures {
    /// Those of two logs.
    pub fn with(self, other: Self) -> Self {
        Self {
            segments: self.segments + other.segments,
            bytes: self.bytes + other.bytes,
            reserve_bytes: self.reserve_bytes + other.reserve_bytes,
            removed_segments: self.removed_segments + other.removed_segments,
            removed_bytes: self.removed_bytes + other.removed_bytes,
            missed: self.missed + other.missed,
        }
    }
}

/// The log of a sensor, to be written.
pub struct Segments<V: Volume = Folder> {
    volume: V,
    settings: Settings,
    frames: Frames,
    active: Option<Active<V::File>>,
    /// The next number.
    number: u64,
    reserve: Reserve<V::File>,
    inventory: Inventory,
    /// Finished segments whose index is still to be made, and the one that is being made.
    unindexed: Vec<Name>,
    rebuilding: Option<Rebuilding<V::File>>,
    began: (Timestamp, Instant),
    looked: Option<Instant>,
    notes: Vec<String>,
    gone: Vec<Gone>,
    /// What was removed so far.
    removed: Figures,
}

/// Counts of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the disk that are kept for alerts.
    pub reserve_bytes: u64,
    /// Segments that retention removed.
    pub removed_segments: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Records that sinks miss by that, each counted for every sink.
    pub missed: u64,
}

struct Active<F> {
    name: Name,
    file: F,
    /// Where its last whole frame ends.
    len: u64,
    /// Whether something may stand behind that.
    is_torn: bool,
    indexer: Indexer,
    since: Instant,
}

impl Segments<Folder> {
    /// Goes on with the log in a folder, which is made where there is none.
    pub fn open(folder: &Path, settings: Settings, now: Timestamp) -> io::Result<Self> {
        Self::on(Folder::make(folder)?, settings, now)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.volume.path()
    }
}

impl<V: Volume> Segments<V> {
    /// The same in any folder.
    pub(crate) fn on(volume: V, settings: Settings, now: Timestamp) -> io::Result<Self> {
        let notes = leftovers::finish(&volume)?;
        let reserve = Reserve::keep(&volume, settings.reserve_bytes);
        let mut log = Self {
            number: next_number(&volume)?,
            unindexed: leftovers::without_index(&volume)?,
            settings,
            frames: Frames::new()?,
            active: None,
            reserve,
            inventory: Inventory::default(),
            rebuilding: None,
            began: (now, Instant::now()),
            looked: None,
            notes,
            gone: Vec::new(),
            removed: Figures::default(),
            volume,
        };
        log.look(now)?;
        Ok(log)
    }

    /// Writes whole records as one frame, or none of it. What is urgent has its room where the disk is full.
    pub fn write(&mut self, text: &[u8], is_urgent: bool, now: Timestamp) -> io::Result<()> {
        self.rotate_if_due(now)?;
        self.take_note_of_loss();
        if !is_urgent && self.reserve.is_spent(&self.volume) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let frame = self.frames.of(text)?;
        loop {
            let error =
                match Self::begun(&mut self.active, &self.volume, (&self.settings.sensor, &mut self.number), now) {
                    Ok(active) => match active.append(frame) {
                        Ok(at) => {
                            active.indexer.add(text, at);
                            return Ok(());
                        }
                        Err(error) => error,
                    },
                    Err(error) => error,
                };
            if !(is_urgent && is_full(&error) && self.reserve.release(frame.len() as u64)) {
                return Err(error);
            }
        }
    }

    /// What somebody took away is not written to any more.
    fn take_note_of_loss(&mut self) {
        let is_gone = |active: &Active<V::File>| !self.volume.is_in_place(&active.name.file(), &active.file);
        if self.active.as_ref().is_some_and(is_gone)
            && let Some(active) = self.active.take()
        {
            drop(self.volume.renew());
            self.note(format!("{} was taken away; records go to a new segment", active.name.file()));
        }
    }

    fn begun<'a>(
        active: &'a mut Option<Active<V::File>>,
        volume: &V,
        (sensor, number): (&str, &mut u64),
        now: Timestamp,
    ) -> io::Result<&'a mut Active<V::File>> {
        if active.is_none() {
            let name = Name::new(sensor, now, *number);
            let file = volume.append(&name.file())?;
            // The number is taken, whatever becomes of it.
            *number += 1;
            volume.sync()?;
            let indexer = Indexer::default();
            *active = Some(Active { name, file, len: 0, is_torn: false, indexer, since: Instant::now() });
        }
        active.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes everything that was written survive a crash.
    pub fn sync(&mut self) -> io::Result<()> {
        self.active.as_mut().map_or(Ok(()), |active| active.file.sync())
    }

    /// Does what is due: a new segment, what is kept, an index that is missing. Whether there is more of the last.
    pub fn tick(&mut self, now: Timestamp) -> io::Result<bool> {
        self.rotate_if_due(now)?;
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.look(now)?;
        }
        self.rebuild()
    }

    /// Finishes the segment; what comes goes into a new one.
    pub fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        active.mend()?;
        if active.len == 0 {
            self.volume.remove(&active.name.file())?;
            self.active = None;
            return Ok(());
        }
        active.file.sync()?;
        let (open, sealed) = (active.name.file(), active.name.sealed());
        let Some(active) = self.active.take() else { return Ok(()) };
        let index = active.indexer.finish(active.len);
        if let Err(error) = index.write(&self.volume, &sealed.index()) {
            self.note(format!("{}: its index cannot be written yet: {error}", sealed.file()));
            self.unindexed.push(sealed.clone());
        }
        self.volume.rename(&open, &sealed.file())?;
        self.volume.sync()?;
        self.inventory.add(&self.volume, &sealed, &index);
        self.look(now)
    }

    /// What is to be told since this was last asked.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// What retention has removed since this was last asked.
    pub fn take_gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// What it holds, and what it held.
    pub fn figures(&self) -> Figures {
        let (segments, bytes) = self.inventory.totals();
        let active = self.active.as_ref().map(|active| active.len);
        Figures {
            segments: segments + u64::from(active.is_some()),
            bytes: bytes + active.unwrap_or(0),
            reserve_bytes: self.reserve.bytes(),
            ..self.removed
        }
    }

    fn rotate_if_due(&mut self, now: Timestamp) -> io::Result<()> {
        let Settings { segment_bytes, segment_s, .. } = self.settings;
        let is_due = |active: &Active<V::File>| {
            active.len >= segment_bytes
                || segment_s > 0 && active.since.elapsed() >= Duration::from_secs(segment_s.into())
        };
        if self.active.as_ref().is_some_and(is_due) { self.rotate(now) } else { Ok(()) }
    }

    /// Looks at what is kept, and takes back room for alerts.
    pub fn look(&mut self, now: Timestamp) -> io::Result<()> {
        self.looked = Some(Instant::now());
        self.inventory.look(&self.volume)?;
        let active_bytes = self.active.as_ref().map_or(0, |active| active.len);
        let gone = self.inventory.enforce(&self.volume, self.settings.retention, active_bytes, self.trusted(now))?;
        if gone.segments > 0 {
            self.removed.removed_segments += gone.segments;
            self.removed.removed_bytes += gone.bytes;
            self.removed.missed += gone.missed.values().map(|missed| missed.records.total()).sum::<u64>();
            self.gone.push(gone);
        }
        self.reserve.renew(&self.volume);
        Ok(())
    }

    /// The time of day, if it went on as time does.
    fn trusted(&self, now: Timestamp) -> Option<Timestamp> {
        let wall = now.0.abs_diff(self.began.0.0);
        let time = u64::try_from(self.began.1.elapsed().as_micros()).unwrap_or(u64::MAX);
        let astray = if now < self.began.0 { wall.saturating_add(time) } else { wall.abs_diff(time) };
        (u128::from(astray) <= ASTRAY.as_micros()).then_some(now)
    }

    /// Goes on with an index that is missing, by one frame.
    fn rebuild(&mut self) -> io::Result<bool> {
        let rebuilding = match self.rebuilding.take() {
            Some(rebuilding) => rebuilding,
            None => {
                if self.unindexed.is_empty() || self.volume.space()?.free < INDEX_ROOM {
                    return Ok(false);
                }
                let Some(name) = self.unindexed.pop() else { return Ok(false) };
                match Rebuilding::begin(&self.volume, name) {
                    // Retention may have taken it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                    begun => begun?,
                }
            }
        };
        match rebuilding.step()? {
            Ok(more) => self.rebuilding = Some(more),
            Err((name, index)) => {
                index.write(&self.volume, &name.index())?;
                self.inventory.add(&self.volume, &name, &index);
            }
        }
        Ok(true)
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES {
            self.notes.push(note);
        }
    }
}

impl<F: VolumeFile> Active<F> {
    /// Writes a frame at the end, or nothing; the place where it begins.
    fn append(&mut self, frame: &[u8]) -> io::Result<u64> {
        self.mend()?;
        let at = self.len;
        if let Err(error) = self.file.append(frame) {
            // Half a frame would make readers stumble: it goes, and those before it stay.
            self.is_torn = true;
            drop(self.mend());
            return Err(error);
        }
        self.len += frame.len() as u64;
        Ok(at)
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.truncate(self.len)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// A number that no segment has or had, as far as anybody remembers one.
fn next_number(volume: &impl Volume) -> io::Result<u64> {
    let names = volume.names()?;
    let of_segments = segments(&names).last().map_or(0, |last| last.number);
    let aside = names.iter().filter_map(|file| Name::parse(file.split_once(".damaged-")?.0)).map(|name| name.number);
    let of_sinks = positions::all(volume)?.values().map(|position| position.segment).max();
    let of_removed = positions::removed(volume).last().map(|removed| removed.segment);
    Ok(aside.chain(of_sinks).chain(of_removed).fold(of_segments, u64::max) + 1)
}

#[cfg(test)]
#[path = "segments/tests.rs"]
mod tests;
