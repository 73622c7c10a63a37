//! The rooms that a packet goes through, in the order in which it does.

pub mod capture;
pub mod flow;
pub mod inspect;
pub mod stats;
