//! `tapwire rules test`: runs the rules of each case over its captures and compares the alerts with those expected.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tapwire_parsers::json::Object;

use super::alerts::{Raised, raised};
use super::cases::{Case, EXPECTED, Inputs};
use super::expected::Difference;
use super::id::RuleId;
use super::{Settings, jobs, plural, say, show, tell};
use crate::start::cli::Common;
use crate::start::config::{Problem, Severity};
use crate::start::engine::{Prepared, prepare};

pub(super) const HELP: &str = "A case is a folder, at any depth below DIR, with
  *.rules                 one or more rule files
  *.pcap *.pcapng *.cap   captures, also with .gz, .zst or .lz4: read in order as one run
  expected                one line for each alert: SID, SID xCOUNT or SID pcap_cnt=N (gid:sid where
                          the gid is not 1); nothing else may come, so an empty file says that no
                          alert must. `capture: PATH` and `rules: PATH` name files elsewhere, from
                          the case's folder; # begins a comment
  config.yaml             where it is needed

Examples:
  tapwire rules test tests/               all cases, as many at once as there are cores
  tapwire rules test tests/ --name web/   those whose folder's name has `web/` in it
  tapwire rules test tests/new --bless    writes `expected` from what came, for a review

Exit status: 0 all passed, 1 one failed, 2 usage or no case found.";

/// Packets and problems of one kind that are named.
const NAMED: usize = 10;

/// `tapwire rules test`
#[derive(Clone, Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    settings: Settings,
    /// Folders of cases
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only cases whose folder's name has TEXT in it (repeatable, one is enough)
    #[arg(long, value_name = "TEXT")]
    name: Vec<String>,
    /// These rules for every case, instead of its own: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    rules: Vec<String>,
    /// Write `expected` from what came, where it differs
    #[arg(long)]
    bless: bool,
    /// Cases at once; as many as cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// One JSON object a line: each case, then the counts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Failed,
    Blessed,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Failed => "failed",
            Verdict::Blessed => "blessed",
        }
    }
}

/// How a case went.
struct Outcome {
    name: String,
    verdict: Verdict,
    alerts: usize,
    time: Duration,
    differences: Vec<Told>,
    errors: Vec<Problem>,
}

/// Why a case cannot be judged.
struct Wrong(Vec<Problem>);

impl From<Vec<Problem>> for Wrong {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self(vec![message.into()])
    }
}

/// A difference and what is known of its rule.
struct Told {
    difference: Difference,
    message: String,
    /// Why nothing could come, where that is known.
    hint: String,
}

impl Test {
    pub(super) fn run(&self) -> u8 {
        let mut cases = Vec::new();
        for folder in &self.folders {
            match Case::below(folder) {
                Ok(found) => cases.extend(found),
                Err(error) => {
                    say(&format!("error: {error}"));
                    return 2;
                }
            }
        }
        cases.retain(|case| self.name.is_empty() || self.name.iter().any(|name| case.name().contains(name)));
        if cases.is_empty() {
            say("error: there is no such case; a case is a folder with rules, a capture and the file `expected`");
            return 2;
        }
        let (start, mut counts) = (Instant::now(), [0; 3]);
        // Rules for all are read once.
        let shared = (!self.rules.is_empty()).then(|| prepare(&self.settings.common(self.rules.clone())));
        let shared = match shared.transpose() {
            Ok(shared) => shared,
            Err(problems) => {
                problems.iter().for_each(|problem| tell(problem, Severity::Error));
                return 2;
            }
        };
        jobs::in_order(
            &cases,
            self.jobs,
            |case| self.outcome(case, shared.as_ref()),
            |outcome| {
                if let Some(count) = counts.get_mut(outcome.verdict as usize) {
                    *count += 1;
                }
                show(if self.json { outcome.json() } else { outcome.text().into_bytes() });
            },
        );
        show(self.counts(cases.len(), counts, start.elapsed()));
        let [_, failed, _] = counts;
        u8::from(failed > 0)
    }

    fn counts(&self, cases: usize, [ok, failed, blessed]: [usize; 3], time: Duration) -> Vec<u8> {
        if self.json {
            let mut out = Vec::new();
            let mut object = Object::new(&mut out);
            object.number("cases", cases).number("ok", ok).number("failed", failed).number("blessed", blessed);
            object.float("time_s", seconds(time));
            drop(object);
            out.push(b'\n');
            return out;
        }
        let blessed = if blessed > 0 { format!(", {blessed} blessed") } else { String::new() };
        let word = plural(cases, "case", "cases");
        format!("\n{cases} {word}: {ok} ok, {failed} FAILED{blessed}; {:.2} s\n", time.as_secs_f64()).into_bytes()
    }

