//! Batches of records from all workers, put into the order of the batches of packets that they are of.
//!
//! A replay waits for all workers at each batch, so that its records are the same whatever their number. Live, a worker that is
//! stuck must not hold up the others' records: what waits for it for too long goes on, and what it finds comes behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::capture::ring::{Received, Receiver};
use crate::records::batch::RecordBatch;

/// Live, records wait for those of a slower worker at most for so long.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same by the bytes that wait.
const WAITING_BYTES: usize = 32 << 20;
/// Others are looked after meanwhile so often.
const NAP: Duration = Duration::from_millis(5);
/// When nothing waits, time is looked at so often.
const IDLE: Duration = Duration::from_millis(50);

/// What is next.
pub(super) enum Next {
    /// The records of one batch of packets.
    Batches(Vec<RecordBatch>),
    /// Time has passed.
    Time,
    /// There are no more.
    End,
}

/// The ends of all workers.
pub(super) struct Merge {
    workers: Vec<Waiting>,
    live: bool,
    waiting_bytes: usize,
}

struct Waiting {
    ring: Receiver<RecordBatch>,
    batches: VecDeque<(Instant, RecordBatch)>,
    closed: bool,
}

impl Merge {
    /// One for some workers.
    pub(super) fn new(rings: Vec<Receiver<RecordBatch>>, live: bool) -> Self {
        let workers = rings.into_iter().map(|ring| Waiting { ring, batches: VecDeque::new(), closed: false }).collect();
        Self { workers, live, waiting_bytes: 0 }
    }

    /// The next batches.
    pub(super) fn next(&mut self) -> Next {
        if !self.live {
            let batches: Vec<RecordBatch> = self.workers.iter_mut().filter_map(|w| w.ring.recv()).collect();
            return if batches.is_empty() { Next::End } else { Next::Batches(batches) };
        }
        for worker in &mut self.workers {
            while let Some(batch) = worker.ring.try_recv() {
                self.waiting_bytes += worker.keep(batch);
            }
        }
        let heads = self.workers.iter().filter_map(|worker| worker.batches.front());
        let Some(lowest) = heads.clone().map(|(_, batch)| batch.sequence).min() else { return self.wait(IDLE) };
        let patient = heads.clone().all(|(since, _)| since.elapsed() < PATIENCE) && self.waiting_bytes < WAITING_BYTES;
        if patient && self.workers.iter().any(Waiting::is_awaited) {
            return self.wait(NAP);
        }
        let mut taken = Vec::new();
        for worker in &mut self.workers {
            if worker.batches.front().is_some_and(|(_, batch)| batch.sequence == lowest)
                && let Some((_, batch)) = worker.batches.pop_front()
            {
                self.waiting_bytes -= batch.text_bytes();
                taken.push(batch);
            }
        }
        Next::Batches(taken)
    }

    /// Waits for the first worker that something is expected of.
    fn wait(&mut self, time: Duration) -> Next {
        let Some(worker) = self.workers.iter_mut().find(|worker| worker.is_awaited()) else { return Next::End };
        match worker.ring.recv_timeout(time) {
            Received::Value(batch) => self.waiting_bytes += worker.keep(batch),
            Received::Closed => worker.closed = true,
            Received::Nothing => {}
        }
        Next::Time
    }
}

impl Waiting {
    fn keep(&mut self, batch: RecordBatch) -> usize {
        let bytes = batch.text_bytes();
        self.batches.push_back((Instant::now(), batch));
        bytes
    }

    /// Whether it has nothing yet, and will have.
    fn is_awaited(&self) -> bool {
        self.batches.is_empty() && !self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::ring::ring;

    fn batch(sequence: u64) -> RecordBatch {
        let mut batch = RecordBatch::default();
        batch.sequence = sequence;
        batch
    }

    fn order(merge: &mut Merge) -> Vec<Vec<u64>> {
        let mut all = Vec::new();
        loop {
            match merge.next() {
                Next::Batches(batches) => all.push(batches.iter().map(|batch| batch.sequence).collect()),
                Next::Time => {}
                Next::End => return all,
            }
        }
    }

    #[test]
    fn batches_of_all_workers_come_together_and_holes_are_no_obstacle() {
        let (mut a, from_a) = ring(8);
        let (mut b, from_b) = ring(8);
        for sequence in [0, 1, 2, 5] {
            a.send(batch(sequence)).unwrap();
        }
        for sequence in [0, 1, 2, 3, 4, 5, 6] {
            b.send(batch(sequence)).unwrap();
        }
        drop((a, b));
        let mut merge = Merge::new(vec![from_a, from_b], true);
        assert_eq!(order(&mut merge), [vec![0, 0], vec![1, 1], vec![2, 2], vec![3], vec![4], vec![5, 5], vec![6]]);
    }

    #[test]
    fn a_worker_that_is_stuck_holds_the_others_up_for_a_moment_only() {
        let (mut a, from_a) = ring(8);
        let (mut b, from_b) = ring(8);
        b.send(batch(0)).unwrap();
        b.send(batch(1)).unwrap();
        let mut merge = Merge::new(vec![from_a, from_b], true);
        let mut came = Vec::new();
        while came.len() < 2 {
            if let Next::Batches(batches) = merge.next() {
                came.extend(batches.iter().map(|batch| batch.sequence));
            }
        }
        assert_eq!(came, [0, 1]);
        a.send(batch(0)).unwrap();
        a.send(batch(2)).unwrap();
        b.send(batch(2)).unwrap();
        drop((a, b));
        assert_eq!(order(&mut merge), [vec![0], vec![2, 2]], "what it found comes behind");
    }
}
