//! Markdown, as far as the manual needs it.

/// A page in the making.
pub(super) struct Text(String);

impl Text {
    /// A page with its title and what it is about.
    pub(super) fn new(title: &str, about: &str) -> Self {
        Self(format!("# {title}\n{about} This page is written by `tapwire manual --write docs`.\n"))
    }

    /// A heading.
    pub(super) fn heading(&mut self, text: &str) {
        self.0.push_str(&format!("\n## {text}\n"));
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.0.push_str(&format!("\n{text}\n"));
    }

    /// A list.
    pub(super) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        self.0.push('\n');
        items.into_iter().for_each(|item| self.0.push_str(&format!("- {item}\n")));
    }

    /// A table; nothing where it has no rows.
    pub(super) fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        self.0.push('\n');
        self.row(head.map(str::to_owned));
        self.0.push_str(&format!("|{}\n", "---|".repeat(N)));
        rows.for_each(|row| self.row(row));
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push('|');
        for cell in cells {
            self.0.push_str(&format!(" {} |", cell.replace('|', "\\|").replace('\n', " ")));
        }
        self.0.push('\n');
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A text as it is written in a file.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Several of them.
pub(super) fn codes<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    texts.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_lines_and_columns() {
        let mut text = Text::new("T", "About.");
        text.heading("One");
        text.table(["a", "b"], [[code("x|y"), "two\nlines".to_owned()]]);
        text.table(["nothing"], []);
        text.list([codes(["a", "b`c"])]);
        let page = text.finish();
        let expected = "\n## One\n\n| a | b |\n|---|---|\n| `x\\|y` | two lines |\n\n- `a`, `` b`c ``\n";
        assert_eq!(
            page.strip_prefix("# T\nAbout. This page is written by `tapwire manual --write docs`.\n"),
            Some(expected)
        );
    }
}
