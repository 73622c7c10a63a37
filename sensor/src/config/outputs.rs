//! `outputs`: which records are written, where, and what they show.

use crate::records::forwarded::Forwarded;
use std::collections::BTreeMap;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Settings, parse_size};

use super::node::{Node, Value};

/// An EVE output.
#[derive(Clone, Debug)]
pub struct EveOutput {
    /// File name below the log folder.
    pub filename: String,
    /// Whether it is a file of zstd frames.
    pub zstd: bool,
    /// Whether an existing file is appended to.
    pub append: bool,
    /// Whether records name the capture file.
    pub capture_name: bool,
    /// Seed of community ids, where they are wanted.
    pub community_id_seed: Option<u16>,
    /// Whether records show Ethernet addresses.
    pub ethernet: bool,
    /// Whether records show what rules remember of their flow.
    pub metadata: bool,
    /// Alerts, where they are wanted.
    pub alerts: Option<Alerts>,
    /// Anomalies, where they are wanted.
    pub anomalies: Option<Anomalies>,
    /// Flow records.
    pub flows: bool,
    /// Counters.
    pub stats: bool,
    /// Files, where they are wanted.
    pub files: Option<Files>,
    /// Transactions by the protocol's name in `types`, with their settings.
    pub protocols: BTreeMap<String, Settings>,
}

/// What alerts show.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// How the client behind a proxy is shown.
    pub forwarded: Option<Forwarded>,
    /// Payload in base64.
    pub payload: bool,
    /// Payload as text.
    pub payload_printable: bool,
    /// Bytes of payload that are shown.
    pub payload_limit: usize,
    /// The packet.
    pub packet: bool,
    /// The transaction's object.
    pub app_layer: bool,
    /// The flow.
    pub flow: bool,
    /// The rule's metadata.
    pub rule_metadata: bool,
    /// The rule's references.
    pub rule_references: bool,
    /// The rule's text.
    pub rule_text: bool,
    /// Whether alerts show what becomes of the packet.
    pub verdict: bool,
}

/// Which anomalies are written.
#[derive(Clone, Copy, Debug)]
pub struct Anomalies {
    /// Those of headers.
    pub decode: bool,
    /// Those of streams.
    pub stream: bool,
    /// Those of application protocols.
    pub application: bool,
}

/// What file records show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files {
    /// MD5, SHA-1 and SHA-256 of every file.
    pub hashes: [bool; 3],
}

/// `fast.log`
#[derive(Clone, Debug)]
pub struct FastOutput {
    /// File name below the log folder.
    pub filename: String,
    /// Whether an existing file is appended to.
    pub append: bool,
}

impl Default for EveOutput {
    /// What is written without a configuration.
    fn default() -> Self {
        Self {
            filename: "eve.json.zst".into(),
            zstd: true,
            append: false,
            capture_name: false,
            community_id_seed: Some(0),
            ethernet: false,
            metadata: true,
            alerts: Some(Alerts::default()),
            anomalies: Some(Anomalies { decode: false, stream: false, application: true }),
            flows: true,
            stats: true,
            files: Some(Files::default()),
            protocols: REGISTRY
                .iter()
                .filter_map(|p| p.event_type)
                .map(|name| (name.to_owned(), Settings([("extended".to_owned(), "yes".to_owned())].into())))
                .collect(),
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            forwarded: None,
            payload: false,
            payload_printable: false,
            payload_limit: 4 << 10,
            packet: false,
            app_layer: true,
            flow: true,
            rule_metadata: true,
            rule_references: false,
            rule_text: false,
            verdict: false,
        }
    }
}

/// Reads the list of outputs.
pub(super) fn read(outputs: Option<&Node>) -> (Vec<EveOutput>, Option<FastOutput>) {
    let (mut eve, mut fast) = (Vec::new(), None);
    for (name, node) in outputs.map(Node::items).unwrap_or(&[]).iter().flat_map(Node::entries) {
        if node.get("enabled").and_then(Node::switch) != Some(true) {
            continue;
        }
        match name.as_str() {
            "eve-log" => eve.push(eve_output(node)),
            "fast" => {
                let filename = node.get("filename").and_then(Node::text).unwrap_or("fast.log").to_owned();
                fast = Some(FastOutput { filename, append: switch(node, "append", true) });
            }
            _ => {}
        }
    }
    (eve, fast)
}

