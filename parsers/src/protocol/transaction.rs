//! A request and its answer, or what a protocol has in their place.

use std::any::Any;

use super::{Anomaly, Direction};

/// A request and its answer, or what a protocol has in their place.
pub trait Transaction: Any + Send {
    /// How far each direction has come: an index into [`Protocol::states`].
    fn progress(&self, direction: Direction) -> u8;

    /// Whether nothing more will be added: it is recorded and retired.
    fn is_complete(&self) -> bool;

    /// Whether its record can be written now (at the latest when it is complete).
    fn is_recordable(&self) -> bool {
        self.is_complete()
    }

    /// The direction, for a transaction that only has one (a DNS message).
    fn only_direction(&self) -> Option<Direction> {
        None
    }

    /// What a message and its answer have in common, where each of them is a transaction of its own.
    fn pair(&self) -> Option<u64> {
        None
    }

    /// What was wrong with it, in the order in which it was noticed; only ever appended to.
    fn anomalies(&self) -> &[Anomaly];

    /// Bytes that it keeps besides its own size ([`held`]).
    fn held_bytes(&self) -> usize;

    /// For [`Field::read`].
    fn as_any(&self) -> &dyn Any;
}

/// A transaction of one message: it has one direction, and all of it is there at once.
pub trait OneWay: Any + Send {
    /// The direction it went.
    fn way(&self) -> Direction;

    /// What it has in common with its answer, or with what it answers.
    fn answer(&self) -> Option<u64> {
        None
    }

    /// What was wrong with it, in the order in which it was noticed.
    fn noted(&self) -> &[Anomaly] {
        &[]
    }

    /// Bytes that it keeps besides its own size ([`held`]).
    fn held(&self) -> usize;
}

impl<T: OneWay> Transaction for T {
    fn progress(&self, direction: Direction) -> u8 {
        u8::from(direction == self.way())
    }

    fn is_complete(&self) -> bool {
        true
    }

    fn only_direction(&self) -> Option<Direction> {
        Some(self.way())
    }

    fn pair(&self) -> Option<u64> {
        self.answer()
    }

    fn anomalies(&self) -> &[Anomaly] {
        self.noted()
    }

    fn held_bytes(&self) -> usize {
        self.held()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
