//! Segments that become columns: a file of Parquet for each type and hour.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Shelf, Shelved};
use crate::records::header::Clock;
use crate::sinks::deliver::delivery::Delivery;
use crate::sinks::deliver::gap;
use crate::sinks::deliver::head::Head;
use crate::sinks::deliver::rate::Rate;
use crate::sinks::deliver::thread::Ending;
use crate::sinks::deliver::transport::{Item, Trouble};
use crate::sinks::log::cursor::Batch;
use crate::sinks::log::sealed::Sealed;
use crate::sinks::open;
use crate::sinks::parquet::Sheets;

/// The folder beside the log in which files for a store are made.
const STAGING: &str = "outputs";

/// The files of a segment in the making.
struct Filling<'d> {
    delivery: &'d Delivery,
    shelved: Shelved,
    clock: Clock,
    /// What names of objects begin with.
    prefix: String,
    sheets: Sheets,
}

/// Delivers a segment; nothing if it is told to stop halfway.
pub(super) fn shelve(
    delivery: &Delivery,
    segment: &Sealed,
    shelf: &mut Shelf,
    rate: &mut Rate,
) -> Result<Option<Shelved>, Trouble> {
    let staging = delivery.log.join(STAGING).join(format!("{}.making", delivery.settings.name));
    let folder = folder_of(shelf, &staging);
    let (mut records, mut filling) = (segment.records(), None);
    while let Some(batch) = records.next_batch()? {
        let bytes = batch.records().map(|record| record.line.len()).sum();
        if !batch.is_empty() {
            let filling = match &mut filling {
                Some(filling) => filling,
                none => {
                    let first = batch.records().next().map(|record| record.line).unwrap_or_default();
                    none.insert(Filling {
                        delivery,
                        shelved: Shelved::default(),
                        clock: Clock::default(),
                        prefix: shelf.prefix(&Head::of(first)),
                        sheets: Sheets::new(&folder, &segment.stem(first), Some(&delivery.settings.host))?,
                    })
                }
            };
            filling.take(&batch)?;
        }
        if delivery.control.wait(rate.spend(bytes, Instant::now()), Ending::Draining) == Ending::Stopped {
            return Ok(None);
        }
    }
    let Some(Filling { mut shelved, prefix, mut sheets, .. }) = filling else { return Ok(Some(Shelved::default())) };
    (shelved.records, shelved.misfits) = (sheets.records(), sheets.misfits());
    let is_stopped = || delivery.control.now() == Ending::Stopped;
    let is_put = put(&mut sheets, shelf, &prefix, &is_stopped)?;
    drop(sheets);
    // Folders of types and hours are left, where files were made for a store.
    std::fs::remove_dir_all(&staging).ok();
    Ok(is_put.then_some(shelved))
}

impl Filling<'_> {
    fn take(&mut self, batch: &Batch) -> Result<(), Trouble> {
        let settings = &self.delivery.settings;
        for gap in &batch.gaps {
            self.shelved.gaps += 1;
            self.shelved.missed += gap.records.total();
            let mut line = Vec::new();
            gap::write(&mut line, gap, &settings.name, &mut self.clock);
            if !line.is_empty() {
                self.sheets.add(&line)?;
            }
        }
        for record in batch.records() {
            if !settings.filter.passes(&Head::of(record.line)) {
                self.shelved.left_out += 1;
            } else if self.sheets.add(record.line)? {
                self.shelved.bytes += record.line.len() as u64;
            } else {
                self.shelved.refused.push(record.line.to_owned());
            }
        }
        Ok(())
    }
}

impl Shelf {
    fn prefix(&self, first: &Head<'_>) -> String {
        match self {
            Self::Folder(_) => String::new(),
            Self::Store(store) => store.prefix(first),
        }
    }
}

/// Where files are made: in the folder that they are for, or in another one for a store.
fn folder_of(shelf: &Shelf, staging: &Path) -> PathBuf {
    match shelf {
        Shelf::Folder(folder) => folder.clone(),
        Shelf::Store(_) => staging.to_owned(),
    }
}

/// Ends the files and puts them to their place; false if it was told to stop halfway.
fn put(sheets: &mut Sheets, shelf: &mut Shelf, prefix: &str, is_stopped: &dyn Fn() -> bool) -> Result<bool, Trouble> {
    let made = sheets.finish()?.to_vec();
    let Shelf::Store(store) = shelf else {
        sheets.publish()?;
        return Ok(true);
    };
    for made in &made {
        if is_stopped() {
            return Ok(false);
        }
        let mut file = open::read(&sheets.path(made))?;
        store.put_file(&format!("{prefix}{}", made.name.display()), &mut file)?;
    }
    Ok(true)
}

/// Puts samples of records.
pub(super) fn put_samples(shelf: &mut Shelf, stem: &str, items: &[Item<'_>]) -> Result<(), Trouble> {
    let staging = tempfile::tempdir()?;
    let mut sheets = Sheets::new(&folder_of(shelf, staging.path()), stem, None)?;
    for item in items {
        sheets.add(item.line)?;
    }
    let prefix = items.first().map(|item| shelf.prefix(&item.head)).unwrap_or_default();
    put(&mut sheets, shelf, &prefix, &|| false).map(drop)
}
