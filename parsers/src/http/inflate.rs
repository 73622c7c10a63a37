//! Deflate (RFC 1951) and the headers of gzip members (RFC 1952).

use flate2::{Decompress, FlushDecompress, Status};

/// The header of a gzip member (RFC 1952, section 2.3), byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GzipHeader {
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
    /// Whether all of it came.
    pub(super) fn is_over(&self) -> bool {
        self.part == Part::Over
    }

    /// Takes bytes of the header and returns how many they were.
    pub(super) fn skip(&mut self, data: &[u8]) -> usize {
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
pub(super) fn run_inflate(
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
