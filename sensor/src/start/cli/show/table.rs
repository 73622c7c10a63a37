//! Tables for a terminal: columns as wide as what is in them, the last one as far as there is room.

use anstyle::{AnsiColor, Style};
use terminal_size::{Width, terminal_size};

use crate::start::terminal::escaped;

/// Columns of a line that goes to no terminal.
const WIDTH: usize = 160;
/// Columns of a column that is not the last one.
const COLUMN: usize = 48;

/// Whether and how texts are coloured.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) coloured: bool,
}

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.coloured { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// A text of an alert, by how severe it is.
    pub(super) fn severity(self, severity: u8, text: &str) -> String {
        match severity {
            1 => self.with(AnsiColor::Red.on_default().bold(), text),
            2 => self.with(AnsiColor::Yellow.on_default(), text),
            _ => text.to_owned(),
        }
    }
}

/// A table: the names of its columns, `>` before those whose values stand at the right, and its rows.
pub(super) fn drawn(columns: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| escaped(cell, false)).collect()).collect();
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| length(cell));
            let name = columns.get(place).map(|name| length(name.trim_start_matches('>')));
            cells.chain(name).max().unwrap_or(0).min(COLUMN)
        })
        .collect();
    let room = terminal_size().map_or(WIDTH, |(Width(width), _)| usize::from(width));
    let before: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
    let line = |cells: &[&str]| {
        let mut text = String::new();
        for ((place, cell), (column, width)) in cells.iter().enumerate().zip(columns.iter().zip(&widths)) {
            let is_last = place + 1 == columns.len();
            let width = if is_last { room.saturating_sub(before).max(20) } else { *width };
            let cell = cut(cell, width);
            let padding = " ".repeat(width.saturating_sub(length(&cell)));
            match (column.starts_with('>'), is_last) {
                (true, _) => text.push_str(&(padding + &cell)),
                (false, true) => text.push_str(&cell),
                (false, false) => text.push_str(&(cell + &padding)),
            }
            if !is_last {
                text.push_str("  ");
            }
        }
        text.trim_end().to_owned() + "\n"
    };
    let names: Vec<&str> = columns.iter().map(|name| name.trim_start_matches('>')).collect();
    let mut text = paint.heading(line(&names).trim_end()) + "\n";
    for row in &rows {
        text.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    text
}

/// A text that is not longer than there is room.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A number of bytes in a unit that people read.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (count, None);
    let mut tenth = 0;
    for name in UNITS {
        if value < 1024 {
            break;
        }
        tenth = value % 1024 * 10 / 1024;
        value /= 1024;
        unit = Some(name);
    }
    match unit {
        None => format!("{count} B"),
        Some(unit) => format!("{value}.{tenth} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_nothing_acts_on_the_terminal() {
        let rows =
            [vec!["a".to_owned(), "7".into(), "x\u{1b}[2J".into()], vec!["long".into(), "1234".into(), "y".into()]];
        let text = drawn(&["name", ">count", "what"], &rows, Paint { coloured: false });
        assert_eq!(text, "name  count  what\na         7  x\\x1b[2J\nlong   1234  y\n");
        assert_eq!([cut("abcdef", 4), cut("abc", 4)], ["abc…", "abc"]);
        assert_eq!([0, 1023, 1024, 1_600_000].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }
}
