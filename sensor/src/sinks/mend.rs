//! What a crash left at the end of a file of records: half a zstd frame, half a line. It is cut off before more is written behind it.
//!
//! Frames are walked by their headers (RFC 8878, section 3.1), so that nothing is decompressed but the last one, whose checksum
//! tells whether its bytes came to the disk. Only a tail is ever cut: a file that is damaged before whole frames, or that holds
//! something else, is put aside as it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are read where they lie: those of a file, or of what stands for one.
pub trait ReadAt {
    /// How many there are.
    fn length(&self) -> io::Result<u64>;
    /// Fills a buffer from a place.
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, into, at)
    }
}

/// What is at the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Whole records.
    Whole,
    /// Whole records up to a place, and behind it what was not finished.
    Torn(u64),
    /// No records at all, or damage with whole records behind it.
    Foreign,
}

const ZSTD_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// A block is no longer.
const BLOCK_BYTES: u64 = 128 << 10;
/// Frames before the end that are remembered, to go back to if the last ones did not come to the disk.
const FRAMES_BACK: usize = 64;
/// The last frame is decompressed if it is no longer.
const FRAME_BYTES: u64 = 16 << 20;
const WINDOW_BYTES: usize = 256 << 10;
/// A file without any line is taken for half a line up to this length.
const LINE_BYTES: u64 = 16 << 20;

/// The tail of a file of zstd frames.
pub(super) fn frames(file: &impl ReadAt) -> io::Result<Tail> {
    let len = file.length()?;
    let (walked, at) = whole_frames(file)?;
    if at == len {
        return Ok(Tail::Whole);
    }
    let cut_short = len < ZSTD_MAGIC.len() as u64 || at > 0 || starts_like_a_frame(file, len)?;
    Ok(if cut_short && !has_frame_behind(file, walked + 1, len)? { Tail::Torn(at) } else { Tail::Foreign })
}

/// Up to where whole frames go that lie one behind the other: by their headers, and of those the ones at whose end one reads back.
pub(super) fn whole_frames(file: &impl ReadAt) -> io::Result<(u64, u64)> {
    let len = file.length()?;
    let (mut at, mut starts) = (0, VecDeque::new());
    while at < len {
        match frame_end(file, at, len)? {
            Some(end) => {
                if starts.len() == FRAMES_BACK {
                    starts.pop_front();
                }
                starts.push_back(at);
                at = end;
            }
            None => break,
        }
    }
    let walked = at;
    // What was allocated but never written reads as zeros, within a frame too.
    while let Some(start) = starts.pop_back() {
        if reads_back(file, start, at) {
            break;
        }
        at = start;
    }
    Ok((walked, at))
}

/// The tail of a file of lines.
pub(super) fn lines(file: &impl ReadAt) -> io::Result<Tail> {
    let len = file.length()?;
    let (mut end, mut window) = (len, vec![0; WINDOW_BYTES]);
    while end > 0 {
        let start = end.saturating_sub(WINDOW_BYTES as u64);
        let part = window.get_mut(..usize::try_from(end - start).unwrap_or(0)).unwrap_or(&mut []);
        file.read_exact_at(part, start)?;
        if let Some(found) = memrchr(part) {
            let whole = start + found + 1;
            return Ok(if whole == len { Tail::Whole } else { Tail::Torn(whole) });
        }
        end = start;
    }
    Ok(match len {
        0 => Tail::Whole,
        1..=LINE_BYTES => Tail::Torn(0),
        _ => Tail::Foreign,
    })
}

fn memrchr(bytes: &[u8]) -> Option<u64> {
    bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at as u64)
}

fn starts_like_a_frame(file: &impl ReadAt, len: u64) -> io::Result<bool> {
    let mut magic = [0; 4];
    read_some(file, 0, len, &mut magic)?;
    Ok(magic == ZSTD_MAGIC || is_skippable(magic))
}

fn is_skippable(magic: [u8; 4]) -> bool {
    u32::from_le_bytes(magic) & 0xffff_fff0 == 0x184d_2a50
}

/// As many bytes as there are before the end.
fn read_some(file: &impl ReadAt, at: u64, len: u64, into: &mut [u8]) -> io::Result<usize> {
    let count = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
    file.read_exact_at(into.get_mut(..count).unwrap_or(&mut []), at)?;
    Ok(count)
}

