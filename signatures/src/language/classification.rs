//! Classes of rules, as `classification.config` lists them: `config classification: name,description,priority`.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::lexer::statements;
use crate::builder::{Class, Classification};
use crate::rule::fault::Fault;

/// Those that public rule sets use.
const USUAL: &str = include_str!("usual/classification.config");

impl Classification {
    /// The classes that the public rule sets use, for a site without a file of its own.
    pub fn usual() -> Self {
        Self::parse(USUAL).0
    }

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

const KEYWORD: &str = "classtype";
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(KEYWORD));

/// The class that the text of a rule names, and where.
pub(super) fn named(rule: &str) -> Option<(Range<usize>, &str)> {
    FINDER.find_iter(rule.as_bytes()).find_map(|at| {
        let (before, behind) = rule.split_at_checked(at)?;
        let value = behind.strip_prefix(KEYWORD)?.trim_start().strip_prefix(':')?.trim_start();
        let class = value.split(';').next().unwrap_or(value).trim_end();
        let start = rule.len() - value.len();
        before.trim_end().ends_with([';', '(']).then_some((start..start + class.len(), class))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::References;

    #[test]
    fn the_usual_classes_and_references_are_all_there() {
        let (classes, faults) = Classification::parse(USUAL);
        assert!(faults.is_empty() && classes.0.len() == USUAL.lines().count() - 1, "{faults:?}");
        assert_eq!(classes.get("attempted-admin").map(|class| class.priority), Some(1));
        assert_eq!(References::usual().get("cve"), Some("https://cve.mitre.org/cgi-bin/cvename.cgi?name="));
    }

    #[test]
    fn the_class_of_a_text_is_found() {
        for (text, expected) in [
            ("alert ip any any -> any any (classtype:a-b; sid:1;)", Some("a-b")),
            ("alert ip any any -> any any (msg:\"classtype:x\"; classtype : y ; sid:1;)", Some("y")),
            ("alert ip any any -> any any (msg:\"no classtype:x\"; sid:1;)", None),
        ] {
            assert_eq!(named(text).map(|(_, class)| class), expected);
            assert!(named(text).is_none_or(|(span, class)| &text[span] == class));
        }
    }
}
