//! Content encodings: gzip, deflate (zlib or raw), br, zstd and lzma, in layers.
//!
//! Data that does not decode passes as it is, so that a wrong label hides nothing. What comes out is bounded by a ratio to what went
//! in, and by the work that one body may cost.

use std::io::Write;

use flate2::{Decompress, FlushDecompress, Status};
use lzma_rs::decompress::{Options, Stream};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::brotli::Brotli;
use super::headers::trim;
use crate::protocol::held;

/// What went wrong while decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) failed: bool,
    /// Too much came out of too little.
    pub(crate) bomb: bool,
    /// More came out than there is work for.
    pub(crate) work: bool,
    pub(crate) lzma_memory: bool,
}

/// What decoding a body may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Encodings that are undone.
    pub(crate) layers: usize,
    /// Bytes from which on a body can be a bomb.
    pub(crate) bomb_bytes: u64,
    /// Bytes that may come out of all layers, unless more went in.
    pub(crate) work_bytes: u64,
    /// Whether lzma is undone.
    pub(crate) lzma: bool,
    /// Greatest dictionary of lzma.
    pub(crate) lzma_memory_bytes: u64,
}

/// Layers of encodings, the outermost first.
pub(crate) struct Decoder {
    layers: Vec<Layer>,
    budget: Budget,
    taken: u64,
    /// Bytes that came out of all layers.
    given: u64,
    stopped: bool,
}

struct Layer {
    kind: Kind,
    /// Input before the first output, to be passed on if it never decodes.
    held: Vec<u8>,
    produced: bool,
}

enum Kind {
    /// The first two bytes tell what it is.
    Unsure,
    /// In the header of a gzip member.
    Header(GzipHeader),
    Inflate {
        inflate: Box<Decompress>,
        gzip: bool,
    },
    /// After the data of a gzip member: bytes of its end that are left, then the next member or nothing.
    Trailer(usize),
    /// Nothing came yet, and it has no decoder.
    Late(Late),
    Brotli(Box<Brotli>),
    LzmaHead {
        memory_bytes: u64,
    },
    Lzma {
        stream: Box<Stream<Vec<u8>>>,
        /// What its table of probabilities holds, and its dictionary may.
        tables_bytes: usize,
        memory_bytes: u64,
    },
    Zstd(DCtx<'static>),
    Pass,
    Done,
}

/// A decoder that is made when the first bytes for it are there.
#[derive(Clone, Copy)]
enum Late {
    Brotli,
    Zstd,
}

/// Input held for a layer that has not produced anything.
const HELD_BYTES: usize = 64 * 1024;
/// Times that a body may grow before it counts as a bomb.
const BOMB_RATIO: u64 = 2048;
/// Times that a body may grow before its output counts against the budget of work.
const WORK_RATIO: u64 = 8;
/// Logarithm of the largest window of zstd.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Check and length at the end of a gzip member.
const GZIP_TRAILER_BYTES: usize = 8;
/// What a decoder of deflate holds, most of it its window.
const INFLATE_BYTES: usize = 48 << 10;
/// What one of zstd holds before anything comes out.
const ZSTD_BYTES: usize = 112 << 10;
/// What one of lzma holds besides its dictionary and its table of literals.
const LZMA_BYTES: usize = 8 << 10;
/// Probabilities of each context of literals in lzma.
const LZMA_LITERALS: usize = 0x300;
/// Header of an lzma stream.
const LZMA_HEADER_BYTES: usize = 13;

impl Decoder {
    /// Layers for a `Content-Encoding`; whether there were too many, and whether one is unknown.
    pub(crate) fn new(value: &[u8], budget: Budget) -> (Self, bool, bool) {
        let (mut layers, mut many, mut unknown) = (Vec::new(), false, false);
        for token in value.split(|&b| b == b',').rev() {
            let token: Vec<u8> = trim(token).iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).collect();
            let has = |word: &[u8]| memchr::memmem::find(&token, word).is_some();
            let kind = if has(b"gzip") || has(b"deflate") {
                // Browsers take what they find for either.
                Kind::Unsure
            } else if token == b"br" {
                Kind::Late(Late::Brotli)
            } else if token == b"zstd" {
                Kind::Late(Late::Zstd)
            } else if token == b"lzma" && budget.lzma {
                Kind::LzmaHead { memory_bytes: budget.lzma_memory_bytes }
            } else {
                unknown |= !token.is_empty() && token != b"identity" && token != b"inflate";
                continue;
            };
            if layers.len() >= budget.layers.max(1) {
                many = true;
                break;
            }
            layers.push(Layer { kind, held: Vec::new(), produced: false });
        }
        (Self { layers, budget, taken: 0, given: 0, stopped: false }, many, unknown)
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(|layer| layer.held_bytes(self.given)).sum();
        held::list(&self.layers) + layers
    }

