//! The last thread: what all workers found, in one order, step by step to the log.
//!
//! The steps are order, decide (thresholds and what flows share), silence, tags, followers, records, log: a file each. All that
//! more than one worker has to know is decided here and nowhere else.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tapwire_signatures::lua::OutputScript;
use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::rule::dataset::Operation;
use tapwire_signatures::state::shared::SetState;

use crate::capture::fanout::Tap;
use crate::inspect::Engine;
use crate::recording;
use crate::records::batch::RecordBatch;
use crate::records::eve::EveOutput;
use crate::records::finding::{Finding, Topic};
use crate::records::ledger::LedgerSettings;
use crate::records::slot::{Blank, Value};
use crate::sinks::rotation::Rotation;
use crate::sinks::sets::{OwnNames, Sets};
use crate::sinks::{certificates, file_store, stream_data};
use decide::{Decide, Decision};
use followers::{Followers, Seen};
use log::Log;
use order::{Order, in_order};
use records::Records;
use silence::Silence;
use tags::Tags;

pub use books::Books;
pub use decide::HeldBack;
pub use deliveries::DeliverySettings;
pub use log::{LogOutput, StatsOutput, TextOutput, in_words};
pub use stats::{Report, RuleMatches};

mod books;
mod decide;
mod deliveries;
mod followers;
mod log;
mod order;
mod records;
mod silence;
mod stats;
mod tags;

/// What the writer obeys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// EVE's outputs, in their order.
    pub eve: Vec<EveOutput>,
    /// When each of those begins a new file, when live.
    pub rotations: Vec<Rotation>,
    /// The one of lines for people, behind them.
    pub fast: Option<TextOutput>,
    /// The table of counters, behind that.
    pub stats: Option<StatsOutput>,
    /// The log, where an interface is watched or records are delivered.
    pub log: Option<LogOutput>,
    /// Where records are delivered to.
    pub deliveries: DeliverySettings,
    /// Records may have members that only Tapwire writes.
    pub own: bool,
    /// Live: bytes of records that wait for one output.
    pub backlog_bytes: usize,
    /// When records are summed up.
    pub summaries: LedgerSettings,
    /// Percent of all work that one rule may take.
    pub share_percent: u64,
    /// Scripts that are outputs.
    pub scripts: Vec<Arc<OutputScript>>,
    /// Where files are stored.
    pub file_store: Option<file_store::Settings>,
    /// Where certificates are stored.
    pub certificate_store: Option<certificates::Settings>,
    /// Where bytes of streams are written.
    pub tcp_data: Option<stream_data::Settings>,
    /// Where bodies of HTTP are written.
    pub http_body_data: Option<stream_data::Settings>,
    /// What is recorded.
    pub recording: recording::Settings,
    /// Names that sets of rules may not have.
    pub own_names: OwnNames,
}

/// Takes what workers found.
pub struct Writer {
    order: Order,
    decide: Decide,
    silence: Silence,
    tags: Tags,
    followers: Followers,
    records: Records,
    log: Log,
    books: Books,
    sets: Sets,
    /// Flows that end in the batch that is being written.
    ended: Vec<u64>,
    /// Percent of all work that one rule may take.
    share_percent: u64,
    /// What is to be told.
    news: Vec<String>,
    /// What scripts of outputs failed with, once they have ended.
    pub script_failures: Vec<String>,
}

impl Writer {
    /// Opens the outputs of a run below a folder.
    pub fn create(
        settings: &Settings,
        engine: Arc<Engine>,
        (folder, data_dir): (&Path, &Path),
        live: bool,
    ) -> io::Result<Self> {
        let log = Log::open(settings, folder, live)?;
        let follows_flows = settings.eve.iter().any(|eve| eve.flows || eve.netflows);
        Ok(Self {
            decide: Decide::new(&engine, follows_flows),
            order: Order::new(engine),
            silence: Silence::default(),
            tags: Tags::default(),
            followers: Followers::begin(settings, folder, live)?,
            records: Records::new(settings),
            log,
            books: Books::default(),
            sets: Sets::new(settings.own_names.clone(), folder, data_dir),
            ended: Vec::new(),
            share_percent: settings.share_percent,
            news: Vec::new(),
            script_failures: Vec::new(),
        })
    }

