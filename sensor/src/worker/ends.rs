//! The ends of flows: their time is over, the run is, or others need the memory of what they keep.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;

use super::Worker;
use super::place::Place;
use crate::flow::{EndReason, Flow};
use crate::inspect::{Application, view_of};
use crate::records::batch::RecordBatch;
use crate::records::report::Moment;
use crate::stats::Counters;

/// At the end flows are ended by their first packets: so many packets at least, and at most so many batches.
const LAST_BATCH_PACKETS: u64 = 8_192;
const LAST_BATCHES: u64 = 1_024;

impl Worker {
    /// Ends every flow whose time is over; for live use, where no later packet may come to tell.
    pub fn expire(&mut self, now: Timestamp) {
        let ended = &mut self.ended;
        self.table.expire(now, &mut |flow, reason| ended.push((flow, reason)));
        self.finish_ended(&Moment::flow_end(u64::MAX / 4, now, now));
    }

    /// Ends the flows whose time is over before a packet of any worker.
    #[inline]
    pub(super) fn age(&mut self, number: u64, time: Timestamp) {
        let now = self.clock.tick(time);
        let ended = &mut self.ended;
        self.table.expire(now, &mut |flow, reason| ended.push((flow, reason)));
        if !self.ended.is_empty() {
            self.finish_aged(number, now);
        }
    }

    #[cold]
    fn finish_aged(&mut self, number: u64, now: Timestamp) {
        self.reporter.note_traffic(self.traffic);
        let mut ended = std::mem::take(&mut self.ended);
        for (flow, reason) in ended.drain(..) {
            let moment = Moment::timeout(&flow, number, self.table.over_at(&flow).min(now));
            self.finish(flow, reason, moment);
        }
        self.ended = ended;
    }

    /// Ends every flow and hands out the last records, in as many batches as every other worker's after `packets` packets: so
    /// that not all of them are in memory at once. A panic costs those that were not written yet.
    pub fn shut_down(mut self, sequence: u64, packets: u64, hand: &mut dyn FnMut(RecordBatch) -> bool) -> Counters {
        self.reporter.note_traffic(self.traffic);
        self.table.advance(self.clock.last());
        let flows = catch_unwind(AssertUnwindSafe(|| self.table.by_begin())).unwrap_or_default();
        let mut flows = flows.into_iter().peekable();
        let width = (packets / LAST_BATCHES).max(LAST_BATCH_PACKETS);
        let mut goes_on = true;
        for batch in 0..=packets / width {
            let end = (batch + 1).saturating_mul(width);
            while let Some((_, place)) = flows.next_if(|(number, _)| *number < end) {
                drop(catch_unwind(AssertUnwindSafe(|| self.end_at(place))));
            }
            goes_on = goes_on && hand(self.reporter.take(sequence + batch));
        }
        let mut counters = self.counted();
        counters.watched = self.inspector.matcher.watch.take();
        counters.script_failures.extend(self.inspector.matcher.lua.take_messages());
        counters
    }

    fn end_at(&mut self, place: u32) {
        let ended = &mut self.ended;
        self.table.shut_down(place, &mut |flow, reason| ended.push((flow, reason)));
        for (flow, reason) in std::mem::take(&mut self.ended) {
            let moment = Moment::shutdown(&flow);
            self.finish(flow, reason, moment);
        }
    }

    /// Lets go of what the applications of the heaviest flows keep, until the budget has what all of them keep. The flows stay.
    pub(super) fn let_go(&mut self, moment: &Moment) {
        let mut ended = std::mem::take(&mut self.ended);
        while let Some((place, flow)) =
            self.table.heaviest_over_budget(moment.time, &mut |flow, reason| ended.push((flow, reason)))
        {
            let before = flow.app.held_bytes();
            let moment = moment.within(flow.end);
            let mut at = Place {
                settings: &self.settings,
                plan: &self.plan,
                inspector: &mut self.inspector,
                reporter: &mut self.reporter,
                matches: &mut self.matches,
                counters: &mut self.counters,
            };
            at.let_go(flow, &moment);
            let after = flow.app.weigh().unwrap_or(0);
            self.counters.add("tapwire.app_layer.evicted", 1);
            if let Some((_, refused)) = flow.app.memory_counters() {
                self.counters.add(refused, 1);
            }
            self.counters.add("tapwire.app_layer.evicted_bytes", before.saturating_sub(after) as u64);
            self.table.charge(place, after);
            if after >= before {
                self.table.leave(place);
            }
        }
        self.ended = ended;
        self.finish_ended(moment);
    }

    /// Inspects and records what is left of flows that ended when something else happened.
    pub(super) fn finish_ended(&mut self, moment: &Moment) {
        if self.ended.is_empty() {
            return;
        }
        let mut ended = std::mem::take(&mut self.ended);
        for (flow, reason) in ended.drain(..) {
            let moment = Moment::flow_end(moment.order, flow.end, moment.now);
            self.finish(flow, reason, moment);
        }
        self.ended = ended;
    }

    fn finish(&mut self, mut flow: Flow<Application>, reason: EndReason, moment: Moment) {
        let mut at = Place {
            settings: &self.settings,
            plan: &self.plan,
            inspector: &mut self.inspector,
            reporter: &mut self.reporter,
            matches: &mut self.matches,
            counters: &mut self.counters,
        };
        at.flow_end(&mut flow, &moment);
        self.reporter.flow(&flow, reason, &moment);
        self.reporter.shown_flow(&flow.key, || view_of(&flow, Direction::ToServer, flow.end), &moment);
    }
}
