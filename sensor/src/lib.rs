//! The rooms that a packet goes through, in the order in which it does: capture, decode (headers are in `tapwire_parsers::link`), flow, inspect,
//! records, sequence, sinks; [`start`] is before the first packet, and [`health`] says what none of them could see. [`worker`] is the page on which all steps stand; [`run`] has the threads.

pub mod capture;
pub mod counters;
pub mod decode;
pub mod flow;
pub mod health;
pub mod inspect;
pub mod metrics;
pub mod recording;
pub mod records;
pub mod rights;
pub mod run;
pub mod sequence;
pub mod sinks;
pub mod start;
pub mod stats;
pub mod worker;
