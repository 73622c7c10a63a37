//! Text of records in formats that are no JSON: what such a format would take for its own marks is escaped in its way, and what a
//! line reader or a terminal would obey stands there as JSON escapes it.

use tapwire_parsers::json::needs_escape;

/// How a format writes text.
pub(super) struct Words {
    /// Marks of the format, and how each is written instead.
    pub(super) marks: &'static [(char, &'static str)],
    /// How a backslash is written that is ours.
    pub(super) backslash: &'static str,
}

impl Words {
    /// Writes what stands between the quotes of a JSON string, in at most so many bytes; whether all of it fitted.
    pub(super) fn write(&self, out: &mut Vec<u8>, json: &str, limit_bytes: usize) -> bool {
        let is_mark = |byte: u8| self.marks.iter().any(|(mark, _)| u32::from(*mark) == u32::from(byte));
        if json.len() <= limit_bytes
            && json.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\' && !is_mark(byte))
        {
            out.extend_from_slice(json.as_bytes());
            return true;
        }
        let end = out.len().saturating_add(limit_bytes);
        let mut rest = json;
        while let Some((c, behind)) = next(rest) {
            let before = out.len();
            self.put(out, c);
            if out.len() > end {
                out.truncate(before);
                return false;
            }
            rest = behind;
        }
        true
    }

    fn put(&self, out: &mut Vec<u8>, c: char) {
        if let Some((_, instead)) = self.marks.iter().find(|(mark, _)| *mark == c) {
            out.extend_from_slice(instead.as_bytes());
        } else if needs_escape(c) {
            out.extend_from_slice(self.backslash.as_bytes());
            out.extend_from_slice(format!("u{:04x}", u32::from(c)).as_bytes());
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// The first character of a JSON string's inside, and what is behind it.
fn next(json: &str) -> Option<(char, &str)> {
    let mut chars = json.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((first, chars.as_str()));
    }
    let c = match chars.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let (unit, behind) = unit(chars.as_str())?;
            let low = behind.strip_prefix("\\u").and_then(self::unit).filter(|(low, _)| (0xdc00..0xe000).contains(low));
            return match (unit, low) {
                (0xd800..0xdc00, Some((low, behind))) => {
                    let c = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    Some((char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), behind))
                }
                _ => Some((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), behind)),
            };
        }
        other => other,
    };
    Some((c, chars.as_str()))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words { marks: &[('|', "\\|"), ('\n', "\\n"), ('\\', "\\\\")], backslash: "\\\\" };

    fn written(json: &str, limit_bytes: usize) -> String {
        let mut out = Vec::new();
        WORDS.write(&mut out, json, limit_bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn marks_and_what_a_terminal_obeys_are_escaped() {
        for (json, expected) in [
            ("plain", "plain"),
            (r"a|b\nc\\d\u001b[2J", r"a\|b\nc\\d\\u001b[2J"),
            (r"\ud83d\ude00 \ud83d x \u00e9\/", "\u{1f600} \u{fffd} x é/"),
            ("\u{202e}", r"\\u202e"),
        ] {
            assert_eq!(written(json, 1000), expected);
            for limit in 0..expected.len() {
                let cut = written(json, limit);
                assert!(cut.len() <= limit && expected.starts_with(&cut), "{cut}");
                assert!(cut.len() + 7 > limit, "{cut}");
            }
        }
        assert_eq!(written("a|b", 2), "a", "no mark is torn");
    }
}
