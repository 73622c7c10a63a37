//! The configuration: Suricata's keys where Suricata has one, read into types, with defaults that need no file.

mod exceptions;
mod hosts;
mod lists;
pub mod node;
mod outputs;
pub mod problem;
mod stores;
mod tenants;
mod tunnels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Settings, parse_size};

use tapwire_signatures::lua;
use tapwire_signatures::plan::order::ActionOrder;
use tapwire_signatures::verify::cost::CostSettings;

use crate::flow::{Elephant, Timeouts, UrgentPolicy};
use crate::records::summary::SummarySettings;
pub use exceptions::{ExceptionPolicies, ExceptionPolicy};
pub use hosts::{ByNetwork, Defrag, System};
pub use lists::{Datasets, ReputationFiles};
use node::{Node, Value};
pub use outputs::{Alerts, Anomalies, EveOutput, FastOutput, Files};
pub use problem::{Problem, Severity};
pub use stores::{CertificateStore, FileStore, StoreLimits};
pub use tenants::{Selector, Tenancy, Tenant};
pub use tunnels::Tunnels;

/// Whether checksums are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Guessed from the first packets.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// Whether a protocol is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// Recognised and parsed.
    Yes,
    /// Neither.
    No,
    /// Recognised only.
    DetectionOnly,
}

/// What `app-layer.protocols.<name>` says.
#[derive(Clone, Debug, Default)]
pub struct ProtocolSettings {
    /// Whether it is on; its own default where nothing is said.
    pub enabled: Option<Enabled>,
    /// Over TCP.
    pub tcp: Option<bool>,
    /// Over UDP.
    pub udp: Option<bool>,
    /// Server ports on which it is probed for, as written.
    pub ports: Option<String>,
    /// Bytes of a stream that are inspected.
    pub stream_depth: Option<u64>,
    /// Everything below, for the parser.
    pub settings: Settings,
}

