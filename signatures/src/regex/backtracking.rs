//! Expressions that need more than states: look-around, back-references, possessive repetitions. PCRE2 goes back where an attempt fails.
//!
//! Its limit on steps holds for each place at which a match may begin, which is little for one place and far too much for all of a large
//! text. So a search is cut into blocks of places, with one limit for each: a block that passes has cost a few steps a place. One that does
//! not is divided, and a single place that takes too much is given up, which is told, and not the places behind it. The interpreter counts all steps;
//! code that is compiled at run time does not count those within a repetition of one character, so it is not used.

use std::ops::Range;
use std::sync::OnceLock;

use pcre2::bytes::{Regex as Pcre2, RegexBuilder};

use super::tank::Tank;
use super::{Found, Options, Wrong};

/// Depth of going back within one attempt.
const DEPTH_LIMIT: u32 = 1_500;
/// Levels of division: places in a block, steps that it may take, and units that are spent where it takes fewer: the interpreter needs
/// some 50 ns to begin at a place, and two for a step.
const LEVELS: [Level; 4] = [
    Level { places: 256, steps: 4_096, units: 16_384 },
    Level { places: 16, steps: 4_096, units: 8_192 },
    Level { places: 1, steps: 128, units: 384 },
    Level { places: 1, steps: 3_500, units: 2_048 },
];
/// What a step costs where all that a block may take were taken.
const STEP_UNITS: u64 = 2;
/// The first level of a single place.
const SINGLE: usize = 2;

struct Level {
    places: usize,
    steps: u32,
    units: u64,
}

/// An expression as PCRE2 reads it. Its forms are made when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Backtracking {
    blocks: [OnceLock<Option<Pcre2>>; LEVELS.len()],
}

impl Backtracking {
    fn form(&self, level: usize, (pattern, options): (&str, Options)) -> Option<&Pcre2> {
        let (form, level) = (self.blocks.get(level)?, LEVELS.get(level)?);
        form.get_or_init(|| compile(pattern, options, level).ok()).as_ref()
    }

    /// What a group holds in the match that begins at `begin`.
    pub(super) fn group<'h>(
        &self,
        expression: (&str, Options),
        haystack: &'h [u8],
        begin: usize,
        group: usize,
    ) -> Option<&'h [u8]> {
        // With `\K` the attempt began before what counts as the match.
        let (level, from) = match expression.0.contains(r"\K") {
            true => (0, begin.saturating_sub(LEVELS.first()?.places - 1)),
            false => (LEVELS.len() - 1, begin),
        };
        let regex = self.form(level, expression)?;
        let mut places = regex.capture_locations();
        regex.captures_read_at(&mut places, haystack, from).ok()??;
        places.get(group).and_then(|(from, to)| haystack.get(from..to))
    }

    /// The match that begins at a place.
    pub(super) fn at(&self, expression: (&str, Options), haystack: &[u8], place: usize, tank: &mut Tank) -> Found {
        let mut search = Search { of: self, expression, haystack, given_up: false };
        let found = search.places(SINGLE, place..place + 1, tank);
        found.unwrap_or(if search.given_up { Found::LimitHit } else { Found::No })
    }

    /// The first match from `start` on.
    pub(super) fn find(&self, expression: (&str, Options), haystack: &[u8], start: usize, tank: &mut Tank) -> Found {
        let (pattern, options) = expression;
        let is_held = is_held_to_begin(pattern, options);
        if is_held && start > 0 && !options.anchored {
            return Found::No;
        }
        let is_single = is_held || options.anchored;
        let (level, end) = if is_single { (SINGLE, start + 1) } else { (0, haystack.len() + 1) };
        let mut search = Search { of: self, expression, haystack, given_up: false };
        let found = search.places(level, start..end, tank);
        found.unwrap_or(if search.given_up { Found::LimitHit } else { Found::No })
    }
}

struct Search<'s> {
    of: &'s Backtracking,
    expression: (&'s str, Options),
    haystack: &'s [u8],
    /// A place took more steps than one may.
    given_up: bool,
}

