//! A configuration as a tree that knows its places, and `--set`.

use std::sync::Arc;

use tapwire_signatures::builder::nearest::nearest;

use super::Problem;
use super::assemble::{line_of, parse};
use super::yaml::Place;

/// A value and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The file that says it; none for the command line.
    pub file: Option<Arc<str>>,
    /// Where it stands.
    pub place: Place,
    /// Where its key stands, if it has one.
    pub key: Place,
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

impl Node {
    /// A problem at this place.
    pub fn problem(&self, message: String, hint: &str) -> Problem {
        self.problem_at(self.place, message, hint)
    }

    /// A problem with its key.
    pub fn key_problem(&self, message: String, hint: &str) -> Problem {
        let place = if self.key.line > 0 { self.key } else { self.place };
        self.problem_at(place, message, hint)
    }

    fn problem_at(&self, place: Place, message: String, hint: &str) -> Problem {
        let file = self.file.as_deref().unwrap_or("--set").to_owned();
        let excerpt = self.file.as_deref().and_then(|file| line_of(file, place.line));
        let excerpt = excerpt.filter(|line| !may_show_secret(line));
        let from = usize::try_from(place.column.saturating_sub(1)).unwrap_or(0);
        let behind = excerpt.as_deref().and_then(|line| line.get(from..)).unwrap_or_default();
        let length = u32::try_from(word(behind)).unwrap_or(0);
        Problem {
            file,
            line: place.line,
            column: place.column,
            length,
            message,
            hint: hint.into(),
            excerpt,
            harmless: false,
        }
    }

    /// A problem with a word of it.
    pub fn word_problem(&self, word: &str, message: String, hint: &str) -> Problem {
        let mut problem = self.problem(message, hint);
        let from = usize::try_from(problem.column.saturating_sub(1)).unwrap_or(0);
        let behind = problem.excerpt.as_deref().and_then(|line| line.get(from..));
        let further = behind.and_then(|text| text.find(word)).and_then(|at| u32::try_from(at).ok());
        if let (Some(further), Ok(length)) = (further, u32::try_from(word.len())) {
            (problem.column, problem.length) = (problem.column + further, length);
        }
        problem
    }

