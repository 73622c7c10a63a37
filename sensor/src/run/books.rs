//! What the threads of a run counted, while it goes on and at its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tapwire_parsers::link::Timestamp;
use tapwire_signatures::verify::cost::CostBooks;

use super::Plan;
use super::settings::Budgets;
use super::window::{Part, Window};
use crate::capture::batch::Frame;
use crate::counters::awaited;
use crate::decode::memory::Budget;
use crate::flow::exceptions::{ExceptionPolicies, ExceptionPolicy};
use crate::sequence::Report;
use crate::stats::Counters;

/// Packets that are kept of those at which workers panic.
const KEPT_PACKETS: usize = 16;

/// Packets at which workers panicked, on their way to the writer.
#[derive(Default)]
pub(super) struct Lost {
    kept: AtomicUsize,
    packets: Mutex<Vec<(Frame, Vec<u8>)>>,
}

impl Lost {
    /// Keeps a packet, if it is one of the first.
    pub(super) fn keep(&self, frame: &Frame, data: &[u8]) {
        if self.kept.fetch_add(1, Ordering::Relaxed) < KEPT_PACKETS {
            let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
            packets.push((*frame, data.to_vec()));
        }
    }

    /// Those that were kept since this was last asked.
    pub(super) fn take(&self) -> Vec<(Frame, Vec<u8>)> {
        std::mem::take(&mut self.packets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The books of a run: each thread puts its counters there as they stand.
pub(super) struct Books {
    /// What others see of the run.
    pub(super) window: Arc<Window>,
    /// How often all were asked for their counters.
    asked: AtomicU64,
    /// Each worker's, and what they answer.
    workers: Vec<Mutex<(u64, Counters)>>,
    readers: Vec<Mutex<Counters>>,
    start: Timestamp,
    /// The last packet's time, or what time it is.
    last_time: AtomicU64,
    /// Batches and packets that were read.
    sequence: AtomicU64,
    packets: AtomicU64,
    /// Packets at which workers panicked.
    pub(super) lost: Lost,
}

impl Books {
    pub(super) fn new(window: &Arc<Window>, (workers, readers): (u16, usize), start: Option<Timestamp>) -> Self {
        Self {
            window: Arc::clone(window),
            asked: AtomicU64::new(0),
            workers: (0..workers).map(|_| Mutex::default()).collect(),
            readers: (0..readers).map(|_| Mutex::default()).collect(),
            start: start.unwrap_or_default(),
            last_time: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            lost: Lost::default(),
        }
    }

    /// Asks all workers for their counters.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// The last question, for a worker that has answered those before.
    pub(super) fn question(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether all workers answered the last question.
    pub(super) fn are_answered(&self) -> bool {
        let asked = self.question();
        self.workers.iter().all(|worker| worker.lock().is_ok_and(|worker| worker.0 == asked))
    }

    /// A worker's answer.
    pub(super) fn answer(&self, worker: usize, question: u64, counters: Counters) {
        if let Some(place) = self.workers.get(worker) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = (question, counters);
        }
    }

    /// What a reader counted.
    pub(super) fn set_reader(&self, reader: usize, counters: Counters) {
        if let Some(place) = self.readers.get(reader) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = counters;
        }
    }

    /// A batch was read.
    pub(super) fn read(&self, sequence: u64, packets: Option<u64>, time: Option<Timestamp>) {
        self.window.beat(Part::Reader);
        self.sequence.fetch_max(sequence, Ordering::Relaxed);
        if let Some(packets) = packets {
            self.packets.fetch_max(packets, Ordering::Relaxed);
        }
        time.into_iter().for_each(|time| self.last_time.store(time.0, Ordering::Relaxed));
    }

    /// Batches and packets that were read.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.sequence.load(Ordering::Relaxed), self.packets.load(Ordering::Relaxed))
    }

    /// What those who read counted.
    pub(super) fn reader(&self) -> Counters {
        let mut all = Counters::default();
        for reader in &self.readers {
            all.merge(&reader.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }

    /// The last packet's time, or what time it is.
    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.last_time.load(Ordering::Relaxed))
    }

    /// All counters, added up.
    pub(super) fn all(&self) -> Counters {
        let mut all = self.reader();
        for worker in &self.workers {
            all.merge(&worker.lock().unwrap_or_else(PoisonError::into_inner).1);
        }
        all
    }

    /// What a record of counters says besides.
    pub(super) fn report<'a>(&self, plan: &Plan<'a>, costs: &'a CostBooks, live: bool) -> Report<'a> {
        let (time, own, sandbox) = (self.time(), plan.settings.own, plan.sandbox);
        Report { time, uptime_s: time.since(self.start) / 1_000_000, costs, own, live, sandbox }
    }
}

/// All counters by name; those of Tapwire alone among them where they are wanted.
pub(super) fn by_name(plan: &Plan<'_>, counters: &Counters, budgets: &Budgets, own: bool) -> BTreeMap<String, u64> {
    let counting = plan.settings.counting;
    let mut by_name = counters.by_name(own);
    if !counting.decoder_events {
        by_name.retain(|name, _| !name.contains("decoder.event."));
    }
    if counting.stream_events {
        by_name.extend(counters.stream_events());
    }
    by_name.extend(missing(&by_name, awaited()));
    follow_policies(&mut by_name, &plan.settings.flow.exceptions, counting.errors_by_protocol);
    by_name.insert("flow.memuse".into(), budgets.flows.drawn_bytes() as u64);
    by_name.insert("tcp.reassembly_memuse".into(), budgets.streams.drawn_bytes() as u64);
    by_name.insert("memcap.pressure".into(), budgets.most(Budget::used_percent));
    by_name.insert("memcap.pressure_max".into(), budgets.most(Budget::peak_percent));
    if let Some(parts) = &plan.active.engine().files.parts {
        by_name.insert("http.byterange.memuse".into(), parts.drawn_bytes() as u64);
        by_name.insert("http.byterange.memcap".into(), parts.limit_bytes() as u64);
    }
    if own {
        by_name.insert("tapwire.app_layer.memuse".into(), budgets.applications.drawn_bytes() as u64);
        by_name.extend(plan.active.counters().map(|(name, count)| (name.to_owned(), count)));
    }
    by_name
}

/// Shows what exception policies did where they are set, each with all that it may do.
fn follow_policies(by_name: &mut BTreeMap<String, u64>, policies: &ExceptionPolicies, by_protocol: bool) {
    let done = [ExceptionPolicy::Bypass, ExceptionPolicy::PassFlow].map(ExceptionPolicy::name);
    for (policy, group) in [
        (policies.midstream, "exception_policy.tcp.midstream."),
        (policies.reassembly, "exception_policy.tcp.reassembly."),
        (policies.application, "exception_policy.app_layer.error."),
    ] {
        match policy {
            ExceptionPolicy::Ignore => by_name.retain(|name, _| !name.starts_with(group)),
            _ => by_name.extend(missing(by_name, done.map(|what| format!("{group}{what}")))),
        }
    }
    if !by_protocol || policies.application == ExceptionPolicy::Ignore {
        by_name.retain(|name, _| !name.contains(".exception_policy."));
        return;
    }
    let of_protocols = by_name.keys().filter_map(|name| {
        let protocol = name.strip_suffix(".parser")?;
        protocol.starts_with("app_layer.error.").then(|| done.map(|what| format!("{protocol}.exception_policy.{what}")))
    });
    let names: Vec<String> = of_protocols.flatten().collect();
    by_name.extend(missing(by_name, names));
}

/// Counters that are not there yet: nothing happened.
fn missing(by_name: &BTreeMap<String, u64>, names: impl IntoIterator<Item = String>) -> Vec<(String, u64)> {
    names.into_iter().filter(|name| !by_name.contains_key(name)).map(|name| (name, 0)).collect()
}
