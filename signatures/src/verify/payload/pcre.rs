//! `pcre`: an expression that is found, or is not, and the variables that its groups go to.

use super::{Outcome, Run};
use crate::regex::Found;
use crate::rule::item::{Item, Pcre};

impl Run<'_, '_, '_> {
    pub(super) fn pcre(&mut self, (item, pcre): (&Item, &Pcre), rest: &[Item], data: &[u8], cursor: usize) -> Outcome {
        let failed = if pcre.relative { Outcome::Fail } else { Outcome::Stop };
        let from = if pcre.relative { cursor } else { 0 };
        // One that looks at what is before a match sees the text from the cursor on; what is anchored to its begin has no second chance.
        let is_blind = pcre.relative && pcre.regex.is_blind_behind();
        let position = usize::from(self.position(rest));
        let (base, mut start) = if is_blind { (0, self.untried(position, from)) } else { (from, 0) };
        loop {
            let found = match data.get(base..).filter(|part| start <= part.len()) {
                Some(part) => pcre.regex.find(part, start, &mut self.notes.tank),
                None => Found::No,
            };
            let (begin, end) = match found {
                Found::At(begin, end) => (begin, end),
                Found::No => {
                    if is_blind {
                        self.note_tried(position, data.len() + 1);
                    }
                    if pcre.negated {
                        return self.items(rest, data, cursor);
                    }
                    self.fail(rest, item, data, cursor);
                    return failed;
                }
                Found::LimitHit => {
                    self.limits.regex_hit += u64::from(!self.notes.tank.is_dry());
                    return Outcome::Stop;
                }
            };
            if pcre.negated {
                self.fail(rest, item, data, cursor);
                return failed;
            }
            let part = data.get(base..).unwrap_or_default();
            let is_again = super::is_again(rest);
            let mut known = begin;
            if known.is_none() && (self.notes.trail.is_on() || !pcre.captures.is_empty()) {
                known = pcre.regex.begin_of(part, start, end, &mut self.notes.tank);
            }
            let mark = self.notes.mark();
            self.hold(rest, item.keyword(), data, base + known.unwrap_or(end)..base + end);
            for (group, capture) in &pcre.captures {
                if let Some(value) = known.and_then(|begin| pcre.regex.group(part, begin, *group)) {
                    self.notes.capture(capture, value);
                }
            }
            let outcome = self.items(rest, data, base + end);
            if outcome != Outcome::Match {
                self.notes.return_to(mark);
            }
            match outcome {
                Outcome::Fail if is_again => {
                    let known = known.or_else(|| pcre.regex.begin_of(part, start, end, &mut self.notes.tank));
                    let Some(begin) = known else { return Outcome::Stop };
                    start = begin + 1;
                    if is_blind {
                        self.note_tried(position, start);
                    }
                }
                Outcome::Fail => return Outcome::Stop,
                outcome => return outcome,
            }
        }
    }
}
