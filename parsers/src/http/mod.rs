//! Hypertext Transfer Protocol 1 (RFC 9112).
//!
//! `parser` turns bytes into exchanges, `request`, `headers` and `uri` read their parts, `body` delimits and keeps bodies, `decode`
//! undoes content encodings, `multipart` finds the files in forms.

mod body;
mod brotli;
mod decode;
mod fields;
mod headers;
mod multipart;
mod parser;
mod record;
mod request;
#[cfg(test)]
mod tests;
mod transaction;
mod upgrade;
mod uri;

pub use upgrade::Upgraded;

use crate::protocol::{
    AnomalyKind, Both, Carrier, Direction, Opener, Pattern, Probe, Protocol, Setting, Settings, Usual,
};

/// The card of http.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    aliases: &["http1"],
    doc: "Hypertext Transfer Protocol 1 (RFC 9112).",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: PATTERNS,
    stands_alone: true,
    ports: &[80],
    probe,
    states: Both {
        to_server: &[
            "request_started",
            "request_line",
            "request_headers",
            "request_body",
            "request_trailer",
            "request_complete",
        ],
        to_client: &[
            "response_started",
            "response_line",
            "response_headers",
            "response_body",
            "response_trailer",
            "response_complete",
        ],
    },
    fields: fields::FIELDS,
    anomalies: ANOMALIES,
    features: &[],
    retired_anomalies: &[],
    event_type: Some("http"),
    shows_transaction_id: true,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_parser(
        "libhtp.default-config.max-tx",
        "512",
        "Exchanges of a flow that are open at once; the oldest is given up for one more.",
    ),
    Setting::of_parser(
        "libhtp.default-config.request-body-limit",
        "100 KiB",
        "Bytes of a request's body that rules look at; 0 for all.",
    ),
    Setting::of_parser(
        "libhtp.default-config.response-body-limit",
        "100 KiB",
        "Bytes of a response's body that rules look at; 0 for all.",
    ),
    Setting::of_parser(
        "libhtp.default-config.response-body-decompress-layer-limit",
        "4",
        "Encodings of a body that are undone one after another, 16 at most.",
    ),
    Setting::of_parser(
        "libhtp.default-config.compression-bomb-limit",
        "1 MiB",
        "Bytes above which a body that grows out of proportion when its encoding is undone is given up.",
    ),
    Setting::of_parser(
        "libhtp.default-config.decompression-time-limit",
        "100,000",
        "Microseconds of undoing the encodings of a body, counted as 512 bytes each, so that the same input gives the same records.",
    ),
    Setting::of_parser("libhtp.default-config.lzma-enabled", "no", "LZMA is undone."),
    Setting::of_parser("libhtp.default-config.lzma-memlimit", "1 MiB", "Memory for the dictionary of LZMA."),
    Setting::of_parser(
        "libhtp.default-config.meta-field-limit",
        "18,432 bytes",
        "Bytes of a request line, a status line or a header field.",
    ),
    Setting::of_parser("libhtp.default-config.double-decode-path", "no", "Percent signs in paths are undone twice."),
    Setting::of_parser("libhtp.default-config.double-decode-query", "no", "Percent signs in queries are undone twice."),
    Setting::of_records(
        "extended",
        "no; without `--config` yes",
        "More of each exchange is shown: method, protocol, status, length, where it came from and goes to.",
    ),
    Setting::of_records("custom", "none", "Names of further header fields that are shown."),
    Setting::of_records(
        "dump-all-headers",
        "none",
        "`request`, `response` or `both`: all their header fields are shown.",
    ),
];

fn configure(settings: &Settings) -> Opener {
    let limits = parser::Limits::read(settings);
    Box::new(move |_| Box::new(parser::HttpParser::new(limits)))
}

/// White space that may stand before the first message: servers skip less.
const BLANK_BYTES: usize = 4096;

fn probe(_: Carrier, direction: Direction, data: &[u8]) -> Probe {
    // What waits is looked at again with each packet.
    let blank = data.iter().take(BLANK_BYTES).take_while(|byte| byte.is_ascii_whitespace()).count();
    if blank == BLANK_BYTES {
        return Probe::No;
    }
    let data = data.get(blank..).unwrap_or_default();
    let starts = |words: &mut dyn Iterator<Item = &'static [u8]>| {
        let mut unsure = data.is_empty();
        for word in words {
            if data.starts_with(word) {
                return if is_doubtful(data) { Probe::Likely } else { Probe::Yes };
            }
            unsure |= word.starts_with(data);
        }
        if unsure { Probe::Unsure } else { Probe::No }
    };
    let of = |wanted: Direction| PATTERNS.iter().filter(move |p| p.direction == wanted).map(|p| p.bytes);
    match starts(&mut of(direction)) {
        Probe::No if starts(&mut of(direction.reverse())) == Probe::Yes => Probe::Reversed,
        answer => answer,
    }
}

