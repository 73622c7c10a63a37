//! What followers behind the writer are shown: packets, alerts, files, pieces of streams, bodies and flows.

use std::sync::Arc;

use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, Kind, ProtocolId, Value};
use tapwire_signatures::lua::{Piece, Shown};
use tapwire_signatures::rule::condition::FlowView;
use tapwire_signatures::rule::entry::Entry;

use super::{Moment, Reporter};
use crate::flow::{Flow, Key};
use crate::inspect::files::File;
use crate::inspect::{Application, view_of};
use crate::records::finding::{Gate, Topic};
use crate::records::noted::Noted;
use crate::records::subject::Subject;

impl Reporter {
    /// A packet that followers are shown.
    pub fn shown_packet(&mut self, packet: &Packet<'_>, flow: impl FnOnce() -> Option<FlowView>, moment: &Moment) {
        if self.outputs.topics.contains(&Topic::Each(Shown::Packet))
            && let Some(subject) = Subject::of_packet(packet, flow())
        {
            let place = moment.place(subject.flow.map(|flow| flow.id));
            self.batch.push_shown(place, subject, packet.data);
        }
    }

    /// A packet of a flow, where somebody records packets.
    #[inline]
    pub fn note_packet(&mut self, packet: &Packet<'_>, flow: &Flow<Application>, direction: Direction) {
        if self.outputs.notes_packets {
            self.batch.packets.push(Noted::of(packet, flow, direction));
        }
    }

    /// An alert that followers are shown, with what decides over it.
    pub(super) fn shown_alert(
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
    pub(super) fn shown_file(&mut self, flow: &Flow<Application>, file: &File, stored: bool, moment: &Moment) {
        if self.outputs.topics.contains(&Topic::Each(Shown::File)) {
            let view = view_of(flow, file.direction, moment.time);
            let subject = Subject::of_file((&flow.key, view), file, stored);
            self.batch.push_shown(moment.place(Some(flow.id)), subject, &[]);
        }
    }

    /// Whether followers are shown pieces of any kind.
    #[inline]
    pub fn shows_pieces(&self) -> bool {
        !self.outputs.topics.is_empty()
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
    pub(super) fn shown_bodies(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        let is_wanted = |id| self.outputs.topics.contains(&Topic::Each(Shown::Body(id)));
        let Some(id) = flow.app.protocol.filter(|id| is_wanted(*id)) else { return };
        // A body is what grows: a stream of bytes.
        for field in protocol(id).fields.iter().filter(|field| matches!(field.kind, Kind::Bytes)) {
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
}
