//! What goes to folders instead of records: files and certificates that rules keep.

use std::collections::BTreeMap;
use std::path::Path;

use tapwire_parsers::link::Timestamp;

use super::with;
use crate::config::Configuration;
use crate::records::batch::{FileId, FileStep};
use crate::records::fileinfo::{NOT_STORED, STORED};
use crate::sinks::certificates::Certificates;
use crate::sinks::file_store::FileStore;

/// The stores that a configuration has.
pub(super) struct Stores {
    files: Option<FileStore>,
    /// Records are put beside stored files.
    records_beside: bool,
    certificates: Option<Certificates>,
}

impl Stores {
    /// The stores of a configuration below a folder.
    pub(super) fn new(configuration: &Configuration, folder: &Path) -> Self {
        let limits = configuration.store_limits;
        let files = configuration.file_store.as_ref();
        let certificates = configuration.certificate_store.as_ref();
        Self {
            records_beside: files.is_some_and(|settings| settings.records_beside),
            files: files.map(|settings| FileStore::new(settings, limits, folder)),
            certificates: certificates.map(|settings| Certificates::new(settings, limits, folder)),
        }
    }

    /// Takes a step of a file; if it is a record, how that reads.
    pub(super) fn file(&mut self, file: FileId, step: &FileStep, text: &[u8]) -> Option<Vec<u8>> {
        let store = self.files.as_mut()?;
        match step {
            FileStep::Piece { at } => store.append(file, *at, text),
            FileStep::End { sha256, bytes, time } => store.finish(file, sha256, *bytes, time.0 / 1_000_000),
            FileStep::GiveUp => store.give_up(file),
            FileStep::Record => return Some(numbered(text, store.number(file))),
            FileStep::Done => {
                let record = self.records_beside.then(|| numbered(text, store.number(file)));
                store.settle(file, record.as_deref());
            }
        }
        None
    }

    /// Stores certificates: a chain of so many bytes, and what is known of it.
    pub(super) fn certificates(&mut self, time: Timestamp, chain: usize, text: &[u8]) {
        if let (Some(store), Some((chain, about))) = (&mut self.certificates, text.split_at_checked(chain)) {
            store.store(time, chain, about);
        }
    }

    /// What went wrong first in each, once.
    pub(super) fn take_failures(&mut self) -> impl Iterator<Item = String> {
        let files = self.files.as_mut().and_then(FileStore::take_failure);
        files.into_iter().chain(self.certificates.as_mut().and_then(Certificates::take_failure))
    }

    /// Adds what they counted.
    pub(super) fn count(&self, counters: &mut BTreeMap<String, u64>) {
        let files = self.files.as_ref().map(FileStore::counts);
        if files.is_some() {
            counters.insert("file_store.open_files".into(), 0);
        }
        let own = files.unwrap_or_default();
        let (stored, refused, errors) =
            self.certificates.as_ref().map_or((0, 0, 0), |store| (store.stored, store.refused, store.errors));
        for (name, count) in [
            ("file_store.fs_errors", files.map(|counts| counts.errors)),
            ("file_store.open_files_max_hit", files.map(|counts| counts.open_max_hit)),
            ("tapwire.file_store.stored", Some(own.stored)),
            ("tapwire.file_store.known", Some(own.known)),
            ("tapwire.file_store.given_up", Some(own.given_up)),
            ("tapwire.tls_store.stored", Some(stored)),
            ("tapwire.tls_store.refused", Some(refused)),
            ("tapwire.tls_store.fs_errors", Some(errors)),
        ] {
            counters.extend(count.map(|count| (name.to_owned(), count)));
        }
    }
}

/// A record of a file with the number of that in the store, or that it is not there.
fn numbered(record: &[u8], number: Option<u64>) -> Vec<u8> {
    match number {
        Some(number) => with(record, STORED, format!(r#""stored":true,"file_id":{number}"#).as_bytes()),
        None => with(record, STORED, NOT_STORED),
    }
}
