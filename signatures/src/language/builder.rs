//! A rule while it is read: what keywords fill.

use std::collections::HashMap;
use std::ops::Range;

use super::fault::Fault;
use super::rule::{Buffer, Item, Rule, Section};

/// The argument of a keyword.
#[derive(Clone, Debug)]
pub struct Argument<'a> {
    /// The keyword as written, for messages.
    pub keyword: &'a str,
    /// The text after the colon, trimmed, as written (quotes and escapes included); `None` without a colon.
    pub text: Option<&'a str>,
    /// The bytes of the argument (or of the keyword, where there is none) in the rule's text.
    pub span: Range<usize>,
}

impl<'a> Argument<'a> {
    /// The text, or a fault where there must be one.
    pub fn required(&self) -> Result<&'a str, Fault> {
        self.text.filter(|t| !t.is_empty()).ok_or_else(|| self.fault(format!("`{}` needs a value", self.keyword), ""))
    }

    /// Fails where there is an argument to a keyword that takes none.
    pub fn none(&self) -> Result<(), Fault> {
        match self.text {
            Some(_) => {
                Err(self.fault(format!("`{}` takes no value", self.keyword), "remove the colon and what follows"))
            }
            None => Ok(()),
        }
    }

    /// A fault about this argument.
    pub fn fault(&self, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault::new(self.span.clone(), message, hint)
    }
}

/// Names that rules share, by index in order of first use.
#[derive(Debug, Default)]
pub struct Names {
    /// By index.
    pub list: Vec<String>,
    index: HashMap<String, u16>,
}

impl Names {
    /// The index of a name; `None` when there are too many.
    pub fn intern(&mut self, name: &str) -> Option<u16> {
        if let Some(&index) = self.index.get(name) {
            return Some(index);
        }
        let index = u16::try_from(self.list.len()).ok()?;
        self.list.push(name.into());
        self.index.insert(name.into(), index);
        Some(index)
    }
}

/// Names of everything that rules keep in flows and hosts.
#[derive(Debug, Default)]
pub struct SharedNames {
    /// Of flowbits.
    pub flowbits: Names,
    /// Of flowints.
    pub flowints: Names,
    /// Of xbits and hostbits.
    pub hostbits: Names,
}

/// A rule while it is read.
pub struct Builder<'a> {
    /// The rule so far.
    pub rule: Rule,
    /// Names shared by all rules of the load.
    pub names: &'a mut SharedNames,
    /// Names of the variables that `byte_extract` and `byte_math` set, by index.
    pub variables: Vec<String>,
    /// Where the next content goes: set by sticky buffers.
    pub buffer: Buffer,
}

#[expect(clippy::indexing_slicing, reason = "a section was pushed in the line before")]
impl Builder<'_> {
    /// The section that items go to now; opened where it does not exist.
    pub fn section(&mut self) -> &mut Section {
        let buffer = self.buffer;
        if self.rule.sections.last().is_none_or(|s| s.buffer != buffer) {
            self.rule.sections.push(Section { buffer, direction: None, transforms: Vec::new(), items: Vec::new() });
        }
        let last = self.rule.sections.len() - 1;
        &mut self.rule.sections[last]
    }

    /// Adds an item to the section that is open.
    pub fn push(&mut self, item: Item) {
        self.section().items.push(item);
    }
}
