//! Messages (RFC 1350, section 5; options RFC 2347).

/// Operations with their names.
pub(super) const OPERATIONS: &[(u16, &str)] =
    &[(READ, "read"), (WRITE, "write"), (DATA, "data"), (ACKNOWLEDGEMENT, "ack"), (ERROR, "error"), (OPTIONS, "oack")];
/// Codes of errors with their names (RFC 1350, appendix; RFC 2347).
pub(super) const ERRORS: &[(u16, &str)] = &[
    (0, "undefined"),
    (1, "file_not_found"),
    (2, "access_violation"),
    (3, "disk_full"),
    (4, "illegal_operation"),
    (5, "unknown_transfer_id"),
    (6, "file_exists"),
    (7, "no_such_user"),
    (8, "option_refused"),
];

pub(super) const READ: u16 = 1;
pub(super) const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACKNOWLEDGEMENT: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Request(Request<'a>),
    Data {
        block: u16,
        data: &'a [u8],
    },
    Acknowledgement,
    Error {
        code: u16,
        text: &'a [u8],
    },
    /// Those of a request's options that the server agrees to.
    Options(&'a [u8]),
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// [`READ`] or [`WRITE`].
    pub operation: u16,
    pub file: &'a [u8],
    pub mode: &'a [u8],
    /// Names and values in turns, each with its 0 behind it.
    pub options: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let (operation, rest) = number(data)?;
        Some(match operation {
            READ | WRITE => {
                let (file, rest) = string(rest)?;
                let (mode, options) = string(rest)?;
                Message::Request(Request { operation, file, mode, options })
            }
            DATA => number(rest).map(|(block, data)| Message::Data { block, data })?,
            ACKNOWLEDGEMENT => number(rest).map(|_| Message::Acknowledgement)?,
            // Some leave out the 0 behind the text.
            ERROR => number(rest).map(|(code, rest)| {
                let text = string(rest).map_or(rest, |(text, _)| text);
                Message::Error { code, text }
            })?,
            OPTIONS => Message::Options(rest),
            _ => return None,
        })
    }
}

impl Request<'_> {
    /// Whether the mode is one of the three that there are.
    pub(super) fn has_known_mode(&self) -> bool {
        [&b"octet"[..], b"netascii", b"mail"].iter().any(|known| self.mode.eq_ignore_ascii_case(known))
    }
}

/// The names and values of options.
pub(super) fn options(mut data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name, rest) = string(data)?;
        let (value, rest) = string(rest)?;
        data = rest;
        Some((name, value))
    })
}

fn number(data: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = data.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, data)?;
    Some((data.get(..end)?, data.get(end + 1..)?))
}
