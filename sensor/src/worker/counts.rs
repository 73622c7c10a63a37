//! What a worker and its parts counted, by the names that `stats` records have.

use super::Worker;
use crate::stats::Counters;

impl Worker {
    /// Its counters as they stand, with what its parts counted.
    pub fn counted(&mut self) -> Counters {
        let own = self.counters.clone();
        self.count();
        std::mem::replace(&mut self.counters, own)
    }

    fn count(&mut self) {
        let begun = self.table.counters();
        self.counters.add("flow.total", begun.begun.iter().sum());
        for (name, count) in ["flow.tcp", "flow.udp", "flow.icmpv4", "flow.icmpv6"].into_iter().zip(begun.begun) {
            self.counters.add(name, count);
        }
        self.counters.add("tapwire.flow.without_ip", begun.begun_without_ip);
        self.counters.add("flow.tcp_reuse", begun.reused);
        self.counters.add("tcp.invalid_checksum", begun.bad_checksums);
        self.counters.add("tcp.reassembly_gap", begun.gaps);
        let (packets, bytes) = begun.bypassed;
        for (name, count) in [
            ("flow_bypassed.local_pkts", packets),
            ("flow_bypassed.local_bytes", bytes),
            ("flow_bypassed.local_capture_pkts", 0),
            ("flow_bypassed.local_capture_bytes", 0),
        ] {
            self.counters.add(name, count);
        }
        for (name, count) in begun.evicted.by_name() {
            self.counters.add(name, count);
        }
        self.counters.add("tapwire.flow.resumed", begun.resumed.0);
        self.counters.add("tapwire.flow.picked_up", begun.resumed.1);
        self.counters.add("tapwire.flow.forgotten", self.table.forgotten());
        let expected = self.expected.counters();
        self.counters.add("app_layer.expectations", self.expected.len() as u64);
        self.counters.add("tapwire.expected.announced", expected.announced);
        self.counters.add("tapwire.expected.met", expected.met);
        self.counters.add("tapwire.expected.evicted", expected.evicted);
        self.counters.add("tapwire.stream.given_up_flows", begun.given_up.0);
        self.counters.add("tapwire.stream.given_up_bytes", begun.given_up.1);
        self.counters.add("flow.elephant", begun.elephants);
        self.counters.add("flow.emerg_mode_entered", begun.emergencies.0);
        self.counters.add("flow.emerg_mode_over", begun.emergencies.1);
        self.counters.add("tapwire.flow.refused_packets", begun.refused_packets);
        let (segments, bytes) = self.table.store().refused();
        self.counters.add("tcp.segment_memcap_drop", segments);
        self.counters.add("tapwire.stream.refused_bytes", bytes);
        self.counters.add("tapwire.rules.candidates", self.inspector.matcher.decided);
        self.counters.add("tapwire.rules.odd_buffers", self.inspector.matcher.odd_buffers());
        self.counters.add("tapwire.rules.out_of_fuel", self.inspector.matcher.dry());
        self.counters.add("tapwire.rules.evidence_limit", self.inspector.matcher.limits.evidence_hit);
        self.counters.add("tapwire.rules.regex_limit", self.inspector.matcher.limits.regex_hit);
        self.counters.add("tapwire.rules.waiting_limit", self.inspector.waiting_cut);
        // They are there also where nothing was let go.
        self.counters.add("tapwire.app_layer.evicted", 0);
        self.counters.add("tapwire.app_layer.evicted_bytes", 0);
        self.counters.add("tapwire.frames_cut", self.inspector.frames_cut);
        self.counters.add("tapwire.parsers_dry", self.inspector.parsers_dry);
        self.counters.add("tapwire.carried.refused", self.inspector.layers_refused);
        self.counters.add("tapwire.files_displaced", self.inspector.file_losses.displaced);
        self.counters.add("tapwire.files_dropped", self.inspector.file_losses.dropped);
        self.counters.add("tapwire.files_unkept", self.inspector.file_losses.unkept);
        self.counters.add("tapwire.rules.asn1_limit", self.inspector.matcher.limits.asn1_hit);
        for (name, count) in self.inspector.matcher.lua.failures.counters() {
            self.counters.add(name, count);
        }
        self.counters.costs = self.inspector.matcher.cost_books();
        self.counters.add("tapwire.parser_faults", self.inspector.parser_faults);
        for (name, count) in self.inspector.counters() {
            self.counters.add(name, count);
        }
    }
}
