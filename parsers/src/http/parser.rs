//! Bytes to requests and responses (RFC 9112), each direction by itself; responses meet requests in order.
//!
//! The parser consumes whole lines and any piece of a body, and remembers how far it searched for the end of a line.

use super::decode::{Decoder, Faults};
use super::headers::{fields, line, same_name, trim};
use super::record::content_range;
use super::transaction::{Exchange, UNSEEN};
use super::uri::{Target, hex, host_port, normalise_path, percent_decode};
use crate::protocol::{Advance, Anomaly, Course, Direction, Effects, Parser, Settings, TransactionList, Transactions};

/// Limits and habits, from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    open: u64,
    body: [u64; 2],
    layers: usize,
    bomb: u64,
    lzma: bool,
    field: usize,
    twice_path: bool,
    twice_query: bool,
}

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
            layers: usize::try_from(settings.number(&key("response-body-decompress-layer-limit"), 2))
                .unwrap_or(2)
                .min(16),
            bomb: settings.bytes(&key("compression-bomb-limit"), 1 << 20),
            lzma: settings.switch(&key("lzma-enabled"), false),
            field: usize::try_from(settings.bytes(&key("meta-field-limit"), 18_432)).unwrap_or(18_432),
            twice_path: settings.switch(&key("double-decode-path"), false),
            twice_query: settings.switch(&key("double-decode-query"), false),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Line,
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

#[derive(Default)]
struct Side {
    state: State,
    scanned: usize,
    transaction: u64,
    raw: Vec<u8>,
    decoder: Option<Decoder>,
    file: bool,
    closed: bool,
}

/// The parser of one flow.
pub(crate) struct HttpParser {
    limits: Limits,
    sides: [Side; 2],
    transactions: Transactions<Exchange, 65_536>,
    next_response: u64,
}

/// What a step came to: bytes done with, or that it needs more.
type Step = Option<usize>;

impl HttpParser {
    /// A parser for a new flow.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sides: [Side::default(), Side::default()],
            transactions: Transactions::default(),
            next_response: 0,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        let [to_server, to_client] = &mut self.sides;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn current(&mut self, direction: Direction) -> Option<&mut Exchange> {
        let id = self.side(direction).transaction;
        self.transactions.find_mut(id)
    }

    fn note(&mut self, direction: Direction, to_server: &'static str, to_client: &'static str) {
        if let Some(tx) = self.current(direction) {
            tx.note(if direction == Direction::ToServer { to_server } else { to_client });
        }
    }

    fn step(&mut self, direction: Direction, data: &[u8], effects: &mut Effects<'_>) -> Step {
        match self.side(direction).state {
            State::Known(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.body(direction, data.get(..now)?, effects);
                self.side(direction).state = State::Known(left - now as u64);
                if left == now as u64 {
                    self.finish(direction, true, effects);
                }
                Some(now)
            }
            State::UntilClose => {
                self.body(direction, data, effects);
                Some(data.len())
            }
            State::ChunkData(left) => {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.body(direction, data.get(..now)?, effects);
                self.side(direction).state =
                    if left == now as u64 { State::ChunkEnd } else { State::ChunkData(left - now as u64) };
                Some(now)
            }
            State::Line | State::Lost | State::Headers | State::ChunkLine | State::ChunkEnd | State::Trailer => {
                self.line_step(direction, data, effects)
            }
        }
    }

