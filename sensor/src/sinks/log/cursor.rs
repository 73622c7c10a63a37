//! How a sink reads the log: batches of records from a position on, over finished segments and the finished frames of the one that is
//! being written.
//!
//! A cursor only reads, so it never holds the writer up, and it can be in another process. What retention took away before it was
//! read is a [`Gap`] in its batch. A sink hands a batch on, and when its receiver has it, [`acknowledge`]s the position behind it:
//! then it goes on there after a crash, and retention knows what is still wanted. A sink that has not acknowledged anything yet
//! is unknown to retention, so it acknowledges where it begins.

use std::io;
use std::path::Path;

use tapwire_parsers::link::Timestamp;

pub use super::positions::Position;

use super::frames::{Found, Frames};
use super::mend::ReadAt;
use super::name::{Name, segments};
use super::positions::{self, Removed};
use super::scan::class_of;
use super::volume::{Folder, Volume};
use crate::records::class::{Class, Tally};

/// How much is wanted at once; a record that is larger comes alone.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of lines.
    pub bytes: usize,
    /// Records.
    pub records: usize,
}

/// A record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'b> {
    /// Its line of JSON, without the end of the line.
    pub line: &'b [u8],
    /// The place behind it.
    pub after: Position,
    /// What it is.
    pub class: Class,
}

/// Records in their order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    text: Vec<u8>,
    records: Vec<(usize, Position, Class)>,
    /// The place behind all of it.
    pub after: Position,
    /// What is missing before or between them.
    pub gaps: Vec<Gap>,
}

impl Batch {
    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut begin = 0;
        self.records.iter().map(move |(end, after, class)| {
            let line = self.text.get(begin..*end).unwrap_or(&[]);
            begin = *end;
            Record { line, after: *after, class: *class }
        })
    }

    /// Leaves out what is behind a segment; whether anything was, or may be.
    pub(super) fn end_with(&mut self, segment: u64) -> bool {
        let own = self.records.iter().take_while(|(_, after, _)| after.segment <= segment).count();
        let is_over = self.is_empty() || own < self.records.len() || self.after.segment > segment;
        self.records.truncate(own);
        self.gaps.retain(|gap| gap.segment <= segment);
        is_over
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nothing new: neither records nor gaps.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.gaps.is_empty()
    }
}

/// What is not there any more, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The segment.
    pub segment: u64,
    /// Why.
    pub reason: Missing,
    /// When its first record was, and its last; 0 where that is not known.
    pub times: (Timestamp, Timestamp),
    /// The records that are missing; all 0 where that is not known.
    pub records: Tally,
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Retention took it away before it was read.
    Removed,
    /// It is gone, and nobody noted why.
    Unknown,
    /// Its bytes are wrong.
    Damaged,
}

/// A reader of the log. `V` is the folder, which tests make of memory.
pub struct Cursor<V: Volume = Folder> {
    volume: V,
    position: Position,
    segment: Option<Segment<V::File>>,
    frames: Frames,
    /// Whether the frame at the position is read, where its next record begins, and where it ends itself.
    read: Option<(usize, u64)>,
}

struct Segment<F> {
    number: u64,
    file: F,
    is_sealed: bool,
}

impl Cursor<Folder> {
    /// Reads the log in a folder from a position on; from its begin without one.
    pub fn open(folder: &Path, from: Option<Position>) -> io::Result<Self> {
        std::fs::read_dir(folder)?;
        Ok(Self::of(Folder::at(folder), from))
    }
}

/// Notes how far a sink's receiver has everything.
pub fn acknowledge(folder: &Path, sink: &str, position: Position) -> io::Result<()> {
    positions::acknowledge(&Folder::at(folder), sink, position)
}

/// How far that is; nothing if it was never noted.
pub fn acknowledged(folder: &Path, sink: &str) -> io::Result<Option<Position>> {
    positions::acknowledged(&Folder::at(folder), sink)
}

/// Forgets a sink that is there no more, so that retention keeps nothing for it.
pub fn forget(folder: &Path, sink: &str) -> io::Result<()> {
    positions::forget(&Folder::at(folder), sink)
}

/// The place behind everything that is in the log, for a sink that begins with what comes.
pub fn end(folder: &Path) -> io::Result<Position> {
    let volume = Folder::at(folder);
    let Some(last) = segments(&volume.names()?).pop() else { return Ok(Position::default()) };
    let (number, mut at) = (last.number, 0);
    let Some(Segment { file, .. }) = find(&volume, &last)? else {
        return Ok(Position { segment: number, ..Position::default() });
    };
    let len = file.length()?;
    while let Some(end) = super::mend::frame_end(&file, at, len)? {
        at = end;
    }
    Ok(Position { segment: number, offset: at, record: 0 })
}

impl<V: Volume> Cursor<V> {
    /// One over a folder.
    pub(crate) fn of(volume: V, from: Option<Position>) -> Self {
        Self { volume, position: from.unwrap_or_default(), segment: None, frames: Frames::default(), read: None }
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next records, as far as they are there; none if nothing is new.
    pub fn next(&mut self, limits: Limits) -> io::Result<Batch> {
        let mut batch = Batch { after: self.position, ..Batch::default() };
        while batch.records.len() < limits.records.max(1) && batch.text.len() < limits.bytes {
            if self.read.is_none() && !self.find_frame(&mut batch.gaps)? {
                break;
            }
            if !self.take(&mut batch, limits) {
                break;
            }
        }
        batch.after = self.position;
        Ok(batch)
    }

    /// Takes records of the frame that is read; whether there may be room for more.
    fn take(&mut self, batch: &mut Batch, limits: Limits) -> bool {
        let Some((begin, end)) = &mut self.read else { return true };
        while let Some(rest) = self.frames.text().get(*begin..).filter(|rest| !rest.is_empty()) {
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..len).unwrap_or(rest);
            let has_room = batch.records.len() < limits.records.max(1) && batch.text.len() + len <= limits.bytes;
            if !has_room && !batch.records.is_empty() {
                return false;
            }
            *begin += len + 1;
            self.position.record += 1;
            if *begin >= self.frames.text().len() {
                self.position = Position { offset: *end, record: 0, ..self.position };
            }
            batch.text.extend_from_slice(line);
            batch.records.push((batch.text.len(), self.position, class_of(line)));
        }
        self.position = Position { offset: *end, record: 0, ..self.position };
        self.read = None;
        true
    }

