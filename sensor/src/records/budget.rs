//! A budget of bytes of records: what traffic brings, and in any case so many bytes a second.

use tapwire_parsers::link::Timestamp;

/// What was written against what may be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// Bytes that were written.
    spent: u64,
    /// Bytes of traffic.
    pub traffic: u64,
    /// Bytes that were written lately: it sinks with time.
    level: u64,
    at: Timestamp,
}

/// What may be written: so many bytes at once and a second in any case, and beyond them a part, in eighths, of the traffic's.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Bytes at once.
    pub burst: u64,
    /// Bytes a second.
    pub rate: u64,
    /// Eighths of either that may be used.
    pub eighths: u64,
}

impl Budget {
    /// Lets time pass. Time that goes back, as that of the next capture does, gives nothing.
    pub fn pass(&mut self, now: Timestamp, rate: u64) {
        let micros = now.0.saturating_sub(self.at.0);
        let sunk = rate.saturating_mul(micros) / 1_000_000;
        // What is too little to count is left for the next time.
        if sunk > 0 || now < self.at {
            self.level = self.level.saturating_sub(sunk);
            self.at = now;
        }
    }

    /// Whether so many bytes more can be written.
    pub fn has_room(&self, bytes: u64, terms: Terms) -> bool {
        let part = |whole: u64| whole / 8 * terms.eighths + whole % 8 * terms.eighths / 8;
        self.level + bytes <= part(terms.burst) || self.spent + bytes <= part(self.traffic)
    }

    /// Takes bytes that were written. What traffic had room for does not take room from time for longer than a burst does.
    pub fn spend(&mut self, bytes: u64, burst: u64) {
        self.spent += bytes;
        self.level = self.level.saturating_add(bytes).min(burst);
    }

    /// Begins anew to count by time.
    pub fn empty(&mut self) {
        (self.level, self.at) = (0, Timestamp::default());
    }

    /// Counts bytes by time alone.
    pub fn fill(&mut self, bytes: u64) {
        self.level = self.level.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { burst: 1_000, rate: 100, eighths: 8 };

    fn written(budget: &mut Budget, terms: Terms, bytes: u64) -> u64 {
        let mut written = 0;
        while budget.has_room(bytes, terms) {
            budget.spend(bytes, terms.burst);
            written += bytes;
        }
        written
    }

    #[test]
    fn time_or_traffic_gives_room_and_not_both() {
        let mut budget = Budget::default();
        budget.pass(Timestamp(5_000_000), TERMS.rate);
        assert_eq!(written(&mut budget, TERMS, 10), 1_000);
        budget.pass(Timestamp(6_000_000), TERMS.rate);
        assert_eq!(written(&mut budget, TERMS, 10), 100, "a second later");
        budget.traffic = 1_500;
        assert_eq!(written(&mut budget, TERMS, 10), 400, "what traffic brought beyond what time gave");
        assert_eq!(written(&mut budget, Terms { eighths: 6, ..TERMS }, 10), 0);
        budget.pass(Timestamp(0), TERMS.rate);
        assert_eq!(written(&mut budget, TERMS, 10), 0, "time goes back");
    }

    #[test]
    fn small_steps_of_time_add_up() {
        let mut budget = Budget::default();
        written(&mut budget, TERMS, 10);
        (0..1_000_000u64).step_by(1_000).for_each(|micros| budget.pass(Timestamp(micros), TERMS.rate));
        budget.pass(Timestamp(1_000_000), TERMS.rate);
        assert_eq!(written(&mut budget, TERMS, 10), 100);
    }
}
