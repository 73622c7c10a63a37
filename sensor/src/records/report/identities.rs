//! What tells a record from all others: where its packets come from, its packet, its flow, its type, and which of these it is.
//!
//! A capture gives the same ids whenever it is read, for any number of workers, so that whoever gets its records twice knows them.

use smallvec::SmallVec;

use super::{Moment, Reporter};
use crate::records::header::{EventId, Header};

/// How many records of each type were made of one packet, of each flow and for each output.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    packet: u64,
    made: SmallVec<[(Key, u32); KEPT]>,
    /// The one that is forgotten next.
    next: usize,
}

type Key = (u16, Option<u64>, &'static str);

/// Records of one flow that one packet leads to stand together, so that few are remembered.
const KEPT: usize = 16;

impl Ordinals {
    /// The number of the next record of a type that a packet leads to, from 0.
    fn next(&mut self, packet: u64, key: Key) -> u32 {
        if self.packet != packet {
            self.packet = packet;
            self.made.clear();
        }
        if let Some((_, count)) = self.made.iter_mut().find(|(made, _)| *made == key) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.made.len() < KEPT {
            self.made.push((key, 0));
        } else if let Some(oldest) = self.made.get_mut(self.next) {
            *oldest = (key, 0);
            self.next = (self.next + 1) % KEPT;
        }
        0
    }
}

impl Reporter {
    /// Gives a record its id.
    pub(super) fn identify(&mut self, output: u16, header: &mut Header<'_>, kind: &'static str, moment: &Moment) {
        let origin = &self.outputs.origin;
        let (source, before) = origin.capture.as_ref().map_or((origin.id, 0), |file| (file.id, file.packets_before));
        let (number, is_end) = moment.number();
        let ordinal = self.ordinals.next(moment.order, (output, header.flow_id, kind));
        // A flow may have begun in a file before.
        header.id = Some(EventId { source, packet: number.checked_sub(before).unwrap_or(number), is_end, ordinal });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_packet_are_counted_by_output_flow_and_type() {
        let mut ordinals = Ordinals::default();
        let dns = (0, Some(7), "dns");
        assert_eq!(
            [(1, dns), (1, dns), (1, (1, Some(7), "dns")), (1, (0, None, "dns")), (2, dns), (2, dns)]
                .map(|(p, k)| ordinals.next(p, k)),
            [0, 1, 0, 0, 0, 1]
        );
        for flow in 0..100 {
            assert_eq!((0..3).map(|_| ordinals.next(3, (0, Some(flow), "flow"))).collect::<Vec<_>>(), [0, 1, 2]);
        }
    }
}
