//! Reading what is wanted out of the log: only segments whose index says that it may be there, from the place on where it begins.

use std::io;
use std::path::Path;

use super::cursor::{Cursor, Limits, Position};
use super::index::Index;
use super::name::{Name, segments};
use super::volume::{Folder, Volume};
use super::wanted::Wanted;
use crate::sinks::mend::ReadAt;

/// Records that are read at once.
const LIMITS: Limits = Limits { bytes: 4 << 20, records: usize::MAX };

/// A segment of a log.
#[derive(Clone, Debug)]
pub struct Segment {
    folder: Folder,
    name: Name,
}

/// The segments of the log in a folder, in their order; none if there is no log.
pub fn segments_in(folder: &Path) -> io::Result<Vec<Segment>> {
    let volume = Folder::at(folder);
    let names = segments(&volume.names()?);
    Ok(names.into_iter().map(|name| Segment { folder: volume.clone(), name }).collect())
}

/// Bytes of a log, as they lie there, behind a position.
pub fn waiting(folder: &Path, from: Position) -> io::Result<u64> {
    let mut bytes = 0;
    for Segment { folder, name } in &segments_in(folder)? {
        if name.number < from.segment {
            continue;
        }
        let read = if name.number == from.segment { from.offset } else { 0 };
        // One that is finished or removed at this moment counts with the next look.
        bytes += folder.open(&name.file()).and_then(|file| file.length()).unwrap_or(read).saturating_sub(read);
    }
    Ok(bytes)
}

/// Whether a file is a segment of a log.
pub fn is_segment(file: &str) -> bool {
    Name::parse(file).is_some()
}

impl Segment {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.name.number
    }

    /// Its name without an end, which no segment of another log has, for it follows from the first record as well.
    #[cfg(feature = "parquet")]
    pub fn marked(&self, first: &[u8]) -> String {
        self.name.marked(&super::sealed::mark(first))
    }

    /// Gives each record that is wanted to `give`, until that says no. What was damaged, in words.
    pub fn read(&self, wanted: &Wanted, give: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<Vec<String>> {
        self.read_before(Position { segment: u64::MAX, ..Position::default() }, wanted, give)
    }

    /// The same of records before a place.
    pub fn read_before(
        &self,
        end: Position,
        wanted: &Wanted,
        give: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<Vec<String>> {
        let mut from = Position { segment: self.name.number, ..Position::default() };
        if let Some(index) = Index::read(&self.folder, &self.name.index()).filter(|_| self.name.is_sealed) {
            if !wanted.may_be_in(&index) {
                return Ok(Vec::new());
            }
            from.offset = wanted.begin_in(&index);
        }
        let (mut cursor, mut wrong) = (Cursor::of(&self.folder, Some(from)), Vec::new());
        loop {
            let batch = cursor.next(LIMITS)?;
            let is_damaged = batch.gaps.iter().any(|gap| gap.segment == self.name.number);
            wrong.extend(is_damaged.then(|| format!("{}: a part of it is damaged and left out", self.name.file())));
            // A batch may have records of the next one.
            let number = self.name.number;
            let own = batch.records().filter(|record| record.after.segment == number && record.after <= end);
            for record in own.filter(|record| wanted.holds(record.line)) {
                if !give(record.line) {
                    return Ok(wrong);
                }
            }
            if batch.is_empty() || batch.after.segment > self.name.number {
                return Ok(wrong);
            }
        }
    }
}
