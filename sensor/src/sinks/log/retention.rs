//! What goes when the log is over its size, its share of the disk, or its age: what all sinks have, then the oldest without alerts, and
//! alerts last. What a sink misses by that is noted before it is gone.

use std::collections::BTreeMap;
use std::io;

use tapwire_parsers::link::Timestamp;

use super::cursor::{Cursor, Limits};
use super::index::Index;
use super::leftovers::index_of;
use super::mend::ReadAt;
use super::name::{Name, segments};
use super::positions::{self, Position, Positions, Removed};
use super::volume::Volume;
use crate::records::class::{Class, Tally};

/// Records that are counted at once behind a position.
const COUNTED: Limits = Limits { bytes: 4 << 20, records: usize::MAX };

/// How much is kept; 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all segments and their indexes.
    pub bytes: u64,
    /// The same in percent of the file system.
    pub share_percent: u32,
    /// Seconds since the last record of a segment.
    pub age_s: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { bytes: 0, share_percent: 80, age_s: 0 }
    }
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// How many segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What sinks miss, by their names.
    pub missed: BTreeMap<String, Missed>,
}

/// Records that were removed before a sink had them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// How many.
    pub records: Tally,
    /// When the first was, and the last.
    pub times: (Timestamp, Timestamp),
}

/// A finished segment, as retention sees it.
#[derive(Clone, Debug)]
struct Kept {
    name: Name,
    bytes: u64,
    /// Where it ends.
    end: u64,
    last: u64,
    has_alerts: bool,
}

/// What is known of segments, so that each index is read once.
#[derive(Debug, Default)]
pub(crate) struct Inventory(BTreeMap<u64, Kept>);

impl Inventory {
    /// Takes note of a segment that was finished.
    pub(crate) fn add(&mut self, volume: &impl Volume, name: &Name, index: &Index) {
        let beside = volume.open(&name.index()).and_then(|file| file.length()).unwrap_or(0);
        let kept = Kept {
            name: name.clone(),
            bytes: index.bytes + beside,
            end: index.bytes,
            last: index.times.1,
            has_alerts: index.records.of(Class::Alert) > 0,
        };
        self.0.insert(name.number, kept);
    }

    /// The same of one whose index is not there yet: it is kept as if it were of now and had alerts.
    fn add_unknown(&mut self, volume: &impl Volume, name: &Name) {
        let bytes = volume.open(&name.file()).and_then(|file| file.length()).unwrap_or(0);
        let kept = Kept { name: name.clone(), bytes, end: bytes, last: u64::MAX, has_alerts: true };
        self.0.insert(name.number, kept);
    }

    /// How many segments there are, and their bytes.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.0.len() as u64, self.0.values().map(|kept| kept.bytes).sum())
    }

    /// Looks which segments are there; those without an index are not known yet.
    pub(crate) fn look(&mut self, volume: &impl Volume) -> io::Result<()> {
        let names = segments(&volume.names()?);
        self.0.retain(|number, _| names.iter().any(|name| name.number == *number && name.is_sealed));
        for name in names.iter().filter(|name| name.is_sealed) {
            if !self.0.contains_key(&name.number) {
                match Index::read(volume, &name.index()) {
                    Some(index) => self.add(volume, name, &index),
                    None => self.add_unknown(volume, name),
                }
            }
        }
        Ok(())
    }

    /// Removes what is over the limits. `now` is absent where the clock cannot be trusted.
    pub(crate) fn enforce(
        &mut self,
        volume: &impl Volume,
        limits: Retention,
        active_bytes: u64,
        now: Option<Timestamp>,
    ) -> io::Result<Gone> {
        let mut gone = Gone::default();
        let positions = positions::all(volume)?;
        let share = match limits.share_percent {
            0 => u64::MAX,
            percent => volume.space()?.total / 100 * u64::from(percent.min(100)),
        };
        let most = share.min(if limits.bytes == 0 { u64::MAX } else { limits.bytes });
        let oldest =
            now.filter(|_| limits.age_s > 0).map_or(0, |now| now.0.saturating_sub(u64::from(limits.age_s) * 1_000_000));
        for number in self.in_order(&positions) {
            let is_over = self.totals().1 + active_bytes > most;
            if !is_over && oldest == 0 {
                break;
            }
            if let Some(kept) = self.0.get(&number).filter(|kept| is_over || kept.last < oldest).cloned() {
                remove(volume, &kept, &positions, &mut gone)?;
                self.0.remove(&number);
            }
        }
        Ok(gone)
    }

    /// The numbers of segments, first those that go first.
    fn in_order(&self, positions: &Positions) -> Vec<u64> {
        let rank = |kept: &Kept| {
            let has_read = |position: &Position| {
                position.segment > kept.name.number
                    || position.segment == kept.name.number && position.offset >= kept.end
            };
            match !positions.is_empty() && positions.values().all(has_read) {
                true => 0,
                false => 1 + u8::from(kept.has_alerts),
            }
        };
        let mut order: Vec<(u8, u64)> = self.0.values().map(|kept| (rank(kept), kept.name.number)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, number)| number).collect()
    }
}

/// Removes a segment, and notes before who misses what of it.
fn remove<V: Volume>(volume: &V, kept: &Kept, positions: &Positions, gone: &mut Gone) -> io::Result<()> {
    let number = kept.name.number;
    let waiting: Vec<_> = positions.iter().filter(|(_, position)| position.segment <= number).collect();
    if !waiting.is_empty() {
        let index = index_of(volume, &kept.name)?;
        let mut removed = Removed { segment: number, times: index.times, records: index.records, behind: Vec::new() };
        for (sink, position) in waiting {
            let is_within = position.segment == number && (position.offset, position.record) > (0, 0);
            let records = if is_within { counted_behind(volume, *position)? } else { index.records };
            if is_within {
                removed.behind.push((*position, records));
            }
            if records.total() > 0 {
                gone.missed.entry(sink.clone()).or_default().add(&records, index.times);
            }
        }
        let mut all = positions::removed(volume);
        all.retain(|other| other.segment != number);
        all.push(removed);
        positions::note_removed(volume, all, positions)?;
    }
    volume.remove(&kept.name.file())?;
    // Without its segment an index is nothing; it may not have been there.
    drop(volume.remove(&kept.name.index()));
    gone.segments += 1;
    gone.bytes += kept.bytes;
    Ok(())
}

/// Records of the segment of a position that stand behind it.
fn counted_behind<V: Volume>(volume: &V, position: Position) -> io::Result<Tally> {
    let mut cursor = Cursor::of(volume, Some(position));
    let mut tally = Tally::default();
    loop {
        let batch = cursor.next(COUNTED)?;
        for record in batch.records().filter(|record| record.after.segment == position.segment) {
            tally.add(record.class);
        }
        if batch.is_empty() || batch.after.segment > position.segment {
            return Ok(tally);
        }
    }
}

impl Missed {
    fn add(&mut self, records: &Tally, (first, last): (u64, u64)) {
        let is_new = self.records.total() == 0;
        self.records.merge(records);
        let first = if is_new { first } else { first.min(self.times.0.0) };
        self.times = (Timestamp(first), Timestamp(last.max(self.times.1.0)));
    }
}

#[cfg(test)]
#[path = "retention/tests.rs"]
mod tests;
