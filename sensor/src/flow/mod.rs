//! Headers to conversations, and conversations to ordered bytes.
//!
//! A [`Table`] belongs to one worker, which hands it every packet in turn; nothing here is shared but the memory
//! [`Budget`](crate::decode::memory::Budget), and the only clock is the packet's time. The table finds or begins the packet's [`Flow`], counts it, and
//! for TCP follows the connection and sorts its bytes. What the bytes mean is the caller's: it keeps its own state in
//! [`Flow::app`] and reads the [`stream::Stream`] of the direction that a packet acknowledged.

mod closing;
mod connection;
mod counts;
mod crowds;
pub mod ends;
mod eviction;
pub mod exceptions;
pub mod expected;
mod handshake;
pub mod key;
mod lists;
mod overlap;
mod parked;
pub mod pseudo;
pub mod stations;
mod store;
pub mod stream;
mod table;
mod tally;
pub mod tcp;
mod timeouts;
mod urgent;
mod weights;
mod worth;

use tapwire_parsers::link::{Packet, Timestamp, Vlans};
use tapwire_parsers::protocol::{Both, Direction, ProtocolId};
use tapwire_signatures::rule::condition::{FlowView, Layers};

pub use self::eviction::Evictions;
pub use self::key::{CommunityId, Key, community_id};
pub use self::overlap::Overlap;
pub use self::store::Store;
pub use self::table::{Arrival, Counters, Settings, Table};
pub use self::tcp::{TcpFlow, TcpState, TcpUpdate};
pub use self::timeouts::Timeouts;
pub use self::urgent::UrgentPolicy;
pub use self::worth::Worth;

use self::exceptions::{ExceptionPolicy, Followed};
use self::stations::Stations;
use self::stream::Stream;
use self::timeouts::Class;

/// Both directions of a conversation.
#[derive(Debug)]
pub struct Flow<A> {
    /// Its key as the client's packets have it.
    pub key: Key,
    /// Its identifier in records.
    pub id: u64,
    /// Number of its first packet in the capture.
    pub first_packet: u64,
    /// How often its first packet was put together, and in how many other packets it came.
    pub first_place: (u8, u8),
    /// The interface of its first packet.
    pub interface: u16,
    /// Time of its first packet.
    pub start: Timestamp,
    /// Time of its last packet.
    pub end: Timestamp,
    /// Packets of each direction.
    pub packets: Both<u64>,
    /// Bytes of each direction's packets, link headers included.
    pub bytes: Both<u64>,
    /// All TCP flags of each direction's packets.
    pub tcp_flags: Both<u8>,
    /// Smallest and largest time to live of each direction's packets.
    pub ttl: Both<TimeToLive>,
    /// A rule has alerted on it.
    pub alerted: bool,
    /// The writer was asked whether a rule alerts on it.
    pub alerts_asked: bool,
    rare: Option<Box<Rare>>,
    /// What is done with it because it cannot be inspected as it should be.
    pub followed: Followed,
    /// What ended its inspection before its end, if anything did.
    pub bypassed: Option<Bypass>,
    /// The connection, if its begin was seen.
    pub tcp: Option<Box<TcpFlow>>,
    /// What the caller keeps of it.
    pub app: A,
    /// It was ended because its memory was needed by others.
    pub emergency: bool,
    marks: Marks,
    hash: u64,
}

/// The smallest and largest time to live of packets.
#[derive(Clone, Copy, Debug)]
pub struct TimeToLive {
    low: u8,
    high: u8,
}

impl Default for TimeToLive {
    fn default() -> Self {
        Self { low: u8::MAX, high: 0 }
    }
}

impl TimeToLive {
    fn note(&mut self, ttl: u8) {
        *self = Self { low: self.low.min(ttl), high: self.high.max(ttl) };
    }

    /// Both, if there was a packet.
    pub fn range(self) -> Option<(u8, u8)> {
        (self.low <= self.high).then_some((self.low, self.high))
    }
}

/// Why nothing more is done with a flow than to count its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// A rule says so.
    Rule,
    /// The end of what is inspected of its streams: `stream.reassembly.depth` with `stream.bypass`.
    Depth,
    /// It is encrypted from there on: `encryption-handling: bypass`.
    Encrypted,
    /// It is large: `tapwire.bypass-bytes`.
    Bytes,
}

