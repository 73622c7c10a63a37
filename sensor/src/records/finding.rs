//! What travels from the workers to the writer: where each finding belongs, its flow, and what it is.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use tapwire_parsers::link::Timestamp;
use tapwire_parsers::protocol::Direction;
use tapwire_signatures::lua::Shown;
use tapwire_signatures::state::shared::{Addition, Step};

use super::cause::Cause;
use super::class::Class;
use super::slot::Slot;
use super::subject::Subject;
use crate::inspect::silence::Quiet;

/// Where a finding belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the packet in the order of all.
    pub packet: u64,
    /// Of flows whose time is over before the packet is looked at: when it was, and where the flow began. [`Place::PACKET`] for
    /// what the packet itself brings.
    pub ended: (Timestamp, u64),
    /// The flow.
    pub flow: Option<u64>,
}

impl Place {
    /// Behind the ends of flows.
    pub const PACKET: (Timestamp, u64) = (Timestamp(u64::MAX), u64::MAX);
    /// Bits of a packet's place that tell apart what came in it.
    pub(crate) const WITHIN_BITS: u32 = 8;

    /// The number of the captured packet.
    pub fn number(&self) -> u64 {
        self.packet >> Self::WITHIN_BITS
    }
}

/// Something that a worker found. Its text and the slots of that are in its batch.
#[derive(Debug)]
pub struct Finding {
    /// Where it belongs; findings of one packet are in the order in which its worker made them.
    pub place: Place,
    /// What it is.
    pub what: What,
    pub(super) text: Range<usize>,
    pub(super) slots: Range<usize>,
}

/// What a finding is.
#[derive(Debug)]
pub enum What {
    /// A record for an output.
    Record(Record),
    /// A match that leaves no record, only traces in what flows share.
    Match(Box<AlertGate>),
    /// The end of a flow, of which the writer may remember something.
    FlowEnd,
    /// Values that scripts of rules add to sets; what comes behind sees them.
    Additions(Vec<Addition>),
    /// A packet, an alert, a transaction, a flow or something else that followers are shown.
    Shown(Box<Subject>),
    /// A packet that is recorded itself if an alert before it wants that.
    Tagged(Gate),
    /// A step of a file.
    File(FileId, FileStep),
    /// Certificates: the text is a chain of so many bytes, and what is known of it.
    Certificates {
        /// When they were seen.
        time: Timestamp,
        /// The direction in which they went: those of the server to the client.
        direction: Direction,
        /// Bytes of the chain.
        chain: usize,
    },
}

/// A record.
#[derive(Debug)]
pub struct Record {
    /// The output that it goes to.
    pub output: u16,
    /// Its kind.
    pub class: Class,
    /// What decides over it, if it is not written in any case.
    pub gate: Option<Gate>,
    /// What caused it, if that decides whether it is written or summed up.
    pub cause: Option<Cause>,
}

/// What decides over a record when those of all workers are in order.
#[derive(Clone, Debug)]
pub enum Gate {
    /// What flows share that a rule asks about, and its thresholds, which count over all flows.
    Alert(Box<AlertGate>),
    /// Alerts on its flow or hosts before it that want it recorded.
    Packet(Box<PacketGate>),
    /// It is the record of a flow, some of whose alerts were asked of the writer.
    Flow,
    /// It is that of a transaction of a flow, one of whose rules on records was asked of the writer.
    Transaction(Quiet),
}

/// What followers ask workers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Each packet, alert, flow, file, piece of a stream, or transaction of a protocol.
    Each(Shown),
    /// Files that rules or the configuration want stored.
    Files,
    /// Certificates that rules want stored.
    Certificates,
    /// Which captured packets are of which flows; they come with their batch.
    Packets,
    /// The packets that tags of rules want recorded.
    Tagged,
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
    /// All records of it are there; the text is one to be put beside it, with a slot, or nothing.
    Done(Option<Slot>),
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
    /// Its time.
    pub time: Timestamp,
    /// Its bytes.
    pub length: u32,
}

impl Finding {
    /// The match that is to be decided.
    pub fn alert(&self) -> Option<&AlertGate> {
        match &self.what {
            What::Match(gate) | What::Record(Record { gate: Some(Gate::Alert(gate)), .. }) => Some(gate),
            What::Shown(subject) => subject.gate(),
            _ => None,
        }
    }

    /// The record, if it is one.
    pub fn record(&self) -> Option<&Record> {
        if let What::Record(record) = &self.what { Some(record) } else { None }
    }

    /// What decides over the record.
    pub fn gate(&self) -> Option<&Gate> {
        match &self.what {
            What::Record(record) => record.gate.as_ref(),
            What::Tagged(gate) => Some(gate),
            _ => None,
        }
    }

    /// The flow that ends with it.
    pub fn ended_flow(&self) -> Option<u64> {
        let ends = matches!(self.what, What::FlowEnd) || matches!(self.gate(), Some(Gate::Flow));
        self.place.flow.filter(|_| ends)
    }

    /// What it is to followers.
    pub fn topic(&self) -> Option<Topic> {
        match &self.what {
            What::Shown(subject) => Some(Topic::Each(subject.kind)),
            What::File(..) => Some(Topic::Files),
            What::Certificates { .. } => Some(Topic::Certificates),
            What::Tagged(_) => Some(Topic::Tagged),
            _ => None,
        }
    }
}
