//! A job with its acknowledgement, or a message by itself.

use std::any::Any;

use super::message::Message;
use crate::protocol::{self, Anomaly, Both, Direction, held};

/// A job with its acknowledgement, or a message by itself.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    sides: Both<Option<Message>>,
    is_over: bool,
    anomalies: Vec<Anomaly>,
}

impl Transaction {
    /// What travels in a direction.
    pub(super) fn tell(&mut self, direction: Direction, message: Message) {
        *self.sides.of_mut(direction) = Some(message);
        self.is_over |= message.is_answer();
    }

    /// No answer will come.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn note(&mut self, anomaly: &'static str) {
        self.anomalies.push(Anomaly(anomaly));
    }

    /// What travelled in a direction.
    pub(super) fn message(&self, direction: Direction) -> Option<&Message> {
        self.sides.of(direction).as_ref()
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, direction: Direction) -> u8 {
        u8::from(self.is_over || self.message(direction).is_some())
    }

    fn is_complete(&self) -> bool {
        self.is_over
    }

    fn only_direction(&self) -> Option<Direction> {
        None
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