impl Bypass {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Depth => "depth",
            Self::Encrypted => "encrypted",
            Self::Bytes => "bytes",
        }
    }
}

/// What is noted of a flow, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
struct Marks(u8);

impl Marks {
    /// It speaks a protocol that is known.
    const RECOGNISED: u8 = 1;
    /// It is in the list of those that hold bytes behind holes.
    const HOLDS: u8 = 2;
    /// Client and server are the other way round than its first packet had it.
    const SWAPPED: u8 = 4;
    /// Its lists were looked at since its protocol is known.
    const LISTED: u8 = 8;
    /// The client sent what is no error about packets of the server.
    const ASKED: u8 = 16;
    /// And the server.
    const ANSWERED: u8 = 32;
    /// It was said that one side alone is seen.
    const ONE_SIDE: u8 = 64;
    /// The end of one of its packets was not captured.
    const TRUNCATED: u8 = 128;

    fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    fn set(&mut self, mark: u8, on: bool) {
        self.0 = if on { self.0 | mark } else { self.0 & !mark };
    }
}

/// What only some flows have.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// The VLANs of packets to the client, if they are others than those of its key.
    answer_vlans: Option<Vlans>,
    /// The VLANs of its first packet, where VLANs do not tell flows apart.
    first_vlans: Vlans,
    rate: Both<Rate>,
    /// The directions in which it was an elephant.
    elephant: Both<bool>,
    /// Type and code of the first ICMP packet to the client.
    icmp_answer: Option<(u8, u8)>,
    /// Where its packets came from on Ethernet, where that is asked for.
    stations: Stations,
}

/// When a flow is an elephant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elephant {
    /// Bytes of one direction.
    pub bytes: u64,
    /// In so many seconds.
    pub interval_s: u32,
}

impl Default for Elephant {
    fn default() -> Self {
        Self { bytes: 1 << 30, interval_s: 10 }
    }
}

/// What one direction carried in an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    begun: Timestamp,
    bytes: u64,
}

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// One direction only, or the TCP handshake is not complete.
    New,
    /// Both directions, or the handshake is complete.
    Established,
    /// TCP: both sides closed it, or one reset it.
    Closed,
    /// Nothing is done with it.
    Bypassed,
}

impl FlowState {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            FlowState::New => "new",
            FlowState::Established => "established",
            FlowState::Closed => "closed",
            FlowState::Bypassed => "bypassed",
        }
    }
}

/// Why a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// No packet came for the time that flows of its state are kept.
    Timeout,
    /// Its memory was needed.
    Forced,
    /// The program ended.
    Shutdown,
    /// A new TCP connection uses the same ports.
    TcpReuse,
}

impl EndReason {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            EndReason::Timeout => "timeout",
            EndReason::Forced => "forced",
            EndReason::Shutdown => "shutdown",
            EndReason::TcpReuse => "tcp_reuse",
        }
    }
}

/// Names of the TCP flags of records, in the order in which they stand there, with their bits.
pub const TCP_FLAG_NAMES: [(&str, u8); 8] =
    [("syn", 2), ("fin", 1), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];

impl<A> Flow<A> {
    /// The direction of a packet with the key `key`, which is this flow's or its reverse.
    fn direction_of(&self, key: &Key, packet: &Packet<'_>) -> Direction {
        let to_server = match key.protocol {
            // An error about a flow of another protocol goes to the client, but for one that the client itself sends.
            key::TCP | key::UDP | key::SCTP if packet.icmp().is_some() => {
                packet.ip.as_ref().is_some_and(|ip| self.key.source == ip.source.into())
            }
            key::TCP | key::UDP | key::SCTP | key::ICMP | key::ICMP_V6 | key::LINK => self.key == *key,
            // Without ports nothing tells who asks and who answers.
            _ => true,
        };
        if to_server { Direction::ToServer } else { Direction::ToClient }
    }

    /// How far it has come.
    pub fn state(&self) -> FlowState {
        match &self.tcp {
            _ if self.is_bypassed() => FlowState::Bypassed,
            Some(tcp) if tcp.state.is_over() => FlowState::Closed,
            Some(tcp) if tcp.state >= TcpState::Established => FlowState::Established,
            Some(_) => FlowState::New,
            None if self.key.protocol == key::TCP => FlowState::New,
            None if self.is_answered() => FlowState::Established,
            None => FlowState::New,
        }
    }

