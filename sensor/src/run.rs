//! A run: one thread reads packets, N workers inspect them, the writer puts their records in order.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_signatures::language::rule::Rule;
use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::verify::cost::{CostBooks, CostReport};
use tapwire_signatures::verify::explain::Watch;

use crate::capture::batch::{Batch, Frame, Pool};
use crate::capture::fanout::{self, Handed, Reading};
use crate::capture::files::Files;
use crate::capture::live::Interface;
use crate::capture::ring::{Receiver, Sender, ring};
use crate::capture::shard::Shards;
use crate::capture::{CaptureError, More, Source};
use crate::config::{Checksums, Configuration};
use crate::decode::defrag::Defragmenter;
use crate::engine::Active;
use crate::flow::stream::StreamSettings;
use crate::flow::tcp::TcpSettings;
use crate::flow::{self, Budget, Table};
use crate::inspect::{Application, Inspector};
use crate::records::batch::RecordBatch;
use crate::report::{Origin, Outputs, Reporter};
use crate::sinks::packet;
use crate::stats::Counters;
use crate::worker::{Settings, Worker};
use crate::writer::{HeldBack, Writer};

/// Batches on their way to one worker, and batches of records on their way back, where an interface does not wait.
const LIVE_DEPTH: usize = 8;
/// The same where a file does: enough that nobody has to, each about half a MiB.
const FILE_DEPTH: usize = 3;
/// How long records may wait before they can be read, when live.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Packets whose checksums are looked at to guess whether the capturing host left them to its network card.
const CHECKSUM_SAMPLE: usize = 1_000;

/// Packets that are kept of those at which one worker panics.
const KEPT_PACKETS: u32 = 16;

/// What ended a run early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Packets stopped coming.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Records could not be written.
    #[error("records cannot be written below {folder}: {source}; the records so far are there")]
    Write {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    /// Whether a capture was readable up to a place where it is cut off or damaged.
    pub fn is_damage(&self) -> bool {
        matches!(self, RunError::Capture(CaptureError::CutOff { .. } | CaptureError::Corrupt { .. }))
    }

    /// The exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            RunError::Capture(error) => error.exit_status(),
            RunError::Write { .. } => 1,
        }
    }
}

/// What a run did.
#[derive(Debug)]
pub struct Summary {
    /// All counters by name.
    pub counters: BTreeMap<String, u64>,
    /// What went wrong, in order: a capture that could not be read to its end does not keep the next one from being read.
    pub errors: Vec<RunError>,
    /// Packets at which a worker panicked.
    pub panics: u64,
    /// What scripts of rules failed with, each once.
    pub script_failures: BTreeSet<String>,
    /// The same of scripts that are outputs.
    pub output_failures: Vec<String>,
    /// What was seen of the rule that is explained.
    pub watched: Option<Box<Watch>>,
    /// What rules cost.
    pub costs: CostBooks,
    /// Alerts that were held back behind the workers, by rule and reason.
    pub held_back: BTreeMap<(RuleIndex, HeldBack), u64>,
}

/// Tells of a rule of a tenant, or of nobody (0), that takes more than its share of the work.
pub type TellCostly = dyn Fn(u32, &Rule, &CostReport) + Sync;

/// What a run needs.
pub struct Plan<'a> {
    /// The configuration.
    pub configuration: &'a Configuration,
    /// Rules and protocols, as they are at each moment.
    pub active: Arc<Active>,
    /// Folder for records.
    pub folder: &'a Path,
    /// Folder for what rules keep from run to run.
    pub data_dir: &'a Path,
    /// Number of workers.
    pub workers: u16,
    /// Whether checksums are verified.
    pub checksums: Checksums,
    /// Told of the packets read so far.
    pub progress: Option<Arc<AtomicU64>>,
    /// Told of each rule that takes more than its share of the work, once, when that is seen.
    pub costly: Option<&'a TellCostly>,
    /// Told of what goes wrong beside the records, once.
    pub warn: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// Reads capture files one after the other into one run.
