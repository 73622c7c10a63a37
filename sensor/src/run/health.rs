//! Looks at the counters while a run goes on, for what the sensor cannot see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Plan;
use super::books::Books;
use crate::health::{Finding, Monitor, QUICK, SLOW, Settings};
use crate::stats::Counters;

/// Between two looks at whether packets are lost.
const QUICK_EVERY: Duration = Duration::from_secs(1);
/// What workers counted is taken without those that do not answer for so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks at the counters of a run.
pub(super) struct Watch {
    began: Instant,
    quick: Monitor,
    looked: Instant,
    slow: Monitor,
    every: Option<Duration>,
    /// When workers were asked last, or answered.
    asked: Instant,
    is_asked: bool,
}

impl Watch {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            quick: Monitor::new(QUICK, settings, true),
            looked: now,
            slow: Monitor::new(SLOW, settings, true),
            every: (settings.interval_s > 0).then(|| Duration::from_secs(settings.interval_s.into())),
            asked: now,
            is_asked: false,
        }
    }

    /// What begins or is over since the last look.
    pub(super) fn look(&mut self, books: &Books) -> Vec<Finding> {
        let mut found = Vec::new();
        let clock = self.began.elapsed();
        if self.looked.elapsed() >= QUICK_EVERY {
            self.looked = Instant::now();
            found.extend(self.quick.look(quick_counters(books), books.time(), clock));
        }
        let Some(every) = self.every else { return found };
        if !self.is_asked && self.asked.elapsed() >= every {
            books.ask();
            (self.asked, self.is_asked) = (Instant::now(), true);
        }
        if self.is_asked && (books.are_answered() || self.asked.elapsed() >= PATIENCE) {
            self.is_asked = false;
            found.extend(self.slow.look(counters(&books.all()), books.time(), clock));
        }
        found
    }

    /// Each thing that is looked for, and whether it is there, as counters.
    pub(super) fn states(&self) -> impl Iterator<Item = (String, u64)> {
        let all = self.quick.states().chain(self.slow.states());
        all.map(|(name, is_there)| (format!("tapwire.health.{name}"), u64::from(is_there)))
    }
}

/// What holds of a whole run.
pub(super) fn of_run(books: &Books, all: &Counters, live: bool) -> Vec<Finding> {
    crate::health::of_run(&counters(all), books.time(), live)
}

/// All by name, whatever records show.
fn counters(all: &Counters) -> BTreeMap<String, u64> {
    all.by_name(true)
}

/// What is known without the workers.
fn quick_counters(books: &Books) -> BTreeMap<String, u64> {
    let reader = books.reader();
    let dropped = reader.dropped().into_iter();
    let dropped = dropped.map(|(reason, count)| (format!("tapwire.packets.dropped.{reason}"), count));
    dropped.chain([("packets".to_owned(), books.place().1)]).collect()
}

/// Tells findings on the terminal.
pub(super) fn warn(plan: &Plan<'_>, found: &[Finding]) {
    if let Some(warn) = plan.warn {
        found.iter().for_each(|finding| warn(&finding.in_words()));
    }
}
