//! Packets to datagrams: what was cut on its way is put together again before anybody looks at it.
//!
//! The thread that reads does this, as the pieces of a datagram name no ports: only the whole one tells which worker it
//! belongs to. The formats of headers are in `tapwire_parsers::link`.

pub mod defrag;
pub mod hosts;
pub mod memory;
pub mod tunnels;
