//! `content`: bytes that are there in their window, or are not.

use super::{Outcome, Run, to_i64};
use crate::regex::tank::{SEARCHED_BYTES, Tank};
use crate::rule::item::{Content, Item, Operand};

impl Run<'_, '_, '_> {
    pub(super) fn content(
        &mut self,
        (item, content): (&Item, &Content),
        rest: &[Item],
        data: &[u8],
        cursor: usize,
    ) -> Outcome {
        let failed = if content.is_relative() { Outcome::Fail } else { Outcome::Stop };
        let Some((low, high)) = self.window(content, data.len(), cursor) else {
            if content.negated {
                return self.items(rest, data, cursor);
            }
            self.fail(rest, item, data, cursor);
            return failed;
        };
        let (noted, position) = (self.notes.trail.len(), usize::from(self.position(rest)));
        // What stands for itself is not come back to.
        let is_again = content.is_relative();
        let mut low = if is_again { self.untried(position, low) } else { low };
        loop {
            let found = data.get(low..high).and_then(|window| find(window, content, &mut self.notes.tank));
            if self.notes.tank.is_dry() {
                return Outcome::Stop;
            }
            if is_again {
                self.note_tried(position, found.map_or((high + 1).saturating_sub(content.bytes.len()), |at| low + at));
            }
            if content.negated && found.is_none() {
                return self.items(rest, data, cursor);
            }
            let Some(at) = found.filter(|_| !content.negated) else {
                self.fail(rest, item, data, cursor);
                return failed;
            };
            let (start, end) = (low + at, low + at + content.bytes.len());
            self.notes.trail.truncate(noted);
            self.hold(rest, item.keyword(), data, start..end);
            match self.items(rest, data, end) {
                Outcome::Fail if super::is_again(rest) => {
                    low = start + 1;
                    if is_again {
                        self.note_tried(position, low);
                    }
                }
                // What follows stands for itself: no other occurrence of this content can help it.
                Outcome::Fail => return Outcome::Stop,
                outcome => return outcome,
            }
        }
    }

    /// The part of the buffer in which a content must lie; `None` where there is no room for it.
    #[inline]
    pub(super) fn window(&self, content: &Content, len: usize, cursor: usize) -> Option<(usize, usize)> {
        let value = |operand: Option<Operand>| operand.map(|o| self.value(o));
        let (len, cursor, size) = (to_i64(len), to_i64(cursor), to_i64(content.bytes.len()));
        let (mut low, mut high) = (0, len);
        if content.startswith {
            high = high.min(size);
        }
        let offset = value(content.offset).unwrap_or(0);
        low = low.max(offset);
        if let Some(depth) = value(content.depth) {
            high = high.min(offset.saturating_add(depth));
        }
        if content.is_relative() {
            let distance = value(content.distance).unwrap_or(0);
            low = low.max(cursor.saturating_add(distance));
            if let Some(within) = value(content.within) {
                high = high.min(cursor.saturating_add(distance).saturating_add(within));
            }
        }
        if content.endswith {
            if high < len {
                return None;
            }
            low = low.max(len - size);
        }
        let low = low.max(0);
        (low + size <= high).then_some((usize::try_from(low).ok()?, usize::try_from(high).ok()?))
    }
}

/// Position of a content within a window; the content itself is in lower case when case is ignored. `None` as well where the tank runs
/// dry.
#[inline]
pub(super) fn find(window: &[u8], content: &Content, tank: &mut Tank) -> Option<usize> {
    let needle = content.bytes.as_slice();
    let equals = |part: &[u8]| if content.nocase { part.eq_ignore_ascii_case(needle) } else { part == needle };
    let room = window.len().checked_sub(needle.len())?;
    if room == 0 {
        return equals(window).then_some(0);
    }
    if !content.nocase && room > SHORT_SEARCH_BYTES {
        let found = memchr::memmem::find(window, needle);
        tank.spend(found.unwrap_or(window.len()) as u64 / SEARCHED_BYTES);
        return found;
    }
    // To prepare a search costs more than a short one does.
    let at = usize::from(content.rarest);
    let byte = *needle.get(at)?;
    let starts = window.get(at..=room + at)?;
    let compared = 2 + needle.len() as u64 / SEARCHED_BYTES;
    let mut candidates = 0;
    let mut stands = |start: &usize| {
        candidates += compared;
        candidates > tank.left() || window.get(*start..*start + needle.len()).is_some_and(equals)
    };
    let found = if content.nocase && byte.is_ascii_alphabetic() {
        memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), starts).find(&mut stands)
    } else {
        memchr::memchr_iter(byte, starts).find(&mut stands)
    };
    let searched = found.unwrap_or(starts.len()) as u64 / SEARCHED_BYTES;
    tank.spend(candidates + searched).then_some(found).flatten()
}

/// Where a content may start at so many places, the search for it is not worth preparing.
const SHORT_SEARCH_BYTES: usize = 1 << 10;
