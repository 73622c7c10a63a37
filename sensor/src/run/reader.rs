//! The thread that reads packets and hands them to the workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::books::Books;
use super::work::Working;
use super::{Plan, RunError, note};
use crate::capture::batch::{Batch, Pool};
use crate::capture::duplicates::Duplicates;
use crate::capture::fanout::{Distributor, Handed};
use crate::capture::offload::Offload;
use crate::capture::{CaptureError, More, Source};
use crate::inspect::Engine;
use crate::rights::{self, Role};
use crate::stats::Counters;

/// Between two looks at what the system dropped, when live.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Packets wait in the system's buffer for so long until a worker may have room.
const NAP: Duration = Duration::from_millis(1);
/// Senders whose packets are refused that are told of.
const REFUSED_TOLD: u32 = 8;

/// Reads a source.
pub(super) struct Reader<'a> {
    pub(super) plan: &'a Plan<'a>,
    /// Its position among those who read.
    pub(super) index: usize,
    pub(super) live: bool,
    /// The worker that it is itself.
    pub(super) working: Option<Working<'a>>,
    pub(super) distributor: Distributor<Arc<Engine>>,
    pub(super) offload: Offload,
    /// Looks for packets that come twice, where that is wanted.
    pub(super) duplicates: Option<Duplicates>,
    /// Senders whose packets are refused that were told of.
    pub(super) refused_told: u32,
    pub(super) pool: Pool,
    pub(super) books: &'a Books,
    pub(super) errors: &'a Mutex<Vec<RunError>>,
    pub(super) failed: &'a AtomicBool,
}

impl Reader<'_> {
    /// Reads until there is no more, or nobody wants more.
    pub(super) fn run(mut self, source: &mut dyn Source, first: Option<(Batch, Result<More, CaptureError>)>) {
        rights::enter(if self.working.is_some() { Role::ReadingWorker } else { Role::Reader });
        let mut ready = first;
        let mut losses = Losses::default();
        loop {
            let (batch, result) = match ready.take() {
                Some(first) => first,
                None => {
                    // Where no worker has room, the system's buffer has some yet.
                    while self.live && !self.distributor.has_room() {
                        thread::sleep(NAP);
                        self.look(source, &mut losses);
                    }
                    let mut batch = self.pool.take();
                    let result = source.next_batch(&mut batch);
                    (batch, result)
                }
            };
            let handed = self.hand(batch, losses.packets);
            let is_wanted = self.working.as_mut().is_none_or(Working::catch_up);
            if let Handed::Dropped { packets, tunnels } = handed {
                losses.ring_full(packets, tunnels);
            }
            self.look(source, &mut losses);
            let more = match result {
                Ok(more) => more == More::Yes,
                Err(problem) => {
                    losses.counters.add("capture.errors", u64::from(self.live));
                    note(self.errors, RunError::Capture(problem));
                    !self.live
                }
            };
            // What watches interfaces sees that it has to stop, and hands over first what came until then.
            let stopped = !self.live && self.plan.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
            if !more || stopped || !is_wanted || handed == Handed::Gone || self.failed.load(Ordering::Relaxed) {
                break;
            }
        }
        if !self.failed.load(Ordering::Relaxed) {
            let (batch, rules) = (self.pool.take(), self.plan.active.engine());
            self.distributor.end(batch, rules);
            self.books.read(self.distributor.sequence(), None, None);
        }
        losses.ask(source, self.live);
        self.count(losses.counters);
        self.tell_refused();
        if let Some(mut working) = self.working {
            working.catch_up();
            working.end();
        }
    }

    fn hand(&mut self, mut batch: Batch, lost_packets: u64) -> Handed {
        batch.lost_packets = lost_packets;
        if let Some(duplicates) = &mut self.duplicates {
            duplicates.mark(&mut batch);
        }
        self.offload.judge(&mut batch);
        let last = batch.frames.last();
        let (packets, time) = (last.map(|frame| frame.number), last.map(|frame| frame.time).or(batch.tick));
        if let (Some(progress), Some(packets)) = (&self.plan.progress, packets) {
            progress.packets.store(packets, Ordering::Relaxed);
        }
        let (active, distributor) = (&self.plan.active, &mut self.distributor);
        let rules = if self.working.is_some() {
            let moment = active.moment();
            distributor.skip_to(moment);
            active.engine_of(distributor.sequence())
        } else {
            active.engine()
        };
        // A file waits for the workers, an interface does not.
        let handed = if self.live { distributor.offer(batch, rules) } else { distributor.send(batch, rules) };
        self.books.read(self.distributor.sequence(), packets, time);
        handed
    }

    /// Looks from time to time at what was lost.
    fn look(&mut self, source: &mut dyn Source, losses: &mut Losses) {
        if !self.live || losses.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        losses.ask(source, true);
        self.count(losses.counters.clone());
        if let Some(warn) = self.plan.warn {
            source.news().iter().for_each(|news| warn(news));
        }
        self.tell_refused();
    }

    /// Says whose packets are refused for their checksums, once for each and of the first ones.
    fn tell_refused(&mut self) {
        let Some(warn) = self.plan.warn else { return };
        while self.refused_told < REFUSED_TOLD
            && let Some(news) = self.offload.news()
        {
            self.refused_told += 1;
            warn(&news);
        }
    }

    fn count(&self, mut counters: Counters) {
        let (fragments, held_bytes) = self.distributor.fragments();
        for (name, count) in fragments.by_name() {
            counters.add(name, count);
        }
        counters.add("defrag.memuse", held_bytes as u64);
        counters.add("tapwire.packets.duplicates", self.duplicates.as_ref().map_or(0, |duplicates| duplicates.count));
        self.books.set_reader(self.index, counters);
    }
}

/// Packets that no worker saw.
#[derive(Default)]
struct Losses {
    counters: Counters,
    /// How many so far.
    packets: u64,
    looked: Option<Instant>,
    /// What interfaces with a filter counted, what the filters let through, and the difference as it is told.
    offered: u64,
    taken: u64,
    filtered: u64,
}

impl Losses {
    fn ring_full(&mut self, packets: u64, tunnels: u64) {
        self.lose("ring_full", packets);
        // Who watches that counter wants to know of all that was lost.
        self.counters.add("capture.kernel_drops", packets);
        self.counters.add("tapwire.packets.tunnels_ring_full", tunnels);
    }

    fn lose(&mut self, reason: &'static str, packets: u64) {
        self.packets += packets;
        self.counters.leave_out(reason, packets);
    }

    /// Asks the source what was lost before it.
    fn ask(&mut self, source: &mut dyn Source, live: bool) {
        self.looked = Some(Instant::now());
        let lost = source.losses();
        self.lose("kernel", lost.dropped);
        self.lose("interface", lost.dropped_by_interface);
        if live {
            self.counters.add("capture.kernel_packets", lost.received);
            self.counters.add("capture.kernel_drops", lost.dropped);
            self.counters.add("capture.kernel_ifdrops", lost.dropped_by_interface);
            self.counters.add("tapwire.capture.ring_full", lost.ring_full);
            (self.offered, self.taken) = (self.offered + lost.offered, self.taken + lost.taken);
            // An interface is asked a moment later than its ring: there is never less than was counted before.
            let filtered = self.offered.saturating_sub(self.taken).max(self.filtered);
            self.counters.add("tapwire.capture.filtered", filtered - self.filtered);
            self.filtered = filtered;
            self.counters.add("capture.errors", 0);
        }
    }
}
