//! Records of counters, with what the writer counted, and its end.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use tapwire_parsers::link::Timestamp;
use tapwire_signatures::verify::cost::CostBooks;

use super::log::Form;
use super::{Books, Writer};
use crate::counters::tells_loss;
use crate::health::Finding;
use crate::records::class::Tally;
use crate::records::stats::{self, DearRule, Rules, Shown};
use crate::records::stats_text;
use crate::sinks::deliver::report::Report as Delivered;
use crate::sinks::log::Figures;

/// Rules that `stats` names of those that cost most.
const DEAREST_SHOWN: usize = 10;

/// When a record of counters is written, and what else it says.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The time.
    pub time: Timestamp,
    /// How long the run has gone on.
    pub uptime_s: u64,
    /// What rules cost.
    pub costs: &'a CostBooks,
    /// Whether there is what only Tapwire counts.
    pub own: bool,
    /// How far the sensor has given up its rights, where an interface is watched.
    pub sandbox: Option<&'a str>,
    /// Whether an interface is watched: what was lost is told in any case then.
    pub live: bool,
}

/// A rule and its matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMatches {
    /// Its gid and sid.
    pub id: (u32, u32),
    /// Whose it is: the number of a tenant, 0 for nobody.
    pub tenant: u32,
    /// How often all that it asks for held.
    pub matches: u64,
}

