//! Regular expressions.
/// An expression.
#[derive(Debug)]
pub struct Regex;
