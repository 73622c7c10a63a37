//! What a configuration says to the parts of a run.

use std::sync::Arc;

use crate::capture::fanout::Reading;
use crate::capture::offload::Treatment;
use crate::decode::defrag::Defragmenter;
use crate::decode::memory::Budget;
use crate::flow::stream::StreamSettings;
use crate::flow::tcp::TcpSettings;
use crate::flow::{self, Table};
use crate::inspect::Application;
use crate::start::config::Configuration;
use crate::worker::Settings;

/// What may be kept.
pub(super) struct Budgets {
    pub(super) flows: Arc<Budget>,
    pub(super) streams: Arc<Budget>,
    pub(super) applications: Arc<Budget>,
}

impl Budgets {
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

pub(super) fn budgets(configuration: &Configuration) -> Budgets {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let whole = (configuration.memory_bytes > 0).then(|| Budget::new(bytes(configuration.memory_bytes)));
    let part = |limit| Budget::part(bytes(limit), whole.clone());
    Budgets {
        flows: part(configuration.flow_memory_bytes),
        streams: part(configuration.stream.memory_bytes),
        applications: part(configuration.parser_memory_bytes),
    }
}

pub(super) fn reading(configuration: &Configuration) -> Reading {
    let (defrag, systems) = (configuration.defrag.clone(), configuration.systems.clone());
    let defragmenter = Defragmenter::new(defrag, systems, configuration.vlan_tracking);
    Reading { tunnels: configuration.tunnels, defragmenter }
}

pub(super) fn flow_settings(configuration: &Configuration, live: bool) -> flow::Settings {
    let stream = &configuration.stream;
    flow::Settings {
        timeouts: configuration.timeouts,
        emergency: configuration.emergency_timeouts,
        recovery_percent: configuration.emergency_recovery_percent,
        use_vlans: configuration.vlan_tracking,
        use_interfaces: live && configuration.interface_tracking,
        checksums: stream.checksum_validation,
        tcp: TcpSettings {
            midstream: stream.midstream,
            async_oneside: stream.async_oneside,
            inline: stream.inline,
            urgent: stream.urgent,
            stream: StreamSettings {
                depth_bytes: stream.depth_bytes,
                rival_bytes: usize::try_from(stream.rival_bytes).unwrap_or(usize::MAX),
                early_segments: usize::try_from(stream.early_segments).unwrap_or(usize::MAX),
            },
        },
        systems: configuration.systems.clone(),
        exceptions: configuration.exceptions,
        elephant: configuration.elephant,
        remembered: usize::try_from(stream.remembered).unwrap_or(usize::MAX),
    }
}

pub(super) fn worker_settings(configuration: &Configuration) -> Settings {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let stream = &configuration.stream;
    Settings {
        checksums: Treatment::default(),
        chunk_bytes: [bytes(stream.to_server_chunk_bytes), bytes(stream.to_client_chunk_bytes)],
        bypass_depth: configuration.stream.bypass,
        alert_limit: configuration.alert_limit,
        expected_flows: usize::try_from(configuration.stream.expected).unwrap_or(usize::MAX),
        tunnels: configuration.tunnels,
    }
}
