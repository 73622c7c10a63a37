//! Patterns of Lua's `string` library, matched as its manual says (Lua 5.4, section 6.4.1), with every step counted: a pattern such as
//! `.-.-.-b` takes time that no power of two bounds, and the library of the interpreter matches it in one go.

use super::meter::{Meter, Stop};

/// Captures of a pattern.
const CAPTURE_LIMIT: usize = 32;
/// How deep parts of a pattern may lie in each other.
const DEPTH_LIMIT: u32 = 200;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The call has used up what it may.
    Stop(Stop),
    /// The pattern says nothing.
    Pattern(&'static str),
}

impl From<Stop> for Wrong {
    fn from(stop: Stop) -> Self {
        Wrong::Stop(stop)
    }
}

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Captured {
    /// Bytes from one place to another.
    Bytes(usize, usize),
    /// A place, counted from 0.
    Place(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Open,
    Place,
    Bytes(usize),
}

/// A text and a pattern.
pub(super) struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    meter: &'a Meter,
    captures: [(usize, Length); CAPTURE_LIMIT],
    level: usize,
    depth: u32,
}

type Answer = Result<Option<usize>, Wrong>;

impl<'a> Matcher<'a> {
    pub(super) fn new(text: &'a [u8], pattern: &'a [u8], meter: &'a Meter) -> Self {
        Self { text, pattern, meter, captures: [(0, Length::Open); CAPTURE_LIMIT], level: 0, depth: 0 }
    }

    /// Where a match that begins at a place ends.
    pub(super) fn at(&mut self, place: usize) -> Answer {
        (self.level, self.depth) = (0, 0);
        self.run(place, 0)
    }

    /// The captures of a match, or the whole of it where there is none.
    pub(super) fn captures(&self, start: usize, end: usize) -> Result<Vec<Captured>, Wrong> {
        (0..self.level.max(1)).map(|index| self.capture(index, start, end)).collect()
    }

    /// Whether the pattern captured anything in its last match.
    pub(super) fn has_captures(&self) -> bool {
        self.level > 0
    }

    /// One of them.
    pub(super) fn capture(&self, index: usize, start: usize, end: usize) -> Result<Captured, Wrong> {
        match self.captures.get(..self.level).and_then(|captures| captures.get(index)) {
            None if index == 0 => Ok(Captured::Bytes(start, end)),
            None => Err(Wrong::Pattern("invalid capture index")),
            Some((_, Length::Open)) => Err(Wrong::Pattern("unfinished capture")),
            Some((start, Length::Place)) => Ok(Captured::Place(*start)),
            Some((start, Length::Bytes(length))) => Ok(Captured::Bytes(*start, start + length)),
        }
    }

    fn byte(&self, place: usize) -> Option<u8> {
        self.pattern.get(place).copied()
    }

