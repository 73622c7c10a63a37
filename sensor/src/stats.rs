//! Counters of a run: each worker has its own, and they are added up when they are shown.

mod special;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use tapwire_parsers::link::events::EVENTS;
use tapwire_parsers::link::tunnel::Inner;
use tapwire_parsers::link::{Header, Layer4, Packet};
use tapwire_signatures::keywords::packet_event::STREAM_EVENTS;
use tapwire_signatures::verify::cost::CostBooks;
use tapwire_signatures::verify::explain::Watch;

use special::Special;

/// Packets by layer and by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    names: BTreeMap<Cow<'static, str>, u64>,
    /// Packets that a worker was handed.
    pub seen: u64,
    /// Packets that went all the way through.
    pub processed: u64,
    /// Packets at which a worker panicked.
    pub panics: u64,
    /// Packets that could not be decoded.
    pub invalid: u64,
    /// Packets that were left aside for other reasons, by these.
    dropped: BTreeMap<&'static str, u64>,
    layers: Layers,
    /// Packets that were refused for their checksum, and those that were accepted as their host left it to its card.
    pub checksums: (u64, u64),
    /// The most Ethernet addresses that packets of one flow came from, and went to.
    pub stations: (u64, u64),
    /// What became of rules that matched.
    pub alerts: Alerts,
    /// Events of decoding by name.
    pub events: BTreeMap<&'static str, u64>,
    /// What scripts of rules failed with.
    pub script_failures: BTreeSet<String>,
    /// What was seen of a rule that is explained, which is done with one worker.
    pub watched: Option<Box<Watch>>,
    /// What rules cost.
    pub costs: CostBooks,
}

/// What became of rules that matched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alerts {
    /// Rules were asked at all.
    pub asked: bool,
    /// Alerts.
    pub raised: u64,
    /// Those beyond the limit of one packet.
    pub overflow: u64,
    /// Matches of rules that are not to raise any.
    pub suppressed: u64,
}

/// The books of packets before one of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Books {
    seen: u64,
    processed: u64,
    invalid: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Layers {
    packets: u64,
    bytes: u64,
    longest: u64,
    /// Those that were not captured to their end, that are longer than any frame, and that go to groups of stations.
    cut: u64,
    glued: u64,
    group: u64,
    invalid: u64,
    ethernet: u64,
    vlan: u64,
    ipv4: u64,
    ipv6: u64,
    tcp: u64,
    udp: u64,
    icmpv4: u64,
    icmpv6: u64,
    others: [u64; Header::ALL.len()],
    special: Special,
}

