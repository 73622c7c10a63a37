//! Findings of a worker to records: which outputs want what, in what order, with which header.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::json::Object;
use tapwire_parsers::link::igmp::Igmp;
use tapwire_parsers::link::{Layer4, Packet, Timestamp};
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Anomaly, Direction, FLOW_ANOMALIES, Mac, ProtocolId, Purpose, Value};
use tapwire_signatures::lua::{Piece, Shown};
use tapwire_signatures::rule::condition::FlowView;
use tapwire_signatures::rule::entry::Entry;
use tapwire_signatures::state::flow::FlowState;

use crate::capture::origin::Origin;
use crate::decode::tunnels::Tunnel;
use crate::flow::ends::LinkEnds;
use crate::flow::{EndReason, Flow, Key, community_id};
use crate::inspect::files::File;
use crate::inspect::recognise::Recognition;
use crate::inspect::tenants::Select;
use crate::inspect::{Application, Engine, id_within, view_of};
use crate::records::batch::RecordBatch;
use crate::records::cause::{Cause, Charge, Name};
use crate::records::class::Class;
use crate::records::finding::{Gate, Place, Record, Topic};
use crate::records::flow;
use crate::records::flow::{FlowRecord, TcpRecord};
use crate::records::header::{Clock, Header, RECORDS_VERSION, record};
use crate::records::metadata::Metadata;
use crate::records::packet;
use crate::records::subject::Subject;

mod alerts;
mod causes;
mod certificates;
mod files;
mod fuel;
mod outputs;

pub(crate) use fuel::OUT_OF_FUEL;
use outputs::{Output, TagKinds};
pub use outputs::{Outputs, Settings};

/// Packets within one captured packet come in the order of their depth, and behind them what it made whole.
const DEPTH_BITS: u32 = 5;
const JOINED_BITS: u32 = 3;

/// Behind all packets.
const LAST: u64 = u64::MAX / 2;

fn place(number: u64, joined: u8, depth: u8) -> u64 {
    (number << JOINED_BITS | u64::from(joined)) << DEPTH_BITS | u64::from(depth)
}

/// Anomalies of packets and streams that name a way to hide from a sensor: what was done so that the sensor sees something
/// else than the host, or a limit of what the sensor looks at.
pub(crate) const EVASION: [&str; 18] = [
    "decoder.ipv4.frag_ignored",
    "decoder.ipv4.frag_incomplete",
    "decoder.ipv4.frag_overlap",
    "decoder.ipv6.frag_ignored",
    "decoder.ipv6.frag_incomplete",
    "decoder.ipv6.frag_overlap",
    "decoder.ipv6.frag_too_small",
    "decoder.ipv6.rh_type_0",
    "decoder.too_many_layers",
    "stream.one_side_seen",
    "stream.reassembly_depth_reached",
    "stream.reassembly_overlap_different_data",
    "stream.resumed_after_eviction",
    "stream.resumed_after_idle",
    "stream.suspected_fin_inject",
    "stream.suspected_rst_inject",
    "stream.urgent_data",
    "stream.vlan_differs_by_direction",
];

/// Fields that are bodies of messages, of which scripts are shown each piece.
const BODIES: [&str; 2] = ["http.request_body", "http.response_body"];

fn is_evasion(anomaly: &Anomaly) -> bool {
    EVASION.contains(&anomaly.0)
}

/// When something was found, and where its record belongs in the order of all.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Packet time.
    pub time: Timestamp,
    /// Time of the packet that led to it. The end of the run leads to a flow's record as if it had been written when it began.
    pub now: Timestamp,
    /// Position among all records.
    pub order: u64,
    /// And among those of flows whose time was over before the packet there.
    ended: (Timestamp, u64),
    packet_number: Option<u64>,
    frame: Option<Frame>,
    tunnel: Option<Tunnel>,
}

/// An Ethernet frame, and which end of a flow sent it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    source: Mac,
    destination: Mac,
    ether_type: u16,
    from: Option<(IpAddr, u16)>,
}

