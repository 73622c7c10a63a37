//! A message: its first line, the headers that rules look at, and the session description in its body.

use std::ops::Range;

use crate::protocol::{Anomaly, Direction, OneWay, held};
use crate::sip::sdp::Sdp;

/// Values of a header that are kept.
const VALUES_LIMIT: usize = 64;

/// Headers that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    From,
    To,
    Via,
    UserAgent,
    ContentType,
    ContentLength,
}

/// Names of the headers in the order of [`Header`], with their compact forms (RFC 3261, section 7.3.3).
const NAMES: [(&[u8], &[u8]); 6] = [
    (b"from", b"f"),
    (b"to", b"t"),
    (b"via", b"v"),
    (b"user-agent", b""),
    (b"content-type", b"c"),
    (b"content-length", b"l"),
];

/// A message as a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    direction: Direction,
    /// The first line and the headers, lines that go on joined.
    head: Vec<u8>,
    line: StartLine,
    values: [Vec<Range<usize>>; NAMES.len()],
    pub(super) sdp: Option<Sdp>,
    anomalies: Vec<Anomaly>,
}

/// The parts of a first line, as places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartLine {
    length: usize,
    parts: Parts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parts {
    Request { method: Range<usize>, uri: Range<usize>, version: Range<usize> },
    Response { version: Range<usize>, code: Range<usize>, reason: Range<usize> },
}

impl StartLine {
    /// Reads a first line without its end; `None` if it is none.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let first = memchr::memchr(b' ', line)?;
        let length = line.len();
        let parts = if is_version(line.get(..first)?) {
            let code = first + 1..first + 4;
            let digits = line.get(code.clone())?.iter().all(u8::is_ascii_digit);
            let reason = match line.get(code.end..)? {
                [] => length..length,
                [b' ', ..] => code.end + 1..length,
                _ => return None,
            };
            digits.then_some(Parts::Response { version: 0..first, code, reason })?
        } else {
            let last = memchr::memrchr(b' ', line).filter(|&last| last > first + 1)?;
            let right = line.get(..first)?.iter().all(|&byte| is_token(byte)) && is_version(line.get(last + 1..)?);
            (right && first > 0).then_some(Parts::Request {
                method: 0..first,
                uri: first + 1..last,
                version: last + 1..length,
            })?
        };
        Some(Self { length, parts })
    }
}

impl Message {
    /// Reads the first line and the headers behind it, up to and with the empty line; `None` if it does not begin as a message.
    pub(super) fn read(head: &[u8], direction: Direction) -> Option<Self> {
        let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
        let line = StartLine::read(without_return(head.get(..end)?))?;
        let mut message = Self {
            direction,
            head: joined(head, end),
            line,
            values: Default::default(),
            sdp: None,
            anomalies: Vec::new(),
        };
        message.read_headers(end + 1);
        if message.content_length().is_err() {
            message.raise("sip.invalid_content_length");
        }
        Some(message)
    }

    fn read_headers(&mut self, mut at: usize) {
        let mut overfull = false;
        for line in self.head.get(at..).unwrap_or_default().split(|&byte| byte == b'\n') {
            let start = at;
            at += line.len() + 1;
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = line.split_at_checked(colon + 1).unwrap_or_default();
            let name = name.strip_suffix(b":").unwrap_or(name).trim_ascii_end();
            let is_name = |&(long, short): &(&[u8], &[u8])| {
                name.eq_ignore_ascii_case(long) || !short.is_empty() && name.eq_ignore_ascii_case(short)
            };
            let Some(values) = NAMES.iter().position(is_name).and_then(|kind| self.values.get_mut(kind)) else {
                continue;
            };
            if values.len() < VALUES_LIMIT {
                let from = start + colon + 1 + (value.len() - value.trim_ascii_start().len());
                values.push(from..from + value.trim_ascii().len());
            } else {
                overfull = true;
            }
        }
        if overfull {
            self.raise("sip.too_many_headers");
        }
    }

