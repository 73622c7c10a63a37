//! The common part of records about packets and flows, and the objects that others share.

use tapwire_parsers::json::Object;
use tapwire_parsers::link::igmp::Igmp;
use tapwire_parsers::link::{Layer4, Packet};
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, Mac, Purpose};

use super::{Ends, Moment, Output, Outputs};
use crate::flow::{Flow, community_id};
use crate::inspect::Application;
use crate::records::header::{Header, RECORDS_VERSION};
use crate::records::metadata::Metadata;

/// The header of a record about a packet alone.
pub(super) fn packet_header<'a>(
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
        interface: outputs.interface(packet.interface),
        ethernet: base.ethernet.or(frame.map(|frame| (frame.source, frame.destination))),
        ether_type: base.ether_type.or(frame.map(|frame| frame.kind)),
        style: output.eve.style,
        sides: outputs.sides(base.source, base.destination, false),
        ..base
    }
}

/// Adds what the headers of a packet say that has an object of its own.
pub(super) fn headers(object: &mut Object<'_>, packet: &Packet<'_>) {
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

pub(super) fn flow_header<'a>(
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
    let client = Ends::of(&flow.key, Direction::ToServer);
    let is_turned = client.hosts.map(|(address, _)| (address, client.ports.0))
        != header.source.map(|address| (address, header.ports.map_or(client.ports.0, |ports| ports.0)));
    Header {
        flow_id: (!flow.key.is_background()).then_some(flow.id),
        parent: flow.app.parent(),
        metadata: (flow.app.rules.state().filter(|_| output.eve.metadata))
            .map(|state| Metadata { plan: &outputs.engine.plan, state }),
        tenant: flow.key.tenant.into(),
        vlans: flow.vlans().as_slice(),
        community_id,
        ethernet: header.ethernet.or(shown.map(|(macs, _)| macs)),
        ether_type: header.ether_type.or(shown.and_then(|(_, kind)| kind)),
        style: output.eve.style,
        capture: outputs.capture_name(&output.eve),
        version: output.eve.version.then_some(RECORDS_VERSION),
        interface: outputs.interface(flow.interface),
        sides: outputs.sides(header.source, header.destination, is_turned),
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
pub(super) fn refer(outputs: &Outputs, app: &Application, transaction: Option<u64>, object: &mut Object<'_>) {
    // What it is inside of is shown as well, as long as it is there.
    for transaction in std::iter::successors(transaction, |transaction| app.parent_of(*transaction)) {
        if let Some((open, id)) = app.find(transaction)
            && let Some(recorder) = outputs.references.get(usize::from(id.0))
        {
            recorder.write(open, Purpose::Reference, object);
        }
    }
}

pub(super) fn protocol_text(app: &Application) -> Option<&'static str> {
    match app.protocol {
        Some(id) => Some(protocol(id).name),
        None => app.failed.then_some("failed"),
    }
}