impl Counters {
    /// Counts a packet and its headers.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        for anomaly in &packet.anomalies {
            *self.events.entry(anomaly.0).or_default() += 1;
        }
        if packet.incomplete {
            return;
        }
        let layers = &mut self.layers;
        if packet.depth == 0 && packet.joined == 0 {
            self.seen += 1;
            layers.packets += 1;
            let length = packet.data.len() as u64;
            layers.bytes += length;
            layers.longest = layers.longest.max(length);
            layers.cut += u64::from(length < u64::from(packet.wire_len));
            layers.glued += u64::from(length > LONGEST_ON_A_WIRE);
            layers.group += u64::from(packet.ethernet.is_some_and(|ethernet| ethernet.destination[0] & 1 == 1));
        }
        layers.invalid += u64::from(packet.invalid);
        layers.ethernet += u64::from(packet.ethernet.is_some());
        let is_v4 = packet.ip.as_ref().is_some_and(|ip| ip.source.is_ipv4());
        if is_v4 {
            layers.ipv4 += 1;
        } else if packet.ip.is_some() {
            layers.ipv6 += 1;
        }
        match &packet.layer4 {
            Layer4::Tcp(_) => layers.tcp += 1,
            Layer4::Udp(_) => layers.udp += 1,
            Layer4::Icmp(_) if is_v4 => layers.icmpv4 += 1,
            Layer4::Icmp(_) => layers.icmpv6 += 1,
            Layer4::None | Layer4::Igmp(_) | Layer4::Sctp(..) => {}
        }
        if packet.vlans.count > 0 {
            layers.vlan += 1;
            layers.special.stacked(packet.vlans.count);
        }
        if let Layer4::Sctp(sctp) = &packet.layer4 {
            layers.special.chunks(sctp);
        }
        if packet.headers != 0 {
            for (count, (header, _)) in layers.others.iter_mut().zip(Header::ALL) {
                *count += u64::from(packet.has(header));
            }
        }
    }

    /// Counts what a packet carries, where that is read.
    pub fn carried(&mut self, packet: &Packet<'_>, inner: &Inner<'_>) {
        self.layers.special.carried(packet, inner);
    }

    /// Adds to a counter by its dotted name.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, count: u64) {
        *self.names.entry(name.into()).or_default() += count;
    }

    /// A packet whose checksum is wrong, which is accepted or refused.
    pub fn wrong_checksum(&mut self, accepted: bool) {
        let (refused, unfinished) = &mut self.checksums;
        *(if accepted { unfinished } else { refused }) += 1;
    }

    /// A packet that is left aside.
    pub fn drop_packets(&mut self, reason: &'static str, count: u64) {
        *self.dropped.entry(reason).or_default() += count;
    }

    /// All packets that were left aside, by reason.
    pub fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let invalid = Some(("invalid", self.invalid)).filter(|(_, count)| *count > 0);
        self.dropped.iter().map(|(reason, count)| (*reason, *count)).chain(invalid).collect()
    }

    /// Packets that are known of and left aside before anything is done with them.
    pub fn leave_out(&mut self, reason: &'static str, count: u64) {
        self.seen += count;
        self.drop_packets(reason, count);
    }

    /// The books of packets as they stand.
    pub fn books(&self) -> Books {
        Books { seen: self.seen, processed: self.processed, invalid: self.invalid }
    }

    /// Strikes out what was booked of a packet at which its worker panicked since `before`, and drops it. One that only came
    /// along for what it carries (not `own`) is booked elsewhere.
    pub fn strike(&mut self, before: Books, own: bool) {
        self.panics += 1;
        self.seen = before.seen + u64::from(own);
        self.processed = before.processed;
        self.invalid = before.invalid;
        self.drop_packets("worker_panic", u64::from(own));
    }

    /// Adds another worker's counters to these.
    pub fn merge(&mut self, other: &Counters) {
        for (name, count) in &other.names {
            self.add(name.clone(), *count);
        }
        self.invalid += other.invalid;
        for (reason, count) in &other.dropped {
            self.drop_packets(reason, *count);
        }
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
        self.script_failures.extend(other.script_failures.iter().cloned());
        self.costs.merge(&other.costs);
        if let Some(watched) = &other.watched {
            self.watched = Some(watched.clone());
        }
        self.panics += other.panics;
        self.stations = (self.stations.0.max(other.stations.0), self.stations.1.max(other.stations.1));
        self.checksums.0 += other.checksums.0;
        self.checksums.1 += other.checksums.1;
        self.alerts.asked |= other.alerts.asked;
        self.alerts.raised += other.alerts.raised;
        self.alerts.overflow += other.alerts.overflow;
        self.alerts.suppressed += other.alerts.suppressed;
        self.seen += other.seen;
        self.processed += other.processed;
        let (a, b) = (&mut self.layers, &other.layers);
        for (mine, theirs) in a.others.iter_mut().zip(b.others) {
            *mine += theirs;
        }
        a.special.merge(&b.special);
        a.longest = a.longest.max(b.longest);
        for (mine, theirs) in [
            (&mut a.packets, b.packets),
            (&mut a.bytes, b.bytes),
            (&mut a.cut, b.cut),
            (&mut a.glued, b.glued),
            (&mut a.group, b.group),
            (&mut a.invalid, b.invalid),
            (&mut a.ethernet, b.ethernet),
            (&mut a.vlan, b.vlan),
            (&mut a.ipv4, b.ipv4),
            (&mut a.ipv6, b.ipv6),
            (&mut a.tcp, b.tcp),
            (&mut a.udp, b.udp),
            (&mut a.icmpv4, b.icmpv4),
            (&mut a.icmpv6, b.icmpv6),
        ] {
            *mine += theirs;
        }
    }

    /// Events of streams by their dotted names in `stats` records.
    pub fn stream_events(&self) -> impl Iterator<Item = (String, u64)> {
        let count = |event: &str| self.events.iter().find(|(name, _)| name.strip_prefix("stream.") == Some(event));
        stream_counters().map(move |(name, event)| (format!("stream.{name}"), count(event).map_or(0, |(_, n)| *n)))
    }

    /// Everything by its dotted name in `stats` records. `own` adds the books of packets and records under `tapwire`.
    pub fn by_name(&self, own: bool) -> BTreeMap<String, u64> {
        let layers = &self.layers;
        let mut all: BTreeMap<String, u64> = self.names.iter().map(|(n, c)| (n.clone().into_owned(), *c)).collect();
        for (name, count) in [
            ("decoder.pkts", layers.packets),
            ("decoder.bytes", layers.bytes),
            ("decoder.invalid", layers.invalid),
            ("decoder.ethernet", layers.ethernet),
            ("decoder.vlan", layers.vlan),
            ("decoder.ipv4", layers.ipv4),
            ("decoder.ipv6", layers.ipv6),
            ("decoder.tcp", layers.tcp),
            ("decoder.udp", layers.udp),
            ("decoder.icmpv4", layers.icmpv4),
            ("decoder.icmpv6", layers.icmpv6),
            ("decoder.avg_pkt_size", layers.bytes.checked_div(layers.packets).unwrap_or(0)),
            ("decoder.max_pkt_size", layers.longest),
            ("decoder.max_mac_addrs_src", self.stations.0),
            ("decoder.max_mac_addrs_dst", self.stations.1),
        ] {
            all.insert(name.to_owned(), count);
        }
        all.extend(layers.special.by_name().map(|(name, count)| (name.to_owned(), count)));
        for (name, event) in EVENTS_BESIDES {
            all.insert(name.to_owned(), self.events.get(event).copied().unwrap_or(0));
        }
        if self.alerts.asked {
            let Alerts { raised, overflow, suppressed, .. } = self.alerts;
            let decided = self.names.get("tapwire.rules.candidates").copied().unwrap_or(0);
            let of_packet = |count: u64| count.checked_div(self.processed).unwrap_or(0);
            for (name, count) in [
                ("detect.match_list", of_packet(raised + overflow + suppressed)),
                ("detect.mpm_list", of_packet(decided)),
                ("detect.alert", self.alerts.raised),
                ("detect.alert_queue_overflow", self.alerts.overflow),
                ("detect.alerts_suppressed", self.alerts.suppressed),
            ] {
                all.insert(name.to_owned(), count);
            }
        }
        for ((_, name), count) in Header::ALL.iter().zip(layers.others) {
            all.insert(format!("decoder.{name}"), count);
        }
        let place = |name: &str| {
            let group = if NOT_IN_EVE.contains(&name) { "tapwire.decoder" } else { "decoder" };
            format!("{group}.event.{name}")
        };
        for name in EVENTS.iter().map(|(name, _)| name).filter(|name| own || !NOT_IN_EVE.contains(name)) {
            all.insert(place(name), 0);
        }
        for (name, count) in &self.events {
            if let Some(rest) = name.strip_prefix("decoder.") {
                all.insert(place(rest), *count);
            }
        }
        if own {
            all.insert("tapwire.packets.seen".into(), self.seen);
            all.insert("tapwire.packets.processed".into(), self.processed);
            all.insert("tapwire.packets.cut".into(), layers.cut);
            all.insert("tapwire.packets.glued".into(), layers.glued);
            all.insert("tapwire.packets.group".into(), layers.group);
            all.insert("tapwire.checksums.refused".into(), self.checksums.0);
            all.insert("tapwire.checksums.unfinished".into(), self.checksums.1);
            let dropped = self.dropped();
            for reason in DROP_REASONS {
                all.insert(format!("tapwire.packets.dropped.{reason}"), dropped.get(reason).copied().unwrap_or(0));
            }
        }
        all
    }
}

