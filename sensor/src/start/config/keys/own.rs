//! Keys that only this sensor has.

use std::sync::LazyLock;

use super::{Key, number, seconds, size, switch, used, value};
use crate::sinks::log::Settings;

static LOG: LazyLock<Settings> = LazyLock::new(Settings::default);

pub(super) static KEYS: &[Key] = &[
    used(
        "tapwire.records",
        |_| "yes; with `--config` where there is a section `tapwire`".into(),
        "Records have what only tapwire says: the object `tapwire`, its counters, its summaries.",
    ),
    used(
        "tapwire.context",
        |_| "none".into(),
        "A table of networks (CSV: network, zone, owner, criticality), from which records name those of their ends ([records](records.md)); read again as rules are.",
    ),
    used(
        "tapwire.damage-status",
        |_| "yes; with `--config` where there is a section `tapwire`".into(),
        "A capture that is cut off or damaged gives the run an exit status of its own.",
    ),
    used(
        "tapwire.join-vlans",
        |_| "yes; with `--config` where there is a section `tapwire`".into(),
        "An answer of UDP or ICMP that comes in other VLANs than its question belongs to its flow; one of TCP does where the handshake proves it.",
    ),
    used(
        "tapwire.flows-of-all-protocols",
        |_| "yes; with `--config` where there is a section `tapwire`".into(),
        "Every protocol over IP has flows; otherwise only ICMP, TCP, UDP, SCTP, ESP and IP in IP.",
    ),
    used(
        "tapwire.memory",
        |c| format!("{}; with `--config` no limit", size(c.memory_bytes)),
        "Memory for flows, streams and parsers together ([limits](limits.md)); 0 means that only their own limits count.",
    ),
    used(
        "tapwire.parser-memory",
        |c| format!("{}; with `--config` 256 MiB", size(c.parser_memory_bytes)),
        "Memory for what parsers keep, with files, frames and what rules remember of flows; 0 for no limit.",
    ),
    used(
        "tapwire.rival-bytes",
        |c| format!("{}; 0 with a configuration that has nothing below `tapwire`", size(c.stream.rival_bytes)),
        "Bytes kept of each direction of copies that differ from those that count: rules are asked about both, and alerts on them have `tapwire.other_copy`. With 0 the policy alone counts (`host-os-policy`).",
    ),
    used(
        "tapwire.early-segments",
        |c| number(c.stream.early_segments),
        "Segments of each direction that may wait for a hole to be filled.",
    ),
    used(
        "tapwire.remembered-connections",
        |c| number(c.stream.remembered),
        "Connections that are remembered when their flow ended before they did, of each kind and worker.",
    ),
    used(
        "tapwire.expected-flows",
        |c| number(c.stream.expected),
        "Flows that others announced and that did not come yet, of each worker; the oldest goes. 0 waits for none.",
    ),
    used(
        "tapwire.carried-protocols",
        |c| number(c.layers as u64),
        "Protocols inside the one of a flow that are followed at once, each connection of them by itself; what more there is is not read.",
    ),
    used(
        "tapwire.parser-fuel.byte",
        |c| number(c.parser_fuel.byte.into()),
        "Work that a parser may do for each new byte, in bytes looked at or steps of about that cost.",
    ),
    used("tapwire.parser-fuel.packet", |c| number(c.parser_fuel.packet.into()), "Work that it may do for each packet."),
    used(
        "tapwire.parser-fuel.most",
        |c| number(c.parser_fuel.most.into()),
        "Work that it may do before its flow had that many bytes, and the most that it saves up.",
    ),
    used(
        "tapwire.open-files",
        |c| number(c.open_files as u64),
        "Files of one flow that are open at once; the oldest is cut off for one more.",
    ),
    used(
        "tapwire.evidence",
        |_| "yes, where `tapwire.records` is".into(),
        "Alerts show where the bytes are that fulfilled their rule.",
    ),
    used(
        "tapwire.evidence-pieces",
        |c| number(c.evidence_pieces as u64),
        "Places of bytes that an alert shows at most.",
    ),
    used(
        "tapwire.record-bytes",
        |c| size(c.record_bytes),
        "Bytes of a record beyond which it is cut ([records](records.md)); 0 for any number.",
    ),
    used(
        "tapwire.record-summary.enabled",
        |c| switch(c.summaries.enabled),
        "In a flood, records are summed up ([records](records.md)), where `tapwire.records` is on.",
    ),
    used("tapwire.record-summary.interval", |c| seconds(c.summaries.interval_s), "Time that a summary stands for."),
    used(
        "tapwire.record-summary.rate",
        |c| number(c.summaries.rate),
        "Records of an event type a second that a network may cause in any case; 0 for any number.",
    ),
    used(
        "tapwire.record-summary.allowance",
        |c| size(c.summaries.allowance),
        "Bytes of records a second that an output has in any case.",
    ),
    used(
        "tapwire.record-summary.flow-anomalies",
        |c| number(c.summaries.flow_anomalies),
        "Anomalies of a flow in an interval that have records; 0 for any number.",
    ),
    used(
        "tapwire.record-summary.first-alerts",
        |c| number(c.summaries.first_alerts),
        "Alerts of a rule between two hosts in an interval that are written in any case.",
    ),
    used(
        "tapwire.bypass-bytes",
        |c| size(c.bypass_bytes),
        "Bytes of packets of one direction after which a flow is not followed any more, so that one that fills a link leaves time for others; its record says so. 0 for any number.",
    ),
    used(
        "tapwire.health.interval",
        |c| seconds(c.health.interval_s),
        "Live, time between two looks at what the sensor cannot see ([live](live.md)); 0 for none. Whether packets are lost, and whether any come, is looked at each second.",
    ),
    used(
        "tapwire.health.silence",
        |c| seconds(c.health.silence_s),
        "Live, time without a packet after which that is told; 0 for never.",
    ),
    used(
        "tapwire.duplicates.mode",
        |_| "`auto`: live they are counted, in a replay nothing is done".into(),
        "Packets that come twice, as from a mirror that sends both what enters and what leaves: `off`, `count`, or `drop`, which counts them and leaves them out.",
    ),
    used(
        "tapwire.duplicates.window",
        |c| format!("{} µs", c.duplicates.window_us),
        "Microseconds within which a copy comes, below 1,000.",
    ),
    used(
        "tapwire.duplicates.packets",
        |c| number(c.duplicates.packets.into()),
        "Packets within which a copy comes whatever the time, at most 4,096; 0 where only time counts.",
    ),
    used("tapwire.live.packet-backlog", |c| size(c.live.packet_bytes), "Live, packets that may wait for one worker."),
    used("tapwire.live.record-backlog", |c| size(c.live.record_bytes), "Live, records that may wait for one output."),
    used(
        "tapwire.log.enabled",
        |_| switch(true),
        "Live, all records are kept in a log of segments ([live](live.md)), which takes the place of an output with `compression: zstd`.",
    ),
    used("tapwire.log.segment-size", |_| size(LOG.segment_bytes), "Bytes after which a segment is finished."),
    used("tapwire.log.segment-time", |_| seconds(LOG.segment_s), "Time after which it is; 0 for any."),
    used(
        "tapwire.log.max-size",
        |_| "no limit".into(),
        "Bytes of all segments. What is over goes: what all sinks have, then the oldest without alerts, alerts last.",
    ),
    used(
        "tapwire.log.max-share",
        |_| format!("{} %", LOG.retention.share_percent),
        "The same in percent of the file system; 0 for any.",
    ),
    used("tapwire.log.max-age", |_| "no limit".into(), "Seconds after which a segment goes."),
    used(
        "tapwire.log.reserve",
        |_| size(LOG.reserve_bytes),
        "Bytes of the disk that are kept for alerts, for when it is full; 0 for none.",
    ),
    used(
        "tapwire.log.sync",
        |_| value("second"),
        "When what was written is made to survive a crash of the machine: `second`, with each `frame`, or when the `system` likes to. It holds for all files of records.",
    ),
    used(
        "tapwire.recording.enabled",
        |c| switch(c.recording.enabled),
        "Packets are recorded in a ring with an index ([recording](recording.md)).",
    ),
    used(
        "tapwire.recording.folder",
        |c| value(&c.recording.ring.folder.display().to_string()),
        "Its folder, below that of records unless it is absolute.",
    ),
    used(
        "tapwire.recording.mode",
        |_| value("all"),
        "`all` packets; `alerts`: flows with alerts, and what came of them before; `tagged`: what `tag` of rules wants; `none`.",
    ),
    used("tapwire.recording.filter", |_| "none".into(), "Only packets that pass this filter, in tcpdump's language."),
    used(
        "tapwire.recording.protocols",
        |_| "all".into(),
        "Only flows of these application protocols, and what came of them before they were recognised.",
    ),
    used(
        "tapwire.recording.except-protocols",
        |_| "none".into(),
        "Flows of these are left out from when they are recognised on, unless they have an alert.",
    ),
    used(
        "tapwire.recording.flow-bytes",
        |_| "all".into(),
        "Bytes of a flow that are recorded, unless it has an alert; 0 for all.",
    ),
    used(
        "tapwire.recording.before-memory",
        |c| size(c.recording.ring.selection.before_bytes as u64),
        "Memory for packets that nothing speaks for yet, of each recording (`mode: alerts`, `conditional: alerts`).",
    ),
    used(
        "tapwire.recording.before-time",
        |c| seconds(c.recording.ring.selection.before_s),
        "How long they wait there.",
    ),
    used("tapwire.recording.size", |c| size(c.recording.ring.size_bytes), "Bytes on disk; the oldest segment goes."),
    used(
        "tapwire.recording.segment",
        |c| size(c.recording.ring.segment_bytes),
        "Bytes of a segment, at most a quarter of `size`.",
    ),
    used(
        "tapwire.recording.free-percent",
        |c| format!("{} %", c.recording.ring.free_percent),
        "Share of the disk that stays free: the oldest segments go for it, and where there are none, nothing is recorded.",
    ),
    used("tapwire.recording.age", |_| "any".into(), "Seconds after which a segment goes; 0 for none."),
    used(
        "tapwire.recording.level",
        |c| c.recording.ring.level.to_string(),
        "Level of zstd: -7 is fastest, 19 smallest.",
    ),
    used(
        "tapwire.file-store.memory",
        |c| size(c.store_limits.waiting_bytes),
        "Bytes of files that wait for the word of a rule; 0 for no limit.",
    ),
    used("tapwire.file-store.files", |c| number(c.store_limits.begun_files), "Files that may be in the making."),
    used("tapwire.file-store.bytes", |c| size(c.store_limits.begun_bytes), "Bytes that those may have."),
    used(
        "tapwire.stream-data.files",
        |c| number(c.store_limits.data_files),
        "Files of bare bytes that each of `tcp-data` and `http-body-data` makes in a run.",
    ),
    used("tapwire.tls-store.chains", |c| number(c.store_limits.chains), "Certificate chains that a run stores."),
    used(
        "tapwire.fuel.flow",
        |c| number(c.fuel.flow),
        "Work of matching, in bytes times states, that a flow has at its begin.",
    ),
    used("tapwire.fuel.byte", |c| number(c.fuel.byte), "Work that each byte of its packets adds."),
    used("tapwire.fuel.most", |c| number(c.fuel.most), "The most work that a flow can save up, at most 16,776,960."),
    used("tapwire.fuel.packet", |c| number(c.fuel.packet), "What all rules together may spend on one packet."),
    used("tapwire.fuel.least", |c| number(c.fuel.least), "What one look at a rule gets in any case."),
    used(
        "tapwire.rules.watch",
        |c| switch(c.rule_watch.enabled),
        "Live, changed rule files are noticed and read again ([reload](reload.md)).",
    ),
    used("tapwire.rules.watch-interval", |c| seconds(c.rule_watch.interval_s), "Time between two looks at them."),
    used(
        "tapwire.rules.files-anywhere",
        |c| switch(c.rule_files_anywhere),
        "Rules may name files outside of the folders of rules and data ([trust](trust.md)).",
    ),
    used(
        "tapwire.rules.cost.share-percent",
        |c| format!("{} %", c.costs.share_percent),
        "Share of the work of a window above which a rule is named on standard error; 0 for none.",
    ),
    used("tapwire.rules.cost.window", |c| number(c.costs.window_work), "Work of a window."),
    used("tapwire.rules.cost.suspend", |c| switch(c.costs.suspend), "Such a rule is suspended as well."),
    used(
        "tapwire.lua.max-time-ms",
        |c| format!("{} ms", c.scripts.max_time_ms),
        "Time of the processor in one call of a script; 0 for any.",
    ),
];