    /// Decodes a piece; `last` when nothing more comes.
    pub(crate) fn push(&mut self, data: &[u8], last: bool, faults: &mut Faults) -> Vec<u8> {
        self.taken = self.taken.saturating_add(data.len() as u64);
        if self.stopped {
            return Vec::new();
        }
        let mut data = data.to_vec();
        let bomb = self.budget.bomb_bytes.max(self.taken.saturating_mul(BOMB_RATIO));
        let work = self.budget.work_bytes.max(self.taken.saturating_mul(WORK_RATIO));
        for layer in &mut self.layers {
            let room = bomb.min(work).saturating_sub(self.given);
            let mut out = Vec::new();
            let mut over = false;
            layer.push(&data, room, &mut out, &mut over, faults);
            if last && !layer.produced {
                out.append(&mut layer.held);
            }
            if over {
                *(if bomb <= work { &mut faults.bomb } else { &mut faults.work }) = true;
                self.stopped = true;
            }
            self.given = self.given.saturating_add(out.len() as u64);
            data = out;
        }
        data
    }
}

impl Layer {
    /// Bytes that it holds. Windows are counted as far as they were written to: memory that nobody touched is not there.
    fn held_bytes(&self, given: u64) -> usize {
        let written = usize::try_from(given).unwrap_or(usize::MAX);
        let kind = match &self.kind {
            Kind::Inflate { .. } => INFLATE_BYTES,
            Kind::Brotli(brotli) => held::boxed::<Brotli>(brotli.held_bytes()),
            Kind::Lzma { tables_bytes, memory_bytes, .. } => {
                let dictionary = written.min(usize::try_from(*memory_bytes).unwrap_or(usize::MAX));
                held::boxed::<Stream<Vec<u8>>>(LZMA_BYTES + tables_bytes + 2 * dictionary)
            }
            Kind::Zstd(decoder) => decoder.sizeof().min(ZSTD_BYTES.saturating_add(written)),
            _ => 0,
        };
        kind + held::list(&self.held)
    }

    fn push(&mut self, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool, faults: &mut Faults) {
        if matches!(self.kind, Kind::Pass) {
            out.extend_from_slice(data);
            return;
        }
        if !self.produced {
            self.held.extend_from_slice(data);
        }
        let mut rest = data;
        while let Some((used, sound)) = self.step(rest, room, out, over, faults) {
            rest = rest.get(used..).unwrap_or_default();
            self.produced |= !out.is_empty();
            if *over {
                return;
            }
            if !sound {
                faults.failed = true;
                self.pass(rest, out);
                return;
            }
        }
        if self.produced {
            self.held = Vec::new();
        } else if self.held.len() > HELD_BYTES {
            // So much without a result: it is what it is.
            faults.failed = true;
            self.pass(b"", out);
        }
    }

    /// Gives up: what was held or is left passes as it is.
    fn pass(&mut self, rest: &[u8], out: &mut Vec<u8>) {
        self.kind = Kind::Pass;
        if self.produced {
            out.extend_from_slice(rest);
        } else {
            out.append(&mut self.held);
            self.produced = true;
        }
    }

