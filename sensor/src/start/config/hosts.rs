//! `host-os-policy` and `defrag`: what is known of the hosts that packets go to.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Problem;
use super::node::{Node, Value};
use crate::decode::hosts::{ByNetwork, System};

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
