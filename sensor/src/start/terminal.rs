//! What people are shown: the only place from which the program writes to its standard output and standard error.
//!
//! Names of captures, texts of rules, values of configurations and errors come from anywhere. What would move the cursor, ring, change
//! colours or turn the direction of text is written as an escape, whoever made the line.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use clap::error::{ContextKind, ContextValue};
use tapwire_parsers::json::needs_escape;

use crate::start::config::{Problem, Severity};

/// Says a line on standard error, which is one line whatever is in it.
pub fn say(line: &str) {
    // Standard error may be closed; there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "{}", escaped(line, false)));
}

/// Says a problem on standard error.
pub fn tell(problem: &Problem, severity: Severity) {
    let text = if is_coloured(&io::stderr()) { problem.render_coloured(severity) } else { problem.render(severity) };
    tell_rendered(&text);
}

/// Says on standard error what [`Problem::render`] made, which lets nothing act on a terminal but its own colours.
pub fn tell_rendered(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Shows the same on standard output.
pub fn show_rendered(text: &str) {
    drop(io::stdout().lock().write_all(text.as_bytes()));
}

/// When texts are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR says otherwise
    #[default]
    Auto,
    /// In any case
    Always,
    /// Never
    Never,
}

static COLOUR: OnceLock<Colour> = OnceLock::new();

/// Decides it for the whole program, once.
pub fn choose_colour(colour: Colour) {
    COLOUR.get_or_init(|| colour);
}

/// Whether what goes there is coloured.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    match COLOUR.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            stream.is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Says lines on standard error that were made from what is escaped already.
pub fn lines(text: &str) {
    drop(writeln!(io::stderr().lock(), "{}", escaped(text, true)));
}

/// Shows a text of lines on standard output. Bytes that are no text are written as `\xHH`.
pub fn show(text: impl AsRef<[u8]>) {
    let mut out = String::new();
    for chunk in text.as_ref().utf8_chunks() {
        out.push_str(&escaped(chunk.valid(), true));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    // So may standard output, by `head`.
    drop(io::stdout().lock().write_all(out.as_bytes()));
}

/// Shows a text of lines on an empty screen.
pub fn show_alone(text: &str) {
    drop(io::stdout().lock().write_all(b"\x1b[H\x1b[J"));
    show(text);
}

/// Says what the reader of the command line has to say; the exit status.
pub fn usage(mut error: clap::Error) -> u8 {
    let of_arguments = |(kind, value): (ContextKind, &ContextValue)| match value {
        ContextValue::String(text) => Some((kind, ContextValue::String(escaped(text, false)))),
        ContextValue::Strings(texts) => {
            Some((kind, ContextValue::Strings(texts.iter().map(|text| escaped(text, false)).collect())))
        }
        _ => None,
    };
    let of_arguments: Vec<_> = error.context().filter_map(of_arguments).collect();
    for (kind, value) in of_arguments {
        error.insert(kind, value);
    }
    let text = escaped(&error.render().to_string(), true);
    if error.use_stderr() {
        drop(write!(io::stderr().lock(), "{text}"));
    } else {
        drop(write!(io::stdout().lock(), "{text}"));
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// A text in which nothing acts on a terminal. Ends of lines are kept where the text has several.
pub fn escaped(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if lines => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) && c.is_ascii() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if needs_escape(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (text, expected) in [
            ("plain: a\\b", "plain: a\\b"),
            ("a\u{1b}[31mRED\u{7}", "a\\x1b[31mRED\\x07"),
            ("b\r\nerror: no\tx", "b\\r\\nerror: no\\tx"),
            ("\u{7f}\u{9b}5m", "\\x7f\\u{9b}5m"),
            ("a\u{202e}b\u{2066}c\u{200f}d", "a\\u{202e}b\\u{2066}c\\u{200f}d"),
            ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"),
            ("\u{e9}\u{4e2d}", "\u{e9}\u{4e2d}"),
        ] {
            assert_eq!(escaped(text, false), expected);
        }
        assert_eq!(escaped("a\nb\r\n", true), "a\nb\\r\n");
    }
}
