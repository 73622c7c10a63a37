//! Which counters become which metrics.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Where the values of a metric come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// One counter.
    One(&'static str),
    /// Counters that are named, each with its value of the label.
    Some(&'static str, &'static [(&'static str, &'static str)]),
    /// All counters whose names begin so: the rest is the value of the label.
    All(&'static str, &'static [&'static str]),
    /// The same with two labels: two parts of the name.
    Pairs([&'static str; 2], &'static [&'static str]),
}

/// A metric, or several that differ in a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Its name, without `tapwire_` and `_total`.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) from: From,
}

const fn counter(name: &'static str, help: &'static str, from: From) -> Family {
    Family { name, help, kind: Kind::Counter, from }
}

const fn gauge(name: &'static str, help: &'static str, from: From) -> Family {
    Family { name, help, kind: Kind::Gauge, from }
}

/// All of them.
pub(super) const FAMILIES: &[Family] = &[
    counter("packets_seen", "Packets that came, inspected or not", From::One("tapwire.packets.seen")),
    counter("packets_processed", "Packets that were inspected", From::One("tapwire.packets.processed")),
    counter(
        "packets_dropped",
        "Packets that were not inspected, by reason",
        From::All("reason", &["tapwire.packets.dropped."]),
    ),
    counter("bytes_processed", "Bytes of packets that were decoded", From::One("decoder.bytes")),
    counter("kernel_packets", "Packets that the system captured", From::One("capture.kernel_packets")),
    counter("kernel_drops", "Packets that the system had no room for", From::One("capture.kernel_drops")),
    counter("checksums_refused", "Packets with a wrong checksum", From::One("tapwire.checksums.refused")),
    counter("reassembly_gaps", "Holes in streams that were never filled", From::One("tcp.reassembly_gap")),
    counter("flows", "Flows that began", From::One("flow.total")),
    gauge("flows_active", "Flows that are followed", From::One("flow.active")),
    counter(
        "flows_recognised",
        "Flows by application protocol",
        From::All("protocol", &["app_layer.flow.", "tapwire.app_layer.flow."]),
    ),
    counter(
        "transactions",
        "Transactions by application protocol",
        From::All("protocol", &["app_layer.tx.", "tapwire.app_layer.tx."]),
    ),
    counter(
        "parser_errors",
        "Flows whose parsing ended early, by application protocol and why",
        From::Pairs(["protocol", "why"], &["app_layer.error.", "tapwire.app_layer.error."]),
    ),
    counter("alerts", "Alerts", From::One("detect.alert")),
    counter(
        "alerts_suppressed",
        "Alerts that thresholds and the like held back",
        From::One("detect.alerts_suppressed"),
    ),
    counter("rule_work", "Work of all rules, in units of fuel", From::One("tapwire.rules.work")),
    counter("rule_reloads", "Rule sets that took the place of others", From::One("tapwire.rules.reloads")),
    counter("rule_reloads_refused", "Rule sets that were refused", From::One("tapwire.rules.reloads_refused")),
    gauge(
        "memory_bytes",
        "Memory by what it is for",
        From::Some(
            "part",
            &[
                ("flow.memuse", "flows"),
                ("tcp.reassembly_memuse", "streams"),
                ("tapwire.app_layer.memuse", "parsers"),
                ("defrag.memuse", "fragments"),
                ("http.byterange.memuse", "parts_of_files"),
                ("detect.thresholds.memuse", "thresholds"),
                ("host.memuse", "hosts"),
                ("ippair.memuse", "pairs_of_hosts"),
                ("tapwire.records.waiting_bytes", "records"),
            ],
        ),
    ),
    gauge("memory_used_percent", "The fullest of the memory budgets", From::One("memcap.pressure")),
    counter(
        "evictions",
        "Flows that had to go before their time",
        From::Some(
            "state",
            &[("tapwire.flow.evicted_new", "new"), ("tapwire.flow.evicted_established", "established")],
        ),
    ),
    counter(
        "records",
        "Records by what became of them",
        From::Some(
            "fate",
            &[
                ("tapwire.records.made", "made"),
                ("tapwire.records.delivered", "delivered"),
                ("tapwire.records.held_back", "held_back"),
                ("tapwire.records.summed", "summed"),
                ("tapwire.records.shed", "shed"),
            ],
        ),
    ),
    counter("records_lost", "Records that are lost, by class", From::All("class", &["tapwire.records.lost."])),
    gauge("records_waiting", "Records that wait for their file", From::One("tapwire.records.waiting")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::COUNTERS;

    #[test]
    fn every_counter_that_is_shown_is_one() {
        let is_there = |name: &str| COUNTERS.iter().any(|counter| counter.name == name);
        let begins = |prefix: &str| COUNTERS.iter().any(|counter| counter.name.starts_with(prefix));
        for family in FAMILIES {
            let known = match family.from {
                From::One(name) => is_there(name),
                From::Some(_, named) => named.iter().all(|(name, _)| is_there(name)),
                From::All(_, prefixes) | From::Pairs(_, prefixes) => prefixes.iter().all(|prefix| begins(prefix)),
            };
            assert!(known, "{}", family.name);
        }
    }
}
