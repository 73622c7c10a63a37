//! The last thread: batches of records from all workers, put into one order, past the thresholds, to the sinks.
//!
//! Thresholds count over all flows, so they are decided here, where alerts of all workers stand in the order of their packets; that
//! makes them the same for any number of workers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapwire_signatures::language::rule::Action;
use tapwire_signatures::plan::RuleIndex;
use tapwire_signatures::state::hostbits::Parties;
use tapwire_signatures::state::shared::Shared;
use tapwire_signatures::state::threshold::{RuleId, Subject, Thresholds};
use tapwire_signatures::state::threshold_file::{Entry as FileEntry, Side, Suppression};

use crate::config::Configuration;
use crate::inspect::Engine;
use crate::inspect::silence::{Quiet, Silences};
use crate::records::batch::{AlertGate, Class, Entry, Gate, RecordBatch, merged};
use crate::records::cut::cut;
use crate::records::header::Clock;
use crate::records::ledger::{Booked, Ledger, Written};
use crate::sinks::sets::Sets;
pub use books::Report;
use followers::scripts::Scripts;
use log::Delivery;
pub use log::in_words;
use stores::Stores;
use tags::{Owner, Tags};

mod books;
pub mod followers;
mod log;
mod stores;
pub mod tags;

/// Between two times that what scripts write is made readable, when live.
const FLUSH_SCRIPTS: Duration = Duration::from_secs(1);
/// Thresholds that are followed at once.
const THRESHOLD_LIMIT: usize = 100_000;

/// Puts records into sinks.
pub struct Writer {
    /// The rules that the alerts of a batch are of.
    engine: Arc<Engine>,
    /// Flows that go on and had an alert that was decided here.
    alerted: HashSet<u64, foldhash::fast::RandomState>,
    /// Records of flows tell when these are over.
    follows_flows: bool,
    /// What rules that were decided here said of the records of flows that go on.
    silences: HashMap<u64, Silences, foldhash::fast::RandomState>,
    shared: Shared,
    sets: Sets,
    delivery: Delivery,
    /// The batch of packets that was written last, and how many came behind later ones.
    sequence: u64,
    late_batches: u64,
    /// Percent of all work that one rule may take.
    share_percent: u64,
    thresholds: Thresholds,
    tags: Tags,
    scripts: Scripts,
    ledger: Ledger,
    /// Records that were cut.
    cut: u64,
    clock: Clock,
    /// Alerts that thresholds held back.
    pub suppressed: u64,
    /// The same by rule and reason.
    pub held_back: BTreeMap<(RuleIndex, HeldBack), u64>,
    alerts: u64,
    stores: Stores,
    scripts_flushed: Instant,
    script_errors: u64,
    /// What is to be told.
    news: Vec<String>,
    /// What scripts of outputs failed with, once they have ended.
    pub script_failures: Vec<String>,
}

impl Writer {
    /// Opens the sinks of a configuration below a folder.
    pub fn create(
        configuration: &Configuration,
        engine: Arc<Engine>,
        (folder, data_dir): (&Path, &Path),
        live: bool,
    ) -> io::Result<Self> {
        let delivery = Delivery::open(configuration, folder, live)?;
        let thresholds = Thresholds::new(THRESHOLD_LIMIT);
        Ok(Self {
            alerted: HashSet::default(),
            silences: HashMap::default(),
            follows_flows: configuration.eve.iter().any(|eve| eve.flows || eve.netflows),
            shared: Shared::new(&engine.plan.datasets),
            sets: Sets::new(configuration, folder, data_dir),
            engine,
            delivery,
            sequence: 0,
            late_batches: 0,
            share_percent: configuration.costs.share_percent,
            thresholds,
            tags: Tags::default(),
            scripts: Scripts::start(&configuration.output_scripts, folder)?,
            ledger: Ledger::new(configuration.summaries, configuration.eve.len()),
            cut: 0,
            clock: Clock::default(),
            suppressed: 0,
            held_back: BTreeMap::new(),
            alerts: 0,
            stores: Stores::new(configuration, folder),
            scripts_flushed: Instant::now(),
            script_errors: 0,
            news: Vec::new(),
            script_failures: Vec::new(),
        })
    }

