//! What a rule is likely to cost, from the rule alone: how often it is looked at, times the work of a look.
//!
//! Looks are counted in a thousand packets, chunks and transactions, as the groups of the plan find rules:
//! - by a fast pattern of at least four bytes 1 (18 bits of rarity), 2 (10 bits) or 5, of three bytes 10, of two 20, of one 50, but
//!   at most 5 where it can stand at one place only;
//! - by an anomaly or an address list 1, at a recognition 2, at the start of flows 5, by a port 10;
//! - for every transaction of one protocol 20, of several 60, for every packet or chunk 100, of a known protocol 50.
//!
//! Rules on packets and streams count twice. Work is one for the header, one for each condition, ten for an expression, thirty for a
//! script, five for a transform, an entropy or a search in a set. The result orders rules; it is no measurement.

use tapwire_parsers::REGISTRY;

use super::group::Pattern;
use super::kind::applies_to;
use super::outline::listed_ports;
use super::{Kind, Plan, RuleIndex, addresses, fast_pattern, find_field};
use crate::prefilter::{Place, rarity};
use crate::rule::item::Item;
use crate::rule::{Buffer, Rule, RuleProtocol, Section};

/// How the plan finds a rule, from seldom to always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Not at all: it needs what is not there, or nothing that it asks for can occur together.
    Never,
    /// By an anomaly.
    Anomaly,
    /// By an address that it lists.
    Address,
    /// When a flow's protocol is decided.
    Recognition,
    /// By its fast pattern.
    Pattern,
    /// By a port that it lists.
    Port,
    /// For each flow's first packets.
    EveryFlow,
    /// For every transaction.
    EveryTransaction,
    /// For every packet or chunk.
    EveryPacket,
}

impl Found {
    /// A word or two for it.
    pub fn name(self) -> &'static str {
        match self {
            Found::Never => "never",
            Found::Anomaly => "anomaly",
            Found::Address => "address",
            Found::Recognition => "recognition",
            Found::Pattern => "pattern",
            Found::Port => "port",
            Found::EveryFlow => "every flow",
            Found::EveryTransaction => "every transaction",
            Found::EveryPacket => "every packet",
        }
    }
}

/// What a rule is likely to cost, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate<'p> {
    /// How it is found; the dearest way where there are several.
    pub found: Found,
    /// Its fast patterns with the names of their buffers; several where protocols or directions differ.
    pub patterns: Vec<(&'static str, &'p [u8])>,
    /// Looks times work.
    pub cost: u32,
}

impl Estimate<'_> {
    /// `none`, `cheap` (below 50), `moderate` (below 500) or `costly`.
    pub fn class(&self) -> &'static str {
        match self.cost {
            0 => "none",
            1..50 => "cheap",
            50..500 => "moderate",
            _ => "costly",
        }
    }
}

impl Plan {
    /// What a rule is likely to cost.
    pub fn estimate(&self, index: RuleIndex) -> Option<Estimate<'_>> {
        let planned = self.rules.get(index as usize)?;
        Some(estimate(planned.entry.rule()?, planned.kind))
    }
}

fn estimate(rule: &Rule, kind: Kind) -> Estimate<'_> {
    let mut ways = Ways::default();
    if rule.later.is_empty() {
        match kind {
            Kind::Transaction => ways.transactions(rule),
            kind => ways.packets(rule, kind),
        }
    }
    Estimate { found: ways.found, patterns: ways.patterns, cost: ways.looks.saturating_mul(work(rule)) }
}

/// The ways to a rule.
struct Ways<'p> {
    found: Found,
    patterns: Vec<(&'static str, &'p [u8])>,
    looks: u32,
}

impl Default for Ways<'_> {
    fn default() -> Self {
        Self { found: Found::Never, patterns: Vec::new(), looks: 0 }
    }
}

impl<'p> Ways<'p> {
    fn way(&mut self, found: Found, looks: u32) {
        self.found = self.found.max(found);
        self.looks = self.looks.max(looks);
    }

    fn pattern(&mut self, buffer: &'static str, pattern: Pattern<'p>) {
        if !self.patterns.contains(&(buffer, pattern.bytes)) {
            self.patterns.push((buffer, pattern.bytes));
        }
        let looks = pattern_looks(pattern.bytes);
        self.way(Found::Pattern, if pattern.place == Place::Anywhere { looks } else { looks.min(5) });
    }

    fn packets(&mut self, rule: &'p Rule, kind: Kind) {
        let payload = fast_pattern::of_payload(rule);
        match (kind, payload) {
            (Kind::Anomaly, _) => self.way(Found::Anomaly, 1),
            (Kind::Recognised, _) => self.way(Found::Recognition, 2),
            (Kind::Frame, _) => self.way(Found::Pattern, 5),
            (_, Some(pattern)) => self.pattern(Buffer::Payload.name(), pattern),
            (Kind::Stream | Kind::PayloadOrStream | Kind::PacketAndStream, None) => self.way(Found::EveryPacket, 100),
            (Kind::IpOnly | Kind::Packet | Kind::ApplicationPacket | Kind::Transaction, None) => {
                if !addresses::listed(rule).is_empty() {
                    self.way(Found::Address, 1);
                } else if listed_ports(rule).is_some() {
                    self.way(Found::Port, 10);
                } else {
                    match kind {
                        Kind::IpOnly => self.way(Found::EveryFlow, 5),
                        Kind::ApplicationPacket => self.way(Found::EveryPacket, 50),
                        _ => self.way(Found::EveryPacket, 100),
                    }
                }
            }
        }
        if kind == Kind::PacketAndStream {
            self.looks *= 2;
        }
    }

