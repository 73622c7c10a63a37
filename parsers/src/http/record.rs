//! What a record shows of an exchange.

use super::headers::{Header, same_name, trim};
use super::transaction::{Exchange, UNSEEN};
use crate::forwarded::forwarded_address;
use crate::json::Object;
use crate::protocol::{FileRange, Purpose, Recorder, Settings, Transaction};

/// Reads the settings of records.
pub(crate) fn recorder(settings: &Settings) -> Recorder {
    let extended = settings.switch("extended", false);
    let custom: Vec<String> = settings.list("custom").into_iter().map(str::to_ascii_lowercase).collect();
    let dump = settings.text("dump-all-headers").unwrap_or_default().to_ascii_lowercase();
    let shown = settings.switch("xff.enabled", false) && settings.text("xff.mode") != Some("overwrite");
    let header = settings.text("xff.header").unwrap_or("X-Forwarded-For").to_ascii_lowercase();
    let reverse = settings.text("xff.deployment") != Some("forward");
    Recorder::new(move |transaction, purpose, record| {
        // What refers to a transaction shows all of it.
        let is_reference = purpose == Purpose::Reference;
        let proxy = Some((header.as_bytes(), reverse)).filter(|_| shown && !is_reference);
        write(transaction, (extended || is_reference, proxy), &custom, &dump, record)
    })
}

/// The range of a `Content-Range: bytes start-end/size`, of a resource.
pub(crate) fn content_range(value: &[u8], resource: u64) -> Option<FileRange> {
    let text = std::str::from_utf8(value).ok()?.trim().strip_prefix("bytes")?.trim();
    let (range, size) = text.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    (start <= end).then_some(FileRange { start, end, size: size.trim().parse().unwrap_or(0), resource })
}

fn write(
    transaction: &dyn Transaction,
    (extended, proxy): (bool, Option<(&[u8], bool)>),
    custom: &[String],
    dump: &str,
    record: &mut Object<'_>,
) -> bool {
    let Some(tx) = transaction.as_any().downcast_ref::<Exchange>() else { return false };
    record.object("http", |http| {
        if !tx.host.is_empty() {
            http.text("hostname", &tx.host);
        }
        if let Some(port) = tx.port {
            http.number("http_port", port);
        }
        if !tx.target.is_empty() {
            http.text("url", &tx.target);
        }
        if let Some(agent) = tx.request.header(b"user-agent") {
            http.text("http_user_agent", agent);
        }
        if let Some(kind) = tx.response.header(b"content-type") {
            http.text("http_content_type", trim(kind.split(|&b| b == b';').next().unwrap_or_default()));
        }
        if let Some(raw) = tx.response.header(b"content-range") {
            http.object("content_range", |range| {
                range.text("raw", raw);
                if let Some(part) = content_range(raw, 0) {
                    range.number("start", part.start).number("end", part.end).number("size", part.size);
                }
            });
        }
        if extended {
            write_extended(tx, http);
        }
        for name in custom {
            let value = tx.request.header(name.as_bytes()).or_else(|| tx.response.header(name.as_bytes()));
            if let Some(value) = value {
                http.named(&name.replace('-', "_")).text(value);
            }
        }
        if let Some((header, reverse)) = proxy
            && let Some(client) = tx.request.header(header).and_then(|value| forwarded_address(value, reverse))
        {
            http.address("xff", client);
        }
        for (key, wanted, headers) in [
            ("request_headers", "request", tx.request.headers()),
            ("response_headers", "response", tx.response.headers()),
        ] {
            if dump == "both" || dump == wanted {
                write_headers(http, key, headers);
            }
        }
    });
    true
}

fn write_extended(tx: &Exchange, http: &mut Object<'_>) {
    if let Some(from) = tx.request.header(b"referer") {
        http.text("http_refer", from);
    }
    if !tx.method.is_empty() {
        http.text("http_method", &tx.method);
    }
    if *tx.target != *UNSEEN && !tx.request.protocol.is_empty() {
        http.text("protocol", &tx.request.protocol);
    }
    match tx.code() {
        Some(code) => {
            http.number("status", code);
        }
        None if !tx.status.is_empty() => {
            http.text("status_string", &tx.status);
        }
        None => {}
    }
    if let Some(to) = tx.response.header(b"location").filter(|_| tx.code().is_some_and(|c| (300..400).contains(&c))) {
        http.text("redirect", to);
    }
    http.number("length", tx.response.body().wire);
}

fn write_headers(http: &mut Object<'_>, key: &'static str, headers: &[Header]) {
    http.array(key, |list| {
        for header in headers.iter().filter(|h| !same_name(&h.name, b"")) {
            list.object(|item| {
                item.text("name", &header.name).text("value", &header.value);
            });
        }
    });
}
