//! The tree of a configuration file to values.

use std::path::{Path, PathBuf};

use crate::sinks::output::Syncing;
use tapwire_parsers::protocol::parse_size;
use tapwire_signatures::plan::order::ActionOrder;
use tapwire_signatures::rule::script;

use super::interfaces::Interfaces;
use super::node::Node;
use super::threads::Threads;
use super::{
    Checksums, Configuration, EVIDENCE_PIECES, Elephant, Enabled, ExceptionPolicies, Problem, ProtocolSettings,
    Tenancy, Timeouts, Tunnels, UrgentPolicy, deliveries, hosts, lists, outputs, packets, variables,
};
use crate::capture::duplicates;

/// Reads values out of the tree and notes what is wrong.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Node,
    /// What is so wrong that nothing may start with it.
    pub(super) refused: Vec<Problem>,
    pub(super) faults: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        Self { root, refused: Vec::new(), faults: Vec::new(), warnings: Vec::new() }
    }

    fn bytes(&mut self, key: &str, into: &mut u64) {
        if let Some(node) = self.root.at(key)
            && let Some(text) = node.text()
        {
            match parse_size(text) {
                Some(value) => *into = value,
                None => self
                    .faults
                    .push(node.problem(format!("`{text}` is no size for {key}"), "such as 4096, 64 KiB or 1gb")),
            }
        }
    }

    fn seconds(&mut self, key: &str, into: &mut u32) {
        if let Some(node) = self.root.at(key)
            && let Some(text) = node.text()
        {
            match text.parse() {
                Ok(value) => *into = value,
                Err(_) => self
                    .faults
                    .push(node.problem(format!("`{text}` is no number of seconds for {key}"), "a whole number")),
            }
        }
    }

    pub(super) fn switch(&mut self, key: &str, into: &mut bool) {
        if let Some(node) = self.root.at(key)
            && let Some(text) = node.text()
        {
            match node.switch() {
                Some(value) => *into = value,
                None if text == "auto" => {}
                None => {
                    self.faults.push(node.problem(format!("`{text}` is neither yes nor no for {key}"), "yes or no"))
                }
            }
        }
    }

    /// The log of a live sensor.
    fn log(&mut self, c: &mut Configuration) {
        let mut is_kept = true;
        self.switch("tapwire.log.enabled", &mut is_kept);
        let mut kept = c.log.take().unwrap_or_default();
        let log = &mut kept.settings;
        if let Some(name) = self.root.at("sensor-name").and_then(Node::text) {
            name.clone_into(&mut log.sensor);
        }
        self.bytes("tapwire.log.segment-size", &mut log.segment_bytes);
        self.bytes("tapwire.log.max-size", &mut log.retention.bytes);
        self.bytes("tapwire.log.reserve", &mut log.reserve_bytes);
        self.seconds("tapwire.log.segment-time", &mut log.segment_s);
        self.seconds("tapwire.log.max-age", &mut log.retention.age_s);
        self.percent("tapwire.log.max-share", &mut log.retention.share_percent);
        if let Some(node) = self.root.at("tapwire.log") {
            kept.sync = match node.choice_at("sync", &["second", "frame", "system"], &mut self.faults) {
                "frame" => Syncing::Frame,
                "system" => Syncing::System,
                _ => Syncing::Second,
            };
        }
        c.log = is_kept.then_some(kept);
    }

    fn percent(&mut self, key: &str, into: &mut u32) {
        if let Some(node) = self.root.at(key)
            && let Some(text) = node.text()
        {
            match text.trim_end_matches(['%', ' ']).parse() {
                Ok(value @ 0..=100) => *into = value,
                _ => self.faults.push(node.problem(format!("`{text}` is no percentage for {key}"), "0 to 100")),
            }
        }
    }

    fn scripts(&mut self, scripts: &mut script::Settings) {
        let (mut bytes, mut instructions) = (scripts.max_bytes as u64, u64::from(scripts.max_instructions));
        self.switch("security.lua.allow-rules", &mut scripts.allow_rules);
        self.bytes("security.lua.max-bytes", &mut bytes);
        self.bytes("security.lua.max-instructions", &mut instructions);
        self.switch("security.lua.allow-restricted-functions", &mut scripts.allow_restricted);
        self.bytes("tapwire.lua.max-time-ms", &mut scripts.max_time_ms);
        scripts.max_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        scripts.max_instructions = u32::try_from(instructions).unwrap_or(u32::MAX);
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.root.at(key).and_then(Node::text).map(PathBuf::from)
    }

    /// What rules are read with, of which each tenant may have its own.
    pub(super) fn rules(&mut self, c: &mut Configuration) {
        variables::read(self.root, c, &mut self.refused, &mut self.warnings);
        if let Some(path) = self.path("default-rule-path") {
            c.rule_path = Some(path);
        }
        if let Some(files) = self.root.at("rule-files") {
            c.rule_files = files.items().iter().filter_map(|file| file.text().map(str::to_owned)).collect();
        }
        for (key, into) in [
            ("classification-file", &mut c.classification_file),
            ("reference-config-file", &mut c.reference_config_file),
            ("threshold-file", &mut c.threshold_file),
        ] {
            if let Some(path) = self.path(key) {
                *into = Some(path);
            }
        }
    }

    pub(super) fn fill(&mut self, c: &mut Configuration, file: Option<&Path>) {
        self.rules(c);
        if let Some(dir) = self.path("default-log-dir") {
            c.log_dir = dir;
        }
        self.timeouts("", &mut c.timeouts);
        self.timeouts("emergency-", &mut c.emergency_timeouts);
        self.bytes("flow.emergency-recovery", &mut c.emergency_recovery_percent);
        let mut asn1_elements = u64::from(c.asn1_elements);
        self.bytes("asn1-max-frames", &mut asn1_elements);
        c.asn1_elements = u16::try_from(asn1_elements).unwrap_or(u16::MAX);
        let mut flowbits = c.flowbit_limit as u64;
        self.bytes("detect.flowbits.max-per-signature", &mut flowbits);
        self.bytes("flowbits.max-per-signature", &mut flowbits);
        c.flowbit_limit = usize::try_from(flowbits).unwrap_or(usize::MAX);
        if self.root.at("flow.rate-tracking").is_some() {
            let mut elephant = Elephant::default();
            self.bytes("flow.rate-tracking.bytes", &mut elephant.bytes);
            self.seconds("flow.rate-tracking.interval", &mut elephant.interval_s);
            c.elephant = Some(elephant);
        }
        if file.is_some() {
            c.memory_bytes = 0;
            c.parser_memory_bytes = 256 << 20;
        }
        if file.is_some() && self.root.at("tapwire").is_none() {
            // What was written for Suricata says which copy counts, and means that one alone.
            c.stream.rival_bytes = 0;
        }
        self.bytes("tapwire.memory", &mut c.memory_bytes);
        self.bytes("tapwire.parser-memory", &mut c.parser_memory_bytes);
        self.bytes("tapwire.rival-bytes", &mut c.stream.rival_bytes);
        self.bytes("tapwire.early-segments", &mut c.stream.early_segments);
        self.bytes("tapwire.remembered-connections", &mut c.stream.remembered);
        self.bytes("tapwire.expected-flows", &mut c.stream.expected);
        self.bytes("flow.memcap", &mut c.flow_memory_bytes);
        let stream = &mut c.stream;
        self.bytes("stream.reassembly.memcap", &mut stream.memory_bytes);
        self.bytes("stream.reassembly.depth", &mut stream.depth_bytes);
        self.bytes("stream.reassembly.toserver-chunk-size", &mut stream.to_server_chunk_bytes);
        self.bytes("stream.reassembly.toclient-chunk-size", &mut stream.to_client_chunk_bytes);
        self.switch("stream.midstream", &mut stream.midstream);
        self.switch("stream.async-oneside", &mut stream.async_oneside);
        self.switch("stream.inline", &mut stream.inline);
        self.switch("stream.bypass", &mut stream.bypass);
        self.switch("stream.checksum-validation", &mut stream.checksum_validation);
        if let Some(node) = self.root.at("stream.reassembly.urgent.policy") {
            match node.text() {
                Some("oob") => stream.urgent = UrgentPolicy::OutOfBand,
                Some("inline") => stream.urgent = UrgentPolicy::Inline,
                Some("drop") => stream.urgent = UrgentPolicy::Drop,
                _ => self.faults.push(node.problem("this is no policy for urgent data".into(), "oob, inline or drop")),
            }
        }
        self.switch("vlan.use-for-tracking", &mut c.vlan_tracking);
        self.switch("livedev.use-for-tracking", &mut c.interface_tracking);
        let mut limit = c.alert_limit as u64;
        self.bytes("packet-alert-max", &mut limit);
        if limit > 0 {
            c.alert_limit = usize::try_from(limit).unwrap_or(usize::MAX);
        } else if let Some(node) = self.root.at("packet-alert-max") {
            self.warnings.push(node.problem("a packet may raise at least one alert".into(), "15 is used"));
        }
        c.tunnels = Tunnels::read(self.root, &c.port_groups, &mut self.faults);
        c.exceptions = ExceptionPolicies::read(self.root, &mut self.faults);
        c.systems = hosts::systems(self.root, &mut self.faults);
        let defrag = &mut c.defrag;
        self.bytes("defrag.memcap", &mut defrag.memory_bytes);
        self.bytes("defrag.trackers", &mut defrag.trackers);
        self.bytes("defrag.max-frags", &mut defrag.pieces);
        if self.root.at("defrag.timeout").is_some() {
            self.seconds("defrag.timeout", defrag.timeout_s.get_or_insert(30));
        }
        defrag.timeouts_s = hosts::fragment_timeouts(self.root, &mut self.faults);
        self.scripts(&mut c.scripts);
        self.switch("detect.guess-applayer-tx", &mut c.guess_transaction);
        c.data_dir = self.path("default-data-dir");
        self.switch("detect.sgh-mpm-caching", &mut c.rule_cache.enabled);
        c.rule_cache.folder = self.path("detect.sgh-mpm-caching-path");
        c.countries = self.path("geoip-database");
        c.context = self.path("tapwire.context");
        c.reputation = lists::reputation(self.root);
        c.datasets = lists::datasets(self.root, &mut self.faults);
        if let Some(node) = self.root.at("action-order") {
            match ActionOrder::read(node.items().iter().filter_map(Node::text)) {
                Some(order) => c.action_order = order,
                None => self.faults.push(node.problem(
                    "this is no order of actions".to_owned(),
                    "name each of pass, drop, reject and alert once",
                )),
            }
        }
        if let Some(node) = self.root.at("pcap-file.checksum-checks") {
            c.checksums = match (node.text(), node.switch()) {
                (_, Some(true)) => Checksums::On,
                (_, Some(false)) => Checksums::Off,
                _ => Checksums::Auto,
            };
        }
        // What was written for Suricata names the protocols that it parses beside the usual ones.
        if file.is_some() && self.root.at("tapwire").is_none() {
            c.protocols.clear();
        }
        for (name, node) in self.root.at("app-layer.protocols").map(Node::entries).unwrap_or(&[]) {
            let mut said = protocol(node);
            if node.get("stream-depth").is_some() {
                let depth = said.stream_depth.insert(0);
                self.bytes(&format!("app-layer.protocols.{name}.stream-depth"), depth);
            }
            c.protocols.insert(name.clone(), said);
        }
        if file.is_some() {
            // What was written for Suricata expects its records, and its exit status for captures that end badly.
            c.own_records = self.root.at("tapwire").is_some();
            c.damage_status = c.own_records;
            // It also never joins what comes in different VLANs, and has flows of a few protocols only.
            c.join_vlans = c.own_records;
            c.flows_of_all_protocols = c.own_records;
            c.eve = Vec::new();
        }
        self.switch("tapwire.records", &mut c.own_records);
        self.switch("tapwire.damage-status", &mut c.damage_status);
        self.switch("tapwire.join-vlans", &mut c.join_vlans);
        self.switch("tapwire.flows-of-all-protocols", &mut c.flows_of_all_protocols);
        self.switch("tapwire.rules.watch", &mut c.rule_watch.enabled);
        self.switch("tapwire.rules.files-anywhere", &mut c.rule_files_anywhere);
        self.seconds("tapwire.rules.watch-interval", &mut c.rule_watch.interval_s);
        let (mut evidence, mut pieces) = (true, EVIDENCE_PIECES as u64);
        self.bytes("tapwire.rules.cost.share-percent", &mut c.costs.share_percent);
        self.bytes("tapwire.rules.cost.window", &mut c.costs.window_work);
        self.switch("tapwire.rules.cost.suspend", &mut c.costs.suspend);
        self.bytes("tapwire.fuel.flow", &mut c.fuel.flow);
        self.bytes("tapwire.fuel.byte", &mut c.fuel.byte);
        self.bytes("tapwire.fuel.most", &mut c.fuel.most);
        self.bytes("tapwire.fuel.packet", &mut c.fuel.packet);
        self.bytes("tapwire.fuel.least", &mut c.fuel.least);
        self.switch("tapwire.evidence", &mut evidence);
        self.bytes("tapwire.evidence-pieces", &mut pieces);
        if !(evidence && c.own_records) {
            pieces = 0;
        }
        c.evidence_pieces = usize::try_from(pieces).unwrap_or(usize::MAX);
        for (key, limit) in [
            ("tapwire.parser-fuel.byte", &mut c.parser_fuel.byte),
            ("tapwire.parser-fuel.packet", &mut c.parser_fuel.packet),
            ("tapwire.parser-fuel.most", &mut c.parser_fuel.most),
        ] {
            let mut units = u64::from(*limit);
            self.bytes(key, &mut units);
            *limit = u32::try_from(units).unwrap_or(u32::MAX);
        }
        for (key, limit) in [("tapwire.carried-protocols", &mut c.layers), ("tapwire.open-files", &mut c.open_files)] {
            let mut count = *limit as u64;
            self.bytes(key, &mut count);
            *limit = usize::try_from(count).unwrap_or(usize::MAX);
        }
        self.bytes("app-layer.protocols.http.byterange.memcap", &mut c.file_parts_bytes);
        self.seconds("app-layer.protocols.http.byterange.timeout", &mut c.file_parts_timeout_s);
        let limits = &mut c.store_limits;
        self.bytes("tapwire.file-store.memory", &mut limits.waiting_bytes);
        self.bytes("tapwire.file-store.files", &mut limits.begun_files);
        self.bytes("tapwire.file-store.bytes", &mut limits.begun_bytes);
        self.bytes("tapwire.tls-store.chains", &mut limits.chains);
        self.bytes("tapwire.stream-data.files", &mut limits.data_files);
        self.bytes("tapwire.record-bytes", &mut c.record_bytes);
        let sums = &mut c.summaries;
        self.switch("tapwire.record-summary.enabled", &mut sums.enabled);
        self.bytes("tapwire.record-summary.interval", &mut sums.interval_s);
        self.bytes("tapwire.record-summary.rate", &mut sums.rate);
        self.bytes("tapwire.record-summary.allowance", &mut sums.allowance);
        self.bytes("tapwire.record-summary.flow-anomalies", &mut sums.flow_anomalies);
        self.bytes("tapwire.record-summary.first-alerts", &mut sums.first_alerts);
        self.switch("stats.decoder-events", &mut c.counting.decoder_events);
        self.switch("stats.stream-events", &mut c.counting.stream_events);
        self.switch("stats.exception-policy.per-app-proto-errors", &mut c.counting.errors_by_protocol);
        let mut counts = true;
        self.switch("stats.enabled", &mut counts);
        self.seconds("stats.interval", &mut c.live.stats_interval_s);
        if !counts {
            c.live.stats_interval_s = 0;
        }
        self.bytes("tapwire.bypass-bytes", &mut c.bypass_bytes);
        c.interfaces = Interfaces::read(self.root, &mut self.faults);
        c.threads = Threads::read(self.root, &mut self.faults);
        self.seconds("tapwire.health.interval", &mut c.health.interval_s);
        self.seconds("tapwire.health.silence", &mut c.health.silence_s);
        self.duplicates(&mut c.duplicates);
        self.bytes("tapwire.live.packet-backlog", &mut c.live.packet_bytes);
        self.bytes("tapwire.live.record-backlog", &mut c.live.record_bytes);
        self.process(&mut c.process);
        self.log(c);
        if self.root.at("outputs").is_some() || file.is_some() {
            let settings = (c.scripts, c.stream.depth_bytes);
            let read = outputs::read(self.root.at("outputs"), settings, &mut self.faults, &mut self.warnings);
            c.output_scripts = read.scripts;
            c.deliveries = read.deliveries;
            (c.eve, c.rotations, c.fast, c.stats) = (read.eve, read.rotations, read.fast, read.stats);
            (c.file_store, c.certificate_store) = (read.file_store, read.certificate_store);
            c.pcap_logs = read.pcap_logs;
            (c.tcp_data, c.http_body_data) = (read.tcp_data, read.http_body_data);
        }
        self.seconds("tapwire.output-drain", &mut c.drain_s);
        c.deliveries.extend(deliveries::read(self.root, &mut self.faults, &mut self.warnings));
        c.recording = packets::recording(self.root.at("tapwire.recording"), &mut self.faults);
        c.tenancy = Tenancy::read((c, file), self);
    }

    fn duplicates(&mut self, duplicates: &mut duplicates::Settings) {
        use duplicates::Mode::{Auto, Count, Drop, Off};
        let choices = ["auto", "off", "no", "count", "drop"];
        duplicates.mode = match self.root.choice_at("tapwire.duplicates.mode", &choices, &mut self.faults) {
            "off" | "no" => Off,
            "count" => Count,
            "drop" => Drop,
            _ => Auto,
        };
        for (key, into, most) in [
            ("tapwire.duplicates.window", &mut duplicates.window_us, duplicates::WINDOW_LIMIT_US - 1),
            ("tapwire.duplicates.packets", &mut duplicates.packets, duplicates::PLACES / 2),
        ] {
            let Some(node) = self.root.at(key) else { continue };
            match node.text().and_then(|text| text.parse().ok()).filter(|count: &u32| *count <= most) {
                Some(count) => *into = count,
                None => {
                    let hint = format!("a number up to {most}");
                    let said = node.text().unwrap_or("this").to_owned();
                    self.faults.push(node.problem(format!("`{said}` cannot be {key}"), &hint));
                }
            }
        }
    }

    fn timeouts(&mut self, prefix: &str, t: &mut Timeouts) {
        for (class, state, into) in [
            ("tcp", "new", &mut t.tcp_new_s),
            ("tcp", "established", &mut t.tcp_established_s),
            ("tcp", "closed", &mut t.tcp_closed_s),
            ("udp", "new", &mut t.udp_new_s),
            ("udp", "established", &mut t.udp_established_s),
            ("icmp", "new", &mut t.icmp_new_s),
            ("icmp", "established", &mut t.icmp_established_s),
            ("default", "new", &mut t.other_new_s),
            ("default", "established", &mut t.other_established_s),
            ("tcp", "bypassed", &mut t.bypassed_s),
        ] {
            self.seconds(&format!("flow-timeouts.{class}.{prefix}{state}"), into);
        }
    }
}

fn protocol(node: &Node) -> ProtocolSettings {
    let enabled = |key: &str| {
        node.at(key).and_then(|n| match (n.switch(), n.text()) {
            (Some(true), _) => Some(Enabled::Yes),
            (Some(false), _) => Some(Enabled::No),
            (None, Some("detection-only")) => Some(Enabled::DetectionOnly),
            _ => None,
        })
    };
    let ports = ["detection-ports.dp", "tcp.detection-ports.dp", "udp.detection-ports.dp"]
        .iter()
        .find_map(|p| node.at(p)?.text());
    ProtocolSettings {
        enabled: enabled("enabled"),
        tcp: enabled("tcp.enabled"),
        udp: enabled("udp.enabled"),
        ports: ports.map(str::to_owned),
        stream_depth: None,
        settings: node.flatten(),
    }
}
