//! What is told of a control block: that it begins, that its state changes, how often it was said.

use super::data::Items;
use super::stream::{Previous, State};
use crate::protocol::{Anomaly, Direction, OneWay, held};

/// Something that is told of a control block.
#[derive(Debug)]
pub(super) struct Transaction {
    pub direction: Direction,
    pub what: What,
    pub state: State,
    pub items: Items,
    pub anomalies: Vec<Anomaly>,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The first message.
    Begin,
    /// Another state than before.
    Change(Previous),
    /// So many frames since this was last told, and so many of the state that they ended with.
    Published { frames: u64, state_frames: u64 },
    /// A message with something odd in it that says the same state again: it has no record.
    Odd,
    /// A frame in which no message can be read: it has no record, and nothing but its header.
    Unread,
}

impl What {
    /// Its name in records and rules.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            What::Begin => "begin",
            What::Change(_) => "state_change",
            What::Published { .. } => "publish",
            What::Odd => "repeat",
            What::Unread => "unread",
        }
    }
}

impl Transaction {
    pub(super) fn seen(&self, direction: Direction, index: usize) -> Option<&Self> {
        (index == 0 && self.direction == direction).then_some(self)
    }

    /// What the message says, where it was read.
    pub(super) fn said(&self, direction: Direction, index: usize) -> Option<&State> {
        self.seen(direction, index).filter(|tx| tx.what != What::Unread).map(|tx| &tx.state)
    }

    /// The frames that a record stands for.
    pub(super) fn frames(&self) -> Option<u64> {
        if let What::Published { frames, .. } = self.what { Some(frames) } else { None }
    }
}

impl OneWay for Transaction {
    fn way(&self) -> Direction {
        self.direction
    }

    fn noted(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held(&self) -> usize {
        self.state.held_bytes() + self.items.held_bytes() + held::list(&self.anomalies)
    }
}
