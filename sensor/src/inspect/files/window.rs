//! What rules look at of a file's contents: a window on the bytes that came last.

use tapwire_parsers::protocol::held;
use tapwire_signatures::rule::condition::Contents;

/// Bytes that are kept at least; twice as many are kept at most.
const WINDOW_BYTES: usize = 128 << 10;

/// The last bytes of a file, of most files all of them.
#[derive(Debug, Default)]
pub(super) struct Window {
    data: Vec<u8>,
    /// Place of the first kept byte in the file.
    offset: u64,
}

impl Window {
    /// Takes bytes that follow.
    pub(super) fn append(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
        if self.data.len() > 2 * WINDOW_BYTES {
            let gone = self.data.len() - WINDOW_BYTES;
            self.data.drain(..gone);
            self.offset += gone as u64;
        }
    }

    /// Bytes are missing: what is before them and what is behind them do not belong together.
    pub(super) fn gap(&mut self, missing: u64) {
        self.offset += self.data.len() as u64 + missing;
        self.data.clear();
    }

    /// Nothing more will come.
    pub(super) fn end(&mut self) {
        self.data.shrink_to_fit();
    }

    /// What rules look at, once there is anything.
    pub(super) fn contents(&self) -> Option<Contents<'_>> {
        let Self { data, offset } = self;
        (!data.is_empty()).then_some(Contents { data, offset: *offset })
    }

    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept_with_their_place() {
        let mut window = Window::default();
        assert_eq!(window.contents(), None);
        window.append(b"before");
        window.gap(10);
        assert_eq!(window.contents(), None, "what is before a hole is no neighbour of what follows");
        window.append(b"behind");
        assert_eq!(window.contents(), Some(Contents { data: b"behind", offset: 16 }));
        for _ in 0..100 {
            window.append(&[b'x'; 10_000]);
            let Contents { data, offset } = window.contents().unwrap();
            assert!(data.len() <= 2 * WINDOW_BYTES && (offset == 16 || data.len() >= WINDOW_BYTES));
        }
        let Contents { data, offset } = window.contents().unwrap();
        assert_eq!(offset + data.len() as u64, 22 + 1_000_000);
    }
}