pub fn replay(plan: &Plan<'_>, captures: &[PathBuf]) -> Summary {
    let capture = captures.first().map(|c| c.display().to_string());
    drive(plan, Origin { capture, interface: None }, false, &mut Files::new(captures))
}

/// Watches an interface until it is told to stop.
pub fn live(plan: &Plan<'_>, mut source: Interface) -> Summary {
    let interface = Some(source.name().to_owned());
    drive(plan, Origin { capture: None, interface }, true, &mut source)
}

/// Reads packets of any source as if they came from files: it waits for the workers.
#[cfg(test)]
pub(crate) fn from_source(plan: &Plan<'_>, source: &mut dyn Source) -> Summary {
    drive(plan, Origin::default(), false, source)
}

/// The threads of a run.
fn drive(plan: &Plan<'_>, origin: Origin, live: bool, source: &mut dyn Source) -> Summary {
    let configuration = plan.configuration;
    let write_error = |source| RunError::Write { folder: plan.folder.to_owned(), source };
    let engine = plan.active.engine();
    let mut writer = match Writer::create(configuration, Arc::clone(&engine), (plan.folder, plan.data_dir)) {
        Ok(writer) => writer,
        Err(source) => {
            return Summary {
                counters: BTreeMap::new(),
                errors: vec![write_error(source)],
                panics: 0,
                script_failures: BTreeSet::new(),
                output_failures: Vec::new(),
                watched: None,
                costs: CostBooks::default(),
                held_back: BTreeMap::new(),
            };
        }
    };
    let outputs = Arc::new(Outputs::new(configuration, Arc::clone(&engine), origin));
    let (flows, streams) = budgets(configuration);
    let depth = if live { LIVE_DEPTH } else { FILE_DEPTH };
    let pool = Pool::new(depth * 2);
    let failed = AtomicBool::new(false);
    let last_time = AtomicU64::new(0);
    // The first batch tells whether checksums mean anything.
    let mut first = pool.take();
    let first_result = source.next_batch(&mut first);
    let checksums = match plan.checksums {
        Checksums::On => true,
        Checksums::Off => false,
        Checksums::Auto => !looks_offloaded(&first),
    };
    let start = first.frames.first().map_or(Timestamp(0), |f| f.time);
    let settings = worker_settings(configuration, checksums);
    let errors: Mutex<Vec<RunError>> = Mutex::default();
    let counters = Mutex::new(Counters::default());
    let reported: Mutex<BTreeSet<(u32, u32, u32)>> = Mutex::default();
    thread::scope(|scope| {
        // Which flow goes to which worker is nobody else's business.
        let key = std::collections::hash_map::RandomState::new().hash_one(plan.workers);
        let (mut distributor, work) = fanout::channel(plan.workers, depth, key, reading(configuration, checksums));
        let mut from_workers: Vec<Receiver<RecordBatch>> = Vec::new();
        for (index, work) in (0..).zip(work) {
            let (done, records) = ring(depth);
            from_workers.push(records);
            let (flows, streams) = (&flows, &streams);
            let fresh = move || {
                Table::new(flow_settings(configuration, live, checksums), Arc::clone(flows), Arc::clone(streams))
            };
            let table = fresh();
            let inspector = Inspector::new(Arc::clone(&engine));
            let worker = Worker::new(
                (index, Shards { key, count: plan.workers }),
                settings,
                table,
                inspector,
                Reporter::new(Arc::clone(&outputs)),
            );
            let (counters, reported) = (&counters, &reported);
            let folder = plan.folder;
            let mut costly = |tenant: u32, rule: &Rule, report: &CostReport| {
                let fresh = reported.lock().is_ok_and(|mut known| known.insert((tenant, rule.gid, rule.sid)));
                plan.costly.iter().filter(|_| fresh).for_each(|tell| tell(tenant, rule, report));
            };
            scope.spawn(move || work_through(worker, work, done, (live, folder), &fresh, &mut costly, counters));
        }
        // From here on each batch brings its own.
        drop((engine, outputs));
        let (failed, last_time, errors, counters) = (&failed, &last_time, &errors, &counters);
        scope.spawn(move || {
            let mut ready = Some((first, first_result));
            let mut dropped = 0;
            loop {
                let (mut batch, result) = ready.take().unwrap_or_else(|| {
                    let mut batch = pool.take();
                    let result = source.next_batch(&mut batch);
                    (batch, result)
                });
                batch.engine = Some(plan.active.engine());
                if let Some(frame) = batch.frames.last() {
                    last_time.store(frame.time.0, Ordering::Relaxed);
                    if let Some(progress) = &plan.progress {
                        progress.store(frame.number, Ordering::Relaxed);
                    }
                }
                // A file waits for the workers, an interface does not.
                let handed = if live { distributor.offer(batch) } else { distributor.send(batch) };
                if let Handed::Dropped(packets) = handed {
                    dropped += packets;
                }
                let more = match result {
                    Ok(more) => more == More::Yes,
                    Err(problem) => {
                        note(errors, RunError::Capture(problem));
                        !live
                    }
                };
                if !more || handed == Handed::Gone || failed.load(Ordering::Relaxed) {
                    break;
                }
            }
            let (fragments, held_bytes) = distributor.fragments();
            let lost = source.losses();
            let kernel = lost.dropped + lost.dropped_by_interface;
            if let Ok(mut all) = counters.lock() {
                for (reason, packets) in [("ring_full", dropped), ("kernel", kernel)] {
                    all.seen += packets;
                    all.drop_packets(reason, packets);
                }
                if live {
                    all.add("capture.kernel_packets", lost.received);
                    all.add("capture.kernel_drops", kernel);
                }
                for (name, count) in fragments.by_name() {
                    all.add(name, count);
                }
                all.add("defrag.memuse", held_bytes as u64);
            }
        });
        let mut flushed = Instant::now();
        // This thread is the writer: one batch of records of each worker at a time.
        loop {
            let batches: Vec<RecordBatch> = from_workers.iter_mut().filter_map(Receiver::recv).collect();
            if batches.is_empty() {
                break;
            }
            let due = live && flushed.elapsed() >= FLUSH_EVERY;
            let result = writer.write(&batches);
            if let Some(warn) = plan.warn {
                writer.take_store_failures().for_each(|failure| warn(&failure));
            }
            let result = result.and_then(|()| if due { writer.sync() } else { Ok(()) });
            if due {
                flushed = Instant::now();
            }
            if let Err(source) = result
                && !failed.swap(true, Ordering::Relaxed)
            {
                note(errors, write_error(source));
            }
        }
    });
    let mut counters = counters.into_inner().unwrap_or_default();
    let script_failures = std::mem::take(&mut counters.script_failures);
    let watched = counters.watched.take();
    let costs = std::mem::take(&mut counters.costs);
    let last = Timestamp(last_time.into_inner());
    let panics = counters.panics;
    let mut by_name = counters.by_name(configuration.own_records);
    by_name.insert("flow.memuse".into(), flows.drawn_bytes() as u64);
    by_name.insert("tcp.reassembly_memuse".into(), streams.drawn_bytes() as u64);
    by_name.insert("memcap.pressure".into(), flows.used_percent().max(streams.used_percent()));
    by_name.insert("memcap.pressure_max".into(), flows.peak_percent().max(streams.peak_percent()));
    if configuration.own_records {
        by_name.extend(plan.active.counters().map(|(name, count)| (name.to_owned(), count)));
    }
    let mut errors = errors.into_inner().unwrap_or_default();
    let uptime_s = last.since(start) / 1_000_000;
    let by_name = match writer.finish(last, uptime_s, by_name.clone(), &costs, configuration.own_records) {
        Ok(counters) => counters,
        Err(source) => {
            if !errors.iter().any(|error| matches!(error, RunError::Write { .. })) {
                errors.push(write_error(source));
            }
            by_name
        }
    };
    let held_back = std::mem::take(&mut writer.held_back);
    let output_failures = std::mem::take(&mut writer.script_failures);
    Summary { counters: by_name, errors, panics, script_failures, output_failures, watched, costs, held_back }
}