impl Moment {
    /// That of a packet, which came in another one or not.
    pub fn packet(packet: &Packet<'_>, tunnel: Option<Tunnel>) -> Self {
        let from = packet.ip.as_ref().map(|ip| (ip.source, packet.ports().0));
        let frame =
            packet.ethernet.map(|e| Frame { source: e.source, destination: e.destination, ether_type: e.kind, from });
        let order = place(packet.number, packet.joined, packet.depth);
        let ended = Place::PACKET;
        Self { time: packet.time, now: packet.time, order, ended, packet_number: Some(packet.number), frame, tunnel }
    }

    /// That of the end of a flow whose time is over before the packet of a number, in the order in which flows began.
    pub fn timeout<A>(flow: &Flow<A>, number: u64, now: Timestamp) -> Self {
        let (joined, depth) = flow.first_place;
        let ended = (now, place(flow.first_packet, joined, depth));
        Self { ended, ..Self::flow_end(place(number, 0, 0), flow.end, now) }
    }

    /// That of a flow's end because the run ends: behind all packets, in the order in which flows began.
    pub fn shutdown<A>(flow: &Flow<A>) -> Self {
        let (joined, depth) = flow.first_place;
        let began = place(flow.first_packet, joined, depth);
        Self::flow_end(LAST.saturating_add(began), flow.end, flow.start)
    }

    /// That of a flow's end, which no packet tells; `now` is when it is told.
    pub fn flow_end(order: u64, time: Timestamp, now: Timestamp) -> Self {
        Self { time, now, order, ended: Place::PACKET, packet_number: None, frame: None, tunnel: None }
    }

    /// Whether it is the end of the run that leads to it.
    fn is_last(&self) -> bool {
        self.order >= LAST
    }

    /// That of something about another flow at the same place, which no packet tells.
    pub fn within(&self, time: Timestamp) -> Self {
        Self::flow_end(self.order, time, self.now)
    }

    /// Where what was found then belongs.
    fn place(&self, flow: Option<u64>) -> Place {
        Place { packet: self.order, ended: self.ended, flow }
    }

    fn source(&self) -> &'static str {
        match (&self.tunnel, self.packet_number) {
            (Some(tunnel), _) => tunnel.name,
            (None, Some(_)) => "wire/pcap",
            (None, None) => "stream (flow timeout)",
        }
    }
}

/// Writes the records of one worker.
pub struct Reporter {
    outputs: Arc<Outputs>,
    batch: RecordBatch,
    clock: Clock,
    group: u32,
    /// Ids of the transactions that may have something new.
    ids: Vec<u64>,
    /// Bytes of all packets so far.
    traffic: u64,
    /// The packet that a record was charged with last, by its place.
    charged_packet: Option<u64>,
}

/// The two ends of a flow as a direction has them.
struct Ends {
    /// Addresses of hosts, over IP.
    hosts: Option<(IpAddr, IpAddr)>,
    /// Stations, without IP.
    stations: Option<LinkEnds>,
    /// The stations are not shown: nobody looks for flows of what murmurs on any network.
    is_background: bool,
    ports: (u16, u16),
    protocol: Option<u8>,
    has_ports: bool,
    icmp: Option<(u8, u8)>,
}

impl Ends {
    fn of(key: &Key, direction: Direction) -> Self {
        let turned = if direction == Direction::ToServer { *key } else { key.reverse() };
        let Some(ends) = turned.ip() else {
            let (hosts, ports, protocol, has_ports, icmp) = (None, (0, 0), None, false, None);
            let (stations, is_background) = (turned.link(), turned.is_background());
            return Self { hosts, stations, is_background, ports, protocol, has_ports, icmp };
        };
        Self {
            hosts: Some((ends.source, ends.destination)),
            stations: None,
            is_background: false,
            ports: (ends.source_port, ends.destination_port),
            protocol: Some(ends.protocol),
            has_ports: key.has_ports(),
            icmp: key.icmp(),
        }
    }

    fn of_packet(packet: &Packet<'_>) -> Option<Self> {
        let ip = packet.ip.as_ref()?;
        let icmp = packet.icmp().map(|i| (i.kind, i.code));
        let has_ports = packet.has_ports();
        Some(Self {
            hosts: Some((ip.source, ip.destination)),
            stations: None,
            is_background: false,
            ports: packet.ports(),
            protocol: Some(ip.protocol),
            has_ports,
            icmp,
        })
    }

