//! The configuration: Suricata's keys where Suricata has one, read into types, with defaults that need no file.

mod assemble;
mod data;
mod deliveries;
mod exceptions;
mod hosts;
mod interfaces;
mod keys;
mod lists;
pub mod node;
mod outputs;
mod packets;
pub mod problem;
mod process;
mod read;
mod stores;
mod tenants;
mod threads;
mod tunnels;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Settings, Usual};

use tapwire_signatures::plan::order::ActionOrder;
use tapwire_signatures::rule::script;
use tapwire_signatures::verify::cost::CostSettings;
use tapwire_signatures::verify::fuel::FuelSettings;

use crate::capture::duplicates;
use crate::capture::offload::Checksums;
use crate::decode::defrag::Defrag;
use crate::decode::hosts::{ByNetwork, System};
use crate::decode::tunnels::Tunnels;
use crate::flow::exceptions::ExceptionPolicies;
use crate::flow::{Elephant, Timeouts, UrgentPolicy};
use crate::health;
use crate::inspect::ParserFuel;
use crate::inspect::files::{OPEN_LIMIT, PARTS_BYTES, PARTS_TIMEOUT_S};
use crate::recording::pcap_log;
use crate::records::eve::EveOutput;
use crate::records::ledger::LedgerSettings;
use crate::run::{Counting, LiveSettings};
use crate::sequence::{StatsOutput, TextOutput};
use crate::sinks::deliver;
use crate::sinks::log;
use crate::sinks::output::Syncing;
use crate::sinks::rotation::Rotation;
use crate::sinks::stream_data;
pub use interfaces::Interfaces;
pub(crate) use keys::{Effect, Idle, KEYS, Key, in_one_line};
pub use lists::{Datasets, ReputationFiles};
use node::Node;
pub use packets::Recording;
pub use problem::{Problem, Severity};
pub use process::Process;
pub use stores::{CertificateStore, FileStore, StoreLimits};
pub use tenants::{Tenancy, Tenant};
pub use threads::Threads;

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
    /// The same over TCP, where something is said of that alone: it outweighs what is said of both.
    pub tcp: Option<Enabled>,
    /// The same over UDP.
    pub udp: Option<Enabled>,
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
    /// `tapwire.remembered-connections`: that were open when their flow ended, of each kind and worker.
    pub remembered: u64,
    /// `tapwire.expected-flows`: that others announced, and that did not come yet, of each worker.
    pub expected: u64,
}

