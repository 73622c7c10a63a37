//! The one writer of text.
//!
//! Every string that reaches a record passes [`Object::text`]: the result is valid JSON and valid UTF-8 on one line, control,
//! bidirectional and line-separator characters are escaped, and bytes that are no UTF-8 can be read back: the
//! whole string is then written with `\xHH` (as text) for every byte outside printable ASCII and for the backslash. A text that
//! looks like that has its backslash written so as well: wherever `\xHH` stands in a string, it is the byte HH.

use std::net::IpAddr;

/// An object that is being written; it is closed when it is dropped.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
    style: Style,
}

/// An array that is being written; it is closed when it is dropped.
pub struct Array<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
    style: Style,
}

/// A place in an object or an array that takes one value, which must be written.
#[must_use]
pub struct Value<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

/// How values are written where there are several ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Addresses of IPv6 have their shortest form (RFC 5952), and not all eight groups with four digits.
    pub short_addresses: bool,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self::styled(out, Style::default())
    }

    /// The same in a style, which all that is inside has as well.
    pub fn styled(out: &'a mut Vec<u8>, style: Style) -> Self {
        out.push(b'{');
        Self { out, empty: true, style }
    }

    /// Where what was written so far ends in the text.
    pub fn end(&self) -> usize {
        self.out.len()
    }

    fn key(&mut self, key: &'static str) -> Value<'_> {
        debug_assert!(is_plain(key.as_bytes()), "{key}: names that are ours need no escape");
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        Value { out: self.out, style: self.style }
    }

    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    /// A member whose name is not ours: it may need escapes.
    pub fn named(&mut self, key: &str) -> Value<'_> {
        self.separate();
        write_string(self.out, key.as_bytes());
        self.out.push(b':');
        Value { out: self.out, style: self.style }
    }

    /// A string from the wire or from us.
    pub fn text(&mut self, key: &'static str, value: impl AsRef<[u8]>) -> &mut Self {
        self.key(key).text(value);
        self
    }

    /// The same, but that of bytes which are no UTF-8 the ASCII ones are written as in any text.
    pub fn readable(&mut self, key: &'static str, value: impl AsRef<[u8]>) -> &mut Self {
        self.key(key).readable(value);
        self
    }

    /// Text that shows bytes as people read them, from which they cannot be read back: nothing in it stands for a byte.
    pub fn shown(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.key(key).shown(value);
        self
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, value: impl itoa::Integer) -> &mut Self {
        self.key(key).number(value);
        self
    }

    /// A number with a fraction; not a number becomes 0.
    pub fn float(&mut self, key: &'static str, value: f64) -> &mut Self {
        self.key(key).float(value);
        self
    }

    /// True or false.
    pub fn boolean(&mut self, key: &'static str, value: bool) -> &mut Self {
        self.key(key).boolean(value);
        self
    }

    /// An address in its usual text form.
    pub fn address(&mut self, key: &'static str, value: IpAddr) -> &mut Self {
        self.key(key).address(value);
        self
    }

    /// An object inside this one.
    pub fn object(&mut self, key: &'static str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.key(key).object(fill);
        self
    }

    /// An array inside this object.
    pub fn array(&mut self, key: &'static str, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        self.key(key).array(fill);
        self
    }

    /// A value that is JSON already.
    pub fn json(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.key(key).json(value);
        self
    }

    /// Members that were written earlier: the text between the braces of an object.
    pub fn members(&mut self, members: &[u8]) -> &mut Self {
        if !members.is_empty() {
            self.separate();
            self.out.extend_from_slice(members);
        }
        self
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push(b'}');
    }
}

impl<'a> Array<'a> {
    /// Opens an array at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self::styled(out, Style::default())
    }

    fn styled(out: &'a mut Vec<u8>, style: Style) -> Self {
        out.push(b'[');
        Self { out, empty: true, style }
    }

    fn item(&mut self) -> Value<'_> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        Value { out: self.out, style: self.style }
    }

    /// A string.
    pub fn text(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.item().text(value);
        self
    }

    /// One as [`Object::readable`] writes it.
    pub fn readable(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        self.item().readable(value);
        self
    }

    /// A whole number.
    pub fn number(&mut self, value: impl itoa::Integer) -> &mut Self {
        self.item().number(value);
        self
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.item().object(fill);
        self
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        self.out.push(b']');
    }
}

