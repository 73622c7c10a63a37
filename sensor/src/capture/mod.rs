//! Where packets come from, and how they reach the workers.
//!
//! A [`Source`] fills batches: [`file`] from capture files, [`live`] from an interface. Batches travel over lock-free [`ring`]s; nothing
//! here looks into a packet.

pub mod batch;
pub mod file;
mod format;
pub mod live;
pub mod ring;

use std::io;
use std::path::{Path, PathBuf};

use batch::Batch;

/// Why packets stopped coming.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file or folder that cannot be read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no capture.
    #[error("{}: is no capture file; pcap and pcapng are read, plain or as .gz, .zst or .lz4", path.display())]
    NoCapture {
        /// The path.
        path: PathBuf,
    },
    /// A file that ends within a packet.
    #[error("{}: is cut off at byte {offset}; the packets before were processed", path.display())]
    Cut {
        /// The path.
        path: PathBuf,
        /// Position in the capture, after decompression.
        offset: u64,
    },
    /// A file with something in it that cannot be.
    #[error("{}: is damaged at byte {offset}: {what}; the packets before were processed", path.display())]
    Corrupt {
        /// The path.
        path: PathBuf,
        /// Position in the capture, after decompression.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A file that cannot be read for what it holds.
    #[error("{}: at byte {offset}: {what} is not supported", path.display())]
    Unsupported {
        /// The path.
        path: PathBuf,
        /// Position in the capture, after decompression.
        offset: u64,
        /// What it is.
        what: String,
    },
    /// An interface that cannot be watched.
    #[error("{name}: {what}; check the interface's name and that you may capture (CAP_NET_RAW)")]
    Device {
        /// The interface.
        name: String,
        /// Why.
        what: String,
    },
}

impl CaptureError {
    /// The exit status of a run that ends with it.
    pub fn exit_status(&self) -> u8 {
        match self {
            CaptureError::Unreadable { .. } | CaptureError::NoCapture { .. } | CaptureError::Device { .. } => 1,
            CaptureError::Cut { .. } => 3,
            CaptureError::Corrupt { .. } => 4,
            CaptureError::Unsupported { .. } => 5,
        }
    }
}

/// Gives packets.
pub trait Source {
    /// Appends packets until the batch is full; false at the end. Packets read before an error stay in the batch.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, CaptureError>;
}

/// Folders become the captures in them, sorted by name; a file stands for itself, `-` for standard input.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CaptureError> {
    let mut all = Vec::new();
    for path in paths {
        if path.as_os_str() != "-" && path.is_dir() {
            let before = all.len();
            walk(path, &mut all)?;
            if all.len() == before {
                return Err(CaptureError::NoCapture { path: path.clone() });
            }
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// Folders deeper than this are left alone.
const DEPTH_LIMIT: usize = 16;

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CaptureError> {
    fn inner(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            // A link to a folder may lead in a circle, and reading a pipe may never end.
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                if depth < DEPTH_LIMIT {
                    inner(&path, depth + 1, found)?;
                }
            } else if path.is_file() && file::is_capture(&path) {
                found.push(path);
            }
        }
        Ok(())
    }
    inner(folder, 0, found).map_err(|source| CaptureError::Unreadable { path: folder.to_owned(), source })
}
