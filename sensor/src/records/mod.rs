//! Findings to text: EVE records (version 9), one JSON object a line, and `fast.log`.
//!
//! Each file writes one kind of record from plain values; [`report`] makes them of what a worker found, and hands them over as a
//! [`finding`] each. Nothing here knows a worker, a table or a sink.

pub mod alert;
pub mod batch;
pub mod budget;
pub mod cause;
pub mod class;
pub mod counted;
pub mod cut;
pub mod eve;
pub mod fast;
pub mod fileinfo;
pub mod finding;
pub mod flow;
pub mod forwarded;
pub mod frame;
pub mod header;
pub mod health;
pub mod history;
pub mod ledger;
pub mod loss;
pub mod metadata;
pub mod noted;
pub mod packet;
pub mod report;
pub mod sctp;
pub mod slot;
pub mod stats;
pub mod stats_text;
pub mod subject;
pub mod summary;
