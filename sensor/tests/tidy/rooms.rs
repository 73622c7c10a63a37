//! Which room of a crate imports which.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, module_path};

/// The rooms of a crate, and for each the rooms that it imports, with the files that do.
pub(crate) struct Rooms(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Rooms {
    /// Reads the imports of a crate.
    pub(crate) fn of(sources: &[Source]) -> Self {
        let room = |path: &str| module_path(path).split('/').next().unwrap_or_default().to_owned();
        let names: BTreeSet<String> = sources.iter().map(|source| room(&source.path)).collect();
        let mut rooms: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
        for source in sources {
            let (own, depth) = (room(&source.path), module_path(&source.path).split('/').count());
            let imports = rooms.entry(own.clone()).or_default();
            for other in tops(&source.code, depth).into_iter().filter(|other| *other != own && names.contains(other)) {
                imports.entry(other).or_default().insert(source.path.clone());
            }
        }
        Self(rooms)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Rooms each of which imports the next, and the last the first; `None` where there are none.
    pub(crate) fn circle(&self) -> Option<Vec<String>> {
        let mut done = BTreeSet::new();
        self.0.keys().find_map(|room| self.circle_from(room, &mut Vec::new(), &mut done))
    }

    fn circle_from<'r>(
        &'r self,
        room: &'r str,
        way: &mut Vec<&'r str>,
        done: &mut BTreeSet<&'r str>,
    ) -> Option<Vec<String>> {
        if let Some(at) = way.iter().position(|passed| *passed == room) {
            return Some(way[at..].iter().map(|room| (*room).to_owned()).collect());
        }
        if !done.insert(room) {
            return None;
        }
        way.push(room);
        let found = self.0[room].keys().find_map(|other| self.circle_from(other, way, done));
        way.pop();
        found
    }

    /// A circle in words: a line for each of its imports.
    pub(crate) fn explain(&self, circle: &[String]) -> String {
        let next = circle.iter().cycle().skip(1);
        let lines = circle.iter().zip(next).map(|(room, next)| {
            let files: Vec<&str> = self.0[room][next].iter().map(String::as_str).collect();
            format!("  {room} imports {next} in {}", files.join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What stands at the top of the crate in the paths of a file that is so many modules deep.
fn tops(code: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !continues(&code[..at]) {
            found.extend(firsts(&code[at + "crate::".len()..]));
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        if !continues(&code[..at]) {
            found.extend(firsts(&code[at + up.len()..]));
        }
    }
    found
}

/// Whether a path or a word goes on after a text.
fn continues(before: &str) -> bool {
    before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// The first word of a path, or of each path in braces.
fn firsts(path: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![word(path)] };
    let (mut depth, mut begins, mut found) = (0_i32, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                found.push(word(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(files: &[(&str, &str)]) -> Rooms {
        let source = |(path, code): &(&str, &str)| Source { path: (*path).into(), code: (*code).into() };
        Rooms::of(&files.iter().map(source).collect::<Vec<_>>())
    }

    #[test]
    fn a_circle_is_found_with_its_files() {
        let rooms = rooms(&[
            ("lib.rs", "mod flow; mod rule; mod plan;"),
            ("flow.rs", "use crate::{rule::Rule, plan};"),
            ("rule/mod.rs", "use crate::rule::item; fn f() {}"),
            ("rule/item.rs", "fn f() -> crate::plan::Plan { }"),
            ("plan/mod.rs", "use std::fmt; use super::wire::Wire;"),
            ("plan/deep/mod.rs", "use super::super::super::nothing; use super::super::wire;"),
            ("wire.rs", "use crate::{other, rule::{Rule, item}};"),
        ]);
        let circle = rooms.circle().unwrap();
        assert_eq!(circle, ["plan", "wire", "rule"]);
        let words = "  plan imports wire in plan/deep/mod.rs, plan/mod.rs\n  wire imports rule in wire.rs\n  rule imports plan in rule/item.rs";
        assert_eq!(rooms.explain(&circle), words);
    }

    #[test]
    fn rooms_in_an_order_are_no_circle() {
        let files =
            [("a.rs", "use crate::b; use crate::c;"), ("b.rs", "use crate::c::d;"), ("c/mod.rs", "use crate::c::x;")];
        assert_eq!(rooms(&files).circle(), None);
    }
}
