//! NATS: messages to subjects. With JetStream each has an answer that says it is stored, and one that comes twice is known by its id;
//! without it, that the server has read them is all that can be known.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Deserialize;
use serde_json::json;

use crate::sinks::deliver::connection::{Connection, Place, Route};
use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Kept, Transport, Trouble, all_delivered, set, windows};

/// Messages that are on their way at once.
const WINDOW: usize = 256;
/// Bytes of the longest line and the longest answer of a server.
const LINE_LIMIT: u64 = 64 << 10;
/// Where answers come to; what follows is the place of a message.
const INBOX: &str = "_INBOX.tapwire";

/// What a sink says of NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub route: Route,
    /// The subject of a record.
    pub subject: Template,
    /// Whether a stream stores them and says so.
    pub jetstream: bool,
    /// Who the sensor is.
    pub user: Option<String>,
    /// Its password; without a user, its token.
    pub password: Option<Secret>,
}

/// Sends messages.
pub struct Nats {
    settings: Settings,
    session: Kept<Session>,
}

struct Session {
    connection: BufReader<Connection>,
    /// Answers are told apart by the number of their window.
    window: u64,
    inbox: String,
    most_bytes: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    max_payload: usize,
    tls_required: bool,
    headers: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    stream: String,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    description: String,
}

/// What a server says.
enum Said {
    Pong,
    /// A message: the end of its subject, and what is in it.
    Message(String, Vec<u8>),
}

impl Nats {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, session: Kept::default() }
    }
}

impl Transport for Nats {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Self { settings, session } = self;
        session.send_in(
            || Session::open(settings),
            |session| {
                windows(items, answers, WINDOW).try_for_each(|(items, answers)| session.send(settings, items, answers))
            },
        )
    }
}

impl Session {
    fn open(settings: &Settings) -> Result<Self, Trouble> {
        // A server says first who it is, and then begins TLS.
        let route = &settings.route;
        let (plain, wants_tls) = match &route.place {
            Place::Tls(address) => (Route { place: Place::Tcp(address.clone()), ..route.clone() }, true),
            _ => (route.clone(), false),
        };
        let mut connection = BufReader::with_capacity(1 << 10, Connection::open(&plain)?);
        let line = line(&mut connection)?;
        let info = line.strip_prefix("INFO ").and_then(|text| serde_json::from_str::<Info>(text).ok());
        let info = info.ok_or_else(|| Trouble::away("it does not speak as NATS does"))?;
        if wants_tls {
            connection = BufReader::new(connection.into_inner().secured(route)?);
        } else if info.tls_required {
            return Err(Trouble::away("it asks for TLS: write tls:// before its name"));
        }
        if settings.jetstream && !info.headers {
            return Err(Trouble::away("it knows no headers, which JetStream needs"));
        }
        let (mut user, mut password, mut token) = (None, None, None);
        match (&settings.user, &settings.password) {
            (Some(name), Some(secret)) => (user, password) = (Some(name), Some(secret.read()?)),
            (None, Some(secret)) => token = Some(secret.read()?),
            (_, None) => {}
        }
        let hello = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "tapwire",
            "headers": info.headers, "no_responders": info.headers, "protocol": 1,
            "user": user, "pass": password, "auth_token": token,
        });
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).map_err(|error| Trouble::away(error.to_string()))?;
        let inbox = format!("{INBOX}{:016x}", u64::from_le_bytes(chance));
        let text = format!("CONNECT {hello}\r\nSUB {inbox}.> 1\r\nPING\r\n");
        connection.get_mut().write_all(text.as_bytes())?;
        let mut session = Self { connection, window: 0, inbox, most_bytes: info.max_payload };
        while !matches!(session.said()?, Said::Pong) {}
        Ok(session)
    }

    fn send(&mut self, settings: &Settings, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let mut text = Vec::new();
        self.window += 1;
        let mut awaited = 0;
        for (place, item) in items.iter().enumerate() {
            let subject = settings.subject.of(&item.head);
            let headers = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\n\r\n", item.id);
            if self.most_bytes > 0 && headers.len() + item.body.len() > self.most_bytes {
                let words = format!("{} bytes are more than its {}", item.body.len(), self.most_bytes);
                set(answers, place, Answer::Refused(words));
                continue;
            }
            awaited += 1;
            if settings.jetstream {
                let (inbox, window, all) = (&self.inbox, self.window, headers.len() + item.body.len());
                let begin = format!("HPUB {subject} {inbox}.{window}.{place} {} {all}\r\n{headers}", headers.len());
                text.extend_from_slice(begin.as_bytes());
            } else {
                text.extend_from_slice(format!("PUB {subject} {}\r\n", item.body.len()).as_bytes());
            }
            text.extend_from_slice(item.body);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"PING\r\n");
        self.connection.get_mut().write_all(&text)?;
        if !settings.jetstream {
            while !matches!(self.said()?, Said::Pong) {}
            all_delivered(answers);
            return Ok(());
        }
        while awaited > 0 {
            let Said::Message(end, bytes) = self.said()? else { continue };
            let Some(place) = end.strip_prefix(&format!("{}.", self.window)).and_then(|place| place.parse().ok())
            else {
                continue;
            };
            set(answers, place, stored(&bytes)?);
            awaited -= 1;
        }
        Ok(())
    }

    /// The next thing that the server says, but for what it is answered at once.
    fn said(&mut self) -> Result<Said, Trouble> {
        loop {
            let line = line(&mut self.connection)?;
            let mut words = line.split(' ');
            match words.next().unwrap_or_default() {
                "PING" => self.connection.get_mut().write_all(b"PONG\r\n")?,
                "PONG" => return Ok(Said::Pong),
                "MSG" | "HMSG" => {
                    let subject = words.next().unwrap_or_default();
                    let end =
                        subject.strip_prefix(&self.inbox).and_then(|end| end.strip_prefix('.')).unwrap_or_default();
                    let length = words.next_back().and_then(|word| word.parse().ok());
                    let length: u64 = length
                        .filter(|length| *length < LINE_LIMIT)
                        .ok_or_else(|| Trouble::away("it does not speak as NATS does"))?;
                    let mut bytes = Vec::new();
                    std::io::copy(&mut self.connection.by_ref().take(length + 2), &mut bytes)?;
                    return Ok(Said::Message(end.to_owned(), bytes));
                }
                "-ERR" => return Err(Trouble::away(format!("it says {line}"))),
                _ => {}
            }
        }
    }
}

/// What JetStream says of a message.
fn stored(bytes: &[u8]) -> Result<Answer, Trouble> {
    if bytes.starts_with(b"NATS/1.0 503") {
        return Err(Trouble::away("no stream takes this subject: make one, or write `jetstream: no`"));
    }
    match serde_json::from_slice::<Stored>(bytes.trim_ascii_end()) {
        Ok(Stored { error: Some(failure), .. }) if failure.description.contains("message size") => {
            Ok(Answer::Refused(failure.description))
        }
        Ok(Stored { error: Some(failure), .. }) => Err(Trouble::away(failure.description)),
        Ok(Stored { stream, .. }) if !stream.is_empty() => Ok(Answer::Delivered),
        _ => Err(Trouble::away("its answer is none of JetStream")),
    }
}

fn line(from: &mut impl BufRead) -> Result<String, Trouble> {
    let mut line = Vec::new();
    from.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(Trouble::away("it closed the connection"));
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