impl Value<'_> {
    /// A string from the wire or from us.
    pub fn text(self, value: impl AsRef<[u8]>) {
        write_string(self.out, value.as_ref());
    }

    /// One as [`Object::readable`] writes it.
    pub fn readable(self, value: impl AsRef<[u8]>) {
        write_readable(self.out, value.as_ref());
    }

    /// Text as [`Object::shown`] writes it.
    pub fn shown(self, value: &str) {
        self.out.push(b'"');
        value.chars().for_each(|c| write_char(self.out, c));
        self.out.push(b'"');
    }

    /// A whole number.
    pub fn number(self, value: impl itoa::Integer) {
        write_number(self.out, value);
    }

    /// A number with a fraction; not a number becomes 0.
    pub fn float(self, value: f64) {
        let text = if value.is_finite() { format!("{value:?}") } else { "0.0".into() };
        self.out.extend_from_slice(text.as_bytes());
    }

    /// True or false.
    pub fn boolean(self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn address(self, value: IpAddr) {
        self.out.push(b'"');
        write_address_in(self.out, value, self.style);
        self.out.push(b'"');
    }

    /// An object.
    pub fn object(self, fill: impl FnOnce(&mut Object<'_>)) {
        fill(&mut Object::styled(self.out, self.style));
    }

    /// An array.
    pub fn array(self, fill: impl FnOnce(&mut Array<'_>)) {
        fill(&mut Array::styled(self.out, self.style));
    }

    /// A value that is JSON already.
    pub fn json(self, value: &str) {
        self.out.extend_from_slice(value.as_bytes());
    }
}

/// An octet in decimal.
fn write_octet(out: &mut Vec<u8>, octet: u8) {
    let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
    let leading = usize::from(octet < 100) + usize::from(octet < 10);
    out.extend_from_slice(digits.get(leading..).unwrap_or_default());
}

fn write_number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// An address as text: IPv4 as usual, IPv6 as eight groups of four digits.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (i, octet) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                write_octet(out, octet);
            }
        }
        // Records write all eight groups with four digits, so that a search for a prefix is a search for text.
        IpAddr::V6(v6) => {
            for (i, group) in v6.segments().into_iter().enumerate() {
                if i > 0 {
                    out.push(b':');
                }
                for shift in [12, 8, 4, 0] {
                    out.push(hex_digit((group >> shift) & 15));
                }
            }
        }
    }
}

fn write_address_in(out: &mut Vec<u8>, address: IpAddr, style: Style) {
    match address {
        IpAddr::V6(v6) if style.short_addresses => out.extend_from_slice(v6.to_string().as_bytes()),
        _ => write_address(out, address),
    }
}

fn hex_digit(nibble: u16) -> u8 {
    let [_, low] = (nibble & 15).to_be_bytes();
    if low < 10 { b'0' + low } else { b'a' + (low - 10) }
}

/// Whether a text is written as it is: printable ASCII that needs no escape.
fn is_plain(text: &[u8]) -> bool {
    // Eight at a time, the last ones with some that were looked at already.
    let odd = match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(last), ..) => text.as_chunks::<8>().0.iter().fold(odd(*last), |all, word| all | odd(*word)),
        (None, Some(&[a, b, c, d]), Some(&[e, f, g, h])) => odd([a, b, c, d, e, f, g, h]),
        _ => text.iter().fold(0, |all, &byte| all | odd([byte; 8])),
    };
    odd == 0
}

/// Copies what a text begins with and is written as it is, eight bytes at a time; how many.
fn copy_plain(out: &mut Vec<u8>, text: &[u8]) -> usize {
    let words = text.as_chunks::<8>().0.iter().take_while(|word| odd(**word) == 0).count();
    out.extend_from_slice(text.get(..words * 8).unwrap_or_default());
    words * 8
}

/// The high bits of bytes that need an escape, or 0.
#[inline]
fn odd(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // A subtraction borrows from the high bit of a byte that is too small. It may make that of the byte before one as well, but
    // only where there is one that needs an escape already.
    let word = u64::from_ne_bytes(word);
    let same = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    (word | word.wrapping_sub(ONES * 0x20) | same(b'"') | same(b'\\') | same(0x7f)) & HIGH
}

/// Writes a JSON string with its quotes.
pub fn write_string(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() + 2);
    out.push(b'"');
    if is_plain(value) {
        out.extend_from_slice(value);
    } else if let Ok(text) = std::str::from_utf8(value) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut done = copy_plain(out, rest.as_bytes());
            if done == 0 {
                write_at(out, c, rest.as_bytes().get(1..));
                done = c.len_utf8();
            }
            rest = rest.get(done..).unwrap_or_default();
        }
    } else {
        for &byte in value {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\x5c"),
                0x20..0x7f => out.push(byte),
                _ => write_byte(out, byte),
            }
        }
    }
    out.push(b'"');
}

