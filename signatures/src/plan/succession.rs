//! What became of the rules of a plan in one that follows: flows and transactions remember rules by their place in a plan.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Planned, RuleIndex};
use crate::rule::digest::Digest;

/// Plans before the current one whose rules are still known.
const REMEMBERED: usize = 32;

/// Rules that stand behind each other in both plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    old: RuleIndex,
    new: RuleIndex,
    length: u32,
}

/// Where the rules of one plan stand in a later one: those whose text is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Succession {
    /// By place in the older plan.
    runs: Vec<Run>,
    /// Places of the newer plan that are taken by rules of the older one, sorted, as far apart as they can be.
    taken: Vec<Range<RuleIndex>>,
}

impl Succession {
    fn between(old: &[Planned], new: &[Planned]) -> Self {
        let identity = |Planned { entry, .. }: &Planned| (entry.tenant(), entry.gid, entry.sid, entry.digest);
        let places: HashMap<(u32, u32, u32, Digest), RuleIndex> =
            (0..).zip(new).map(|(place, planned)| (identity(planned), place)).collect();
        Self::of((0..).zip(old).filter_map(|(place, planned)| Some((place, *places.get(&identity(planned))?))))
    }

    /// Pairs of places, in order of the older ones.
    fn of(pairs: impl Iterator<Item = (RuleIndex, RuleIndex)>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (old, new) in pairs {
            match runs.last_mut() {
                Some(run) if run.old + run.length == old && run.new + run.length == new => run.length += 1,
                _ => runs.push(Run { old, new, length: 1 }),
            }
        }
        runs.shrink_to_fit();
        let mut ranges: Vec<_> = runs.iter().map(|run| run.new..run.new + run.length).collect();
        ranges.sort_by_key(|range| range.start);
        let mut taken: Vec<Range<RuleIndex>> = Vec::new();
        for range in ranges {
            match taken.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => taken.push(range),
            }
        }
        Self { runs, taken }
    }

    /// The place of a rule in the newer plan, if it is still there as it was.
    pub(crate) fn place(&self, old: RuleIndex) -> Option<RuleIndex> {
        let after = self.runs.partition_point(|run| run.old <= old);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (old - run.old < run.length).then(|| run.new + (old - run.old))
    }

    /// Whether the older plan has no such rule.
    pub(crate) fn is_new(&self, new: RuleIndex) -> bool {
        let after = self.taken.partition_point(|range| range.start <= new);
        after.checked_sub(1).and_then(|i| self.taken.get(i)).is_none_or(|range| !range.contains(&new))
    }

    fn then(&self, next: &Self) -> Self {
        let places = self.runs.iter().flat_map(|run| (run.old..run.old + run.length).zip(run.new..));
        Self::of(places.filter_map(|(old, between)| Some((old, next.place(between)?))))
    }
}

/// The plans before one, as far back as they are remembered.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// How many plans there were before.
    generation: u32,
    /// From each of the last plans to the current one, oldest first.
    successions: Vec<Arc<Succession>>,
}

impl History {
    /// That of the plan with `new` rules, which follows one with `old`.
    pub(super) fn next(&self, old: &[Planned], new: &[Planned]) -> Self {
        let last = Succession::between(old, new);
        let skipped = (self.successions.len() + 1).saturating_sub(REMEMBERED);
        let mut successions: Vec<_> =
            self.successions.iter().skip(skipped).map(|before| Arc::new(before.then(&last))).collect();
        successions.push(Arc::new(last));
        Self { generation: self.generation.wrapping_add(1), successions }
    }

    /// Which plan this is.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// What became of the rules of an earlier plan; `None` if that is too long ago.
    pub(crate) fn since(&self, generation: u32) -> Option<&Succession> {
        let back = usize::try_from(self.generation.wrapping_sub(generation)).ok()?;
        self.successions.get(self.successions.len().checked_sub(back)?).map(|succession| &**succession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_where_they_went_and_new_ones_are_told() {
        // abcde becomes xbcay, and that cbz.
        let first = Succession::of([(0, 3), (1, 1), (2, 2)].into_iter());
        let second = Succession::of([(1, 1), (2, 0)].into_iter());
        assert_eq!([0, 1, 2, 3, 4].map(|rule| first.place(rule)), [Some(3), Some(1), Some(2), None, None]);
        assert_eq!([0, 1, 2, 3, 4].map(|rule| first.is_new(rule)), [true, false, false, false, true]);
        let both = first.then(&second);
        assert_eq!([0, 1, 2, 3, 4].map(|rule| both.place(rule)), [None, Some(1), Some(0), None, None]);
        assert_eq!([0, 1, 2].map(|rule| both.is_new(rule)), [false, false, true]);
        assert!(Succession::default().is_new(0));
    }

    #[test]
    fn a_history_remembers_as_many_plans_as_it_says() {
        let mut history = History::default();
        for _ in 0..REMEMBERED + 5 {
            history = history.next(&[], &[]);
        }
        let now = history.generation();
        assert!(history.since(now - 1).is_some() && history.since(now - 32).is_some());
        assert!(history.since(now - 33).is_none() && history.since(now + 1).is_none());
    }
}
