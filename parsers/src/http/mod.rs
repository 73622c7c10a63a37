//! Hypertext Transfer Protocol 1 (RFC 9112).
//!
//! `parser` turns bytes into exchanges, `request`, `headers` and `uri` read their parts, `body` delimits and keeps bodies, `decode`
//! undoes content encodings, `multipart` finds the files in forms, `parameters` reads their names. `probe` says how it is recognised.

mod anomalies;
mod body;
mod brotli;
mod decode;
mod fields;
mod headers;
mod inflate;
mod look;
mod lzma;
mod multipart;
mod parameters;
mod parser;
mod probe;
mod record;
mod request;
mod requests;
mod responses;
#[cfg(test)]
mod tests;
mod transaction;
mod upgrade;
mod uri;

pub use upgrade::Upgraded;

use crate::protocol::{Both, Carrier, Opener, Protocol, Setting, Settings, Usual};

/// The card of http.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    aliases: &["http1"],
    doc: "Hypertext Transfer Protocol 1 (RFC 9112).",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: probe::PATTERNS,
    // One file may come in parts over several flows.
    stands_alone: false,
    ports: &[80],
    probe: probe::probe,
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
    anomalies: anomalies::ANOMALIES,
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
        "4 KiB; without `--config` 100 KiB",
        "Bytes of a request's body that rules look at; 0 for all.",
    )
    .alone("100 KiB"),
    Setting::of_parser(
        "libhtp.default-config.response-body-limit",
        "4 KiB; without `--config` 100 KiB",
        "Bytes of a response's body that rules look at; 0 for all.",
    )
    .alone("100 KiB"),
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
    Setting::of_parser(
        "libhtp.default-config.lzma-memlimit",
        "1 MiB",
        "Memory for the dictionary of LZMA, as far as it is filled.",
    ),
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
    Setting::of_records("xff.enabled", "that of `eve-log.xff`", "The client behind a proxy is shown (`xff`)."),
    Setting::of_records(
        "xff.mode",
        "that of `eve-log.xff`",
        "`extra-data`: it is shown; with `overwrite` it is not, for records keep the addresses of their packets.",
    ),
    Setting::of_records(
        "xff.deployment",
        "that of `eve-log.xff`",
        "`reverse`: the proxy stands before the servers, the last address counts; `forward`: before the clients, the first one.",
    ),
    Setting::of_records("xff.header", "that of `eve-log.xff`", "The header that names it."),
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
