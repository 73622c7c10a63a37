//! The deliveries of a run: begun with its logs, told of, counted, ended with them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::capture::clock;
use crate::sinks::deliver::report::Report;
use crate::sinks::deliver::{self, Deliveries};
use crate::sinks::log::cursor::Position;

/// One that cannot deliver is told of after so long, in microseconds: to be restarted is no fault.
const TOLD_AFTER_US: u64 = 5_000_000;
/// Live, what is left stays in the log, so nobody is waited for.
const LIVE_DRAIN: Duration = Duration::from_secs(5);

/// Between two looks at who cannot deliver.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What deliveries obey together.
#[derive(Clone, Debug, Default)]
pub struct DeliverySettings {
    /// Each.
    pub each: Vec<deliver::Settings>,
    /// Time that they have at the end of a run.
    pub drain: Duration,
}

/// Those of a run.
pub(super) struct Couriers {
    /// For each log.
    of_logs: Vec<Deliveries>,
    drain: Duration,
    live: bool,
    /// Those that were told to be away.
    away: BTreeSet<String>,
    /// When they were last looked at.
    looked: Option<Instant>,
}

impl Couriers {
    /// Begins them; the logs are there.
    pub(super) fn start(settings: &DeliverySettings, folder: &Path, live: bool) -> io::Result<Self> {
        let logs: BTreeSet<_> = settings.each.iter().map(|each| each.log.clone()).collect();
        let mut of_logs = Vec::new();
        for log in logs {
            let its = settings.each.iter().filter(|each| each.log == log).cloned();
            let its: Vec<_> = its.map(|each| deliver::Settings { way: each.way.below(folder), ..each }).collect();
            of_logs.push(Deliveries::start(&its, &folder.join(log), live)?);
        }
        let drain = if live { settings.drain.min(LIVE_DRAIN) } else { settings.drain };
        Ok(Self { of_logs, drain, live, away: BTreeSet::new(), looked: None })
    }

    /// How each is doing.
    pub(super) fn reports(&self) -> impl Iterator<Item = Report> {
        self.of_logs.iter().flat_map(Deliveries::reports)
    }

    /// What is to be told: who cannot deliver, and who can again.
    pub(super) fn take_news(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        if self.of_logs.is_empty() || self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return news;
        }
        self.looked = Some(Instant::now());
        let now = clock::now().0;
        for Report { name, away_since_us, last_error, .. } in self.reports().collect::<Vec<_>>() {
            let is_away = away_since_us > 0 && now.saturating_sub(away_since_us) >= TOLD_AFTER_US;
            if is_away && self.away.insert(name.clone()) {
                news.push(format!("the output {name} cannot deliver: {last_error}; records wait in the log"));
            } else if away_since_us == 0 && self.away.remove(&name) {
                news.push(format!("the output {name} delivers again"));
            }
        }
        news
    }

    /// Adds what they counted.
    pub(super) fn count(&self, counters: &mut BTreeMap<String, u64>) {
        for report in self.reports() {
            for (name, count) in [
                ("away", u64::from(report.away_since_us > 0)),
                ("cut", report.cut),
                ("delivered", report.delivered),
                ("gaps", report.gaps),
                ("left_out", report.left_out),
                ("misfits", report.misfits),
                ("missed", report.missed),
                ("refused", report.refused),
                ("retries", report.retries),
            ] {
                *counters.entry(format!("tapwire.outputs.{name}")).or_default() += count;
            }
        }
    }

    /// Lets them deliver what is left; what is to be told.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        for deliveries in std::mem::take(&mut self.of_logs) {
            for Report { name, delivered, last_error, position: Position { segment, .. }, .. } in
                deliveries.finish(self.drain)
            {
                let why = if last_error.is_empty() { String::new() } else { format!(": {last_error}") };
                let then = if self.live {
                    "it goes on from there at the next start"
                } else {
                    "a further run goes on from there"
                };
                news.push(format!(
                    "the output {name} has not delivered everything in {} s{why}; {delivered} records are delivered, what is left is in the \
                     log from segment {segment} on, and {then}",
                    self.drain.as_secs()
                ));
            }
        }
        news
    }
}
