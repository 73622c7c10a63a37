//! Packets that may be wanted later: of flows that nothing speaks for yet. The oldest go when there is no room or their time is over.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::HashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::Timestamp;

use super::packet::{Belongs, Captured, Id, Owners, TakePacket};

/// Packets of one flow that are looked at when it is taken, beyond which the older ones stay.
const CHAIN_LIMIT: usize = 1 << 20;
/// How far names of a flow lead to others.
const ALIASES: usize = 64;

/// What is kept of a packet besides its bytes.
struct Kept {
    packet: Captured,
    /// Place of its bytes among all that ever came.
    at: u64,
    len: usize,
    /// What it belongs to, and the place of the one before of each.
    owners: SmallVec<[(Belongs, Option<u64>); 1]>,
    /// It was taken, or has no bytes and only leads from one id to another.
    is_gone: bool,
}

/// The memory of packets.
pub struct Before {
    limit_bytes: usize,
    limit_us: u64,
    bytes: VecDeque<u8>,
    /// Place of the first of the bytes.
    bytes_begin: u64,
    kept: VecDeque<Kept>,
    /// Place of the first packet.
    begin: u64,
    /// The last packet of each.
    latest: HashMap<Id, u64, foldhash::fast::RandomState>,
    /// Packets that went because there was no room; those whose time was over do not count.
    pub evicted: u64,
}

impl Before {
    /// A memory of so many bytes and microseconds.
    pub fn new(limit_bytes: usize, limit_us: u64) -> Self {
        Self {
            limit_bytes,
            limit_us,
            bytes: VecDeque::new(),
            bytes_begin: 0,
            kept: VecDeque::new(),
            begin: 0,
            latest: HashMap::default(),
            evicted: 0,
        }
    }

    /// Keeps a packet.
    pub fn keep(&mut self, packet: Captured, data: &[u8], owners: &[Belongs]) {
        self.make_room(packet.time, data.len());
        let at = self.bytes_begin + self.bytes.len() as u64;
        self.bytes.extend(data);
        self.push(packet, (at, data.len()), owners, false);
    }

    /// Notes that what belongs to `to` also belongs to `from`.
    pub fn lead(&mut self, packet: Captured, from: Id, to: Id) {
        self.make_room(packet.time, 0);
        let at = self.bytes_begin + self.bytes.len() as u64;
        self.push(packet, (at, 0), &[Belongs { id: from, alias: to }], true);
    }

    /// Takes the packets of a flow, in the order in which they came.
    pub fn take(&mut self, id: Id, each: &mut TakePacket<'_>) {
        if self.latest.is_empty() {
            return;
        }
        let (mut places, mut ids, mut done) = (Vec::new(), vec![id], 0);
        while let Some(id) = ids.get(done).copied() {
            done += 1;
            let mut next = self.latest.remove(&id);
            while let Some(place) = next
                && places.len() < CHAIN_LIMIT
                && let Some(kept) = self.at_mut(place)
            {
                let link = kept.owners.iter().find(|(owner, _)| owner.id == id);
                next = link.and_then(|(_, before)| *before);
                match link {
                    Some((owner, _)) if kept.is_gone && kept.len == 0 && ids.len() < ALIASES => ids.push(owner.alias),
                    _ => {}
                }
                if !kept.is_gone {
                    kept.is_gone = true;
                    places.push(place);
                }
            }
        }
        places.sort_unstable();
        let mut data = Vec::new();
        for place in places {
            let Some(kept) = usize::try_from(place - self.begin).ok().and_then(|at| self.kept.get(at)) else {
                continue;
            };
            let from = usize::try_from(kept.at - self.bytes_begin).unwrap_or(usize::MAX);
            let (first, second) = self.bytes.as_slices();
            let to = from.saturating_add(kept.len);
            data.clear();
            data.extend_from_slice(first.get(from.min(first.len())..to.min(first.len())).unwrap_or(&[]));
            let cut = |at: usize| at.saturating_sub(first.len()).min(second.len());
            data.extend_from_slice(second.get(cut(from)..cut(to)).unwrap_or(&[]));
            let mut owners: Owners = kept.owners.iter().map(|(owner, _)| *owner).collect();
            // What was led to is found with it.
            if !owners.iter().any(|owner| owner.id == id) {
                owners.push(Belongs { id, alias: 0 });
            }
            each(&kept.packet, &data, &owners);
        }
    }

