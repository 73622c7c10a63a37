//! The keywords of the rule language: one keyword (or one family that differs only in a name), one file.

mod action;
mod app_layer;
mod app_layer_state;
mod asn1;
mod bit_test;
mod buffers;
mod bytes;
mod card;
mod content;
pub(crate) mod dataset;
mod dnp3;
mod file;
mod file_hash;
mod flow;
mod flow_counts;
mod flowbits;
mod flowint;
mod hostbits;
mod icmp;
mod ip;
mod later;
mod lua;
mod meta;
mod modbus;
mod packet;
pub mod packet_event;
mod packet_number;
mod pcre;
mod reputation;
mod rpc;
mod sctp;
mod sizes;
mod ssh;
mod tcp;
pub(crate) mod threshold;
mod tls;
mod transform;
mod variables;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use meta::unmet;

use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;

/// A keyword: all there is to know of it. The manual prints it, a test loads its examples.
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// Other names of the same thing (`dns_query` for `dns.query`).
    pub aliases: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// Options as they stand in a rule, without the semicolon; each loads in a rule of a fitting protocol.
    pub examples: &'static [&'static str],
    /// Reads its argument into the rule.
    pub parse: fn(&mut Builder<'_>, &Argument<'_>) -> Result<(), Fault>,
}

/// Every keyword, by family.
pub static KEYWORDS: LazyLock<Vec<&'static [Keyword]>> =
    LazyLock::new(|| OWN.iter().copied().chain([card::KEYWORDS.as_slice(), later::KEYWORDS.as_slice()]).collect());

/// Those that no card brings.
static OWN: LazyLock<Vec<&'static [Keyword]>> = LazyLock::new(|| {
    vec![
        meta::KEYWORDS,
        flow::KEYWORDS,
        content::KEYWORDS,
        content::MODIFIERS.as_slice(),
        buffers::KEYWORDS,
        bytes::KEYWORDS,
        sizes::KEYWORDS,
        pcre::KEYWORDS,
        packet::KEYWORDS,
        rpc::KEYWORDS,
        asn1::KEYWORDS,
        ip::KEYWORDS,
        tcp::KEYWORDS,
        icmp::KEYWORDS,
        sctp::KEYWORDS,
        packet_event::KEYWORDS,
        flow_counts::KEYWORDS,
        app_layer::KEYWORDS,
        app_layer_state::KEYWORDS,
        flowbits::KEYWORDS,
        flowint::KEYWORDS,
        hostbits::KEYWORDS,
        variables::KEYWORDS,
        dataset::KEYWORDS,
        reputation::KEYWORDS,
        threshold::KEYWORDS,
        action::KEYWORDS,
        transform::KEYWORDS,
        lua::KEYWORDS,
        file::KEYWORDS,
        file_hash::KEYWORDS,
        tls::KEYWORDS,
        ssh::KEYWORDS,
        modbus::KEYWORDS,
        dnp3::KEYWORDS,
    ]
});

/// The names of all keywords.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let of_one = |keyword: &'static Keyword| std::iter::once(keyword.name).chain(keyword.aliases.iter().copied());
    KEYWORDS.iter().flat_map(|family| family.iter()).flat_map(of_one)
}

/// A keyword by its name or one of its aliases.
pub fn find(name: &str) -> Option<&'static Keyword> {
    type Index = HashMap<&'static str, &'static Keyword, foldhash::fast::RandomState>;
    static INDEX: LazyLock<Index> = LazyLock::new(|| {
        let names = |k: &'static Keyword| std::iter::once(k.name).chain(k.aliases.iter().copied()).map(move |n| (n, k));
        // A keyword that is active goes before one of the same name that is not.
        KEYWORDS.iter().rev().flat_map(|family| family.iter()).flat_map(names).collect()
    });
    INDEX.get(name).copied()
}
