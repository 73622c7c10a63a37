//! What a parser says while it reads.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Anomaly, Carrier, Direction, FileSink, Fuel};

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
    /// The flow changes its protocol with the next byte of each direction (CONNECT, STARTTLS, upgrade): to the named one, of which
    /// nothing needs to be recognised, or to one that is. [`Output::turn_into`] says so.
    Change(Option<&'static str>),
}

/// What a parser tells the room above it, filled during a call.
pub struct Output<'a> {
    /// Anomalies of the flow that belong to no transaction.
    pub anomalies: Vec<Anomaly>,
    /// What shall become of the flow.
    pub course: Course,
    /// What the parser of the next protocol is to know.
    pub context: Option<Context>,
    /// The server's port that the next protocol was asked for on, where that is not the flow's.
    pub next_port: Option<u16>,
    /// A message ended: raw bytes of this direction should be inspected now, without waiting for a full chunk.
    pub flush_raw: bool,
    /// More came than is inspected ([`Output::limit`]).
    pub is_limited: bool,
    /// What reading costs, and may.
    pub fuel: Fuel,
    /// Where file contents go.
    pub files: &'a mut dyn FileSink,
    /// Whether somebody wants to know of frames.
    pub wants_frames: bool,
    /// Where in the chunk the parser stands: frames are named from there.
    pub place: usize,
    /// Frames that were named.
    pub frames: Vec<Frame>,
    /// Names of frames of calls before that end, and where in the chunk.
    pub ended_frames: Vec<(&'static str, i64)>,
    /// Flows that were announced.
    pub expected: Vec<Expected>,
    /// Messages of protocols inside this one.
    pub carried: Carried,
}

/// Messages of protocols inside the one that is parsed.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    messages: Vec<CarriedMessage>,
    bytes: Vec<u8>,
}

/// A message of a protocol inside the one that is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriedMessage {
    /// What it belongs to: a connection, stream or session within the flow, by a number of the carrying protocol. Each has a parser of
    /// its own.
    pub channel: u64,
    /// Its protocol, where that is known; else it is recognised by its first message.
    pub protocol: Option<&'static str>,
    /// The transaction of the carrying protocol that it belongs to.
    pub transaction: Option<u64>,
    /// Where it goes.
    pub direction: Direction,
    length: usize,
}

impl CarriedMessage {
    /// One of a channel in a direction, of which nothing else is known.
    pub fn new(channel: u64, direction: Direction) -> Self {
        Self { channel, protocol: None, transaction: None, direction, length: 0 }
    }

    /// The same, as one that belongs to a transaction.
    pub fn of(self, transaction: Option<u64>) -> Self {
        Self { transaction, ..self }
    }

    /// The same, as one of a protocol that is known.
    pub fn speaking(self, protocol: &'static str) -> Self {
        Self { protocol: Some(protocol), ..self }
    }
}

impl Carried {
    /// The messages with their bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&CarriedMessage, &[u8])> {
        self.messages.iter().scan(&*self.bytes, |rest, message| {
            let (own, behind) = rest.split_at_checked(message.length)?;
            *rest = behind;
            Some((message, own))
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Forgets them, and keeps the room.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.bytes.clear();
        self.bytes.shrink_to(CARRIED_SPARE_BYTES);
    }
}

/// A flow that is about to begin, as another one announced it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The host that begins it, and its port where that is known.
    pub from: (IpAddr, Option<u16>),
    /// The host that it is begun with, and its port where that is known.
    pub to: (IpAddr, Option<u16>),
    /// What carries it.
    pub carrier: Carrier,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// What its parser is to know.
    pub context: Context,
    /// Seconds after which nobody waits for it any more.
    pub within_s: u32,
}

/// What the parser of one flow hands to that of another: a value of the protocol's own.
#[derive(Clone)]
pub struct Context(Arc<dyn Any + Send + Sync>);

impl Context {
    /// One of a value.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// The value, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

/// A piece of what travels, that rules can look at by its name (`frame:dns.pdu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name in the protocol (`pdu`).
    pub name: &'static str,
    /// Where it begins in the chunk that the parser was given; its first bytes may have come in chunks before.
    pub begin: i64,
    /// Its length, of which not all need to be there yet; `None` until its end is told ([`Output::end_frame`]).
    pub length: Option<u64>,
    /// The transaction that it belongs to, where that is known.
    pub transaction: Option<u64>,
}

