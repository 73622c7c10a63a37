//! Which content of a rule is looked for in every buffer.
//!
//! For payloads it is one that can stand at one place or in the first bytes only, where that tells enough: it is looked for there
//! alone. Else one that is long and rare; among equals the one the author named, then the one that is rarest in traffic.

use super::contents;
use super::group::Pattern;
use crate::prefilter::{Place, rarity};
use crate::rule::item::{Content, FastPattern, Item, Operand};
use crate::rule::{Buffer, Rule, Section};

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
    let longest = rule.packet.iter().filter_map(|condition| condition.longest_payload()).min();
    let all = sections(rule, qualifies).flat_map(|section| placed_contents(section, longest));
    let positive = all.filter(|(content, _)| !content.negated && !content.bytes.is_empty());
    let (_, content, place) = positive
        .map(|(content, place)| {
            let (class, named, rare) = score(content);
            let is_placed = place != Place::Anywhere;
            let rank = match class {
                _ if is_placed && rare >= LONG_RARITY => 4,
                2 => 3,
                _ if is_placed && rare >= COMMON_RARITY => 2,
                class => class.min(1),
            };
            ((rank, named, is_placed, rare), content, place)
        })
        .max_by_key(|(score, ..)| *score)?;
    Some(Pattern { bytes: bytes(content), place })
}

/// The contents of a section, each with the place at which the bytes stand that are looked for: contents and what they are relative
/// to bound one another, and so does the size of the payload.
fn placed_contents(section: &Section, longest: Option<u64>) -> Vec<(&Content, Place)> {
    let longest = longest.and_then(|bytes| i64::try_from(bytes).ok());
    // Where the cursor may stand: from, and until if that is known.
    let mut cursor = (0, Some(0));
    let mut placed = Vec::new();
    for item in &section.items {
        match item {
            Item::Content(content) => {
                let (start, end) = span(content, cursor);
                let end = [end, longest].into_iter().flatten().min();
                placed.push((content, place(content, start, end)));
                if !content.negated {
                    cursor = (start.saturating_add(length(content)), end);
                }
            }
            Item::Pcre(pcre) if !pcre.negated => cursor = (0, None),
            Item::ByteJump(_) | Item::ByteExtract(_) | Item::ByteMath(_) => cursor = (0, None),
            _ => {}
        }
    }
    placed
}

/// Where a content starts at the earliest and ends at the latest, if that is known, behind a cursor.
fn span(content: &Content, (from, until): (i64, Option<i64>)) -> (i64, Option<i64>) {
    let given = |operand: Option<Operand>| match operand {
        None => Some(None),
        Some(Operand::Value(value)) => Some(Some(value)),
        Some(Operand::Variable(_)) => None,
    };
    let (mut start, mut ends) = (0, [None; 3]);
    if content.startswith {
        ends[0] = Some(length(content));
    }
    match (given(content.offset), given(content.depth)) {
        (Some(offset), Some(depth)) => {
            let offset = offset.unwrap_or(0);
            start = start.max(offset);
            ends[1] = depth.map(|depth| offset.saturating_add(depth));
        }
        (Some(offset), None) => start = start.max(offset.unwrap_or(0)),
        (None, _) => {}
    }
    if content.is_relative()
        && let (Some(distance), Some(within)) = (given(content.distance), given(content.within))
    {
        let distance = distance.unwrap_or(0);
        start = start.max(from.saturating_add(distance));
        ends[2] = within.and_then(|within| Some(until?.saturating_add(distance).saturating_add(within)));
    }
    (start, ends.into_iter().flatten().min())
}

/// The place of the bytes of a content that are looked for.
fn place(content: &Content, start: i64, end: Option<i64>) -> Place {
    let Some(end) = end else { return Place::Anywhere };
    let part = match content.fast_pattern {
        Some(FastPattern::Part { offset, .. }) => i64::from(offset),
        _ => 0,
    };
    let last_start = end.saturating_sub(length(content));
    match (u16::try_from(start.saturating_add(part)), u16::try_from(end)) {
        (Ok(at), _) if start == last_start && at <= LAST_PLACE => Place::At(at),
        (_, Ok(end)) if end <= HEAD_BYTES => Place::Head(end),
        _ => Place::Anywhere,
    }
}

fn length(content: &Content) -> i64 {
    i64::try_from(content.bytes.len()).unwrap_or(i64::MAX)
}

/// The last place at which a pattern is looked for as one that stands there alone.
const LAST_PLACE: u16 = 128;
/// Patterns that end within so many bytes are looked for there alone.
const HEAD_BYTES: u16 = 64;

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
