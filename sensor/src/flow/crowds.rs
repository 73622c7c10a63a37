//! Crowds: sources, networks and services that hold more of the flows of one worth than their share.
//!
//! A share is a sixteenth of them for one source (IPv6: a /64), an eighth for a /24 (/48), a quarter for a /16 (/32), and a quarter
//! for one service, which is a port of an address. Flows are counted from wide networks to narrow ones, and only as far as a
//! network holds a part that is worth looking into: sources at random cost a few hundred counters, whatever their number.
//! They are counted only while memory is short. Without IP a source is a station, a network what its address begins with, and a
//! service the Ethernet type and number of a receiver.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::key::{self, Address, Key};
use super::worth::Worth;

/// How many flows each group has.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    counts: HashMap<Group, u32, RandomState>,
}

/// In which groups a flow is counted: how far into the networks of its source, and how far to its service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    source: u8,
    service: u8,
    /// One of them is a crowd.
    pub(super) is_crowded: bool,
    /// Client and server had changed places before.
    swapped: bool,
}

impl Membership {
    /// The same, in a crowd or not.
    pub(super) fn with_crowd(self, is_crowded: bool) -> Self {
        Self { is_crowded, ..self }
    }
}

/// Flows of one worth that have something in common: a prefix of their sources, the port of their services, or that and the
/// address of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Group {
    bits: [u64; 2],
    port: u16,
    kind: u8,
    worth: Worth,
}

impl Crowds {
    /// Counts a flow among the `all` ones of its worth.
    pub(super) fn enter(&mut self, worth: Worth, all: u32, key: &Key, swapped: bool) -> Membership {
        let looked_into = all / LOOKED_INTO;
        let mut member = Membership { swapped, ..Membership::default() };
        let crowd = |share: u32, count: u32| share > 0 && count > (all / share).max(SMALLEST);
        for (group, share) in sources(worth, key) {
            let count = self.counts.entry(group).or_default();
            *count += 1;
            member.source += 1;
            member.is_crowded |= crowd(share, *count);
            if *count <= looked_into {
                break;
            }
        }
        for (group, share) in services(worth, key) {
            let count = self.counts.entry(group).or_default();
            *count += 1;
            member.service += 1;
            member.is_crowded |= crowd(share, *count);
            if *count <= looked_into {
                break;
            }
        }
        member
    }

    /// Takes a flow out again.
    pub(super) fn leave(&mut self, worth: Worth, key: &Key, swapped: bool, member: Membership) {
        let key = if swapped == member.swapped { *key } else { key.reverse() };
        let sources = sources(worth, &key).take(member.source.into());
        for (group, _) in sources.chain(services(worth, &key).take(member.service.into())) {
            if let Entry::Occupied(mut count) = self.counts.entry(group) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

/// The networks of a source, from wide to narrow, each with its share: one in so many, or none.
fn sources(worth: Worth, key: &Key) -> impl Iterator<Item = (Group, u32)> + use<> {
    let (bits, family, whole) = bits_of(key.source);
    (0..).zip([0, 4, 8, 16]).map(move |(level, share)| {
        let kept = whole / 4 * (u32::from(level) + 1);
        let prefix = bits >> (128 - kept);
        (Group { bits: halves(prefix), port: 0, kind: level << 1 | family, worth }, share)
    })
}

fn services(worth: Worth, key: &Key) -> impl Iterator<Item = (Group, u32)> + use<> {
    let (bits, family, _) = bits_of(key.destination);
    let protocol = if key.protocol == key::LINK { key.source_port } else { key.protocol.into() };
    let group = |bits: u128, kind: u8| Group { bits: halves(bits), port: key.destination_port, kind, worth };
    [(group(protocol.into(), PORT), 0), (group(bits, SERVICE | family), 4)].into_iter()
}

/// An address from the first bit on, what kind it is of, and how many bits of it tell sources apart.
fn bits_of(address: Address) -> (u128, u8, u32) {
    match address {
        Address::V4(_) => (address.bits() << 96, 0, 32),
        Address::V6(_) => (address.bits(), 1, 64),
        Address::Station(_) => (address.bits() << 80, STATION, 48),
    }
}

fn halves(bits: u128) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "each half by itself")]
    [(bits >> 64) as u64, bits as u64]
}

