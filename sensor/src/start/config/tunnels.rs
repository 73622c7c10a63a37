//! `decoder`: which tunnels are looked into, and on which ports.

use std::collections::BTreeMap;

use tapwire_parsers::link::tunnel_ports::{LIMIT, PortSet, Ports};
use tapwire_signatures::language::variables::Sets;

use super::Problem;
use super::node::{Node, Value};
use crate::decode::tunnels::Tunnels;

impl Tunnels {
    /// Reads the section, in which ports may be called by their names.
    pub(super) fn read(root: &Node, groups: &BTreeMap<String, String>, faults: &mut Vec<Problem>) -> Self {
        let usual = Ports::default();
        let ports = Ports {
            vxlan: ports(root, "decoder.vxlan.ports", groups, faults).unwrap_or(usual.vxlan),
            geneve: ports(root, "decoder.geneve.ports", groups, faults).unwrap_or(usual.geneve),
            teredo: ports(root, "decoder.teredo.ports", groups, faults).unwrap_or(usual.teredo),
        };
        let mut on = |path: &str| root.switch_at(path, true, faults);
        Self {
            vxlan: on("decoder.vxlan.enabled"),
            geneve: on("decoder.geneve.enabled"),
            teredo: on("decoder.teredo.enabled"),
            ports,
            separate_flows: on("decoder.recursion-level.use-for-tracking"),
        }
    }
}

fn ports(root: &Node, key: &str, groups: &BTreeMap<String, String>, faults: &mut Vec<Problem>) -> Option<PortSet> {
    let node = root.at(key)?;
    let text = match &node.value {
        Value::Scalar(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().filter_map(Node::text).collect::<Vec<_>>().join(",")),
        _ => return None,
    };
    let set = Sets::default().ports(&text, groups).and_then(|set| {
        PortSet::of(&set.0)
            .ok_or_else(|| format!("a carrier may have {LIMIT} ranges of ports, these are {}", set.0.len()))
    });
    match set {
        Ok(set) => Some(set),
        Err(message) => {
            faults.push(node.problem(message, "ports as in a rule, such as 4789 or [4789,8472], or any"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_names_or_any() {
        let groups = BTreeMap::from([("VXLAN_PORTS".to_owned(), "4789".to_owned())]);
        for (text, expected) in [
            ("decoder: {vxlan: {ports: $VXLAN_PORTS}}", Some("4789")),
            ("decoder: {vxlan: {ports: '[8472, 4789]'}}", Some("4789, 8472")),
            ("decoder: {vxlan: {ports: [8472, $VXLAN_PORTS]}}", Some("4789, 8472")),
            ("decoder: {vxlan: {ports: any}}", Some("any")),
            ("decoder: {vxlan: {enabled: yes}}", Some("4789, 4790, 8472, 48879")),
            ("decoder: {vxlan: {ports: $NONE}}", None),
            ("decoder: {vxlan: {ports: '[1,3,5,7,9,11,13,15,17]'}}", None),
        ] {
            let mut faults = Vec::new();
            let tunnels = Tunnels::read(&Node::parse(text), &groups, &mut faults);
            assert_eq!(faults.is_empty(), expected.is_some(), "{text}");
            assert!(expected.is_none_or(|ports| tunnels.ports.vxlan.to_string() == ports), "{text}");
        }
    }
}
