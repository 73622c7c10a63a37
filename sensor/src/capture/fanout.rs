//! From one thread that reads to the workers: each worker gets every batch, and takes the packets of its shard.
//!
//! Workers that saw only their packets would not know which of two packets of different shards came first. So they all walk
//! the same sequence of batches, and what they find is put into one order, batch by batch.
//!
//! Pieces of datagrams are put together here, as only the whole tells where it belongs: it gets a frame of its own behind
//! that of its last piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use smallvec::SmallVec;
use tapwire_parsers::link::tunnel::Begins;
use tapwire_parsers::link::{Packet, Vlans, is_plain};

use super::batch::{Batch, Frame};
use super::offload::{Known, settle};
use super::ring::{self, Sender, ring};
use super::shard::Shards;
use crate::decode::defrag::{Counters, Defragmenter};
use crate::decode::tunnels::Tunnels;

/// Batches that a ring has room for where an interface is watched; bytes are the limit that counts.
const LIVE_SLOTS: usize = 4_096;
/// With more batches waiting, they give back memory that they do not need.
const UNPACKED: usize = 8;

/// What a worker may have waiting for it.
#[derive(Clone, Copy, Debug)]
pub enum Depth {
    /// So many batches. A file waits.
    Batches(usize),
    /// Batches of so many bytes. An interface does not wait.
    Bytes(usize),
}

impl Depth {
    /// Batches and bytes that a ring has room for.
    fn limits(self) -> (usize, usize) {
        match self {
            Depth::Batches(slots) => (slots, usize::MAX),
            Depth::Bytes(bytes) => (LIVE_SLOTS, bytes),
        }
    }
}

/// The rules of a moment, as far as is asked before anything is inspected.
pub trait Epoch {
    /// Whose a packet is that was captured with these VLANs: the number of a tenant, 0 for nobody.
    fn tenant(&self, vlans: &Vlans) -> u32;
}

/// A batch, and the rules that its packets are inspected with.
#[derive(Debug)]
pub struct Work<E> {
    /// The packets.
    pub batch: Batch,
    /// The rules.
    pub epoch: E,
}

/// The end of a ring that a worker takes batches out of.
pub struct Receiver<E> {
    ring: ring::Receiver<Arc<Work<E>>>,
    waiting: Arc<AtomicUsize>,
}

impl<E> Receiver<E> {
    /// How many batches wait.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Their bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The next batch, once there is one; nothing if none will come.
    pub fn recv(&mut self) -> Option<Arc<Work<E>>> {
        let work = self.ring.recv()?;
        self.waiting.fetch_sub(work.batch.held_bytes(), Ordering::Relaxed);
        Some(work)
    }

    /// The next batch, if there is one.
    pub fn try_recv(&mut self) -> Option<Arc<Work<E>>> {
        let work = self.ring.try_recv()?;
        self.waiting.fetch_sub(work.batch.held_bytes(), Ordering::Relaxed);
        Some(work)
    }
}

/// Rings for some workers, under a secret `key` for the hash of flows.
pub fn channel<E: Epoch>(workers: u16, depth: Depth, key: u64, reading: Reading) -> (Distributor<E>, Vec<Receiver<E>>) {
    let (slots, limit_bytes) = depth.limits();
    let (ways, receivers) = (0..workers).map(|_| way(slots)).unzip();
    let shards = Shards { key, count: workers };
    (Distributor { ways, tap: None, limit_bytes, shards, reading, spare: Vec::new(), sequence: 0 }, receivers)
}

/// The end of a ring for one who takes every batch and whom nobody waits for where an interface is watched.
pub struct Tap<E> {
    way: Way<E>,
    limit_bytes: usize,
    lost: Arc<AtomicU64>,
}

/// A ring for such a one, and how many packets found no room in it.
pub fn tap<E>(depth: Depth) -> (Tap<E>, Receiver<E>, Arc<AtomicU64>) {
    let (slots, limit_bytes) = depth.limits();
    let (way, receiver) = way(slots);
    let lost = Arc::new(AtomicU64::new(0));
    (Tap { way, limit_bytes, lost: Arc::clone(&lost) }, receiver, lost)
}

impl<E> Tap<E> {
    /// Hands a batch over; waits for room, or lets it go.
    fn take(&mut self, work: &Arc<Work<E>>, waits: bool) {
        if waits || self.way.has_room(self.limit_bytes) {
            self.way.send(work);
        } else {
            let packets = work.batch.frames.iter().filter(|frame| frame.joined == 0).count();
            self.lost.fetch_add(packets as u64, Ordering::Relaxed);
        }
    }
}

