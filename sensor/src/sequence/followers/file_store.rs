//! The store of files: steps of files from the workers to the [folder](crate::sinks::file_store) that keeps them.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Begun, Entry, Follower, Seen, Settings};
use crate::records::finding::{FileId, FileStep, Topic, What};
use crate::records::slot::{Value, filled};
use crate::sinks::file_store::FileStore;

pub(super) const FOLLOWER: Entry = Entry {
    counters: &["tapwire.file_store.stored", "tapwire.file_store.known", "tapwire.file_store.given_up"],
    begin,
};

fn begin(settings: &Settings, folder: &Path, _live: bool) -> Begun {
    Ok(settings.file_store.as_ref().map(|settings| -> Box<dyn Follower> {
        let store = FileStore::new(settings, folder);
        Box::new(Files { store, room: Vec::new() })
    }))
}

struct Files {
    store: FileStore,
    /// Room for the text of a record.
    room: Vec<u8>,
}

impl Follower for Files {
    fn wants(&self) -> Vec<Topic> {
        vec![Topic::Files]
    }

    fn finding(&mut self, seen: Seen<'_>) {
        let What::File(file, step) = &seen.finding.what else { return };
        match step {
            FileStep::Piece { at } => self.store.append(*file, *at, seen.text),
            FileStep::End { sha256, bytes, time } => self.store.finish(*file, sha256, *bytes, time.0 / 1_000_000),
            FileStep::GiveUp => self.store.give_up(*file),
            FileStep::Done(slot) => {
                let place = self.store.number(*file).map_or(Value::NotStored, Value::StoredAs);
                let record = filled(seen.text, slot.as_slice(), &mut self.room, |_| Some(place));
                self.store.settle(*file, Some(record).filter(|record| !record.is_empty()));
            }
        }
    }

    fn stored(&self, file: FileId) -> Option<u64> {
        self.store.number(file)
    }

    fn count(&self, counters: &mut BTreeMap<String, u64>) {
        let counts = self.store.counts();
        for (name, count) in [
            ("file_store.open_files", 0),
            ("file_store.fs_errors", counts.errors),
            ("file_store.open_files_max_hit", counts.open_max_hit),
            ("tapwire.file_store.stored", counts.stored),
            ("tapwire.file_store.known", counts.known),
            ("tapwire.file_store.given_up", counts.given_up),
        ] {
            counters.insert(name.to_owned(), count);
        }
    }

    fn take_failure(&mut self) -> Option<String> {
        self.store.take_failure()
    }
}
