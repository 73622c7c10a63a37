//! Bytes to requests and responses (RFC 9112), each direction by itself; responses meet requests in order.
//!
//! The parser consumes whole lines and any piece of a body, and remembers how far it searched for the end of a line.

use super::decode::{Budget, Decoder};
use super::headers::{Begins, begins_field, fields, line, trim};
use super::look::{Look, begins_status_line, looks_like_version, surplus};
use super::multipart::Multipart;
use super::request;
use super::transaction::Exchange;
use crate::protocol::{
    Advance, Anomaly, Course, Direction, Input, Output, Parser, Settings, TransactionList, Transactions, held,
};

/// Limits and habits, from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) open: u64,
    pub(super) body: [u64; 2],
    pub(super) budget: Budget,
    pub(super) field: usize,
    pub(super) twice_path: bool,
    pub(super) twice_query: bool,
}

/// Bytes of a body that are looked at where a configuration does not say how many.
const BODY_LIMIT_BYTES: u64 = 4 << 10;
/// Bytes that decoding may give for each microsecond of `decompression-time-limit`.
const DECODED_PER_MICROSECOND: u64 = 512;

impl Limits {
    /// Reads the settings.
    pub(crate) fn read(settings: &Settings) -> Self {
        let key = |name: &str| format!("libhtp.default-config.{name}");
        Self {
            open: settings.number(&key("max-tx"), 512),
            body: [
                settings.bytes(&key("request-body-limit"), BODY_LIMIT_BYTES),
                settings.bytes(&key("response-body-limit"), BODY_LIMIT_BYTES),
            ],
            budget: Budget {
                layers: usize::try_from(settings.number(&key("response-body-decompress-layer-limit"), 4))
                    .unwrap_or(2)
                    .min(16),
                bomb_bytes: settings.bytes(&key("compression-bomb-limit"), 1 << 20),
                work_bytes: settings
                    .number(&key("decompression-time-limit"), 100_000)
                    .saturating_mul(DECODED_PER_MICROSECOND),
                lzma: settings.switch(&key("lzma-enabled"), false),
                lzma_memory_bytes: settings.bytes(&key("lzma-memlimit"), 1 << 20),
            },
            field: usize::try_from(settings.bytes(&key("meta-field-limit"), 18_432)).unwrap_or(18_432),
            twice_path: settings.switch(&key("double-decode-path"), false),
            twice_query: settings.switch(&key("double-decode-query"), false),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Line,
    /// A request line without a protocol came: header fields or the next request follow.
    Protocolless,
    /// A CONNECT came: its answer says what follows.
    Tunnel,
    /// What followed a request in place of the next one, line by line, up to one.
    Surplus,
    /// What came in place of a status line, up to its end.
    Junk,
    /// The first bytes after such a line.
    JunkEnd,
    /// Headers of an answer that must have no body came: a body framed like this, or the next answer follows.
    Bare(Framing),
    Headers,
    Known(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    /// Where the next message begins is not known: lines are passed over until one can begin it.
    Lost,
    /// The begin of an answer never came: the next one follows, or the body of this one.
    Headless,
    /// The body of an answer of which it is not known where it ends: up to the next answer.
    Unframed,
}

/// What delimits a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunks,
    Close,
}

impl From<Framing> for State {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => State::Known(length),
            Framing::Chunks => State::ChunkLine,
            Framing::Close => State::UntilClose,
        }
    }
}

/// How the file of a body stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FileState {
    #[default]
    None,
    Open,
    /// It reached the limit of what is inspected.
    Cut,
}

#[derive(Default)]
pub(super) struct Side {
    pub(super) state: State,
    pub(super) scanned: usize,
    pub(super) look: Look,
    pub(super) transaction: u64,
    pub(super) raw: Vec<u8>,
    /// A copy of the unfinished line that waits in the stream, for the end or the other side may show that nothing follows.
    pub(super) pending: Vec<u8>,
    /// Bytes that were taken from that copy and are still to come.
    pub(super) ahead: usize,
    /// The rest of a line that was too long is skipped.
    skipping: bool,
    /// A message came.
    pub(super) begun: bool,
    pub(super) frames: Frames,
    pub(super) decoder: Option<Decoder>,
    pub(super) form: Option<Multipart>,
    pub(super) file: FileState,
    pub(super) closed: bool,
}

/// The frames of a direction.
#[derive(Default)]
pub(super) struct Frames {
    /// That of the whole direction was named.
    stream: bool,
    /// That of a message was, and has no end yet.
    open: bool,
    /// A message begins with what is read now, by its transaction.
    pub(super) begins: Option<u64>,
    /// A message ends with it.
    pub(super) ends: bool,
}

