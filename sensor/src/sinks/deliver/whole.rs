//! Deliveries of whole segments: each is taken when it is finished, as it is or as columns, into a folder or a store of objects. The
//! position behind it is stored when all of it is there under its name; names follow from the segment, so that what comes twice
//! is the same.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::head::Head;
use super::rate::Rate;
use super::receivers::s3;
use super::thread::Ending;
use super::transport::{Answer, Item, Transport, Trouble, all_delivered};
use crate::capture::clock;
use crate::sinks::log::cursor::{self, Position};
use crate::sinks::log::sealed::{self, Sealed, mark};
use crate::sinks::open::Folder;
use crate::sinks::zstd::Frames;

#[cfg(feature = "parquet")]
mod columns;

/// Between two looks for a segment that is finished.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a sink of whole segments says of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What becomes of a segment.
    pub form: Form,
    /// Where it goes.
    pub place: Place,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It stays as it is.
    Segment,
    /// A file of columns for each type and hour.
    #[cfg(feature = "parquet")]
    Columns,
}

/// Where files go.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A store that speaks S3.
    Store(Box<s3::Settings>),
}

/// The same, opened.
pub(super) enum Shelf {
    Folder(PathBuf),
    Store(Box<s3::S3>),
}

/// What became of a segment.
#[derive(Default)]
pub(super) struct Shelved {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) left_out: u64,
    pub(super) misfits: u64,
    pub(super) gaps: u64,
    pub(super) missed: u64,
    /// Records that are none, and go to the dead letters.
    pub(super) refused: Vec<Vec<u8>>,
}

impl Form {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segments",
            #[cfg(feature = "parquet")]
            Self::Columns => "parquet",
        }
    }
}

impl Shelf {
    /// Puts a file there; what had its name is replaced when all of it is there.
    fn put(&mut self, first: &Head<'_>, name: &str, file: &mut File) -> Result<(), Trouble> {
        let folder = match self {
            Self::Folder(path) => Folder::make(path)?,
            Self::Store(store) => {
                let name = format!("{}{name}", store.prefix(first));
                return store.put_file(&name, file);
            }
        };
        let (name, new) = (PathBuf::from(name), PathBuf::from(format!("{name}.new")));
        let mut copy = folder.file(&new, false)?;
        let copied = io::copy(file, &mut copy).and_then(|_| copy.sync_data());
        copied.and_then(|()| folder.rename(&new, &name)).map_err(|error| {
            folder.remove(&new).ok();
            error.into()
        })
    }
}

impl Place {
    /// Opens it; nothing is connected yet.
    pub(super) fn open(&self) -> Shelf {
        match self {
            Self::Folder(folder) => Shelf::Folder(folder.clone()),
            Self::Store(settings) => Shelf::Store(Box::new(s3::S3::new((**settings).clone()))),
        }
    }
}

impl Delivery {
    /// Delivers segments until it is told to end.
    pub(super) fn deliver_whole(&mut self, settings: &Settings, mut position: Position) {
        let mut shelf = settings.place.open();
        let mut rate = Rate::new(self.settings.rate_bytes, Instant::now());
        while self.control.now() != Ending::Stopped {
            let ending = self.control.now();
            match sealed::next(&self.log, position) {
                Ok(None) => {
                    self.tell(false);
                    if ending != Ending::Going {
                        return;
                    }
                    self.control.wait(LOOK_EVERY, Ending::Going);
                }
                Ok(Some(segment)) => {
                    let asked = Instant::now();
                    match self.shelve(settings.form, &segment, &mut shelf, &mut rate) {
                        Ok(None) => return,
                        Ok(Some(shelved)) => {
                            let end = segment.end();
                            let noted = self
                                .note_shelved(shelved, asked)
                                .and_then(|()| cursor::acknowledge(&self.log, &self.settings.name, end));
                            match noted {
                                Ok(()) => {
                                    position = end;
                                    self.report().position = end;
                                }
                                Err(error) => drop(self.wait_for(&format!("the log: {error}"), None)),
                            }
                            self.tell(false);
                        }
                        Err(Trouble::Away { words, after }) => drop(self.wait_for(&words, after)),
                        Err(Trouble::Refused(words)) => drop(self.wait_for(&words, None)),
                    }
                }
                Err(error) => drop(self.wait_for(&format!("the log: {error}"), None)),
            }
        }
    }

