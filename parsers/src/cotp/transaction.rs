//! A connection: what asked for it, and what answered.

use std::any::Any;

use super::message::Tpdu;
use crate::protocol::{self, Anomaly, Both, Direction, held};

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    sides: Both<Option<Box<Tpdu>>>,
    is_over: bool,
}

impl Transaction {
    /// What a side said of it first.
    pub(super) fn tell(&mut self, direction: Direction, unit: Tpdu) {
        self.sides.of_mut(direction).get_or_insert_with(|| Box::new(unit));
        self.is_over |= self.sides.to_server.is_some() && self.sides.to_client.is_some();
    }

    /// Nothing more will come of it.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// What a side said of it.
    pub(super) fn tpdu(&self, direction: Direction) -> Option<&Tpdu> {
        self.sides.of(direction).as_deref()
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, direction: Direction) -> u8 {
        u8::from(self.is_over || self.tpdu(direction).is_some())
    }

    fn is_complete(&self) -> bool {
        self.is_over
    }

    fn only_direction(&self) -> Option<Direction> {
        None
    }

    fn anomalies(&self) -> &[Anomaly] {
        &[]
    }

    fn held_bytes(&self) -> usize {
        let sides = Direction::BOTH.into_iter().filter_map(|direction| self.tpdu(direction));
        let texts = |unit: &Tpdu| unit.calling.iter().chain(&unit.called).map(held::list).sum::<usize>();
        sides.map(|unit| held::boxed::<Tpdu>(texts(unit))).sum()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