/// What `stream` says.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Memory for reassembly, in bytes.
    pub memory_bytes: u64,
    /// Bytes of each direction after which nothing more is inspected; 0 for no limit.
    pub depth_bytes: u64,
    /// Connections whose begin was not seen are followed.
    pub midstream: bool,
    /// Connections of which one direction is seen are followed.
    pub async_oneside: bool,
    /// Data is inspected before it is acknowledged.
    pub inline: bool,
    /// Connections are not followed any more once both directions reached their depth.
    pub bypass: bool,
    /// Wrong checksums keep segments out.
    pub checksum_validation: bool,
    /// Raw bytes to server that are inspected at once.
    pub to_server_chunk_bytes: u64,
    /// Raw bytes to client that are inspected at once.
    pub to_client_chunk_bytes: u64,
    /// `stream.reassembly.urgent.policy`
    pub urgent: UrgentPolicy,
    /// `tapwire.rival-bytes`: of copies that differ from those that count, of each direction.
    pub rival_bytes: u64,
    /// `tapwire.early-segments`: segments of each direction that may wait for a hole to be filled.
    pub early_segments: u64,
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `vars.address-groups`
    pub address_groups: BTreeMap<String, String>,
    /// `vars.port-groups`
    pub port_groups: BTreeMap<String, String>,
    /// `default-log-dir`
    pub log_dir: PathBuf,
    /// `default-rule-path`
    pub rule_path: Option<PathBuf>,
    /// `rule-files`
    pub rule_files: Vec<String>,
    /// `classification-file`
    pub classification_file: Option<PathBuf>,
    /// `reference-config-file`
    pub reference_config_file: Option<PathBuf>,
    /// `threshold-file`
    pub threshold_file: Option<PathBuf>,
    /// `outputs`: eve-log
    pub eve: Vec<EveOutput>,
    /// `outputs`: fast
    pub fast: Option<FastOutput>,
    /// `outputs`: lua
    pub output_scripts: Vec<Arc<lua::OutputScript>>,
    /// `outputs`: file-store
    pub file_store: Option<FileStore>,
    /// `outputs`: tls-store
    pub certificate_store: Option<CertificateStore>,
    /// `tapwire.file-store` and `tapwire.tls-store`
    pub store_limits: StoreLimits,
    /// `flow-timeouts`
    pub timeouts: Timeouts,
    /// `flow-timeouts.*.emergency-*`
    pub emergency_timeouts: Timeouts,
    /// `flow.emergency-recovery`
    pub emergency_recovery_percent: u64,
    /// `asn1-max-frames`: elements of ASN.1 that a rule looks at.
    pub asn1_elements: u16,
    /// `flow.rate-tracking`: bytes of one direction in so many seconds that make a flow an elephant.
    pub elephant: Option<Elephant>,
    /// `tapwire.memory`: what flows and streams may have together; 0 means that only their own limits count.
    pub memory_bytes: u64,
    /// `flow.memcap`
    pub flow_memory_bytes: u64,
    /// `stream`
    pub stream: Stream,
    /// `vlan.use-for-tracking`
    pub vlan_tracking: bool,
    /// `livedev.use-for-tracking`: when live, packets of different interfaces belong to different flows.
    pub interface_tracking: bool,
    /// `packet-alert-max`
    pub alert_limit: usize,
    /// `decoder`
    pub tunnels: Tunnels,
    /// `exception-policy` and the policies of each case
    pub exceptions: ExceptionPolicies,
    /// `host-os-policy`
    pub systems: ByNetwork<System>,
    /// `defrag`
    pub defrag: Defrag,
    /// `action-order`
    pub action_order: ActionOrder,
    /// `detect.guess-applayer-tx`: an alert on bytes shows the only open transaction of its direction.
    pub guess_transaction: bool,
    /// `pcap-file.checksum-checks`
    pub checksums: Checksums,
    /// `app-layer.protocols`
    pub protocols: BTreeMap<String, ProtocolSettings>,
    /// Whether records get the `tapwire` object.
    pub own_records: bool,
    /// `tapwire.damage-status`: a capture that is cut off or damaged gives the run an exit status of its own.
    pub damage_status: bool,
    /// `tapwire.evidence` and `tapwire.evidence-pieces`: places of bytes that fulfilled its rule that an alert shows at most; 0 for none.
    pub evidence_pieces: usize,
    /// `tapwire.rules.cost`
    pub costs: CostSettings,
    /// `security.lua`
    pub scripts: lua::Settings,
    /// `tapwire.flow-summary`
    pub summaries: SummarySettings,
    /// `datasets`
    pub datasets: Datasets,
    /// `default-data-dir`: where rules keep state.
    pub data_dir: Option<PathBuf>,
    /// `reputation-files` and what belongs to them
    pub reputation: ReputationFiles,
    /// `geoip-database`
    pub countries: Option<PathBuf>,
    /// `tapwire.rules`
    pub rule_watch: RuleWatch,
    /// What starts leave for further starts.
    pub rule_cache: RuleCache,
    /// `multi-detect`, where it is enabled.
    pub tenancy: Option<Tenancy>,
}

/// Whether changed rule files are noticed while an interface is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleWatch {
    /// `tapwire.rules.watch`
    pub enabled: bool,
    /// `tapwire.rules.watch-interval`: time between two looks.
    pub interval_s: u32,
}

/// Where rules that were read are remembered from run to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCache {
    /// `detect.sgh-mpm-caching`
    pub enabled: bool,
    /// `detect.sgh-mpm-caching-path`; without it `cache` in the folder of data, if there is one.
    pub folder: Option<PathBuf>,
}

impl Default for RuleCache {
    fn default() -> Self {
        Self { enabled: true, folder: None }
    }
}

impl Default for RuleWatch {
    fn default() -> Self {
        Self { enabled: true, interval_s: 2 }
    }
}

impl Configuration {
    /// The tenants, if there are any.
    pub fn tenants(&self) -> &[Tenant] {
        self.tenancy.as_ref().map_or(&[], |tenancy| &tenancy.tenants)
    }

    /// The same, but every output appends to what is there.
    pub fn appending(&self) -> Self {
        let mut same = self.clone();
        same.eve.iter_mut().for_each(|eve| eve.append = true);
        same.fast.iter_mut().for_each(|fast| fast.append = true);
        same
    }
}

/// A configuration and what is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// What it says, with defaults in the place of what is wrong.
    pub configuration: Configuration,
    /// What cannot be right.
    pub faults: Vec<Problem>,
    /// What is not known.
    pub warnings: Vec<Problem>,
}

