//! Regular expressions of rules, on bytes and not on characters.
//!
//! Nine of ten expressions need no memory of what they have passed: [`automaton`] searches for them in work that is known beforehand (see
//! [`linear`] for how they are written for it). What needs more, such as look-around and back-references, goes back where an attempt
//! fails, under limits ([`backtracking`]). PCRE2 says what is right in a rule, and captures groups. All work is taken from a tank.

mod automaton;
mod backtracking;
mod linear;
mod samples;
pub(crate) mod tank;
mod threads;

use std::sync::OnceLock;

use automaton::Automaton;
use backtracking::Backtracking;
use tank::Tank;

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

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub message: String,
    /// Up to which of its bytes it was read.
    pub at: usize,
}

/// An expression that is known to be right. Its engines are made when they are first needed: few of the expressions of a large rule
/// set ever are, and each holds several KiB.
#[derive(Debug)]
pub struct Regex {
    pattern: Box<str>,
    options: Options,
    linear: OnceLock<Option<Box<Linear>>>,
    backtracking: OnceLock<Box<Backtracking>>,
}

#[derive(Debug)]
struct Linear {
    automaton: Automaton,
    /// See [`linear::Linear`].
    takes_last_line_end: bool,
    /// It matches elsewhere as well: what is found is to be confirmed.
    is_relaxed: bool,
}

/// Places that are confirmed one by one before all that follow are looked at.
const CONFIRMED: usize = 16;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The first match: its begin, where it is known without further work, and its end.
    At(Option<usize>, usize),
    /// None.
    No,
    /// The search was given up.
    LimitHit,
}

impl Regex {
    /// Checks an expression, or tells what is wrong with it.
    pub fn new(pattern: &str, options: Options) -> Result<Self, Wrong> {
        backtracking::check(pattern, options)?;
        Ok(Self { pattern: pattern.into(), options, linear: OnceLock::new(), backtracking: OnceLock::new() })
    }

    /// The groups of the expression that have a name.
    pub fn named_groups(&self) -> Vec<(usize, String)> {
        // Most have none: it is not compiled for them.
        if !self.pattern.contains("(?P<") && !self.pattern.contains("(?<") {
            return Vec::new();
        }
        let names = backtracking::check(&self.pattern, self.options).unwrap_or_default();
        names.into_iter().enumerate().filter_map(|(group, name)| Some((group, name?))).collect()
    }

    /// How many groups it has.
    pub(crate) fn groups(&self) -> usize {
        backtracking::check(&self.pattern, self.options).map_or(0, |names| names.len().saturating_sub(1))
    }

    /// Bytes that it matches or begins to match, a few of them.
    pub(crate) fn samples(&self) -> Vec<Vec<u8>> {
        let exact = linear::translate(&self.pattern, self.options);
        let linear = exact.or_else(|| linear::relax(&self.pattern, self.options));
        let read = linear.and_then(|linear| samples::of_expression(&linear.pattern, self.options));
        read.unwrap_or_else(|| samples::of_text(&self.pattern))
    }

