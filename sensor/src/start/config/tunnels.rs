//! `decoder`: which tunnels are looked into.

use super::Problem;
use super::node::Node;
use crate::decode::tunnels::Tunnels;

impl Tunnels {
    /// Reads the section.
    pub(super) fn read(root: &Node, faults: &mut Vec<Problem>) -> Self {
        let mut on = |path: &str| root.switch_at(path, true, faults);
        Self {
            vxlan: on("decoder.vxlan.enabled"),
            geneve: on("decoder.geneve.enabled"),
            teredo: on("decoder.teredo.enabled"),
            separate_flows: on("decoder.recursion-level.use-for-tracking"),
        }
    }
}