    /// Writes what the workers found in one batch of packets.
    pub fn write(&mut self, batches: &[RecordBatch]) {
        // All are of the same batch of packets, and so of the same rules.
        let sequence = batches.iter().map(|batch| batch.sequence).max().unwrap_or(self.sequence);
        let mut newer = None;
        if let Some(engine) = batches.iter().find_map(|batch| batch.engine.as_ref())
            && !Arc::ptr_eq(engine, &self.engine)
        {
            let before = std::mem::replace(&mut self.engine, Arc::clone(engine));
            if sequence < self.sequence {
                // A worker that is behind goes on with the rules that it had; what all share is the others' by now.
                newer = Some(before);
            } else {
                self.shared.follow(&engine.plan.datasets);
            }
        }
        self.late_batches += u64::from(sequence < self.sequence);
        self.sequence = self.sequence.max(sequence);
        let mut decided: Option<(u64, u32, Decision)> = None;
        let mut tagged: Option<(u64, bool)> = None;
        let mut silent: Option<((u64, Quiet), bool)> = None;
        let mut ended = Vec::new();
        self.cut += batches.iter().map(|batch| batch.cut).sum::<u64>();
        for (batch, entry) in merged(batches) {
            let gate = entry.gate.as_deref();
            if let Some(Gate::Alert(gate)) = gate {
                let key = (entry.packet, gate.group);
                let decision = match decided {
                    Some((packet, group, decision)) if (packet, group) == key => decision,
                    _ => {
                        let decision = self.decide(gate);
                        let raised = !matches!(decision, Decision::Nothing(_));
                        if decision != Decision::Nothing(HeldBack::Shared) {
                            self.silence(gate);
                        }
                        if raised && entry.output != Entry::NO_OUTPUT {
                            self.alerted.extend(gate.flow.filter(|_| self.follows_flows));
                            self.begin_tags(gate, entry.packet);
                        }
                        decided = Some((key.0, key.1, decision));
                        if let Decision::Nothing(why) = decision {
                            self.suppressed += 1;
                            *self.held_back.entry((gate.rule, why)).or_default() += 1;
                        }
                        decision
                    }
                };
                match decision {
                    Decision::Nothing(_) => continue,
                    Decision::Alert => {}
                    Decision::Block => {
                        let text = with(
                            batch.text(entry),
                            br#""alert":{"action":"allowed""#,
                            br#""alert":{"action":"blocked""#,
                        );
                        self.deliver(entry, &text);
                        continue;
                    }
                }
            }
            if let Some(Gate::Sets(additions)) = gate {
                additions.iter().for_each(|addition| self.shared.add(addition));
                continue;
            }
            if let Some(Gate::Script(subject)) = gate {
                let mut flow = subject.flow;
                if let Some(flow) = &mut flow {
                    flow.alerted |= self.alerted.contains(&flow.id);
                }
                self.scripts.show(subject, batch.text(entry), flow.as_ref());
                continue;
            }
            if let Some(Gate::Packet(packet)) = gate {
                let taken = match tagged {
                    Some((place, taken)) if place == entry.packet => taken,
                    _ => self.tags.takes(entry.packet, packet),
                };
                tagged = Some((entry.packet, taken));
                if !taken {
                    continue;
                }
            }
            if let Some(Gate::Transaction { flow, quiet }) = gate {
                let is_silent = match silent {
                    // Another output has its record as well.
                    Some((known, is_silent)) if known == (*flow, *quiet) => is_silent,
                    _ => self.silences.get_mut(flow).is_some_and(|silences| silences.take(*quiet)),
                };
                silent = Some(((*flow, *quiet), is_silent));
                if is_silent {
                    continue;
                }
            }
            if let Some(Gate::Flow(flow)) = gate {
                ended.push(*flow);
                if entry.output == Entry::NO_OUTPUT || self.silences.get(flow).is_some_and(|silences| silences.flow) {
                    continue;
                }
                if self.alerted.contains(flow) {
                    let text = with(batch.text(entry), br#""alerted":false"#, br#""alerted":true"#);
                    self.deliver(entry, &text);
                    continue;
                }
            }
            match gate {
                Some(Gate::File(file, step)) => {
                    if let Some(record) = self.stores.file(*file, step, batch.text(entry)) {
                        self.deliver(entry, &record);
                    }
                }
                Some(Gate::Certificates { time, chain }) => {
                    self.stores.certificates(*time, *chain, batch.text(entry));
                }
                _ if entry.output != Entry::NO_OUTPUT => self.deliver(entry, batch.text(entry)),
                _ => {}
            }
        }
        for flow in ended {
            self.alerted.remove(&flow);
            self.silences.remove(&flow);
            self.tags.end(flow);
        }
        self.engine = newer.unwrap_or_else(|| Arc::clone(&self.engine));
    }

    /// Follows what a rule says of records, where that was left to be done here.
    fn silence(&mut self, gate: &AlertGate) {
        let what = self.engine.plan.rule(gate.rule).and_then(|rule| rule.silence);
        if let (Some(what), Some(on), Some(flow)) = (what, gate.silence, gate.flow) {
            self.silences.entry(flow).or_default().add(what, on);
        }
    }

    /// Begins what a rule says of the packets that follow its alert.
    fn begin_tags(&mut self, gate: &AlertGate, place: u64) {
        let Some(rule) = self.engine.plan.rule(gate.rule) else { return };
        let tenant = self.engine.own_of_rule(gate.rule).tenant;
        for tag in &rule.tags {
            let owner = match tag.host {
                Some(true) => Some(Owner::Host(tenant, gate.source)),
                Some(false) => Some(Owner::Host(tenant, gate.destination)),
                None => gate.flow.map(Owner::Flow),
            };
            if let Some(owner) = owner {
                self.tags.begin(owner, gate.rule, *tag, (place, gate.time));
            }
        }
    }

    fn deliver_all(&mut self, written: Vec<Written>) {
        for (output, text) in written {
            self.delivery.write(output, Class::Sensor, &text);
        }
    }

    fn deliver(&mut self, entry: &Entry, text: &[u8]) {
        self.alerts += u64::from(entry.output == 0 && entry.class == Class::Alert);
        if let Some(cause) = &entry.cause {
            let booked = self.ledger.book(entry.output, cause, text.len(), &mut self.clock);
            let due = self.ledger.take_due();
            self.deliver_all(due);
            match booked {
                Booked::Whole => {}
                Booked::Short(bytes) => {
                    self.cut += 1;
                    return self.delivery.write(entry.output, entry.class, &cut(text, bytes));
                }
                Booked::Summed => return,
            }
        }
        self.delivery.write(entry.output, entry.class, text);
    }

    /// Whether what is left of an alert's rule holds, and it passes the suppressions and thresholds; those of the file replace the
    /// rule's own.
    fn decide(&mut self, gate: &AlertGate) -> Decision {
        let Some(rule) = self.engine.plan.rule(gate.rule) else { return Decision::Alert };
        let own = self.engine.own_of_rule(gate.rule);
        let parties = Parties { tenant: own.tenant, source: gate.source, destination: gate.destination };
        if !self.shared.decide(rule, &gate.steps, parties, gate.time) {
            return Decision::Nothing(HeldBack::Shared);
        }
        let subject =
            Subject { source: gate.source, destination: gate.destination, ports: gate.ports, flow: gate.flow };
        let id = RuleId { tenant: own.tenant, gid: rule.gid, sid: rule.sid };
        let (mut filed, mut decision) = (None, Decision::Alert);
        for (_, entry) in own.thresholds.iter().filter(|(rules, _)| rules.contains(rule.gid, rule.sid)) {
            match entry {
                FileEntry::Suppress(None) => return Decision::Nothing(HeldBack::Suppressed),
                FileEntry::Suppress(Some(suppression)) if is_suppressed(suppression, gate) => {
                    return Decision::Nothing(HeldBack::Suppressed);
                }
                FileEntry::Threshold(threshold) => filed = Some(threshold),
                FileEntry::Suppress(Some(_)) => {}
                FileEntry::RateFilter { threshold, action, timeout_s } => {
                    if self.thresholds.rate_exceeded(id, threshold, *timeout_s, &subject, gate.time) {
                        decision = match action {
                            Action::Pass => return Decision::Nothing(HeldBack::RateFilter),
                            Action::Reject => Decision::Block,
                            Action::Alert | Action::Drop | Action::Config => Decision::Alert,
                        };
                    }
                }
            }
        }
        let counted = [
            (HeldBack::DetectionFilter, rule.detection_filter.as_ref()),
            (HeldBack::Threshold, filed.or(rule.threshold.as_ref())),
        ];
        for (why, threshold) in counted {
            if threshold.is_some_and(|t| !self.thresholds.decide(id, t, &subject, gate.time)) {
                return Decision::Nothing(why);
            }
        }
        decision
    }

    /// Writes the sets that are kept in files. One that may not be where its rule says is told and left out.
    fn save(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for (tenant, name, kind, text) in self.shared.saved() {
            match self.sets.keep(tenant, name, kind, &text) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.news.push(format!("a set cannot be kept in {name}: {error}"));
                }
                kept => result = result.and(kept),
            }
        }
        result
    }

    /// Hands over what has waited for long enough, where an interface is watched.
    pub fn tick(&mut self) {
        self.delivery.tick();
        if self.scripts_flushed.elapsed() >= FLUSH_SCRIPTS {
            self.scripts_flushed = Instant::now();
            if let Err(error) = self.scripts.flush() {
                self.script_errors += 1;
                if self.script_errors == 1 {
                    self.news.push(format!("what scripts write cannot be written: {error}; records go on"));
                }
            }
        }
    }

    /// What went wrong beside the records, and with them when live; each once.
    pub fn take_news(&mut self) -> Vec<String> {
        let mut news = std::mem::take(&mut self.news);
        news.extend(self.delivery.take_news());
        news.extend(self.stores.take_failures());
        news
    }

    /// Why records could not be written, where that ends a run.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.delivery.take_failure()
    }
}

