//! Findings of a worker to records: which outputs want what, in what order, with which header.

use std::sync::Arc;

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol;
use tapwire_parsers::protocol::{Direction, ProtocolId, Purpose};
use tapwire_signatures::lua::Shown;
use tapwire_signatures::state::flow::FlowState;

use crate::capture::origin::{CaptureFile, Origin};
use crate::decode::tunnels::Tunnel;
use crate::flow::Flow;
use crate::inspect::tenants::Select;
use crate::inspect::{Application, Engine, id_within, view_of};
use crate::records::batch::RecordBatch;
use crate::records::class::Class;
use crate::records::finding::{Gate, Record, Topic};
use crate::records::header::{Clock, Header, record};
use crate::records::metadata::Metadata;
use crate::records::subject::Subject;

mod alerts;
mod anomalies;
mod causes;
mod certificates;
mod ends;
mod files;
mod flows;
mod fuel;
mod headers;
mod identities;
mod lost;
mod moment;
mod outputs;
mod shown;

pub(crate) use anomalies::EVASION;
pub(crate) use fuel::OUT_OF_FUEL;
pub use moment::Moment;
pub use outputs::{Outputs, Settings};

use ends::Ends;
use headers::{flow_header, headers, packet_header, protocol_text, refer};
use identities::Ordinals;
use lost::Lost;
use outputs::{Output, TagKinds};

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
    /// Packets that nobody saw.
    lost: Lost,
    /// What was made of the packet at hand.
    ordinals: Ordinals,
}

impl Reporter {
    /// The reporter of a worker to shared outputs.
    pub fn new(worker: u16, outputs: Arc<Outputs>) -> Self {
        let batch = RecordBatch::new(worker, outputs.record_bytes);
        let clock = Clock::default();
        let (lost, ordinals) = (Lost::default(), Ordinals::default());
        Self { outputs, batch, clock, group: 0, ids: Vec::new(), traffic: 0, charged_packet: None, lost, ordinals }
    }

    /// Goes on with records of other rules; those of the ones before were taken.
    pub fn adopt(&mut self, engine: Arc<Engine>) {
        let tags = TagKinds::of(&engine.plan).filter(|_| self.outputs.tagged_packets);
        self.outputs = Arc::new(Outputs { engine, tags, ..(*self.outputs).clone() });
    }

    /// Goes on with records of packets of a file.
    pub fn follow(&mut self, capture: Option<&Arc<CaptureFile>>) {
        if capture.is_some() && self.outputs.origin.capture.as_ref() != capture {
            let origin = Origin { capture: capture.cloned(), ..self.outputs.origin.clone() };
            self.outputs = Arc::new(Outputs { origin, ..(*self.outputs).clone() });
        }
    }

    /// So many packets are lost by now, of all flows.
    pub fn note_lost(&mut self, total: u64, now: Timestamp) {
        self.lost.note(total, now);
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
    #[inline]
    pub fn frames(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        if flow.app.has_frames() {
            self.ready_frames(flow, direction, moment);
        }
    }

    fn ready_frames(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let mut frames = flow.app.ready_frames(direction).peekable();
        if frames.peek().is_none() {
            return;
        }
        let outputs = Arc::clone(&self.outputs);
        for frame in frames {
            let charge = self.charge_flow(flow);
            for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.frames) {
                let ends = Ends::of(&flow.key, direction);
                let mut header = flow_header(ends.header("frame", moment), flow, output, &outputs, moment);
                let cause = self.cause(index, &mut header, "frame", charge, moment);
                let (clock, protocol) = (&mut self.clock, protocol_text(&flow.app));
                let record = Record { output: index, class: Class::Transaction, gate: None, cause };
                self.batch.push(moment.place(Some(flow.id)), record, |out, _| {
                    crate::records::frame::write(out, &header, frame, protocol, clock);
                });
            }
        }
    }

    /// When something was found in a packet, which came in another one or not.
    #[inline]
    pub fn moment(&self, packet: &Packet<'_>, tunnel: Option<Tunnel>) -> Moment {
        Moment::packet(packet, tunnel, self.outputs.ethernet)
    }

    /// What rules took down of a packet.
    #[inline]
    pub fn variables(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        if self.outputs.variables {
            self.variable_records(flow, direction, moment);
        }
    }

    fn variable_records(&mut self, flow: &Flow<Application>, direction: Direction, moment: &Moment) {
        let notes = flow.app.rules.state().and_then(FlowState::notes);
        if notes.is_none_or(|notes| notes.packet_variables.is_empty()) {
            return;
        }
        let (outputs, charge) = (Arc::clone(&self.outputs), self.charge_flow(flow));
        for (index, output) in (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.variables) {
            let ends = Ends::of(&flow.key, direction);
            let header = flow_header(ends.header("metadata", moment), flow, output, &outputs, moment);
            let metadata = flow.app.rules.state().map(|state| Metadata { plan: &outputs.engine.plan, state });
            let mut header = Header { metadata, ..header };
            let cause = self.cause(index, &mut header, "metadata", charge, moment);
            let clock = &mut self.clock;
            let finding = Record { output: index, class: Class::Transaction, gate: None, cause };
            self.batch.push(moment.place(Some(flow.id)), finding, |out, _| record(out, &header, clock, |_| {}));
        }
    }

    /// Anomalies, records and files of a flow's transactions. At the end of a flow (or of its protocol) whatever is left is
    /// recorded as it is.
    pub fn transactions(&mut self, flow: &mut Flow<Application>, moment: &Moment, last: bool) {
        if self.shows_pieces() {
            self.pieces(flow, moment);
            self.shown_bodies(flow, moment);
        }
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
            let mut header = Header { transaction: card.shows_transaction_id.then(|| id_within(transaction)), ..base };
            let Some(open) = flow.app.transaction(transaction) else { continue };
            let cause = self.cause(index, &mut header, event_type, charge, moment);
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
}
