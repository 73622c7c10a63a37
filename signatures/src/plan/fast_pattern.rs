//! Which content of a rule is looked for in every buffer.
//!
//! For payloads it is one that can stand at one place only, where that tells enough: it is looked for there alone. Else one that is
//! long and rare; among equals the one the author named, then the one that is rarest in traffic.

use super::contents;
use super::group::Pattern;
use crate::language::rule::{Buffer, Content, FastPattern, Item, Operand, Rule, Section};
use crate::prefilter::rarity;

/// The fast pattern among the sections that qualify, with its section.
pub(super) fn choose(rule: &Rule, qualifies: impl Fn(&Section) -> bool) -> Option<(&Section, &Content)> {
    sections(rule, qualifies)
        .flat_map(|section| contents(section).map(move |content| (section, content)))
        .filter(|(_, content)| !content.negated && !content.bytes.is_empty())
        .max_by_key(|(_, content)| score(content))
}

/// The fast pattern among a rule's contents in the payload.
pub(super) fn of_payload(rule: &Rule) -> Option<Pattern<'_>> {
    let qualifies = |section: &Section| section.buffer == Buffer::Payload && section.transforms.is_empty();
    let all = sections(rule, qualifies).flat_map(contents);
    let positive = all.filter(|content| !content.negated && !content.bytes.is_empty());
    let (_, content, place) = positive
        .map(|content| {
            let place = place(content);
            let (class, named, rare) = score(content);
            let rank = match class {
                _ if place.is_some() && rare >= LONG_RARITY => 4,
                2 => 3,
                _ if place.is_some() && rare >= COMMON_RARITY => 2,
                class => class.min(1),
            };
            ((rank, named, place.is_some(), rare), content, place)
        })
        .max_by_key(|(score, ..)| *score)?;
    Some(Pattern { bytes: bytes(content), place })
}

/// Where the bytes of a content stand that are looked for, if there is room for them at one place only.
fn place(content: &Content) -> Option<u16> {
    let given = |operand: Option<Operand>| match operand {
        None => Some(0),
        Some(Operand::Value(value)) => usize::try_from(value).ok(),
        Some(Operand::Variable(_)) => None,
    };
    let start = given(content.offset)?;
    let is_fixed = content.startswith || content.depth.is_some() && given(content.depth)? == content.bytes.len();
    let part = match content.fast_pattern {
        Some(FastPattern::Part { offset, .. }) => usize::from(offset),
        _ => 0,
    };
    let place = (is_fixed && !content.is_relative()).then_some(start + part)?;
    u16::try_from(place).ok().filter(|place| usize::from(*place) <= LAST_PLACE)
}

/// The last place at which a pattern is looked for as one that stands there alone.
const LAST_PLACE: usize = 128;

/// The bytes that are looked for of a content.
pub(super) fn bytes(content: &Content) -> &[u8] {
    match content.fast_pattern {
        Some(FastPattern::Part { offset, length }) => {
            let start = usize::from(offset);
            content.bytes.get(start..start + usize::from(length)).unwrap_or(&content.bytes)
        }
        _ => &content.bytes,
    }
}

/// Sections whose contents must occur: where a buffer may be absent, they need not.
fn sections(rule: &Rule, qualifies: impl Fn(&Section) -> bool) -> impl Iterator<Item = &Section> {
    let sections = rule.sections.iter();
    sections.filter(move |s| qualifies(s) && !s.items.iter().any(|item| matches!(item, Item::Absent { .. })))
}

/// Eighths of a bit that a long content must tell to be better than a short one.
const LONG_RARITY: u32 = 18 * 8;
/// What tells less is met in nearly every buffer.
pub(super) const COMMON_RARITY: u32 = 10 * 8;

/// The class of the length, whether the author named it, how rare it is.
fn score(content: &Content) -> (u8, bool, u32) {
    let bytes = bytes(content);
    let rare = rarity(bytes);
    let class = match bytes.len() {
        7.. if rare >= LONG_RARITY => 2,
        4.. if rare >= COMMON_RARITY => 1,
        _ => 0,
    };
    (class, content.fast_pattern.is_some(), rare)
}