    /// Whom thresholds and bits of hosts count it for: a station by the address that it makes itself (RFC 4291, appendix A).
    fn counted_as(&self) -> Option<(IpAddr, IpAddr)> {
        let own =
            |[a, b, c, d, e, f]: Mac| IpAddr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        self.hosts.or_else(|| self.stations.map(|ends| (own(ends.source), own(ends.destination))))
    }

    fn header<'a>(&self, event_type: &'a str, moment: &Moment) -> Header<'a> {
        let stations = self.stations.filter(|_| !self.is_background);
        Header {
            time: moment.time,
            packet_number: moment.packet_number,
            event_type,
            source: self.hosts.map(|(source, _)| source),
            destination: self.hosts.map(|(_, destination)| destination),
            ports: self.has_ports.then_some(self.ports),
            protocol: self.protocol,
            is_without_ip: stations.is_some(),
            ether_type: stations.map(|ends| ends.ether_type),
            ethernet: stations.map(|ends| (ends.source, ends.destination)),
            icmp: self.icmp,
            packet_source: Some(moment.source()),
            ..Header::default()
        }
    }
}

/// Bytes of a packet that an anomaly shows.
const SHOWN_HEADER_BYTES: usize = 32;

impl Reporter {
    /// The reporter of a worker to shared outputs.
    pub fn new(worker: u16, outputs: Arc<Outputs>) -> Self {
        let batch = RecordBatch::new(worker, outputs.record_bytes);
        let clock = Clock::default();
        Self { outputs, batch, clock, group: 0, ids: Vec::new(), traffic: 0, charged_packet: None }
    }

    /// Goes on with records of other rules; those of the ones before were taken.
    pub fn adopt(&mut self, engine: Arc<Engine>) {
        let tags = TagKinds::of(&engine.plan).filter(|_| self.outputs.tagged_packets);
        self.outputs = Arc::new(Outputs { engine, tags, ..(*self.outputs).clone() });
    }

    /// Goes on with records of packets of a file.
    pub fn follow(&mut self, capture: Option<&Arc<str>>) {
        if capture.is_some() && self.outputs.origin.capture.as_ref() != capture {
            let origin = Origin { capture: capture.cloned(), ..self.outputs.origin.clone() };
            self.outputs = Arc::new(Outputs { origin, ..(*self.outputs).clone() });
        }
    }

    /// How a worker finds the tenants of its packets.
    pub fn select(&self) -> Select {
        self.outputs.select()
    }

    /// The records since the last call.
    pub fn take(&mut self, sequence: u64) -> RecordBatch {
        self.group = 0;
        let next = self.batch.next();
        let mut batch = std::mem::replace(&mut self.batch, next);
        batch.sequence = sequence;
        batch.engine = Some(Arc::clone(&self.outputs.engine));
        batch
    }

