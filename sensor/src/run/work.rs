//! The thread of a worker.

use std::path::Path;
use std::sync::Arc;

use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::CostReport;

use super::books::Books;
use crate::capture::batch::Frame;
use crate::capture::fanout;
use crate::capture::ring::Sender;
use crate::flow::Table;
use crate::inspect::{Application, Engine};
use crate::records::batch::RecordBatch;
use crate::sinks::packet;
use crate::worker::Worker;

/// Packets that are kept of those at which one worker panics.
const KEPT_PACKETS: u32 = 16;

/// A worker's life: every batch in turn, then the end of all its flows.
pub(super) fn work_through(
    mut worker: Worker,
    mut work: fanout::Receiver<Arc<Engine>>,
    mut done: Sender<RecordBatch>,
    (live, folder): (bool, &Path),
    fresh: &dyn Fn() -> Table<Application>,
    costly: &mut dyn FnMut(u32, &Rule, &CostReport),
    books: &Books,
) {
    let (index, mut answered) = (usize::from(worker.index()), books.question());
    let mut kept = 0;
    let mut lost = |frame: &Frame, data: &[u8]| {
        kept += 1;
        if kept <= KEPT_PACKETS {
            // What cannot be kept is counted all the same.
            packet::keep(folder, frame, data).ok();
        }
    };
    while let Some(work) = work.recv() {
        let batch = &work.batch;
        worker.adopt(&work.epoch, batch);
        if live && let Some(time) = batch.tick {
            worker.expire(time);
        }
        let records = worker.batch(batch, fresh, &mut lost);
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
