//! What scripts of outputs are shown, as plain values that travel to the writer like records.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tapwire_parsers::link::{Icmp, Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Direction, ProtocolId, Transaction};
use tapwire_signatures::lua::{FileShown, Piece, Shown};
use tapwire_signatures::rule::condition::{FlowView, TransactionView};
use tapwire_signatures::rule::entry::Entry;

use super::finding::AlertGate;
use crate::flow::key::Key;
use crate::flow::pseudo;
use crate::inspect::files::File;
use crate::inspect::id_within;

/// A packet, an alert on one, a transaction that is done with, a file, a piece of a stream, or a flow that has ended.
pub struct Subject {
    /// Which of them.
    pub kind: Shown,
    /// Number of the packet in the capture.
    pub number: u64,
    /// Its time.
    pub time: Timestamp,
    /// Its ends.
    pub key: Key,
    /// Where its payload is in its bytes, which are the text of the record.
    pub payload: Range<usize>,
    /// The flow.
    pub flow: Option<FlowView>,
    /// What there is of it beside that.
    more: More,
}

/// What there is of a subject beside its flow.
enum More {
    Nothing,
    /// The rule of an alert, and what decides over that.
    Alert(Arc<Entry>, Option<Box<AlertGate>>),
    /// A transaction, and its id in the flow.
    Transaction(u64, Box<dyn Transaction>),
    File(Box<KeptFile>),
    /// A piece of a stream or of a body: whether it opens and closes that, and where it goes.
    Piece {
        opens: bool,
        closes: bool,
        direction: Direction,
    },
}

/// What is known of a file that has ended.
struct KeptFile {
    number: u64,
    transaction: u64,
    name: Box<[u8]>,
    size: u64,
    magic: Option<Box<str>>,
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
    state: &'static str,
    stored: bool,
}

impl Subject {
    /// A packet and its flow, if it has an IP header.
    pub fn of_packet(packet: &Packet<'_>, flow: Option<FlowView>) -> Option<Self> {
        let ip = packet.ip.as_ref()?;
        // Pieces of datagrams have no key: no ports are known of them.
        let key = Key::of(packet, true, false, packet.depth).unwrap_or(Key {
            source: ip.source.into(),
            destination: ip.destination.into(),
            source_port: 0,
            destination_port: 0,
            protocol: ip.protocol,
            tunnel_depth: packet.depth,
            vlans: packet.vlans,
            interface: packet.interface,
            tenant: packet.tenant.into(),
        });
        let begin = packet.payload.as_ptr().addr().saturating_sub(packet.data.as_ptr().addr());
        let payload = begin..begin.saturating_add(packet.payload.len());
        let (kind, number, time) = (Shown::Packet, packet.number, packet.time);
        Some(Self { kind, number, time, key, payload, flow, more: More::Nothing })
    }

    /// A flow that has ended.
    pub fn of_flow(key: &Key, flow: FlowView) -> Self {
        let time = flow.now;
        Self { kind: Shown::Flow, number: 0, time, key: *key, payload: 0..0, flow: Some(flow), more: More::Nothing }
    }

    /// An alert of a rule on a packet, and what decides over it.
    pub fn alert(self, rule: &Arc<Entry>, gate: Option<Box<AlertGate>>) -> Self {
        Self { kind: Shown::Alert, more: More::Alert(Arc::clone(rule), gate), ..self }
    }

    /// A file of a flow that has ended.
    pub fn of_file((key, flow): (&Key, FlowView), file: &File, stored: bool) -> Self {
        let kept = KeptFile {
            number: file.number.into(),
            transaction: id_within(file.transaction),
            name: file.name.as_slice().into(),
            size: file.size,
            magic: file.magic().map(Box::from),
            md5: file.md5().copied(),
            sha1: file.sha1().copied(),
            sha256: file.sha256().copied(),
            state: file.state(),
            stored,
        };
        Self { kind: Shown::File, more: More::File(Box::new(kept)), ..Self::of_flow(key, flow) }
    }

    /// A piece of a stream, or with a protocol of a body; its bytes are the text.
    pub fn of_piece((key, flow): (&Key, FlowView), body: Option<ProtocolId>, piece: Piece<'_>) -> Self {
        let Piece { opens, closes, direction, .. } = piece;
        let kind = body.map_or(Shown::Stream, Shown::Body);
        Self { kind, more: More::Piece { opens, closes, direction }, ..Self::of_flow(key, flow) }
    }

    /// A transaction of a flow that is done with.
    pub fn of_transaction(
        (key, flow): (&Key, FlowView),
        protocol: ProtocolId,
        (id, transaction): (u64, Box<dyn Transaction>),
    ) -> Self {
        let (kind, more) = (Shown::Transaction(protocol), More::Transaction(id, transaction));
        Self { kind, more, ..Self::of_flow(key, flow) }
    }

    /// The transaction, as scripts see it.
    pub fn transaction(&self) -> Option<TransactionView<'_>> {
        let (Shown::Transaction(protocol), More::Transaction(id, transaction)) = (self.kind, &self.more) else {
            return None;
        };
        Some(TransactionView {
            protocol,
            id: *id,
            transaction: &**transaction,
            direction: transaction.only_direction().unwrap_or(Direction::ToServer),
            files: &[],
            other_files: &[],
            raw: &[],
            flow_anomalies: &[],
        })
    }

    /// The rule of an alert.
    pub fn rule(&self) -> Option<&Entry> {
        if let More::Alert(rule, _) = &self.more { Some(rule) } else { None }
    }

    /// What decides whether the alert is one.
    pub fn gate(&self) -> Option<&AlertGate> {
        if let More::Alert(_, gate) = &self.more { gate.as_deref() } else { None }
    }

    /// The file, as scripts see it.
    pub fn file(&self) -> Option<FileShown<'_>> {
        let More::File(file) = &self.more else { return None };
        Some(FileShown {
            number: file.number,
            transaction: file.transaction,
            name: &file.name,
            size: file.size,
            magic: file.magic.as_deref(),
            md5: file.md5.as_ref(),
            sha1: file.sha1.as_ref(),
            sha256: file.sha256.as_ref(),
            state: file.state,
            stored: Some(file.stored),
        })
    }

    /// The piece, as scripts see it. `data` are its bytes.
    pub fn piece<'a>(&self, data: &'a [u8]) -> Option<Piece<'a>> {
        let More::Piece { opens, closes, direction } = self.more else { return None };
        Some(Piece { data, opens, closes, direction })
    }

    /// The packet, or one that stands for the flow. `data` are its bytes.
    pub fn packet<'a>(&self, data: &'a [u8]) -> Packet<'a> {
        let mut packet: Packet<'a> = pseudo::packet(&self.key, self.time);
        (packet.number, packet.data) = (self.number, data);
        packet.payload = data.get(self.payload.clone()).unwrap_or(&[]);
        if let Some((kind, code)) = self.key.icmp() {
            packet.layer4 = Layer4::Icmp(Icmp { kind, code, id: None, sequence: None, header: &[], checksum_ok: true });
        }
        packet
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?} {:?})", self.kind, self.key)
    }
}
