//! A run: one thread reads packets, N workers inspect them, the writer puts their records in order.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::{CostBooks, CostReport, Excess};
use tapwire_signatures::verify::explain::Watch;

use crate::capture::batch::Pool;
use crate::capture::duplicates::Duplicates;
use crate::capture::fanout::{self, Depth};
use crate::capture::files::{Files, Progress};
use crate::capture::live::Taps;
use crate::capture::offload::{Checksums, Offload};
use crate::capture::origin::{Origin, SourceId};
use crate::capture::ring::ring;
use crate::capture::shard::Shards;
use crate::capture::{CaptureError, Source, clock};
use crate::health::Finding;
use crate::inspect::{Engine, Inspector};
use crate::records::class::Tally;
use crate::records::report::{Outputs, Reporter};
use crate::sequence::{HeldBack, Writer};
use crate::sinks::lock::{FolderLock, Refused};
use crate::worker::Worker;
use books::Books;
use merge::Merge;
use reader::Reader;
use settings::Budgets;
use window::Window;
use work::Working;

mod active;
mod answers;
mod books;
mod health;
pub mod latency;
mod merge;
mod pinning;
mod reader;
mod settings;
pub mod window;
mod work;
mod writing;

pub use active::Active;
pub use pinning::{Pinning, Processors};
pub use settings::{Counting, LiveSettings, Memory, Settings};

/// Batches of records on their way back from one worker, and of packets that are kept to be filled again, where an interface is watched.
const LIVE_DEPTH: usize = 8;
/// Batches on their way to one worker, and back, where a file waits: enough that nobody has to, each about half a MiB.
const FILE_DEPTH: usize = 3;

/// What ended a run early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Packets stopped coming.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A live sensor writes to the folder.
    #[error("{} is in use: {who} writes its records there; end that one first, or choose another folder with --log-dir", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who it is.
        who: String,
    },
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
            RunError::Write { .. } | RunError::Held { .. } => 1,
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    /// All counters by name.
    pub counters: BTreeMap<String, u64>,
    /// What went wrong, in order: a capture that could not be read to its end does not keep the next one from being read.
    pub errors: Vec<RunError>,
    /// Packets that were not inspected, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What the sensor could not see in the whole run, in words.
    pub unseen: Vec<String>,
    /// Where records are, with how many.
    pub written: Vec<(String, u64)>,
    /// Records that were lost.
    pub lost: Tally,
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
    /// What it obeys.
    pub settings: &'a Settings,
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
    /// Told of what is read so far.
    pub progress: Option<Arc<Progress>>,
    /// Ends it early once it is set.
    pub stop: Option<Arc<AtomicBool>>,
    /// Files of records are begun anew, or found again where they were moved, once it is set.
    pub reopen: Option<Arc<AtomicBool>>,
    /// Told of each rule that takes more than its share of the work, once, when that is seen.
    pub costly: Option<&'a TellCostly>,
    /// How far the sensor has given up its rights, where it watches an interface.
    pub sandbox: Option<&'static str>,
    /// What others see of it meanwhile.
    pub window: Arc<Window>,
    /// Told of what goes wrong beside the records, once.
    pub warn: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// Holds a folder for the records of an interface.
pub fn hold(folder: &Path) -> Result<FolderLock, RunError> {
    FolderLock::hold(folder).map_err(|why| refused(folder, why))
}

fn refused(folder: &Path, why: Refused) -> RunError {
    match why {
        Refused::Held(who) => RunError::Held { folder: folder.to_owned(), who },
        Refused::System(source) => RunError::Write { folder: folder.to_owned(), source },
    }
}

/// Reads capture files one after the other into one run.
pub fn replay(plan: &Plan<'_>, captures: &[PathBuf]) -> Summary {
    match FolderLock::respect(plan.folder) {
        Ok(_lock) => {
            let mut files = Files::new(captures).with_progress(plan.progress.clone().unwrap_or_default());
            drive(plan, Origin { several: captures.len() > 1, ..Origin::default() }, None, Readers::One(&mut files))
        }
        Err(why) => Summary { errors: vec![refused(plan.folder, why)], ..Summary::default() },
    }
}

/// Who reads packets.
pub enum Readers<'a> {
    /// One thread, which hands them to the workers.
    One(&'a mut dyn Source),
    /// Each worker its own.
    Workers(Vec<Taps>),
}

/// Watches interfaces of these names until it is told to stop, and writes to a folder that is held.
pub fn live(plan: &Plan<'_>, interfaces: Vec<String>, readers: Readers<'_>, folder: FolderLock) -> Summary {
    drive(plan, Origin { interfaces, id: SourceId::of_start(), ..Origin::default() }, Some(folder), readers)
}

/// Reads packets of any source as if they came from files: it waits for the workers.
#[cfg(test)]
pub(crate) fn from_source(plan: &Plan<'_>, source: &mut dyn Source) -> Summary {
    drive(plan, Origin::default(), None, Readers::One(source))
}

