//! What is written in the files of a configuration to one tree: `include` and `!include`, keys with dots, keys that are there again.
//!
//! Files are read in order, as if what is included stood in the place of its name. A key that is there again replaces what it said before; a
//! key with dots is a path, and a mapping below it is laid over what is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Problem;
use super::node::{Node, Value};
use super::yaml::{self, Key, Place, Written, WrittenValue};
use crate::sinks::plain::read_plain;

/// Files that include each other deeper than this are refused.
const INCLUDE_DEPTH: usize = 8;
/// Files of one configuration.
const FILE_COUNT: usize = 64;
/// Their bytes.
const FILE_BYTES: u64 = 8 << 20;
/// Keys below which names are free: an underscore in them stays.
const FREE_NAMES: &[&str] = &["vars", "datasets"];

/// Reads a file, what it includes, and files that are laid over it in their order. What is odd is added to `warnings`.
pub(super) fn read(file: &Path, over: &[PathBuf], warnings: &mut Vec<Problem>) -> Result<Node, Problem> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut assembler = Assembler { folder, open: Vec::new(), left: (FILE_COUNT, FILE_BYTES), warnings };
    let mut root = assembler.mapping(file)?;
    for path in over {
        for (key, node) in assembler.mapping(path)?.into_entries() {
            root.replace(key, node);
        }
    }
    Ok(root)
}

/// What a text of this program's own says.
pub(super) fn parse(text: &str) -> Node {
    let mut warnings = Vec::new();
    let mut assembler = Assembler { folder: PathBuf::new(), open: Vec::new(), left: (0, 0), warnings: &mut warnings };
    let documents = yaml::read(text).unwrap_or_default();
    let node = documents.into_iter().next().map(|written| assembler.node(written, &"".into(), false));
    node.and_then(Result::ok).unwrap_or_default()
}

/// That a path leads to no item of a list.
pub(super) fn no_place(path: &str) -> String {
    format!("the key `{path}` leads to no item of a list, and is ignored")
}

pub(super) const NO_PLACE_HINT: &str =
    "items are counted from 0, such as `outputs.0.eve-log`, or named by what they are";

/// A line of a file of a configuration.
pub(super) fn line_of(file: &str, line: u32) -> Option<String> {
    let text = read_plain(Path::new(file), FILE_BYTES).ok()?;
    nth_line(&String::from_utf8_lossy(&text), line)
}

fn nth_line(text: &str, line: u32) -> Option<String> {
    text.lines().nth(usize::try_from(line.checked_sub(1)?).ok()?).map(str::to_owned)
}

struct Assembler<'a> {
    /// That of the main file, where what it and others include is looked for.
    folder: PathBuf,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
    /// How many files, and how many bytes of them, a configuration may still have.
    left: (usize, u64),
    warnings: &'a mut Vec<Problem>,
}