impl Default for Configuration {
    fn default() -> Self {
        let servers = [
            "HTTP_SERVERS",
            "SMTP_SERVERS",
            "SQL_SERVERS",
            "DNS_SERVERS",
            "TELNET_SERVERS",
            "DC_SERVERS",
            "DNP3_SERVER",
            "DNP3_CLIENT",
            "MODBUS_CLIENT",
            "MODBUS_SERVER",
            "ENIP_CLIENT",
            "ENIP_SERVER",
        ];
        let mut address_groups: BTreeMap<String, String> =
            servers.iter().map(|n| ((*n).into(), "$HOME_NET".into())).collect();
        address_groups.insert("HOME_NET".into(), "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]".into());
        address_groups.insert("EXTERNAL_NET".into(), "!$HOME_NET".into());
        address_groups.insert("AIM_SERVERS".into(), "$EXTERNAL_NET".into());
        let ports = [
            ("HTTP_PORTS", "80"),
            ("SHELLCODE_PORTS", "!80"),
            ("ORACLE_PORTS", "1521"),
            ("SSH_PORTS", "22"),
            ("DNP3_PORTS", "20000"),
            ("MODBUS_PORTS", "502"),
            ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
            ("FTP_PORTS", "21"),
            ("GENEVE_PORTS", "6081"),
            ("VXLAN_PORTS", "4789"),
            ("TEREDO_PORTS", "3544"),
            ("SIP_PORTS", "[5060,5061]"),
        ];
        let plant = ProtocolSettings { enabled: Some(Enabled::Yes), ..ProtocolSettings::default() };
        Self {
            address_groups,
            port_groups: ports.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            log_dir: PathBuf::from("."),
            rule_path: None,
            rule_files: Vec::new(),
            classification_file: None,
            reference_config_file: None,
            threshold_file: None,
            eve: outputs::read(
                Some(&outputs::usual()),
                (lua::Settings::default(), 0),
                &mut Vec::new(),
                &mut Vec::new(),
            )
            .eve,
            fast: None,
            output_scripts: Vec::new(),
            file_store: None,
            certificate_store: None,
            store_limits: StoreLimits::default(),
            timeouts: Timeouts::default(),
            emergency_timeouts: Timeouts::emergency(),
            emergency_recovery_percent: 30,
            asn1_elements: 256,
            elephant: None,
            memory_bytes: 144 << 20,
            flow_memory_bytes: 128 << 20,
            stream: Stream {
                memory_bytes: 256 << 20,
                depth_bytes: 1 << 20,
                midstream: false,
                async_oneside: false,
                inline: false,
                bypass: false,
                checksum_validation: true,
                to_server_chunk_bytes: 2_560,
                to_client_chunk_bytes: 2_560,
                urgent: UrgentPolicy::default(),
                rival_bytes: 64 << 10,
                early_segments: 4_096,
            },
            vlan_tracking: true,
            interface_tracking: true,
            alert_limit: 15,
            tunnels: Tunnels::default(),
            exceptions: ExceptionPolicies::default(),
            systems: ByNetwork::default(),
            defrag: Defrag::default(),
            action_order: ActionOrder::default(),
            guess_transaction: false,
            checksums: Checksums::Auto,
            protocols: ["modbus", "dnp3"].map(|name| (name.to_owned(), plant.clone())).into(),
            own_records: true,
            damage_status: true,
            evidence_pieces: EVIDENCE_PIECES,
            costs: CostSettings::default(),
            scripts: lua::Settings::default(),
            summaries: SummarySettings::default(),
            datasets: Datasets::default(),
            data_dir: None,
            reputation: ReputationFiles::default(),
            countries: None,
            rule_watch: RuleWatch::default(),
            rule_cache: RuleCache::default(),
            tenancy: None,
        }
    }
}

