//! What a configuration says to the rooms of a run.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{Configuration, FileStore, Keeping};
use crate::capture::offload::Treatment;
use crate::flow::stream::StreamSettings;
use crate::flow::tcp::TcpSettings;
use crate::records::eve::{EveOutput, Files};
use crate::records::report;
use crate::run::{Memory, Settings};
use crate::sequence::{DeliverySettings, LogOutput, TextOutput};
use crate::sinks::sets::OwnNames;
use crate::sinks::{certificates, file_store, stream_data};
use crate::{flow, recording, sequence, worker};

impl Configuration {
    /// What a run obeys.
    pub fn settings(&self) -> Settings {
        Settings {
            memory: Memory {
                whole: self.memory_bytes,
                flows: self.flow_memory_bytes,
                streams: self.stream.memory_bytes,
                applications: self.parser_memory_bytes,
            },
            defrag: self.defrag.clone(),
            flow: flow(self),
            worker: worker(self),
            records: records(self),
            writer: writer(self),
            live: self.live,
            pinning: self.threads.pinning.clone(),
            health: self.health,
            duplicates: self.duplicates,
            own: self.own_records,
            counting: self.counting,
        }
    }

    /// The same where an interface is watched: with the log, which has the records of all EVE outputs.
    pub fn live_settings(&self) -> Settings {
        // Without a log nothing could be delivered from it.
        let usual = Keeping::default();
        match self.log.as_ref().or(self.delivers().then_some(&usual)) {
            Some(kept) => self.logged(kept, true),
            None => self.settings(),
        }
    }

    /// The same where captures are replayed: with the log where it is delivered from.
    pub fn replay_settings(&self) -> Settings {
        let mut kept = self.log.clone().unwrap_or_default();
        kept.settings.reserve_bytes = 0;
        if self.delivers() { self.logged(&kept, false) } else { self.settings() }
    }

    /// Whether something is delivered from the log that has everything.
    fn delivers(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.log.as_os_str().is_empty())
    }

    fn logged(&self, kept: &Keeping, live: bool) -> Settings {
        let mut eve = self.eve.clone();
        // Frames of zstd are what the log is made of: whoever wants those has the log when live.
        let of = eve.iter().position(|eve| eve.zstd && eve.log.is_none() && live);
        let has_file = of.is_none();
        // One that is delivered from a log of its own says what that has, and nothing of this one.
        let mut of = of.or_else(|| eve.iter().position(|eve| eve.log.is_none())).unwrap_or(eve.len());
        let usual = || Self::default().eve.into_iter().next().unwrap_or_default();
        let mut whole = eve.get(of).cloned().unwrap_or_else(usual);
        let lacks = eve.iter().fold(false, |lacks, eve| whole.add_types_of(eve) | lacks);
        let is_own = of == eve.len() || has_file && lacks;
        if is_own {
            of = eve.len();
            eve.push(whole);
        } else if let Some(first) = eve.get_mut(of) {
            *first = whole;
        }
        let mut settings = Self { eve, ..self.clone() }.settings();
        settings.writer.log =
            Some(LogOutput { of, has_file: has_file && !is_own, settings: kept.settings.clone(), sync: kept.sync });
        settings
    }

    /// What is recorded.
    fn recorded(&self) -> recording::Settings {
        let before = &self.recording.ring.selection;
        let logs = self.pcap_logs.iter().cloned().map(|mut log| {
            (log.selection.before_bytes, log.selection.before_s) = (before.before_bytes, before.before_s);
            log
        });
        recording::Settings {
            pcap_logs: logs.collect(),
            ring: self.recording.enabled.then(|| self.recording.ring.clone()),
            backlog_bytes: bytes(self.live.packet_bytes),
            tunnels: self.tunnels,
        }
    }

    /// Files of text for people.
    pub(super) fn texts(&self) -> impl Iterator<Item = &TextOutput> {
        self.fast.iter().chain(self.stats.iter().map(|stats| &stats.file))
    }

    /// Names of what is written, which sets of rules may not have.
    pub fn own_names(&self) -> OwnNames {
        let eve = self.eve.iter().map(|eve| eve.log.clone().unwrap_or_else(|| PathBuf::from(&eve.filename)));
        let texts = self.texts().map(|text| PathBuf::from(&text.filename));
        let files = self.file_store.iter().map(|store| store.folder.clone());
        let certificates = self.certificate_store.iter().map(|store| store.folder.clone());
        let data = self.tcp_data.iter().chain(&self.http_body_data);
        let data = data.flat_map(|data| data.filename.iter().chain(&data.folder)).cloned();
        let recorded = self.recorded();
        OwnNames::new(eve.chain(texts).chain(files).chain(certificates).chain(data).chain(recorded.places()))
    }
}

