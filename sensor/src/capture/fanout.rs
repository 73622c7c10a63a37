//! From one thread that reads to the workers: each worker gets every batch, and takes the packets of its shard.
//!
//! Workers that saw only their packets would not know which of two packets of different shards came first. So they all walk
//! the same sequence of batches, and what they find is put into one order, batch by batch.
//!
//! Pieces of datagrams are put together here, as only the whole tells where it belongs: it gets a frame of its own behind
//! that of its last piece.

use std::sync::Arc;

use smallvec::SmallVec;
use tapwire_parsers::link::{Packet, Vlans, is_plain};

use super::batch::{Batch, Frame};
use super::ring::{self, Sender, ring};
use super::shard::Shards;
use crate::config::Tunnels;
use crate::decode::defrag::{Counters, Defragmenter};

/// The end of a ring that a worker takes batches out of.
pub type Receiver = ring::Receiver<Arc<Batch>>;

/// Rings for some workers with `depth` batches each, under a secret `key` for the hash of flows.
pub fn channel(workers: u16, depth: usize, key: u64, reading: Reading) -> (Distributor, Vec<Receiver>) {
    let (rings, receivers) = (0..workers).map(|_| ring(depth)).unzip();
    (Distributor { rings, shards: Shards { key, count: workers }, reading, spare: Vec::new(), sequence: 0 }, receivers)
}

/// How packets are read here.
pub struct Reading {
    /// Whether wrong checksums make pieces useless.
    pub checksums: bool,
    /// Which tunnels are looked into.
    pub tunnels: Tunnels,
    /// Puts pieces of datagrams together.
    pub defragmenter: Defragmenter,
}

/// Hands batches to all workers. Dropping it tells them that there are no more.
pub struct Distributor {
    rings: Vec<Sender<Arc<Batch>>>,
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
    /// A ring was full: no worker gets it. It had so many packets.
    Dropped(u64),
    /// No worker is left.
    Gone,
}

impl Distributor {
    /// Hands a batch over and waits for workers whose rings are full. For files.
    pub fn send(&mut self, batch: Batch) -> Handed {
        let batch = self.address(batch);
        for ring in &mut self.rings {
            // A worker that is gone is found by who waits for it; the others go on.
            let _ = ring.send(Arc::clone(&batch));
        }
        self.handed()
    }

    /// Hands a batch over if there is room for it in all rings. For interfaces, which do not wait.
    pub fn offer(&mut self, batch: Batch) -> Handed {
        if self.rings.iter().any(|ring| !ring.is_closed() && !ring.has_room()) {
            return Handed::Dropped(batch.frames.len() as u64);
        }
        self.send(batch)
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
    fn address(&mut self, mut batch: Batch) -> Arc<Batch> {
        batch.sequence = self.sequence;
        self.sequence += 1;
        let alone = self.rings.len() == 1;
        let mut addressed = std::mem::take(&mut self.spare);
        let mut frames = std::mem::take(&mut batch.frames);
        let tenants = batch.engine.as_ref().and_then(|engine| engine.tenants.by_vlan.clone());
        for frame in frames.drain(..) {
            if alone && is_plain(frame.link_type, batch.data(&frame)) {
                addressed.push(frame);
            } else {
                let tenant = |vlans: &Vlans| tenants.as_ref().map_or(0, |tenants| tenants.of(vlans));
                self.read(&mut batch, frame, &tenant, &mut addressed);
            }
        }
        batch.frames = addressed;
        self.spare = frames;
        Arc::new(batch)
    }

    /// Reads a frame, whose tenant its VLANs tell, and what becomes whole by it, which goes behind it.
    fn read(
        &mut self,
        batch: &mut Batch,
        mut frame: Frame,
        tenant: &dyn Fn(&Vlans) -> u32,
        addressed: &mut Vec<Frame>,
    ) {
        let Reading { checksums, tunnels, defragmenter } = &mut self.reading;
        let (mut whole, mut odd) = (Vec::new(), None);
        let mut begins = frame.begins;
        let mut packet = frame.decode(batch, *checksums);
        let tenant = tenant(&packet.vlans);
        packet.tenant = tenant;
        frame.shard = self.shards.of(&packet);
        frame.tunnel = packet.inner.is_some();
        loop {
            let outcome = defragmenter.packet(&packet);
            odd = odd.or(outcome.anomaly.map(|anomaly| (packet.depth, anomaly)));
            let (depth, number) = (packet.depth, packet.link_type);
            let datagrams = choose(outcome.datagrams, |data| {
                let mut joined = Packet::new(0, packet.time, number, data, 0);
                joined.depth = depth;
                match begins {
                    Some(begins) => joined.read_carried(begins, true),
                    None => joined = Packet::decode(0, packet.time, number, data, 0, true),
                }
                joined.has_right_checksum()
            });
            whole.extend(datagrams.into_iter().map(|data| (depth, begins, data)));
            let Some(carried) = packet.inner.filter(|inner| tunnels.reads(inner.carrier)) else { break };
            let Some(inner) = Packet::decode_inner(&packet, *checksums) else { break };
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

    fn handed(&self) -> Handed {
        if self.rings.iter().all(Sender::is_closed) { Handed::Gone } else { Handed::Over }
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

    fn reading() -> Reading {
        let defragmenter = Defragmenter::new(Default::default(), Default::default(), true);
        Reading { checksums: true, tunnels: Tunnels::default(), defragmenter }
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
        let (mut distributor, receivers) = channel(3, 4, 99, reading());
        let workers: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(index, mut receiver)| {
                thread::spawn(move || {
                    let (mut next, mut own) = (0, Vec::new());
                    while let Some(batch) = receiver.recv() {
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
            assert_eq!(distributor.send(batch(&pool, number)), Handed::Over);
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
    fn a_batch_without_room_goes_to_nobody_and_takes_no_place() {
        let pool = Pool::new(4);
        let (mut distributor, mut receivers) = channel(2, 1, 0, reading());
        assert_eq!(distributor.offer(batch(&pool, 0)), Handed::Over);
        assert_eq!(receivers[0].recv().unwrap().sequence, 0);
        assert_eq!(distributor.offer(batch(&pool, 1)), Handed::Dropped(50));
        assert_eq!(receivers[1].recv().unwrap().sequence, 0);
        assert_eq!(distributor.offer(batch(&pool, 2)), Handed::Over);
        assert_eq!(receivers[0].recv().unwrap().sequence, 1);
        assert_eq!(receivers[1].recv().unwrap().sequence, 1);
    }

    #[test]
    fn workers_that_are_gone_hold_nobody_up() {
        let pool = Pool::new(4);
        let (mut distributor, mut receivers) = channel(2, 1, 0, reading());
        drop(receivers.pop());
        for _ in 0..3 {
            assert_eq!(distributor.offer(batch(&pool, 0)), Handed::Over);
            receivers[0].recv().unwrap();
        }
        receivers.clear();
        assert_eq!(distributor.send(batch(&pool, 0)), Handed::Gone);
    }
}