    /// What a text of this program's own says.
    pub fn parse(text: &str) -> Self {
        parse(text)
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
            warnings.push(node.key_problem(
                format!("the key `{section}.{key}` is not known and ignored"),
                &spelling(key, known.iter().copied()),
            ));
        }
    }

    /// Sets a value at a dotted path, making what is missing on the way; whether there is such a place.
    pub fn set(&mut self, path: &str, value: &str) -> bool {
        let parts: Vec<&str> = path.split('.').collect();
        let value = Node { value: Value::Scalar(value.trim_matches(['"', '\'']).to_owned()), ..Node::default() };
        self.put(&parts, value)
    }

    /// The entries of a map.
    pub(super) fn into_entries(self) -> Vec<(String, Node)> {
        match self.value {
            Value::Map(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// Gives a key of a map another value. What is no map becomes one.
    pub(super) fn replace(&mut self, key: String, node: Node) {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        if let Value::Map(entries) = &mut self.value {
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, before)) => *before = node,
                None => entries.push((key, node)),
            }
        }
    }

    /// Lays a node over what is at a path, making what is missing on the way; whether there is such a place.
    pub(super) fn lay_at(&mut self, parts: &[&str], node: Node) -> bool {
        match self.at_mut(parts) {
            Some(before) => {
                before.lay_over(&node);
                true
            }
            None => self.put(parts, node),
        }
    }

    fn at_mut(&mut self, parts: &[&str]) -> Option<&mut Node> {
        parts.iter().try_fold(self, |node, part| match &mut node.value {
            Value::Map(entries) => entries.iter_mut().find(|(key, _)| key == part).map(|(_, node)| node),
            Value::List(items) => items.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        })
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

    /// Puts a node at a path, making what is missing on the way; whether there is such a place.
    pub(super) fn put(&mut self, parts: &[&str], value: Node) -> bool {
        let Some((part, rest)) = parts.split_first() else {
            *self = value;
            return true;
        };
        if matches!(self.value, Value::Null) && *part == "0" {
            self.value = Value::List(Vec::new());
        }
        if let Value::List(items) = &mut self.value {
            let Ok(index) = part.parse::<usize>() else {
                // An item by what it is, such as `outputs.eve-log`.
                let is_meant = |item: &&mut Node| item.get(part).is_some() || item.text() == Some(part);
                return items.iter_mut().find(is_meant).is_some_and(|item| item.put(parts, value));
            };
            if index == items.len() {
                items.push(Node::default());
            }
            return items.get_mut(index).is_some_and(|item| item.put(rest, value));
        }
        // Something that is no map gives way; a plain list entry such as `- http` becomes the map `http:`.
        if !matches!(self.value, Value::Map(_)) {
            let before = self.text().filter(|t| t == part).map(|t| (t.to_owned(), Node::default()));
            self.value = Value::Map(before.into_iter().collect());
        }
        let Value::Map(entries) = &mut self.value else { return false };
        match entries.iter().position(|(k, _)| k == part).and_then(|i| entries.get_mut(i)) {
            Some((_, node)) => node.put(rest, value),
            None => {
                let mut node = Node::default();
                let is_put = node.put(rest, value);
                entries.push(((*part).to_owned(), node));
                is_put
            }
        }
    }

    /// All scalars below it by their dotted paths.
    pub fn flatten(&self) -> tapwire_parsers::protocol::Settings {
        let text = |(path, node): (String, &Node)| Some((path, node.text()?.to_owned()));
        tapwire_parsers::protocol::Settings(self.scalars().into_iter().filter_map(text).collect())
    }

    /// The same as nodes, in their order.
    pub(super) fn scalars(&self) -> Vec<(String, &Node)> {
        fn walk<'n>(node: &'n Node, path: &str, out: &mut Vec<(String, &'n Node)>) {
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            match &node.value {
                Value::Null => {}
                Value::Scalar(_) => out.push((path.to_owned(), node)),
                Value::List(items) => {
                    items.iter().enumerate().for_each(|(i, item)| walk(item, &below(&i.to_string()), out))
                }
                Value::Map(entries) => entries.iter().for_each(|(key, item)| walk(item, &below(key), out)),
            }
        }
        let mut out = Vec::new();
        walk(self, "", &mut out);
        out
    }
}

/// Whether a line may have a secret in it, which is shown by nothing.
fn may_show_secret(line: &str) -> bool {
    ["password", "secret", "token", "api-key"].iter().any(|word| line.to_ascii_lowercase().contains(word))
}

/// Bytes of the key or value that a text begins with.
fn word(text: &str) -> usize {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return text.char_indices().skip(1).find(|(_, c)| *c == quote).map_or(text.trim_end().len(), |(at, _)| at + 1);
    }
    let ends = [": ", " #", ", ", "]", "}"].iter().filter_map(|end| text.find(end));
    let end = ends.min().unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_end().trim_end_matches([':', ',']).len()
}

/// A hint at the name that one which is not known may have meant.
pub(super) fn spelling<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let hint = nearest(name, known);
    if hint.is_empty() { "check its spelling".into() } else { hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        super::super::assemble::read(file.path(), &[], &mut Vec::new()).unwrap()
    }

    #[test]
    fn the_word_that_is_meant_ends_where_it_ends() {
        for (text, expected) in
            [("a-b: c", "a-b"), ("'x: y' # z", "'x: y'"), ("c, d]", "c"), ("::1 # one", "::1"), ("key:", "key")]
        {
            assert_eq!(&text[..word(text)], expected);
        }
    }

    #[test]
    fn places_switches_and_set_work() {
        let mut root = read("%YAML 1.1\n---\na:\n  b: yes\n  c:\n  - x\n  - y: 0\nd: null\n");
        assert_eq!(root.at("a.b").and_then(Node::switch), Some(true));
        assert_eq!(root.at("a.b").map(|n| n.place.line), Some(4));
        assert!(root.set("a.c.0.z", "5") && root.set("d.e.f", "g") && root.set("a.c.y", "7"));
        assert!(!root.set("a.c.7.y", "7") && !root.set("a.c.waldo", "7"));
        assert_eq!(root.at("a.c.0.z").and_then(Node::text), Some("5"));
        assert_eq!(root.at("d.e.f").and_then(Node::text), Some("g"));
        assert_eq!(root.at("a.c.1.y").and_then(Node::text), Some("7"));
    }
}
