//! Candidate to match.

pub mod condition;
pub mod number;
pub mod payload;
pub mod regex;
pub mod transform;
