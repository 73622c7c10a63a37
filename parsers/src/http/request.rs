//! Request lines (RFC 9112, section 3) and what a request's headers say about its target (RFC 9110, section 7).

use super::headers::{is_token, same_name, trim};
use super::probe::is_version;
use super::transaction::Exchange;
use super::uri::{Target, hex, host_port, normalise_path, percent_decode};

/// Methods of RFC 9110, 5789, 4918, 3253 and 5323.
pub(super) const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"VERSION-CONTROL",
    b"CHECKOUT",
    b"UNCHECKOUT",
    b"CHECKIN",
    b"UPDATE",
    b"LABEL",
    b"REPORT",
    b"MKWORKSPACE",
    b"MKACTIVITY",
    b"BASELINE-CONTROL",
    b"MERGE",
    b"SEARCH",
    b"INVALID",
];
/// Schemes of `Authorization` that are told apart.
const SCHEMES: &[&[u8]] = &[b"basic", b"digest", b"bearer"];
/// Longest host name (RFC 1035).
const HOST_BYTES: usize = 255;

/// The words of a request line.
struct Words<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: &'a [u8],
}

impl<'a> Words<'a> {
    /// The target goes on to the last white space, for servers take one with spaces; what follows is the version, however wrong.
    /// Anomalies are told of white space other than spaces, and of spaces in the target.
    fn split(line: &'a [u8], tell: &mut dyn FnMut(&'static str)) -> Self {
        let space = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (method, after) = line.split_at(space);
        let rest = trim(after);
        let delimiter = after.get(..after.len() - rest.len()).unwrap_or_default();
        if !rest.is_empty() && delimiter.iter().any(|octet| *octet != b' ') {
            tell("http.method_delim_non_compliant");
        }
        let Some(last) = rest.iter().rposition(u8::is_ascii_whitespace) else {
            return Self { method, target: rest, version: b"" };
        };
        let (before, version) = rest.split_at(last);
        let target = trim(before);
        let delimiter = rest.get(target.len()..=last).unwrap_or_default();
        // RFC 9112 3: a target has no space, so that another reader ends it at the first one.
        if delimiter.iter().any(|octet| *octet != b' ') || target.contains(&b' ') {
            tell("http.uri_delim_non_compliant");
        }
        Self { method, target, version: trim(version) }
    }
}

/// Reads a request line.
pub(crate) fn read(text: &[u8], twice_path: bool, twice_query: bool) -> Exchange {
    let mut tx = Exchange::default();
    tx.progress.to_server = 2;
    if text.first().is_some_and(u8::is_ascii_whitespace) {
        tx.note("http.request_line_leading_whitespace");
    }
    let Words { method, target, version } = Words::split(trim(text), &mut |name| tx.note(name));
    let sound = is_sound_version(version, &mut tx);
    if !METHODS.contains(&method) && !sound {
        tx.note(match (target.is_empty(), version.is_empty()) {
            (true, _) => "http.request_line_unknown_method",
            (false, true) => "http.request_line_unknown_method_no_protocol",
            (false, false) => "http.request_line_unknown_method_invalid_protocol",
        });
        if version.is_empty() {
            tx.note("http.request_line_invalid");
        }
    }
    set_target(&mut tx, method, target, twice_path, twice_query);
    tx.request.line = text.into();
    tx.request.protocol = version.into();
    tx.method = method.into();
    tx.target = target.into();
    tx
}

