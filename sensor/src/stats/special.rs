//! What only some packets have: several VLANs, chunks of SCTP, packets inside.

use tapwire_parsers::link::sctp::Sctp;
use tapwire_parsers::link::tunnel::{Begins, Carrier, Inner};
use tapwire_parsers::link::{Packet, ether_types};

/// The counters by their names in `stats` records, in the order of their places in [`Special`].
const NAMES: [&str; 15] = [
    "decoder.vlan_qinq",
    "decoder.vlan_qinqinq",
    "decoder.ipv4_in_ipv4",
    "decoder.ipv6_in_ipv4",
    "decoder.ipv4_in_ipv6",
    "decoder.ipv6_in_ipv6",
    "decoder.erspan",
    "decoder.vxlan",
    "decoder.geneve",
    "decoder.teredo",
    "sctp.data",
    "sctp.init",
    "sctp.init_ack",
    "sctp.abort",
    "sctp.shutdown",
];
const QINQ: usize = 0;
const IP_IN_IP: usize = 2;
const ERSPAN: usize = 6;
const VXLAN: usize = 7;
const GENEVE: usize = 8;
const TEREDO: usize = 9;
const CHUNKS: usize = 10;
/// Types of chunks in the order of their counters (RFC 9260, 3.2).
const CHUNK_TYPES: [u8; 5] = [0, 1, 2, 6, 7];

/// How many packets had it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Special([u64; NAMES.len()]);

impl Special {
    /// Counts a packet with tags of VLANs.
    pub(super) fn stacked(&mut self, tags: u8) {
        for more in 1..tags.min(3) {
            self.add(QINQ + usize::from(more) - 1);
        }
    }

    /// Counts what a packet carries.
    #[cold]
    pub(super) fn carried(&mut self, packet: &Packet<'_>, inner: &Inner<'_>) {
        let is_v6 = packet.ip.as_ref().is_some_and(|ip| ip.source.is_ipv6());
        self.add(match inner.carrier {
            Carrier::Ip => {
                let carries_v6 = inner.begins == Begins::Type(ether_types::IPV6);
                IP_IN_IP + 2 * usize::from(is_v6) + usize::from(carries_v6)
            }
            Carrier::Erspan => ERSPAN,
            Carrier::Vxlan => VXLAN,
            Carrier::Geneve => GENEVE,
            Carrier::Teredo => TEREDO,
            // It is counted as a header.
            Carrier::Gre => return,
            // EVE has no member for it.
            Carrier::Gtp => return,
        });
    }

    /// Counts the chunks of a packet of SCTP.
    #[cold]
    pub(super) fn chunks(&mut self, sctp: &Sctp<'_>) {
        let mut seen = [false; CHUNK_TYPES.len()];
        for chunk in sctp.chunks() {
            let place = CHUNK_TYPES.iter().position(|kind| *kind == chunk.kind);
            place.and_then(|place| seen.get_mut(place)).into_iter().for_each(|seen| *seen = true);
        }
        (CHUNKS..).zip(seen).filter(|(_, seen)| *seen).for_each(|(place, _)| self.add(place));
    }

    fn add(&mut self, place: usize) {
        if let Some(count) = self.0.get_mut(place) {
            *count += 1;
        }
    }

    /// Adds another worker's counters to these.
    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// The counters by their names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_at_their_places() {
        let of_chunk = |kind: &u8| {
            let name = tapwire_parsers::link::sctp::CHUNK_NAMES.iter().find(|(_, known)| known == kind).unwrap().0;
            format!("sctp.{}", name.to_lowercase())
        };
        assert_eq!(NAMES[CHUNKS..], CHUNK_TYPES.iter().map(of_chunk).collect::<Vec<_>>());
        for (place, name) in [(QINQ, "vlan_qinq"), (IP_IN_IP, "ipv4_in_ipv4"), (ERSPAN, "erspan"), (VXLAN, "vxlan")] {
            assert_eq!(NAMES[place], format!("decoder.{name}"));
        }
        assert_eq!((NAMES[GENEVE], NAMES[TEREDO]), ("decoder.geneve", "decoder.teredo"));
    }
}
