//! What the writer answers to those who look through the window of a run.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tapwire_signatures::rule::dataset::Operation;

use super::Plan;
use super::books::{self, Books};
use super::health::Watch;
use super::latency::Histogram;
use super::settings::Budgets;
use super::window::{Question, SetOperation, SetQuestion, Snapshot};
use crate::capture::clock::now;
use crate::records::batch::RecordBatch;
use crate::sequence::{Report, Writer};

/// Counters are told without those of workers that do not answer for so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Rules that are named of those that matched.
const NAMED_RULES: usize = 100;

/// Those who wait for an answer, and what only the writer knows.
#[derive(Default)]
pub(super) struct Answers {
    waiting: Vec<SyncSender<Arc<Snapshot>>>,
    since: Option<Instant>,
    latency: Histogram,
}

impl Answers {
    /// Takes note of how long records took that are in the log now.
    pub(super) fn written(&mut self, batches: &[RecordBatch]) {
        for batch in batches {
            let records = batch.findings.iter().filter(|finding| finding.record().is_some()).count();
            if let Some(began) = batch.began.filter(|_| records > 0) {
                self.latency.note(now().since(began), records as u64);
            }
        }
    }

    /// Answers what was asked, once workers have told their counters.
    pub(super) fn answer(
        &mut self,
        plan: &Plan<'_>,
        writer: &mut Writer,
        (books, budgets): (&Books, &Budgets),
        health: &Watch,
    ) {
        for question in plan.window.take() {
            match question {
                Question::Counters(answer) => {
                    if self.waiting.is_empty() {
                        books.ask();
                        self.since = Some(Instant::now());
                    }
                    self.waiting.push(answer);
                }
                // Who does not wait any more is not told.
                Question::Sets(answer) => drop(answer.try_send(writer.sets())),
                Question::Set(question, answer) => drop(answer.try_send(set(writer, &question))),
            }
        }
        let is_late = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if !self.waiting.is_empty() && (books.are_answered() || is_late) {
            let snapshot = Arc::new(self.snapshot(plan, writer, (books, budgets), health));
            for answer in self.waiting.drain(..) {
                drop(answer.try_send(Arc::clone(&snapshot)));
            }
        }
    }

    fn snapshot(
        &self,
        plan: &Plan<'_>,
        writer: &Writer,
        (books, budgets): (&Books, &Budgets),
        health: &Watch,
    ) -> Snapshot {
        let all = books.all();
        // Who looks is told what only Tapwire counts as well, whatever records show.
        let mut by_name = books::by_name(plan, &all, budgets, true);
        by_name.extend(health.states());
        let report = Report { own: true, ..books.report(plan, &all.costs, true) };
        Snapshot {
            uptime_s: report.uptime_s,
            rules: writer.matches(&all.costs, NAMED_RULES),
            counters: writer.counters(report, by_name),
            queues: plan.window.queues(),
            latency: self.latency,
            outputs: writer.deliveries(),
        }
    }
}

fn set(writer: &mut Writer, question: &SetQuestion) -> Result<bool, String> {
    let operation = match question.what {
        SetOperation::Add => Operation::Set,
        SetOperation::Remove => Operation::Unset,
        SetOperation::Lookup => Operation::IsSet,
    };
    writer.change_set((question.tenant, &question.name), operation, &question.value)
}