/// Where the frame ends that begins at a place; nothing if it is cut short, or is none.
pub(super) fn frame_end(file: &impl ReadAt, at: u64, len: u64) -> io::Result<Option<u64>> {
    let mut header = [0; 8];
    let read = read_some(file, at, len, &mut header)?;
    let [m0, m1, m2, m3, s0, s1, s2, s3] = header;
    let magic = [m0, m1, m2, m3];
    if is_skippable(magic) && read == header.len() {
        let end = at + 8 + u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        return Ok((end <= len).then_some(end));
    }
    let descriptor = s0;
    if magic != ZSTD_MAGIC || read < 5 || descriptor & 0x08 != 0 {
        return Ok(None);
    }
    let (single, checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
    let content = match descriptor >> 6 {
        0 => u64::from(single),
        power => 1 << power,
    };
    let mut place = at + 5 + u64::from(!single) + dictionary + content;
    loop {
        let mut block = [0; 4];
        if read_some(file, place, len, block.get_mut(..3).unwrap_or(&mut []))? < 3 {
            return Ok(None);
        }
        let block = u32::from_le_bytes(block);
        let size = u64::from(block >> 3);
        place += 3 + match block >> 1 & 3 {
            1 => 1,
            0 | 2 if size <= BLOCK_BYTES => size,
            _ => return Ok(None),
        };
        if block & 1 == 1 {
            let end = place + if checksum { 4 } else { 0 };
            return Ok((end <= len).then_some(end));
        }
    }
}

/// Whether a frame decompresses and its checksum is right. A very long one is believed.
fn reads_back(file: &impl ReadAt, start: u64, end: u64) -> bool {
    if end - start > FRAME_BYTES {
        return true;
    }
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
    let decoded = file.read_exact_at(&mut bytes, start).and_then(|()| {
        let mut decoder = zstd::stream::read::Decoder::new(&bytes[..])?;
        let mut window = vec![0; WINDOW_BYTES];
        while decoder.read(&mut window)? > 0 {}
        Ok(())
    });
    decoded.is_ok()
}

/// Whether a whole frame begins anywhere behind a place.
fn has_frame_behind(file: &impl ReadAt, mut from: u64, len: u64) -> io::Result<bool> {
    let mut window = vec![0; WINDOW_BYTES];
    while from + (ZSTD_MAGIC.len() as u64) < len {
        let read = read_some(file, from, len, &mut window)?;
        let part = window.get(..read).unwrap_or(&[]);
        for (offset, _) in part.windows(4).enumerate().filter(|(_, four)| *four == ZSTD_MAGIC) {
            let start = from + offset as u64;
            if let Some(end) = frame_end(file, start, len)?
                && reads_back(file, start, end)
            {
                return Ok(true);
            }
        }
        from += (read as u64).saturating_sub(3).max(1);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn frame(text: &[u8]) -> Vec<u8> {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        compressor.include_checksum(true).unwrap();
        compressor.compress(text).unwrap()
    }

    /// Frames of every shape: without content, of one block, of many, of one byte again and again, from a stream, to be skipped.
    fn many() -> Vec<Vec<u8>> {
        let noise: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let skipped = [&0x184d_2a53_u32.to_le_bytes()[..], &5u32.to_le_bytes(), b"12345"].concat();
        let streamed = zstd::encode_all(&noise[..200_000], 3).unwrap();
        vec![
            frame(b""),
            frame(b"{\"a\":1}\n"),
            frame(&noise),
            frame(&[b'x'; 400_000]),
            streamed,
            skipped,
            frame(b"{}\n"),
        ]
    }

    #[test]
    fn whole_frames_stay_and_half_of_one_is_found_wherever_it_is_cut() {
        let frames_of_all = many();
        assert_eq!(frames(&file(&frames_of_all.concat())).unwrap(), Tail::Whole);
        assert_eq!(frames(&file(b"")).unwrap(), Tail::Whole);
        for count in 0..frames_of_all.len() {
            let whole = frames_of_all[..count].concat();
            let next = &frames_of_all[count];
            for cut in [1, 2, 3, 4, 5, 7, 9, next.len() / 2, next.len() - 1] {
                let cut = cut.min(next.len() - 1);
                let torn = [&whole[..], &next[..cut]].concat();
                assert_eq!(frames(&file(&torn)).unwrap(), Tail::Torn(whole.len() as u64), "frame {count} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_tail_that_never_came_to_the_disk_is_torn() {
        let first = frame(b"{\"a\":1}\n");
        let mut second = frame(&[b"{\"b\":2}\n".repeat(1000), (0..=255).collect()].concat());
        let zeros = [&first[..], &[0; 5000]].concat();
        assert_eq!(frames(&file(&zeros)).unwrap(), Tail::Torn(first.len() as u64));
        let half = second.len() / 2;
        second[half..].iter_mut().rev().skip(4).for_each(|byte| *byte ^= 0x55);
        let both = [&first[..], &second].concat();
        assert_eq!(frames(&file(&both)).unwrap(), Tail::Torn(first.len() as u64), "its checksum is wrong");
    }

    #[test]
    fn damage_before_whole_frames_and_foreign_files_are_never_cut() {
        let one = frame(b"{\"a\":1}\n");
        let damaged = [&one[..], b"garbage", &one, &one[..5]].concat();
        assert_eq!(frames(&file(&damaged)).unwrap(), Tail::Foreign);
        assert_eq!(frames(&file(b"{\"plain\":1}\n{\"plain\":2}\n")).unwrap(), Tail::Foreign);
    }

    #[test]
    fn half_a_line_is_torn() {
        let long = [b"{}\n".to_vec(), vec![b'x'; 3 * WINDOW_BYTES]].concat();
        for (bytes, tail) in [
            (&b""[..], Tail::Whole),
            (b"{}\n", Tail::Whole),
            (b"{}\n{\"a", Tail::Torn(3)),
            (b"{\"a", Tail::Torn(0)),
            (b"{}\n\0\0\0", Tail::Torn(3)),
            (&long, Tail::Torn(3)),
        ] {
            assert_eq!(lines(&file(bytes)).unwrap(), tail);
        }
    }
}
