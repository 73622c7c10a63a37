//! Files: their records, and the bytes of those that are stored.

use std::sync::Arc;

use tapwire_parsers::protocol::{Direction, Protocol};

use super::outputs::Output;
use super::{Ends, Moment, Reporter, flow_header, refer};
use crate::flow::Flow;
use crate::inspect::Application;
use crate::inspect::files::File;
use crate::records::cause::{Cause, Charge};
use crate::records::class::Class;
use crate::records::fileinfo::{self, Shown};
use crate::records::finding::{FileId, FileStep, Record, Topic};
use crate::records::header::Header;
use crate::records::slot::Slot;

impl Reporter {
    /// Bytes of files that go on and are stored.
    pub fn pieces(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        if !self.outputs.topics.contains(&Topic::Files) {
            return;
        }
        let place = moment.place(Some(flow.id));
        let id = |(flow, number)| FileId { flow, number };
        let batch = &mut self.batch;
        flow.app.files.hand_on(flow.id, |name, at, bytes| {
            batch.push_step(place, id(name), FileStep::Piece { at }, &bytes);
        });
        for name in flow.app.files.take_abandoned() {
            batch.push_step(place, id(name), FileStep::GiveUp, &[]);
        }
    }

    /// A file that has ended: the rest of its bytes, and its records.
    pub(super) fn file(&mut self, flow: &Flow<Application>, file: &mut File, card: &'static Protocol, moment: &Moment) {
        let outputs = Arc::clone(&self.outputs);
        let (of_flow, number) = file.name_for_writer(flow.id);
        let id = FileId { flow: of_flow, number };
        let is_stored =
            outputs.topics.contains(&Topic::Files) && file.is_handed() && self.last_piece((flow.id, id), file, moment);
        let (stored, place) = (is_stored.then_some(id), moment.place(Some(flow.id)));
        let wanted = (0..).zip(&*outputs.list).filter(|(_, output)| output.eve.files.is_some());
        let charge = self.charge_flow(flow);
        for (index, output) in wanted {
            let mut text = Vec::new();
            let (cause, slot) =
                self.file_record(flow, (file, stored), card, (index, output, moment), charge, &mut text);
            self.batch.push(place, Record { output: index, class: Class::File, gate: None, cause }, |out, slots| {
                slots.extend(slot.map(|slot| Slot { at: out.len() + slot.at, ..slot }));
                out.append(&mut text);
            });
        }
        if is_stored {
            let (mut text, mut slot) = (Vec::new(), None);
            if let Some(output) = &outputs.beside_files {
                (_, slot) = self.file_record(flow, (file, stored), card, (BESIDE, output, moment), charge, &mut text);
            }
            self.batch.push_step(place, id, FileStep::Done(slot), &text);
        }
        self.shown_file(flow, file, is_stored, moment);
    }

    /// Hands the end of a file to the store; whether all of it went there.
    fn last_piece(&mut self, (flow, id): (u64, FileId), file: &mut File, moment: &Moment) -> bool {
        let place = moment.place(Some(flow));
        if let Some((at, bytes)) = file.take_piece() {
            self.batch.push_step(place, id, FileStep::Piece { at }, &bytes);
        }
        let step = match file.sha256().filter(|_| file.is_storing()) {
            Some(sha256) => FileStep::End { sha256: *sha256, bytes: file.handed_bytes(), time: moment.time },
            None => FileStep::GiveUp,
        };
        self.batch.push_step(place, id, step, &[]);
        matches!(step, FileStep::End { .. })
    }

    fn file_record(
        &mut self,
        flow: &Flow<Application>,
        (file, stored): (&File, Option<FileId>),
        card: &'static Protocol,
        (index, output, moment): (u16, &Output, &Moment),
        charge: Charge,
        out: &mut Vec<u8>,
    ) -> (Option<Cause>, Option<Slot>) {
        let outputs = Arc::clone(&self.outputs);
        let ends = Ends::of(&flow.key, file.direction);
        let mut header = flow_header(ends.header("fileinfo", moment), flow, output, &outputs, moment);
        let transaction = flow.app.transaction(file.transaction);
        let how = output.eve.files.as_ref().and_then(|files| files.forwarded.as_ref());
        let mut client = how.zip(transaction).and_then(|(how, open)| how.address(card, open));
        if how.is_some_and(|how| how.overwrite) && client.is_some() {
            *of_client(&mut header, file.direction) = client.take();
        }
        let shown = Shown { stored, forwarded: client };
        let cause = self.cause(index, &mut header, "fileinfo", charge, moment);
        let slot = fileinfo::write(out, &header, file, (card.name, shown), &mut self.clock, |o| {
            refer(&outputs, &flow.app, Some(file.transaction), o);
        });
        (cause, slot)
    }
}

/// What stands for an output where a record is put beside its file.
const BESIDE: u16 = u16::MAX;

/// The place of the client's address in a record about a direction.
pub(super) fn of_client<'h>(header: &'h mut Header<'_>, direction: Direction) -> &'h mut Option<std::net::IpAddr> {
    if direction == Direction::ToServer { &mut header.source } else { &mut header.destination }
}