/// Counts of the log by their names.
fn of_log(figures: &Figures) -> [(&'static str, u64); 6] {
    [
        ("segments", figures.segments),
        ("bytes", figures.bytes),
        ("reserve_bytes", figures.reserve_bytes),
        ("removed_segments", figures.removed_segments),
        ("removed_bytes", figures.removed_bytes),
        ("missed", figures.missed),
    ]
}

impl Writer {
    /// The rules that matched most often, the most often first, as many as are wanted.
    pub fn matches(&self, costs: &CostBooks, wanted: usize) -> Vec<RuleMatches> {
        let mut all: Vec<_> = costs.rules.iter().filter(|(_, cost)| cost.matches > 0).collect();
        all.sort_by_key(|(rule, cost)| (Reverse(cost.matches), **rule));
        let named = all.into_iter().take(wanted).filter_map(|(rule, cost)| {
            let id = self.order.engine.plan.rule(*rule).map(|rule| (rule.gid, rule.sid))?;
            Some(RuleMatches { id, tenant: self.order.engine.own_of_rule(*rule).tenant, matches: cost.matches })
        });
        named.collect()
    }

    /// How each output that delivers is doing.
    pub fn deliveries(&self) -> Vec<Delivered> {
        self.log.couriers.reports().collect()
    }

    /// Writes the counters as they stand.
    pub fn write_stats(&mut self, report: Report<'_>, mut counters: BTreeMap<String, u64>) {
        if self.log.shows_stats() || self.followers.want_counters() {
            self.count(&mut counters, report);
            self.followers.counters(&counters);
            self.deliver_stats(report, &counters);
        }
    }

    /// All counters, with what was counted here.
    pub fn counters(&self, report: Report<'_>, mut counters: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        self.count(&mut counters, report);
        counters
    }

    /// Writes what the sensor could not see.
    pub fn write_health(&mut self, found: &[Finding]) {
        self.log.write_health(found);
    }

    /// Writes what is left and the counters, and ends; the counters, and what could not be written.
    pub fn finish(
        &mut self,
        report: Report<'_>,
        mut counters: BTreeMap<String, u64>,
    ) -> (BTreeMap<String, u64>, Option<io::Error>) {
        self.records.finish(&mut self.log);
        if self.followers.want_counters() {
            let mut so_far = counters.clone();
            self.count(&mut so_far, report);
            self.followers.counters(&so_far);
        }
        let (messages, failure) = self.followers.end(&mut counters);
        self.script_failures = messages;
        self.log.settle();
        self.news.extend(self.log.take_news());
        self.count(&mut counters, report);
        self.deliver_stats(report, &counters);
        let undelivered = self.log.close();
        self.news.extend(undelivered);
        // When all that others wrote is there: a set replaces none of it.
        let failure = failure.or(self.decide.save(&self.sets, &mut self.news).err());
        // What waited for better times is lost by now.
        let books = self.balance();
        self.news.extend(books.mistake());
        if report.own || report.live {
            books.count(&mut counters);
        }
        (counters, self.log.take_failure().or(failure))
    }

    /// Where records are, with how many.
    pub fn written(&self) -> Vec<(String, u64)> {
        self.log.written()
    }

    /// Records that were lost.
    pub fn lost(&self) -> Tally {
        self.log.lost()
    }

    fn deliver_stats(&mut self, report: Report<'_>, counters: &BTreeMap<String, u64>) {
        let numbers = self.order.engine.tenants.numbers();
        let dearest = if report.own { self.dearest(report.costs) } else { Vec::new() };
        let rules = Rules { numbers: &numbers, dearest: &dearest };
        let counted = Shown { rules, sandbox: report.sandbox };
        let clock = &mut self.records.clock;
        self.log.write_stats(&mut |form, zeros| {
            let mut text = Vec::new();
            let shown = counters.iter().filter(|(_, count)| zeros || **count > 0);
            let shown: Vec<(&str, u64)> = shown.map(|(name, count)| (name.as_str(), *count)).collect();
            match form {
                Form::Record => stats::write(&mut text, report.time, report.uptime_s, &shown, counted, clock),
                Form::Table => stats_text::write(&mut text, report.time, report.uptime_s, &shown, clock),
            }
            text
        });
    }

    /// Adds what was counted here.
    fn count(&self, counters: &mut BTreeMap<String, u64>, report: Report<'_>) {
        // What thresholds held back was counted as an alert by the workers.
        let suppressed = self.decide.suppressed();
        let raised = counters.get("detect.alert").copied().unwrap_or(0).saturating_sub(suppressed);
        counters.insert("detect.alert".into(), self.records.alerts().unwrap_or(raised));
        *counters.entry("detect.alerts_suppressed".into()).or_default() += suppressed;
        counters.extend(self.decide.memory().map(|(name, count)| (name.to_owned(), count)));
        self.followers.count(counters);
        if report.live {
            counters.extend(self.log.latency().by_name());
        }
        if !report.own {
            if report.live {
                self.balance().count(counters);
            }
            counters.retain(|name, _| !name.starts_with("tapwire.") || report.live && tells_loss(name));
            return;
        }
        self.log.couriers.count(counters);
        let costs = report.costs;
        let (bits, values) = self.decide.shared.lost();
        let over = costs.rules.values().map(|cost| cost.work * 100 / costs.work.max(1));
        let over = over.filter(|percent| (1..=*percent).contains(&self.share_percent));
        counters.insert("tapwire.rules.over_share".into(), over.count() as u64);
        let suspended = costs.rules.values().filter(|cost| cost.suspended);
        counters.insert("tapwire.rules.work".into(), costs.work);
        counters.insert("tapwire.rules.suspended".into(), suspended.clone().count() as u64);
        counters.insert("tapwire.rules.skipped".into(), suspended.map(|cost| cost.skipped).sum());
        counters.insert("tapwire.rules.hostbits_evicted".into(), bits);
        counters.insert("tapwire.rules.tags_lost".into(), self.tags.lost);
        counters.insert("tapwire.rules.dataset_values_refused".into(), values);
        counters.insert("tapwire.records.late_batches".into(), self.order.late_batches);
        self.balance().count(counters);
        for (name, count) in self.log.figures().iter().flat_map(of_log) {
            counters.insert(format!("tapwire.log.{name}"), count);
        }
    }

    /// The books of records as they stand.
    pub(super) fn balance(&self) -> Books {
        let mut books = self.books.clone();
        (books.held_back, books.cut) = (self.records.held_back, self.records.cut);
        books.summed.clone_from(&self.records.ledger.summed);
        self.log.count(&mut books);
        books
    }

    /// The rules that cost most.
    fn dearest(&self, costs: &CostBooks) -> Vec<DearRule> {
        let mut all: Vec<_> = costs.rules.iter().collect();
        all.sort_by_key(|(rule, cost)| (Reverse(cost.work), **rule));
        let named = all.into_iter().take(DEAREST_SHOWN).filter_map(|(rule, cost)| {
            let id = self.order.engine.plan.rule(*rule).map(|rule| (rule.gid, rule.sid))?;
            let tenant = self.order.engine.own_of_rule(*rule).tenant;
            Some(DearRule { tenant, id, cost: *cost, percent: cost.work * 100 / costs.work.max(1) })
        });
        named.collect()
    }
}
