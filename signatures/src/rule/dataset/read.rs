//! Files of values: one to a line, with a score behind a comma or not, or JSON objects.

use std::borrow::Cow;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::entries::{Entries, NewNote};
use super::{Key, Kind};

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One value to a line.
    #[default]
    Lines,
    /// A value and a score to a line, with a comma between them.
    Scores,
    /// An array of JSON objects.
    Json,
    /// A JSON object to a line.
    JsonLines,
}

/// How a file is written, and where the values stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The format.
    pub format: Format,
    /// Where an object's value stands: keys with dots between them.
    pub value_key: String,
    /// Where the array of objects stands, if it is not the whole file.
    pub array_key: Option<String>,
    /// The value is left out of the object that alerts show.
    pub remove_key: bool,
}

/// What a file gave.
#[derive(Debug, Default)]
pub struct Read {
    /// Its values.
    pub entries: Entries,
    /// Lines, or objects, that gave one.
    pub used: usize,
    /// Those that were passed over.
    pub passed: usize,
    /// The first of those, by its line (0 in an array), and what is wrong with it.
    pub first_passed: Option<(usize, String)>,
}

/// A value that was read, and what is said of it; none where an object has no key for it.
type Value = Option<(Key, NewNote)>;

impl Layout {
    /// Reads a file, and passes over what is wrong in it; or tells the line and what is wrong there, where nothing in it is right.
    pub fn read(&self, kind: Kind, file: &[u8]) -> Result<Read, (usize, String)> {
        let mut read = Read::default();
        if self.format == Format::Json {
            let array = self.array(file).map_err(|message| (0, message))?;
            for (number, object) in (1..).zip(array) {
                let value = self.object(kind, object.get()).map_err(|message| format!("object {number}: {message}"));
                read.take(0, value)?;
            }
        } else {
            for (number, line) in (1..).zip(file.split(|&b| b == b'\n')) {
                let line = String::from_utf8_lossy(line.trim_ascii());
                if !line.is_empty() && !line.starts_with('#') {
                    read.take(number, self.line(kind, &line))?;
                }
            }
        }
        read.entries.finish();
        match read.first_passed {
            Some(first) if read.used == 0 => Err(first),
            _ => Ok(read),
        }
    }

    fn line(&self, kind: Kind, line: &str) -> Result<Value, String> {
        let (text, note) = match self.format {
            Format::Lines => (line, NewNote::None),
            Format::Scores => {
                let (text, score) = line.rsplit_once(',').ok_or("a score is missing: `value,score`")?;
                let score = score.trim().parse().map_err(|_| format!("`{score}` is no score from 0 to 65535"))?;
                (text.trim_end(), NewNote::Score(score))
            }
            Format::Json | Format::JsonLines => return self.object(kind, line),
        };
        kind.from_file(text).map(|key| Some((key, note))).ok_or_else(|| wrong(kind, text))
    }

    /// The objects of an array.
    fn array(&self, file: &[u8]) -> Result<Vec<Box<RawValue>>, String> {
        let odd = |error: serde_json::Error| format!("this is no array of JSON objects: {error}");
        let mut part: Cow<'_, str> = String::from_utf8_lossy(file);
        for key in self.array_key.as_deref().unwrap_or("").split('.').filter(|key| !key.is_empty()) {
            let mut members: std::collections::HashMap<String, Box<RawValue>> =
                serde_json::from_str(&part).map_err(odd)?;
            let member = members.remove(key).ok_or_else(|| format!("there is no `{key}` in it"))?;
            part = String::from(Box::<str>::from(member)).into();
        }
        serde_json::from_str(&part).map_err(odd)
    }

    fn object(&self, kind: Kind, text: &str) -> Result<Value, String> {
        let mut object: Json =
            serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}"))?;
        let keys: Vec<&str> = self.value_key.split('.').collect();
        // What says nothing of the value is about something else.
        let Some(value) = keys.iter().try_fold(&object, |inner, key| inner.get(*key)) else { return Ok(None) };
        let value = value.as_str().ok_or_else(|| format!("there is no text at `{}`", self.value_key))?;
        let key = kind.from_text(value).ok_or_else(|| wrong(kind, value))?;
        if self.remove_key
            && let Some((last, above)) = keys.split_last()
        {
            let holder = above.iter().try_fold(&mut object, |inner, key| inner.get_mut(*key));
            if let Some(members) = holder.and_then(Json::as_object_mut) {
                members.remove(*last);
            }
        }
        Ok(Some((key, NewNote::Record(object.to_string()))))
    }
}

