//! Bytes to requests and responses (RFC 9112), each direction by itself; responses meet requests in order.
//!
//! The parser consumes whole lines and any piece of a body, and remembers how far it searched for the end of a line.

use super::decode::{Budget, Decoder};
use super::headers::{Begins, begins_field, fields, line, trim};
use super::multipart::Multipart;
use super::request;
use super::transaction::Exchange;
use super::uri::hex;
use crate::protocol::{
    Advance, Anomaly, Course, Direction, Input, Output, Parser, Settings, TransactionList, Transactions, held,
};

/// Limits and habits, from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(super) open: u64,
    pub(super) body: [u64; 2],
    pub(super) budget: Budget,
    field: usize,
    pub(super) twice_path: bool,
    pub(super) twice_query: bool,
}

/// Bytes that decoding may give for each microsecond of `decompression-time-limit`.
const DECODED_PER_MICROSECOND: u64 = 512;

impl Limits {
    /// Reads the settings.
    pub(crate) fn read(settings: &Settings) -> Self {
        let key = |name: &str| format!("libhtp.default-config.{name}");
        Self {
            open: settings.number(&key("max-tx"), 512),
            body: [
                settings.bytes(&key("request-body-limit"), 100 << 10),
                settings.bytes(&key("response-body-limit"), 100 << 10),
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
    scanned: usize,
    look: Look,
    pub(super) transaction: u64,
    raw: Vec<u8>,
    /// The rest of a line that was too long is skipped.
    skipping: bool,
    pub(super) decoder: Option<Decoder>,
    pub(super) form: Option<Multipart>,
    pub(super) file: FileState,
    pub(super) closed: bool,
}

impl Side {
    fn held_bytes(&self) -> usize {
        let decoder = self.decoder.as_ref().map_or(0, Decoder::held_bytes);
        held::list(&self.raw) + decoder + self.form.as_ref().map_or(0, Multipart::held_bytes)
    }
}

/// Longest line of junk that may stand before a status line.
const JUNK_BYTES: usize = 4096;

/// The parser of one flow.
pub(crate) struct HttpParser {
    pub(super) limits: Limits,
    sides: [Side; 2],
    pub(super) transactions: Transactions<Exchange, 65_536>,
    next_response: u64,
    /// Transactions before this one were given up, with or without an answer.
    given_up: u64,
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
            State::ChunkLine if !may_be_chunk_line(data, &mut self.side(direction).look) => self.no_chunk(direction),
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
                    Direction::ToServer => is_request_line(text) && memchr::memmem::find(text, b" HTTP/").is_some(),
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

    fn request_line(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> Step {
        if trim(text).is_empty() {
            return Some(total);
        }
        if let State::Bare(_) = self.side(Direction::ToClient).state {
            self.finish(Direction::ToClient, true, output);
        }
        let (twice_path, twice_query) = (self.limits.twice_path, self.limits.twice_query);
        let tx = request::read(text, twice_path, twice_query);
        let alone = tx.request.protocol.is_empty();
        self.side(Direction::ToServer).transaction = self.open(tx, output)?;
        self.side(Direction::ToServer).state = if alone { State::Protocolless } else { State::Headers };
        Some(total)
    }

    fn after_protocolless(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> usize {
        if begins_field(text) == Begins::Field {
            self.side(Direction::ToServer).state = State::Headers;
            return 0;
        }
        self.finish(Direction::ToServer, true, output);
        if trim(text).is_empty() { total } else { 0 }
    }

    /// Opens a transaction. When too many are open the oldest is given up, so that the newest is always looked at.
    fn open(&mut self, mut tx: Exchange, output: &mut Output<'_>) -> Option<u64> {
        let range = self.transactions.range();
        if range.end - self.given_up.max(range.start) >= self.limits.open {
            output.anomalies.push(Anomaly("http.too_many_transactions"));
            tx.note("http.too_many_transactions");
            let oldest = self.given_up.max(range.start);
            let answered = self.transactions.find(oldest).is_none_or(|old| old.progress.to_client > 0);
            if answered {
                self.next_response = self.next_response.max(oldest + 1);
            }
            if let Some(old) = self.transactions.find_mut(oldest) {
                old.complete();
            }
            self.given_up = oldest + 1;
        }
        self.open_unbounded(tx)
    }

    /// Opens a transaction however many are open, as far as they can be counted.
    fn open_unbounded(&mut self, tx: Exchange) -> Option<u64> {
        let range = self.transactions.range();
        if range.end - range.start >= OPEN_LIMIT {
            self.transactions.remove(range.start);
        }
        self.transactions.open(tx)
    }

    fn response_line(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> Step {
        let clean: Vec<u8> = trim(text).iter().copied().filter(|&b| b != 0).collect();
        if clean.is_empty() {
            return Some(total);
        }
        if !looks_like_version(&clean) {
            self.side(Direction::ToClient).state = State::Junk;
            return Some(0);
        }
        let Some(id) = self.match_response(output) else {
            self.side(Direction::ToClient).state = State::Lost;
            return Some(total);
        };
        self.side(Direction::ToClient).transaction = id;
        let tx = self.transactions.find_mut(id)?;
        tx.progress.to_client = 2;
        let mut words = clean.splitn(2, |b| blank(*b));
        tx.response.protocol = words.next()?.into();
        let rest = trim(words.next().unwrap_or_default());
        let end = rest.iter().position(|b| blank(*b)).unwrap_or(rest.len());
        let (status, reason) = rest.split_at(end);
        tx.response.line = text.into();
        tx.status = status.into();
        tx.reason = trim(reason).into();
        if tx.code().is_none_or(|c| !(100..1000).contains(&c)) {
            tx.note("http.response_invalid_status");
        }
        if !matches!(tx.response.protocol.get(5..), Some([b'0'..=b'9', b'.', b'0'..=b'9'])) {
            tx.note("http.response_invalid_protocol");
        }
        self.side(Direction::ToClient).state = State::Headers;
        Some(total)
    }

    fn junk(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
        let side = self.side(Direction::ToClient);
        let room = JUNK_BYTES.saturating_sub(side.raw.len()).min(data.len());
        let area = data.get(..room)?;
        let end = memchr::memchr(b'\n', area).map(|at| at + 1);
        let taken = area.get(..end.unwrap_or(room))?;
        side.raw.extend_from_slice(taken);
        output.spend(taken.len() as u64);
        if end.is_some() {
            side.state = State::JunkEnd;
        } else if side.raw.len() >= JUNK_BYTES {
            self.junk_is_body(output);
        }
        Some(taken.len())
    }

    /// What came in place of a status line is the body of an answer without headers.
    fn junk_is_body(&mut self, output: &mut Output<'_>) {
        let junk = std::mem::take(&mut self.side(Direction::ToClient).raw);
        self.side(Direction::ToClient).state = State::Lost;
        let Some(id) = self.match_response(output) else { return };
        self.side(Direction::ToClient).transaction = id;
        if let Some(tx) = self.transactions.find_mut(id) {
            tx.progress.to_client = 3;
            tx.note("http.response_body_unexpected");
        }
        self.side(Direction::ToClient).state = State::UntilClose;
        self.body(Direction::ToClient, &junk, output);
    }

    /// The transaction that the next response belongs to.
    fn match_response(&mut self, output: &mut Output<'_>) -> Option<u64> {
        let range = self.transactions.range();
        if self.next_response < self.given_up {
            // Its request was given up: the answer stands alone, so that later ones find theirs.
            self.next_response += 1;
            return self.open_unbounded(Exchange::unseen());
        }
        self.next_response = self.next_response.max(range.start);
        while self.next_response < range.end
            && self.transactions.find(self.next_response).is_none_or(|t| t.progress.to_client >= 5)
        {
            self.next_response += 1;
        }
        if self.next_response < range.end {
            let request = self.side(Direction::ToServer);
            if request.state == State::Protocolless && request.transaction == self.next_response {
                self.finish(Direction::ToServer, true, output);
            }
            return Some(self.next_response);
        }
        let mut tx = Exchange::unseen();
        tx.note("http.unable_to_match_response_to_request");
        self.open(tx, output)
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
        let side = self.side(direction);
        if text.iter().all(|&b| matches!(b, b' ' | b'\t')) {
            let odd = !matches!(data.get(..total), Some(b"\r\n" | b"\n"));
            if odd && !side.closed {
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
        if side.raw.len().saturating_add(total) > limit {
            self.note(direction, "http.request_too_many_headers", "http.response_too_many_headers");
        } else {
            side.raw.extend_from_slice(data.get(..total)?);
        }
        Some(total)
    }

    fn head_done(&mut self, direction: Direction, output: &mut Output<'_>) {
        let side = self.side(direction);
        let raw = std::mem::take(&mut side.raw);
        let id = side.transaction;
        let (headers, odd) = fields(&raw, direction == Direction::ToClient);
        output.spend(raw.len() as u64);
        for (wrong, to_server, to_client) in [
            (odd.missing_colon, "http.request_field_missing_colon", "http.response_field_missing_colon"),
            (odd.bad_folding, "http.invalid_request_field_folding", "http.invalid_response_field_folding"),
            (odd.repetitions > 0, "http.request_header_repetition", "http.response_header_repetition"),
            (odd.invalid, "http.request_header_invalid", "http.response_header_invalid"),
            (odd.too_many, "http.request_too_many_headers", "http.response_too_many_headers"),
            (
                odd.lengths > 1,
                "http.duplicate_content_length_field_in_request",
                "http.duplicate_content_length_field_in_response",
            ),
        ] {
            if wrong {
                self.note(direction, to_server, to_client);
            }
        }
        let Some(tx) = self.transactions.find_mut(id) else {
            self.side(direction).state = State::Line;
            return;
        };
        let message = tx.message_mut(direction);
        message.raw = raw.into();
        message.set_headers(headers);
        *tx.progress.of_mut(direction) = 3;
        if direction == Direction::ToServer {
            request::check_headers(tx);
        }
        self.choose_body(direction, id, output);
    }
}

impl Parser for HttpParser {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        let Input { direction, data: chunk, .. } = *input;
        let mut consumed = 0;
        while let Some(rest) = chunk.get(consumed..).filter(|rest| !rest.is_empty()) {
            let Some(done) = self.step(direction, rest, output) else { break };
            if done > 0 {
                self.side(direction).look = Look::default();
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
        (side.scanned, side.look) = (0, Look::default());
        let left = match self.side(direction).state {
            State::Known(left) | State::ChunkData(left) => left,
            State::UntilClose => u64::MAX,
            _ => 0,
        };
        if missing > left && matches!(self.side(direction).state, State::Known(_)) && left > 0 {
            // All that is left of the body is missing, and what came between it and the next message.
            self.gap(direction, left, output);
            self.side(direction).scanned = 0;
            return true;
        }
        if missing > left || left == 0 {
            // A gap behind another one, with no message between them, says nothing new.
            if self.side(direction).state != State::Lost {
                self.finish(direction, false, output);
                self.side(direction).state = State::Lost;
                output.anomalies.push(Anomaly("http.invalid_gap"));
            }
            return true;
        }
        self.file_gap(direction, missing, output);
        if let Some(tx) = self.current(direction) {
            let body = tx.message_mut(direction).body_mut();
            body.total = body.total.saturating_add(missing);
            body.wire = body.wire.saturating_add(missing);
        }
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
        if let State::Junk | State::JunkEnd = self.side(direction).state {
            self.junk_is_body(output);
        }
        match self.side(direction).state {
            // A peer that hangs up early ends the body as well: clients keep what came.
            State::UntilClose
            | State::Bare(_)
            | State::Protocolless
            | State::Known(_)
            | State::ChunkLine
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailer => self.finish(direction, true, output),
            State::Line | State::Headers | State::Lost | State::Junk | State::JunkEnd => {}
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

/// White space, and the line ends among it.
pub(super) fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')
}

/// `HTTP/1.1`, and what cameras say in its place (`RTSP/1.0`).
fn looks_like_version(text: &[u8]) -> bool {
    [&b"HTTP/"[..], b"RTSP/"]
        .iter()
        .any(|name| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// A method, and a path or a version at the end: no header line has either.
fn is_request_line(text: &[u8]) -> bool {
    let Some(space) = text.iter().position(|&b| b == b' ') else { return false };
    let (method, rest) = text.split_at(space);
    let last = rest.rsplit(|&b| blank(b)).find(|word| !word.is_empty()).unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && (trim(rest).starts_with(b"/") || looks_like_version(last))
}

/// Whether what follows is a status line; `None` while it cannot be told.
fn begins_status_line(data: &[u8]) -> Option<bool> {
    match data.get(..5) {
        Some(start) => Some(start == b"HTTP/"),
        None if b"HTTP/".starts_with(data) => None,
        None => Some(false),
    }
}

/// How far the bytes that wait were looked at to tell what begins with them, so that none is looked at again.
#[derive(Clone, Copy, Default)]
struct Look {
    /// Bytes that were looked at.
    seen: usize,
    /// One of them was not blank.
    begun: bool,
    /// Letters of a version among them, and that it is the second of [`VERSIONS`].
    letters: usize,
    second: bool,
}

/// What the versions of answers begin with.
const VERSIONS: [&[u8; 5]; 2] = [b"HTTP/", b"RTSP/"];

impl Look {
    /// Whether the first bytes of an answer are those of a status line or blank; `None` while it cannot be told.
    fn begins_response(&mut self, data: &[u8]) -> Option<bool> {
        for &byte in data.get(self.seen..).unwrap_or_default() {
            if self.letters >= VERSIONS[0].len() {
                break;
            }
            if self.begun || !blank(byte) {
                self.begun = true;
                let letter = byte.to_ascii_uppercase();
                if byte != 0 {
                    self.second |= self.letters == 0 && letter == b'R';
                    let [first, second] = VERSIONS;
                    let expected = if self.second { second } else { first }.get(self.letters);
                    if expected != Some(&letter) {
                        return Some(false);
                    }
                    self.letters += 1;
                }
            }
            self.seen += 1;
        }
        (self.letters >= VERSIONS[0].len()).then_some(true)
    }
}

/// Bytes that came together with the end of a body and begin no answer: they belong to the body, which some servers count short
/// by a line end. A body ends with its length all the same, so that nothing waits for bytes that need not come.
fn surplus(rest: &[u8]) -> usize {
    if rest.iter().all(|&b| blank(b)) || Look::default().begins_response(rest) == Some(false) {
        memchr::memmem::find(rest, b"\nHTTP/").map_or(rest.len(), |at| at + 1)
    } else {
        0
    }
}

/// Whether a line with the size of a chunk can begin like this.
fn may_be_chunk_line(data: &[u8], look: &mut Look) -> bool {
    let unseen = data.get(look.seen..).unwrap_or_default();
    look.seen += unseen.iter().take_while(|&&b| blank(b)).count();
    let data = data.get(look.seen..).unwrap_or_default();
    let mut rest = data.iter().copied().skip_while({
        let mut digits = 0;
        move |&b| {
            digits += 1;
            hex(b).is_some() && digits <= CHUNK_DIGITS
        }
    });
    data.first().is_none_or(|&b| hex(b).is_some()) && rest.next().is_none_or(|b| !b.is_ascii_alphanumeric())
}

/// Transactions that can be open at all.
const OPEN_LIMIT: u64 = 65_536;
/// Bytes that the end of a line can have beyond its limit.
const LINE_END_BYTES: usize = 16;
/// Digits of a chunk size, with leading zeros.
const CHUNK_DIGITS: usize = 64;
