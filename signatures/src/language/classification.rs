//! Classes of rules, as `classification.config` lists them: `config classification: name,description,priority`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::Fault;
use super::lexer::statements;

/// A class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// What alerts show as category.
    pub description: Arc<str>,
    /// 1 is the most severe.
    pub priority: u8,
}

/// The classes by name.
#[derive(Clone, Debug, Default)]
pub struct Classification(pub BTreeMap<String, Class>);

impl Classification {
    /// Reads the file's text; faults carry their line.
    pub fn parse(text: &str) -> (Self, Vec<(u32, Fault)>) {
        let (mut classes, mut faults) = (Self::default(), Vec::new());
        for statement in statements(text) {
            match read(&statement.text) {
                Some((name, class)) => {
                    classes.0.entry(name).or_insert(class);
                }
                None => faults.push((
                    statement.line,
                    Fault::new(
                        0..statement.text.len(),
                        "this is no classification",
                        "write `config classification: name,description,priority`",
                    ),
                )),
            }
        }
        (classes, faults)
    }

    /// A class by name, in any case.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.0.get(name).or_else(|| self.0.get(&name.to_ascii_lowercase()))
    }
}

fn read(text: &str) -> Option<(String, Class)> {
    let rest =
        text.strip_prefix("config")?.trim_start().strip_prefix("classification")?.trim_start().strip_prefix(':')?;
    let (name, rest) = rest.split_once(',')?;
    let (description, priority) = rest.rsplit_once(',')?;
    let name = name.trim();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let priority = priority.trim().parse().ok().filter(|p| *p > 0)?;
    fits.then(|| (name.to_ascii_lowercase(), Class { description: description.trim().into(), priority }))
}
