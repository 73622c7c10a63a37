//! Content encodings: gzip, deflate (zlib or raw), br and lzma, in layers.
//!
//! Data that does not decode passes as it is, so that a wrong label hides nothing. Output is bounded by a ratio.

use std::io::Write;

use brotli_decompressor::DecompressorWriter;
use flate2::{Decompress, FlushDecompress, Status};
use lzma_rs::decompress::{Options, Stream};

use super::headers::trim;

/// What went wrong while decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) failed: bool,
    pub(crate) bomb: bool,
}

/// Layers of encodings, the outermost first.
pub(crate) struct Decoder {
    layers: Vec<Layer>,
    bomb_limit: u64,
    taken: u64,
    given: u64,
    stopped: bool,
}

struct Layer {
    kind: Kind,
    /// Input before the first output, to be passed on if it never decodes.
    held: Vec<u8>,
    produced: bool,
    done: bool,
}

enum Kind {
    Unsure { gzip: bool },
    Inflate(Box<Decompress>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>),
    Lzma(Box<Stream<Vec<u8>>>),
    Pass,
}

/// Input held for a layer that has not produced anything.
const HELD_BYTES: usize = 64 * 1024;
/// Dictionary of an lzma stream.
const LZMA_MEMORY_BYTES: usize = 1 << 20;
/// Times that a body may grow before it counts as a bomb.
const BOMB_RATIO: u64 = 2048;

impl Decoder {
    /// Layers for a `Content-Encoding`; whether there were too many, and whether one is unknown.
    pub(crate) fn new(value: &[u8], limit: usize, bomb_limit: u64, lzma: bool) -> (Self, bool, bool) {
        let (mut layers, mut many, mut unknown) = (Vec::new(), false, false);
        for token in value.split(|&b| b == b',').rev() {
            let token: Vec<u8> = trim(token).iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).collect();
            let has = |word: &[u8]| memchr::memmem::find(&token, word).is_some();
            let kind = if has(b"gzip") {
                Kind::Unsure { gzip: true }
            } else if has(b"deflate") {
                Kind::Unsure { gzip: false }
            } else if token == b"br" {
                Kind::Brotli(Box::new(DecompressorWriter::new(Vec::new(), 4096)))
            } else if token == b"lzma" && lzma {
                let options =
                    Options { memlimit: Some(LZMA_MEMORY_BYTES), allow_incomplete: true, ..Options::default() };
                Kind::Lzma(Box::new(Stream::new_with_options(&options, Vec::new())))
            } else {
                unknown |= !token.is_empty() && token != b"identity" && token != b"inflate";
                continue;
            };
            if layers.len() >= limit.max(1) {
                many = true;
                break;
            }
            layers.push(Layer { kind, held: Vec::new(), produced: false, done: false });
        }
        (Self { layers, bomb_limit, taken: 0, given: 0, stopped: false }, many, unknown)
    }

    /// Decodes a piece; `last` when nothing more comes.
    pub(crate) fn push(&mut self, data: &[u8], last: bool, faults: &mut Faults) -> Vec<u8> {
        self.taken = self.taken.saturating_add(data.len() as u64);
        let mut data = data.to_vec();
        if self.stopped {
            return Vec::new();
        }
        for layer in &mut self.layers {
            let room = self.bomb_limit.max(self.taken.saturating_mul(BOMB_RATIO)).saturating_sub(self.given);
            let mut out = Vec::new();
            layer.push(&data, room, &mut out, faults);
            if last && !layer.produced {
                out.append(&mut layer.held);
            }
            data = out;
        }
        self.given = self.given.saturating_add(data.len() as u64);
        self.stopped = faults.bomb;
        data
    }
}

