//! Packets in bulk: one arena of bytes, and where each packet is in it.
//!
//! A batch is filled once, read by many and then goes back to the pool that it came from, so that a run needs no more memory
//! than its rings can hold, and none is allocated for a packet.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use tapwire_parsers::link::tunnel::Begins;
use tapwire_parsers::link::{How, Packet, Timestamp};
use tapwire_parsers::protocol::Anomaly;

use super::PACKET_LIMIT_BYTES;
use super::offload::{Excuses, Treatment};
use super::origin::CaptureFile;
use crate::decode::defrag::{GivenUp, Origin};

/// Packets that a batch holds at most.
pub const PACKETS: usize = 1024;
/// Bytes at which a batch is full.
pub const BYTES: usize = 1 << 20;

/// How often a packet is put together from pieces of packets in packets.
pub const JOINED_LIMIT: u8 = 7;

/// What is said of the checksums of a packet beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SumSaid {
    /// Nothing.
    #[default]
    Nothing,
    /// The kernel left the one of its transport to the card, which has not finished it.
    Unfinished,
    /// They are verified, whatever others are like.
    Strict,
    /// They mean nothing.
    Ignored,
}

/// A packet in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Position in the run, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Link type as tcpdump numbers it.
    pub link_type: u32,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// The worker that it belongs to.
    pub shard: u16,
    /// It carries another packet, which may belong to another worker.
    pub tunnel: bool,
    /// The interface of the capture, from 0.
    pub interface: u16,
    /// How often it was put together from pieces; 0 as captured. The frame of a datagram follows that of its last piece.
    pub joined: u8,
    /// In how many packets it came, if it was put together.
    pub depth: u8,
    /// How it is read, if it came in another packet.
    pub begins: Option<Begins>,
    /// What is said of its checksums.
    pub sum: SumSaid,
    /// It stands for a datagram that never became whole: it has the head of a piece of it and no more.
    pub incomplete: bool,
    /// It is a copy of one before, and is left out.
    pub duplicate: bool,
    /// What is odd about a piece in it: place in the batch's list, from 1.
    odd: u16,
    offset: u32,
    len: u32,
}

impl Frame {
    /// Bytes that were captured: what was put together from them is none.
    pub fn captured_bytes(&self) -> u32 {
        if self.joined == 0 { self.len } else { 0 }
    }

    /// Its headers.
    pub fn decode<'b>(&self, batch: &'b Batch, how: &How) -> Packet<'b> {
        let mut packet = self.unread(batch);
        self.read(&mut packet, how);
        packet
    }

    /// Its packet with no headers so far: one that is [read](Self::read) where it stays is not copied, and it is large.
    #[inline]
    pub fn unread<'b>(&self, batch: &'b Batch) -> Packet<'b> {
        Packet::new(self.number, self.time, self.link_type, batch.data(self), self.wire_len)
    }

    /// Reads the headers of its packet.
    #[inline]
    pub fn read(&self, packet: &mut Packet<'_>, how: &How) {
        if self.sum == SumSaid::Ignored && how.checksums {
            return self.read(packet, &How { checksums: false, ..*how });
        }
        packet.depth = self.depth;
        match self.begins {
            None => packet.read_captured(how),
            Some(begins) => packet.read_carried(begins, how),
        }
        packet.joined = self.joined;
        packet.interface = self.interface;
        if self.incomplete {
            // What is odd about the piece itself was told.
            packet.anomalies.clear();
            (packet.invalid, packet.incomplete) = (true, true);
        }
    }
}

/// What is known of a packet besides its bytes and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it was captured.
    pub time: Timestamp,
    /// Link type as tcpdump numbers it.
    pub link_type: u32,
    /// The interface of the capture, from 0.
    pub interface: u16,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
}

