//! How fast a sink reads what waits: so many bytes a second, so that one that catches up leaves disk and processor to the others.

use std::time::{Duration, Instant};

/// Bytes that may be read.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    bytes_per_s: u64,
    free_at: Instant,
}

impl Rate {
    /// So many a second; 0 for any number.
    pub(super) fn new(bytes_per_s: u64, now: Instant) -> Self {
        Self { bytes_per_s, free_at: now }
    }

    /// Bytes were read; how long to wait before the next ones.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) -> Duration {
        if self.bytes_per_s == 0 {
            return Duration::ZERO;
        }
        let cost = bytes as f64 / self.bytes_per_s as f64;
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(cost.min(60.0));
        self.free_at.duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_paid_for_in_time() {
        let start = Instant::now();
        let mut rate = Rate::new(1_000, start);
        assert_eq!(rate.spend(500, start), Duration::from_millis(500));
        assert_eq!(rate.spend(500, start), Duration::from_secs(1));
        let later = start + Duration::from_secs(10);
        assert_eq!(rate.spend(100, later), Duration::from_millis(100), "time that nobody used is not saved up");
        assert_eq!(Rate::new(0, start).spend(usize::MAX, start), Duration::ZERO);
    }
}
