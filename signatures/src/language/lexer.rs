//! Rule files to rules, and rules to options.
//!
//! A rule is a line; a backslash before the end of a line continues it. Continued lines are joined with blanks of the same length,
//! so that a position in a rule is a position in its file.

use std::borrow::Cow;
use std::ops::Range;

use crate::rule::fault::Fault;

/// A rule's text and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The text, without the blanks around it.
    pub text: Cow<'a, str>,
    /// Line of its first byte, from 1.
    pub line: u32,
    /// Position of its first byte in the file.
    pub start: usize,
}

impl Statement<'_> {
    /// Where a position in the rule stands in the text of its file: the line and the column, from 1, and that line; the whole rule where
    /// that is its first one.
    pub(super) fn line_of<'t>(&'t self, file: &'t str, position: usize) -> (u32, usize, &'t str) {
        let before = file.get(self.start..self.start.saturating_add(position)).unwrap_or_default();
        let Some(end) = before.rfind('\n') else { return (self.line, position + 1, &self.text) };
        let further = u32::try_from(before.matches('\n').count()).unwrap_or(0);
        let line = file.get(self.start + end + 1..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let line = line.strip_suffix('\\').unwrap_or(line).trim_end();
        (self.line.saturating_add(further), position - end, line)
    }
}

/// The statements of a file: lines that are neither empty nor comments.
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let (mut start, mut line) = (0, 1_u32);
    let mut rest = text;
    while !rest.is_empty() {
        let (mut end, mut lines, mut joined) = (0, 0_u32, false);
        loop {
            let tail = rest.get(end..).unwrap_or_default();
            let length = tail.find('\n').map_or(tail.len(), |i| i + 1);
            end += length;
            lines = lines.saturating_add(1);
            let whole = rest.get(..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
            let comment = whole.trim_start().starts_with('#');
            if length == 0 || end >= rest.len() || comment || !whole.ends_with('\\') {
                break;
            }
            joined = true;
        }
        let (whole, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let trimmed = whole.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let offset = whole.len() - trimmed.len();
        let body = trimmed.trim_end();
        if !body.is_empty() && !body.starts_with('#') {
            let text = if joined { Cow::Owned(join(body)) } else { Cow::Borrowed(body) };
            found.push(Statement { text, line, start: start + offset });
        }
        start += end;
        line = line.saturating_add(lines);
        rest = after;
    }
    found
}

/// An option of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOption<'a> {
    /// Keyword.
    pub keyword: &'a str,
    /// What follows the colon, trimmed.
    pub text: Option<&'a str>,
    /// Position in the rule of the argument, or of the keyword where there is none.
    pub span: Range<usize>,
    /// Position in the rule of the keyword.
    pub place: Range<usize>,
}

/// A rule's header and its options.
pub fn split(rule: &str) -> Result<(&str, Vec<RuleOption<'_>>), Fault> {
    let open = rule.find('(').ok_or_else(|| {
        Fault::new(0..rule.len(), "the rule has no options", "put options in parentheses after the header")
    })?;
    let body = rule.get(open + 1..).unwrap_or_default();
    let Some(inner) = body.strip_suffix(')') else {
        return Err(Fault::new(rule.len()..rule.len(), "the rule does not end with `)`", "close the options"));
    };
    let bytes = inner.as_bytes();
    let (mut options, mut from, mut escaped) = (Vec::with_capacity(16), 0, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b';' {
            push(inner, from..at, open + 1, &mut options)?;
            from = at + 1;
        }
    }
    let rest = inner.get(from..).unwrap_or_default();
    if !rest.trim().is_empty() {
        let start = open + 1 + from;
        return Err(Fault::new(
            start..start + rest.len(),
            "the last option does not end with `;`",
            "end each option with a semicolon",
        ));
    }
    Ok((rule.get(..open).unwrap_or_default(), options))
}

fn push<'a>(inner: &'a str, range: Range<usize>, base: usize, options: &mut Vec<RuleOption<'a>>) -> Result<(), Fault> {
    let text = inner.get(range.clone()).unwrap_or_default();
    let option = text.trim();
    let start = base + range.start + (text.len() - text.trim_start().len());
    if option.is_empty() {
        return Err(Fault::new(start..start + 1, "there is no option before this semicolon", "remove one of the two"));
    }
    let (keyword, argument) = match option.split_once(':') {
        Some((keyword, argument)) => (keyword.trim_end(), Some(argument.trim())),
        None => (option, None),
    };
    let span = match argument {
        Some(argument) => start + option.len() - argument.len()..start + option.len(),
        None => start..start + option.len(),
    };
    let place = start..start + keyword.len();
    if keyword.is_empty() || !keyword.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        return Err(Fault::new(place, format!("`{keyword}` is no keyword"), "is a semicolon or a quote not escaped?"));
    }
    options.push(RuleOption { keyword, text: argument, span, place });
    Ok(())
}

fn join(text: &str) -> String {
    text.replace("\\\r\n", "   ").replace("\\\n", "  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_comments_and_continuations_become_statements() {
        let found = statements("# no\n\n a b \\\n c\n  #x\nd");
        assert_eq!(
            found.iter().map(|s| (s.text.as_ref(), s.line, s.start)).collect::<Vec<_>>(),
            [("a b    c", 3, 7), ("d", 6, 21)]
        );
    }

    #[test]
    fn a_position_has_its_own_line() {
        let text = "\n alert x (msg:\"a\"; \\\r\n   nocas; \\\n sid:1;)\n";
        let [rule] = &statements(text)[..] else { panic!("{text}") };
        for (word, line, column, shown) in
            [("msg", 2, 10, &*rule.text), ("nocas", 3, 4, "   nocas;"), ("sid", 4, 2, " sid:1;)")]
        {
            assert_eq!(rule.line_of(text, rule.text.find(word).unwrap()), (line, column, shown), "{word}");
        }
    }

    #[test]
    fn options_end_at_semicolons_that_are_not_escaped() {
        let (header, options) = split(r#"alert x (msg:"a\;b"; nocase; )"#).unwrap();
        assert_eq!(header, "alert x ");
        assert_eq!(
            options.iter().map(|o| (o.keyword, o.text)).collect::<Vec<_>>(),
            [("msg", Some(r#""a\;b""#)), ("nocase", None)]
        );
    }
}