    /// Says whether it speaks a protocol that is known.
    pub fn set_recognised(&mut self, recognised: bool) {
        let mark = if recognised { Marks::RECOGNISED } else { Marks::RECOGNISED | Marks::LISTED };
        self.marks.set(mark, recognised);
    }

    /// Whether nothing is done with it any more.
    pub fn is_bypassed(&self) -> bool {
        self.bypassed.is_some() || self.followed.has(ExceptionPolicy::Bypass)
    }

    /// Whether an exception policy says that no rule is asked about it.
    pub fn is_passed(&self) -> bool {
        self.followed.has(ExceptionPolicy::PassFlow)
    }

    /// What `flow:established` asks.
    pub fn established(&self) -> bool {
        match &self.tcp {
            Some(tcp) => tcp.was_established,
            None => self.state() == FlowState::Established,
        }
    }

    /// Whether each of its packets is a message by itself.
    pub fn has_messages(&self) -> bool {
        matches!(self.key.protocol, key::UDP | key::LINK)
    }

    /// Whether both ends sent packets, other than errors about those of the other one.
    pub fn is_answered(&self) -> bool {
        self.marks.has(Marks::ASKED) && self.marks.has(Marks::ANSWERED)
    }

    /// Whether both ends said something: packets, and in a connection bytes.
    pub fn is_conversation(&self) -> bool {
        let said = |direction| self.tcp.as_ref().is_none_or(|tcp| tcp.stream(direction).length() > 0);
        self.is_answered() && Direction::BOTH.into_iter().all(said)
    }

    /// Seconds from its first to its last packet.
    pub fn age_s(&self) -> u64 {
        (self.end.0 / 1_000_000).saturating_sub(self.start.0 / 1_000_000)
    }

    /// The bytes of one direction, if it is a TCP connection and anything happened to them.
    pub fn stream_mut(&mut self, direction: Direction) -> Option<&mut Stream> {
        self.tcp.as_mut()?.touched_stream_mut(direction)
    }

    /// What rules may know of it at the time of a packet. The protocol is the caller's to say.
    pub fn view(&self, direction: Direction, now: Timestamp) -> FlowView {
        let length = |direction| {
            self.tcp.as_ref().map_or(0, |tcp| u32::try_from(tcp.stream(direction).length()).unwrap_or(u32::MAX))
        };
        FlowView {
            layers: Layers::default(),
            id: self.id,
            alerted: self.alerted,
            direction,
            established: self.established(),
            tcp_phase: self.tcp.as_ref().map(|tcp| tcp.state.phase()),
            protocol: None::<ProtocolId>,
            protocol_failed: false,
            sides: Both::default(),
            original: None,
            agreed: None,
            start: self.start,
            now,
            elephant: self.elephant(),
            packets: self.packets,
            bytes: self.bytes,
            stream_bytes: Both { to_server: length(Direction::ToServer), to_client: length(Direction::ToClient) },
        }
    }

    /// The directions in which it was an elephant.
    pub fn elephant(&self) -> Both<bool> {
        self.rare.as_ref().map_or_else(Both::default, |rare| rare.elephant)
    }

    /// Type and code of the first ICMP packet to the client.
    pub fn icmp_answer(&self) -> Option<(u8, u8)> {
        self.rare.as_ref()?.icmp_answer
    }

    /// The VLANs that it is in, or that its first packet was in where VLANs do not tell flows apart.
    pub fn vlans(&self) -> &Vlans {
        match &self.rare {
            Some(rare) if self.key.vlans.count == 0 => &rare.first_vlans,
            _ => &self.key.vlans,
        }
    }

    /// The VLANs of packets to the client, if they are others than those of its key.
    fn answer_vlans(&self) -> Option<Vlans> {
        self.rare.as_ref()?.answer_vlans
    }

    fn class(&self) -> Class {
        let state = self.state();
        let established = state == FlowState::Established;
        match self.key.protocol {
            _ if state == FlowState::Bypassed => Class::Bypassed,
            key::TCP if state == FlowState::Closed => Class::TcpClosed,
            key::TCP if established => self.established_class(),
            key::TCP => Class::TcpNew,
            key::UDP if established && self.marks.has(Marks::RECOGNISED) => Class::UdpKnown,
            key::UDP if established => Class::UdpEstablished,
            key::UDP => Class::UdpNew,
            key::ICMP | key::ICMP_V6 if established => Class::IcmpEstablished,
            key::ICMP | key::ICMP_V6 => Class::IcmpNew,
            _ if established => Class::OtherEstablished,
            _ => Class::OtherNew,
        }
    }

