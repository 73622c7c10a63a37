//! The log: all records of a live sensor, in segments of zstd frames.
//!
//! A frame holds whole records and is read by itself; it is closed each second at most, and at once for alerts. A segment is finished
//! after some bytes or time: its index is put beside it, then it gets its last name, and after a crash whatever had come to the disk is
//! finished like that, a torn frame cut off. Records go on in a new segment, so that no place in the log is ever given twice and a
//! [`cursor`] means the same after any crash. Nothing here knows who reads; [`retention`] alone asks how far they are.

#[cfg(test)]
mod crash;
pub mod cursor;
mod frames;
mod index;
mod leftovers;
mod name;
mod positions;
mod reserve;
mod retention;
mod scan;
pub mod sealed;
pub mod search;
mod segments;
pub mod volume;
pub mod wanted;

use super::mend;

pub use retention::{Gone, Missed, Retention};
pub use segments::{Figures, Segments, Settings};