const STATION: u8 = 8;
const PORT: u8 = 16;
const SERVICE: u8 = 32;
/// A network is looked into once it holds more than one in so many.
const LOOKED_INTO: u32 = 64;
/// No crowd has fewer flows.
const SMALLEST: u32 = 64;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn key(source: &str, from: u16, destination: &str, to: u16) -> Key {
        Key {
            source: source.parse::<IpAddr>().unwrap().into(),
            destination: destination.parse::<IpAddr>().unwrap().into(),
            source_port: from,
            destination_port: to,
            protocol: key::TCP,
            tunnel_depth: 0,
            vlans: Default::default(),
            interface: 0,
            tenant: 0.into(),
        }
    }

    fn low(n: u32) -> u16 {
        u16::try_from(n).unwrap()
    }

    /// How many of 4,000 flows of which every fourth has a source of its own, and the others that of `crowd`, are in a crowd:
    /// of the former and of the latter.
    fn crowded(crowd: impl Fn(u32) -> Key) -> ([u32; 2], usize) {
        let (mut crowds, mut found, mut members) = (Crowds::default(), [0; 2], Vec::new());
        for n in 0..4000_u32 {
            let (key, own) = match n % 4 {
                0 => (
                    key(
                        &format!("{}.{}.{}.1", n % 223, n % 251, n % 241),
                        1000,
                        &format!("10.9.{}.{}", n % 31, n % 29),
                        80,
                    ),
                    0,
                ),
                _ => (crowd(n), 1),
            };
            let member = crowds.enter(Worth::New, n, &key, false);
            found[own] += u32::from(member.is_crowded);
            members.push((key, member));
        }
        let held = crowds.counts.len();
        for (key, member) in members {
            crowds.leave(Worth::New, &key, false, member);
        }
        assert!(crowds.counts.is_empty(), "who enters leaves");
        (found, held)
    }

    #[test]
    fn whatever_a_crowd_has_in_common_is_told_and_others_are_not_in_it() {
        type Case = (&'static str, fn(u32) -> Key);
        let cases: [Case; 7] = [
            ("one source", |n| key("10.0.0.1", low(n), &format!("10.8.{}.1", n % 200), 1000 + low(n))),
            ("a /24", |n| key(&format!("10.0.0.{}", n % 256), 9, &format!("10.8.{}.1", n % 200), 1000 + low(n))),
            ("a /16", |n| key(&format!("10.0.{}.{}", n % 251, n % 256), 9, &format!("10.8.{}.1", n % 200), low(n))),
            ("a /64", |n| key(&format!("2001:db8::{n:x}"), 9, &format!("2001:db9::{n:x}"), low(n))),
            ("a /48", |n| key(&format!("2001:db8:0:{n:x}::1"), 9, &format!("2001:db9::{n:x}"), low(n))),
            ("a /32", |n| key(&format!("2001:db8:{n:x}::1"), 9, &format!("2001:db9::{n:x}"), low(n))),
            ("a service", |n| key(&format!("{}.{}.7.7", n % 223, n % 251), 9, "10.8.0.1", 443)),
        ];
        for (name, crowd) in cases {
            let (found, held) = crowded(crowd);
            assert!(found[1] > 2500 && found[0] == 0, "{name}: {found:?}");
            assert!(held < 2 * 4000, "{name}: {held} counters");
        }
    }

    #[test]
    fn sources_at_random_cost_few_counters() {
        let mut crowds = Crowds::default();
        for n in 0..50_000_u32 {
            let source = std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761));
            let member = crowds.enter(Worth::New, n, &key(&source.to_string(), 1, "10.0.0.1", low(n % 900)), false);
            assert!(!member.is_crowded);
        }
        assert!(crowds.counts.len() < 2000, "{}", crowds.counts.len());
    }

    #[test]
    fn a_flow_whose_ends_changed_places_leaves_as_it_came() {
        let mut crowds = Crowds::default();
        let key = key("10.0.0.1", 5, "10.0.0.2", 80);
        let member = crowds.enter(Worth::Spoken, 1, &key, false);
        crowds.leave(Worth::Spoken, &key.reverse(), true, member);
        assert!(crowds.counts.is_empty());
    }
}
