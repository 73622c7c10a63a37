//! Records of flows that have ended, and of their two directions.

use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::Direction;

use super::{Ends, Moment, Reporter, causes, flow_header, protocol_text};
use crate::flow::exceptions::Exception;
use crate::flow::{Bypass, EndReason, Flow};
use crate::inspect::Application;
use crate::inspect::recognise::Recognition;
use crate::records::cause::{Cause, Charge};
use crate::records::class::Class;
use crate::records::finding::{Gate, Record};
use crate::records::flow;
use crate::records::flow::{FlowRecord, TcpRecord};
use crate::records::header::Header;

impl Reporter {
    /// The record of a flow that has ended.
    pub fn flow(&mut self, flow: &Flow<Application>, reason: EndReason, moment: &Moment) {
        // Frames of a protocol that is switched off are nobody's flow.
        let is_nobodys = flow.key.link().is_some() && flow.app.protocol.is_none();
        if flow.app.is_silent_flow() || flow.key.is_background() || is_nobodys {
            self.end_asked(flow, moment);
            return;
        }
        let outputs = Arc::clone(&self.outputs);
        let (charge, volume) = (self.charge_flow(flow), causes::volume(flow));
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, o)| o.eve.flows || o.eve.netflows) {
            let ends = Ends::of(&flow.key, Direction::ToServer);
            let base = flow_header(ends.header("flow", moment), flow, output, &outputs, moment);
            let mut header = Header {
                packet_source: None,
                packet_number: None,
                ethernet: base.ethernet.filter(|_| flow.key.link().is_some()),
                ether_type: base.ether_type.filter(|_| flow.key.link().is_some()),
                stations: flow.stations().filter(|_| output.eve.ethernet && flow.key.link().is_none()),
                spi: flow.key.spi(),
                icmp_response: flow.icmp_answer(),
                ..base
            };
            let own = protocol_text(&flow.app);
            let side = |direction: Direction| match *flow.app.recognised.of(direction) {
                Recognition::Found(id, _) => Some(protocol(id).name),
                Recognition::Failed if flow.app.protocol.is_some() => Some("failed"),
                _ => None,
            };
            let sides =
                Direction::BOTH.map(|d| side(d).filter(|name| Some(*name) != own && flow.app.protocol.is_some()));
            let carried = if outputs.own { carried(&flow.app) } else { SmallVec::new() };
            let tcp = (flow.key.protocol == crate::flow::key::TCP).then(|| tcp_record(flow, outputs.own));
            let elephant = flow.elephant();
            let shown = FlowRecord {
                app_protocol: own,
                app_protocol_original: flow.app.original.map(|id| protocol(id).name),
                app_protocol_sides: (sides[0], sides[1]),
                carried: &carried,
                packets: (flow.packets.to_server, flow.packets.to_client),
                bytes: (flow.bytes.to_server, flow.bytes.to_client),
                start: flow.start,
                end: flow.end,
                age_s: flow.age_s(),
                state: flow.state().name(),
                reason: reason.name(),
                alerted: flow.alerted,
                transactions: flow.app.opened.into(),
                bypassed: flow.is_bypassed(),
                bypass: flow.bypassed.filter(|_| outputs.own).map(Bypass::name),
                truncated: outputs.own && flow.is_truncated(),
                elephant: (elephant.to_server, elephant.to_client),
                emergency: flow.emergency,
                exceptions: [
                    (Exception::Midstream, "stream_midstream"),
                    (Exception::Starved, "stream_reassembly_memcap"),
                    (Exception::GivenUp, "app_layer_error"),
                ]
                .map(|(exception, name)| flow.followed.of(exception).map(|policy| (name, policy.name()))),
                lost_packets: if outputs.own { self.lost.between(flow.start, flow.end) } else { 0 },
                inspected: if outputs.own { inspected_bytes(flow) } else { None },
                tcp,
                action: flow.app.passed.then_some("pass"),
            };
            if output.eve.flows {
                let cause = self.cause(index, &mut header, "flow", charge, moment).map(|cause| cause.of_flow(volume));
                let clock = &mut self.clock;
                self.batch.push(moment.place(Some(flow.id)), flow_finding(flow, index, cause), |out, slots| {
                    slots.extend(flow::write(out, &header, &shown, clock));
                });
            }
            if output.eve.netflows {
                self.directions(index, flow, &header, &shown, moment);
            }
        }
        self.end_asked(flow, moment);
    }

    /// Tells the writer that a flow is over of which it remembers what has no record.
    fn end_asked(&mut self, flow: &Flow<Application>, moment: &Moment) {
        if flow.app.is_silence_asked() {
            self.batch.push_flow_end(moment.place(Some(flow.id)));
        }
    }

    /// The records of both directions of a flow, as far as it has them.
    fn directions(
        &mut self,
        output: u16,
        flow: &Flow<Application>,
        header: &Header<'_>,
        shown: &FlowRecord<'_>,
        moment: &Moment,
    ) {
        for direction in Direction::BOTH {
            let Some(time_to_live) = flow.ttl.of(direction).range() else { continue };
            let ends = Ends::of(&flow.key, direction);
            let mut header = Header {
                event_type: "netflow",
                source: ends.hosts.map(|(source, _)| source),
                destination: ends.hosts.map(|(_, destination)| destination),
                ports: ends.has_ports.then_some(ends.ports),
                icmp: ends.icmp,
                icmp_response: None,
                sides: if direction == Direction::ToServer { header.sides } else { header.sides.turned() },
                ..*header
            };
            let charge = Charge { bytes: 0, answered: flow.is_conversation() };
            let cause = self.cause(output, &mut header, "netflow", charge, moment);
            let (to_server, clock) = (direction == Direction::ToServer, &mut self.clock);
            self.batch.push(moment.place(Some(flow.id)), flow_finding(flow, output, cause), |out, _| {
                flow::write_direction(out, &header, shown, to_server, time_to_live, clock);
            });
        }
    }
}

