//! When an output was written to: flows that the end of a run ends are recorded as if they had been when they began, and others
//! may have used up what there was then.

use tapwire_parsers::link::Timestamp;

use super::budget::Budget;

/// Bytes that were written, by the second.
#[derive(Default)]
pub struct History {
    seconds: Vec<(u64, u64)>,
    /// The first second that the end of the run has not come to, once there is an end.
    next: Option<usize>,
}

impl History {
    /// Notes bytes that were written. Beyond so many seconds, and where time goes back, the last one has them.
    pub fn note(&mut self, now: Timestamp, bytes: u64) {
        let (second, is_full) = (now.0 / 1_000_000, self.seconds.len() >= SECONDS);
        match self.seconds.last_mut() {
            Some((last, sum)) if is_full || second <= *last => *sum += bytes,
            _ => self.seconds.push((second, bytes)),
        }
    }

    /// Lets a budget pass to a time once more, as the run did.
    pub fn replay(&mut self, budget: &mut Budget, now: Timestamp, rate: u64) {
        let mut next = self.next.unwrap_or_else(|| {
            budget.empty();
            0
        });
        let second = now.0 / 1_000_000;
        while let Some((then, bytes)) = self.seconds.get(next).filter(|(then, _)| *then <= second) {
            budget.pass(Timestamp(then.saturating_mul(1_000_000)), rate);
            budget.fill(*bytes);
            next += 1;
        }
        self.next = Some(next);
    }
}

/// Seconds that are told apart: most of a day.
const SECONDS: usize = 1 << 16;