/// Keys of the sections that are read, those included that other sensors read and this one need not.
const KNOWN_BELOW: &[(&str, &[&str])] = &[
    (
        "stream",
        &[
            "memcap",
            "memcap-policy",
            "checksum-validation",
            "midstream",
            "midstream-policy",
            "async-oneside",
            "inline",
            "drop-invalid",
            "bypass",
            "max-synack-queued",
            "max-syn-queued",
            "prealloc-sessions",
            "reassembly",
            "liberal-timestamps",
        ],
    ),
    (
        "stream.reassembly",
        &[
            "memcap",
            "memcap-policy",
            "depth",
            "toserver-chunk-size",
            "toclient-chunk-size",
            "randomize-chunk-size",
            "randomize-chunk-range",
            "raw",
            "segment-prealloc",
            "check-overlap-different-data",
            "urgent",
            "max-regions",
            "zero-copy-size",
        ],
    ),
    ("vars", &["address-groups", "port-groups"]),
    ("vlan", &["use-for-tracking"]),
    (
        "flow",
        &[
            "memcap",
            "memcap-policy",
            "hash-size",
            "prealloc",
            "emergency-recovery",
            "managers",
            "recyclers",
            "end-on-shutdown",
            "rate-tracking",
        ],
    ),
    ("flow.rate-tracking", &["bytes", "interval"]),
    ("flow-timeouts", &["default", "tcp", "udp", "icmp"]),
    ("flow-timeouts.tcp", TIMEOUT_KEYS),
    ("flow-timeouts.udp", TIMEOUT_KEYS),
    ("flow-timeouts.icmp", TIMEOUT_KEYS),
    ("flow-timeouts.default", TIMEOUT_KEYS),
    (
        "pcap-file",
        &[
            "checksum-checks",
            "tenant-id",
            "delete-when-done",
            "buffer-size",
            "continuous",
            "recursive",
            "poll-interval",
            "delay",
        ],
    ),
    ("defrag", &["memcap", "hash-size", "trackers", "max-frags", "prealloc", "timeout", "host-config"]),
    (
        "tapwire",
        &[
            "records",
            "damage-status",
            "flow-summary",
            "memory",
            "rival-bytes",
            "early-segments",
            "evidence",
            "evidence-pieces",
            "rules",
            "file-store",
            "tls-store",
        ],
    ),
    ("tapwire.flow-summary", &["rate", "interval"]),
    ("tapwire.file-store", &["memory", "files", "bytes"]),
    ("tapwire.tls-store", &["chains"]),
    ("tapwire.rules", &["watch", "watch-interval", "cost"]),
    ("tapwire.rules.cost", &["share-percent", "window", "suspend"]),
    ("security.lua", &["allow-rules", "max-bytes", "max-instructions", "allow-restricted-functions"]),
];

/// Places of bytes that an alert shows.
const EVIDENCE_PIECES: usize = 32;

const TIMEOUT_KEYS: &[&str] = &[
    "new",
    "established",
    "closed",
    "bypassed",
    "emergency-new",
    "emergency-established",
    "emergency-closed",
    "emergency-bypassed",
];

/// Top-level keys that are read, or that have no meaning for a passive sensor and are passed over.
const KNOWN: &[&str] = &[
    "vars",
    "default-log-dir",
    "default-rule-path",
    "rule-files",
    "classification-file",
    "reference-config-file",
    "threshold-file",
    "outputs",
    "stats",
    "flow-timeouts",
    "flow",
    "stream",
    "vlan",
    "packet-alert-max",
    "pcap-file",
    "app-layer",
    "tapwire",
    "include",
    "suricata-version",
    "plugins",
    "heartbeat",
    "logging",
    "af-packet",
    "af-xdp",
    "dpdk",
    "pcap",
    "asn1-max-frames",
    "datasets",
    "default-data-dir",
    "geoip-database",
    "reputation-categories-file",
    "default-reputation-path",
    "reputation-files",
    "security",
    "coredump",
    "host-mode",
    "unix-command",
    "legacy",
    "exception-policy",
    "engine-analysis",
    "pcre",
    "host-os-policy",
    "defrag",
    "livedev",
    "host",
    "ippair",
    "decoder",
    "detect",
    "mpm-algo",
    "spm-algo",
    "threading",
    "profiling",
    "nfq",
    "nflog",
    "capture",
    "netmap",
    "pfring",
    "ipfw",
    "napatech",
    "firewall",
    "runmode",
    "autofp-scheduler",
    "max-pending-packets",
    "run-as",
    "sensor-name",
    "pid-file",
    "daemon-directory",
    "umask",
    "default-packet-size",
    "action-order",
    "luajit",
    "multi-detect",
    "reputation-categories-file",
    "default-reputation-path",
    "reputation-files",
    "geoip-database",
    "magic-file",
    "detect-engine",
    "cuda",
    "ips",
    "sip",
    "rules",
    "profile",
    "engine-logging",
    "iprep",
    "icmp_log",
    "sys",
    "hostbits",
    "tls",
    "ja3",
    "lua",
    "vlan-tracking",
    "tenants",
    "dag",
    "mpipe",
    "erf-file",
    "delayed-detect",
];

