//! Which protocol a flow speaks, from the first bytes of each direction.
//!
//! Without IP the Ethernet type says it, and the probe confirms it. Else patterns are tried on any port and confirmed by the
//! protocol's probe (a pattern without bytes stands everywhere); then the probes of the protocols that are at home on the server's port. Who is sure counts before who finds it
//! likely. A direction that nobody can claim any more has failed; the first direction that is claimed binds the flow.

use smallvec::SmallVec;
use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Both, Carrier, Direction, Ends, Pattern, Probe, Protocol, ProtocolId, Usual};

/// The protocols that are switched on, with their ports.
#[derive(Default)]
pub struct Recogniser {
    protocols: Vec<Known>,
    tables: Vec<(Carrier, Table)>,
}

struct Known {
    id: ProtocolId,
    card: &'static Protocol,
    carrier: Carrier,
    ports: Vec<(u16, u16)>,
}

/// Where to look for what travels on a carrier: a flow that nobody knows is told by a few looks, however many protocols there are.
struct Table {
    /// Patterns that stand at the very begin, in each direction, by their first byte; with places in the list of protocols.
    by_first: Both<FirstBytes>,
    /// Other patterns.
    elsewhere: Both<Vec<(usize, &'static Pattern)>>,
    /// Ports on which anybody is at home, one bit for each.
    ports: Box<[u64; 1 << 10]>,
}

impl Default for Table {
    fn default() -> Self {
        let by_first = || std::array::from_fn(|_| Vec::new());
        let by_first = Both { to_server: Box::new(by_first()), to_client: Box::new(by_first()) };
        Self { by_first, elsewhere: Both::default(), ports: Box::new([0; 1 << 10]) }
    }
}

impl Table {
    fn add(&mut self, place: usize, known: &Known) {
        for pattern in known.card.patterns.iter().filter(|pattern| pattern.carrier == known.carrier) {
            let stands_first = pattern.offset == 0 && pattern.depth == pattern.bytes.len();
            match pattern.bytes.first().filter(|_| stands_first) {
                Some(first) => {
                    let mut firsts = vec![*first];
                    if pattern.nocase {
                        firsts.extend([first.to_ascii_lowercase(), first.to_ascii_uppercase()]);
                        firsts.sort_unstable();
                        firsts.dedup();
                    }
                    for first in firsts {
                        if let Some(list) = self.by_first.of_mut(pattern.direction).get_mut(usize::from(first)) {
                            list.push((place, pattern));
                        }
                    }
                }
                None => self.elsewhere.of_mut(pattern.direction).push((place, pattern)),
            }
        }
        for port in known.ports.iter().flat_map(|(first, last)| *first..=*last) {
            if let Some(word) = self.ports.get_mut(usize::from(port >> 6)) {
                *word |= 1 << (port & 63);
            }
        }
    }

    /// Patterns that may stand at the begin of the bytes, in the order of their protocols.
    fn patterns(&self, direction: Direction, bytes: &[u8]) -> Candidates {
        let first = bytes.first().and_then(|first| self.by_first.of(direction).get(usize::from(*first)));
        let mut all: Candidates = first.into_iter().flatten().chain(self.elsewhere.of(direction)).copied().collect();
        all.sort_by_key(|(place, _)| *place);
        all
    }

    fn is_home(&self, port: u16) -> bool {
        self.ports.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 != 0)
    }

