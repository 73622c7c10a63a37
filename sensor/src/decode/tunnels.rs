//! Which tunnels are looked into, and the packet around a packet.

use std::net::IpAddr;

use tapwire_parsers::link::tunnel::Carrier;
use tapwire_parsers::link::tunnel_ports::Ports;
use tapwire_parsers::link::{How, Layer4, Packet};

/// Which tunnels are looked into, and whether what is in them has flows of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnels {
    /// `decoder.vxlan.enabled`
    pub vxlan: bool,
    /// `decoder.geneve.enabled`
    pub geneve: bool,
    /// `decoder.teredo.enabled`
    pub teredo: bool,
    /// On which ports they are looked for.
    pub ports: Ports,
    /// `decoder.recursion-level.use-for-tracking`: packets at another depth belong to another flow.
    pub separate_flows: bool,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self { vxlan: true, geneve: true, teredo: true, ports: Ports::default(), separate_flows: true }
    }
}

impl Tunnels {
    /// How packets are read.
    pub fn how(&self, checksums: bool) -> How {
        How { checksums, ports: self.ports }
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

/// The packet around a packet.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
    /// Its ports, where it has some.
    pub ports: Option<(u16, u16)>,
    /// Its IP protocol.
    pub protocol: u8,
    /// In how many packets the inner one came.
    pub depth: u8,
    /// Where records say that the inner one comes from.
    pub name: &'static str,
}

impl Tunnel {
    /// That of a packet that carries another one at `depth`.
    pub fn around(outer: &Packet<'_>, carrier: Carrier, depth: u8) -> Option<Self> {
        let ip = outer.ip.as_ref()?;
        let has_ports = matches!(outer.layer4, Layer4::Tcp(_) | Layer4::Udp(_));
        Some(Self {
            source: ip.source,
            destination: ip.destination,
            ports: has_ports.then(|| outer.ports()),
            protocol: ip.protocol,
            depth,
            name: carrier.source(ip.source.is_ipv6()),
        })
    }
}
