//! `tapwire rules profile`: what rules cost on captures, measured.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tapwire_parsers::json::{Object, needs_escape};
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::cost::{CostBooks, RuleCost};

use super::alerts::raised;
use super::id::RuleId;
use super::{Settings, plural, prepared, say, show};
use crate::capture::listing::Listing;

pub(super) const HELP: &str =
    "Every decision on a rule is timed, which makes each a little longer. Checks are decisions: how often the
rule was a candidate, by its fast pattern or without one. Work is counted in steps and is the same in
every run. A rule with many checks and no match has a fast pattern that is met too often.

Examples:
  tapwire rules profile --rules rules/ day.pcap.zst | head -20      the dearest rules
  tapwire rules profile --rules rules/ captures/ --sort misses      dear and never a match
  tapwire rules profile --rules rules/ day.pcap --json | jq 'select(.share > 5)'

Exit status: 0 measured, 1 no rule could be read, 2 usage, or a capture that cannot be read to its end.";

/// `tapwire rules profile`
#[derive(Clone, Debug, Args)]
pub(super) struct Profile {
    #[command(flatten)]
    settings: Settings,
    /// Rules instead of the configuration's `rule-files`: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    rules: Vec<String>,
    /// Capture files (pcap, pcapng; plain, .gz, .zst, .lz4), or folders of them, read one after the other
    #[arg(required = true, value_name = "CAPTURE|DIR|-")]
    captures: Vec<PathBuf>,
    /// Order
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Rules that are shown; all where it is 0
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// One JSON object a line: the whole, then each rule
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// All its decisions together
    #[default]
    Time,
    /// One decision on the average
    Average,
    /// The longest decision
    Longest,
    /// Number of decisions
    Checks,
    /// Number of matches
    Matches,
    /// Steps
    Work,
    /// Time of rules that never matched, before the others
    Misses,
}

struct Row<'p> {
    id: RuleId,
    rule: &'p Rule,
    cost: &'p RuleCost,
    /// Percent of the time of all decisions and of the prefilter.
    share: f64,
}

impl Profile {
    pub(super) fn run(&self) -> u8 {
        let captures = match Listing::of(&self.captures) {
            Ok(listing) => listing.captures,
            Err(error) => {
                say(&format!("error: {error}"));
                return 2;
            }
        };
        let Some(mut prepared) = prepared(&self.settings.common(self.rules.clone())) else { return 1 };
        let plan = Arc::clone(&prepared.engine.plan);
        if plan.is_empty() {
            say(
                "error: there is no rule; name a file, a folder or a pattern with --rules, or a configuration with --config",
            );
            return 1;
        }
        if let Some(engine) = Arc::get_mut(&mut prepared.engine) {
            engine.matching.costs.every = 1;
        }
        let raised = raised(&prepared, &captures);
        for error in &raised.errors {
            say(&format!("error: {error}"));
        }
        let Some(summary) = &raised.summary else { return 2 };
        let rows = self.rows(&plan, &summary.costs);
        show(if self.json {
            json(&rows, &summary.costs)
        } else {
            table(&rows, &summary.costs, plan.len()).into_bytes()
        });
        if raised.errors.is_empty() { 0 } else { 2 }
    }

    fn rows<'p>(&self, plan: &'p Plan, costs: &'p CostBooks) -> Vec<Row<'p>> {
        let whole = whole_ns(costs).max(1);
        let row = |(index, cost): (&u32, &'p RuleCost)| {
            let share = percent(cost.time_ns(), whole);
            let named = || RuleId::of(plan, *index).zip(plan.rule(*index));
            (cost.checks > 0).then(named).flatten().map(|(id, rule)| Row { id, rule, cost, share })
        };
        let mut rows: Vec<Row<'_>> = costs.rules.iter().filter_map(row).collect();
        rows.sort_by_key(|Row { id, rule, cost, .. }| {
            let key = match self.sort {
                Sort::Time => (false, cost.time_ns()),
                Sort::Average => (false, cost.average_ns()),
                Sort::Longest => (false, cost.longest_ns),
                Sort::Checks => (false, cost.checks),
                Sort::Matches => (false, cost.matches),
                Sort::Work => (false, cost.work),
                Sort::Misses => (cost.matches == 0, cost.time_ns()),
            };
            (Reverse(key), rule.sid, rule.gid, id.tenant)
        });
        if self.limit > 0 {
            rows.truncate(self.limit);
        }
        rows
    }
}