impl Side {
    fn held_bytes(&self) -> usize {
        let decoder = self.decoder.as_ref().map_or(0, Decoder::held_bytes);
        held::list(&self.raw)
            + held::list(&self.pending)
            + decoder
            + self.form.as_ref().map_or(0, Multipart::held_bytes)
    }
}

/// The parser of one flow.
pub(crate) struct HttpParser {
    pub(super) limits: Limits,
    sides: [Side; 2],
    pub(super) transactions: Transactions<Exchange, 65_536>,
    pub(super) next_response: u64,
    /// Transactions before this one were given up, with or without an answer.
    pub(super) given_up: u64,
}

/// What a step came to: bytes done with, or that it needs more.
pub(super) type Step = Option<usize>;

impl HttpParser {
    /// A parser for a new flow.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sides: [Side::default(), Side::default()],
            transactions: Transactions::default(),
            next_response: 0,
            given_up: 0,
        }
    }

    pub(super) fn side(&mut self, direction: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    pub(super) fn to_server(&self) -> &Side {
        let [to_server, _] = &self.sides;
        to_server
    }

    pub(super) fn current(&mut self, direction: Direction) -> Option<&mut Exchange> {
        let id = self.side(direction).transaction;
        self.transactions.find_mut(id)
    }

    pub(super) fn note(&mut self, direction: Direction, to_server: &'static str, to_client: &'static str) {
        if let Some(tx) = self.current(direction) {
            tx.note(if direction == Direction::ToServer { to_server } else { to_client });
        }
    }

    fn step(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) -> Step {
        // A step that takes no bytes is work too: whatever the states make of each other, there is an end.
        output.spend(1);
        if self.side(direction).skipping {
            output.spend(data.len() as u64);
            let end = memchr::memchr(b'\n', data);
            self.side(direction).skipping = end.is_none();
            return Some(end.map_or(data.len(), |at| at + 1));
        }
        let state = self.side(direction).state;
        match state {
            State::Known(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.body(direction, data.get(..now)?, output);
                self.side(direction).state = State::Known(left - now as u64);
                let mut taken = now;
                if left == now as u64 {
                    let surplus = data.get(now..).filter(|_| direction == Direction::ToClient).map_or(0, surplus);
                    if let Some(more) = data.get(now..now + surplus).filter(|more| !more.is_empty()) {
                        self.note(direction, "http.request_body_unexpected", "http.response_body_unexpected");
                        self.body(direction, more, output);
                        taken += surplus;
                    }
                    self.finish(direction, true, output);
                }
                Some(taken)
            }
            State::UntilClose => {
                self.body(direction, data, output);
                Some(data.len())
            }
            State::Headless => self.headless(data, output),
            State::Unframed => self.unframed(data, output),
            State::Tunnel => self.tunnel(data, output),
            State::Surplus => self.surplus(data, output),
            State::Line if direction == Direction::ToServer && self.begins_surplus(data) => {
                self.begin_surplus();
                Some(0)
            }
            State::ChunkData(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.body(direction, data.get(..now)?, output);
                self.side(direction).state =
                    if left == now as u64 { State::ChunkEnd } else { State::ChunkData(left - now as u64) };
                Some(now)
            }
            State::ChunkEnd if !matches!(data.first(), Some(b'\r' | b'\n')) => {
                self.side(direction).state = State::ChunkLine;
                Some(0)
            }
            State::ChunkLine if !self.side(direction).look.may_begin_chunk(data) => self.no_chunk(direction),
            State::Bare(framing) => match begins_status_line(data) {
                None => None,
                Some(true) => {
                    self.finish(direction, true, output);
                    Some(0)
                }
                Some(false) => {
                    self.note(direction, "http.request_body_unexpected", "http.response_body_unexpected");
                    self.side(direction).state = framing.into();
                    Some(0)
                }
            },
            State::Junk => self.junk(data, output),
            State::JunkEnd => match begins_status_line(data) {
                None => None,
                Some(true) => {
                    output.anomalies.push(Anomaly("http.response_invalid_protocol"));
                    self.side(direction).raw.clear();
                    self.side(direction).state = State::Line;
                    Some(0)
                }
                Some(false) => {
                    self.junk_is_body(output);
                    Some(0)
                }
            },
            State::Line
                if direction == Direction::ToClient
                    && self.side(direction).look.begins_response(data) == Some(false) =>
            {
                self.side(direction).state = State::Junk;
                Some(0)
            }
            _ => self.line_step(direction, data, output),
        }
    }

    fn line_step(&mut self, direction: Direction, data: &[u8], output: &mut Output<'_>) -> Step {
        let limit = self.limits.field;
        let side = self.side(direction);
        let before = side.scanned;
        let bare = direction == Direction::ToClient && matches!(side.state, State::Line | State::Headers);
        let closed = side.closed;
        let found = line(data, &mut side.scanned, bare, closed);
        output.spend(side.scanned.saturating_sub(before) as u64 + 1);
        let mut too_long = false;
        let (length, total) = match found {
            Some((length, total)) if length <= limit => (length, total),
            None if closed && data.len() <= limit => (data.len(), data.len()),
            None if data.len() <= limit.saturating_add(LINE_END_BYTES) => return None,
            _ => {
                too_long = true;
                self.side(direction).skipping = true;
                (limit, limit)
            }
        };
        let text = data.get(..length)?;
        let done = match self.side(direction).state {
            State::Line => match direction {
                Direction::ToServer => self.request_line(text, total, output),
                Direction::ToClient => self.response_line(text, total, output),
            },
            State::Lost => {
                let begins = match direction {
                    Direction::ToServer => request::begins(text) && memchr::memmem::find(text, b" HTTP/").is_some(),
                    Direction::ToClient => looks_like_version(text),
                };
                if begins {
                    self.side(direction).state = State::Line;
                }
                Some(if begins { 0 } else { total })
            }
            State::Protocolless => Some(self.after_protocolless(text, total, output)),
            State::Headers => self.header_line(direction, data, text, total, output),
            State::ChunkLine => self.chunk_line(direction, text, total),
            State::ChunkEnd => {
                self.count_framing(direction, total);
                self.side(direction).state = State::ChunkLine;
                Some(total)
            }
            _ => {
                if trim(text).is_empty() {
                    self.finish(direction, true, output);
                }
                Some(total)
            }
        };
        let side = self.side(direction);
        match done {
            None => side.skipping = false,
            Some(0) => (side.scanned, side.skipping) = (0, false),
            Some(_) => {
                side.scanned = 0;
                if too_long {
                    self.note(direction, "http.request_field_too_long", "http.response_field_too_long");
                }
            }
        }
        done
    }

    fn header_line(
        &mut self,
        direction: Direction,
        data: &[u8],
        text: &[u8],
        total: usize,
        output: &mut Output<'_>,
    ) -> Step {
        let limit = self.limits.field.saturating_mul(4);
        if text.iter().all(|&b| matches!(b, b' ' | b'\t')) {
            let end = data.get(text.len()..total).unwrap_or_default();
            let odd = !matches!(data.get(..total), Some(b"\r\n" | b"\n"));
            if end.len() > 2 {
                self.note(direction, "http.deformed_eol", "http.deformed_eol");
            }
            if odd && !self.side(direction).closed {
                // A blank line that is not empty is part of the headers when more of them follow, else clients take it
                // for the end.
                match data.get(total..).map(begins_field) {
                    None | Some(Begins::Unsure) => return None,
                    Some(Begins::Blank | Begins::Field) => return Some(total),
                    Some(Begins::Other) => {}
                }
            }
            self.head_done(direction, output);
            return Some(total);
        }
        let side = self.side(direction);
        if side.raw.len().saturating_add(total) > limit {
            self.note(direction, "http.request_too_many_headers", "http.response_too_many_headers");
        } else {
            side.raw.extend_from_slice(data.get(..total)?);
        }
        Some(total)
    }

    fn head_done(&mut self, direction: Direction, output: &mut Output<'_>) {
        self.take_fields(direction, output);
        let id = self.side(direction).transaction;
        self.choose_body(direction, id, output);
    }

    /// Reads the header lines that came.
    pub(super) fn take_fields(&mut self, direction: Direction, output: &mut Output<'_>) {
        let side = self.side(direction);
        let raw = std::mem::take(&mut side.raw);
        let id = side.transaction;
        let (headers, odd) = fields(&raw, direction == Direction::ToClient);
        output.spend(raw.len() as u64);
        let Some(tx) = self.transactions.find_mut(id) else { return };
        odd.tell(direction, tx);
        let message = tx.message_mut(direction);
        message.raw = raw.into();
        message.set_headers(headers);
        *tx.progress.of_mut(direction) = 3;
        if direction == Direction::ToServer {
            request::check_headers(tx);
        }
    }

    /// Names the frames that begin at the parser's place and end so many bytes behind it.
    fn name_frames(&mut self, direction: Direction, done: usize, output: &mut Output<'_>) {
        let frames = &mut self.side(direction).frames;
        let name = if direction == Direction::ToServer { "request" } else { "response" };
        if !std::mem::replace(&mut frames.stream, true) {
            output.open_frame("stream", 0, None);
        }
        if let Some(id) = frames.begins.take() {
            if std::mem::replace(&mut frames.open, true) {
                output.end_frame(name, 0);
            }
            output.open_frame(name, 0, Some(id));
        }
        if std::mem::take(&mut frames.ends) && std::mem::take(&mut frames.open) {
            output.end_frame(name, i64::try_from(done).unwrap_or(i64::MAX));
        }
    }

    /// What waits of a direction came without the end of its line: all of it is taken, for nothing follows.
    fn take_pending(&mut self, direction: Direction, output: &mut Output<'_>) {
        let side = self.side(direction);
        let pending = std::mem::take(&mut side.pending);
        // The stream has these bytes still.
        side.ahead = pending.len();
        let mut rest = &*pending;
        while !rest.is_empty() && output.course == Course::Parse && !output.fuel.is_empty() {
            let Some(done) = self.step(direction, rest, output) else { break };
            rest = rest.get(done..).unwrap_or_default();
        }
    }
}

