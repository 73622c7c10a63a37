//! YAML as a tree that knows its places, with `include` and `--set`.
//!
//! The text is read by `serde-saphyr`, which takes YAML 1.1 as real configurations write it and bounds what aliases may expand to.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::Problem;
use crate::sinks::plain::read_plain;

/// Files that include each other deeper than this are refused.
const INCLUDE_DEPTH: usize = 8;
/// Files of one configuration.
const FILE_COUNT: usize = 64;
/// Their bytes.
const FILE_BYTES: u64 = 8 << 20;

/// A value and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The file that says it; none for the command line.
    pub file: Option<Arc<str>>,
    /// Line, from 1; 0 for what no file says.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// What a node is. Scalars are kept as text.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Text, a number or a switch.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<(String, Node)>),
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(if value { "yes" } else { "no" }.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(format!("{value:?}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while let Some(key) = access.next_key::<Key>()? {
            let node = access.next_value::<Node>()?;
            entries.push((key.0, node));
        }
        Ok(Value::Map(entries))
    }
}

/// A key: text, or a number that is taken as text.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(NodeVisitor)? {
            Value::Scalar(text) => Ok(Key(text)),
            _ => Err(serde::de::Error::custom("a key must be text")),
        }
    }
}

struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Plain)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Plain>::deserialize(deserializer)?;
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Node {
            file: None,
            value: spanned.value.0,
            line: number(spanned.referenced.line()),
            column: number(spanned.referenced.column()),
        })
    }
}