/// The record of a flow that has ended.
fn flow_finding(flow: &Flow<Application>, output: u16, cause: Option<Cause>) -> Record {
    Record { output, class: Class::Flow, gate: flow.alerts_asked.then_some(Gate::Flow), cause }
}

/// The names of the protocols inside that of a flow, each once.
fn carried(app: &Application) -> SmallVec<[&'static str; 4]> {
    let mut names = SmallVec::new();
    for name in app.carried().map(|id| protocol(id).name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Bytes of each side's stream that were inspected, where a limit left out some.
fn inspected_bytes(flow: &Flow<Application>) -> Option<(u64, u64)> {
    let tcp = flow.tcp.as_ref()?;
    let [server, client] = Direction::BOTH.map(|direction| tcp.stream(direction));
    let is_limited = flow.app.is_limited() || server.depth_reached() || client.depth_reached();
    is_limited.then(|| (server.inspected_bytes(), client.inspected_bytes()))
}

/// What there is to say of a connection. Of a flow without one nothing is told where records are to be those of others.
fn tcp_record(flow: &Flow<Application>, own: bool) -> TcpRecord<'static> {
    let shown = own || flow.tcp.is_some();
    let flags = if shown { (flow.tcp_flags.to_server, flow.tcp_flags.to_client) } else { (0, 0) };
    let Some(tcp) = &flow.tcp else {
        return TcpRecord { flags, state: None, gaps: (false, false), regions: (0, 0), urgent: (0, 0) };
    };
    let (server, client) = (tcp.stream(Direction::ToServer), tcp.stream(Direction::ToClient));
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    TcpRecord {
        flags,
        state: Some(tcp.state.name()),
        gaps: (server.gap_seen(), client.gap_seen()),
        regions: (server.max_regions(), client.max_regions()),
        urgent: (number(server.urgent_bytes()), number(client.urgent_bytes())),
    }
}
