//! Kinds of references, as `reference.config` lists them: `config reference: name address`.

use super::lexer::statements;
use crate::builder::References;
use crate::rule::fault::Fault;

/// Those that public rule sets use.
const USUAL: &str = include_str!("usual/reference.config");

impl References {
    /// The kinds that the public rule sets use, for a site without a file of its own.
    pub fn usual() -> Self {
        Self::parse(USUAL).0
    }

    /// Reads the file's text; faults carry their line.
    pub fn parse(text: &str) -> (Self, Vec<(u32, Fault)>) {
        let (mut references, mut faults) = (Self::default(), Vec::new());
        for statement in statements(text) {
            match read(&statement.text) {
                Some((name, address)) => {
                    references.0.entry(name).or_insert(address);
                }
                None => faults.push((
                    statement.line,
                    Fault::new(
                        0..statement.text.len(),
                        "this is no kind of reference",
                        "write `config reference: name address`",
                    ),
                )),
            }
        }
        (references, faults)
    }
}

fn read(text: &str) -> Option<(String, String)> {
    let rest = text.strip_prefix("config")?.trim_start().strip_prefix("reference")?.trim_start().strip_prefix(':')?;
    let mut words = rest.split_whitespace();
    let (name, address) = (words.next()?, words.next()?);
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (fits && words.next().is_none()).then(|| (name.to_ascii_lowercase(), address.into()))
}
