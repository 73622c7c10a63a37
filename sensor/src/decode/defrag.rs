//! Pieces of datagrams, until there are all of them.
//!
//! What a host makes of pieces that overlap is up to its operating system ([`Policy`]). Hosts of today keep the first copy of
//! what they have and drop the whole datagram when a piece overlaps others in any other way; older ones mix. A copy that
//! lost may all the same be the one that the host got, if the other one never reached it: then there are two versions of the
//! datagram, and its transport checksum tells which one is right, or both are given out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::fragments::{self, Head, Piece};
use tapwire_parsers::link::{Packet, Timestamp, Vlans};
use tapwire_parsers::protocol::Anomaly;

use crate::config::{ByNetwork, Defrag, System};
use crate::flow::{Account, Budget};

/// What a host makes of a piece that overlaps another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It has no use for a piece all of whose bytes it has; any other overlap makes it drop the datagram (RFC 5722, Linux
    /// since 4.19, Windows since 10).
    Drop,
    /// The first copy counts.
    First,
    /// The copy in the piece that begins earlier counts, else the first.
    Bsd,
    /// The copy in the piece that begins earlier counts, else the last.
    OldLinux,
    /// The copy in the piece that begins later counts, else the last.
    BsdRight,
    /// A piece counts that begins before and ends behind another one, else the first.
    Windows,
    /// A piece counts that begins before another one and does not end before it, else the first.
    Solaris,
}

impl Policy {
    /// That of an IPv4 host. For IPv6 there is one for all, [`Policy::Drop`].
    fn of(system: System) -> Self {
        match system {
            System::Unknown | System::Linux => Policy::Drop,
            System::Bsd | System::Irix | System::Hpux10 => Policy::Bsd,
            System::BsdRight => Policy::BsdRight,
            System::OldLinux => Policy::OldLinux,
            System::Solaris | System::OldSolaris => Policy::Solaris,
            System::Hpux11 | System::MacOs => Policy::First,
            System::Windows | System::Vista | System::Windows2k3 => Policy::Windows,
        }
    }

