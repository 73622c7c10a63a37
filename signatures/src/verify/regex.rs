//! Regular expressions of rules: PCRE2 with its just-in-time compiler, bytes and not characters, and a bound on the work.
//!
//! The `regex` crate was not taken: it reads a tenth of the rules' expressions differently or not at all (look-around,
//! back-references, `$`), and one engine means one meaning. The limits stand in front of each expression, because the safe binding
//! has no setter for them.

use std::ops::Range;
use std::sync::OnceLock;

use pcre2::bytes::RegexBuilder;

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
}

/// An expression that is known to be right. Its machine code is made when it is first needed: few of the expressions of a large rule
/// set ever are, and each holds several KiB.
#[derive(Debug)]
pub struct Regex {
    pattern: Box<str>,
    options: Options,
    compiled: OnceLock<Option<pcre2::bytes::Regex>>,
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
        Ok(Self { pattern: pattern.into(), options, compiled: OnceLock::new() })
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

    /// What a group holds in the first match of `haystack`.
    pub fn group<'h>(&self, haystack: &'h [u8], group: usize) -> Option<&'h [u8]> {
        let captures = self.compiled()?.captures(haystack).ok()??;
        captures.get(group).map(|found| found.as_bytes())
    }

    fn compiled(&self) -> Option<&pcre2::bytes::Regex> {
        self.compiled.get_or_init(|| compile(&self.pattern, self.options, true).ok()).as_ref()
    }

    /// The first match at or behind `start`.
    pub fn find_at(&self, haystack: &[u8], start: usize) -> Found {
        if start > haystack.len() {
            return Found::No;
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
        text.push_str("\\G");
    }
    text.push_str(pattern);
    RegexBuilder::new()
        .caseless(options.caseless)
        .multi_line(options.multi_line)
        .dotall(options.dot_all)
        .extended(options.extended)
        .jit_if_available(native)
        .build(&text)
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_meets_the_limit() {
        let regex = Regex::new("(a+)+$", Options::default()).unwrap();
        let mut text = vec![b'a'; 5_000];
        text.push(b'!');
        assert_eq!(regex.find_at(&text, 0), Found::LimitHit);
        assert_eq!(regex.find_at(b"aaa", 0), Found::At(0..3));
    }

    #[test]
    fn back_references_and_bytes_work() {
        let regex = Regex::new(r"(.)\xff\1", Options { dot_all: true, ..Options::default() }).unwrap();
        assert_eq!(regex.find_at(b"..\0\xff\0", 0), Found::At(2..5));
    }
}
