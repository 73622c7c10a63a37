//! The ordered bytes of one direction of a TCP flow.
//!
//! Positions are 64-bit offsets from the first byte after the SYN, so that wrapped sequence numbers are only met where a
//! segment comes in. Bytes that come in order are appended to the last piece; what comes early waits in `early`
//! and is copied over once, when the hole before it is filled. A hole that the receiver acknowledged, although later bytes
//! are there, will never be filled for us: it becomes a gap, and a new piece begins behind it. Most streams never have a hole,
//! so all that one needs lies in [`Rare`], which they do without.
//!
//! Where the sender's two copies of the same bytes differ, and the receiver had acknowledged neither, nobody but the receiver
//! knows which one it took: one of them may never have reached it. The copy that does not count by the policy is kept as a
//! rival, and [`Stream::raw_alternative`] gives what is read with the rivals in their places.
//!
//! Two readers, the parser and raw inspection, go over the same bytes at their own pace, and see only what the receiver
//! acknowledged: what it did not take it may still get in another version. Bytes that both have passed are freed.
//! Nothing here grows beyond the depth, the number of early segments, or the memory that the account grants.

mod early;
mod lazy;
mod missing;
mod piece;
mod rare;

use smallvec::SmallVec;
use tapwire_parsers::protocol::Anomaly;

pub(super) use lazy::Lazy;

use self::early::EARLY_BYTES;
use self::piece::Piece;
use self::rare::Rare;
use super::overlap::Overlap;
use super::store::Store;

/// What a reader finds at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes, up to where they are acknowledged and without a hole.
    Data(&'a [u8]),
    /// So many bytes never came.
    Gap(u64),
    /// Nothing to read now.
    Nothing,
}

/// Limits of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamSettings {
    /// Bytes of each direction after which nothing more is stored; 0 means no limit.
    pub depth_bytes: u64,
    /// Segments that may wait for a hole to be filled.
    pub early_segments: usize,
    /// Bytes of each direction that are kept as rivals of those that count, over its whole life.
    pub rival_bytes: usize,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { depth_bytes: 1 << 20, early_segments: 4096, rival_bytes: 64 << 10 }
    }
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Some of its bytes were new and are kept.
    pub accepted: bool,
    /// Some of its bytes had come before.
    pub overlaps: bool,
    /// Another copy of some of them was not kept, for there was no room.
    pub unkept: bool,
    /// What was wrong with it.
    pub anomaly: Option<Anomaly>,
}

/// The bytes of one direction.
#[derive(Debug)]
pub struct Stream {
    /// Sequence number of offset 0.
    base: u32,
    /// Holes that were given up.
    holes: u32,
    /// Bytes in order, behind the last gap.
    last: Piece,
    /// End of the last byte that was seen, stored or not.
    highest: u64,
    /// What the receiver has acknowledged.
    acknowledged: u64,
    /// Where the sender's FIN stands.
    finish: u64,
    /// What came from here on is not to be believed before the receiver acknowledges it.
    doubtful_from: u64,
    /// Where the parser stands.
    parsed: u64,
    /// Where raw inspection stands.
    inspected: u64,
    /// What the store's account was charged for this stream.
    charged: usize,
    rare: Option<Box<Rare>>,
    /// Where raw inspection ends.
    raw_end: u64,
    /// Where the reader stands that has read most, and what was missing before that.
    read: u64,
    missed: u64,
    parser_on: bool,
    /// Whether the receiver acknowledged the sender's FIN.
    finish_acknowledged: bool,
    depth_reached: bool,
    flushed: bool,
    /// Its receiver acknowledged bytes that did not come.
    gap: bool,
    /// Which copy of overlapping bytes counts.
    overlap: Overlap,
}

/// The place that no byte has.
const NOWHERE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Reader {
    offset: u64,
    on: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self::new(0, Overlap::default())
    }
}