/// Whether a line begins a request: a known method, or a token, a target and the version of a protocol.
pub(super) fn begins(line: &[u8]) -> bool {
    let Words { method, target, version } = Words::split(trim(line), &mut |_| {});
    if METHODS.contains(&method) {
        return true;
    }
    let Some((name, number)) = memchr::memchr(b'/', version).map(|at| version.split_at(at)) else { return false };
    !method.is_empty()
        && method.iter().all(|octet| is_token(*octet))
        && !target.is_empty()
        && !name.is_empty()
        && name.iter().all(u8::is_ascii_alphabetic)
        && matches!(number, [b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// Whether a line ends in a version of HTTP.
pub(super) fn ends_in_version(line: &[u8]) -> bool {
    let Words { version, .. } = Words::split(trim(line), &mut |_| {});
    version.len() == VERSION_BYTES && is_version(version)
}

/// Length of `HTTP/1.1`.
const VERSION_BYTES: usize = 8;

/// Whether a version is one, if leniently read: with white space in it, or zeros before it, servers take it all the same.
fn is_sound_version(version: &[u8], tx: &mut Exchange) -> bool {
    let Some((name, number)) = memchr::memchr(b'/', version).map(|at| version.split_at(at)) else { return false };
    let mut short = trim(number.get(1..).unwrap_or_default());
    while let [b'0', rest @ ..] = short
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        short = rest;
    }
    let sound = trim(name).eq_ignore_ascii_case(b"HTTP") && matches!(short, [b'0'..=b'9', b'.', b'0'..=b'9']);
    if sound && version.len() != VERSION_BYTES {
        tx.note("http.protocol_contains_extra_data");
    }
    sound
}

/// Looks at the headers of a request that say something about it as a whole.
pub(crate) fn check_headers(tx: &mut Exchange) {
    if let Some(value) = tx.request.header(b"authorization") {
        let scheme = trim(value).split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if !SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            tx.note("http.request_auth_unrecognized");
        }
    }
    let Some(value) = tx.request.header(b"host").map(<[u8]>::to_vec) else {
        if tx.host.is_empty() && *tx.request.protocol == *b"HTTP/1.1" {
            tx.note("http.missing_host_header");
        }
        return;
    };
    let (host, port) = host_port(&value);
    let right = port.is_none_or(|p| read_port(p).is_some());
    if !is_host(host) || !right {
        tx.note("http.request_header_host_invalid");
    }
    if tx.host.is_empty() {
        tx.host = host.to_ascii_lowercase().into();
        tx.host_raw = value.as_slice().into();
        tx.port = port.and_then(read_port);
    } else if !same_name(&tx.host, host) || port.is_some_and(|p| read_port(p) != tx.port && tx.port.is_some()) {
        tx.note("http.host_header_ambiguous");
    }
}

fn set_target(tx: &mut Exchange, method: &[u8], target: &[u8], twice_path: bool, twice_query: bool) {
    let connect = method == b"CONNECT";
    // An authority has no spaces.
    let own = if connect { target.split(u8::is_ascii_whitespace).next().unwrap_or_default() } else { target };
    let parts = Target::read(own, connect);
    let mut uri = if connect { target.to_vec() } else { normalise_path(parts.path, twice_path) };
    let query = percent_decode(parts.query);
    if has_escape(&percent_decode(parts.path)) || has_escape(&query) {
        tx.note("http.double_encoded_uri");
    }
    uri.extend_from_slice(&if twice_query { percent_decode(&query) } else { query });
    tx.uri = uri.into();
    let Some(host) = parts.host else { return };
    if !is_host(host) {
        tx.note("http.request_uri_host_invalid");
    }
    tx.host_raw = host.into();
    tx.host = host.to_ascii_lowercase().into();
    if let Some(port) = parts.port {
        tx.port = read_port(port);
        if tx.port.is_none() {
            tx.note(if connect { "http.invalid_authority_port" } else { "http.invalid_server_port_in_request" });
        }
    }
}

fn has_escape(text: &[u8]) -> bool {
    text.windows(3).any(|w| matches!(w, [b'%', high, low] if hex(*high).is_some() && hex(*low).is_some()))
}

fn read_port(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(trim(text)).ok()?.parse().ok().filter(|&port| port > 0)
}

/// A registered name or an address (RFC 3986, section 3.2.2).
fn is_host(host: &[u8]) -> bool {
    let host = trim(host);
    if let Some(inner) = host.strip_prefix(b"[") {
        let inner = inner.strip_suffix(b"]").and_then(|i| std::str::from_utf8(i).ok());
        return inner.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host.len() <= HOST_BYTES
        && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(b))
}
