//! What the writer counted, the records of counters, and its end.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use tapwire_parsers::link::Timestamp;
use tapwire_signatures::verify::cost::CostBooks;

use super::Writer;
use crate::records::stats::{self, DearRule, Rules};
use crate::sinks::piece::Tally;

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
}

impl Writer {
    /// Writes the counters as they stand.
    pub fn write_stats(&mut self, report: Report<'_>, mut counters: BTreeMap<String, u64>) {
        if self.delivery.shows_stats() {
            self.count(&mut counters, report);
            self.deliver_stats(report, &counters);
        }
    }

    /// Writes what is left and the counters, and ends; the counters, and what could not be written.
    pub fn finish(
        &mut self,
        report: Report<'_>,
        mut counters: BTreeMap<String, u64>,
    ) -> (BTreeMap<String, u64>, Option<io::Error>) {
        let mut failure = None;
        let last = self.ledger.finish(&mut self.clock);
        self.deliver_all(last);
        match self.scripts.finish(&mut counters) {
            Ok(failures) => self.script_failures = failures,
            Err(error) => failure = failure.or(Some(error)),
        }
        self.delivery.settle();
        self.news.extend(self.delivery.take_news());
        self.count(&mut counters, report);
        self.deliver_stats(report, &counters);
        self.delivery.close();
        // When all that others wrote is there: a set replaces none of it.
        failure = failure.or(self.save().err());
        if report.own {
            // What waited for better times is lost by now.
            self.count_records(&mut counters);
        }
        (counters, self.delivery.take_failure().or(failure))
    }

    /// Records that were lost.
    pub fn lost(&self) -> Tally {
        self.delivery.lost()
    }

    fn deliver_stats(&mut self, report: Report<'_>, counters: &BTreeMap<String, u64>) {
        let mut line = Vec::new();
        let numbers = self.engine.tenants.numbers();
        let dearest = if report.own { self.dearest(report.costs) } else { Vec::new() };
        let rules = Rules { numbers: &numbers, dearest: &dearest };
        stats::write(&mut line, report.time, report.uptime_s, counters, rules, &mut self.clock);
        self.delivery.write_stats(&line);
    }

    /// Adds what was counted here.
    fn count(&self, counters: &mut BTreeMap<String, u64>, report: Report<'_>) {
        // What thresholds held back was counted as an alert by the workers.
        counters.insert("detect.alert".into(), self.alerts);
        *counters.entry("detect.alerts_suppressed".into()).or_default() += self.suppressed;
        self.stores.count(counters);
        if !report.own {
            counters.retain(|name, _| !name.starts_with("tapwire."));
            return;
        }
        let costs = report.costs;
        let (bits, values) = self.shared.lost();
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
        counters.insert("tapwire.records.late_batches".into(), self.late_batches);
        counters.insert("tapwire.records.script_errors".into(), self.script_errors);
        self.count_records(counters);
    }

    /// Adds the books of records: those that were made went to an output or share a summary.
    fn count_records(&self, counters: &mut BTreeMap<String, u64>) {
        self.delivery.count(counters);
        let by_type = &self.ledger.summed;
        let summed = by_type.values().sum();
        *counters.entry("tapwire.records.made".into()).or_default() += summed;
        counters.insert("tapwire.records.summed".into(), summed);
        counters.insert("tapwire.records.cut".into(), self.cut);
        counters.extend(by_type.iter().map(|(kind, count)| (format!("tapwire.records.summed_by_type.{kind}"), *count)));
    }

    /// The rules that cost most.
    fn dearest(&self, costs: &CostBooks) -> Vec<DearRule> {
        let mut all: Vec<_> = costs.rules.iter().collect();
        all.sort_by_key(|(rule, cost)| (Reverse(cost.work), **rule));
        let named = all.into_iter().take(DEAREST_SHOWN).filter_map(|(rule, cost)| {
            let id = self.engine.plan.rule(*rule).map(|rule| (rule.gid, rule.sid))?;
            let tenant = self.engine.own_of_rule(*rule).tenant;
            Some(DearRule { tenant, id, cost: *cost, percent: cost.work * 100 / costs.work.max(1) })
        });
        named.collect()
    }
}
