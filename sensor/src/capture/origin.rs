//! Where the packets of a run come from.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Where packets come from, as records name it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The capture file.
    pub capture: Option<Arc<CaptureFile>>,
    /// It is one of several.
    pub several: bool,
    /// The interfaces, by their positions.
    pub interfaces: Vec<String>,
    /// What ids of its events begin with, where no file says so.
    pub id: SourceId,
}

/// A capture file whose packets are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureFile {
    /// Its name.
    pub name: String,
    /// What ids of its events begin with.
    pub id: SourceId,
    /// The number of the last packet before it.
    pub packets_before: u64,
}

/// What ids of events begin with: the same for a capture whenever it is read, another one for each time that a live sensor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId {
    kind: u8,
    octets: [u8; 8],
}

/// How much of a capture file its id is of: one that has grown gives the same records as before, and new ones.
pub const IDENTIFYING_BYTES: usize = 64 << 10;

impl Default for SourceId {
    fn default() -> Self {
        Self { kind: b'r', octets: [0; 8] }
    }
}

impl SourceId {
    /// That of a capture that begins so, without its compression.
    pub fn of_capture(begin: &[u8]) -> Self {
        let digest = Sha256::digest(begin);
        Self { kind: b'r', octets: digest.first_chunk().copied().unwrap_or_default() }
    }

    /// A new one for a sensor that begins to watch, by chance.
    pub fn of_start() -> Self {
        let mut octets = [0; 8];
        // Where the system has no randomness the time tells starts apart.
        if getrandom::fill(&mut octets).is_err() {
            octets = super::clock::now().0.to_be_bytes();
        }
        Self { kind: b'l', octets }
    }

    /// As text: `r` (replay) or `l` (live), and 16 digits.
    pub fn text(self) -> [u8; 17] {
        let mut text = [self.kind; 17];
        if let Some(digits) = text.last_chunk_mut::<16>() {
            HEXLOWER.encode_mut(&self.octets, digits);
        }
        text
    }
}