    /// Delivers one; nothing if it is told to stop halfway.
    fn shelve(
        &mut self,
        form: Form,
        segment: &Sealed,
        shelf: &mut Shelf,
        rate: &mut Rate,
    ) -> Result<Option<Shelved>, Trouble> {
        match form {
            Form::Segment => self.shelve_as_it_is(segment, shelf, rate),
            #[cfg(feature = "parquet")]
            Form::Columns => columns::shelve(self, segment, shelf, rate),
        }
    }

    fn shelve_as_it_is(
        &mut self,
        segment: &Sealed,
        shelf: &mut Shelf,
        rate: &mut Rate,
    ) -> Result<Option<Shelved>, Trouble> {
        let (mut shelved, mut records, mut first) = (Shelved::default(), segment.records(), None);
        // What it holds is counted as others count it, and it is paid for as they pay for it.
        while let Some(batch) = records.next_batch()? {
            shelved.gaps += batch.gaps.len() as u64;
            shelved.missed += batch.gaps.iter().map(|gap| gap.records.total()).sum::<u64>();
            shelved.records += batch.len() as u64;
            let mut bytes = 0;
            for record in batch.records() {
                bytes += record.line.len();
                first.get_or_insert_with(|| record.line.to_owned());
            }
            if self.control.wait(rate.spend(bytes, Instant::now()), Ending::Draining) == Ending::Stopped {
                return Ok(None);
            }
        }
        let Some(first) = first else { return Ok(Some(shelved)) };
        shelved.bytes = segment.bytes();
        shelf.put(&Head::of(&first), &segment.file(&first), &mut segment.open()?)?;
        Ok(Some(shelved))
    }

    fn note_shelved(&mut self, shelved: Shelved, asked: Instant) -> io::Result<()> {
        self.pause.reset();
        if !shelved.refused.is_empty() {
            let mut letters = super::dead_letters::DeadLetters::new(&self.log, &self.settings.name)?;
            shelved.refused.iter().for_each(|line| letters.push(line, "it is no record"));
            letters.settle()?;
        }
        let mut report = self.report();
        report.delivered += shelved.records;
        report.delivered_bytes += shelved.bytes;
        report.left_out += shelved.left_out;
        report.misfits += shelved.misfits;
        report.gaps += shelved.gaps;
        report.missed += shelved.missed;
        report.refused += shelved.refused.len() as u64;
        report.last_delivery_us = clock::now().0;
        report.away_since_us = 0;
        report.request_times.add(u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// Samples of records, each in a file of its own, so that a place can be tried.
pub(super) struct Samples {
    form: Form,
    shelf: Shelf,
}

impl Samples {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { form: settings.form, shelf: settings.place.open() }
    }
}

impl Transport for Samples {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Some(first) = items.first() else { return Ok(()) };
        let stem = format!("sample-{}", mark(first.line));
        match self.form {
            Form::Segment => {
                let mut file = tempfile::tempfile()?;
                let mut frames = Frames::new()?;
                for item in items {
                    file.write_all(frames.of(&[item.line, b"\n"].concat())?)?;
                }
                file.rewind()?;
                self.shelf.put(&first.head, &format!("{stem}.json.zst"), &mut file)?;
            }
            #[cfg(feature = "parquet")]
            Form::Columns => columns::put_samples(&mut self.shelf, &stem, items)?,
        }
        all_delivered(answers);
        Ok(())
    }
}
