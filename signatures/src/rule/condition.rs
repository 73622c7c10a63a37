//! What conditions are asked about, and the shape of a condition. Each keyword implements its own.

use std::fmt::Debug;

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Both, Direction, Field, ProtocolId, Transaction, Value};

/// A packet and what is known of its flow.
#[derive(Clone, Copy)]
pub struct PacketView<'a> {
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Its flow, if it has one.
    pub flow: Option<&'a FlowView>,
    /// What was wrong with the packet in its stream (`stream.est_packet_out_of_window`).
    pub stream_anomalies: &'a [Anomaly],
    /// What came to light of its flow with it, outside transactions (`applayer_mismatch_protocol_both_directions`).
    pub flow_anomalies: &'a [Anomaly],
}

/// What conditions may know of a flow, at the time of a packet.
#[derive(Clone, Copy, Debug)]
pub struct FlowView {
    /// Its id in records.
    pub id: u64,
    /// It has alerts already.
    pub alerted: bool,
    /// The direction of the packet.
    pub direction: Direction,
    /// TCP: the handshake is complete; others: packets were seen in both directions.
    pub established: bool,
    /// How far a TCP connection has come.
    pub tcp_phase: Option<TcpPhase>,
    /// The recognised application protocol.
    pub protocol: Option<ProtocolId>,
    /// Recognition gave up.
    pub protocol_failed: bool,
    /// What the bytes of each direction were recognised as.
    pub sides: Both<SideProtocol>,
    /// The protocol before it changed.
    pub original: Option<ProtocolId>,
    /// The protocol that both sides agreed to change to, by name: it need not be one that is parsed.
    pub agreed: Option<&'static str>,
    /// The protocols inside the recognised one.
    pub layers: Layers,
    /// Time of its first packet.
    pub start: Timestamp,
    /// Time of the packet.
    pub now: Timestamp,
    /// The directions in which it has been an elephant.
    pub elephant: Both<bool>,
    /// Packets so far, this one included.
    pub packets: Both<u64>,
    /// Bytes so far, this packet's included.
    pub bytes: Both<u64>,
    /// Bytes of each direction's stream so far (for `stream_size`), from the sequence numbers.
    pub stream_bytes: Both<u32>,
}

impl FlowView {
    /// One of which nobody asks more than its direction.
    pub fn unasked(direction: Direction, now: Timestamp) -> Self {
        Self {
            id: 0,
            alerted: false,
            direction,
            established: false,
            tcp_phase: None,
            protocol: None,
            protocol_failed: false,
            sides: Both::default(),
            original: None,
            agreed: None,
            layers: Layers::default(),
            start: now,
            now,
            elephant: Both::default(),
            packets: Both::default(),
            bytes: Both::default(),
            stream_bytes: Both::default(),
        }
    }
}

/// Protocols inside that of a flow, the first few of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers([Option<ProtocolId>; 4]);

impl Layers {
    /// Those of a list, each once.
    pub fn of(protocols: impl Iterator<Item = ProtocolId>) -> Self {
        let mut all = Self::default();
        for id in protocols {
            if all.iter().any(|known| known == id) {
                continue;
            }
            match all.0.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(id),
                None => break,
            }
        }
        all
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = ProtocolId> {
        self.0.iter().flatten().copied()
    }
}

/// How far a TCP connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpPhase {
    /// The handshake is not complete.
    Setup,
    /// It is, and neither side has closed.
    Established,
    /// A side has closed it, or reset it.
    Closing,
}

/// What the bytes of a direction were recognised as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SideProtocol {
    /// Nothing yet.
    #[default]
    Open,
    /// No protocol.
    Failed,
    /// A protocol.
    Known(ProtocolId),
}

