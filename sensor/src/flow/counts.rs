//! What was counted of flows, by the names that `stats` records have.

use super::Table;
use super::expected::ExpectedFlows;

impl<A: Default> Table<A> {
    /// What a table counted, by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let begun = self.counters();
        let (bypassed_packets, bypassed_bytes) = begun.bypassed;
        let (segments, refused_bytes) = self.store().refused();
        let of_carriers = ["flow.tcp", "flow.udp", "flow.icmpv4", "flow.icmpv6"].into_iter().zip(begun.begun);
        let others = [
            ("flow.total", begun.begun.iter().sum()),
            ("tapwire.flow.without_ip", begun.begun_without_ip),
            ("flow.tcp_reuse", begun.reused),
            ("tcp.invalid_checksum", begun.bad_checksums),
            ("tcp.reassembly_gap", begun.gaps),
            ("flow_bypassed.local_pkts", bypassed_packets),
            ("flow_bypassed.local_bytes", bypassed_bytes),
            ("flow_bypassed.local_capture_pkts", 0),
            ("flow_bypassed.local_capture_bytes", 0),
            ("tapwire.flow.resumed", begun.resumed.0),
            ("tapwire.flow.picked_up", begun.resumed.1),
            ("tapwire.flow.forgotten", self.forgotten()),
            ("tapwire.stream.given_up_flows", begun.given_up.0),
            ("tapwire.stream.given_up_bytes", begun.given_up.1),
            ("flow.elephant", begun.elephants),
            ("flow.emerg_mode_entered", begun.emergencies.0),
            ("flow.emerg_mode_over", begun.emergencies.1),
            ("tapwire.flow.refused_packets", begun.refused_packets),
            ("tcp.segment_memcap_drop", segments),
            ("tapwire.stream.refused_bytes", refused_bytes),
        ];
        of_carriers.chain(others).chain(begun.evicted.by_name())
    }
}

impl ExpectedFlows {
    /// What was counted of announced flows, by name.
    pub fn by_name(&self) -> [(&'static str, u64); 4] {
        let counters = self.counters();
        [
            ("app_layer.expectations", self.len() as u64),
            ("tapwire.expected.announced", counters.announced),
            ("tapwire.expected.met", counters.met),
            ("tapwire.expected.evicted", counters.evicted),
        ]
    }
}