    /// What a group holds in the match of `haystack` that begins at `begin`.
    pub(crate) fn group<'h>(&self, haystack: &'h [u8], begin: usize, group: usize) -> Option<&'h [u8]> {
        self.backtracking().group((&self.pattern, self.options), haystack, begin, group)
    }

    /// Whether nothing before the begin of a match tells whether it is one.
    pub(crate) fn is_blind_behind(&self) -> bool {
        self.linear().is_some_and(|linear| linear.automaton.is_blind_behind && !linear.is_relaxed)
    }

    fn backtracking(&self) -> &Backtracking {
        self.backtracking.get_or_init(Box::default)
    }

    fn linear(&self) -> Option<&Linear> {
        let made = self.linear.get_or_init(|| {
            let exact = linear::translate(&self.pattern, self.options);
            let is_relaxed = exact.is_none();
            // What is held to one place is tried there at once.
            let relaxed = || {
                let is_held = backtracking::is_held_to_begin(&self.pattern, self.options);
                if is_held { None } else { linear::relax(&self.pattern, self.options) }
            };
            let linear::Linear { pattern, takes_last_line_end } = exact.or_else(relaxed)?;
            let automaton = Automaton::new(&pattern, self.options)?;
            Some(Box::new(Linear { automaton, takes_last_line_end, is_relaxed }))
        });
        made.as_deref()
    }

    /// The first match from `start` on, which must not be behind the end; what is before it is looked at, and it is no begin.
    pub(crate) fn find(&self, haystack: &[u8], start: usize, tank: &mut Tank) -> Found {
        // An expression that is held to its place is held to `start`, which only one engine knows apart from the begin.
        if let Some(linear) = self.linear().filter(|_| start == 0 || !self.options.anchored) {
            if linear.is_relaxed {
                return self.confirmed(&linear.automaton, haystack, start, tank);
            }
            let found = linear.automaton.find(haystack, start, tank);
            let Found::At(_, end) = found else { return found };
            if !linear.takes_last_line_end || end < haystack.len() || !haystack.ends_with(b"\n") {
                return found;
            }
        }
        self.backtracking().find((&self.pattern, self.options), haystack, start, tank)
    }

    /// The first match from `start` on, of those whose places a relaxed expression finds.
    fn confirmed(&self, relaxed: &Automaton, haystack: &[u8], start: usize, tank: &mut Tank) -> Found {
        let expression = (&*self.pattern, self.options);
        let mut start = start;
        for _ in 0..CONFIRMED {
            let (begin, end) = match relaxed.find(haystack, start, tank) {
                Found::At(begin, end) => (begin, end),
                other => return other,
            };
            let Some(begin) = begin.or_else(|| relaxed.begin_of(haystack, start, end, tank)) else { break };
            match self.backtracking().at(expression, haystack, begin, tank) {
                Found::No => start = begin + 1,
                found => return found,
            }
            if start > haystack.len() {
                return Found::No;
            }
        }
        self.backtracking().find(expression, haystack, start, tank)
    }

    /// Where a match begins that was found from `start` on and ends at `end`; `None` where that took too much.
    pub(crate) fn begin_of(&self, haystack: &[u8], start: usize, end: usize, tank: &mut Tank) -> Option<usize> {
        self.linear()?.automaton.begin_of(haystack, start, end, tank)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What an engine finds, begin included.
    fn whole(regex: &Regex, found: Found, text: &[u8], start: usize) -> Found {
        match found {
            Found::At(None, end) => Found::At(regex.begin_of(text, start, end, &mut Tank::endless()), end),
            found => found,
        }
    }

    fn found(regex: &Regex, text: &[u8], start: usize) -> Found {
        whole(regex, regex.find(text, start, &mut Tank::endless()), text, start)
    }

    /// What the engine that goes back finds.
    fn backtracked(regex: &Regex, text: &[u8], start: usize) -> Found {
        regex.backtracking().find((&regex.pattern, regex.options), text, start, &mut Tank::endless())
    }

    /// What PCRE2 finds by itself.
    fn reference(pattern: &str, options: Options, text: &[u8], start: usize) -> Found {
        let Options { caseless, multi_line, dot_all, anchored, ungreedy, .. } = options;
        let pattern =
            format!("{}{}(?:{pattern})", if ungreedy { "(?U)" } else { "" }, if anchored { r"\G" } else { "" });
        let mut builder = pcre2::bytes::RegexBuilder::new();
        let regex = builder.caseless(caseless).multi_line(multi_line).dotall(dot_all).build(&pattern).unwrap();
        regex.find_at(text, start).unwrap().map_or(Found::No, |found| Found::At(Some(found.start()), found.end()))
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
        fn all_engines_find_the_same(
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
            prop_assert!(regex.linear().is_some_and(|linear| !linear.is_relaxed));
            let expected = reference(EXPRESSIONS[which], options, &text, start);
            for found in [found(&regex, &text, start), backtracked(&regex, &text, start)] {
                prop_assert_eq!(&found, &expected, "{} {:?} from {}", EXPRESSIONS[which], options, start);
            }
        }
    }

    /// What threads find.
    fn threaded(pattern: &str, options: Options, text: &[u8], start: usize) -> Found {
        Automaton::of_threads(&linear::translate(pattern, options).unwrap().pattern, options).unwrap().find(
            text,
            start,
            &mut Tank::endless(),
        )
    }

    proptest! {
        #[test]
        fn threads_find_the_same(
            which in 0..EXPRESSIONS.len(),
            flags in 0..16_u8,
            text in prop::collection::vec(prop::sample::select(b"aabbABc./_{ \n\t\x00\xff\xa0".to_vec()), 0..24),
        ) {
            let flag = |bit: u8| flags >> bit & 1 != 0;
            let options = Options {
                caseless: flag(0), multi_line: flag(1), dot_all: flag(2), ungreedy: flag(3), ..Options::default()
            };
            let takes_last = linear::translate(EXPRESSIONS[which], options).unwrap().takes_last_line_end;
            prop_assume!(!takes_last || !text.ends_with(b"\n"));
            let expected = reference(EXPRESSIONS[which], options, &text, 0);
            let found = threaded(EXPRESSIONS[which], options, &text, 0);
            prop_assert_eq!(found, expected, "{} {:?}", EXPRESSIONS[which], options);
        }
    }

    #[test]
    fn a_repeated_byte_string_is_searched_for_as_such() {
        let caseless = Options { caseless: true, ..Options::default() };
        for (pattern, options, text, expected) in [
            ("A{1000}", Options::default(), [b"b".repeat(3), b"A".repeat(1_000)].concat(), Some((3, 1_003))),
            ("A{1000}", Options::default(), b"A".repeat(999), None),
            ("(?:%3C){1000}", caseless, [b"%3c".repeat(999), b"%3C%3".to_vec()].concat(), Some((0, 3_000))),
            ("(?:%3C){1000}", caseless, b"%3c%3x".repeat(999), None),
            ("x(ab){2}y", caseless, b".XabABy".to_vec(), Some((1, 7))),
            ("k{3}", caseless, b"kKK".to_vec(), Some((0, 3))),
        ] {
            let regex = Regex::new(pattern, options).unwrap();
            let (mut tank, length) = (Tank::endless(), text.len() as u64);
            let expected = expected.map_or(Found::No, |(begin, end)| Found::At(Some(begin), end));
            assert_eq!(regex.find(&text, 0, &mut tank), expected, "{pattern}");
            assert!(tank.spent() <= length, "{pattern}: {} units for {length} bytes", tank.spent());
        }
    }

    #[test]
    fn a_search_takes_work_that_grows_with_the_text() {
        let caseless = Options { caseless: true, ..Options::default() };
        for (pattern, options) in [
            ("a{1,300}b", Options::default()),
            ("(a{1,20}){1,20}b", Options::default()),
            ("a.{30}a.{30}b", Options::default()),
            ("[^\\r\\n]{300}b", caseless),
            ("(?!b)(a+)+$", Options::default()),
            ("(?!b)a{0,50}a{0,50}b", Options::default()),
            (r"(.)[^x]{0,200}\1x", Options::default()),
        ] {
            let regex = Regex::new(pattern, options).unwrap();
            let work = |bytes: usize| {
                let (mut tank, mut text) = (Tank::endless(), vec![b'a'; bytes]);
                text.extend(b"!\nbx");
                regex.find(&text, 0, &mut tank);
                tank.spent()
            };
            let (once, twice) = (work(2_000), work(4_000));
            assert!(twice * 10 <= once * 23, "{pattern}: {once} for 2,000 bytes, {twice} for 4,000");
        }
    }

    #[test]
    fn a_search_ends_when_the_tank_is_dry() {
        for pattern in ["a{1,1000}b", "(a{1,100}){1,100}b", "[^b]*b", "(?!b)a{0,50}a{0,50}b", "a{900}c"] {
            let regex = Regex::new(pattern, Options::default()).unwrap();
            let mut tank = Tank::of(2_000);
            assert_eq!(regex.find(&[b'a'; 16_000], 0, &mut tank), Found::LimitHit, "{pattern}");
            assert!(tank.is_dry(), "{pattern}");
        }
    }

    #[test]
    fn a_place_that_is_given_up_does_not_hide_what_is_behind_it() {
        let regex = Regex::new(r"(?!b)(a+)+\.(c)\2", Options::default()).unwrap();
        let text = [vec![b'a'; 400], b"! aa.cc".to_vec()].concat();
        assert_eq!(regex.find(&text, 0, &mut Tank::endless()), Found::At(Some(402), 407));
        assert_eq!(regex.group(&text, 402, 2), Some(&b"c"[..]));
        let kept = Regex::new(r"(x)\Ky", Options::default()).unwrap();
        assert_eq!(kept.find(b"..xy", 0, &mut Tank::endless()), Found::At(Some(3), 4));
        assert_eq!(kept.group(b"..xy", 3, 1), Some(&b"x"[..]));
    }

    /// Expressions that an automaton cannot tell.
    const REMEMBERING: &[&str] = &[
        r"(?=ab)a.",
        r"a(?!b)[^c]",
        r"(?<!a)b(?:(?!c).)+c",
        r"(?<=\n)a",
        r"([ab])\1",
        r"(a|b)+\1$",
        r"(?>a+)b|c(?!$)",
        r"a++b?",
        r"a\Kb",
        r"(?:^|b)(?!.*c)a",
        r"(?![a-z])\x00*",
    ];

    proptest! {
        #[test]
        fn what_is_relaxed_and_confirmed_is_what_pcre2_finds(
            which in 0..REMEMBERING.len(),
            flags in 0..16_u8,
            text in prop::collection::vec(prop::sample::select(b"aabbABc./_{ \n\t\x00\xff\xa0".to_vec()), 0..48),
            start in 0..48_usize,
        ) {
            let start = start.min(text.len());
            let flag = |bit: u8| flags >> bit & 1 != 0;
            let options = Options {
                caseless: flag(0), multi_line: flag(1), dot_all: flag(2), anchored: flag(3), ..Options::default()
            };
            let regex = Regex::new(REMEMBERING[which], options).unwrap();
            prop_assert!(regex.linear().is_some_and(|linear| linear.is_relaxed));
            let expected = reference(REMEMBERING[which], options, &text, start);
            let found = regex.find(&text, start, &mut Tank::endless());
            prop_assert_eq!(found, expected, "{} {:?} from {}", REMEMBERING[which], options, start);
        }
    }

    #[test]
    fn a_dollar_sign_means_the_very_end_where_that_is_asked_for() {
        for (pattern, text, is_found) in [("a$", "a\n", false), ("a$", "ba", true), (r"(?!b)a$[$]?\$?", "a\n", false)] {
            let options = Options { dollar_end_only: true, ..Options::default() };
            let regex = Regex::new(pattern, options).unwrap();
            assert_eq!(found(&regex, text.as_bytes(), 0) != Found::No, is_found, "{pattern}");
        }
    }

    #[test]
    fn a_text_that_makes_one_engine_go_back_costs_the_other_nothing() {
        let regex = Regex::new("(a+)+b", Options::default()).unwrap();
        assert_eq!(found(&regex, &[b'a'; 5_000], 0), Found::No);
    }

    #[test]
    fn a_hostile_text_meets_the_limit() {
        let regex = Regex::new(r"(a+)+c\1", Options::default()).unwrap();
        let text = [vec![b'a'; 5_000], b"c!".to_vec()].concat();
        assert_eq!(found(&regex, &text, 0), Found::LimitHit);
        assert_eq!(found(&regex, b"aaca", 0), Found::At(Some(0), 4));
    }

    #[test]
    fn back_references_and_bytes_work() {
        let regex = Regex::new(r"(.)\xff\1", Options { dot_all: true, ..Options::default() }).unwrap();
        assert_eq!(found(&regex, b"..\0\xff\0", 0), Found::At(Some(2), 5));
    }
}
