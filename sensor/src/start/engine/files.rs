//! What is done with files: what rules, records and the store of files want of them.

use tapwire_signatures::plan::FileNeeds;

use crate::decode::memory::Budget;
use crate::inspect::files::{FileSettings, Hashes};
use crate::start::config::Configuration;

/// The settings under a configuration for what rules need.
pub(super) fn settings(configuration: &Configuration, rules: FileNeeds) -> FileSettings {
    let store = configuration.file_store.as_ref();
    let shown = || configuration.eve.iter().filter_map(|eve| eve.files.as_ref());
    let mut wanted = rules.hashes;
    for hashes in shown().map(|files| files.hashes).chain(store.map(|store| store.hashes)) {
        wanted.iter_mut().zip(hashes).for_each(|(all, one)| *all |= one);
    }
    let [md5, sha1, sha256] = wanted;
    // The store names files by it, whether they are whole or not.
    let named = store.is_some();
    let all_stored = store.is_some_and(|store| store.all);
    let waiting_bytes = usize::try_from(configuration.store_limits.waiting_bytes).unwrap_or(usize::MAX);
    let parts_bytes = usize::try_from(configuration.file_parts_bytes).unwrap_or(usize::MAX);
    FileSettings {
        hashes: Hashes { md5, sha1, sha256: sha256 || named, sha256_of_cut: named },
        contents: rules.contents,
        asked_with_answer: rules.with_answer,
        magic: rules.magic || shown().any(|files| files.magic) || store.is_some_and(|store| store.magic),
        storing: (named && (all_stored || rules.stored)).then(|| Budget::new(waiting_bytes)),
        all_stored,
        open_limit: configuration.open_files,
        parts: Some(Budget::new(parts_bytes)),
        parts_timeout_s: configuration.file_parts_timeout_s,
        depth_bytes: store.and_then(|store| store.depth_bytes),
    }
}
