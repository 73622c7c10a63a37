//! Packets that travel together: their bytes in one arena, so that none is allocated for itself.

use tapwire_parsers::link::Timestamp;

/// Packets in a batch.
const FRAME_LIMIT: usize = 1_024;
/// Bytes in a batch; the last packet may go over it.
const BYTE_LIMIT: usize = 1 << 20;

/// A captured packet: its bytes stand in the batch.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Position in the run, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Link type as tcpdump numbers it.
    pub link_type: u32,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// The worker that it goes to.
    pub shard: u16,
    start: u32,
    len: u32,
}

/// Packets in the order in which they were captured.
#[derive(Debug, Default)]
pub struct Batch {
    /// Position of the batch in the run, from 0.
    pub sequence: u64,
    /// The packets.
    pub frames: Vec<Frame>,
    arena: Vec<u8>,
}

impl Batch {
    /// The captured bytes of one of its packets.
    pub fn data(&self, frame: &Frame) -> &[u8] {
        let start = frame.start as usize;
        self.arena.get(start..start + frame.len as usize).unwrap_or(&[])
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.arena.clear();
    }

    /// Appends a packet.
    pub fn push(&mut self, number: u64, time: Timestamp, link_type: u32, wire_len: u32, data: &[u8]) {
        let (Ok(start), Ok(len)) = (u32::try_from(self.arena.len()), u32::try_from(data.len())) else { return };
        self.arena.extend_from_slice(data);
        self.frames.push(Frame { number, time, link_type, wire_len, shard: 0, start, len });
    }

    /// Whether it should go on its way.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= FRAME_LIMIT || self.arena.len() >= BYTE_LIMIT
    }

    /// Gives each packet its shard.
    pub fn assign(&mut self, shard: impl Fn(&Frame, &[u8]) -> u16) {
        for frame in &mut self.frames {
            let start = frame.start as usize;
            frame.shard = shard(frame, self.arena.get(start..start + frame.len as usize).unwrap_or(&[]));
        }
    }
}