fn bytes(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn flow(configuration: &Configuration) -> flow::Settings {
    let stream = &configuration.stream;
    flow::Settings {
        timeouts: configuration.timeouts,
        emergency: configuration.emergency_timeouts,
        recovery_percent: configuration.emergency_recovery_percent,
        use_vlans: configuration.vlan_tracking,
        join_vlans: configuration.join_vlans,
        all_protocols: configuration.flows_of_all_protocols,
        use_interfaces: configuration.interface_tracking,
        checksums: stream.checksum_validation,
        tcp: TcpSettings {
            midstream: stream.midstream,
            async_oneside: stream.async_oneside,
            inline: stream.inline,
            urgent: stream.urgent,
            stream: StreamSettings {
                depth_bytes: stream.depth_bytes,
                rival_bytes: bytes(stream.rival_bytes),
                early_segments: bytes(stream.early_segments),
            },
        },
        systems: configuration.systems.clone(),
        exceptions: configuration.exceptions,
        elephant: configuration.elephant,
        stations: configuration.eve.iter().any(|eve| eve.ethernet),
        remembered: bytes(stream.remembered),
    }
}

fn worker(configuration: &Configuration) -> worker::Settings {
    let stream = &configuration.stream;
    worker::Settings {
        checksums: Treatment::default(),
        chunk_bytes: [bytes(stream.to_server_chunk_bytes), bytes(stream.to_client_chunk_bytes)],
        bypass_depth: configuration.stream.bypass,
        bypass_bytes: configuration.bypass_bytes,
        excerpt_bytes: excerpt_bytes(configuration),
        alert_limit: configuration.alert_limit,
        expected_flows: bytes(stream.expected),
        tunnels: configuration.tunnels,
        error_policy: configuration.exceptions.application,
    }
}

/// Alerts whose evidence has places in the payload show the very bytes that were looked at, others the stream up to there.
fn excerpt_bytes(configuration: &Configuration) -> usize {
    let alerts = configuration.eve.iter().filter_map(|eve| eve.alerts.as_ref());
    let shown = alerts.filter(|alerts| alerts.payload || alerts.payload_printable).map(|alerts| alerts.payload_limit);
    if configuration.evidence_pieces > 0 { 0 } else { shown.max().unwrap_or(0) }
}

fn records(configuration: &Configuration) -> report::Settings {
    let store = configuration.file_store.as_ref().filter(|store| store.records_beside);
    report::Settings {
        eve: configuration.eve.clone(),
        fast: configuration.fast.is_some(),
        beside_files: store.map(|store| beside_files(configuration, store)),
        own: configuration.own_records,
        record_bytes: bytes(configuration.record_bytes),
        guess_transaction: configuration.guess_transaction,
    }
}

/// An output that no sink has: records beside stored files look as those of the first output do.
fn beside_files(configuration: &Configuration, store: &FileStore) -> EveOutput {
    let first = configuration.eve.first().cloned();
    let eve = first.or_else(|| Configuration::default().eve.into_iter().next()).unwrap_or_default();
    let files = Some(Files { hashes: store.hashes, magic: store.magic, forwarded: store.forwarded.clone() });
    EveOutput { files, ..eve }
}

fn writer(configuration: &Configuration) -> sequence::Settings {
    let limits = configuration.store_limits;
    let data = |data| stream_data::Settings { files: limits.data_files, ..data };
    sequence::Settings {
        eve: configuration.eve.clone(),
        fast: configuration.fast.clone(),
        stats: configuration.stats.clone(),
        rotations: configuration.rotations.clone(),
        log: None,
        deliveries: DeliverySettings {
            each: configuration.deliveries.clone(),
            drain: Duration::from_secs(configuration.drain_s.into()),
        },
        own: configuration.own_records,
        backlog_bytes: bytes(configuration.live.record_bytes),
        summaries: configuration.summaries,
        share_percent: configuration.costs.share_percent,
        scripts: configuration.output_scripts.clone(),
        file_store: configuration.file_store.as_ref().map(|store| file_store::Settings {
            folder: store.folder.clone(),
            open_files: store.open_files,
            begun_files: limits.begun_files,
            begun_bytes: limits.begun_bytes,
        }),
        certificate_store: (configuration.certificate_store.as_ref())
            .map(|store| certificates::Settings { folder: store.folder.clone(), chains: limits.chains }),
        tcp_data: configuration.tcp_data.clone().map(data),
        http_body_data: configuration.http_body_data.clone().map(data),
        recording: configuration.recorded(),
        own_names: configuration.own_names(),
    }
}
