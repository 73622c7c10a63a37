//! What travels from the workers to the writer: text of records, and the order in which they belong.

use std::net::IpAddr;
use std::sync::Arc;

use tapwire_parsers::link::Timestamp;
use tapwire_signatures::state::shared::{Addition, Step};

use super::cause::Cause;
use super::cut::cut;
use super::subject::Subject;
use crate::inspect::Engine;
use crate::inspect::silence::Quiet;

/// Kinds of records that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Alerts.
    Alert,
    /// Anomalies.
    Anomaly,
    /// Transactions.
    Transaction,
    /// Files.
    File,
    /// Flows.
    Flow,
    /// Packets.
    Packet,
    /// What the sensor says of itself, which is in no books.
    Sensor,
}

impl Class {
    /// Those that are in the books, with their names in counters.
    pub const BOOKED: [(Self, &'static str); 6] = [
        (Self::Alert, "alert"),
        (Self::Anomaly, "anomaly"),
        (Self::Transaction, "transaction"),
        (Self::File, "file"),
        (Self::Flow, "flow"),
        (Self::Packet, "packet"),
    ];
}

/// What decides over a record when those of all workers are in order.
#[derive(Debug)]
pub enum Gate {
    /// What flows share that a rule asks about, and its thresholds, which count over all flows.
    Alert(AlertGate),
    /// Alerts on its flow or hosts before it that want it recorded.
    Packet(PacketGate),
    /// The record of a flow, some of whose alerts were asked of the writer.
    Flow(u64),
    /// The record of a transaction of a flow, one of whose rules on records was asked of the writer.
    Transaction {
        /// The flow.
        flow: u64,
        /// The transaction.
        quiet: Quiet,
    },
    /// Values that scripts of rules add to sets; what comes behind sees them.
    Sets(Vec<Addition>),
    /// Scripts: they are shown what it is, in the order of records.
    Script(Subject),
    /// The store of files.
    File(FileId, FileStep),
    /// The store of certificates: the text is a chain of so many bytes, and what is known of it.
    Certificates {
        /// When it was seen.
        time: Timestamp,
        /// Bytes of the chain.
        chain: usize,
    },
}

/// A file among those of all flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Its flow.
    pub flow: u64,
    /// Its number in the flow.
    pub number: u32,
}

/// What comes to the store of files.
#[derive(Clone, Copy, Debug)]
pub enum FileStep {
    /// Bytes that belong at a place of it.
    Piece {
        /// The place.
        at: u64,
    },
    /// It has ended, and all its bytes came before.
    End {
        /// By what it is named.
        sha256: [u8; 32],
        /// How many bytes came.
        bytes: u64,
        /// When that was.
        time: Timestamp,
    },
    /// It will not be stored.
    GiveUp,
    /// A record of it.
    Record,
    /// All records of it are there; the text is one to be put beside it, or nothing.
    Done,
}

/// What is asked of an alert.
#[derive(Clone, Debug)]
pub struct AlertGate {
    /// The rule's place in the plan.
    pub rule: u32,
    /// The packet's source.
    pub source: IpAddr,
    /// The packet's destination.
    pub destination: IpAddr,
    /// The packet's ports.
    pub ports: (u16, u16),
    /// The flow.
    pub flow: Option<u64>,
    /// The packet's time.
    pub time: Timestamp,
    /// The same for all records of one alert.
    pub group: u32,
    /// What is left to decide of its rule.
    pub steps: Arc<[Step]>,
    /// What its rule says of records is the writer's to follow: on this transaction.
    pub silence: Option<Option<Quiet>>,
}

/// A packet that is recorded if a rule's `tag` wants it.
#[derive(Clone, Copy, Debug)]
pub struct PacketGate {
    /// Whose it is: the number of a tenant, 0 for nobody.
    pub tenant: u32,
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// Its flow.
    pub flow: Option<u64>,
    /// Its time.
    pub time: Timestamp,
    /// Its bytes.
    pub length: u32,
}

/// A record in a batch.
#[derive(Debug)]
pub struct Entry {
    /// Number of the packet that it belongs to.
    pub packet: u64,
    /// Position among the records of that packet.
    pub ordinal: u32,
    /// The output that it goes to.
    pub output: u16,
    /// Its kind.
    pub class: Class,
    /// What decides over it, if it is not written in any case.
    pub gate: Option<Box<Gate>>,
    /// What caused it, if that decides whether it is written or summed up.
    pub cause: Option<Cause>,
    start: usize,
    end: usize,
}

impl Entry {
    /// The output of what leaves no record.
    pub const NO_OUTPUT: u16 = u16::MAX;
}

