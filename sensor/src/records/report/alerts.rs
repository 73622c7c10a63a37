//! Matches to alerts, and the packets that tags record behind them. What the writer is to decide about them goes along as a gate.

use std::sync::Arc;

use tapwire_parsers::json::Object;
use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::Direction;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::Rule;
use tapwire_signatures::state::shared::Addition;
use tapwire_signatures::verify::{Ground, Match};

use super::files::of_client;
use super::outputs::{Output, Outputs};
use super::{Ends, Moment, Reporter, flow_header, headers, packet_header, protocol_text, refer};
use crate::flow::Flow;
use crate::inspect::alerts::{is_open, is_recorded, shares};
use crate::inspect::{Application, id_within, view_of};
use crate::records::alert::{self, Alert, FlowBrief, Payload};
use crate::records::cause::{Charge, Name};
use crate::records::class::Class;
use crate::records::eve::Alerts;
use crate::records::fileinfo::Shown;
use crate::records::finding::{AlertGate, Gate, PacketGate, Record, Topic};
use crate::records::header::{Header, RECORDS_VERSION};
use crate::records::{fast, fileinfo, frame};

impl Reporter {
    /// Values that scripts of rules have added to sets, for the alerts behind them.
    pub fn additions(&mut self, additions: Vec<Addition>, moment: &Moment) {
        if !additions.is_empty() {
            self.batch.push_additions(moment.place(None), additions);
        }
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
            gate.into_iter().for_each(|gate| self.batch.push_match(moment.place(None), gate));
            return;
        }
        let gate = gate.map(|gate| Gate::Alert(Box::new(gate)));
        let charge = self.charge_packet(packet, moment);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(settings) = &output.eve.alerts else { continue };
            let mut header = packet_header("alert", ends.as_ref(), packet, (output, &outputs), moment);
            let shown = Alert {
                rule,
                context: &found.context,
                tunnel: moment.tunnel,
                forwarded: None,
                app_protocol: None,
                direction: None,
                flow: None,
                progress: None,
                payload: shown_payload(settings, packet.payload),
                stream: false,
                packet: settings.packet.then_some((packet.data, packet.link_type)),
                metadata: settings.rule_metadata,
                references: settings.rule_references,
                text: settings.rule_text,
                verdict: settings.verdict.then_some(verdict),
                evidence: &found.evidence,
                other_copy: found.is_other_copy && outputs.own,
                lost_packets: if outputs.own { self.lost.between(moment.time, moment.time) } else { 0 },
                gaps: [false; 2],
            };
            let name = Name::Rule(rule.gid, rule.sid);
            let cause = self.cause(index, &mut header, "alert", charge, moment).map(|cause| cause.named(name));
            let clock = &mut self.clock;
            let record = Record { output: index, class: Class::Alert, gate: gate.clone(), cause };
            self.batch.push(moment.place(None), record, |out, slots| {
                slots.extend(alert::write(out, &header, &shown, clock, |object| headers(object, packet)));
            });
        }
        self.shown_alert(plan.entry(found.rule), (packet, None), gate.as_ref(), moment);
        self.fast_line(rule, (gate, None), ends.as_ref(), moment, &outputs);
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
        let gate = self.gate(rule, found, Some(&ends), Some(flow), moment, &outputs);
        if !is_recorded(rule) {
            gate.into_iter().for_each(|gate| self.batch.push_match(moment.place(Some(flow.id)), gate));
            return false;
        }
        let certain = gate.is_none();
        let gate = gate.map(|gate| Gate::Alert(Box::new(gate)));
        let (transaction, guessed) = match found.ground {
            Ground::Transaction(id) => (Some(id), false),
            Ground::Frame(id) => (flow.app.frame(id).and_then(|frame| frame.transaction), false),
            Ground::Packet | Ground::Stream => {
                let oldest = flow.app.oldest_open(direction);
                // A datagram's rule on a protocol means the transaction that the datagram brought.
                let own = flow.has_messages() && rule.names_application();
                match oldest {
                    Some((id, _)) if own => (Some(id), false),
                    Some((id, true)) if outputs.guess_transaction => (Some(id), true),
                    _ => (None, false),
                }
            }
        };
        let client = Ends::of(&flow.key, Direction::ToServer);
        // An alert is often there before its answer.
        let charge = Charge { answered: flow.is_answered(), ..self.charge_flow(flow) };
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(settings) = &output.eve.alerts else { continue };
            // What was found in a stream is shown in the stream: the packet may have none of it.
            let excerpt = match found.ground {
                Ground::Stream | Ground::Transaction(_) => flow.app.excerpt(direction),
                Ground::Packet | Ground::Frame(_) => &[],
            };
            let payload = match (excerpt, &*found.chunk) {
                ([], []) => packet.payload,
                ([], chunk) => chunk,
                (excerpt, _) => excerpt,
            };
            let of_transaction = transaction.and_then(|id| flow.app.protocol_of(id)).map(|id| protocol(id).name);
            let app_protocol = of_transaction.or_else(|| protocol_text(&flow.app));
            let brief = FlowBrief {
                packets: (flow.packets.to_server, flow.packets.to_client),
                bytes: (flow.bytes.to_server, flow.bytes.to_client),
                start: flow.start,
                hosts: client.hosts,
                ports: client.has_ports.then_some(client.ports),
            };
            let base = flow_header(ends.header("alert", moment), flow, output, &outputs, moment);
            let mut header = Header { transaction: transaction.map(id_within), guessed, ..base };
            let app = &flow.app;
            let subject = transaction.and_then(|id| app.find(id));
            let forwarded = settings.forwarded.as_ref().zip(subject);
            let mut client = forwarded.and_then(|(how, (tx, id))| how.address(protocol(id), tx));
            if settings.forwarded.as_ref().is_some_and(|how| how.overwrite) && client.is_some() {
                *of_client(&mut header, direction) = client.take();
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
                direction: (!ends.is_background).then_some(direction.name()),
                flow: (settings.flow && !ends.is_background).then_some(brief),
                progress,
                payload: shown_payload(settings, payload),
                stream: found.ground == Ground::Stream,
                packet: (settings.packet && !packet.data.is_empty()).then_some((packet.data, packet.link_type)),
                metadata: settings.rule_metadata,
                references: settings.rule_references,
                text: settings.rule_text,
                verdict: settings.verdict.then_some(verdict),
                evidence: &found.evidence,
                other_copy: found.is_other_copy && outputs.own,
                lost_packets: if outputs.own { self.lost.between(flow.start, moment.time) } else { 0 },
                gaps: if outputs.own { flow.gaps() } else { [false; 2] },
            };
            let name = Name::Rule(rule.gid, rule.sid);
            let cause = self.cause(index, &mut header, "alert", charge, moment).map(|cause| cause.named(name));
            let clock = &mut self.clock;
            let record = Record { output: index, class: Class::Alert, gate: gate.clone(), cause };
            self.batch.push(moment.place(Some(flow.id)), record, |out, slots| {
                slots.extend(alert::write(out, &header, &shown, clock, |object| {
                    headers(object, packet);
                    if settings.app_layer {
                        refer(&outputs, app, transaction, object);
                        if let Ground::Transaction(id) = found.ground {
                            files(app, id, direction, object);
                        }
                    }
                    if let Ground::Frame(id) = found.ground
                        && let Some(frame) = app.frame(id)
                    {
                        frame::object(object, frame);
                    }
                }));
            });
        }
        let view = view_of(flow, direction, packet.time);
        self.shown_alert(plan.entry(found.rule), (packet, Some(view)), gate.as_ref(), moment);
        self.fast_line(rule, (gate, Some(flow.id)), Some(&ends), moment, &outputs);
        certain
    }

    fn fast_line(
        &mut self,
        rule: &Rule,
        (gate, flow): (Option<Gate>, Option<u64>),
        ends: Option<&Ends>,
        moment: &Moment,
        outputs: &Outputs,
    ) {
        let Some(ends) = ends.filter(|_| outputs.fast) else { return };
        let (Some((source, destination)), Some(protocol)) = (ends.hosts, ends.protocol) else { return };
        let (from, to) = match ends.icmp {
            Some((kind, code)) => (u16::from(kind), u16::from(code)),
            None => ends.ports,
        };
        let index = u16::try_from(outputs.list.len()).unwrap_or(u16::MAX);
        let clock = &mut self.clock;
        let record = Record { output: index, class: Class::Alert, gate, cause: None };
        self.batch.push(moment.place(flow), record, |out, _| {
            fast::write(out, moment.time, rule, protocol, [(source, from), (destination, to)], clock);
        });
    }

    fn gate(
        &self,
        rule: &Rule,
        found: &Match,
        ends: Option<&Ends>,
        flow: Option<&Flow<Application>>,
        moment: &Moment,
        outputs: &Outputs,
    ) -> Option<AlertGate> {
        let tagged = outputs.tags.is_some() && !rule.tags.is_empty();
        let file = !outputs.engine.own_of_rule(found.rule).thresholds.is_empty();
        let counted = file || rule.threshold.is_some() || rule.detection_filter.is_some() || tagged;
        let ends = ends.filter(|_| counted || shares(rule, found))?;
        let (source, destination) = ends.counted_as()?;
        Some(AlertGate {
            rule: found.rule,
            source,
            destination,
            ports: ends.ports,
            time: moment.time,
            group: self.group,
            steps: found.steps.as_slice().into(),
            silence: rule.silence.filter(|_| is_open(rule, found)).map(|_| flow.and_then(|f| f.app.silenced(found))),
        })
    }

    /// A packet that a tag may want. Which alerts there were before it is the writer's to know, so that where hosts have tags every
    /// packet is handed over.
    pub fn tagged_packet(&mut self, packet: &Packet<'_>, flow: Option<&Flow<Application>>, moment: &Moment) {
        let Some(tags) = self.outputs.tags else { return };
        if !tags.hosts && flow.is_none_or(|flow| !flow.app.tag_asked) {
            return;
        }
        let Some(ends) = Ends::of_packet(packet) else { return };
        let Some((source, destination)) = ends.hosts else { return };
        let gate =
            PacketGate { tenant: packet.tenant, source, destination, time: moment.time, length: packet.wire_len };
        let place = moment.place(flow.map(|flow| flow.id));
        let outputs = Arc::clone(&self.outputs);
        if outputs.topics.contains(&Topic::Tagged) {
            self.batch.push_tagged(place, gate);
        }
        let charge = match flow {
            Some(flow) => self.charge_flow(flow),
            None => self.charge_packet(packet, moment),
        };
        let wants = |output: &Output| output.eve.alerts.as_ref().is_some_and(|alerts| alerts.tagged_packets);
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| wants(output)) {
            let plain = ends.header("packet", moment);
            let mut header = match flow {
                Some(flow) => flow_header(plain, flow, output, &outputs, moment),
                None => Header {
                    tenant: packet.tenant,
                    vlans: packet.vlans.as_slice(),
                    capture: outputs.capture_name(&output.eve),
                    version: output.eve.version.then_some(RECORDS_VERSION),
                    interface: outputs.interface(packet.interface),
                    ..plain
                },
            };
            let cause = self.cause(index, &mut header, "packet", charge, moment);
            let clock = &mut self.clock;
            let gate = Some(Gate::Packet(Box::new(gate)));
            self.batch.push(place, Record { output: index, class: Class::Packet, gate, cause }, |out, _| {
                crate::records::packet::write(out, &header, packet.data, packet.link_type, clock);
            });
        }
    }
}

/// The files of a transaction in a direction.
fn files(app: &Application, transaction: u64, direction: Direction, object: &mut Object<'_>) {
    let mut files = app.files.of(transaction, direction).peekable();
    if files.peek().is_some() {
        object.array("files", |array| {
            for file in files {
                array.object(|o| {
                    fileinfo::object(o, file, Shown::default());
                });
            }
        });
    }
}

/// The bytes that an alert shows, printable and in base64, where an output wants either.
fn shown_payload<'p>(settings: &Alerts, payload: &'p [u8]) -> Option<Payload<'p>> {
    let Alerts { payload: base64, payload_printable: printable, payload_length: length, .. } = *settings;
    let bytes = payload.get(..settings.payload_limit).unwrap_or(payload);
    (printable || base64).then_some(Payload { bytes, printable, base64, length })
}