    /// Reads the next frame; false if none is finished yet.
    fn find_frame(&mut self, gaps: &mut Vec<Gap>) -> io::Result<bool> {
        loop {
            let Some(segment) = &self.segment else {
                if !self.find_segment(gaps)? {
                    return Ok(false);
                }
                continue;
            };
            let (number, is_sealed) = (segment.number, segment.is_sealed);
            match self.frames.read(&segment.file, self.position.offset)? {
                Found::Frame(end) => {
                    let begin = begin_of(self.frames.text(), self.position.record);
                    self.read = Some((begin, end));
                    return Ok(true);
                }
                Found::Damaged(end) if is_sealed => {
                    gaps.push(Gap::of(number, Missing::Damaged));
                    self.position = Position { segment: number, offset: end, record: 0 };
                }
                // It is still being written, or was taken back and written anew.
                Found::Damaged(_) | Found::Nothing if !is_sealed => {
                    let names = segments(&self.volume.names()?);
                    let has_behind = names.last().is_some_and(|last| last.number > number);
                    let Some(name) = names.into_iter().find(|name| name.number == number) else {
                        self.lost(number, gaps);
                        continue;
                    };
                    if !name.is_sealed && !has_behind {
                        return Ok(false);
                    }
                    // What was written before it was finished has to be read first, and whoever finished it may have cut something off.
                    let found = find(&self.volume, &name)?;
                    self.segment =
                        found.map(|segment| Segment { is_sealed: segment.is_sealed || has_behind, ..segment });
                }
                _ => {
                    let next = Position { segment: number + 1, ..Position::default() };
                    // To stand behind the last one is to stand at the next, which may not be there yet.
                    if !self.has_behind(number)? {
                        return Ok(false);
                    }
                    (self.position, self.segment) = (next, None);
                }
            }
        }
    }

    fn has_behind(&self, number: u64) -> io::Result<bool> {
        Ok(segments(&self.volume.names()?).last().is_some_and(|last| last.number > number))
    }

    /// Opens the segment of the position, or the next that is there; false if there is none.
    fn find_segment(&mut self, gaps: &mut Vec<Gap>) -> io::Result<bool> {
        let names = segments(&self.volume.names()?);
        let Some(name) = names.iter().find(|name| name.number >= self.position.segment) else { return Ok(false) };
        if name.number > self.position.segment {
            // Before the first position there was nothing to be missed.
            if self.position != Position::default() {
                self.missed(name.number, gaps);
            }
            self.position = Position { segment: name.number, ..Position::default() };
        }
        // Somebody may have finished or removed it since the names were read: they are read again.
        self.segment = find(&self.volume, name)?;
        Ok(true)
    }

    /// Notes what is missing between the position and a segment.
    fn missed(&self, next: u64, gaps: &mut Vec<Gap>) {
        let removed = positions::removed(&self.volume);
        let known = removed.iter().filter(|removed| (self.position.segment..next).contains(&removed.segment));
        let known: Vec<Gap> = known.map(|removed| Gap::removed(removed, self.position)).collect();
        let mut at = self.position.segment;
        for gap in known.into_iter().chain([Gap::of(next, Missing::Unknown)]) {
            // A run of segments that nobody knows of is one gap: their number may be any.
            if gap.segment > at {
                gaps.push(Gap::of(at, Missing::Unknown));
            }
            at = gap.segment + 1;
            if gap.segment < next && gap.records != Tally::default() {
                gaps.push(gap);
            }
        }
    }

    /// The segment that was being read is gone.
    fn lost(&mut self, number: u64, gaps: &mut Vec<Gap>) {
        self.missed(number + 1, gaps);
        self.position = Position { segment: number + 1, ..Position::default() };
        self.segment = None;
    }
}

impl Gap {
    fn of(segment: u64, reason: Missing) -> Self {
        Self { segment, reason, times: (Timestamp(0), Timestamp(0)), records: Tally::default() }
    }

    fn removed(removed: &Removed, from: Position) -> Self {
        let behind = removed.behind.iter().find(|(position, _)| *position == from);
        Self {
            segment: removed.segment,
            reason: Missing::Removed,
            times: (Timestamp(removed.times.0), Timestamp(removed.times.1)),
            records: behind.map_or(removed.records, |(_, records)| *records),
        }
    }
}

/// Opens a segment, under whichever of its names.
fn find<V: Volume>(volume: &V, name: &Name) -> io::Result<Option<Segment<V::File>>> {
    for name in [name.clone(), name.sealed()] {
        match volume.open(&name.file()) {
            Ok(file) => return Ok(Some(Segment { number: name.number, file, is_sealed: name.is_sealed })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Where the record behind so many begins.
fn begin_of(text: &[u8], records: u32) -> usize {
    let Some(before) = records.checked_sub(1).and_then(|before| usize::try_from(before).ok()) else { return 0 };
    memchr::memchr_iter(b'\n', text).nth(before).map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
#[path = "cursor/tests.rs"]
mod tests;
