//! Pieces of datagrams, until there are all of them.
//!
//! What a host makes of pieces that overlap is up to its operating system ([`Policy`]). Hosts of today keep the first copy of
//! what they have and drop the whole datagram when a piece overlaps others in any other way; older ones mix. A copy that
//! lost may all the same be the one that the host got, if the other one never reached it: then there are two versions of the
//! datagram, and its transport checksum tells which one is right, or both are given out.

mod datagram;

use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::fragments::Piece;
use tapwire_parsers::link::tunnel::Begins;
use tapwire_parsers::link::{Packet, Timestamp, Vlans};
use tapwire_parsers::protocol::Anomaly;

pub use self::datagram::Policy;
use self::datagram::{Datagram, Fit};
use super::hosts::{ByNetwork, System};
use super::memory::{Account, Budget};

/// Limits of what is kept of incomplete datagrams.
#[derive(Clone, Debug)]
pub struct Defrag {
    /// `defrag.memcap`: bytes for incomplete datagrams.
    pub memory_bytes: u64,
    /// `defrag.trackers`: datagrams that may be incomplete at once.
    pub trackers: u64,
    /// `defrag.max-frags`: pieces that may be kept at once.
    pub pieces: u64,
    /// `defrag.timeout`: seconds after its first piece that a datagram has. Hosts differ; without it IPv4 has what Linux
    /// gives it, IPv6 what RFC 8200 says.
    pub timeout_s: Option<u32>,
    /// `defrag.host-config`: the same by network.
    pub timeouts_s: ByNetwork<u32>,
}

impl Default for Defrag {
    fn default() -> Self {
        Self {
            memory_bytes: 32 << 20,
            trackers: 65_535,
            pieces: 65_535,
            timeout_s: None,
            timeouts_s: ByNetwork::default(),
        }
    }
}

/// What a piece did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is odd about the piece.
    pub anomaly: Option<Anomaly>,
    /// The datagram that is whole now, from its first link header on; two if nobody can know which of two versions the host
    /// has.
    pub datagrams: SmallVec<[Vec<u8>; 1]>,
}

/// A datagram that never became whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The piece that came first.
    pub origin: Origin,
    /// What stood before the bytes of that piece, IP header included.
    pub head: Vec<u8>,
    /// Why it was given up.
    pub anomaly: Anomaly,
}

/// Where a piece came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Number of its packet.
    pub number: u64,
    /// When it came.
    pub time: Timestamp,
    /// Link type of the capture.
    pub link_type: u32,
    /// The interface.
    pub interface: u16,
    /// How often its packet was put together from pieces.
    pub joined: u8,
    /// In how many packets it came.
    pub depth: u8,
    /// How it is read, if it came in another packet.
    pub begins: Option<Begins>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pieces, of IPv4 and IPv6.
    pub pieces: [u64; 2],
    /// Datagrams that became whole, of IPv4 and IPv6.
    pub joined: [u64; 2],
    /// Datagrams given up because there were too many at once.
    pub too_many: u64,
    /// Datagrams given up because there were too many pieces.
    pub too_many_pieces: u64,
    /// Datagrams given up for their memory.
    pub evicted: u64,
    /// Datagrams given up because their time was over, of IPv4 and IPv6.
    pub timed_out: [u64; 2],
    /// Those of them that a piece of their own found.
    pub found_over: u64,
    /// Datagrams given up because the host drops them: their pieces contradict each other.
    pub contradicting: u64,
}

