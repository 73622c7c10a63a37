//! `tapwire check`: configuration and rules are read, and every problem is reported, to people or to tools.

mod formats;

use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::begin::{leave_to_system, refused};
use super::problems::{self, Style};
use super::{Common, plural};
use crate::start::config::{self, Idle, Problem, Severity};
use crate::start::engine::{Found, Prepared, RuleCounts, prepare};
use crate::start::terminal::{escaped, is_coloured, show, show_rendered};

pub(super) const HELP: &str =
    "Exit status: 0 when all that was said is used as it was meant, 1 when something is wrong or was not used.

In CI:
  tapwire check --format github --rules rules/        annotations at the lines of a pull request
  tapwire check --format sarif --rules rules/ > out   for code scanning";

/// `tapwire check`
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Common options.
    #[command(flatten)]
    pub common: Common,
    /// How to report
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Show what the configuration says once all files are put together, with the file and line of each value
    #[arg(long)]
    pub dump_config: bool,
}

/// How problems are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object with everything
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Commands that make annotations in GitHub's workflows
    Github,
}

/// What is reported.
#[derive(Default)]
struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    left_out: Vec<Problem>,
    idle: Vec<Idle>,
    rules: RuleCounts,
}

impl Check {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        if self.dump_config {
            return match config::said(self.common.given()) {
                Ok(text) => {
                    show(text);
                    0
                }
                Err(problem) => refused(&[problem]),
            };
        }
        let report = match prepare(&self.common) {
            Ok(Prepared { found, rules, engine, .. }) => {
                leave_to_system(Arc::clone(&engine));
                let Found { mut faults, lines, warnings, left_out, idle, .. } = found;
                faults.extend(lines);
                Report { errors: faults, warnings, left_out, idle, rules }
            }
            Err(errors) => Report { errors, ..Report::default() },
        };
        match if self.json { Format::Json } else { self.format } {
            Format::Text => {
                let style = Style { all: self.common.verbose, coloured: is_coloured(&std::io::stdout()) };
                show_rendered(&report.text(style));
            }
            Format::Json => show(formats::json(&report)),
            Format::Sarif => show(formats::sarif(&report)),
            Format::Github => show(formats::github(&report)),
        }
        u8::from(report.is_wrong())
    }
}

impl Report {
    /// Whether something was not used as it was meant.
    fn is_wrong(&self) -> bool {
        !self.errors.is_empty() || self.warnings.iter().any(|problem| !problem.harmless)
    }

    /// What is to be told, by how bad it is.
    fn all(&self) -> impl Iterator<Item = (Severity, &Problem)> {
        let lists =
            [(Severity::Error, &self.errors), (Severity::Warning, &self.warnings), (Severity::Note, &self.left_out)];
        let idle = self.idle.iter().map(|idle| (Severity::Note, &idle.problem));
        lists.into_iter().flat_map(|(severity, list)| list.iter().map(move |problem| (severity, problem))).chain(idle)
    }

    fn text(&self, style: Style) -> String {
        let mut lines = problems::texts(&self.errors, Severity::Error, style);
        lines.extend(problems::texts(&self.warnings, Severity::Warning, style));
        lines.extend(problems::left_out(&self.left_out, style));
        lines.extend(problems::without_effect(&self.idle, style));
        let rules = &self.rules;
        for (name, count) in &rules.later {
            let word = plural(*count, "rule that uses", "rules that use");
            lines.push(format!("not active yet: {count} {word} {}", escaped(name, false)));
        }
        for (tenant, counts) in &rules.tenants {
            let whose = if *tenant > 0 { format!("tenant {tenant}") } else { "no tenant".into() };
            let (loaded, failed, skipped) = (counts.loaded, counts.failed, counts.skipped);
            lines.push(format!("{whose}: {loaded} rules loaded, {failed} refused, {skipped} skipped"));
        }
        lines.push(format!(
            "{} {} loaded, {} refused, {} skipped; the prefilters hold {} KiB",
            rules.loaded,
            plural(rules.loaded, "rule", "rules"),
            rules.failed,
            rules.skipped,
            rules.prefilter_bytes / 1024
        ));
        lines.join("\n") + "\n"
    }
}
