//! Tests of numbers.
/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberTest;
impl NumberTest { /// v
 pub fn verdict(&self, _: u64, _: bool) -> super::condition::Verdict { super::condition::Verdict::No } }
