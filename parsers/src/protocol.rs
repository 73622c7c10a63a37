//! The words that a protocol is written in.
//!
//! A protocol is a static card ([`Protocol`]) in the registry: how it is recognised, what rules can look at ([`Field`]), what
//! can be wrong with it ([`AnomalyKind`]), and how a parser for one flow is opened. The parser ([`Parser`]) turns chunks of
//! ordered bytes into transactions, which it owns and lends. Nothing outside the protocol's folder names its types.
//!
//! Contract of [`Parser::advance`]: the chunk starts at the first byte that the parser has not yet said it is done with. What it
//! leaves is handed to it again together with what follows, so it remembers how far it scanned. Cost grows linearly with
//! the bytes: a parser never scans a byte twice for each call. Everything it keeps is bounded, and a bound that is hit is an
//! anomaly; it then goes on with the next message. What it keeps it says ([`Parser::held_bytes`]), for the memory budget is charged
//! with that; and which transactions changed is known to their list ([`TransactionList::take_touched`]), for only those are looked at.

use std::any::Any;
use std::collections::BTreeMap;

use crate::json::Object;

pub mod held;
mod transactions;

pub use transactions::{TransactionList, Transactions};

/// The side of a flow that bytes travel to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// Both, to server first.
    pub const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

    /// The other direction.
    pub fn reverse(self) -> Self {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }

    /// 0 to server, 1 to client: for arrays of two.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `to_server` or `to_client`, as records say it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        }
    }
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// That of the direction to the server.
    pub to_server: T,
    /// That of the direction to the client.
    pub to_client: T,
}

impl<T> Both<T> {
    /// The value of one direction.
    pub fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The value of one direction, to change it.
    pub fn of_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// What carries an application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Ordered bytes.
    Tcp,
    /// Datagrams: each is handed over whole, by itself.
    Udp,
}

/// Index of a protocol in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolId(pub u8);

/// The answer of a probe that looked at the first bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol.
    Yes,
    /// It is this protocol, but these bytes travel in the other direction than the flow says (midstream only).
    Reversed,
    /// Theirs, and as the other direction begins; that says which way it is only where the begin of the flow was not seen.
    Either,
    /// It cannot be told from so few bytes.
    Unsure,
    /// It is not this protocol.
    No,
}

/// A byte pattern near the start of a stream that tells a protocol on any port.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The transport on which it counts.
    pub transport: Transport,
    /// The direction in which it is looked for.
    pub direction: Direction,
    /// The bytes.
    pub bytes: &'static [u8],
    /// Whether ASCII case is ignored.
    pub nocase: bool,
    /// First position, from the start of the stream.
    pub offset: usize,
    /// The pattern ends at this position or before it.
    pub depth: usize,
}

/// Something wrong (or worth a rule) that traffic did, `protocol.event` in lower case as rules name it
/// (`app-layer-event:http.request_header_invalid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Anomaly(pub &'static str);

/// An anomaly that a protocol can raise.
#[derive(Clone, Copy, Debug)]
pub struct AnomalyKind {
    /// Its name in rules, `protocol.event`.
    pub name: &'static str,
    /// Its name in the `anomaly.event` field of a record.
    pub record_name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// What a field's getter returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A whole value.
    Bytes(&'a [u8]),
    /// What is kept of a value that grows with the traffic.
    Stream {
        /// The bytes that are kept.
        data: &'a [u8],
        /// Position of the first kept byte in the whole value.
        offset: u64,
        /// Whether nothing more will come.
        complete: bool,
    },
    /// A number.
    Number(u64),
}

/// What the value of a field is. Rules have a sticky buffer for all but numbers, which have a test.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Words, lines, names of no other kind.
    Text,
    /// Octets that are no text.
    Bytes,
    /// A number ([`Value::Number`]).
    Number(Numbers),
    /// The address of a host, as text.
    Address,
    /// The name of a host or domain.
    Domain,
    /// Where something is: a URL, or what of one a request states.
    Url,
    /// A digest or fingerprint, as text.
    Hash,
    /// Who someone is: a user, account or mail address.
    User,
    /// The name that a host has of itself.
    Host,
    /// A program and its version.
    Software,
    /// The contents of a file.
    File,
    /// A device: its vendor, model or serial number.
    Device,
    /// A piece of what travels ([`Field::frame`]).
    Frame,
}

