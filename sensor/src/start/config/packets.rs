//! `outputs`: `pcap-log`, and `tapwire.recording`: which packets are recorded, and how.

use std::path::PathBuf;

use tapwire_parsers::protocol::{ProtocolId, parse_size};
use tapwire_parsers::protocol_id;

use super::Problem;
use super::node::{Node, Value};
use crate::recording::filter::Filter;
use crate::recording::pcap_file::Compression;
use crate::recording::pcap_log::{self, Layout};
use crate::recording::ring;
use crate::recording::selection::{Mode, Selection};

/// Bytes of a plain capture file where nothing is said.
const PCAP_BYTES: u64 = 100 << 20;
/// Levels of zstd.
const LEVELS: std::ops::RangeInclusive<i32> = -7..=19;

/// `tapwire.recording`
#[derive(Clone, Debug)]
pub struct Recording {
    /// `enabled`
    pub enabled: bool,
    /// What is kept, and where.
    pub ring: ring::Settings,
}

impl Default for Recording {
    fn default() -> Self {
        let selection = Selection { before_bytes: 64 << 20, before_s: 60, ..Selection::default() };
        let (size_bytes, segment_bytes) = (20 << 30, 256 << 20);
        let ring = ring::Settings {
            folder: "recording".into(),
            size_bytes,
            segment_bytes,
            free_percent: 5,
            age_s: 0,
            level: 1,
            selection,
        };
        Self { enabled: false, ring }
    }
}

/// Reads `pcap-log`.
pub(super) fn pcap_log(node: &Node, faults: &mut Vec<Problem>) -> pcap_log::Settings {
    let layout = match node.choice_at("mode", &["normal", "multi", "sguil"], faults) {
        "multi" => Layout::Multi,
        "sguil" => Layout::Sguil,
        _ => Layout::Normal,
    };
    let compression = match node.choice_at("compression", &["none", "lz4", "zstd"], faults) {
        "lz4" => Compression::Lz4 { checksum: node.switch_at("lz4-checksum", false, faults) },
        "zstd" => Compression::Zstd { level: level(node, "zstd-level", 3, faults) },
        _ => Compression::None,
    };
    let text = |key: &str| node.get(key).and_then(Node::text);
    let folder = text("dir").or(text("sguil-base-dir"));
    if layout == Layout::Sguil && folder.is_none() {
        faults.push(node.problem("mode sguil needs a folder".to_owned(), "name it with `dir`"));
    }
    let filename = text("filename").unwrap_or("log.pcap").to_owned();
    if !is_name(&filename) {
        let at = node.get("filename").unwrap_or(node);
        faults.push(at.problem(
            format!("`{filename}` is no name below a folder"),
            "such as log.pcap, or %n/log.%t with mode multi",
        ));
    }
    let mode = match node.choice_at("conditional", &["all", "alerts", "tag"], faults) {
        "alerts" => Mode::Alerts,
        "tag" => Mode::Tagged,
        _ => Mode::All,
    };
    let files = count(node, "max-files", 0, faults);
    pcap_log::Settings {
        folder: PathBuf::from(folder.unwrap_or_default()),
        filename,
        layout,
        limit_bytes: size(node, "limit", PCAP_BYTES, faults),
        files: usize::try_from(files).unwrap_or(usize::MAX),
        compression,
        micros: node.choice_at("ts-format", &["sec", "usec"], faults) == "usec",
        selection: Selection {
            mode,
            filter: filter(node, "bpf-filter", faults),
            use_depth: node.switch_at("use-stream-depth", false, faults),
            honor_pass: node.switch_at("honor-pass-rules", false, faults),
            bytes_only: true,
            ..Recording::default().ring.selection
        },
    }
}

/// Reads `tapwire.recording`.
pub(super) fn recording(node: Option<&Node>, faults: &mut Vec<Problem>) -> Recording {
    let usual = Recording::default();
    let Some(node) = node else { return usual };
    let ring = usual.ring;
    let selection = ring.selection;
    let mode = match node.choice_at("mode", &["all", "alerts", "tagged", "none"], faults) {
        "alerts" => Mode::Alerts,
        "tagged" => Mode::Tagged,
        "none" => Mode::None,
        _ => Mode::All,
    };
    let before = size(node, "before-memory", selection.before_bytes as u64, faults);
    let before_s = count(node, "before-time", selection.before_s.into(), faults);
    Recording {
        enabled: node.switch_at("enabled", false, faults) && mode != Mode::None,
        ring: ring::Settings {
            folder: node.get("folder").and_then(Node::text).map_or(ring.folder, PathBuf::from),
            size_bytes: size(node, "size", ring.size_bytes, faults),
            segment_bytes: size(node, "segment", ring.segment_bytes, faults),
            free_percent: count(node, "free-percent", ring.free_percent, faults).min(99),
            age_s: count(node, "age", ring.age_s, faults),
            level: level(node, "level", ring.level, faults),
            selection: Selection {
                mode,
                filter: filter(node, "filter", faults),
                protocols: protocols(node, "protocols", faults),
                except: protocols(node, "except-protocols", faults),
                flow_bytes: size(node, "flow-bytes", selection.flow_bytes, faults),
                before_bytes: usize::try_from(before).unwrap_or(usize::MAX),
                before_s: u32::try_from(before_s).unwrap_or(u32::MAX),
                ..selection
            },
        },
    }
}

