//! Files of values: one to a line, with a score behind a comma or not, or JSON objects.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Kind;
use super::entries::{Entries, NewNote};

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

impl Layout {
    /// Reads a file; or tells the line and what is wrong with it.
    pub fn read(&self, kind: Kind, file: &[u8]) -> Result<Entries, (usize, String)> {
        let mut entries = Entries::default();
        if self.format == Format::Json {
            self.array(kind, file, &mut entries).map_err(|message| (0, message))?;
        } else {
            for (number, line) in (1..).zip(file.split(|&b| b == b'\n')) {
                let line = String::from_utf8_lossy(line.trim_ascii());
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                self.line(kind, &line, &mut entries).map_err(|message| (number, message))?;
            }
        }
        entries.finish();
        Ok(entries)
    }

    fn line(&self, kind: Kind, line: &str, entries: &mut Entries) -> Result<(), String> {
        let (text, note) = match self.format {
            Format::Lines => (line, NewNote::None),
            Format::Scores => {
                let (text, score) = line.rsplit_once(',').ok_or("a score is missing: `value,score`")?;
                let score = score.trim().parse().map_err(|_| format!("`{score}` is no score from 0 to 65535"))?;
                (text.trim_end(), NewNote::Score(score))
            }
            Format::Json | Format::JsonLines => return self.object(kind, line, entries),
        };
        let key = kind.from_file(text).ok_or_else(|| wrong(kind, text))?;
        add(entries, &key, note)
    }

    fn array(&self, kind: Kind, file: &[u8], entries: &mut Entries) -> Result<(), String> {
        let odd = |error: serde_json::Error| format!("this is no array of JSON objects: {error}");
        let mut part: Cow<'_, str> = String::from_utf8_lossy(file);
        for key in self.array_key.as_deref().unwrap_or("").split('.').filter(|key| !key.is_empty()) {
            let mut members: std::collections::HashMap<String, Box<RawValue>> =
                serde_json::from_str(&part).map_err(odd)?;
            let member = members.remove(key).ok_or_else(|| format!("there is no `{key}` in it"))?;
            part = String::from(Box::<str>::from(member)).into();
        }
        let objects: Vec<&RawValue> = serde_json::from_str(&part).map_err(odd)?;
        objects.into_iter().try_for_each(|object| self.object(kind, object.get(), entries))
    }

    fn object(&self, kind: Kind, text: &str, entries: &mut Entries) -> Result<(), String> {
        let mut object: Value =
            serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}"))?;
        let keys: Vec<&str> = self.value_key.split('.').collect();
        let value = keys.iter().try_fold(&object, |inner, key| inner.get(*key));
        let value = value.and_then(Value::as_str).ok_or_else(|| format!("there is no text at `{}`", self.value_key))?;
        let key = kind.from_text(value).ok_or_else(|| wrong(kind, value))?;
        if self.remove_key
            && let Some((last, above)) = keys.split_last()
        {
            let holder = above.iter().try_fold(&mut object, |inner, key| inner.get_mut(*key));
            if let Some(members) = holder.and_then(Value::as_object_mut) {
                members.remove(*last);
            }
        }
        add(entries, &key, NewNote::Record(object.to_string()))
    }
}

fn add(entries: &mut Entries, key: &[u8], note: NewNote) -> Result<(), String> {
    if entries.add(key, note) { Ok(()) } else { Err("the file has more values than fit".into()) }
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
            let entries = layout.read(Kind::Ip, text.as_bytes()).unwrap();
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
    fn what_is_no_value_is_named_with_its_line() {
        for (layout, text, line) in [
            (layout(Format::Lines, ""), "10.0.0.1\nnonsense\n", 2),
            (layout(Format::Scores, ""), "10.0.0.1\n", 1),
            (layout(Format::Scores, ""), "10.0.0.1,70000\n", 1),
            (layout(Format::JsonLines, "ip"), "{\"ip\":\"10.0.0.1\"}\n{\"name\":1}\n", 2),
            (layout(Format::Json, "ip"), "{\"ip\":\"10.0.0.1\"}", 0),
        ] {
            assert_eq!(layout.read(Kind::Ip, text.as_bytes()).map(|e| e.len()).unwrap_err().0, line, "{text}");
        }
    }
}
