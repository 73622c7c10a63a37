//! Findings of a worker to records: which outputs want what, in what order, with which header.

use std::net::IpAddr;
use std::sync::Arc;

use tapwire_parsers::json::Object;
use tapwire_parsers::link::igmp::Igmp;
use tapwire_parsers::link::tunnel::Carrier;
use tapwire_parsers::link::{self, Anomalies, Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Direction, ProtocolId, Purpose, Recorder};
use tapwire_parsers::{REGISTRY, protocol};
use tapwire_signatures::language::rule::{Action, Rule};
use tapwire_signatures::lua::Shown;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::state::shared::uses_host_bits;
use tapwire_signatures::verify::condition::FlowView;
use tapwire_signatures::verify::{Ground, Match};

use crate::config::{Configuration, EveOutput};
use crate::flow::{EndReason, Flow, Key, community_id};
use crate::inspect::recognise::Recognition;
use crate::inspect::{Application, Engine, RECOGNITION_ANOMALIES};
use crate::records::alert::{self, Alert, FlowBrief};
use crate::records::batch::{AlertGate, Class, Gate, PacketGate, RecordBatch};
use crate::records::flow::{FlowRecord, TcpRecord};
use crate::records::header::{Clock, Header, record};
use crate::records::metadata::Metadata;
use crate::records::subject::Subject;
use crate::records::summary::Lone;
use crate::records::{arp, fast, fileinfo, flow};

/// Packets within one captured packet come in the order of their depth, and behind them what it made whole.
const DEPTH_BITS: u32 = 5;
const JOINED_BITS: u32 = 3;

fn place(number: u64, joined: u8, depth: u8) -> u64 {
    (number << JOINED_BITS | u64::from(joined)) << DEPTH_BITS | u64::from(depth)
}

/// Anomalies of packets and streams that name a way to hide from a sensor: what was done so that the sensor sees something
/// else than the host, or a limit of what the sensor looks at.
const EVASION: [&str; 11] = [
    "decoder.ipv4.frag_overlap",
    "decoder.ipv6.frag_overlap",
    "decoder.ipv6.frag_too_small",
    "decoder.too_many_layers",
    "stream.one_side_seen",
    "stream.reassembly_overlap_different_data",
    "stream.resumed_after_idle",
    "stream.suspected_fin_inject",
    "stream.suspected_rst_inject",
    "stream.urgent_data",
    "stream.vlan_differs_by_direction",
];

fn is_evasion(anomaly: &Anomaly) -> bool {
    EVASION.contains(&anomaly.0)
}

/// When something was found, and where its record belongs in the order of all.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Packet time.
    pub time: Timestamp,
    /// Position among all records.
    pub order: u64,
    packet_number: Option<u64>,
    ethernet: Option<([u8; 6], [u8; 6])>,
    tunnel: Option<Tunnel>,
}

/// The packet around a packet.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
    /// Its ports, where it has some.
    pub ports: Option<(u16, u16)>,
    /// Its IP protocol.
    pub protocol: u8,
    /// In how many packets the inner one came.
    pub depth: u8,
    /// Where records say that the inner one comes from.
    pub name: &'static str,
}

impl Tunnel {
    /// That of a packet that carries another one at `depth`.
    pub fn around(outer: &Packet<'_>, carrier: Carrier, depth: u8) -> Option<Self> {
        let ip = outer.ip.as_ref()?;
        let has_ports = matches!(outer.layer4, Layer4::Tcp(_) | Layer4::Udp(_));
        Some(Self {
            source: ip.source,
            destination: ip.destination,
            ports: has_ports.then(|| outer.ports()),
            protocol: ip.protocol,
            depth,
            name: carrier.source(ip.source.is_ipv6()),
        })
    }
}

impl Moment {
    /// That of a packet, which came in another one or not.
    pub fn packet(packet: &Packet<'_>, tunnel: Option<Tunnel>) -> Self {
        let ethernet = packet.ethernet.map(|e| (e.source, e.destination));
        let order = place(packet.number, packet.joined, packet.depth);
        Self { time: packet.time, order, packet_number: Some(packet.number), ethernet, tunnel }
    }

