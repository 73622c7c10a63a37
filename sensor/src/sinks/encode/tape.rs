//! A stored record (a line of EVE JSON) and where its members lie: read once, without a copy, for all that looks at it.
//!
//! Lines come from our own log, but that is a file: what is no JSON of one line is refused, and what a terminal or a line reader
//! would obey is escaped before anybody sees it. Depth and length are limited.

use std::borrow::Cow;
use std::ops::Range;

use tapwire_parsers::json::needs_escape;

/// Objects in objects.
const DEPTH: usize = 64;
/// Bytes of a record that is read.
const LIMIT_BYTES: usize = 64 << 20;

/// Reads records one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    /// A line in which something had to be escaped.
    room: String,
}

/// A value of a record.
#[derive(Clone, Debug)]
struct Node {
    /// Its name, without quotes.
    key: Range<u32>,
    /// Its text; of strings without quotes.
    text: Range<u32>,
    kind: Kind,
    /// The place behind all that is inside it.
    next: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// A list.
    List,
    /// A string.
    Text,
    /// A number, true, false or null.
    Plain,
}

/// A record that was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'t> {
    line: &'t str,
    nodes: &'t [Node],
}

/// A value in a record.
#[derive(Clone, Copy, Debug)]
pub struct Value<'t> {
    record: Record<'t>,
    at: usize,
}

impl Tape {
    /// Reads a line, with or without its end; `None` if it is no object of JSON.
    pub fn read<'t>(&'t mut self, line: &'t [u8]) -> Option<Record<'t>> {
        let line = std::str::from_utf8(line.strip_suffix(b"\n").unwrap_or(line)).ok()?;
        if line.len() > LIMIT_BYTES {
            return None;
        }
        let is_harmless = line.is_ascii() || !line.chars().any(needs_escape);
        let Self { nodes, room } = self;
        let line = if is_harmless { line } else { escaped(line, room) };
        nodes.clear();
        let mut reader = Reader { bytes: line.as_bytes(), at: 0, nodes };
        reader.value(0..0, 0)?;
        reader.blanks();
        let is_whole = reader.at == line.len() && reader.nodes.first()?.kind == Kind::Object;
        is_whole.then_some(Record { line, nodes })
    }
}

/// What is outside of ASCII and harmful, as JSON escapes it.
fn escaped<'r>(line: &str, room: &'r mut String) -> &'r str {
    room.clear();
    for c in line.chars() {
        if !c.is_ascii() && needs_escape(c) {
            room.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            room.push(c);
        }
    }
    room
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    nodes: &'t mut Vec<Node>,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn blanks(&mut self) {
        while self.peek() == b' ' {
            self.at += 1;
        }
    }

    fn value(&mut self, key: Range<u32>, depth: usize) -> Option<()> {
        self.blanks();
        let (start, place) = (self.at, self.nodes.len());
        match self.peek() {
            b'"' => {
                let text = self.string()?;
                self.nodes.push(Node { key, text, kind: Kind::Text, next: narrow(place + 1) });
            }
            open @ (b'{' | b'[') if depth < DEPTH => {
                let kind = if open == b'{' { Kind::Object } else { Kind::List };
                self.nodes.push(Node { key, text: 0..0, kind, next: 0 });
                self.items(kind, depth)?;
                let next = narrow(self.nodes.len());
                let node = self.nodes.get_mut(place)?;
                (node.text, node.next) = (narrow(start)..narrow(self.at), next);
            }
            _ => {
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                let length = self.bytes.get(start..)?.iter().take_while(|byte| plain(byte)).count();
                self.at += length;
                let text = self.bytes.get(start..self.at)?;
                if !is_plain(text) {
                    return None;
                }
                let text = narrow(start)..narrow(self.at);
                self.nodes.push(Node { key, text, kind: Kind::Plain, next: narrow(place + 1) });
            }
        }
        Some(())
    }

    fn items(&mut self, kind: Kind, depth: usize) -> Option<()> {
        let close = if kind == Kind::Object { b'}' } else { b']' };
        self.at += 1;
        self.blanks();
        if self.peek() == close {
            self.at += 1;
            return Some(());
        }
        loop {
            let mut key = 0..0;
            if kind == Kind::Object {
                self.blanks();
                key = self.string()?;
                self.blanks();
                if self.peek() != b':' {
                    return None;
                }
                self.at += 1;
            }
            self.value(key, depth + 1)?;
            self.blanks();
            let byte = self.peek();
            self.at += 1;
            match byte {
                b',' => {}
                _ if byte == close => return Some(()),
                _ => return None,
            }
        }
    }

    /// Passes a string; where it lies, without quotes.
    fn string(&mut self) -> Option<Range<u32>> {
        if self.peek() != b'"' {
            return None;
        }
        self.at += 1;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..)?;
            let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f))?;
            self.at += length;
            match rest.get(length..)? {
                [b'"', ..] => break,
                [b'\\', b'u', digits @ ..] if digits.get(..4)?.iter().all(u8::is_ascii_hexdigit) => self.at += 6,
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
                _ => return None,
            }
        }
        self.at += 1;
        Some(narrow(start)..narrow(self.at - 1))
    }
}

/// Whether a text is a number, true, false or null.
fn is_plain(text: &[u8]) -> bool {
    match text {
        b"true" | b"false" | b"null" => true,
        _ => {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            let is_number =
                digits.first().is_some_and(u8::is_ascii_digit) && digits.last().is_some_and(u8::is_ascii_digit);
            let has_zero = digits.starts_with(b"0") && digits.get(1).is_some_and(u8::is_ascii_digit);
            let is_short = digits.iter().all(u8::is_ascii_digit);
            is_number && !has_zero && (is_short || serde_json::from_slice::<f64>(text).is_ok())
        }
    }
}

