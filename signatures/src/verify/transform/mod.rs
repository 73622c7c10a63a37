//! Transforms.
/// A transform.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {}
