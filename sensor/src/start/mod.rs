//! What is before the first packet: the command line, the configuration, and rules that become an engine.

pub mod cli;
pub mod config;
pub mod control;
pub mod engine;
pub mod places;
mod settings;
pub mod terminal;
