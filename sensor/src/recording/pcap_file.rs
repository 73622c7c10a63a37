//! A capture file of the classic kind as it is written: plain, or compressed in one frame of lz4 or zstd.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use lz4_flex::frame::{FrameEncoder, FrameInfo};

use super::packet::Captured;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Frames of lz4, with a checksum of all that is in one or not.
    Lz4 {
        /// Whether there is one.
        checksum: bool,
    },
    /// Frames of zstd of a level.
    Zstd {
        /// The level.
        level: i32,
    },
}

impl Compression {
    /// What the names of such files end with.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Lz4 { .. } => ".lz4",
            Compression::Zstd { .. } => ".zst",
        }
    }
}

/// A capture file that grows.
pub struct PcapFile(Out);

enum Out {
    Plain(Counted),
    Lz4(Box<FrameEncoder<Counted>>),
    Zstd(Box<zstd::Encoder<'static, Counted>>),
}

/// A file that knows how long it is.
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Bytes that one packet may have here.
const SNAP_LEN: u32 = 262_144;
/// Times are in microseconds, in the byte order of small machines.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Bytes before those of each packet.
pub const PACKET_HEADER_BYTES: u64 = 16;

impl PcapFile {
    /// Begins an empty one.
    pub fn begin(file: File, compression: Compression, link_type: u32) -> io::Result<Self> {
        let counted = Counted { file: BufWriter::with_capacity(1 << 16, file), bytes: 0 };
        let mut out = Self(match compression {
            Compression::None => Out::Plain(counted),
            Compression::Lz4 { checksum } => {
                Out::Lz4(Box::new(FrameEncoder::with_frame_info(FrameInfo::new().content_checksum(checksum), counted)))
            }
            Compression::Zstd { level } => Out::Zstd(Box::new(zstd::Encoder::new(counted, level)?)),
        });
        let out_of = out.out();
        out_of.write_all(&MAGIC.to_le_bytes())?;
        for half in [2u16, 4] {
            out_of.write_all(&half.to_le_bytes())?;
        }
        for word in [0, 0, SNAP_LEN, link_type] {
            out_of.write_all(&word.to_le_bytes())?;
        }
        Ok(out)
    }

    /// Appends a packet.
    pub fn write(&mut self, packet: &Captured, data: &[u8]) -> io::Result<()> {
        let mut header = [0; 16];
        let seconds = u32::try_from(packet.time.0 / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(packet.time.0 % 1_000_000).unwrap_or(0);
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        for (place, word) in header.as_chunks_mut::<4>().0.iter_mut().zip([seconds, micros, len, packet.wire_len]) {
            *place = word.to_le_bytes();
        }
        let out = self.out();
        out.write_all(&header)?;
        out.write_all(data)
    }

    /// Bytes that went to the file so far; what a compressor holds does not count.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Out::Plain(counted) => counted.bytes,
            Out::Lz4(encoder) => encoder.get_ref().bytes,
            Out::Zstd(encoder) => encoder.get_ref().bytes,
        }
    }

    /// Makes what was written readable.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out().flush()
    }

    /// Ends it.
    pub fn finish(self) -> io::Result<()> {
        let mut counted = match self.0 {
            Out::Plain(counted) => counted,
            Out::Lz4(encoder) => encoder.finish().map_err(io::Error::other)?,
            Out::Zstd(encoder) => encoder.finish()?,
        };
        counted.flush()
    }

    fn out(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Out::Plain(counted) => counted,
            Out::Lz4(encoder) => encoder,
            Out::Zstd(encoder) => encoder,
        }
    }
}