/// Reads a configuration; the defaults where no file is given. `set` holds dotted keys and values, later ones win.
pub fn load(file: Option<&Path>, set: &[(String, String)]) -> Result<Loaded, Problem> {
    let mut root = match file {
        Some(path) => Node::read(path)?,
        None => Node::default(),
    };
    if file.is_none() && set.iter().any(|(key, _)| key.starts_with("outputs.")) {
        // What is set is a part of what would be written anyway.
        root.put(&["outputs"], outputs::usual());
    }
    for (key, value) in set {
        root.set(key, value);
    }
    let mut reader = Reader { root: &root, faults: Vec::new(), warnings: Vec::new() };
    let mut configuration = Configuration::default();
    reader.fill(&mut configuration, file);
    let mut warnings = std::mem::take(&mut reader.warnings);
    if file.is_none() {
        // As in the records: where nobody chose, everything is shown.
        for card in REGISTRY {
            let settings = &mut configuration.protocols.entry(card.name.to_owned()).or_default().settings;
            settings.0.entry("extended".into()).or_insert_with(|| "yes".into());
        }
    }
    for (path, known) in KNOWN_BELOW {
        if let Some(section) = root.at(path) {
            section.name_unknown(path, known, &mut warnings);
        }
    }
    for (key, node) in root.entries() {
        if !KNOWN.contains(&key.as_str()) {
            warnings.push(node.problem(format!("the key `{key}` is not known and ignored"), "check its spelling"));
        }
    }
    let known = |name: &str| {
        tapwire_signatures::language::protocols::canonical_protocol(name).is_some()
            || matches!(name, "smb2" | "error-policy")
    };
    for (key, node) in root.at("app-layer.protocols").map(Node::entries).unwrap_or(&[]) {
        if !known(key) {
            warnings.push(node.problem(format!("the protocol `{key}` is not known and ignored"), "check its spelling"));
        }
    }
    let faults = reader.faults;
    Ok(Loaded { configuration, faults, warnings })
}