/// What `tapwire.log` says.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// How the log is kept.
    pub settings: log::Settings,
    /// When what was written is made to survive a crash.
    pub sync: Syncing,
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
    /// When each of those begins a new file, when live.
    pub rotations: Vec<Rotation>,
    /// `outputs`: fast
    pub fast: Option<TextOutput>,
    /// `outputs`: stats
    pub stats: Option<StatsOutput>,
    /// `outputs`: lua
    pub output_scripts: Vec<Arc<tapwire_signatures::lua::OutputScript>>,
    /// `outputs`: file-store
    pub file_store: Option<FileStore>,
    /// `outputs`: tls-store
    pub certificate_store: Option<CertificateStore>,
    /// `outputs`: pcap-log
    pub pcap_logs: Vec<pcap_log::Settings>,
    /// `tapwire.recording`
    pub recording: Recording,
    /// `outputs`: tcp-data
    pub tcp_data: Option<stream_data::Settings>,
    /// `outputs`: http-body-data
    pub http_body_data: Option<stream_data::Settings>,
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
    /// `flowbits` that a rule may have.
    pub flowbit_limit: usize,
    /// `flow.rate-tracking`: bytes of one direction in so many seconds that make a flow an elephant.
    pub elephant: Option<Elephant>,
    /// `tapwire.parser-memory`: what parsers and all else that is kept of applications may have; 0 means no limit.
    pub parser_memory_bytes: u64,
    /// `tapwire.memory`: what flows, streams and parsers may have together; 0 means that only their own limits count.
    pub memory_bytes: u64,
    /// `flow.memcap`
    pub flow_memory_bytes: u64,
    /// `stream`
    pub stream: Stream,
    /// `vlan.use-for-tracking`
    pub vlan_tracking: bool,
    /// `tapwire.flows-of-all-protocols`
    pub flows_of_all_protocols: bool,
    /// `tapwire.join-vlans`
    pub join_vlans: bool,
    /// `tapwire.bypass-bytes`: of one direction, after which a flow is not followed any more; 0 for any number.
    pub bypass_bytes: u64,
    /// `livedev.use-for-tracking`: when live, packets of different interfaces belong to different flows.
    pub interface_tracking: bool,
    /// `af-packet`, `pcap` and `tapwire.live`: interfaces, and how they are watched.
    pub interfaces: Interfaces,
    /// `runmode` and `threading`: how many threads there are, and where they run.
    pub threads: Threads,
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
    /// `tapwire.carried-protocols`: protocols inside that of a flow which are followed at once.
    pub layers: usize,
    /// `tapwire.parser-fuel`: how much work parsers may do.
    pub parser_fuel: ParserFuel,
    /// `tapwire.open-files`: files of one flow that are open at once.
    pub open_files: usize,
    /// `app-layer.protocols.http.byterange.memcap`: bytes of parts of files that wait for those before them.
    pub file_parts_bytes: u64,
    /// `app-layer.protocols.http.byterange.timeout`: how long they do.
    pub file_parts_timeout_s: u32,
    /// `tapwire.rules.cost`
    pub costs: CostSettings,
    /// `tapwire.fuel`: how much work matching may do.
    pub fuel: FuelSettings,
    /// `security.lua`
    pub scripts: script::Settings,
    /// `tapwire.record-summary`
    pub summaries: LedgerSettings,
    /// `tapwire.record-bytes`: bytes of a record beyond which it is cut, 0 for any number.
    pub record_bytes: u64,
    /// `datasets`
    pub datasets: Datasets,
    /// `default-data-dir`: where rules keep state.
    pub data_dir: Option<PathBuf>,
    /// `tapwire.context`
    pub context: Option<PathBuf>,
    /// The configuration says what HOME_NET is.
    pub home_is_said: bool,
    /// `reputation-files` and what belongs to them
    pub reputation: ReputationFiles,
    /// `geoip-database`
    pub countries: Option<PathBuf>,
    /// `tapwire.rules`
    pub rule_watch: RuleWatch,
    /// `tapwire.rules.files-anywhere`: rules may name files outside of the folders of rules and data.
    pub rule_files_anywhere: bool,
    /// What starts leave for further starts.
    pub rule_cache: RuleCache,
    /// `stats` and `tapwire.live`
    pub live: LiveSettings,
    /// `tapwire.outputs`, and the outputs of EVE that are no files: where records are delivered to.
    pub deliveries: Vec<deliver::Settings>,
    /// `tapwire.output-drain`: time that those have at the end of a run.
    pub drain_s: u32,
    /// `tapwire.log`: the log of a live sensor, where it is wanted.
    pub log: Option<Keeping>,
    /// `tapwire.health`
    pub health: health::Settings,
    /// `tapwire.duplicates`
    pub duplicates: duplicates::Settings,
    /// `stats`: which counters there are.
    pub counting: Counting,
    /// Whom the sensor runs as, and with which rights.
    pub process: Process,
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
    /// What changes nothing.
    pub idle: Vec<Idle>,
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
        let alone = REGISTRY.iter().filter(|card| card.parsed == Usual::WithoutConfiguration);
        let on = ProtocolSettings { enabled: Some(Enabled::Yes), ..ProtocolSettings::default() };
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
                (script::Settings::default(), 0),
                &mut Vec::new(),
                &mut Vec::new(),
            )
            .eve,
            rotations: Vec::new(),
            fast: None,
            stats: None,
            output_scripts: Vec::new(),
            file_store: None,
            certificate_store: None,
            pcap_logs: Vec::new(),
            recording: Recording::default(),
            tcp_data: None,
            http_body_data: None,
            store_limits: StoreLimits::default(),
            timeouts: Timeouts::default(),
            emergency_timeouts: Timeouts::emergency(),
            emergency_recovery_percent: 30,
            asn1_elements: 256,
            flowbit_limit: tapwire_signatures::builder::DEFAULT_FLOWBIT_LIMIT,
            elephant: None,
            parser_memory_bytes: 48 << 20,
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
                remembered: 32_768,
                expected: 4_096,
            },
            vlan_tracking: true,
            join_vlans: true,
            flows_of_all_protocols: true,
            interface_tracking: false,
            bypass_bytes: 0,
            interfaces: Interfaces::default(),
            threads: Threads::default(),
            alert_limit: 15,
            tunnels: Tunnels::default(),
            exceptions: ExceptionPolicies::default(),
            systems: ByNetwork::default(),
            defrag: Defrag::default(),
            action_order: ActionOrder::default(),
            guess_transaction: false,
            checksums: Checksums::Auto,
            protocols: alone.map(|card| (card.name.to_owned(), on.clone())).collect(),
            own_records: true,
            damage_status: true,
            evidence_pieces: EVIDENCE_PIECES,
            layers: LAYERS,
            parser_fuel: ParserFuel::default(),
            open_files: OPEN_LIMIT,
            file_parts_bytes: PARTS_BYTES,
            file_parts_timeout_s: PARTS_TIMEOUT_S,
            costs: CostSettings::default(),
            fuel: FuelSettings::default(),
            scripts: script::Settings::default(),
            summaries: LedgerSettings::default(),
            record_bytes: RECORD_BYTES,
            datasets: Datasets::default(),
            data_dir: None,
            context: None,
            home_is_said: false,
            reputation: ReputationFiles::default(),
            countries: None,
            rule_watch: RuleWatch::default(),
            rule_files_anywhere: false,
            rule_cache: RuleCache::default(),
            live: LiveSettings::default(),
            process: Process::default(),
            deliveries: Vec::new(),
            drain_s: 30,
            log: Some(Keeping::default()),
            health: health::Settings::default(),
            duplicates: duplicates::Settings::default(),
            counting: Counting::default(),
            tenancy: None,
        }
    }
}

