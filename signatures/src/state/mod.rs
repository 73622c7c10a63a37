//! What rules remember: of a flow, of hosts, and of how often they matched.

pub mod flow;
pub mod hostbits;
pub mod threshold;
pub mod threshold_file;
