//! Senders, and what their checksums are like.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use tapwire_parsers::link::{Layer4, Packet};

use super::Excused;

/// A checksum that may be left to a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// Of an IPv4 header.
    Ipv4,
    /// Of TCP.
    Tcp,
    /// Of UDP.
    Udp,
}

impl Sum {
    /// How many there are.
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Ipv4, Self::Tcp, Self::Udp];

    /// That of what is above IP.
    pub(super) fn of(packet: &Packet<'_>) -> Option<Self> {
        match packet.layer4 {
            Layer4::Tcp(_) => Some(Self::Tcp),
            Layer4::Udp(_) => Some(Self::Udp),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Checksums that were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) seen: u32,
    pub(super) wrong: u32,
}

impl Tally {
    /// Counts one more; with `window` of them, those before count half.
    pub(super) fn count(&mut self, wrong: bool, window: u32) {
        if self.seen >= window {
            (self.seen, self.wrong) = (self.seen / 2, self.wrong / 2);
        }
        self.seen += 1;
        self.wrong += u32::from(wrong);
    }
}

/// What the checksums of a sender mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Nearly all are wrong, and of enough packets.
    pub(super) excused: bool,
    tally: Tally,
    sum: Sum,
}

/// A sender on an interface: a station with an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    key: u64,
    address: IpAddr,
    sums: [Tally; Sum::COUNT],
    told: bool,
}

impl Side {
    /// Counts a checksum; whether that changes what wrong ones mean.
    pub(super) fn count(&mut self, sum: Sum, wrong: bool, live: bool) -> bool {
        let before = self.verdict(sum, live).excused;
        if let Some(tally) = self.sums.get_mut(sum as usize) {
            tally.count(wrong, WINDOW);
        }
        self.verdict(sum, live).excused != before
    }

    /// Whether another wrong checksum says nothing new: they mean nothing, or right and wrong ones come in turn.
    pub(super) fn is_known(&self, sum: Sum, live: bool) -> bool {
        let Verdict { excused, tally, .. } = self.verdict(sum, live);
        excused || (tally.seen >= WINDOW / 2 && tally.wrong * 10 > tally.seen)
    }

    pub(super) fn verdict(&self, sum: Sum, live: bool) -> Verdict {
        let tally = self.sums.get(sum as usize).copied().unwrap_or_default();
        // The 0 that is left in an IPv4 header is like nothing else, and datagrams cannot displace each other as segments do.
        let enough = match (live, sum) {
            (true, _) => ENOUGH_LIVE,
            (false, Sum::Ipv4 | Sum::Udp) => 1,
            (false, Sum::Tcp) => ENOUGH,
        };
        Verdict { excused: tally.seen >= enough && is_nearly_all(tally), tally, sum }
    }
}

fn is_nearly_all(tally: Tally) -> bool {
    tally.wrong * 10 >= tally.seen * 9 && tally.wrong > 0
}

/// The senders that were seen last: each has a place, which another one may take. Which one, does not change from run to run.
pub(super) struct Sides {
    places: Box<[Option<Side>]>,
}

impl Default for Sides {
    fn default() -> Self {
        Self { places: vec![None; PLACES].into_boxed_slice() }
    }
}

impl Sides {
    pub(super) fn forget(&mut self) {
        self.places.fill(None);
    }

    /// The sender of a packet.
    pub(super) fn of(&mut self, packet: &Packet<'_>, interface: u16, address: IpAddr) -> Option<&mut Side> {
        let key = key(packet, interface, address);
        let fresh = Side { key, address, sums: Default::default(), told: false };
        let side = self.places.get_mut(index(key))?.get_or_insert(fresh);
        if side.key != key {
            *side = fresh;
        }
        Some(side)
    }

    /// Those whose checksums are excused, by their keys.
    pub(super) fn excused(&self, live: bool) -> impl Iterator<Item = (u64, Excused)> {
        let of = move |side: &Side| (side.key, Excused::which(|sum| side.verdict(sum, live).excused));
        self.places.iter().flatten().map(of).filter(|(_, excused)| *excused != Excused::default())
    }

    /// What is to be said of one whose packets are refused.
    pub(super) fn news(&mut self, live: bool, is_excused: impl Fn(Verdict) -> bool) -> Option<String> {
        let refused = |side: &Side| {
            let verdicts = Sum::ALL.iter().map(|sum| side.verdict(*sum, live));
            verdicts
                .filter(|verdict| verdict.tally.seen >= WORTH_SAYING && is_nearly_all(verdict.tally))
                .find(|v| !is_excused(*v))
        };
        let mut untold = self.places.iter_mut().flatten().filter(|side| !side.told);
        let (side, verdict) = untold.find_map(|side| refused(side).map(|verdict| (side, verdict)))?;
        side.told = true;
        let (Tally { seen, wrong }, name) = (verdict.tally, verdict.sum.name());
        Some(format!(
            "{}: {wrong} of {seen} {name} checksums that were looked at are wrong, and its packets are not inspected; if it leaves them \
             to its network card, use --checksums auto, or off",
            side.address
        ))
    }
}

/// What stands for a sender, the same in each run.
pub(super) fn key(packet: &Packet<'_>, interface: u16, address: IpAddr) -> u64 {
    FixedState::default().hash_one((packet.ethernet.map(|header| header.source), interface, address))
}

fn index(key: u64) -> usize {
    usize::try_from(key % PLACES as u64).unwrap_or(0)
}

/// Senders that are known at once.
const PLACES: usize = 4_096;
/// Packets after which those before count half.
const WINDOW: u32 = 32;
/// Packets that a sender is judged by: segments of a file, and live.
const ENOUGH: u32 = 3;
const ENOUGH_LIVE: u32 = 20;
/// Fewer that are refused are no reason to warn.
const WORTH_SAYING: u32 = 10;