impl Counters {
    /// The counters by their names in `stats` records.
    pub fn by_name(&self) -> [(&'static str, u64); 15] {
        let ([v4, v6], [joined_v4, joined_v6], [over_v4, over_v6]) = (self.pieces, self.joined, self.timed_out);
        let timed_out = over_v4 + over_v6;
        [
            ("defrag.ipv4.fragments", v4),
            ("defrag.ipv4.reassembled", joined_v4),
            ("defrag.ipv6.fragments", v6),
            ("defrag.ipv6.reassembled", joined_v6),
            ("defrag.ipv4.timeouts", over_v4),
            ("defrag.ipv6.timeouts", over_v6),
            ("defrag.mgr.tracker_timeout", timed_out - self.found_over),
            ("defrag.wrk.tracker_timeout", self.found_over),
            ("defrag.tracker_hard_reuse", self.too_many + self.too_many_pieces + self.evicted),
            ("defrag.tracker_soft_reuse", 0),
            ("defrag.max_frags_reached", self.too_many_pieces),
            ("defrag.max_trackers_reached", self.too_many),
            ("tapwire.defrag.evicted", self.evicted),
            ("tapwire.defrag.timed_out", timed_out),
            ("tapwire.defrag.contradicting", self.contradicting),
        ]
    }
}

/// Datagrams of which pieces are missing.
pub struct Defragmenter {
    settings: Defrag,
    systems: ByNetwork<System>,
    use_vlans: bool,
    datagrams: LinkedHashMap<Key, Datagram, RandomState>,
    account: Account,
    pieces: u64,
    given_up: Vec<GivenUp>,
    /// What was counted.
    pub counters: Counters,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    protocol: u8,
    depth: u8,
    vlans: Vlans,
    /// What tunnels of two tenants carry is not put together.
    tenant: u32,
}

impl Defragmenter {
    /// One that has no pieces yet.
    pub fn new(settings: Defrag, systems: ByNetwork<System>, use_vlans: bool) -> Self {
        let budget = Budget::new(usize::try_from(settings.memory_bytes).unwrap_or(usize::MAX));
        Self {
            settings,
            systems,
            use_vlans,
            datagrams: LinkedHashMap::with_hasher(RandomState::default()),
            account: Account::new(budget),
            pieces: 0,
            given_up: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Takes a packet, which is read as `begins` says if it came in another one; one that is no piece of a datagram has no outcome.
    pub fn packet(&mut self, packet: &Packet<'_>, begins: Option<Begins>) -> Outcome {
        let (Some(piece), Some(ip), false) = (Piece::of(packet), &packet.ip, packet.invalid) else {
            return Outcome::default();
        };
        let v6 = ip.source.is_ipv6();
        self.count(|counters| &mut counters.pieces, v6);
        // Of one that was not captured whole nobody knows the bytes.
        if piece.body.is_empty() || !ip.checksum_ok || ip.missing > 0 {
            return Outcome::default();
        }
        let end = piece.offset.saturating_add(u32::try_from(piece.body.len()).unwrap_or(u32::MAX));
        if end as usize + piece.head.ip_len() > usize::from(u16::MAX) {
            return odd(if v6 { "decoder.ipv6.frag_pkt_too_large" } else { "decoder.ipv4.frag_pkt_too_large" });
        }
        let key = Key {
            source: ip.source,
            destination: ip.destination,
            id: ip.id,
            // In IPv6 only the first piece has to tell what follows.
            protocol: if v6 { 0 } else { ip.protocol },
            depth: packet.depth,
            vlans: if self.use_vlans { packet.vlans } else { Vlans::default() },
            tenant: packet.tenant,
        };
        self.expire(packet.time);
        let mut datagram = self.take(&key, packet.time).unwrap_or_else(|| {
            let system = self.systems.of(ip.destination).unwrap_or_default();
            let policy = if v6 { Policy::Drop } else { Policy::of(system) };
            // For IPv6 the fragment header tells that it is a piece.
            let head = piece.head.bytes.len() + if v6 { FRAGMENT_HEADER } else { 0 };
            Datagram::new(origin(packet, begins), packet.data.get(..head).unwrap_or(&[]), policy)
        });
        let fit = datagram.fit(piece.offset, piece.body);
        let contradicts = match datagram.end {
            Some(known) => end > known || (!piece.more && end != known),
            None => !piece.more && end < datagram.highest,
        };
        let anomaly = match fit {
            // No link needs pieces smaller than every IPv6 link takes whole.
            Fit::New if !contradicts && v6 && piece.more && piece.len() < IPV6_MTU => {
                Some(Anomaly("decoder.ipv6.frag_too_small"))
            }
            Fit::New | Fit::Duplicate if !contradicts => None,
            _ if v6 => Some(Anomaly("decoder.ipv6.frag_overlap")),
            _ => Some(Anomaly("decoder.ipv4.frag_overlap")),
        };
        let mut outcome = Outcome { anomaly, ..Outcome::default() };
        if contradicts || (matches!(fit, Fit::Partial) && datagram.policy == Policy::Drop) {
            self.counters.contradicting += 1;
            return outcome;
        }
        if !matches!(fit, Fit::Duplicate) {
            datagram.insert(&piece, end);
        }
        if datagram.is_whole() {
            self.count(|counters| &mut counters.joined, v6);
            outcome.datagrams = datagram.join();
        } else if datagram.is_overfull() {
            self.counters.contradicting += 1;
        } else {
            self.keep(key, datagram);
        }
        outcome
    }

    /// Bytes that are held.
    pub fn memory_bytes(&self) -> usize {
        self.account.used_bytes()
    }

    fn count(&mut self, of: impl Fn(&mut Counters) -> &mut [u64; 2], v6: bool) {
        if let Some(count) = of(&mut self.counters).get_mut(usize::from(v6)) {
            *count += 1;
        }
    }

    /// Seconds that a datagram to an address has.
    fn timeout_us(&self, key: &Key) -> u64 {
        let of_family = || self.settings.timeout_s.unwrap_or(if key.destination.is_ipv4() { IPV4_S } else { IPV6_S });
        u64::from(self.settings.timeouts_s.of(key.destination).unwrap_or_else(of_family)) * 1_000_000
    }

    /// Gives up the oldest ones whose time is over.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some((key, datagram)) = self.datagrams.front() {
            if now.since(datagram.origin.time) <= self.timeout_us(key) {
                return;
            }
            let v6 = key.source.is_ipv6();
            self.count(|counters| &mut counters.timed_out, v6);
            self.give_up_oldest(INCOMPLETE);
        }
    }