    /// That of a flow's end because the run ends: behind all packets, in the order in which flows began.
    pub fn shutdown<A>(flow: &Flow<A>) -> Self {
        let (joined, depth) = flow.first_place;
        let began = place(flow.first_packet, joined, depth);
        Self::flow_end((u64::MAX / 2).saturating_add(began), flow.end)
    }

    /// That of a flow's end, which no packet tells.
    pub fn flow_end(order: u64, time: Timestamp) -> Self {
        Self { time, order, packet_number: None, ethernet: None, tunnel: None }
    }

    fn source(&self) -> &'static str {
        match (&self.tunnel, self.packet_number) {
            (Some(tunnel), _) => tunnel.name,
            (None, Some(_)) => "wire/pcap",
            (None, None) => "stream (flow timeout)",
        }
    }
}

/// An EVE output with the recorders of its protocols.
struct Output {
    eve: EveOutput,
    recorders: Vec<Option<Recorder>>,
}

/// Where packets come from, as records name it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The capture file.
    pub capture: Option<String>,
    /// The interface.
    pub interface: Option<String>,
}

/// Everything that is written, shared by all workers.
#[derive(Clone)]
pub struct Outputs {
    list: Arc<[Output]>,
    references: Arc<[Recorder]>,
    fast: bool,
    /// Scripts want packets, and flows.
    shown: (bool, bool),
    /// Some output has the packets that rules' tags want.
    tagged_packets: bool,
    /// What of them rules of the plan want: those of flows, and of hosts.
    tags: Option<TagKinds>,
    /// Floods of flows are summed up.
    own: bool,
    capture: Option<String>,
    interface: Option<String>,
    guess_transaction: bool,
    engine: Arc<Engine>,
}

/// The tags that rules have.
#[derive(Clone, Copy, Debug)]
struct TagKinds {
    /// There are some of hosts: any packet may be wanted.
    hosts: bool,
}

impl TagKinds {
    fn of(plan: &Plan) -> Option<Self> {
        let rules = (0..).map_while(|index| plan.rule(index)).filter(|rule| !rule.tags.is_empty());
        let mut hosts = rules.map(|rule| rule.tags.iter().any(|tag| tag.host.is_some())).peekable();
        hosts.peek()?;
        Some(Self { hosts: hosts.any(|some| some) })
    }
}

impl Outputs {
    /// The outputs of a configuration.
    pub fn new(configuration: &Configuration, engine: Arc<Engine>, origin: Origin) -> Self {
        let list = configuration.eve.iter().map(|eve| {
            let recorder = |p: &&'static protocol::Protocol| {
                let name = p.event_type?;
                eve.protocols.get(name).map(|settings| (p.recorder)(settings))
            };
            Output { eve: eve.clone(), recorders: REGISTRY.iter().map(recorder).collect() }
        });
        let wants_packets = |eve: &EveOutput| eve.alerts.as_ref().is_some_and(|alerts| alerts.tagged_packets);
        let tagged_packets = configuration.eve.iter().any(wants_packets);
        let wanted = |kind| configuration.output_scripts.iter().any(|script| script.shown == kind);
        let references = REGISTRY.iter().map(|p| (p.recorder)(&protocol::Settings::default()));
        Self {
            list: list.collect(),
            references: references.collect(),
            fast: configuration.fast.is_some(),
            shown: (wanted(Shown::Packet), wanted(Shown::Flow)),
            tagged_packets,
            tags: TagKinds::of(&engine.plan).filter(|_| tagged_packets),
            own: configuration.own_records,
            capture: origin.capture,
            interface: origin.interface,
            guess_transaction: configuration.guess_transaction,
            engine,
        }
    }
}

/// Writes the records of one worker.
pub struct Reporter {
    outputs: Arc<Outputs>,
    batch: RecordBatch,
    clock: Clock,
    group: u32,
}

/// The two ends of a flow as a direction has them.
struct Ends {
    source: IpAddr,
    destination: IpAddr,
    ports: (u16, u16),
    protocol: u8,
    has_ports: bool,
    icmp: Option<(u8, u8)>,
}

