//! The last step: each record to its output, counters and what was lost to those that show them.

use std::io;
use std::path::Path;

use super::Settings;
use super::books::Books;
use super::deliveries::Couriers;
use crate::capture::clock;
use crate::health::Finding;
use crate::records::class::{Class, Tally};
use crate::records::header::Clock;
use crate::records::health;
use crate::records::loss::{self, Loss, Whose};
use crate::sinks::backlog::{News, Outage};
use crate::sinks::latency::Latency;
use crate::sinks::log::{self, Figures, Missed, Segments};
use crate::sinks::output::{Output, Syncing, Way};
use crate::sinks::rotation::Rotation;
use crate::sinks::stamp::stamped;
use crate::sinks::target::{Shape, Target};

/// Why a sink misses records.
const REMOVED: &str = "retention removed them before they were delivered";

/// A file of text for people: `fast.log`, `stats.log`.
#[derive(Clone, Debug)]
pub struct TextOutput {
    /// File name below the log folder.
    pub filename: String,
    /// Whether an existing file is appended to, where that is said; it is otherwise.
    pub append: Option<bool>,
    /// When a new file is begun, when live.
    pub rotation: Rotation,
}

/// `stats.log`
#[derive(Clone, Debug)]
pub struct StatsOutput {
    /// Its file.
    pub file: TextOutput,
    /// Counters that are 0 are shown.
    pub zeros: bool,
}

/// How counters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a record of EVE JSON.
    Record,
    /// As a table.
    Table,
}

/// The log of a live sensor.
#[derive(Clone, Debug)]
pub struct LogOutput {
    /// The position of the EVE output whose records it has.
    pub of: usize,
    /// Whether that output has a file besides.
    pub has_file: bool,
    /// How it is kept.
    pub settings: log::Settings,
    /// When what was written is made to survive a crash; of all files.
    pub sync: Syncing,
}

/// The outputs of a run.
pub(super) struct Log {
    outputs: Vec<Output>,
    /// Those of each position that records name: the log beside a file has the same records.
    ways: Vec<Vec<usize>>,
    /// Records that went to a second one.
    copied: Tally,
    /// Positions of those that take counters, in which form, and whether they take those that are 0.
    stats: Vec<(usize, Form, bool)>,
    /// Positions of those that take what the sensor could not see.
    health: Vec<usize>,
    /// How many are EVE's; they are the first.
    eve: usize,
    /// Records may have members that only Tapwire writes.
    own: bool,
    /// An interface is watched: alerts say when they were decided.
    live: bool,
    clock: Clock,
    room: Vec<u8>,
    pub(super) couriers: Couriers,
}