    /// Whether a pattern stands in the bytes, whichever way they travel.
    fn has_pattern(&self, bytes: &[u8]) -> bool {
        let Some(first) = bytes.first() else { return false };
        let stands = |(_, pattern): &(usize, &'static Pattern)| stands(pattern, bytes) == Some(true);
        Direction::BOTH.into_iter().any(|direction| {
            let begins = self.by_first.of(direction).get(usize::from(*first));
            begins.into_iter().flatten().any(stands) || self.elsewhere.of(direction).iter().any(stands)
        })
    }
}

/// Patterns by their first byte.
type FirstBytes = Box<[Vec<(usize, &'static Pattern)>; 256]>;

/// Patterns with the places of their protocols.
type Candidates = SmallVec<[(usize, &'static Pattern); 16]>;

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
        let known = Known { id, card: tapwire_parsers::protocol(id), carrier, ports };
        let place = self.protocols.len();
        match self.tables.iter_mut().find(|(of, _)| *of == carrier) {
            Some((_, table)) => table.add(place, &known),
            None => {
                let mut table = Table::default();
                table.add(place, &known);
                self.tables.push((carrier, table));
            }
        }
        self.protocols.push(known);
    }

    /// Whether a protocol is switched on.
    pub fn knows(&self, id: ProtocolId) -> bool {
        self.protocols.iter().any(|known| known.id == id)
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
        let Some((_, table)) = self.tables.iter().find(|(of, _)| *of == carrier) else { return Recognition::Failed };
        let (mut unsure, mut likely) = (false, None);
        let mut ask = |known: &Known, direction: Direction| match (known.card.probe)(carrier, direction, bytes) {
            Probe::Yes => Some(Recognition::Found(known.id, false)),
            Probe::Likely => {
                likely = likely.or(Some(known.id));
                None
            }
            Probe::AtHome => {
                likely = likely.or(known.at_home(ports.server).then_some(known.id));
                None
            }
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
        for (place, pattern) in table.patterns(direction, bytes) {
            let Some(known) = self.protocols.get(place) else { continue };
            match stands(pattern, bytes) {
                Some(true) => {
                    if let Some(found) = ask(known, direction) {
                        return found;
                    }
                }
                Some(false) => {}
                None => short = true,
            }
        }
        // Within another protocol and without IP there are no ports, and few that it may be.
        let portless = !Carrier::OVER_IP.contains(&carrier);
        if portless || table.is_home(ports.server) {
            for known in self.on(carrier).filter(|known| portless || known.at_home(ports.server)) {
                if let Some(found) = ask(known, direction) {
                    return found;
                }
            }
        }
        if let Some(id) = likely {
            return Recognition::Found(id, false);
        }
        if turnable && let Some(id) = self.turned(carrier, table, direction.reverse(), ports.client, bytes) {
            return Recognition::Found(id, true);
        }
        let open = (short || unsure) && !whole && bytes.len() < UNSURE_LIMIT_BYTES;
        if open { Recognition::Open } else { Recognition::Failed }
    }

    /// Whether a message behind those that nobody claimed may be somebody's: where one is at home, or as a pattern tells. It costs
    /// next to nothing, so each one can be asked about.
    pub fn may_claim(&self, carrier: Carrier, ports: Ports, message: &[u8]) -> bool {
        let table = self.tables.iter().find(|(of, _)| *of == carrier);
        table.is_some_and(|(_, table)| {
            let has_home = || table.is_home(ports.server) || table.is_home(ports.client);
            !Carrier::OVER_IP.contains(&carrier) || has_home() || table.has_pattern(message)
        })
    }

    /// The protocol that these bytes are of if they travel the other way.
    fn turned(
        &self,
        carrier: Carrier,
        table: &Table,
        direction: Direction,
        server: u16,
        bytes: &[u8],
    ) -> Option<ProtocolId> {
        let candidates = table.patterns(direction, bytes);
        let by_pattern = candidates.iter().filter(|(_, pattern)| stands(pattern, bytes) == Some(true));
        let by_pattern = by_pattern.map(|(place, _)| *place);
        let at_home = table.is_home(server);
        let homes = self.protocols.iter().enumerate().filter(|(_, known)| at_home && known.carrier == carrier);
        let homes = homes.filter(|(_, known)| known.at_home(server)).map(|(place, _)| place);
        let mut places: SmallVec<[usize; 16]> = by_pattern.chain(homes).collect();
        places.sort_unstable();
        places.dedup();
        let known = places.into_iter().filter_map(|place| self.protocols.get(place));
        let said = known.map(|known| (known.id, (known.card.probe)(carrier, direction, bytes)));
        let mut said: SmallVec<[_; 16]> = said.collect();
        said.retain(|(_, answer)| matches!(answer, Probe::Yes | Probe::Likely));
        let sure = said.iter().find(|(_, answer)| *answer == Probe::Yes);
        sure.or(said.first()).map(|(id, _)| *id)
    }

    fn on(&self, carrier: Carrier) -> impl Iterator<Item = &Known> {
        self.protocols.iter().filter(move |k| k.carrier == carrier)
    }
}

impl Known {
    fn at_home(&self, port: u16) -> bool {
        self.ports.iter().any(|r| r.0 <= port && port <= r.1)
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
    if size == 0 {
        return Some(true);
    }
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