impl Layer {
    fn push(&mut self, data: &[u8], room: u64, out: &mut Vec<u8>, faults: &mut Faults) {
        if matches!(self.kind, Kind::Pass) {
            out.extend_from_slice(data);
            return;
        }
        if self.done {
            return;
        }
        let mut input = data.to_vec();
        if !self.produced {
            self.held.extend_from_slice(data);
        }
        if let Kind::Unsure { gzip } = self.kind {
            let Some((kind, skip)) = start(&self.held, gzip) else { return };
            self.kind = kind;
            input = self.held.get(skip..).unwrap_or_default().to_vec();
        }
        let before = out.len();
        let sound = match &mut self.kind {
            Kind::Inflate(inflate) => run_inflate(inflate, &input, room, out, &mut self.done, faults),
            Kind::Brotli(writer) => {
                let sound = write_all(&mut **writer, &input, room, faults, |w| w.get_ref().len());
                out.append(writer.get_mut());
                sound
            }
            Kind::Lzma(stream) => {
                let sound = write_all(&mut **stream, &input, room, faults, |s| s.get_output().map_or(0, Vec::len));
                if let Some(made) = stream.get_output_mut() {
                    out.append(made);
                }
                sound
            }
            Kind::Unsure { .. } | Kind::Pass => true,
        };
        self.produced |= out.len() > before;
        if !sound && !faults.bomb {
            faults.failed = true;
            self.kind = Kind::Pass;
            if !self.produced {
                out.append(&mut self.held);
                self.produced = true;
            }
        }
        if self.produced || self.held.len() > HELD_BYTES {
            self.held = Vec::new();
        }
    }
}

/// Which decoder the first bytes ask for, and how many of them are its header; `None` while it is unsure.
fn start(held: &[u8], gzip: bool) -> Option<(Kind, usize)> {
    let inflate = |zlib| Kind::Inflate(Box::new(Decompress::new(zlib)));
    let (&first, &second) = (held.first()?, held.get(1)?);
    if first == 0x1f && second == 0x8b {
        return gzip_header(held).map(|length| (inflate(false), length));
    }
    let zlib = first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
    // Without its magic bytes gzip is given a chance as deflate, since browsers do so.
    let _ = gzip;
    Some((inflate(zlib), 0))
}

fn gzip_header(held: &[u8]) -> Option<usize> {
    let flags = *held.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes([*held.get(10)?, *held.get(11)?]);
        at += 2 + usize::from(length);
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += memchr::memchr(0, held.get(at..)?)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    (held.len() >= at).then_some(at)
}

fn run_inflate(
    inflate: &mut Decompress,
    data: &[u8],
    room: u64,
    out: &mut Vec<u8>,
    done: &mut bool,
    faults: &mut Faults,
) -> bool {
    let (mut rest, mut buffer) = (data, [0u8; 8192]);
    loop {
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(rest, &mut buffer, FlushDecompress::None);
        let made = usize::try_from(inflate.total_out() - given).unwrap_or(0);
        out.extend_from_slice(buffer.get(..made).unwrap_or_default());
        let used = usize::try_from(inflate.total_in() - taken).unwrap_or(0);
        rest = rest.get(used..).unwrap_or_default();
        if out.len() as u64 > room {
            faults.bomb = true;
            return false;
        }
        match status {
            Ok(Status::StreamEnd) => {
                *done = true;
                return true;
            }
            Err(_) => return false,
            Ok(_) if made == 0 && (rest.is_empty() || used == 0) => return true,
            Ok(_) => {}
        }
    }
}

fn write_all<W: Write>(
    writer: &mut W,
    data: &[u8],
    room: u64,
    faults: &mut Faults,
    made: impl Fn(&W) -> usize,
) -> bool {
    for piece in data.chunks(256) {
        if writer.write_all(piece).is_err() {
            return false;
        }
        if made(writer) as u64 > room {
            faults.bomb = true;
            return false;
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
            let (mut decoder, _, _) = Decoder::new(name.as_bytes(), 2, 1 << 20, false);
            let mut out: Vec<u8> =
                data.iter().flat_map(|&b| decoder.push(&[b], false, &mut Faults::default())).collect();
            out.extend(decoder.push(b"", true, &mut Faults::default()));
            assert_eq!(out, b"hello hello");
        }
    }
}
