//! A clock that nobody sets: packets carry the time of day, which may be put forward or back by an hour or ten years while flows go on.
//!
//! What such a step is, is told by the clock that only ever goes on. Times of packets are taken back by it, so that behind here time never
//! jumps and no flow ends early or late; records show it with the step.

use std::time::Instant;

use tapwire_parsers::link::Timestamp;

use super::super::clock::{note_steps, time_of_day};

/// The time of day, without steps.
#[derive(Debug)]
pub(super) struct Steady {
    began: Instant,
    /// The time of day at the begin, as if the clock had been then as it is now.
    origin_us: i64,
    /// What it was at the begin.
    first_us: i64,
    /// What it was before the last step.
    before_us: i64,
}

impl Steady {
    pub(super) fn new() -> Self {
        let (began, time) = (Instant::now(), signed(time_of_day()));
        Self { began, origin_us: time, first_us: time, before_us: time }
    }

    /// Looks whether the time of day was changed.
    pub(super) fn look(&mut self) {
        let before = Instant::now();
        let time = signed(time_of_day());
        // Who was kept waiting between the two clocks knows nothing.
        if before.elapsed().as_millis() < 1 {
            let since = i64::try_from(before.duration_since(self.began).as_micros()).unwrap_or(i64::MAX);
            self.set(time.saturating_sub(since));
        }
    }

    fn set(&mut self, origin_us: i64) {
        if origin_us.abs_diff(self.origin_us) > STEP_US {
            (self.before_us, self.origin_us) = (self.origin_us, origin_us);
            note_steps(self.origin_us.saturating_sub(self.first_us));
        }
    }

    /// The time of a packet that carries a time of day.
    #[inline]
    pub(super) fn of_packet(&self, time: Timestamp) -> Timestamp {
        if self.origin_us == self.first_us && self.before_us == self.first_us { time } else { self.of_stepped(time) }
    }

    #[cold]
    fn of_stepped(&self, time: Timestamp) -> Timestamp {
        // One that came before the step carries the time of before.
        let since = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let late = |origin: i64| signed(time).abs_diff(origin.saturating_add(since));
        let origin = if late(self.before_us) < late(self.origin_us) { self.before_us } else { self.origin_us };
        unsigned(signed(time).saturating_sub(origin).saturating_add(self.first_us))
    }

    /// What time it is.
    pub(super) fn time(&self) -> Timestamp {
        let since = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        unsigned(self.first_us.saturating_add(since))
    }
}

fn signed(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn unsigned(time: i64) -> Timestamp {
    Timestamp(u64::try_from(time).unwrap_or(0))
}

/// A smaller change is none: clocks that are corrected bit by bit never go further.
const STEP_US: u64 = 500_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::clock::on_the_wall;

    #[test]
    fn a_step_of_the_clock_moves_no_packet() {
        let mut clock = Steady::new();
        let (first, hour) = (clock.first_us, 3_600_000_000);
        let at = |time: i64| unsigned(time);
        assert_eq!(clock.of_packet(at(first + 5)), at(first + 5));
        clock.set(first + hour);
        assert_eq!(clock.of_packet(at(first + hour + 7)), at(first + 7));
        assert_eq!(clock.of_packet(at(first + 6)), at(first + 6), "it came before the step");
        let ten_years = 87_600 * hour;
        clock.set(first + hour - ten_years);
        assert_eq!(clock.of_packet(at(first + hour - ten_years + 9)), at(first + 9));
        assert_eq!(clock.of_packet(at(first + hour + 8)), at(first + 8));
        clock.set(first);
        assert_eq!(clock.of_packet(at(first + 10)), at(first + 10));
        assert_eq!(on_the_wall(at(first)), at(first));
    }
}