impl Parser for HttpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        self.name_frames(direction, 0, output);
        let side = self.side(direction);
        let mut consumed = side.ahead.min(chunk.len());
        side.ahead -= consumed;
        while let Some(rest) = chunk.get(consumed..).filter(|rest| !rest.is_empty()) {
            output.place = consumed;
            let Some(done) = self.step(direction, rest, output) else {
                self.side(direction).keep_pending(rest);
                break;
            };
            self.name_frames(direction, done, output);
            if done > 0 {
                let side = self.side(direction);
                side.look = Look::default();
                side.pending.clear();
            }
            consumed += done;
            if output.course != Course::Parse || output.fuel.is_empty() {
                break;
            }
        }
        Advance::consumed(consumed)
    }

    fn gap(&mut self, direction: Direction, missing: u64, output: &mut Output<'_>) -> bool {
        let side = self.side(direction);
        (side.scanned, side.look, side.ahead) = (0, Look::default(), 0);
        side.pending.clear();
        let left = match self.side(direction).state {
            State::Known(left) | State::ChunkData(left) => left,
            State::UntilClose | State::Unframed => u64::MAX,
            _ => 0,
        };
        if missing > left && matches!(self.side(direction).state, State::Known(_)) && left > 0 {
            // All that is left of the body is missing, and what came between it and the next message.
            self.gap(direction, left, output);
            self.side(direction).scanned = 0;
            return true;
        }
        if missing > left || left == 0 {
            if direction == Direction::ToClient && self.lose_framing(missing, output) {
                return true;
            }
            // A gap behind another one, with no message between them, says nothing new.
            if self.side(direction).state != State::Lost {
                if self.side(direction).state == State::Headers {
                    self.take_fields(direction, output);
                }
                self.finish(direction, false, output);
                self.side(direction).state = State::Lost;
                output.anomalies.push(Anomaly("http.invalid_gap"));
            }
            return true;
        }
        self.body_gap(direction, missing, output);
        let after = match self.side(direction).state {
            State::Known(_) => State::Known(left - missing),
            State::ChunkData(_) if left == missing => State::ChunkEnd,
            State::ChunkData(_) => State::ChunkData(left - missing),
            other => other,
        };
        self.side(direction).state = after;
        if after == State::Known(0) {
            self.finish(direction, false, output);
        }
        true
    }

    fn close(&mut self, direction: Direction, output: &mut Output<'_>) {
        self.side(direction).closed = true;
        self.take_pending(direction, output);
        if self.side(direction).state == State::Headers {
            self.head_done(direction, output);
        }
        if let State::Junk | State::JunkEnd = self.side(direction).state {
            self.junk_is_body(output);
        }
        match self.side(direction).state {
            // A peer that hangs up early ends the body as well: clients keep what came.
            State::UntilClose
            | State::Unframed
            | State::Bare(_)
            | State::Protocolless
            | State::Surplus
            | State::Known(_)
            | State::ChunkLine
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailer => self.finish(direction, true, output),
            State::Line
            | State::Headers
            | State::Lost
            | State::Headless
            | State::Tunnel
            | State::Junk
            | State::JunkEnd => {}
        }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.transactions.held_bytes() + self.sides.iter().map(Side::held_bytes).sum::<usize>()
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

impl Side {
    /// Keeps a copy of an unfinished first line or header line.
    fn keep_pending(&mut self, rest: &[u8]) {
        let is_line = matches!(self.state, State::Line | State::Headers | State::Protocolless | State::Surplus);
        match rest.get(self.pending.len()..) {
            Some(new) if is_line => self.pending.extend_from_slice(new),
            _ => self.pending.clear(),
        }
    }
}

/// White space, and the line ends among it.
pub(super) fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')
}

/// Transactions that can be open at all.
pub(super) const OPEN_LIMIT: u64 = 65_536;
/// Bytes that the end of a line can have beyond its limit.
const LINE_END_BYTES: usize = 16;