/// A way and its end.
fn way<E>(slots: usize) -> (Way<E>, Receiver<E>) {
    let (sender, ring) = ring(slots);
    let waiting = Arc::new(AtomicUsize::new(0));
    (Way { ring: sender, waiting: Arc::clone(&waiting) }, Receiver { ring, waiting })
}

/// The way to one worker, and the bytes that are on it.
struct Way<E> {
    ring: Sender<Arc<Work<E>>>,
    waiting: Arc<AtomicUsize>,
}

impl<E> Way<E> {
    fn has_room(&self, limit_bytes: usize) -> bool {
        self.ring.has_room() && self.waiting.load(Ordering::Relaxed) < limit_bytes
    }

    fn send(&mut self, work: &Arc<Work<E>>) {
        self.waiting.fetch_add(work.batch.held_bytes(), Ordering::Relaxed);
        // A worker that is gone is found by who waits for it; the others go on.
        let _ = self.ring.send(Arc::clone(work));
    }
}

/// How packets are read here.
pub struct Reading {
    /// Which tunnels are looked into.
    pub tunnels: Tunnels,
    /// Puts pieces of datagrams together.
    pub defragmenter: Defragmenter,
}

/// Hands batches to all workers. Dropping it tells them that there are no more.
pub struct Distributor<E> {
    ways: Vec<Way<E>>,
    /// Who else takes every batch.
    tap: Option<Tap<E>>,
    limit_bytes: usize,
    shards: Shards,
    reading: Reading,
    /// A list of frames to be used again.
    spare: Vec<Frame>,
    sequence: u64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// All workers have it or will get it.
    Over,
    /// Workers that are too far behind do not get it.
    Dropped {
        /// So many packets were theirs.
        packets: u64,
        /// So many others may carry packets that were.
        tunnels: u64,
    },
    /// No worker is left.
    Gone,
}

impl<E: Epoch> Distributor<E> {
    /// Hands a batch over and waits for workers whose rings are full. For files.
    pub fn send(&mut self, batch: Batch, epoch: E) -> Handed {
        let work = Arc::new(Work { batch: self.address(batch, &epoch), epoch });
        self.ways.iter_mut().for_each(|way| way.send(&work));
        self.tap(&work, true);
        if self.is_gone() { Handed::Gone } else { Handed::Over }
    }

    /// Whether any worker has room for a batch. Where none has, packets are best left where they are.
    pub fn has_room(&self) -> bool {
        self.ways.iter().any(|way| way.ring.is_closed() || way.has_room(self.limit_bytes))
    }

    /// Hands a batch over to all workers that have room for it. For interfaces, which do not wait.
    pub fn offer(&mut self, batch: Batch, epoch: E) -> Handed {
        let mut batch = self.address(batch, &epoch);
        if self.ways.iter().any(|way| way.ring.len() > UNPACKED) {
            batch.pack();
        }
        let work = Arc::new(Work { batch, epoch });
        let (mut packets, mut tunnels) = (0, 0);
        for (worker, way) in (0..).zip(&mut self.ways) {
            if way.ring.is_closed() {
                continue;
            }
            if way.has_room(self.limit_bytes) {
                way.send(&work);
                continue;
            }
            for frame in work.batch.frames.iter().filter(|frame| frame.joined == 0) {
                packets += u64::from(frame.shard == worker);
                tunnels += u64::from(frame.tunnel && frame.shard != worker);
            }
        }
        self.tap(&work, false);
        match (packets, tunnels) {
            _ if self.is_gone() => Handed::Gone,
            (0, 0) => Handed::Over,
            _ => Handed::Dropped { packets, tunnels },
        }
    }

