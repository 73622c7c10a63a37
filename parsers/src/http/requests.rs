//! Requests as they come: their first lines, and what follows them.

use super::headers::{is_token, line, trim};
use super::parser::{HttpParser, OPEN_LIMIT, State, Step, blank};
use super::request;
use super::transaction::Exchange;
use crate::protocol::{Anomaly, Direction, Output, TransactionList};

/// Longest method that a request may begin with behind another one.
const METHOD_BYTES: usize = 64;
/// Bytes behind a CONNECT without an answer after which there is none in the capture.
const TUNNEL_BYTES: usize = 16 << 10;

impl HttpParser {
    pub(super) fn request_line(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> Step {
        if trim(text).is_empty() {
            return Some(total);
        }
        if let State::Bare(_) = self.side(Direction::ToClient).state {
            self.finish(Direction::ToClient, true, output);
        }
        if self.follows_request() && !request::begins(text) {
            self.begin_surplus();
            return Some(0);
        }
        let (twice_path, twice_query) = (self.limits.twice_path, self.limits.twice_query);
        let tx = request::read(text, twice_path, twice_query);
        let alone = tx.request.protocol.is_empty();
        let id = self.open(tx, output)?;
        let side = self.side(Direction::ToServer);
        (side.transaction, side.begun, side.frames.begins) = (id, true, Some(id));
        side.state = if alone { State::Protocolless } else { State::Headers };
        Some(total)
    }

    /// What follows a request line without a version: nothing or a further request, or else its headers.
    pub(super) fn after_protocolless(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> usize {
        if text.is_empty() || request::begins(text) {
            self.finish(Direction::ToServer, true, output);
            return if text.is_empty() { total } else { 0 };
        }
        if let Some(tx) = self.current(Direction::ToServer) {
            tx.note("http.request_line_missing_protocol");
        }
        self.side(Direction::ToServer).state = State::Headers;
        0
    }

    /// Opens a transaction. When too many are open the oldest is given up, so that the newest is always looked at.
    pub(super) fn open(&mut self, mut tx: Exchange, output: &mut Output<'_>) -> Option<u64> {
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
    pub(super) fn open_unbounded(&mut self, tx: Exchange) -> Option<u64> {
        let range = self.transactions.range();
        if range.end - range.start >= OPEN_LIMIT {
            self.transactions.remove(range.start);
        }
        self.transactions.open(tx)
    }

    /// Whether what stands in place of a request line cannot begin one, and there is a request that it follows.
    pub(super) fn begins_surplus(&self, data: &[u8]) -> bool {
        self.follows_request() && !may_begin_request(data)
    }

    fn follows_request(&self) -> bool {
        let side = self.to_server();
        side.begun && self.transactions.find(side.transaction).is_some()
    }

    /// What follows is the body of the last request, which should have none.
    pub(super) fn begin_surplus(&mut self) {
        if let Some(tx) = self.current(Direction::ToServer) {
            tx.note("http.request_body_unexpected");
            tx.progress.to_server = 3;
            tx.request.body_mut().complete = false;
        }
        let side = self.side(Direction::ToServer);
        (side.state, side.frames.begins) = (State::Surplus, Some(side.transaction));
    }

    /// A line of a body without a length, unless a request begins with it.
    pub(super) fn surplus(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
        let limit = self.limits.field;
        let side = self.side(Direction::ToServer);
        let end = line(data, &mut side.scanned, false, side.closed);
        if end.is_none() && may_begin_request(data) && !side.closed && data.len() <= limit {
            return None;
        }
        side.scanned = 0;
        let (length, total) = end.unwrap_or((data.len(), data.len()));
        let own = match request_in(data.get(..length)?) {
            Some(0) if may_begin_request(data) => {
                self.finish(Direction::ToServer, true, output);
                return Some(0);
            }
            Some(begin) if begin > 0 => begin,
            _ => total,
        };
        self.body(Direction::ToServer, data.get(..own)?, output);
        Some(own)
    }

    /// What follows a CONNECT waits for the answer, which says what it is.
    pub(super) fn tunnel(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
        if data.len() > TUNNEL_BYTES {
            self.leave_for_tunnel(Direction::ToServer, output);
        }
        None
    }

    /// What both sides send from now on is another protocol, at home on the port that was asked for.
    pub(super) fn leave_for_tunnel(&mut self, direction: Direction, output: &mut Output<'_>) {
        output.turn_into(None, None);
        output.next_port = self.current(direction).and_then(|tx| tx.port);
    }

    /// The server answers while the request line has no end: it is what came of it.
    pub(super) fn end_request_line(&mut self, output: &mut Output<'_>) {
        let side = self.side(Direction::ToServer);
        if side.state != State::Line || trim(&side.pending).is_empty() {
            return;
        }
        let pending = std::mem::take(&mut side.pending);
        (side.ahead, side.scanned) = (pending.len(), 0);
        self.request_line(&pending, pending.len(), output);
        if self.side(Direction::ToServer).state == State::Surplus {
            self.body(Direction::ToServer, &pending, output);
        } else if let Some(tx) = self.current(Direction::ToServer) {
            tx.note("http.request_line_incomplete");
        }
    }
}

/// Whether bytes can begin a request line: a token and a space. As many are looked at as a method may have.
fn may_begin_request(data: &[u8]) -> bool {
    let data = data.iter().position(|b| !blank(*b)).and_then(|at| data.get(at..)).unwrap_or_default();
    let method = data.iter().take(METHOD_BYTES).take_while(|octet| is_token(**octet)).count();
    match data.get(method) {
        None => method < METHOD_BYTES,
        Some(b' ' | b'\t') => method > 0,
        Some(b'\r' | b'\n') => request::METHODS.contains(&data.get(..method).unwrap_or_default()),
        Some(_) => false,
    }
}

/// Where in a line a request begins: a body without a length may end in the line of the next one.
fn request_in(text: &[u8]) -> Option<usize> {
    let first = text.iter().position(|octet| blank(*octet))?;
    let word = text.get(..first)?;
    let known =
        request::METHODS.iter().filter(|method| word.ends_with(method)).map(|method| first - method.len()).min();
    known.filter(|_| request::ends_in_version(text)).or(request::begins(text).then_some(0))
}
