//! `af-packet`, `pcap` and `tapwire.live`: the interfaces that are watched, and how.

use tapwire_parsers::protocol::parse_size;

use super::Problem;
use super::node::Node;
use crate::capture::live::{Spread, Sums, Watched, Way};

/// What is said of interfaces.
#[derive(Clone, Debug)]
pub struct Interfaces {
    /// Those of `af-packet`, or of `pcap` where that has none, in their order.
    listed: Vec<Watched>,
    /// Those of `pcap`.
    of_pcap: Vec<Watched>,
    /// One of which nothing is said.
    usual: Watched,
    /// The same, for libpcap.
    usual_pcap: Watched,
}

impl Default for Interfaces {
    fn default() -> Self {
        let usual = Watched::named("");
        let usual_pcap = Watched { way: Way::Pcap, ..usual.clone() };
        Self { listed: Vec::new(), of_pcap: Vec::new(), usual, usual_pcap }
    }
}

impl Interfaces {
    /// Reads the sections.
    pub(super) fn read(root: &Node, faults: &mut Vec<Problem>) -> Self {
        let mut interfaces = Self::default();
        let usual = &mut interfaces.usual;
        let mut all = Section { node: root.at("tapwire.live"), faults };
        all.size("ring", &mut usual.ring_bytes);
        all.number("snap-length", &mut usual.snap_bytes);
        all.switch("card-time", &mut usual.card_time);
        match all.text("capture") {
            Some("pcap") => usual.way = Way::Pcap,
            Some("af-packet") | None => {}
            Some(_) => all.fault("capture", "is no way to capture", "af-packet or pcap"),
        }
        all.number("returns", &mut usual.returns);
        if let Some(node) = root.at("capture.disable-offloading") {
            // As others do, something else than a switch means nothing.
            usual.unglue = node.switch().unwrap_or(false);
        }
        interfaces.usual_pcap = Watched { way: Way::Pcap, ..usual.clone() };
        let mut listed = Vec::new();
        for node in items(root.at("af-packet")) {
            let watched = af_packet(node, interfaces.usual.clone(), faults);
            match &watched.name[..] {
                "default" => interfaces.usual = watched,
                _ => listed.push(watched),
            }
        }
        for node in items(root.at("pcap")) {
            let watched = pcap(node, interfaces.usual_pcap.clone(), faults);
            match &watched.name[..] {
                "default" => interfaces.usual_pcap = watched,
                _ => interfaces.of_pcap.push(watched),
            }
        }
        let by_pcap = interfaces.usual.way == Way::Pcap || listed.is_empty();
        interfaces.listed = if by_pcap { interfaces.of_pcap.clone() } else { listed };
        interfaces
    }

    /// Those that are watched where none are named.
    pub fn listed(&self) -> Vec<Watched> {
        self.listed.clone()
    }

    /// How an interface is watched.
    pub fn named(&self, name: &str) -> Watched {
        let usual = if self.usual.way == Way::Pcap { &self.usual_pcap } else { &self.usual };
        let known = self.listed.iter().find(|watched| watched.name == name);
        Watched { name: name.to_owned(), ..known.unwrap_or(usual).clone() }
    }

    /// One of which nothing is said.
    pub(super) fn usual(&self) -> &Watched {
        &self.usual
    }
}

/// A list, or one that is no list.
fn items(node: Option<&Node>) -> &[Node] {
    match node {
        Some(node) if node.items().is_empty() && node.get("interface").is_some() => std::slice::from_ref(node),
        Some(node) => node.items(),
        None => &[],
    }
}

fn af_packet(node: &Node, usual: Watched, faults: &mut Vec<Problem>) -> Watched {
    let mut watched = usual;
    let mut section = Section { node: Some(node), faults };
    common(&mut section, &mut watched);
    let mut is_plain = false;
    section.switch("disable-promisc", &mut is_plain);
    watched.promiscuous &= !is_plain;
    section.switch("mmap-locked", &mut watched.locked);
    section.switch("rollover", &mut watched.rollover);
    section.number("block-timeout", &mut watched.block_timeout_ms);
    section.size("block-size", &mut watched.block_bytes);
    let mut packets = 0;
    section.size("ring-size", &mut packets);
    watched.ring_bytes = watched.ring_bytes.max(packets.saturating_mul(PACKET_BYTES));
    match section.text("cluster-type").map(|name| (name, Spread::named(name))) {
        Some((_, Some(spread))) => watched.spread = spread,
        Some(("cluster_ebpf", None)) | None => {}
        Some((_, None)) => section.fault(
            "cluster-type",
            "is no way to spread packets",
            "cluster_flow, cluster_cpu, cluster_qm, cluster_rollover, cluster_round_robin or cluster_random",
        ),
    }
    watched
}

fn pcap(node: &Node, usual: Watched, faults: &mut Vec<Problem>) -> Watched {
    let mut watched = usual;
    let mut section = Section { node: Some(node), faults };
    common(&mut section, &mut watched);
    section.size("buffer-size", &mut watched.ring_bytes);
    section.switch("promisc", &mut watched.promiscuous);
    section.number("snaplen", &mut watched.snap_bytes);
    watched
}

