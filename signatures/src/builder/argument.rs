//! What stands behind the colon of an option.

use std::ops::Range;

use crate::rule::fault::Fault;

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

    /// A fault about the character at a place in a part of the text, which is a slice of it; about the last one where the part ends before.
    pub fn fault_at(&self, part: &str, at: usize, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        let text = self.text.unwrap_or_default();
        let start =
            part.as_ptr().addr().checked_sub(text.as_ptr().addr()).filter(|start| start + part.len() <= text.len());
        let Some(start) = start else { return self.fault(message, hint) };
        let mut places = part.char_indices().map(|(at, character)| (at, character.len_utf8()));
        let (at, length) =
            places.clone().find(|(place, _)| *place >= at).or_else(|| places.next_back()).unwrap_or((0, 0));
        let at = self.span.start + start + at;
        Fault::new(at..at + length, message, hint)
    }

    /// A fault about this argument.
    pub fn fault(&self, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault::new(self.span.clone(), message, hint)
    }
}

/// The text between quotes; text without quotes as it is. `None` where only one quote stands.
pub(crate) fn unquote(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None if text.ends_with('"') => None,
        None => Some(text),
    }
}
