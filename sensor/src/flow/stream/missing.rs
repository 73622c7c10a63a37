//! Holes in a stream that nobody reads (encrypted, or of no known protocol): nothing is stored, but that bytes were lost is told.

use smallvec::SmallVec;

/// Ranges of bytes that did not come so far.
#[derive(Debug, Default)]
pub(super) struct Missing(SmallVec<[(u64, u64); 2]>);

impl Missing {
    /// Bytes from `offset` to `upto` came, and so far the stream went to `end`. Whether there are more holes than are kept.
    pub(super) fn meet(&mut self, offset: u64, upto: u64, end: u64) -> bool {
        let mut rest: SmallVec<[(u64, u64); 2]> = SmallVec::new();
        for &(from, to) in &self.0 {
            rest.extend([(from, to.min(offset)), (from.max(upto), to)].into_iter().filter(|(from, to)| from < to));
        }
        self.0 = rest;
        if offset > end {
            self.0.push((end, offset));
        }
        let is_full = self.0.len() > HOLES;
        if is_full {
            self.0.remove(0);
        }
        is_full
    }

    /// Whether some of what is missing before `offset` is acknowledged now, so that nothing will fill it.
    pub(super) fn acknowledge(&mut self, offset: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|(from, _)| *from >= offset);
        self.0.len() < before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many holes are kept.
const HOLES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_not_missing_and_what_is_acknowledged_is() {
        let mut missing = Missing::default();
        assert!(!missing.meet(10, 20, 0) && !missing.meet(30, 40, 20));
        missing.meet(4, 8, 40);
        assert_eq!(missing.0.as_slice(), [(0, 4), (8, 10), (20, 30)]);
        missing.meet(0, 10, 40);
        assert_eq!(missing.0.as_slice(), [(20, 30)]);
        assert!(!missing.acknowledge(20) && missing.acknowledge(21) && missing.is_empty());
        let many: Vec<bool> = (0..20).map(|at| missing.meet(100 * at + 50, 100 * at + 100, 100 * at)).collect();
        assert_eq!((many.iter().filter(|full| **full).count(), missing.0.len()), (4, HOLES));
    }
}