/// Some packets, in the order in which they were captured.
#[derive(Debug, Default)]
pub struct Batch {
    /// Position among the batches of a run, from 0: the distributor sets it.
    pub sequence: u64,
    /// What wrong checksums mean.
    pub checksums: Treatment,
    /// Whose mean nothing.
    pub excuses: Option<Arc<Excuses>>,
    /// The file that all its packets are of, if they are of one.
    pub capture: Option<Arc<CaptureFile>>,
    /// What time it is, where an interface is watched and no packets came.
    pub tick: Option<Timestamp>,
    /// Packets that are lost so far, before or behind them: nobody sees those.
    pub lost_packets: u64,
    /// The packets.
    pub frames: Vec<Frame>,
    /// What is odd about pieces of datagrams, with the depth of the piece.
    oddities: Vec<(u8, Anomaly)>,
    arena: Vec<u8>,
    home: Option<Arc<ArrayQueue<Batch>>>,
}

impl Batch {
    /// An empty batch that belongs to no pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// The captured bytes of one of its packets.
    pub fn data(&self, frame: &Frame) -> &[u8] {
        let (offset, len) = (frame.offset as usize, frame.len as usize);
        self.arena.get(offset..offset.saturating_add(len)).unwrap_or(&[])
    }

    /// The captured bytes of all its packets, in bytes.
    pub fn data_len(&self) -> usize {
        self.arena.len()
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.arena.capacity() + self.frames.capacity() * size_of::<Frame>()
    }

    /// Gives back memory that it does not need, for a longer wait.
    pub fn pack(&mut self) {
        self.arena.shrink_to_fit();
        self.frames.shrink_to_fit();
    }

    /// Whether a further packet belongs into the next batch.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= PACKETS || self.arena.len() >= BYTES
    }

    /// Adds a packet. Of one that is longer than a packet can be, the first bytes are kept.
    pub fn push(&mut self, number: u64, arrival: Arrival, data: &[u8]) {
        let data = data.get(..PACKET_LIMIT_BYTES).unwrap_or(data);
        // A batch that is full, and one packet, are far below 4 GiB.
        let (Ok(offset), Ok(len)) = (u32::try_from(self.arena.len()), u32::try_from(data.len())) else { return };
        self.arena.extend_from_slice(data);
        let Arrival { time, link_type, interface, wire_len } = arrival;
        self.frames.push(Frame {
            number,
            time,
            link_type,
            wire_len,
            shard: 0,
            tunnel: false,
            interface,
            joined: 0,
            depth: 0,
            begins: None,
            sum: SumSaid::Nothing,
            incomplete: false,
            duplicate: false,
            odd: 0,
            offset,
            len,
        });
    }

    /// Notes what is said of the checksums of the packet that was added last.
    pub fn note_sum(&mut self, said: SumSaid) {
        if let Some(frame) = self.frames.last_mut() {
            frame.sum = said;
        }
    }

    /// A frame for a datagram that was put together, the last piece of which came in `last` at `depth`. It is read as `begins`
    /// says. There is none if this was done too often already.
    pub fn join(&mut self, last: &Frame, depth: u8, begins: Option<Begins>, data: &[u8]) -> Option<Frame> {
        let (offset, len) = (u32::try_from(self.arena.len()).ok()?, u32::try_from(data.len()).ok()?);
        offset.checked_add(len)?;
        let joined = last.joined + 1;
        if joined > JOINED_LIMIT {
            return None;
        }
        self.arena.extend_from_slice(data);
        Some(Frame { wire_len: len, joined, depth, begins, odd: 0, tunnel: false, offset, len, ..*last })
    }

    /// Adds a frame for a datagram that never became whole, at the place of the piece of it that came first.
    pub fn stand_in(&mut self, given_up: &GivenUp) -> Option<Frame> {
        let Origin { number, time, link_type, interface, joined, depth, begins } = given_up.origin;
        let (offset, len) = (u32::try_from(self.arena.len()).ok()?, u32::try_from(given_up.head.len()).ok()?);
        self.arena.extend_from_slice(&given_up.head);
        let mut frame = Frame {
            number,
            time,
            link_type,
            // The bytes behind the head count as not captured.
            wire_len: len.saturating_add(u16::MAX.into()),
            shard: 0,
            tunnel: false,
            interface,
            joined: JOINED_LIMIT.min(joined + 1),
            depth,
            begins,
            sum: SumSaid::Nothing,
            incomplete: true,
            duplicate: false,
            odd: 0,
            offset,
            len,
        };
        self.note_oddity(&mut frame, depth, given_up.anomaly);
        Some(frame)
    }

    /// Notes what is odd about a piece, which came at `depth` in a frame. One is kept for each frame.
    pub fn note_oddity(&mut self, frame: &mut Frame, depth: u8, anomaly: Anomaly) {
        if let (0, Ok(place)) = (frame.odd, u16::try_from(self.oddities.len() + 1)) {
            frame.odd = place;
            self.oddities.push((depth, anomaly));
        }
    }

    /// What is odd about a piece in a frame, and the depth of the piece.
    pub fn oddity(&self, frame: &Frame) -> Option<(u8, Anomaly)> {
        self.oddities.get(usize::from(frame.odd).checked_sub(1)?).copied()
    }

    /// Takes all packets out.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.oddities.clear();
        self.arena.clear();
        self.capture = None;
        self.lost_packets = 0;
        // Datagrams that were put together may have made it much larger than packets do.
        if self.arena.capacity() > 2 * (BYTES + PACKET_LIMIT_BYTES) {
            self.arena.shrink_to(BYTES + PACKET_LIMIT_BYTES);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        let mut empty = Batch::default();
        std::mem::swap(&mut empty.frames, &mut self.frames);
        std::mem::swap(&mut empty.arena, &mut self.arena);
        empty.clear();
        // If the pool is full or nobody else has it any more, the memory is given back.
        let _ = home.push(empty);
    }
}

