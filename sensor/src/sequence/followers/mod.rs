//! The fifth step: followers are fed what all workers found, in one order, so that what they do is the same for any number of workers.
//!
//! A follower is a file here and an entry in [`FOLLOWERS`]. What it wants that is no record (packets, flows, transactions,
//! files), workers find for it.

mod certificates;
mod file_store;
mod recorder;
mod scripts;
mod stream_data;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tapwire_signatures::lua::Shown;

use crate::capture::fanout::Tap;
use crate::inspect::Engine;
use crate::records::batch::RecordBatch;
use crate::records::finding::{FileId, Finding, Topic};
use crate::sequence::Settings;

/// Followers, in the order in which they are fed.
const FOLLOWERS: &[Entry] = &[
    scripts::FOLLOWER,
    file_store::FOLLOWER,
    certificates::FOLLOWER,
    stream_data::STREAMS,
    stream_data::BODIES,
    recorder::FOLLOWER,
];

/// A follower that there may be.
pub(super) struct Entry {
    /// Counters that are there, as 0, also where it is not.
    counters: &'static [&'static str],
    /// Begins it below the folder of records, if there is to be one; whether an interface is watched.
    begin: fn(&Settings, &Path, bool) -> Begun,
}

/// A follower that was begun, if there is to be one.
type Begun = io::Result<Option<Box<dyn Follower>>>;

/// A finding as followers see it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The finding.
    pub(super) finding: &'a Finding,
    /// Its text.
    pub(super) text: &'a [u8],
    /// Its flow has had an alert that the writer decided.
    pub(super) alerted: bool,
}

/// Who follows what was found.
pub(super) trait Follower {
    /// What it is to be fed; asked once.
    fn wants(&self) -> Vec<Topic>;
    /// Takes a finding of what it wants.
    fn finding(&mut self, seen: Seen<'_>);
    /// All findings of a batch of packets came; what workers noted of its packets is there.
    fn end_batch(&mut self, _batches: &[RecordBatch]) {}
    /// Where it takes every batch of packets.
    fn take_tap(&mut self) -> Option<Tap<Arc<Engine>>> {
        None
    }
    /// The number of a file in its store.
    fn stored(&self, _file: FileId) -> Option<u64> {
        None
    }
    /// The counters are written.
    fn counters(&mut self, _counters: &BTreeMap<String, u64>) {}
    /// Time has passed, where an interface is watched.
    fn tick(&mut self) {}
    /// Adds what it counted.
    fn count(&self, _counters: &mut BTreeMap<String, u64>) {}
    /// What went wrong first, once.
    fn take_failure(&mut self) -> Option<String> {
        None
    }
    /// Ends it: what its scripts failed with. Counters are those of the whole run.
    fn end(&mut self, _counters: &mut BTreeMap<String, u64>) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The followers of a run.
pub(super) struct Followers(Vec<(Box<dyn Follower>, Vec<Topic>)>);

impl Followers {
    /// Begins those that there are to be.
    pub(super) fn begin(settings: &Settings, folder: &Path, live: bool) -> io::Result<Self> {
        Self::of(FOLLOWERS, settings, folder, live)
    }

    fn of(entries: &[Entry], settings: &Settings, folder: &Path, live: bool) -> io::Result<Self> {
        let mut all = Vec::new();
        for entry in entries {
            all.extend((entry.begin)(settings, folder, live)?.map(|follower| {
                let topics = follower.wants();
                (follower, topics)
            }));
        }
        Ok(Self(all))
    }

    /// What all of them want.
    pub(super) fn wants(&self) -> Vec<Topic> {
        self.0.iter().flat_map(|(_, topics)| topics).copied().collect()
    }

    /// Feeds a finding to those that want it.
    pub(super) fn finding(&mut self, seen: Seen<'_>) {
        let Some(topic) = seen.finding.topic() else { return };
        for (follower, _) in self.0.iter_mut().filter(|(_, topics)| topics.contains(&topic)) {
            follower.finding(seen);
        }
    }

    /// All findings of a batch of packets came.
    pub(super) fn end_batch(&mut self, batches: &[RecordBatch]) {
        self.0.iter_mut().for_each(|(follower, _)| follower.end_batch(batches));
    }

    /// Where one of them takes every batch of packets.
    pub(super) fn take_tap(&mut self) -> Option<Tap<Arc<Engine>>> {
        self.0.iter_mut().find_map(|(follower, _)| follower.take_tap())
    }

    /// The number of a file in a store.
    pub(super) fn stored(&self, file: FileId) -> Option<u64> {
        self.0.iter().find_map(|(follower, _)| follower.stored(file))
    }

    /// Whether one of them wants the counters.
    pub(super) fn want_counters(&self) -> bool {
        self.0.iter().any(|(_, topics)| topics.contains(&Topic::Each(Shown::Counters)))
    }

    /// The counters are written.
    pub(super) fn counters(&mut self, counters: &BTreeMap<String, u64>) {
        self.0.iter_mut().for_each(|(follower, _)| follower.counters(counters));
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        self.0.iter_mut().for_each(|(follower, _)| follower.tick());
    }

    /// Adds what they counted.
    pub(super) fn count(&self, counters: &mut BTreeMap<String, u64>) {
        let names = FOLLOWERS.iter().flat_map(|entry| entry.counters);
        counters.extend(names.map(|name| ((*name).to_owned(), 0)));
        self.0.iter().for_each(|(follower, _)| follower.count(counters));
    }

    /// What went wrong first in each, once.
    pub(super) fn take_failures(&mut self) -> impl Iterator<Item = String> {
        self.0.iter_mut().filter_map(|(follower, _)| follower.take_failure())
    }

    /// Ends them: what scripts failed with, and what could not be written.
    pub(super) fn end(&mut self, counters: &mut BTreeMap<String, u64>) -> (Vec<String>, Option<io::Error>) {
        let (mut messages, mut failure) = (Vec::new(), None);
        for (follower, _) in &mut self.0 {
            match follower.end(counters) {
                Ok(more) => messages.extend(more),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        (messages, failure)
    }
}

#[cfg(test)]
mod tests;