    fn outcome(&self, case: &Case, shared: Option<&Prepared>) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome {
            name: case.name(),
            verdict: Verdict::Failed,
            alerts: 0,
            time: Duration::ZERO,
            differences: Vec::new(),
            errors: Vec::new(),
        };
        if let Err(Wrong(problems)) = self.judge(case, shared, &mut outcome) {
            outcome.errors.extend(problems);
        }
        outcome.time = start.elapsed();
        outcome
    }

    fn judge(&self, case: &Case, shared: Option<&Prepared>, outcome: &mut Outcome) -> Result<(), Wrong> {
        let Inputs { rules, captures, expected } = case.inputs()?;
        let own;
        let prepared = match shared {
            Some(shared) if case.config.is_none() => shared,
            _ => {
                own = self.prepared(case, rules)?;
                &own
            }
        };
        // A test whose rules are not all there says nothing.
        outcome.errors.extend(prepared.found.faults.iter().chain(&prepared.found.lines).take(NAMED).cloned());
        if !outcome.errors.is_empty() {
            return Ok(());
        }
        let Raised { alerts, errors, .. } = raised(prepared, &captures);
        outcome.alerts = alerts.len();
        outcome.errors = errors.into_iter().map(Problem::from).collect();
        if !outcome.errors.is_empty() {
            return Ok(());
        }
        let is_new = expected.is_none();
        let expected = expected.unwrap_or_default();
        let differences = expected.compare(&alerts);
        if is_new && !self.bless {
            let what = format!("there is no file `{EXPECTED}`, and {} came", count(alerts.len()));
            return Err(format!("{what}; list the alerts that must come, or write those that came with --bless").into());
        }
        if differences.is_empty() && !is_new {
            outcome.verdict = Verdict::Ok;
        } else if self.bless {
            bless(case, &expected.blessed(&alerts))?;
            outcome.verdict = Verdict::Blessed;
        } else {
            let message = |rule| alerts.iter().find(|alert| alert.id() == rule).map(|alert| alert.message());
            let told = differences.into_iter().map(|difference| Told::of(prepared, difference, message));
            outcome.differences = told.collect();
        }
        Ok(())
    }

    fn prepared(&self, case: &Case, rules: Vec<PathBuf>) -> Result<Prepared, Wrong> {
        let own = rules.iter().map(|path| path.display().to_string()).collect();
        let rules = if self.rules.is_empty() { own } else { self.rules.clone() };
        let mut common: Common = self.settings.common(rules);
        if let Some(config) = &case.config {
            common.config = Some(config.clone());
        }
        if common.rules.is_empty() && common.config.is_none() {
            let message = "there are no rules; put a *.rules beside it, or name one in `expected` with `rules: PATH`";
            return Err(message.to_owned().into());
        }
        Ok(prepare(&common)?)
    }
}

fn bless(case: &Case, text: &str) -> Result<(), String> {
    let path = case.folder.join(EXPECTED);
    fs::write(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn count(alerts: usize) -> String {
    format!("{alerts} {}", plural(alerts, "alert", "alerts"))
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

impl Told {
    fn of<'a>(prepared: &Prepared, difference: Difference, of_alert: impl Fn(RuleId) -> Option<&'a str>) -> Self {
        let plan = &prepared.engine.plan;
        let mut indexes = (0..).take(plan.len());
        let index = indexes.find(|index| RuleId::of(plan, *index) == Some(difference.rule));
        let rule = index.and_then(|index| plan.rule(index));
        let hint = match rule {
            None if difference.came == 0 => "no rule has this sid".to_owned(),
            Some(rule) if !rule.later.is_empty() => format!("the rule cannot match yet: {}", rule.later.join(", ")),
            _ => String::new(),
        };
        let message = of_alert(difference.rule).or(rule.map(|rule| rule.message.as_str())).unwrap_or_default();
        Self { message: message.to_owned(), hint, difference }
    }

    fn text(&self) -> String {
        let Difference { rule, expected, missed, came, packets } = &self.difference;
        let message = self.message.replace(char::is_control, " ");
        let rule = format!("{} {message}", rule);
        let mut text = format!("{}: expected {expected}, came {came}", rule.trim_end());
        if !missed.is_empty() {
            text.push_str(&format!("; missed on {}", named(missed)));
        }
        if !packets.is_empty() {
            text.push_str(&format!("; came on {}", named(packets)));
        }
        if !self.hint.is_empty() {
            text.push_str(&format!("; {}", self.hint));
        }
        text
    }
}

fn named(packets: &[u64]) -> String {
    let mut list: Vec<String> = packets.iter().take(NAMED).map(u64::to_string).collect();
    list.extend((packets.len() > NAMED).then(|| "…".to_owned()));
    format!("{} {}", plural(packets.len(), "packet", "packets"), list.join(", "))
}

/// A problem as people read it.
fn shown(problem: &Problem) -> String {
    if problem.file.is_empty() { problem.message.clone() } else { problem.render(Severity::Error) }
}

impl Outcome {
    fn text(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Failed => "FAILED ",
            Verdict::Ok => "ok     ",
            Verdict::Blessed => "blessed",
        };
        let mut text = format!("{verdict} {}  ({}, {:.2} s)\n", self.name, count(self.alerts), self.time.as_secs_f64());
        let told = self.differences.iter().map(Told::text);
        for line in
            told.chain(self.errors.iter().map(shown)).flat_map(|t| t.lines().map(str::to_owned).collect::<Vec<_>>())
        {
            text.push_str(&format!("        {line}\n"));
        }
        text
    }

    fn json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        object.text("case", &self.name).text("status", self.verdict.name()).number("alerts", self.alerts);
        object.float("time_s", seconds(self.time));
        object.array("differences", |array| {
            for Told { difference, message, hint } in &self.differences {
                array.object(|o| {
                    difference.rule.write(o);
                    o.text("msg", message);
                    o.number("expected", difference.expected).number("came", difference.came);
                    for (key, packets) in [("missed_packets", &difference.missed), ("packets", &difference.packets)] {
                        o.array(key, |array| {
                            for packet in packets {
                                array.number(*packet);
                            }
                        });
                    }
                    o.text("hint", hint);
                });
            }
        });
        object.array("errors", |array| {
            for error in &self.errors {
                array.object(|o| error.write(o));
            }
        });
        drop(object);
        out.push(b'\n');
        out
    }
}