/// Records are no longer than [`LIMIT_BYTES`].
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn wide(range: &Range<u32>) -> Range<usize> {
    let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
    at(range.start)..at(range.end)
}

impl<'t> Record<'t> {
    /// The line, without its end.
    pub fn line(self) -> &'t str {
        self.line
    }

    /// The record as a value.
    pub fn root(self) -> Value<'t> {
        Value { record: self, at: 0 }
    }

    /// Its members.
    pub fn members(self) -> impl Iterator<Item = (&'t str, Value<'t>)> {
        self.root().members()
    }
}

impl<'t> Value<'t> {
    fn node(self) -> Option<&'t Node> {
        self.record.nodes.get(self.at)
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.node().map_or(Kind::Plain, |node| node.kind)
    }

    /// Its text as it stands in the record: of strings what is between the quotes, with JSON's escapes.
    pub fn text(self) -> &'t str {
        self.node().and_then(|node| self.record.line.get(wide(&node.text))).unwrap_or_default()
    }

    /// The same as JSON.
    pub fn json(self) -> &'t str {
        let Some(node) = self.node() else { return "null" };
        let Range { start, end } = wide(&node.text);
        let around = if node.kind == Kind::Text { start.saturating_sub(1)..end + 1 } else { start..end };
        self.record.line.get(around).unwrap_or("null")
    }

    /// Its text where JSON has nothing escaped in it, so that letters can be changed.
    pub fn plain(self) -> Option<&'t str> {
        Some(self.text()).filter(|text| !text.contains('\\'))
    }

    /// What a string says.
    pub fn decoded(self) -> Cow<'t, str> {
        self.decoded_whole().unwrap_or_default()
    }

    /// The same; `None` where it names characters that there are not (half of a pair).
    pub fn decoded_whole(self) -> Option<Cow<'t, str>> {
        match self.text() {
            text if self.kind() != Kind::Text || !text.contains('\\') => Some(Cow::Borrowed(text)),
            _ => serde_json::from_str(self.json()).ok().map(Cow::Owned),
        }
    }

    /// Whether it is a number, true, false or null.
    pub fn is_plain(self) -> bool {
        self.kind() == Kind::Plain
    }

    /// The number that it is.
    pub fn number(self) -> Option<u64> {
        self.text().parse().ok()
    }

    /// Whether it is `true`.
    pub fn is_true(self) -> bool {
        self.kind() == Kind::Plain && self.text() == "true"
    }

    /// Its members or items, each with its name, which is empty for items.
    pub fn members(self) -> impl Iterator<Item = (&'t str, Value<'t>)> {
        let Self { record, at } = self;
        let end = match self.node() {
            Some(node) if matches!(node.kind, Kind::Object | Kind::List) => wide(&(0..node.next)).end,
            _ => 0,
        };
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let node = record.nodes.get(next).filter(|_| next < end)?;
            let value = Value { record, at: next };
            next = wide(&(0..node.next)).end;
            Some((record.line.get(wide(&node.key)).unwrap_or_default(), value))
        })
    }

    /// Its items.
    pub fn items(self) -> impl Iterator<Item = Value<'t>> {
        self.members().map(|(_, value)| value)
    }

    /// A member of an object.
    pub fn get(self, name: &str) -> Option<Value<'t>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A member of a member, with dots between names; where a list stands on the way, of its first item.
    pub fn at(self, path: &str) -> Option<Value<'t>> {
        path.split('.').try_fold(self, |value, name| {
            let inner = if value.kind() == Kind::List { value.items().next()? } else { value };
            inner.get(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_where_they_lie() {
        let mut tape = Tape::default();
        let line = br#"{"a":1,"b":{"c":["x",{"d":"e\"\u0041"}],"f":{}}, "g" : [] ,"h":-1.5e3}"#;
        let root = tape.read(line).unwrap().root();
        assert_eq!(root.members().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "b", "g", "h"]);
        assert_eq!((root.get("a").unwrap().number(), root.get("h").unwrap().text()), (Some(1), "-1.5e3"));
        let list = root.at("b.c").unwrap();
        assert_eq!((list.kind(), list.items().count(), list.json()), (Kind::List, 2, r#"["x",{"d":"e\"\u0041"}]"#));
        let last = list.items().last().unwrap().get("d").unwrap();
        assert_eq!((last.text(), last.decoded().as_ref()), (r#"e\"\u0041"#, "e\"A"));
        assert!(root.at("b.f.x").is_none() && root.at("g.x").is_none() && root.get("a").unwrap().get("b").is_none());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        for line in [
            "",
            "[]",
            "{",
            "{}x",
            "{}{}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":nul}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\x1b\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"x}",
            "{\"a\":\"\\\"}",
            &deep,
            "{\"a\":1;b}",
            "{\t}",
            "{\"a\":\"\x7f\"}",
        ] {
            assert!(Tape::default().read(line.as_bytes()).is_none(), "{line:?}");
        }
        assert!(Tape::default().read(b"{\"a\":\"\xff\"}").is_none());
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let mut tape = Tape::default();
        let record = tape.read("{\"a\":\"\u{202e}\u{9b}\u{2028}é\"}\n".as_bytes()).unwrap();
        assert_eq!(record.line(), "{\"a\":\"\\u202e\\u009b\\u2028é\"}");
    }

    #[test]
    fn no_bytes_make_it_fail() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::sample::select(&b"{}[]:,\"\\u01 a\n-.e"[..]), 0..40))| {
            let is_json = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).is_ok();
            let mut tape = Tape::default();
            if let Some(record) = tape.read(&bytes) {
                proptest::prop_assert!(is_json);
                record.members().for_each(|(_, value)| drop(value.decoded()));
            }
        });
    }
}
