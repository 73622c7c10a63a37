//! Capture files: pcap and pcapng, plain or compressed, told by their contents.
//!
//! Files are read in large blocks, which was measured to cost less than a memory map here; packets are found within the block.
//! What comes before damage is delivered, then the damage is named with its place.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tapwire_parsers::link::is_supported;

use super::batch::Batch;
use super::format::{PCAP_HEADER, Step, Walker};
use super::{CaptureError, Source};

/// Bytes that are asked for at once.
const READ_BYTES: usize = 1 << 20;

/// A capture file that is being read.
pub struct FileSource {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    walker: Walker,
    buffer: Vec<u8>,
    /// The part of the buffer that was not walked yet.
    start: usize,
    end: usize,
    /// Position of the buffer's start in the capture.
    base: u64,
    finished: bool,
    next_number: u64,
}

/// Whether a file begins like a capture, compressed or not.
pub fn is_capture(path: &Path) -> bool {
    FileSource::open(path, 1).is_ok()
}

/// The contents of a file, decompressed where its first bytes say so.
fn decompressed(mut input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(4);
    input.by_ref().take(4).read_to_end_bounded(&mut head)?;
    let whole = Box::new(io::Cursor::new(head.clone()).chain(input));
    Ok(match *head {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole)?),
        [0x04, 0x22, 0x4d, 0x18] => Box::new(lz4_flex::frame::FrameDecoder::new(whole)),
        _ => whole,
    })
}

/// Reading to the end of an input that was bounded before.
trait ReadBounded {
    fn read_to_end_bounded(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

impl<R: Read> ReadBounded for io::Take<R> {
    #[expect(clippy::disallowed_methods, reason = "the input was bounded by take")]
    fn read_to_end_bounded(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.read_to_end(out).map(drop)
    }
}

impl FileSource {
    /// Opens a file, or standard input for `-`; its packets are numbered from `first_number` on.
    pub fn open(path: &Path, first_number: u64) -> Result<Self, CaptureError> {
        let unreadable = |source| CaptureError::Unreadable { path: path.to_owned(), source };
        let input: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(unreadable)?)
        };
        let mut source = Self {
            path: path.to_owned(),
            input: decompressed(input).map_err(unreadable)?,
            walker: Walker::Pcapng { little: true, interfaces: Vec::new() },
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            base: 0,
            finished: false,
            next_number: first_number,
        };
        let read = source.more(PCAP_HEADER);
        let (walker, header) = match Walker::open(source.unread()) {
            Some(opened) => opened,
            None => {
                let magic = source.unread().first_chunk::<4>().copied();
                let begun = matches!(
                    magic,
                    Some(
                        [0xd4, 0xc3, 0xb2, 0xa1]
                            | [0x4d, 0x3c, 0xb2, 0xa1]
                            | [0xa1, 0xb2, 0xc3, 0xd4]
                            | [0xa1, 0xb2, 0x3c, 0x4d]
                    )
                );
                return Err(match read {
                    Err(error) if magic.is_none() => unreadable_or_damaged(path, error),
                    _ if begun => CaptureError::Cut { path: path.to_owned(), offset: source.unread().len() as u64 },
                    _ => CaptureError::NoCapture { path: path.to_owned() },
                });
            }
        };
        source.walker = walker;
        source.start += header;
        Ok(source)
    }

    /// The number that the next packet gets.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or(&[])
    }

    /// Reads until `wanted` unread bytes are there or the input ends.
    fn more(&mut self, wanted: usize) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted.next_multiple_of(READ_BYTES), 0);
        }
        while self.end < wanted && !self.finished {
            let Some(room) = self.buffer.get_mut(self.end..) else { break };
            match self.input.read(room) {
                // An lz4 reader says so at the end of each of several frames: only twice in a row is it the end.
                Ok(0) => match self.input.read(room) {
                    Ok(0) => self.finished = true,
                    Ok(count) => self.end += count,
                    Err(error) => {
                        self.finished = true;
                        return Err(error);
                    }
                },
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finished = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn corrupt(&self, what: &'static str) -> CaptureError {
        CaptureError::Corrupt { path: self.path.clone(), offset: self.base + self.start as u64, what }
    }
}

fn unreadable_or_damaged(path: &Path, error: io::Error) -> CaptureError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CaptureError::Cut { path: path.to_owned(), offset: 0 },
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            CaptureError::Corrupt { path: path.to_owned(), offset: 0, what: "its compression is damaged" }
        }
        _ => CaptureError::Unreadable { path: path.to_owned(), source: error },
    }
}

