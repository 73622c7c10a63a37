//! What a parser says while it reads.

use super::{Anomaly, FileSink};

/// What a call of the parser did with a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// The bytes that it is done with, from the start of the chunk.
    pub consumed: usize,
    /// The bytes, counted from the first one that is left, without which it makes no sense to ask again (0: any more).
    pub wanted: usize,
}

impl Advance {
    /// Done with `consumed` bytes; any further byte helps.
    pub fn consumed(consumed: usize) -> Self {
        Self { consumed, wanted: 0 }
    }
}

/// What shall become of a flow's inspection, beside the transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Course {
    /// Go on.
    #[default]
    Parse,
    /// What follows is encrypted: no more parsing, no more inspection of raw bytes, and the flow is left aside.
    Encrypted,
    /// The same, but the parser goes on to name frames, for somebody wants them.
    FramesOnly,
    /// What follows is of no use to the parser in either direction (its protocol was left, or its faults are beyond repair).
    Stop,
    /// The flow changes its protocol with the next byte of each direction (CONNECT, STARTTLS, upgrade): recognise again,
    /// and expect the named protocol.
    Change(Option<&'static str>),
}

/// What a parser tells the room above it, filled during a call.
pub struct Output<'a> {
    /// Anomalies of the flow that belong to no transaction.
    pub anomalies: Vec<Anomaly>,
    /// What shall become of the flow.
    pub course: Course,
    /// A message ended: raw bytes of this direction should be inspected now, without waiting for a full chunk.
    pub flush_raw: bool,
    /// Work that was done, in bytes looked at or steps of about that cost (the linearity tests and budgets count it).
    pub work: u64,
    /// Where file contents go.
    pub files: &'a mut dyn FileSink,
    /// Whether somebody wants to know of frames.
    pub wants_frames: bool,
    /// Where in the chunk the parser stands: frames are named from there.
    pub place: usize,
    /// Frames that were named.
    pub frames: Vec<Frame>,
}

/// A piece of what travels, that rules can look at by its name (`frame:dns.pdu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name in the protocol (`pdu`).
    pub name: &'static str,
    /// Where it begins in the chunk that the parser was given; its first bytes may have come in chunks before.
    pub begin: i64,
    /// Its length, of which not all need to be there yet.
    pub length: u64,
    /// The transaction that it belongs to, where that is known.
    pub transaction: Option<u64>,
}

/// Frames that one call may name.
const FRAMES_LIMIT: usize = 4096;

impl<'a> Output<'a> {
    /// Nothing happened yet.
    pub fn new(files: &'a mut dyn FileSink) -> Self {
        let (anomalies, course, frames) = (Vec::new(), Course::Parse, Vec::new());
        Self { anomalies, course, flush_raw: false, work: 0, files, wants_frames: false, place: 0, frames }
    }

    /// Names a frame that begins so many bytes from the parser's place, or before it.
    pub fn frame(&mut self, name: &'static str, from: i64, length: u64, transaction: Option<u64>) {
        if self.wants_frames && self.frames.len() < FRAMES_LIMIT {
            let place = i64::try_from(self.place).unwrap_or(i64::MAX);
            self.frames.push(Frame { name, begin: place.saturating_add(from), length, transaction });
        }
    }
}
