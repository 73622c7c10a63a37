//! Classes of rules, as `classification.config` lists them: `config classification: name,description,priority`.

use super::lexer::statements;
use crate::builder::{Class, Classification};
use crate::rule::fault::Fault;

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