    /// Octets of the body as the headers say it; 0 where none does.
    pub(super) fn content_length(&self) -> Result<usize, ()> {
        let mut lengths = (0..).map_while(|index| self.header(Header::ContentLength, index));
        let Some(first) = lengths.next() else { return Ok(0) };
        if lengths.any(|other| other != first) || first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
            return Err(());
        }
        std::str::from_utf8(first).ok().and_then(|text| text.parse().ok()).ok_or(())
    }

    /// Whether the body is a session description.
    pub(super) fn has_sdp(&self) -> bool {
        let kind = b"application/sdp";
        self.header(Header::ContentType, 0)
            .and_then(|value| value.get(..kind.len()))
            .is_some_and(|value| value.eq_ignore_ascii_case(kind))
    }

    /// Reads the body.
    pub(super) fn read_body(&mut self, body: &[u8]) {
        if self.has_sdp() && !body.is_empty() {
            let mut anomalies = Vec::new();
            self.sdp = Sdp::read(body, &mut anomalies);
            anomalies.into_iter().for_each(|name| self.raise(name));
        }
    }

    fn raise(&mut self, name: &'static str) {
        if !self.anomalies.contains(&Anomaly(name)) {
            self.anomalies.push(Anomaly(name));
        }
    }

    /// The message, if it travels in this direction.
    pub(super) fn seen_in(&self, direction: Direction) -> Option<&Self> {
        (direction == self.direction).then_some(self)
    }

    /// A value of a header.
    pub(super) fn header(&self, header: Header, index: usize) -> Option<&[u8]> {
        self.head.get(self.values.get(header as usize)?.get(index)?.clone())
    }

    pub(super) fn method(&self) -> Option<&[u8]> {
        match &self.line.parts {
            Parts::Request { method, .. } => self.head.get(method.clone()),
            Parts::Response { .. } => None,
        }
    }

    pub(super) fn uri(&self) -> Option<&[u8]> {
        match &self.line.parts {
            Parts::Request { uri, .. } => self.head.get(uri.clone()),
            Parts::Response { .. } => None,
        }
    }

    pub(super) fn version(&self) -> Option<&[u8]> {
        match &self.line.parts {
            Parts::Request { version, .. } | Parts::Response { version, .. } => self.head.get(version.clone()),
        }
    }

    pub(super) fn code(&self) -> Option<&[u8]> {
        match &self.line.parts {
            Parts::Response { code, .. } => self.head.get(code.clone()),
            Parts::Request { .. } => None,
        }
    }

    pub(super) fn reason(&self) -> Option<&[u8]> {
        match &self.line.parts {
            Parts::Response { reason, .. } => self.head.get(reason.clone()),
            Parts::Request { .. } => None,
        }
    }

    pub(super) fn request_line(&self) -> Option<&[u8]> {
        self.method().and_then(|_| self.head.get(..self.line.length))
    }

    pub(super) fn response_line(&self) -> Option<&[u8]> {
        self.code().and_then(|_| self.head.get(..self.line.length))
    }
}

impl OneWay for Message {
    fn way(&self) -> Direction {
        self.direction
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        let values: usize = self.values.iter().map(held::list).sum();
        let sdp = self.sdp.as_ref().map_or(0, Sdp::held_bytes);
        held::list(&self.head) + values + sdp + held::list(&self.anomalies)
    }
}

pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Line ends before blanks become blanks, behind the first line: a value may go on in the next one (RFC 3261, section 7.3.1).
fn joined(head: &[u8], first_end: usize) -> Vec<u8> {
    let mut joined = head.to_vec();
    for at in memchr::memchr_iter(b'\n', head).filter(|&at| at > first_end) {
        if let Some([before, end, b' ' | b'\t']) = joined.get_mut(at - 1..at + 2) {
            *end = b' ';
            if *before == b'\r' {
                *before = b' ';
            }
        }
    }
    joined
}

/// Whether these bytes are a version as it stands in a first line, such as `SIP/2.0`.
fn is_version(bytes: &[u8]) -> bool {
    matches!(bytes, [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Whether a byte can be in the name of a method.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}
