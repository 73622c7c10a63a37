//! Which expressions an engine can search for in time that grows with the text alone, and how they are written for it.
//!
//! Rules are written for PCRE2, which goes back where an attempt fails; a hostile text can make that take long. Nine of ten
//! expressions do not need it: the same expression means the same to the `regex` crate once the few things that both read differently
//! are rewritten. What may mean something else (look-around, back-references, possessive repetitions, octal escapes, …) is left, or relaxed:
//! then the expression matches wherever the original does, and elsewhere as well.

use super::Options;

/// An expression as the `regex` crate reads it, for bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Linear {
    /// The expression.
    pub(super) pattern: String,
    /// It may end before the line end that is the last byte of a text, which is then counted as part of the match.
    pub(super) takes_last_line_end: bool,
}

/// The expression that means the same, if there is one.
pub(super) fn translate(pattern: &str, options: Options) -> Option<Linear> {
    written(pattern, options, false)
}

/// An expression of which a match begins wherever one of the original does: without look-around, with any bytes for a back-reference.
pub(super) fn relax(pattern: &str, options: Options) -> Option<Linear> {
    written(pattern, options, true)
}

fn written(pattern: &str, options: Options, is_relaxed: bool) -> Option<Linear> {
    if !pattern.is_ascii() || options.extended {
        return None;
    }
    let mut walk =
        Walk { rest: pattern.as_bytes(), out: String::new(), options, takes_last_line_end: false, is_relaxed };
    while let Some(byte) = walk.next() {
        walk.step(byte)?;
    }
    let Walk { out, takes_last_line_end, .. } = walk;
    let pattern = if options.anchored { format!(r"\A(?:{out})") } else { out };
    Some(Linear { pattern, takes_last_line_end })
}

struct Walk<'p> {
    rest: &'p [u8],
    out: String,
    options: Options,
    takes_last_line_end: bool,
    is_relaxed: bool,
}