/// Events of decoding that EVE's `stats` have no member for.
pub(crate) const NOT_IN_EVE: [&str; 8] = [
    "docsis.pkt_too_small",
    "gre.unknown_protocol",
    "ipv4.frag_incomplete",
    "ipv6.frag_incomplete",
    "ipv6.frag_too_small",
    "link.pkt_too_small",
    "too_many_layers",
    "wlan.pkt_too_small",
];

/// Events of streams that EVE's `stats` have a member for, by its name and theirs, which differ for two.
pub(crate) fn stream_counters() -> impl Iterator<Item = (&'static str, &'static str)> {
    let names = STREAM_EVENTS.iter().map(|(name, _)| *name).filter(|name| !OWN_STREAM_EVENTS.contains(name));
    names.map(|event| match event {
        "3whs_synack_resend_with_different_ack" => ("3whs_synack_resend_with_diff_ack", event),
        "est_synack_resend_with_different_ack" => ("est_synack_resend_with_diff_ack", event),
        _ => (event, event),
    })
}

/// Events of streams that EVE's `stats` have no member for.
const OWN_STREAM_EVENTS: [&str; 6] = [
    "one_side_seen",
    "resumed_after_eviction",
    "resumed_after_idle",
    "suspected_fin_inject",
    "urgent_data",
    "vlan_differs_by_direction",
];

/// Why packets are left aside: they could not be decoded, live they came faster than they were taken, a worker panicked at
/// them, or they came twice.
pub const DROP_REASONS: [&str; 6] = ["invalid", "ring_full", "kernel", "interface", "worker_panic", "duplicate"];

/// A jumbo frame with its header and VLANs.
const LONGEST_ON_A_WIRE: u64 = 9_256;

/// Counters that EVE has beside those of events: as many packets as raised the event.
const EVENTS_BESIDES: [(&str, &str); 4] = [
    ("decoder.too_many_layers", "decoder.too_many_layers"),
    ("decoder.unknown_ethertype", "decoder.ethernet.unknown_ethertype"),
    ("tcp.overlap_diff_data", "stream.reassembly_overlap_different_data"),
    ("tcp.stream_depth_reached", "stream.reassembly_depth_reached"),
];
