//! The life of a worker: batch after batch, each with the rules of its moment, whatever a packet does to it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::CostReport;

use super::clock::Clock;
use super::{Settings, Worker};
use crate::capture::batch::{Batch, Frame};
use crate::capture::shard::Shards;
use crate::flow::Table;
use crate::flow::expected::ExpectedFlows;
use crate::inspect::{Application, Engine, Inspector, memory};
use crate::records::batch::RecordBatch;
use crate::records::report::Reporter;
use crate::stats::{Books, Counters};

impl Worker {
    /// The worker of shard `index`.
    pub fn new(
        (index, shards): (u16, Shards),
        settings: Settings,
        table: Table<Application>,
        inspector: Inspector,
        reporter: Reporter,
    ) -> Self {
        Self {
            index,
            shards,
            expected: ExpectedFlows::new(settings.expected_flows),
            settings,
            table,
            plan: Arc::clone(&inspector.engine().plan),
            select: reporter.select(),
            inspector,
            reporter,
            matches: Vec::new(),
            ended: Vec::new(),
            counters: Counters::default(),
            clock: Clock::default(),
            at: 0,
            books: Books::default(),
            traffic: 0,
            #[cfg(test)]
            trip_at: None,
        }
    }

    /// The shard that it owns.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Takes the packets of its shard out of a batch and gives what it found.
    ///
    /// A panic costs the shard its flows and nothing else: `fresh` gives an empty table, `lost` is told of the packet that did it,
    /// and the work goes on with the next packet.
    pub fn batch(
        &mut self,
        batch: &Batch,
        fresh: &dyn Fn() -> Table<Application>,
        lost: &mut dyn FnMut(&Frame, &[u8]),
    ) -> RecordBatch {
        let mut from = 0;
        while catch_unwind(AssertUnwindSafe(|| self.frames(batch, from))).is_err() {
            if let Some(frame) = batch.frames.get(self.at) {
                lost(frame, batch.data(frame));
            }
            self.counters.strike(self.books, batch.frames.get(self.at).is_some_and(|f| f.shard == self.index));
            self.table = fresh();
            self.inspector.restart();
            self.matches.clear();
            self.ended.clear();
            from = self.at + 1;
        }
        self.reporter.take(batch.sequence)
    }

    /// Goes on with the rules that a batch is inspected with, what wrong checksums mean there, and where it is from.
    pub fn adopt(&mut self, engine: &Arc<Engine>, batch: &Batch) {
        self.settings.checksums = batch.checksums;
        self.reporter.follow(batch.capture.as_ref());
        self.note_lost(batch);
        if Arc::ptr_eq(engine, self.inspector.engine()) {
            return;
        }
        self.plan = Arc::clone(&engine.plan);
        self.inspector.adopt(Arc::clone(engine));
        self.reporter.adopt(Arc::clone(engine));
        self.select = self.reporter.select();
    }

    /// Takes down how many packets nobody saw, for the records of flows that went on meanwhile.
    fn note_lost(&mut self, batch: &Batch) {
        if let Some(now) = batch.frames.last().map(|frame| frame.time).or(batch.tick) {
            self.reporter.note_lost(batch.lost_packets, now);
        }
    }

    /// Rules that took more than their share of work since this was last asked, with whose they are.
    pub fn take_cost_reports(&mut self, tell: &mut dyn FnMut(u32, &Rule, &CostReport)) {
        for report in self.inspector.matcher.take_cost_reports() {
            let plan = &self.inspector.engine().plan;
            if let Some(rule) = plan.rule(report.rule) {
                tell(plan.tenant(report.rule), rule, &report);
            }
        }
    }

    /// Its counters as they stand, with what its parts counted.
    pub fn counted(&mut self) -> Counters {
        let own = self.counters.clone();
        let parts = self.table.by_name().chain(self.expected.by_name()).chain(self.inspector.by_name());
        let parts = parts.chain(memory(self.table.flows().map(|flow| &flow.app)));
        parts.for_each(|(name, count)| self.counters.add(name, count));
        for (name, count) in self.inspector.counters() {
            self.counters.add(name, count);
        }
        self.counters.stations = self.table.counters().tally.stations();
        self.counters.costs = self.inspector.matcher.cost_books();
        std::mem::replace(&mut self.counters, own)
    }
}
