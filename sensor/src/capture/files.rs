//! Capture files: pcap and pcapng, compressed or not, one behind the other as one run. What a file is, its bytes tell.
//!
//! Files are opened one at a time, when their turn comes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tapwire_parsers::link::is_supported;

use super::batch::Batch;
use super::format::{Damage, Format};
use super::input::Input;
use super::origin::{CaptureFile, IDENTIFYING_BYTES, SourceId};
use super::{CaptureError, More, Source, compression};

/// Capture files that are read one behind the other.
pub struct Files {
    waiting: VecDeque<PathBuf>,
    open: Option<Open>,
    failed: Option<CaptureError>,
    /// The last packet's number.
    number: u64,
    progress: Arc<Progress>,
}

/// What is read so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes, as they are stored.
    pub bytes: AtomicU64,
    /// Packets.
    pub packets: AtomicU64,
    /// Files that were begun.
    pub files: AtomicUsize,
}

struct Open {
    format: Format,
    input: Input,
    file: Arc<CaptureFile>,
    compressed: bool,
    /// Some of its packets were of a link type that is read.
    useful: bool,
    left_out: LeftOut,
}

/// Packets of a link type that is not known.
#[derive(Default)]
struct LeftOut {
    packets: u64,
    /// Link type of the first of them, and where it stands.
    first: Option<(u32, u64)>,
}

impl Open {
    /// What is to be said of packets that were left out, when the file has ended.
    fn left_out(&mut self) -> Option<CaptureError> {
        let LeftOut { packets, first } = &self.left_out;
        let (link_type, offset) = (*first)?;
        let name = self.file.name.clone();
        Some(if self.useful {
            CaptureError::LeftOut { name, packets: *packets, link_type }
        } else {
            let what = format!("link type {link_type}");
            CaptureError::Unsupported { name, offset, uncompressed: self.compressed, what }
        })
    }
}

impl Files {
    /// Captures from files and, as `-`, the standard input. For folders there is [`Listing`](super::listing::Listing).
    pub fn new(paths: &[PathBuf]) -> Self {
        Self { waiting: paths.iter().cloned().collect(), open: None, failed: None, number: 0, progress: Arc::default() }
    }

    /// The same, telling of what is read.
    pub fn with_progress(self, progress: Arc<Progress>) -> Self {
        Self { progress, ..self }
    }

    /// Opens the next file; whether there is one.
    fn open_next(&mut self) -> Result<bool, CaptureError> {
        let Some(path) = self.waiting.pop_front() else { return Ok(false) };
        self.progress.files.fetch_add(1, Ordering::Relaxed);
        let name = if is_standard_input(&path) { "standard input".into() } else { path.display().to_string() };
        let unreadable = |cause| CaptureError::Unreadable { name: name.clone(), cause };
        let (mut input, compressed) = open_input(&path, &self.progress).map_err(unreadable)?;
        // Of what comes through a pipe no more is waited for than the first packet.
        let identifying = if is_standard_input(&path) { PIPE_IDENTIFYING_BYTES } else { IDENTIFYING_BYTES };
        let id = SourceId::of_capture(input.begin(identifying));
        let damage = match Format::open(&mut input) {
            Ok(Some(format)) => {
                let file = Arc::new(CaptureFile { name, id, packets_before: self.number });
                self.open = Some(Open { format, input, file, compressed, useful: false, left_out: LeftOut::default() });
                return Ok(true);
            }
            Ok(None) if matches!(input.view_some(1), Ok(&[])) => Damage::Cut,
            Ok(None) => Damage::Unsupported("a file that is neither pcap nor pcapng".into()),
            Err(damage) => damage,
        };
        Err(describe(damage, name, input.position(), compressed))
    }
}

/// Whether a file begins like a capture, compressed or not.
pub(super) fn is_capture(path: &Path) -> io::Result<bool> {
    let (mut input, _) = open_input(path, &Arc::default())?;
    Ok(!matches!(Format::open(&mut input), Ok(None)))
}

fn open_input(path: &Path, progress: &Arc<Progress>) -> io::Result<(Input, bool)> {
    let progress = Arc::clone(progress);
    let (reader, compressed) = if is_standard_input(path) {
        compression::open(Counted { reader: io::stdin(), progress })?
    } else {
        compression::open(Counted { reader: File::open(path)?, progress })?
    };
    Ok((Input::new(reader), compressed))
}

impl Source for Files {
    fn next_batch(&mut self, batch: &mut Batch) -> Result<More, CaptureError> {
        while self.failed.is_none() {
            if self.open.is_none() {
                match self.open_next() {
                    Ok(true) => {}
                    Ok(false) => return Ok(More::No),
                    Err(error) => self.failed = Some(error),
                }
            }
            let Some(open) = &mut self.open else { continue };
            batch.capture = Some(Arc::clone(&open.file));
            match fill(open, &mut self.number, batch) {
                Ok(Filled::Full) => return Ok(More::Yes),
                Ok(Filled::Ended) => {
                    self.failed = open.left_out();
                    self.open = None;
                    // A batch is of one file, which records name.
                    if !batch.frames.is_empty() {
                        return Ok(More::Yes);
                    }
                }
                Err(damage) => {
                    let (name, offset) = (open.file.name.clone(), open.input.position());
                    self.failed = Some(describe(damage, name, offset, open.compressed));
                    self.open = None;
                }
            }
        }
        match self.failed.take() {
            Some(error) if batch.frames.is_empty() => Err(error),
            error => {
                self.failed = error;
                Ok(More::Yes)
            }
        }
    }
}

enum Filled {
    /// The batch is.
    Full,
    /// The file has.
    Ended,
}

fn fill(open: &mut Open, number: &mut u64, batch: &mut Batch) -> Result<Filled, Damage> {
    while !batch.is_full() {
        let Some((arrival, data)) = open.format.next(&mut open.input)? else { return Ok(Filled::Ended) };
        *number += 1;
        if is_supported(arrival.link_type) {
            open.useful = true;
            batch.push(*number, arrival, data);
        } else {
            open.left_out.packets += 1;
            open.left_out.first.get_or_insert((arrival.link_type, open.input.position()));
        }
    }
    Ok(Filled::Full)
}

fn describe(damage: Damage, name: String, offset: u64, uncompressed: bool) -> CaptureError {
    match damage {
        Damage::Cut => CaptureError::CutOff { name, offset, uncompressed },
        Damage::Corrupt(what) => CaptureError::Corrupt { name, offset, uncompressed, what: what.into() },
        Damage::Unsupported(what) => CaptureError::Unsupported { name, offset, uncompressed, what },
        Damage::Failed(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            CaptureError::CutOff { name, offset, uncompressed }
        }
        // What does not come from the system comes from decompression.
        Damage::Failed(cause) if uncompressed && cause.raw_os_error().is_none() => {
            CaptureError::Corrupt { name, offset, uncompressed, what: format!("decompression fails: {cause}") }
        }
        Damage::Failed(cause) => CaptureError::Unreadable { name, cause },
    }
}

/// The head of a capture and that of its first packet.
const PIPE_IDENTIFYING_BYTES: usize = 64;

/// Whether a path stands for the standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Counts what is read, for whoever shows the progress.
struct Counted<R> {
    reader: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.progress.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
