//! Keys of the settings that the cards of protocols name.

use std::sync::LazyLock;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Protocol, Setting, SettingOf};

use super::{Default, Effect, Key};

/// Each key with who obeys it, in the order of the registry.
pub(super) static KEYS: LazyLock<Vec<(SettingOf, Key)>> = LazyLock::new(|| {
    let key = |(path, setting): &'static (String, Setting)| {
        let Setting { of, default, doc, .. } = *setting;
        (of, Key { path, doc, default: Default::Said(default), effect: Effect::Used })
    };
    PATHS.iter().map(key).collect()
});

static PATHS: LazyLock<Vec<(String, Setting)>> = LazyLock::new(|| {
    let path = |card: &Protocol, setting: &Setting| match setting.of {
        SettingOf::Parser => format!("app-layer.protocols.{}.{}", card.name, setting.key),
        SettingOf::Records => {
            format!("outputs.N.eve-log.types.N.{}.{}", card.listed_as().unwrap_or(card.name), setting.key)
        }
    };
    let all = REGISTRY.iter().flat_map(|card| card.settings.iter().map(move |setting| (card, setting)));
    all.map(|(card, setting)| (path(card, setting), *setting)).collect()
});