    /// Whether the copy of the later piece counts. Both are given by start and end.
    fn prefers_new(self, old: (u32, u32), new: (u32, u32)) -> bool {
        match self {
            Policy::Drop | Policy::First => false,
            Policy::Bsd => new.0 < old.0,
            Policy::OldLinux => new.0 <= old.0,
            Policy::BsdRight => new.0 >= old.0,
            Policy::Windows => new.0 < old.0 && new.1 > old.1,
            Policy::Solaris => new.0 < old.0 && new.1 >= old.1,
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

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pieces, of IPv4 and IPv6.
    pub pieces: [u64; 2],
    /// Datagrams that became whole, of IPv4 and IPv6.
    pub joined: [u64; 2],
    /// Datagrams given up because there were too many at once, or too many pieces.
    pub too_many: u64,
    /// Datagrams given up for their memory.
    pub evicted: u64,
    /// Datagrams given up because their time was over.
    pub timed_out: u64,
    /// Datagrams given up because the host drops them: their pieces contradict each other.
    pub contradicting: u64,
}

impl Counters {
    /// The counters by their names in `stats` records.
    pub fn by_name(&self) -> [(&'static str, u64); 8] {
        let ([v4, v6], [joined_v4, joined_v6]) = (self.pieces, self.joined);
        [
            ("defrag.ipv4.fragments", v4),
            ("defrag.ipv4.reassembled", joined_v4),
            ("defrag.ipv6.fragments", v6),
            ("defrag.ipv6.reassembled", joined_v6),
            ("defrag.max_trackers_reached", self.too_many),
            ("tapwire.defrag.evicted", self.evicted),
            ("tapwire.defrag.timed_out", self.timed_out),
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
}

/// A datagram of which pieces are missing.
struct Datagram {
    begun: Timestamp,
    policy: Policy,
    /// Head of the piece with offset 0.
    head: Option<FirstHead>,
    /// Where it ends, once the last piece came.
    end: Option<u32>,
    /// The highest end of a piece.
    highest: u32,
    /// Parts by offset, which do not overlap.
    parts: BTreeMap<u32, Part>,
    /// How many bytes of the datagram are there.
    filled: u32,
    /// All bytes that are kept.
    bytes: Vec<u8>,
    /// Copies that do not count here, but may at the host: offset and place.
    others: Vec<(u32, Part)>,
    charged: usize,
    pieces: u64,
}

/// What stands before the bytes of the first piece ([`Head`]).
struct FirstHead {
    bytes: Vec<u8>,
    ip: usize,
    next: Option<(usize, u8)>,
}

/// Bytes that came in one piece.
#[derive(Clone, Copy)]
struct Part {
    /// Where they are kept.
    at: u32,
    len: u32,
    /// Start and end of the piece.
    piece: (u32, u32),
}

/// How a piece lies to what is there.
enum Fit {
    New,
    /// All of it is there, and the same.
    Duplicate,
    /// All of it is there, but not the same.
    Different,
    /// Some of it is there.
    Partial,
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
            counters: Counters::default(),
        }
    }

    /// Takes a packet; one that is no piece of a datagram has no outcome.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Outcome {
        let (Some(piece), Some(ip), false) = (Piece::of(packet), &packet.ip, packet.invalid) else {
            return Outcome::default();
        };
        let v6 = ip.source.is_ipv6();
        self.count(|counters| &mut counters.pieces, v6);
        if piece.body.is_empty() || !ip.checksum_ok {
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
        };
        self.expire(packet.time);
        let mut datagram = self.take(&key, packet.time).unwrap_or_else(|| {
            let system = self.systems.of(ip.destination).unwrap_or_default();
            Datagram::new(packet.time, if v6 { Policy::Drop } else { Policy::of(system) })
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
    fn expire(&mut self, now: Timestamp) {
        while let Some((key, datagram)) = self.datagrams.front() {
            if now.since(datagram.begun) <= self.timeout_us(key) {
                return;
            }
            self.counters.timed_out += 1;
            self.give_up_oldest();
        }
    }

    fn give_up_oldest(&mut self) -> bool {
        let Some((_, datagram)) = self.datagrams.pop_front() else { return false };
        self.release(&datagram);
        true
    }

    fn release(&mut self, datagram: &Datagram) {
        self.account.give(datagram.charged);
        self.pieces = self.pieces.saturating_sub(datagram.pieces);
    }

    /// Takes a datagram out to work on it, if its time is not over.
    fn take(&mut self, key: &Key, now: Timestamp) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.release(&datagram);
        if now.since(datagram.begun) <= self.timeout_us(key) {
            return Some(datagram);
        }
        self.counters.timed_out += 1;
        None
    }

    /// Puts a datagram behind all others, which are given up before it where there is no room.
    fn keep(&mut self, key: Key, mut datagram: Datagram) {
        let many = |all: &Self| {
            all.datagrams.len() as u64 >= all.settings.trackers || all.pieces + datagram.pieces > all.settings.pieces
        };
        while many(self) {
            self.counters.too_many += 1;
            if !self.give_up_oldest() {
                return;
            }
        }
        datagram.charged = datagram.held_bytes();
        while !self.account.take(datagram.charged) {
            self.counters.evicted += 1;
            if !self.give_up_oldest() {
                return;
            }
        }
        self.pieces += datagram.pieces;
        self.datagrams.insert(key, datagram);
    }
}

impl Datagram {
    fn new(begun: Timestamp, policy: Policy) -> Self {
        Self {
            begun,
            policy,
            head: None,
            end: None,
            highest: 0,
            parts: BTreeMap::new(),
            filled: 0,
            bytes: Vec::new(),
            others: Vec::new(),
            charged: 0,
            pieces: 0,
        }
    }

    /// Bytes of memory, each place in a collection counted as what it costs.
    fn held_bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.bytes.capacity());
        let parts = (self.parts.len() + self.others.len()) * 2 * size_of::<(u32, Part)>();
        size_of::<(Key, Self)>() + head + self.bytes.capacity() + parts
    }

    /// The parts that share bytes with a range, by offset.
    fn overlapped(&self, from: u32, upto: u32) -> impl Iterator<Item = (u32, Part)> {
        let first = self.parts.range(..=from).next_back().map_or(from, |(&start, _)| start);
        let parts = self.parts.range(first..upto).map(|(&start, &part)| (start, part));
        parts.filter(move |(start, part)| start + part.len > from)
    }

    fn fit(&self, from: u32, body: &[u8]) -> Fit {
        let upto = from.saturating_add(length(body));
        let (mut at, mut same, mut any) = (from, true, false);
        for (start, part) in self.overlapped(from, upto) {
            any = true;
            if start > at {
                return Fit::Partial;
            }
            let end = (start + part.len).min(upto);
            let new = body.get((at - from) as usize..(end - from) as usize);
            same &= new == self.bytes.get((part.at + (at - start)) as usize..(part.at + (end - start)) as usize);
            at = end;
        }
        match (any, at < upto, same) {
            (false, ..) => Fit::New,
            (true, true, _) => Fit::Partial,
            (true, false, true) => Fit::Duplicate,
            (true, false, false) => Fit::Different,
        }
    }

    /// Takes a piece; of bytes that are there already the policy says which copy counts, and the other one is kept apart.
    fn insert(&mut self, piece: &Piece<'_>, end: u32) {
        self.pieces += 1;
        self.highest = self.highest.max(end);
        if !piece.more {
            self.end = Some(end);
        }
        if piece.offset == 0 && self.head.is_none() {
            let Head { bytes, ip, next } = piece.head;
            self.head = Some(FirstHead { bytes: bytes.to_vec(), ip, next });
        }
        let (at, from) = (length(&self.bytes), piece.offset);
        self.bytes.extend_from_slice(piece.body);
        let part = |start: u32, upto: u32| Part { at: at + (start - from), len: upto - start, piece: (from, end) };
        let overlapped: SmallVec<[(u32, Part); 4]> = self.overlapped(from, end).collect();
        let mut next = from;
        for (start, old) in overlapped {
            let (shared_from, shared_to) = (start.max(from), (start + old.len).min(end));
            if next < shared_from {
                self.put(next, part(next, shared_from));
            }
            next = shared_to;
            let new = part(shared_from, shared_to);
            let kept = Part { at: old.at + (shared_from - start), len: shared_to - shared_from, ..old };
            let (wins, loses) = if self.policy.prefers_new(old.piece, (from, end)) { (new, kept) } else { (kept, new) };
            if self.bytes_of(wins) != self.bytes_of(loses) {
                self.others.push((shared_from, loses));
            }
            // The old part falls into what lies before, in and behind the range that both have.
            self.filled -= old.len;
            self.parts.remove(&start);
            if start < shared_from {
                self.put(start, Part { len: shared_from - start, ..old });
            }
            self.put(shared_from, wins);
            let behind = start + old.len;
            if shared_to < behind {
                let cut = shared_to - start;
                self.put(shared_to, Part { at: old.at + cut, len: behind - shared_to, ..old });
            }
        }
        if next < end {
            self.put(next, part(next, end));
        }
    }

    fn put(&mut self, offset: u32, part: Part) {
        self.filled += part.len;
        self.parts.insert(offset, part);
    }

    fn bytes_of(&self, part: Part) -> &[u8] {
        self.bytes.get(part.at as usize..(part.at + part.len) as usize).unwrap_or(&[])
    }

    fn is_whole(&self) -> bool {
        self.head.is_some() && self.end == Some(self.filled)
    }

    /// So many bytes that only overlaps can be the reason.
    fn is_overfull(&self) -> bool {
        self.bytes.len() > 2 * usize::from(u16::MAX)
    }

    /// The datagram, or its two versions.
    fn join(&self) -> SmallVec<[Vec<u8>; 1]> {
        let mut versions = SmallVec::new();
        let Some(FirstHead { bytes, ip, next }) = &self.head else { return versions };
        let head = Head { bytes, ip: *ip, next: *next };
        let mut body = Vec::with_capacity(self.filled as usize);
        for part in self.parts.values() {
            body.extend_from_slice(self.bytes_of(*part));
        }
        versions.extend(fragments::join(&head, &body));
        if !self.others.is_empty() {
            for (offset, part) in &self.others {
                let place = body.get_mut(*offset as usize..(*offset + part.len) as usize);
                if let Some(place) = place {
                    place.copy_from_slice(self.bytes_of(*part));
                }
            }
            versions.extend(fragments::join(&head, &body));
        }
        versions
    }
}

fn odd(name: &'static str) -> Outcome {
    Outcome { anomaly: Some(Anomaly(name)), ..Outcome::default() }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Bytes of a packet that every IPv6 link takes (RFC 8200 section 5).
const IPV6_MTU: usize = 1280;
/// Seconds that Linux gives an IPv4 datagram.
const IPV4_S: u32 = 30;
/// Seconds that a host gives an IPv6 datagram (RFC 8200 section 4.5).
const IPV6_S: u32 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: [u8; 20] = [0x45, 0, 0, 0, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    fn ipv4(offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
        let mut data = [&HEADER[..], body].concat();
        let len = u16::try_from(data.len()).unwrap().to_be_bytes();
        data[2..4].copy_from_slice(&len);
        data[6..8].copy_from_slice(&(u16::try_from(offset / 8).unwrap() | u16::from(more) << 13).to_be_bytes());
        data
    }

    fn ipv6(offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
        let mut data = vec![0x60, 0, 0, 0, 0, 0, 44, 64];
        data.extend([[1; 16], [2; 16]].concat());
        data.extend([17, 0, 0, 0, 0, 0, 0, 7]);
        data[42..44].copy_from_slice(&(u16::try_from(offset).unwrap() | u16::from(more)).to_be_bytes());
        data.extend(body);
        let len = u16::try_from(data.len() - 40).unwrap().to_be_bytes();
        data[4..6].copy_from_slice(&len);
        data
    }

    fn defragmenter(policy: &str) -> Defragmenter {
        let said = format!("host-os-policy.{policy}");
        let loaded = crate::config::load(None, &[(said, "10.0.0.0/8".into())]).unwrap();
        assert!(policy == "none" || loaded.faults.is_empty(), "{:?}", loaded.faults);
        Defragmenter::new(Defrag::default(), loaded.configuration.systems, true)
    }

    fn give(all: &mut Defragmenter, second: u64, data: &[u8]) -> Outcome {
        all.packet(&Packet::decode(1, Timestamp(second * 1_000_000), 101, data, 0, false))
    }

    /// The bytes behind the headers of what is whole, and the anomaly. Pieces are small here.
    fn seen(outcome: Outcome, head: usize) -> (Vec<Vec<u8>>, Option<&'static str>) {
        let bodies = outcome.datagrams.iter().map(|data| data[head..].to_vec()).collect();
        (bodies, outcome.anomaly.map(|anomaly| anomaly.0).filter(|name| *name != SMALL))
    }

    const SMALL: &str = "decoder.ipv6.frag_too_small";

    #[test]
    fn pieces_that_are_smaller_than_every_link_takes_are_named() {
        let name = |data: &[u8]| give(&mut defragmenter("none"), 0, data).anomaly.map(|anomaly| anomaly.0);
        assert_eq!(name(&ipv6(0, true, &[1; 1224])), Some(SMALL));
        assert_eq!(name(&ipv6(0, true, &[1; 1232])), None);
        assert_eq!(name(&ipv6(8, false, &[1; 8])), None);
        assert_eq!(name(&ipv4(0, true, &[1; 8])), None);
    }

    /// What a host with a policy makes of pieces that overlap, byte for byte.
    fn model(policy: Policy, pieces: &[(usize, Vec<u8>)], len: usize) -> Option<Vec<u8>> {
        let mut bytes: Vec<Option<(u8, (u32, u32))>> = vec![None; len];
        for (offset, body) in pieces {
            let own = (u32::try_from(*offset).unwrap(), u32::try_from(offset + body.len()).unwrap());
            for (place, byte) in bytes[*offset..].iter_mut().zip(body) {
                if place.is_none_or(|(_, old)| policy.prefers_new(old, own)) {
                    *place = Some((*byte, own));
                }
            }
        }
        bytes.into_iter().map(|byte| byte.map(|(byte, _)| byte)).collect()
    }

    #[test]
    fn pieces_make_the_datagram_in_any_order() {
        let body: Vec<u8> = (0..40).collect();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            for (build, head) in [(ipv4 as fn(usize, bool, &[u8]) -> Vec<u8>, 20), (ipv6, 40)] {
                let mut all = defragmenter("none");
                let mut last = Outcome::default();
                for index in order {
                    assert!(last.datagrams.is_empty());
                    let (from, upto) = (index * 16, (index * 16 + 16).min(40));
                    last = give(&mut all, 0, &build(from, upto < 40, &body[from..upto]));
                    // The same once more changes nothing, unless it was the last one.
                    if last.datagrams.is_empty() {
                        let again = give(&mut all, 0, &build(from, upto < 40, &body[from..upto]));
                        assert_eq!(seen(again, head), (vec![], None));
                    }
                }
                assert_eq!(seen(last, head), (vec![body.clone()], None), "{order:?}");
                assert_eq!((all.memory_bytes(), all.pieces), (0, 0));
            }
        }
    }

    #[test]
    fn hosts_of_today_drop_a_datagram_that_overlaps_and_begin_again() {
        for (build, head, name) in [
            (ipv4 as fn(usize, bool, &[u8]) -> Vec<u8>, 20, "decoder.ipv4.frag_overlap"),
            (ipv6, 40, "decoder.ipv6.frag_overlap"),
        ] {
            let mut all = defragmenter("none");
            give(&mut all, 0, &build(0, true, &[1; 16]));
            assert_eq!(seen(give(&mut all, 0, &build(8, true, &[2; 16])), head), (vec![], Some(name)));
            assert_eq!(seen(give(&mut all, 0, &build(24, false, &[3; 8])), head), (vec![], None));
            give(&mut all, 0, &build(0, true, &[4; 16]));
            let body = [[4; 16], [5; 16]].concat();
            let last = give(&mut all, 0, &build(16, true, &body[16..24]));
            assert_eq!(seen(last, head), (vec![[&[4; 16][..], &[5; 8], &[3; 8]].concat()], None));
            assert_eq!(all.counters.contradicting, 1);
        }
    }

    #[test]
    fn another_copy_of_a_piece_makes_a_second_version() {
        let mut all = defragmenter("none");
        give(&mut all, 0, &ipv4(0, true, &[1; 16]));
        let other = give(&mut all, 0, &ipv4(0, true, &[2; 8]));
        assert_eq!(seen(other, 20), (vec![], Some("decoder.ipv4.frag_overlap")));
        let (versions, _) = seen(give(&mut all, 0, &ipv4(16, false, &[3; 4])), 20);
        let version = |a: u8| [&[a; 8][..], &[1; 8], &[3; 4]].concat();
        assert_eq!(versions, [version(1), version(2)]);
    }

    #[test]
    fn ends_that_contradict_each_other_and_datagrams_that_are_too_long_are_named() {
        let mut all = defragmenter("none");
        give(&mut all, 0, &ipv4(16, false, &[1; 8]));
        let beyond = give(&mut all, 0, &ipv4(24, true, &[1; 8]));
        assert_eq!(seen(beyond, 20), (vec![], Some("decoder.ipv4.frag_overlap")));
        let long = give(&mut all, 0, &ipv4(65_528, false, &[1; 8]));
        assert_eq!(seen(long, 20), (vec![], Some("decoder.ipv4.frag_pkt_too_large")));
        let long = give(&mut all, 0, &ipv6(65_528, false, &[1; 8]));
        assert_eq!(seen(long, 40), (vec![], Some("decoder.ipv6.frag_pkt_too_large")));
    }

    #[test]
    fn late_pieces_find_nothing_and_floods_push_out_what_came_first() {
        let mut all = defragmenter("none");
        give(&mut all, 0, &ipv4(0, true, &[1; 16]));
        let late = give(&mut all, 31, &ipv4(16, false, &[2; 8]));
        assert!(late.datagrams.is_empty());
        assert_eq!((all.counters.timed_out, all.datagrams.len()), (1, 1));
        let mut all = defragmenter("none");
        all.settings.trackers = 3;
        for id in 0..10 {
            let mut data = ipv4(0, true, &[1; 16]);
            data[5] = id;
            give(&mut all, 0, &data);
        }
        assert_eq!((all.datagrams.len(), all.counters.too_many, all.pieces), (3, 7, 3));
        let defrag = Defrag { memory_bytes: 5_000, ..Defrag::default() };
        let mut all = Defragmenter::new(defrag, ByNetwork::default(), true);
        for id in 0..100 {
            let mut data = ipv4(0, true, &[1; 160]);
            data[5] = id;
            give(&mut all, 0, &data);
            assert!(all.memory_bytes() <= 5_000);
        }
        assert!(all.counters.evicted > 80 && !all.datagrams.is_empty());
    }

    #[test]
    fn a_datagram_that_is_written_over_and_over_is_given_up() {
        let mut all = defragmenter("bsd");
        for round in 0..200u8 {
            give(&mut all, 0, &ipv4(8, true, &[round; 1480]));
        }
        assert!(all.counters.contradicting >= 2 && all.memory_bytes() < 400_000);
    }

    proptest! {
        #[test]
        fn overlaps_are_what_the_model_of_a_policy_says(
            which in 0usize..7,
            pieces in proptest::collection::vec((0usize..12, 1usize..6, any::<bool>()), 1..12),
        ) {
            let (name, policy) = [
                ("bsd", Policy::Bsd),
                ("bsd-right", Policy::BsdRight),
                ("old-linux", Policy::OldLinux),
                ("solaris", Policy::Solaris),
                ("hpux11", Policy::First),
                ("windows", Policy::Windows),
                ("linux", Policy::Drop),
            ][which];
            let len = 8 * 17;
            let mut taken: Vec<(usize, Vec<u8>)> = Vec::new();
            let mut all = defragmenter(name);
            let mut value = 0;
            let mut overlaps = false;
            let mut every = pieces.iter().map(|(at, units, _)| (at * 8, units * 8)).collect::<Vec<_>>();
            // What fills all holes comes last, so that the datagram becomes whole with it.
            every.push((0, 0));
            for (at, size) in every {
                value += 1;
                let (at, size) = if size == 0 { (len - 8, 8) } else { (at, size) };
                let body = vec![value; size];
                overlaps |= taken.iter().any(|(o, b)| *o < at + size && at < o + b.len());
                taken.push((at, body.clone()));
                let outcome = give(&mut all, 0, &ipv4(at, at + size < len, &body));
                prop_assert!(outcome.datagrams.is_empty() || model(policy, &taken, len).is_some());
            }
            for at in (0..len).step_by(8) {
                if policy == Policy::Drop && overlaps {
                    return Ok(());
                }
                if taken.iter().all(|(o, b)| at < *o || at >= o + b.len()) {
                    value += 1;
                    taken.push((at, vec![value; 8]));
                    let outcome = give(&mut all, 0, &ipv4(at, at + 8 < len, &[value; 8]));
                    match model(policy, &taken, len) {
                        None => prop_assert!(outcome.datagrams.is_empty()),
                        Some(expected) => prop_assert_eq!(&seen(outcome, 20).0[0], &expected),
                    }
                }
            }
        }

        #[test]
        fn noise_never_panics_and_never_holds_more_than_it_may(
            packets in proptest::collection::vec((0usize..40, 0usize..60, any::<bool>(), any::<bool>()), 0..60),
        ) {
            let mut all = defragmenter("bsd");
            for (at, size, more, v6) in packets {
                let data = if v6 { ipv6(at * 8, more, &vec![7; size]) } else { ipv4(at * 8, more, &vec![7; size]) };
                give(&mut all, 0, &data);
                prop_assert!(all.memory_bytes() <= 2 * (2 * 65_535 + 16_384));
            }
        }
    }
}
