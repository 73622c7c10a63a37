//! What rules can look at.
//!
//! A field exists from the progress at which its part of the message is whole: 2 once the first line is, 3 once the
//! headers are.

use super::headers::{Header, same_name};
use super::transaction::{Body, Exchange, Message};
use crate::protocol::{Direction, Field, Value};

/// The table.
pub(crate) static FIELDS: &[Field] = crate::fields! { Exchange:
    "http.uri": Url, "Normalised request target: decoded path, then the query as it came.", [Some(2), None], false, |t, _, i| whole(i, &t.uri);
    "http.uri.raw": Url, "Request target as it came.", [Some(2), None], false, |t, _, i| whole(i, &t.target);
    "http.uri_len": Number(Numbers::up_to(u32::MAX as u64)), "Length of the normalised request target.", [Some(2), None], false, |t, _, i| (i == 0).then_some(Value::Number(t.uri.len() as u64));
    "http.uri_len_raw": Number(Numbers::up_to(u32::MAX as u64)), "Length of the request target as it came.", [Some(2), None], false, |t, _, i| (i == 0).then_some(Value::Number(t.target.len() as u64));
    "http.method": Text, "Request method.", [Some(2), None], false, |t, _, i| whole(i, &t.method);
    "http.host": Domain, "Host in lower case without port.", [Some(3), None], false, |t, _, i| whole(i, &t.host);
    "http.host.raw": Domain, "Host as it came.", [Some(3), None], false, |t, _, i| whole(i, &t.host_raw);
    "http.header": Text, "Header fields as `Name: value` lines without cookies.", [Some(3), Some(3)], false, |t, d, i| whole(i, block(t.message(d), d));
    "http.header.raw": Text, "Header lines as they came.", [Some(3), Some(3)], false, |t, d, i| whole(i, &t.message(d).raw);
    "http.header_names" | "http_header_names": Text, "Names of the header fields, each between line ends.", [Some(3), Some(3)], false, |t, d, i| whole(i, names(t.message(d)));
    "http.request_header": Text, "Each request header field as `name: value`.", [Some(3), None], true, |t, _, i| each(&t.request, i);
    "http.response_header": Text, "Each response header field as `name: value`.", [None, Some(3)], true, |t, _, i| each(&t.response, i);
    "http.user_agent": Software, "Value of User-Agent.", [Some(3), None], false, |t, d, i| header(t.message(d), b"user-agent", i);
    "http.cookie": Text, "Value of Cookie, or of Set-Cookie to client.", [Some(3), Some(3)], false, |t, d, i| header(t.message(d), cookie(d), i);
    "http.referer" | "http_referer": Url, "Value of Referer.", [Some(3), None], false, |t, d, i| header(t.message(d), b"referer", i);
    "http.accept" | "http_accept": Text, "Value of Accept.", [Some(3), None], false, |t, d, i| header(t.message(d), b"accept", i);
    "http.accept_enc" | "http_accept_enc": Text, "Value of Accept-Encoding.", [Some(3), None], false, |t, d, i| header(t.message(d), b"accept-encoding", i);
    "http.accept_lang" | "http_accept_lang": Text, "Value of Accept-Language.", [Some(3), None], false, |t, d, i| header(t.message(d), b"accept-language", i);
    "http.connection" | "http_connection": Text, "Value of Connection.", [Some(3), Some(3)], false, |t, d, i| header(t.message(d), b"connection", i);
    "http.content_len" | "http_content_len": Text, "Value of Content-Length.", [Some(3), Some(3)], false, |t, d, i| header(t.message(d), b"content-length", i);
    "http.content_type" | "http_content_type": Text, "Value of Content-Type.", [Some(3), Some(3)], false, |t, d, i| header(t.message(d), b"content-type", i);
    "http.location": Url, "Value of Location.", [None, Some(3)], false, |t, d, i| header(t.message(d), b"location", i);
    "http.server": Software, "Value of Server.", [None, Some(3)], false, |t, d, i| header(t.message(d), b"server", i);
    "http.protocol" | "http_protocol": Text, "Version of the protocol as the first line says it.", [Some(2), Some(2)], false, |t, d, i| whole(i, &t.message(d).protocol);
    "http.start" | "http_start": Text, "First line and header lines.", [Some(3), Some(3)], false, |t, d, i| whole(i, start(t.message(d)));
    "http.request_line" | "http_request_line": Text, "First line of the request.", [Some(2), None], false, |t, _, i| whole(i, &t.request.line);
    "http.response_line" | "http_response_line": Text, "First line of the response.", [None, Some(2)], false, |t, _, i| whole(i, &t.response.line);
    "http.request_body": Bytes, "Body of the request.", [Some(3), None], false, |t, _, i| body(t.request.body(), i);
    "http.response_body": Bytes, "Decoded body of the response.", [None, Some(3)], false, |t, _, i| body(t.response.body(), i);
    "http.stat_code": Text, "Status code.", [None, Some(2)], false, |t, _, i| whole(i, &t.status);
    "http.stat_msg": Text, "Reason phrase.", [None, Some(2)], false, |t, _, i| whole(i, &t.reason);
    files "Decoded body, or each file in one that is a form.", [Some(3), Some(3)];
    frame "frame:http.stream", "All that a side sends, from the first message on.", [true, true];
    frame "frame:http.request", "A request, as it came.", [true, false];
    frame "frame:http.response", "A response, as it came.", [false, true];
};

fn whole(index: usize, bytes: &[u8]) -> Option<Value<'_>> {
    (index == 0 && !bytes.is_empty()).then_some(Value::Bytes(bytes))
}

fn header<'a>(message: &'a Message, name: &[u8], index: usize) -> Option<Value<'a>> {
    message.header(name).filter(|_| index == 0).map(Value::Bytes)
}

fn body(body: &Body, index: usize) -> Option<Value<'_>> {
    (index == 0 && body.total > 0).then_some(Value::Stream {
        data: &body.data,
        offset: body.offset,
        complete: body.complete,
    })
}

fn cookie(direction: Direction) -> &'static [u8] {
    match direction {
        Direction::ToServer => b"cookie",
        Direction::ToClient => b"set-cookie",
    }
}

fn put(out: &mut Vec<u8>, header: &Header) {
    out.extend_from_slice(&header.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(&header.value);
}

fn block(message: &Message, direction: Direction) -> &[u8] {
    message.made().block.get_or_init(|| {
        let mut out = Vec::with_capacity(message.raw.len());
        for header in message.headers().iter().filter(|h| !same_name(&h.name, cookie(direction))) {
            put(&mut out, header);
            out.extend_from_slice(b"\r\n");
        }
        out
    })
}

fn names(message: &Message) -> &[u8] {
    message.made().names.get_or_init(|| {
        let mut out = b"\r\n".to_vec();
        for header in message.headers() {
            out.extend_from_slice(&header.name);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if message.headers().is_empty() { Vec::new() } else { out }
    })
}

fn start(message: &Message) -> &[u8] {
    message.made().start.get_or_init(|| [&message.line[..], b"\r\n", &message.raw, b"\r\n"].concat())
}

fn each(message: &Message, index: usize) -> Option<Value<'_>> {
    let all = message.made().each.get_or_init(|| {
        let line = |h: &Header| {
            let mut out = Vec::new();
            put(&mut out, h);
            out
        };
        message.headers().iter().map(line).collect()
    });
    all.get(index).map(|bytes| Value::Bytes(bytes))
}