    fn established_class(&self) -> Class {
        let begun_inside = || self.tcp.as_ref().is_some_and(|tcp| tcp.midstream);
        let sent = |direction| self.tcp.as_ref().is_some_and(|tcp| tcp.stream(direction).length() > 0);
        match self.is_answered() {
            false if begun_inside() => Class::TcpOneSide,
            _ if self.marks.has(Marks::RECOGNISED) => Class::TcpKnown,
            _ if Direction::BOTH.into_iter().any(sent) => Class::TcpEstablished,
            _ => Class::TcpSilent,
        }
    }

    /// Whether bytes of its connection are missing, to server and to client.
    pub fn gaps(&self) -> [bool; 2] {
        let gap = |direction| self.tcp.as_ref().is_some_and(|tcp| tcp.stream(direction).gap_seen());
        Direction::BOTH.map(gap)
    }

    /// Whether the end of one of its packets was not captured.
    pub fn is_truncated(&self) -> bool {
        self.marks.has(Marks::TRUNCATED)
    }

    fn count(&mut self, packet: &Packet<'_>, direction: Direction) {
        *self.packets.of_mut(direction) += 1;
        *self.bytes.of_mut(direction) += packet.data.len() as u64;
        self.end = self.end.max(packet.time);
        // An error is no answer.
        if packet.icmp().is_none() || matches!(self.key.protocol, key::ICMP | key::ICMP_V6) {
            let said = if direction == Direction::ToServer { Marks::ASKED } else { Marks::ANSWERED };
            self.marks.set(said, true);
        }
        if let Some(ip) = &packet.ip {
            self.ttl.of_mut(direction).note(ip.ttl);
            if ip.missing > 0 {
                self.marks.set(Marks::TRUNCATED, true);
            }
        }
        if let Some(icmp) = packet.icmp()
            && direction == Direction::ToClient
        {
            self.rare.get_or_insert_default().icmp_answer.get_or_insert((icmp.kind, icmp.code));
        }
    }

    /// Measures how fast it is.
    fn measure(&mut self, packet: &Packet<'_>, direction: Direction, elephant: &Elephant) {
        let Rare { rate, elephant: is_elephant, .. } = &mut **self.rare.get_or_insert_default();
        let rate = rate.of_mut(direction);
        if packet.time.since(rate.begun) >= u64::from(elephant.interval_s) * 1_000_000 {
            *rate = Rate { begun: packet.time, bytes: 0 };
        }
        rate.bytes += packet.data.len() as u64;
        if rate.bytes >= elephant.bytes {
            *is_elephant.of_mut(direction) = true;
        }
    }

    /// Where its packets came from on Ethernet, where that is asked for and known.
    pub fn stations(&self) -> Option<&Stations> {
        self.rare.as_ref().map(|rare| &rare.stations).filter(|stations| !stations.clients().is_empty())
    }

    /// Notes where a packet came from on Ethernet.
    fn note_stations(&mut self, packet: &Packet<'_>, direction: Direction) {
        if packet.ethernet.is_some() {
            self.rare.get_or_insert_default().stations.note(packet, direction);
        }
    }

    /// The client and the server change places: what comes later shows that the first packet was the server's.
    pub fn swap(&mut self) {
        self.key = self.key.reverse();
        self.marks.set(Marks::SWAPPED, !self.marks.has(Marks::SWAPPED));
        std::mem::swap(&mut self.packets.to_server, &mut self.packets.to_client);
        std::mem::swap(&mut self.bytes.to_server, &mut self.bytes.to_client);
        std::mem::swap(&mut self.tcp_flags.to_server, &mut self.tcp_flags.to_client);
        let (asked, answered) = (self.marks.has(Marks::ASKED), self.marks.has(Marks::ANSWERED));
        self.marks.set(Marks::ASKED, answered);
        self.marks.set(Marks::ANSWERED, asked);
        std::mem::swap(&mut self.ttl.to_server, &mut self.ttl.to_client);
        if let Some(rare) = &mut self.rare {
            rare.stations.swap();
        }
        if let Some(tcp) = &mut self.tcp {
            tcp.swap();
        }
    }
}

#[cfg(test)]
mod tests;
