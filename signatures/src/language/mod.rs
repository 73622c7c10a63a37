//! The rule language: text to typed rules.

pub mod builder;
pub mod fault;
pub mod rule;
