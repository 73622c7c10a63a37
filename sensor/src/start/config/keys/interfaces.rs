//! Keys of the interfaces that are watched.

use super::{Key, idle, number, size, switch, used, value};

const LISTENS: &str = "the sensor only listens";
const NO_PROGRAMS: &str = "no programs of other sensors are loaded into the kernel";

pub(super) static KEYS: &[Key] = &[
    used(
        "af-packet.N.interface",
        |_| "none".into(),
        "An interface that is watched where none is named with `-i`, and how it is. `default` says it of all others.",
    ),
    used(
        "af-packet.N.bpf-filter",
        |_| "none".into(),
        "Only packets that this lets through, in tcpdump's language. `--bpf` goes before it.",
    ),
    used(
        "af-packet.N.checksum-checks",
        |_| value("auto"),
        "Whether packets with wrong checksums are left out of streams: `auto` and `kernel` honour the kernel's mark that a card was to finish one, and \
         judge others by samples; `yes` and `no`. `--checksums` goes before it.",
    ),
    used(
        "af-packet.N.cluster-type",
        |_| value("cluster_flow"),
        "How the kernel spreads packets over workers that read their own rings (`runmode`). `cluster_flow`: by a symmetric hash that a program of ours makes, whatever the \
         card does. `cluster_cpu`, `cluster_qm`: by processor and by queue of the card, which must be symmetric itself. `cluster_rollover`, \
         `cluster_round_robin`, `cluster_random` take flows apart.",
    ),
    used(
        "af-packet.N.rollover",
        |_| switch(false),
        "What finds the ring of its worker full goes to the next one, apart from its flow.",
    ),
    used(
        "af-packet.N.ring-size",
        |_| "as many as `tapwire.live.ring` holds".into(),
        "Packets of 1,600 bytes that the rings of the interface hold. It makes them larger, never smaller.",
    ),
    used(
        "af-packet.N.block-size",
        |c| size(c.interfaces.usual().block_bytes),
        "Bytes of a block of a ring, the largest packet that is seen whole; a power of two from 16 KiB to 4 MiB.",
    ),
    used(
        "af-packet.N.block-timeout",
        |c| format!("{} ms", c.interfaces.usual().block_timeout_ms),
        "Milliseconds after which the kernel hands over a block that is not full.",
    ),
    used("af-packet.N.mmap-locked", |c| switch(c.interfaces.usual().locked), "Rings are locked into memory."),
    used("af-packet.N.disable-promisc", |_| switch(false), "Packets to other stations are not asked for."),
    used(
        "af-packet.N.threads",
        |_| value("auto"),
        "Of the first entry: how many workers there are, if neither `--threads` nor `threading` says.",
    ),
    idle(
        "af-packet.N.cluster-id",
        "The number of the group of sockets that share an interface.",
        "the kernel gives one that nobody else has, so that two sensors take no packets from each other",
    ),
    idle(
        "af-packet.N.defrag",
        "The kernel puts pieces of datagrams together.",
        "they go to one worker by their addresses, and are put together here, as they came",
    ),
    idle("af-packet.N.use-mmap", "Packets come through a ring.", "they always do"),
    idle("af-packet.N.tpacket-v3", "The ring has blocks of packets.", "it always has"),
    idle("af-packet.N.use-emergency-flush", "A full ring is emptied without a look.", "what has come is inspected"),
    idle("af-packet.N.buffer-size", "Bytes of the buffer of a socket without a ring.", "there always is a ring"),
    idle("af-packet.N.copy-mode", "Packets are passed on to another interface.", LISTENS),
    idle("af-packet.N.copy-iface", "The interface that they are passed on to.", LISTENS),
    idle("af-packet.N.ebpf-lb-file", "A program that spreads packets.", NO_PROGRAMS),
    idle("af-packet.N.ebpf-filter-file", "A program that filters packets.", NO_PROGRAMS),
    idle("af-packet.N.xdp-filter-file", "A program that filters packets in the driver.", NO_PROGRAMS),
    idle("af-packet.N.xdp-mode", "Where that program runs.", NO_PROGRAMS),
    idle("af-packet.N.xdp-cpu-redirect", "Processors that it hands packets to.", NO_PROGRAMS),
    idle(
        "af-packet.N.bypass",
        "That program passes over flows.",
        "flows are passed over here: `stream.bypass`, `encryption-handling`",
    ),
    idle("af-packet.N.pinned-maps", "That program stays when the sensor ends.", NO_PROGRAMS),
    idle("af-packet.N.pinned-maps-name", "The name that it stays under.", NO_PROGRAMS),
    idle("af-packet.N.no-percpu-hash", "Its flows are counted once for all processors.", NO_PROGRAMS),
    used(
        "pcap.N.interface",
        |_| "none".into(),
        "An interface that is watched by libpcap, where `af-packet` has none or `tapwire.live.capture` says so. `default` says it of all others.",
    ),
    used(
        "pcap.N.bpf-filter",
        |_| "none".into(),
        "Only packets that this lets through, in tcpdump's language. `--bpf` goes before it.",
    ),
    used(
        "pcap.N.checksum-checks",
        |_| value("auto"),
        "Whether packets with wrong checksums are left out of streams: `auto`, `yes` or `no`.",
    ),
    used(
        "pcap.N.buffer-size",
        |c| size(c.interfaces.usual().ring_bytes),
        "Bytes of the buffer that the kernel keeps packets in.",
    ),
    used("pcap.N.promisc", |c| switch(c.interfaces.usual().promiscuous), "Packets to other stations are asked for."),
    used("pcap.N.snaplen", |c| number(c.interfaces.usual().snap_bytes.into()), "Bytes of a packet that are taken."),
    idle("pcap.N.threads", "Threads that read the interface.", "one does"),
    used(
        "capture.disable-offloading",
        |c| switch(c.interfaces.usual().unglue),
        "What glues segments together before they are seen (GRO, LRO) is switched off at the start. Otherwise it is told.",
    ),
    idle("capture.checksum-validation", "Where checksums are verified.", "`checksum-checks` says whether they are"),
    used(
        "runmode",
        |_| value("auto"),
        "Live, who reads packets. `workers`: each worker a ring of its own, over which the kernel spreads flows. `autofp`: one thread, which hands them to the workers. \
         `single`: one worker, with its own ring. `auto` is `autofp`, unless `cluster-type` or `rollover` says how the kernel is to spread packets ([live](live.md#who-reads-packets)).",
    ),
    used(
        "threading.set-cpu-affinity",
        |_| switch(false),
        "Threads run on the processors that `threading.cpu-affinity` names.",
    ),
    used(
        "threading.cpu-affinity",
        |_| "any".into(),
        "Processors of threads, as a list or a mapping of sets: `worker-cpu-set` of those that inspect packets, `receive-cpu-set` of the one that reads them where \
         workers do not, `management-cpu-set` of the one that writes records. In a set `cpu` has numbers, ranges or `all`, `mode: exclusive` gives each thread one of its own, and \
         `threads` is how many workers there are. Other sets, `prio` and `interface-specific-cpu-set` change nothing.",
    ),
    idle("threading.autopin", "Threads run near the card.", "`threading.cpu-affinity` says where"),
    idle(
        "threading.detect-thread-ratio",
        "Threads that match, for each processor.",
        "there are as many workers as `--threads` says",
    ),
    idle("threading.stack-size", "Bytes of the stack of a thread.", "the system chooses it"),
    used(
        "tapwire.live.ring",
        |c| size(c.interfaces.usual().ring_bytes),
        "Bytes of the rings of an interface, in which packets wait in the kernel.",
    ),
    used(
        "tapwire.live.snap-length",
        |c| number(c.interfaces.usual().snap_bytes.into()),
        "Bytes of a packet that are taken. What is cut off is not inspected.",
    ),
    used(
        "tapwire.live.card-time",
        |c| switch(c.interfaces.usual().card_time),
        "The card's clock says when a packet came, where it has one that is set. Otherwise the system's does.",
    ),
    used(
        "tapwire.live.returns",
        |c| number(c.interfaces.usual().returns.into()),
        "How often an interface may go and come back where several workers have rings of their own: each time takes a socket for each of them, \
         and all are opened at the start, when they still may be.",
    ),
    used("tapwire.live.capture", |_| value("af-packet"), "What captures packets: `af-packet`, or `pcap` (libpcap)."),
];
