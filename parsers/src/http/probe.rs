//! How HTTP is recognised: what a client (RFC 9112, section 3) and a server (section 4) begin with.

use super::headers::is_token;
use super::request::METHODS;
use crate::protocol::{Carrier, Direction, Pattern, Probe};

/// Clients begin with any token, so that their first line has to be looked at; servers with a version.
pub(super) static PATTERNS: &[Pattern] =
    &[pattern(Direction::ToServer, b"", false), pattern(Direction::ToClient, b"HTTP/", true)];

/// White space that may stand before the first message: servers skip less.
const BLANK_BYTES: usize = 4096;
/// Bytes in which a first line is looked for that only its end tells.
const LINE_BYTES: usize = 8192;
/// Longest method that is taken for one.
const METHOD_BYTES: usize = 64;
/// `HTTP/1.1` without its digits.
const NAME: &[u8] = b"HTTP/";

const fn pattern(direction: Direction, bytes: &'static [u8], nocase: bool) -> Pattern {
    Pattern { carrier: Carrier::Tcp, direction, bytes, nocase, offset: 0, depth: bytes.len() }
}

pub(super) fn probe(_: Carrier, direction: Direction, data: &[u8]) -> Probe {
    // What waits is looked at again with each packet.
    let blank = data.iter().take(BLANK_BYTES).take_while(|byte| byte.is_ascii_whitespace()).count();
    if blank == BLANK_BYTES {
        return Probe::No;
    }
    let data = data.get(blank..).unwrap_or_default();
    let of = |direction| match direction {
        Direction::ToServer => request(data),
        Direction::ToClient => response(data),
    };
    match of(direction) {
        Probe::No | Probe::AtHome if of(direction.reverse()) == Probe::Yes => Probe::Reversed,
        answer => answer,
    }
}

/// A known method is enough; else the line has to end in a version, or to be where HTTP is at home.
fn request(data: &[u8]) -> Probe {
    let method = data.iter().take(METHOD_BYTES).take_while(|byte| is_token(**byte)).count();
    let (method, rest) = data.split_at(method);
    let line = memchr::memchr(b'\n', data.get(..LINE_BYTES).unwrap_or(data)).and_then(|end| data.get(..end));
    match rest.first() {
        None if method.len() < METHOD_BYTES => return Probe::Unsure,
        Some(b' ' | b'\t') if !method.is_empty() => {}
        Some(b'\r' | b'\n') if METHODS.contains(&method) => {
            return if line.is_some() { Probe::AtHome } else { Probe::Unsure };
        }
        _ => return Probe::No,
    }
    if method.contains(&b'%') {
        // A token may have it (RFC 9110, section 5.6.2), but what has is escaped text and no method.
        return Probe::No;
    }
    let known = METHODS.contains(&method);
    let Some(line) = line.map(<[u8]>::trim_ascii_end) else {
        return match known {
            true => Probe::Yes,
            false if data.len() < LINE_BYTES && is_text(rest) => Probe::Unsure,
            false => Probe::No,
        };
    };
    let last = line.rsplit(|octet| matches!(octet, b' ' | b'\t')).next().unwrap_or_default();
    let target = line.get(method.len()..).unwrap_or_default().trim_ascii_start();
    if last.len() == NAME.len() + 3 && is_version(last) {
        Probe::Yes
    } else if known {
        // Others have methods of the same names, and state a version of theirs.
        let others = last.contains(&b'/') && !begins_version(last) && last.last().is_some_and(u8::is_ascii_digit);
        if others { Probe::Likely } else { Probe::Yes }
    } else if METHODS.iter().any(|known| known.eq_ignore_ascii_case(method)) && target.starts_with(b"/") {
        Probe::Likely
    } else if is_text(line) {
        Probe::AtHome
    } else {
        Probe::No
    }
}

fn response(data: &[u8]) -> Probe {
    match data.get(..NAME.len() + 3) {
        Some(version) if is_version(version) => Probe::Yes,
        None if begins_version(data) => Probe::Unsure,
        _ => Probe::No,
    }
}

/// Whether it begins with `HTTP/`, digit, point, digit, in any case.
pub(super) fn is_version(text: &[u8]) -> bool {
    begins_version(text) && matches!(text.get(NAME.len()..), Some([b'0'..=b'9', b'.', b'0'..=b'9', ..]))
}

/// Whether it begins with `HTTP/` and so much of a version as there is of it.
fn begins_version(text: &[u8]) -> bool {
    let name = text.get(..NAME.len()).unwrap_or(text);
    NAME.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        && text
            .iter()
            .skip(NAME.len())
            .take(3)
            .zip([true, false, true])
            .all(|(octet, is_digit)| if is_digit { octet.is_ascii_digit() } else { *octet == b'.' })
}

/// Whether no octet is a control character, as lines of text have none but their ends.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|octet| !octet.is_ascii_control() || matches!(octet, b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_tell_http_from_others() {
        use Direction::{ToClient, ToServer};
        for (direction, text, expected) in [
            (ToServer, &b"GET /"[..], Probe::Yes),
            (ToServer, b"\r\nGET\t/", Probe::Yes),
            (ToServer, b"GE", Probe::Unsure),
            (ToServer, b"BREW /pot HTTP/1.1\r\n", Probe::Yes),
            (ToServer, b"brew\t/pot http/9.9\n", Probe::Yes),
            (ToServer, b"BREW /pot HTCPCP/1.0\r\n", Probe::AtHome),
            (ToServer, b"BREW /pot HTTP/1.10\r\n", Probe::AtHome),
            (ToServer, b"BREW /pot", Probe::Unsure),
            (ToServer, b"BREW \0", Probe::No),
            (ToServer, b"get /\r\n", Probe::Likely),
            (ToServer, b"get key\r\n", Probe::AtHome),
            (ToServer, b"GET\r\n", Probe::AtHome),
            (ToServer, b"OPTIONS sip:a SIP/2.0\r\n", Probe::Likely),
            (ToServer, b"GET%00 / HTTP/1.1\r\n", Probe::No),
            (ToServer, b"SSH-2.0-x\r\n", Probe::No),
            (ToServer, b"\x16\x03\x01", Probe::No),
            (ToServer, b"HTTP/1.1 200 ok\r\n", Probe::Reversed),
            (ToClient, b"HTTP/1.1 200 ok\r\n", Probe::Yes),
            (ToClient, b"http/7.2", Probe::Yes),
            (ToClient, b"HTTP/1", Probe::Unsure),
            (ToClient, b"HTTP/x.1 200 ok\r\n", Probe::No),
            (ToClient, b"HTTPS/1.1 200 ok\r\n", Probe::No),
            (ToClient, b"RTSP/1.0 200 ok\r\n", Probe::No),
            (ToClient, b"GET / HTTP/1.1\r\n", Probe::Reversed),
        ] {
            assert_eq!(probe(Carrier::Tcp, direction, text), expected, "{direction:?} {}", text.escape_ascii());
        }
    }
}
