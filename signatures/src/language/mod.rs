//! The rule language: text to typed rules.

pub mod builder;
pub mod cache;
mod check;
pub mod classification;
pub mod digest;
pub mod entry;
pub mod fault;
pub mod files;
mod header;
pub mod item;
pub(crate) mod known_sets;
pub mod labels;
pub mod lexer;
pub mod load;
pub mod loading;
pub(crate) mod nearest;
pub mod outside;
pub mod protocols;
pub mod references;
pub mod rule;
pub mod variables;
