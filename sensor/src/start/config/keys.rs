//! Every key of a configuration: what is known, for the check of a file, and what each key does, for the manual.
//!
//! One table, in the order in which the manual shows it. Paths are dotted; in them `N` is a position in a list, `NAME` and `ID` stand for
//! what a site calls its things. A key that other sensors obey and this one need not is here as well, with the reason.

mod applications;
mod cards;
mod deliveries;
mod inspection;
mod interfaces;
mod outputs;
mod own;
mod process;
mod said;
mod sensor;
mod traffic;

use std::sync::LazyLock;

use tapwire_parsers::protocol::SettingOf;

use super::Configuration;
pub(super) use said::account;
pub(crate) use said::{Idle, in_one_line};

/// A key.
pub(crate) struct Key {
    /// Where it stands.
    pub(crate) path: &'static str,
    /// What it does, in a sentence or two.
    pub(crate) doc: &'static str,
    default: Default,
    /// Whether it does it.
    pub(crate) effect: Effect,
}

/// What holds without a key.
#[derive(Clone, Copy)]
enum Default {
    /// What a configuration has that says nothing.
    Of(fn(&Configuration) -> String),
    /// What a card says.
    Said(&'static str),
}

impl Key {
    /// What holds without it, as the manual says it; nothing where there is no such thing.
    pub(crate) fn default(&self, usual: &Configuration) -> String {
        match self.default {
            Default::Of(default) => default(usual),
            Default::Said(text) => text.to_owned(),
        }
    }
}

/// Whether a key changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It does what is said of it.
    Used,
    /// It is accepted and changes nothing, for this reason.
    No(&'static str),
}

/// Every key, by part of the manual: its heading, and what is in it.
pub(crate) static KEYS: LazyLock<Vec<(&str, Vec<&Key>)>> = LazyLock::new(|| {
    let of_parsers = cards::KEYS.iter().filter(|(of, _)| *of == SettingOf::Parser).map(|(_, key)| key);
    let of_records = cards::KEYS.iter().filter(|(of, _)| *of == SettingOf::Records).map(|(_, key)| key);
    vec![
        ("The sensor", sensor::KEYS.iter().chain(process::KEYS).collect()),
        ("Interfaces", interfaces::KEYS.iter().collect()),
        ("Packets, flows and streams", traffic::KEYS.iter().collect()),
        ("Timeouts of flows", traffic::TIMEOUTS.iter().collect()),
        ("Application protocols", applications::KEYS.iter().chain(of_parsers).collect()),
        ("Rules", inspection::KEYS.iter().collect()),
        ("Outputs", outputs::KEYS.iter().chain(of_records).collect()),
        ("Deliveries", deliveries::KEYS.iter().collect()),
        ("Tapwire's own", own::KEYS.iter().collect()),
    ]
});

const fn used(path: &'static str, default: fn(&Configuration) -> String, doc: &'static str) -> Key {
    Key { path, doc, default: Default::Of(default), effect: Effect::Used }
}

const fn idle(path: &'static str, doc: &'static str, why: &'static str) -> Key {
    Key { path, doc, default: Default::Said(""), effect: Effect::No(why) }
}

/// The names of the keys right below a path; those at the top for an empty one.
pub(super) fn below(path: &str) -> Vec<&'static str> {
    let rest = |key: &'static str| match path {
        "" => Some(key),
        _ => key.strip_prefix(path)?.strip_prefix('.'),
    };
    let names = KEYS.iter().flat_map(|(_, keys)| keys).filter_map(|key| rest(key.path)?.split('.').next());
    let mut names: Vec<_> = names.filter(|name| !is_open(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether any key has this name.
pub(super) fn is_name(name: &str) -> bool {
    KEYS.iter().flat_map(|(_, keys)| keys).any(|key| key.path.split('.').any(|part| part == name))
}

/// Whether a part of a path stands for any name.
fn is_open(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A size, in the largest unit that it is a whole number of.
fn size(bytes: u64) -> String {
    let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        .into_iter()
        .find(|(bits, _)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    match unit {
        Some((bits, unit)) => format!("{} {unit}", number(bytes >> bits)),
        None => format!("{} bytes", number(bytes)),
    }
}

/// A number with its thousands apart.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn seconds(value: impl Into<u64>) -> String {
    format!("{} s", number(value.into()))
}

fn switch(on: bool) -> String {
    if on { "yes" } else { "no" }.to_owned()
}

/// A value as it is written.
fn value(text: &str) -> String {
    format!("`{text}`")
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;