    /// One step: the bytes that were used and whether they were sound; `None` when it needs more.
    fn step(
        &mut self,
        data: &[u8],
        room: u64,
        out: &mut Vec<u8>,
        over: &mut bool,
        faults: &mut Faults,
    ) -> Option<(usize, bool)> {
        let inflate = |zlib, gzip| Kind::Inflate { inflate: Box::new(Decompress::new(zlib)), gzip };
        match &mut self.kind {
            Kind::Done => None,
            _ if data.is_empty() => None,
            Kind::Pass => {
                out.extend_from_slice(data);
                Some((data.len(), true))
            }
            Kind::Unsure => {
                let (&first, &second) = (self.held.first()?, self.held.get(1)?);
                // All that came is held, so that the decoder starts with the first byte of it.
                let input = self.held.clone();
                let zlib = first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
                self.kind = if (first, second) == (0x1f, 0x8b) {
                    Kind::Header(GzipHeader::default())
                } else {
                    inflate(zlib, false)
                };
                let mut used = 0;
                while let Some((more, sound)) = self.step(input.get(used..)?, room, out, over, faults) {
                    used += more;
                    if !sound || *over {
                        return Some((data.len(), sound));
                    }
                }
                Some((data.len(), true))
            }
            Kind::Header(header) => {
                let used = header.skip(data);
                if header.is_over() {
                    self.kind = inflate(false, true);
                }
                Some((used, true))
            }
            Kind::Inflate { inflate, gzip } => {
                let (used, end, sound) = run_inflate(inflate, data, room, out, over);
                if end {
                    self.kind = if *gzip { Kind::Trailer(GZIP_TRAILER_BYTES) } else { Kind::Done };
                }
                Some((used, sound))
            }
            Kind::Trailer(0) => {
                self.kind = if data.first() == Some(&0x1f) { Kind::Header(GzipHeader::default()) } else { Kind::Done };
                Some((0, true))
            }
            Kind::Trailer(left) => {
                let used = data.len().min(*left);
                *left -= used;
                Some((used, true))
            }
            Kind::Late(late) => {
                self.kind = match late {
                    Late::Brotli => Kind::Brotli(Box::new(Brotli::new())),
                    Late::Zstd => zstd_decoder().map_or(Kind::Pass, Kind::Zstd),
                };
                Some((0, true))
            }
            Kind::Brotli(brotli) => Some((data.len(), brotli.push(data, room, out, over))),
            Kind::LzmaHead { memory_bytes } => {
                let head = self.held.get(..LZMA_HEADER_BYTES)?;
                let dictionary = head.get(1..5).and_then(|d| d.try_into().ok()).map_or(0, u32::from_le_bytes);
                if u64::from(dictionary) > *memory_bytes {
                    faults.lzma_memory = true;
                    self.pass(b"", out);
                    return Some((data.len(), true));
                }
                let options = Options {
                    memlimit: usize::try_from(*memory_bytes).ok(),
                    allow_incomplete: true,
                    ..Options::default()
                };
                let (memory_bytes, tables_bytes) = (*memory_bytes, lzma_tables_bytes(head));
                let mut stream = Box::new(Stream::new_with_options(&options, Vec::new()));
                let sound = write_lzma(&mut stream, &self.held, room, out, over);
                self.kind = Kind::Lzma { stream, tables_bytes, memory_bytes };
                Some((data.len(), sound))
            }
            Kind::Lzma { stream, .. } => Some((data.len(), write_lzma(stream, data, room, out, over))),
            Kind::Zstd(decoder) => Some(run_zstd(decoder, data, room, out, over)),
        }
    }
}

/// A decoder of zstd with the window that RFC 9659 allows.
fn zstd_decoder() -> Option<DCtx<'static>> {
    let mut decoder = DCtx::try_create()?;
    decoder.init().ok()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).ok()?;
    Some(decoder)
}

/// The table of an lzma stream, whose first octet says how many contexts literals have.
fn lzma_tables_bytes(head: &[u8]) -> usize {
    let properties = head.first().copied().unwrap_or(0);
    let (context, position) = (properties % 9, properties / 9 % 5);
    (LZMA_LITERALS * size_of::<u16>()) << (context + position)
}