/// A condition on a packet.
pub trait PacketCondition: Debug + Send + Sync {
    /// Whether it holds.
    fn holds(&self, view: &PacketView<'_>) -> bool;

    /// Whether it can be asked of a flow's end, where there is no packet (`flow.*`): such rules are no packet rules.
    fn needs_packet(&self) -> bool {
        true
    }

    /// Whether it can be asked together with what a transaction has.
    fn suits_transactions(&self) -> bool {
        !self.needs_packet()
    }

    /// Whether it is about addresses alone, which stay the same over a flow.
    fn is_about_addresses(&self) -> bool {
        false
    }

    /// Whether it is about how far a stream has come: contents beside it are looked for in packets as well as in the stream.
    fn is_about_streams(&self) -> bool {
        false
    }

    /// Whether it can hold for packets of a protocol above IP.
    fn allows_protocol(&self, _number: u8) -> bool {
        true
    }

    /// Bytes of the longest payload with which it can hold, if it bounds that.
    fn longest_payload(&self) -> Option<u64> {
        None
    }

    /// Whether it is about what is wrong with a packet (`decode-event`, `stream-event`).
    fn is_anomaly(&self) -> bool {
        false
    }
}

/// A condition on a transaction that is not about a sticky buffer (`urilen`, `tls.version`, `modbus`, `dns.opcode`).
pub trait TransactionCondition: Debug + Send + Sync {
    /// Canonical name of the protocol whose transactions it understands.
    fn protocol(&self) -> &'static str;
    /// For each direction in which it can be decided: the progress from which on.
    fn from(&self) -> Both<Option<u8>>;
    /// Whether it holds.
    fn holds(&self, transaction: &dyn Transaction, direction: Direction) -> bool;
}

/// What is known of a file so far.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    /// Its number in the flow, from 1 on.
    pub number: u64,
    /// Its name.
    pub name: &'a [u8],
    /// Bytes that earlier transactions carried.
    pub begins: u64,
    /// Bytes so far.
    pub size: u64,
    /// What is in it, where that is wanted and any of it came.
    pub contents: Option<Contents<'a>>,
    /// What it looks like, where that is wanted.
    pub kind: Option<&'a dyn FileKind>,
    /// Nothing more will come.
    pub closed: bool,
    /// All of it came.
    pub complete: bool,
    /// Hashes, when it is closed and complete and a rule or the configuration asked for them.
    pub md5: Option<&'a [u8; 16]>,
    /// SHA-1.
    pub sha1: Option<&'a [u8; 20]>,
    /// SHA-256.
    pub sha256: Option<&'a [u8; 32]>,
}

/// What is kept of the contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents<'a> {
    /// The bytes that are kept.
    pub data: &'a [u8],
    /// Place of the first of them in the file.
    pub offset: u64,
}

/// What a file looks like, which is found out when a rule first asks.
pub trait FileKind: Debug {
    /// Its description in words, once enough of it is there.
    fn describe(&self) -> Option<&str>;
}

/// A transaction and what surrounds it.
#[derive(Clone, Copy)]
pub struct TransactionView<'a> {
    /// Its protocol.
    pub protocol: ProtocolId,
    /// Its id in the flow.
    pub id: u64,
    /// The transaction.
    pub transaction: &'a dyn Transaction,
    /// The direction that is inspected.
    pub direction: Direction,
    /// Files that travel in it in this direction.
    pub files: &'a [FileView<'a>],
    /// Files that travel in it in the other direction.
    pub other_files: &'a [FileView<'a>],
    /// Raw bytes of this direction that are inspected with it: a chunk of the stream, or the datagram.
    pub raw: &'a [u8],
    /// Anomalies of the flow that are new.
    pub flow_anomalies: &'a [Anomaly],
}

impl<'a> TransactionView<'a> {
    /// An instance of a field in a direction. What is in files belongs to the files, whatever protocol carries them.
    pub fn value(&self, field: &Field, direction: Direction, index: usize) -> Option<Value<'a>> {
        if !field.is_contents() {
            return (field.read)(self.transaction.as_any(), direction, index);
        }
        let files = if direction == self.direction { self.files } else { self.other_files };
        files.iter().filter_map(FileView::value).nth(index)
    }
}

impl<'a> FileView<'a> {
    /// What is in it, as far as it came and is kept.
    pub fn value(&self) -> Option<Value<'a>> {
        let Contents { data, offset } = self.contents?;
        Some(Value::Stream { data, offset, complete: self.closed })
    }
}

/// The answer of a condition on something that still grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds and will hold.
    Yes,
    /// It cannot hold any more.
    No,
    /// It may hold later.
    NotYet,
}

/// A condition on a file (`filesize`, `filemd5`, `fileext`).
pub trait FileCondition: Debug + Send + Sync {
    /// Whether it holds.
    fn holds(&self, file: &FileView<'_>) -> Verdict;
    /// The direction of the files that it is about, where a rule on both directions names one.
    fn direction(&self) -> Option<Direction> {
        None
    }
    /// Which hashes it needs: MD5, SHA-1, SHA-256.
    fn hashes(&self) -> [bool; 3] {
        [false; 3]
    }
}