/// Batches that are used again. Clones share them.
#[derive(Clone, Debug)]
pub struct Pool(Arc<ArrayQueue<Batch>>);

impl Pool {
    /// A pool that keeps at most `size` unused batches.
    pub fn new(size: usize) -> Self {
        Self(Arc::new(ArrayQueue::new(size.max(1))))
    }

    /// An empty batch, which comes back by itself when the last one who has it drops it.
    pub fn take(&self) -> Batch {
        let mut batch = self.0.pop().unwrap_or_else(|| {
            let mut batch = Batch::default();
            batch.frames.reserve(PACKETS);
            batch.arena.reserve(BYTES + PACKET_LIMIT_BYTES);
            batch
        });
        batch.home = Some(Arc::clone(&self.0));
        batch
    }

    /// How many unused batches it has.
    pub fn unused(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Arrival = Arrival { time: Timestamp(5), link_type: 1, interface: 2, wire_len: 60 };

    #[test]
    fn packets_are_found_again() {
        let mut batch = Batch::new();
        for (number, data) in [(1, &b"first"[..]), (2, b""), (3, b"third")] {
            batch.push(number, ARRIVAL, data);
        }
        let found: Vec<_> = batch.frames.iter().map(|frame| (frame.number, batch.data(frame))).collect();
        assert_eq!(found, [(1, &b"first"[..]), (2, b""), (3, b"third")]);
        assert_eq!((batch.frames[2].interface, batch.frames[2].wire_len), (2, 60));
    }

    #[test]
    fn a_batch_is_full_by_packets_or_by_bytes() {
        let mut batch = Batch::new();
        for number in 0..1024 {
            assert!(!batch.is_full());
            batch.push(number, ARRIVAL, b"x");
        }
        assert!(batch.is_full());
        batch.clear();
        for number in 0..4 {
            assert!(!batch.is_full());
            batch.push(number, ARRIVAL, &[0; PACKET_LIMIT_BYTES + 1]);
        }
        assert!(batch.is_full());
    }

    #[test]
    fn a_batch_comes_back_when_the_last_one_drops_it() {
        let pool = Pool::new(1);
        let mut batch = pool.take();
        batch.push(1, ARRIVAL, b"data");
        let arena = batch.arena.as_ptr();
        let shared = Arc::new(batch);
        let other = Arc::clone(&shared);
        drop(shared);
        assert_eq!(pool.unused(), 0);
        drop(other);
        assert_eq!(pool.unused(), 1);
        let again = pool.take();
        assert_eq!((again.arena.as_ptr(), again.frames.len(), again.data_len()), (arena, 0, 0));
        drop((again, pool.take()));
        assert_eq!(pool.unused(), 1, "it keeps no more than its size");
    }
}
