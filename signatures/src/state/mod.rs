//! What rules remember: of a flow, of hosts, sets of values, and what thresholds count. It is bounded, and time is that of packets.

mod changes;
pub mod flow;
pub mod hostbits;
pub mod reputation;
pub mod shared;
pub mod threshold;
