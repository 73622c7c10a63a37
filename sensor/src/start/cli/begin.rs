//! What every run begins with: configuration and rules are read, and what is wrong with them is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::{CostReport, Excess};

use super::problems::{self, Style};
use super::{ChecksumMode, Common};
use crate::capture::offload::Checksums;
use crate::inspect::Engine;
use crate::run::window::Window;
use crate::run::{Active, Plan, Settings};
use crate::start::config::{Configuration, Problem, Severity};
use crate::start::engine::{Found, Prepared, RuleCounts, prepare};
use crate::start::terminal::{is_coloured, say, tell, tell_rendered};

/// Reads configuration and rules and tells their problems; the exit status where the run must not begin.
pub(super) fn prepared(common: &Common) -> Result<Prepared, u8> {
    let prepared = prepare(common).map_err(|problems| refused(&problems))?;
    let (configuration, rules, found) = (&prepared.configuration, &prepared.rules, &prepared.found);
    let folder = folder(common, configuration);
    if folder.exists() && !folder.is_dir() {
        let message = "is no folder, and records go into one".to_owned();
        tell(
            &Problem::of_file(&folder, message, "name a folder with --log-dir; it is made where it is missing"),
            Severity::Error,
        );
        return Err(1);
    }
    told(found, common);
    if common.strict && !found.faults.is_empty() {
        say(&format!("{} problems; nothing was done, because --strict was given", found.faults.len()));
        return Err(1);
    }
    if rules.none_is_right(found.unread) {
        say("error: none of the rules that were named can be used, and nothing was done; --no-rules goes without any");
        return Err(1);
    }
    if !common.quiet && !common.no_rules {
        say(&if rules.files.is_empty() {
            "no rules are used; --rules names some".to_owned()
        } else {
            rules.in_words()
        });
    }
    Ok(prepared)
}

/// Whether rules are named, and none of them is in use.
pub(super) fn no_rule_is_used(common: &Common, configuration: &Configuration, rules: &RuleCounts) -> bool {
    let are_named = !common.rules.is_empty() || !configuration.rule_files.is_empty();
    are_named && !common.no_rules && rules.in_use() == 0
}

/// Tells what keeps anything from starting; the exit status.
pub(super) fn refused(problems: &[Problem]) -> u8 {
    problems.iter().for_each(|problem| tell(problem, Severity::Error));
    1
}

fn told(found: &Found, common: &Common) {
    let wrong: Vec<Problem> = found.faults.iter().chain(&found.lines).cloned().collect();
    let style = Style { all: common.verbose, coloured: is_coloured(&std::io::stderr()) };
    let mut texts = problems::texts(&wrong, Severity::Error, style);
    if !common.quiet {
        texts.extend(problems::texts(&found.warnings, Severity::Warning, style));
        texts.extend(problems::left_out(&found.left_out, style));
        texts.extend(problems::without_effect(&found.idle, style));
    }
    texts.iter().for_each(|text| tell_rendered(text));
}

/// How many workers there are: as many as the command line says, or else the configuration, or processors.
pub(super) fn workers(common: &Common, said: Option<u16>) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(1));
    common.threads.or(said).unwrap_or(cores)
}

/// Where records go.
pub(super) fn folder(common: &Common, configuration: &Configuration) -> PathBuf {
    common.log_dir.clone().unwrap_or_else(|| configuration.log_dir.clone())
}

/// Tells of a rule that takes more than its share of the work, or that ran out of fuel.
fn tell_costly(tenant: u32, rule: &Rule, report: &CostReport) {
    let (gid, sid, message) = (rule.gid, rule.sid, &rule.message);
    let whose = if tenant > 0 { format!(" of tenant {tenant}") } else { String::new() };
    let told = match report.excess {
        Excess::Share { percent, suspended } => {
            let done = if suspended { ", and is suspended" } else { "" };
            format!(
                "takes {percent} % of the work of all rules and of what is inspected{done}; give it a longer or rarer content to be found \
                 by, or name ports; `tapwire rules profile` measures it"
            )
        }
        Excess::Fuel => "ran out of fuel: somebody sends bytes that make it work, and it was not decided there; records with the anomaly \
                         RULE_OUT_OF_FUEL name the flows; `tapwire rules stress` shows the bytes"
            .to_owned(),
    };
    say(&format!("warning: rule {gid}:{sid}{whose} ({message}) {told}"));
}

/// What a run does, with nobody told of its progress and nothing to stop it.
pub(super) fn plan<'a>(
    common: &Common,
    (configuration, settings, data_dir): (&Configuration, &'a Settings, Option<&'a Path>),
    active: Arc<Active>,
    folder: &'a Path,
) -> Plan<'a> {
    Plan {
        settings,
        active,
        folder,
        data_dir: data_dir.unwrap_or(folder),
        workers: workers(common, None),
        checksums: match common.checksums {
            Some(ChecksumMode::On) => Checksums::On,
            Some(ChecksumMode::Off) => Checksums::Off,
            Some(ChecksumMode::Auto) => Checksums::Auto,
            None => configuration.checksums,
        },
        progress: None,
        stop: None,
        reopen: None,
        costly: Some(&tell_costly),
        sandbox: None,
        window: Window::new(workers(common, None)),
        warn: Some(&|warning| say(&format!("warning: {warning}"))),
    }
}

/// Keeps rules to the end of the program: to take a large set apart piece by piece takes longer than the system does for all of it.
pub(super) fn leave_to_system(engine: Arc<Engine>) {
    std::mem::forget(engine);
}