    /// Gives up all: no more pieces will come.
    pub fn end(&mut self) {
        while self.give_up_oldest(INCOMPLETE) {}
    }

    /// Those that were given up since this was last asked.
    pub fn take_given_up(&mut self) -> Vec<GivenUp> {
        std::mem::take(&mut self.given_up)
    }

    fn give_up_oldest(&mut self, why: [&'static str; 2]) -> bool {
        let Some((key, datagram)) = self.datagrams.pop_front() else { return false };
        self.release(&datagram);
        self.note(&key, datagram, why);
        true
    }

    fn note(&mut self, key: &Key, datagram: Datagram, [v4, v6]: [&'static str; 2]) {
        let anomaly = Anomaly(if key.source.is_ipv4() { v4 } else { v6 });
        self.given_up.push(GivenUp { origin: datagram.origin, head: datagram.first_head, anomaly });
    }

    fn release(&mut self, datagram: &Datagram) {
        self.account.give(datagram.charged);
        self.pieces = self.pieces.saturating_sub(datagram.pieces);
    }

    /// Takes a datagram out to work on it, if its time is not over.
    fn take(&mut self, key: &Key, now: Timestamp) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.release(&datagram);
        if now.since(datagram.origin.time) <= self.timeout_us(key) {
            return Some(datagram);
        }
        self.count(|counters| &mut counters.timed_out, key.source.is_ipv6());
        self.counters.found_over += 1;
        self.note(key, datagram, INCOMPLETE);
        None
    }

    /// Puts a datagram behind all others, which are given up before it where there is no room.
    fn keep(&mut self, key: Key, mut datagram: Datagram) {
        loop {
            if self.datagrams.len() as u64 >= self.settings.trackers {
                self.counters.too_many += 1;
            } else if self.pieces + datagram.pieces > self.settings.pieces {
                self.counters.too_many_pieces += 1;
            } else {
                break;
            }
            if !self.give_up_oldest(IGNORED) {
                return;
            }
        }
        datagram.charged = datagram.held_bytes();
        while !self.account.take(datagram.charged) {
            self.counters.evicted += 1;
            if !self.give_up_oldest(IGNORED) {
                return;
            }
        }
        self.pieces += datagram.pieces;
        self.datagrams.insert(key, datagram);
    }
}

fn origin(packet: &Packet<'_>, begins: Option<Begins>) -> Origin {
    let &Packet { number, time, link_type, interface, joined, depth, .. } = packet;
    Origin { number, time, link_type, interface, joined, depth, begins }
}

fn odd(name: &'static str) -> Outcome {
    Outcome { anomaly: Some(Anomaly(name)), ..Outcome::default() }
}

/// Pieces are missing, of IPv4 and IPv6.
const INCOMPLETE: [&str; 2] = ["decoder.ipv4.frag_incomplete", "decoder.ipv6.frag_incomplete"];
/// There was no room for it.
const IGNORED: [&str; 2] = ["decoder.ipv4.frag_ignored", "decoder.ipv6.frag_ignored"];
/// Octets of an IPv6 fragment header.
const FRAGMENT_HEADER: usize = 8;
/// Bytes of a packet that every IPv6 link takes (RFC 8200 section 5).
const IPV6_MTU: usize = 1280;
/// Seconds that Linux gives an IPv4 datagram.
const IPV4_S: u32 = 30;
/// Seconds that a host gives an IPv6 datagram (RFC 8200 section 4.5).
const IPV6_S: u32 = 60;

#[cfg(test)]
mod tests;
