//! Transforms.
/// A transform.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {}
impl Transform { /// x
 pub fn apply(&self, _: &[u8], _: &mut Vec<u8>) {} }
