//! A packet without a flow.

use tapwire_parsers::link::Packet;
use tapwire_signatures::rule::condition::PacketView;
use tapwire_signatures::state::flow::FlowState as RuleMemory;
use tapwire_signatures::verify::fuel::FlowFuel;
use tapwire_signatures::verify::packet::Occasion;

use super::Worker;
use crate::inspect::alerts::settle;
use crate::records::report::Moment;

impl Worker {
    /// A packet without a flow: rules on packets are asked all the same.
    pub(super) fn packet_alone(&mut self, packet: &Packet<'_>, moment: &Moment) {
        let view = PacketView { packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
        let plan = &*self.plan;
        self.matches.clear();
        let occasion = Occasion { first: true, ..Occasion::default() };
        self.inspector.matcher.begin_packet(FlowFuel::default(), packet.payload.len());
        self.inspector.matcher.packet(plan, &view, occasion, &mut RuleMemory::default(), &mut self.matches);
        let (_, dry) = self.inspector.matcher.end_packet();
        if !dry.is_empty() {
            self.reporter.dry_rules_alone(dry, packet, moment);
        }
        let watch = self.inspector.matcher.watch.as_deref_mut();
        let settled = settle(plan, &mut self.matches, self.settings.alert_limit, watch);
        self.counters.alerts.raised += settled.alerts as u64;
        self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
        for found in &self.matches {
            self.reporter.alert_alone(plan, found, packet, settled.verdict(), moment);
        }
    }
}