/// Decodes a piece of zstd; how much of it was used, and whether it is sound.
fn run_zstd(decoder: &mut DCtx<'static>, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool) -> (usize, bool) {
    let mut buffer = [0; 16 * 1024];
    let (mut used, mut given) = (0, 0);
    loop {
        let rest = data.get(used..).unwrap_or(&[]);
        let (mut input, mut output) = (InBuffer::around(rest), OutBuffer::around(&mut buffer[..]));
        if decoder.decompress_stream(&mut output, &mut input).is_err() {
            return (data.len(), false);
        }
        let (read, written) = (input.pos(), output.pos());
        used += read;
        given += written as u64;
        out.extend_from_slice(buffer.get(..written).unwrap_or(&[]));
        if given > room {
            *over = true;
            return (data.len(), true);
        }
        // Nothing more comes out, or nothing more can go in.
        if written < buffer.len() && (used >= data.len() || read == 0) {
            return (data.len(), true);
        }
    }
}

/// The header of a gzip member (RFC 1952, section 2.3), byte by byte.
#[derive(Clone, Copy, Debug, Default)]
struct GzipHeader {
    flags: u8,
    part: Part,
    /// Bytes of the part that came.
    count: usize,
    /// Length of the extra field.
    extra: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Fixed,
    Extra,
    Name,
    Comment,
    Check,
    Over,
}

impl GzipHeader {
    fn is_over(&self) -> bool {
        self.part == Part::Over
    }

    /// Takes bytes of the header and returns how many they were.
    fn skip(&mut self, data: &[u8]) -> usize {
        let mut used = 0;
        for &byte in data {
            if self.part == Part::Over {
                break;
            }
            used += 1;
            self.byte(byte);
        }
        used
    }

    fn byte(&mut self, byte: u8) {
        self.count += 1;
        let done = match self.part {
            Part::Fixed => {
                if self.count == 4 {
                    self.flags = byte;
                }
                self.count == 10
            }
            Part::Extra => {
                match self.count {
                    1 => self.extra = usize::from(byte),
                    2 => self.extra += usize::from(byte) << 8,
                    _ => {}
                }
                self.count >= 2 && self.count == self.extra + 2
            }
            Part::Name | Part::Comment => byte == 0,
            Part::Check => self.count == 2,
            Part::Over => false,
        };
        while done && self.part != Part::Over {
            let (next, flag) = match self.part {
                Part::Fixed => (Part::Extra, 4),
                Part::Extra => (Part::Name, 8),
                Part::Name => (Part::Comment, 16),
                Part::Comment => (Part::Check, 2),
                Part::Check | Part::Over => (Part::Over, 0),
            };
            (self.part, self.count) = (next, 0);
            if self.flags & flag != 0 {
                break;
            }
        }
    }
}

/// Inflates a piece: the bytes used, whether the stream ended, and whether it was sound.
fn run_inflate(
    inflate: &mut Decompress,
    data: &[u8],
    room: u64,
    out: &mut Vec<u8>,
    over: &mut bool,
) -> (usize, bool, bool) {
    let (mut at, mut buffer) = (0, [0u8; 8192]);
    loop {
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(data.get(at..).unwrap_or_default(), &mut buffer, FlushDecompress::None);
        let made = usize::try_from(inflate.total_out() - given).unwrap_or(0);
        out.extend_from_slice(buffer.get(..made).unwrap_or_default());
        let used = usize::try_from(inflate.total_in() - taken).unwrap_or(0);
        at += used;
        if out.len() as u64 > room {
            *over = true;
            return (at, false, true);
        }
        match status {
            Ok(Status::StreamEnd) => return (at, true, true),
            Err(_) => return (at, false, false),
            Ok(_) if made == 0 && (at >= data.len() || used == 0) => return (data.len(), false, true),
            Ok(_) => {}
        }
    }
}

fn write_lzma(stream: &mut Stream<Vec<u8>>, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool) -> bool {
    let sound = write_all(stream, data, room, over, |s| s.get_output().map_or(0, Vec::len));
    if let Some(made) = stream.get_output_mut() {
        out.append(made);
    }
    sound
}