impl Ends {
    fn of(key: &Key, direction: Direction) -> Self {
        let turned = if direction == Direction::ToServer { *key } else { key.reverse() };
        Self {
            source: turned.source,
            destination: turned.destination,
            ports: (turned.source_port, turned.destination_port),
            protocol: key.protocol,
            has_ports: key.has_ports(),
            icmp: key.icmp(),
        }
    }

    fn of_packet(packet: &Packet<'_>) -> Option<Self> {
        let ip = packet.ip.as_ref()?;
        let icmp = packet.icmp().map(|i| (i.kind, i.code));
        let has_ports = packet.has_ports();
        Some(Self {
            source: ip.source,
            destination: ip.destination,
            ports: packet.ports(),
            protocol: ip.protocol,
            has_ports,
            icmp,
        })
    }

    fn header<'a>(&self, event_type: &'a str, moment: &Moment) -> Header<'a> {
        Header {
            time: moment.time,
            packet_number: moment.packet_number,
            event_type,
            source: Some(self.source),
            destination: Some(self.destination),
            ports: self.has_ports.then_some(self.ports),
            protocol: Some(self.protocol),
            icmp: self.icmp,
            packet_source: Some(moment.source()),
            ..Header::default()
        }
    }
}

impl Reporter {
    /// A reporter to shared outputs.
    pub fn new(outputs: Arc<Outputs>) -> Self {
        Self { outputs, batch: RecordBatch::default(), clock: Clock::default(), group: 0 }
    }

    /// Goes on with records of other rules; those of the ones before were taken.
    pub fn adopt(&mut self, engine: Arc<Engine>) {
        let tags = TagKinds::of(&engine.plan).filter(|_| self.outputs.tagged_packets);
        self.outputs = Arc::new(Outputs { engine, tags, ..(*self.outputs).clone() });
    }

    /// The records since the last call.
    pub fn take(&mut self, sequence: u64) -> RecordBatch {
        self.group = 0;
        let mut batch = std::mem::take(&mut self.batch);
        batch.sequence = sequence;
        batch.engine = Some(Arc::clone(&self.outputs.engine));
        batch
    }

