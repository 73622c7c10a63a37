//! The frames of one segment, one after the other: each is decompressed when it is whole.

use std::io;

use zstd::bulk::Decompressor;

use crate::sinks::mend::{ReadAt, frame_end};

/// Text of the longest frame: a piece and a record.
pub(crate) const TEXT_BYTES: usize = 128 << 20;
/// Bytes of it on the disk.
const FRAME_BYTES: u64 = 128 << 20;

/// A place in a segment, and the frame that was read last.
#[derive(Default)]
pub(crate) struct Frames {
    decompressor: Option<Decompressor<'static>>,
    bytes: Vec<u8>,
    text: Vec<u8>,
}

/// What is at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame up to a place, whose text is read.
    Frame(u64),
    /// A frame up to a place, of which the bytes are wrong.
    Damaged(u64),
    /// The end, or a frame that is not finished.
    Nothing,
}

impl Frames {
    /// Reads the frame at a place.
    pub(crate) fn read(&mut self, file: &impl ReadAt, at: u64) -> io::Result<Found> {
        let Some(end) = frame_end(file, at, file.length()?)? else { return Ok(Found::Nothing) };
        let len = end - at;
        if len > FRAME_BYTES {
            return Ok(Found::Damaged(end));
        }
        self.bytes.resize(usize::try_from(len).unwrap_or(0), 0);
        file.read_exact_at(&mut self.bytes, at)?;
        let is_read = self.decompress()?;
        Ok(if is_read { Found::Frame(end) } else { Found::Damaged(end) })
    }

    /// The text of the frame that was read last.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    fn decompress(&mut self) -> io::Result<bool> {
        // Our frames say how long their text is; what says a length beyond all is none of ours.
        let said = zstd::zstd_safe::get_frame_content_size(&self.bytes).ok().flatten();
        let Some(len) = said.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= TEXT_BYTES) else {
            return Ok(false);
        };
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        self.text.resize(len, 0);
        let read = decompressor.decompress_to_buffer(&self.bytes, &mut self.text);
        Ok(read.is_ok_and(|read| read == len))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn frames_are_read_one_by_one_and_half_of_one_is_waited_for() {
        let mut compressor = crate::sinks::zstd::Frames::new().unwrap();
        let first = compressor.of(b"{1}\n").unwrap().to_vec();
        let second = compressor.of(&b"{2}\n".repeat(100_000)).unwrap().to_vec();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[&first[..], &second[..second.len() - 1]].concat()).unwrap();
        let (mut frames, end) = (Frames::default(), first.len() as u64);
        assert_eq!(frames.read(&file, 0).unwrap(), Found::Frame(end));
        assert_eq!(frames.text(), b"{1}\n");
        assert_eq!(frames.read(&file, end).unwrap(), Found::Nothing);
        file.write_all(&second[second.len() - 1..]).unwrap();
        let whole = end + second.len() as u64;
        assert_eq!(frames.read(&file, end).unwrap(), Found::Frame(whole));
        assert_eq!((frames.text().len(), frames.read(&file, whole).unwrap()), (400_000, Found::Nothing));
    }

    #[test]
    fn a_frame_with_wrong_bytes_or_without_end_is_named() {
        let write = |bytes: &[u8]| -> File {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        let mut compressor = crate::sinks::zstd::Frames::new().unwrap();
        let mut bytes = compressor.of(b"{\"a\":\"some text of a record\"}\n").unwrap().to_vec();
        let (at, end) = (bytes.len() / 2, bytes.len() as u64);
        bytes[at] ^= 1;
        assert_eq!(Frames::default().read(&write(&bytes), 0).unwrap(), Found::Damaged(end));
        // A frame of three hundred bytes that says it holds a terabyte.
        let bomb =
            [&0xfd2f_b528_u32.to_le_bytes()[..], &[0xe0], &(1_u64 << 40).to_le_bytes(), &[0x03, 0, 0, 0]].concat();
        assert!(matches!(Frames::default().read(&write(&bomb), 0).unwrap(), Found::Damaged(_)));
    }
}
