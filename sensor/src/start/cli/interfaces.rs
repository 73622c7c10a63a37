//! The interfaces that `tapwire run` watches.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ended;
use crate::capture::live::{RunMode, Taps, Watched, open};
use crate::run::Readers;
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
pub(super) fn described(names: &[String], opened: &Opened) {
    for (name, words) in names.iter().zip(opened.taps.first().map(Taps::described).unwrap_or_default()) {
        say(&format!("{name}: {words}"));
    }
}

/// Interfaces that are open, for those who read them.
pub(super) struct Opened {
    taps: Vec<Taps>,
    is_own: bool,
}

impl Opened {
    /// Opens them for so many workers.
    pub(super) fn new(watched: &[Watched], mode: RunMode, workers: u16, stop: &Arc<AtomicBool>) -> Result<Self, u8> {
        let is_own = mode.is_own(watched);
        allow_files();
        let taps = open(watched, if is_own { workers } else { 1 }, stop).map_err(|error| ended(&error))?;
        // What only libpcap reads is read by one thread.
        Ok(Self { is_own: is_own && taps.len() == usize::from(workers), taps })
    }

    /// Who reads them.
    pub(super) fn readers(&mut self) -> Readers<'_> {
        if self.is_own {
            return Readers::Workers(std::mem::take(&mut self.taps));
        }
        match &mut self.taps[..] {
            [one] => Readers::One(one),
            _ => Readers::Workers(Vec::new()),
        }
    }
}

/// As many files as the system lets the process have: each worker may have a socket for each return of each interface.
fn allow_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, what is opened says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Says what is waited for.
pub(super) fn awaited(names: &[String], opened: &Opened) {
    for (at, why) in opened.taps.first().map(Taps::awaited).unwrap_or_default() {
        if let Some(name) = names.get(at) {
            say(&format!("warning: {name}: {why}; it is waited for"));
        }
    }
}
