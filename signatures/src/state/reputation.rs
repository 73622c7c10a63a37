//! Reputation of addresses: lists of hosts and networks with a score from 0 to 127 in each of up to 60 categories.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use hashbrown::HashMap as Table;
use smallvec::SmallVec;

/// Categories that there may be.
const CATEGORY_LIMIT: u8 = 60;
/// The highest score.
const SCORE_LIMIT: u8 = 127;

type Scores = SmallVec<[(u8, u8); 4]>;
type Hosts = Table<u128, Scores, foldhash::fast::RandomState>;

/// The reputation of hosts and networks.
#[derive(Debug, Default)]
pub struct Reputation {
    categories: HashMap<String, u8>,
    /// By the number of bits of their prefix, in the space of IPv6.
    networks: BTreeMap<u8, Hosts>,
}

/// A line of a file that cannot be right, and why.
pub type Wrong = (u32, String);

impl Reputation {
    /// Reads the file of categories: `number,name,description`.
    pub fn read_categories(&mut self, text: &str) -> Vec<Wrong> {
        each_line(text, |line| {
            let mut parts = line.splitn(3, ',').map(str::trim);
            let number = parts.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0 && n < CATEGORY_LIMIT);
            let number: u8 = number.ok_or("a category is a number from 1 to 59, a name and a description")?;
            let name = parts.next().filter(|name| !name.is_empty()).ok_or("the category has no name")?;
            self.categories.insert(name.to_owned(), number);
            Ok(())
        })
    }

    /// Reads a list: `address,category,score`, where the address may be a network (`10.0.0.0/8`).
    pub fn read_list(&mut self, text: &str) -> Vec<Wrong> {
        each_line(text, |line| {
            let mut parts = line.split(',').map(str::trim);
            let (Some(address), Some(category), Some(score)) = (parts.next(), parts.next(), parts.next()) else {
                return Err("a line is an address, a category and a score".into());
            };
            let (bits, network) = network(address).ok_or_else(|| format!("`{address}` is no address or network"))?;
            let category: u8 = category.parse().map_err(|_| format!("`{category}` is no category"))?;
            let score = score.parse().ok().filter(|&score: &u8| score <= SCORE_LIMIT);
            let score = score.ok_or("a score is 0 to 127")?;
            let scores = self.networks.entry(bits).or_default().entry(network).or_default();
            match scores.iter_mut().find(|(known, _)| *known == category) {
                Some(known) => known.1 = score,
                None => scores.push((category, score)),
            }
            Ok(())
        })
    }

    /// The number of a category.
    pub fn category(&self, name: &str) -> Option<u8> {
        self.categories.get(name).copied()
    }

    /// Whether there are no categories.
    pub fn is_empty(&self) -> bool {
        self.categories.is_empty()
    }

    /// The score of an address in a category: its own, or that of the smallest network that has one.
    pub fn score(&self, address: IpAddr, category: u8) -> Option<u8> {
        let address = number(address);
        self.networks.iter().rev().find_map(|(bits, hosts)| {
            let scores = hosts.get(&(address & mask(*bits)))?;
            scores.iter().find(|(known, _)| *known == category).map(|(_, score)| *score)
        })
    }
}

fn each_line(text: &str, mut read: impl FnMut(&str) -> Result<(), String>) -> Vec<Wrong> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let full = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    full.filter_map(|(number, line)| read(line).err().map(|message| (number, message))).collect()
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

fn network(text: &str) -> Option<(u8, u128)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let (limit, above) = if address.is_ipv4() { (32, 128 - 32) } else { (128, 0) };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|&bits: &u8| bits <= limit)? + above,
        None => 128,
    };
    Some((bits, Ipv6Addr::from_bits(number(address) & mask(bits)).to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_with_a_score_counts() {
        let mut reputation = Reputation::default();
        assert_eq!(
            reputation.read_categories("# number, name, text\n1,bad,Bad hosts\n0,x\n\n2,worse\n"),
            [(3, "a category is a number from 1 to 59, a name and a description".to_owned())]
        );
        let wrong =
            reputation.read_list("10.0.0.0/8,1,10\n10.1.0.0/16,1,20\n10.1.2.3,1,0\n::1,2,127\n1.2.3.4/33,1,1\n");
        assert_eq!(wrong.len(), 1);
        for (address, category, score) in [
            ("10.9.9.9", "bad", Some(10)),
            ("10.1.9.9", "bad", Some(20)),
            ("10.1.2.3", "bad", Some(0)),
            ("10.1.2.3", "worse", None),
            ("::1", "worse", Some(127)),
            ("11.0.0.1", "bad", None),
        ] {
            let category = reputation.category(category).unwrap();
            assert_eq!(reputation.score(address.parse().unwrap(), category), score, "{address}");
        }
    }
}