/// Whether a first line is whole and states another protocol's version: others have methods of the same names.
fn is_doubtful(data: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', data.get(..LINE_BYTES).unwrap_or(data)) else { return false };
    let line = data.get(..end).unwrap_or_default().trim_ascii_end();
    let last = line.rsplit(|octet| *octet == b' ').next().unwrap_or_default();
    last.contains(&b'/') && !last.starts_with(b"HTTP/") && last.last().is_some_and(u8::is_ascii_digit)
}

/// Bytes in which a first line that is doubtful ends.
const LINE_BYTES: usize = 512;

const fn pattern(direction: Direction, bytes: &'static [u8]) -> Pattern {
    Pattern { carrier: Carrier::Tcp, direction, bytes, nocase: false, offset: 0, depth: bytes.len() }
}

static PATTERNS: &[Pattern] = &[
    pattern(Direction::ToServer, b"GET "),
    pattern(Direction::ToServer, b"POST "),
    pattern(Direction::ToServer, b"HEAD "),
    pattern(Direction::ToServer, b"PUT "),
    pattern(Direction::ToServer, b"OPTIONS "),
    pattern(Direction::ToServer, b"CONNECT "),
    pattern(Direction::ToServer, b"TRACE "),
    pattern(Direction::ToServer, b"DELETE "),
    pattern(Direction::ToServer, b"PATCH "),
    pattern(Direction::ToServer, b"PROPFIND "),
    pattern(Direction::ToServer, b"PROPPATCH "),
    pattern(Direction::ToServer, b"MKCOL "),
    pattern(Direction::ToServer, b"COPY "),
    pattern(Direction::ToServer, b"MOVE "),
    pattern(Direction::ToServer, b"LOCK "),
    pattern(Direction::ToServer, b"UNLOCK "),
    pattern(Direction::ToServer, b"SEARCH "),
    pattern(Direction::ToServer, b"REPORT "),
    pattern(Direction::ToServer, b"CHECKOUT "),
    pattern(Direction::ToServer, b"MERGE "),
    pattern(Direction::ToServer, b"DESCRIBE "),
    pattern(Direction::ToClient, b"HTTP/"),
];

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

