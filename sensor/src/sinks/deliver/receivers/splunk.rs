//! Splunk's HTTP Event Collector. A 200 says that events were understood; that they are stored, its acknowledgement.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tapwire_parsers::json::Object;

use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Transport, Trouble, set};
use crate::sinks::deliver::web::{Client, Reply, Web};

/// Bytes of a request.
const POST_BYTES: usize = 1 << 20;
/// Between two questions whether events are stored.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What a sink says of Splunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is reached.
    pub web: Web,
    /// The token.
    pub token: Secret,
    /// Whether it is asked when events are stored.
    pub acknowledged: bool,
    /// For how long.
    pub patience: Duration,
    /// What kind of source events are of.
    pub source_type: Template,
    /// The source.
    pub source: Option<String>,
    /// The index, where it is not the one of the token.
    pub index: Option<Template>,
    /// The host of records that name none.
    pub host: String,
}

/// Sends events.
pub struct Splunk {
    settings: Settings,
    client: Client,
    channel: Option<String>,
    body: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    code: u32,
    #[serde(rename = "ackId")]
    acknowledgement: Option<u64>,
    #[serde(rename = "invalid-event-number")]
    invalid: Option<usize>,
}

/// Which requests are stored, by their numbers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    acks: BTreeMap<String, bool>,
}

impl Splunk {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { client: Client::new(settings.web.clone()), settings, channel: None, body: Vec::new() }
    }

    fn post(&mut self, path: &str, body: &[u8]) -> Result<Reply, Trouble> {
        let token = format!("Splunk {}", self.settings.token.read()?);
        if self.channel.is_none() {
            self.channel = Some(channel()?);
        }
        let channel = self.channel.as_deref().unwrap_or_default();
        let headers =
            [("authorization", &*token), ("content-type", "application/json"), ("x-splunk-request-channel", channel)];
        self.client.post(path, &headers, body)
    }

    fn event(&mut self, item: &Item<'_>) {
        let settings = &self.settings;
        let head = &item.head;
        let host = if head.host.is_empty() { &settings.host } else { &*head.host };
        let mut about = Vec::new();
        let mut object = Object::new(&mut about);
        object.text("host", host).text("sourcetype", settings.source_type.of(head));
        if let Some(time) = head.time_us() {
            object.text("time", format!("{}.{:06}", time.div_euclid(1_000_000), time.rem_euclid(1_000_000)));
        }
        if let Some(source) = &settings.source {
            object.text("source", source);
        }
        if let Some(index) = &settings.index {
            object.text("index", index.of(head));
        }
        drop(object);
        // What is JSON is an object there, everything else a text.
        self.body.extend_from_slice(about.strip_suffix(b"}").unwrap_or_default());
        self.body.extend_from_slice(b",\"event\":");
        if item.body.starts_with(b"{") {
            self.body.extend_from_slice(item.body);
        } else {
            let text = Value::from(String::from_utf8_lossy(item.body)).to_string();
            self.body.extend_from_slice(text.as_bytes());
        }
        self.body.push(b'}');
    }

    /// Sends the events of one request; the number under which it is acknowledged.
    fn send_some(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<Option<u64>, Trouble> {
        let body = std::mem::take(&mut self.body);
        let reply = self.post("/services/collector/event", &body);
        self.body = body;
        let reply = reply?;
        let said: Said = serde_json::from_slice(&reply.body).unwrap_or_default();
        match (reply.status, said.code) {
            (200, _) if !self.settings.acknowledged => {
                answers.iter_mut().take(items.len()).for_each(|answer| *answer = Answer::Delivered);
                Ok(None)
            }
            (200, _) => match said.acknowledgement {
                Some(number) => Ok(Some(number)),
                None => {
                    Err(Trouble::away("its token acknowledges nothing: turn that on there, or write `acknowledge: no`"))
                }
            },
            // One event is no event for it; what stands before it may have been taken.
            (400, 5 | 6 | 12 | 13 | 15) => match said.invalid.filter(|place| *place < items.len()) {
                Some(place) => {
                    set(answers, place, Answer::Refused(reply.words()));
                    Ok(None)
                }
                None => Err(Trouble::Refused(reply.words())),
            },
            (413, _) => Err(Trouble::Refused(reply.words())),
            _ => Err(reply.away()),
        }
    }

    /// Waits until requests are acknowledged; each is a number and the places of its events.
    fn wait(&mut self, mut open: Vec<(u64, std::ops::Range<usize>)>, answers: &mut [Answer]) -> Result<(), Trouble> {
        let until = Instant::now() + self.settings.patience;
        while !open.is_empty() {
            let numbers: Vec<u64> = open.iter().map(|(number, _)| *number).collect();
            let question = json!({ "acks": numbers }).to_string();
            let reply = self.post("/services/collector/ack", question.as_bytes())?;
            if reply.status != 200 {
                return Err(reply.away());
            }
            let said: Stored = serde_json::from_slice(&reply.body).unwrap_or_default();
            open.retain(|(number, places)| {
                let is_stored = said.acks.get(&number.to_string()).copied().unwrap_or(false);
                if is_stored {
                    places.clone().for_each(|place| set(answers, place, Answer::Delivered));
                }
                !is_stored
            });
            if !open.is_empty() {
                if Instant::now() >= until {
                    return Err(Trouble::away(format!("it did not store events in {:?}", self.settings.patience)));
                }
                std::thread::sleep(ASK_EVERY.min(self.settings.patience));
            }
        }
        Ok(())
    }
}

impl Transport for Splunk {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let (mut begin, mut open, mut result) = (0, Vec::new(), Ok(()));
        while begin < items.len() {
            self.body.clear();
            let mut end = begin;
            while let Some(item) = items.get(end).filter(|_| end == begin || self.body.len() < POST_BYTES) {
                self.event(item);
                end += 1;
            }
            let some = items.get(begin..end).unwrap_or_default();
            let (_, rest) = answers.split_at_mut(begin.min(answers.len()));
            match self.send_some(some, rest) {
                Ok(number) => open.extend(number.map(|number| (number, begin..end))),
                Err(trouble) => {
                    result = Err(trouble);
                    break;
                }
            }
            begin = end;
        }
        // What was taken before is waited for in any case.
        self.wait(open, answers)?;
        result
    }
}

/// A name of chance for this sender, as a GUID.
fn channel() -> Result<String, Trouble> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Trouble::away(error.to_string()))?;
    let hex = format!("{:032x}", u128::from_le_bytes(bytes));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32)))
}