    /// Frames of a direction that rules were just asked about.
    pub fn frames(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let mut frames = flow.app.ready_frames(direction).peekable();
        if frames.peek().is_none() {
            return;
        }
        let outputs = Arc::clone(&self.outputs);
        for frame in frames {
            let charge = self.charge_flow(flow);
            for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.frames) {
                let ends = Ends::of(&flow.key, direction);
                let header = flow_header(ends.header("frame", moment), flow, output, &outputs, moment);
                let cause = self.cause(&header, "frame", charge, moment);
                let (clock, protocol) = (&mut self.clock, protocol_text(&flow.app));
                let record = Record { output: index, class: Class::Transaction, gate: None, cause };
                self.batch.push(moment.place(Some(flow.id)), record, |out, _| {
                    crate::records::frame::write(out, &header, frame, protocol, clock);
                });
            }
        }
    }

    /// Anomalies of a packet's headers.
    pub fn decode_anomalies(&mut self, packet: &Packet<'_>, moment: &Moment) {
        if packet.anomalies.is_empty() {
            return;
        }
        let ends = Ends::of_packet(packet);
        let outputs = Arc::clone(&self.outputs);
        let charge = self.charge_packet(packet, moment);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in packet.anomalies.iter().filter(|a| wanted.decode || (wanted.evasion && is_evasion(a))) {
                let header = packet_header("anomaly", ends.as_ref(), packet, (output, &outputs), moment);
                let packet = Some(packet).filter(|_| wanted.packet);
                self.anomaly(index, &header, ("decode", anomaly.0, packet), charge, moment);
            }
        }
    }

    /// Anomalies of a packet in its stream.
    pub fn stream_anomalies(
        &mut self,
        anomalies: &[Anomaly],
        flow: &Flow<Application>,
        packet: &Packet<'_>,
        moment: &Moment,
    ) {
        if anomalies.is_empty() {
            return;
        }
        let Some(ends) = Ends::of_packet(packet) else { return };
        let outputs = Arc::clone(&self.outputs);
        let charge = self.charge_flow(flow);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in anomalies.iter().filter(|a| wanted.stream || (wanted.evasion && is_evasion(a))) {
                let header = flow_header(ends.header("anomaly", moment), flow, output, &outputs, moment);
                let packet = Some(packet).filter(|_| wanted.packet);
                self.anomaly(index, &header, ("stream", anomaly.0, packet), charge, moment);
            }
        }
    }

    /// What rules took down of a packet.
    pub fn variables(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let notes = flow.app.rules.state().and_then(FlowState::notes);
        if notes.is_none_or(|notes| notes.packet_variables.is_empty()) {
            return;
        }
        let (outputs, charge) = (Arc::clone(&self.outputs), self.charge_flow(flow));
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.variables) {
            let ends = Ends::of(&flow.key, direction);
            let header = flow_header(ends.header("metadata", moment), flow, output, &outputs, moment);
            let metadata = flow.app.rules.state().map(|state| Metadata { plan: &outputs.engine.plan, state });
            let header = Header { metadata, ..header };
            let cause = self.cause(&header, "metadata", charge, moment);
            let clock = &mut self.clock;
            let finding = Record { output: index, class: Class::Transaction, gate: None, cause };
            self.batch.push(moment.place(Some(flow.id)), finding, |out, _| record(out, &header, clock, |_| {}));
        }
    }

    fn anomaly(
        &mut self,
        output: u16,
        header: &Header<'_>,
        (kind, event, packet): (&str, &'static str, Option<&Packet<'_>>),
        charge: Charge,
        moment: &Moment,
    ) {
        let cause = self.cause(header, "anomaly", charge, moment).map(|cause| cause.named(Name::Anomaly(event)));
        let clock = &mut self.clock;
        let anomaly = Record { output, class: Class::Anomaly, gate: None, cause };
        self.batch.push(moment.place(header.flow_id), anomaly, |out, _| {
            record(out, header, clock, |o| {
                o.object("anomaly", |a| {
                    a.text("type", kind).text("event", event);
                });
                if let Some(packet) = packet {
                    let begin = packet.data.get(..SHOWN_HEADER_BYTES).unwrap_or(packet.data);
                    packet::bytes(o, begin, packet.link_type);
                }
            });
        });
    }

    /// A packet that followers are shown.
    pub fn shown_packet(&mut self, packet: &Packet<'_>, flow: impl FnOnce() -> Option<FlowView>, moment: &Moment) {
        if self.outputs.topics.contains(&Topic::Each(Shown::Packet))
            && let Some(subject) = Subject::of_packet(packet, flow())
        {
            let place = moment.place(subject.flow.map(|flow| flow.id));
            self.batch.push_shown(place, subject, packet.data);
        }
    }

    /// An alert that followers are shown, with what decides over it.
    fn shown_alert(
        &mut self,
        rule: Option<&Arc<Entry>>,
        (packet, flow): (&Packet<'_>, Option<FlowView>),
        gate: Option<&Gate>,
        moment: &Moment,
    ) {
        if self.outputs.topics.contains(&Topic::Each(Shown::Alert))
            && let Some((rule, subject)) = rule.zip(Subject::of_packet(packet, flow))
        {
            let gate = if let Some(Gate::Alert(gate)) = gate { Some(gate.clone()) } else { None };
            let place = moment.place(subject.flow.map(|flow| flow.id));
            self.batch.push_shown(place, subject.alert(rule, gate), packet.data);
        }
    }

    /// A file that has ended and that followers are shown.
    fn shown_file(&mut self, flow: &Flow<Application>, file: &File, stored: bool, moment: &Moment) {
        if self.outputs.topics.contains(&Topic::Each(Shown::File)) {
            let view = view_of(flow, file.direction, moment.time);
            let subject = Subject::of_file((&flow.key, view), file, stored);
            self.batch.push_shown(moment.place(Some(flow.id)), subject, &[]);
        }
    }

    /// A piece of a flow's stream, or of a body of a protocol, that followers are shown.
    pub fn shown_piece(
        &mut self,
        (key, flow): (&Key, Option<&FlowView>),
        body: Option<ProtocolId>,
        piece: Piece<'_>,
        moment: &Moment,
    ) {
        let kind = body.map_or(Shown::Stream, Shown::Body);
        if let Some(flow) = flow.filter(|_| self.outputs.topics.contains(&Topic::Each(kind))) {
            let subject = Subject::of_piece((key, *flow), body, piece);
            self.batch.push_shown(moment.place(Some(flow.id)), subject, piece.data);
        }
    }

    /// Nothing more comes of a direction's stream.
    pub fn shown_end(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let stream = flow.tcp.as_ref().map(|tcp| tcp.stream(direction));
        if let Some(stream) = stream.filter(|_| self.outputs.topics.contains(&Topic::Each(Shown::Stream))) {
            let piece = Piece { data: &[], opens: stream.raw_offset() == 0, closes: true, direction };
            let view = view_of(flow, direction, moment.time);
            self.shown_piece((&flow.key, Some(&view)), None, piece, moment);
        }
    }

    /// What is new of the bodies of a flow's open transactions, where followers are shown those.
    fn shown_bodies(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        let outputs = Arc::clone(&self.outputs);
        let is_wanted = |id| outputs.topics.contains(&Topic::Each(Shown::Body(id)));
        let Some(id) = flow.app.protocol.filter(|id| is_wanted(*id)) else { return };
        let bodies = protocol(id).fields.iter().filter(|field| BODIES.contains(&field.name));
        for field in bodies {
            let direction = if field.from.to_server.is_some() { Direction::ToServer } else { Direction::ToClient };
            let view = view_of(flow, direction, moment.time);
            for transaction in flow.app.open() {
                let known = flow.app.known_mut(transaction);
                let Some((shown, false)) = known.map(|known| *known.shown.get_or_insert_default().of(direction)) else {
                    continue;
                };
                let open = flow.app.transaction(transaction);
                let Some(Value::Stream { data, offset, complete }) =
                    open.and_then(|open| (field.read)(open.as_any(), direction, 0))
                else {
                    continue;
                };
                let fresh = usize::try_from(shown.saturating_sub(offset)).ok().and_then(|from| data.get(from..));
                let fresh = fresh.unwrap_or_default();
                if fresh.is_empty() && !complete {
                    continue;
                }
                let piece = Piece { data: fresh, opens: shown == 0, closes: complete, direction };
                self.shown_piece((&flow.key, Some(&view)), Some(id), piece, moment);
                let size = offset + data.len() as u64;
                if let Some(shown) = flow.app.known_mut(transaction).and_then(|known| known.shown.as_mut()) {
                    *shown.of_mut(direction) = (size, complete);
                }
            }
        }
    }

    /// A flow that has ended and that followers are shown.
    pub fn shown_flow(&mut self, key: &Key, flow: impl FnOnce() -> FlowView, moment: &Moment) {
        if self.outputs.topics.contains(&Topic::Each(Shown::Flow)) {
            let flow = flow();
            self.batch.push_shown(moment.place(Some(flow.id)), Subject::of_flow(key, flow), &[]);
        }
    }

    /// Anomalies that are new: of the flow, and of its transactions, which came with bytes of a direction.
    pub fn anomalies(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) {
        let outputs = Arc::clone(&self.outputs);
        for (direction, anomaly) in flow.app.take_unrecorded() {
            self.application_anomaly(flow, direction, anomaly, None, moment, &outputs);
        }
        let mut ids = std::mem::take(&mut self.ids);
        flow.app.unreported(&mut ids);
        for &transaction in &ids {
            let Some(open) = flow.app.transaction(transaction) else { continue };
            let direction = open.only_direction().unwrap_or(direction);
            let raised = open.anomalies().len();
            let seen =
                flow.app.known_mut(transaction).map_or(raised, |known| std::mem::replace(&mut known.anomalies, raised));
            for position in seen..raised {
                let anomaly = flow.app.transaction(transaction).and_then(|t| t.anomalies().get(position).copied());
                if let Some(anomaly) = anomaly {
                    self.application_anomaly(flow, direction, anomaly, Some(transaction), moment, &outputs);
                }
            }
        }
        self.ids = ids;
    }

    /// Anomalies, records and files of a flow's transactions. At the end of a flow (or of its protocol) whatever is left is
    /// recorded as it is.
    pub fn transactions(&mut self, flow: &mut Flow<Application>, moment: &Moment, last: bool) {
        self.pieces(flow, moment);
        self.shown_bodies(flow, moment);
        if flow.app.has_nothing_new(last) {
            return;
        }
        self.certificates(flow, moment);
        let Some(id) = flow.app.protocol else {
            flow.app.take_unrecorded();
            return;
        };
        self.anomalies(flow, Direction::ToServer, moment);
        let outputs = Arc::clone(&self.outputs);
        flow.app.files.retire(flow.app.open().start);
        if !flow.app.has_open() && !flow.app.files.has_closed() {
            return;
        }
        while let Some(mut file) = flow.app.files.take_closed(last) {
            let carrier = flow.app.protocol_of(file.transaction).unwrap_or(id);
            self.file(flow, &mut file, protocol(carrier), moment);
            flow.app.files.return_recorded(file);
        }
        let mut ids = std::mem::take(&mut self.ids);
        flow.app.take_unreported(&mut ids, last);
        for &transaction in &ids {
            let Some((open, id)) = flow.app.find(transaction) else { continue };
            let direction = open.only_direction().unwrap_or(Direction::ToServer);
            // Where rules say what has no record, they come first.
            let held = outputs.engine.plan.is_of_records && flow.app.awaits_rules(transaction);
            let due = open.is_recordable() && !held || last;
            let recorded = flow.app.known_mut(transaction).is_none_or(|known| {
                let before = known.recorded;
                known.recorded |= due;
                before
            });
            if due && !recorded {
                if flow.app.is_silent(transaction) {
                    flow.app.known_mut(transaction).into_iter().for_each(|known| known.silent = true);
                } else {
                    self.transaction(flow, id, transaction, direction, moment, &outputs);
                }
            }
            let silent = flow.app.known_mut(transaction).is_some_and(|known| known.silent);
            let done = if last { flow.app.retire(transaction) } else { flow.app.retire_if_done(transaction) };
            if held && !due {
                flow.app.report_again(transaction);
            }
            if let Some(done) =
                done.filter(|_| !silent && outputs.topics.contains(&Topic::Each(Shown::Transaction(id))))
            {
                let view = view_of(flow, direction, moment.time);
                let subject = Subject::of_transaction((&flow.key, view), id, (transaction, done));
                self.batch.push_shown(moment.place(Some(flow.id)), subject, &[]);
            }
        }
        self.ids = ids;
    }

    fn transaction(
        &mut self,
        flow: &Flow<Application>,
        id: ProtocolId,
        transaction: u64,
        direction: Direction,
        moment: &Moment,
        outputs: &Outputs,
    ) {
        let card = protocol(id);
        let Some(event_type) = card.event_type else { return };
        let charge = self.charge_flow(flow);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(recorder) = output.recorders.get(usize::from(id.0)).and_then(Option::as_ref) else { continue };
            let direction = if recorder.shows_flow_ends { Direction::ToServer } else { direction };
            let ends = Ends::of(&flow.key, direction);
            let base = flow_header(ends.header(event_type, moment), flow, output, outputs, moment);
            let header = Header { transaction: card.shows_transaction_id.then(|| id_within(transaction)), ..base };
            let Some(open) = flow.app.transaction(transaction) else { continue };
            let cause = self.cause(&header, event_type, charge, moment);
            let clock = &mut self.clock;
            let asked = flow.app.is_silence_asked();
            let gate = asked.then(|| Gate::Transaction(flow.app.quiet(transaction)));
            let finding = Record { output: index, class: Class::Transaction, gate, cause };
            self.batch.push(moment.place(Some(flow.id)), finding, |out, _| {
                let start = out.len();
                let mut wanted = false;
                record(out, &header, clock, |o| {
                    wanted = recorder.write(open, Purpose::Record, o);
                    refer(outputs, &flow.app, flow.app.parent_of(transaction), o);
                });
                if !wanted {
                    out.truncate(start);
                }
            });
        }
    }

    fn application_anomaly(
        &mut self,
        flow: &Flow<Application>,
        direction: Direction,
        anomaly: Anomaly,
        transaction: Option<u64>,
        moment: &Moment,
        outputs: &Outputs,
    ) {
        let mut cards = flow.app.protocol.into_iter().chain(flow.app.carried()).map(protocol);
        let raised = cards.find_map(|card| Some((card, card.anomalies.iter().find(|kind| kind.name == anomaly.0)?)));
        let of_protocol = raised.map(|(_, kind)| kind);
        let card = raised.map(|(card, _)| card).or_else(|| flow.app.protocol.map(protocol));
        let event = of_protocol
            .map(|a| a.record_name)
            .or_else(|| FLOW_ANOMALIES.iter().find(|a| a.name == anomaly.0).map(|a| a.record_name));
        let layer = if of_protocol.is_some() { "proto_parser" } else { "proto_detect" };
        let charge = self.charge_flow(flow);
        // What murmurs is odd to those who look at it.
        let is_looked_at = |output: &Output| {
            let recorders = || flow.app.protocol.and_then(|id| output.recorders.get(usize::from(id.0))?.as_ref());
            !flow.key.is_background() || recorders().is_some()
        };
        let wants = |output: &Output| output.eve.anomalies.is_some_and(|a| a.application) && is_looked_at(output);
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| wants(output)) {
            let ends = Ends::of(&flow.key, direction);
            let base = flow_header(ends.header("anomaly", moment), flow, output, outputs, moment);
            let header = Header { transaction: transaction.map(id_within), ..base };
            let name = Name::Anomaly(event.unwrap_or(anomaly.0));
            let cause = self.cause(&header, "anomaly", charge, moment).map(|cause| cause.named(name));
            let clock = &mut self.clock;
            let finding = Record { output: index, class: Class::Anomaly, gate: None, cause };
            self.batch.push(moment.place(Some(flow.id)), finding, |out, _| {
                record(out, &header, clock, |o| {
                    o.object("anomaly", |a| {
                        if let Some(card) = card {
                            a.text("app_proto", card.name);
                        }
                        a.text("type", "applayer").text("event", event.unwrap_or(anomaly.0)).text("layer", layer);
                    });
                });
            });
        }
    }

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
            let header = Header {
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
                truncated: outputs.own && flow.is_truncated(),
                elephant: (elephant.to_server, elephant.to_client),
                emergency: flow.emergency,
                exceptions: [
                    flow.midstream.map(|policy| ("stream_midstream", policy.name())),
                    flow.starved.map(|policy| ("stream_reassembly_memcap", policy.name())),
                    flow.given_up.map(|policy| ("app_layer_error", policy.name())),
                ],
                inspected: if outputs.own { inspected_bytes(flow) } else { None },
                tcp,
                action: flow.app.passed.then_some("pass"),
            };
            if output.eve.flows {
                let cause = self.cause(&header, "flow", charge, moment).map(|cause| cause.of_flow(volume));
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
}