/// The records of one worker for one batch of packets.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// Position of the batch of packets in the run.
    pub sequence: u64,
    /// The rules that its alerts are of.
    pub engine: Option<Arc<Engine>>,
    /// The records, in the order in which they were made.
    pub entries: Vec<Entry>,
    /// Bytes of a record beyond which it is cut, 0 for any number.
    pub record_bytes: usize,
    /// Records that were cut.
    pub cut: u64,
    text: Vec<u8>,
}

/// Room that is made beforehand at most.
const ROOM_BYTES: usize = 256 << 10;
const ROOM_ENTRIES: usize = 1024;

impl RecordBatch {
    /// An empty one with room for as much as this one has, for the next will have about as much.
    pub fn alike(&self) -> Self {
        Self {
            entries: Vec::with_capacity(self.entries.len().min(ROOM_ENTRIES)),
            text: Vec::with_capacity(self.text.len().min(ROOM_BYTES)),
            record_bytes: self.record_bytes,
            ..Self::default()
        }
    }

    /// Appends a decision that leaves no record, only traces in what flows share.
    pub fn push_silent(&mut self, packet: u64, gate: AlertGate) {
        self.push_entry(packet, Entry::NO_OUTPUT, Class::Alert, Some(Gate::Alert(gate)), self.text.len());
    }

    /// Appends the end of a flow of which the writer remembers something.
    pub fn push_flow_end(&mut self, packet: u64, flow: u64) {
        self.push_entry(packet, Entry::NO_OUTPUT, Class::Flow, Some(Gate::Flow(flow)), self.text.len());
    }

    /// Appends a record that `fill` writes; nothing if it wrote nothing.
    pub fn push(
        &mut self,
        packet: u64,
        output: u16,
        class: Class,
        (gate, cause): (Option<Gate>, Option<Cause>),
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.text.len();
        fill(&mut self.text);
        if self.text.len() > start {
            let is_long = self.record_bytes > 0 && self.text.len() - start > self.record_bytes;
            // What has no cause is no JSON.
            if is_long && cause.is_some() {
                let shorter = cut(self.text.get(start..).unwrap_or_default(), self.record_bytes);
                self.text.truncate(start);
                self.text.extend_from_slice(&shorter);
                self.cut += 1;
            }
            self.push_entry(packet, output, class, gate, start);
            if let Some(entry) = self.entries.last_mut() {
                entry.cause = cause;
            }
        }
    }

    /// Appends what scripts of rules add to sets.
    pub fn push_additions(&mut self, packet: u64, additions: Vec<Addition>) {
        self.push_entry(packet, Entry::NO_OUTPUT, Class::Alert, Some(Gate::Sets(additions)), self.text.len());
    }

    /// Appends what scripts are shown, with its bytes.
    pub fn push_shown(&mut self, packet: u64, subject: Subject, data: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(data);
        self.push_entry(packet, Entry::NO_OUTPUT, Class::Packet, Some(Gate::Script(subject)), start);
    }

    /// Appends a step of a file that is stored, with its bytes.
    pub fn push_step(&mut self, packet: u64, file: FileId, step: FileStep, data: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(data);
        self.push_entry(packet, Entry::NO_OUTPUT, Class::File, Some(Gate::File(file, step)), start);
    }

    /// Appends certificates that are stored: their chain, and what is known of it.
    pub fn push_certificates(&mut self, packet: u64, time: Timestamp, chain: &[u8], about: &[u8]) {
        let (start, gate) = (self.text.len(), Gate::Certificates { time, chain: chain.len() });
        self.text.extend_from_slice(chain);
        self.text.extend_from_slice(about);
        self.push_entry(packet, Entry::NO_OUTPUT, Class::Transaction, Some(gate), start);
    }

    fn push_entry(&mut self, packet: u64, output: u16, class: Class, gate: Option<Gate>, start: usize) {
        let (end, ordinal) = (self.text.len(), u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.push(Entry { packet, ordinal, output, class, gate: gate.map(Box::new), cause: None, start, end });
    }

    /// Bytes of the text of all records.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The text of a record.
    pub fn text(&self, entry: &Entry) -> &[u8] {
        self.text.get(entry.start..entry.end).unwrap_or(&[])
    }
}

/// The records of several workers in one order: by packet, then as each worker made them.
pub fn merged(batches: &[RecordBatch]) -> Vec<(&RecordBatch, &Entry)> {
    let mut all: Vec<_> =
        batches.iter().flat_map(|batch| batch.entries.iter().map(move |entry| (batch, entry))).collect();
    // A packet belongs to one worker, so that the order within a packet is that worker's.
    all.sort_by_key(|(_, entry)| (entry.packet, entry.ordinal));
    all
}
