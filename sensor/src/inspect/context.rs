//! What a site knows of its networks: zone, owner and criticality, from a table, and which addresses are its own (`HOME_NET`).
//!
//! The table is CSV with the columns network, zone, owner and criticality; lines that begin with `#` and a heading are passed over.
//! Of networks inside each other the smallest counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use tapwire_signatures::rule::Addresses;

/// Networks of a table at most.
const NETWORKS: usize = 1 << 20;
/// Bytes of a zone or an owner.
const TEXT_BYTES: usize = 256;
/// What may stand in the last column.
const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// What is known of networks.
#[derive(Debug, Default)]
pub struct Context {
    /// The addresses that are the site's own, where that is said.
    pub home: Option<Arc<Addresses>>,
    networks: Networks,
}

/// What is known of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Its zone.
    pub zone: Arc<str>,
    /// Whose it is.
    pub owner: Arc<str>,
    /// low, medium, high or critical.
    pub criticality: &'static str,
}

/// Networks by the length of their prefix, the longest first.
#[derive(Debug, Default)]
struct Networks(Vec<(u8, HashMap<u128, Network, RandomState>)>);

/// What is known of both ends of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides<'c> {
    /// `inbound`, `outbound`, `lateral` or `external`: who asked whom.
    pub direction: Option<&'static str>,
    /// The network that it comes from.
    pub source: Option<&'c Network>,
    /// The network that it goes to.
    pub destination: Option<&'c Network>,
}

impl<'c> Sides<'c> {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same of what goes the other way.
    pub fn turned(self) -> Self {
        Self { source: self.destination, destination: self.source, ..self }
    }
}

impl Context {
    /// Reads a table; what is wrong with it, with the line, its column and a hint.
    pub fn read(&mut self, text: &str) -> Vec<(u32, String, &'static str)> {
        let (mut wrong, mut known) = (Vec::new(), HashMap::<String, Arc<str>>::new());
        let mut tables: HashMap<u8, HashMap<u128, Network, RandomState>> = HashMap::new();
        let mut count = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let is_heading = number == 1 && line.trim_start_matches('\u{feff}').trim_start().starts_with("network");
            if line.trim().is_empty() || line.starts_with('#') || is_heading {
                continue;
            }
            let row = fields(line).and_then(|fields| row(&fields, &mut known));
            let (network, known) = match row {
                Ok(row) => row,
                Err((message, hint)) => {
                    wrong.push((number, message, hint));
                    continue;
                }
            };
            count += 1;
            if count > NETWORKS {
                wrong.push((
                    number,
                    format!("{NETWORKS} networks are the limit of a table"),
                    "leave networks out that nobody asks for",
                ));
                break;
            }
            let (bits, length) = key(network.addr(), network.prefix_len());
            if tables.entry(length).or_default().insert(bits, known).is_some() {
                wrong.push((
                    number,
                    format!("the network {network} is there again, and counts instead of the one above"),
                    "take one of them out",
                ));
            }
        }
        let mut tables: Vec<_> = tables.into_iter().collect();
        tables.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        self.networks = Networks(tables);
        wrong
    }

    /// What is known of the ends of a record; `turned` if it shows what the one who was asked sent.
    pub fn sides(&self, source: Option<IpAddr>, destination: Option<IpAddr>, turned: bool) -> Sides<'_> {
        let ends = if turned { destination.zip(source) } else { source.zip(destination) };
        Sides {
            direction: self.home.as_ref().zip(ends).map(|(home, (client, server))| direction(home, client, server)),
            source: source.and_then(|address| self.networks.of(address)),
            destination: destination.and_then(|address| self.networks.of(address)),
        }
    }
}

impl Networks {
    fn of(&self, address: IpAddr) -> Option<&Network> {
        self.0.iter().find_map(|(length, networks)| networks.get(&key(address, *length).0))
    }
}

/// Who asked whom, as seen from home. What reaches only neighbours is where they are.
fn direction(home: &Addresses, client: IpAddr, server: IpAddr) -> &'static str {
    let is_near = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    let [is_own, asks_own] = [client, server].map(|address| home.contains(address));
    match (is_own || (is_near(client) && asks_own), asks_own || (is_near(server) && is_own)) {
        (true, true) => "lateral",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) if is_near(client) && is_near(server) => "lateral",
        (false, false) => "external",
    }
}

/// An address as a number, without what is behind a prefix, and the length of that prefix; IPv4 as IPv6 has it (RFC 4291, 2.5.5.2).
fn key(address: IpAddr, length: u8) -> (u128, u8) {
    let (bits, length) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), length.saturating_add(if length > 32 { 0 } else { 96 })),
        IpAddr::V6(v6) => (v6.to_bits(), length),
    };
    let mask = u128::MAX.checked_shl(128u32.saturating_sub(length.into())).unwrap_or(0);
    (bits & mask, length)
}

