//! The findings of one worker for one batch of packets, with their text.

use std::sync::Arc;

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;
use tapwire_signatures::state::shared::Addition;

use super::class::Tally;
use super::cut::cut;
use super::finding::{AlertGate, FileId, FileStep, Finding, Gate, PacketGate, Place, Record, What};
use super::noted::Noted;
use super::slot::Slot;
use super::subject::Subject;
use crate::inspect::Engine;

/// The findings of one worker for one batch of packets.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// Position of the batch of packets in the run.
    pub sequence: u64,
    /// The worker.
    pub worker: u16,
    /// When the first of the packets came; nothing where there was none.
    pub began: Option<Timestamp>,
    /// The rules that its alerts are of.
    pub engine: Option<Arc<Engine>>,
    /// The findings, in the order in which they were made.
    pub findings: Vec<Finding>,
    /// Bytes of a record beyond which it is cut, 0 for any number.
    pub record_bytes: usize,
    /// Records that the worker has made so far, in all batches up to this one.
    pub made: Tally,
    /// Records that were cut.
    pub cut: u64,
    /// Which captured packets are of which flows, where somebody records packets.
    pub packets: Vec<Noted>,
    text: Vec<u8>,
    /// The slots of all records, counted from where each begins.
    slots: Vec<Slot>,
}

/// Room that is made beforehand at most.
const ROOM_BYTES: usize = 256 << 10;
const ROOM_ENTRIES: usize = 1024;

impl RecordBatch {
    /// An empty one of a worker that cuts records beyond so many bytes.
    pub fn new(worker: u16, record_bytes: usize) -> Self {
        Self { worker, record_bytes, ..Self::default() }
    }

    /// The next one, with room for as much as this one has, for it will have about as much.
    pub fn next(&self) -> Self {
        Self {
            findings: Vec::with_capacity(self.findings.len().min(ROOM_ENTRIES)),
            text: Vec::with_capacity(self.text.len().min(ROOM_BYTES)),
            packets: Vec::with_capacity(self.packets.len().min(ROOM_ENTRIES)),
            made: self.made,
            ..Self::new(self.worker, self.record_bytes)
        }
    }

    /// Appends a match that leaves no record.
    pub fn push_match(&mut self, place: Place, gate: AlertGate) {
        self.push_finding(place, What::Match(Box::new(gate)), &[]);
    }

    /// Appends the end of a flow of which the writer remembers something.
    pub fn push_flow_end(&mut self, place: Place) {
        self.push_finding(place, What::FlowEnd, &[]);
    }

    /// Appends a record that `fill` writes, with its slots by their places in the text so far; nothing if it wrote nothing.
    pub fn push(&mut self, place: Place, record: Record, fill: impl FnOnce(&mut Vec<u8>, &mut Vec<Slot>)) {
        let (start, first) = (self.text.len(), self.slots.len());
        fill(&mut self.text, &mut self.slots);
        if self.text.len() == start {
            return;
        }
        self.slots.iter_mut().skip(first).for_each(|slot| slot.at = slot.at.saturating_sub(start));
        let is_long = self.record_bytes > 0 && self.text.len() - start > self.record_bytes;
        // What has no cause is no JSON.
        if is_long && record.cause.is_some() {
            let mut slots = self.slots.split_off(first);
            let shorter = cut(self.text.get(start..).unwrap_or_default(), self.record_bytes, &mut slots);
            self.slots.append(&mut slots);
            self.text.truncate(start);
            self.text.extend_from_slice(&shorter);
            self.cut += 1;
        }
        self.made.add(record.class);
        let (text, slots) = (start..self.text.len(), first..self.slots.len());
        self.findings.push(Finding { place, what: What::Record(record), text, slots });
    }

    /// Appends what scripts of rules add to sets.
    pub fn push_additions(&mut self, place: Place, additions: Vec<Addition>) {
        self.push_finding(place, What::Additions(additions), &[]);
    }

    /// Appends a packet that somebody records if a rule's `tag` wants it.
    pub fn push_tagged(&mut self, place: Place, gate: PacketGate) {
        self.push_finding(place, What::Tagged(Gate::Packet(Box::new(gate))), &[]);
    }

    /// Appends what followers are shown, with its bytes.
    pub fn push_shown(&mut self, place: Place, subject: Subject, data: &[u8]) {
        self.push_finding(place, What::Shown(Box::new(subject)), data);
    }

    /// Appends a step of a file that is stored, with its bytes.
    pub fn push_step(&mut self, place: Place, file: FileId, step: FileStep, data: &[u8]) {
        self.push_finding(place, What::File(file, step), data);
    }

    /// Appends certificates that are stored: their chain, when and in which direction it was seen, and what is known of it.
    pub fn push_certificates(
        &mut self,
        place: Place,
        (time, direction): (Timestamp, Direction),
        chain: &[u8],
        about: &[u8],
    ) {
        let start = self.text.len();
        self.push_finding(place, What::Certificates { time, direction, chain: chain.len() }, chain);
        self.text.extend_from_slice(about);
        if let Some(finding) = self.findings.last_mut() {
            finding.text = start..self.text.len();
        }
    }

    fn push_finding(&mut self, place: Place, what: What, data: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(data);
        self.findings.push(Finding { place, what, text: start..self.text.len(), slots: 0..0 });
    }

    /// Bytes of all text.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The text of a finding.
    pub fn text(&self, finding: &Finding) -> &[u8] {
        self.text.get(finding.text.clone()).unwrap_or(&[])
    }

    /// The slots in the text of a record, counted from its begin.
    pub fn slots(&self, finding: &Finding) -> &[Slot] {
        self.slots.get(finding.slots.clone()).unwrap_or(&[])
    }
}
