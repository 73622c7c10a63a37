//! Which tunnels are looked into.

use tapwire_parsers::link::tunnel::Carrier;

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