impl Search<'_> {
    /// Looks at places in blocks of a level: the match that begins first, or that there is no fuel left.
    fn places(&mut self, level: usize, places: Range<usize>, tank: &mut Tank) -> Option<Found> {
        let Level { places: width, steps, units } = LEVELS.get(level)?;
        let regex = self.of.form(level, self.expression)?;
        for at in places.clone().step_by(*width) {
            if !tank.spend(*units) {
                return Some(Found::LimitHit);
            }
            match regex.find_at(self.haystack, at) {
                Ok(Some(found)) => return Some(Found::At(Some(found.start()), found.end())),
                Ok(None) => {}
                Err(_) if !tank.spend((STEP_UNITS * u64::from(*steps)).saturating_sub(*units)) => {
                    return Some(Found::LimitHit);
                }
                Err(_) if level + 1 < LEVELS.len() => {
                    let end = places.end.min(at + width);
                    if let Some(found) = self.places(level + 1, at..end, tank) {
                        return Some(found);
                    }
                }
                Err(_) => self.given_up = true,
            }
        }
        None
    }
}

/// Whether a match can begin at the first byte only.
pub(super) fn is_held_to_begin(pattern: &str, options: Options) -> bool {
    let begins = pattern.starts_with('^') && !options.multi_line || pattern.starts_with(r"\A");
    begins && !options.extended && !has_ways(pattern)
}

/// Whether an expression has a vertical bar outside of all groups; a class that is hard to read counts as one.
fn has_ways(pattern: &str) -> bool {
    let (mut depth, mut escaped, mut in_class) = (0_u32, false, false);
    for byte in pattern.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b']' => in_class = false,
            _ if in_class => {}
            b'[' => in_class = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Checks an expression, or tells what is wrong with it; the names of its groups.
pub(super) fn check(pattern: &str, options: Options) -> Result<Vec<Option<String>>, Wrong> {
    let [.., place] = &LEVELS;
    let compiled = compile(pattern, options, place);
    compiled.map(|regex| regex.capture_names().to_vec()).map_err(|error| wrong(pattern, options, error))
}

/// What is wrong with an expression. By itself, without what is put around it, its fault has the place at which it was written.
fn wrong(pattern: &str, options: Options, within: pcre2::Error) -> Wrong {
    let error = builder(options).build(pattern).err().unwrap_or(within);
    let at = error.offset().unwrap_or(pattern.len()).min(pattern.len());
    let text = error.to_string();
    let message = text.split_once("at offset ").and_then(|(_, rest)| rest.split_once(": ")).map(|(_, what)| what);
    Wrong { message: message.unwrap_or(&text).to_owned(), at }
}

/// Compiles an expression for the places of a block.
fn compile(pattern: &str, options: Options, level: &Level) -> Result<Pcre2, pcre2::Error> {
    let mut text = format!("(*LIMIT_MATCH={})(*LIMIT_DEPTH={DEPTH_LIMIT})", level.steps);
    text.push_str(r"\G");
    if level.places > 1 {
        // The places in order, each as the begin of a match; a repeated group would be a group in a group for each of them.
        text.push_str(&format!(r"(?s:.{{0,{}}}?)\K", level.places - 1));
    }
    text.push_str(if options.ungreedy { "(?U:" } else { "(?:" });
    if options.dollar_end_only {
        end_only(pattern, &mut text);
    } else {
        text.push_str(pattern);
    }
    // A comment at the end of an extended expression ends with its line.
    text.push_str(if options.extended { "\n)" } else { ")" });
    builder(options).build(&text)
}

fn builder(options: Options) -> RegexBuilder {
    let mut builder = RegexBuilder::new();
    builder
        .caseless(options.caseless)
        .multi_line(options.multi_line)
        .dotall(options.dot_all)
        .extended(options.extended);
    builder
}

/// Writes an expression in which a dollar sign means the very end of the text.
fn end_only(pattern: &str, out: &mut String) {
    let (mut escaped, mut in_class) = (false, false);
    for character in pattern.chars() {
        match character {
            '$' if !escaped && !in_class => out.push_str(r"\z"),
            _ => out.push(character),
        }
        in_class = !escaped && character == '[' || in_class && (escaped || character != ']');
        escaped = !escaped && character == '\\';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_to_the_begin_is_told() {
        for (pattern, is_held) in
            [("^a(b|c)", true), (r"\Aa\|b[|]", true), ("^a|b", false), ("^(a)|b", false), ("a^b", false)]
        {
            assert_eq!(is_held_to_begin(pattern, Options::default()), is_held, "{pattern}");
        }
        assert!(!is_held_to_begin("^a", Options { multi_line: true, ..Options::default() }));
    }
}
