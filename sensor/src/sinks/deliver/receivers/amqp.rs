//! AMQP 0-9-1, as RabbitMQ speaks it: persistent messages to an exchange, each confirmed by the broker.
//!
//! Of the protocol there is what a publisher needs: one channel, confirms, and what the broker says when something is wrong.

use std::io::{BufReader, Read, Write};

use crate::sinks::deliver::connection::{Connection, Route};
use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Kept, Transport, Trouble, set, windows};

/// Messages that are on their way at once.
const WINDOW: usize = 256;
/// Bytes of a frame that the sensor takes, and of those that it sends at most.
const FRAME_BYTES: u32 = 128 << 10;
const FRAME_END: u8 = 0xCE;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;

/// What a sink says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub route: Route,
    /// Who the sensor is.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The virtual host.
    pub virtual_host: String,
    /// The exchange; empty for queues by their names.
    pub exchange: String,
    /// The routing key of a record: with no exchange, the queue.
    pub key: Template,
}

/// Sends messages.
pub struct Amqp {
    settings: Settings,
    session: Kept<Session>,
}

struct Session {
    connection: BufReader<Connection>,
    frame_bytes: usize,
    /// The number of the last message.
    number: u64,
}

/// What a broker says: class, method, and what follows.
struct Method {
    which: (u16, u16),
    rest: Vec<u8>,
}

impl Amqp {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, session: Kept::default() }
    }
}

