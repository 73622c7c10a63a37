//! What is wrong in a configuration or a rule, told with its place, the line itself and what to do.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use tapwire_parsers::json::Object;

use crate::start::terminal::escaped;

/// Columns that a message may take.
const WIDTH: usize = 140;

/// Something wrong in a configuration or a rule, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// Bytes that are wrong, from there on; 0 where that is not known.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to do; empty where there is nothing to add.
    pub hint: String,
    /// The line itself, or the whole of a rule.
    pub excerpt: Option<String>,
    /// What was meant is done all the same.
    pub harmless: bool,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot be right.
    Error,
    /// It is odd.
    Warning,
    /// It is as it should be, and worth knowing.
    Note,
}

impl From<String> for Problem {
    /// A problem without a place.
    fn from(message: String) -> Self {
        Self::of_line("", 0, message, "")
    }
}

impl Problem {
    /// The message as programs read it.
    pub fn write(&self, object: &mut Object<'_>) {
        object.text("file", &self.file).number("line", self.line).number("column", self.column);
        object.number("length", self.length).text("message", &self.message).text("hint", &self.hint);
    }

    /// A problem of a file as a whole.
    pub fn of_file(path: &Path, message: String, hint: &str) -> Self {
        Self::of_line(&path.display().to_string(), 0, message, hint)
    }

    /// A problem of a line of a file.
    pub fn of_line(file: &str, line: u32, message: String, hint: &str) -> Self {
        let (column, hint) = (u32::from(line > 0), hint.into());
        Self { file: file.into(), line, column, length: 0, message, hint, excerpt: None, harmless: false }
    }

    /// The same, where what was meant is done all the same.
    pub fn harmless(self) -> Self {
        Self { harmless: true, ..self }
    }

    /// The message as people read it: what, where, the line with the place underlined, what to do.
    pub fn render(&self, severity: Severity) -> String {
        self.render_with(severity, Renderer::plain())
    }

    /// The same, with colours.
    pub fn render_coloured(&self, severity: Severity) -> String {
        self.render_with(severity, Renderer::styled())
    }

    fn render_with(&self, severity: Severity, renderer: Renderer) -> String {
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let (file, message, hint) = (one_line(&self.file), one_line(&self.message), one_line(&self.hint));
        let place = if self.line > 0 { format!("{file}:{}:{}", self.line, self.column) } else { file.clone() };
        let whole = self.excerpt.as_deref().unwrap_or_default();
        let start = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0).min(whole.len());
        let start = (0..=start).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
        let (before, behind) = whole.split_at(start);
        let wrong =
            usize::try_from(self.length).ok().filter(|length| *length > 0).and_then(|length| behind.get(..length));
        let wrong = wrong.map(|wrong| one_line(wrong).len());
        let (before, behind) = (one_line(before), one_line(behind));
        let excerpt = format!("{before}{behind}");
        let title = if excerpt.is_empty() && !place.is_empty() { format!("{place}: {message}") } else { message };
        let mut group = Group::with_title(level.primary_title(title));
        if !excerpt.is_empty() {
            let start = before.len();
            let length = wrong.unwrap_or_else(|| behind.find([';', ',', ')']).unwrap_or(behind.trim_end().len()));
            let snippet = Snippet::source(excerpt.as_str()).line_start(self.line as usize).path(file.as_str());
            group = group.element(snippet.annotation(AnnotationKind::Primary.span(start..start + length)));
        }
        if !hint.is_empty() {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.term_width(WIDTH).render(&[group])
    }
}

/// A text that cannot take over the terminal, nor look like several lines.
fn one_line(text: &str) -> String {
    escaped(text, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_named_and_underlined() {
        let problem = Problem {
            file: "local.rules".into(),
            line: 7,
            column: 28,
            length: 7,
            message: "`contnet` is no keyword".into(),
            hint: "check its spelling".into(),
            excerpt: Some("alert tcp any any -> any 1 (contnet:\"x\"; sid:1;)".into()),
            harmless: false,
        };
        let text = problem.render(Severity::Error);
        for part in [
            "error: `contnet` is no keyword",
            "local.rules:7:28",
            "contnet:\"x\"; sid:1;)",
            "  ^^^^^^^\n",
            "help: check its spelling",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        for column in [0, 1, 3, 90, u32::MAX] {
            let problem = Problem {
                file: "f".into(),
                line: 1,
                column,
                length: column / 2,
                message: "m".into(),
                hint: String::new(),
                excerpt: Some("a\u{e9}\u{1b}[2J\t;".into()),
                harmless: false,
            };
            assert!(!problem.render(Severity::Warning).contains('\u{1b}'));
        }
        let odd = "x\nerror: y\u{1b}\u{9b}\u{202e}".to_owned();
        for excerpt in [None, Some(odd.clone())] {
            let problem = Problem {
                file: odd.clone(),
                line: 1,
                column: 3,
                length: 2,
                message: odd.clone(),
                hint: odd.clone(),
                excerpt,
                harmless: false,
            };
            let text = problem.render(Severity::Error);
            assert!(!text.contains("\nerror: y") && !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text}");
        }
    }
}
