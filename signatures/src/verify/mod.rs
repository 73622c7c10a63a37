//! Candidate to match.

pub mod condition;
pub mod number;
pub mod numbers;
pub mod regex;
pub mod transform;
