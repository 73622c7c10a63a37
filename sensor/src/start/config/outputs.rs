//! `outputs`: which records are written, where, and what they show.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::json::Style;
use tapwire_parsers::protocol::{Protocol, parse_size};
use tapwire_signatures::lua::OutputScript;
use tapwire_signatures::rule::script;

use super::node::{Node, Value};
use super::stores::{CertificateStore, FileStore};
use super::{Problem, data, deliveries, packets, stores};
use crate::recording::pcap_log;
use crate::records::eve::{Alerts, Anomalies, CaptureName, EveOutput, Files, Stats};
use crate::records::forwarded::Forwarded;
use crate::sequence::{StatsOutput, TextOutput};
use crate::sinks::deliver;
use crate::sinks::plain::read_plain;
use crate::sinks::rotation::{Every, Rotation, checked};
use crate::sinks::stream_data;

/// Bytes of the largest script.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// What is written without a configuration.
pub(super) fn usual() -> Node {
    let mut text = String::from(USUAL);
    let is_usual = |p: &&&Protocol| p.listed_as.is_none() && !p.link.is_some_and(|link| link.is_background);
    for name in REGISTRY.iter().filter(is_usual).filter_map(|p| p.event_type) {
        text.push_str(&format!("    - {name}: {{extended: yes}}\n"));
    }
    Node::parse(&format!("{text}- fast:\n    enabled: no\n"))
}

const USUAL: &str = "- eve-log:
    enabled: yes
    filename: eve.json
    compression: zstd
    community-id: yes
    pcap-file: auto
    types:
    - alert: {metadata: {app-layer: yes, flow: yes, rule: {metadata: yes}}}
    - anomaly: {types: {applayer: yes, evasion: yes}}
    - flow
    - stats
    - files
";

/// What the list of outputs says.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) eve: Vec<EveOutput>,
    /// When each of those begins a new file.
    pub(super) rotations: Vec<Rotation>,
    pub(super) fast: Option<TextOutput>,
    /// The table of counters.
    pub(super) stats: Option<StatsOutput>,
    /// Scripts.
    pub(super) scripts: Vec<Arc<OutputScript>>,
    /// Where files are stored.
    pub(super) file_store: Option<FileStore>,
    /// Where certificates are stored.
    pub(super) certificate_store: Option<CertificateStore>,
    /// Those of EVE that are no files.
    pub(super) deliveries: Vec<deliver::Settings>,
    /// Where packets are written.
    pub(super) pcap_logs: Vec<pcap_log::Settings>,
    /// Where bytes of streams are written.
    pub(super) tcp_data: Option<stream_data::Settings>,
    /// Where bodies of HTTP are written.
    pub(super) http_body_data: Option<stream_data::Settings>,
}

