//! What a run obeys, room by room, and the budgets that follow from it.

use std::sync::Arc;

use super::pinning::Pinning;
use crate::capture::duplicates;
use crate::capture::fanout::Reading;
use crate::decode::defrag::{Defrag, Defragmenter};
use crate::decode::memory::Budget;
use crate::flow::{self, Table};
use crate::inspect::Application;
use crate::records::report;
use crate::{health, sequence, worker};

/// What a run obeys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What may be kept.
    pub memory: Memory,
    /// What may be kept of incomplete datagrams.
    pub defrag: Defrag,
    /// How flows are followed. Only an interface's are told apart by interfaces.
    pub flow: flow::Settings,
    /// How workers treat streams and alerts.
    pub worker: worker::Settings,
    /// What is written, and how.
    pub records: report::Settings,
    /// What becomes of that behind the workers.
    pub writer: sequence::Settings,
    /// What holds while an interface is watched.
    pub live: LiveSettings,
    /// Which processors threads run on.
    pub pinning: Pinning,
    /// When it is looked at what the sensor cannot see.
    pub health: health::Settings,
    /// What is done with packets that come twice.
    pub duplicates: duplicates::Settings,
    /// Whether there is what only Tapwire counts.
    pub own: bool,
    /// Which counters there are.
    pub counting: Counting,
}

/// Which counters there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// `stats.decoder-events`: those of events of decoding.
    pub decoder_events: bool,
    /// `stats.stream-events`: those of events of streams.
    pub stream_events: bool,
    /// `stats.exception-policy.per-app-proto-errors`: what is done with flows whose parser gave up, by protocol.
    pub errors_by_protocol: bool,
}

impl Default for Counting {
    fn default() -> Self {
        Self { decoder_events: true, stream_events: false, errors_by_protocol: false }
    }
}

/// Bytes of what may be kept; 0 for no limit.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Of all of them together.
    pub whole: u64,
    /// Of flows.
    pub flows: u64,
    /// Of their streams.
    pub streams: u64,
    /// Of what parsers keep.
    pub applications: u64,
}

/// What holds while an interface is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// `stats.interval`: time between two records of counters; 0 where `stats.enabled` says no.
    pub stats_interval_s: u32,
    /// `tapwire.live.packet-backlog`: bytes of packets that wait for one worker.
    pub packet_bytes: u64,
    /// `tapwire.live.record-backlog`: bytes of records that wait for one output.
    pub record_bytes: u64,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { stats_interval_s: 8, packet_bytes: 64 << 20, record_bytes: 64 << 20 }
    }
}

/// What may be kept.
pub(super) struct Budgets {
    pub(super) flows: Arc<Budget>,
    pub(super) streams: Arc<Budget>,
    pub(super) applications: Arc<Budget>,
}

impl Budgets {
    pub(super) fn of(memory: &Memory) -> Self {
        let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let whole = (memory.whole > 0).then(|| Budget::new(bytes(memory.whole)));
        let part = |limit| Budget::part(bytes(limit), whole.clone());
        Self { flows: part(memory.flows), streams: part(memory.streams), applications: part(memory.applications) }
    }

    /// An empty table that is charged to them.
    pub(super) fn table(&self, settings: flow::Settings) -> Table<Application> {
        let table = Table::new(settings, Arc::clone(&self.flows), Arc::clone(&self.streams));
        table.with_state(Arc::clone(&self.applications))
    }

    /// The greatest of their figures.
    pub(super) fn most(&self, figure: fn(&Budget) -> u64) -> u64 {
        [&self.flows, &self.streams, &self.applications].into_iter().map(|budget| figure(budget)).max().unwrap_or(0)
    }
}

impl Settings {
    /// How packets are read.
    pub(super) fn reading(&self) -> Reading {
        let (defrag, systems) = (self.defrag.clone(), self.flow.systems.clone());
        let defragmenter = Defragmenter::new(defrag, systems, self.flow.use_vlans);
        Reading { tunnels: self.worker.tunnels, defragmenter }
    }

    /// How flows are followed, where an interface is watched or not.
    pub(super) fn flows(&self, live: bool) -> flow::Settings {
        flow::Settings { use_interfaces: live && self.flow.use_interfaces, ..self.flow.clone() }
    }
}