/// What both have.
fn common(section: &mut Section<'_, '_>, watched: &mut Watched) {
    if let Some(name) = section.text("interface") {
        watched.name = name.to_owned();
    }
    if let Some(filter) = section.text("bpf-filter") {
        watched.filter = Some(filter.to_owned()).filter(|filter| !filter.trim().is_empty());
    }
    match section.text("checksum-checks") {
        Some("kernel" | "auto") => watched.sums = Sums::Auto,
        Some(_) => {
            let mut verifies = false;
            section.switch("checksum-checks", &mut verifies);
            watched.sums = if verifies { Sums::Yes } else { Sums::No };
        }
        None => {}
    }
}

/// A mapping that is read, and what is wrong in it.
struct Section<'n, 'f> {
    node: Option<&'n Node>,
    faults: &'f mut Vec<Problem>,
}

impl<'n> Section<'n, '_> {
    fn text(&self, key: &str) -> Option<&'n str> {
        self.node?.get(key)?.text()
    }

    fn fault(&mut self, key: &str, what: &str, hint: &str) {
        if let Some(node) = self.node.and_then(|node| node.get(key)) {
            self.faults.push(node.problem(format!("`{}` {what}", node.text().unwrap_or_default()), hint));
        }
    }

    fn size(&mut self, key: &str, into: &mut u64) {
        match self.text(key).map(parse_size) {
            Some(Some(value)) => *into = value,
            Some(None) => self.fault(key, &format!("is no size for {key}"), "such as 4096, 64 KiB or 1gb"),
            None => {}
        }
    }

    fn number(&mut self, key: &str, into: &mut u32) {
        match self.text(key).map(str::parse) {
            Some(Ok(value)) => *into = value,
            Some(Err(_)) => self.fault(key, &format!("is no number for {key}"), "a whole number"),
            None => {}
        }
    }

    fn switch(&mut self, key: &str, into: &mut bool) {
        let Some(node) = self.node.and_then(|node| node.get(key)) else { return };
        match node.switch() {
            Some(value) => *into = value,
            None if node.text() == Some("auto") => {}
            None => self.fault(key, &format!("is neither yes nor no for {key}"), "yes or no"),
        }
    }
}

/// Bytes of a ring for each packet that `ring-size` wants to have room for.
const PACKET_BYTES: u64 = 1_600;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Interfaces, Vec<Problem>) {
        let mut faults = Vec::new();
        (Interfaces::read(&Node::parse(text), &mut faults), faults)
    }

    #[test]
    fn an_interface_is_watched_as_its_entry_says_or_that_of_all_others() {
        let (interfaces, faults) = read(
            "{af-packet: [{interface: eth1, cluster-type: cluster_qm, ring-size: 100000, block-size: 65536, bpf-filter: not arp,
               checksum-checks: kernel, disable-promisc: yes, mmap-locked: yes, block-timeout: 20, rollover: yes},
              {interface: default, checksum-checks: 'no'}], pcap: [{interface: eth7, snaplen: 96}]}",
        );
        assert!(faults.is_empty());
        assert_eq!(interfaces.listed().iter().map(|watched| &watched.name[..]).collect::<Vec<_>>(), ["eth1"]);
        let eth1 = interfaces.named("eth1");
        assert_eq!((eth1.spread, eth1.ring_bytes, eth1.block_bytes), (Spread::Queue, 160_000_000, 65_536));
        assert_eq!((eth1.filter.as_deref(), eth1.promiscuous, eth1.locked), (Some("not arp"), false, true));
        assert_eq!((eth1.sums, eth1.block_timeout_ms, eth1.rollover), (Sums::Auto, 20, true));
        let other = interfaces.named("eth2");
        assert_eq!((&other.name[..], other.sums, other.way), ("eth2", Sums::No, Way::AfPacket));
    }

    #[test]
    fn libpcap_captures_where_that_is_said() {
        let (interfaces, faults) = read("{pcap: [{interface: eth7, snaplen: 96, buffer-size: 16mb, promisc: no}]}");
        assert!(faults.is_empty());
        let eth7 = interfaces.named("eth7");
        assert_eq!((eth7.way, eth7.snap_bytes, eth7.ring_bytes, eth7.promiscuous), (Way::Pcap, 96, 16 << 20, false));
        let (interfaces, _) = read("{tapwire: {live: {capture: pcap, ring: 1mb}}, af-packet: [{interface: eth1}]}");
        assert_eq!((interfaces.named("eth1").way, interfaces.named("eth1").ring_bytes), (Way::Pcap, 1 << 20));
        assert!(interfaces.listed().is_empty());
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        let (_, faults) = read(
            "{tapwire: {live: {capture: magic, ring: many, snap-length: x, card-time: maybe}},
              af-packet: [{interface: a, cluster-type: cluster_magic, block-timeout: -1, checksum-checks: perhaps}]}",
        );
        assert_eq!(faults.len(), 7, "{faults:#?}");
    }
}
