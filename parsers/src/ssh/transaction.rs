//! What is kept of a flow: one transaction with both sides' identification.

use std::any::Any;

use super::hassh::Hassh;
use super::state;
use crate::protocol::{self, Anomaly, Both, Direction, held};

/// What a side says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Version of the protocol.
    pub(super) protocol: Vec<u8>,
    /// Version of the software.
    pub(super) software: Vec<u8>,
    /// Fingerprint of the algorithms that it offers.
    pub(super) hassh: Option<Hassh>,
}

impl Identity {
    fn held_bytes(&self) -> usize {
        let hassh =
            self.hassh.as_ref().map_or(0, |hassh| held::list(&hassh.string) + held::block(hassh.hash.capacity()));
        held::list(&self.protocol) + held::list(&self.software) + hassh
    }
}

/// An SSH flow.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    sides: Both<Option<Box<Identity>>>,
    progress: Both<u8>,
    /// Fingerprints are wanted: its record waits for them.
    waits_for_hassh: bool,
    anomalies: Vec<Anomaly>,
}

impl Transaction {
    pub(super) fn new(waits_for_hassh: bool) -> Self {
        Self { waits_for_hassh, ..Self::default() }
    }

    /// What a side said of itself: the client's side travels to the server.
    pub(super) fn side(&self, direction: Direction) -> Option<&Identity> {
        self.sides.of(direction).as_deref()
    }

    pub(super) fn identify(&mut self, direction: Direction, identity: Identity) {
        *self.sides.of_mut(direction) = Some(Box::new(identity));
    }

    pub(super) fn fingerprint(&mut self, direction: Direction, hassh: Hassh) {
        if let Some(side) = self.sides.of_mut(direction) {
            side.hassh.get_or_insert(hassh);
        }
    }

    /// Whether either side speaks version 1 only.
    pub(super) fn is_version_1(&self) -> bool {
        Direction::BOTH
            .into_iter()
            .filter_map(|direction| self.side(direction))
            .any(|side| side.protocol.starts_with(b"1.") && side.protocol != b"1.99")
    }

    pub(super) fn raise(&mut self, name: &'static str) {
        let anomaly = Anomaly(name);
        // Each kind is told once in a flow, which also bounds the list.
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    pub(super) fn reach(&mut self, direction: Direction, progress: u8) {
        let current = self.progress.of_mut(direction);
        *current = progress.max(*current);
    }

    fn both_reached(&self, progress: u8) -> bool {
        self.progress.to_server >= progress && self.progress.to_client >= progress
    }
}

impl protocol::Transaction for Transaction {
    fn progress(&self, direction: Direction) -> u8 {
        *self.progress.of(direction)
    }

    fn is_complete(&self) -> bool {
        self.both_reached(state::FINISHED)
    }

    fn is_recordable(&self) -> bool {
        self.both_reached(if self.waits_for_hassh { state::KEXINIT_DONE } else { state::BANNER_DONE })
    }

    fn anomalies(&self) -> &[Anomaly] {
        &self.anomalies
    }

    fn held_bytes(&self) -> usize {
        let Both { to_server, to_client } = &self.sides;
        let sides = [to_server, to_client].into_iter().flatten();
        sides.map(|side| held::boxed::<Identity>(side.held_bytes())).sum::<usize>() + held::list(&self.anomalies)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
