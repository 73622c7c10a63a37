//! The files of one source of records.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::sheet::Sheet;
use crate::sinks::encode::{Tape, time};
use crate::sinks::open::Folder;

/// Files that are written at once.
const OPEN: usize = 128;
/// Bytes of memory that all of them may take.
const MEMORY_BYTES: usize = 64 << 20;
/// Characters of a type in the name of a folder.
const TYPE_LEN: usize = 64;
const MICROS_OF_HOUR: i64 = 3_600_000_000;
/// What the name of a file in the making ends with.
const NEW: &str = ".new";

/// A file that is whole, and has its name when it is told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name below the folder.
    pub name: PathBuf,
}

/// A type of records, and hours since 1970.
type Part = (String, i64);

/// Writes them.
pub struct Sheets {
    folder: Folder,
    /// What names begin with.
    stem: String,
    /// The sensor, where records do not name theirs.
    sensor: Option<String>,
    tape: Tape,
    open: BTreeMap<Part, Open>,
    /// How many files of each part there are.
    counts: BTreeMap<Part, u32>,
    made: Vec<Made>,
    /// Records so far.
    records: u64,
    misfits: u64,
}

/// A file, and the number of the last record that went there.
struct Open {
    sheet: Sheet,
    name: PathBuf,
    used: u64,
}

impl Sheets {
    /// Those of a source, below a folder: names of files are the stem, which must be a plain name that nothing else has.
    /// The sensor is named where records do not do so.
    pub fn new(folder: &Path, stem: &str, sensor: Option<&str>) -> io::Result<Self> {
        Ok(Self {
            folder: Folder::make(folder)?,
            stem: stem.to_owned(),
            sensor: sensor.map(str::to_owned),
            tape: Tape::default(),
            open: BTreeMap::new(),
            counts: BTreeMap::new(),
            made: Vec::new(),
            records: 0,
            misfits: 0,
        })
    }

    /// Takes a record; false if it is none.
    pub fn add(&mut self, line: &[u8]) -> io::Result<bool> {
        let mut tape = std::mem::take(&mut self.tape);
        let result = self.add_read(&mut tape, line);
        self.tape = tape;
        result
    }

    fn add_read(&mut self, tape: &mut Tape, line: &[u8]) -> io::Result<bool> {
        let (Some(record), Ok(text)) = (tape.read(line), std::str::from_utf8(line)) else { return Ok(false) };
        let (mut event_type, mut hour) = ("", 0);
        for (name, value) in record.members() {
            match name {
                "event_type" => event_type = value.text(),
                "timestamp" => hour = time::micros(value.text()).unwrap_or(0).div_euclid(MICROS_OF_HOUR),
                _ => continue,
            }
        }
        let part = (tame(event_type), hour);
        self.records += 1;
        if !self.open.contains_key(&part) {
            self.make_room()?;
            let opened = self.begin(&part)?;
            self.open.insert(part.clone(), opened);
        }
        let Some(open) = self.open.get_mut(&part) else { return Ok(false) };
        open.used = self.records;
        open.sheet.add(record, text)?;
        self.spare_memory()?;
        Ok(true)
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Values so far that do not fit their columns: those are empty there, and the record is beside them.
    pub fn misfits(&self) -> u64 {
        self.misfits + self.open.values().map(|open| open.sheet.misfits).sum::<u64>()
    }

    /// Ends all files. They are whole and on the disk, and get their names by [`Self::publish`].
    pub fn finish(&mut self) -> io::Result<&[Made]> {
        while let Some((_, open)) = self.open.pop_first() {
            self.end(open)?;
        }
        Ok(&self.made)
    }

    /// Gives files their names.
    pub fn publish(&mut self) -> io::Result<()> {
        for Made { name } in std::mem::take(&mut self.made) {
            self.folder.rename(&new(&name), &name)?;
        }
        Ok(())
    }

    /// Where a file is until it has its name.
    pub fn path(&self, made: &Made) -> PathBuf {
        self.folder.path().join(new(&made.name))
    }

    fn begin(&mut self, part: &Part) -> io::Result<Open> {
        let count = self.counts.entry(part.clone()).or_default();
        *count += 1;
        let nth = if *count == 1 { String::new() } else { format!("-{count}") };
        let (event_type, hour) = part;
        let begin = jiff::Timestamp::from_second(hour * 3_600).unwrap_or_default();
        let (date, hour) = (begin.strftime("%Y-%m-%d"), begin.strftime("%H"));
        let folder = PathBuf::from(format!("event_type={event_type}/date={date}/hour={hour}"));
        let name = folder.join(format!("{}{nth}.parquet", self.stem));
        self.folder.below(&folder)?;
        let file = self.folder.file(&new(&name), false)?;
        Ok(Open { sheet: Sheet::new(file, event_type, self.sensor.as_deref())?, name, used: 0 })
    }

    fn end(&mut self, Open { sheet, name, .. }: Open) -> io::Result<()> {
        self.misfits += sheet.misfits;
        // It is known before it is whole, so that it is removed if that fails.
        self.made.push(Made { name });
        sheet.finish()?.sync_data()
    }

    /// Ends the file that was not needed for the longest time, if there are too many.
    fn make_room(&mut self) -> io::Result<()> {
        if self.open.len() < OPEN {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(part, _)| part.clone());
        match oldest.and_then(|part| self.open.remove(&part)) {
            Some(open) => self.end(open),
            None => Ok(()),
        }
    }

    /// Writes what takes most, if all together take too much.
    fn spare_memory(&mut self) -> io::Result<()> {
        // To ask costs as much as there are columns.
        if !self.records.is_multiple_of(256) {
            return Ok(());
        }
        let sizes = self.open.values().map(|open| open.sheet.memory());
        if sizes.clone().sum::<usize>() <= MEMORY_BYTES {
            return Ok(());
        }
        let largest = self.open.values_mut().max_by_key(|open| open.sheet.memory());
        largest.map_or(Ok(()), |open| open.sheet.flush())
    }
}

impl Drop for Sheets {
    /// What did not become whole goes.
    fn drop(&mut self) {
        let open = std::mem::take(&mut self.open).into_values().map(|open| open.name);
        for name in self.made.drain(..).map(|made| made.name).chain(open) {
            // Whoever makes it again begins it anew.
            self.folder.remove(&new(&name)).ok();
        }
    }
}

/// The name of a file in the making.
fn new(name: &Path) -> PathBuf {
    let mut text = name.as_os_str().to_owned();
    text.push(NEW);
    text.into()
}

/// A type as the name of a folder, whatever a record says.
fn tame(event_type: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c.to_ascii_lowercase() } else { '_' };
    let name: String = event_type.chars().take(TYPE_LEN).map(kept).collect();
    if name.is_empty() { "none".to_owned() } else { name }
}
