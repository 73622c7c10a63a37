//! Finished segments as wholes, one after the other, for sinks that take them so.

use std::fs::File;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::cursor::{Batch, Cursor, Limits, Position};
use super::name::{Name, SEALED, segments};
use super::volume::{Folder, Volume};
use crate::sinks::mend::ReadAt;

/// Records that are read at once.
const LIMITS: Limits = Limits { bytes: 1 << 20, records: usize::MAX };
/// Of what tells segments apart, so many digits are kept.
const MARK_LEN: usize = 8;

/// A segment that nothing is written to any more.
#[derive(Debug)]
pub struct Sealed {
    folder: Folder,
    name: Name,
    bytes: u64,
    /// Where the sink is: in it, or behind the one before.
    from: Position,
}

/// The segment that comes next for a sink at a position; none if it is not finished. One that the position is in comes as a whole.
pub fn next(folder: &Path, from: Position) -> io::Result<Option<Sealed>> {
    let folder = Folder::at(folder);
    for name in segments(&folder.names()?).into_iter().filter(|name| name.number >= from.segment) {
        if !name.is_sealed {
            return Ok(None);
        }
        let bytes = match folder.open(&name.file()) {
            // Retention took it, which the next one tells of.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?.length()?,
        };
        let is_in = name.number == from.segment;
        if is_in && from.offset >= bytes {
            continue;
        }
        let begin = Position { segment: name.number, ..Position::default() };
        return Ok(Some(Sealed { folder, name, bytes, from: if is_in { begin } else { from } }));
    }
    Ok(None)
}

impl Sealed {
    /// The place behind it.
    pub fn end(&self) -> Position {
        Position { segment: self.name.number, offset: self.bytes, record: 0 }
    }

    /// Its bytes, as they lie there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens it.
    pub fn open(&self) -> io::Result<File> {
        self.folder.open(&self.name.file())
    }

    /// Its name without an end, which no segment of another log has, for it follows from the first record as well.
    pub fn stem(&self, first: &[u8]) -> String {
        self.name.marked(&mark(first))
    }

    /// The same with its end.
    pub fn file(&self, first: &[u8]) -> String {
        format!("{}{SEALED}", self.stem(first))
    }

    /// Reads its records, and what is missing before or within it.
    pub fn records(&self) -> Records {
        let cursor = Cursor::of(self.folder.clone(), Some(self.from));
        Records { cursor, number: self.name.number, is_over: false }
    }
}

/// What tells sources of records apart that have the same name: it follows from the first one's text.
pub fn mark(first: &[u8]) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(first));
    digest.get(..MARK_LEN).unwrap_or_default().to_owned()
}

/// The records of a segment.
pub struct Records {
    cursor: Cursor,
    number: u64,
    is_over: bool,
}

impl Records {
    /// The next ones; none behind the last.
    pub fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        if self.is_over {
            return Ok(None);
        }
        let mut batch = self.cursor.next(LIMITS)?;
        self.is_over = batch.end_with(self.number);
        Ok(Some(batch))
    }
}