    /// The record of address resolution.
    pub fn arp(&mut self, packet: &Packet<'_>, moment: &Moment) {
        let Ok(message) = link::arp::read(packet.payload, &mut Anomalies::new()) else { return };
        let outputs = Arc::clone(&self.outputs);
        for (index, _) in (0..).zip(&*outputs.list).filter(|(_, o)| o.eve.arp) {
            let header = Header {
                time: moment.time,
                packet_number: moment.packet_number,
                event_type: "arp",
                vlans: packet.vlans.as_slice(),
                packet_source: Some(moment.source()),
                ..Header::default()
            };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Transaction, None, |out| {
                arp::write(out, &header, &message, clock);
            });
        }
    }

    /// Anomalies of a packet's headers.
    pub fn decode_anomalies(&mut self, packet: &Packet<'_>, moment: &Moment) {
        if packet.anomalies.is_empty() {
            return;
        }
        let ends = Ends::of_packet(packet);
        let outputs = Arc::clone(&self.outputs);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in packet.anomalies.iter().filter(|a| wanted.decode || (wanted.evasion && is_evasion(a))) {
                let plain = Header {
                    time: moment.time,
                    packet_number: moment.packet_number,
                    event_type: "anomaly",
                    packet_source: Some(moment.source()),
                    ..Header::default()
                };
                let header = ends.as_ref().map_or(plain, |e| e.header("anomaly", moment));
                let header = Header {
                    vlans: packet.vlans.as_slice(),
                    capture: outputs.capture_name(&output.eve),
                    interface: outputs.interface.as_deref(),
                    ..header
                };
                self.anomaly(index, &header, "decode", anomaly.0, moment);
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
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in anomalies.iter().filter(|a| wanted.stream || (wanted.evasion && is_evasion(a))) {
                let header = flow_header(ends.header("anomaly", moment), flow, output, &outputs, moment);
                self.anomaly(index, &header, "stream", anomaly.0, moment);
            }
        }
    }

    fn anomaly(&mut self, output: u16, header: &Header<'_>, kind: &str, event: &str, moment: &Moment) {
        let clock = &mut self.clock;
        self.batch.push(moment.order, output, Class::Anomaly, None, |out| {
            record(out, header, clock, |o| {
                o.object("anomaly", |a| {
                    a.text("type", kind).text("event", event);
                });
            });
        });
    }

    /// An alert on a packet that has no flow.
    pub fn alert_alone(
        &mut self,
        plan: &Plan,
        found: &Match,
        packet: &Packet<'_>,
        verdict: &'static str,
        moment: &Moment,
    ) {
        let Some(rule) = plan.rule(found.rule) else { return };
        let ends = Ends::of_packet(packet);
        let outputs = Arc::clone(&self.outputs);
        self.group += 1;
        let gate = self.gate(rule, found, ends.as_ref(), None, moment, &outputs);
        if !is_recorded(rule) {
            gate.into_iter().for_each(|gate| self.batch.push_silent(moment.order, gate));
            return;
        }
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(settings) = &output.eve.alerts else { continue };
            let plain = Header {
                time: moment.time,
                packet_number: moment.packet_number,
                event_type: "alert",
                packet_source: Some(moment.source()),
                ..Header::default()
            };
            let header = ends.as_ref().map_or(plain, |e| e.header("alert", moment));
            let header = Header {
                vlans: packet.vlans.as_slice(),
                capture: outputs.capture_name(&output.eve),
                interface: outputs.interface.as_deref(),
                ..header
            };
            let gate = gate.clone().map(Gate::Alert);
            let shown = Alert {
                rule,
                context: &found.context,
                tunnel: moment.tunnel,
                forwarded: None,
                app_protocol: None,
                direction: None,
                flow: None,
                progress: None,
                payload: None,
                stream: false,
                packet: settings.packet.then_some((packet.data, packet.link_type)),
                metadata: settings.rule_metadata,
                references: settings.rule_references,
                text: settings.rule_text,
                verdict: settings.verdict.then_some(verdict),
                evidence: &found.evidence,
            };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Alert, gate, |out| {
                alert::write(out, &header, &shown, clock, |object| {
                    headers(object, packet);
                });
            });
        }
        self.fast_line(rule, gate, ends.as_ref(), moment, &outputs);
    }

    /// An alert on a packet, stream or transaction of a flow. Whether it is certain: others are decided by the writer.
    pub fn alert(
        &mut self,
        plan: &Plan,
        found: &Match,
        packet: &Packet<'_>,
        flow: &Flow<Application>,
        (direction, verdict): (Direction, &'static str),
        moment: &Moment,
    ) -> bool {
        let Some(rule) = plan.rule(found.rule) else { return false };
        let outputs = Arc::clone(&self.outputs);
        let mut ends = Ends::of(&flow.key, direction);
        if ends.icmp.is_some() {
            ends.icmp = packet.icmp().map(|i| (i.kind, i.code)).or(ends.icmp);
        }
        self.group += 1;
        let gate = self.gate(rule, found, Some(&ends), Some(flow.id), moment, &outputs);
        if !is_recorded(rule) {
            gate.into_iter().for_each(|gate| self.batch.push_silent(moment.order, gate));
            return false;
        }
        let certain = gate.is_none();
        let (transaction, guessed) = match found.ground {
            Ground::Transaction(id) => (Some(id), false),
            Ground::Packet | Ground::Stream => {
                let oldest = flow.app.oldest_open(direction);
                // A datagram's rule on a protocol means the transaction that the datagram brought.
                let own = flow.key.protocol == crate::flow::key::UDP && rule.names_application();
                match oldest {
                    Some((id, _)) if own => (Some(id), false),
                    Some((id, true)) if outputs.guess_transaction => (Some(id), true),
                    _ => (None, false),
                }
            }
        };
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(settings) = &output.eve.alerts else { continue };
            let gate = gate.clone().map(Gate::Alert);
            let limit = settings.payload_limit.min(packet.payload.len());
            let payload = packet.payload.get(..limit).unwrap_or(&[]);
            let wanted = (settings.payload || settings.payload_printable) && !payload.is_empty();
            let app_protocol = protocol_text(&flow.app);
            let brief = FlowBrief {
                packets: (flow.packets.to_server, flow.packets.to_client),
                bytes: (flow.bytes.to_server, flow.bytes.to_client),
                start: flow.start,
                source: flow.key.source,
                destination: flow.key.destination,
                ports: flow.key.has_ports().then_some((flow.key.source_port, flow.key.destination_port)),
            };
            let base = flow_header(ends.header("alert", moment), flow, output, &outputs, moment);
            let mut header = Header { transaction, guessed, ..base };
            let app = &flow.app;
            let subject = transaction.and_then(|id| app.transaction(id)).zip(app.protocol);
            let forwarded = settings.forwarded.as_ref().zip(subject);
            let mut client = forwarded.and_then(|(how, (tx, id))| how.address(protocol(id), tx));
            if settings.forwarded.as_ref().is_some_and(|how| how.overwrite) && client.is_some() {
                let place = if direction == Direction::ToServer { &mut header.source } else { &mut header.destination };
                *place = client.take();
            }
            let two_sided = subject.filter(|(tx, _)| tx.only_direction().is_none());
            let progress = two_sided.and_then(|(tx, id)| {
                let states = protocol(id).states;
                let name = |d: Direction| states.of(d).get(usize::from(tx.progress(d))).copied();
                name(Direction::ToServer).zip(name(Direction::ToClient))
            });
            let shown = Alert {
                rule,
                context: &found.context,
                tunnel: moment.tunnel,
                forwarded: client,
                app_protocol,
                direction: Some(direction.name()),
                flow: settings.flow.then_some(brief),
                progress,
                payload: wanted.then_some((payload, settings.payload_printable, settings.payload)),
                stream: found.ground == Ground::Stream,
                packet: (settings.packet && !packet.data.is_empty()).then_some((packet.data, packet.link_type)),
                metadata: settings.rule_metadata,
                references: settings.rule_references,
                text: settings.rule_text,
                verdict: settings.verdict.then_some(verdict),
                evidence: &found.evidence,
            };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Alert, gate, |out| {
                alert::write(out, &header, &shown, clock, |object| {
                    headers(object, packet);
                    if settings.app_layer {
                        refer(&outputs, app, transaction, object);
                    }
                });
            });
        }
        self.fast_line(rule, gate, Some(&ends), moment, &outputs);
        certain
    }

    fn fast_line(
        &mut self,
        rule: &Rule,
        gate: Option<AlertGate>,
        ends: Option<&Ends>,
        moment: &Moment,
        outputs: &Outputs,
    ) {
        let Some(ends) = ends.filter(|_| outputs.fast) else { return };
        let (from, to) = match ends.icmp {
            Some((kind, code)) => (u16::from(kind), u16::from(code)),
            None => ends.ports,
        };
        let index = u16::try_from(outputs.list.len()).unwrap_or(u16::MAX);
        let clock = &mut self.clock;
        self.batch.push(moment.order, index, Class::Alert, gate.map(Gate::Alert), |out| {
            fast::write(out, moment.time, rule, ends.protocol, [(ends.source, from), (ends.destination, to)], clock);
        });
    }

    fn gate(
        &self,
        rule: &Rule,
        found: &Match,
        ends: Option<&Ends>,
        flow: Option<u64>,
        moment: &Moment,
        outputs: &Outputs,
    ) -> Option<AlertGate> {
        let tagged = outputs.tags.is_some() && !rule.tags.is_empty();
        let file = !outputs.engine.thresholds.is_empty();
        let counted = file || rule.threshold.is_some() || rule.detection_filter.is_some() || tagged;
        let ends = ends.filter(|_| counted || shares(rule, found))?;
        Some(AlertGate {
            rule: found.rule,
            source: ends.source,
            destination: ends.destination,
            ports: ends.ports,
            flow,
            time: moment.time,
            group: self.group,
            steps: found.steps.as_slice().into(),
        })
    }

    /// A packet that scripts are shown.
    pub fn shown_packet(&mut self, packet: &Packet<'_>, flow: impl FnOnce() -> Option<FlowView>, moment: &Moment) {
        if self.outputs.shown.0
            && let Some(subject) = Subject::of_packet(packet, flow())
        {
            self.batch.push_shown(moment.order, subject, packet.data);
        }
    }

    /// A flow that has ended and that scripts are shown.
    pub fn shown_flow(&mut self, key: &Key, flow: impl FnOnce() -> FlowView, moment: &Moment) {
        if self.outputs.shown.1 {
            self.batch.push_shown(moment.order, Subject::of_flow(key, flow()), &[]);
        }
    }

    /// A packet that a tag may want. Which alerts there were before it is the writer's to know, so that where hosts have tags every
    /// packet is handed over.
    pub fn tagged_packet(&mut self, packet: &Packet<'_>, flow: Option<&Flow<Application>>, moment: &Moment) {
        let Some(tags) = self.outputs.tags else { return };
        if !tags.hosts && flow.is_none_or(|flow| !flow.app.tag_asked) {
            return;
        }
        let Some(ends) = Ends::of_packet(packet) else { return };
        let gate = PacketGate {
            source: ends.source,
            destination: ends.destination,
            flow: flow.map(|flow| flow.id),
            time: moment.time,
            length: packet.wire_len,
        };
        let outputs = Arc::clone(&self.outputs);
        let wants = |output: &Output| output.eve.alerts.as_ref().is_some_and(|alerts| alerts.tagged_packets);
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| wants(output)) {
            let plain = ends.header("packet", moment);
            let header = match flow {
                Some(flow) => flow_header(plain, flow, output, &outputs, moment),
                None => Header {
                    vlans: packet.vlans.as_slice(),
                    capture: outputs.capture_name(&output.eve),
                    interface: outputs.interface.as_deref(),
                    ..plain
                },
            };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Packet, Some(Gate::Packet(gate)), |out| {
                crate::records::packet::write(out, &header, packet.data, packet.link_type, clock);
            });
        }
    }

    /// Anomalies that are new: of the flow, and of its transactions, which came with bytes of a direction.
    pub fn anomalies(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) {
        let outputs = Arc::clone(&self.outputs);
        for (direction, anomaly) in std::mem::take(&mut flow.app.anomalies) {
            self.application_anomaly(flow, direction, anomaly, None, moment, &outputs);
        }
        for transaction in flow.app.open() {
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
    }

    /// Anomalies, records and files of a flow's transactions. At the end of a flow (or of its protocol) whatever is left is
    /// recorded as it is.
    pub fn transactions(&mut self, flow: &mut Flow<Application>, moment: &Moment, last: bool) {
        let Some(id) = flow.app.protocol else {
            flow.app.anomalies.clear();
            return;
        };
        self.anomalies(flow, Direction::ToServer, moment);
        let outputs = Arc::clone(&self.outputs);
        let range = flow.app.open();
        if range.is_empty() && !flow.app.files.has_closed() {
            return;
        }
        let card = protocol(id);
        while let Some(file) = flow.app.files.take_closed() {
            for (index, output) in (0..).zip(&*outputs.list).filter(|(_, o)| o.eve.files.is_some()) {
                let ends = Ends::of(&flow.key, file.direction);
                let header = flow_header(ends.header("fileinfo", moment), flow, output, &outputs, moment);
                let (clock, app) = (&mut self.clock, &flow.app);
                self.batch.push(moment.order, index, Class::File, None, |out| {
                    fileinfo::write(out, &header, &file, card.name, clock, |o| {
                        refer(&outputs, app, Some(file.transaction), o)
                    });
                });
            }
        }
        for transaction in range {
            let Some(open) = flow.app.transaction(transaction) else { continue };
            let direction = open.only_direction().unwrap_or(Direction::ToServer);
            let due = open.is_recordable() || last;
            let recorded = flow.app.known_mut(transaction).is_none_or(|known| {
                let before = known.recorded;
                known.recorded |= due;
                before
            });
            if due && !recorded && !flow.app.is_silent(transaction) {
                self.transaction(flow, id, transaction, direction, moment, &outputs);
            }
            if last {
                flow.app.retire(transaction);
            } else {
                flow.app.retire_if_done(transaction);
            }
        }
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
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(recorder) = output.recorders.get(usize::from(id.0)).and_then(Option::as_ref) else { continue };
            let direction = if recorder.shows_flow_ends { Direction::ToServer } else { direction };
            let ends = Ends::of(&flow.key, direction);
            let base = flow_header(ends.header(event_type, moment), flow, output, outputs, moment);
            let header = Header { transaction: card.shows_transaction_id.then_some(transaction), ..base };
            let Some(open) = flow.app.transaction(transaction) else { continue };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Transaction, None, |out| {
                let start = out.len();
                let mut wanted = false;
                record(out, &header, clock, |o| wanted = recorder.write(open, Purpose::Record, o));
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
        let card = flow.app.protocol.map(protocol);
        let of_protocol = card.and_then(|c| c.anomalies.iter().find(|a| a.name == anomaly.0));
        let event = of_protocol
            .map(|a| a.record_name)
            .or_else(|| RECOGNITION_ANOMALIES.iter().find(|a| a.0 == anomaly.0).map(|a| a.1));
        let layer = if of_protocol.is_some() { "proto_parser" } else { "proto_detect" };
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, o)| o.eve.anomalies.is_some_and(|a| a.application))
        {
            let ends = Ends::of(&flow.key, direction);
            let base = flow_header(ends.header("anomaly", moment), flow, output, outputs, moment);
            let header = Header { transaction, ..base };
            let clock = &mut self.clock;
            self.batch.push(moment.order, index, Class::Anomaly, None, |out| {
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
        if flow.app.is_silent_flow() {
            return;
        }
        let outputs = Arc::clone(&self.outputs);
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, o)| o.eve.flows || o.eve.netflows) {
            let ends = Ends::of(&flow.key, Direction::ToServer);
            let base = flow_header(ends.header("flow", moment), flow, output, &outputs, moment);
            let header = Header {
                packet_source: None,
                packet_number: None,
                ethernet: None,
                spi: flow.key.spi(),
                icmp_response: flow.icmp_answer,
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
            let tcp = (flow.key.protocol == crate::flow::key::TCP).then(|| tcp_record(flow));
            let shown = FlowRecord {
                app_protocol: own,
                app_protocol_original: flow.app.original.map(|id| protocol(id).name),
                app_protocol_sides: (sides[0], sides[1]),
                packets: (flow.packets.to_server, flow.packets.to_client),
                bytes: (flow.bytes.to_server, flow.bytes.to_client),
                start: flow.start,
                end: flow.end,
                age_s: flow.age_s(),
                state: flow.state().name(),
                reason: reason.name(),
                alerted: flow.alerted,
                transactions: flow.app.opened,
                bypassed: flow.is_bypassed(),
                elephant: (flow.elephant.to_server, flow.elephant.to_client),
                emergency: flow.emergency,
                exceptions: [
                    flow.midstream.map(|policy| ("stream_midstream", policy.name())),
                    flow.starved.map(|policy| ("stream_reassembly_memcap", policy.name())),
                ],
                tcp,
                action: flow.app.passed.then_some("pass"),
            };
            let summed = || outputs.own.then(|| lone(flow)).flatten().map(Gate::Lone);
            let gate = if flow.alerts_asked { Some(Gate::Flow(flow.id)) } else { summed() };
            let clock = &mut self.clock;
            if output.eve.flows {
                self.batch.push(moment.order, index, Class::Flow, gate, |out| flow::write(out, &header, &shown, clock));
            }
            if output.eve.netflows {
                self.directions(index, flow, &header, &shown, moment);
            }
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
                source: Some(ends.source),
                destination: Some(ends.destination),
                ports: ends.has_ports.then_some(ends.ports),
                icmp: ends.icmp,
                icmp_response: None,
                ..*header
            };
            let (to_server, clock) = (direction == Direction::ToServer, &mut self.clock);
            self.batch.push(moment.order, output, Class::Flow, None, |out| {
                flow::write_direction(out, &header, shown, to_server, time_to_live, clock);
            });
        }
    }
}

