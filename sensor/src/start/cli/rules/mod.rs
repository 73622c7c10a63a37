//! `tapwire rules`: rules as code. They are listed, tested against captures, and compared before they go live.
//!
//! Each command writes its report to standard output and what is wrong to standard error, and gives its exit status back.

mod alerts;
mod cases;
mod diff;
mod expected;
mod explain;
mod id;
mod jobs;
mod list;
mod profile;
mod stress;
mod test;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, pair, plural};
use crate::start::config::{Problem, Severity};
use crate::start::engine::{Prepared, prepare};
use crate::start::terminal::{say, show, tell};

/// `tapwire rules`
#[derive(Clone, Debug, Args)]
pub struct Rules {
    /// What to do with them.
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List rules with their kind, fast pattern and estimated cost
    #[command(after_help = list::HELP)]
    List(list::List),
    /// Run rules over captures and compare their alerts with those that are expected
    #[command(after_help = test::HELP)]
    Test(test::Test),
    /// Tell why a rule fires on captures, or why it does not
    #[command(after_help = explain::HELP)]
    Explain(explain::Explain),
    /// Measure what rules cost on captures
    #[command(after_help = profile::HELP)]
    Profile(profile::Profile),
    /// Find the rules that can be made expensive by who writes the bytes
    #[command(after_help = stress::HELP)]
    Stress(stress::StressTest),
    /// Run two rule sets over captures and show which alerts differ
    #[command(after_help = diff::HELP)]
    Diff(diff::Diff),
}

/// What rules are read with.
#[derive(Clone, Debug, Default, Args)]
struct Settings {
    /// Configuration file, YAML with Suricata's keys; none is needed
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of the same kind that is laid over it (repeatable): what it says counts instead
    #[arg(long, value_name = "FILE")]
    include: Vec<PathBuf>,
    /// Set a configuration value: dotted key, list positions as numbers; later ones win
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

impl Rules {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        match &self.command {
            Command::List(options) => options.run(),
            Command::Test(options) => options.run(),
            Command::Diff(options) => options.run(),
            Command::Explain(options) => options.run(),
            Command::Profile(options) => options.run(),
            Command::Stress(options) => options.run(),
        }
    }
}

impl Settings {
    fn common(&self, rules: Vec<String>) -> Common {
        let (config, include, set) = (self.config.clone(), self.include.clone(), self.set.clone());
        Common { config, include, set, rules, ..Common::default() }
    }
}

/// Reads configuration and rules and tells on standard error what is wrong with them; nothing where they cannot be used.
fn prepared(common: &Common) -> Option<Prepared> {
    let told = |problem: &Problem| tell(problem, Severity::Error);
    match prepare(common) {
        Ok(prepared) => {
            prepared.found.faults.iter().chain(&prepared.found.lines).for_each(told);
            Some(prepared)
        }
        Err(problems) => {
            problems.iter().for_each(told);
            None
        }
    }
}
