//! A request and its response, and the limits on what is kept of them.

use std::any::Any;
use std::cell::OnceCell;

use super::headers::{Header, find};
use crate::protocol::{Anomaly, Both, Direction, Transaction, held};

/// The target of a response whose request was not seen.
pub(crate) const UNSEEN: &[u8] = b"/libhtp::request_uri_not_seen";
const ANOMALIES: usize = 64;
/// Times that something may be noted before that is noted as well.
const WARNINGS: u32 = 64;
/// Bytes of a body that stay when there is no limit to inspection.
const WINDOW_BYTES: usize = 128 * 1024;

/// A body: what is kept of it for rules.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) offset: u64,
    /// Bytes of it that came or are missing.
    pub(crate) total: u64,
    /// Bytes of it that came, as decoded.
    pub(crate) came: u64,
    /// Bytes as they came: encoded, with the sizes of chunks.
    pub(crate) wire: u64,
    pub(crate) complete: bool,
}

impl Body {
    /// Takes decoded bytes; `limit` is how many of the whole are inspected (0: all, in a window).
    pub(crate) fn push(&mut self, data: &[u8], limit: u64) {
        let kept = self.offset + self.data.len() as u64;
        self.total += data.len() as u64;
        self.came += data.len() as u64;
        let room =
            if limit == 0 { usize::MAX } else { usize::try_from(limit.saturating_sub(kept)).unwrap_or(usize::MAX) };
        self.data.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        if limit != 0 && room <= data.len() {
            self.end();
        }
        if self.data.len() > 2 * WINDOW_BYTES {
            let gone = self.data.len() - WINDOW_BYTES;
            self.data.drain(..gone);
            self.offset += gone as u64;
        }
    }

    /// Nothing more is kept of it.
    pub(crate) fn end(&mut self) {
        if !self.complete {
            self.complete = true;
            // Its transaction may stay open for as long as the flow.
            self.data.shrink_to_fit();
        }
    }
}

/// A message without a body.
static NO_BODY: Body = Body { data: Vec::new(), offset: 0, total: 0, came: 0, wire: 0, complete: false };

/// One side of a transaction. Thousands may be open, most of them small: what few have is boxed, and texts have no room to grow.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) line: Box<[u8]>,
    pub(crate) protocol: Box<[u8]>,
    headers: Box<[Header]>,
    pub(crate) raw: Box<[u8]>,
    body: Option<Box<Body>>,
    made: OnceCell<Box<Made>>,
    headers_bytes: u32,
}

/// What is made of a message when a rule asks for it.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) block: OnceCell<Vec<u8>>,
    pub(crate) names: OnceCell<Vec<u8>>,
    pub(crate) start: OnceCell<Vec<u8>>,
    pub(crate) each: OnceCell<Vec<Vec<u8>>>,
}

impl Message {
    /// The value of a field by its lower-case name.
    pub(crate) fn header(&self, name: &[u8]) -> Option<&[u8]> {
        find(&self.headers, name)
    }

    /// All fields, in the order of their first lines.
    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Takes the fields.
    pub(crate) fn set_headers(&mut self, headers: Vec<Header>) {
        self.headers = headers.into();
        let texts = self.headers.iter().map(|h| held::block(h.name.len()) + held::list(&h.value));
        let bytes = texts.sum::<usize>() + held::block(size_of_val(&*self.headers));
        self.headers_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// The body, empty where there is none.
    pub(crate) fn body(&self) -> &Body {
        self.body.as_deref().unwrap_or(&NO_BODY)
    }

    /// The body, to add to it.
    pub(crate) fn body_mut(&mut self) -> &mut Body {
        self.body.get_or_insert_default()
    }

    /// Nothing more is kept of the body, where there is one.
    pub(crate) fn end_body(&mut self) {
        self.body.iter_mut().for_each(|body| body.end());
    }

    /// What is made of it when a rule asks.
    pub(crate) fn made(&self) -> &Made {
        self.made.get_or_init(Box::default)
    }

    fn held_bytes(&self) -> usize {
        let texts = held::block(self.line.len()) + held::block(self.protocol.len()) + held::block(self.raw.len());
        let body = self.body.as_ref().map_or(0, |body| held::boxed::<Body>(held::list(&body.data)));
        let made = self.made.get().map_or(0, |made| held::boxed::<Made>(self.made_bytes(made)));
        texts + body + made + self.headers_bytes as usize
    }

    fn made_bytes(&self, made: &Made) -> usize {
        let Made { block, names, start, each } = made;
        let texts: usize = [block, names, start].into_iter().filter_map(OnceCell::get).map(held::list).sum();
        // Each line has a field's name and value.
        texts + each.get().map_or(0, |each| held::list(each) + self.headers_bytes as usize)
    }
}

/// A request and its response.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) progress: Both<u8>,
    pub(crate) found: Vec<Anomaly>,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) method: Box<[u8]>,
    pub(crate) target: Box<[u8]>,
    pub(crate) uri: Box<[u8]>,
    pub(crate) host: Box<[u8]>,
    pub(crate) host_raw: Box<[u8]>,
    pub(crate) port: Option<u16>,
    pub(crate) status: Box<[u8]>,
    pub(crate) reason: Box<[u8]>,
    /// An answer told the client to go on.
    pub(crate) continued: bool,
    noted: u32,
}

impl Exchange {
    /// What stands for a request that was not seen.
    pub(crate) fn unseen() -> Self {
        let mut tx = Self { target: UNSEEN.into(), uri: UNSEEN.into(), ..Self::default() };
        tx.progress.to_server = 5;
        tx
    }

    /// Gives it up as it is.
    pub(crate) fn complete(&mut self) {
        self.progress = Both { to_server: 5, to_client: 5 };
        for message in [&mut self.request, &mut self.response] {
            message.body.iter_mut().for_each(|body| body.complete = true);
        }
    }

    /// Notes something wrong, once.
    pub(crate) fn note(&mut self, name: &'static str) {
        self.noted = self.noted.saturating_add(1);
        if self.noted == WARNINGS {
            self.note("http.too_many_warnings");
        }
        if !self.found.contains(&Anomaly(name)) {
            self.note_again(name);
        }
    }

    /// Notes something wrong that may be so more than once.
    pub(crate) fn note_again(&mut self, name: &'static str) {
        if self.found.len() < ANOMALIES {
            self.found.push(Anomaly(name));
        }
    }

    /// The message of a direction.
    pub(crate) fn message(&self, direction: Direction) -> &Message {
        match direction {
            Direction::ToServer => &self.request,
            Direction::ToClient => &self.response,
        }
    }

    /// The message of a direction, to change it.
    pub(crate) fn message_mut(&mut self, direction: Direction) -> &mut Message {
        match direction {
            Direction::ToServer => &mut self.request,
            Direction::ToClient => &mut self.response,
        }
    }

    /// The status as a number.
    pub(crate) fn code(&self) -> Option<u16> {
        std::str::from_utf8(&self.status).ok()?.parse().ok()
    }
}

impl Transaction for Exchange {
    fn progress(&self, direction: Direction) -> u8 {
        *self.progress.of(direction)
    }

    fn is_complete(&self) -> bool {
        self.progress.to_server >= 5 && self.progress.to_client >= 5
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.found
    }

    fn held_bytes(&self) -> usize {
        let Self { method, target, uri, host, host_raw, status, reason, .. } = self;
        let texts = [method, target, uri, host, host_raw, status, reason];
        let texts: usize = texts.into_iter().map(|text| held::block(text.len())).sum();
        texts + self.request.held_bytes() + self.response.held_bytes() + held::list(&self.found)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
