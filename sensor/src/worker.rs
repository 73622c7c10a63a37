//! The way of a packet on one page: decode, flow, inspect, records.
//!
//! A worker owns its flows; it is handed every batch and takes the packets of its shard. What it finds goes as text into one batch
//! of records for each batch of packets, so that the writer can put the batches of all workers into one order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tapwire_parsers::link::{self, Header, Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Direction, Ends, Input, Transport};
use tapwire_signatures::language::rule::Rule;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::state::flow::FlowState as RuleMemory;
use tapwire_signatures::verify::condition::PacketView;
use tapwire_signatures::verify::cost::CostReport;
use tapwire_signatures::verify::fuel::FlowFuel;
use tapwire_signatures::verify::packet::Occasion;
use tapwire_signatures::verify::{Ground, Match};

use crate::capture::batch::{Batch, Frame};
use crate::capture::offload::Treatment;
use crate::capture::shard::Shards;
use crate::config::Tunnels;
use crate::flow::expected::ExpectedFlows;
use crate::flow::stream::Chunk;
use crate::flow::{self, EndReason, Flow, Key, Table, pseudo};
use crate::inspect::alerts::settle;
use crate::inspect::tenants::Select;
use crate::inspect::{Application, Certificates, Inspector, view_of};
use crate::records::batch::RecordBatch;
use crate::report::{Moment, Reporter, Tunnel, is_open};
use crate::stats::{Books, Counters};

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

    /// Goes on with the rules that a batch is inspected with.
    pub fn adopt(&mut self, batch: &Batch) {
        self.settings.checksums = batch.checksums;
        let Some(engine) = batch.engine.as_ref().filter(|engine| !Arc::ptr_eq(engine, self.inspector.engine())) else {
            return;
        };
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

    /// Its counters as they stand, with what its parts counted.
    pub fn counted(&mut self) -> Counters {
        let own = self.counters.clone();
        self.count();
        std::mem::replace(&mut self.counters, own)
    }

    fn end_at(&mut self, place: u32) {
        let ended = &mut self.ended;
        self.table.shut_down(place, &mut |flow, reason| ended.push((flow, reason)));
        for (flow, reason) in std::mem::take(&mut self.ended) {
            let moment = Moment::shutdown(&flow);
            self.finish(flow, reason, moment);
        }
    }

    fn count(&mut self) {
        let begun = self.table.counters();
        self.counters.add("flow.total", begun.begun.iter().sum());
        for (name, count) in ["flow.tcp", "flow.udp", "flow.icmpv4", "flow.icmpv6"].into_iter().zip(begun.begun) {
            self.counters.add(name, count);
        }
        self.counters.add("flow.tcp_reuse", begun.reused);
        self.counters.add("tcp.invalid_checksum", begun.bad_checksums);
        self.counters.add("tcp.reassembly_gap", begun.gaps);
        let (packets, bytes) = begun.bypassed;
        for (name, count) in [
            ("flow_bypassed.local_pkts", packets),
            ("flow_bypassed.local_bytes", bytes),
            ("flow_bypassed.local_capture_pkts", 0),
            ("flow_bypassed.local_capture_bytes", 0),
        ] {
            self.counters.add(name, count);
        }
        for (name, count) in begun.evicted.by_name() {
            self.counters.add(name, count);
        }
        self.counters.add("tapwire.flow.resumed", begun.resumed.0);
        self.counters.add("tapwire.flow.picked_up", begun.resumed.1);
        self.counters.add("tapwire.flow.forgotten", self.table.forgotten());
        let expected = self.expected.counters();
        self.counters.add("app_layer.expectations", self.expected.len() as u64);
        self.counters.add("tapwire.expected.announced", expected.announced);
        self.counters.add("tapwire.expected.met", expected.met);
        self.counters.add("tapwire.expected.evicted", expected.evicted);
        self.counters.add("tapwire.stream.given_up_flows", begun.given_up.0);
        self.counters.add("tapwire.stream.given_up_bytes", begun.given_up.1);
        self.counters.add("flow.elephant", begun.elephants);
        self.counters.add("flow.emerg_mode_entered", begun.emergencies.0);
        self.counters.add("flow.emerg_mode_over", begun.emergencies.1);
        self.counters.add("tapwire.flow.refused_packets", begun.refused_packets);
        let (segments, bytes) = self.table.store().refused();
        self.counters.add("tcp.segment_memcap_drop", segments);
        self.counters.add("tapwire.stream.refused_bytes", bytes);
        self.counters.add("tapwire.rules.candidates", self.inspector.matcher.decided);
        self.counters.add("tapwire.rules.odd_buffers", self.inspector.matcher.odd_buffers());
        self.counters.add("tapwire.rules.out_of_fuel", self.inspector.matcher.dry());
        self.counters.add("tapwire.rules.evidence_limit", self.inspector.matcher.limits.evidence_hit);
        self.counters.add("tapwire.rules.regex_limit", self.inspector.matcher.limits.regex_hit);
        self.counters.add("tapwire.rules.waiting_limit", self.inspector.waiting_cut);
        // They are there also where nothing was let go.
        self.counters.add("tapwire.app_layer.evicted", 0);
        self.counters.add("tapwire.app_layer.evicted_bytes", 0);
        self.counters.add("tapwire.frames_cut", self.inspector.frames_cut);
        self.counters.add("tapwire.files_dropped", self.inspector.file_losses.dropped);
        self.counters.add("tapwire.files_unkept", self.inspector.file_losses.unkept);
        self.counters.add("tapwire.rules.asn1_limit", self.inspector.matcher.limits.asn1_hit);
        for (name, count) in self.inspector.matcher.lua.failures.counters() {
            self.counters.add(name, count);
        }
        self.counters.costs = self.inspector.matcher.cost_books();
        self.counters.add("tapwire.parser_faults", self.inspector.parser_faults);
        for (name, count) in self.inspector.counters() {
            self.counters.add(name, count);
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

/// What is at hand while one packet, or the end of one flow, is worked on.
struct Place<'w> {
    settings: &'w Settings,
    plan: &'w Plan,
    inspector: &'w mut Inspector,
    reporter: &'w mut Reporter,
    matches: &'w mut Vec<Match>,
    counters: &'w mut Counters,
}

impl Place<'_> {
    fn packet_of_flow(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Flow<Application>,
        mut direction: Direction,
        tcp: &flow::TcpUpdate,
        moment: &Moment,
    ) {
        if flow.is_bypassed() {
            self.leave_out();
            return;
        }
        flow.app.passed |= flow.is_passed();
        let encrypted = flow.app.encrypted;
        let first = *flow.packets.of(direction) == 1;
        flow.app.turnable = flow.is_turnable() && flow.app.protocol.is_none();
        self.reporter.stream_anomalies(&tcp.anomalies, flow, packet, moment);
        for anomaly in &tcp.anomalies {
            *self.counters.events.entry(anomaly.0).or_default() += 1;
        }
        let mut datagram: &[u8] = &[];
        if let Layer4::Udp(udp) = &packet.layer4 {
            if udp.checksum_ok {
                datagram = packet.payload;
                let input = Input { direction, data: datagram, time: packet.time, ends: ends_of(&flow.key) };
                self.inspector.bytes(&mut flow.app, Transport::Udp, &input);
                if flow.app.turned {
                    flow.turn();
                    direction = direction.reverse();
                    let input = Input { direction, ends: ends_of(&flow.key), ..input };
                    self.inspector.bytes(&mut flow.app, Transport::Udp, &input);
                }
                *flow.app.updated.of_mut(direction) = true;
            }
        } else if tcp.valid {
            if tcp.closed {
                for side in Direction::BOTH {
                    if let Some(stream) = flow.stream_mut(side) {
                        stream.expose();
                    }
                }
            }
            if tcp.revived {
                self.inspector.revive(&mut flow.app, Transport::Tcp);
            }
            for side in [direction.reverse(), direction] {
                self.read(flow, side);
                if flow.app.turned {
                    flow.turn();
                    direction = direction.reverse();
                    for side in Direction::BOTH {
                        self.read(flow, side);
                    }
                    break;
                }
            }
        }
        if flow.app.passed {
            self.reporter.pieces(flow, moment);
            self.leave_out();
            return;
        }
        let occasion = Occasion {
            first,
            streamed: tcp.accepted,
            establishes: tcp.established,
            recognised: std::mem::take(flow.app.recognition_due.of_mut(direction)),
            encrypted,
        };
        self.inspect(packet, flow, direction, &tcp.anomalies, Some(occasion), datagram, tcp.closed, moment);
        flow.bypassed |= self.is_bypass_due(flow);
        if flow.tcp.as_ref().is_some_and(|tcp| tcp.state.is_over()) {
            flow.app.release();
        }
    }

    /// Whether the configuration says that a flow as it is now is not followed any more.
    fn is_bypass_due(&self, flow: &Flow<Application>) -> bool {
        let depth_reached = |tcp: &flow::tcp::TcpFlow| Direction::BOTH.iter().all(|d| tcp.stream(*d).depth_reached());
        let encrypted = || flow.app.protocol.filter(|_| flow.app.encrypted);
        self.settings.bypass_depth && flow.tcp.as_ref().is_some_and(|tcp| depth_reached(tcp))
            || encrypted().is_some_and(|id| self.inspector.engine().bypassed.contains(&id))
    }

    /// Does what rules that matched do beside raising alerts.
    fn act(&mut self, plan: &Plan, flow: &mut Flow<Application>) {
        for found in self.matches.iter() {
            let Some(rule) = plan.rule(found.rule) else { continue };
            flow.app.tag_asked |= !rule.tags.is_empty();
            let open = is_open(rule, found);
            match rule.silence {
                // Whether it holds is the writer's to say, and then to follow it.
                Some(_) if open => flow.app.ask_silence(),
                Some(silence) => flow.app.silence(silence, flow.app.silenced(found)),
                None => {}
            }
            if open {
                if rule.filestore.is_some() || rule.keeps_certificates {
                    self.counters.add("tapwire.rules.stores_left_out", 1);
                }
                continue;
            }
            let stores = self.inspector.engine().files.storing.is_some();
            if let (true, Some(store), Ground::Transaction(id)) = (stores, rule.filestore, found.ground) {
                flow.app.files.keep(store, rule.sid, (id, found.direction), found.file);
            }
            if rule.keeps_certificates && flow.app.certificates == Certificates::Unwanted {
                flow.app.certificates = Certificates::Wanted;
            }
            flow.bypassed |= rule.bypass;
        }
    }

    /// Tells a rule that is explained of a packet that no rule is asked about.
    fn leave_out(&mut self) {
        if let Some(watch) = &mut self.inspector.matcher.watch {
            watch.uninspected += 1;
        }
    }

    /// Hands what is new in a direction's stream to the parser.
    fn read(&mut self, flow: &mut Flow<Application>, direction: Direction) {
        let (time, ends) = (flow.end, ends_of(&flow.key));
        let Flow { tcp, app, .. } = flow;
        let Some(tcp) = tcp else { return };
        let depths = &self.inspector.engine().depths;
        let has_depth = depths.iter().any(|(id, _)| Some(*id) == app.protocol);
        if tcp.touched_stream_mut(direction).is_none() && !app.is_deaf() && !has_depth {
            return;
        }
        loop {
            let stream = tcp.stream_mut(direction);
            if app.encrypted {
                stream.raw_off();
            }
            if app.is_deaf() {
                stream.parser_off();
                return;
            }
            match stream.parser_next() {
                Chunk::Data(data) => {
                    let input = Input { direction, data, time, ends };
                    let done = self.inspector.bytes(app, Transport::Tcp, &input);
                    let rival = if stream.has_rivals() { stream.parser_alternative(done) } else { None };
                    stream.parser_consume(done);
                    if let Some(rival) = rival {
                        self.inspector.rival_bytes(app, &Input { direction, data: &rival, time, ends });
                    }
                    if app.changes() || app.turned {
                        return;
                    }
                    if done == 0 && !(app.protocol.is_some() && stream.parser_drop_before_gap()) {
                        break;
                    }
                }
                Chunk::Gap(missing) => {
                    stream.parser_skip_gap();
                    self.inspector.gap(app, direction, missing);
                }
                Chunk::Nothing => break,
            }
        }
        let stream = tcp.stream_mut(direction);
        let engine = self.inspector.engine();
        if let Some((_, bytes)) = engine.depths.iter().find(|(id, _)| Some(*id) == app.protocol) {
            stream.set_depth(*bytes);
        }
        if let Some(bytes) = engine.files.depth_bytes.filter(|_| app.files.is_storing(direction)) {
            stream.set_depth(bytes);
        }
        if stream.closed() && stream.fin_seen() && !app.is_closed(direction) {
            app.note_closed(direction);
            self.inspector.close(app, direction);
        }
    }

    /// Asks the rules about a packet and about what is new in its direction, and records what was found.
    #[expect(clippy::too_many_arguments, reason = "everything that surrounds one look at a flow")]
    fn inspect(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Flow<Application>,
        direction: Direction,
        anomalies: &[Anomaly],
        occasion: Option<Occasion>,
        datagram: &[u8],
        closing: bool,
        moment: &Moment,
    ) {
        let mut view = view_of(flow, direction, packet.time);
        view.established &= !occasion.is_some_and(|occasion| occasion.establishes);
        let view = PacketView { packet, flow: Some(&view), stream_anomalies: anomalies };
        let plan = self.plan;
        self.matches.clear();
        if !plan.is_empty() {
            self.inspector.matcher.begin_packet(flow.app.take_fuel(), packet.payload.len());
        }
        if let Some(occasion) = occasion {
            flow.app.rules.lend(|rules| self.inspector.matcher.packet(plan, &view, occasion, rules, self.matches));
        }
        // There is no stream to look at without a connection, and none any more behind its depth.
        let is_apart = match &flow.tcp {
            None => packet.tcp().is_some(),
            Some(tcp) => {
                occasion.is_some_and(|occasion| !occasion.streamed && !occasion.encrypted)
                    && tcp.stream(direction).depth_reached()
            }
        };
        if is_apart && !packet.payload.is_empty() {
            let (matcher, payload) = (&mut self.inspector.matcher, packet.payload);
            flow.app.rules.lend(|rules| {
                matcher.chunk(plan, &view, payload, rules, self.matches);
                matcher.again(plan, &view, payload, rules, self.matches);
            });
        }
        if *flow.app.updated.of(direction) || closing {
            self.inspector.frames(&mut flow.app, &view, closing, self.matches);
        }
        let due = self.settings.chunk_bytes.get(direction.index()).copied().unwrap_or(0);
        let Flow { tcp, app, .. } = flow;
        let mut raw_seen = false;
        if let Some(tcp) = tcp {
            let ending = std::mem::take(app.flush_raw.of_mut(direction)) || closing || tcp.state.is_ending();
            while let Some(stream) = tcp.touched_stream_mut(direction) {
                let flush = ending || stream.closed() || stream.depth_reached();
                match stream.raw_next() {
                    Chunk::Data(chunk) if flush || chunk.len() >= due => {
                        raw_seen = true;
                        let length = chunk.len();
                        let rival = if stream.has_rivals() { stream.raw_alternative() } else { None };
                        let matcher = &mut self.inspector.matcher;
                        app.rules.lend(|rules| {
                            matcher.chunk(plan, &view, chunk, rules, self.matches);
                            matcher.again(plan, &view, chunk, rules, self.matches);
                        });
                        self.inspector.transactions(app, &view, chunk, self.matches);
                        stream.raw_consume(length);
                        if let Some(rival) = rival {
                            let mut further = Vec::new();
                            let matcher = &mut self.inspector.matcher;
                            app.rules.lend(|rules| matcher.chunk(plan, &view, &rival, rules, &mut further));
                            self.matches.extend(only_new(self.matches, further));
                        }
                    }
                    Chunk::Gap(_) => stream.raw_skip_gap(),
                    _ => break,
                }
            }
        }
        let updated = std::mem::take(app.updated.of_mut(direction));
        if !raw_seen && (updated || closing) {
            self.inspector.transactions(app, &view, datagram, self.matches);
        }
        if let Some(mut rival) = app.take_rival(direction) {
            let mut further = Vec::new();
            self.inspector.transactions(&mut rival, &view, &[], &mut further);
            self.matches.extend(only_new(self.matches, further));
        }
        self.act(plan, flow);
        let watch = self.inspector.matcher.watch.as_deref_mut();
        let settled = settle(plan, self.matches, self.settings.alert_limit, watch);
        flow.app.passed |= settled.pass_flow;
        let alerts = &mut self.counters.alerts;
        alerts.asked = true;
        alerts.raised += settled.alerts as u64;
        alerts.overflow += settled.overflow;
        alerts.suppressed += settled.silent;
        self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
        for found in self.matches.iter() {
            let certain = self.reporter.alert(plan, found, packet, flow, (direction, settled.verdict()), moment);
            flow.note_alert(certain);
        }
        self.reporter.frames(flow, direction, moment);
        flow.app.retire_frames(direction);
        self.reporter.transactions(flow, moment, false);
        if flow.app.changes() {
            self.change_protocol(packet, flow, moment);
        }
        if !plan.is_empty() {
            let (fuel, dry) = self.inspector.matcher.end_packet();
            if !dry.is_empty() {
                self.reporter.dry_rules(dry, flow, direction, moment);
            }
            flow.app.return_fuel(fuel);
        }
    }

    /// Everything of the old protocol is inspected and recorded before the new one begins.
    fn change_protocol(&mut self, packet: &Packet<'_>, flow: &mut Flow<Application>, moment: &Moment) {
        self.inspect_last(packet, flow, moment);
        flow.app.change_protocol();
        for direction in Direction::BOTH {
            self.read(flow, direction);
        }
    }

    /// What an application keeps is inspected and recorded as it is, and let go.
    fn let_go(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        flow.app.note_memory_limit();
        Direction::BOTH.into_iter().for_each(|direction| flow.app.end_files(direction));
        if flow.app.passed || flow.is_bypassed() {
            self.reporter.transactions(flow, moment, true);
        } else {
            let pseudo = pseudo_packet(flow, Direction::ToServer, moment.time);
            self.inspect_last(&pseudo, flow, moment);
        }
        flow.app.let_go();
    }

    /// Inspects and records everything that an application keeps, in both directions.
    fn inspect_last(&mut self, packet: &Packet<'_>, flow: &mut Flow<Application>, moment: &Moment) {
        let plan = self.plan;
        for direction in Direction::BOTH {
            let flow_view = view_of(flow, direction, moment.time);
            let pseudo = pseudo_packet(flow, direction, moment.time);
            let view = PacketView { packet: &pseudo, flow: Some(&flow_view), stream_anomalies: &[] };
            self.matches.clear();
            self.inspector.transactions(&mut flow.app, &view, &[], self.matches);
            self.act(plan, flow);
            let watch = self.inspector.matcher.watch.as_deref_mut();
            let settled = settle(plan, self.matches, self.settings.alert_limit, watch);
            self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
            for found in self.matches.iter() {
                let certain = self.reporter.alert(plan, found, packet, flow, (direction, settled.verdict()), moment);
                flow.note_alert(certain);
            }
        }
        self.reporter.transactions(flow, moment, true);
    }

    /// What is left in both directions is read, inspected and recorded, without a packet.
    fn flow_end(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        if flow.is_bypassed() {
            Direction::BOTH.into_iter().for_each(|direction| flow.app.end_files(direction));
            self.reporter.transactions(flow, moment, true);
            return;
        }
        // What the server's last bytes bring is not there yet when the client's are inspected, as with any other packets.
        for direction in Direction::BOTH {
            if let Some(stream) = flow.stream_mut(direction) {
                stream.flush();
            }
            self.read(flow, direction);
            self.reporter.anomalies(flow, direction, moment);
            if !flow.app.is_closed(direction) {
                flow.app.note_closed(direction);
                self.inspector.close(&mut flow.app, direction);
                self.reporter.anomalies(flow, direction, moment);
            }
            flow.app.end_files(direction);
            if !flow.app.passed {
                let pseudo = pseudo_packet(flow, direction, moment.time);
                self.inspect(&pseudo, flow, direction, &[], None, &[], true, moment);
            }
        }
        self.reporter.transactions(flow, moment, true);
    }
}

/// Gives a piece of a datagram what is odd about it.
fn note(packet: &mut Packet<'_>, oddity: Option<(u8, Anomaly)>) {
    if let Some((depth, anomaly)) = oddity
        && depth == packet.depth
    {
        link::raise(&mut packet.anomalies, anomaly.0);
    }
}

impl Flow<Application> {
    /// Whether its first packet need not be the client's.
    fn is_turnable(&self) -> bool {
        self.tcp
            .as_ref()
            .map_or(self.key.protocol == flow::key::UDP && self.packets.to_client == 0, |tcp| tcp.midstream)
    }

    /// An alert was raised in it, or will be if the writer says so.
    fn note_alert(&mut self, certain: bool) {
        self.alerted |= certain;
        self.alerts_asked |= !certain;
    }

    /// The client and the server change places.
    fn turn(&mut self) {
        self.swap();
        self.app.turn();
    }
}

/// Of matches on another version of what was inspected those of rules that did not match on that one. They are on no
/// transaction that would be recorded.
fn only_new(matches: &[Match], mut further: Vec<Match>) -> Vec<Match> {
    further.retain(|new| matches.iter().all(|known| known.rule != new.rule));
    for new in &mut further {
        new.ground = Ground::Stream;
    }
    further
}

/// Whether a packet brings the first bytes of a connection.
fn is_early(packet: &Packet<'_>, flow: &Flow<Application>) -> bool {
    packet.tcp().is_some()
        && !packet.payload.is_empty()
        && flow.packets.to_server + flow.packets.to_client <= EARLY_PACKETS
}

fn ends_of(key: &Key) -> Ends {
    Ends { client: (key.source, key.source_port), server: (key.destination, key.destination_port) }
}

/// A packet without bytes that stands for a flow in a direction: rules compare its addresses and ports.
fn pseudo_packet(flow: &Flow<Application>, direction: Direction, time: Timestamp) -> Packet<'static> {
    let key = match direction {
        Direction::ToServer => flow.key,
        Direction::ToClient => flow.key.reverse(),
    };
    pseudo::packet(&key, time)
}

/// Packets of a connection in which it may still turn out to have been announced.
const EARLY_PACKETS: u64 = 16;

#[cfg(test)]
mod tests {
    use tapwire_signatures::language::rule::RuleSet;
    use tapwire_signatures::plan::Plan;

    use super::*;
    use crate::capture::batch::Arrival;
    use crate::config::Configuration;
    use crate::flow::Budget;
    use crate::inspect::Engine;
    use crate::inspect::recognise::Recogniser;
    use crate::records::batch::merged;
    use crate::report::Outputs;

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
        let outputs = Arc::new(Outputs::new(&configuration, Arc::clone(&engine), Default::default()));
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
            Reporter::new(outputs),
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
        assert_eq!(merged(&last).len(), 1, "the flow of the packets behind it is recorded");
    }
}