impl Reporter {
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
            let Some(time_to_live) = *flow.ttl.of(direction) else { continue };
            let ends = Ends::of(&flow.key, direction);
            let header = Header {
                event_type: "netflow",
                source: ends.hosts.map(|(source, _)| source),
                destination: ends.hosts.map(|(_, destination)| destination),
                ports: ends.has_ports.then_some(ends.ports),
                icmp: ends.icmp,
                icmp_response: None,
                ..*header
            };
            let charge = Charge { bytes: 0, answered: flow.is_conversation() };
            let cause = self.cause(&header, "netflow", charge, moment);
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

/// The header of a record about a packet alone.
fn packet_header<'a>(
    event_type: &'a str,
    ends: Option<&Ends>,
    packet: &'a Packet<'_>,
    (output, outputs): (&'a Output, &'a Outputs),
    moment: &Moment,
) -> Header<'a> {
    let plain = Header {
        time: moment.time,
        packet_number: moment.packet_number,
        event_type,
        packet_source: Some(moment.source()),
        ..Header::default()
    };
    let base = ends.map_or(plain, |ends| ends.header(event_type, moment));
    let frame = packet.ethernet.filter(|_| output.eve.ethernet);
    Header {
        tenant: packet.tenant,
        vlans: packet.vlans.as_slice(),
        capture: outputs.capture_name(&output.eve),
        version: output.eve.version.then_some(RECORDS_VERSION),
        interface: outputs.interface(),
        ethernet: base.ethernet.or(frame.map(|frame| (frame.source, frame.destination))),
        ether_type: base.ether_type.or(frame.map(|frame| frame.kind)),
        style: output.eve.style,
        ..base
    }
}