    /// Bytes that it takes.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.kept.len() * size_of::<Kept>()
    }

    fn push(&mut self, packet: Captured, (at, len): (u64, usize), owners: &[Belongs], is_gone: bool) {
        let place = self.begin + self.kept.len() as u64;
        let owners = owners.iter().map(|owner| (*owner, self.latest.insert(owner.id, place))).collect();
        self.kept.push_back(Kept { packet, at, len, owners, is_gone });
    }

    fn at_mut(&mut self, place: u64) -> Option<&mut Kept> {
        self.kept.get_mut(usize::try_from(place.checked_sub(self.begin)?).ok()?)
    }

    fn make_room(&mut self, now: Timestamp, bytes: usize) {
        let most = self.limit_bytes.saturating_sub(bytes + size_of::<Kept>());
        while let Some(oldest) = self.kept.front() {
            let is_old = now.since(oldest.packet.time) > self.limit_us;
            if !is_old && self.held_bytes() <= most {
                return;
            }
            self.evicted += u64::from(!is_old && !oldest.is_gone);
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.kept.pop_front() else { return };
        for (owner, _) in &oldest.owners {
            if self.latest.get(&owner.id) == Some(&self.begin) {
                self.latest.remove(&owner.id);
            }
        }
        self.begin += 1;
        self.bytes.drain(..oldest.len.min(self.bytes.len()));
        self.bytes_begin += oldest.len as u64;
    }
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Before({} packets, hasher {:x})", self.kept.len(), self.latest.hasher().hash_one(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u64, time_s: u64) -> Captured {
        let time = Timestamp(time_s * 1_000_000);
        Captured { number, time, link_type: 1, interface: 0, shard: 0, wire_len: 60 }
    }

    fn taken(before: &mut Before, id: Id) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        before.take(id, &mut |packet, data, _| all.push((packet.number, data.to_vec())));
        all
    }

    const fn of(id: Id) -> Belongs {
        Belongs { id, alias: 0 }
    }

    #[test]
    fn packets_of_a_flow_come_once_and_in_order() {
        let mut before = Before::new(1 << 20, 60_000_000);
        for number in 0..10u8 {
            before.keep(packet(number.into(), 0), &[number; 7], &[of(u64::from(number % 3))]);
        }
        before.keep(packet(10, 0), b"both", &[of(0), of(1)]);
        let expected: Vec<(u64, Vec<u8>)> = [0, 3, 6, 9].map(|n: u8| (n.into(), vec![n; 7])).into();
        assert_eq!(taken(&mut before, 0), [expected, vec![(10, b"both".to_vec())]].concat());
        assert_eq!(taken(&mut before, 0), []);
        assert_eq!(taken(&mut before, 1).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 4, 7], "not a second time");
        assert_eq!(taken(&mut before, 7), []);
    }

    #[test]
    fn one_name_leads_to_another() {
        let mut before = Before::new(1 << 20, 60_000_000);
        before.keep(packet(1, 0), b"piece", &[of(77)]);
        before.lead(packet(2, 0), 5, 77);
        before.lead(packet(2, 0), 77, 5);
        before.keep(packet(2, 0), b"last", &[of(77)]);
        assert_eq!(taken(&mut before, 5), [(1, b"piece".to_vec()), (2, b"last".to_vec())]);
    }

    #[test]
    fn the_oldest_go_by_bytes_and_by_time() {
        let mut before = Before::new(20_000, 5_000_000);
        for number in 0..1000 {
            before.keep(packet(number, 0), &[7; 100], &[of(1 + number % 2)]);
            assert!(before.held_bytes() <= 20_000);
        }
        let left = taken(&mut before, 1);
        assert!(!left.is_empty() && left.iter().all(|(_, data)| data == &[7; 100]), "what is left is whole");
        assert!(before.evicted > 500);
        let evicted = before.evicted;
        before.keep(packet(2000, 6), b"new", &[of(3)]);
        assert_eq!((before.kept.len(), before.evicted), (1, evicted), "time takes the others");
        before.keep(packet(2001, 6), &[0; 30_000], &[of(3)]);
        before.keep(packet(2002, 6), &[0; 30_000], &[of(3)]);
        assert_eq!(
            (before.kept.len(), before.latest.len()),
            (1, 1),
            "a packet that is larger than the memory goes with the next"
        );
    }
}