impl Log {
    /// Opens the outputs of a run below a folder.
    pub(super) fn open(settings: &Settings, folder: &Path, live: bool) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let kept = settings.log.as_ref();
        let sync = kept.map(|kept| kept.sync).unwrap_or_default();
        let log = |folder: &Path| {
            let settings = kept.map(|kept| kept.settings.clone()).unwrap_or_default();
            Segments::open(folder, settings, clock::now())
        };
        let way = |in_frames| Way { live, in_frames, limit_bytes: settings.backlog_bytes, sync };
        let open = |filename: &str, zstd: bool, append: bool, rotation: Rotation| {
            let archive = rotation.archive.as_ref().map(|archive| folder.join(archive));
            let rotation = Rotation { archive, ..rotation };
            let target = Target::open(Shape { path: folder.join(filename), zstd, append, live, rotation })?;
            Output::start(Box::new(target), way(zstd))
        };
        let (mut outputs, mut ways) = (Vec::new(), Vec::new());
        for (place, eve) in settings.eve.iter().enumerate() {
            let first = outputs.len();
            let of_log = kept.filter(|kept| kept.of == place);
            if let Some(own) = &eve.log {
                outputs.push(Output::start(Box::new(log(&folder.join(own))?), way(true))?);
            } else if of_log.is_none_or(|kept| kept.has_file) {
                let rotation = settings.rotations.get(place).cloned().unwrap_or_default();
                outputs.push(open(&eve.filename, eve.zstd, eve.append.unwrap_or(live), rotation)?);
            }
            if of_log.is_some() {
                outputs.push(Output::start(Box::new(log(folder)?), way(true))?);
            }
            ways.push((first..outputs.len()).collect());
        }
        for text in settings.fast.iter().chain(settings.stats.as_ref().map(|stats| &stats.file)) {
            ways.push(vec![outputs.len()]);
            outputs.push(open(&text.filename, false, text.append.unwrap_or(true), text.rotation.clone())?);
        }
        let stats = (0..).zip(&settings.eve).filter_map(|(place, eve)| Some((place, Form::Record, eve.stats?.zeros)));
        let table = settings.stats.iter().map(|stats| (ways.len() - 1, Form::Table, stats.zeros));
        let stats = stats.chain(table).collect();
        let health = (0..).zip(&settings.eve).filter(|(_, eve)| eve.health).map(|(place, _)| place).collect();
        let (eve, own) = (settings.eve.len(), settings.own);
        let couriers = Couriers::start(&settings.deliveries, folder, live)?;
        let (clock, room) = (Clock::default(), Vec::new());
        Ok(Self { outputs, ways, copied: Tally::default(), stats, health, eve, own, live, clock, room, couriers })
    }

    /// Takes a record for an output.
    pub(super) fn write(&mut self, output: u16, class: Class, record: &[u8]) {
        let Some(way) = self.ways.get(usize::from(output)) else { return };
        let is_told = self.live && class == Class::Alert;
        let record =
            if is_told { stamped(record, "matched", clock::now(), &mut self.clock, &mut self.room) } else { record };
        for (nth, place) in way.iter().enumerate() {
            if let Some(output) = self.outputs.get_mut(*place) {
                output.write(class, record);
                if nth > 0 {
                    self.copied.add(class);
                }
            }
        }
    }

    /// Takes counters for the outputs that show them: `write` does it in a form, with all of them or those that are not 0.
    pub(super) fn write_stats(&mut self, write: &mut dyn FnMut(Form, bool) -> Vec<u8>) {
        let mut written: Vec<((Form, bool), Vec<u8>)> = Vec::new();
        for (place, form, zeros) in &self.stats {
            let how = (*form, *zeros);
            if written.iter().all(|(known, _)| *known != how) {
                written.push((how, write(*form, *zeros)));
            }
            let Some((_, text)) = written.iter().find(|(known, _)| *known == how) else { continue };
            for output in self.ways.get(*place).into_iter().flatten() {
                self.outputs.get_mut(*output).into_iter().for_each(|output| output.write(Class::Sensor, text));
            }
        }
    }

    /// Takes what the sensor could not see for the outputs that show it.
    pub(super) fn write_health(&mut self, found: &[Finding]) {
        for finding in found {
            let mut line = Vec::new();
            health::write(&mut line, finding, self.own, &mut self.clock);
            let places = self.health.iter().filter_map(|place| self.ways.get(*place)).flatten();
            for output in places {
                self.outputs.get_mut(*output).into_iter().for_each(|output| output.write(Class::Sensor, &line));
            }
        }
    }

    /// Loses what comes, and counts none of it.
    #[cfg(test)]
    pub(super) fn forget_outputs(&mut self) {
        self.outputs.clear();
    }

    /// Whether any output shows counters.
    pub(super) fn shows_stats(&self) -> bool {
        !self.stats.is_empty()
    }

    /// Hands over what has waited for long enough.
    pub(super) fn tick(&mut self) {
        self.outputs.iter_mut().for_each(Output::tick);
    }

    /// What is to be told on the terminal; what was lost is told in the stream as well.
    pub(super) fn take_news(&mut self) -> Vec<String> {
        let (mut said, mut lost) = (self.couriers.take_news(), Vec::new());
        for output in &self.outputs {
            for news in output.take_news() {
                said.push(told(output.name(), &news));
                let (whose, of, from, to, reason, records) = match &news {
                    News::Over(Outage { from, to, reason, lost }) => {
                        (Whose::Output, output.name(), *from, *to, reason.as_str(), lost)
                    }
                    News::Missed(sink, Missed { records, times: (from, to) }) => {
                        (Whose::Sink, sink.as_str(), *from, *to, REMOVED, records)
                    }
                    News::Begun(_) | News::Note(_) => continue,
                };
                if records.total() > 0 {
                    let mut line = Vec::new();
                    let records: Vec<_> = records.by_name().collect();
                    let loss = Loss { whose, of, from, to, reason, records: &records, told: clock::now() };
                    loss::write(&mut line, &loss, self.own, &mut self.clock);
                    lost.push(line);
                }
            }
        }
        for output in self.ways.iter().take(self.eve).flatten() {
            if let Some(output) = self.outputs.get_mut(*output) {
                lost.iter().for_each(|line| output.write(Class::Sensor, line));
            }
        }
        said
    }

    /// What a run ends with.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.outputs.iter().find_map(Output::take_failure)
    }

    /// Waits until everything is written, or cannot be.
    pub(super) fn settle(&mut self) {
        self.outputs.iter_mut().for_each(Output::settle);
    }

    /// Writes everything and ends the threads, then those that deliver it; what is to be told of them.
    pub(super) fn close(&mut self) -> Vec<String> {
        self.outputs.iter_mut().for_each(Output::close);
        self.couriers.finish()
    }

    /// The outputs, with the records that each has of this run.
    pub(super) fn written(&self) -> Vec<(String, u64)> {
        self.outputs.iter().map(|output| (output.name().to_owned(), output.kept())).collect()
    }

    /// Records that are lost so far.
    pub(super) fn lost(&self) -> Tally {
        let mut all = Tally::default();
        self.outputs.iter().for_each(|output| all.merge(&output.books().lost));
        all
    }

    /// Counts of the log, if there is one; of all where deliveries have their own.
    pub(super) fn figures(&self) -> Option<Figures> {
        self.outputs.iter().filter_map(|output| output.books().figures).reduce(Figures::with)
    }

    /// Begins new files, or finds those again that were moved.
    pub(super) fn reopen(&self) {
        self.outputs.iter().for_each(Output::reopen);
    }

    /// How long alerts took from their packets on, when live.
    pub(super) fn latency(&self) -> Latency {
        let mut all = Latency::default();
        self.outputs.iter().for_each(|output| all.merge(&output.latency()));
        all
    }

    /// Adds what became of the records that came here.
    pub(super) fn count(&self, books: &mut Books) {
        books.copied.merge(&self.copied);
        for output in &self.outputs {
            let own = output.books();
            books.delivered.merge(&own.stored);
            books.shed.merge(&own.lost);
            books.waiting.merge(&output.collected());
            books.waiting.merge(&own.waiting);
            books.waiting_bytes += own.waiting_bytes as u64;
        }
    }
}

fn told(output: &str, news: &News) -> String {
    match news {
        News::Begun(reason) => format!(
            "records cannot be written to {output}: {reason}; alerts are kept in memory for as long as there is room, flows are given up first"
        ),
        News::Over(Outage { lost, .. }) if lost.total() == 0 => {
            format!("records are written to {output} again; none were lost")
        }
        News::Over(Outage { lost, .. }) => {
            format!("records are written to {output} again; lost are {}", in_words(lost))
        }
        News::Missed(sink, Missed { records, .. }) => {
            format!("the sink {sink} misses {}, which the log had no room for any more", in_words(records))
        }
        News::Note(note) => note.clone(),
    }
}

/// `12 flow and 3 dns records` would need a name for each kind: the classes do.
pub fn in_words(lost: &Tally) -> String {
    let counts: Vec<String> =
        lost.by_name().filter(|(_, count)| *count > 0).map(|(class, count)| format!("{count} of {class}")).collect();
    format!("{} records: {}", lost.total(), counts.join(", "))
}
