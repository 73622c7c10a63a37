//! How long something took, as a histogram.

use serde::{Deserialize, Serialize};

/// Upper ends of the steps, in milliseconds; behind the last one is one without an end.
pub const STEPS_MS: [u64; 14] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000, 600_000, 3_600_000];

/// Counts by step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How many were in each step.
    pub counts: [u64; STEPS_MS.len() + 1],
    /// All of them together, in milliseconds.
    pub sum_ms: u64,
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, ms: u64) {
        let step = STEPS_MS.iter().position(|end| ms <= *end).unwrap_or(STEPS_MS.len());
        if let Some(count) = self.counts.get_mut(step) {
            *count += 1;
        }
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The end of the step that a share of them is in, in percent; none where there are none, or that step has no end.
    pub fn percentile_ms(&self, percent: u64) -> Option<u64> {
        let wanted = (self.total() * percent).div_ceil(100);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        step.filter(|_| wanted > 0).and_then(|step| STEPS_MS.get(step)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_is_below_a_step() {
        let mut times = Times::default();
        assert_eq!(times.percentile_ms(50), None);
        (0..90).for_each(|_| times.add(7));
        (0..10).for_each(|_| times.add(3_000));
        assert_eq!((times.percentile_ms(50), times.percentile_ms(99), times.total()), (Some(10), Some(5_000), 100));
        times.add(u64::MAX);
        assert_eq!((times.percentile_ms(100), times.sum_ms), (None, u64::MAX));
    }
}
