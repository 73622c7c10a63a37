//! `host-os-policy` and `defrag`: what is known of the hosts that packets go to.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Problem;
use super::node::{Node, Value};

/// The operating system of a host, as far as it matters for what the host makes of overlapping data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Nobody said.
    #[default]
    Unknown,
    /// BSD.
    Bsd,
    /// BSD that prefers later data.
    BsdRight,
    /// Linux before 2.6.
    OldLinux,
    /// Linux.
    Linux,
    /// Solaris before 9.
    OldSolaris,
    /// Solaris.
    Solaris,
    /// HP-UX 10.
    Hpux10,
    /// HP-UX 11.
    Hpux11,
    /// IRIX.
    Irix,
    /// Mac OS.
    MacOs,
    /// Windows.
    Windows,
    /// Windows Vista.
    Vista,
    /// Windows Server 2003.
    Windows2k3,
}

const SYSTEMS: [(&str, System); 13] = [
    ("windows", System::Windows),
    ("bsd", System::Bsd),
    ("bsd-right", System::BsdRight),
    ("old-linux", System::OldLinux),
    ("linux", System::Linux),
    ("old-solaris", System::OldSolaris),
    ("solaris", System::Solaris),
    ("hpux10", System::Hpux10),
    ("hpux11", System::Hpux11),
    ("irix", System::Irix),
    ("macos", System::MacOs),
    ("vista", System::Vista),
    ("windows2k3", System::Windows2k3),
];

/// Something said of networks, the longest prefix that an address has counting.
#[derive(Clone, Debug)]
pub struct ByNetwork<T>(Arc<[(IpNet, T)]>);

impl<T> Default for ByNetwork<T> {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl<T: Copy> ByNetwork<T> {
    fn new(mut said: Vec<(IpNet, T)>) -> Self {
        said.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        Self(said.into())
    }

    /// What is said of an address.
    pub fn of(&self, address: IpAddr) -> Option<T> {
        self.0.iter().find(|(network, _)| network.contains(&address)).map(|(_, said)| *said)
    }
}

/// Reads `host-os-policy`.
pub(super) fn systems(root: &Node, faults: &mut Vec<Problem>) -> ByNetwork<System> {
    let mut said = Vec::new();
    for (name, node) in root.at("host-os-policy").map(Node::entries).unwrap_or(&[]) {
        match SYSTEMS.iter().find(|(known, _)| known.replace('-', "_") == name.replace('-', "_")) {
            Some((_, system)) => said.extend(networks(node, faults).into_iter().map(|network| (network, *system))),
            None => faults.push(node.problem(
                format!("`{name}` is no operating system that is known here"),
                "one of windows, bsd, bsd-right, old-linux, linux, old-solaris, solaris, hpux10, hpux11, irix, macos, vista, windows2k3",
            )),
        }
    }
    ByNetwork::new(said)
}

/// What `defrag` says.
#[derive(Clone, Debug)]
pub struct Defrag {
    /// `defrag.memcap`: bytes for incomplete datagrams.
    pub memory_bytes: u64,
    /// `defrag.trackers`: datagrams that may be incomplete at once.
    pub trackers: u64,
    /// `defrag.max-frags`: pieces that may be kept at once.
    pub pieces: u64,
    /// `defrag.timeout`: seconds after its first piece that a datagram has. Hosts differ; without it IPv4 has what Linux
    /// gives it, IPv6 what RFC 8200 says.
    pub timeout_s: Option<u32>,
    /// `defrag.host-config`: the same by network.
    pub timeouts_s: ByNetwork<u32>,
}

impl Default for Defrag {
    fn default() -> Self {
        Self {
            memory_bytes: 32 << 20,
            trackers: 65_535,
            pieces: 65_535,
            timeout_s: None,
            timeouts_s: ByNetwork::default(),
        }
    }
}

/// Reads `defrag.host-config`, a list of maps or a map of maps with `timeout` and `address`.
pub(super) fn fragment_timeouts(root: &Node, faults: &mut Vec<Problem>) -> ByNetwork<u32> {
    let mut said = Vec::new();
    let Some(section) = root.at("defrag.host-config") else { return ByNetwork::default() };
    let of_list = section.items().iter().flat_map(Node::entries);
    for (name, node) in section.entries().iter().chain(of_list) {
        let seconds = node.get("timeout").and_then(Node::text).and_then(|text| text.parse().ok());
        match (seconds, node.get("address")) {
            (Some(seconds), Some(address)) => {
                said.extend(networks(address, faults).into_iter().map(|network| (network, seconds)));
            }
            _ => faults.push(node.problem(
                format!("`{name}` lacks a timeout or addresses"),
                "timeout: seconds, and address: a list of networks",
            )),
        }
    }
    ByNetwork::new(said)
}

fn networks(node: &Node, faults: &mut Vec<Problem>) -> Vec<IpNet> {
    let single = std::slice::from_ref(node);
    let items = if matches!(node.value, Value::Scalar(_)) { single } else { node.items() };
    let mut found = Vec::new();
    for item in items {
        let Some(text) = item.text() else { continue };
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => found.push(network),
            Err(_) => faults.push(item.problem(format!("`{text}` is no network"), "such as 10.0.0.0/8 or 2001:db8::1")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let mut faults = Vec::new();
        let root = Node::parse("host-os-policy:\n  windows: [0.0.0.0/0]\n  old-linux: [2.2.2.2, '::1']\n  bsd: []\n");
        let systems = systems(&root, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        for (address, expected) in [
            ("2.2.2.2", Some(System::OldLinux)),
            ("2.2.2.3", Some(System::Windows)),
            ("::1", Some(System::OldLinux)),
            ("::2", None),
        ] {
            assert_eq!(systems.of(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut faults = Vec::new();
        systems(&Node::parse("host-os-policy:\n  dos: []\n  linux: [10.0.0.0/40]\n"), &mut faults);
        fragment_timeouts(&Node::parse("defrag:\n  host-config:\n    - dmz:\n        timeout: soon\n"), &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
