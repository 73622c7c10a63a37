//! The sensor's health for who watches it: Prometheus text and `/healthz` over HTTP, bound to this machine unless something else is said.
//!
//! A scrape asks the run for its counters as they stand ([`crate::run::Window`]). [`families`] says which counters become which metrics;
//! all of them are there besides as `tapwire_stats{counter="…"}`.

mod families;
pub mod http;
mod outputs;
pub mod text;

use std::net::SocketAddr;

/// Where metrics are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether they are, and whether that was said.
    pub enabled: bool,
    /// `tapwire.metrics.address`
    pub address: SocketAddr,
    /// Whether anything was said of it: then a port that is taken is an error.
    pub said: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, address: SocketAddr::from(([127, 0, 0, 1], PORT)), said: false }
    }
}

/// The port where nothing else is said.
pub const PORT: u16 = 9560;