    fn transactions(&mut self, rule: &'p Rule) {
        let looks = if matches!(rule.protocol, RuleProtocol::Application(_)) { 20 } else { 60 };
        for protocol in REGISTRY {
            for direction in applies_to(rule, protocol) {
                let best = fast_pattern::choose(rule, |section| match section.buffer {
                    Buffer::Field(name) => {
                        find_field(protocol, name.as_str()).is_some_and(|f| f.from.of(direction).is_some())
                    }
                    _ => false,
                });
                match best {
                    Some((section, content)) => {
                        self.pattern(section.buffer.name(), Pattern::anywhere(fast_pattern::bytes(content)));
                    }
                    None if !rule.events.is_empty() => self.way(Found::Anomaly, 1),
                    None => self.way(Found::EveryTransaction, looks),
                }
            }
        }
    }
}

/// Rarity is told in eighths of a bit.
const EIGHTHS: u32 = 8;

fn pattern_looks(bytes: &[u8]) -> u32 {
    match bytes.len() {
        0 | 1 => 50,
        2 => 20,
        3 => 10,
        _ => match rarity(bytes) / EIGHTHS {
            0..10 => 5,
            10..18 => 2,
            _ => 1,
        },
    }
}

/// A script is entered and left, and looks at what it likes.
const SCRIPT_WORK: u32 = 30;

fn work(rule: &Rule) -> u32 {
    let conditions = rule.packet.len() + rule.transaction.len() + rule.file.len();
    let conditions = u32::try_from(conditions).unwrap_or(u32::MAX);
    let scripts = u32::try_from(rule.scripts.len()).unwrap_or(u32::MAX).saturating_mul(SCRIPT_WORK);
    let whole = conditions.saturating_add(scripts).saturating_add(1);
    rule.sections.iter().map(section_work).fold(whole, u32::saturating_add)
}

fn section_work(section: &Section) -> u32 {
    let transforms = u32::try_from(section.transforms.len()).unwrap_or(u32::MAX);
    section.items.iter().map(item_work).fold(transforms.saturating_mul(5), u32::saturating_add)
}

fn item_work(item: &Item) -> u32 {
    match item {
        Item::Pcre(_) => 10,
        Item::Script(_) => SCRIPT_WORK,
        Item::Entropy(_) | Item::Asn1(_) | Item::Dataset(_) | Item::DatasetScore(_) => 5,
        Item::Base64Data(items) => items.iter().map(item_work).fold(1, u32::saturating_add),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Environment;
    use crate::language::load::{Source, load};
    use crate::plan::order::ActionOrder;

    #[test]
    fn rules_cost_what_finds_them_and_what_they_ask() {
        let table: &[(&str, Found, &str, u32)] = &[
            (r#"http any any -> any any (http.uri; content:"/evil.php?cmd=";"#, Found::Pattern, "cheap", 2),
            (r#"http any any -> any any (http.uri; content:"ab"; pcre:"/a.c/";"#, Found::Pattern, "moderate", 240),
            (r#"http any any -> any any (http.uri; pcre:"/a.c/";"#, Found::EveryTransaction, "moderate", 220),
            (r#"http any any -> any any (app-layer-event:http.invalid_request_chunk_len;"#, Found::Anomaly, "cheap", 1),
            (r#"tcp any any -> any any (content:"abcq|9c 8b|z"; depth:10;"#, Found::Pattern, "cheap", 4),
            (r#"tcp any any -> any any (pcre:"/x/";"#, Found::EveryPacket, "costly", 1100),
            (r#"tcp any any -> any any (flags:S;"#, Found::EveryPacket, "moderate", 200),
            (r#"tcp any any -> any 22 (flags:S;"#, Found::Port, "cheap", 20),
            (r#"ip 192.0.2.1 any -> any any ("#, Found::Address, "cheap", 1),
            (r#"ip any any -> any any ("#, Found::EveryFlow, "cheap", 5),
        ];
        for (text, found, class, cost) in table {
            let text = format!("alert {text} sid:1;)");
            let loaded = load(&[Source { name: "t".into(), text: text.clone() }], &Environment::default());
            assert!(loaded.faults.is_empty(), "{text}: {:?}", loaded.faults);
            let plan = Plan::new(loaded.set, &ActionOrder::default());
            let estimate = plan.estimate(0).unwrap();
            assert_eq!((estimate.found, estimate.class(), estimate.cost), (*found, *class, *cost), "{text}");
            assert_eq!(estimate.found == Found::Pattern, !estimate.patterns.is_empty(), "{text}");
        }
    }
}
