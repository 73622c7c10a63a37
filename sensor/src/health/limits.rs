//! Limits at which something is left out of inspection: the counters that say so.

use std::collections::BTreeMap;

/// Each with what it leaves out, in words.
pub const LIMITS: &[(&str, &str)] = &[
    ("flow.memcap", "flows for which there was no memory (`flow.memcap`)"),
    (
        "tcp.segment_memcap_drop",
        "segments for which there was no room (`stream.reassembly.memcap`, `tapwire.early-segments`)",
    ),
    ("tapwire.stream.given_up_flows", "flows whose bytes behind holes were given up (`stream.reassembly.memcap`)"),
    ("tapwire.app_layer.evicted", "flows whose parsers gave up what they kept (`tapwire.parser-memory`)"),
    ("tapwire.parsers_dry", "parsers that had to wait for more bytes (`tapwire.parser-fuel`)"),
    ("tapwire.rules.out_of_fuel", "rules that were not decided (`tapwire.fuel`)"),
    ("tapwire.rules.skipped", "rules that were suspended (`tapwire.rules.cost`)"),
    ("detect.alert_queue_overflow", "alerts beyond those of one packet (`packet-alert-max`)"),
    ("defrag.max_trackers_reached", "datagrams beyond those that are put together at once (`defrag.trackers`)"),
    ("defrag.max_frags_reached", "datagrams of too many pieces (`defrag.max-frags`)"),
    ("tapwire.defrag.evicted", "datagrams for which there was no memory (`defrag.memcap`)"),
];

/// How much was left out, in all and in words.
pub fn left_out(counters: &BTreeMap<String, u64>) -> (u64, String) {
    of(&|name| counters.get(name).copied().unwrap_or(0))
}

pub(super) fn of(count: &dyn Fn(&str) -> u64) -> (u64, String) {
    let hit = LIMITS.iter().map(|(name, words)| (count(name), words)).filter(|(count, _)| *count > 0);
    let words: Vec<String> = hit.clone().map(|(count, words)| format!("{count} {words}")).collect();
    (hit.map(|(count, _)| count).sum(), words.join(", "))
}
