//! How far each sink has read: a small file for each in the folder, `NAME.cursor`, and what went before it was read, `removed.gaps`.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::volume::Volume;
use crate::records::class::Tally;

/// The end of the file of a sink.
const CURSOR: &str = ".cursor";
/// What was removed before it was read.
const REMOVED: &str = "removed.gaps";
/// Bytes of the file of a sink.
const CURSOR_BYTES: u64 = 1 << 10;
/// Bytes of what is known of removed segments.
const REMOVED_BYTES: u64 = 16 << 20;
/// Segments that are remembered; of older ones it is only known that they were there.
const REMOVED_COUNT: usize = 10_000;

/// A place in the log: behind so many records of the frame at a place of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The number of the segment.
    pub segment: u64,
    /// Where the frame begins.
    pub offset: u64,
    /// Records of it that lie before.
    pub record: u32,
}

/// Positions of sinks by their names.
pub(crate) type Positions = BTreeMap<String, Position>;

/// Notes how far a sink has read, so that it survives a crash.
pub(crate) fn acknowledge(volume: &impl Volume, sink: &str, position: Position) -> io::Result<()> {
    let text = serde_json::to_vec(&position).map_err(io::Error::other)?;
    volume.put(&file_of(sink)?, &text)
}

/// How far a sink has read; nothing if it never said.
pub(crate) fn acknowledged(volume: &impl Volume, sink: &str) -> io::Result<Option<Position>> {
    match volume.get(&file_of(sink)?, CURSOR_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the position of `{sink}` cannot be read: {error}"))
        }),
    }
}

/// How far all have.
pub(crate) fn all(volume: &impl Volume) -> io::Result<Positions> {
    let mut positions = Positions::new();
    for file in volume.names()? {
        if let Some(sink) = file.strip_suffix(CURSOR) {
            // One that cannot be read may be anywhere: it has read nothing.
            let position = acknowledged(volume, sink).unwrap_or_default().unwrap_or_default();
            positions.insert(sink.to_owned(), position);
        }
    }
    Ok(positions)
}

/// Forgets a sink, so that nothing is kept for it.
pub(crate) fn forget(volume: &impl Volume, sink: &str) -> io::Result<()> {
    match volume.remove(&file_of(sink)?) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.and_then(|()| volume.sync()),
    }
}

fn file_of(sink: &str) -> io::Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if sink.is_empty() || sink.len() > 100 || sink.starts_with('.') || !sink.chars().all(is_plain) {
        let message = format!("`{sink}` is no name of a sink: letters, digits, `-`, `_` and `.` are");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(format!("{sink}{CURSOR}"))
}

/// A segment that was removed while a sink had not read all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// Its number.
    pub(crate) segment: u64,
    /// Microseconds of its first record and of its last.
    pub(crate) times: (u64, u64),
    /// Its records.
    pub(crate) records: Tally,
    /// Those behind a position that a sink had within it.
    pub(crate) behind: Vec<(Position, Tally)>,
}

/// The segments that were removed before all had read them.
pub(crate) fn removed(volume: &impl Volume) -> Vec<Removed> {
    let text = volume.get(REMOVED, REMOVED_BYTES).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Notes what is removed, and forgets what all have passed.
pub(crate) fn note_removed(volume: &impl Volume, mut removed: Vec<Removed>, positions: &Positions) -> io::Result<()> {
    let slowest = positions.values().map(|position| position.segment).min().unwrap_or(u64::MAX);
    removed.retain(|segment| segment.segment >= slowest);
    removed.sort_by_key(|segment| segment.segment);
    let count = removed.len();
    removed.drain(..count.saturating_sub(REMOVED_COUNT));
    volume.put(REMOVED, &serde_json::to_vec(&removed).map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::log::volume::Folder;

    #[test]
    fn sinks_are_remembered_by_name_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        assert_eq!(acknowledged(&volume, "siem").unwrap(), None);
        let position = Position { segment: 3, offset: 77, record: 5 };
        acknowledge(&volume, "siem", Position::default()).unwrap();
        acknowledge(&volume, "siem", position).unwrap();
        acknowledge(&volume, "kafka.eu-1", Position { segment: 4, ..position }).unwrap();
        assert_eq!(acknowledged(&volume, "siem").unwrap(), Some(position));
        assert_eq!(all(&volume).unwrap().len(), 2);
        forget(&volume, "siem").unwrap();
        forget(&volume, "siem").unwrap();
        assert_eq!(all(&volume).unwrap().keys().collect::<Vec<_>>(), ["kafka.eu-1"]);
        for name in ["", "../x", "a/b", ".hidden", "a b", "ü"] {
            assert!(acknowledge(&volume, name, position).is_err(), "{name}");
        }
    }

    #[test]
    fn a_position_that_cannot_be_read_is_at_the_begin_for_retention_and_an_error_for_its_sink() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        std::fs::write(folder.path().join("siem.cursor"), "half").unwrap();
        assert!(acknowledged(&volume, "siem").is_err());
        assert_eq!(all(&volume).unwrap()["siem"], Position::default());
    }

    #[test]
    fn what_all_have_passed_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Folder::at(folder.path());
        let removed_of = |numbers: &[u64]| -> Vec<Removed> {
            numbers.iter().map(|segment| Removed { segment: *segment, ..Removed::default() }).collect()
        };
        let at = |segment| Position { segment, ..Position::default() };
        let positions: Positions = [("a".to_owned(), at(3)), ("b".to_owned(), at(9))].into();
        note_removed(&volume, removed_of(&[5, 2, 3]), &positions).unwrap();
        assert_eq!(removed(&volume).iter().map(|r| r.segment).collect::<Vec<_>>(), [3, 5]);
        note_removed(&volume, removed(&volume), &Positions::new()).unwrap();
        assert_eq!(removed(&volume), []);
    }
}
