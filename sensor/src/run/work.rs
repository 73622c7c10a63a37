//! The thread of a worker.

use std::sync::Arc;

use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::CostReport;

use super::books::Books;
use super::window::{Part, Queue};
use crate::capture::batch::Frame;
use crate::capture::fanout;
use crate::capture::ring::Sender;
use crate::flow::Table;
use crate::inspect::{Application, Engine};
use crate::records::batch::RecordBatch;
use crate::rights::{self, Role};
use crate::worker::Worker;

/// A worker's life: every batch in turn, then the end of all its flows.
pub(super) fn work_through(
    mut worker: Worker,
    mut incoming: fanout::Receiver<Arc<Engine>>,
    mut done: Sender<RecordBatch>,
    live: bool,
    fresh: &dyn Fn() -> Table<Application>,
    costly: &mut dyn FnMut(u32, &Rule, &CostReport),
    books: &Books,
) {
    rights::enter(Role::Worker);
    let (index, mut answered) = (usize::from(worker.index()), books.question());
    // It has no files itself.
    let mut lost = |frame: &Frame, data: &[u8]| books.lost.keep(frame, data);
    while let Some(work) = incoming.recv() {
        let batch = &work.batch;
        #[cfg(feature = "magic-packet")]
        rights::probe::look_for_magic(batch.frames.iter().map(|frame| batch.data(frame)));
        books.window.beat(Part::Worker(worker.index()));
        books.window.queue(index, Queue { batches: incoming.len() as u64, bytes: incoming.waiting_bytes() as u64 });
        worker.adopt(&work.epoch, batch);
        if live && let Some(time) = batch.tick {
            worker.expire(time);
        }
        let mut records = worker.batch(batch, fresh, &mut lost);
        records.began = batch.frames.first().map(|frame| frame.time);
        worker.take_cost_reports(costly);
        // The last one to be done with a batch gives its memory back.
        drop(work);
        let question = books.question();
        if question != answered {
            answered = question;
            books.answer(index, question, worker.counted());
        }
        if done.send(records).is_err() {
            break;
        }
    }
    let (sequence, packets) = books.place();
    let own = worker.shut_down(sequence, packets, &mut |records| done.send(records).is_ok());
    books.answer(index, u64::MAX, own);
}
