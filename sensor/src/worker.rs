//! The way of a packet on one page: decode, flow, inspect, records.
//!
//! A worker owns its flows; it is handed every batch and takes the packets of its shard. What it finds goes as text into one batch
//! of records for each batch of packets, so that the writer can put the batches of all workers into one order.

mod counts;
mod place;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tapwire_parsers::link::{self, Header, Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Direction};
use tapwire_signatures::language::rule::Rule;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::state::flow::FlowState as RuleMemory;
use tapwire_signatures::verify::Match;
use tapwire_signatures::verify::condition::PacketView;
use tapwire_signatures::verify::cost::CostReport;
use tapwire_signatures::verify::fuel::FlowFuel;
use tapwire_signatures::verify::packet::Occasion;

use crate::capture::batch::{Batch, Frame};
use crate::capture::offload::Treatment;
use crate::capture::shard::Shards;
use crate::decode::tunnels::Tunnels;
use crate::flow::expected::ExpectedFlows;
use crate::flow::{EndReason, Flow, Table};
use crate::inspect::alerts::settle;
use crate::inspect::tenants::Select;
use crate::inspect::{Application, Engine, Inspector, view_of};
use crate::records::batch::RecordBatch;
use crate::records::report::{Moment, Reporter, Tunnel};
use crate::stats::{Books, Counters};
use place::Place;

/// How a worker treats streams and alerts.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What wrong checksums mean; each batch says it anew.
    pub checksums: Treatment,
    /// Bytes of a stream that are inspected at once, to server and to client.
    pub chunk_bytes: [usize; 2],
    /// Whether connections are not followed any more once both directions reached their depth.
    pub bypass_depth: bool,
    /// Alerts that one packet may raise.
    pub alert_limit: usize,
    /// Announced flows that are waited for.
    pub expected_flows: usize,
    /// Which tunnels are looked into.
    pub tunnels: Tunnels,
}

