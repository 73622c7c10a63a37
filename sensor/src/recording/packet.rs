//! A packet on its way into a recording, and what takes it.

use std::time::Instant;

use smallvec::SmallVec;
use tapwire_parsers::link::Timestamp;

use super::filter::Filter;

/// What a packet is found by: the id of a flow, or [`of_alias`].
pub type Id = u64;

/// Flows have smaller ids.
const ALIAS: u64 = 1 << 63;

/// The id of packets that are of no flow that is known, by another name of theirs: the begin of their community id, or what pieces of
/// one datagram share.
pub fn of_alias(alias: u64) -> Id {
    alias | ALIAS
}

/// Whether it is the id of a flow.
pub fn is_flow(id: Id) -> bool {
    id & ALIAS == 0
}

/// A captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Its number in the run.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Link type as tcpdump numbers it.
    pub link_type: u32,
    /// The interface, from 0.
    pub interface: u16,
    /// The worker that it belongs to.
    pub shard: u16,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
}

/// What a packet belongs to: its id, and another name by which that is looked for, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belongs {
    /// The id.
    pub id: Id,
    /// The other name.
    pub alias: u64,
}

/// All that a packet belongs to.
pub type Owners = SmallVec<[Belongs; 1]>;

/// An alert that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alerted {
    /// Number of its packet.
    pub number: u64,
    /// When it was raised.
    pub time: Timestamp,
    /// The flow, if it is on one.
    pub flow: Option<Id>,
    /// Group of its rule.
    pub gid: u32,
    /// Id of its rule.
    pub sid: u32,
    /// Its rule wants packets behind it.
    pub tags: bool,
}

/// Takes a packet with its bytes and what it belongs to.
pub type TakePacket<'t> = dyn FnMut(&Captured, &[u8], &[Belongs]) + 't;

/// What takes the packets that were selected.
pub trait Sink: Send {
    /// A packet came that may be selected or not.
    fn seen(&mut self, _time: Timestamp) {}
    /// Takes a packet with its bytes.
    fn packet(&mut self, packet: &Captured, data: &[u8], owners: &[Belongs]);
    /// A flow has another name.
    fn relate(&mut self, _flow: Id, _alias: u64) {}
    /// An alert was decided; its packets come before and behind.
    fn alert(&mut self, _alert: &Alerted) {}
    /// Time has passed, where an interface is watched.
    fn tick(&mut self, _now: Instant) {}
    /// There is no more.
    fn end(&mut self);
    /// What it counted, by name.
    fn counts(&self) -> Vec<(&'static str, u64)>;
    /// What is to be told.
    fn take_news(&mut self) -> Vec<String>;
    /// Whether a packet is left out by its filter.
    fn filter(&mut self) -> Option<&mut Filter>;
}
