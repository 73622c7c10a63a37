//! The interfaces that `tapwire run` watches.

use crate::capture::live::{Taps, Watched};
use crate::start::config::Interfaces;
use crate::start::terminal::say;

/// The interfaces, each as it is watched: those that are named, or else those of the configuration.
pub(super) fn watched(names: &[String], bpf: Option<&str>, known: &Interfaces) -> Result<Vec<Watched>, u8> {
    let named: Vec<Watched> = names.iter().map(|name| known.named(name)).collect();
    let mut watched = if named.is_empty() { known.listed() } else { named };
    if watched.is_empty() {
        say("error: no interface is named; -i names one, or the configuration's `af-packet`");
        return Err(2);
    }
    if let Some(bpf) = bpf {
        watched.iter_mut().for_each(|watched| watched.filter = Some(bpf.to_owned()));
    }
    Ok(watched)
}

/// Says what is watched: links, rings, offloads.
pub(super) fn described(names: &[String], taps: &[Taps]) {
    for (name, words) in names.iter().zip(taps.first().map(Taps::described).unwrap_or_default()) {
        say(&format!("{name}: {words}"));
    }
}

/// Says what is waited for.
pub(super) fn awaited(names: &[String], taps: &[Taps]) {
    for (at, why) in taps.first().map(Taps::awaited).unwrap_or_default() {
        if let Some(name) = names.get(at) {
            say(&format!("warning: {name}: {why}; it is waited for"));
        }
    }
}