    fn run(&mut self, text: usize, pattern: usize) -> Answer {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Wrong::Pattern("pattern too complex"));
        }
        let answer = self.steps(text, pattern);
        self.depth -= 1;
        answer
    }

    fn steps(&mut self, mut s: usize, mut p: usize) -> Answer {
        loop {
            self.meter.spend(1)?;
            let Some(byte) = self.byte(p) else { return Ok(Some(s)) };
            match (byte, self.byte(p + 1)) {
                (b'(', Some(b')')) => return self.open(s, p + 2, Length::Place),
                (b'(', _) => return self.open(s, p + 1, Length::Open),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.text.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balance(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => {
                    if self.byte(p + 2) != Some(b'[') {
                        return Err(Wrong::Pattern("missing '[' after '%f' in pattern"));
                    }
                    let end = self.class_end(p + 2)?;
                    let before = s.checked_sub(1).and_then(|s| self.text.get(s)).copied().unwrap_or(0);
                    let here = self.text.get(s).copied().unwrap_or(0);
                    if self.in_set(before, p + 2, end) || !self.in_set(here, p + 2, end) {
                        return Ok(None);
                    }
                    p = end;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => match self.again(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.class_end(p)?;
                    let fits = self.fits(s, p, end)?;
                    match self.byte(end) {
                        Some(b'+') if fits => return self.longest(s + 1, p, end),
                        Some(b'*') if fits => return self.longest(s, p, end),
                        Some(b'-') if fits => return self.shortest(s, p, end),
                        Some(b'*' | b'-') => p = end + 1,
                        Some(b'?') => {
                            if fits && let Some(found) = self.run(s + 1, end + 1)? {
                                return Ok(Some(found));
                            }
                            p = end + 1;
                        }
                        _ if fits => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn longest(&mut self, s: usize, p: usize, end: usize) -> Answer {
        let mut count = 0;
        while self.fits(s + count, p, end)? {
            count += 1;
        }
        loop {
            if let Some(found) = self.run(s + count, end + 1)? {
                return Ok(Some(found));
            }
            match count.checked_sub(1) {
                Some(less) => count = less,
                None => return Ok(None),
            }
        }
    }

    fn shortest(&mut self, mut s: usize, p: usize, end: usize) -> Answer {
        loop {
            if let Some(found) = self.run(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.fits(s, p, end)? {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, length: Length) -> Answer {
        let slot = self.captures.get_mut(self.level).ok_or(Wrong::Pattern("too many captures"))?;
        *slot = (s, length);
        self.level += 1;
        let found = self.run(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Answer {
        let open = self.captures.iter().take(self.level).rposition(|(_, length)| *length == Length::Open);
        let index = open.ok_or(Wrong::Pattern("invalid pattern capture"))?;
        let set = |captures: &mut [(usize, Length); CAPTURE_LIMIT], closed: bool| {
            if let Some((start, length)) = captures.get_mut(index) {
                *length = if closed { Length::Bytes(s.saturating_sub(*start)) } else { Length::Open };
            }
        };
        set(&mut self.captures, true);
        let found = self.run(s, p)?;
        if found.is_none() {
            set(&mut self.captures, false);
        }
        Ok(found)
    }

    /// `%1`: the same bytes again.
    fn again(&mut self, s: usize, digit: u8) -> Answer {
        let captured =
            usize::from(digit).checked_sub(usize::from(b'1')).and_then(|i| self.captures.get(..self.level)?.get(i));
        let Some((start, Length::Bytes(length))) = captured.copied() else {
            return Err(Wrong::Pattern("invalid capture index"));
        };
        self.meter.spend_bytes(length)?;
        let same = self.text.get(s..s + length).is_some_and(|here| Some(here) == self.text.get(start..start + length));
        Ok(same.then_some(s + length))
    }

    /// `%bxy`: as many of the one as of the other.
    fn balance(&mut self, s: usize, p: usize) -> Answer {
        let (Some(begin), Some(end)) = (self.byte(p), self.byte(p + 1)) else {
            return Err(Wrong::Pattern("malformed pattern (missing arguments to '%b')"));
        };
        if self.text.get(s) != Some(&begin) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        for (place, byte) in self.text.iter().enumerate().skip(s + 1) {
            self.meter.spend(1)?;
            if *byte == end {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(place + 1));
                }
            } else if *byte == begin {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// Where the class that begins at a place of the pattern ends.
    fn class_end(&self, p: usize) -> Result<usize, Wrong> {
        match self.byte(p) {
            Some(b'%') => match self.byte(p + 1) {
                Some(_) => Ok(p + 2),
                None => Err(Wrong::Pattern("malformed pattern (ends with '%')")),
            },
            Some(b'[') => {
                let mut at = p + 1 + usize::from(self.byte(p + 1) == Some(b'^'));
                // The first one is never the end.
                let mut first = true;
                loop {
                    match self.byte(at) {
                        None => return Err(Wrong::Pattern("malformed pattern (missing ']')")),
                        Some(b']') if !first => break,
                        Some(b'%') => at += 2,
                        Some(_) => at += 1,
                    }
                    first = false;
                }
                self.meter.spend_bytes(at - p)?;
                Ok(at + 1)
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether a byte of the text is of the class from `p` to `end`.
    fn fits(&self, s: usize, p: usize, end: usize) -> Result<bool, Wrong> {
        self.meter.spend(1 + (end - p) as u64 / 4)?;
        let Some(&byte) = self.text.get(s) else { return Ok(false) };
        Ok(match self.byte(p) {
            Some(b'.') => true,
            Some(b'%') => is_of(byte, self.byte(p + 1).unwrap_or(0)),
            Some(b'[') => self.in_set(byte, p, end),
            other => other == Some(byte),
        })
    }

    /// Whether a byte is in the set from `p` to `end`.
    fn in_set(&self, byte: u8, p: usize, end: usize) -> bool {
        let negated = self.byte(p + 1) == Some(b'^');
        let mut set = self.pattern.get(p + 1 + usize::from(negated)..end - 1).unwrap_or(&[]);
        let mut found = false;
        while !found {
            (found, set) = match set {
                [b'%', class, rest @ ..] => (is_of(byte, *class), rest),
                [low, b'-', high, rest @ ..] => ((*low..=*high).contains(&byte), rest),
                [one, rest @ ..] => (*one == byte, rest),
                [] => break,
            };
        }
        found != negated
    }
}

/// Whether a byte is of a class such as `%d`.
fn is_of(byte: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    found != class.is_ascii_uppercase()
}