fn note(place: &Mutex<Vec<RunError>>, error: RunError) {
    if let Ok(mut place) = place.lock() {
        place.push(error);
    }
}

/// A worker's life: every batch in turn, then the end of all its flows.
fn work_through(
    mut worker: Worker,
    mut work: fanout::Receiver,
    mut done: Sender<RecordBatch>,
    (live, folder): (bool, &Path),
    fresh: &dyn Fn() -> Table<Application>,
    costly: &mut dyn FnMut(u32, &Rule, &CostReport),
    counters: &Mutex<Counters>,
) {
    let mut kept = 0;
    let mut lost = |frame: &Frame, data: &[u8]| {
        kept += 1;
        if kept <= KEPT_PACKETS {
            // What cannot be kept is counted all the same.
            drop(packet::keep(folder, frame, data));
        }
    };
    let (mut sequence, mut packets) = (0, 0);
    while let Some(batch) = work.recv() {
        sequence = batch.sequence + 1;
        packets = batch.frames.last().map_or(packets, |frame| frame.number);
        worker.adopt(&batch);
        if live && let Some(frame) = batch.frames.last() {
            worker.expire(frame.time);
        }
        let records = worker.batch(&batch, fresh, &mut lost);
        worker.take_cost_reports(costly);
        // The last one to be done with a batch gives its memory back.
        drop(batch);
        if done.send(records).is_err() {
            break;
        }
    }
    let own = worker.shut_down(sequence, packets, &mut |records| done.send(records).is_ok());
    if let Ok(mut all) = counters.lock() {
        all.merge(&own);
    }
}

