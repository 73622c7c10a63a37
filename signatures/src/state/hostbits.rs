//! Bits of hosts and pairs of hosts (`xbits`, `hostbits`), shared by all flows of a tenant; each expires by packet time.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;
use tapwire_parsers::link::Timestamp;

use crate::rule::{BitOperation, BitTrack, HostBits as Keyword};

/// Whose bit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Host(IpAddr),
    /// The smaller address first, so that both directions are one pair.
    Pair(IpAddr, IpAddr),
}

impl Owner {
    fn is_pair(&self) -> bool {
        matches!(self, Owner::Pair(..))
    }
}

/// The tenant, the bit and whose it is.
type Key = (u32, u16, Owner);

/// Whom a packet is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The tenant whose packet it is, 0 where it is nobody's.
    pub tenant: u32,
    /// The packet's source.
    pub source: IpAddr,
    /// The packet's destination.
    pub destination: IpAddr,
}

/// The table of bits, of a bounded size: where it is full, the bit that was set first makes room.
#[derive(Debug)]
pub struct HostBits {
    limit: usize,
    until: HashMap<Key, Timestamp, foldhash::fast::RandomState>,
    order: VecDeque<Key>,
    /// Those kept that are of pairs of hosts.
    of_pairs: usize,
    evicted: u64,
}

impl HostBits {
    /// A table of at most `limit` bits.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), until: HashMap::default(), order: VecDeque::new(), of_pairs: 0, evicted: 0 }
    }

    /// Whether what a keyword asks for holds; those that change something hold always. Bits of transactions are not kept here.
    pub fn allows(&self, keyword: &Keyword, parties: Parties, now: Timestamp) -> bool {
        let Some(owner) = owner(keyword.track, parties) else { return false };
        let isset = self.isset(&(parties.tenant, keyword.bit, owner), now);
        match keyword.operation {
            BitOperation::IsSet => isset,
            BitOperation::IsNotSet => !isset,
            BitOperation::Set | BitOperation::Unset | BitOperation::Toggle => true,
        }
    }

    /// Changes what a keyword changes, after its rule matched.
    pub fn apply(&mut self, keyword: &Keyword, parties: Parties, now: Timestamp) {
        let Some(owner) = owner(keyword.track, parties) else { return };
        let key = (parties.tenant, keyword.bit, owner);
        let set = match keyword.operation {
            BitOperation::Set => true,
            BitOperation::Unset => false,
            BitOperation::Toggle => !self.isset(&key, now),
            BitOperation::IsSet | BitOperation::IsNotSet => return,
        };
        if set {
            let until = Timestamp(now.0.saturating_add(u64::from(keyword.expire_s) * 1_000_000));
            self.set(key, until, now);
        } else if let Some(time) = self.until.get_mut(&key) {
            // Its place in the order stays, so that setting it again needs no second one.
            *time = Timestamp(0);
        }
    }

    /// Number of bits that had to go before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Memory of the bits of hosts, of those of pairs, and of as many as may be of both, in bytes.
    pub fn memory_bytes(&self) -> (u64, u64, u64) {
        let bytes = |count: usize| (count * BIT_BYTES) as u64;
        (bytes(self.len() - self.of_pairs), bytes(self.of_pairs), bytes(self.limit))
    }

    /// Number of bits kept, those that expired and were not yet dropped included.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    fn isset(&self, key: &Key, now: Timestamp) -> bool {
        self.until.get(key).is_some_and(|until| now < *until)
    }

    fn set(&mut self, key: Key, until: Timestamp, now: Timestamp) {
        if let Some(time) = self.until.get_mut(&key) {
            *time = until;
            return;
        }
        // Two looks for each new bit drop what expired faster than it can gather.
        for _ in 0..2 {
            let Some(oldest) = self.order.pop_front() else { break };
            let expired = self.until.get(&oldest).is_none_or(|until| *until <= now);
            if expired {
                self.remove(&oldest);
            } else if self.until.len() >= self.limit {
                self.remove(&oldest);
                self.evicted += 1;
            } else {
                self.order.push_back(oldest);
            }
        }
        self.until.insert(key, until);
        self.of_pairs += usize::from(key.2.is_pair());
        self.order.push_back(key);
    }

    fn remove(&mut self, key: &Key) {
        if self.until.remove(key).is_some() {
            self.of_pairs -= usize::from(key.2.is_pair());
        }
    }
}

/// What a bit takes, with its place in the order.
const BIT_BYTES: usize = 2 * size_of::<Key>() + size_of::<Timestamp>();

fn owner(track: BitTrack, Parties { source, destination, .. }: Parties) -> Option<Owner> {
    match track {
        BitTrack::Source => Some(Owner::Host(source)),
        BitTrack::Destination => Some(Owner::Host(destination)),
        BitTrack::Pair => Some(Owner::Pair(source.min(destination), source.max(destination))),
        BitTrack::Transaction => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn keyword(operation: BitOperation, track: BitTrack) -> Keyword {
        Keyword { operation, bit: 7, track, expire_s: 10 }
    }

    fn parties(source: IpAddr, destination: IpAddr) -> Parties {
        Parties { tenant: 0, source, destination }
    }

    #[test]
    fn a_bit_is_seen_from_the_other_side_until_it_expires() {
        let mut bits = HostBits::new(10);
        let second = |s: u64| Timestamp(s * 1_000_000);
        bits.apply(&keyword(BitOperation::Set, BitTrack::Destination), parties(A, B), second(100));
        for (track, parties, at, isset) in [
            (BitTrack::Source, parties(B, A), 101, true),
            (BitTrack::Source, parties(A, B), 101, false),
            (BitTrack::Pair, parties(A, B), 101, false),
            (BitTrack::Source, parties(B, A), 110, false),
            (BitTrack::Source, Parties { tenant: 1, ..parties(B, A) }, 101, false),
        ] {
            assert_eq!(bits.allows(&keyword(BitOperation::IsSet, track), parties, second(at)), isset);
            assert_eq!(bits.allows(&keyword(BitOperation::IsNotSet, track), parties, second(at)), !isset);
        }
        bits.apply(&keyword(BitOperation::Set, BitTrack::Pair), parties(A, B), second(100));
        assert!(bits.allows(&keyword(BitOperation::IsSet, BitTrack::Pair), parties(B, A), second(101)));
        bits.apply(&keyword(BitOperation::Toggle, BitTrack::Pair), parties(B, A), second(102));
        assert!(!bits.allows(&keyword(BitOperation::IsSet, BitTrack::Pair), parties(A, B), second(102)));
    }

    #[test]
    fn the_table_never_grows_beyond_its_limit() {
        let mut bits = HostBits::new(100);
        let host = |number: u32| parties(IpAddr::V4(number.into()), B);
        for number in 0..10_000_u32 {
            bits.apply(&keyword(BitOperation::Set, BitTrack::Source), host(number), Timestamp(1));
            assert!(bits.len() <= 100);
        }
        assert_eq!(bits.evicted(), 9_900);
        assert!(bits.allows(&keyword(BitOperation::IsSet, BitTrack::Source), host(9_999), Timestamp(1)));
    }
}
