//! Content encodings: gzip, deflate (zlib or raw), br, zstd and lzma, in layers.
//!
//! Data that does not decode passes as it is, so that a wrong label hides nothing. What comes out is bounded by a ratio to what went
//! in, and by the work that one body may cost.

use flate2::Decompress;
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::brotli::Brotli;
use super::headers::trim;
use super::inflate::{GzipHeader, run_inflate};
use super::lzma::{HEADER_BYTES, Lzma, Taken};
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
    /// How far back lzma may refer.
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
    /// Input that would be passed on if it did not decode, and what came out of it so far.
    held: Vec<u8>,
    waiting: Vec<u8>,
    /// Any bytes decode to something for a while: what it makes of the first ones may be none of its own.
    is_doubtful: bool,
    /// It is what it was said to be, or passes as it is.
    is_settled: bool,
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
        memory_bytes: usize,
    },
    Lzma(Lzma),
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
/// Input that has to decode before it is believed that it was encoded, where nothing else tells.
const TRIAL_BYTES: usize = 2048;
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

impl Decoder {
    /// Layers for a `Content-Encoding`; anomalies of it are told.
    pub(crate) fn new(value: &[u8], budget: Budget, tell: &mut dyn FnMut(&'static str)) -> Self {
        let mut layers: Vec<Layer> = Vec::new();
        for token in value.split(|&b| b == b',').rev() {
            let token: Vec<u8> = trim(token).iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).collect();
            let has = |word: &[u8]| memchr::memmem::find(&token, word).is_some();
            let kind = if has(b"gzip") || has(b"deflate") {
                if !matches!(token.strip_prefix(b"x-").unwrap_or(&token), b"gzip" | b"deflate") {
                    tell("http.abnormal_ce_header");
                }
                // Browsers take what they find for either.
                Kind::Unsure
            } else if token == b"br" {
                Kind::Late(Late::Brotli)
            } else if token == b"zstd" {
                Kind::Late(Late::Zstd)
            } else if token == b"lzma" {
                if !budget.lzma {
                    tell("http.lzma_decompression_disabled");
                    continue;
                }
                if layers.iter().any(|layer| matches!(layer.kind, Kind::LzmaHead { .. })) {
                    tell("http.compression_bomb_double_lzma");
                    break;
                }
                Kind::LzmaHead { memory_bytes: usize::try_from(budget.lzma_memory_bytes).unwrap_or(usize::MAX) }
            } else {
                if !token.is_empty() && token != b"identity" && token != b"inflate" {
                    tell("http.abnormal_ce_header");
                }
                continue;
            };
            if layers.len() >= budget.layers.max(1) {
                tell("http.too_many_encoding_layers");
                break;
            }
            let (held, waiting) = (Vec::new(), Vec::new());
            layers.push(Layer { kind, held, waiting, is_doubtful: true, is_settled: false });
        }
        Self { layers, budget, taken: 0, given: 0, stopped: false }
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
            if last {
                layer.end(&mut out, faults);
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
            Kind::Lzma(lzma) => lzma.held_bytes(usize::MAX),
            Kind::Zstd(decoder) => decoder.sizeof().min(ZSTD_BYTES.saturating_add(written)),
            _ => 0,
        };
        kind + held::list(&self.held) + held::list(&self.waiting)
    }

    fn push(&mut self, data: &[u8], room: u64, out: &mut Vec<u8>, over: &mut bool, faults: &mut Faults) {
        if matches!(self.kind, Kind::Pass) {
            out.extend_from_slice(data);
            return;
        }
        if !self.is_settled {
            self.held.extend_from_slice(data);
        }
        let mut made = std::mem::take(&mut self.waiting);
        let mut rest = data;
        while let Some((used, sound)) = self.step(rest, room, &mut made, over, faults) {
            rest = rest.get(used..).unwrap_or_default();
            if !sound {
                faults.failed = true;
                self.give_up(rest, &mut made);
            }
            if *over || !sound {
                break;
            }
        }
        let ended = matches!(self.kind, Kind::Done | Kind::Trailer(_));
        self.is_settled |= *over || !made.is_empty() && (!self.is_doubtful || ended || self.held.len() > TRIAL_BYTES);
        if !self.is_settled && self.held.len() > HELD_BYTES {
            // Lzma keeps what it makes until its dictionary is full; of others so much without a result is what it is.
            self.is_settled = matches!(self.kind, Kind::Lzma(_));
            if !self.is_settled {
                faults.failed = true;
                self.give_up(b"", &mut made);
            }
        }
        if self.is_settled {
            self.held = Vec::new();
            out.append(&mut made);
        } else {
            self.waiting = made;
        }
    }

    /// It is unsound: what was held or is left passes as it is.
    fn give_up(&mut self, rest: &[u8], made: &mut Vec<u8>) {
        self.kind = Kind::Pass;
        if self.is_settled || !self.is_doubtful && !made.is_empty() {
            made.extend_from_slice(rest);
        } else {
            *made = std::mem::take(&mut self.held);
        }
        self.is_settled = true;
    }

