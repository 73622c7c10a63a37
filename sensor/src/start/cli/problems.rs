//! Problems as people are told of them: each kind once or a few times, however many rules have it.

use std::collections::{BTreeMap, HashMap};

use crate::start::config::{Idle, Problem, Severity, in_one_line};
use crate::start::terminal::escaped;

/// Problems of a kind that are shown whole.
const SHOWN: usize = 3;
/// Files that are named of the others.
const FILES: usize = 4;

/// Problems that say the same but for the words in quotes.
struct Kind<'p> {
    pattern: String,
    problems: Vec<&'p Problem>,
}

impl Kind<'_> {
    /// What all of them say; with the words in quotes where these are always the same.
    fn name(&self) -> String {
        let mut messages = self.problems.iter().map(|problem| &problem.message);
        let first = messages.next().filter(|first| messages.all(|message| message == *first));
        escaped(first.unwrap_or(&self.pattern), false)
    }
}

/// How problems are shown.
#[derive(Clone, Copy, Default)]
pub(super) struct Style {
    /// Each of them whole.
    pub(super) all: bool,
    /// With colours.
    pub(super) coloured: bool,
}

/// The texts for a list of problems.
pub(super) fn texts(problems: &[Problem], severity: Severity, style: Style) -> Vec<String> {
    let render = |problem: &Problem| {
        if style.coloured { problem.render_coloured(severity) } else { problem.render(severity) }
    };
    if style.all {
        return problems.iter().map(render).collect();
    }
    let mut texts = Vec::new();
    for kind in kinds(problems) {
        // One that is alone in its place is shown as it is.
        let shown = if kind.problems.len() <= SHOWN + 1 { SHOWN + 1 } else { SHOWN };
        texts.extend(kind.problems.iter().take(shown).map(|problem| render(problem)));
        let others = kind.problems.get(shown..).unwrap_or_default();
        if !others.is_empty() {
            texts.push(format!("{} more like these{}: {}", others.len(), places(others), kind.name()));
        }
    }
    texts
}

/// One line for each kind of what was left out, which is no problem.
pub(super) fn left_out(problems: &[Problem], style: Style) -> Vec<String> {
    if style.all {
        return texts(problems, Severity::Note, style);
    }
    let line = |kind: Kind<'_>| {
        let rules = if kind.problems.len() == 1 { "rule is" } else { "rules are" };
        format!("note: {} {rules} left out{}: {}", kind.problems.len(), places(&kind.problems), kind.name())
    };
    kinds(problems).into_iter().map(line).collect()
}

/// One line for all keys of the configuration that change nothing.
pub(super) fn without_effect(idle: &[Idle], style: Style) -> Vec<String> {
    let problems: Vec<Problem> = idle.iter().map(|idle| idle.problem.clone()).collect();
    if style.all || problems.is_empty() {
        return texts(&problems, Severity::Note, style);
    }
    let names = escaped(&in_one_line(idle), false);
    vec![format!("has no effect here: {names}; `tapwire check --verbose` says why")]
}

fn kinds(problems: &[Problem]) -> Vec<Kind<'_>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    for problem in problems {
        let pattern = pattern(&problem.message);
        let place = *places.entry(pattern.clone()).or_insert(kinds.len());
        if place == kinds.len() {
            kinds.push(Kind { pattern, problems: Vec::new() });
        }
        if let Some(kind) = kinds.get_mut(place) {
            kind.problems.push(problem);
        }
    }
    kinds
}

/// A message without what is in quotes, and without its numbers.
fn pattern(message: &str) -> String {
    let mut out = String::new();
    for (place, part) in message.split('`').enumerate() {
        if place % 2 == 1 {
            out.push_str("`…`");
            continue;
        }
        let mut in_number = false;
        for c in part.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !in_number {
                out.push('N');
            }
            in_number = c.is_ascii_digit();
        }
    }
    out
}

/// The files that problems are in, with how many each has.
fn places(problems: &[&Problem]) -> String {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    problems.iter().for_each(|problem| *files.entry(problem.file.as_str()).or_default() += 1);
    let mut named: Vec<String> =
        files.iter().take(FILES).map(|(file, count)| format!("{} {count}", escaped(file, false))).collect();
    named.extend((files.len() > FILES).then(|| format!("{} more files", files.len() - FILES)));
    format!(" ({})", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_alike_are_a_few_lines() {
        let problem = |line: u32| Problem::of_line("a.rules", line, format!("`k{line}` is no keyword"), "");
        let mut problems: Vec<Problem> = (1..=1_000).map(problem).collect();
        problems.insert(500, Problem::of_line("b.rules", 7, "rule 5 is there twice".into(), ""));
        let said = texts(&problems, Severity::Error, Style::default());
        assert_eq!(said.len(), SHOWN + 2, "{said:?}");
        assert_eq!(said[SHOWN], "997 more like these (a.rules 997): `…` is no keyword");
        assert!(said[SHOWN + 1].contains("rule 5 is there twice"));
        assert_eq!(texts(&problems, Severity::Error, Style { all: true, coloured: false }).len(), 1_001);
        assert_eq!(
            left_out(&problems[..1], Style::default()),
            ["note: 1 rule is left out (a.rules 1): `k1` is no keyword"]
        );
    }
}
