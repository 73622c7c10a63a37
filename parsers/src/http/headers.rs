//! Lines and header fields (RFC 9112, sections 2.2 and 5).
//!
//! Lines end in CR LF or LF; to client a bare CR ends one as well, because browsers accept it. Folded lines are joined with one
//! space, repeated fields with `, `, as rules expect them.

use std::collections::{HashMap, HashSet};

use memchr::memchr2;

use super::transaction::Exchange;
use crate::protocol::Direction;

/// A header field; repeated ones are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Vec<u8>,
}

/// What was odd in a block of header lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    pub(crate) missing_colon: bool,
    pub(crate) bad_folding: bool,
    /// Names that came more than once.
    pub(crate) repeated: usize,
    pub(crate) no_token: bool,
    pub(crate) empty_name: bool,
    pub(crate) space_after_name: bool,
    pub(crate) too_many: bool,
    /// Values of `Content-Length` that differ.
    pub(crate) lengths_differ: bool,
}

impl Oddities {
    /// Notes them, by the direction of the message.
    pub(crate) fn tell(&self, direction: Direction, tx: &mut Exchange) {
        for (wrong, to_server, to_client) in [
            (self.missing_colon, "http.request_field_missing_colon", "http.response_field_missing_colon"),
            (self.bad_folding, "http.invalid_request_field_folding", "http.invalid_response_field_folding"),
            (self.no_token, "http.request_header_invalid", "http.response_header_name_not_token"),
            (self.empty_name, "http.request_invalid_empty_name", "http.response_invalid_empty_name"),
            (self.space_after_name, "http.request_invalid_lws_after_name", "http.response_invalid_lws_after_name"),
            (self.too_many, "http.request_too_many_headers", "http.response_too_many_headers"),
            (
                self.lengths_differ,
                "http.duplicate_content_length_field_in_request",
                "http.duplicate_content_length_field_in_response",
            ),
        ] {
            if wrong {
                tx.note(if direction == Direction::ToServer { to_server } else { to_client });
            }
        }
        for _ in 0..self.repeated {
            tx.note_again(match direction {
                Direction::ToServer => "http.request_header_repetition",
                Direction::ToClient => "http.response_header_repetition",
            });
        }
    }
}

/// Header fields kept of one message.
const FIELDS: usize = 1024;
/// Fields of one message among which a name is looked for one by one: more than most messages have.
const FEW: usize = 32;

/// A line at the start of `data`: its length without and with its end. `scanned` is where the search goes on.
pub(crate) fn line(data: &[u8], scanned: &mut usize, bare_cr: bool, closed: bool) -> Option<(usize, usize)> {
    loop {
        let Some(at) = data.get(*scanned..).and_then(|rest| memchr2(b'\r', b'\n', rest)).map(|i| i + *scanned) else {
            *scanned = data.len();
            return None;
        };
        *scanned = at;
        if data.get(at) == Some(&b'\n') {
            return Some((at, at + 1));
        }
        let run = data.get(at..).unwrap_or_default().iter().take(16).take_while(|&&b| b == b'\r').count();
        match data.get(at + run) {
            Some(b'\n') => return Some((at, at + run + 1)),
            None if !closed && run < 16 => return None,
            _ if bare_cr => return Some((at, at + 1)),
            _ => *scanned = at + run,
        }
    }
}

/// The fields of header lines (each with its end still on it).
pub(crate) fn fields(raw: &[u8], bare_cr: bool) -> (Vec<Header>, Oddities) {
    let (mut odd, mut out, mut rest) = (Oddities::default(), Fields::default(), raw);
    let mut joined: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let (length, total) = line(rest, &mut 0, bare_cr, true).unwrap_or((rest.len(), rest.len()));
        let text = rest.get(..length).unwrap_or_default();
        rest = rest.get(total..).unwrap_or_default();
        let folded = matches!(text.first(), Some(b' ' | b'\t' | 0));
        if folded && !(out.all.is_empty() && joined.is_empty()) && !hides_framing(text) {
            joined.push(b' ');
            joined.extend_from_slice(trim(text));
            continue;
        }
        odd.bad_folding |= folded;
        add(&mut out, &joined, &mut odd);
        joined.clear();
        joined.extend_from_slice(if folded { trim(text) } else { text });
    }
    add(&mut out, &joined, &mut odd);
    (out.all, odd)
}

/// The value of a field by its lower-case name.
pub(crate) fn find<'a>(headers: &'a [Header], name: &[u8]) -> Option<&'a [u8]> {
    headers.iter().find(|h| same_name(&h.name, name)).map(|h| h.value.as_slice())
}

/// Whether two names are the same without case, and without the NUL bytes that some servers strip.
pub(crate) fn same_name(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
        || (a.len() > b.len()
            && a.contains(&0)
            && a.iter().filter(|&&c| c != 0).map(u8::to_ascii_lowercase).eq(b.iter().map(u8::to_ascii_lowercase)))
}

/// Without white space and NUL bytes at both ends.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | 0 | 0x0b | 0x0c | b'\r' | b'\n');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    text.get(start..end).unwrap_or_default()
}

/// What the line at the start of some bytes looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Too few bytes to tell.
    Unsure,
    /// It begins with white space or a line end.
    Blank,
    /// It begins with a name and a colon.
    Field,
    /// Anything else.
    Other,
}

