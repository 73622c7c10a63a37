//! What an interface is watched with.

use super::super::PACKET_LIMIT_BYTES;
use super::Spread;

/// What captures packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Rings of the kernel's packet sockets.
    #[default]
    AfPacket,
    /// libpcap: for links and systems that those do not reach.
    Pcap,
}

/// What the checksums of an interface mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sums {
    /// What the kernel says of them, and samples where it says nothing.
    #[default]
    Auto,
    /// They are verified, whatever it says.
    Yes,
    /// Nothing.
    No,
}

/// An interface and how it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// What captures its packets.
    pub way: Way,
    /// Only packets that this expression in tcpdump's language lets through.
    pub filter: Option<String>,
    /// Bytes of a packet that are taken.
    pub snap_bytes: u32,
    /// Packets to other stations are taken as well.
    pub promiscuous: bool,
    /// What checksums mean.
    pub sums: Sums,
    /// How packets are spread over the rings of several workers.
    pub spread: Spread,
    /// What finds its ring full goes to the next one.
    pub rollover: bool,
    /// Bytes of all its rings.
    pub ring_bytes: u64,
    /// Bytes of a block of a ring.
    pub block_bytes: u64,
    /// Milliseconds after which packets are handed over from a block that is not full.
    pub block_timeout_ms: u32,
    /// Rings stay in memory whatever else is needed.
    pub locked: bool,
    /// The card's clock tells when a packet came.
    pub card_time: bool,
    /// What glues packets together is switched off.
    pub unglue: bool,
    /// How often it may go and come back where several workers have rings of their own.
    pub returns: u32,
}

impl Watched {
    /// An interface as it is watched where nothing is said of it.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            way: Way::default(),
            filter: None,
            snap_bytes: u32::try_from(PACKET_LIMIT_BYTES).unwrap_or(u32::MAX),
            promiscuous: true,
            sums: Sums::default(),
            spread: Spread::default(),
            rollover: false,
            ring_bytes: 64 << 20,
            block_bytes: 256 << 10,
            block_timeout_ms: 10,
            locked: false,
            card_time: false,
            unglue: false,
            returns: 100,
        }
    }
}

/// Who reads packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunMode {
    /// One thread reads, unless an interface says how the kernel is to spread its packets.
    #[default]
    Auto,
    /// Each worker reads a ring of its own.
    Workers,
    /// One thread reads, and hands packets to the workers.
    Reader,
}

impl RunMode {
    /// Whether workers read packets themselves, on these interfaces.
    pub fn is_own(self, watched: &[Watched]) -> bool {
        let have_rings = watched.iter().all(|watched| watched.way == Way::AfPacket);
        // Who says how the kernel is to spread packets wants it to.
        let is_spread = watched.iter().any(|watched| watched.spread != Spread::Flow || watched.rollover);
        have_rings && (self == Self::Workers || self == Self::Auto && is_spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_read_their_own_rings_where_that_is_said_and_can_be() {
        let plain = Watched::named("eth1");
        let by_queue = Watched { spread: Spread::Queue, ..plain.clone() };
        let by_pcap = Watched { way: Way::Pcap, ..plain.clone() };
        for (mode, watched, is_own) in [
            (RunMode::Auto, &plain, false),
            (RunMode::Auto, &by_queue, true),
            (RunMode::Workers, &plain, true),
            (RunMode::Workers, &by_pcap, false),
            (RunMode::Reader, &by_queue, false),
        ] {
            assert_eq!(mode.is_own(std::slice::from_ref(watched)), is_own, "{mode:?}");
        }
    }
}
