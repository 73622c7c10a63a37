//! The way of a packet on one page: decode, flow, inspect, record.
//!
//! A worker owns its flows; it is handed every batch and takes the packets of its shard. What it finds goes as text into one batch
//! of records for each batch of packets, so that the writer can put the batches of all workers into one order.

mod alone;
mod batches;
mod clock;
mod ends;
mod frames;
mod place;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol::Direction;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::verify::Match;

use crate::capture::shard::Shards;
use crate::decode::tunnels::Tunnel;
use crate::flow::expected::{ExpectedFlows, is_early};
use crate::flow::{EndReason, Flow, Table, TcpUpdate};
use crate::inspect::tenants::Select;
use crate::inspect::{Application, Inspector, view_of};
use crate::records::report::{Moment, Reporter};
use crate::stats::{Books, Counters};
use clock::Clock;
use place::Place;
pub use settings::Settings;

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
    clock: Clock,
    /// Position of the packet in its batch, and the books before it.
    at: usize,
    books: Books,
    /// Bytes of all packets so far, other workers' as well.
    traffic: u64,
    #[cfg(test)]
    trip_at: Option<u64>,
}

/// The place of a packet's flow in the table, its direction, and what it did to the connection.
struct Arrived {
    place: u32,
    direction: Direction,
    tcp: TcpUpdate,
}

impl Worker {
    /// The way of a packet.
    fn packet(&mut self, packet: &Packet<'_>, tunnel: Option<Tunnel>) {
        let moment = self.reporter.moment(packet, tunnel);
        self.decode(packet, &moment);
        let arrived = self.flow(packet, &moment);
        self.inspect(packet, arrived.as_ref(), &moment);
        self.record(packet, arrived.as_ref(), &moment);
    }

    /// What its headers say is counted and recorded.
    fn decode(&mut self, packet: &Packet<'_>, moment: &Moment) {
        self.counters.packet(packet);
        if let Some(inner) = packet.inner.as_ref().filter(|inner| self.settings.tunnels.reads(inner.carrier)) {
            self.counters.carried(packet, inner);
        }
        self.reporter.decode_anomalies(packet, moment);
        // What a packet carries is a part of it in the books.
        match (packet.depth + packet.joined, packet.invalid) {
            (0, true) => self.counters.invalid += 1,
            (0, false) => self.counters.processed += 1,
            _ => {}
        }
    }

    /// Its flow is found or begins, and those that end with it are done with.
    fn flow(&mut self, packet: &Packet<'_>, moment: &Moment) -> Option<Arrived> {
        // A flow that ends announces none.
        self.inspector.forget_announced();
        if packet.invalid || packet.is_dropped() || packet.ip.as_ref().is_some_and(|ip| ip.fragment.is_some()) {
            return None;
        }
        let depth = if self.settings.tunnels.separate_flows { packet.depth } else { 0 };
        let ended = &mut self.ended;
        let arrival = self.table.packet(packet, depth, &mut |flow, reason| ended.push((flow, reason)));
        let arrived = arrival.map(|a| {
            // A connection may be there before its announcement was acknowledged, and so read: its first bytes are not.
            if !self.expected.is_empty()
                && (a.new || a.flow.app.protocol.is_none() && is_early(packet, a.flow))
                && let Some(announced) = self.expected.meet(&a.flow.key, packet.time)
            {
                self.inspector.open_announced(&mut a.flow.app, &announced);
            }
            Arrived { place: a.place, direction: a.direction, tcp: a.tcp }
        });
        self.finish_ended(moment);
        arrived
    }

    /// Its bytes are read, and rules are asked about it.
    fn inspect(&mut self, packet: &Packet<'_>, arrived: Option<&Arrived>, moment: &Moment) {
        let Some(Arrived { place, direction, tcp }) = arrived else { return self.packet_alone(packet, moment) };
        let Some(flow) = self.table.flow(*place) else { return };
        let mut at = Place {
            settings: &self.settings,
            plan: &self.plan,
            inspector: &mut self.inspector,
            reporter: &mut self.reporter,
            matches: &mut self.matches,
            counters: &mut self.counters,
        };
        at.packet_of_flow(packet, flow, *direction, tcp, moment);
        if let Some(announced) = self.inspector.take_announced() {
            announced.into_iter().for_each(|one| self.expected.announce(&flow.key, flow.id, packet.time, one));
        }
    }

    /// It is recorded itself, where somebody wants that, and its flow is charged with what it keeps now.
    fn record(&mut self, packet: &Packet<'_>, arrived: Option<&Arrived>, moment: &Moment) {
        let Some(Arrived { place, direction, .. }) = arrived else {
            self.reporter.tagged_packet(packet, None, moment);
            self.reporter.shown_packet(packet, || None, moment);
            return;
        };
        let Some(flow) = self.table.flow(*place) else { return };
        self.reporter.tagged_packet(packet, Some(flow), moment);
        self.reporter.shown_packet(packet, || Some(view_of(flow, *direction, packet.time)), moment);
        self.reporter.note_packet(packet, flow, *direction);
        let held_bytes = flow.app.weigh();
        flow.set_recognised(flow.app.protocol.is_some());
        self.table.settle(*place);
        if let Some(held_bytes) = held_bytes {
            self.table.charge(*place, held_bytes);
            self.let_go(moment);
        }
    }
}
