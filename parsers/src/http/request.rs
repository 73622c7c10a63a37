//! Request lines (RFC 9112, section 3) and what a request's headers say about its target (RFC 9110, section 7).

use super::headers::{same_name, trim};
use super::transaction::Exchange;
use super::uri::{Target, hex, host_port, normalise_path, percent_decode};

/// Methods of RFC 9110, 5789, 4918, 3253 and 5323, and what cameras add.
const METHODS: &[&[u8]] = &[
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
    b"DESCRIBE",
];
/// Schemes of `Authorization` that are told apart.
const SCHEMES: &[&[u8]] = &[b"basic", b"digest", b"bearer"];
/// Longest host name (RFC 1035).
const HOST_BYTES: usize = 255;

/// Reads a request line.
pub(crate) fn read(text: &[u8], twice_path: bool, twice_query: bool) -> Exchange {
    let mut tx = Exchange::default();
    tx.progress.to_server = 2;
    if text.first().is_some_and(u8::is_ascii_whitespace) {
        tx.note("http.request_line_leading_whitespace");
    }
    let clean = trim(text);
    let space = clean.iter().position(u8::is_ascii_whitespace).unwrap_or(clean.len());
    let (method, after) = clean.split_at(space);
    let rest = trim(after);
    if !after.is_empty() && !delimits(after, rest) {
        tx.note("http.method_delim_non_compliant");
    }
    let (target, protocol) = match rest.iter().rposition(u8::is_ascii_whitespace).map(|at| rest.split_at(at)) {
        Some((target, version)) if is_version(trim(version)) => {
            if version.first() != Some(&b' ') || target.last().is_some_and(u8::is_ascii_whitespace) {
                tx.note("http.uri_delim_non_compliant");
            }
            (trim(target), trim(version))
        }
        _ => (rest, &b""[..]),
    };
    let known = METHODS.contains(&method);
    if rest.is_empty() {
        tx.note("http.request_line_incomplete");
    } else if protocol.is_empty() {
        tx.note("http.request_line_missing_protocol");
    }
    let sound = matches!(protocol.get(5..), Some([b'0'..=b'9', b'.', b'0'..=b'9']));
    if !protocol.is_empty() && !sound {
        tx.note("http.request_line_invalid");
    }
    if !known && !sound {
        tx.note("http.request_line_unknown_method_invalid_protocol");
    }
    if !known && protocol.is_empty() && !method.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)) {
        tx.note("http.request_body_unexpected");
    }
    set_target(&mut tx, method, target, twice_path, twice_query);
    tx.request.line = text.into();
    tx.request.protocol = protocol.into();
    tx.method = method.into();
    tx.target = target.into();
    tx
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
    let parts = Target::read(target, connect);
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

/// `HTTP/1.1`, and what cameras say in its place (`RTSP/1.0`).
fn is_version(text: &[u8]) -> bool {
    text.get(..5).is_some_and(|s| s.eq_ignore_ascii_case(b"HTTP/") || s.eq_ignore_ascii_case(b"RTSP/"))
}

/// Whether a single space stands between two words.
fn delimits(after: &[u8], rest: &[u8]) -> bool {
    rest.is_empty() || (after.first() == Some(&b' ') && after.len() == rest.len() + 1)
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
