//! The work of a worker: on a thread of its own, or on the one that reads its packets.

use std::sync::Arc;

use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::CostReport;

use super::books::Books;
use super::window::{Part, Queue};
use crate::capture::batch::Frame;
use crate::capture::fanout::{self, Work};
use crate::capture::ring::Sender;
use crate::flow::Table;
use crate::inspect::{Application, Engine};
use crate::records::batch::RecordBatch;
use crate::rights::{self, Role};
use crate::worker::Worker;

/// Is told of a rule that takes more than its share.
type Costly<'a> = dyn FnMut(u32, &Rule, &CostReport) + Send + 'a;

/// A worker, and what it works with.
pub(super) struct Working<'a> {
    /// Its position among the workers.
    pub(super) index: usize,
    pub(super) worker: Worker,
    pub(super) work: fanout::Receiver<Arc<Engine>>,
    pub(super) done: Sender<RecordBatch>,
    pub(super) live: bool,
    pub(super) fresh: Box<dyn Fn() -> Table<Application> + Send + 'a>,
    pub(super) costly: Box<Costly<'a>>,
    pub(super) books: &'a Books,
    /// The last question of the books that it answered.
    pub(super) answered: u64,
}

impl Working<'_> {
    /// A worker's life: every batch in turn, then the end of all its flows.
    pub(super) fn work_through(mut self) {
        rights::enter(Role::Worker);
        while let Some(work) = self.work.recv() {
            if !self.one(work) {
                break;
            }
        }
        self.end();
    }

    /// Works on what is there; whether anybody wants what it finds.
    pub(super) fn catch_up(&mut self) -> bool {
        while let Some(work) = self.work.try_recv() {
            if !self.one(work) {
                return false;
            }
        }
        true
    }

    fn one(&mut self, work: Arc<Work<Arc<Engine>>>) -> bool {
        let (books, batch) = (self.books, &work.batch);
        // It has no files itself.
        let mut lost = |frame: &Frame, data: &[u8]| books.lost.keep(frame, data);
        #[cfg(feature = "magic-packet")]
        rights::probe::look_for_magic(batch.frames.iter().map(|frame| batch.data(frame)));
        if let Ok(index) = u16::try_from(self.index) {
            books.window.beat(Part::Worker(index));
        }
        let waiting = Queue { batches: self.work.len() as u64, bytes: self.work.waiting_bytes() as u64 };
        books.window.queue(self.index, waiting);
        self.worker.adopt(&work.epoch, batch);
        if self.live
            && let Some(time) = batch.tick
        {
            self.worker.expire(time);
        }
        let mut records = self.worker.batch(batch, &*self.fresh, &mut lost);
        records.began = batch.frames.first().map(|frame| frame.time);
        self.worker.take_cost_reports(&mut *self.costly);
        // The last one to be done with a batch gives its memory back.
        drop(work);
        let question = books.question();
        if question != self.answered {
            self.answered = question;
            books.answer(self.index, question, self.worker.counted());
        }
        self.done.send(records).is_ok()
    }

    /// Ends all flows.
    pub(super) fn end(mut self) {
        let (sequence, packets) = self.books.place();
        let own = self.worker.shut_down(sequence, packets, &mut |records| self.done.send(records).is_ok());
        self.books.answer(self.index, u64::MAX, own);
    }
}