/// Adds what the headers of a packet say that has an object of its own.
fn headers(object: &mut Object<'_>, packet: &Packet<'_>) {
    match &packet.layer4 {
        Layer4::Igmp(message) => group_management(object, message),
        Layer4::Sctp(sctp) if !sctp.header.is_empty() => crate::records::sctp::write(object, sctp),
        _ => {}
    }
}

fn group_management(object: &mut Object<'_>, message: &Igmp<'_>) {
    object.object(if message.version.is_some() { "igmp" } else { "rgmp" }, |o| {
        o.number("type", message.kind);
        if let Some(version) = message.version {
            o.number("version", version);
        }
    });
}

fn flow_header<'a>(
    header: Header<'a>,
    flow: &'a Flow<Application>,
    output: &Output,
    outputs: &'a Outputs,
    moment: &Moment,
) -> Header<'a> {
    let community_id = output.eve.community_id_seed.and_then(|seed| {
        let ends = flow.key.ip()?;
        let id = flow.app.community_id.get_or_init(|| Box::new(community_id(&ends, seed)));
        Some(id.as_str())
    });
    let shown = if output.eve.ethernet { stations(&header, flow, moment) } else { None };
    Header {
        flow_id: (!flow.key.is_background()).then_some(flow.id),
        parent: flow.app.parent(),
        metadata: (flow.app.rules.state().filter(|_| output.eve.metadata))
            .map(|state| Metadata { plan: &outputs.engine.plan, state }),
        tenant: flow.key.tenant.into(),
        vlans: flow.key.vlans.as_slice(),
        community_id,
        ethernet: header.ethernet.or(shown.map(|(macs, _)| macs)),
        ether_type: header.ether_type.or(shown.and_then(|(_, kind)| kind)),
        style: output.eve.style,
        capture: outputs.capture_name(&output.eve),
        version: output.eve.version.then_some(RECORDS_VERSION),
        interface: outputs.interface(),
        ..header
    }
}

