//! What the sensor could not see, and what to do about it.
//!
//! A [`Monitor`] is shown the counters from time to time. It says when something begins to be hidden from the sensor, and when that is
//! over. It knows numbers by their names and nothing of those who count; who asks it writes the record and warns.

mod checks;
pub mod limits;

use std::collections::BTreeMap;
use std::time::Duration;

use tapwire_parsers::link::Timestamp;

pub use checks::{QUICK, SLOW};

/// When something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `tapwire.health.interval`: time between two looks at what is not looked at each second; 0 for none.
    pub interval_s: u32,
    /// `tapwire.health.silence`: time without a packet that is told of; 0 for none.
    pub silence_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval_s: 10, silence_s: 60 }
    }
}

/// Something that is looked for in the counters.
pub struct Check {
    /// What it is called, in records and counters.
    name: &'static str,
    /// What to do about it.
    advice: &'static str,
    /// What is said when it is over.
    over: &'static str,
    /// It is over when it was not seen for so long.
    calm: Duration,
    /// It means nothing in a capture file.
    live_only: bool,
    judge: fn(&Grown<'_>) -> Verdict,
}

/// What a look at the counters says.
enum Verdict {
    /// Too little was seen.
    Unknown,
    /// It is not there.
    No,
    /// It is there: in words, and in numbers.
    Yes(String, Vec<(&'static str, u64)>),
}

/// Counters since the last look.
struct Grown<'a> {
    before: &'a BTreeMap<String, u64>,
    now: &'a BTreeMap<String, u64>,
    /// Time since then that nothing was seen, where that is told of.
    silence: Option<Duration>,
    silence_limit_s: u32,
}

impl Grown<'_> {
    /// By how much a counter has grown.
    fn of(&self, name: &str) -> u64 {
        let at = |counters: &BTreeMap<String, u64>| counters.get(name).copied().unwrap_or(0);
        at(self.now).saturating_sub(at(self.before))
    }
}

/// Whether something begins or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It begins.
    Begun,
    /// It is over.
    Over,
}

impl State {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            State::Begun => "begun",
            State::Over => "over",
        }
    }
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is called.
    pub name: &'static str,
    /// Whether it begins or is over.
    pub state: State,
    /// When that was seen.
    pub time: Timestamp,
    /// Since when it is so.
    pub since: Timestamp,
    /// What the sensor cannot see, in words.
    pub what: String,
    /// What to do.
    pub advice: &'static str,
    /// What was counted of it, since it began.
    pub counts: Vec<(&'static str, u64)>,
}

impl Finding {
    /// All of it in a sentence.
    pub fn in_words(&self) -> String {
        match self.state {
            State::Begun => format!("{}; {}", self.what, self.advice),
            State::Over => self.what.clone(),
        }
    }
}

/// Something that is there.
struct Open {
    since: Timestamp,
    /// When it was seen last, by a clock that does not jump.
    seen: Duration,
    counts: Vec<(&'static str, u64)>,
}

/// Looks at counters and remembers what is there.
pub struct Monitor {
    checks: Vec<(&'static Check, Option<Open>)>,
    before: BTreeMap<String, u64>,
    silence_limit_s: u32,
    /// When packets came last.
    traffic: Option<(u64, Duration)>,
}

impl Monitor {
    /// One that looks for some things.
    pub fn new(checks: &'static [Check], settings: Settings, live: bool) -> Self {
        let checks = checks.iter().filter(|check| live || !check.live_only).map(|check| (check, None)).collect();
        Self { checks, before: BTreeMap::new(), silence_limit_s: settings.silence_s, traffic: None }
    }

    /// Looks at the counters: `time` is that of the packets, `clock` one that does not jump.
    pub fn look(&mut self, counters: BTreeMap<String, u64>, time: Timestamp, clock: Duration) -> Vec<Finding> {
        let packets = counters.get(checks::PACKETS).copied();
        if let Some(packets) = packets
            && self.traffic.is_none_or(|(before, _)| before != packets)
        {
            self.traffic = Some((packets, clock));
        }
        let silence = self.traffic.map(|(_, since)| clock.saturating_sub(since));
        let before = std::mem::take(&mut self.before);
        let grown = Grown { before: &before, now: &counters, silence, silence_limit_s: self.silence_limit_s };
        let mut told = Vec::new();
        for (check, open) in &mut self.checks {
            match ((check.judge)(&grown), &mut *open) {
                (Verdict::Yes(what, counts), None) => {
                    told.push(check.finding(State::Begun, (time, time), what, counts.clone()));
                    *open = Some(Open { since: time, seen: clock, counts });
                }
                (Verdict::Yes(_, counts), Some(open)) => {
                    open.seen = clock;
                    for ((_, sum), (_, more)) in open.counts.iter_mut().zip(counts) {
                        *sum = sum.saturating_add(more);
                    }
                }
                (Verdict::No, Some(seen)) if clock.saturating_sub(seen.seen) >= check.calm => {
                    let Open { since, counts, .. } =
                        std::mem::replace(seen, Open { since: time, seen: clock, counts: Vec::new() });
                    *open = None;
                    let numbers: Vec<String> =
                        counts.iter().map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
                    let so_far =
                        if numbers.is_empty() { String::new() } else { format!(" (in all {})", numbers.join(", ")) };
                    told.push(check.finding(State::Over, (since, time), format!("{}{so_far}", check.over), counts));
                }
                _ => {}
            }
        }
        self.before = counters;
        told
    }

    /// What is looked for, and whether it is there.
    pub fn states(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.checks.iter().map(|(check, open)| (check.name, open.is_some()))
    }
}

impl Check {
    fn finding(
        &self,
        state: State,
        (since, time): (Timestamp, Timestamp),
        what: String,
        counts: Vec<(&'static str, u64)>,
    ) -> Finding {
        Finding { name: self.name, state, time, since, what, advice: self.advice, counts }
    }
}

/// What holds of a whole run.
pub fn of_run(counters: &BTreeMap<String, u64>, time: Timestamp, live: bool) -> Vec<Finding> {
    Monitor::new(SLOW, Settings::default(), live).look(counters.clone(), time, Duration::ZERO)
}

/// The names of all that is looked for.
pub fn names() -> impl Iterator<Item = &'static str> {
    QUICK.iter().chain(SLOW).map(|check| check.name)
}

#[cfg(test)]
mod tests;