impl Kind {
    /// Its name in the manual.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Bytes => "bytes",
            Kind::Number(_) => "number",
            Kind::Address => "address",
            Kind::Domain => "domain",
            Kind::Url => "URL",
            Kind::Hash => "hash",
            Kind::User => "user",
            Kind::Host => "host",
            Kind::Software => "software",
            Kind::File => "file",
            Kind::Device => "device",
            Kind::Frame => "frame",
        }
    }
}

/// What a number can be.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// The largest one.
    pub most: u64,
    /// Names that rules can use for some of them.
    pub names: fn() -> Vec<(&'static str, u64)>,
}

impl Numbers {
    /// Those up to the largest one, without names.
    pub const fn up_to(most: u64) -> Self {
        Self { most, names: Vec::new }
    }

    /// Those up to the largest one, some of them with names.
    pub const fn named(most: u64, names: fn() -> Vec<(&'static str, u64)>) -> Self {
        Self { most, names }
    }
}

/// The names in a table of a protocol.
pub fn named<N: Copy + Into<u64>>(table: &[(N, &'static str)]) -> Vec<(&'static str, u64)> {
    table.iter().map(|(number, name)| (*name, (*number).into())).collect()
}

/// A buffer or number of a transaction that rules can look at. The name is that of the rule keyword (`http.uri`).
#[derive(Clone, Copy)]
pub struct Field {
    /// The canonical name: a sticky buffer or a number, as rules write it.
    pub name: &'static str,
    /// Other names that rules have for it.
    pub aliases: &'static [&'static str],
    /// What it holds, in a sentence.
    pub doc: &'static str,
    /// What it is.
    pub kind: Kind,
    /// For each direction in which it exists: the progress of that direction (an index into [`Protocol::states`]) from which
    /// on its value can be asked for. A streaming value may still grow afterwards.
    pub from: Both<Option<u8>>,
    /// Whether there can be several instances (index 0, 1, … until `None`).
    pub multi: bool,
    /// The value of instance `index` in a direction; `None` where there is none.
    pub read: for<'a> fn(&'a dyn Any, Direction, usize) -> Option<Value<'a>>,
}

impl Field {
    /// A frame: its name stands behind `frame:` as in rules, its bytes are those that the parser names ([`Effects::frame`]).
    pub const fn frame(name: &'static str, doc: &'static str, [to_server, to_client]: [bool; 2]) -> Self {
        let from = Both {
            to_server: if to_server { Some(0) } else { None },
            to_client: if to_client { Some(0) } else { None },
        };
        Self { name, aliases: &[], doc, kind: Kind::Frame, from, multi: false, read: |_, _, _| None }
    }
}

/// Settings of one protocol as dotted keys below `app-layer.protocols.<name>` (for a parser) or below its entry in
/// `outputs.N.eve-log.types` (for records), with scalar values as written. List items have their position as key.
#[derive(Clone, Debug, Default)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A switch: `yes`, `true`, `on`, `1` and their opposites; `default` where absent or neither.
    pub fn switch(&self, key: &str, default: bool) -> bool {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            Some("yes" | "true" | "on" | "1" | "enabled") => true,
            Some("no" | "false" | "off" | "0" | "disabled") => false,
            _ => default,
        }
    }

    /// A number; `default` where absent or not a number.
    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.text(key).and_then(|t| t.trim().parse().ok()).unwrap_or(default)
    }

    /// A size such as `100 KiB`, `4kb`, `1 MiB` or `4096`, in bytes (units count 1,024).
    pub fn bytes(&self, key: &str, default: u64) -> u64 {
        self.text(key).and_then(parse_size).unwrap_or(default)
    }

    /// Whether a rule looks at a field, as far as that is known: a parser may spare itself what nobody wants.
    pub fn is_in_rules(&self, field: &str) -> bool {
        self.switch(&format!("{IN_RULES}{field}"), true)
    }

    /// Notes whether a rule looks at a field.
    pub fn note_in_rules(&mut self, field: &str, is_in_rules: bool) {
        self.0.insert(format!("{IN_RULES}{field}"), if is_in_rules { "yes" } else { "no" }.into());
    }

    /// The values of a list at `key` (`key.0`, `key.1`, …), in order.
    pub fn list(&self, key: &str) -> Vec<&str> {
        (0..).map_while(|i| self.text(&format!("{key}.{i}"))).collect()
    }
}

/// What stands before the names of fields in the keys that tell of rules.
const IN_RULES: &str = "rules.";

/// A size in bytes from text such as `100 KiB`, `4kb`, `1gb` or `4096`; units count 1,024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Opens a parser for a new flow.
pub type Opener = Box<dyn Fn(Transport) -> Box<dyn Parser> + Send + Sync>;