    /// What workers have to find besides records.
    pub fn wants(&self) -> Vec<Topic> {
        self.followers.wants()
    }

    /// Where every batch of packets is taken as well.
    pub fn take_tap(&mut self) -> Option<Tap<Arc<Engine>>> {
        self.followers.take_tap()
    }

    /// Writes what the workers found in one batch of packets.
    pub fn write(&mut self, batches: &[RecordBatch]) {
        let begun = self.order.begin(batches);
        if begun.changed {
            self.decide.follow(&begun.engine);
        }
        for batch in batches {
            self.books.made_by(batch.worker, batch.made);
            self.records.cut += batch.cut;
        }
        for (batch, finding) in in_order(batches) {
            self.ended.extend(finding.ended_flow());
            let (decision, decided) = self.decide.finding(batch, finding, &begun.engine);
            if let Some(decided) = decided {
                self.silence.decided(&decided, &begun.engine);
                self.tags.decided(&decided, &begun.engine);
            }
            let is_alert = !matches!(decision, Decision::Nothing(_));
            if is_alert && self.silence.passes(finding) && self.tags.passes(finding) {
                self.follow(batch, finding, decision == Decision::Block);
            } else if let Some(record) = finding.record() {
                self.records.hold_back(record);
            }
        }
        self.followers.end_batch(batches);
        self.end_batch();
    }

    /// The last steps of a finding that the others let pass.
    fn follow(&mut self, batch: &RecordBatch, finding: &Finding, is_blocked: bool) {
        let (text, flow) = (batch.text(finding), finding.place.flow);
        let Some(record) = finding.record() else {
            self.followers.finding(Seen { finding, text, alerted: self.decide.is_alerted(flow) });
            return;
        };
        let (decide, followers) = (&self.decide, &self.followers);
        let known = |blank| match blank {
            Blank::Action => is_blocked.then_some(Value::Blocked),
            Blank::Alerted => decide.is_alerted(flow).then_some(Value::Alerted),
            Blank::Stored(file) => Some(followers.stored(file).map_or(Value::NotStored, Value::StoredAs)),
        };
        self.records.write(record, (text, batch.slots(finding)), known, &mut self.log);
    }

    /// Forgets flows that ended, and what was only good for findings of one batch.
    fn end_batch(&mut self) {
        for flow in self.ended.drain(..) {
            self.decide.end(flow);
            self.silence.end(flow);
            self.tags.end(flow);
        }
        self.decide.end_batch();
        self.silence.end_batch();
        self.tags.end_batch();
    }

    /// The sets that rules ask about.
    pub fn sets(&self) -> Vec<SetState> {
        self.decide.shared.sets().collect()
    }

    /// Adds a value to a set, removes it or looks for it, as a rule would; what is wrong where that cannot be.
    pub fn change_set(&mut self, set: (u32, &str), operation: Operation, value: &str) -> Result<bool, String> {
        self.decide.shared.change(set, operation, value)
    }

    /// Hands over what has waited for long enough, where an interface is watched.
    pub fn tick(&mut self) {
        self.log.tick();
        self.followers.tick();
    }

    /// Begins new files, or finds those again that were moved.
    pub fn reopen(&self) {
        self.log.reopen();
    }

    /// What went wrong beside the records, and with them when live; each once.
    pub fn take_news(&mut self) -> Vec<String> {
        let mut news = std::mem::take(&mut self.news);
        news.extend(self.log.take_news());
        news.extend(self.followers.take_failures());
        news
    }

    /// Matches that became no alert, by rule and reason.
    pub fn take_held_back(&mut self) -> BTreeMap<(RuleIndex, HeldBack), u64> {
        std::mem::take(&mut self.decide.held_back)
    }

    /// Why records could not be written, where that ends a run.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.log.take_failure()
    }
}

#[cfg(test)]
mod tests;
