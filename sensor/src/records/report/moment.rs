//! When something was found, and where its record stands among all.

use std::net::IpAddr;

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::Mac;

use crate::decode::tunnels::Tunnel;
use crate::flow::Flow;
use crate::records::finding::Place;

/// Packets within one captured packet come in the order of their depth, and behind them what it made whole.
const DEPTH_BITS: u32 = 5;
const JOINED_BITS: u32 = 3;

/// Behind all packets.
const LAST: u64 = u64::MAX / 2;

const _: () = assert!(JOINED_BITS + DEPTH_BITS == Place::WITHIN_BITS);

fn place(number: u64, joined: u8, depth: u8) -> u64 {
    (number << JOINED_BITS | u64::from(joined)) << DEPTH_BITS | u64::from(depth)
}

/// When something was found, and where its record belongs in the order of all.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Packet time.
    pub time: Timestamp,
    /// Time of the packet that led to it. The end of the run leads to a flow's record as if it had been written when it began.
    pub now: Timestamp,
    /// Position among all records.
    pub order: u64,
    /// And among those of flows whose time was over before the packet there.
    ended: (Timestamp, u64),
    pub(super) packet_number: Option<u64>,
    pub(super) frame: Option<Frame>,
    pub(super) tunnel: Option<Tunnel>,
}

/// An Ethernet frame, and which end of a flow sent it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) source: Mac,
    pub(super) destination: Mac,
    pub(super) ether_type: u16,
    pub(super) from: Option<(IpAddr, u16)>,
}

impl Frame {
    fn of(packet: &Packet<'_>) -> Option<Self> {
        let from = packet.ip.as_ref().map(|ip| (ip.source, packet.ports().0));
        packet.ethernet.map(|e| Frame { source: e.source, destination: e.destination, ether_type: e.kind, from })
    }
}

impl Moment {
    /// That of a packet, which came in another one or not; with its frame where records show it.
    #[inline]
    pub(super) fn packet(packet: &Packet<'_>, tunnel: Option<Tunnel>, with_frame: bool) -> Self {
        let frame = if with_frame { Frame::of(packet) } else { None };
        let order = place(packet.number, packet.joined, packet.depth);
        let ended = Place::PACKET;
        Self { time: packet.time, now: packet.time, order, ended, packet_number: Some(packet.number), frame, tunnel }
    }

    /// That of the end of a flow whose time is over before the packet of a number, in the order in which flows began.
    pub fn timeout<A>(flow: &Flow<A>, number: u64, now: Timestamp) -> Self {
        let (joined, depth) = flow.first_place;
        let ended = (now, place(flow.first_packet, joined, depth));
        Self { ended, ..Self::flow_end(place(number, 0, 0), flow.end, now) }
    }

    /// That of a flow's end because the run ends: behind all packets, in the order in which flows began.
    pub fn shutdown<A>(flow: &Flow<A>) -> Self {
        let (joined, depth) = flow.first_place;
        let began = place(flow.first_packet, joined, depth);
        Self::flow_end(LAST.saturating_add(began), flow.end, flow.start)
    }

    /// That of a flow's end, which no packet tells; `now` is when it is told.
    pub fn flow_end(order: u64, time: Timestamp, now: Timestamp) -> Self {
        Self { time, now, order, ended: Place::PACKET, packet_number: None, frame: None, tunnel: None }
    }

    /// The number of its packet, and whether that is not the packet that led to it but the first of a flow that the run's end ends.
    pub(super) fn number(&self) -> (u64, bool) {
        let order = if self.is_last() { self.order - LAST } else { self.order };
        (order >> (DEPTH_BITS + JOINED_BITS), self.is_last())
    }

    /// Whether it is the end of the run that leads to it.
    pub(super) fn is_last(&self) -> bool {
        self.order >= LAST
    }

    /// That of something about another flow at the same place, which no packet tells.
    pub fn within(&self, time: Timestamp) -> Self {
        Self::flow_end(self.order, time, self.now)
    }

    /// Where what was found then belongs.
    pub(super) fn place(&self, flow: Option<u64>) -> Place {
        Place { packet: self.order, ended: self.ended, flow }
    }

    pub(super) fn source(&self) -> &'static str {
        match (&self.tunnel, self.packet_number) {
            (Some(tunnel), _) => tunnel.name,
            (None, Some(_)) => "wire/pcap",
            (None, None) => "stream (flow timeout)",
        }
    }
}
