//! What a rule or a setting has wrong.

use std::ops::Range;

/// Something that cannot be right, with its place within the text it was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes it is about, counted from the start of the rule's text.
    pub span: Range<usize>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What to do about it; empty where there is nothing to add.
    pub hint: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: hint.into() }
    }
}
