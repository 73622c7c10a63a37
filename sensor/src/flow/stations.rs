//! The Ethernet addresses that the packets of a flow came from and went to: more than one a side where several ways lead to it.

use smallvec::SmallVec;
use tapwire_parsers::link::Packet;
use tapwire_parsers::protocol::{Direction, Mac};

/// Addresses of a side that are kept.
const LIMIT: usize = 10;

/// The stations of a flow, in the order in which they were seen.
#[derive(Clone, Debug, Default)]
pub struct Stations {
    clients: SmallVec<[Mac; 1]>,
    servers: SmallVec<[Mac; 1]>,
}

impl Stations {
    /// Those that stand for the client.
    pub fn clients(&self) -> &[Mac] {
        &self.clients
    }

    /// Those that stand for the server.
    pub fn servers(&self) -> &[Mac] {
        &self.servers
    }

    /// The first ones: where packets of a direction come from, and where they go to.
    pub fn first(&self, direction: Direction) -> Option<(Mac, Mac)> {
        let (client, server) = (*self.clients.first()?, *self.servers.first()?);
        Some(if direction == Direction::ToServer { (client, server) } else { (server, client) })
    }

    /// Takes note of a packet of the flow.
    pub(super) fn note(&mut self, packet: &Packet<'_>, direction: Direction) {
        let Some(frame) = &packet.ethernet else { return };
        let (from, to) = match direction {
            Direction::ToServer => (&mut self.clients, &mut self.servers),
            Direction::ToClient => (&mut self.servers, &mut self.clients),
        };
        for (known, mac) in [(from, frame.source), (to, frame.destination)] {
            if !known.contains(&mac) && known.len() < LIMIT {
                known.push(mac);
            }
        }
    }

    /// Client and server change places.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.clients, &mut self.servers);
    }
}