/// Writes what a record (or an alert of the same transaction) shows of a transaction: adds the protocol's object (named
/// [`Protocol::event_type`], and further ones where EVE has them) to the record. For [`Purpose::Record`] it returns whether a record
/// is wanted under the settings; it then must have added nothing when it returns `false`.
pub struct Recorder {
    write: Box<Write>,
    /// Whether its records show the ends of the flow, from the client to the server, although the transaction has but one
    /// direction.
    pub shows_flow_ends: bool,
}

type Write = dyn Fn(&dyn Transaction, Purpose, &mut Object<'_>) -> bool + Send + Sync;

impl Recorder {
    /// A recorder that writes as `write` does.
    pub fn new(write: impl Fn(&dyn Transaction, Purpose, &mut Object<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), shows_flow_ends: false }
    }

    /// Adds what is shown of a transaction to a record; whether a record is wanted.
    pub fn write(&self, transaction: &dyn Transaction, purpose: Purpose, record: &mut Object<'_>) -> bool {
        (self.write)(transaction, purpose, record)
    }
}

/// What a transaction is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its own record.
    Record,
    /// An alert or a file record that refers to it: always shown, whatever the settings of its own record say.
    Reference,
}

/// Where a protocol is parsed if nothing is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// Everywhere.
    Always,
    /// Where there is no configuration; one that was written for other sensors has to name it.
    WithoutConfiguration,
}

/// A protocol's card.
pub struct Protocol {
    /// Its name in rules, in `app_proto` and in the configuration.
    pub name: &'static str,
    /// Other names in rule headers (`http1`, `ssl`).
    pub aliases: &'static [&'static str],
    /// What it is, with the standard it follows, in a sentence.
    pub doc: &'static str,
    /// Whether it is parsed without a word about it.
    pub parsed: Usual,
    /// The carriers it has.
    pub transports: &'static [Transport],
    /// Patterns that tell it on any port.
    pub patterns: &'static [Pattern],
    /// Ports of servers on which `probe` is asked, for each transport in `transports`.
    pub ports: &'static [u16],
    /// Looks at the first bytes of a direction: asked after a pattern matched (to confirm it), and on the ports.
    pub probe: fn(Transport, Direction, &[u8]) -> Probe,
    /// Names of the progress of a transaction to server, in order; the last means it is complete.
    pub states: Both<&'static [&'static str]>,
    /// What rules can look at.
    pub fields: &'static [Field],
    /// What can be wrong.
    pub anomalies: &'static [AnomalyKind],
    /// What rules may require of it (`requires:feature`), with the switch of its settings that takes it away.
    pub features: &'static [(&'static str, &'static str)],
    /// Anomalies that rules of earlier years name and that are not raised any more.
    pub retired_anomalies: &'static [&'static str],
    /// The EVE event type of its records and the name of its object; `None` for a protocol without records.
    pub event_type: Option<&'static str>,
    /// Whether its records show the transaction's id (`tx_id`) beside the object.
    pub shows_transaction_id: bool,
    /// Whether records are written without a word in the configuration.
    pub recorded_by_default: bool,
    /// Reads the parser's settings.
    pub configure: fn(&Settings) -> Opener,
    /// Reads the settings of records.
    pub recorder: fn(&Settings) -> Recorder,
}

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
pub struct Effects<'a> {
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

impl<'a> Effects<'a> {
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

/// Takes the contents of files that travel inside a protocol. At most one file is open in each direction of a flow at a time.
pub trait FileSink {
    /// A file begins. `range` is the byte range it is part of, where the protocol tells (`start`, `end`, `size`).
    fn open(&mut self, direction: Direction, transaction: u64, name: &[u8], range: Option<FileRange>);
    /// Bytes of the open file, in order.
    fn append(&mut self, direction: Direction, data: &[u8]);
    /// Bytes of the open file are missing.
    fn gap(&mut self, direction: Direction, missing: u64);
    /// The open file ends; `complete` tells whether all of it came.
    fn close(&mut self, direction: Direction, complete: bool);
    /// Whether the open file is wanted to its end, also past what is inspected of its message.
    fn is_kept(&self, _direction: Direction) -> bool {
        false
    }
}

/// The part of a file that a transfer carries, in bytes; `end` is the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub end: u64,
    /// Size of the whole file, 0 where unknown.
    pub size: u64,
}

/// A sink for those who want no files.
#[derive(Debug, Default)]
pub struct NoFiles;

impl FileSink for NoFiles {
    fn open(&mut self, _: Direction, _: u64, _: &[u8], _: Option<FileRange>) {}
    fn append(&mut self, _: Direction, _: &[u8]) {}
    fn gap(&mut self, _: Direction, _: u64) {}
    fn close(&mut self, _: Direction, _: bool) {}
}

