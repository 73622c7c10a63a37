//! Rules on packets that their address lists tell apart: found by the packet's addresses.
//!
//! The lists of all rules are cut into disjoint segments, each with the rules it belongs to. A bitmap by the upper half of
//! an IPv4 address answers for most packets that no rule lists it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::RuleIndex;
use crate::rule::{Addresses, Arrow, Rule};

/// A compiled index.
#[derive(Debug, Default)]
pub(crate) struct AddressIndex {
    source: Side,
    destination: Side,
}

#[derive(Debug, Default)]
struct Side {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
    lists: Vec<Box<[RuleIndex]>>,
    /// One bit for each /16.
    v4_bitmap: Vec<u64>,
}

impl AddressIndex {
    /// The rules that list the source or the destination of a packet.
    pub(crate) fn find(&self, source: IpAddr, destination: IpAddr, mut candidate: impl FnMut(RuleIndex)) {
        self.source.find(source).iter().for_each(|&r| candidate(r));
        self.destination.find(destination).iter().for_each(|&r| candidate(r));
    }
}

impl Side {
    fn find(&self, address: IpAddr) -> &[RuleIndex] {
        fn segment<T: Ord + Copy>(segments: &[(T, T, u32)], value: T) -> Option<u32> {
            let after = segments.partition_point(|s| s.0 <= value);
            segments.get(after.checked_sub(1)?).filter(|s| value <= s.1).map(|s| s.2)
        }
        let list = match address {
            IpAddr::V4(a) => {
                let value = u32::from(a);
                let block = value >> 16;
                let listed =
                    self.v4_bitmap.get((block / 64) as usize).is_some_and(|word| word & (1 << (block % 64)) != 0);
                if listed { segment(&self.v4, value) } else { None }
            }
            IpAddr::V6(a) => segment(&self.v6, u128::from(a)),
        };
        list.and_then(|l| self.lists.get(l as usize)).map_or(&[], |l| l)
    }
}

/// An index while it is filled.
#[derive(Debug, Default)]
pub(super) struct AddressIndexBuilder {
    source: SideBuilder,
    destination: SideBuilder,
}

#[derive(Debug, Default)]
struct SideBuilder {
    v4: Vec<(u32, u32, RuleIndex)>,
    v6: Vec<(u128, u128, RuleIndex)>,
}

/// A list that covers more IPv4 addresses than this is no list but a network plan.
const LISTED_LIMIT: u64 = 1 << 22;

/// By which addresses a rule is found, of the source where `true` goes before them, where one of its sides lists few.
pub(super) fn listed(rule: &Rule) -> Vec<(bool, &Addresses)> {
    let (source, destination) = (&*rule.source.addresses, &*rule.destination.addresses);
    let (of_source, addresses) = match (extent(source), extent(destination)) {
        (s, d) if s <= d && s <= LISTED_LIMIT => (true, source),
        (_, d) if d <= LISTED_LIMIT => (false, destination),
        _ => return Vec::new(),
    };
    let mut listed = vec![(of_source, addresses)];
    if rule.arrow == Arrow::BothWays {
        listed.push((!of_source, addresses));
    }
    listed
}

impl AddressIndexBuilder {
    /// Adds a rule by addresses of its source or its destination.
    pub(super) fn add(&mut self, index: RuleIndex, of_source: bool, addresses: &Addresses) {
        let side = if of_source { &mut self.source } else { &mut self.destination };
        side.add(index, addresses);
    }

    /// Compiles the index.
    pub(super) fn finish(self) -> AddressIndex {
        AddressIndex { source: self.source.finish(), destination: self.destination.finish() }
    }
}

/// Number of IPv4 addresses; huge where all of IPv6 is listed as well.
fn extent(addresses: &Addresses) -> u64 {
    let v6_wide = addresses.v6.iter().any(|r| r.1 - r.0 > 1 << 96);
    let v4 = addresses.v4.iter().map(|r| u64::from(r.1 - r.0) + 1).sum();
    if v6_wide { u64::MAX } else { v4 }
}

impl SideBuilder {
    fn add(&mut self, index: RuleIndex, addresses: &Addresses) {
        self.v4.extend(addresses.v4.iter().map(|r| (r.0, r.1, index)));
        self.v6.extend(addresses.v6.iter().map(|r| (r.0, r.1, index)));
    }

    fn finish(self) -> Side {
        let mut side = Side::default();
        let mut known: HashMap<Vec<RuleIndex>, u32> = HashMap::new();
        let mut intern = |rules: &BTreeSet<RuleIndex>| {
            let rules: Vec<RuleIndex> = rules.iter().copied().collect();
            *known.entry(rules).or_insert_with_key(|rules| {
                side.lists.push(rules.clone().into_boxed_slice());
                u32::try_from(side.lists.len() - 1).unwrap_or(u32::MAX)
            })
        };
        side.v4 = segments(&self.v4, &mut intern, |v: u32| v.checked_add(1), |v| v - 1);
        side.v6 = segments(&self.v6, &mut intern, |v: u128| v.checked_add(1), |v| v - 1);
        if !side.v4.is_empty() {
            side.v4_bitmap = vec![0; 1 << 10];
            for &(start, end, _) in &side.v4 {
                for block in start >> 16..=end >> 16 {
                    if let Some(word) = side.v4_bitmap.get_mut((block / 64) as usize) {
                        *word |= 1 << (block % 64);
                    }
                }
            }
        }
        side
    }
}

/// Cuts overlapping ranges into disjoint segments with the rules of each.
fn segments<T: Ord + Copy>(
    ranges: &[(T, T, RuleIndex)],
    intern: &mut impl FnMut(&BTreeSet<RuleIndex>) -> u32,
    next: impl Fn(T) -> Option<T>,
    previous: impl Fn(T) -> T,
) -> Vec<(T, T, u32)> {
    let mut edges: Vec<(T, bool, RuleIndex)> = Vec::with_capacity(ranges.len() * 2);
    let mut last = None;
    for &(start, end, rule) in ranges {
        edges.push((start, true, rule));
        match next(end) {
            Some(after) => edges.push((after, false, rule)),
            None => last = Some(end),
        }
    }
    edges.sort_unstable();
    let mut out = Vec::new();
    let mut active: BTreeSet<RuleIndex> = BTreeSet::new();
    let mut from: Option<T> = None;
    let mut edges = edges.into_iter().peekable();
    while let Some((at, _, _)) = edges.peek().copied() {
        if let Some(start) = from.filter(|_| !active.is_empty()) {
            out.push((start, previous(at), intern(&active)));
        }
        while let Some((_, opens, rule)) = edges.next_if(|e| e.0 == at) {
            if opens {
                active.insert(rule);
            } else {
                active.remove(&rule);
            }
        }
        from = Some(at);
    }
    if let (Some(start), Some(end), false) = (from, last, active.is_empty()) {
        out.push((start, end, intern(&active)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_lists_become_segments() {
        let ranges = [(1u32, 5u32, 7), (4, 8, 9), (20, u32::MAX, 7)];
        let mut lists = Vec::new();
        let mut intern = |set: &BTreeSet<RuleIndex>| {
            lists.push(set.iter().copied().collect::<Vec<_>>());
            u32::try_from(lists.len() - 1).unwrap()
        };
        let cut = segments(&ranges, &mut intern, |v: u32| v.checked_add(1), |v| v - 1);
        assert_eq!(cut, [(1, 3, 0), (4, 5, 1), (6, 8, 2), (20, u32::MAX, 3)]);
        assert_eq!(lists, [vec![7], vec![7, 9], vec![9], vec![7]]);
    }
}