impl Walk<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn step(&mut self, byte: u8) -> Option<()> {
        match byte {
            b'\\' => self.escape(false)?,
            b'[' => self.class()?,
            b'(' => self.group()?,
            b'$' if self.options.multi_line => self.out.push('$'),
            b'$' if self.options.dollar_end_only => self.out.push_str(r"\z"),
            b'$' => self.end(),
            b'*' | b'+' | b'?' => self.repetition(char::from(byte))?,
            b'{' => match self.bounds() {
                Some(bounds) => self.repetition_of(&bounds)?,
                None => self.out.push_str(r"\{"),
            },
            b'}' => self.out.push_str(r"\}"),
            byte => self.out.push(char::from(byte)),
        }
        Some(())
    }

    /// The end of the text, or its last line end.
    fn end(&mut self) {
        self.out.push_str(r"(?:\n?\z)");
        self.takes_last_line_end = true;
    }

    fn repetition(&mut self, sign: char) -> Option<()> {
        self.repetition_of(&sign.to_string())
    }

    fn repetition_of(&mut self, repetition: &str) -> Option<()> {
        self.out.push_str(repetition);
        match self.rest.first() {
            // A possessive one.
            Some(b'+') if self.is_relaxed => self.next().map(drop),
            Some(b'+') => None,
            Some(b'?') => {
                self.out.push('?');
                self.next().map(drop)
            }
            _ => Some(()),
        }
    }

    /// The bounds of a repetition behind its brace; without them the brace is a character.
    fn bounds(&mut self) -> Option<String> {
        let length = self.rest.iter().position(|&byte| byte == b'}')?;
        let inside = std::str::from_utf8(self.rest.get(..length)?).ok()?;
        let (from, until) = inside.split_once(',').map_or((inside, ""), |(from, until)| (from, until));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if from.is_empty() || !digits(from) || !digits(until) {
            return None;
        }
        self.rest = self.rest.get(length + 1..)?;
        Some(format!("{{{inside}}}"))
    }

    fn group(&mut self) -> Option<()> {
        if self.is_relaxed {
            match self.rest {
                [b'?', b'=' | b'!', ..] | [b'?', b'<', b'=' | b'!', ..] => {
                    self.pass_group()?;
                    self.out.push_str("(?:)");
                    return Some(());
                }
                [b'?', b'P', b'=', ..] => {
                    self.pass_group()?;
                    self.anything();
                    return Some(());
                }
                [b'?', b'>', rest @ ..] => {
                    self.out.push_str("(?:");
                    self.rest = rest;
                    return Some(());
                }
                _ => {}
            }
        }
        self.out.push('(');
        match self.rest {
            [b'*', ..] => None,
            [b'?', rest @ ..] => self.special_group(rest),
            _ => Some(()),
        }
    }

    /// As few bytes as will do, whatever they are: only where a match begins is asked.
    fn anything(&mut self) {
        self.out.push_str(if self.options.ungreedy { "(?s:.*)" } else { "(?s:.*?)" });
    }

    /// Passes over the rest of a group.
    fn pass_group(&mut self) -> Option<()> {
        let (mut depth, mut in_class) = (1, false);
        while depth > 0 {
            match (self.next()?, in_class) {
                (b'\\', _) => drop(self.next()?),
                (b'[', false) => {
                    in_class = true;
                    // A bracket that comes first is one of the class.
                    let negated = usize::from(self.rest.first() == Some(&b'^'));
                    let first = negated + usize::from(self.rest.get(negated) == Some(&b']'));
                    self.rest = self.rest.get(first..)?;
                }
                (b']', true) => in_class = false,
                (b'(', false) => depth += 1,
                (b')', false) => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }

    /// A group that begins with a question mark: one without a number, one with a name, or letters that switch options.
    fn special_group(&mut self, rest: &[u8]) -> Option<()> {
        let length = match rest {
            [b':', ..] => 1,
            [b'P', b'<', name, ..] | [b'<', name, ..] if name.is_ascii_alphabetic() || *name == b'_' => {
                rest.iter().position(|&byte| byte == b'>')? + 1
            }
            _ => {
                let letters = rest.iter().take_while(|byte| matches!(byte, b'i' | b's' | b'-')).count();
                rest.get(letters).filter(|byte| letters > 0 && matches!(byte, b')' | b':'))?;
                letters
            }
        };
        self.out.push('?');
        self.out.push_str(std::str::from_utf8(rest.get(..length)?).ok()?);
        self.rest = self.rest.get(1 + length..)?;
        Some(())
    }

    fn escape(&mut self, in_class: bool) -> Option<()> {
        let byte = self.next()?;
        match byte {
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'n' | b'r' | b't' | b'f' | b'a' => self.escaped(byte),
            b'b' | b'B' | b'A' | b'z' if !in_class => self.escaped(byte),
            b'Z' if !in_class => self.end(),
            b'h' => self.out.push_str(if in_class { r"\t \xa0" } else { r"[\t \xa0]" }),
            b'x' => {
                let (first, second) = (self.next()?, self.next()?);
                if !first.is_ascii_hexdigit() || !second.is_ascii_hexdigit() {
                    return None;
                }
                self.escaped(b'x');
                self.out.extend([char::from(first), char::from(second)]);
            }
            b'1'..=b'9' if self.is_relaxed && !in_class && !self.rest.first().is_some_and(u8::is_ascii_digit) => {
                self.anything();
            }
            b'K' if self.is_relaxed && !in_class => self.out.push_str("(?:)"),
            other if other.is_ascii_alphanumeric() => return None,
            literal => self.out.push_str(&format!(r"\x{literal:02x}")),
        }
        Some(())
    }

    fn escaped(&mut self, byte: u8) {
        self.out.extend(['\\', char::from(byte)]);
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.rest.first() == Some(&b'^') {
            self.next();
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            match self.next()? {
                b']' if !is_first => break,
                b'\\' => self.escape(true)?,
                b'[' => match self.rest.iter().position(|&byte| byte == b']') {
                    Some(end)
                        if self.rest.first() == Some(&b':') && end >= 2 && self.rest.get(end - 1) == Some(&b':') =>
                    {
                        self.out.push('[');
                        self.out.push_str(std::str::from_utf8(self.rest.get(..=end)?).ok()?);
                        self.rest = self.rest.get(end + 1..)?;
                    }
                    _ => self.out.push_str(r"\["),
                },
                byte @ (b']' | b'&' | b'~') => self.out.extend(['\\', char::from(byte)]),
                // Two of them mean the difference of two classes.
                b'-' if self.rest.first() == Some(&b'-') => return None,
                byte => self.out.push(char::from(byte)),
            }
            is_first = false;
        }
        self.out.push(']');
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_relaxed_matches_at_least_as_often() {
        let table = [
            (r"a(?=b)c(?!d(e)[)]])f", Some("a(?:)c(?:)f")),
            (r"(?<=[]\]])a(?<!b)", Some("(?:)a(?:)")),
            (r"(?>a|b)++c", Some("(?:a|b)+c")),
            (r"(\w)\1{2}", Some(r"(\w)(?s:.*?){2}")),
            (r"a\Kb", Some("a(?:)b")),
            (r"(?P<x>a)b(?P=x)c", Some("(?P<x>a)b(?s:.*?)c")),
            (r"(?!a", None),
            (r"(?R)", None),
        ];
        for (pattern, expected) in table {
            let found = relax(pattern, Options::default());
            assert_eq!(found.as_ref().map(|linear| linear.pattern.as_str()), expected, "{pattern}");
        }
    }

    #[test]
    fn what_both_read_alike_is_kept_and_the_rest_is_rewritten_or_left() {
        let table = [
            (r"^a[0-9]{2,}b\x2f", Some(r"^a[0-9]{2,}b\x2f")),
            (r"a\/b\<\.c", Some(r"a\x2fb\x3c\x2ec")),
            (r"a{x}{,3}", Some(r"a\{x\}\{,3\}")),
            (r"[[a&&b]", Some(r"[\[a\&\&b]")),
            (r"[]a][[:alpha:]_]", Some(r"[\]a][[:alpha:]_]")),
            (r"a\h$", Some(r"a[\t \xa0](?:\n?\z)")),
            (r"(?:a)(?i)b(?P<flow_x>c)", Some(r"(?:a)(?i)b(?P<flow_x>c)")),
            (r"a+?b*?", Some(r"a+?b*?")),
            (r"a++", None),
            (r"(a)\1", None),
            (r"(?=a)b", None),
            (r"(?<!a)b", None),
            (r"(?>a)b", None),
            (r"(?m)a$", None),
            (r"a\Kb", None),
            (r"a\x1", None),
            (r"[\b]", None),
            (r"[a--b]", None),
            ("é", None),
        ];
        for (pattern, expected) in table {
            let found = translate(pattern, Options::default());
            assert_eq!(found.as_ref().map(|linear| linear.pattern.as_str()), expected, "{pattern}");
        }
    }
}