    /// No more comes.
    fn end(&mut self, out: &mut Vec<u8>, faults: &mut Faults) {
        let before = self.waiting.len();
        if let Kind::Lzma(lzma) = &mut self.kind {
            lzma.finish(&mut self.waiting);
            self.is_settled |= self.waiting.len() > before;
        }
        out.append(&mut self.waiting);
        // Whether it was cut or is something else cannot be told: both are shown.
        if !self.is_settled && !self.held.is_empty() {
            faults.failed |= !matches!(self.kind, Kind::Unsure);
            out.append(&mut self.held);
        }
        (self.kind, self.is_settled) = (Kind::Done, true);
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
                let before = input.len().saturating_sub(data.len());
                let zlib = first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
                self.is_doubtful = (first, second) != (0x1f, 0x8b);
                self.kind = if (first, second) == (0x1f, 0x8b) {
                    Kind::Header(GzipHeader::default())
                } else {
                    inflate(zlib, false)
                };
                let mut used = 0;
                while let Some((more, sound)) = self.step(input.get(used..)?, room, out, over, faults) {
                    used += more;
                    if !sound || *over {
                        return Some((used.saturating_sub(before), sound));
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
                // Frames of zstd begin with a mark.
                self.is_doubtful = matches!(self.kind, Kind::Brotli(_));
                Some((0, true))
            }
            Kind::Brotli(brotli) => Some((data.len(), brotli.push(data, room, out, over))),
            Kind::LzmaHead { memory_bytes } => {
                let memory_bytes = *memory_bytes;
                let (header, rest) = self.held.split_first_chunk::<HEADER_BYTES>()?;
                let mut lzma = Lzma::new(header, memory_bytes);
                let taken = lzma.push(rest, room, out, over);
                self.kind = Kind::Lzma(lzma);
                faults.lzma_memory |= taken == Taken::BeyondMemory;
                Some((data.len(), taken == Taken::Sound))
            }
            Kind::Lzma(lzma) => {
                let taken = lzma.push(data, room, out, over);
                faults.lzma_memory |= taken == Taken::BeyondMemory;
                Some((data.len(), taken == Taken::Sound))
            }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

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
            let (mut decoder, mut faults) = (Decoder::new(b"gzip", BUDGET, &mut |_| {}), Faults::default());
            let out: Vec<u8> = data.chunks(cut).flat_map(|piece| decoder.push(piece, false, &mut faults)).collect();
            assert_eq!((out.as_slice(), faults), (&b"one two"[..], Faults::default()));
        }
    }

    #[test]
    fn zstd_is_read_in_any_pieces_and_bounded() {
        let frames = [zstd::encode_all(&b"one "[..], 3).unwrap(), zstd::encode_all(&b"two"[..], 3).unwrap()].concat();
        for cut in [1, 7, 1000] {
            let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET, &mut |_| {}), Faults::default());
            let out: Vec<u8> = frames.chunks(cut).flat_map(|piece| decoder.push(piece, false, &mut faults)).collect();
            assert_eq!((out.as_slice(), faults), (&b"one two"[..], Faults::default()));
        }
        let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 3).unwrap();
        let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET, &mut |_| {}), Faults::default());
        let out: usize = bomb.chunks(100).map(|piece| decoder.push(piece, false, &mut faults).len()).sum();
        assert!(out <= (1 << 20) + (32 << 10) && faults.bomb, "{out} {faults:?}");
        let (mut decoder, mut faults) = (Decoder::new(b"zstd", BUDGET, &mut |_| {}), Faults::default());
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
            let (mut decoder, mut faults) = (Decoder::new(encoding.as_bytes(), budget, &mut |_| {}), Faults::default());
            let out: usize = data.chunks(1000).map(|piece| decoder.push(piece, false, &mut faults).len()).sum();
            assert_eq!((faults.bomb, faults.work), (bomb, work), "{out}");
        }
    }

    #[test]
    fn lzma_needs_the_memory_that_it_refers_to() {
        let text = b"EICAR, EICAR, and the like".repeat(20);
        let mut data = Vec::new();
        lzma_rs::lzma_compress(&mut &*text, &mut data).unwrap();
        // A dictionary of 1 GiB, of which hardly anything is filled.
        data[1..5].copy_from_slice(&(1u32 << 30).to_le_bytes());
        for cut in [1, 1000] {
            let (mut decoder, mut faults) = (Decoder::new(b"lzma", BUDGET, &mut |_| {}), Faults::default());
            let mut out: Vec<u8> = data.chunks(cut).flat_map(|piece| decoder.push(piece, false, &mut faults)).collect();
            out.extend(decoder.push(b"", true, &mut faults));
            assert_eq!((out, faults), (text.clone(), Faults::default()));
        }
    }

    #[test]
    fn what_is_not_encoded_passes_whole() {
        for (encoding, plain) in [
            ("deflate", &b"\x4b\x4c\x4a plain text that begins like deflate"[..]),
            ("gzip", b"just text"),
            ("gzip", b"K"),
            ("br", b"\x0b\x02\x80abc plain"),
            ("lzma", b"no header of lzma"),
        ] {
            for cut in [1, 7, 1000] {
                let mut decoder = Decoder::new(encoding.as_bytes(), BUDGET, &mut |_| {});
                let mut faults = Faults::default();
                let mut out: Vec<u8> = plain.chunks(cut).flat_map(|p| decoder.push(p, false, &mut faults)).collect();
                out.extend(decoder.push(b"", true, &mut faults));
                assert!(out.ends_with(plain), "{encoding} {cut} {}", out.escape_ascii());
            }
        }
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
            let mut decoder = Decoder::new(name.as_bytes(), BUDGET, &mut |_| {});
            let mut out: Vec<u8> =
                data.iter().flat_map(|&b| decoder.push(&[b], false, &mut Faults::default())).collect();
            out.extend(decoder.push(b"", true, &mut Faults::default()));
            assert_eq!(out, b"hello hello");
        }
    }
}
