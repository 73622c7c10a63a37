//! The page of application protocols, from their cards.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Both, Carrier, Field, Kind, Protocol, Usual};

use super::text::{Text, code, codes};
use crate::start::config::{Configuration, Effect, Enabled, KEYS, silent};

pub(super) fn page() -> String {
    let about = "The application protocols that are recognised, parsed and recorded. Rules name a protocol in their header or with `app-layer-protocol`, what it has \
                 by [keywords](keywords.md), its progress with `app-layer-state`, its [anomalies](anomalies.md) with `app-layer-event`.";
    let mut text = Text::new("Protocols", about);
    let usual = Configuration::default();
    text.table(
        ["protocol", "carriers", "ports", "parsed", "records"],
        REGISTRY.iter().map(|card| {
            let recorded = card.event_type.map_or("none".into(), code);
            let link = format!("[{}](#{})", card.name, card.name);
            [link, carriers(card), ports(card), parsed(card).0.into(), recorded]
        }),
    );
    for card in REGISTRY {
        one(&mut text, card, &usual);
    }
    text.finish()
}

fn one(text: &mut Text, card: &Protocol, usual: &Configuration) {
    text.heading(card.name);
    text.paragraph(card.doc);
    let mut facts = Vec::new();
    if !card.aliases.is_empty() {
        facts.push(format!("Other names: {}.", codes(card.aliases.iter().copied())));
    }
    let found = match (card.patterns.is_empty(), card.ports.is_empty()) {
        (true, true) if card.link.is_some() => "by that type".to_owned(),
        (true, _) => format!("on servers' ports {}", ports(card)),
        (false, true) => "on any port, by its first bytes".to_owned(),
        (false, false) => {
            format!("on any port, by its first bytes; on servers' ports {} also without them", ports(card))
        }
    };
    facts.push(format!("Carried by {}; found {found}.", carriers(card)));
    facts.push(parsed(card).1);
    facts.push(records(card, usual));
    facts.push(format!("States to server: {}.", codes(card.states.to_server.iter().copied())));
    facts.push(format!("States to client: {}.", codes(card.states.to_client.iter().copied())));
    let prefix = format!("app-layer.protocols.{}.", card.name);
    let keys = KEYS.iter().flat_map(|(_, keys)| keys).filter(|key| key.effect == Effect::Used);
    let settings = codes(keys.filter_map(|key| key.path.strip_prefix(&prefix)));
    if !settings.is_empty() {
        facts.push(format!(
            "[Settings](configuration.md#application-protocols) below `{}`: {settings}.",
            prefix.trim_end_matches('.')
        ));
    }
    if !card.features.is_empty() {
        facts.push(format!("Rules may require: {}.", codes(card.features.iter().map(|(feature, _)| *feature))));
    }
    text.list(facts);
    let (frames, fields): (Vec<&Field>, Vec<&Field>) =
        card.fields.iter().partition(|field| matches!(field.kind, Kind::Frame));
    text.table(
        ["field", "kind", "where", "several", "what"],
        fields.iter().map(|field| {
            let several = if field.multi { "yes" } else { "" };
            [code(field.name), field.kind.name().into(), sides(field.from), several.into(), field.doc.into()]
        }),
    );
    text.table(
        ["frame", "where", "what"],
        frames.iter().map(|field| [code(field.name), sides(field.from), field.doc.into()]),
    );
}

fn records(card: &Protocol, usual: &Configuration) -> String {
    let Some(event_type) = card.event_type else { return "It has no records of its own.".to_owned() };
    let listed_as = card.listed_as().unwrap_or(event_type);
    let without = usual.eve.iter().any(|eve| eve.protocols.contains_key(listed_as));
    let when = if without { "without a configuration, and where" } else { "where" };
    let flows = match card.link {
        Some(link) if link.is_background => " Its flows have none.",
        Some(_) => {
            " Its flows are between two stations, which stand in `ether` in place of addresses; `proto` is `Ethernet`."
        }
        None => "",
    };
    format!(
        "Records have the event type `{event_type}`; they are written {when} `types` of an output names `{listed_as}`.{flows}"
    )
}

/// Whether it is parsed without a word about it: without a configuration, and with one.
fn parsed(card: &Protocol) -> (&'static str, String) {
    let is_on = |configuration: &Configuration| {
        let said = configuration.protocols.get(card.name).and_then(|said| said.enabled);
        said.unwrap_or(if card.parsed == Usual::Always { Enabled::Yes } else { Enabled::No }) == Enabled::Yes
    };
    let says = format!("where `app-layer.protocols.{}.enabled` says so", card.name);
    match (is_on(&Configuration::default()), is_on(&silent())) {
        (true, true) => ("always", "Parsed unless the configuration says otherwise.".to_owned()),
        (true, false) => ("without a configuration", format!("Parsed without a configuration, and {says}.")),
        (false, _) => ("where it is named", format!("Parsed {says}.")),
    }
}

fn carriers(card: &Protocol) -> String {
    let name = |carrier: &Carrier| match carrier {
        Carrier::Tcp => "TCP".to_owned(),
        Carrier::Udp => "UDP".to_owned(),
        Carrier::Link(ether_type) => format!("Ethernet type {ether_type:#06x}"),
        Carrier::Within(name) => format!("inside {name}"),
    };
    card.carriers.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn ports(card: &Protocol) -> String {
    card.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn sides(from: Both<Option<u8>>) -> String {
    match (from.to_server.is_some(), from.to_client.is_some()) {
        (true, true) => "both directions",
        (true, false) => "to server",
        (false, true) => "to client",
        (false, false) => "nowhere",
    }
    .to_owned()
}
