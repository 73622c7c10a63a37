//! Which content of a rule is looked for in every buffer: one the author named, else the one that is rarest in traffic.

use super::contents;
use crate::language::rule::{Content, FastPattern, Item, Rule, Section};
use crate::prefilter::rarity;

/// The fast pattern among the sections that qualify, with its section.
pub(super) fn choose(rule: &Rule, qualifies: impl Fn(&Section) -> bool) -> Option<(&Section, &Content)> {
    rule.sections
        .iter()
        // Where a buffer may be absent, its contents need not occur.
        .filter(|section| qualifies(section) && !section.items.iter().any(|i| matches!(i, Item::Absent { .. })))
        .flat_map(|section| contents(section).map(move |content| (section, content)))
        .filter(|(_, content)| !content.negated && !content.bytes.is_empty())
        .max_by_key(|(_, content)| score(content))
}

/// Patterns that fill a gram beat those that do not; within those the author's choice, then rarity.
fn score(content: &Content) -> (bool, bool, u32) {
    let (named, length) = match content.fast_pattern {
        Some(FastPattern::Part { length, .. }) => (true, usize::from(length)),
        Some(FastPattern::Whole | FastPattern::Only) => (true, content.bytes.len()),
        None => (false, content.bytes.len()),
    };
    (length >= 4, named, rarity(&content.bytes))
}
