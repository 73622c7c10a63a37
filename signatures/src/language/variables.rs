//! Sets of addresses and ports, as headers and variables write them: lists, negations, prefixes, ranges, and other variables.
//!
//! A list is what it names less what it negates; a list of negations only is taken from everything. Sets are kept by their text,
//! since thousands of rules write the same one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::builder::nearest::nearest;
use crate::rule::{Addresses, Ports};

/// Variables that refer to each other deeper than this are refused.
const MAX_DEPTH: usize = 16;

type Ranges = Vec<(u128, u128)>;

/// Two sets of ranges: IPv4 and IPv6 for addresses; ports use the first only.
#[derive(Clone, Debug, Default)]
struct Pair([Ranges; 2]);

/// The sets that were read so far, by text.
#[derive(Debug, Default)]
pub struct Sets {
    addresses: HashMap<String, Arc<Addresses>>,
    ports: HashMap<String, Arc<Ports>>,
}

impl Sets {
    /// The addresses that a text means.
    pub fn addresses(&mut self, text: &str, variables: &BTreeMap<String, String>) -> Result<Arc<Addresses>, String> {
        if let Some(known) = self.addresses.get(text) {
            return Ok(known.clone());
        }
        let Pair([v4, v6]) = evaluate(text, &Kind { variables, ports: false }, 0)?;
        let mut set = Addresses {
            v4: v4.iter().filter_map(|r| Some((u32::try_from(r.0).ok()?, u32::try_from(r.1).ok()?))).collect(),
            v6,
        };
        set.v4.shrink_to_fit();
        set.v6.shrink_to_fit();
        let set = Arc::new(set);
        self.addresses.insert(text.into(), set.clone());
        Ok(set)
    }

    /// The ports that a text means.
    pub fn ports(&mut self, text: &str, variables: &BTreeMap<String, String>) -> Result<Arc<Ports>, String> {
        if let Some(known) = self.ports.get(text) {
            return Ok(known.clone());
        }
        let Pair([ranges, _]) = evaluate(text, &Kind { variables, ports: true }, 0)?;
        let set = ranges.iter().filter_map(|r| Some((u16::try_from(r.0).ok()?, u16::try_from(r.1).ok()?))).collect();
        let set = Arc::new(Ports(set));
        self.ports.insert(text.into(), set.clone());
        Ok(set)
    }
}

struct Kind<'a> {
    variables: &'a BTreeMap<String, String>,
    ports: bool,
}

impl Kind<'_> {
    fn all(&self) -> Pair {
        if self.ports {
            return Pair([vec![(0, u128::from(u16::MAX))], Vec::new()]);
        }
        Pair([vec![(0, u128::from(u32::MAX))], vec![(0, u128::MAX)]])
    }
}

fn evaluate(text: &str, kind: &Kind<'_>, depth: usize) -> Result<Pair, String> {
    let set = element(text.trim(), kind, depth)?;
    if set.0.iter().all(Vec::is_empty) {
        return Err(format!("`{text}` leaves nothing"));
    }
    Ok(set)
}

fn element(text: &str, kind: &Kind<'_>, depth: usize) -> Result<Pair, String> {
    if depth > MAX_DEPTH {
        return Err("variables or lists are nested too deeply".into());
    }
    if let Some(rest) = text.strip_prefix('!') {
        let inner = element(rest.trim_start(), kind, depth + 1)?;
        return Ok(subtract(kind.all(), &inner));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let inner = rest.strip_suffix(']').ok_or_else(|| format!("`{text}` has no closing bracket"))?;
        return list(inner, kind, depth);
    }
    if let Some(name) = text.strip_prefix('$') {
        let value = kind.variables.get(name).ok_or_else(|| unknown(name, kind))?;
        let value = value.trim().trim_matches(['"', '\'']);
        return element(value.trim(), kind, depth + 1).map_err(|e| format!("in ${name}: {e}"));
    }
    if text.eq_ignore_ascii_case("any") {
        return Ok(kind.all());
    }
    if text.contains(',') {
        return list(text, kind, depth);
    }
    let range = if kind.ports { ports(text) } else { addresses(text) };
    range.ok_or_else(|| {
        format!("`{text}` is no {}", if kind.ports { "port or range of ports" } else { "address, prefix or range" })
    })
}

fn list(text: &str, kind: &Kind<'_>, depth: usize) -> Result<Pair, String> {
    let (mut with, mut without, mut positive) = (Pair::default(), Pair::default(), false);
    let mut level = 0_usize;
    for part in text.split(|c| {
        match c {
            '[' => level += 1,
            ']' => level = level.saturating_sub(1),
            _ => {}
        }
        c == ',' && level == 0
    }) {
        let part = part.trim();
        if part.is_empty() {
            return Err("a list has an empty place".into());
        }
        if let Some(negated) = part.strip_prefix('!') {
            extend(&mut without, element(negated.trim_start(), kind, depth + 1)?);
        } else {
            positive = true;
            extend(&mut with, element(part, kind, depth + 1)?);
        }
    }
    if !positive {
        with = kind.all();
    }
    normalise(&mut with);
    normalise(&mut without);
    Ok(subtract(with, &without))
}

