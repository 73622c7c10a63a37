//! Elasticsearch and OpenSearch: `_bulk` into data streams or indices. Each record has an answer of its own.

use std::io::Write;

use serde::Deserialize;
use serde_json::json;

use super::post::Account;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, set};
use crate::sinks::deliver::web::{Client, Web};

/// What a sink says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub web: Web,
    /// Who the sensor is.
    pub account: Option<Account>,
    /// The data stream or index of a record.
    pub index: Template,
    /// A pipeline that they go through there.
    pub pipeline: Option<String>,
}

/// Sends records.
pub struct Bulk {
    settings: Settings,
    client: Client,
    body: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    errors: bool,
    #[serde(default)]
    items: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(alias = "index")]
    create: One,
}

#[derive(Debug, Deserialize)]
struct One {
    status: u16,
    #[serde(default)]
    error: serde_json::Value,
}

impl Bulk {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { client: Client::new(settings.web.clone()), settings, body: Vec::new() }
    }

    fn write(&mut self, item: &Item<'_>) {
        // `create` is what data streams want; what is there already is told by its id and left alone.
        let action = json!({ "create": { "_index": self.settings.index.of(&item.head), "_id": item.id } });
        // To write into memory does not fail.
        writeln!(self.body, "{action}").ok();
        with_time(&mut self.body, "@timestamp", item);
        self.body.push(b'\n');
    }
}

/// Writes a record with the time under a name that its receiver asks for, where it is an object that has none.
pub(super) fn with_time(out: &mut Vec<u8>, name: &str, item: &Item<'_>) {
    let time = item.head.time_us().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    let has_it = item.body.starts_with(format!("{{\"{name}\":").as_bytes());
    match (time, item.body.strip_prefix(b"{")) {
        (Some(time), Some(rest)) if !has_it => {
            let comma = if rest.starts_with(b"}") { "" } else { "," };
            write!(out, "{{\"{name}\":\"{}\"{comma}", time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")).ok();
            out.extend_from_slice(rest);
        }
        _ => out.extend_from_slice(item.body),
    }
}

impl Transport for Bulk {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        self.body.clear();
        items.iter().for_each(|item| self.write(item));
        let account = self.settings.account.as_ref().map(Account::header).transpose()?;
        let mut headers = vec![("content-type", "application/x-ndjson")];
        headers.extend(account.as_deref().map(|value| ("authorization", value)));
        let path = match &self.settings.pipeline {
            Some(pipeline) => format!("/_bulk?pipeline={pipeline}"),
            None => "/_bulk".to_owned(),
        };
        let reply = self.client.post(&path, &headers, &self.body)?;
        reply.judged()?;
        let odd = || Trouble::away(format!("its answer is none to _bulk: {}", reply.words()));
        let said: Said = serde_json::from_slice(&reply.body).map_err(|_| odd())?;
        if said.items.len() != items.len() {
            return Err(odd());
        }
        let mut later = None;
        for (place, Outcome { create }) in said.items.into_iter().enumerate() {
            match create.status {
                // 409: it is there, from a time when the answer was lost.
                200..=299 | 409 => set(answers, place, Answer::Delivered),
                400 | 413 => set(answers, place, Answer::Refused(words(&create))),
                _ => later = Some(words(&create)),
            }
        }
        match later.filter(|_| said.errors) {
            Some(words) => Err(Trouble::away(words)),
            None => Ok(()),
        }
    }
}

fn words(one: &One) -> String {
    let part = |path: &str| one.error.pointer(path).and_then(serde_json::Value::as_str);
    let parts = [part("/type"), part("/reason"), part("/caused_by/reason")];
    let text: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{} {}", one.status, text.join(": ").chars().take(300).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_where_its_receiver_looks_for_it() {
        let line = br#"{"timestamp":"2019-12-22T12:33:20.837297+0000","event_type":"flow"}"#;
        let mut out = Vec::new();
        with_time(&mut out, "@timestamp", &Item::of(line));
        let expected = r#"{"@timestamp":"2019-12-22T12:33:20.837297Z","timestamp":"2019-12-22T12:33:20.837297+0000","event_type":"flow"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        for body in [&b"{\"@timestamp\":1}"[..], b"CEF:0|"] {
            let mut out = Vec::new();
            with_time(&mut out, "@timestamp", &Item { body, ..Item::of(line) });
            assert_eq!(out, body);
        }
    }
}
