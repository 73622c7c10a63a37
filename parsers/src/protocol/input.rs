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

/// The ends of a flow: addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The client.
    pub client: (IpAddr, u16),
    /// The server.
    pub server: (IpAddr, u16),
}

impl Ends {
    /// Those of a flow of which nothing is known.
    pub const UNKNOWN: Ends =
        Ends { client: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), server: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0) };
}

impl<'a> Input<'a> {
    /// Bytes that come from nowhere, at no time.
    pub fn new(direction: Direction, data: &'a [u8]) -> Self {
        Self { direction, data, offset: 0, time: Timestamp(0), ends: Ends::UNKNOWN }
    }
}
