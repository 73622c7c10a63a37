//! Rules that look at the same bytes: prefilters, and for each pattern the rules that it makes candidates.
//!
//! Patterns that can only stand at one place, or in the first bytes, are looked for there; those that are met often are looked for
//! on the ports of their rules, where these are few; the rest is looked for everywhere.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RuleIndex;
use super::fast_pattern::COMMON_RARITY;
use crate::prefilter::{Folded, PatternSet, Place, Prefilter, Scratch, rarity};
use crate::rule::digest::Digest;

/// A compiled group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    anywhere: Option<Lot>,
    by_source_port: PortLots,
    by_destination_port: PortLots,
    /// Rules without a pattern: candidates in every buffer.
    pub(crate) always: Vec<RuleIndex>,
}

/// Patterns that are looked for where one side has a port.
type PortLots = HashMap<u16, Lot, foldhash::fast::RandomState>;

/// Patterns that are looked for together.
#[derive(Debug)]
struct Lot {
    prefilter: Arc<Prefilter>,
    /// That of the patterns.
    digest: Digest,
    /// The rules of pattern `i` are `rules[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    rules: Vec<RuleIndex>,
}

impl Group {
    /// Calls `candidate` for each rule that may match the buffer, which is carried from one port to another.
    pub(crate) fn scan(
        &self,
        buffer: &[u8],
        ports: (u16, u16),
        (folded, scratch): (&mut Folded, &mut Scratch),
        mut candidate: impl FnMut(RuleIndex),
    ) {
        self.always.iter().for_each(|&rule| candidate(rule));
        folded.fold(buffer);
        if let Some(lot) = &self.anywhere {
            lot.scan(folded, scratch, &mut candidate);
        }
        for (lots, port) in [(&self.by_source_port, ports.0), (&self.by_destination_port, ports.1)] {
            if let Some(lot) = lots.get(&port) {
                lot.scan(folded, scratch, &mut candidate);
            }
        }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.anywhere.is_none()
            && self.by_source_port.is_empty()
            && self.by_destination_port.is_empty()
            && self.always.is_empty()
    }

    fn lots(&self) -> impl Iterator<Item = &Lot> {
        let by_port = self.by_source_port.values().chain(self.by_destination_port.values());
        self.anywhere.iter().chain(by_port)
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.lots().map(|lot| lot.prefilter.memory_bytes() + (lot.starts.len() + lot.rules.len()) * 4).sum()
    }
}

impl Lot {
    #[inline]
    fn scan(&self, buffer: &Folded, scratch: &mut Scratch, candidate: &mut impl FnMut(RuleIndex)) {
        self.prefilter.scan(buffer, scratch, |pattern| {
            if let [start, end, ..] = self.starts.get(pattern as usize..).unwrap_or(&[]) {
                self.rules.get(*start as usize..*end as usize).unwrap_or(&[]).iter().for_each(|&rule| candidate(rule));
            }
        });
    }
}

/// A pattern of a rule, and where it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern<'r> {
    /// The bytes.
    pub(super) bytes: &'r [u8],
    /// Where they may stand.
    pub(super) place: Place,
}

impl<'r> Pattern<'r> {
    /// One that may be anywhere.
    pub(super) fn anywhere(bytes: &'r [u8]) -> Self {
        Self { bytes, place: Place::Anywhere }
    }
}

/// The few ports of one side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ListedPorts {
    /// Of the side that sends.
    Source(Vec<u16>),
    /// Of the side that receives.
    Destination(Vec<u16>),
}

impl ListedPorts {
    /// The ports, of whatever side.
    pub(super) fn all(&self) -> &[u16] {
        match self {
            ListedPorts::Source(ports) | ListedPorts::Destination(ports) => ports,
        }
    }
}

/// A pattern in lower case, its place, its rule.
type Wanted = (Vec<u8>, Place, RuleIndex);

/// A group while it is filled.
#[derive(Debug, Default)]
pub(super) struct GroupBuilder {
    anywhere: Vec<Wanted>,
    by_source_port: HashMap<u16, Vec<Wanted>>,
    by_destination_port: HashMap<u16, Vec<Wanted>>,
    always: Vec<RuleIndex>,
}

/// What is as rare as this, in eighths of a bit, is looked for everywhere at little cost.
const RARE: u32 = 14 * 8;
/// Shorter patterns make a scan of their own necessary.
const SHORT_BYTES: usize = 4;

impl GroupBuilder {
    /// Adds a rule with its pattern, or without one. `ports` are those of one side of it, where they are few.
    pub(super) fn add(&mut self, rule: RuleIndex, pattern: Option<Pattern<'_>>, ports: Option<&ListedPorts>) {
        let Some(Pattern { bytes, place }) = pattern else {
            self.always.push(rule);
            return;
        };
        let entry = (bytes.to_ascii_lowercase(), place, rule);
        let rare = rarity(bytes);
        match ports {
            Some(ports) if rare < RARE || place == Place::Anywhere && bytes.len() < SHORT_BYTES => {
                let lots = match ports {
                    ListedPorts::Source(_) => &mut self.by_source_port,
                    ListedPorts::Destination(_) => &mut self.by_destination_port,
                };
                ports.all().iter().for_each(|port| lots.entry(*port).or_default().push(entry.clone()));
            }
            // To look for what is in nearly every buffer is work for nothing.
            None if place == Place::Anywhere && rare < COMMON_RARITY => self.always.push(rule),
            _ => self.anywhere.push(entry),
        }
    }

    /// Compiles the group; what is known already is shared.
    pub(super) fn finish(self, known: &Prefilters) -> Group {
        let by_port = |lots: HashMap<u16, Vec<Wanted>>| {
            lots.into_iter().filter_map(|(port, patterns)| Some((port, lot(patterns, known)?))).collect()
        };
        Group {
            anywhere: lot(self.anywhere, known),
            by_source_port: by_port(self.by_source_port),
            by_destination_port: by_port(self.by_destination_port),
            always: self.always,
        }
    }
}

/// Prefilters that are compiled already, by their patterns.
#[derive(Default)]
pub(super) struct Prefilters(HashMap<Digest, Arc<Prefilter>>);

impl Prefilters {
    /// Those of some groups.
    pub(super) fn of<'g>(groups: impl Iterator<Item = &'g Group>) -> Self {
        Self(groups.flat_map(Group::lots).map(|lot| (lot.digest, Arc::clone(&lot.prefilter))).collect())
    }
}

fn lot(mut patterns: Vec<Wanted>, known: &Prefilters) -> Option<Lot> {
    patterns.sort();
    let mut set = PatternSet::default();
    let (mut starts, mut rules) = (Vec::new(), Vec::with_capacity(patterns.len()));
    let mut before = None;
    for (bytes, place, rule) in &patterns {
        if before != Some((bytes, place)) {
            set.add_at(bytes, *place);
            starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
            before = Some((bytes, place));
        }
        rules.push(*rule);
    }
    starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
    if set.is_empty() {
        return None;
    }
    let digest = Digest::of(&set);
    let prefilter = known.0.get(&digest).cloned().unwrap_or_else(|| Arc::new(set.compile()));
    Some(Lot { prefilter, digest, starts, rules })
}