/// Writes piece by piece, so that a bomb is noticed early; whether the data was sound.
fn write_all<W: Write>(writer: &mut W, data: &[u8], room: u64, over: &mut bool, made: impl Fn(&W) -> usize) -> bool {
    for piece in data.chunks(256) {
        if writer.write_all(piece).is_err() {
            return false;
        }
        if made(writer) as u64 > room {
            *over = true;
            return true;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    const BUDGET: Budget =
        Budget { layers: 2, bomb_bytes: 1 << 20, work_bytes: 4 << 20, lzma: true, lzma_memory_bytes: 1 << 20 };

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(data).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn members_follow_each_other_and_headers_may_be_long() {
        let mut named = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 0, 3, 0, 1, 2, 3];
        named.extend([b'n'; 500]);
        named.extend(b"\0comment\0xx");
        named.extend_from_slice(&gzip(b"one ")[10..]);
        let data = [named, gzip(b"two")].concat();
        for cut in [1, 3, 1000] {
            let (mut decoder, mut faults) = (Decoder::new(b"gzip", BUDGET).0, Faults::default());
            let out: Vec<u8> = data.chunks(cut).flat_map(|piece| decoder.push(piece, false, &mut faults)).collect();
            assert_eq!((out.as_slice(), faults), (&b"one two"[..], Faults::default()));
        }
    }

    #[test]
    fn zstd_is_read_in_any_pieces_and_bounded() {
        let frames = [zstd::encode_all(&b"one "[..], 3).unwrap(), zstd::encode_all(&b"two"[..], 3).unwrap()].concat();
        for cut in [1, 7, 1000] {
            let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET).0, Faults::default());
            let out: Vec<u8> = frames.chunks(cut).flat_map(|piece| decoder.push(piece, false, &mut faults)).collect();
            assert_eq!((out.as_slice(), faults), (&b"one two"[..], Faults::default()));
        }
        let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 3).unwrap();
        let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET).0, Faults::default());
        let out: usize = bomb.chunks(100).map(|piece| decoder.push(piece, false, &mut faults).len()).sum();
        assert!(out <= (1 << 20) + (32 << 10) && faults.bomb, "{out} {faults:?}");
        let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET).0, Faults::default());
        assert_eq!(decoder.push(b"no zstd at all", true, &mut faults), b"no zstd at all");
    }

    #[test]
    fn bombs_are_stopped_by_ratio_and_by_work() {
        let once = gzip(&vec![0; 8 << 20]);
        let twice = gzip(&once);
        for (encoding, data, budget, bomb, work) in [
            ("gzip", &once, BUDGET, false, true),
            ("gzip", &once, Budget { work_bytes: u64::MAX, ..BUDGET }, false, false),
            ("gzip, gzip", &twice, Budget { work_bytes: u64::MAX, ..BUDGET }, true, false),
        ] {
            let (mut decoder, mut faults) = (Decoder::new(encoding.as_bytes(), budget).0, Faults::default());
            let out: usize = data.chunks(1000).map(|piece| decoder.push(piece, false, &mut faults).len()).sum();
            assert_eq!((faults.bomb, faults.work), (bomb, work), "{out}");
        }
    }

    #[test]
    fn a_great_lzma_dictionary_is_refused() {
        let data = [0x5d, 0, 0, 0, 0x40, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0];
        let (mut decoder, mut faults) = (Decoder::new(b"lzma", BUDGET).0, Faults::default());
        assert_eq!(decoder.push(&data, false, &mut faults), data);
        assert!(faults.lzma_memory);
    }

    #[test]
    fn each_encoding_decodes_byte_by_byte() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"hello hello").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(b"hello hello").unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"hello hello").unwrap();
        for (name, data) in [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("gzip", b"hello hello".to_vec()),
        ] {
            let (mut decoder, _, _) = Decoder::new(name.as_bytes(), BUDGET);
            let mut out: Vec<u8> =
                data.iter().flat_map(|&b| decoder.push(&[b], false, &mut Faults::default())).collect();
            out.extend(decoder.push(b"", true, &mut Faults::default()));
            assert_eq!(out, b"hello hello");
        }
    }
}
