//! What caused records: the traffic that each is charged with, once.

use tapwire_parsers::link::Packet;

use super::{Moment, Reporter};
use crate::flow::Flow;
use crate::inspect::Application;
use crate::records::cause::{Cause, Charge, Occasion, Volume};
use crate::records::header::Header;

impl Reporter {
    /// Takes note of the bytes of all packets so far, other workers' as well.
    pub fn note_traffic(&mut self, bytes: u64) {
        self.traffic = bytes;
    }

    /// The traffic of a flow that no record was charged with.
    pub(super) fn charge_flow(&self, flow: &Flow<Application>) -> Charge {
        let all = flow.bytes.to_server + flow.bytes.to_client;
        let [a, b, c, d, ..] = all.to_le_bytes();
        let low = u32::from_le_bytes([a, b, c, d]);
        let before = flow.app.charged_bytes.replace(low);
        Charge { bytes: low.wrapping_sub(before).into(), answered: flow.is_conversation() }
    }

    /// A packet, for the first record that it causes.
    pub(super) fn charge_packet(&mut self, packet: &Packet<'_>, moment: &Moment) -> Charge {
        let is_new = self.charged_packet != Some(moment.order);
        self.charged_packet = Some(moment.order);
        Charge { bytes: if is_new { packet.data.len() as u64 } else { 0 }, answered: false }
    }

    /// What caused a record for an output, where somebody asks; the record gets its id.
    pub(super) fn cause(
        &mut self,
        output: u16,
        header: &mut Header<'_>,
        kind: &'static str,
        charge: Charge,
        moment: &Moment,
    ) -> Option<Cause> {
        if !self.outputs.own {
            return None;
        }
        self.identify(output, header, kind, moment);
        let occasion = Occasion { now: moment.now, last: moment.is_last(), traffic: self.traffic };
        Some(Cause::new(header, kind, charge, occasion))
    }
}

/// The whole of a flow.
pub(super) fn volume(flow: &Flow<Application>) -> Volume {
    let packets = [flow.packets.to_server, flow.packets.to_client];
    let is_quiet = !flow.alerted && !flow.alerts_asked && flow.app.opened == 0;
    Volume {
        packets,
        bytes: [flow.bytes.to_server, flow.bytes.to_client],
        alone: packets.iter().sum::<u64>() == 1 && is_quiet,
    }
}
