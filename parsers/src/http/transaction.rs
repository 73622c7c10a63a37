//! A request and its response, and the limits on what is kept of them.

use std::any::Any;
use std::cell::OnceCell;

use super::headers::{Header, find};
use crate::protocol::{Anomaly, Both, Direction, Transaction};

/// The target of a response whose request was not seen.
pub(crate) const UNSEEN: &[u8] = b"/libhtp::request_uri_not_seen";
const ANOMALIES: usize = 64;
/// Bytes of a body that stay when there is no limit to inspection.
const WINDOW_BYTES: usize = 128 * 1024;

/// A body: what is kept of it for rules.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) offset: u64,
    pub(crate) total: u64,
    /// Bytes as they came: encoded, with the sizes of chunks.
    pub(crate) wire: u64,
    pub(crate) complete: bool,
}

impl Body {
    /// Takes decoded bytes; `limit` is how many of the whole are inspected (0: all, in a window).
    pub(crate) fn push(&mut self, data: &[u8], limit: u64) {
        let kept = self.offset + self.data.len() as u64;
        self.total += data.len() as u64;
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

/// One side of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) line: Vec<u8>,
    pub(crate) protocol: Vec<u8>,
    pub(crate) headers: Vec<Header>,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) block: OnceCell<Vec<u8>>,
    pub(crate) names: OnceCell<Vec<u8>>,
    pub(crate) start: OnceCell<Vec<u8>>,
    pub(crate) frame: OnceCell<Vec<u8>>,
    pub(crate) each: OnceCell<Vec<Vec<u8>>>,
}

impl Message {
    /// The value of a field by its lower-case name.
    pub(crate) fn header(&self, name: &[u8]) -> Option<&[u8]> {
        find(&self.headers, name)
    }
}

/// A request and its response.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) progress: Both<u8>,
    pub(crate) found: Vec<Anomaly>,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) uri: Vec<u8>,
    pub(crate) host: Vec<u8>,
    pub(crate) host_raw: Vec<u8>,
    pub(crate) port: Option<u16>,
    pub(crate) status: Vec<u8>,
    pub(crate) reason: Vec<u8>,
    /// An answer told the client to go on.
    pub(crate) continued: bool,
    noted: usize,
}

impl Exchange {
    /// What stands for a request that was not seen.
    pub(crate) fn unseen() -> Self {
        let mut tx = Self { target: UNSEEN.to_vec(), uri: UNSEEN.to_vec(), ..Self::default() };
        tx.progress.to_server = 5;
        tx
    }

    /// Gives it up as it is.
    pub(crate) fn complete(&mut self) {
        self.progress = Both { to_server: 5, to_client: 5 };
        self.request.body.complete = true;
        self.response.body.complete = true;
    }

    /// Notes something wrong, once.
    pub(crate) fn note(&mut self, name: &'static str) {
        self.noted += 1;
        if self.noted == ANOMALIES {
            self.note("http.too_many_warnings");
        }
        if self.found.len() < ANOMALIES && !self.found.contains(&Anomaly(name)) {
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

    fn as_any(&self) -> &dyn Any {
        self
    }
}