/// A record with another value for a member. No text within a record has quotes that are not escaped, so that the member is the only
/// one that reads so.
fn with(record: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = record.windows(old.len()).position(|part| part == old);
    let parts = at.and_then(|at| Some((record.get(..at)?, record.get(at + old.len()..)?)));
    parts.map_or_else(|| record.to_vec(), |(before, behind)| [before, new, behind].concat())
}

/// Why a match became no alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBack {
    /// A set, or a bit of a host, that all flows share says no.
    Shared,
    /// The threshold file suppresses it.
    Suppressed,
    /// A rate filter of the threshold file lets it pass.
    RateFilter,
    /// The rule's `detection_filter`.
    DetectionFilter,
    /// The threshold of the rule or of the threshold file.
    Threshold,
}

impl HeldBack {
    /// Who held it back, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            HeldBack::Shared => "dataset, xbits or hostbits",
            HeldBack::Suppressed => "suppression of the threshold file",
            HeldBack::RateFilter => "rate filter of the threshold file",
            HeldBack::DetectionFilter => "detection_filter",
            HeldBack::Threshold => "threshold",
        }
    }
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// No alert.
    Nothing(HeldBack),
    /// An alert.
    Alert,
    /// An alert that says that the packet was blocked, as those of `reject` do.
    Block,
}

fn is_suppressed(suppression: &Suppression, gate: &AlertGate) -> bool {
    let listed = |address| suppression.addresses.contains(address);
    match suppression.side {
        Side::Source => listed(gate.source),
        Side::Destination => listed(gate.destination),
        Side::Either => listed(gate.source) || listed(gate.destination),
    }
}
