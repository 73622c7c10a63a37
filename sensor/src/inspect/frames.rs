//! Frames: pieces of what travels that a parser named, with their bytes, until rules and records have looked at them.
//!
//! A parser names a frame when it knows its length; the bytes come along with the chunks that it is given, now and later. A few
//! bytes that are done with are remembered, for a header may have come in pieces. A frame whose end is told later goes on behind bytes
//! that never came, with a mark in their place. Nothing is kept of flows whose frames nobody
//! wants, and of others no more than the limits allow.

use std::collections::VecDeque;

use tapwire_parsers::protocol::{self, Both, Direction, ProtocolId, held};
use tapwire_signatures::verify::FrameView;

/// Bytes that are kept of the frames of a direction.
const KEPT_LIMIT_BYTES: usize = 256 << 10;
/// Bytes that are kept of one frame whose end is not known when it begins.
const OPEN_LIMIT_BYTES: usize = 64 << 10;
/// Frames of a direction that are kept.
const KEPT_LIMIT: usize = 1024;
/// Bytes before a chunk that a frame in it may begin with.
const TAIL_BYTES: usize = 16;

/// A frame of a flow.
#[derive(Debug)]
pub struct Frame {
    /// Its id in the flow: its number and its direction.
    pub id: u64,
    /// Its name in the protocol.
    pub name: &'static str,
    /// Its direction.
    pub direction: Direction,
    /// Where it begins in the stream, or in the datagram.
    pub begin: u64,
    /// Its bytes, as many as are kept.
    pub data: Vec<u8>,
    /// The transaction that it belongs to, where that is known.
    pub transaction: Option<u64>,
    protocol: ProtocolId,
    /// Its length, once that is known.
    length: Option<u64>,
    /// Its bytes that have passed, and that some of them were missing, or were too many to be kept.
    passed: u64,
    is_holed: bool,
    is_cut: bool,
    limit_bytes: usize,
}

impl Frame {
    /// Its number among the frames of its direction, from 1.
    pub fn number(&self) -> u64 {
        self.id >> 1
    }

    /// Its length, so far as it is known.
    pub fn length(&self) -> u64 {
        self.length.unwrap_or(self.passed)
    }

    /// Whether all of it came.
    pub fn is_complete(&self) -> bool {
        self.is_over() && !self.is_holed
    }

    fn is_over(&self) -> bool {
        self.length.is_some_and(|length| self.passed >= length)
    }

    fn view(&self) -> FrameView<'_> {
        let Self { protocol, id, name, ref data, .. } = *self;
        FrameView { protocol, id, name, data, length: self.length(), complete: self.is_complete() }
    }

    /// Bytes of it never came.
    fn skip(&mut self, missing: u64) {
        self.passed = self.passed.saturating_add(missing);
        self.is_holed = true;
        if !self.is_cut {
            self.data.extend_from_slice(format!("[{missing} bytes missing]").as_bytes());
        }
    }
}

/// The frames of a flow.
#[derive(Debug, Default)]
pub struct Frames {
    sides: Both<Side>,
}

#[derive(Debug, Default)]
struct Side {
    /// Bytes that the parser is done with.
    offset: u64,
    tail: Vec<u8>,
    open: VecDeque<Frame>,
    /// Those that nothing more will be added to.
    ready: VecDeque<Frame>,
    kept_bytes: usize,
    /// Frames so far.
    count: u64,
}

