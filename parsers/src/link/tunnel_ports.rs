//! The ports of UDP that tunnels are looked for on.

use std::fmt;

/// Ports by carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// `decoder.vxlan.ports`: of VXLAN and its extension.
    pub vxlan: PortSet,
    /// `decoder.geneve.ports`
    pub geneve: PortSet,
    /// `decoder.teredo.ports`
    pub teredo: PortSet,
}

/// Some ports, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortSet {
    /// All of them.
    any: bool,
    /// A bit for each port by [`bit`], so that nearly all others are told at once.
    mask: u64,
    /// First and last ports of ranges; places that are not used have none.
    ranges: [(u16, u16); LIMIT],
}

/// How many ranges of ports a carrier may have.
pub const LIMIT: usize = 8;

impl PortSet {
    /// The ports of ranges, first and last ones included; nothing if there are too many.
    pub fn of(ranges: &[(u16, u16)]) -> Option<Self> {
        let mut places = [NONE; LIMIT];
        places.get_mut(..ranges.len())?.copy_from_slice(ranges);
        Some(Self::with(places))
    }

    fn with(ranges: [(u16, u16); LIMIT]) -> Self {
        // Of a long range, the first 128 ports have all bits.
        let bits = |&(first, last): &(u16, u16)| (first..=last).take(128).fold(0, |mask, port| mask | bit(port));
        let any = ranges.iter().any(|(first, last)| *first <= 1 && *last == u16::MAX);
        Self { any, mask: ranges.iter().map(bits).fold(0, |mask, bits| mask | bits), ranges }
    }

    /// Whether a port is among them.
    #[inline]
    pub fn has(&self, port: u16) -> bool {
        self.mask & bit(port) != 0 && self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether a port is among them, and not because all are.
    pub fn names(&self, port: u16) -> bool {
        !self.any && self.has(port)
    }
}

/// The bit of a port: those of tunnels share theirs with none of the ports that most datagrams have.
#[inline]
const fn bit(port: u16) -> u64 {
    1 << ((port ^ port >> 6) & 63)
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any {
            return f.write_str("any");
        }
        let mut before = "";
        for (first, last) in self.ranges.iter().filter(|range| **range != NONE) {
            match first == last {
                true => write!(f, "{before}{first}")?,
                false => write!(f, "{before}{first}-{last}")?,
            }
            before = ", ";
        }
        Ok(())
    }
}

impl Default for Ports {
    fn default() -> Self {
        let set = |ports: &[u16]| {
            let mut ranges = [NONE; LIMIT];
            ranges.iter_mut().zip(ports).for_each(|(range, port)| *range = (*port, *port));
            PortSet::with(ranges)
        };
        Self { vxlan: set(&[4789, 4790, 8472, 48_879]), geneve: set(&[6081]), teredo: set(&[3544]) }
    }
}

impl Ports {
    /// Whether datagrams of a port may carry packets.
    #[inline]
    pub fn has(&self, port: u16) -> bool {
        let some = self.vxlan.mask | self.geneve.mask | self.teredo.mask | bit(GTP_U);
        some & bit(port) != 0
            && (port == GTP_U || self.vxlan.has(port) || self.geneve.has(port) || self.teredo.has(port))
    }
}

/// No range.
const NONE: (u16, u16) = (1, 0);
const GTP_U: u16 = 2152;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_ranges_and_a_text() {
        let set = PortSet::of(&[(5, 5), (10, 12)]).unwrap();
        assert!(set.has(5) && set.has(12) && !set.has(13) && !set.has(0) && set.names(11));
        assert_eq!((set.to_string(), Ports::default().teredo.to_string()), ("5, 10-12".into(), "3544".into()));
        let any = PortSet::of(&[(0, u16::MAX)]).unwrap();
        assert!(any.has(7) && !any.names(7) && any.to_string() == "any");
        assert_eq!(PortSet::of(&[(1, 1); LIMIT + 1]), None);
    }
}
