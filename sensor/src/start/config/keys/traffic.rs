//! Keys of what packets are taken for: tunnels, fragments, flows, streams.

use super::{Key, idle, number, seconds, size, switch, used, value};

const GROWS: &str = "tables grow as they need to, within their memory";
const PORTS: &str = "Ports of UDP on which it is looked for, as in a rule, or `any`; at most 8 ranges.";
const LISTENS: &str = "a sensor that only listens drops nothing";
const ONE_MEMORY: &str = "connections are part of `flow.memcap`";

pub(super) static KEYS: &[Key] = &[
    used("vlan.use-for-tracking", |c| switch(c.vlan_tracking), "Packets of different VLANs belong to different flows."),
    used(
        "livedev.use-for-tracking",
        |c| switch(c.interface_tracking),
        "Live, packets of different interfaces belong to different flows.",
    ),
    idle("vlan-tracking", "An older name of `vlan.use-for-tracking`.", "write the newer one"),
    used("decoder.vxlan.enabled", |c| switch(c.tunnels.vxlan), "VXLAN is looked into."),
    used("decoder.vxlan.ports", |c| value(&c.tunnels.ports.vxlan.to_string()), PORTS),
    used("decoder.geneve.enabled", |c| switch(c.tunnels.geneve), "Geneve is looked into."),
    used("decoder.geneve.ports", |c| value(&c.tunnels.ports.geneve.to_string()), PORTS),
    used("decoder.teredo.enabled", |c| switch(c.tunnels.teredo), "Teredo is looked into."),
    used("decoder.teredo.ports", |c| value(&c.tunnels.ports.teredo.to_string()), PORTS),
    used(
        "decoder.recursion-level.use-for-tracking",
        |c| switch(c.tunnels.separate_flows),
        "Packets at another depth of tunnels belong to another flow.",
    ),
    idle("decoder.max-layers", "Headers that a packet may have.", "a fixed number is read ([limits](limits.md))"),
    used(
        "defrag.memcap",
        |c| size(c.defrag.memory_bytes),
        "Memory for datagrams of which pieces are missing; the oldest is given up for another.",
    ),
    used("defrag.trackers", |c| number(c.defrag.trackers), "Datagrams that may be incomplete at once."),
    used("defrag.max-frags", |c| number(c.defrag.pieces), "Pieces that may be kept at once."),
    used(
        "defrag.timeout",
        |_| "30 s, IPv6 60 s".into(),
        "Time after its first piece that a datagram has to become complete.",
    ),
    used(
        "defrag.host-config",
        |_| "none".into(),
        "Such times for some networks: a list of entries with `timeout` and `address`, a list of networks. The longest prefix counts.",
    ),
    idle(
        "defrag.memcap-policy",
        "What is done with a packet for whose pieces there is no memory.",
        "the oldest is given up for it",
    ),
    idle("defrag.hash-size", "Size of the table of datagrams.", GROWS),
    idle("defrag.prealloc", "Whether the table of datagrams is made at the start.", GROWS),
    used(
        "host-os-policy",
        |_| "all as BSD".into(),
        "Networks by the system of their hosts, which says what they make of overlapping data: `windows`, `bsd`, `bsd-right`, `old-linux`, `linux`, `old-solaris`, `solaris`, `hpux10`, `hpux11`, `irix`, `macos`, `vista`, `windows2k3`, each with a list of networks. The longest prefix counts.",
    ),
    used(
        "flow.memcap",
        |c| size(c.flow_memory_bytes),
        "Memory for flows. What is missed least goes first ([limits](limits.md)).",
    ),
    used(
        "flow.emergency-recovery",
        |c| format!("{} %", c.emergency_recovery_percent),
        "While memory for flows is short, shorter timeouts hold (`emergency-…`), until so much of it is free.",
    ),
    used(
        "flow.rate-tracking.bytes",
        |_| size(crate::flow::Elephant::default().bytes),
        "With `flow.rate-tracking`, a flow that carries so much in one direction within `interval` is an elephant: its record and `flow.elephant` say so.",
    ),
    used(
        "flow.rate-tracking.interval",
        |_| seconds(crate::flow::Elephant::default().interval_s),
        "The time within which a flow carries that much.",
    ),
    idle(
        "flow.memcap-policy",
        "What is done with a packet for whose flow there is no memory.",
        "another flow is given up for it",
    ),
    idle("flow.hash-size", "Size of the table of flows.", GROWS),
    idle("flow.prealloc", "Flows that are set aside at the start.", GROWS),
    idle("flow.managers", "Threads that look for flows whose time is over.", "each worker does that for its own"),
    idle("flow.recyclers", "Threads that write records of flows.", "each worker does that for its own"),
    idle("flow.end-on-shutdown", "Whether open flows are recorded at the end.", "they always are"),
    idle("host", "Memory for hosts that rules remember something of.", "a fixed number is kept ([limits](limits.md))"),
    idle(
        "ippair",
        "Memory for pairs of hosts that rules remember something of.",
        "a fixed number is kept ([limits](limits.md))",
    ),
    used(
        "exception-policy",
        |_| value("ignore"),
        "What is done with flows that cannot be inspected as they should be: `ignore` inspects them as far as possible, `pass-flow` parses and records them without asking rules, `bypass` does nothing more with them. Other words are those of a sensor that stands in the way of packets, and count as `ignore`.",
    ),
    used("stream.midstream", |c| switch(c.stream.midstream), "Connections whose begin was not seen are followed."),
    used(
        "stream.midstream-policy",
        |_| "as `exception-policy`".into(),
        "What is done with a connection whose begin was not seen: `ignore`, `pass-flow` or `bypass`, the last not with `stream.midstream`.",
    ),
    used(
        "stream.async-oneside",
        |c| switch(c.stream.async_oneside),
        "Connections of which only one direction is seen are followed.",
    ),
    used(
        "stream.inline",
        |c| switch(c.stream.inline),
        "Bytes are taken as they come, not first when the receiver acknowledged them; `auto` is no.",
    ),
    used(
        "stream.bypass",
        |c| switch(c.stream.bypass),
        "Nothing more is done with a connection once one of its directions reached its depth.",
    ),
    used(
        "stream.checksum-validation",
        |c| switch(c.stream.checksum_validation),
        "Segments with wrong checksums are kept out of streams, where checksums are verified (`pcap-file.checksum-checks`).",
    ),
    idle("stream.memcap", "Memory for connections.", ONE_MEMORY),
    idle("stream.memcap-policy", "What is done with a connection for which there is no memory.", ONE_MEMORY),
    idle("stream.drop-invalid", "Segments that their receivers would refuse are dropped.", LISTENS),
    idle("stream.max-sessions", "Connections that are followed at once.", ONE_MEMORY),
    idle("stream.max-syn-queued", "SYNs of a client that are remembered at once.", "it is 10"),
    idle("stream.max-synack-queued", "Answers of a server that are remembered at once.", "it is 5"),
    idle("stream.prealloc-sessions", "Connections that are set aside at the start.", GROWS),
    idle(
        "stream.liberal-timestamps",
        "Timestamps of TCP are checked less strictly.",
        "they are checked as receivers do",
    ),
    used("stream.reassembly.memcap", |c| size(c.stream.memory_bytes), "Memory for bytes of streams that wait."),
    used(
        "stream.reassembly.memcap-policy",
        |_| "as `exception-policy`".into(),
        "What is done with a connection for whose bytes there is no memory: `ignore`, `pass-flow` or `bypass`.",
    ),
    used(
        "stream.reassembly.depth",
        |c| size(c.stream.depth_bytes),
        "Bytes of each direction of a connection that are inspected; 0 for all. `stream-depth` of a protocol goes before it.",
    ),
    used(
        "stream.reassembly.toserver-chunk-size",
        |c| size(c.stream.to_server_chunk_bytes),
        "Raw bytes to the server that rules look at together.",
    ),
    used(
        "stream.reassembly.toclient-chunk-size",
        |c| size(c.stream.to_client_chunk_bytes),
        "Raw bytes to the client that rules look at together.",
    ),
    used(
        "stream.reassembly.urgent.policy",
        |_| value("oob"),
        "What becomes of urgent bytes: `oob` takes them out of the stream, `inline` leaves them in it, `drop` leaves their segment out.",
    ),
    idle(
        "stream.reassembly.urgent.oob-limit-policy",
        "What becomes of urgent bytes beyond their limit.",
        "they stay in the stream, with an event",
    ),
    idle(
        "stream.reassembly.randomize-chunk-size",
        "Sizes of chunks are varied.",
        "the same input gives the same records",
    ),
    idle(
        "stream.reassembly.randomize-chunk-range",
        "How much they are varied, in percent.",
        "the same input gives the same records",
    ),
    idle("stream.reassembly.raw", "Whether rules look at raw bytes.", "they do where a rule wants it"),
    idle("stream.reassembly.segment-prealloc", "Segments that are set aside at the start.", GROWS),
    idle("stream.reassembly.check-overlap-different-data", "Copies that differ are noted.", "they always are"),
    idle(
        "stream.reassembly.max-regions",
        "Pieces of a stream that may be apart.",
        "`tapwire.early-segments` is the limit",
    ),
    idle("stream.reassembly.zero-copy-size", "Bytes above which chunks are not copied.", "the sensor chooses that"),
];

