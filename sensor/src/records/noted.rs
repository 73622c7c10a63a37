//! Which captured packets are of which flows, for those who record packets.

use tapwire_parsers::link::{Layer4, Packet};
use tapwire_parsers::protocol::{Direction, ProtocolId};

use crate::flow::{Flow, Key};
use crate::inspect::Application;

/// A packet of a flow: a captured one, one that came in it, or one that it made whole.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    /// Number of the captured packet.
    pub number: u64,
    /// Id of the flow.
    pub flow: u64,
    /// The flow's ends.
    pub key: Key,
    /// The protocol that the flow is recognised to speak.
    pub protocol: Option<ProtocolId>,
    /// It is put together from pieces, of which the captured packet is the last.
    pub joined: u8,
    /// It is one of TCP without bytes.
    pub bare: bool,
    /// A pass rule ended the inspection of its flow.
    pub passed: bool,
    /// Its bytes are behind the depth to which the stream of its direction is inspected.
    pub deep: bool,
}

impl Noted {
    /// A packet of a flow in a direction.
    pub fn of(packet: &Packet<'_>, flow: &Flow<Application>, direction: Direction) -> Self {
        let is_tcp = matches!(packet.layer4, Layer4::Tcp(_));
        Self {
            number: packet.number,
            flow: flow.id,
            key: flow.key,
            protocol: flow.app.protocol,
            joined: packet.joined,
            bare: is_tcp && packet.payload.is_empty(),
            passed: flow.app.passed,
            deep: flow.tcp.as_ref().is_some_and(|tcp| tcp.stream(direction).depth_reached()),
        }
    }
}
