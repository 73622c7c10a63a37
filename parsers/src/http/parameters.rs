//! Parameters of header values in all their forms: tokens and quoted strings with quoted pairs (RFC 2045 section 5.1, RFC 2183, RFC
//! 6266, RFC 7578), with a character set and escapes (RFC 8187, before it RFC 5987), and in numbered parts (RFC 2231).

use std::borrow::Cow;

use memchr::memchr;

use super::headers::trim;
use super::uri::percent_decode;

/// Numbered parts that one parameter may have.
const PARTS: usize = 64;

/// A parameter by its lower-case name. The form with a character set goes before that in parts, and that before the plain one (RFC
/// 6266, section 4.3); of one form the first counts.
pub(crate) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let (mut plain, mut extended) = (None, None);
    let mut parts: Vec<Option<(bool, Cow<'a, [u8]>)>> = Vec::new();
    for (attribute, text) in Pieces(value) {
        match attribute.strip_prefix(name) {
            Some(b"") => plain = plain.or(Some(text)),
            Some(b"*") => extended = extended.or_else(|| Some(Cow::Owned(decode(&text)))),
            Some([b'*', number @ ..]) => {
                let escaped = number.strip_suffix(b"*");
                let number = std::str::from_utf8(escaped.unwrap_or(number)).ok().and_then(|n| n.parse::<usize>().ok());
                if let Some(number) = number.filter(|number| *number < PARTS) {
                    parts.resize(parts.len().max(number + 1), None);
                    if let Some(part) = parts.get_mut(number) {
                        *part = part.take().or(Some((escaped.is_some(), text)));
                    }
                }
            }
            _ => {}
        }
    }
    extended.or_else(|| join(parts).map(Cow::Owned)).or(plain)
}

/// Parts from the first one on; the first says the character set, and each whether it has escapes.
fn join(parts: Vec<Option<(bool, Cow<'_, [u8]>)>>) -> Option<Vec<u8>> {
    let mut all: Option<Vec<u8>> = None;
    let mut is_latin = false;
    for (escaped, text) in parts.into_iter().map_while(|part| part) {
        let (set, own) = if escaped && all.is_none() { split_set(&text) } else { (&b""[..], &*text) };
        is_latin |= is_latin_1(set);
        let own = if escaped { convert(percent_decode(own), is_latin) } else { own.to_vec() };
        all.get_or_insert_default().extend_from_slice(&own);
    }
    all
}

/// `UTF-8'en'a%20b`, or the same without a character set.
fn decode(text: &[u8]) -> Vec<u8> {
    let (set, own) = split_set(text);
    convert(percent_decode(own), is_latin_1(set))
}

/// The character set and the text behind it and its language.
fn split_set(text: &[u8]) -> (&[u8], &[u8]) {
    let ends = memchr(b'\'', text).and_then(|set| Some((set, memchr(b'\'', text.get(set + 1..)?)? + set + 1)));
    ends.map_or((b"", text), |(set, language)| {
        (text.get(..set).unwrap_or_default(), text.get(language + 1..).unwrap_or_default())
    })
}

fn is_latin_1(set: &[u8]) -> bool {
    set.eq_ignore_ascii_case(b"iso-8859-1")
}

/// Records are UTF-8; texts in other sets stay as they are.
fn convert(text: Vec<u8>, is_latin: bool) -> Vec<u8> {
    if is_latin { text.into_iter().map(char::from).collect::<String>().into_bytes() } else { text }
}

/// The parameters of a value: names in lower case without NUL bytes, and texts without their quotes.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = (Vec<u8>, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let end = self.0.iter().position(|octet| matches!(octet, b'=' | b';')).unwrap_or(self.0.len());
            let (name, rest) = self.0.split_at(end);
            let Some(text) = rest.strip_prefix(b"=") else {
                self.0 = rest.get(1..).unwrap_or_default();
                continue;
            };
            let quoted = trim_start(text).strip_prefix(b"\"");
            let (text, rest) = match quoted {
                Some(text) => unquote(text),
                None => {
                    let end = memchr(b';', text).unwrap_or(text.len());
                    let (text, rest) = text.split_at(end);
                    (Cow::Borrowed(trim(text)), rest)
                }
            };
            let end = memchr(b';', rest).map_or(rest.len(), |at| at + 1);
            self.0 = rest.get(end..).unwrap_or_default();
            let name = trim(name).iter().filter(|octet| **octet != 0).map(u8::to_ascii_lowercase).collect();
            return Some((name, text));
        }
        None
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let begin = text.len() - text.iter().skip_while(|octet| matches!(octet, b' ' | b'\t' | 0)).count();
    text.get(begin..).unwrap_or_default()
}

/// A quoted string up to its end, and what is behind it. A backslash quotes another one and a quote; before anything else it stands for
/// itself, for paths have some.
fn unquote(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut plain: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        let pair = if octet == b'\\' { text.get(at + 1).filter(|next| matches!(next, b'\\' | b'"')) } else { None };
        if octet == b'"' {
            break;
        }
        if pair.is_some() && plain.is_none() {
            plain = text.get(..at).map(<[u8]>::to_vec);
        }
        plain.iter_mut().for_each(|plain| plain.push(*pair.unwrap_or(&octet)));
        at += 1 + usize::from(pair.is_some());
    }
    let own = text.get(..at).unwrap_or(text);
    (plain.map_or(Cow::Borrowed(own), Cow::Owned), text.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_in_each_form() {
        for (value, expected) in [
            ("a; filename=b.txt", Some("b.txt")),
            ("a; FileName = b.txt ; x=y", Some("b.txt")),
            ("a; name=f; filename=\"b;c.txt\"", Some("b;c.txt")),
            (r#"a; name="x\"; filename=no"; filename="a\"b\\c.txt""#, Some(r#"a"b\c.txt"#)),
            (r#"a; filename="C:\dir\b.txt""#, Some(r"C:\dir\b.txt")),
            ("a; filename=\"open", Some("open")),
            ("filename=b.txt", Some("b.txt")),
            ("a; filename*=UTF-8'en'na%C3%AFve.txt", Some("naïve.txt")),
            ("a; filename*=iso-8859-1''na%EFve.txt", Some("naïve.txt")),
            ("a; filename=old.txt; filename*=utf-8''new.txt", Some("new.txt")),
            ("a; filename*=plain%20name", Some("plain name")),
            ("a; filename*0=\"one \"; filename*2=three; filename*1=\"two \"", Some("one two three")),
            ("a; filename*0*=utf-8''%C3%A4; filename*1=%41; filename*2*=%42", Some("ä%41B")),
            ("a; filename*1=no", None),
            ("a; filename=one; filename=two", Some("one")),
            ("a; filenames=no; xfilename=no", None),
            ("filename", None),
        ] {
            let found = parameter(value.as_bytes(), b"filename");
            assert_eq!(found.map(|text| String::from_utf8(text.into()).unwrap()).as_deref(), expected, "{value}");
        }
    }
}