fn whole_ns(costs: &CostBooks) -> u64 {
    costs.rules.values().map(RuleCost::time_ns).sum::<u64>().saturating_add(costs.scan_ns())
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 1_000.0 / whole as f64).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits behind the point")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

fn table(rows: &[Row<'_>], costs: &CostBooks, loaded: usize) -> String {
    let mut out = format!(
        "{:>12} {:>10} {:>9} {:>11} {:>9} {:>10} {:>7} {:>11}  {}\n",
        "RULE", "CHECKS", "MATCHES", "TIME ms", "AVG ns", "MAX us", "SHARE %", "WORK", "MESSAGE"
    );
    for Row { id, rule, cost, share } in rows {
        let id = id.to_string();
        let message: String = rule.message.chars().map(|c| if needs_escape(c) { ' ' } else { c }).collect();
        out.push_str(&format!(
            "{id:>12} {:>10} {:>9} {:>11.3} {:>9} {:>10} {share:>7.1} {:>11}  {message}\n",
            cost.checks,
            cost.matches,
            ms(cost.time_ns()),
            cost.average_ns(),
            cost.longest_ns / 1_000,
            cost.work
        ));
    }
    let whole = whole_ns(costs).max(1);
    let decided: u64 = costs.rules.values().map(RuleCost::time_ns).sum();
    let checks: u64 = costs.rules.values().map(|cost| cost.checks).sum();
    let matches: u64 = costs.rules.values().map(|cost| cost.matches).sum();
    let in_vain: Vec<&RuleCost> = costs.rules.values().filter(|cost| cost.checks > 0 && cost.matches == 0).collect();
    let vain: u64 = in_vain.iter().map(|cost| cost.time_ns()).sum();
    let (scans, bytes) = costs.scans;
    let asked = costs.rules.len();
    out.push_str(&format!(
        "\n{} of {asked} {} shown that were asked; {loaded} loaded\n",
        rows.len(),
        plural(asked, "rule", "rules")
    ));
    out.push_str(&format!(
        "rules      {:>11.3} ms  {:>5.1} %  {checks} checks, {matches} matches\n",
        ms(decided),
        percent(decided, whole)
    ));
    out.push_str(&format!(
        "  in vain  {:>11.3} ms  {:>5.1} %  {} {} that never matched\n",
        ms(vain),
        percent(vain, whole),
        in_vain.len(),
        plural(in_vain.len(), "rule", "rules")
    ));
    out.push_str(&format!(
        "prefilter  {:>11.3} ms  {:>5.1} %  {scans} buffers, {bytes} bytes\n",
        ms(costs.scan_ns()),
        percent(costs.scan_ns(), whole)
    ));
    out
}

fn json(rows: &[Row<'_>], costs: &CostBooks) -> Vec<u8> {
    let mut out = Vec::new();
    {
        let mut object = Object::new(&mut out);
        let decided: u64 = costs.rules.values().map(RuleCost::time_ns).sum();
        object.number("rules_asked", costs.rules.len()).number("rules_ns", decided).number("work", costs.work);
        object.number("prefilter_ns", costs.scan_ns());
        object.number("prefilter_buffers", costs.scans.0).number("prefilter_bytes", costs.scans.1);
    }
    out.push(b'\n');
    for Row { id, rule, cost, share } in rows {
        let mut object = Object::new(&mut out);
        id.write(&mut object);
        object.number("rev", rule.rev).text("msg", &rule.message);
        object.number("checks", cost.checks).number("matches", cost.matches).number("time_ns", cost.time_ns());
        object.number("average_ns", cost.average_ns()).number("longest_ns", cost.longest_ns);
        object.float("share", *share).number("work", cost.work);
        drop(object);
        out.push(b'\n');
    }
    out
}