/// Whether a match is decided with what flows share.
pub fn shares(rule: &Rule, found: &Match) -> bool {
    !found.steps.is_empty() || uses_host_bits(rule)
}

/// Whether matches of a rule leave records.
pub fn is_recorded(rule: &Rule) -> bool {
    !rule.noalert && rule.action != Action::Config
}

/// Adds what the headers of a packet say that has an object of its own.
fn headers(object: &mut Object<'_>, packet: &Packet<'_>) {
    match &packet.layer4 {
        Layer4::Igmp(message) => group_management(object, message),
        Layer4::Sctp(sctp) if !sctp.header.is_empty() => crate::records::sctp::write(object, sctp),
        _ => {}
    }
}

fn group_management(object: &mut Object<'_>, message: &Igmp) {
    object.object(if message.version.is_some() { "igmp" } else { "rgmp" }, |o| {
        o.number("type", message.kind);
        if let Some(version) = message.version {
            o.number("version", version);
        }
    });
}

/// A flow of one packet that left nothing but its record.
fn lone(flow: &Flow<Application>) -> Option<Lone> {
    let alone = flow.packets.to_server + flow.packets.to_client == 1;
    let lone = alone && !flow.alerted && !flow.alerts_asked && flow.app.opened == 0;
    lone.then(|| Lone {
        source: flow.key.source,
        destination: flow.key.destination,
        protocol: flow.key.protocol,
        bytes: flow.bytes.to_server + flow.bytes.to_client,
        time: flow.end,
    })
}

