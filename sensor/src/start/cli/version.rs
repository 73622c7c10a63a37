//! What `--version` says.

use std::sync::LazyLock;

use tapwire_parsers::REGISTRY;

use crate::start::engine::LANGUAGE_VERSION;

/// Number and commit.
pub(super) const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TAPWIRE_COMMIT"), ")");

/// The same with what is built in.
pub(super) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let (major, minor, patch) = LANGUAGE_VERSION;
        let protocols = REGISTRY.iter().map(|card| card.name).collect::<Vec<_>>().join(" ");
        format!(
            "{SHORT}\nrules and records of Suricata {major}.{minor}.{patch}\nLua 5.4, PCRE2, MaxMind databases, file types\n\
             captures: pcap pcapng, plain gzip zstd lz4 xz bzip2; bodies: gzip deflate brotli lzma\nprotocols: {protocols}"
        )
    });
    &LONG
}
