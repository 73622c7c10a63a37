//! Answers as they come: their first lines, and what stands in their place.

use super::headers::trim;
use super::look::{begins_answer, begins_status_line, looks_like_version};
use super::parser::{HttpParser, State, Step, blank};
use super::transaction::Exchange;
use crate::protocol::{Anomaly, Direction, Output, TransactionList};

/// Longest line of junk that may stand before a status line.
const JUNK_BYTES: usize = 4096;

impl HttpParser {
    pub(super) fn response_line(&mut self, text: &[u8], total: usize, output: &mut Output<'_>) -> Step {
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
        let side = self.side(Direction::ToClient);
        (side.transaction, side.frames.begins) = (id, Some(id));
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

    pub(super) fn junk(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
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
    pub(super) fn junk_is_body(&mut self, output: &mut Output<'_>) {
        let junk = std::mem::take(&mut self.side(Direction::ToClient).raw);
        self.side(Direction::ToClient).state = State::Lost;
        let Some(id) = self.match_response(output) else { return };
        let side = self.side(Direction::ToClient);
        (side.transaction, side.frames.begins) = (id, Some(id));
        if let Some(tx) = self.transactions.find_mut(id) {
            tx.progress.to_client = 3;
            // To a request of HTTP/0.9 that is the answer.
            if tx.method.is_empty() || !tx.request.protocol.is_empty() {
                tx.note("http.response_body_unexpected");
            }
        }
        self.side(Direction::ToClient).state = State::UntilClose;
        self.body(Direction::ToClient, &junk, output);
    }

    /// Bytes that frame an answer never came: what follows is its body, so that nothing hides behind a lost packet. Whether that is
    /// so.
    pub(super) fn lose_framing(&mut self, missing: u64, output: &mut Output<'_>) -> bool {
        let direction = Direction::ToClient;
        match self.side(direction).state {
            State::Line | State::Junk | State::JunkEnd | State::Bare(_) => {
                if let State::Bare(_) = self.side(direction).state {
                    self.finish(direction, true, output);
                }
                self.side(direction).raw.clear();
                self.side(direction).state = State::Headless;
            }
            State::Headers => {
                self.take_fields(direction, output);
                output.anomalies.push(Anomaly("http.invalid_gap"));
                self.side(direction).state = State::Unframed;
            }
            State::ChunkLine | State::ChunkData(_) | State::ChunkEnd => {
                output.anomalies.push(Anomaly("http.invalid_gap"));
                self.body_gap(direction, missing, output);
                self.side(direction).state = State::Unframed;
            }
            State::Headless => {}
            _ => return false,
        }
        true
    }

    /// What follows the lost begin of an answer.
    pub(super) fn headless(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
        let direction = Direction::ToClient;
        if begins_status_line(data)? {
            self.side(direction).state = State::Line;
            return Some(0);
        }
        self.side(direction).state = State::Lost;
        if let Some(id) = self.match_response(output) {
            let side = self.side(direction);
            (side.transaction, side.frames.begins, side.state) = (id, Some(id), State::Unframed);
            if let Some(tx) = self.transactions.find_mut(id) {
                tx.progress.to_client = 3;
            }
        }
        Some(0)
    }

    /// The body of an answer of which it is not known where it ends.
    pub(super) fn unframed(&mut self, data: &[u8], output: &mut Output<'_>) -> Step {
        let direction = Direction::ToClient;
        if begins_answer(data) {
            self.finish(direction, true, output);
            return Some(0);
        }
        output.spend(data.len() as u64);
        let next = memchr::memmem::find_iter(data, b"\nHTTP/").map(|at| at + 1);
        let end = next.into_iter().find(|at| data.get(*at..).is_some_and(begins_answer)).unwrap_or(data.len());
        self.body(direction, data.get(..end)?, output);
        Some(end)
    }

    /// The transaction that the next response belongs to.
    fn match_response(&mut self, output: &mut Output<'_>) -> Option<u64> {
        let range = self.transactions.range();
        if self.next_response < self.given_up {
            // Its request was given up: the answer stands alone, so that later ones find theirs.
            self.next_response += 1;
            return self.open_unbounded(Exchange::unseen());
        }
        if self.next_response.max(range.start) >= range.end {
            self.end_request_line(output);
        }
        let range = self.transactions.range();
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
}
