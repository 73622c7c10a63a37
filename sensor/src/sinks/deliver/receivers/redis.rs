//! Redis: lists, channels and streams. Commands are written together, and each has its own answer.

use std::io::{BufRead, BufReader, Read, Write};

use crate::sinks::deliver::connection::{Connection, Route};
use crate::sinks::deliver::secret::Secret;
use crate::sinks::deliver::template::Template;
use crate::sinks::deliver::transport::{Answer, Item, Kept, Transport, Trouble, windows};

/// Commands that are on their way at once.
const WINDOW: usize = 512;
/// Bytes of the longest line of an answer.
const LINE_LIMIT: u64 = 64 << 10;

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is the first of a list.
    PushLeft,
    /// It is the last of a list.
    PushRight,
    /// Those that listen to a channel get it.
    Publish,
    /// It is an entry of a stream, which keeps so many, where that is said, of which the flag asks for exactly.
    Stream {
        /// Entries that are kept; 0 for all.
        keep: u64,
        /// And not a few more.
        exactly: bool,
    },
}

/// What a sink says of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub route: Route,
    /// What becomes of records.
    pub mode: Mode,
    /// The list, channel or stream.
    pub key: Template,
    /// Who the sensor is.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The database.
    pub database: u32,
}

/// Sends commands.
pub struct Redis {
    settings: Settings,
    session: Kept<BufReader<Connection>>,
}

impl Redis {
    /// One that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, session: Kept::default() }
    }
}

impl Settings {
    fn open(&self) -> Result<BufReader<Connection>, Trouble> {
        let mut connection = BufReader::new(Connection::open(&self.route)?);
        let mut text = Vec::new();
        let mut asked = 0;
        if let Some(password) = &self.password {
            let password = password.read()?;
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(self.user.iter().map(|user| user.as_bytes()));
            words.push(password.as_bytes());
            command(&mut text, &words);
            asked += 1;
        }
        if self.database > 0 {
            command(&mut text, &[b"SELECT", self.database.to_string().as_bytes()]);
            asked += 1;
        }
        connection.get_mut().write_all(&text)?;
        for _ in 0..asked {
            reply(&mut connection)?.map_err(Trouble::away)?;
        }
        Ok(connection)
    }

    fn write(&self, out: &mut Vec<u8>, item: &Item<'_>) {
        let key = self.key.of(&item.head);
        let key = key.as_bytes();
        match &self.mode {
            Mode::PushLeft => command(out, &[b"LPUSH", key, item.body]),
            Mode::PushRight => command(out, &[b"RPUSH", key, item.body]),
            Mode::Publish => command(out, &[b"PUBLISH", key, item.body]),
            Mode::Stream { keep: 0, .. } => command(out, &[b"XADD", key, b"*", b"message", item.body]),
            Mode::Stream { keep, exactly } => {
                let how: &[u8] = if *exactly { b"=" } else { b"~" };
                let keep = keep.to_string();
                command(out, &[b"XADD", key, b"MAXLEN", how, keep.as_bytes(), b"*", b"message", item.body]);
            }
        }
    }
}

impl Transport for Redis {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Self { settings, session } = self;
        session.send_in(
            || settings.open(),
            |connection| {
                let mut text = Vec::new();
                for (window, answers) in windows(items, answers, WINDOW) {
                    text.clear();
                    window.iter().for_each(|item| settings.write(&mut text, item));
                    connection.get_mut().write_all(&text)?;
                    for answer in answers {
                        *answer = match reply(connection)? {
                            Ok(()) => Answer::Delivered,
                            Err(words) if words.contains("exceeds maximum") => Answer::Refused(words),
                            // Nothing else that it says is about the content of a record.
                            Err(words) => return Err(Trouble::away(words)),
                        };
                    }
                }
                Ok(())
            },
        )
    }
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads an answer to a command: a number, a text or an error, in its words.
fn reply(from: &mut impl BufRead) -> Result<Result<(), String>, Trouble> {
    let odd = || Trouble::away("it does not speak as Redis does");
    let mut line = Vec::new();
    from.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(Trouble::away("it closed the connection"));
    }
    let text = line.strip_suffix(b"\r\n").ok_or_else(odd)?;
    let (kind, rest) = text.split_first().ok_or_else(odd)?;
    let rest = String::from_utf8_lossy(rest).into_owned();
    match kind {
        b'+' | b':' => Ok(Ok(())),
        b'-' => Ok(Err(rest)),
        b'$' => {
            let length: u64 = rest.parse().ok().filter(|length| *length < LINE_LIMIT).ok_or_else(odd)?;
            std::io::copy(&mut from.take(length + 2), &mut std::io::sink())?;
            Ok(Ok(()))
        }
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_have_their_lengths() {
        let mut out = Vec::new();
        command(&mut out, &[b"LPUSH", b"k", b"a\r\nb"]);
        assert_eq!(out, b"*3\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
        let mut answers = &b":1\r\n$15\r\n1526919030474-5\r\n-OOM too full\r\n+OK\r\nHTTP/1.1"[..];
        assert_eq!(reply(&mut answers), Ok(Ok(())));
        assert_eq!(reply(&mut answers), Ok(Ok(())));
        assert_eq!(reply(&mut answers), Ok(Err("OOM too full".into())));
        assert_eq!(reply(&mut answers), Ok(Ok(())));
        assert!(reply(&mut answers).is_err() && reply(&mut &b""[..]).is_err());
        assert!(reply(&mut &b"$99999999999\r\n"[..]).is_err());
    }
}