/// Flows that one call may announce.
const EXPECTED_LIMIT: usize = 16;
/// Messages that one call may hand on, and bytes of them.
const CARRIED_LIMIT: usize = 4096;
const CARRIED_LIMIT_BYTES: usize = 1 << 20;
/// Bytes of room for them that is kept.
const CARRIED_SPARE_BYTES: usize = 64 << 10;
/// Frames that one call may name.
const FRAMES_LIMIT: usize = 4096;

impl<'a> Output<'a> {
    /// Nothing happened yet.
    pub fn new(files: &'a mut dyn FileSink) -> Self {
        let (anomalies, course, frames) = (Vec::new(), Course::Parse, Vec::new());
        Self {
            anomalies,
            course,
            context: None,
            next_port: None,
            flush_raw: false,
            is_limited: false,
            fuel: Fuel::ENDLESS,
            files,
            wants_frames: false,
            place: 0,
            frames,
            ended_frames: Vec::new(),
            expected: Vec::new(),
            carried: Carried::default(),
        }
    }

    /// Takes fuel for work that is done, in bytes looked at or steps of about that cost; whether there is any left.
    #[inline]
    pub fn spend(&mut self, units: u64) -> bool {
        self.fuel.spend(units)
    }

    /// Says that more came than is inspected: of a body, a message, or encodings one inside another. The flow tells it once.
    pub fn limit(&mut self) {
        self.is_limited = true;
    }

    /// Hands on a message of a protocol inside this one.
    pub fn carry(&mut self, message: CarriedMessage, bytes: &[u8]) {
        let Carried { messages, bytes: all } = &mut self.carried;
        if messages.len() >= CARRIED_LIMIT || all.len().saturating_add(bytes.len()) > CARRIED_LIMIT_BYTES {
            self.anomalies.push(Anomaly("applayer_carried_limit"));
            return;
        }
        messages.push(CarriedMessage { length: bytes.len(), ..message });
        all.extend_from_slice(bytes);
    }

    /// The flow changes its protocol, to a named one or to one that is to be recognised. What was agreed goes to its parser.
    pub fn turn_into(&mut self, protocol: Option<&'static str>, context: Option<Context>) {
        (self.course, self.context) = (Course::Change(protocol), context);
    }

    /// Announces a flow. Where it comes, it is opened with this protocol, without being recognised.
    pub fn expect(&mut self, expected: Expected) {
        if self.expected.len() < EXPECTED_LIMIT {
            self.expected.push(expected);
        }
    }

    /// Names a frame that begins so many bytes from the parser's place, or before it.
    pub fn frame(&mut self, name: &'static str, from: i64, length: u64, transaction: Option<u64>) {
        let begin = self.at(from);
        self.put_frame(Frame { name, begin, length: Some(length), transaction });
    }

    /// Names a frame whose end is not known yet; of those with one name only the last one can be ended.
    pub fn open_frame(&mut self, name: &'static str, from: i64, transaction: Option<u64>) {
        let begin = self.at(from);
        self.put_frame(Frame { name, begin, length: None, transaction });
    }

    /// The end of the open frame with this name is so many bytes from the parser's place.
    pub fn end_frame(&mut self, name: &'static str, to: i64) {
        let end = self.at(to);
        match self.frames.iter_mut().rev().find(|frame| frame.name == name && frame.length.is_none()) {
            Some(frame) => frame.length = Some(u64::try_from(end.saturating_sub(frame.begin)).unwrap_or(0)),
            None if self.wants_frames && self.ended_frames.len() < FRAMES_LIMIT => self.ended_frames.push((name, end)),
            None => {}
        }
    }

    fn at(&self, from: i64) -> i64 {
        i64::try_from(self.place).unwrap_or(i64::MAX).saturating_add(from)
    }

    fn put_frame(&mut self, frame: Frame) {
        if self.wants_frames && self.frames.len() < FRAMES_LIMIT {
            self.frames.push(frame);
        }
    }
}
