//! What scripts of outputs are shown, as plain values that travel to the writer like records.

use std::fmt;
use std::ops::Range;

use tapwire_parsers::link::{Icmp, Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Direction, ProtocolId, Transaction};
use tapwire_signatures::lua::Shown;
use tapwire_signatures::rule::condition::{FlowView, TransactionView};

use crate::flow::key::Key;
use crate::flow::pseudo;

/// A packet, a transaction that is done with, or a flow that has ended.
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
    /// The transaction, and its id in the flow.
    transaction: Option<(u64, Box<dyn Transaction>)>,
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
        Some(Self { kind, number, time, key, payload, flow, transaction: None })
    }

    /// A flow that has ended.
    pub fn of_flow(key: &Key, flow: FlowView) -> Self {
        let time = flow.now;
        Self { kind: Shown::Flow, number: 0, time, key: *key, payload: 0..0, flow: Some(flow), transaction: None }
    }

    /// A transaction of a flow that is done with.
    pub fn of_transaction(
        (key, flow): (&Key, FlowView),
        protocol: ProtocolId,
        (id, transaction): (u64, Box<dyn Transaction>),
    ) -> Self {
        let (kind, transaction) = (Shown::Transaction(protocol), Some((id, transaction)));
        Self { kind, transaction, ..Self::of_flow(key, flow) }
    }

    /// The transaction, as scripts see it.
    pub fn transaction(&self) -> Option<TransactionView<'_>> {
        let Shown::Transaction(protocol) = self.kind else { return None };
        let (id, transaction) = self.transaction.as_ref()?;
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
