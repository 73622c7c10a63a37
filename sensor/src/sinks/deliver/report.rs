//! How a sink is doing: kept by its thread, written beside the log once a second, read by `tapwire outputs status`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::times::Times;
use crate::sinks::log::cursor::Position;
use crate::sinks::open;
use crate::sinks::plain::read_plain;

/// The folder beside the log.
const FOLDER: &str = "outputs";
/// Bytes of a report.
const LIMIT: u64 = 64 << 10;

/// How a sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Where it goes, in words.
    pub to: String,
    /// Records that its receiver has.
    pub delivered: u64,
    /// Bytes of those.
    pub delivered_bytes: u64,
    /// Records that its filter kept back, or that its encoding has no form for.
    pub left_out: u64,
    /// Records that were too long for it, and lack something.
    pub cut: u64,
    /// Values that did not fit their column, and are only in the records beside them.
    pub misfits: u64,
    /// Records that were refused, and are dead letters.
    pub refused: u64,
    /// Records that were gone before it read them, as far as they were counted.
    pub missed: u64,
    /// How often something was missing.
    pub gaps: u64,
    /// Batches that were sent again, as a whole or in part.
    pub retries: u64,
    /// How far it has read.
    pub position: Position,
    /// When something was delivered last, in microseconds since 1970.
    pub last_delivery_us: u64,
    /// Since when it cannot deliver; 0 where it can.
    pub away_since_us: u64,
    /// What was wrong last, and when.
    pub last_error: String,
    /// In microseconds since 1970.
    pub last_error_us: u64,
    /// How long requests took.
    pub request_times: Times,
    /// How long after they were decided, or happened where they do not say that, records were acknowledged.
    pub acknowledgement_times: Times,
}

impl Report {
    /// Writes it beside a log.
    pub fn write(&self, log: &Path) -> io::Result<()> {
        open::put_in_place(&path(log, &self.name), &serde_json::to_vec(self).map_err(io::Error::other)?)
    }

    /// Reads the one of a sink; nothing where it never ran.
    pub fn read(log: &Path, name: &str) -> io::Result<Option<Self>> {
        match read_plain(&path(log, name), LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
        }
    }
}

fn path(log: &Path, name: &str) -> PathBuf {
    log.join(FOLDER).join(format!("{name}.json"))
}
