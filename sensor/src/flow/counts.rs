//! What was counted of flows, by the names that `stats` records have.

use super::Table;
use super::expected::ExpectedFlows;

impl<A: Default> Table<A> {
    /// What a table counted, by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let begun = self.counters();
        let (bypassed_packets, bypassed_bytes) = begun.bypassed;
        let (segments, refused_bytes) = self.store().refused();
        let (again, made) = self.store().buffers();
        let [evicted_for_flows, _] = begun.evicted.needed_for;
        let of_carriers = ["flow.tcp", "flow.udp", "flow.icmpv4", "flow.icmpv6"].into_iter().zip(begun.begun);
        let others = [
            ("flow.total", begun.begun.iter().sum()),
            ("tapwire.flow.without_ip", begun.begun_without_ip),
            ("flow.tcp_reuse", begun.reused),
            ("tcp.invalid_checksum", begun.bad_checksums),
            ("tcp.reassembly_gap", begun.gaps),
            ("flow_bypassed.local_pkts", bypassed_packets),
            ("flow_bypassed.local_bytes", bypassed_bytes),
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
            ("tcp.insert_data_normal_fail", self.store().placeless()),
            ("tcp.segment_from_cache", again),
            ("tcp.segment_from_pool", made),
            ("flow.active", self.len() as u64),
            ("flow.memcap", evicted_for_flows + begun.refused_packets),
            ("flow.get_used", evicted_for_flows),
            ("flow.get_used_eval", evicted_for_flows + begun.refused_packets),
            ("flow.get_used_failed", begun.refused_packets),
        ];
        let own = others.into_iter().chain(begun.tally.by_name()).chain(begun.evicted.by_name());
        of_carriers.chain(own).chain(ALWAYS_NONE.iter().map(|name| (*name, 0)))
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

/// What Suricata counts and no table ever does: each worker owns its flows, and nothing is set aside for those to come.
const ALWAYS_NONE: &[&str] = &[
    "flow.end.state.capture_bypassed",
    "flow.get_used_eval_busy",
    "flow.get_used_eval_reject",
    "flow.mgr.rows_maxlen",
    "flow.mgr.rows_per_sec",
    "flow.recycler.queue_avg",
    "flow.recycler.queue_max",
    "flow.spare",
    "flow.wrk.flows_injected",
    "flow.wrk.flows_injected_max",
    "flow.wrk.spare_sync",
    "flow.wrk.spare_sync_avg",
    "flow.wrk.spare_sync_empty",
    "flow.wrk.spare_sync_incomplete",
    "flow_bypassed.bytes",
    "flow_bypassed.closed",
    "flow_bypassed.local_capture_bytes",
    "flow_bypassed.local_capture_pkts",
    "flow_bypassed.pkts",
    "tcp.pkt_on_wrong_thread",
    "tcp.ssn_from_cache",
    "tcp.ssn_from_pool",
    "tcp.ssn_memcap_drop",
];