/// The parser of one flow.
pub trait Parser: Send {
    /// Takes a chunk of ordered bytes (TCP) or one datagram (UDP; what it does not consume is dropped).
    fn advance(&mut self, direction: Direction, chunk: &[u8], effects: &mut Effects<'_>) -> Advance;

    /// `missing` bytes of a direction never came (what it had left unconsumed is dropped as well). Whether it can go on.
    fn gap(&mut self, direction: Direction, missing: u64, effects: &mut Effects<'_>) -> bool;

    /// No more bytes will come in a direction (FIN, RST, end of the capture, timeout). Messages that only the end of the stream
    /// delimits are complete now; half a message stays incomplete.
    fn close(&mut self, direction: Direction, effects: &mut Effects<'_>);

    /// Bytes that it keeps besides its own size: its open transactions, and all that waits to become one. It is asked after each
    /// call, so it is kept up with what changes and never counted anew.
    fn held_bytes(&self) -> usize;

    /// The open transactions.
    fn transactions(&self) -> &dyn TransactionList;

    /// The open transactions, to retire those that are done with.
    fn transactions_mut(&mut self) -> &mut dyn TransactionList;
}

/// A request and its answer, or what a protocol has in their place.
pub trait Transaction: Any + Send {
    /// How far each direction has come: an index into [`Protocol::states`].
    fn progress(&self, direction: Direction) -> u8;

    /// Whether nothing more will be added: it is recorded and retired.
    fn is_complete(&self) -> bool;

    /// Whether its record can be written now (at the latest when it is complete).
    fn is_recordable(&self) -> bool {
        self.is_complete()
    }

    /// The direction, for a transaction that only has one (a DNS message).
    fn only_direction(&self) -> Option<Direction> {
        None
    }

    /// What a message and its answer have in common, where each of them is a transaction of its own.
    fn pair(&self) -> Option<u64> {
        None
    }

    /// What was wrong with it, in the order in which it was noticed; only ever appended to.
    fn anomalies(&self) -> &[Anomaly];

    /// Bytes that it keeps besides its own size ([`held`]).
    fn held_bytes(&self) -> usize;

    /// For [`Field::read`].
    fn as_any(&self) -> &dyn Any;
}

/// A transaction of one message: it has one direction, and all of it is there at once.
pub trait OneWay: Any + Send {
    /// The direction it went.
    fn way(&self) -> Direction;

    /// What it has in common with its answer, or with what it answers.
    fn answer(&self) -> Option<u64> {
        None
    }

    /// What was wrong with it, in the order in which it was noticed.
    fn noted(&self) -> &[Anomaly] {
        &[]
    }

    /// Bytes that it keeps besides its own size ([`held`]).
    fn held(&self) -> usize;
}

impl<T: OneWay> Transaction for T {
    fn progress(&self, direction: Direction) -> u8 {
        u8::from(direction == self.way())
    }

    fn is_complete(&self) -> bool {
        true
    }

    fn only_direction(&self) -> Option<Direction> {
        Some(self.way())
    }

    fn pair(&self) -> Option<u64> {
        self.answer()
    }

    fn anomalies(&self) -> &[Anomaly] {
        self.noted()
    }

    fn held_bytes(&self) -> usize {
        self.held()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Reads a transaction of type `T` in a field's getter: `read::<Message>(|tx, direction, index| …)` as a plain function.
#[macro_export]
macro_rules! fields {
    ($type:ty: $($name:literal $(| $alias:literal)*: $kind:expr, $doc:literal, [$ts:expr, $tc:expr], $multi:expr, $read:expr;)* $(frame $frame:literal, $of:literal, $sides:expr;)*) => {{
        #[allow(unused_imports, reason = "not every table has fields of all kinds")]
        use $crate::protocol::{Kind::*, Numbers, named};
        &[$($crate::protocol::Field {
            name: $name,
            aliases: &[$($alias),*],
            doc: $doc,
            kind: $kind,
            from: $crate::protocol::Both { to_server: $ts, to_client: $tc },
            multi: $multi,
            read: |any, direction, index| {
                let read: for<'a> fn(&'a $type, $crate::protocol::Direction, usize) -> Option<$crate::protocol::Value<'a>> = $read;
                any.downcast_ref::<$type>().and_then(|tx| read(tx, direction, index))
            },
        },)* $($crate::protocol::Field::frame($frame, $of, $sides),)*]
    }};
}
