//! What each counter of `stats` records counts: one table, which the manual prints.
//!
//! A counter is a number under a dotted name. Where there is one for each of some things, a word in capitals stands for their names:
//! `PROTOCOL`, `OWNPROTOCOL`, `HEADER`, `EVENT`, `STREAMEVENT`, `CLASS`, `TYPE`, `FINDING`, and `N` for a position in a list.

mod awaited;
mod table;

use std::collections::BTreeSet;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::link::Header;
use tapwire_parsers::link::events::EVENTS;
use tapwire_parsers::protocol::Protocol;

use crate::health::{self, limits::LIMITS};
use crate::records::class::Class;
use crate::stats::{NOT_IN_EVE, stream_counters};
pub use awaited::awaited;
pub use table::COUNTERS;

/// A counter, or several that are alike.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its dotted name.
    pub name: &'static str,
    /// What it counts, in a sentence.
    pub doc: &'static str,
    /// What it is measured in, if it is no count of what the sentence says.
    pub unit: Option<&'static str>,
}

/// The counter of a name as `stats` records have it.
pub fn counter(name: &str) -> Option<&'static Counter> {
    COUNTERS.iter().find(|counter| stands_for(counter.name, name))
}

/// Whether a counter of tapwire's own tells that something was lost, left out or late, which is shown live whatever records have.
pub fn tells_loss(name: &str) -> bool {
    const GROUPS: [&str; 6] = ["packets.", "records.lost.", "health.", "latency.", "checksums.", "flow.refused"];
    let own = name.strip_prefix("tapwire.");
    own.is_some_and(|own| own == "records.shed" || GROUPS.iter().any(|group| own.starts_with(group)))
        || LIMITS.iter().any(|(limit, _)| *limit == name)
}

/// Whether a name of the table stands for a name of a record.
fn stands_for(pattern: &str, name: &str) -> bool {
    let Some(at) = pattern.split('.').position(|part| part.bytes().all(|byte| byte.is_ascii_uppercase())) else {
        return pattern == name;
    };
    let mut parts = pattern.splitn(at + 2, '.').skip(at);
    let (word, behind) = (parts.next().unwrap_or_default(), parts.next());
    let before: usize = pattern.split('.').take(at).map(|part| part.len() + 1).sum();
    let (Some(given), true) = (name.get(before..), name.get(..before) == pattern.get(..before)) else { return false };
    let given = match behind {
        None => Some(given),
        Some(behind) => given.strip_suffix(behind).and_then(|given| given.strip_suffix('.')),
    };
    given.is_some_and(|given| {
        names(word).iter().any(|name| name == given) || word == "N" && given.parse::<u32>().is_ok()
    })
}

/// The names that a word stands for; those of a list's positions are numbers.
pub fn names(word: &str) -> Vec<String> {
    let owned = |name: &&str| (*name).to_owned();
    match word {
        "PROTOCOL" | "OWNPROTOCOL" => {
            let forms =
                |card: &Protocol| card.carriers.iter().map(|&carrier| card.counted_on(carrier)).collect::<Vec<_>>();
            let cards = REGISTRY.iter().filter(|card| card.is_own == (word == "OWNPROTOCOL"));
            let parsed = cards.flat_map(|card| std::iter::once(card.counted_as()).chain(forms(card)));
            let awaited = awaited::PROTOCOLS.iter().filter(|_| word == "PROTOCOL").map(owned);
            // One that only one carrier brings is counted as it is called.
            let names: BTreeSet<_> = parsed.chain(awaited).collect();
            names.into_iter().collect()
        }
        "HEADER" => Header::ALL.iter().map(|(_, name)| (*name).to_owned()).collect(),
        "EVENT" => EVENTS.iter().map(|(name, _)| name).filter(|name| !NOT_IN_EVE.contains(name)).map(owned).collect(),
        "STREAMEVENT" => stream_counters().map(|(name, _)| name.to_owned()).collect(),
        "OTHER" => NOT_IN_EVE.iter().map(owned).collect(),
        "FINDING" => health::names().map(str::to_owned).collect(),
        "CLASS" => Class::BOOKED.iter().map(|(_, name)| (*name).to_owned()).collect(),
        "TYPE" => {
            let own = ["alert", "anomaly", "flow", "netflow", "fileinfo", "frame", "packet"];
            own.iter().copied().chain(REGISTRY.iter().filter_map(|card| card.event_type)).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_the_parts_that_stand_for_others() {
        for (name, found) in [
            ("flow.total", Some("flow.total")),
            ("app_layer.flow.failed_tcp", Some("app_layer.flow.failed_tcp")),
            ("app_layer.flow.http", Some("app_layer.flow.PROTOCOL")),
            ("app_layer.error.dns_udp.gap", Some("app_layer.error.PROTOCOL.gap")),
            ("app_layer.error.http_udp.gap", None),
            ("app_layer.flow.waldo", None),
            ("decoder.sctp", Some("decoder.HEADER")),
            ("decoder.event.ipv4.frag_overlap", Some("decoder.event.EVENT")),
            ("decoder.event.too_many_layers", None),
            ("tapwire.decoder.event.too_many_layers", Some("tapwire.decoder.event.OTHER")),
            ("tapwire.records.lost.alert", Some("tapwire.records.lost.CLASS")),
            ("detect.engines.12.id", Some("detect.engines.N.id")),
            ("detect.engines.x.id", None),
            ("flow", None),
            ("", None),
        ] {
            assert_eq!(counter(name).map(|counter| counter.name), found, "{name}");
        }
    }

    #[test]
    fn each_counter_is_there_once_in_order_and_has_its_sentence() {
        let lower = |counter: &Counter| counter.name.to_ascii_lowercase();
        let after = |pair: &&[Counter]| lower(&pair[0]) >= lower(&pair[1]);
        assert_eq!(COUNTERS.windows(2).find(after).map(|pair| pair[1].name), None);
        for Counter { name, doc, .. } in COUNTERS {
            assert!(doc.len() > 5 && doc.ends_with('.'), "{name}: {doc}");
        }
    }

    #[test]
    fn nothing_that_is_parsed_is_waited_for() {
        let counted =
            |card: &&Protocol| card.carriers.iter().map(|&carrier| card.counted_on(carrier)).collect::<Vec<_>>();
        let parsed: Vec<_> = REGISTRY.iter().flat_map(counted).collect();
        assert_eq!(awaited::PROTOCOLS.iter().find(|name| parsed.iter().any(|parsed| parsed == *name)), None);
    }
}