impl Stream {
    /// A stream whose first byte has the sequence number `base`.
    pub const fn new(base: u32, overlap: Overlap) -> Self {
        Self {
            base,
            holes: 0,
            last: Piece { offset: 0, bytes: Vec::new(), start: 0 },
            highest: 0,
            acknowledged: 0,
            finish: NOWHERE,
            doubtful_from: NOWHERE,
            parsed: 0,
            inspected: 0,
            charged: 0,
            rare: None,
            raw_end: NOWHERE,
            read: 0,
            missed: 0,
            parser_on: true,
            finish_acknowledged: false,
            depth_reached: false,
            flushed: false,
            gap: false,
            overlap,
        }
    }

    /// Whether there are other copies of bytes than those that are read.
    pub fn has_rivals(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.rivals.copies.is_empty())
    }

    fn parser(&self) -> Reader {
        Reader { offset: self.parsed, on: self.parser_on }
    }

    fn raw(&self) -> Reader {
        Reader { offset: self.inspected, on: self.raw_on() }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn has_early(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.early.is_empty())
    }

    /// What the parser has at its position.
    pub fn parser_next(&self) -> Chunk<'_> {
        if self.rare.as_ref().and_then(|rare| rare.parser_end).is_some_and(|end| self.parsed >= end) {
            return Chunk::Nothing;
        }
        self.next(self.parser())
    }

    /// The parser is done with `count` bytes of its chunk.
    pub fn parser_consume(&mut self, count: usize) {
        self.parsed = self.consumed(self.parser(), count);
        self.free();
    }

    /// Passes over what the parser left of its chunk, where a gap follows that nothing will fill; whether one does.
    pub fn parser_drop_before_gap(&mut self) -> bool {
        let reader = self.parser();
        let mut pieces = self.pieces().skip_while(|piece| piece.end() <= reader.offset).map(|p| (p.offset, p.end()));
        let (Some((begin, end)), Some((next, _))) = (pieces.next(), pieces.next()) else { return false };
        drop(pieces);
        let is_before_gap = begin <= reader.offset && end < next && end < self.acknowledged;
        if is_before_gap {
            self.parsed = end;
            self.free();
        }
        is_before_gap
    }

    /// The parser has been told of the gap.
    pub fn parser_skip_gap(&mut self) {
        self.parsed = self.behind_gap(self.parser());
        self.free();
    }

    /// The parser wants no more.
    pub fn parser_off(&mut self) {
        self.parser_on = false;
        self.free();
    }

    /// Whether the parser still reads.
    pub fn parser_on(&self) -> bool {
        self.parser_on
    }

    /// Position of the parser.
    pub fn parser_offset(&self) -> u64 {
        self.parsed
    }

    /// What raw inspection has at its position.
    pub fn raw_next(&self) -> Chunk<'_> {
        match self.next(self.raw()) {
            Chunk::Data(data) => Chunk::Data(data.get(..index(self.raw_end - self.inspected)).unwrap_or(data)),
            other => other,
        }
    }

    /// Raw inspection is done with `count` bytes of its chunk.
    pub fn raw_consume(&mut self, count: usize) {
        self.inspected = self.consumed(self.raw(), count);
        self.free();
    }

    /// Raw inspection goes on behind the gap.
    pub fn raw_skip_gap(&mut self) {
        self.inspected = self.behind_gap(self.raw());
        self.free();
    }

    /// Raw inspection wants no more than what is visible now.
    pub fn raw_off(&mut self) {
        if self.raw_end == NOWHERE {
            self.raw_end = self.acknowledged.min(self.end()).max(self.inspected);
            self.free();
        }
    }

    /// Whether raw inspection still reads.
    pub fn raw_on(&self) -> bool {
        self.inspected < self.raw_end
    }

    /// Whether nothing will come behind what raw inspection could read now.
    pub fn raw_ends(&self) -> bool {
        self.closed() || self.depth_reached || self.raw_end != NOWHERE
    }

    /// Position of raw inspection.
    pub fn raw_offset(&self) -> u64 {
        self.inspected
    }

    /// Bytes that raw inspection could read now, up to the next gap.
    pub fn unread_raw(&self) -> usize {
        match self.raw_next() {
            Chunk::Data(data) => data.len(),
            Chunk::Gap(_) | Chunk::Nothing => 0,
        }
    }

    /// Makes all that is there visible without an acknowledgement, for the end of the flow. What lies behind a hole that the
    /// receiver did not acknowledge never reached its program: raw inspection alone sees it.
    pub fn flush(&mut self) {
        let end = self.end().max(self.acknowledged);
        if let Some(rare) = self.rare.as_mut().filter(|rare| !rare.early.is_empty()) {
            rare.parser_end = Some(end);
        }
        while let Some(offset) = self.first_early() {
            self.begin_piece(offset);
            self.join_early();
        }
        self.expose();
        self.flushed = true;
    }

    /// Makes all that is in order visible without an acknowledgement, where the flow may have ended.
    pub fn expose(&mut self) {
        let end = self.end().min(self.finish).min(self.doubtful_from);
        self.acknowledged = self.acknowledged.max(end);
        self.free();
    }

    /// Whether the sender closed its side.
    pub fn fin_seen(&self) -> bool {
        self.finish != NOWHERE
    }

    /// Whether the receiver knows that the sender closed its side and all before that is visible, or the stream was flushed:
    /// nothing more will come.
    pub fn closed(&self) -> bool {
        let over = || self.finish_acknowledged && self.acknowledged >= self.finish && self.end() >= self.finish;
        self.flushed || self.fin_seen() && over()
    }

    /// What the parser's chunk is with the rivals of its bytes in their places, before it consumes `count` bytes of it. Nothing
    /// where none are there; and a parser that waits for more is only asked about another version once that is twice as long as
    /// at the last time, so that the work stays in proportion to the bytes.
    pub fn parser_alternative(&mut self, count: usize) -> Option<Vec<u8>> {
        let Chunk::Data(chunk) = self.parser_next() else { return None };
        let (offset, length) = (self.parsed, chunk.len() as u64);
        let (end, closed) = (offset + length, self.closed());
        let rivals = &mut self.rare.as_mut()?.rivals;
        let known = rivals.asked.end.saturating_sub(offset.max(rivals.asked.start));
        if end <= rivals.asked.end || count == 0 && !closed && length < known * 2 {
            return None;
        }
        rivals.asked = offset..end;
        self.alternative(self.parser())
    }

    /// What raw inspection's chunk is with the rivals of its bytes in their places, if there are any.
    pub fn raw_alternative(&self) -> Option<Vec<u8>> {
        self.alternative(self.raw())
    }

    fn alternative(&self, reader: Reader) -> Option<Vec<u8>> {
        let Chunk::Data(chunk) = self.next(reader) else { return None };
        let (offset, length) = (reader.offset, chunk.len());
        let end = offset + length as u64;
        let rivals = &self.rare.as_ref()?.rivals;
        let meets = |(at, copy): &&(u64, Vec<u8>)| *at < end && at + copy.len() as u64 > offset;
        if !rivals.copies.iter().any(|copy| meets(&copy)) {
            return None;
        }
        let piece = self.pieces().find(|piece| piece.offset <= offset && piece.end() >= end)?;
        let mut bytes = piece.live().get(index(offset - piece.offset)..)?.get(..length)?.to_vec();
        for (at, copy) in rivals.copies.iter().filter(meets) {
            let (from, upto) = ((*at).max(offset), (at + copy.len() as u64).min(end));
            let place = bytes.get_mut(index(from - offset)..index(upto - offset));
            let copy = copy.get(index(from - at)..index(upto - at));
            if let (Some(place), Some(copy)) = (place, copy) {
                place.copy_from_slice(copy);
            }
        }
        Some(bytes)
    }

    /// Gives it the depth of its protocol, in bytes; 0 means no limit.
    pub fn set_depth(&mut self, depth_bytes: u64) {
        self.rare().depth_bytes = Some(depth_bytes);
    }

    /// Whether the depth limit was reached, so that nothing more is stored.
    pub fn depth_reached(&self) -> bool {
        self.depth_reached
    }

    /// Whether all that its depth has room for is visible: its reader gets no more.
    pub fn is_full(&self) -> bool {
        self.depth_reached && self.acknowledged >= self.end()
    }

    /// Bytes that its parser or raw inspection is done with.
    pub fn inspected_bytes(&self) -> u64 {
        self.read - self.missed
    }

    /// Whether the receiver acknowledged bytes that did not come.
    pub fn gap_seen(&self) -> bool {
        self.gap
    }

    /// How many holes were given up as gaps.
    pub fn holes(&self) -> u64 {
        u64::from(self.holes)
    }

    /// How many regions of bytes there were at most at once, far apart from one another.
    pub fn max_regions(&self) -> u32 {
        self.rare.as_ref().map_or(1, |rare| rare.max_regions.max(1))
    }

    /// How many urgent bytes were taken out of the stream.
    pub fn urgent_bytes(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.urgent.count())
    }

    /// Length of the stream so far by its sequence numbers.
    pub fn length(&self) -> u64 {
        self.highest
    }

    /// Bytes held now.
    pub fn held_bytes(&self) -> usize {
        self.last.bytes.len() + self.rare.as_ref().map_or(0, |rare| rare.held_bytes())
    }

    /// Where a sequence number lies in the stream; negative before its start.
    pub(super) fn offset_of(&self, sequence: u32) -> i64 {
        let place = self.place_of(sequence);
        place - self.rare.as_ref().map_or(0, |rare| rare.urgent.before(place))
    }

    /// The same with the urgent bytes counted that were taken out.
    fn place_of(&self, sequence: u32) -> i64 {
        let near = (self.highest.max(self.acknowledged) + self.urgent_bytes()).cast_signed();
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are the low 32 bits of offsets")]
        let near_sequence = self.base.wrapping_add(near as u32);
        near.saturating_add(i64::from(sequence.wrapping_sub(near_sequence).cast_signed()))
    }

    /// Takes a segment's payload, of which the byte at `urgent` goes to the receiver by another way.
    pub(super) fn insert(
        &mut self,
        sequence: u32,
        data: &[u8],
        urgent: Option<usize>,
        settings: &StreamSettings,
        store: &mut Store,
    ) -> Stored {
        let first = self.place_of(sequence);
        let mut refused = None;
        if let Some(at) = urgent.filter(|at| *at < data.len()) {
            let place = first.saturating_add_unsigned(at as u64);
            // A byte that came before, in whatever way, is where it is.
            let is_new = place >= (self.highest + self.urgent_bytes()).cast_signed();
            if is_new && !self.rare().urgent.take_out(place) {
                refused = Some(Anomaly("stream.reassembly_urgent_oob_limit_reached"));
            }
        }
        let rest = self.rare.as_ref().and_then(|rare| rare.urgent.left_of(first, data));
        let before = self.rare.as_ref().map_or(0, |rare| rare.urgent.before(first));
        let mut stored = self.insert_at(first - before, rest.as_deref().unwrap_or(data), settings, store);
        stored.anomaly = stored.anomaly.or(refused);
        stored
    }

    fn insert_at(&mut self, at: i64, data: &[u8], settings: &StreamSettings, store: &mut Store) -> Stored {
        self.settle(store);
        let skip = usize::try_from(at.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let Some(mut data) = data.get(skip..).filter(|data| !data.is_empty()) else { return Stored::default() };
        let offset = at.max(0).cast_unsigned();
        self.highest = self.highest.max(offset + data.len() as u64);
        let mut stored = Stored::default();
        let own_depth = self.rare.as_ref().and_then(|rare| rare.depth_bytes);
        let depth_bytes = own_depth.unwrap_or(settings.depth_bytes);
        if depth_bytes > 0 {
            let room = usize::try_from(depth_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
            if let Some(fitting) = data.get(..room) {
                if fitting.len() < data.len() && !self.depth_reached {
                    self.depth_reached = true;
                    // Where nobody reads any more, nothing is hidden behind it.
                    stored.anomaly = self.is_read().then_some(DEPTH_REACHED);
                }
                data = fitting;
            }
        }
        if self.flushed || data.is_empty() {
            return stored;
        }
        stored.overlaps = offset < self.end();
        if !self.is_read() {
            self.pass_over(offset, offset + data.len() as u64);
            return stored;
        }
        if !store.take(data.len() + EARLY_BYTES) {
            store.refuse(data.len());
            return stored;
        }
        self.charged += data.len() + EARLY_BYTES;
        self.place(offset, data, settings, store, &mut stored);
        self.settle(store);
        stored
    }

    /// The receiver has everything before `sequence`. Returns whether that is news.
    pub(super) fn acknowledge(&mut self, sequence: u32, store: &mut Store) -> bool {
        let mut offset = self.offset_of(sequence).max(0).cast_unsigned();
        if self.fin_seen() {
            self.finish_acknowledged |= offset > self.finish;
            offset = offset.min(self.finish);
        }
        if offset <= self.acknowledged {
            return false;
        }
        self.acknowledged = offset;
        self.find_gaps();
        self.free();
        self.settle(store);
        true
    }

    /// The sender's FIN stands at `sequence`.
    pub(super) fn finish(&mut self, sequence: u32) {
        let offset = self.offset_of(sequence).max(0).cast_unsigned();
        if !self.fin_seen() {
            self.finish = offset.max(self.highest);
            self.acknowledged = self.acknowledged.min(offset.max(self.highest));
        }
    }

    /// Whether the receiver acknowledges bytes behind the sender's FIN: it never got that FIN.
    pub(super) fn disproves_finish(&self, sequence: u32) -> bool {
        self.fin_seen() && self.offset_of(sequence) > self.finish.saturating_add(1).cast_signed()
    }

    /// There was no FIN, as far as the receiver knows.
    pub(super) fn unfinish(&mut self) {
        self.finish = NOWHERE;
        self.finish_acknowledged = false;
    }

    /// Nothing that comes from `sequence` on is to be believed before the receiver acknowledges it; or it is again.
    pub(super) fn doubt(&mut self, sequence: Option<u32>) {
        let place = |sequence| self.offset_of(sequence).max(0).cast_unsigned();
        self.doubtful_from = sequence.map_or(NOWHERE, place);
    }

    /// Bytes that wait behind a hole.
    pub(super) fn early_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.early.bytes())
    }

    /// Gives up what waits behind holes, because its memory is needed.
    pub(super) fn give_up_early(&mut self, store: &mut Store) -> usize {
        let bytes = self.rare.as_mut().map_or(0, |rare| rare.early.clear());
        self.settle(store);
        bytes
    }

    /// Makes the account agree with what is held, and hands buffers back that nothing is in.
    pub(super) fn settle(&mut self, store: &mut Store) {
        if self.last.bytes.is_empty() && self.last.bytes.capacity() > 0 {
            store.recycle(std::mem::take(&mut self.last.bytes));
        }
        let held = self.held_bytes();
        if held == self.charged {
            return;
        }
        if held < self.charged {
            store.give(self.charged - held);
            self.charged = held;
        } else if store.take(held - self.charged) {
            self.charged = held;
        }
    }

    /// Gives everything up.
    pub(super) fn discharge(&mut self, store: &mut Store) {
        store.give(self.charged);
        self.charged = 0;
    }

    fn end(&self) -> u64 {
        self.last.end()
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.rare.iter().flat_map(|rare| &rare.older).chain([&self.last])
    }

    /// Whether anybody reads what comes.
    fn is_read(&self) -> bool {
        self.parser_on || self.raw_on()
    }

    fn first_early(&self) -> Option<u64> {
        self.rare.as_ref()?.early.first()
    }

    fn next(&self, reader: Reader) -> Chunk<'_> {
        if !reader.on {
            return Chunk::Nothing;
        }
        let visible = self.acknowledged;
        for piece in self.pieces() {
            if piece.offset > reader.offset {
                return Chunk::Gap(piece.offset - reader.offset);
            }
            if reader.offset < piece.end() {
                let from = usize::try_from(reader.offset - piece.offset).unwrap_or(usize::MAX);
                let upto = usize::try_from(visible.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
                let live = piece.live();
                return match live.get(from..upto.min(live.len())) {
                    Some(data) if !data.is_empty() => Chunk::Data(data),
                    _ => Chunk::Nothing,
                };
            }
        }
        Chunk::Nothing
    }

    fn consumed(&mut self, reader: Reader, count: usize) -> u64 {
        let Chunk::Data(data) = self.next(reader) else { return reader.offset };
        let upto = reader.offset + count.min(data.len()) as u64;
        if upto > self.read {
            self.missed += reader.offset.saturating_sub(self.read);
            self.read = upto;
        }
        upto
    }

    fn behind_gap(&self, reader: Reader) -> u64 {
        match self.next(reader) {
            Chunk::Gap(length) => reader.offset + length,
            Chunk::Data(_) | Chunk::Nothing => reader.offset,
        }
    }

    /// Frees what both readers have passed.
    fn free(&mut self) {
        let end = self.end();
        if !self.parser_on {
            self.parsed = self.parsed.max(end);
        }
        if !self.raw_on() {
            self.inspected = self.inspected.max(end);
        }
        let passed = self.parsed.min(self.inspected);
        if let Some(rare) = &mut self.rare {
            while let Some(first) = rare.older.front_mut() {
                first.free_before(passed);
                if !first.bytes.is_empty() {
                    break;
                }
                rare.older.pop_front();
            }
            rare.rivals.free_before(passed);
            if !rare.older.is_empty() {
                return;
            }
        }
        self.last.free_before(passed);
        if !self.is_read() && self.has_early() {
            self.forget_early();
        }
    }

    /// Of what waits behind holes nothing is left but where the holes are.
    #[cold]
    fn forget_early(&mut self) {
        let early = std::mem::take(&mut self.rare().early);
        early.spans().for_each(|(offset, upto)| self.pass_over(offset, upto));
    }

    /// Acknowledged holes become gaps. One at the very end, with nothing behind it, may only be an acknowledgement that we
    /// saw before its segment.
    fn find_gaps(&mut self) {
        if !self.is_read() {
            let acknowledged = self.acknowledged;
            self.gap |= self.rare.as_mut().is_some_and(|rare| rare.missing.acknowledge(acknowledged));
            return;
        }
        let holes = self.holes;
        self.close_holes();
        self.gap |= self.holes > holes;
    }

    fn close_holes(&mut self) {
        while self.acknowledged > self.end() {
            let Some(offset) = self.first_early() else {
                if self.acknowledged <= self.highest && !self.depth_reached {
                    self.begin_piece(self.acknowledged);
                }
                return;
            };
            self.begin_piece(offset.min(self.acknowledged));
            self.join_early();
        }
    }

    /// Bytes came that nobody reads.
    fn pass_over(&mut self, offset: u64, upto: u64) {
        let end = self.end();
        self.last.offset = end.max(upto);
        if offset > end || self.rare.as_ref().is_some_and(|rare| !rare.missing.is_empty()) {
            self.gap |= self.rare().missing.meet(offset, upto, end);
        }
    }

    fn begin_piece(&mut self, offset: u64) {
        if offset <= self.end() {
            return;
        }
        self.holes = self.holes.saturating_add(1);
        // An empty piece at which both readers stand only marks the end, unless one of them waits at a gap.
        if self.last.bytes.is_empty() {
            self.last.offset = offset;
            return;
        }
        let full = std::mem::replace(&mut self.last, Piece { offset, ..Piece::default() });
        let rare = self.rare();
        if rare.older.len() + 1 >= MAX_PIECES {
            // With too many gaps to remember, the oldest bytes are given up.
            rare.older.pop_front();
        }
        rare.older.push_back(full);
    }

    /// Appends the early segments that are in order now.
    fn join_early(&mut self) {
        let (last, Some(rare)) = (&mut self.last, &mut self.rare) else { return };
        while let Some((offset, bytes)) = rare.early.take_at(last.end()) {
            let known = usize::try_from(last.end() - offset).unwrap_or(usize::MAX);
            last.bytes.extend_from_slice(bytes.get(known..).unwrap_or(&[]));
        }
    }

    fn place(&mut self, offset: u64, data: &[u8], settings: &StreamSettings, store: &mut Store, stored: &mut Stored) {
        let end = self.end();
        let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(data.len());
        let (old, new) = data.split_at_checked(known).unwrap_or((data, &[]));
        if !old.is_empty() {
            self.compare(offset, old, settings, stored);
        }
        if new.is_empty() {
            return;
        }
        if offset <= end && !self.has_early() {
            // The path that nearly every segment takes.
            store.append(&mut self.last.bytes, new);
            stored.accepted = true;
            self.find_gaps();
            return;
        }
        let segment = (offset, offset + data.len() as u64);
        let overlap = self.overlap;
        self.rare().place_early((offset.max(end), offset <= end), new, (segment, overlap), settings, store, stored);
        self.count_regions();
        self.join_early();
        self.find_gaps();
    }

    /// Bytes that came before: are they the same?
    fn compare(&mut self, offset: u64, data: &[u8], settings: &StreamSettings, stored: &mut Stored) {
        let visible = self.acknowledged.max(self.parsed).max(self.inspected);
        let mut rivals: SmallVec<[(u64, Vec<u8>); 1]> = SmallVec::new();
        for piece in self.rare.iter_mut().flat_map(|rare| &mut rare.older).chain([&mut self.last]) {
            let from = offset.max(piece.offset);
            let upto = (offset + data.len() as u64).min(piece.end());
            if from >= upto {
                continue;
            }
            let length = index(upto - from);
            let at = piece.start + index(from - piece.offset);
            let new = data.get(index(from - offset)..).and_then(|rest| rest.get(..length));
            let old = piece.bytes.get_mut(at..).and_then(|rest| rest.get_mut(..length));
            let (Some(new), Some(old)) = (new, old) else { continue };
            if old == new {
                continue;
            }
            stored.anomaly = Some(DIFFERENT);
            // What the receiver acknowledged is what it had before this copy came.
            let kept = index(visible.saturating_sub(from)).min(length);
            if let (Some(old), Some(new)) = (old.get_mut(kept..), new.get(kept..))
                && old != new
            {
                let place = from + kept as u64;
                if matches!(self.overlap, Overlap::Last | Overlap::OldLinux) {
                    rivals.push((place, old.to_vec()));
                    old.copy_from_slice(new);
                } else {
                    rivals.push((place, new.to_vec()));
                }
            }
        }
        for (place, copy) in rivals {
            stored.unkept |= !self.rare().keep_rival(place, &copy, settings);
        }
    }

    fn count_regions(&mut self) {
        let mut end = self.end();
        let Some(rare) = &mut self.rare else { return };
        let mut regions = 1;
        for (start, upto) in rare.early.spans().take(COUNTED_REGIONS) {
            regions += u32::from(start - end.min(start) >= REGION_BYTES);
            end = upto;
        }
        rare.max_regions = rare.max_regions.max(regions);
    }
}

/// A distance within bytes that are in memory.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

/// The depth is reached while somebody reads.
pub(super) const DEPTH_REACHED: Anomaly = Anomaly("stream.reassembly_depth_reached");
const DIFFERENT: Anomaly = Anomaly("stream.reassembly_overlap_different_data");

/// Gaps that a slow reader may have before it.
const MAX_PIECES: usize = 64;
const COUNTED_REGIONS: usize = 16;
/// Bytes that are so far from others make a region of their own.
const REGION_BYTES: u64 = 256 * 1024;
#[cfg(test)]
mod tests;
