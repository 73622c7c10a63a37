//! Rules that look at the same bytes: one prefilter, and for each pattern the rules that it makes candidates.

use super::RuleIndex;
use crate::prefilter::{PatternSet, Prefilter, Scratch};

/// A compiled group.
#[derive(Debug, Default)]
pub(crate) struct Group {
    prefilter: Option<Prefilter>,
    /// The rules of pattern `i` are `rules[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    rules: Vec<RuleIndex>,
    /// Rules without a pattern: candidates in every buffer.
    pub(crate) always: Vec<RuleIndex>,
}

impl Group {
    /// Calls `candidate` for each rule that may match the buffer.
    pub(crate) fn scan(&self, buffer: &[u8], scratch: &mut Scratch, mut candidate: impl FnMut(RuleIndex)) {
        self.always.iter().for_each(|&rule| candidate(rule));
        let Some(prefilter) = &self.prefilter else { return };
        prefilter.scan(buffer, scratch, |pattern| {
            if let [start, end, ..] = self.starts.get(pattern as usize..).unwrap_or(&[]) {
                self.rules.get(*start as usize..*end as usize).unwrap_or(&[]).iter().for_each(|&rule| candidate(rule));
            }
        });
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.prefilter.is_none() && self.always.is_empty()
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.prefilter.as_ref().map_or(0, Prefilter::memory_bytes) + (self.starts.len() + self.rules.len()) * 4
    }
}

/// A group while it is filled.
#[derive(Debug, Default)]
pub(super) struct GroupBuilder {
    patterns: Vec<(Vec<u8>, RuleIndex)>,
    always: Vec<RuleIndex>,
}

impl GroupBuilder {
    /// Adds a rule with its pattern, or without one.
    pub(super) fn add(&mut self, rule: RuleIndex, pattern: Option<&[u8]>) {
        match pattern {
            Some(bytes) => self.patterns.push((bytes.to_ascii_lowercase(), rule)),
            None => self.always.push(rule),
        }
    }

    /// Compiles the group.
    pub(super) fn finish(mut self) -> Group {
        self.patterns.sort();
        let mut set = PatternSet::default();
        let (mut starts, mut rules) = (Vec::new(), Vec::with_capacity(self.patterns.len()));
        let mut before: Option<&[u8]> = None;
        for (bytes, rule) in &self.patterns {
            if before != Some(bytes) {
                set.add(bytes);
                starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
                before = Some(bytes);
            }
            rules.push(*rule);
        }
        starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
        Group { prefilter: (!set.is_empty()).then(|| set.compile()), starts, rules, always: self.always }
    }
}
