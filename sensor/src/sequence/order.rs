//! The first step: findings of all workers in one order, and the rules that they are of.

use std::sync::Arc;

use crate::inspect::Engine;
use crate::records::batch::RecordBatch;
use crate::records::finding::Finding;

/// Where the writer is.
pub(super) struct Order {
    /// The newest rules that findings were of.
    pub(super) engine: Arc<Engine>,
    /// The batch of packets whose findings were written last.
    sequence: u64,
    /// Batches whose findings came behind those of later ones.
    pub(super) late_batches: u64,
}

/// What a batch of packets is written with.
pub(super) struct Begun {
    /// The rules that all of its findings are of.
    pub(super) engine: Arc<Engine>,
    /// They are new.
    pub(super) changed: bool,
}

impl Order {
    /// Before all batches.
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, sequence: 0, late_batches: 0 }
    }

    /// Goes on to what the workers found in one batch of packets.
    pub(super) fn begin(&mut self, batches: &[RecordBatch]) -> Begun {
        let sequence = batches.iter().map(|batch| batch.sequence).max().unwrap_or(self.sequence);
        let is_late = sequence < self.sequence;
        self.late_batches += u64::from(is_late);
        self.sequence = self.sequence.max(sequence);
        let engine = batches.iter().find_map(|batch| batch.engine.as_ref()).unwrap_or(&self.engine);
        let begun = Begun { engine: Arc::clone(engine), changed: !is_late && !Arc::ptr_eq(engine, &self.engine) };
        if begun.changed {
            // A worker that is behind goes on with the rules that it had; what all share is the others' by now.
            self.engine = Arc::clone(&begun.engine);
        }
        begun
    }
}

/// The findings of several workers in one order: by packet, then as each worker made them.
pub(super) fn in_order(batches: &[RecordBatch]) -> Vec<(&RecordBatch, &Finding)> {
    let mut all: Vec<_> =
        batches.iter().flat_map(|batch| batch.findings.iter().map(move |finding| (batch, finding))).collect();
    // Equal ones stay as they are: a packet belongs to one worker, so that the order within a packet is that worker's.
    all.sort_by_key(|(_, finding)| (finding.place.packet, finding.place.ended));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::finding::Place;

    #[test]
    fn findings_of_two_workers_at_one_place_are_not_mixed() {
        let mut batches = [RecordBatch::new(0, 0), RecordBatch::new(1, 0)];
        for (worker, packet, flow) in [(1, 5, 10), (1, 7, 11), (1, 7, 12), (0, 7, 20), (0, 7, 21), (0, 9, 22)] {
            batches[worker].push_flow_end(Place { packet, ended: Place::PACKET, flow: Some(flow) });
        }
        let order = in_order(&batches).into_iter().filter_map(|(_, finding)| finding.place.flow);
        assert_eq!(order.collect::<Vec<_>>(), [10, 20, 21, 11, 12, 22]);
    }
}