type Wrong = (String, &'static str);

/// The fields of a line, which may stand in quotes (RFC 4180).
fn fields(line: &str) -> Result<Vec<String>, Wrong> {
    let (mut fields, mut chars, mut quoted) = (vec![String::new()], line.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match (c, fields.last_mut()) {
            ('"', Some(field)) if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    if quoted { Err(("a quote is not closed".into(), "write `\"\"` for a quote inside of quotes")) } else { Ok(fields) }
}

fn row(fields: &[String], known: &mut HashMap<String, Arc<str>>) -> Result<(IpNet, Network), Wrong> {
    const HINT: &str = "network, zone, owner and criticality, such as `10.1.0.0/16,plant,operations,high`";
    let [network, rest @ ..] = fields else { return Err(("the line is empty".into(), HINT)) };
    if rest.len() > 3 {
        return Err((format!("the line has {} columns", fields.len()), HINT));
    }
    let said = network.trim();
    let address = || said.parse::<IpAddr>().map(IpNet::from);
    let network =
        said.parse::<IpNet>().or_else(|_| address()).map_err(|_| (format!("`{said}` is no network"), HINT))?;
    let mut text = |n: usize| -> Result<Arc<str>, Wrong> {
        let text = rest.get(n).map(|text| text.trim()).unwrap_or_default();
        if text.len() > TEXT_BYTES {
            return Err((format!("a text has {} bytes; {TEXT_BYTES} are the limit", text.len()), HINT));
        }
        Ok(Arc::clone(known.entry(text.to_owned()).or_insert_with(|| text.into())))
    };
    let (zone, owner) = (text(0)?, text(1)?);
    let said = rest.get(2).map(|text| text.trim().to_ascii_lowercase()).unwrap_or_default();
    let criticality = if said.is_empty() { Some("") } else { CRITICALITIES.into_iter().find(|name| *name == said) };
    let criticality = criticality
        .ok_or_else(|| (format!("`{said}` is no criticality"), "one of low, medium, high, critical, or nothing"))?;
    Ok((network.trunc(), Network { zone, owner, criticality }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(context: &Context, address: &str) -> String {
        let network = context.sides(address.parse().ok(), None, false).source;
        network.map_or(String::new(), |n| format!("{} {} {}", n.zone, n.owner, n.criticality))
    }

    #[test]
    fn the_smallest_network_counts() {
        let mut context = Context::default();
        let table = "network,zone,owner,criticality\n# comment\n10.0.0.0/8,office\n10.1.0.0/16,plant,\"operations, night\",High\n10.1.2.3,\"a \"\"quoted\"\" PLC\",,critical\n2001:db8::/32,v6,,\n0.0.0.0/0,internet\n";
        assert_eq!(context.read(table), []);
        for (address, expected) in [
            ("10.9.9.9", "office  "),
            ("10.1.9.9", "plant operations, night high"),
            ("10.1.2.3", "a \"quoted\" PLC  critical"),
            ("2001:db8::7", "v6  "),
            ("2002::1", ""),
            ("8.8.8.8", "internet  "),
        ] {
            assert_eq!(zone(&context, address), expected, "{address}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_the_rest_is_used() {
        let mut context = Context::default();
        let long = "x".repeat(300);
        let table = format!(
            "10.0.0.0/8,a\n10.0.0.0/99,b\nx,c\n10.1.0.0/16,d,e,urgent\n10.0.0.0/8,f\n1.2.3.4,\"g\n1.2.3.4,a,b,low,e\n1.2.3.4,{long}\n"
        );
        let lines: Vec<u32> = context.read(&table).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(zone(&context, "10.0.0.1"), "f  ");
    }

    #[test]
    fn directions_are_seen_from_home() {
        let home = Addresses { v4: vec![(0x0a00_0000, 0x0aff_ffff)], v6: Vec::new() };
        let context = Context { home: Some(Arc::new(home)), ..Context::default() };
        for (source, destination, turned, expected) in [
            ("10.0.0.1", "8.8.8.8", false, "outbound"),
            ("8.8.8.8", "10.0.0.1", true, "outbound"),
            ("8.8.8.8", "10.0.0.1", false, "inbound"),
            ("10.0.0.1", "10.0.0.2", false, "lateral"),
            ("10.0.0.1", "224.0.0.251", false, "lateral"),
            ("0.0.0.0", "255.255.255.255", false, "lateral"),
            ("9.9.9.9", "8.8.8.8", false, "external"),
        ] {
            let sides = context.sides(source.parse().ok(), destination.parse().ok(), turned);
            assert_eq!(sides.direction, Some(expected), "{source} {destination}");
        }
        assert!(Context::default().sides("10.0.0.1".parse().ok(), None, false).is_empty());
    }
}