fn switch(node: &Node, key: &str, default: bool) -> bool {
    node.at(key).and_then(Node::switch).unwrap_or(default)
}

fn eve_output(node: &Node) -> EveOutput {
    let text = |key: &str| node.at(key).and_then(Node::text);
    let seed = text("community-id-seed").and_then(|s| s.parse().ok()).unwrap_or(0);
    let mut out = EveOutput {
        filename: text("filename").unwrap_or("eve.json").to_owned(),
        zstd: text("compression") == Some("zstd"),
        append: switch(node, "append", false),
        capture_name: switch(node, "pcap-file", false),
        community_id_seed: switch(node, "community-id", false).then_some(seed),
        ethernet: switch(node, "ethernet", false),
        metadata: switch(node, "metadata", true),
        alerts: None,
        anomalies: None,
        flows: false,
        stats: false,
        files: None,
        protocols: BTreeMap::new(),
    };
    if out.zstd && !out.filename.ends_with(".zst") {
        out.filename.push_str(".zst");
    }
    let nothing = Node::default();
    let dns_version = std::env::var("SURICATA_EVE_DNS_VERSION").ok();
    for item in node.get("types").map(Node::items).unwrap_or(&[]) {
        let named: Vec<(&str, &Node)> = match &item.value {
            Value::Scalar(name) => vec![(name.as_str(), &nothing)],
            Value::Map(entries) => entries.iter().map(|(name, node)| (name.as_str(), node)).collect(),
            _ => Vec::new(),
        };
        for (name, settings) in named {
            if !switch(settings, "enabled", true) {
                continue;
            }
            match name {
                "alert" => out.alerts = Some(alerts(settings, node.get("xff"), switch(node, "metadata", true))),
                "anomaly" => out.anomalies = Some(anomalies(settings)),
                "flow" => out.flows = true,
                "stats" => out.stats = true,
                "files" => out.files = Some(files(settings)),
                _ => {
                    let mut settings = settings.flatten();
                    if name == "dns"
                        && let Some(version) = &dns_version
                    {
                        settings.0.entry("version".into()).or_insert_with(|| version.clone());
                    }
                    out.protocols.insert(name.to_owned(), settings);
                }
            }
        }
    }
    out
}

fn alerts(node: &Node, above: Option<&Node>, metadata: bool) -> Alerts {
    let all = node.get("metadata").and_then(Node::switch).unwrap_or(true);
    let of = |key: &str, default: bool| all && switch(node, key, default);
    Alerts {
        forwarded: node.get("xff").or(above).and_then(forwarded),
        payload: switch(node, "payload", false),
        payload_printable: switch(node, "payload-printable", false),
        payload_limit: node
            .get("payload-buffer-size")
            .and_then(Node::text)
            .and_then(parse_size)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(4 << 10),
        packet: switch(node, "packet", false),
        app_layer: of("metadata.app-layer", true),
        flow: of("metadata.flow", true),
        rule_metadata: metadata && of("metadata.rule.metadata", false),
        rule_references: of("metadata.rule.reference", false),
        rule_text: of("metadata.rule.raw", false),
        verdict: switch(node, "verdict", false),
    }
}

fn forwarded(node: &Node) -> Option<Forwarded> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    switch(node, "enabled", false).then(|| Forwarded {
        overwrite: text("mode") == Some("overwrite"),
        reverse: text("deployment") != Some("forward"),
        header: text("header").unwrap_or("X-Forwarded-For").to_owned(),
    })
}

fn anomalies(node: &Node) -> Anomalies {
    let types = node.get("types").filter(|t| !t.entries().is_empty());
    let on = |key: &str, default: bool| types.map_or(default, |t| switch(t, key, default));
    Anomalies { decode: on("decode", false), stream: on("stream", false), application: on("applayer", true) }
}

fn files(node: &Node) -> Files {
    let wanted: Vec<&str> = match node.get("force-hash").map(|n| &n.value) {
        Some(Value::List(items)) => items.iter().filter_map(Node::text).collect(),
        Some(Value::Scalar(one)) => one.split(',').map(str::trim).collect(),
        _ => Vec::new(),
    };
    Files { hashes: ["md5", "sha1", "sha256"].map(|name| wanted.contains(&name)) }
}
