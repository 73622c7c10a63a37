//! One interface as a source reads it, whatever captures its packets.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use tapwire_parsers::link::Timestamp;

use super::super::batch::Batch;
use super::super::{CaptureError, Losses};
use super::steady::Steady;

/// An interface that packets are read from.
pub(super) trait Tap: Send {
    /// Looks how the interface is: begins to capture if it is there, and notes what changed.
    fn look(&mut self) -> Result<(), CaptureError>;

    /// Whether packets can come.
    fn is_bound(&self) -> bool;

    /// What its packets are, and where they wait, in words.
    fn described(&self) -> String;

    /// Why it cannot be watched yet, if that is so.
    fn awaited(&self) -> Option<&'static str>;

    /// What there is to say of it.
    fn take_news(&mut self) -> Vec<String>;

    /// The time of the next packet, if there is one.
    fn peek(&mut self) -> Option<Timestamp>;

    /// When that packet was there to be read.
    fn seen(&self) -> Instant;

    /// Moves packets into a batch, as long as they are there, it has room, and they are no more than `most`.
    fn take(&mut self, batch: &mut Batch, clock: &Steady, most: usize);

    /// Takes no more packets than those that came.
    fn close(&mut self);

    /// What tells that packets came, if anything does.
    fn socket(&self) -> Option<BorrowedFd<'_>>;

    /// How long packets may lie where they are not seen yet.
    fn held(&self) -> Duration;

    /// What was lost since this was asked before.
    fn losses(&mut self) -> Losses;
}
