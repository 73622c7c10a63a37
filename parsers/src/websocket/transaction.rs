//! A frame.

use std::any::Any;

use super::frame::Header;
use crate::protocol::{self, Anomaly, Direction, held};

/// A frame, with what it carries.
#[derive(Debug)]
pub(super) struct Transaction {
    direction: Direction,
    header: Header,
    payload: Vec<u8>,
    is_complete: bool,
    anomalies: Vec<Anomaly>,
}

impl Transaction {
    /// One of which the header came.
    pub(super) fn new(direction: Direction, header: Header, anomalies: Vec<Anomaly>) -> Self {
        Self { direction, header, payload: Vec::new(), is_complete: false, anomalies }
    }

    /// All of it came, or all that is kept.
    pub(super) fn complete(&mut self, payload: Vec<u8>) {
        (self.payload, self.is_complete) = (payload, true);
    }

    pub(super) fn note(&mut self, anomaly: &'static str) {
        if !self.anomalies.contains(&Anomaly(anomaly)) {
            self.anomalies.push(Anomaly(anomaly));
        }
    }

    /// The header, in the direction it went.
    pub(super) fn header(&self, direction: Direction) -> Option<&Header> {
        (direction == self.direction).then_some(&self.header)
    }

    /// What it carries, in the direction it went.
    pub(super) fn payload(&self, direction: Direction) -> Option<&[u8]> {
        (direction == self.direction).then_some(&*self.payload)
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, _: Direction) -> u8 {
        u8::from(self.is_complete)
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn only_direction(&self) -> Option<Direction> {
        Some(self.direction)
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        held::list(&self.payload) + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