/// The threads of a run.
fn drive(plan: &Plan<'_>, origin: Origin, lock: Option<FolderLock>, mut readers: Readers<'_>) -> Summary {
    let (settings, live) = (plan.settings, lock.is_some());
    let write_error = |source| RunError::Write { folder: plan.folder.to_owned(), source };
    let engine = plan.active.engine();
    let mut writer = match Writer::create(&settings.writer, Arc::clone(&engine), (plan.folder, plan.data_dir), live) {
        Ok(writer) => writer,
        Err(source) => return Summary { errors: vec![write_error(source)], ..Summary::default() },
    };
    let outputs = Arc::new(Outputs::new(&settings.records, Arc::clone(&engine), origin, writer.wants()));
    let budgets = Budgets::of(&settings.memory);
    let (depth, packets) = if live {
        (LIVE_DEPTH, Depth::Bytes(usize::try_from(settings.live.packet_bytes).unwrap_or(usize::MAX)))
    } else {
        (FILE_DEPTH, Depth::Batches(FILE_DEPTH))
    };
    let pool = Pool::new(depth * 2);
    let (first, start, count) = match &mut readers {
        Readers::One(source) => {
            let mut first = pool.take();
            let result = source.next_batch(&mut first);
            let start = first.frames.first().map(|frame| frame.time).or(first.tick);
            (Some((first, result)), start, 1)
        }
        Readers::Workers(taps) => {
            plan.active.share();
            (None, Some(clock::now()), taps.len())
        }
    };
    let books = Books::new(&plan.window, (plan.workers, count), start);
    let (failed, errors) = (AtomicBool::new(false), Mutex::default());
    let reported: Mutex<BTreeSet<(u32, u32, u32, bool)>> = Mutex::default();
    thread::scope(|scope| {
        // Which flow goes to which worker is nobody else's business.
        let key = std::collections::hash_map::RandomState::new().hash_one(plan.workers);
        let mut from_workers = Vec::new();
        let (books, failed, errors, reported) = (&books, &failed, &errors, &reported);
        let mut working = |index: u16, (shard, shards): (u16, Shards), work: fanout::Receiver<Arc<Engine>>| {
            let (done, records) = ring(depth);
            from_workers.push(records);
            let budgets = &budgets;
            let fresh = move || budgets.table(settings.flows(live));
            let worker = Worker::new(
                (shard, shards),
                settings.worker,
                fresh(),
                Inspector::new(Arc::clone(&engine)),
                Reporter::new(index, Arc::clone(&outputs)),
            );
            let costly = move |tenant: u32, rule: &Rule, report: &CostReport| {
                let what = (tenant, rule.gid, rule.sid, report.excess == Excess::Fuel);
                let fresh = reported.lock().is_ok_and(|mut known| known.insert(what));
                plan.costly.iter().filter(|_| fresh).for_each(|tell| tell(tenant, rule, report));
            };
            let (fresh, costly) = (Box::new(fresh), Box::new(costly));
            Working { index: index.into(), worker, work, done, live, fresh, costly, books, answered: books.question() }
        };
        let reader = |index, distributor, working| {
            let offload = Offload::new(plan.checksums, live, settings.worker.tunnels.how(true));
            let duplicates = Duplicates::new(settings.duplicates, settings.flows(live).use_interfaces, live);
            let (pool, refused_told) = (pool.clone(), 0);
            Reader {
                plan,
                index,
                live,
                working,
                distributor,
                offload,
                duplicates,
                refused_told,
                pool,
                books,
                errors,
                failed,
            }
        };
        match readers {
            Readers::One(source) => {
                let (mut distributor, work) = fanout::channel(plan.workers, packets, key, settings.reading());
                distributor.attach(writer.take_tap());
                for (index, work) in (0..).zip(work) {
                    let working = working(index, (index, Shards { key, count: plan.workers }), work);
                    let pinning = &settings.pinning;
                    scope.spawn(move || {
                        pinning.workers.pin(index.into(), plan.warn);
                        working.work_through();
                    });
                }
                let reader = reader(0, distributor, None);
                scope.spawn(move || {
                    settings.pinning.reader.pin(0, plan.warn);
                    reader.run(source, first);
                });
            }
            Readers::Workers(all) => {
                for (index, mut taps) in (0..).zip(all) {
                    // What a worker reads is its own, and it is at both ends of the way there.
                    let (distributor, mut work) = fanout::channel(1, Depth::Batches(1), key, settings.reading());
                    let work = work.pop().map(|work| working(index, (0, Shards { key, count: 1 }), work));
                    let reader = reader(usize::from(index), distributor, work);
                    scope.spawn(move || {
                        settings.pinning.workers.pin(index.into(), plan.warn);
                        reader.run(&mut taps, None);
                    });
                }
            }
        }
        // From here on each batch brings its own.
        drop((engine, outputs));
        // This thread is the writer.
        settings.pinning.writer.pin(0, plan.warn);
        let merge = Merge::new(from_workers, live);
        writing::write_all(plan, &mut writer, merge, lock, (books, &budgets), (errors, failed));
    });
    let mut counters = books.all();
    let script_failures = std::mem::take(&mut counters.script_failures);
    let unseen = health::of_run(&books, &counters, live);
    if !live && settings.own {
        writer.write_health(&unseen);
    }
    let by_name = books::by_name(plan, &counters, &budgets, settings.own || live);
    let (by_name, failure) = writer.finish(books.report(plan, &counters.costs, live), by_name);
    if let Some(warn) = plan.warn {
        writer.take_news().iter().for_each(|news| warn(news));
    }
    let mut errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(source) = failure
        && !errors.iter().any(|error| matches!(error, RunError::Write { .. }))
    {
        errors.push(write_error(source));
    }
    Summary {
        counters: by_name,
        errors,
        unseen: unseen.iter().map(Finding::in_words).collect(),
        written: writer.written(),
        lost: writer.lost(),
        panics: counters.panics,
        script_failures,
        output_failures: std::mem::take(&mut writer.script_failures),
        watched: counters.watched.take(),
        dropped: counters.dropped(),
        costs: counters.costs,
        held_back: writer.take_held_back(),
    }
}

fn note(place: &Mutex<Vec<RunError>>, error: RunError) {
    place.lock().unwrap_or_else(PoisonError::into_inner).push(error);
}