/// The timeouts of each class of flows.
macro_rules! timeouts {
    ($($class:literal $of:literal $new:ident $established:ident;)*) => {
        pub(super) static TIMEOUTS: &[Key] = &[
            used("flow-timeouts.tcp.new", |c| seconds(c.timeouts.tcp_new_s), "Time without a packet after which a TCP connection ends whose handshake was not complete."),
            used("flow-timeouts.tcp.established", |c| seconds(c.timeouts.tcp_established_s), "The same, of one whose handshake was."),
            used("flow-timeouts.tcp.closed", |c| seconds(c.timeouts.tcp_closed_s), "The same, of one that was closed or reset."),
            used("flow-timeouts.tcp.bypassed", |c| seconds(c.timeouts.bypassed_s), "The same, of flows of any protocol with which nothing more is done."),
            used("flow-timeouts.tcp.emergency-new", |c| seconds(c.emergency_timeouts.tcp_new_s), "`new` while memory for flows is short."),
            used("flow-timeouts.tcp.emergency-established", |c| seconds(c.emergency_timeouts.tcp_established_s), "`established` while memory for flows is short."),
            used("flow-timeouts.tcp.emergency-closed", |c| seconds(c.emergency_timeouts.tcp_closed_s), "`closed` while memory for flows is short."),
            used("flow-timeouts.tcp.emergency-bypassed", |c| seconds(c.emergency_timeouts.bypassed_s), "`bypassed` while memory for flows is short."),
            $(
                used(concat!("flow-timeouts.", $class, ".new"), |c| seconds(c.timeouts.$new), concat!("Time without a packet after which a flow of ", $of, " ends of which one direction was seen.")),
                used(concat!("flow-timeouts.", $class, ".established"), |c| seconds(c.timeouts.$established), "The same, of one of which both were."),
                used(concat!("flow-timeouts.", $class, ".emergency-new"), |c| seconds(c.emergency_timeouts.$new), "`new` while memory for flows is short."),
                used(concat!("flow-timeouts.", $class, ".emergency-established"), |c| seconds(c.emergency_timeouts.$established), "`established` while memory for flows is short."),
                idle(concat!("flow-timeouts.", $class, ".closed"), "Time without a packet after which a flow ends that was closed.", "only TCP closes"),
                idle(concat!("flow-timeouts.", $class, ".emergency-closed"), "`closed` while memory for flows is short.", "only TCP closes"),
                idle(concat!("flow-timeouts.", $class, ".bypassed"), "Time without a packet after which a flow ends with which nothing more is done.", "`flow-timeouts.tcp.bypassed` counts for all"),
                idle(concat!("flow-timeouts.", $class, ".emergency-bypassed"), "`bypassed` while memory for flows is short.", "`flow-timeouts.tcp.emergency-bypassed` counts for all"),
            )*
        ];
    };
}

timeouts! {
    "udp" "UDP" udp_new_s udp_established_s;
    "icmp" "ICMP" icmp_new_s icmp_established_s;
    "default" "another protocol" other_new_s other_established_s;
}
