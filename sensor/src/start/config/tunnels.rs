//! `decoder`: which tunnels are looked into.

use tapwire_parsers::link::tunnel::Carrier;

use super::Problem;
use super::node::Node;

/// Which tunnels are looked into, and whether what is in them has flows of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnels {
    /// `decoder.vxlan.enabled`
    pub vxlan: bool,
    /// `decoder.geneve.enabled`
    pub geneve: bool,
    /// `decoder.teredo.enabled`
    pub teredo: bool,
    /// `decoder.recursion-level.use-for-tracking`: packets at another depth belong to another flow.
    pub separate_flows: bool,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self { vxlan: true, geneve: true, teredo: true, separate_flows: true }
    }
}

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

    /// Whether a carrier's packets are read.
    pub fn reads(&self, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Vxlan => self.vxlan,
            Carrier::Geneve => self.geneve,
            Carrier::Teredo => self.teredo,
            Carrier::Ip | Carrier::Gre | Carrier::Erspan | Carrier::Gtp => true,
        }
    }
}