impl Node {
    /// Reads a file and what it includes.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        Self::read_at(path, 0, &mut (FILE_COUNT, FILE_BYTES))
    }

    /// `left`: how many files, and how many bytes of them, a configuration may still have.
    fn read_at(path: &Path, depth: usize, left: &mut (usize, u64)) -> Result<Self, Problem> {
        let problem = |message: String, hint: &str| Problem::of_file(path, message, hint);
        if depth > INCLUDE_DEPTH || left.0 == 0 {
            let message =
                format!("{FILE_COUNT} files are the limit of a configuration, {INCLUDE_DEPTH} deep in each other");
            return Err(problem(message, "include fewer files"));
        }
        let text = read_plain(path, left.1)
            .map_err(|e| problem(format!("cannot be read: {e}"), "check the path and its permissions"))?;
        *left = (left.0 - 1, left.1.saturating_sub(text.len() as u64));
        let text = String::from_utf8_lossy(&text);
        let mut root: Node = if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with(['#', '%', '-']))
            && !text.contains(':')
        {
            Node::default()
        } else {
            serde_saphyr::from_str(&text).map_err(|error| {
                let place = error
                    .location()
                    .map(|l| (u32::try_from(l.line()).unwrap_or(0), u32::try_from(l.column()).unwrap_or(0)));
                let (line, column) = place.unwrap_or_default();
                Problem {
                    file: path.display().to_string(),
                    line,
                    column,
                    message: reason(&error.to_string()),
                    hint: "check indentation, quotes and colons there".into(),
                    excerpt: usize::try_from(line)
                        .ok()
                        .and_then(|l| text.lines().nth(l.checked_sub(1)?))
                        .map(str::to_owned),
                }
            })?
        };
        root.say_file(&path.display().to_string().into());
        let includes: Vec<String> = match root.get("include").map(|n| &n.value) {
            Some(Value::Scalar(one)) => vec![one.clone()],
            Some(Value::List(many)) => many.iter().filter_map(|n| n.text().map(str::to_owned)).collect(),
            _ => Vec::new(),
        };
        for name in includes {
            let included = Self::read_at(&path.parent().unwrap_or(Path::new("")).join(name), depth + 1, left)?;
            // A key counts where it stands last, as if the other file stood in the place of its name.
            if let (Value::Map(entries), Value::Map(own)) = (included.value, &mut root.value) {
                let place = own.iter().position(|(key, _)| key == "include").unwrap_or(0);
                for (key, node) in entries {
                    match own.iter().rposition(|(known, _)| *known == key) {
                        Some(later) if later > place => {}
                        Some(before) => {
                            if let Some(entry) = own.get_mut(before) {
                                entry.1 = node;
                            }
                        }
                        None => own.push((key, node)),
                    }
                }
            }
        }
        Ok(root)
    }

    fn say_file(&mut self, file: &Arc<str>) {
        self.file = Some(Arc::clone(file));
        match &mut self.value {
            Value::Null | Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.say_file(file)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.say_file(file)),
        }
    }

    /// A problem at this place.
    pub fn problem(&self, message: String, hint: &str) -> Problem {
        let file = self.file.as_deref().unwrap_or("--set").to_owned();
        let excerpt = self.file.as_deref().and_then(|file| line_of(file, self.line));
        Problem { file, line: self.line, column: self.column, message, hint: hint.into(), excerpt }
    }

    /// Parses text that this program says itself.
    pub fn parse(text: &str) -> Self {
        serde_saphyr::from_str(text).unwrap_or_default()
    }

    /// A member by key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, node)| node),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// A node by a dotted path.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, part| node.get(part))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map, none for anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list, none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A switch: `None` where it is neither on nor off.
    pub fn switch(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Some(true),
            "no" | "false" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    /// A switch below it; what is neither on nor off is a fault, and the default is used.
    pub fn switch_at(&self, path: &str, default: bool, faults: &mut Vec<Problem>) -> bool {
        let Some((node, text)) = self.at(path).and_then(|node| Some((node, node.text()?))) else { return default };
        node.switch().unwrap_or_else(|| {
            faults.push(node.problem(format!("`{text}` is neither yes nor no for {path}"), "yes or no"));
            default
        })
    }

    /// One of some words below it; another one is a fault, and the first is used.
    pub fn choice_at<'c>(&self, path: &str, choices: &[&'c str], faults: &mut Vec<Problem>) -> &'c str {
        let first = choices.first().copied().unwrap_or_default();
        let Some((node, text)) = self.at(path).and_then(|node| Some((node, node.text()?))) else { return first };
        choices.iter().copied().find(|choice| choice.eq_ignore_ascii_case(text)).unwrap_or_else(|| {
            faults.push(node.problem(format!("`{text}` is no {path}"), &choices.join(", ")));
            first
        })
    }

    /// Names the keys of a map that are not among the known ones.
    pub fn name_unknown(&self, section: &str, known: &[&str], warnings: &mut Vec<Problem>) {
        for (key, node) in self.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            warnings.push(
                node.problem(format!("the key `{section}.{key}` is not known and ignored"), "check its spelling"),
            );
        }
    }

    /// Sets a value at a dotted path, making what is missing on the way.
    pub fn set(&mut self, path: &str, value: &str) {
        let parts: Vec<&str> = path.split('.').collect();
        let value = Node { value: Value::Scalar(value.trim_matches(['"', '\'']).to_owned()), ..Node::default() };
        self.put(&parts, value);
    }

    /// Puts what another node says in the place of what this one does, key by key.
    pub fn lay_over(&mut self, over: &Self) {
        match (&mut self.value, &over.value) {
            (Value::Map(entries), Value::Map(others)) => {
                for (key, node) in others {
                    match entries.iter_mut().find(|(known, _)| known == key) {
                        Some((_, own)) => own.lay_over(node),
                        None => entries.push((key.clone(), node.clone())),
                    }
                }
            }
            _ => *self = over.clone(),
        }
    }

    pub(super) fn put(&mut self, parts: &[&str], value: Node) {
        let Some((part, rest)) = parts.split_first() else {
            *self = value;
            return;
        };
        if matches!(self.value, Value::Null) && *part == "0" {
            self.value = Value::List(Vec::new());
        }
        if let (Value::List(items), Ok(index)) = (&mut self.value, part.parse::<usize>()) {
            if index == items.len() {
                items.push(Node::default());
            }
            if let Some(item) = items.get_mut(index) {
                item.put(rest, value);
            }
            return;
        }
        // Something that is no map gives way; a plain list entry such as `- http` becomes the map `http:`.
        if !matches!(self.value, Value::Map(_)) {
            let before = self.text().filter(|t| t == part).map(|t| (t.to_owned(), Node::default()));
            self.value = Value::Map(before.into_iter().collect());
        }
        if let Value::Map(entries) = &mut self.value {
            match entries.iter().position(|(k, _)| k == part).and_then(|i| entries.get_mut(i)) {
                Some((_, node)) => node.put(rest, value),
                None => {
                    let mut node = Node::default();
                    node.put(rest, value);
                    entries.push(((*part).to_owned(), node));
                }
            }
        }
    }

    /// All scalars below it by their dotted paths.
    pub fn flatten(&self) -> tapwire_parsers::protocol::Settings {
        fn walk(node: &Node, path: &str, out: &mut tapwire_parsers::protocol::Settings) {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match &node.value {
                Value::Null => {}
                Value::Scalar(text) => {
                    out.0.insert(path.to_owned(), text.clone());
                }
                Value::List(items) => {
                    items.iter().enumerate().for_each(|(i, item)| walk(item, &below(&i.to_string()), out))
                }
                Value::Map(entries) => entries.iter().for_each(|(key, item)| walk(item, &below(key), out)),
            }
        }
        let mut out = tapwire_parsers::protocol::Settings::default();
        walk(self, "", &mut out);
        out
    }
}

/// The first line of the YAML reader's message, without the place that is named beside it.
fn reason(message: &str) -> String {
    let first = message.lines().next().unwrap_or("is no YAML");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    match first.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest.to_owned(),
        _ => first.to_owned(),
    }
}

fn line_of(file: &str, line: u32) -> Option<String> {
    let text = read_plain(Path::new(file), FILE_BYTES).ok()?;
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    String::from_utf8_lossy(&text).lines().nth(line).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        Node::read(file.path()).unwrap()
    }

    #[test]
    fn places_switches_and_set_work() {
        let mut root = read("%YAML 1.1\n---\na:\n  b: yes\n  c:\n  - x\n  - y: 0\nd: null\n");
        assert_eq!(root.at("a.b").and_then(Node::switch), Some(true));
        assert_eq!(root.at("a.b").map(|n| n.line), Some(4));
        root.set("a.c.0.z", "5");
        root.set("d.e.f", "g");
        root.set("a.c.1.y", "7");
        assert_eq!(root.at("a.c.0.z").and_then(Node::text), Some("5"));
        assert_eq!(root.at("d.e.f").and_then(Node::text), Some("g"));
        assert_eq!(root.at("a.c.1.y").and_then(Node::text), Some("7"));
    }
}
