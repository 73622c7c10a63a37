//! Keys of the sensor as a whole: its folders, its counters, and what it reads packets from.

use super::{Key, idle, seconds, switch, used, value};

const LISTENS: &str = "the sensor only listens";
const SELF: &str = "the system's service manager does that";
const SOURCE: &str = "interfaces are named with `tapwire run -i`";

pub(super) static KEYS: &[Key] = &[
    used(
        "include",
        |_| "none".into(),
        "A file, or a list of files, whose keys are taken as if they stood in this place, in any mapping and any number of times; `KEY: !include FILE` \
         takes a file as a value. Names are relative to the main file, else to the one that has them. A key that is there again replaces what it \
         said before, one with dots is a path: `stream.reassembly.depth: 2mb`.",
    ),
    used(
        "default-log-dir",
        |c| value(&c.log_dir.display().to_string()),
        "Folder of records. `--log-dir` goes before it.",
    ),
    used(
        "default-data-dir",
        |_| "the folder of records, for what is written".into(),
        "Folder of what rules keep and may name: sets, and the cache of rules. `--data-dir` goes before it.",
    ),
    used(
        "stats.enabled",
        |_| switch(true),
        "Live, counters are written as `stats` records from time to time, to outputs that have the type `stats`. At the end they are written in any case.",
    ),
    used("stats.interval", |c| seconds(c.live.stats_interval_s), "Time between two `stats` records."),
    used(
        "stats.decoder-events",
        |c| switch(c.counting.decoder_events),
        "There are counters of events of decoding, `decoder.event`.",
    ),
    used(
        "stats.exception-policy.per-app-proto-errors",
        |c| switch(c.counting.errors_by_protocol),
        "With `app-layer.error-policy`, there are counters of each protocol of what it did, `app_layer.error.PROTOCOL.exception_policy`.",
    ),
    used(
        "stats.stream-events",
        |c| switch(c.counting.stream_events),
        "There are counters of events of streams, `stream`.",
    ),
    idle("stats.decoder-events-prefix", "What the names of counters of decoding begin with.", "it is `decoder.event`"),
    used(
        "pcap-file.checksum-checks",
        |_| value("auto"),
        "Replay: whether packets with wrong checksums are left out of streams. `auto` guesses from the first packets whether the capturing host left them to its network card. `--checksums` goes before it.",
    ),
    used(
        "pcap-file.tenant-id",
        |_| "none".into(),
        "The tenant whose packets captures hold, with `multi-detect.selector: direct`.",
    ),
    idle(
        "pcap-file.delete-when-done",
        "Captures are deleted when they were read.",
        "a capture is never changed or deleted",
    ),
    idle("pcap-file.buffer-size", "Size of reads from a capture.", "the reader chooses it"),
    idle(
        "pcap-file.continuous",
        "A folder of captures is watched for new ones.",
        "a replay ends with the last capture that was there",
    ),
    idle("pcap-file.recursive", "Folders in a folder of captures are looked into.", "they always are"),
    idle("pcap-file.poll-interval", "Time between two looks at a folder of captures.", "a folder is looked at once"),
    idle("pcap-file.delay", "Age at which a capture in a folder is read.", "a folder is looked at once"),
    used(
        "sensor-name",
        |_| "the host's".into(),
        "The sensor's name, which is in the names of segments of the log ([live](live.md)) and in delivered records.",
    ),
    idle("suricata-version", "The version of Suricata that the file was written for.", "any is read"),
    idle("plugins", "Libraries that add outputs or protocols.", "there are none"),
    idle("heartbeat", "Records that say that the sensor lives.", "`stats` records do"),
    idle("logging", "What the program says, and where.", "it says it on standard error"),
    idle("engine-logging", "An older name of `logging`.", "the program says everything on standard error"),
    idle("af-xdp", "Interfaces that are watched by AF_XDP.", SOURCE),
    idle("dpdk", "Interfaces that are watched by DPDK.", SOURCE),
    idle("netmap", "Interfaces that are watched by netmap.", SOURCE),
    idle("pfring", "Interfaces that are watched by PF_RING.", SOURCE),
    idle("napatech", "Cards of Napatech.", SOURCE),
    idle("dag", "Cards of Endace.", SOURCE),
    idle("mpipe", "Interfaces of Tilera.", SOURCE),
    idle("erf-file", "Captures in Endace's format.", "captures are pcap or pcapng"),
    idle("nfq", "Queues of the system's firewall.", LISTENS),
    idle("nflog", "Groups of the system's firewall.", SOURCE),
    idle("ipfw", "Sockets of the firewall of BSD.", LISTENS),
    idle("ips", "A sensor that stands in the way of packets.", LISTENS),
    idle("firewall", "Rules that decide which packets pass.", LISTENS),
    idle("host-mode", "Whether the sensor stands in the way of packets, which says where resets go.", LISTENS),
    idle("legacy", "Habits of older versions.", "there are no older versions"),
    idle("autofp-scheduler", "How packets are shared among threads.", "by the hash of their flow"),
    idle("max-pending-packets", "Packets that are held at once.", "rings hold them: `tapwire.live.packet-backlog`"),
    idle("default-packet-size", "Bytes that are set aside for a packet.", "as many as it has"),
    idle("cuda", "Matching on a graphics card.", "matching is done by the processor"),
    idle("profiling", "What rules, keywords and threads cost.", "`tapwire rules profile` measures that of rules"),
    idle("profile", "An older name of `detect.profile`.", "rules are grouped by what they have in common"),
    idle("engine-analysis", "A report on rules.", "`tapwire rules list` writes one"),
    idle("pid-file", "A file with the number of the process.", SELF),
    idle("daemon-directory", "The folder in which the sensor runs.", SELF),
    idle(
        "umask",
        "The mask of files that are made.",
        "files are for the sensor's user and group (0640), less where the umask says so",
    ),
    idle("coredump", "Size of what a crash leaves.", SELF),
    idle("security.limit-noproc", "The sensor begins no other process.", "it never does"),
    idle("security.landlock", "Folders that the sensor may reach.", "the service's unit says that"),
    idle("sys", "What is known of the system.", "it is asked where that is needed"),
    idle("magic-file", "The database by which types of files are told.", "one is built in"),
];