/// Longest field name that is recognised ahead.
const NAME_BYTES: usize = 64;

/// Tells header fields from the bytes of a body.
pub(crate) fn begins_field(data: &[u8]) -> Begins {
    if matches!(data.first(), Some(b'\r' | b'\n' | b' ' | b'\t')) {
        return Begins::Blank;
    }
    let name = data.iter().take(NAME_BYTES).take_while(|b| is_token(**b)).count();
    match data.get(name) {
        _ if name == NAME_BYTES => Begins::Other,
        Some(b':') if name > 0 => Begins::Field,
        Some(_) => Begins::Other,
        None => Begins::Unsure,
    }
}

/// Whether an octet is one of a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// A folded line that some clients take for a field which decides how the body is read.
fn hides_framing(text: &[u8]) -> bool {
    let text = trim(text);
    [&b"transfer-encoding:"[..], b"content-encoding:", b"content-length:"]
        .iter()
        .any(|name| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// The fields of a message as they are gathered.
#[derive(Default)]
struct Fields {
    all: Vec<Header>,
    /// Places of those that came more than once.
    repeated: HashSet<usize>,
    /// Where many of them first came, by their names in lower case, and the same without NUL bytes. A peer cannot choose names
    /// that meet in it: it has a key of its own.
    places: HashMap<Vec<u8>, usize>,
}

impl Fields {
    /// The place of the first field with a name.
    fn find(&mut self, name: &[u8]) -> Option<usize> {
        if name.is_empty() {
            return None;
        }
        if self.all.len() <= FEW {
            return self.all.iter().position(|header| same_name(&header.name, name));
        }
        if self.places.is_empty() {
            for place in 0..self.all.len() {
                self.note(place);
            }
        }
        self.places.get(&name.to_ascii_lowercase()).copied()
    }

    fn push(&mut self, header: Header) {
        self.all.push(header);
        if !self.places.is_empty() {
            self.note(self.all.len() - 1);
        }
    }

    fn note(&mut self, place: usize) {
        let Some(header) = self.all.get(place).filter(|header| !header.name.is_empty()) else { return };
        let name = header.name.to_ascii_lowercase();
        if name.contains(&0) {
            let stripped = name.iter().copied().filter(|&byte| byte != 0).collect();
            self.places.entry(stripped).or_insert(place);
        }
        self.places.entry(name).or_insert(place);
    }
}

fn add(out: &mut Fields, text: &[u8], odd: &mut Oddities) {
    if text.is_empty() {
        return;
    }
    if out.all.len() >= FIELDS {
        odd.too_many = true;
        return;
    }
    let (name, value) = match text.iter().position(|&b| b == b':') {
        Some(colon) => {
            let (name, value) = text.split_at(colon);
            // A second colon right after the first is skipped, as lenient clients do.
            (
                trim(name),
                trim(value.get(1..).unwrap_or_default())
                    .strip_prefix(b":")
                    .map_or(trim(value.get(1..).unwrap_or_default()), trim),
            )
        }
        None => {
            odd.missing_colon = true;
            (&b""[..], trim(text))
        }
    };
    odd.empty_name |= text.first() == Some(&b':');
    odd.no_token |= !name.iter().all(|octet| is_token(*octet));
    odd.space_after_name |= text.get(name.len()..).is_some_and(|rest| matches!(rest.first(), Some(b' ' | b'\t')));
    let is_length = same_name(name, b"content-length");
    let Some(place) = out.find(name) else {
        out.push(Header { name: name.into(), value: value.to_vec() });
        return;
    };
    let Some(first) = out.all.get_mut(place) else { return };
    // The same length once more says nothing new.
    if is_length && first.value == value {
        return;
    }
    odd.lengths_differ |= is_length;
    first.value.extend_from_slice(b", ");
    first.value.extend_from_slice(value);
    odd.repeated += usize::from(out.repeated.insert(place));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_and_repeated_fields_are_joined() {
        let (headers, odd) = fields(b"A: 1\r\n 2\r\nB : x\na: 3\r\nnone\r\n", false);
        assert_eq!(find(&headers, b"a"), Some(&b"1 2, 3"[..]));
        assert_eq!(find(&headers, b"b"), Some(&b"x"[..]));
        assert!(odd.missing_colon && odd.space_after_name && odd.repeated == 1);
    }

    #[test]
    fn repeated_fields_are_joined_among_many_as_among_few() {
        let names: [&[u8]; 6] = [b"a\0b", b"AB", b"ab", b"a\0\0b", b"A\0B", b""];
        for fillers in [0, FEW - 3, FEW, 3 * FEW] {
            let mut raw: Vec<u8> = (0..fillers).flat_map(|n| format!("x{n}: y\r\n").into_bytes()).collect();
            for (place, name) in names.iter().chain(&names).enumerate() {
                raw.extend_from_slice(&[name, format!(":{place}\r\n").as_bytes()].concat());
            }
            let (headers, odd) = fields(&raw, false);
            let found: Vec<_> = headers.iter().skip(fillers).map(|h| h.value.escape_ascii().to_string()).collect();
            assert_eq!(found, ["0, 1, 2, 4, 6, 7, 8, 10", "3, 9", "5", "11"], "{fillers}");
            assert_eq!(odd.repeated, 2);
        }
    }
}
