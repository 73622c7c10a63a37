//! Regular expressions of rules, on bytes and not on characters.
//!
//! Two engines share the work. Nine of ten expressions go to the `regex` crate, whose time grows with the text and nothing else (see
//! [`super::linear`]). What needs more, such as look-around and back-references, goes to PCRE2 with its just-in-time compiler and a bound
//! on the work; the limits stand in front of each expression, because the safe binding has no setter for them. PCRE2 says what is right
//! in a rule, and captures groups.

use std::ops::Range;
use std::sync::OnceLock;

use pcre2::bytes::RegexBuilder;

use super::linear;

/// Steps that one search may take; then it ends with [`Found::LimitHit`].
const LIMITS: &str = "(*LIMIT_MATCH=3500)(*LIMIT_DEPTH=1500)";

/// How an expression is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `i`
    pub caseless: bool,
    /// `m`
    pub multi_line: bool,
    /// `s`
    pub dot_all: bool,
    /// `x`
    pub extended: bool,
    /// `A`
    pub anchored: bool,
    /// `G`
    pub ungreedy: bool,
    /// `E`
    pub dollar_end_only: bool,
}

/// Bytes of the program of an expression; what needs more is left to PCRE2.
const PROGRAM_LIMIT_BYTES: usize = 1 << 20;
/// Bytes that a worker may keep of the states that an expression has met.
const STATES_LIMIT_BYTES: usize = 256 << 10;

/// An expression that is known to be right. Its engines are made when they are first needed: few of the expressions of a large rule
/// set ever are, and each holds several KiB.
#[derive(Debug)]
pub struct Regex {
    pattern: Box<str>,
    options: Options,
    linear: OnceLock<Option<Box<Linear>>>,
    compiled: OnceLock<Option<pcre2::bytes::Regex>>,
}

#[derive(Debug)]
struct Linear {
    regex: regex::bytes::Regex,
    /// See [`linear::Linear`].
    takes_last_line_end: bool,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The first match.
    At(Range<usize>),
    /// None.
    No,
    /// The search was given up.
    LimitHit,
}

impl Regex {
    /// Checks an expression, or tells what is wrong with it.
    pub fn new(pattern: &str, options: Options) -> Result<Self, String> {
        compile(pattern, options, false)?;
        Ok(Self { pattern: pattern.into(), options, linear: OnceLock::new(), compiled: OnceLock::new() })
    }

    /// The groups of the expression that have a name.
    pub fn named_groups(&self) -> Vec<(usize, String)> {
        // Most have none: it is not compiled for them.
        if !self.pattern.contains("(?P<") && !self.pattern.contains("(?<") {
            return Vec::new();
        }
        let names = compile(&self.pattern, self.options, false).map(|regex| regex.capture_names().to_vec());
        names.unwrap_or_default().into_iter().enumerate().filter_map(|(group, name)| Some((group, name?))).collect()
    }

    /// What a group holds in the first match of `haystack` from `start` on.
    pub fn group<'h>(&self, haystack: &'h [u8], start: usize, group: usize) -> Option<&'h [u8]> {
        let regex = self.compiled()?;
        let mut places = regex.capture_locations();
        regex.captures_read_at(&mut places, haystack, start).ok()??;
        places.get(group).and_then(|(from, to)| haystack.get(from..to))
    }

    fn compiled(&self) -> Option<&pcre2::bytes::Regex> {
        self.compiled.get_or_init(|| compile(&self.pattern, self.options, true).ok()).as_ref()
    }

    fn linear(&self) -> Option<&Linear> {
        let made = self.linear.get_or_init(|| {
            let linear::Linear { pattern, takes_last_line_end } = linear::translate(&self.pattern, self.options)?;
            let Options { caseless, multi_line, dot_all, ungreedy, .. } = self.options;
            let regex = regex::bytes::RegexBuilder::new(&pattern)
                .unicode(false)
                .case_insensitive(caseless)
                .multi_line(multi_line)
                .dot_matches_new_line(dot_all)
                .swap_greed(ungreedy)
                .size_limit(PROGRAM_LIMIT_BYTES)
                .dfa_size_limit(STATES_LIMIT_BYTES)
                .build()
                .ok()?;
            Some(Box::new(Linear { regex, takes_last_line_end }))
        });
        made.as_deref()
    }

    /// The first match from `start` on, which must not be behind the end; what is before it is looked at, and it is no begin.
    pub fn find(&self, haystack: &[u8], start: usize) -> Found {
        // An expression that is held to its place is held to `start`, which only one engine knows apart from the begin.
        if let Some(linear) = self.linear().filter(|_| start == 0 || !self.options.anchored) {
            let Some(found) = linear.regex.find_at(haystack, start) else { return Found::No };
            let is_exact = !linear.takes_last_line_end || found.end() < haystack.len() || !haystack.ends_with(b"\n");
            if is_exact {
                return Found::At(found.range());
            }
        }
        let Some(regex) = self.compiled() else { return Found::No };
        match regex.find_at(haystack, start) {
            Ok(Some(found)) => Found::At(found.start()..found.end()),
            Ok(None) => Found::No,
            Err(_) => Found::LimitHit,
        }
    }
}

