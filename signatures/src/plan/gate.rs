//! What most candidates fail at, in a few bytes for each rule: they go before anything else of their rules is touched.
//!
//! A rule lies in pieces all over the memory, and each piece that is not in a cache costs more than the answers here. A gate lets
//! through whatever the whole header might; the verifier asks all of it again.

use serde::{Deserialize, Serialize};
use tapwire_parsers::protocol::Direction;

use crate::rule::condition::PacketView;
use crate::rule::{Arrow, BitOperation, Ports, Rule};
use crate::state::flow::FlowState;

/// The gate of one rule.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// The lowest and highest port of each side.
    source: (u16, u16),
    destination: (u16, u16),
    /// A flowbit that must be set.
    bit: Option<u16>,
    /// Whether it must be that to the server.
    to_server: Option<bool>,
    established: Option<bool>,
    /// Whether the flow must have a protocol that is known.
    needs_protocol: bool,
}

/// What a gate says of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chance {
    /// It may hold.
    Open,
    /// It may once a flowbit is set.
    AtABit,
    /// It does not.
    None,
}

/// What gates are asked about, the same for all candidates of a look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    ports: (u16, u16),
    /// Direction, whether it is established, whether its protocol is known.
    flow: Option<(Direction, bool, bool)>,
}

impl Glance {
    /// At a packet and its flow.
    pub(crate) fn at(view: &PacketView<'_>) -> Self {
        let flow = view.flow.map(|flow| (flow.direction, flow.established, flow.protocol.is_some()));
        Self { ports: view.packet.ports(), flow }
    }
}

impl Gate {
    /// The gate of a rule.
    pub(super) fn of(rule: &Rule) -> Self {
        let span = |ports: &Ports| match (ports.0.first(), ports.0.last()) {
            (Some(first), Some(last)) if rule.arrow != Arrow::BothWays => (first.0, last.1),
            _ => (0, u16::MAX),
        };
        let bit = rule.flowbits.iter().find_map(|bits| match (bits.operation, bits.bits.as_slice()) {
            (BitOperation::IsSet, &[bit]) => Some(bit),
            _ => None,
        });
        Self {
            source: span(&rule.source.ports),
            destination: span(&rule.destination.ports),
            bit,
            to_server: rule.flow.direction.map(|wanted| wanted == Direction::ToServer),
            established: rule.flow.established,
            needs_protocol: rule.names_application() && !rule.protocol.is_on_frames(),
        }
    }

    /// Whether the rule may hold.
    #[inline]
    pub(crate) fn allows(&self, glance: &Glance, state: &FlowState) -> Chance {
        let within = |span: (u16, u16), port: u16| span.0 <= port && port <= span.1;
        let flow = match glance.flow {
            Some((direction, established, has_protocol)) => {
                self.to_server.is_none_or(|wanted| wanted == (direction == Direction::ToServer))
                    && self.established.is_none_or(|wanted| wanted == established)
                    && (has_protocol || !self.needs_protocol)
            }
            None => self.to_server.is_none() && self.established != Some(true) && !self.needs_protocol,
        };
        if !flow || !within(self.source, glance.ports.0) || !within(self.destination, glance.ports.1) {
            Chance::None
        } else if self.bit.is_none_or(|bit| state.isset(bit)) {
            Chance::Open
        } else {
            Chance::AtABit
        }
    }
}