static ANOMALIES: &[AnomalyKind] = &[
    kind("http.unknown_error", "UNKNOWN_ERROR", "Unknown error."),
    kind("http.gzip_decompression_failed", "GZIP_DECOMPRESSION_FAILED", "Gzip decompression failed."),
    kind("http.request_field_missing_colon", "REQUEST_FIELD_MISSING_COLON", "Request field missing colon."),
    kind("http.response_field_missing_colon", "RESPONSE_FIELD_MISSING_COLON", "Response field missing colon."),
    kind("http.invalid_request_chunk_len", "INVALID_REQUEST_CHUNK_LEN", "Invalid request chunk len."),
    kind("http.invalid_response_chunk_len", "INVALID_RESPONSE_CHUNK_LEN", "Invalid response chunk len."),
    kind(
        "http.invalid_transfer_encoding_value_in_request",
        "INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST",
        "Invalid transfer encoding value in request.",
    ),
    kind(
        "http.invalid_transfer_encoding_value_in_response",
        "INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE",
        "Invalid transfer encoding value in response.",
    ),
    kind(
        "http.invalid_content_length_field_in_request",
        "INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST",
        "Invalid content length field in request.",
    ),
    kind(
        "http.invalid_content_length_field_in_response",
        "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE",
        "Invalid content length field in response.",
    ),
    kind("http.100_continue_already_seen", "100_CONTINUE_ALREADY_SEEN", "Status 100-Continue already seen."),
    kind(
        "http.unable_to_match_response_to_request",
        "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST",
        "Unable to match response to request.",
    ),
    kind("http.invalid_server_port_in_request", "INVALID_SERVER_PORT_IN_REQUEST", "Invalid server port in request."),
    kind("http.invalid_authority_port", "INVALID_AUTHORITY_PORT", "Invalid authority port."),
    kind("http.request_header_invalid", "REQUEST_HEADER_INVALID", "Request header invalid."),
    kind("http.response_header_invalid", "RESPONSE_HEADER_INVALID", "Response header invalid."),
    kind("http.missing_host_header", "MISSING_HOST_HEADER", "Missing Host header."),
    kind("http.host_header_ambiguous", "HOST_HEADER_AMBIGUOUS", "Host header ambiguous."),
    kind("http.invalid_request_field_folding", "INVALID_REQUEST_FIELD_FOLDING", "Invalid request field folding."),
    kind("http.invalid_response_field_folding", "INVALID_RESPONSE_FIELD_FOLDING", "Invalid response field folding."),
    kind("http.request_field_too_long", "REQUEST_FIELD_TOO_LONG", "Request buffer too long."),
    kind("http.response_field_too_long", "RESPONSE_FIELD_TOO_LONG", "Response buffer too long."),
    kind("http.multipart_generic_error", "MULTIPART_GENERIC_ERROR", "Multipart generic error."),
    kind("http.multipart_no_filedata", "MULTIPART_NO_FILEDATA", "Multipart no filedata."),
    kind("http.multipart_invalid_header", "MULTIPART_INVALID_HEADER", "Multipart invalid header."),
    kind(
        "http.request_server_port_tcp_port_mismatch",
        "REQUEST_SERVER_PORT_TCP_PORT_MISMATCH",
        "Request server port doesn't match TCP port.",
    ),
    kind("http.request_uri_host_invalid", "REQUEST_URI_HOST_INVALID", "Host part of URI is invalid."),
    kind("http.request_header_host_invalid", "REQUEST_HEADER_HOST_INVALID", "Host header invalid."),
    kind("http.uri_delim_non_compliant", "URI_DELIM_NON_COMPLIANT", "URI terminated by non-compliant character."),
    kind(
        "http.method_delim_non_compliant",
        "METHOD_DELIM_NON_COMPLIANT",
        "METHOD terminated by non-compliant character.",
    ),
    kind(
        "http.request_line_leading_whitespace",
        "REQUEST_LINE_LEADING_WHITESPACE",
        "Request line with leading whitespace.",
    ),
    kind("http.too_many_encoding_layers", "TOO_MANY_ENCODING_LAYERS", "Request too many encoding layers."),
    kind("http.abnormal_ce_header", "ABNORMAL_CE_HEADER", "Request abnormal Content-Encoding header."),
    kind("http.request_auth_unrecognized", "REQUEST_AUTH_UNRECOGNIZED", "Request unrecognized authorization method."),
    kind("http.request_header_repetition", "REQUEST_HEADER_REPETITION", "Request excessive header repetition."),
    kind("http.response_header_repetition", "RESPONSE_HEADER_REPETITION", "Response excessive header repetition."),
    kind("http.response_multipart_byteranges", "RESPONSE_MULTIPART_BYTERANGES", "Response multipart/byteranges."),
    kind(
        "http.response_abnormal_transfer_encoding",
        "RESPONSE_ABNORMAL_TRANSFER_ENCODING",
        "Response abnormal chunked for transfer-encoding.",
    ),
    kind("http.response_chunked_old_proto", "RESPONSE_CHUNKED_OLD_PROTO", "Response chunked with HTTP 0.9 or 1.0."),
    kind("http.response_invalid_protocol", "RESPONSE_INVALID_PROTOCOL", "Response invalid protocol."),
    kind("http.response_invalid_status", "RESPONSE_INVALID_STATUS", "Response invalid status."),
    kind("http.request_line_incomplete", "REQUEST_LINE_INCOMPLETE", "Request line incomplete."),
    kind("http.double_encoded_uri", "DOUBLE_ENCODED_URI", "Request double encoded URI."),
    kind("http.request_line_invalid", "REQUEST_LINE_INVALID", "Invalid Request line."),
    kind("http.request_body_unexpected", "REQUEST_BODY_UNEXPECTED", "Unexpected Request body."),
    kind("http.lzma_memlimit_reached", "LZMA_MEMLIMIT_REACHED", "LZMA reached its memory limit."),
    kind(
        "http.duplicate_content_length_field_in_request",
        "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST",
        "Duplicate content length field in request.",
    ),
    kind(
        "http.duplicate_content_length_field_in_response",
        "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE",
        "Duplicate content length field in response.",
    ),
    kind("http.compression_bomb", "COMPRESSION_BOMB", "Compression bomb."),
    kind("http.too_many_warnings", "TOO_MANY_WARNINGS", "Too many warnings."),
    kind("http.range_invalid", "RANGE_INVALID", "Invalid Range header value."),
    kind("http.file_name_too_long", "FILE_NAME_TOO_LONG", "File name too long."),
    kind("http.failed_protocol_change", "FAILED_PROTOCOL_CHANGE", "Failed protocol change."),
    kind("http.request_chunk_extension", "REQUEST_CHUNK_EXTENSION", "Request chunk extension."),
    kind("http.request_line_missing_protocol", "REQUEST_LINE_MISSING_PROTOCOL", "Request missing protocol."),
    kind("http.request_too_many_headers", "REQUEST_TOO_MANY_HEADERS", "Request too many headers."),
    kind("http.response_too_many_headers", "RESPONSE_TOO_MANY_HEADERS", "Response too many headers."),
    kind("http.response_chunk_extension", "RESPONSE_CHUNK_EXTENSION", "Response chunk extension."),
    kind("http.compression_bomb_limit_reached", "COMPRESSION_BOMB_LIMIT_REACHED", "Compression bomb limit reached."),
    kind("http.response_body_unexpected", "RESPONSE_BODY_UNEXPECTED", "Response body unexpected."),
    kind(
        "http.request_line_unknown_method_invalid_protocol",
        "REQUEST_LINE_UNKNOWN_METHOD_INVALID_PROTOCOL",
        "Request line unknown method invalid protocol.",
    ),
    kind("http.invalid_gap", "INVALID_GAP", "Invalid gap."),
    kind("http.too_many_transactions", "TOO_MANY_TRANSACTIONS", "Too many transactions."),
];
