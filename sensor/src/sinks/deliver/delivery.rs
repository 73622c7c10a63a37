//! One delivery: from the log, through filter and encoding, to the receiver; then the position is stored.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::dead_letters::DeadLetters;
use super::outgoing::Outgoing;
use super::pause::Pause;
use super::rate::Rate;
use super::report::Report;
use super::sending::{Watcher, send_all};
use super::settings::{Settings, Way};
use super::thread::{Control, Ending};
use super::transport::{Item, Transport};
use crate::capture::clock;
use crate::rights::{self, Role};
use crate::sinks::log::cursor::{self, Cursor, Limits, Position};

/// Between two looks at a log in which nothing was new.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What the thread of a delivery has.
pub(super) struct Delivery {
    pub(super) settings: Settings,
    pub(super) log: PathBuf,
    live: bool,
    pub(super) control: Arc<Control>,
    report: Arc<Mutex<Report>>,
    reported: Instant,
    pub(super) pause: Pause,
    refused_in_a_row: u32,
}

impl Delivery {
    pub(super) fn new(
        settings: Settings,
        log: PathBuf,
        live: bool,
        control: Arc<Control>,
        report: Arc<Mutex<Report>>,
    ) -> Self {
        Self {
            settings,
            log,
            live,
            control,
            report,
            reported: Instant::now(),
            pause: Pause::default(),
            refused_in_a_row: 0,
        }
    }

    /// Delivers until it is told to end.
    pub(super) fn run(mut self, mut position: Position) {
        rights::enter(Role::Sender);
        if let Way::Whole(settings) = self.settings.way.clone() {
            self.deliver_whole(&settings, position);
            return self.tell(true);
        }
        let mut transport = self.settings.way.open();
        while self.control.now() != Ending::Stopped {
            match self.deliver(&mut *transport, position) {
                Ok(()) => break,
                Err(error) => {
                    // The log cannot be read or the position not stored: from there on again.
                    position = cursor::acknowledged(&self.log, &self.settings.name).ok().flatten().unwrap_or(position);
                    self.wait_for(&format!("the log: {error}"), None);
                }
            }
        }
        self.tell(true);
    }

    fn deliver(&mut self, transport: &mut dyn Transport, from: Position) -> io::Result<()> {
        let settings = &self.settings;
        let limits = Limits { bytes: settings.batch_bytes, records: settings.batch_records };
        let mut letters = DeadLetters::new(&self.log, &settings.name)?;
        let mut rate = Rate::new(settings.rate_bytes, Instant::now());
        let mut cursor = Cursor::open(&self.log, Some(from))?;
        let mut outgoing = Outgoing::new(settings.clone(), self.live);
        let mut began = Instant::now();
        loop {
            // What the end was before the look: what comes before it is seen by the look.
            let ending = self.control.now();
            let batch = cursor.next(limits)?;
            if batch.is_empty() {
                self.tell(false);
                if ending != Ending::Going {
                    return Ok(());
                }
                self.control.wait(LOOK_EVERY, Ending::Going);
                continue;
            }
            let bytes = batch.records().map(|record| record.line.len()).sum();
            let mut counted = self.report().clone();
            let items = outgoing.fill(&batch, &mut letters, &mut counted);
            *self.report() = counted;
            let mut in_a_row = self.refused_in_a_row;
            let mut watching = Watching { delivery: self, letters: &mut letters, asked: Instant::now() };
            let done = send_all(transport, items, &mut in_a_row, &mut watching);
            self.refused_in_a_row = in_a_row;
            if !done {
                return Ok(());
            }
            letters.settle()?;
            cursor::acknowledge(&self.log, &self.settings.name, batch.after)?;
            self.report().position = batch.after;
            self.tell(false);
            // A full batch has more behind it; others are collected for a while. Nothing is slowed down that must end.
            let is_full = batch.len() >= limits.records || bytes >= limits.bytes / 2;
            let paid = rate.spend(bytes, Instant::now());
            let collected = if is_full { Duration::ZERO } else { self.settings.wait.saturating_sub(began.elapsed()) };
            if self.control.wait(paid.max(collected), Ending::Going) == Ending::Stopped {
                return Ok(());
            }
            began = Instant::now();
        }
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the report, if it is time.
    pub(super) fn tell(&mut self, now: bool) {
        if now || self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            let report = self.report().clone();
            // It is told by the next one.
            report.write(&self.log).ok();
        }
    }

    /// Something is wrong: waits until it is worth another try; false at the end.
    pub(super) fn wait_for(&mut self, words: &str, after: Option<Duration>) -> bool {
        {
            let mut report = self.report();
            let now = clock::now().0;
            report.retries += 1;
            report.last_error.clear();
            report.last_error.push_str(words);
            report.last_error_us = now;
            if report.away_since_us == 0 {
                report.away_since_us = now;
            }
        }
        self.tell(true);
        // When the end begins it is tried once more at once, and then as often as there is time for.
        let known = self.control.now();
        self.control.wait(self.pause.next(after), known) != Ending::Stopped
    }
}

/// What is noted of records on their way.
struct Watching<'d> {
    delivery: &'d mut Delivery,
    letters: &'d mut DeadLetters,
    asked: Instant,
}

impl Watcher for Watching<'_> {
    fn delivered(&mut self, item: &Item<'_>) {
        let now = clock::now().0;
        let (decided, live) = (item.head.matched_us(), self.delivery.live);
        let since = decided.or_else(|| item.head.time_us().filter(|_| live));
        let mut report = self.delivery.report();
        report.delivered += 1;
        report.delivered_bytes += item.body.len() as u64;
        report.last_delivery_us = now;
        report.away_since_us = 0;
        if let Some(since) = since.and_then(|since| u64::try_from(since).ok()) {
            report.acknowledgement_times.add(now.saturating_sub(since) / 1_000);
        }
    }

    fn refused(&mut self, item: &Item<'_>, words: &str) {
        self.letters.push(item.line, words);
        let mut report = self.delivery.report();
        report.refused += 1;
        report.last_error.clear();
        report.last_error.push_str(words);
        report.last_error_us = clock::now().0;
    }

    fn wait(&mut self, words: &str, after: Option<Duration>) -> bool {
        let goes_on = self.delivery.wait_for(words, after);
        self.asked = Instant::now();
        goes_on
    }

    fn well(&mut self) {
        self.delivery.pause.reset();
        let took = u64::try_from(self.asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.delivery.report().request_times.add(took);
        self.asked = Instant::now();
    }
}