impl Source for FileSource {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        while !batch.is_full() {
            let unread = self.buffer.get(self.start..self.end).unwrap_or(&[]);
            match self.walker.next(unread) {
                Step::Packet { time, link_type, wire_len, data, size } => {
                    if !is_supported(link_type) {
                        let offset = self.base + self.start as u64;
                        return Err(CaptureError::Unsupported {
                            path: self.path.clone(),
                            offset,
                            what: format!("link type {link_type}"),
                        });
                    }
                    batch.push(self.next_number, time, link_type, wire_len, data);
                    self.next_number += 1;
                    self.start += size;
                }
                Step::Other { size } => self.start += size,
                Step::Wrong(what) => return Err(self.corrupt(what)),
                Step::Need(_) if self.finished && self.start == self.end => return Ok(false),
                Step::Need(_) if self.finished => {
                    return Err(CaptureError::Cut { path: self.path.clone(), offset: self.base + self.end as u64 });
                }
                Step::Need(wanted) => match self.more(wanted) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(CaptureError::Cut { path: self.path.clone(), offset: self.base + self.end as u64 });
                    }
                    Err(_) => return Err(self.corrupt("its compression is damaged")),
                },
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pcap(packets: usize) -> Vec<u8> {
        let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        out.extend([0; 8]);
        out.extend(65_535_u32.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        for n in 0..u32::try_from(packets).unwrap() {
            for word in [n, 7, 3, 60] {
                out.extend(word.to_le_bytes());
            }
            out.extend([1, 2, 3]);
        }
        out
    }

    fn read(bytes: &[u8]) -> (usize, Result<(), CaptureError>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut source = match FileSource::open(file.path(), 1) {
            Ok(source) => source,
            Err(error) => return (0, Err(error)),
        };
        let (mut batch, mut count) = (Batch::default(), 0);
        loop {
            let more = source.fill(&mut batch);
            count += batch.frames.len();
            batch.clear();
            match more {
                Ok(true) => {}
                Ok(false) => return (count, Ok(())),
                Err(error) => return (count, Err(error)),
            }
        }
    }

    #[test]
    fn every_compression_gives_the_same_packets() {
        let plain = pcap(2_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&plain).unwrap();
        let halves: Vec<u8> = plain
            .chunks(plain.len() / 2 + 7)
            .flat_map(|half| {
                let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
                frame.write_all(half).unwrap();
                frame.finish().unwrap()
            })
            .collect();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        let all = [gzip.finish().unwrap(), zstd, lz4.finish().unwrap(), halves, plain];
        for bytes in all {
            let (count, end) = read(&bytes);
            assert_eq!(count, 2_000);
            end.unwrap();
        }
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_was_whole() {
        let plain = pcap(3);
        for length in 0..plain.len() {
            let (count, end) = read(&plain[..length]);
            let whole = length.saturating_sub(24) / 19;
            assert_eq!(count, whole, "{length}");
            let border = length >= 24 && (length - 24).is_multiple_of(19);
            match end {
                Ok(()) => assert!(border, "{length}"),
                Err(CaptureError::Cut { .. }) => assert!(length >= 4 && !border, "{length}"),
                Err(CaptureError::NoCapture { .. }) => assert!(length < 4),
                Err(other) => panic!("{length}: {other}"),
            }
        }
    }

    #[test]
    fn an_impossible_length_is_damage() {
        let mut bytes = pcap(2);
        bytes[24 + 19 + 8..24 + 19 + 12].fill(0xff);
        let (count, end) = read(&bytes);
        assert_eq!(count, 1);
        assert!(matches!(end, Err(CaptureError::Corrupt { offset: 43, .. })));
    }
}