impl Assembler<'_> {
    /// A file of which the whole is a mapping, or nothing.
    fn mapping(&mut self, path: &Path) -> Result<Node, Problem> {
        let root = self.file(path)?;
        match root.value {
            Value::Map(_) | Value::Null => Ok(root),
            _ => Err(root.problem("a configuration is a mapping of keys to values".into(), "such as `vars:`")),
        }
    }

    /// What a file says; nothing where it is empty.
    fn file(&mut self, path: &Path) -> Result<Node, Problem> {
        let problem = |message: String, hint: &str| Problem::of_file(path, message, hint);
        let text = read_plain(path, self.left.1)
            .map_err(|e| problem(format!("cannot be read: {e}"), "check the path and its permissions"))?;
        self.left = (self.left.0.saturating_sub(1), self.left.1.saturating_sub(text.len() as u64));
        let text = String::from_utf8_lossy(&text);
        let documents = yaml::read(&text).map_err(|error| Problem {
            line: error.place.line,
            column: error.place.column,
            length: 1,
            excerpt: nth_line(&text, error.place.line),
            ..problem(error.reason, "check indentation, quotes and colons there")
        })?;
        let name: Arc<str> = path.display().to_string().into();
        self.open.push(path.to_owned());
        let mut whole = Node { file: Some(Arc::clone(&name)), ..Node::default() };
        for document in documents {
            let node = self.node(document, &name, false)?;
            match (&whole.value, node.value) {
                (Value::Map(_), Value::Map(entries)) => {
                    entries.into_iter().for_each(|(key, node)| whole.replace(key, node));
                }
                (_, value) => whole = Node { value, ..node },
            }
        }
        self.open.pop();
        Ok(whole)
    }

    /// What is written at a place. `free`: below it names are anybody's.
    fn node(&mut self, written: Written, file: &Arc<str>, free: bool) -> Result<Node, Problem> {
        let at = |value| Node { value, file: Some(Arc::clone(file)), place: written.place, key: Place::default() };
        if written.tag.as_deref() == Some("!include") {
            return self.include(&written.value, &at(Value::Null));
        }
        Ok(match written.value {
            WrittenValue::Null => at(Value::Null),
            WrittenValue::Scalar(text) => at(Value::Scalar(text)),
            WrittenValue::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let is_include = item.tag.is_some();
                    let node = self.node(item, file, free)?;
                    match node.value {
                        // A list that is included as an item stands for its items.
                        Value::List(inner) if is_include => list.extend(inner),
                        value => list.push(Node { value, ..node }),
                    }
                }
                at(Value::List(list))
            }
            WrittenValue::Map(entries) => {
                let mut map = at(Value::Map(Vec::new()));
                for (key, value) in entries {
                    self.entry(&mut map, key, value, file, free)?;
                }
                map
            }
        })
    }

    /// Adds an entry to a mapping.
    fn entry(
        &mut self,
        map: &mut Node,
        key: Key,
        written: Written,
        file: &Arc<str>,
        free: bool,
    ) -> Result<(), Problem> {
        if key.text == "include" {
            let place = Node { file: Some(Arc::clone(file)), place: written.place, ..Node::default() };
            let names = match written.value {
                WrittenValue::List(names) => names,
                _ => vec![written],
            };
            for name in names {
                let place = Node { place: name.place, ..place.clone() };
                let included = self.include(&name.value, &place)?;
                match included.value {
                    Value::Map(entries) => entries.into_iter().for_each(|(key, node)| map.replace(key, node)),
                    Value::Null => {}
                    // The file is what stands here, and not only a part of it.
                    Value::List(_) if map.entries().is_empty() => map.value = included.value,
                    _ => {
                        let hint = "include it as the value of a key: `key: !include FILE`";
                        return Err(place.problem("what is included here has no keys".into(), hint));
                    }
                }
            }
            return Ok(());
        }
        let name = self.name(&key, file, free);
        let below = free || FREE_NAMES.contains(&name.as_str());
        let node = Node { key: key.place, ..self.node(written, file, below)? };
        if name.contains('.') {
            let parts: Vec<&str> = name.split('.').collect();
            let place = Node { key: node.key, file: node.file.clone(), ..Node::default() };
            if !map.lay_at(&parts, node) {
                self.warnings.push(place.key_problem(no_place(&name), NO_PLACE_HINT));
            }
            return Ok(());
        }
        if let Some(before) = map.get(&name).filter(|before| before.file.as_ref() == Some(file)) {
            let message =
                format!("the key `{name}` is there again, and counts instead of the one in line {}", before.key.line);
            self.warnings.push(node.key_problem(message, "take one of them out").harmless());
        }
        map.replace(name, node);
        Ok(())
    }

    /// The name of a key: old configurations have underscores where there are hyphens.
    fn name(&mut self, key: &Key, file: &Arc<str>, free: bool) -> String {
        let is_path = key.text.contains('.');
        if free || is_path || !key.text.contains('_') {
            return key.text.clone();
        }
        let name = key.text.replace('_', "-");
        if super::keys::is_name(&key.text) || !super::keys::is_name(&name) {
            return key.text.clone();
        }
        let place = Node { file: Some(Arc::clone(file)), key: key.place, ..Node::default() };
        let message = format!("the key `{}` is taken as `{name}`", key.text);
        self.warnings.push(place.key_problem(message, "write it with hyphens").harmless());
        name
    }

    /// What a file says that is named at a place.
    fn include(&mut self, name: &WrittenValue, place: &Node) -> Result<Node, Problem> {
        let WrittenValue::Scalar(name) = name else {
            return Err(place.problem("here the name of a file is missing".into(), "such as `include: site.yaml`"));
        };
        let path = self.find(name);
        if self.open.contains(&path) {
            return Err(place.problem(format!("the file `{name}` includes itself"), "take one of the names out"));
        }
        if self.open.len() > INCLUDE_DEPTH || self.left.0 == 0 {
            let message =
                format!("{FILE_COUNT} files are the limit of a configuration, {INCLUDE_DEPTH} deep in each other");
            return Err(place.problem(message, "include fewer files"));
        }
        self.file(&path).map_err(|problem| match problem.line {
            0 => place.problem(format!("the file {} {}", problem.file, problem.message), &problem.hint),
            _ => problem,
        })
    }

    /// Names are looked for beside the main file, as they are for Suricata; else beside the file that names them.
    fn find(&self, name: &str) -> PathBuf {
        let beside_main = self.folder.join(name);
        let beside = self.open.last().and_then(|file| file.parent()).map(|folder| folder.join(name));
        beside.filter(|path| !beside_main.exists() && path.exists()).unwrap_or(beside_main)
    }
}

#[cfg(test)]
#[path = "assemble/tests.rs"]
mod tests;
