//! Which keys are known: those that are read, and those that other sensors read and this one need not.

use super::node::Node;
use super::problem::Problem;

/// Names what is not known in a configuration.
pub(super) fn name_unknown(root: &Node, warnings: &mut Vec<Problem>) {
    for (path, known) in KNOWN_BELOW {
        if let Some(section) = root.at(path) {
            section.name_unknown(path, known, warnings);
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
            "record-bytes",
            "record-summary",
            "memory",
            "rival-bytes",
            "early-segments",
            "evidence",
            "evidence-pieces",
            "fuel",
            "rules",
            "file-store",
            "tls-store",
            "live",
        ],
    ),
    ("tapwire.live", &["packet-backlog", "record-backlog"]),
    ("tapwire.record-summary", &["enabled", "interval", "rate", "allowance", "flow-anomalies", "first-alerts"]),
    ("tapwire.file-store", &["memory", "files", "bytes"]),
    ("tapwire.tls-store", &["chains"]),
    ("tapwire.fuel", &["flow", "byte", "most", "packet", "least"]),
    ("tapwire.rules", &["watch", "watch-interval", "cost"]),
    ("tapwire.rules.cost", &["share-percent", "window", "suspend"]),
    ("security.lua", &["allow-rules", "max-bytes", "max-instructions", "allow-restricted-functions"]),
];

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
