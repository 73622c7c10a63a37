//! A run: one thread reads packets, N workers inspect them, the writer puts their records in order.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;
use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_signatures::state::threshold_file::{Entry, Rules};

use crate::capture::batch::{Batch, Frame};
use crate::capture::file::FileSource;
use crate::capture::live::LiveSource;
use crate::capture::ring::{Receiver, Sender, ring};
use crate::capture::{CaptureError, Source};
use crate::config::{Checksums, Configuration};
use crate::flow::stream::StreamSettings;
use crate::flow::tcp::TcpSettings;
use crate::flow::{self, Budget, Key, Table};
use crate::inspect::{Engine, Inspector};
use crate::records::batch::RecordBatch;
use crate::report::{Outputs, Reporter};
use crate::stats::Counters;
use crate::worker::{Settings, Worker};
use crate::writer::Writer;

/// Batches on their way to one worker, and batches of records on their way back.
const RING_DEPTH: usize = 8;
/// How long records may wait before they can be read, when live.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Packets whose checksums are looked at to guess whether the capturing host left them to its network card.
const CHECKSUM_SAMPLE: usize = 1_000;

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
    /// What ended it early.
    pub error: Option<RunError>,
}

/// What a run needs.
pub struct Plan<'a> {
    /// The configuration.
    pub configuration: &'a Configuration,
    /// Rules and protocols.
    pub engine: Arc<Engine>,
    /// What the threshold file says.
    pub thresholds: Arc<[(Rules, Entry)]>,
    /// Folder for records.
    pub folder: &'a Path,
    /// Number of workers.
    pub workers: u16,
    /// Whether checksums are verified.
    pub checksums: Checksums,
    /// Told of the packets read so far.
    pub progress: Option<Arc<AtomicU64>>,
}

/// Reads capture files one after the other into one run.
pub fn replay(plan: &Plan<'_>, captures: &[PathBuf]) -> Summary {
    let mut sources = captures.iter();
    let mut number = 1;
    let mut current: Option<FileSource> = None;
    let name = captures.first().map(|c| c.display().to_string());
    drive(plan, name, false, move |batch| {
        loop {
            if let Some(source) = &mut current {
                let more = source.fill(batch);
                number = source.next_number();
                match more {
                    Ok(true) => return Ok(true),
                    Ok(false) => current = None,
                    Err(error) => {
                        current = None;
                        return Err(error);
                    }
                }
            }
            match sources.next() {
                Some(path) => current = Some(FileSource::open(path, number)?),
                None => return Ok(false),
            }
        }
    })
}

/// Watches an interface until `stop`.
pub fn live(plan: &Plan<'_>, mut source: LiveSource) -> Summary {
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    let mut summary = drive(plan, None, true, move |batch| {
        let more = source.fill(batch);
        count.store(source.dropped(), Ordering::Relaxed);
        more
    });
    summary.counters.insert("capture.kernel_drops".into(), dropped.load(Ordering::Relaxed));
    summary
}