impl Outputs {
    fn capture_name(&self, eve: &EveOutput) -> Option<&str> {
        self.capture.as_deref().filter(|_| eve.capture_name)
    }
}

fn flow_header<'a>(
    header: Header<'a>,
    flow: &'a Flow<Application>,
    output: &Output,
    outputs: &'a Outputs,
    moment: &Moment,
) -> Header<'a> {
    let community_id = output.eve.community_id_seed.map(|seed| {
        let id = flow.app.community_id.get_or_init(|| community_id(&flow.key, seed).into_boxed_str());
        &**id
    });
    Header {
        flow_id: Some(flow.id),
        metadata: (output.eve.metadata && !flow.app.rules.is_empty())
            .then_some(Metadata { plan: &outputs.engine.plan, state: &flow.app.rules }),
        vlans: flow.key.vlans.as_slice(),
        community_id,
        ethernet: moment.ethernet.filter(|_| output.eve.ethernet),
        capture: outputs.capture_name(&output.eve),
        interface: outputs.interface.as_deref(),
        ..header
    }
}

/// Adds the objects of a transaction to a record that refers to it.
fn refer(outputs: &Outputs, app: &Application, transaction: Option<u64>, object: &mut Object<'_>) {
    if let (Some(open), Some(id)) = (transaction.and_then(|t| app.transaction(t)), app.protocol)
        && let Some(recorder) = outputs.references.get(usize::from(id.0))
    {
        recorder.write(open, Purpose::Reference, object);
    }
}

fn protocol_text(app: &Application) -> Option<&'static str> {
    match app.protocol {
        Some(id) => Some(protocol(id).name),
        None => app.failed.then_some("failed"),
    }
}

fn tcp_record(flow: &Flow<Application>) -> TcpRecord<'static> {
    let Some(tcp) = &flow.tcp else {
        return TcpRecord { flags: (0, 0), state: None, gaps: (false, false), regions: (0, 0), urgent: (0, 0) };
    };
    let (server, client) = (tcp.stream(Direction::ToServer), tcp.stream(Direction::ToClient));
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    TcpRecord {
        flags: (tcp.flags(Direction::ToServer), tcp.flags(Direction::ToClient)),
        state: Some(tcp.state.name()),
        gaps: (server.gap_seen(), client.gap_seen()),
        regions: (server.max_regions(), client.max_regions()),
        urgent: (number(server.urgent_bytes()), number(client.urgent_bytes())),
    }
}
