//! The writer's thread: records as they come, and counters at their interval.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::books::{self, Books};
use super::health::{self, Watch};
use super::merge::{Merge, Next};
use super::settings::Budgets;
use super::window::Part;
use super::{Plan, RunError, note};
use crate::rights::{self, Role};
use crate::sequence::Writer;
use crate::sinks::lock::FolderLock;
use crate::sinks::packet;

/// Counters are written without those of workers that do not answer for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at whether the folder is still held, when live.
const LOCK_EVERY: Duration = Duration::from_secs(1);

/// Writes the records of a run.
pub(super) fn write_all(
    plan: &Plan<'_>,
    writer: &mut Writer,
    mut merge: Merge,
    mut lock: Option<FolderLock>,
    (books, budgets): (&Books, &Budgets),
    (errors, failed): (&Mutex<Vec<RunError>>, &AtomicBool),
) {
    rights::enter(Role::Writer);
    let warn = |news: &str| plan.warn.iter().for_each(|warn| warn(news));
    let mut interval = Interval::new(plan.settings.live.stats_interval_s);
    let mut answers = Answers::default();
    let mut health = Watch::new(plan.settings.health);
    let mut looked = Instant::now();
    loop {
        match merge.next() {
            Next::Batches(batches) => {
                writer.write(&batches);
                if lock.is_some() {
                    answers.written(&batches);
                }
            }
            Next::Time => {}
            Next::End => break,
        }
        plan.window.beat(Part::Writer);
        if lock.is_some() {
            writer.tick();
            if plan.reopen.as_ref().is_some_and(|reopen| reopen.swap(false, Ordering::Relaxed)) {
                writer.reopen();
            }
            answers.answer(plan, writer, (books, budgets), &health);
            let found = health.look(books);
            writer.write_health(&found);
            health::warn(plan, &found);
            if interval.is_due(books) {
                let counters = books.all();
                let mut by_name = books::by_name(plan, &counters, budgets, true);
                by_name.extend(health.states());
                writer.write_stats(books.report(plan, &counters.costs, true), by_name);
            }
            if looked.elapsed() >= LOCK_EVERY {
                looked = Instant::now();
                if lock.as_ref().is_some_and(|lock| !lock.is_in_place())
                    && let Ok(again) = FolderLock::hold(plan.folder)
                {
                    lock = Some(again);
                }
            }
        }
        writer.take_news().iter().for_each(|news| warn(news));
        for (frame, data) in books.lost.take() {
            // What cannot be kept is counted all the same.
            packet::keep(plan.folder, &frame, &data).ok();
        }
        if let Some(source) = writer.take_failure()
            && !failed.swap(true, Ordering::Relaxed)
        {
            note(errors, RunError::Write { folder: plan.folder.to_owned(), source });
        }
    }
}

/// When counters are due.
struct Interval {
    every: Option<Duration>,
    last: Instant,
    asked: bool,
}

impl Interval {
    fn new(every_s: u32) -> Self {
        let every = (every_s > 0).then(|| Duration::from_secs(every_s.into()));
        Self { every, last: Instant::now(), asked: false }
    }

    /// Whether they are due, and the workers have told theirs.
    fn is_due(&mut self, books: &Books) -> bool {
        let Some(every) = self.every.filter(|every| self.last.elapsed() >= *every) else { return false };
        if !self.asked {
            self.asked = true;
            books.ask();
        }
        let due = books.are_answered() || self.last.elapsed() >= every + PATIENCE;
        if due {
            (self.asked, self.last) = (false, self.last + every);
            // After a stall the missed ones are not made up for.
            if self.last.elapsed() >= every {
                self.last = Instant::now();
            }
        }
        due
    }
}