impl Transport for Amqp {
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
        let connection = BufReader::new(Connection::open(&settings.route)?);
        let mut session = Self { connection, frame_bytes: 4096, number: 0 };
        session.connection.get_mut().write_all(b"AMQP\0\0\x09\x01")?;
        session.expect((10, 10))?;
        let password = settings.password.as_ref().map(Secret::read).transpose()?.unwrap_or_default();
        let mut begin = Words::method(10, 11);
        begin
            .long(0)
            .short_text("PLAIN")
            .long_text(format!("\0{}\0{password}", settings.user).as_bytes())
            .short_text("en_US");
        session.write(&begin)?;
        let tune = session.expect((10, 30))?;
        let asked = tune.rest.get(2..6).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
        let agreed = if asked == 0 { FRAME_BYTES } else { asked.min(FRAME_BYTES) };
        session.frame_bytes = usize::try_from(agreed).unwrap_or(4096).max(4096);
        // No heartbeats: what is silent is asked before it is believed to be there.
        let mut tuned = Words::method(10, 31);
        tuned.short(1).long(agreed).short(0);
        session.write(&tuned)?;
        let mut open = Words::method(10, 40);
        open.short_text(&settings.virtual_host).byte(0).byte(0);
        session.write(&open)?;
        session.expect((10, 41))?;
        let mut channel = Words::method(20, 10);
        channel.byte(0);
        session.write_on(1, &channel)?;
        session.expect((20, 11))?;
        let mut confirm = Words::method(85, 10);
        confirm.byte(0);
        session.write_on(1, &confirm)?;
        session.expect((85, 11))?;
        Ok(session)
    }

    fn send(&mut self, settings: &Settings, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let mut text = Vec::new();
        let first = self.number + 1;
        for item in items {
            self.number += 1;
            let mut publish = Words::method(60, 40);
            // Mandatory: what no queue takes comes back, and is not lost without a word.
            publish.short(0).short_text(&settings.exchange).short_text(&settings.key.of(&item.head)).byte(1);
            frame(&mut text, METHOD, 1, &publish.bytes);
            let mut header = Words::default();
            header.short(60).short(0).long_long(item.body.len() as u64);
            // Content type, delivery mode and message id.
            header.short(0x8000 | 0x1000 | 0x0080).short_text("application/json").byte(2).short_text(&item.id);
            frame(&mut text, HEADER, 1, &header.bytes);
            for piece in item.body.chunks(self.frame_bytes - 8) {
                frame(&mut text, BODY, 1, piece);
            }
        }
        self.connection.get_mut().write_all(&text)?;
        let (mut open, mut returned, mut later) = (items.len(), Vec::new(), false);
        while open > 0 {
            let Method { which, rest } = self.method()?;
            match which {
                (60, 80) | (60, 120) => {
                    let number = rest.get(..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
                    let is_multiple = rest.get(8).is_some_and(|flags| flags & 1 == 1);
                    let last = number.checked_sub(first).and_then(|place| usize::try_from(place).ok());
                    let last = last.filter(|place| *place < items.len());
                    let last = last.ok_or_else(|| Trouble::away("it confirms what was not sent"))?;
                    let begin = if is_multiple { 0 } else { last };
                    later |= which == (60, 120);
                    for place in begin..=last {
                        if answers.get(place) == Some(&Answer::Open) && which == (60, 80) {
                            set(answers, place, Answer::Delivered);
                        }
                    }
                    open = answers.iter().filter(|answer| **answer == Answer::Open).count();
                    if later {
                        return Err(Trouble::away("it could not store messages"));
                    }
                }
                // What comes back is confirmed right behind.
                (60, 50) => returned.push(words(rest.get(2..).unwrap_or_default())),
                _ => return Err(closed(which, &rest)),
            }
        }
        match returned.pop() {
            Some(words) => {
                // Which of them came back is not looked at: a queue that is missing is missing for others as well.
                answers.fill(Answer::Open);
                Err(Trouble::away(format!("no queue takes messages: {words}")))
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, words: &Words) -> Result<(), Trouble> {
        self.write_on(0, words)
    }

    fn write_on(&mut self, channel: u16, words: &Words) -> Result<(), Trouble> {
        let mut text = Vec::new();
        frame(&mut text, METHOD, channel, &words.bytes);
        Ok(self.connection.get_mut().write_all(&text)?)
    }

    fn expect(&mut self, which: (u16, u16)) -> Result<Method, Trouble> {
        let method = self.method()?;
        if method.which == which { Ok(method) } else { Err(closed(method.which, &method.rest)) }
    }

    /// The next method; what a message that came back holds is passed over.
    fn method(&mut self) -> Result<Method, Trouble> {
        loop {
            let mut head = [0; 7];
            self.connection.read_exact(&mut head)?;
            let [kind, _, _, length @ ..] = head;
            let length = u32::from_be_bytes(length);
            if length > FRAME_BYTES {
                return Err(Trouble::away("it does not speak AMQP 0-9-1"));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0) + 1];
            self.connection.read_exact(&mut bytes)?;
            if bytes.pop() != Some(FRAME_END) {
                return Err(Trouble::away("it does not speak AMQP 0-9-1"));
            }
            if let ([a, b, c, d, rest @ ..], METHOD) = (&bytes[..], kind) {
                let which = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                return Ok(Method { which, rest: rest.to_vec() });
            }
        }
    }
}

/// Why a broker ends it, where it says so.
fn closed((class, method): (u16, u16), rest: &[u8]) -> Trouble {
    match (class, method) {
        (10, 50) | (20, 40) => Trouble::away(format!("it says {}", words(rest.get(2..).unwrap_or_default()))),
        _ => Trouble::away(format!("it says {class}.{method}, which nobody asked for")),
    }
}

/// A short text.
fn words(bytes: &[u8]) -> String {
    let Some((length, rest)) = bytes.split_first() else { return String::new() };
    String::from_utf8_lossy(rest.get(..usize::from(*length)).unwrap_or(rest)).into_owned()
}

fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
}

/// What a frame is written in.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
}

impl Words {
    fn method(class: u16, method: u16) -> Self {
        let mut words = Self::default();
        words.short(class).short(method);
        words
    }

    fn byte(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    fn short(&mut self, value: u16) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn long(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn long_long(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// At most 255 bytes.
    fn short_text(&mut self, text: &str) -> &mut Self {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.bytes.push(length);
        self.bytes.extend(text.bytes().take(length.into()));
        self
    }

    fn long_text(&mut self, text: &[u8]) -> &mut Self {
        self.long(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.bytes.extend_from_slice(text);
        self
    }
}