impl Frames {
    /// Takes the frames that a parser named in a chunk, and the bytes of a chunk that it is done with. Returns how many frames
    /// there was no room for, whole or in part.
    pub fn take(
        &mut self,
        (protocol, direction): (ProtocolId, Direction),
        named: &[protocol::Frame],
        ended: &[(&'static str, i64)],
        chunk: &[u8],
        done: usize,
    ) -> u64 {
        let side = self.sides.of_mut(direction);
        let mut left_out = 0;
        for (name, end) in ended {
            let end = side.offset.saturating_add_signed(*end);
            if let Some(frame) = side.open.iter_mut().rev().find(|f| f.name == *name && f.length.is_none()) {
                frame.length = Some(end.saturating_sub(frame.begin));
            }
        }
        for frame in named {
            let before = usize::try_from(frame.begin.min(0).unsigned_abs()).unwrap_or(usize::MAX);
            let Some(begin) = side.offset.checked_add_signed(frame.begin) else { continue };
            let head = side.tail.len().checked_sub(before).and_then(|from| side.tail.get(from..)).map(<[u8]>::to_vec);
            let Some(mut data) = head.filter(|_| side.open.len() + side.ready.len() < KEPT_LIMIT) else {
                left_out += 1;
                continue;
            };
            let length = frame.length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
            data.truncate(length.unwrap_or(usize::MAX));
            side.kept_bytes += data.len();
            side.count += 1;
            side.open.push_back(Frame {
                id: side.count << 1 | direction.index() as u64,
                name: frame.name,
                direction,
                begin,
                length: frame.length,
                passed: data.len() as u64,
                data,
                transaction: frame.transaction,
                protocol,
                is_holed: false,
                is_cut: false,
                limit_bytes: if length.is_some() { KEPT_LIMIT_BYTES } else { OPEN_LIMIT_BYTES },
            });
        }
        left_out + side.pass(chunk.get(..done).unwrap_or(chunk))
    }

    /// Bytes that they hold besides their own size.
    pub(super) fn held_bytes(&self) -> usize {
        let side = |side: &Side| {
            let places = (side.open.capacity() + side.ready.capacity()) * size_of::<Frame>();
            held::block(places) + side.kept_bytes + held::list(&side.tail)
        };
        side(&self.sides.to_server) + side(&self.sides.to_client)
    }

    /// The bytes of a direction begin anew: a datagram.
    pub fn begin(&mut self, direction: Direction) {
        let side = self.sides.of_mut(direction);
        side.close();
        (side.offset, side.tail) = (0, Vec::new());
    }

    /// Bytes of a direction never came: frames that they are part of end there, unless their end is told.
    pub fn gap(&mut self, direction: Direction, missing: u64) {
        let side = self.sides.of_mut(direction);
        let all = std::mem::take(&mut side.open).into_iter();
        let (mut open, ended): (VecDeque<_>, VecDeque<_>) = all.partition(|frame| frame.length.is_none());
        open.iter_mut().for_each(|frame| frame.skip(missing));
        side.ready.extend(ended);
        side.open = open;
        side.tail.clear();
        side.offset = side.offset.saturating_add(missing);
    }

    /// Nothing more comes in a direction.
    pub fn close(&mut self, direction: Direction) {
        self.sides.of_mut(direction).close();
    }

    /// The frames of a direction that nothing more will be added to.
    pub fn ready(&self, direction: Direction) -> impl Iterator<Item = &Frame> {
        self.sides.of(direction).ready.iter()
    }

    /// The same, as rules look at them.
    pub(super) fn views(&self, direction: Direction) -> impl Iterator<Item = FrameView<'_>> {
        self.ready(direction).map(Frame::view)
    }

    /// A frame that is ready.
    pub fn get(&self, id: u64) -> Option<&Frame> {
        Direction::BOTH.into_iter().flat_map(|direction| self.ready(direction)).find(|frame| frame.id == id)
    }

    /// Forgets the frames of a direction that are ready.
    pub fn retire(&mut self, direction: Direction) {
        let side = self.sides.of_mut(direction);
        side.ready.clear();
        side.kept_bytes = side.open.iter().map(|frame| frame.data.len()).sum();
    }
}

impl Side {
    /// Gives the open frames their part of bytes that are done with. Returns how many had to be cut.
    fn pass(&mut self, bytes: &[u8]) -> u64 {
        let mut cut = 0;
        for frame in &mut self.open {
            let at = (frame.begin + frame.passed).saturating_sub(self.offset);
            let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
            let wanted = frame.length.map_or(u64::MAX, |length| length.saturating_sub(frame.passed));
            let part = rest.get(..usize::try_from(wanted).unwrap_or(usize::MAX)).unwrap_or(rest);
            frame.passed += part.len() as u64;
            let room = KEPT_LIMIT_BYTES.saturating_sub(self.kept_bytes);
            let room = room.min(frame.limit_bytes.saturating_sub(frame.data.len()));
            // What does not follow what is kept is not kept either.
            let kept = part.get(..room.min(if frame.is_cut { 0 } else { part.len() })).unwrap_or_default();
            let is_cut = kept.len() < part.len();
            cut += u64::from(is_cut && !frame.is_cut);
            frame.is_cut |= is_cut;
            frame.data.extend_from_slice(kept);
            self.kept_bytes += kept.len();
        }
        self.offset += bytes.len() as u64;
        self.tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or(bytes));
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        if self.open.iter().any(Frame::is_over) {
            let all = std::mem::take(&mut self.open).into_iter();
            let (done, open): (VecDeque<_>, VecDeque<_>) = all.partition(Frame::is_over);
            self.ready.extend(done);
            self.open = open;
        }
        cut
    }

