//! What the cards of protocols promise to whoever writes rules.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::collections::BTreeSet;
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::Kind;
use tapwire_signatures::builder::Environment;
use tapwire_signatures::keywords::{KEYWORDS, find};
use tapwire_signatures::language::load::{Loaded, Source, load};
use tapwire_signatures::rule::entry::Entry;

fn loaded(rule: &str) -> Loaded {
    load(
        &[Source { name: "test.rules".into(), text: rule.into() }],
        &Environment { version: (9, 0, 0), ..Environment::default() },
    )
}

/// The rule of a text that loads, and waits for nothing.
#[track_caller]
fn active(rule: &str) -> Arc<Entry> {
    let loaded = loaded(rule);
    assert!(loaded.faults.is_empty(), "{rule}: {:?}", loaded.faults);
    let rule_read = loaded.set.rules.into_iter().next().unwrap();
    assert!(rule_read.later.is_none(), "{rule}: waits for {:?}", rule_read.later);
    rule_read
}

#[test]
fn every_field_is_reachable_by_all_its_names() {
    for card in REGISTRY {
        for field in card.fields {
            for name in std::iter::once(&field.name).chain(field.aliases) {
                let header = format!("alert {} any any -> any any", card.name);
                match field.kind {
                    // Some are read by keywords of their own, which have examples.
                    Kind::Number(_) if !find(name).unwrap().examples.is_empty() => {
                        for example in find(name).unwrap().examples {
                            active(&format!("{header} ({example}; sid:1;)"));
                        }
                    }
                    Kind::Number(numbers) => {
                        let named = (numbers.names)();
                        let values = named.iter().map(|(name, _)| (*name).to_owned()).chain([numbers.most.to_string()]);
                        for value in values {
                            let rule = active(&format!("{header} ({name}:{value}; sid:1;)"));
                            assert_eq!(rule.rule().unwrap().transaction.len(), 1, "{name}:{value}");
                        }
                        assert!(!loaded(&format!("{header} ({name}:no-such-name; sid:1;)")).faults.is_empty());
                    }
                    Kind::Frame => {
                        let frame = name.strip_prefix("frame:").or_else(|| name.strip_prefix("frame.")).unwrap();
                        let rule = active(&format!("{header} (frame:{frame}; content:\"x\"; sid:1;)"));
                        assert!(rule.rule().unwrap().sections.iter().any(|s| s.buffer.name() == field.name), "{name}");
                    }
                    _ => {
                        let rule = active(&format!("{header} ({name}; content:\"x\"; sid:1;)"));
                        assert!(rule.rule().unwrap().sections.iter().any(|s| s.buffer.is_field(field.name)), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_protocol_is_a_header_and_every_anomaly_a_condition() {
    for card in REGISTRY {
        for name in std::iter::once(&card.name).chain(card.aliases) {
            active(&format!("alert {name} any any -> any any (msg:\"x\"; sid:1;)"));
            active(&format!("alert tcp any any -> any any (app-layer-protocol:{name}; sid:1;)"));
        }
        for anomaly in card.anomalies {
            let rule =
                active(&format!("alert {} any any -> any any (app-layer-event:{}; sid:1;)", card.name, anomaly.name));
            assert_eq!(rule.rule().unwrap().events, [anomaly.name]);
        }
        for retired in card.retired_anomalies {
            let text = format!("alert {} any any -> any any (app-layer-event:{retired}; sid:1;)", card.name);
            assert!(loaded(&text).faults.is_empty(), "{retired}");
            assert!(card.anomalies.iter().all(|anomaly| anomaly.name != *retired), "{retired}");
        }
    }
}

#[test]
fn no_two_keywords_have_one_name_but_those_that_wait_for_a_card() {
    let mut seen = BTreeSet::new();
    let waits = |doc: &str| doc.starts_with("Not active yet");
    for keyword in KEYWORDS.iter().flat_map(|family| family.iter()).filter(|keyword| !waits(keyword.doc)) {
        for name in std::iter::once(&keyword.name).chain(keyword.aliases) {
            assert!(seen.insert(*name), "{name}");
        }
        assert!(keyword.doc.ends_with('.') || keyword.doc.contains('`'), "{}: {}", keyword.name, keyword.doc);
    }
}
