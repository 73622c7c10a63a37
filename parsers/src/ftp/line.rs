//! Lines of a control connection, which end with a line feed, before it a carriage return where the sender keeps to RFC 959.

use crate::protocol::Fuel;
use memchr::memchr;

/// The lines of one direction.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Bytes of the chunk that have no line end.
    searched: usize,
    /// The line was too long: what is left of it is passed over.
    skipping: bool,
}

/// A line, and whether it is longer than what is kept of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub text: &'a [u8],
    pub is_cut: bool,
}

impl Lines {
    /// The next line of a chunk, which begins behind what the one before took, and how many bytes it takes. `None` asks for more bytes.
    pub(super) fn next<'a>(&mut self, chunk: &'a [u8], fuel: &mut Fuel) -> Option<(Option<Line<'a>>, usize)> {
        let new = chunk.get(self.searched..).unwrap_or_default();
        let found = memchr(b'\n', new);
        fuel.spend(found.unwrap_or(new.len()) as u64 + 1);
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = chunk.len();
            if chunk.len() < LINE_LIMIT && !self.skipping {
                return None;
            }
            self.searched = 0;
            let is_new = !std::mem::replace(&mut self.skipping, true);
            let line = is_new.then(|| Line { text: chunk.get(..LINE_LIMIT).unwrap_or(chunk), is_cut: true });
            return (!chunk.is_empty()).then_some((line, chunk.len()));
        };
        self.searched = 0;
        if std::mem::take(&mut self.skipping) {
            return Some((None, end + 1));
        }
        let line = chunk.get(..end).unwrap_or_default();
        let is_cut = line.len() > LINE_LIMIT;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some((Some(Line { text: line.get(..LINE_LIMIT).unwrap_or(line), is_cut }), end + 1))
    }

    /// What went before is lost: a line begins anew.
    pub(super) fn restart(&mut self) {
        *self = Self { searched: 0, skipping: true };
    }
}

/// Bytes of a line that are kept.
pub(super) const LINE_LIMIT: usize = 4_096;
