//! Records of anomalies: of headers, of streams, and of application protocols.

use std::sync::Arc;

use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Anomaly, Direction, FLOW_ANOMALIES};

use super::{Ends, Moment, Output, Outputs, Reporter, flow_header, packet_header};
use crate::flow::Flow;
use crate::inspect::{Application, id_within};
use crate::records::cause::{Charge, Name};
use crate::records::class::Class;
use crate::records::finding::Record;
use crate::records::header::{Header, record};
use crate::records::packet;

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

fn is_evasion(anomaly: &Anomaly) -> bool {
    EVASION.contains(&anomaly.0)
}

/// Bytes of a packet that an anomaly shows.
const SHOWN_HEADER_BYTES: usize = 32;

impl Reporter {
    /// Anomalies of a packet's headers.
    #[inline]
    pub fn decode_anomalies(&mut self, packet: &Packet<'_>, moment: &Moment) {
        if !packet.anomalies.is_empty() {
            self.odd_packet(packet, moment);
        }
    }

    fn odd_packet(&mut self, packet: &Packet<'_>, moment: &Moment) {
        let ends = Ends::of_packet(packet);
        let outputs = Arc::clone(&self.outputs);
        let charge = self.charge_packet(packet, moment);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in packet.anomalies.iter().filter(|a| wanted.decode || (wanted.evasion && is_evasion(a))) {
                let mut header = packet_header("anomaly", ends.as_ref(), packet, (output, &outputs), moment);
                let packet = Some(packet).filter(|_| wanted.packet);
                self.anomaly(index, &mut header, ("decode", anomaly.0, packet), charge, moment);
            }
        }
    }

    /// Anomalies of a packet in its stream.
    #[inline]
    pub fn stream_anomalies(
        &mut self,
        anomalies: &[Anomaly],
        flow: &Flow<Application>,
        packet: &Packet<'_>,
        moment: &Moment,
    ) {
        if !anomalies.is_empty() {
            self.odd_segment(anomalies, flow, packet, moment);
        }
    }

    fn odd_segment(&mut self, anomalies: &[Anomaly], flow: &Flow<Application>, packet: &Packet<'_>, moment: &Moment) {
        let Some(ends) = Ends::of_packet(packet) else { return };
        let outputs = Arc::clone(&self.outputs);
        let charge = self.charge_flow(flow);
        for (index, output) in (0..).zip(&*outputs.list) {
            let Some(wanted) = output.eve.anomalies else { continue };
            for anomaly in anomalies.iter().filter(|a| wanted.stream || (wanted.evasion && is_evasion(a))) {
                let mut header = flow_header(ends.header("anomaly", moment), flow, output, &outputs, moment);
                let packet = Some(packet).filter(|_| wanted.packet);
                self.anomaly(index, &mut header, ("stream", anomaly.0, packet), charge, moment);
            }
        }
    }

    fn anomaly(
        &mut self,
        output: u16,
        header: &mut Header<'_>,
        (kind, event, packet): (&str, &'static str, Option<&Packet<'_>>),
        charge: Charge,
        moment: &Moment,
    ) {
        let cause =
            self.cause(output, header, "anomaly", charge, moment).map(|cause| cause.named(Name::Anomaly(event)));
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
            let mut header = Header { transaction: transaction.map(id_within), ..base };
            let name = Name::Anomaly(event.unwrap_or(anomaly.0));
            let cause = self.cause(index, &mut header, "anomaly", charge, moment).map(|cause| cause.named(name));
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
}
