//! Rules that look at the same bytes: prefilters, and for each pattern the rules that it makes candidates.
//!
//! Patterns that can only stand at one place are looked for there; those that are short are looked for on the ports of their rules,
//! where these are few; the rest is looked for everywhere.

use std::collections::HashMap;
use std::sync::Arc;

use super::RuleIndex;
use super::fast_pattern::COMMON_RARITY;
use crate::language::digest::Digest;
use crate::prefilter::{Folded, PatternSet, Prefilter, Scratch, rarity};

/// A compiled group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    anywhere: Option<Lot>,
    by_port: HashMap<u16, Lot, foldhash::fast::RandomState>,
    /// Rules without a pattern: candidates in every buffer.
    pub(crate) always: Vec<RuleIndex>,
}

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
    /// Calls `candidate` for each rule that may match the buffer, which is carried between two ports.
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
        if !self.by_port.is_empty() {
            let second = (ports.1 != ports.0).then_some(ports.1);
            for lot in [Some(ports.0), second].into_iter().flatten().filter_map(|port| self.by_port.get(&port)) {
                lot.scan(folded, scratch, &mut candidate);
            }
        }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.anywhere.is_none() && self.by_port.is_empty() && self.always.is_empty()
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        let lots = self.anywhere.iter().chain(self.by_port.values());
        lots.map(|lot| lot.prefilter.memory_bytes() + (lot.starts.len() + lot.rules.len()) * 4).sum()
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
    /// Where it stands, if it can stand at one place only.
    pub(super) place: Option<u16>,
}

impl<'r> Pattern<'r> {
    /// One that may be anywhere.
    pub(super) fn anywhere(bytes: &'r [u8]) -> Self {
        Self { bytes, place: None }
    }
}

/// A pattern in lower case, its place, its rule.
type Wanted = (Vec<u8>, Option<u16>, RuleIndex);

/// A group while it is filled.
#[derive(Debug, Default)]
pub(super) struct GroupBuilder {
    anywhere: Vec<Wanted>,
    by_port: HashMap<u16, Vec<Wanted>>,
    always: Vec<RuleIndex>,
}

/// Patterns of so many bytes are looked for everywhere at little cost.
const LONG_BYTES: usize = 7;

impl GroupBuilder {
    /// Adds a rule with its pattern, or without one. `ports` are those of one side of it, where they are few.
    pub(super) fn add(&mut self, rule: RuleIndex, pattern: Option<Pattern<'_>>, ports: Option<&[u16]>) {
        let Some(Pattern { bytes, place }) = pattern else {
            self.always.push(rule);
            return;
        };
        let entry = (bytes.to_ascii_lowercase(), place, rule);
        let is_common = rarity(bytes) < COMMON_RARITY;
        match ports {
            _ if place.is_some() => self.anywhere.push(entry),
            Some(ports) if is_common || bytes.len() < LONG_BYTES => {
                ports.iter().for_each(|port| self.by_port.entry(*port).or_default().push(entry.clone()));
            }
            // To look for what is in nearly every buffer is work for nothing.
            None if is_common => self.always.push(rule),
            _ => self.anywhere.push(entry),
        }
    }

    /// Compiles the group; what is known already is shared.
    pub(super) fn finish(self, known: &Prefilters) -> Group {
        let ports = self.by_port.into_iter();
        Group {
            anywhere: lot(self.anywhere, known),
            by_port: ports.filter_map(|(port, patterns)| Some((port, lot(patterns, known)?))).collect(),
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
        let lots = groups.flat_map(|group| group.anywhere.iter().chain(group.by_port.values()));
        Self(lots.map(|lot| (lot.digest, Arc::clone(&lot.prefilter))).collect())
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