fn budgets(configuration: &Configuration) -> (Arc<Budget>, Arc<Budget>) {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let whole = (configuration.memory_bytes > 0).then(|| Budget::new(bytes(configuration.memory_bytes)));
    let part = |limit| Budget::part(bytes(limit), whole.clone());
    (part(configuration.flow_memory_bytes), part(configuration.stream.memory_bytes))
}

fn reading(configuration: &Configuration, checksums: bool) -> Reading {
    let (defrag, systems) = (configuration.defrag.clone(), configuration.systems.clone());
    let defragmenter = Defragmenter::new(defrag, systems, configuration.vlan_tracking);
    Reading { checksums, tunnels: configuration.tunnels, defragmenter }
}

fn flow_settings(configuration: &Configuration, live: bool, checksums: bool) -> flow::Settings {
    let stream = &configuration.stream;
    flow::Settings {
        timeouts: configuration.timeouts,
        emergency: configuration.emergency_timeouts,
        recovery_percent: configuration.emergency_recovery_percent,
        use_vlans: configuration.vlan_tracking,
        use_interfaces: live && configuration.interface_tracking,
        checksums: checksums && stream.checksum_validation,
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
    }
}

fn worker_settings(configuration: &Configuration, checksums: bool) -> Settings {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let stream = &configuration.stream;
    Settings {
        checksums,
        chunk_bytes: [bytes(stream.to_server_chunk_bytes), bytes(stream.to_client_chunk_bytes)],
        bypass_depth: configuration.stream.bypass,
        alert_limit: configuration.alert_limit,
        tunnels: configuration.tunnels,
    }
}

/// Whether so many checksums are wrong that the capturing host must have left them to its network card.
fn looks_offloaded(batch: &Batch) -> bool {
    let (mut seen, mut wrong) = (0_usize, 0_usize);
    for frame in batch.frames.iter().take(CHECKSUM_SAMPLE) {
        let packet = Packet::decode(frame.number, frame.time, frame.link_type, batch.data(frame), frame.wire_len, true);
        let right = packet.tcp().map(|t| t.checksum_ok).or(packet.udp().map(|u| u.checksum_ok));
        seen += usize::from(right.is_some());
        wrong += usize::from(right == Some(false));
    }
    // A tenth of all is more than damage on a wire does.
    wrong * 10 > seen
}