fn extend(set: &mut Pair, other: Pair) {
    for (mine, theirs) in set.0.iter_mut().zip(other.0) {
        mine.extend(theirs);
    }
}

fn normalise(set: &mut Pair) {
    for ranges in &mut set.0 {
        ranges.sort_unstable();
        let mut merged: Ranges = Vec::with_capacity(ranges.len());
        for &(low, high) in ranges.iter() {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        *ranges = merged;
    }
}

/// Both sets are sorted and disjoint.
fn subtract(from: Pair, what: &Pair) -> Pair {
    let mut left = Pair::default();
    for ((ranges, holes), out) in from.0.iter().zip(&what.0).zip(&mut left.0) {
        let mut holes = holes.iter().peekable();
        for &(mut low, high) in ranges {
            let mut open = true;
            while let Some(&&(from, to)) = holes.peek() {
                if to < low {
                    holes.next();
                } else if from > high {
                    break;
                } else {
                    if from > low {
                        out.push((low, from - 1));
                    }
                    if to >= high {
                        open = false;
                        break;
                    }
                    low = to + 1;
                }
            }
            if open {
                out.push((low, high));
            }
        }
    }
    left
}

fn addresses(text: &str) -> Option<Pair> {
    let parse = |t: &str| t.trim().parse::<IpAddr>().ok();
    let value = |a: IpAddr| match a {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    };
    let (low, high) = if let Some((address, prefix)) = text.split_once('/') {
        let address = parse(address)?;
        let width = if address.is_ipv4() { 32_u32 } else { 128 };
        let length = match prefix.parse::<u32>() {
            Ok(length) => length,
            Err(_) => netmask(prefix)?,
        };
        let host = width.checked_sub(length)?;
        let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |m| m - 1);
        (pair(address, value(address) & !mask), value(address) | mask)
    } else if let Some((low, high)) = text.split_once('-') {
        let (low, high) = (parse(low)?, parse(high)?);
        if low.is_ipv4() != high.is_ipv4() || low > high {
            return None;
        }
        (pair(low, value(low)), value(high))
    } else {
        let address = parse(text)?;
        (pair(address, value(address)), value(address))
    };
    let mut set = Pair::default();
    if let Some(ranges) = set.0.get_mut(low.0) {
        ranges.push((low.1, high));
    }
    Some(set)
}

fn pair(address: IpAddr, value: u128) -> (usize, u128) {
    (usize::from(address.is_ipv6()), value)
}

fn netmask(text: &str) -> Option<u32> {
    let mask = u32::from(text.parse::<std::net::Ipv4Addr>().ok()?);
    (mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones())
}

fn ports(text: &str) -> Option<Pair> {
    let (low, high) = match text.split_once([':', '-']) {
        Some((low, high)) => {
            let low = if low.trim().is_empty() { 0 } else { low.trim().parse().ok()? };
            let high = if high.trim().is_empty() { u16::MAX } else { high.trim().parse().ok()? };
            (low, high)
        }
        None => text.parse().map(|p: u16| (p, p)).ok()?,
    };
    (low <= high).then(|| Pair([vec![(low.into(), high.into())], Vec::new()]))
}

fn unknown(name: &str, kind: &Kind<'_>) -> String {
    let known = || kind.variables.keys().map(String::as_str);
    let more = match nearest(name, known()) {
        none if none.is_empty() => format!(" (known: {})", known().collect::<Vec<_>>().join(", ")),
        hint => format!("; {}", hint.replacen('`', "`$", 1)),
    };
    format!("the variable `${name}` is not set{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_lose_what_they_negate() {
        let variables = BTreeMap::from([("HOME".to_string(), "[10.0.0.0/8,192.168.1.1]".to_string())]);
        let mut sets = Sets::default();
        let set = sets.addresses("[$HOME,!10.1.0.0-10.1.0.5]", &variables).unwrap();
        for (address, within) in
            [("10.0.0.1", true), ("10.1.0.5", false), ("10.1.0.6", true), ("192.168.1.1", true), ("::1", false)]
        {
            assert_eq!(set.contains(address.parse().unwrap()), within, "{address}");
        }
        assert!(sets.addresses("!$HOME", &variables).unwrap().contains("::1".parse().unwrap()));
        for bad in ["!any", "[10.0.0.1,!10.0.0.0/8]", "$NONE", "1.2.3", "[1.2.3.4", "[1.2.3.4,]"] {
            assert!(sets.addresses(bad, &variables).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_have_open_ranges() {
        let mut sets = Sets::default();
        assert_eq!(
            sets.ports("[80,1024:,!2000]", &BTreeMap::new()).unwrap().0,
            [(80, 80), (1024, 1999), (2001, 65535)]
        );
        assert_eq!(sets.ports("!80", &BTreeMap::new()).unwrap().0, [(0, 79), (81, 65535)]);
    }
}