/// Bytes of a record.
const RECORD_BYTES: u64 = 16 << 10;

/// Places of bytes that an alert shows.
const EVIDENCE_PIECES: usize = 32;
/// Protocols inside that of a flow which are followed at once.
const LAYERS: usize = 16;

/// What holds under a configuration file that says nothing.
pub(crate) fn silent() -> Configuration {
    let root = Node::default();
    let mut reader = read::Reader::new(&root);
    let mut configuration = Configuration::default();
    reader.fill(&mut configuration, Some(Path::new("")));
    configuration
}

/// Where a configuration comes from.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// The file; the defaults where there is none.
    pub file: Option<&'a Path>,
    /// Files that are laid over it.
    pub over: &'a [PathBuf],
    /// Dotted keys and values; later ones win.
    pub set: &'a [(String, String)],
}

/// The tree of all that is said, and the file that it is read for.
fn tree<'a>(given: Given<'a>, warnings: &mut Vec<Problem>) -> Result<(Node, Option<&'a Path>), Problem> {
    let Given { file, over, set } = given;
    // Whether files are given decides what holds where they say nothing.
    let (first, over) = match (file, over.split_first()) {
        (None, Some((first, rest))) => (Some(first.as_path()), rest),
        _ => (file, over),
    };
    let mut root = match first {
        Some(path) => assemble::read(path, over, warnings)?,
        None => Node::default(),
    };
    if first.is_none() && set.iter().any(|(key, _)| key.starts_with("outputs.")) {
        // What is set is a part of what would be written anyway.
        root.put(&["outputs"], outputs::usual());
    }
    for (key, value) in set {
        if !root.set(key, value) {
            warnings.push(Node::default().problem(assemble::no_place(key), assemble::NO_PLACE_HINT));
        }
    }
    Ok((root, first))
}

/// What a configuration says, a line for each value: its dotted key, the value, and the file and line that say it.
pub fn said(given: Given<'_>) -> Result<String, Problem> {
    let (root, _) = tree(given, &mut Vec::new())?;
    let line = |(path, node): (String, &Node)| {
        let place =
            node.file.as_deref().map_or_else(|| "--set".to_owned(), |file| format!("{file}:{}", node.place.line));
        let text = node.text().unwrap_or_default();
        let shown = if deliveries::is_secret(&path, text) { "(not shown)" } else { text };
        format!("{path} = {shown}    # {place}\n")
    };
    Ok(root.scalars().into_iter().map(line).collect())
}

/// Reads a configuration. What is wrong in a way that a run would not mean what was said is all that comes back.
pub fn load(given: Given<'_>) -> Result<Loaded, Vec<Problem>> {
    let mut warnings = Vec::new();
    let (root, file) = tree(given, &mut warnings).map_err(|problem| vec![problem])?;
    let mut reader = read::Reader::new(&root);
    let mut configuration = Configuration::default();
    reader.fill(&mut configuration, file);
    if !reader.refused.is_empty() {
        return Err(reader.refused);
    }
    warnings.append(&mut reader.warnings);
    if file.is_none() {
        // As in the records: where nobody chose, everything is shown.
        for card in REGISTRY {
            let settings = &mut configuration.protocols.entry(card.name.to_owned()).or_default().settings;
            settings.0.entry("extended".into()).or_insert_with(|| "yes".into());
            for (key, value) in card.settings.iter().filter_map(|setting| Some((setting.key, setting.alone?))) {
                settings.0.entry(key.into()).or_insert_with(|| value.into());
            }
        }
    }
    let idle = keys::account(&root, &mut warnings);
    let faults = reader.faults;
    Ok(Loaded { configuration, faults, warnings, idle })
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
        let loaded = load(Given { set: &set, ..Given::default() }).unwrap();
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
            let loaded = load(Given { file: Some(&shared.join(file)), ..Given::default() }).unwrap();
            assert_eq!((loaded.faults, loaded.warnings), (Vec::new(), Vec::new()), "{file}");
            assert_eq!(loaded.configuration.eve.len(), 1);
        }
    }
}