fn compile(pattern: &str, options: Options, native: bool) -> Result<pcre2::bytes::Regex, String> {
    let mut text = String::from(LIMITS);
    if options.ungreedy {
        text.push_str("(?U)");
    }
    if options.anchored {
        text.push_str("\\G(?:");
    }
    if options.dollar_end_only {
        end_only(pattern, &mut text);
    } else {
        text.push_str(pattern);
    }
    if options.anchored {
        // A comment at the end of an extended expression ends with its line.
        text.push_str(if options.extended { "\n)" } else { ")" });
    }
    RegexBuilder::new()
        .caseless(options.caseless)
        .multi_line(options.multi_line)
        .dotall(options.dot_all)
        .extended(options.extended)
        .jit_if_available(native)
        .build(&text)
        .map_err(|e| e.to_string())
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
    use proptest::prelude::*;

    use super::*;

    /// What the engine that goes back finds.
    fn backtracked(regex: &Regex, text: &[u8], start: usize) -> Found {
        match regex.compiled().unwrap().find_at(text, start) {
            Ok(found) => found.map_or(Found::No, |found| Found::At(found.start()..found.end())),
            Err(_) => Found::LimitHit,
        }
    }

    const EXPRESSIONS: &[&str] = &[
        r"^a+b",
        r"a+?b?$",
        r"(?:ab|a)(?:c|bcd)$",
        r"[^\x61-b\s]+\.",
        r"\ba\B",
        r"(a|b|)*c",
        r"a.b",
        r"a\sb\h",
        r"\x00+[\x80-\xff]",
        r"[[:alpha:]_-]{2,3}\/",
        r"a\Z",
        r"\n$",
        r"(?i)aB(?-i)A",
        r"a{2}{",
        r"b|a{1,2}|aaa",
        r"$",
        r"",
    ];

    proptest! {
        #[test]
        fn both_engines_find_the_same(
            which in 0..EXPRESSIONS.len(),
            flags in 0..32_u8,
            text in prop::collection::vec(prop::sample::select(b"aabbABc./_{ \n\t\x00\xff\xa0".to_vec()), 0..24),
            start in 0..24_usize,
        ) {
            let start = start.min(text.len());
            let flag = |bit: u8| flags >> bit & 1 != 0;
            let options = Options {
                caseless: flag(0), multi_line: flag(1), dot_all: flag(2), anchored: flag(3), ungreedy: flag(4),
                ..Options::default()
            };
            let regex = Regex::new(EXPRESSIONS[which], options).unwrap();
            prop_assert!(regex.linear().is_some());
            prop_assert_eq!(
                regex.find(&text, start),
                backtracked(&regex, &text, start),
                "{} {:?} from {}", EXPRESSIONS[which], options, start
            );
        }
    }

    #[test]
    fn a_dollar_sign_means_the_very_end_where_that_is_asked_for() {
        for (pattern, text, found) in [("a$", "a\n", false), ("a$", "ba", true), (r"(?!b)a$[$]?\$?", "a\n", false)] {
            let options = Options { dollar_end_only: true, ..Options::default() };
            let regex = Regex::new(pattern, options).unwrap();
            assert_eq!(regex.find(text.as_bytes(), 0) != Found::No, found, "{pattern}");
        }
    }

    #[test]
    fn a_text_that_makes_one_engine_go_back_costs_the_other_nothing() {
        let regex = Regex::new("(a+)+b", Options::default()).unwrap();
        assert_eq!(regex.find(&[b'a'; 5_000], 0), Found::No);
    }

    #[test]
    fn a_hostile_text_meets_the_limit() {
        let regex = Regex::new("(?!b)(a+)+$", Options::default()).unwrap();
        let mut text = vec![b'a'; 5_000];
        text.push(b'!');
        assert_eq!(regex.find(&text, 0), Found::LimitHit);
        assert_eq!(regex.find(b"aaa", 0), Found::At(0..3));
    }

    #[test]
    fn back_references_and_bytes_work() {
        let regex = Regex::new(r"(.)\xff\1", Options { dot_all: true, ..Options::default() }).unwrap();
        assert_eq!(regex.find(b"..\0\xff\0", 0), Found::At(2..5));
    }
}