/// The Ethernet addresses of a record's source and destination, and the type of the frame: those of its packet, which may have gone the
/// other way; without one, those that its flow began with.
fn stations(header: &Header<'_>, flow: &Flow<Application>, moment: &Moment) -> Option<((Mac, Mac), Option<u16>)> {
    let from = header.source.map(|address| (address, header.ports.map_or(0, |ports| ports.0)));
    let Some(frame) = moment.frame else {
        let client = Ends::of(&flow.key, Direction::ToServer);
        let is_client = client.hosts.map(|(address, _)| (address, client.ports.0)) == from;
        let direction = if is_client { Direction::ToServer } else { Direction::ToClient };
        return flow.stations()?.first(direction).map(|macs| (macs, None));
    };
    let has_ports = header.ports.is_some();
    let is_own =
        from.is_none() || frame.from.map(|(address, port)| (address, if has_ports { port } else { 0 })) == from;
    let macs = if is_own { (frame.source, frame.destination) } else { (frame.destination, frame.source) };
    Some((macs, Some(frame.ether_type)))
}

/// Adds the objects of a transaction to a record that refers to it.
fn refer(outputs: &Outputs, app: &Application, transaction: Option<u64>, object: &mut Object<'_>) {
    // What it is inside of is shown as well, as long as it is there.
    for transaction in std::iter::successors(transaction, |transaction| app.parent_of(*transaction)) {
        if let Some((open, id)) = app.find(transaction)
            && let Some(recorder) = outputs.references.get(usize::from(id.0))
        {
            recorder.write(open, Purpose::Reference, object);
        }
    }
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

fn protocol_text(app: &Application) -> Option<&'static str> {
    match app.protocol {
        Some(id) => Some(protocol(id).name),
        None => app.failed.then_some("failed"),
    }
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
