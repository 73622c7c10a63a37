//! The rule language: text to typed rules.

mod again;
pub mod cache;
mod check;
mod classification;
mod header;
mod labels;
pub mod lexer;
pub mod load;
pub mod loading;
mod outside;
mod point;
mod references;
pub mod threshold_file;
pub mod variables;
