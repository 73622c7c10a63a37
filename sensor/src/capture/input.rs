//! The bytes of a capture file, read in large pieces and looked at in place.
//!
//! The buffer has one size for all files. What is asked for must fit into it; what is only left out may be longer.

use std::io::{self, Read};

use super::PACKET_LIMIT_BYTES;

/// The most bytes that can be looked at together: a packet and as much again of what a format writes around it.
pub(super) const VIEW_LIMIT_BYTES: usize = 2 * PACKET_LIMIT_BYTES;

/// The most bytes that are read at once: they are still in the processor's cache when packets are made of them.
const READ_BYTES: usize = 128 << 10;

/// The bytes of a file from a position on.
pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
    /// Why no more bytes come; without an error the file has ended.
    stopped: Option<Option<io::Error>>,
}

/// Why there are not as many bytes as were asked for.
#[derive(Debug)]
pub(super) enum Short {
    /// The file ends here.
    Ended,
    /// The file ends before.
    Cut,
    /// They cannot be read.
    Failed(io::Error),
    /// They would not fit into the buffer.
    TooLong,
}

impl Input {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        let buffer = vec![0; 2 * VIEW_LIMIT_BYTES].into_boxed_slice();
        Self { reader, buffer, start: 0, end: 0, position: 0, stopped: None }
    }

    /// How many bytes were left behind.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next `len` bytes, which stay where they are.
    #[inline]
    pub(super) fn view(&mut self, len: usize) -> Result<&[u8], Short> {
        if self.end - self.start < len {
            self.fill(len)?;
        }
        self.buffer.get(self.start..self.start.saturating_add(len)).ok_or(Short::TooLong)
    }

    /// The next `N` bytes, which stay where they are.
    #[inline]
    pub(super) fn view_array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        self.view(N)?.first_chunk().copied().ok_or(Short::Cut)
    }

    /// As many of the next `len` bytes as there are.
    pub(super) fn view_some(&mut self, len: usize) -> Result<&[u8], Short> {
        match self.fill(len) {
            Ok(()) | Err(Short::Ended | Short::Cut) => {}
            Err(short) => return Err(short),
        }
        let end = self.end.min(self.start.saturating_add(len));
        Ok(self.buffer.get(self.start..end).unwrap_or(&[]))
    }

    /// The same of what was not looked at before; why there are not as many is left to who asks next.
    pub(super) fn begin(&mut self, len: usize) -> &[u8] {
        while self.end < len && self.stopped.is_none() {
            self.read_more();
        }
        self.buffer.get(..self.end.min(len)).unwrap_or(&[])
    }

    /// Leaves bytes behind.
    #[inline]
    pub(super) fn skip(&mut self, mut len: u64) -> Result<(), Short> {
        loop {
            let here = len.min((self.end - self.start) as u64);
            self.position += here;
            // What is here fits into the buffer.
            self.start = self.start.saturating_add(usize::try_from(here).unwrap_or(usize::MAX)).min(self.end);
            len -= here;
            if len == 0 {
                return Ok(());
            }
            self.fill(1).map_err(|short| if matches!(short, Short::Ended) { Short::Cut } else { short })?;
        }
    }

    /// Reads until there are `len` bytes.
    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), Short> {
        if len > VIEW_LIMIT_BYTES {
            return Err(Short::TooLong);
        }
        if self.end - self.start >= len {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < len {
            if let Some(why) = &mut self.stopped {
                // Further questions find the end of the file.
                return Err(match why.take() {
                    Some(error) => Short::Failed(error),
                    None if self.end == 0 => Short::Ended,
                    None => Short::Cut,
                });
            }
            self.read_more();
        }
        Ok(())
    }

    fn read_more(&mut self) {
        let upto = self.buffer.len().min(self.end + READ_BYTES);
        let room = self.buffer.get_mut(self.end..upto).unwrap_or(&mut []);
        match self.reader.read(room) {
            Ok(0) => self.stopped = Some(None),
            Ok(read) => self.end = self.end.saturating_add(read).min(self.buffer.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.stopped = Some(Some(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most `self.1` bytes at a time, then an error.
    struct Dripping(Vec<u8>, usize);

    impl Read for Dripping {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("no more"));
            }
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0.drain(..len);
            Ok(len)
        }
    }

    #[test]
    fn bytes_before_an_error_can_be_looked_at() {
        let mut input = Input::new(Box::new(Dripping((0..10).collect(), 3)));
        assert_eq!(input.begin(20).len(), 10, "and the error is still to be told");
        assert_eq!(input.view(4).unwrap(), [0, 1, 2, 3]);
        input.skip(7).unwrap();
        assert_eq!(input.view(3).unwrap(), [7, 8, 9]);
        assert!(matches!(input.view(4), Err(Short::Failed(_))));
        assert!(matches!(input.view(4), Err(Short::Cut)));
        assert_eq!(input.position(), 7);
    }

    #[test]
    fn the_end_is_told_from_a_cut() {
        let mut input = Input::new(Box::new(&[1, 2, 3][..]));
        assert!(matches!(input.view(4), Err(Short::Cut)));
        assert_eq!(input.view_some(9).unwrap(), [1, 2, 3]);
        input.skip(3).unwrap();
        assert!(matches!(input.view(1), Err(Short::Ended)));
        assert!(matches!(input.skip(1), Err(Short::Cut)));
        assert!(matches!(input.view(VIEW_LIMIT_BYTES + 1), Err(Short::TooLong)));
    }

    #[test]
    fn more_than_the_buffer_holds_can_be_left_out() {
        let len = 5 * VIEW_LIMIT_BYTES as u64 + 3;
        let mut input = Input::new(Box::new(io::repeat(7).take(len)));
        input.skip(len - 2).unwrap();
        assert_eq!(input.view(2).unwrap(), [7, 7]);
        assert_eq!(input.position(), len - 2);
    }
}
