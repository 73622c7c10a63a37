//! Compressed files, recognised by their first bytes: gzip (RFC 1952), bzip2, xz, zstd (RFC 8878) and lz4 frames, of several
//! members, streams or frames too. Bytes are decompressed as they are asked for, so that none of them can make the sensor hold
//! more than its window.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;

/// Reads what a file has, and whether that was compressed.
pub(crate) fn open(file: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    // A pipe may give less than four bytes at once, but not a compressed file's writer.
    let magic = file.fill_buf()?.first_chunk::<4>().copied().unwrap_or_default();
    Ok(match magic {
        [0x1f, 0x8b, ..] => (Box::new(Members::<GzDecoder<_>>::new(file)), true),
        [b'B', b'Z', b'h', b'1'..=b'9'] => (Box::new(Members::<BzDecoder<_>>::new(file)), true),
        [0xfd, b'7', b'z', b'X'] => (Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)), true),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            (Box::new(decoder), true)
        }
        [0x04, 0x22, 0x4d, 0x18] => (Box::new(Lz4::new(file)), true),
        // An input reads more than the buffer holds, so that it is passed by.
        _ => (Box::new(file), false),
    })
}

/// What reads one member of a file of several.
trait Member: Read {
    type Reader: BufRead;
    /// The first octet of a member.
    const FIRST: u8;

    fn begin(reader: Self::Reader) -> Self;
    fn into_reader(self) -> Self::Reader;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Reader = R;
    const FIRST: u8 = 0x1f;

    fn begin(reader: R) -> Self {
        Self::new(reader)
    }

    fn into_reader(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for BzDecoder<R> {
    type Reader = R;
    const FIRST: u8 = b'B';

    fn begin(reader: R) -> Self {
        Self::new(reader)
    }

    fn into_reader(self) -> R {
        self.into_inner()
    }
}

/// Members, one behind the other. Zeros behind them are what a tape or a file system filled its last block with, as gzip's manual says;
/// anything else is damage.
struct Members<M> {
    /// None behind the last one.
    member: Option<M>,
}

impl<M: Member> Members<M> {
    fn new(reader: M::Reader) -> Self {
        Self { member: Some(M::begin(reader)) }
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut reader) = self.member.take().map(M::into_reader) else { break };
            self.member = match skip_zeros(&mut reader)? {
                None => None,
                Some(first) if first == M::FIRST => Some(M::begin(reader)),
                Some(_) => {
                    let what = "what follows the compressed bytes is none of them";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
            };
        }
        Ok(0)
    }
}

/// Leaves zeros behind; the first byte that is none.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let here = reader.fill_buf()?;
        let zeros = here.iter().take_while(|byte| **byte == 0).count();
        match here.get(zeros).copied() {
            Some(byte) => {
                reader.consume(zeros);
                return Ok(Some(byte));
            }
            None if zeros == 0 => return Ok(None),
            None => reader.consume(zeros),
        }
    }
}

/// lz4 frames, one behind the other. The library reads one frame, and takes bytes that are missing between two blocks for
/// its end.
struct Lz4<R: Read> {
    /// There is always one but while it is exchanged.
    frame: Option<FrameDecoder<Tail<R>>>,
}

impl<R: BufRead> Lz4<R> {
    fn new(reader: R) -> Self {
        Self { frame: Some(FrameDecoder::new(Tail { reader, last: [0; 8] })) }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let tail = frame.get_mut();
            if tail.reader.fill_buf()?.is_empty() {
                // A frame ends with a block without bytes, and perhaps a checksum.
                let ended = matches!(tail.last, [0, 0, 0, 0, ..] | [.., 0, 0, 0, 0]);
                return if ended { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            self.frame = self.frame.take().map(|frame| FrameDecoder::new(frame.into_inner()));
        }
        Ok(0)
    }
}

/// Remembers the last bytes that were read.
struct Tail<R> {
    reader: R,
    last: [u8; 8],
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        for &byte in buffer.get(read.saturating_sub(8)..read).unwrap_or(&[]) {
            self.last.rotate_left(1);
            self.last[7] = byte;
        }
        Ok(read)
    }
}

/// No more than an input reads at once, or its bytes would go through this buffer.
const BUFFER_BYTES: usize = 64 << 10;
/// 128 MiB, the most that zstd uses without being asked for more.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The same: twice what `xz -9` takes.
const XZ_MEMORY_KIB: u32 = 128 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(data: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(data: &[u8]) -> Vec<u8> {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn lz4(data: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn all(file: Vec<u8>) -> (Vec<u8>, bool) {
        let (reader, compressed) = open(io::Cursor::new(file)).unwrap();
        let mut data = Vec::new();
        let limit = 1 << 24;
        #[expect(clippy::disallowed_methods, reason = "bounded by the limit")]
        reader.take(limit).read_to_end(&mut data).unwrap();
        (data, compressed)
    }

    #[test]
    fn members_and_frames_are_read_one_behind_the_other() {
        let (first, second) = (vec![1; 300_000], vec![2; 5]);
        let both = [&first[..], &second].concat();
        for compress in [gzip as fn(&[u8]) -> Vec<u8>, bzip2, xz, lz4, |data| zstd::encode_all(data, 1).unwrap()] {
            assert_eq!(all([compress(&first), compress(&second)].concat()), (both.clone(), true));
        }
        assert_eq!(all(both.clone()), (both, false));
        assert_eq!(all(vec![]), (vec![], false));
    }

    #[test]
    fn zeros_behind_the_last_member_are_nothing_and_other_bytes_are_damage() {
        for compressed in [gzip(b"packets"), bzip2(b"packets")] {
            let padded = [&compressed[..], &[0; 100_000]].concat();
            assert_eq!(all(padded.clone()), (b"packets".to_vec(), true));
            let (mut reader, _) = open(io::Cursor::new([padded, vec![7]].concat())).unwrap();
            let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn missing_bytes_are_an_error() {
        let data: Vec<u8> = (0u32..20_000).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        for whole in [gzip(&data), bzip2(&data), xz(&data), lz4(&data), zstd::encode_all(&data[..], 1).unwrap()] {
            let cuts = (1..10).map(|n| whole.len() - n).chain((1..40).map(|n| n * whole.len() / 40));
            for cut in cuts.filter(|cut| *cut > 16) {
                let (mut reader, _) = open(io::Cursor::new(whole[..cut].to_vec())).unwrap();
                let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut} of {}", whole.len());
            }
        }
    }
}
