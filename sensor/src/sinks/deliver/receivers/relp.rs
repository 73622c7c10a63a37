//! Syslog with acknowledgements (RELP), as rsyslog and others receive it: a message is delivered when the receiver says that it has it.

use std::io::{Read, Write};

use super::syslog::{Look, message};
use crate::sinks::deliver::connection::{Connection, Route};
use crate::sinks::deliver::transport::{Answer, Item, Kept, Transport, Trouble, set};

/// Messages that are on their way at once.
const WINDOW: usize = 256;
/// Bytes of the longest answer.
const ANSWER_LIMIT: usize = 16 << 10;
/// Numbers begin anew behind that one.
const LAST_NUMBER: u64 = 999_999_999;

/// Sends messages and waits for what is said of them.
pub struct Relp {
    look: Look,
    route: Route,
    session: Kept<Session>,
}

struct Session {
    connection: Connection,
    number: u64,
    unread: Vec<u8>,
}

impl Relp {
    /// One that is not connected yet.
    pub fn new(look: Look, route: Route) -> Self {
        Self { look, route, session: Kept::default() }
    }
}

impl Transport for Relp {
    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer]) -> Result<(), Trouble> {
        let Self { look, route, session } = self;
        session.send_in(|| Session::open(route), |session| session.send(items, answers, look))
    }
}

impl Session {
    fn open(route: &Route) -> Result<Self, Trouble> {
        let mut session = Self { connection: Connection::open(route)?, number: 0, unread: Vec::new() };
        let mut frame = Vec::new();
        let offer = b"relp_version=0\nrelp_software=tapwire\ncommands=syslog";
        session.frame(&mut frame, "open", offer);
        session.connection.write_all(&frame)?;
        match session.answer()? {
            (_, words) if words.starts_with("200") => Ok(session),
            (_, words) => Err(Trouble::away(format!("it says {words}"))),
        }
    }

    fn send(&mut self, items: &[Item<'_>], answers: &mut [Answer], look: &Look) -> Result<(), Trouble> {
        let (mut frames, mut one) = (Vec::new(), Vec::new());
        for (from, window) in (0..).step_by(WINDOW).zip(items.chunks(WINDOW)) {
            frames.clear();
            let first = self.number + 1;
            for item in window {
                one.clear();
                message(&mut one, look, item);
                self.frame(&mut frames, "syslog", &one);
            }
            self.connection.write_all(&frames)?;
            for _ in window {
                let (number, words) = self.answer()?;
                let place = number.checked_sub(first).and_then(|place| usize::try_from(place).ok());
                let Some(place) = place.filter(|place| *place < window.len()) else {
                    return Err(Trouble::away(format!("it answers message {number}, which was not sent")));
                };
                let answer = if words.starts_with("200") { Answer::Delivered } else { Answer::Refused(words) };
                set(answers, from + place, answer);
            }
            if self.number > LAST_NUMBER / 2 {
                self.number = 0;
            }
        }
        Ok(())
    }

    fn frame(&mut self, out: &mut Vec<u8>, command: &str, data: &[u8]) {
        self.number += 1;
        out.extend_from_slice(format!("{} {command} {} ", self.number, data.len()).as_bytes());
        out.extend_from_slice(data);
        out.push(b'\n');
    }

    /// The next answer: the number of what it is about, and what it says.
    fn answer(&mut self) -> Result<(u64, String), Trouble> {
        loop {
            if let Some((number, words, length)) = parse(&self.unread)? {
                self.unread.drain(..length);
                return Ok((number, words));
            }
            let mut bytes = [0; 4096];
            let count = self.connection.read(&mut bytes)?;
            if count == 0 {
                return Err(Trouble::away("it closed the connection"));
            }
            self.unread.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
    }
}

/// Reads an answer, `12 rsp 6 200 OK`; nothing where it has not all come.
fn parse(bytes: &[u8]) -> Result<Option<(u64, String, usize)>, Trouble> {
    let odd = || Trouble::away("it does not speak RELP");
    let mut parts = bytes.splitn(4, |byte| *byte == b' ');
    let word = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
    let (number, command, length) = (word(parts.next()), word(parts.next()), word(parts.next()));
    let Some(rest) = parts.next() else {
        return if bytes.len() > ANSWER_LIMIT { Err(odd()) } else { Ok(None) };
    };
    let number: u64 = number.and_then(|word| word.parse().ok()).ok_or_else(odd)?;
    let length: usize = length.and_then(|word| word.parse().ok()).filter(|n| *n <= ANSWER_LIMIT).ok_or_else(odd)?;
    let Some(data) = rest.get(..=length) else { return Ok(None) };
    let words = String::from_utf8_lossy(data).lines().next().unwrap_or_default().to_owned();
    match command.as_deref() {
        Some("rsp") => Ok(Some((number, words, bytes.len() - rest.len() + length + 1))),
        Some("serverclose") => Err(Trouble::away("it closes the session")),
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_piece_by_piece() {
        let whole = b"12 rsp 6 200 OK\n13 rsp 9 500 noway\n";
        for end in 0..16 {
            assert_eq!(parse(&whole[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(parse(whole).unwrap(), Some((12, "200 OK".into(), 16)));
        assert_eq!(parse(&whole[16..]).unwrap(), Some((13, "500 noway".into(), 19)));
        for odd in
            [&b"x rsp 3 abc\n"[..], b"1 rsp 99999999 abc\n", b"0 serverclose 0 \n", b"HTTP/1.1 400 Bad Request\r\n"]
        {
            assert!(parse(odd).is_err());
        }
    }
}