/// The threads of a run.
fn drive(
    plan: &Plan<'_>,
    capture: Option<String>,
    live: bool,
    mut next: impl FnMut(&mut Batch) -> Result<bool, CaptureError> + Send,
) -> Summary {
    let configuration = plan.configuration;
    let write_error = |source| RunError::Write { folder: plan.folder.to_owned(), source };
    let mut writer =
        match Writer::create(configuration, Arc::clone(&plan.engine.plan), Arc::clone(&plan.thresholds), plan.folder) {
            Ok(writer) => writer,
            Err(source) => return Summary { counters: BTreeMap::new(), error: Some(write_error(source)) },
        };
    let outputs = Arc::new(Outputs::new(configuration, !plan.thresholds.is_empty(), capture));
    let (flows, streams) = budgets(configuration);
    let pool: Arc<ArrayQueue<Batch>> = Arc::new(ArrayQueue::new(RING_DEPTH * 2));
    let failed = AtomicBool::new(false);
    let last_time = AtomicU64::new(0);
    // The first batch tells whether checksums mean anything.
    let mut first = Batch::default();
    let first_result = next(&mut first);
    let checksums = match plan.checksums {
        Checksums::On => true,
        Checksums::Off => false,
        Checksums::Auto => !looks_offloaded(&first),
    };
    let start = first.frames.first().map_or(Timestamp(0), |f| f.time);
    let settings = worker_settings(configuration, checksums);
    let error: Mutex<Option<RunError>> = Mutex::new(None);
    let counters = Mutex::new(Counters::default());
    thread::scope(|scope| {
        let (mut to_workers, mut from_workers): (Vec<Sender<Arc<Batch>>>, Vec<Receiver<RecordBatch>>) =
            (Vec::new(), Vec::new());
        for index in 0..plan.workers {
            let (packets, work) = ring::<Arc<Batch>>(RING_DEPTH);
            let (done, records) = ring(RING_DEPTH);
            to_workers.push(packets);
            from_workers.push(records);
            let table = Table::new(flow_settings(configuration, checksums), Arc::clone(&flows), Arc::clone(&streams));
            let inspector = Inspector::new(Arc::clone(&plan.engine));
            let worker = Worker::new(index, settings, table, inspector, Reporter::new(Arc::clone(&outputs)));
            let (pool, counters) = (Arc::clone(&pool), &counters);
            scope.spawn(move || work_through(worker, &work, &done, &pool, live, counters));
        }
        let (failed, last_time, error) = (&failed, &last_time, &error);
        scope.spawn(move || {
            let workers = plan.workers;
            let mut sequence = 0;
            let mut pending = Some((first, first_result));
            loop {
                let (mut batch, result) = match pending.take() {
                    Some(ready) => ready,
                    None => {
                        let mut batch = pool.pop().unwrap_or_default();
                        let result = next(&mut batch);
                        (batch, result)
                    }
                };
                batch.sequence = sequence;
                sequence += 1;
                if workers > 1 {
                    batch.assign(|frame, data| shard(frame, data, workers));
                }
                if let Some(frame) = batch.frames.last() {
                    last_time.store(frame.time.0, Ordering::Relaxed);
                    if let Some(progress) = &plan.progress {
                        progress.store(frame.number, Ordering::Relaxed);
                    }
                }
                let batch = Arc::new(batch);
                let sent = to_workers.iter().all(|worker| worker.send(Arc::clone(&batch)).is_ok());
                let more = match result {
                    Ok(more) => more,
                    Err(problem) => {
                        note(error, RunError::Capture(problem));
                        false
                    }
                };
                if !more || !sent || failed.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut flushed = Instant::now();
        // This thread is the writer: one batch of records of each worker at a time.
        loop {
            let batches: Vec<RecordBatch> = from_workers.iter().filter_map(Receiver::recv).collect();
            if batches.is_empty() {
                break;
            }
            let due = live && flushed.elapsed() >= FLUSH_EVERY;
            let result = writer.write(&batches).and_then(|()| if due { writer.flush() } else { Ok(()) });
            if due {
                flushed = Instant::now();
            }
            if let Err(source) = result
                && !failed.swap(true, Ordering::Relaxed)
            {
                note(error, write_error(source));
            }
        }
    });
    let counters = counters.into_inner().unwrap_or_default();
    let last = Timestamp(last_time.into_inner());
    let mut by_name = counters.by_name(configuration.own_records);
    by_name.insert("flow.memuse".into(), flows.drawn_bytes() as u64);
    by_name.insert("tcp.reassembly_memuse".into(), streams.drawn_bytes() as u64);
    let mut error = error.into_inner().unwrap_or_default();
    let uptime_s = last.since(start) / 1_000_000;
    let by_name = match writer.finish(last, uptime_s, by_name.clone(), configuration.own_records) {
        Ok(counters) => counters,
        Err(source) => {
            error.get_or_insert(write_error(source));
            by_name
        }
    };
    Summary { counters: by_name, error }
}

fn note(place: &Mutex<Option<RunError>>, error: RunError) {
    if let Ok(mut place) = place.lock() {
        place.get_or_insert(error);
    }
}

/// A worker's life: every batch in turn, then the end of all its flows.
fn work_through(
    mut worker: Worker,
    work: &Receiver<Arc<Batch>>,
    done: &Sender<RecordBatch>,
    pool: &ArrayQueue<Batch>,
    live: bool,
    counters: &Mutex<Counters>,
) {
    let mut sequence = 0;
    while let Some(batch) = work.recv() {
        sequence = batch.sequence + 1;
        if live && let Some(frame) = batch.frames.last() {
            worker.expire(frame.time);
        }
        let records = worker.batch(&batch);
        // The last one to be done with a batch gives its memory back.
        if let Ok(mut batch) = Arc::try_unwrap(batch) {
            batch.clear();
            drop(pool.push(batch));
        }
        if done.send(records).is_err() {
            break;
        }
    }
    let (records, own) = worker.shut_down(sequence);
    drop(done.send(records));
    if let Ok(mut all) = counters.lock() {
        all.merge(&own);
    }
}

fn budgets(configuration: &Configuration) -> (Arc<Budget>, Arc<Budget>) {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    (Budget::new(bytes(configuration.flow_memory_bytes)), Budget::new(bytes(configuration.stream.memory_bytes)))
}

fn flow_settings(configuration: &Configuration, checksums: bool) -> flow::Settings {
    let stream = &configuration.stream;
    flow::Settings {
        timeouts: configuration.timeouts,
        use_vlans: configuration.vlan_tracking,
        checksums: checksums && stream.checksum_validation,
        tcp: TcpSettings {
            midstream: stream.midstream,
            async_oneside: stream.async_oneside,
            inline: stream.inline,
            stream: StreamSettings { depth_bytes: stream.depth_bytes, ..StreamSettings::default() },
            ..TcpSettings::default()
        },
    }
}

fn worker_settings(configuration: &Configuration, checksums: bool) -> Settings {
    let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let stream = &configuration.stream;
    Settings {
        checksums,
        chunk_bytes: [bytes(stream.to_server_chunk_bytes), bytes(stream.to_client_chunk_bytes)],
        alert_limit: configuration.alert_limit,
    }
}

/// The worker that owns a packet's flow: by its key in either direction, fragments by their addresses.
fn shard(frame: &Frame, data: &[u8], workers: u16) -> u16 {
    let packet = Packet::decode(frame.number, frame.time, frame.link_type, data, frame.wire_len, false);
    let Some(key) = Key::of(&packet, false, 0) else { return 0 };
    let key = Key::of_cause(&packet, &key).unwrap_or(key).canonical();
    let state = foldhash::fast::FixedState::with_seed(0);
    u16::try_from(key.digest(&state) % u64::from(workers.max(1))).unwrap_or(0)
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