/// A worker.
pub struct Worker {
    index: u16,
    shards: Shards,
    settings: Settings,
    table: Table<Application>,
    expected: ExpectedFlows,
    /// The rules of the inspector's engine.
    plan: Arc<Plan>,
    /// Whose packets are whose.
    select: Select,
    inspector: Inspector,
    reporter: Reporter,
    matches: Vec<Match>,
    ended: Vec<(Flow<Application>, EndReason)>,
    /// What it counted.
    pub counters: Counters,
    /// Where it is: position of the packet in its batch, and the books before it.
    at: usize,
    books: Books,
    /// Bytes of all packets so far, other workers' as well.
    traffic: u64,
    #[cfg(test)]
    trip_at: Option<u64>,
}

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

    /// Goes on with the rules that a batch is inspected with, and what wrong checksums mean there.
    pub fn adopt(&mut self, engine: &Arc<Engine>, checksums: Treatment) {
        self.settings.checksums = checksums;
        if Arc::ptr_eq(engine, self.inspector.engine()) {
            return;
        }
        self.plan = Arc::clone(&engine.plan);
        self.inspector.adopt(Arc::clone(engine));
        self.reporter.adopt(Arc::clone(engine));
        self.select = self.reporter.select();
    }

    fn frames(&mut self, batch: &Batch, from: usize) {
        let own = self.index;
        for (at, frame) in batch.frames.iter().enumerate().skip(from) {
            self.traffic += u64::from(frame.captured_bytes());
            if frame.shard != own && !frame.tunnel {
                continue;
            }
            self.reporter.note_traffic(self.traffic);
            (self.at, self.books) = (at, self.counters.books());
            #[cfg(test)]
            assert_ne!(self.trip_at, Some(frame.number), "the packet at which a test lets it panic");
            let mut packet = frame.unread(batch);
            frame.read(&mut packet, self.settings.checksums.verifies());
            packet.tenant = self.tenant(batch, at, &packet);
            let oddity = batch.oddity(frame);
            note(&mut packet, oddity);
            if frame.shard == own {
                self.look_at_checksum(&mut packet);
                let tunnel = if frame.depth > 0 { self.tunnel_around(batch, at) } else { None };
                self.packet(&packet, tunnel);
            }
            if packet.inner.is_some() {
                self.inner_packets(packet, oddity);
            }
        }
    }

    /// Forgives a checksum that a host left to its network card, and counts what is refused.
    #[inline]
    fn look_at_checksum(&mut self, packet: &mut Packet<'_>) {
        let is_wrong = match &packet.layer4 {
            Layer4::Tcp(tcp) => !tcp.checksum_ok,
            Layer4::Udp(udp) => !udp.checksum_ok,
            _ => false,
        };
        if is_wrong {
            let accepted = self.settings.checksums == Treatment::Lenient && packet.accept_unfinished_checksum();
            self.counters.wrong_checksum(accepted);
        }
    }

    /// The tenant of the packet at a place.
    #[inline]
    fn tenant(&self, batch: &Batch, at: usize, packet: &Packet<'_>) -> u32 {
        match &self.select {
            Select::Same(tenant) => *tenant,
            Select::ByVlan(tenants) if packet.depth == 0 => tenants.of(&packet.vlans),
            // What was put together within a tunnel is of whom sent the packet around it.
            Select::ByVlan(tenants) => self.captured(batch, at).map_or(0, |outermost| tenants.of(&outermost.vlans)),
        }
    }

    /// The packet, as captured, of which the frame at a place is a part.
    #[cold]
    fn captured<'b>(&self, batch: &'b Batch, at: usize) -> Option<Packet<'b>> {
        let number = batch.frames.get(at)?.number;
        let before = batch.frames.get(..at)?.iter().rev().take_while(|other| other.number == number);
        before.last().map(|frame| frame.decode(batch, false))
    }

    /// The tunnel that the last piece of a datagram came in, which was put together into the frame at a place.
    fn tunnel_around(&self, batch: &Batch, at: usize) -> Option<Tunnel> {
        let frame = batch.frames.get(at)?;
        let before = batch.frames.get(..at)?.iter().rev().take_while(|other| other.number == frame.number);
        let last = before.filter(|other| other.joined < frame.joined).max_by_key(|other| other.joined)?;
        let mut outer = last.decode(batch, false);
        while outer.depth + 1 < frame.depth {
            outer = Packet::decode_inner(&outer, false)?;
        }
        Tunnel::around(&outer, outer.inner?.carrier, frame.depth)
    }

    /// The packets that a packet carries, each inside the one before; those of this shard are taken.
    fn inner_packets(&mut self, mut outer: Packet<'_>, oddity: Option<(u8, Anomaly)>) {
        while let Some(carried) = outer.inner.filter(|inner| self.settings.tunnels.reads(inner.carrier))
            && let Some(mut packet) = Packet::decode_inner(&outer, self.settings.checksums.verifies())
        {
            note(&mut packet, oddity);
            if self.shards.of(&packet) == self.index {
                self.look_at_checksum(&mut packet);
                let tunnel = Tunnel::around(&outer, carried.carrier, packet.depth);
                self.packet(&packet, tunnel);
            }
            outer = packet;
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

    /// Ends every flow whose time is over; for live use, where no later packet may come to tell.
    pub fn expire(&mut self, now: Timestamp) {
        let ended = &mut self.ended;
        self.table.expire(now, &mut |flow, reason| ended.push((flow, reason)));
        self.finish_ended(Moment::flow_end(u64::MAX / 4, now, now));
    }

    /// Ends every flow and hands out the last records, in as many batches as every other worker's after `packets` packets: so
    /// that not all of them are in memory at once. A panic costs those that were not written yet.
    pub fn shut_down(mut self, sequence: u64, packets: u64, hand: &mut dyn FnMut(RecordBatch) -> bool) -> Counters {
        self.reporter.note_traffic(self.traffic);
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

    fn packet(&mut self, packet: &Packet<'_>, tunnel: Option<Tunnel>) {
        self.counters.packet(packet);
        let moment = Moment::packet(packet, tunnel);
        self.reporter.decode_anomalies(packet, &moment);
        // A flow that ends announces none.
        self.inspector.forget_announced();
        if packet.has(Header::Arp) {
            self.reporter.arp(packet, &moment);
        }
        // What a packet carries is a part of it in the books.
        match (packet.depth + packet.joined, packet.invalid) {
            (0, true) => self.counters.drop_packets("invalid", 1),
            (0, false) => self.counters.processed += 1,
            _ => {}
        }
        let whole =
            !packet.invalid && !packet.is_dropped() && packet.ip.as_ref().is_some_and(|ip| ip.fragment.is_none());
        let depth = if self.settings.tunnels.separate_flows { packet.depth } else { 0 };
        let ended = &mut self.ended;
        let arrival =
            if whole { self.table.packet(packet, depth, &mut |flow, reason| ended.push((flow, reason))) } else { None };
        let arrival = arrival.map(|a| {
            // A connection may be there before its announcement was acknowledged, and so read: its first bytes are not.
            if !self.expected.is_empty()
                && (a.new || a.flow.app.protocol.is_none() && is_early(packet, a.flow))
                && let Some(announced) = self.expected.meet(&a.flow.key, packet.time)
            {
                self.inspector.open_announced(&mut a.flow.app, &announced);
            }
            (a.place, a.direction, a.tcp)
        });
        if !self.ended.is_empty() {
            self.finish_ended(moment);
        }
        match arrival {
            Some((place, direction, tcp)) => {
                let Some(flow) = self.table.flow(place) else { return };
                let mut at = Place {
                    settings: &self.settings,
                    plan: &self.plan,
                    inspector: &mut self.inspector,
                    reporter: &mut self.reporter,
                    matches: &mut self.matches,
                    counters: &mut self.counters,
                };
                at.packet_of_flow(packet, flow, direction, &tcp, &moment);
                for announced in self.inspector.take_announced() {
                    self.expected.announce(&flow.key, flow.id, packet.time, announced);
                }
                self.reporter.tagged_packet(packet, Some(flow), &moment);
                self.reporter.shown_packet(packet, || Some(view_of(flow, direction, packet.time)), &moment);
                let held_bytes = flow.app.weigh();
                flow.set_recognised(flow.app.protocol.is_some());
                self.table.settle(place);
                if let Some(held_bytes) = held_bytes {
                    self.table.charge(place, held_bytes);
                    self.let_go(&moment);
                }
            }
            None => {
                self.packet_alone(packet, &moment);
                self.reporter.tagged_packet(packet, None, &moment);
                self.reporter.shown_packet(packet, || None, &moment);
            }
        }
    }

    /// Lets go of what the applications of the heaviest flows keep, until the budget has what all of them keep. The flows stay.
    fn let_go(&mut self, moment: &Moment) {
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
            self.counters.add("tapwire.app_layer.evicted_bytes", before.saturating_sub(after) as u64);
            self.table.charge(place, after);
            if after >= before {
                self.table.leave(place);
            }
        }
        self.ended = ended;
        self.finish_ended(*moment);
    }

    /// A packet without a flow: rules on packets are asked all the same.
    fn packet_alone(&mut self, packet: &Packet<'_>, moment: &Moment) {
        let view = PacketView { packet, flow: None, stream_anomalies: &[] };
        let plan = &*self.plan;
        self.matches.clear();
        let occasion = Occasion { first: true, ..Occasion::default() };
        self.inspector.matcher.begin_packet(FlowFuel::default(), packet.payload.len());
        self.inspector.matcher.packet(plan, &view, occasion, &mut RuleMemory::default(), &mut self.matches);
        let (_, dry) = self.inspector.matcher.end_packet();
        if !dry.is_empty() {
            self.reporter.dry_rules_alone(dry, packet, moment);
        }
        let watch = self.inspector.matcher.watch.as_deref_mut();
        let settled = settle(plan, &mut self.matches, self.settings.alert_limit, watch);
        self.counters.alerts.raised += settled.alerts as u64;
        self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
        for found in &self.matches {
            self.reporter.alert_alone(plan, found, packet, settled.verdict(), moment);
        }
    }

    fn finish_ended(&mut self, moment: Moment) {
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

/// At the end flows are ended by their first packets: so many packets at least, and at most so many batches.
const LAST_BATCH_PACKETS: u64 = 8_192;
const LAST_BATCHES: u64 = 1_024;

/// Gives a piece of a datagram what is odd about it.
fn note(packet: &mut Packet<'_>, oddity: Option<(u8, Anomaly)>) {
    if let Some((depth, anomaly)) = oddity
        && depth == packet.depth
    {
        link::raise(&mut packet.anomalies, anomaly.0);
    }
}

/// Whether a packet brings the first bytes of a connection.
fn is_early(packet: &Packet<'_>, flow: &Flow<Application>) -> bool {
    packet.tcp().is_some()
        && !packet.payload.is_empty()
        && flow.packets.to_server + flow.packets.to_client <= EARLY_PACKETS
}

/// Packets of a connection in which it may still turn out to have been announced.
const EARLY_PACKETS: u64 = 16;

#[cfg(test)]
mod tests {
    use tapwire_signatures::language::rule::RuleSet;
    use tapwire_signatures::plan::Plan;

    use super::*;
    use crate::capture::batch::Arrival;
    use crate::decode::memory::Budget;
    use crate::flow;
    use crate::inspect::Engine;
    use crate::inspect::recognise::Recogniser;
    use crate::records::report::Outputs;
    use crate::start::config::Configuration;

    #[test]
    fn a_panic_costs_one_packet_and_the_books_still_add_up() {
        let plan = Arc::new(Plan::new(RuleSet::default(), &Default::default()));
        let engine = Arc::new(Engine {
            plan,
            recogniser: Recogniser::default(),
            openers: Vec::new(),
            depths: Vec::new(),
            bypassed: Vec::new(),
            framed: Vec::new(),
            files: Default::default(),
            tenants: Default::default(),
            matching: Default::default(),
        });
        let configuration = Configuration::default();
        let fresh = || Table::new(flow::Settings::default(), Budget::new(0), Budget::new(0));
        let outputs = Arc::new(Outputs::new(
            &configuration.settings().records,
            Arc::clone(&engine),
            Default::default(),
            Vec::new(),
        ));
        let settings = Settings {
            checksums: Treatment::Ignored,
            chunk_bytes: [1, 1],
            bypass_depth: false,
            alert_limit: 15,
            expected_flows: 16,
            tunnels: Tunnels::default(),
        };
        let mut worker = Worker::new(
            (0, Shards { key: 0, count: 1 }),
            settings,
            fresh(),
            Inspector::new(engine),
            Reporter::new(0, outputs),
        );
        worker.trip_at = Some(2);
        let mut batch = Batch::new();
        for number in 1..=4 {
            let arrival = Arrival { time: Timestamp(number), link_type: 101, interface: 0, wire_len: 28 };
            let mut data = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            data.extend([1, 1, 0, 99, 0, 8, 0, 0]);
            batch.push(number, arrival, &data);
        }
        let mut lost = Vec::new();
        worker.batch(&batch, &fresh, &mut |frame, data| lost.push((frame.number, data.len())));
        assert_eq!(lost, [(2, 28)]);
        let counters = &worker.counters;
        assert_eq!((counters.seen, counters.processed, counters.dropped.get("worker_panic")), (4, 3, Some(&1)));
        let mut last = Vec::new();
        worker.shut_down(1, 4, &mut |records| {
            last.push(records);
            true
        });
        assert_eq!(
            last.iter().map(|batch| batch.findings.len()).sum::<usize>(),
            1,
            "the flow of the packets behind it is recorded"
        );
    }
}