/// Whether a name stays below its folder.
fn is_name(name: &str) -> bool {
    let parts = std::path::Path::new(name).components();
    !name.is_empty() && parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn size(node: &Node, key: &str, usual: u64, faults: &mut Vec<Problem>) -> u64 {
    let Some((at, text)) = node.get(key).and_then(|at| Some((at, at.text()?))) else { return usual };
    parse_size(text).unwrap_or_else(|| {
        faults.push(at.problem(format!("`{text}` is no size for {key}"), "such as 100mb, 20 GiB or a number of bytes"));
        usual
    })
}

fn count(node: &Node, key: &str, usual: u64, faults: &mut Vec<Problem>) -> u64 {
    let Some((at, text)) = node.get(key).and_then(|at| Some((at, at.text()?))) else { return usual };
    text.parse().unwrap_or_else(|_| {
        faults.push(at.problem(format!("`{text}` is no number for {key}"), "a whole number, such as 60"));
        usual
    })
}

fn level(node: &Node, key: &str, usual: i32, faults: &mut Vec<Problem>) -> i32 {
    let Some((at, text)) = node.get(key).and_then(|at| Some((at, at.text()?))) else { return usual };
    text.parse().ok().filter(|level| LEVELS.contains(level)).unwrap_or_else(|| {
        faults.push(at.problem(format!("`{text}` is no level of zstd"), "-7 (fastest) to 19 (smallest)"));
        usual
    })
}

/// A filter in tcpdump's language that can be one.
fn filter(node: &Node, key: &str, faults: &mut Vec<Problem>) -> Option<String> {
    let (at, text) = node.get(key).and_then(|at| Some((at, at.text()?)))?;
    match Filter::new(text) {
        _ if text.is_empty() => None,
        Ok(_) => Some(text.to_owned()),
        Err(why) => {
            faults.push(
                at.problem(format!("`{text}` is no filter: {why}"), "tcpdump's language, such as `udp and port 53`"),
            );
            None
        }
    }
}

fn protocols(node: &Node, key: &str, faults: &mut Vec<Problem>) -> Vec<ProtocolId> {
    let Some(at) = node.get(key) else { return Vec::new() };
    let names: Vec<&str> = match &at.value {
        Value::List(items) => items.iter().filter_map(Node::text).collect(),
        Value::Scalar(text) => text.split([',', ' ']).filter(|name| !name.is_empty()).collect(),
        _ => Vec::new(),
    };
    let mut ids = Vec::new();
    for name in names {
        match protocol_id(name) {
            Some(id) => ids.push(id),
            None => faults.push(
                at.problem(format!("the protocol `{name}` is not known"), "`tapwire manual protocols` lists them"),
            ),
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_packet_log_are_read() {
        let text =
            "filename: p.%n.%t\nlimit: 1mb\nmax-files: 7\nmode: multi\ndir: /data\ncompression: lz4\nlz4-checksum: yes
ts-format: usec\nuse-stream-depth: yes\nhonor-pass-rules: yes\nconditional: tag\nbpf-filter: udp\n";
        let mut faults = Vec::new();
        let read = pcap_log(&Node::parse(text), &mut faults);
        assert!(faults.is_empty());
        assert_eq!((read.layout, read.limit_bytes, read.files, read.micros), (Layout::Multi, 1 << 20, 7, true));
        assert_eq!((read.compression, read.folder), (Compression::Lz4 { checksum: true }, "/data".into()));
        let Selection { mode, filter, use_depth, honor_pass, .. } = read.selection;
        assert_eq!((mode, filter.as_deref(), use_depth, honor_pass), (Mode::Tagged, Some("udp"), true, true));
    }

    #[test]
    fn what_cannot_be_right_is_a_fault() {
        for text in [
            "mode: tape\n",
            "mode: sguil\n",
            "limit: much\n",
            "max-files: some\n",
            "bpf-filter: udp prt\n",
            "filename: ../x\n",
            "compression: zstd\nzstd-level: 30\n",
        ] {
            let mut faults = Vec::new();
            pcap_log(&Node::parse(text), &mut faults);
            assert_eq!(faults.len(), 1, "{text}");
        }
        for text in ["mode: some\n", "protocols: [http, waldo]\n", "size: big\n", "level: 99\n", "filter: x y\n"] {
            let mut faults = Vec::new();
            recording(Some(&Node::parse(text)), &mut faults);
            assert_eq!(faults.len(), 1, "{text}");
        }
    }

    #[test]
    fn nothing_is_recorded_unless_that_is_said() {
        let mut faults = Vec::new();
        assert!(!recording(None, &mut faults).enabled);
        assert!(!recording(Some(&Node::parse("enabled: yes\nmode: none\n")), &mut faults).enabled);
        let read =
            recording(Some(&Node::parse("enabled: yes\nexcept-protocols: tls\nflow-bytes: 10kb\n")), &mut faults);
        assert!(read.enabled && faults.is_empty());
        assert_eq!((read.ring.selection.except.len(), read.ring.selection.flow_bytes), (1, 10 << 10));
    }
}