impl Read {
    /// Takes what was read of a line. Fails where there is no room for it.
    fn take(&mut self, line: usize, value: Result<Value, String>) -> Result<(), (usize, String)> {
        match value {
            Ok(None) => {}
            Ok(Some((key, note))) => {
                if !self.entries.add(&key, note) {
                    return Err((line, "the file has more values than fit".into()));
                }
                self.used += 1;
            }
            Err(message) => {
                self.passed += 1;
                self.first_passed.get_or_insert((line, message));
            }
        }
        Ok(())
    }
}

fn wrong(kind: Kind, text: &str) -> String {
    let what = match kind {
        Kind::String => "is no base64",
        Kind::Md5 => "is no MD5 in hexadecimal",
        Kind::Sha256 => "is no SHA-256 in hexadecimal",
        Kind::Ipv4 => "is no IPv4 address",
        Kind::Ip => "is no address",
    };
    format!("`{}` {what}", text.chars().take(64).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::Note;
    use super::*;

    fn layout(format: Format, value_key: &str) -> Layout {
        Layout { format, value_key: value_key.into(), ..Layout::default() }
    }

    #[test]
    fn each_format_gives_values_and_notes() {
        let nested = Layout { array_key: Some("all.list".into()), remove_key: true, ..layout(Format::Json, "ioc.ip") };
        for (layout, text, note) in [
            (layout(Format::Lines, ""), "# comment\n\n10.0.0.1\r\n", None),
            (layout(Format::Scores, ""), "10.0.0.1, 7\n", Some("7")),
            (
                layout(Format::Json, "ip"),
                "[\n{\"ip\": \"10.0.0.1\",\n\"a\": 1}, {\"ip\":\"10.0.0.1\"}]",
                Some(r#"{"a":1,"ip":"10.0.0.1"}"#),
            ),
            (layout(Format::JsonLines, "ip"), "{\"ip\":\"10.0.0.1\"}\n", Some(r#"{"ip":"10.0.0.1"}"#)),
            (nested, r#"{"all":{"list":[{"ioc":{"ip":"10.0.0.1"},"b":2}]}}"#, Some(r#"{"b":2,"ioc":{}}"#)),
        ] {
            let entries = layout.read(Kind::Ip, text.as_bytes()).unwrap().entries;
            let found = entries.get(&Kind::Ip.key(&[10, 0, 0, 1]).unwrap()).unwrap();
            let shown = match found {
                Note::None => None,
                Note::Score(score) => Some(score.to_string()),
                Note::Record(record) => Some(record.to_string()),
            };
            assert_eq!((shown.as_deref(), entries.len()), (note, 1), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_passed_over_and_named_with_its_line() {
        for (layout, text, used, passed, line) in [
            (layout(Format::Lines, ""), "10.0.0.1\nnonsense\n10.0.0.2\nmore\n", 2, 2, Some(2)),
            (layout(Format::Scores, ""), "10.0.0.1\n10.0.0.1,7\n10.0.0.2,70000\n", 1, 2, Some(1)),
            (layout(Format::JsonLines, "ip"), "{\"ip\":\"10.0.0.1\"}\n{\"name\":1}\n", 1, 0, None),
            (layout(Format::JsonLines, "ip"), "{\"ip\":\"10.0.0.1\"}\nip\n", 1, 1, Some(2)),
            (layout(Format::Json, "ip"), "[{\"ip\":\"10.0.0.1\"},{\"ip\":1},{}]", 1, 1, Some(0)),
            (layout(Format::Lines, ""), "# none\n", 0, 0, None),
        ] {
            let read = layout.read(Kind::Ip, text.as_bytes()).unwrap();
            assert_eq!(
                (read.used, read.passed, read.first_passed.map(|first| first.0)),
                (used, passed, line),
                "{text}"
            );
        }
    }

    #[test]
    fn a_file_in_which_nothing_is_right_is_refused() {
        for (layout, text, line) in [
            (layout(Format::Lines, ""), "# one\nnonsense\n", 2),
            (layout(Format::Scores, ""), "10.0.0.1,70000\n", 1),
            (layout(Format::JsonLines, "ip"), "{\"name\":1}\n{\"ip\":2}\n", 2),
            (layout(Format::Json, "ip"), "{\"ip\":\"10.0.0.1\"}", 0),
        ] {
            assert_eq!(layout.read(Kind::Ip, text.as_bytes()).unwrap_err().0, line, "{text}");
        }
    }
}
