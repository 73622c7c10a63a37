//! Tests of numbers.
/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberTest;
