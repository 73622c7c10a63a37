//! What a parser is told with the bytes that it reads.

use std::net::{IpAddr, Ipv4Addr};

use super::Direction;
use crate::link::Timestamp;

/// Ordered bytes of one direction, or a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where they go.
    pub direction: Direction,
    /// The bytes, from the first one that the parser has not said it is done with.
    pub data: &'a [u8],
    /// How many bytes of their direction came before the first of them; 0 for messages.
    pub offset: u64,
    /// When the packet came that brought them.
    pub time: Timestamp,
    /// The ends of the flow.
    pub ends: Ends,
}

/// The ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ends {
    /// Addresses and ports.
    Ip(Sides<(IpAddr, u16)>),
    /// Ethernet addresses, of a flow without IP. Zeros where the capture has none.
    Link(Sides<Mac>),
}

/// An Ethernet address.
pub type Mac = [u8; 6];

/// An Ethernet address as records show it.
pub fn mac_text([a, b, c, d, e, f]: Mac) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The client and the server of a flow. Without IP the client is who sent the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sides<T> {
    /// The client.
    pub client: T,
    /// The server.
    pub server: T,
}

impl Ends {
    /// Those of a flow of which nothing is known.
    pub const UNKNOWN: Ends = Ends::Ip(Sides { client: NOWHERE, server: NOWHERE });

    /// Addresses and ports, where it has some.
    pub fn ip(self) -> Option<Sides<(IpAddr, u16)>> {
        if let Ends::Ip(sides) = self { Some(sides) } else { None }
    }

    /// Ethernet addresses, where it has nothing else.
    pub fn link(self) -> Option<Sides<Mac>> {
        if let Ends::Link(sides) = self { Some(sides) } else { None }
    }
}

impl<T> Sides<T> {
    /// Who sends in a direction, and who receives.
    pub fn in_direction(self, direction: Direction) -> (T, T) {
        match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        }
    }
}

const NOWHERE: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl<'a> Input<'a> {
    /// Bytes that come from nowhere, at no time.
    pub fn new(direction: Direction, data: &'a [u8]) -> Self {
        Self { direction, data, offset: 0, time: Timestamp(0), ends: Ends::UNKNOWN }
    }
}
