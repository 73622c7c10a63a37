//! Which protocol a flow speaks, from the first bytes of each direction.
//!
//! Without IP the Ethernet type says it, and the probe confirms it. Patterns are tried on any port and confirmed by the protocol's probe; then the probes of the protocols that are at home on
//! the server's port. A direction that nobody can claim any more has failed; the first direction that is claimed binds the flow.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Carrier, Direction, Ends, Pattern, Probe, Protocol, ProtocolId, Usual};

/// The protocols that are switched on, with their ports.
#[derive(Default)]
pub struct Recogniser {
    protocols: Vec<Known>,
}

struct Known {
    id: ProtocolId,
    card: &'static Protocol,
    carrier: Carrier,
    ports: Vec<(u16, u16)>,
}

/// What is known of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recognition {
    /// More bytes are needed.
    #[default]
    Open,
    /// It speaks this protocol; `true` where client and server are the other way round.
    Found(ProtocolId, bool),
    /// No protocol claims it.
    Failed,
}

/// Bytes after which a direction that only has unsure answers is given up.
const UNSURE_LIMIT_BYTES: usize = 32 << 10;

impl Recogniser {
    /// Adds a protocol on a carrier, with the server ports on which it is probed for.
    pub fn add(&mut self, id: ProtocolId, carrier: Carrier, ports: Vec<(u16, u16)>) {
        self.protocols.push(Known { id, card: tapwire_parsers::protocol(id), carrier, ports });
    }

    /// Everything that is on by default, on its usual ports.
    pub fn with_defaults() -> Self {
        let mut all = Self::default();
        for (id, card) in (0..).map(ProtocolId).zip(REGISTRY.iter()).filter(|(_, card)| card.parsed == Usual::Always) {
            for &carrier in card.carriers {
                all.add(id, carrier, card.ports.iter().map(|&p| (p, p)).collect());
            }
        }
        all
    }

    /// Looks at the first bytes of a direction, all that came so far. `whole` tells that no more will come (a datagram),
    /// `turnable` that the flow's begin was not seen, so that its client may be its server.
    pub fn recognise(
        &self,
        carrier: Carrier,
        direction: Direction,
        ports: Ports,
        bytes: &[u8],
        whole: bool,
        turnable: bool,
    ) -> Recognition {
        if bytes.is_empty() {
            return Recognition::Open;
        }
        let mut unsure = false;
        let mut ask = |known: &Known, direction: Direction| match (known.card.probe)(carrier, direction, bytes) {
            Probe::Yes => Some(Recognition::Found(known.id, false)),
            Probe::Either => Some(Recognition::Found(known.id, turnable)),
            Probe::Reversed if turnable => Some(Recognition::Found(known.id, true)),
            Probe::Reversed => None,
            Probe::Unsure => {
                unsure = true;
                None
            }
            Probe::No => None,
        };
        let mut short = false;
        for known in self.on(carrier) {
            let own = known.card.patterns.iter().filter(|p| p.carrier == carrier && p.direction == direction);
            for answer in own.map(|pattern| stands(pattern, bytes)) {
                match answer {
                    Some(true) => {
                        if let Some(found) = ask(known, direction) {
                            return found;
                        }
                    }
                    Some(false) => {}
                    None => short = true,
                }
            }
        }
        for known in self.on(carrier).filter(|k| k.at_home(ports.server)) {
            if let Some(found) = ask(known, direction) {
                return found;
            }
        }
        if turnable && let Some(id) = self.turned(carrier, direction.reverse(), ports.client, bytes) {
            return Recognition::Found(id, true);
        }
        let open = (short || unsure) && !whole && bytes.len() < UNSURE_LIMIT_BYTES;
        if open { Recognition::Open } else { Recognition::Failed }
    }

    /// The protocol that these bytes are of if they travel the other way.
    fn turned(&self, carrier: Carrier, direction: Direction, server: u16, bytes: &[u8]) -> Option<ProtocolId> {
        let known = self.on(carrier).find(|known| {
            let own = known.card.patterns.iter().filter(|p| p.carrier == carrier && p.direction == direction);
            let asked =
                own.map(|pattern| stands(pattern, bytes)).any(|answer| answer == Some(true)) || known.at_home(server);
            asked && (known.card.probe)(carrier, direction, bytes) == Probe::Yes
        })?;
        Some(known.id)
    }

    fn on(&self, carrier: Carrier) -> impl Iterator<Item = &Known> {
        self.protocols.iter().filter(move |k| k.carrier == carrier)
    }
}

impl Known {
    fn at_home(&self, port: u16) -> bool {
        // Without IP it is the Ethernet type that says what it is.
        matches!(self.carrier, Carrier::Link(_)) || self.ports.iter().any(|r| r.0 <= port && port <= r.1)
    }
}

/// The ports of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The client's.
    pub client: u16,
    /// The server's.
    pub server: u16,
}

impl Ports {
    /// Those of a flow's ends: zeros without IP.
    pub fn of(ends: &Ends) -> Self {
        ends.ip().map_or(Self { client: 0, server: 0 }, |ends| Self { client: ends.client.1, server: ends.server.1 })
    }
}

/// Whether a pattern stands in the bytes; `None` when too few came to tell.
fn stands(pattern: &Pattern, bytes: &[u8]) -> Option<bool> {
    let size = pattern.bytes.len();
    let area = bytes.get(pattern.offset..bytes.len().min(pattern.depth)).unwrap_or(&[]);
    let equal = |part: &[u8], with: &[u8]| if pattern.nocase { part.eq_ignore_ascii_case(with) } else { part == with };
    if area.windows(size).any(|window| equal(window, pattern.bytes)) {
        return Some(true);
    }
    if bytes.len() >= pattern.depth {
        return Some(false);
    }
    // With more bytes the pattern could still appear: at the end of what came, or later within its depth.
    let could_begin = area.len() < size && pattern.bytes.get(..area.len()).is_some_and(|head| equal(area, head));
    let has_room = pattern.depth - pattern.offset > size;
    if could_begin || has_room { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Pattern = Pattern {
        carrier: Carrier::Tcp,
        direction: Direction::ToServer,
        bytes: b"GET ",
        nocase: false,
        offset: 0,
        depth: 4,
    };

    #[test]
    fn a_pattern_is_there_or_not_or_cannot_be_told() {
        for (bytes, expected) in
            [(&b"GET /"[..], Some(true)), (b"GE", None), (b"PU", Some(false)), (b"PUT /", Some(false)), (b"", None)]
        {
            assert_eq!(stands(&GET, bytes), expected, "{bytes:?}");
        }
    }
}