    fn close(&mut self) {
        self.ready.append(&mut self.open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: (ProtocolId, Direction) = (ProtocolId(0), Direction::ToServer);

    fn named(begin: i64, length: u64) -> protocol::Frame {
        protocol::Frame { name: "pdu", begin, length: Some(length), transaction: None }
    }

    fn told(frames: &Frames) -> Vec<(u64, u64, Vec<u8>, bool)> {
        frames.ready(SIDE.1).map(|f| (f.begin, f.length(), f.data.clone(), f.is_complete())).collect()
    }

    #[test]
    fn a_frame_gathers_its_bytes_over_chunks() {
        let mut frames = Frames::default();
        frames.take(SIDE, &[], &[], b"xxab", 4);
        frames.take(SIDE, &[named(-2, 6), named(0, 4), named(1, 1)], &[], b"cd", 2);
        assert_eq!(told(&frames), [(5, 1, b"d".to_vec(), true)]);
        frames.take(SIDE, &[], &[], b"efgh", 2);
        assert_eq!(told(&frames)[1..], [(2, 6, b"abcdef".to_vec(), true), (4, 4, b"cdef".to_vec(), true)]);
        frames.retire(SIDE.1);
        frames.take(SIDE, &[named(0, 9)], &[], b"ghi", 3);
        assert!(told(&frames).is_empty());
        frames.gap(SIDE.1, 100);
        frames.take(SIDE, &[named(0, 1)], &[], b"j", 1);
        assert_eq!(told(&frames), [(8, 9, b"ghi".to_vec(), false), (111, 1, b"j".to_vec(), true)]);
        frames.begin(SIDE.1);
        frames.take(SIDE, &[named(0, 2)], &[], b"uv", 2);
        assert_eq!(told(&frames).last(), Some(&(0, 2, b"uv".to_vec(), true)));
    }

    #[test]
    fn a_frame_without_a_length_goes_on_until_it_is_ended() {
        let mut frames = Frames::default();
        let open = protocol::Frame { name: "all", begin: 1, length: None, transaction: None };
        frames.take(SIDE, &[open], &[], b"xab", 3);
        frames.gap(SIDE.1, 9);
        frames.take(SIDE, &[named(0, 1)], &[], b"c", 1);
        frames.retire(SIDE.1);
        frames.take(SIDE, &[named(1, 1)], &[("all", 1)], b"de", 2);
        assert_eq!(told(&frames), [(1, 13, b"ab[9 bytes missing]cd".to_vec(), false), (14, 1, b"e".to_vec(), true)]);
        assert_eq!(frames.ready(SIDE.1).map(Frame::number).collect::<Vec<_>>(), [1, 3]);
        frames.take(SIDE, &[open], &[], b"xy", 2);
        frames.close(SIDE.1);
        assert_eq!(told(&frames)[2], (16, 1, b"y".to_vec(), false));
    }

    #[test]
    fn what_is_kept_has_limits() {
        let mut frames = Frames::default();
        let chunk = vec![b'a'; KEPT_LIMIT_BYTES];
        let size = chunk.len() as u64;
        assert_eq!(frames.take(SIDE, &[named(0, size), named(0, size)], &[], &chunk, chunk.len()), 1);
        let [first, second] = told(&frames).try_into().unwrap();
        assert_eq!((first.2.len(), first.3, second.2.len(), second.3), (KEPT_LIMIT_BYTES, true, 0, true));
        frames.retire(SIDE.1);
        let many = vec![named(0, 1); KEPT_LIMIT + 5];
        assert_eq!(frames.take(SIDE, &many, &[], b"a", 1), 5);
        assert_eq!(told(&frames).len(), KEPT_LIMIT);
        // Before what is remembered, and before the stream, nothing can begin.
        frames.retire(SIDE.1);
        assert_eq!(frames.take(SIDE, &[named(-17, 20), named(i64::MIN, 1)], &[], b"a", 1), 1);
    }
}