    /// Goes on to a later place in the sequence of batches, where several are handed over side by side.
    pub fn skip_to(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// How many batches were handed over.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What was counted of pieces of datagrams, and the bytes that are held of them.
    pub fn fragments(&self) -> (Counters, usize) {
        (self.reading.defragmenter.counters, self.reading.defragmenter.memory_bytes())
    }

    /// Gives a batch its place and its packets their shards.
    fn address(&mut self, mut batch: Batch, epoch: &E) -> Batch {
        batch.sequence = self.sequence;
        self.sequence += 1;
        let alone = self.ways.len() == 1;
        let mut addressed = std::mem::take(&mut self.spare);
        let mut frames = std::mem::take(&mut batch.frames);
        for frame in frames.drain(..) {
            if frame.duplicate || alone && is_plain(frame.link_type, batch.data(&frame), &self.reading.tunnels.ports) {
                addressed.push(frame);
            } else {
                self.read(&mut batch, frame, &|vlans| epoch.tenant(vlans), &mut addressed);
            }
        }
        if let Some(last) = addressed.last() {
            self.reading.defragmenter.expire(last.time);
        }
        self.stand_in(&mut batch, &mut addressed);
        batch.frames = addressed;
        self.spare = frames;
        batch
    }

    /// Hands over frames for datagrams that will never become whole: the last batch has been handed over.
    pub fn end(&mut self, mut batch: Batch, epoch: E) -> Handed {
        self.reading.defragmenter.end();
        let mut frames = Vec::new();
        self.stand_in(&mut batch, &mut frames);
        if frames.is_empty() {
            return Handed::Over;
        }
        batch.sequence = self.sequence;
        self.sequence += 1;
        batch.frames = frames;
        let work = Arc::new(Work { batch, epoch });
        self.ways.iter_mut().for_each(|way| way.send(&work));
        self.tap(&work, true);
        Handed::Over
    }

    /// Hands every batch over to somebody else as well.
    pub fn attach(&mut self, tap: Option<Tap<E>>) {
        self.tap = tap;
    }

    fn tap(&mut self, work: &Arc<Work<E>>, waits: bool) {
        if let Some(tap) = &mut self.tap {
            tap.take(work, waits);
        }
    }

    /// Adds frames for datagrams that were given up.
    fn stand_in(&mut self, batch: &mut Batch, addressed: &mut Vec<Frame>) {
        for given_up in self.reading.defragmenter.take_given_up() {
            let Some(mut frame) = batch.stand_in(&given_up) else { continue };
            frame.shard = self.shards.of(&frame.decode(batch, &self.reading.tunnels.how(false)));
            addressed.push(frame);
        }
    }

    /// Reads a frame, whose tenant its VLANs tell, and what becomes whole by it, which goes behind it.
    fn read(
        &mut self,
        batch: &mut Batch,
        mut frame: Frame,
        tenant: &dyn Fn(&Vlans) -> u32,
        addressed: &mut Vec<Frame>,
    ) {
        let Reading { tunnels, defragmenter } = &mut self.reading;
        let (how, treatment) = (tunnels.how(batch.checksums.verifies()), batch.checksums);
        let excuses = batch.excuses.clone();
        let (mut whole, mut odd) = (Vec::new(), None);
        let mut begins = frame.begins;
        let mut packet = frame.decode(batch, &how);
        let tenant = tenant(&packet.vlans);
        packet.tenant = tenant;
        frame.shard = self.shards.of(&packet);
        frame.tunnel = packet.inner.is_some();
        loop {
            let known = Known { excuses: excuses.as_deref(), interface: frame.interface, said: frame.sum };
            settle(&mut packet, treatment, known);
            if let Some(beside) = packet.beside {
                let begins = Some(Begins::Beside(beside.kind));
                whole.extend(beside.packets().map(|data| (packet.depth, begins, data.to_vec())));
            }
            let outcome = defragmenter.packet(&packet, begins);
            odd = odd.or(outcome.anomaly.map(|anomaly| (packet.depth, anomaly)));
            let (depth, number) = (packet.depth, packet.link_type);
            let datagrams = choose(outcome.datagrams, |data| {
                let mut joined = Packet::new(0, packet.time, number, data, 0);
                joined.depth = depth;
                let how = tunnels.how(true);
                match begins {
                    Some(begins) => joined.read_carried(begins, &how),
                    None => joined.read_captured(&how),
                }
                joined.has_right_checksum()
            });
            whole.extend(datagrams.into_iter().map(|data| (depth, begins, data)));
            let Some(carried) = packet.inner.filter(|inner| tunnels.reads(inner.carrier)) else { break };
            let Some(inner) = Packet::decode_inner(&packet, &how) else { break };
            begins = Some(carried.begins);
            packet = inner;
        }
        if let Some((depth, anomaly)) = odd {
            batch.note_oddity(&mut frame, depth, anomaly);
        }
        addressed.push(frame);
        for (depth, begins, data) in whole {
            if let Some(joined) = batch.join(&frame, depth, begins, &data) {
                self.read(batch, joined, &|_| tenant, addressed);
            }
        }
    }

    fn is_gone(&self) -> bool {
        self.ways.iter().all(|way| way.ring.is_closed())
    }
}

/// Of two versions of a datagram the one whose checksum is right; both if nothing tells them apart.
fn choose(mut versions: SmallVec<[Vec<u8>; 1]>, is_right: impl Fn(&[u8]) -> bool) -> SmallVec<[Vec<u8>; 1]> {
    if versions.len() > 1 && versions.iter().any(|data| is_right(data)) {
        versions.retain(|data| is_right(data));
    }
    versions
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tapwire_parsers::link::Timestamp;

    use super::*;
    use crate::capture::batch::{Arrival, Pool};

    /// Rules of nobody.
    struct Nobody;

    impl Epoch for Nobody {
        fn tenant(&self, _: &Vlans) -> u32 {
            0
        }
    }

    fn reading() -> Reading {
        let defragmenter = Defragmenter::new(Default::default(), Default::default(), true);
        Reading { tunnels: Tunnels::default(), defragmenter }
    }

    fn batch(pool: &Pool, number: u64) -> Batch {
        let mut batch = pool.take();
        for port in 0..50u8 {
            let arrival = Arrival { time: Timestamp(number), link_type: 101, interface: 0, wire_len: 28 };
            let mut data = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            data.extend([0, port, 0, 53, 0, 8, 0, 0]);
            batch.push(number * 50 + u64::from(port), arrival, &data);
        }
        batch
    }

    #[test]
    fn all_workers_see_all_batches_and_each_packet_has_one_owner() {
        let pool = Pool::new(16);
        let (mut distributor, receivers) = channel(3, Depth::Batches(4), 99, reading());
        let workers: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(index, mut receiver)| {
                thread::spawn(move || {
                    let (mut next, mut own) = (0, Vec::new());
                    while let Some(work) = receiver.recv() {
                        let batch = &work.batch;
                        assert_eq!(batch.sequence, next);
                        next += 1;
                        own.extend(batch.frames.iter().filter(|f| usize::from(f.shard) == index).map(|f| f.number));
                    }
                    assert_eq!(next, 200);
                    own
                })
            })
            .collect();
        for number in 0..200 {
            assert_eq!(distributor.send(batch(&pool, number), Nobody), Handed::Over);
        }
        drop(distributor);
        let owned: Vec<Vec<u64>> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        assert!(owned.iter().all(|numbers| numbers.is_sorted() && numbers.len() > 1000));
        let mut all = owned.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10_000));
        assert!(pool.unused() > 0, "batches came back");
    }

    #[test]
    fn only_the_worker_that_is_behind_loses_its_packets() {
        let pool = Pool::new(4);
        let (mut distributor, mut receivers) = channel(2, Depth::Bytes(1), 0, reading());
        assert_eq!(distributor.offer(batch(&pool, 0), Nobody), Handed::Over);
        assert!(!distributor.has_room());
        assert_eq!(receivers[0].recv().unwrap().batch.sequence, 0);
        assert!(distributor.has_room());
        let second = batch(&pool, 1);
        let Handed::Dropped { packets, tunnels: 0 } = distributor.offer(second, Nobody) else {
            panic!("it has no room")
        };
        let got = receivers[0].recv().unwrap();
        let own = got.batch.frames.iter().filter(|frame| frame.shard == 1).count() as u64;
        assert_eq!((got.batch.sequence, packets), (1, own));
        assert!(packets > 10 && packets < 40, "{packets} of 50");
        assert_eq!(receivers[1].recv().unwrap().batch.sequence, 0);
        assert_eq!(distributor.offer(batch(&pool, 2), Nobody), Handed::Over);
        assert_eq!(receivers[0].recv().unwrap().batch.sequence, 2);
        assert_eq!(receivers[1].recv().unwrap().batch.sequence, 2, "it goes on behind the hole");
    }

    #[test]
    fn a_stall_is_covered_by_what_may_wait() {
        let pool = Pool::new(4);
        let (mut distributor, mut receivers) = channel(1, Depth::Bytes(64 << 20), 0, reading());
        for number in 0..1_000 {
            assert_eq!(distributor.offer(batch(&pool, number), Nobody), Handed::Over);
        }
        for number in 0..1_000 {
            assert_eq!(receivers[0].recv().unwrap().batch.sequence, number);
        }
    }

    #[test]
    fn workers_that_are_gone_hold_nobody_up() {
        let pool = Pool::new(4);
        let (mut distributor, mut receivers) = channel(2, Depth::Bytes(1), 0, reading());
        drop(receivers.pop());
        for _ in 0..3 {
            assert_eq!(distributor.offer(batch(&pool, 0), Nobody), Handed::Over);
            receivers[0].recv().unwrap();
        }
        receivers.clear();
        assert_eq!(distributor.send(batch(&pool, 0), Nobody), Handed::Gone);
    }
}
