//! Compressed files, recognised by their first bytes: gzip (RFC 1952), zstd (RFC 8878) and lz4 frames, of several members or
//! frames too. Bytes are decompressed as they are asked for, so that none of them can make the sensor hold more than its
//! window.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

/// Reads what a file has, and whether that was compressed.
pub(crate) fn open(file: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    // A pipe may give less than four bytes at once, but not a compressed file's writer.
    let magic = file.fill_buf()?.first_chunk::<4>().copied().unwrap_or_default();
    Ok(match magic {
        [0x1f, 0x8b, ..] => (Box::new(MultiGzDecoder::new(file)), true),
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
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
        for compress in [gzip as fn(&[u8]) -> Vec<u8>, lz4, |data| zstd::encode_all(data, 1).unwrap()] {
            assert_eq!(all([compress(&first), compress(&second)].concat()), (both.clone(), true));
        }
        assert_eq!(all(both.clone()), (both, false));
        assert_eq!(all(vec![]), (vec![], false));
    }

    #[test]
    fn missing_bytes_are_an_error() {
        let data: Vec<u8> = (0u32..200_000).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        for whole in [gzip(&data), lz4(&data), zstd::encode_all(&data[..], 1).unwrap()] {
            let cuts = (1..10).map(|n| whole.len() - n).chain((1..400).map(|n| n * whole.len() / 400));
            for cut in cuts.filter(|cut| *cut > 16) {
                let (mut reader, _) = open(io::Cursor::new(whole[..cut].to_vec())).unwrap();
                let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut} of {}", whole.len());
            }
        }
    }
}