fn write_readable(out: &mut Vec<u8>, value: &[u8]) {
    if std::str::from_utf8(value).is_ok() {
        return write_string(out, value);
    }
    out.push(b'"');
    let mut rest = value;
    while let [byte, behind @ ..] = rest {
        let plain = copy_plain(out, rest);
        rest = if plain > 0 { rest.get(plain..).unwrap_or_default() } else { behind };
        match plain {
            0 if byte.is_ascii() => write_at(out, char::from(*byte), Some(behind)),
            0 => write_byte(out, *byte),
            _ => {}
        }
    }
    out.push(b'"');
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(b"\\\\x");
    out.push(hex_digit(u16::from(byte) >> 4));
    out.push(hex_digit(u16::from(byte)));
}

/// Writes a character, and what follows it tells whether it would be taken for the begin of a byte.
fn write_at(out: &mut Vec<u8>, c: char, behind: Option<&[u8]>) {
    if c == '\\' && looks_like_byte(behind.unwrap_or_default()) {
        write_byte(out, b'\\');
    } else {
        write_char(out, c);
    }
}

/// Whether what follows a backslash would be read as a byte.
fn looks_like_byte(behind: &[u8]) -> bool {
    matches!(behind, [b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

fn write_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        c if needs_escape(c) => {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(hex_digit(*unit >> shift));
                }
            }
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Control characters, line and paragraph separators, and those that change the direction of text.
pub fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &[u8]) -> String {
        let mut out = Vec::new();
        write_string(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_is_told_at_every_place() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'~'; length];
                    text[at] = byte;
                    let plain = (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
                    assert_eq!(is_plain(&text), plain, "{byte:#x} at {at} of {length}");
                }
            }
        }
        assert!(is_plain(b"") && is_plain(b" !#[]^_`~ !#[]^_`~") && !is_plain(b"!\x1f!!!!!!"));
    }

    #[test]
    fn hostile_text_stays_one_valid_line() {
        for (value, expected) in [
            (&b"plain"[..], r#""plain""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"line\nfeed\x00", r#""line\nfeed\u0000""#),
            ("\u{202e}\u{2028}\u{9f}ü".as_bytes(), r#""\u202e\u2028\u009fü""#),
            (b"\xff\\a", r#""\\xff\\x5ca""#),
            (b"\xff", r#""\\xff""#),
            (b"\\xff", r#""\\x5cxff""#),
            (b"\\xFf \\x5c\\x", r#""\\x5cxFf \\x5cx5c\\x""#),
            (b"\\x4g c:\\xerox", r#""\\x4g c:\\xerox""#),
        ] {
            assert_eq!(string(value), expected);
        }
        for (value, expected) in
            [(&b"a\xff\x01\\xff\\"[..], r#"{"k":"a\\xff\u0001\\x5cxff\\"}"#), (b"\\x41", r#"{"k":"\\x5cx41"}"#)]
        {
            let mut out = Vec::new();
            Object::new(&mut out).readable("k", value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        Object::new(&mut out).shown("k", "\\xff");
        assert_eq!(out, br#"{"k":"\\xff"}"#);
    }

    #[test]
    fn bytes_can_be_read_back() {
        let read_back = |written: &[u8]| -> Vec<u8> {
            let text: String = serde_json::from_slice(written).unwrap();
            let (mut out, mut rest) = (Vec::new(), text.as_bytes());
            while let [byte, behind @ ..] = rest {
                match behind {
                    [b'x', high, low, after @ ..] if *byte == b'\\' && looks_like_byte(behind) => {
                        let digits = [*high, *low];
                        out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                        rest = after;
                    }
                    _ => {
                        out.push(*byte);
                        rest = behind;
                    }
                }
            }
            out
        };
        let pieces: [&[u8]; 8] = [b"\\", b"x", b"f", b"5c", b"\xff", b"\n", "\u{e9}".as_bytes(), b"\""];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    for fourth in pieces {
                        let value = [first, second, third, fourth].concat();
                        let mut readable = Vec::new();
                        write_readable(&mut readable, &value);
                        assert_eq!(read_back(string(&value).as_bytes()), value, "{value:?}");
                        assert_eq!(read_back(&readable), value, "{value:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_addresses_of_a_record_have_its_style() {
        let address: IpAddr = "fe80::20c:0:0:1".parse().unwrap();
        for (short_addresses, text) in [(true, "fe80::20c:0:0:1"), (false, "fe80:0000:0000:0000:020c:0000:0000:0001")] {
            let mut out = Vec::new();
            Object::styled(&mut out, Style { short_addresses }).address("a", address).array("b", |array| {
                array.object(|inner| {
                    inner.address("c", address);
                });
            });
            let expected = format!(r#"{{"a":"{text}","b":[{{"c":"{text}"}}]}}"#);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn objects_and_arrays_close_themselves() {
        let mut out = Vec::new();
        Object::new(&mut out).number("a", 1).object("b", |b| {
            b.array("c", |c| {
                c.text("x").number(2);
            });
        });
        assert_eq!(out, br#"{"a":1,"b":{"c":["x",2]}}"#);
    }
}