/// Reads the list of outputs.
pub(super) fn read(
    outputs: Option<&Node>,
    (limits, stream_depth_bytes): (script::Settings, u64),
    faults: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Outputs {
    let mut read = Outputs::default();
    for (name, node) in outputs.map(Node::items).unwrap_or(&[]).iter().flat_map(Node::entries) {
        if !node.switch_at("enabled", false, faults) {
            continue;
        }
        match name.as_str() {
            "eve-log" => {
                let mut eve = eve_output(node, faults, warnings);
                let delivery = deliveries::of_eve_log(node, &read.deliveries, faults);
                eve.log = delivery.as_ref().map(|delivery| delivery.log.clone());
                read.deliveries.extend(delivery);
                read.eve.push(eve);
                read.rotations.push(rotation(node, faults));
            }
            "fast" => read.fast = Some(text_output(node, "fast.log", faults)),
            "stats" => {
                let zeros = node.switch_at("null-values", false, faults);
                read.stats = Some(StatsOutput { file: text_output(node, "stats.log", faults), zeros });
            }
            "lua" => read.scripts.extend(scripts(node, limits, faults, warnings)),
            "file-store" => {
                let store = stores::file_store(node, stream_depth_bytes, faults, warnings);
                read.file_store = store.or(read.file_store.take());
            }
            "pcap-log" => read.pcap_logs.push(packets::pcap_log(node, faults)),
            "tcp-data" => read.tcp_data = Some(data::stream_data("tcp-data", node, faults)),
            "http-body-data" => read.http_body_data = Some(data::stream_data("http-body-data", node, faults)),
            "tls-store" => read.certificate_store = Some(stores::certificate_store(node)),
            _ => {}
        }
    }
    read
}

fn text_output(node: &Node, usual: &str, faults: &mut Vec<Problem>) -> TextOutput {
    let filename = node.get("filename").and_then(Node::text).unwrap_or(usual).to_owned();
    TextOutput { filename, append: append(node, faults), rotation: rotation(node, faults) }
}

/// Whether records name the capture that they are from.
fn capture_name(node: &Node, faults: &mut Vec<Problem>) -> CaptureName {
    match node.get("pcap-file").and_then(Node::text) {
        Some("auto") => CaptureName::OfSeveral,
        _ if node.switch_at("pcap-file", false, faults) => CaptureName::Shown,
        _ => CaptureName::Hidden,
    }
}

/// What is said of a file that is there already.
pub(super) fn append(node: &Node, faults: &mut Vec<Problem>) -> Option<bool> {
    let said = node.switch_at("append", false, faults);
    node.get("append").and_then(Node::switch).map(|_| said)
}

/// When a new file is begun.
fn rotation(node: &Node, faults: &mut Vec<Problem>) -> Rotation {
    let mut read =
        Rotation { archive: node.get("archive").and_then(Node::text).map(PathBuf::from), ..Rotation::default() };
    let mut refuse = |node: &Node, text: &str, what: &str, hint: &str| {
        faults.push(node.problem(format!("`{text}` is no {what}"), hint));
    };
    if let Some((node, text)) = node.get("rotate-interval").and_then(|node| Some((node, node.text()?))) {
        read.every = Every::parse(text);
        if read.every.is_none() {
            refuse(node, text, "time for rotate-interval", "such as minute, hour, day, 30s, 15m, 12h or 1d");
        }
    }
    if let Some((node, text)) = node.get("rotate-size").and_then(|node| Some((node, node.text()?))) {
        match parse_size(text) {
            Some(bytes) => read.bytes = bytes,
            None => refuse(node, text, "size for rotate-size", "such as 100mb or 1gb"),
        }
    }
    if let Some((node, text)) = node.get("keep").and_then(|node| Some((node, node.text()?))) {
        match text.parse() {
            Ok(count) => read.keep = count,
            Err(_) => refuse(node, text, "number of files to keep", "a whole number; 0 keeps all"),
        }
    }
    if let Some((node, text)) = node.get("filename").and_then(|node| Some((node, node.text()?)))
        && let Err(why) = checked(text)
    {
        refuse(node, text, &format!("name with a time in it: {why}"), "such as eve-%Y%m%dT%H%M%SZ.json");
    }
    read
}

/// Reads the scripts of an output. What one wants that is not offered leaves that one out.
fn scripts(
    node: &Node,
    limits: script::Settings,
    faults: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<Arc<OutputScript>> {
    let folder = node.get("scripts-dir").and_then(Node::text).map(PathBuf::from).unwrap_or_default();
    let mut scripts = Vec::new();
    for item in node.get("scripts").map(Node::items).unwrap_or(&[]) {
        let Some(name) = item.text() else { continue };
        let path = folder.join(name);
        let text = read_plain(&path, SCRIPT_LIMIT).map_err(|error| error.to_string());
        match text.and_then(|text| OutputScript::load(name, text, limits)) {
            Ok(Ok(script)) => scripts.push(Arc::new(script)),
            Ok(Err(needs)) => warnings.push(item.problem(
                format!("the script {} needs {needs}, which is not offered: it is left out", path.display()),
                "scripts are offered type packet (filter alerts), flow, file, streaming (filter tcp) and stats, and protocol with the name of one that is parsed",
            )),
            Err(why) => faults.push(item.problem(
                format!("the script {} cannot be used: {why}", path.display()),
                "a script defines `init`, which returns for example {type = \"packet\"}, and `log`",
            )),
        }
    }
    scripts
}

fn eve_output(node: &Node, faults: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> EveOutput {
    let text = |key: &str| node.at(key).and_then(Node::text);
    let seed = text("community-id-seed").and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut out = EveOutput {
        filename: text("filename").unwrap_or("eve.json").to_owned(),
        zstd: node.choice_at("compression", &["none", "zstd"], faults) == "zstd",
        append: append(node, faults),
        log: None,
        capture_name: capture_name(node, faults),
        community_id_seed: node.switch_at("community-id", false, faults).then_some(seed),
        version: node.switch_at("suricata-version", false, faults),
        ethernet: node.switch_at("ethernet", false, faults),
        style: Style { short_addresses: node.switch_at("ipv6-compress", false, faults) },
        metadata: node.switch_at("metadata", true, faults),
        alerts: None,
        anomalies: None,
        flows: false,
        netflows: false,
        frames: false,
        variables: false,
        stats: None,
        health: false,
        files: None,
        protocols: BTreeMap::new(),
    };
    if out.zstd && !out.filename.ends_with(".zst") {
        out.filename.push_str(".zst");
    }
    let nothing = Node::default();
    let mut health = None;
    for item in node.get("types").map(Node::items).unwrap_or(&[]) {
        let named: Vec<(&str, &Node)> = match &item.value {
            Value::Scalar(name) => vec![(name.as_str(), &nothing)],
            Value::Map(entries) => entries.iter().map(|(name, node)| (name.as_str(), node)).collect(),
            _ => Vec::new(),
        };
        for (name, settings) in named {
            let is_on = settings.switch_at("enabled", true, faults);
            if name == "health" {
                health = Some(is_on);
            }
            if !is_on {
                continue;
            }
            match name {
                "alert" => {
                    let metadata = node.switch_at("metadata", true, faults);
                    out.alerts = Some(alerts(settings, node.get("xff"), metadata, faults));
                }
                "anomaly" => out.anomalies = Some(anomalies(settings, faults)),
                "flow" => out.flows = true,
                "frame" => out.frames = true,
                "metadata" => out.variables = true,
                "netflow" => out.netflows = true,
                "stats" => out.stats = Some(Stats { zeros: settings.switch_at("null-values", true, faults) }),
                "health" => {}
                "files" => out.files = Some(files(settings, faults, warnings)),
                _ => {
                    let mut settings = settings.flatten();
                    if item.text().is_some() {
                        settings.note_bare();
                    }
                    // What holds for the whole output holds for a type that says nothing else of it.
                    for (key, value) in node.get("xff").map(Node::flatten).unwrap_or_default().0 {
                        settings.0.entry(format!("xff.{key}")).or_insert(value);
                    }
                    // Suricata has such a variable for DNS.
                    if let Ok(version) = std::env::var(format!("SURICATA_EVE_{}_VERSION", name.to_uppercase())) {
                        settings.0.entry("version".into()).or_insert(version);
                    }
                    out.protocols.insert(name.to_owned(), settings);
                }
            }
        }
    }
    out.health = health.unwrap_or(out.stats.is_some());
    out
}

fn alerts(node: &Node, above: Option<&Node>, metadata: bool, faults: &mut Vec<Problem>) -> Alerts {
    let all = node.get("metadata").and_then(Node::switch).unwrap_or(true);
    let mut switch = |key: &str, default: bool| node.switch_at(key, default, faults);
    let mut shown = Alerts {
        forwarded: None,
        payload: switch("payload", false),
        payload_printable: switch("payload-printable", false),
        payload_limit: 4 << 10,
        payload_length: switch("payload-length", false),
        packet: switch("packet", false),
        tagged_packets: switch("tagged-packets", false),
        app_layer: all && switch("metadata.app-layer", true),
        flow: all && switch("metadata.flow", true),
        rule_metadata: metadata && all && switch("metadata.rule.metadata", false),
        rule_references: all && switch("metadata.rule.reference", false),
        rule_text: all && switch("metadata.rule.raw", false),
        verdict: switch("verdict", false),
    };
    if let Some((size, text)) = node.get("payload-buffer-size").and_then(|size| Some((size, size.text()?))) {
        match parse_size(text).and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) => shown.payload_limit = bytes,
            None => faults.push(
                size.problem(format!("`{text}` is no size for payload-buffer-size"), "such as 4096, 64 KiB or 1gb"),
            ),
        }
    }
    shown.forwarded = node.get("xff").or(above).and_then(|xff| forwarded(xff, faults));
    shown
}

pub(super) fn forwarded(node: &Node, faults: &mut Vec<Problem>) -> Option<Forwarded> {
    node.switch_at("enabled", false, faults).then(|| Forwarded {
        overwrite: node.choice_at("mode", &["extra-data", "overwrite"], faults) == "overwrite",
        reverse: node.choice_at("deployment", &["reverse", "forward"], faults) == "reverse",
        header: node.get("header").and_then(Node::text).unwrap_or("X-Forwarded-For").to_owned(),
    })
}

fn anomalies(node: &Node, faults: &mut Vec<Problem>) -> Anomalies {
    let types = node.get("types").filter(|t| !t.entries().is_empty());
    let mut on = |key: &str, default: bool| types.map_or(default, |t| t.switch_at(key, default, faults));
    Anomalies {
        decode: on("decode", false),
        stream: on("stream", false),
        application: on("applayer", true),
        evasion: on("evasion", false),
        packet: node.switch_at("packethdr", false, faults),
    }
}

fn files(node: &Node, faults: &mut Vec<Problem>, warnings: &mut Vec<Problem>) -> Files {
    Files {
        hashes: stores::hashes(node, warnings),
        magic: node.switch_at("force-magic", false, faults),
        forwarded: None,
    }
}
