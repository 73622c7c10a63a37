//! How long after their packets records come to the log.

/// Upper bounds of the classes in microseconds: a millisecond to half a minute.
pub const BOUNDS_US: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

/// Times by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many are in each class, those beyond the last bound behind them.
    pub counts: [u64; BOUNDS_US.len() + 1],
    /// All times together, in microseconds.
    pub sum_us: u64,
}

impl Histogram {
    /// Takes note of some records that took so long.
    pub fn note(&mut self, time_us: u64, records: u64) {
        let class = BOUNDS_US.iter().position(|bound| time_us <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(count) = self.counts.get_mut(class) {
            *count += records;
        }
        self.sum_us = self.sum_us.saturating_add(time_us.saturating_mul(records));
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_classes() {
        let mut histogram = Histogram::default();
        for (time_us, records) in [(0, 1), (1_000, 1), (1_001, 2), (99_999, 1), (60_000_000, 3)] {
            histogram.note(time_us, records);
        }
        assert_eq!(histogram.counts, [2, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3]);
        assert_eq!((histogram.total(), histogram.sum_us), (8, 180_103_001));
    }
}