    fn line_step(&mut self, direction: Direction, data: &[u8], effects: &mut Effects<'_>) -> Step {
        let limit = self.limits.field;
        let side = self.side(direction);
        let before = side.scanned;
        let bare = direction == Direction::ToClient && matches!(side.state, State::Line | State::Headers);
        let closed = side.closed;
        let found = line(data, &mut side.scanned, bare, closed);
        effects.work += side.scanned.saturating_sub(before) as u64 + 1;
        let (length, total) = match found {
            Some(found) => found,
            None if matches!(side.state, State::ChunkLine) && data.len() > 64 => {
                return self.chunk_line(direction, data, 0, 0);
            }
            None if data.len() > limit => {
                self.note(direction, "http.request_field_too_long", "http.response_field_too_long");
                (data.len(), data.len())
            }
            None => return None,
        };
        let text = data.get(..length)?;
        let done = match self.side(direction).state {
            State::Line => match direction {
                Direction::ToServer => self.request_line(text, total, effects),
                Direction::ToClient => self.response_line(data, text, total, effects),
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
            State::Headers => self.header_line(direction, data, text, total, effects),
            State::ChunkLine => self.chunk_line(direction, data, length, total),
            State::ChunkEnd => {
                self.side(direction).state = State::ChunkLine;
                Some(if trim(text).is_empty() { total } else { 0 })
            }
            _ => {
                if trim(text).is_empty() {
                    self.finish(direction, true, effects);
                }
                Some(total)
            }
        };
        if done.is_some() {
            self.side(direction).scanned = 0;
        }
        done
    }

    fn request_line(&mut self, text: &[u8], total: usize, effects: &mut Effects<'_>) -> Step {
        let clean = trim(text);
        if clean.is_empty() {
            return Some(total);
        }
        let range = self.transactions.range();
        let opened =
            if range.end - range.start < self.limits.open { self.transactions.open(Exchange::default()) } else { None };
        let Some(id) = opened else {
            effects.anomalies.push(Anomaly("http.too_many_transactions"));
            return Some(total);
        };
        self.side(Direction::ToServer).transaction = id;
        let (twice_path, twice_query) = (self.limits.twice_path, self.limits.twice_query);
        let tx = self.transactions.find_mut(id)?;
        tx.progress.to_server = 2;
        if text.first().is_some_and(u8::is_ascii_whitespace) {
            tx.note("http.request_line_leading_whitespace");
        }
        let space = clean.iter().position(u8::is_ascii_whitespace).unwrap_or(clean.len());
        let (method, rest) = clean.split_at(space);
        let rest = trim(rest);
        let (target, protocol) = match rest.iter().rposition(u8::is_ascii_whitespace) {
            Some(at) if looks_like_version(trim(rest.get(at..)?)) => (trim(rest.get(..at)?), trim(rest.get(at..)?)),
            _ => (rest, &b""[..]),
        };
        if rest.is_empty() {
            tx.note("http.request_line_incomplete");
        } else if protocol.is_empty() {
            tx.note("http.request_line_missing_protocol");
        }
        let parts = Target::read(target, method == b"CONNECT");
        tx.uri = if method == b"CONNECT" { target.to_vec() } else { normalise_path(parts.path, twice_path) };
        let query = percent_decode(parts.query);
        tx.uri.extend_from_slice(&if twice_query { percent_decode(&query) } else { query });
        if let Some(host) = parts.host {
            tx.host_raw = host.to_vec();
            tx.host = host.to_ascii_lowercase();
            set_port(tx, parts.port, "http.invalid_authority_port");
        }
        tx.request.line = text.to_vec();
        tx.request.protocol = protocol.to_vec();
        tx.method = method.to_vec();
        tx.target = target.to_vec();
        // Without a protocol it is complete (HTTP/0.9), unless header lines follow: the answer or the next request tells.
        self.side(Direction::ToServer).state = State::Headers;
        Some(total)
    }

    fn response_line(&mut self, data: &[u8], text: &[u8], total: usize, effects: &mut Effects<'_>) -> Step {
        let clean: Vec<u8> = trim(text).iter().copied().filter(|&b| b != 0).collect();
        if clean.is_empty() {
            return Some(total);
        }
        let known = looks_like_version(&clean);
        if !known {
            // A line of junk before a status line is skipped; otherwise it is a body without headers.
            let next = data.get(total..)?;
            if next.len() < 5 && !self.side(Direction::ToClient).closed {
                return None;
            }
            if next.starts_with(b"HTTP/") {
                effects.anomalies.push(Anomaly("http.response_invalid_protocol"));
                return Some(total);
            }
        }
        let Some(id) = self.match_response(effects) else {
            self.side(Direction::ToClient).state = State::Lost;
            return Some(total);
        };
        if self.side(Direction::ToServer).transaction == id && self.is_bare_request() {
            self.end_bare_request(effects);
        }
        self.side(Direction::ToClient).transaction = id;
        let tx = self.transactions.find_mut(id)?;
        tx.progress.to_client = 2;
        if !known {
            tx.note("http.response_body_unexpected");
            tx.progress.to_client = 3;
            self.side(Direction::ToClient).state = State::UntilClose;
            return Some(0);
        }
        let mut words = clean.splitn(2, |b| blank(*b));
        tx.response.protocol = words.next()?.to_vec();
        let rest = trim(words.next().unwrap_or_default());
        let end = rest.iter().position(|b| blank(*b)).unwrap_or(rest.len());
        let (status, reason) = rest.split_at(end);
        tx.response.line = text.to_vec();
        tx.status = status.to_vec();
        tx.reason = trim(reason).to_vec();
        if tx.code().is_none_or(|c| !(100..1000).contains(&c)) {
            tx.note("http.response_invalid_status");
        }
        self.side(Direction::ToClient).state = State::Headers;
        Some(total)
    }

    /// Whether the request that is read has no protocol and has not ended.
    fn is_bare_request(&mut self) -> bool {
        let reads = matches!(self.side(Direction::ToServer).state, State::Headers);
        reads && self.current(Direction::ToServer).is_some_and(|tx| tx.request.protocol.is_empty())
    }

    /// A request without protocol ends when it is answered or closed, with the header lines that it had.
    fn end_bare_request(&mut self, effects: &mut Effects<'_>) {
        if self.side(Direction::ToServer).raw.is_empty() {
            self.finish(Direction::ToServer, true, effects);
        } else {
            self.head_done(Direction::ToServer, effects);
        }
    }

    /// The transaction that the next response belongs to.
    fn match_response(&mut self, effects: &mut Effects<'_>) -> Option<u64> {
        let range = self.transactions.range();
        self.next_response = self.next_response.max(range.start);
        while self.next_response < range.end
            && self.transactions.find(self.next_response).is_none_or(|t| t.progress.to_client >= 5)
        {
            self.next_response += 1;
        }
        if self.next_response < range.end {
            return Some(self.next_response);
        }
        let mut tx = Exchange { target: UNSEEN.to_vec(), uri: UNSEEN.to_vec(), ..Exchange::default() };
        tx.progress.to_server = 5;
        tx.note("http.unable_to_match_response_to_request");
        let opened = self.transactions.open(tx);
        if opened.is_none() {
            effects.anomalies.push(Anomaly("http.too_many_transactions"));
        }
        opened
    }

    fn header_line(
        &mut self,
        direction: Direction,
        data: &[u8],
        text: &[u8],
        total: usize,
        effects: &mut Effects<'_>,
    ) -> Step {
        let limit = self.limits.field.saturating_mul(4);
        if direction == Direction::ToServer
            && self.is_bare_request()
            && self.side(direction).raw.is_empty()
            && is_request_line(text)
        {
            self.finish(direction, true, effects);
            return Some(0);
        }
        let side = self.side(direction);
        if text.iter().all(|&b| matches!(b, b' ' | b'\t')) {
            if !text.is_empty() && !side.closed {
                // White space alone folds into nothing when the true end follows, else clients take it for the end.
                match data.get(total) {
                    None => return None,
                    Some(b'\r' | b'\n' | b' ' | b'\t') => return Some(total),
                    Some(_) => {}
                }
            }
            self.head_done(direction, effects);
            return Some(total);
        }
        if side.raw.len().saturating_add(total) > limit {
            self.note(direction, "http.request_too_many_headers", "http.response_too_many_headers");
        } else {
            side.raw.extend_from_slice(data.get(..total)?);
        }
        Some(total)
    }

    fn head_done(&mut self, direction: Direction, effects: &mut Effects<'_>) {
        let side = self.side(direction);
        let raw = std::mem::take(&mut side.raw);
        let id = side.transaction;
        let (headers, odd) = fields(&raw, direction == Direction::ToClient);
        effects.work += raw.len() as u64;
        for (wrong, to_server, to_client) in [
            (odd.missing_colon, "http.request_field_missing_colon", "http.response_field_missing_colon"),
            (odd.bad_folding, "http.invalid_request_field_folding", "http.invalid_response_field_folding"),
            (odd.repetition, "http.request_header_repetition", "http.response_header_repetition"),
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
        message.raw = raw;
        message.headers = headers;
        *tx.progress.of_mut(direction) = 3;
        if direction == Direction::ToServer {
            read_host(tx);
        }
        self.choose_body(direction, id, effects);
    }

    fn choose_body(&mut self, direction: Direction, id: u64, effects: &mut Effects<'_>) {
        let limits = self.limits;
        let Some(tx) = self.transactions.find_mut(id) else { return };
        let message = tx.message(direction);
        let chunked = message.header(b"transfer-encoding").map(|v| {
            let clean: Vec<u8> = v.iter().filter(|&&b| b != 0).map(u8::to_ascii_lowercase).collect();
            memchr::memmem::find(&clean, b"chunked").is_some()
        });
        let length = message.header(b"content-length").map(content_length);
        let encoding = message.header(b"content-encoding").map(<[u8]>::to_vec);
        let upgrade = message.header(b"upgrade").map(<[u8]>::to_ascii_lowercase);
        if chunked == Some(false) {
            tx.note(if direction == Direction::ToServer {
                "http.invalid_transfer_encoding_value_in_request"
            } else {
                "http.invalid_transfer_encoding_value_in_response"
            });
        }
        if length == Some(None) {
            tx.note(if direction == Direction::ToServer {
                "http.invalid_content_length_field_in_request"
            } else {
                "http.invalid_content_length_field_in_response"
            });
        }
        let length = length.flatten();
        let code = tx.code().unwrap_or(0);
        let connect = tx.method == b"CONNECT";
        let head = tx.method == b"HEAD";
        let mut decoder = None;
        if let Some(encoding) = encoding {
            let (layers, many, unknown) = Decoder::new(&encoding, limits.layers, limits.bomb, limits.lzma);
            if many {
                tx.note("http.too_many_encoding_layers");
            }
            if unknown {
                tx.note("http.abnormal_ce_header");
            }
            decoder = Some(layers);
        }
        self.side(direction).decoder = decoder;
        let state = if chunked == Some(true) {
            State::ChunkLine
        } else if let Some(length) = length {
            State::Known(length)
        } else if direction == Direction::ToServer || matches!(code, 100..=199 | 204 | 304) {
            State::Known(0)
        } else {
            State::UntilClose
        };
        if direction == Direction::ToClient {
            if connect && (200..300).contains(&code) {
                effects.course = Course::Change(None);
            } else if code == 101 {
                effects.course = match upgrade.as_deref() {
                    Some(b"websocket") => Course::Change(Some("websocket")),
                    Some(b"h2c") => Course::Change(Some("http2")),
                    _ => Course::Change(None),
                };
            } else if code == 100 && matches!(state, State::Known(0)) {
                // The final response follows for the same request.
                if let Some(tx) = self.transactions.find_mut(id) {
                    tx.progress.to_client = 0;
                }
                self.side(direction).state = State::Line;
                return;
            }
        }
        let none = head && direction == Direction::ToClient || matches!(effects.course, Course::Change(_));
        self.side(direction).state = if none { State::Known(0) } else { state };
        if self.side(direction).state == State::Known(0) {
            self.finish(direction, true, effects);
        }
    }

    fn chunk_line(&mut self, direction: Direction, data: &[u8], length: usize, total: usize) -> Step {
        let text = data.get(..length)?;
        let text: &[u8] = text.iter().position(|b| !blank(*b)).and_then(|i| text.get(i..)).unwrap_or_default();
        if text.is_empty() && total > 0 {
            return Some(total);
        }
        let digits = text.iter().take_while(|b| hex(**b).is_some()).count();
        let size = text.iter().take(digits).try_fold(0u64, |n, &b| n.checked_mul(16)?.checked_add(u64::from(hex(b)?)));
        let word = text.get(digits).is_some_and(u8::is_ascii_alphanumeric);
        if let (Some(size), 1.., false) = (size, digits, word) {
            if text.get(digits..).is_some_and(|rest| rest.contains(&b';')) {
                self.note(direction, "http.request_chunk_extension", "http.response_chunk_extension");
            }
            self.side(direction).state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
            return Some(total);
        }
        // What was announced as chunks is none: the rest is the body, so that nothing hides in it.
        self.note(direction, "http.invalid_request_chunk_len", "http.invalid_response_chunk_len");
        self.side(direction).scanned = 0;
        self.side(direction).state = State::UntilClose;
        Some(0)
    }

    fn body(&mut self, direction: Direction, data: &[u8], effects: &mut Effects<'_>) {
        effects.work += data.len() as u64;
        let mut faults = Faults::default();
        let decoded = self.side(direction).decoder.as_mut().map(|d| d.push(data, false, &mut faults));
        let [request, response] = self.limits.body;
        let limit = if direction == Direction::ToServer { request } else { response };
        self.keep(direction, decoded.as_deref().unwrap_or(data), faults, limit, effects);
    }

    fn keep(&mut self, direction: Direction, data: &[u8], faults: Faults, limit: u64, effects: &mut Effects<'_>) {
        let id = self.side(direction).transaction;
        let Some(tx) = self.transactions.find_mut(id) else { return };
        if faults.failed {
            tx.note("http.gzip_decompression_failed");
        }
        if faults.bomb {
            tx.note("http.compression_bomb");
        }
        if data.is_empty() {
            return;
        }
        tx.message_mut(direction).body.push(data, limit);
        let message = tx.message(direction);
        let name =
            message.header(b"content-disposition").and_then(file_name).map_or_else(|| path_of(&tx.uri), <[u8]>::to_vec);
        let range = message.header(b"content-range").map(content_range);
        let [to_server, to_client] = &mut self.sides;
        let side = if direction == Direction::ToServer { to_server } else { to_client };
        if !side.file {
            side.file = true;
            effects.files.open(direction, id, &name, range.flatten());
        }
        effects.files.append(direction, data);
        if range == Some(None) {
            tx.note("http.range_invalid");
        }
    }

    fn finish(&mut self, direction: Direction, complete: bool, effects: &mut Effects<'_>) {
        let mut faults = Faults::default();
        if let Some(mut decoder) = self.side(direction).decoder.take() {
            let rest = decoder.push(b"", true, &mut faults);
            let [request, response] = self.limits.body;
            let limit = if direction == Direction::ToServer { request } else { response };
            self.keep(direction, &rest, faults, limit, effects);
        }
        if let Some(tx) = self.current(direction) {
            tx.message_mut(direction).body.complete = true;
            *tx.progress.of_mut(direction) = 5;
        }
        let side = self.side(direction);
        if std::mem::take(&mut side.file) {
            effects.files.close(direction, complete);
        }
        side.state = State::Line;
        effects.flush_raw = true;
    }
}

impl Parser for HttpParser {
    fn advance(&mut self, direction: Direction, chunk: &[u8], effects: &mut Effects<'_>) -> Advance {
        let mut consumed = 0;
        while let Some(rest) = chunk.get(consumed..).filter(|rest| !rest.is_empty()) {
            let Some(done) = self.step(direction, rest, effects) else { break };
            consumed += done;
            if effects.course != Course::Parse {
                break;
            }
        }
        Advance::consumed(consumed)
    }

    fn gap(&mut self, direction: Direction, missing: u64, effects: &mut Effects<'_>) -> bool {
        self.side(direction).scanned = 0;
        let left = match self.side(direction).state {
            State::Known(left) | State::ChunkData(left) => left,
            State::UntilClose => u64::MAX,
            _ => 0,
        };
        if missing > left || left == 0 {
            self.finish(direction, false, effects);
            self.side(direction).state = State::Lost;
            effects.anomalies.push(Anomaly("http.invalid_gap"));
            return true;
        }
        if self.side(direction).file {
            effects.files.gap(direction, missing);
        }
        if let Some(tx) = self.current(direction) {
            let body = &mut tx.message_mut(direction).body;
            body.total = body.total.saturating_add(missing);
        }
        let after = match self.side(direction).state {
            State::Known(_) => State::Known(left - missing),
            State::ChunkData(_) if left == missing => State::ChunkEnd,
            State::ChunkData(_) => State::ChunkData(left - missing),
            other => other,
        };
        self.side(direction).state = after;
        if after == State::Known(0) {
            self.finish(direction, false, effects);
        }
        true
    }

    fn close(&mut self, direction: Direction, effects: &mut Effects<'_>) {
        self.side(direction).closed = true;
        if direction == Direction::ToServer && self.is_bare_request() {
            self.end_bare_request(effects);
        }
        match self.side(direction).state {
            State::UntilClose => self.finish(direction, true, effects),
            State::Known(_) | State::ChunkLine | State::ChunkData(_) | State::ChunkEnd | State::Trailer => {
                self.finish(direction, false, effects)
            }
            State::Line | State::Lost | State::Headers => {}
        }
    }

    fn transactions(&self) -> &dyn TransactionList {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.transactions
    }
}

fn blank(byte: u8) -> bool {
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

/// The greatest number in a `Content-Length`: where several contradict each other, no byte of the body shall escape.
fn content_length(value: &[u8]) -> Option<u64> {
    value
        .split(|b| matches!(b, b',' | b' ' | b'\t'))
        .filter_map(|part| {
            let from = part.iter().position(u8::is_ascii_digit)?;
            let digits: Vec<u8> = part.get(from..)?.iter().copied().take_while(u8::is_ascii_digit).collect();
            std::str::from_utf8(&digits).ok()?.parse().ok()
        })
        .max()
}

fn set_port(tx: &mut Exchange, port: Option<&[u8]>, wrong: &'static str) {
    let Some(port) = port else { return };
    match std::str::from_utf8(port).ok().and_then(|p| p.parse::<u16>().ok()).filter(|&p| p > 0) {
        Some(port) => tx.port = Some(port),
        None => tx.note(wrong),
    }
}

fn read_host(tx: &mut Exchange) {
    let Some(value) = tx.request.header(b"host").map(<[u8]>::to_vec) else {
        if tx.host.is_empty() && tx.request.protocol == b"HTTP/1.1" {
            tx.note("http.missing_host_header");
        }
        return;
    };
    let (host, port) = host_port(&value);
    if tx.host.is_empty() {
        tx.host = host.to_ascii_lowercase();
        tx.host_raw = value.clone();
        set_port(tx, port, "http.request_header_host_invalid");
    } else if !same_name(&tx.host, host) {
        tx.note("http.host_header_ambiguous");
    }
}

/// The name in a `Content-Disposition`.
fn file_name(value: &[u8]) -> Option<&[u8]> {
    let lower = value.to_ascii_lowercase();
    let rest = value.get(memchr::memmem::find(&lower, b"filename=")? + 9..)?;
    let name = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&b| b == b'"').next()?,
        None => trim(rest.split(|&b| b == b';').next()?),
    };
    (!name.is_empty()).then_some(name)
}

fn path_of(uri: &[u8]) -> Vec<u8> {
    uri.split(|&b| b == b'?').next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{NoFiles, Transaction};

    fn run(requests: &[u8], responses: &[u8], cut: usize) -> (HttpParser, u64) {
        let mut parser = HttpParser::new(Limits::read(&Settings::default()));
        let mut sink = NoFiles;
        let mut effects = Effects::new(&mut sink);
        for (direction, data) in [(Direction::ToServer, requests), (Direction::ToClient, responses)] {
            let (mut from, mut to) = (0, 0);
            while to < data.len() {
                to = (to + cut).min(data.len());
                from += parser.advance(direction, &data[from..to], &mut effects).consumed;
            }
            parser.close(direction, &mut effects);
        }
        let work = effects.work;
        (parser, work)
    }

    #[test]
    fn any_cut_finds_the_body_however_it_is_framed() {
        for response in [
            &b"HTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\nEICAR"[..],
            b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nEI\r\n3;x\r\nCAR\r\n0\r\n\r\n",
            b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\nEICAR\n",
            b"HTTP/1.1 200 ok\rContent-Length: 5\r\n\nEICAR",
            b"junk\r\nHTTP/1.1 200 ok\n\nEICAR",
            b"HTTP/1.1 100 ok\r\n\r\nHTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\nEICAR",
        ] {
            for cut in [1, 2, 7, 1000] {
                let (parser, _) = run(b"GET /a HTTP/1.1\r\nHost: B\r\n\r\n", response, cut);
                let tx = parser.transactions.find(0).unwrap();
                assert!(tx.response.body.data.starts_with(b"EICAR"), "{cut} {}", String::from_utf8_lossy(response));
                assert!(tx.is_complete());
                assert_eq!(tx.host, b"b");
            }
        }
    }

    #[test]
    fn twice_the_bytes_cost_about_twice_the_work() {
        let one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
        for cut in [1, 1000] {
            let (single, double) = (run(&one, b"", cut).1, run(&one.repeat(2), b"", cut).1);
            assert!(double * 10 <= single * 23);
        }
    }
}
