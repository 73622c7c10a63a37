//! Reading a segment: by its index, or where there is none that can be trusted by the heads of its blocks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::memmem;

use super::head::{BLOCK_LIMIT, FIXED, Head};
use super::index::{Block, Growing, Index};
use super::write::append;
use crate::sinks::open;

/// Heads that are no whole ones, beyond which the rest of a segment is given up.
const BROKEN_LIMIT: u32 = 256;
/// Bytes in which the next head is looked for at once.
const SEARCHED: usize = 1 << 20;
/// The name in a head, and how far behind its begin that stands.
const NAME: (&[u8], usize) = (b"TWb1", 8);

/// A segment that is read.
#[derive(Debug)]
pub struct Segment {
    file: File,
}

/// What the heads of a segment came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Where the last whole block ends.
    pub end: u64,
    /// Places at which there was no head where one had to be.
    pub broken: u32,
}

impl Segment {
    /// Opens one.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open::read(path)? })
    }

    /// Its index, where that is there and can be trusted as far as its footer goes.
    pub fn index(&self) -> io::Result<Index<'_>> {
        Index::of(&self.file)
    }

    /// The packets of a block, as a section of pcapng.
    pub fn block(&self, block: &Block) -> io::Result<Vec<u8>> {
        let lengths = [block.len, block.plain_len].map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        if lengths.iter().any(|len| *len > BLOCK_LIMIT) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a block is too large"));
        }
        let [len, plain_len] = lengths;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, block.offset)?;
        zstd::bulk::decompress(&bytes, plain_len)
    }

    /// Calls for the head of each block, with where the block is.
    pub fn walk(&self, each: &mut dyn FnMut(u64, &Head)) -> io::Result<Walked> {
        let file_len = self.file.metadata()?.len();
        let mut walked = Walked::default();
        // A segment begins with a frame that has no packets.
        let Some(mut at) = self.next_head(0, file_len)? else { return Ok(walked) };
        loop {
            let mut fixed = [0; FIXED];
            if at + FIXED as u64 > file_len || self.file.read_exact_at(&mut fixed, at).is_err() {
                return Ok(walked);
            }
            match self.head(at, &fixed, file_len)? {
                Some((offset, head)) => {
                    each(offset, &head);
                    at = offset + u64::from(head.block_len);
                    walked.end = at;
                    continue;
                }
                // Behind the last block stands the index, or nothing that was finished.
                None if at == walked.end && self.index().is_ok() => return Ok(walked),
                None => walked.broken += 1,
            }
            if walked.broken > BROKEN_LIMIT {
                return Ok(walked);
            }
            let Some(next) = self.next_head(at + 1, file_len)? else { return Ok(walked) };
            at = next;
        }
    }

    /// Makes a segment that was not finished whole: what is torn is cut off, and the index is written. How long it is then.
    pub fn finish(path: &Path) -> io::Result<u64> {
        let segment = Self::open(path)?;
        if segment.index().is_ok() {
            return Ok(segment.file.metadata()?.len());
        }
        let mut growing = Growing::default();
        let walked = segment.walk(&mut |offset, head| growing.add(offset, head))?;
        if walked.end == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no block that can be read"));
        }
        let mut file = open::append(path)?;
        file.set_len(walked.end)?;
        let index = growing.write(walked.end);
        append(&mut file, walked.end, &index)?;
        file.sync_all()?;
        Ok(walked.end + index.len() as u64)
    }

    /// The head at a place, if it and its block are whole, with where the block is.
    fn head(&self, at: u64, fixed: &[u8; FIXED], file_len: u64) -> io::Result<Option<(u64, Head)>> {
        let Some(len) = Head::len(fixed) else { return Ok(None) };
        let offset = at + len as u64;
        if offset > file_len {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at)?;
        let head = Head::read(&bytes).filter(|head| offset + u64::from(head.block_len) <= file_len);
        Ok(head.map(|head| (offset, head)))
    }

    /// Where the next thing stands that begins like a head.
    fn next_head(&self, from: u64, file_len: u64) -> io::Result<Option<u64>> {
        let (name, behind) = NAME;
        let mut at = from;
        let mut bytes = vec![0; SEARCHED];
        while at + (FIXED as u64) <= file_len {
            let len = usize::try_from(file_len - at).unwrap_or(usize::MAX).min(SEARCHED);
            let chunk = bytes.get_mut(..len).unwrap_or(&mut []);
            self.file.read_exact_at(chunk, at)?;
            let found = memmem::find_iter(chunk, name).find(|place| *place >= behind);
            match found {
                Some(place) => return Ok(Some(at + (place - behind) as u64)),
                None if len < SEARCHED => return Ok(None),
                None => at += (len - behind - name.len()) as u64,
            }
        }
        Ok(None)
    }
}
