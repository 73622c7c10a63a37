//! The end of a stream as alerts show it: the bytes that were inspected last and those that follow, and how many are missing between
//! them.

use tapwire_parsers::protocol::held;

/// Bytes of one direction, with a remark for each hole.
#[derive(Debug, Default)]
pub struct Excerpt {
    text: Vec<u8>,
    /// How much of it was inspected.
    inspected: usize,
}

impl Excerpt {
    /// Bytes that are inspected now. At least `limit` bytes are kept, where there are so many, and at most twice as many.
    pub fn append(&mut self, bytes: &[u8], limit: usize) {
        self.text.truncate(self.inspected);
        let begin = bytes.len().saturating_sub(limit);
        if begin > 0 {
            self.text.clear();
        }
        self.text.extend_from_slice(bytes.get(begin..).unwrap_or_default());
        if self.text.len() > limit.saturating_mul(2) {
            self.text.drain(..self.text.len() - limit);
        }
        self.inspected = self.text.len();
    }

    /// Bytes are there that will be inspected with what comes.
    pub fn look_ahead(&mut self, bytes: &[u8], limit: usize) {
        self.text.truncate(self.inspected);
        self.text.extend_from_slice(bytes.get(..limit).unwrap_or(bytes));
    }

    /// Bytes are missing.
    pub fn gap(&mut self, missing: u64, limit: usize) {
        self.append(format!("[{missing} bytes missing]").as_bytes(), limit);
    }

    /// What there is.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn held_bytes(&self) -> usize {
        held::list(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_told_and_the_end_is_kept() {
        let mut excerpt = Excerpt::default();
        excerpt.look_ahead(b"VE", 100);
        assert_eq!(excerpt.text(), b"VE");
        excerpt.append(b"VERY", 100);
        excerpt.gap(4, 100);
        excerpt.append(b"DATA", 100);
        assert_eq!(excerpt.text(), b"VERY[4 bytes missing]DATA");
        for _ in 0..1_000 {
            excerpt.append(b"0123456789", 100);
            assert!(excerpt.text().len() <= 200 && excerpt.text().ends_with(b"9"));
        }
        excerpt.append(&[b'x'; 1_000], 100);
        assert_eq!(excerpt.text(), [b'x'; 100]);
    }
}