/// Reads values out of the tree and notes what is wrong.
struct Reader<'a> {
    root: &'a Node,
    faults: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
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

    fn switch(&mut self, key: &str, into: &mut bool) {
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

    fn scripts(&mut self, scripts: &mut lua::Settings) {
        let (mut bytes, mut instructions) = (scripts.max_bytes as u64, u64::from(scripts.max_instructions));
        self.switch("security.lua.allow-rules", &mut scripts.allow_rules);
        self.bytes("security.lua.max-bytes", &mut bytes);
        self.bytes("security.lua.max-instructions", &mut instructions);
        self.switch("security.lua.allow-restricted-functions", &mut scripts.allow_restricted);
        scripts.max_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        scripts.max_instructions = u32::try_from(instructions).unwrap_or(u32::MAX);
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.root.at(key).and_then(Node::text).map(PathBuf::from)
    }

    /// What rules are read with, of which each tenant may have its own.
    fn rules(&mut self, c: &mut Configuration) {
        for (kind, into) in [("vars.address-groups", &mut c.address_groups), ("vars.port-groups", &mut c.port_groups)] {
            for (name, node) in self.root.at(kind).map(Node::entries).unwrap_or(&[]) {
                let text = match &node.value {
                    Value::Scalar(text) => text.clone(),
                    Value::List(items) => {
                        format!("[{}]", items.iter().filter_map(Node::text).collect::<Vec<_>>().join(","))
                    }
                    _ => continue,
                };
                into.insert(name.clone(), text);
            }
        }
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

    fn fill(&mut self, c: &mut Configuration, file: Option<&Path>) {
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
        if self.root.at("flow.rate-tracking").is_some() {
            let mut elephant = Elephant::default();
            self.bytes("flow.rate-tracking.bytes", &mut elephant.bytes);
            self.seconds("flow.rate-tracking.interval", &mut elephant.interval_s);
            c.elephant = Some(elephant);
        }
        if file.is_some() {
            c.memory_bytes = 0;
        }
        self.bytes("tapwire.memory", &mut c.memory_bytes);
        self.bytes("tapwire.rival-bytes", &mut c.stream.rival_bytes);
        self.bytes("tapwire.early-segments", &mut c.stream.early_segments);
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
        c.tunnels = Tunnels::read(self.root, &mut self.faults);
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
            c.eve = Vec::new();
        }
        self.switch("tapwire.records", &mut c.own_records);
        self.switch("tapwire.damage-status", &mut c.damage_status);
        self.switch("tapwire.rules.watch", &mut c.rule_watch.enabled);
        self.seconds("tapwire.rules.watch-interval", &mut c.rule_watch.interval_s);
        let (mut evidence, mut pieces) = (true, EVIDENCE_PIECES as u64);
        self.bytes("tapwire.rules.cost.share-percent", &mut c.costs.share_percent);
        self.bytes("tapwire.rules.cost.window", &mut c.costs.window_work);
        self.switch("tapwire.rules.cost.suspend", &mut c.costs.suspend);
        self.switch("tapwire.evidence", &mut evidence);
        self.bytes("tapwire.evidence-pieces", &mut pieces);
        if !(evidence && c.own_records) {
            pieces = 0;
        }
        c.evidence_pieces = usize::try_from(pieces).unwrap_or(usize::MAX);
        let limits = &mut c.store_limits;
        self.bytes("tapwire.file-store.memory", &mut limits.waiting_bytes);
        self.bytes("tapwire.file-store.files", &mut limits.begun_files);
        self.bytes("tapwire.file-store.bytes", &mut limits.begun_bytes);
        self.bytes("tapwire.tls-store.chains", &mut limits.chains);
        self.bytes("tapwire.flow-summary.rate", &mut c.summaries.rate);
        self.bytes("tapwire.flow-summary.interval", &mut c.summaries.interval_s);
        if self.root.at("outputs").is_some() || file.is_some() {
            let settings = (c.scripts, c.stream.depth_bytes);
            let read = outputs::read(self.root.at("outputs"), settings, &mut self.faults, &mut self.warnings);
            c.output_scripts = read.scripts;
            (c.eve, c.fast) = (read.eve, read.fast);
            (c.file_store, c.certificate_store) = (read.file_store, read.certificate_store);
        }
        c.tenancy = Tenancy::read(self.root, (c, file), &mut self.faults, &mut self.warnings);
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
    let enabled = node.get("enabled").and_then(|n| match (n.switch(), n.text()) {
        (Some(true), _) => Some(Enabled::Yes),
        (Some(false), _) => Some(Enabled::No),
        (None, Some("detection-only")) => Some(Enabled::DetectionOnly),
        _ => None,
    });
    let ports = ["detection-ports.dp", "tcp.detection-ports.dp", "udp.detection-ports.dp"]
        .iter()
        .find_map(|p| node.at(p)?.text());
    ProtocolSettings {
        enabled,
        tcp: node.at("tcp.enabled").and_then(Node::switch),
        udp: node.at("udp.enabled").and_then(Node::switch),
        ports: ports.map(str::to_owned),
        stream_depth: None,
        settings: node.flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_need_no_file_and_set_changes_them() {
        let set = [
            ("stream.reassembly.depth".to_owned(), "64kb".to_owned()),
            ("flow-timeouts.tcp.new".to_owned(), "x".to_owned()),
        ];
        let loaded = load(None, &set).unwrap();
        assert_eq!(loaded.configuration.stream.depth_bytes, 64 << 10);
        assert_eq!(loaded.configuration.eve.len(), 1);
        assert_eq!(loaded.faults.len(), 1);
    }

    #[test]
    fn configurations_of_the_shared_test_data_load() {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        if !shared.is_dir() {
            eprintln!("left out: the shared test data is not beside this clone");
            return;
        }
        for file in ["truth/config.yaml", "verify/default.yaml"] {
            let loaded = load(Some(&shared.join(file)), &[]).unwrap();
            assert_eq!((loaded.faults, loaded.warnings), (Vec::new(), Vec::new()), "{file}");
            assert_eq!(loaded.configuration.eve.len(), 1);
        }
    }
}
