//! `tapwire rules explain`: why a rule fires on captures, or why it does not.

mod json;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tapwire_signatures::plan::{Estimate, Kind, Plan, RuleIndex};
use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::explain::{Fate, Look, Outcome, Watch};

use super::alerts::raised;
use super::id::RuleId;
use super::{Settings, prepared, say, show};
use crate::capture::listing::Listing;
use crate::sequence::HeldBack;

pub(super) const HELP: &str =
    "Shows where the rule was looked at: the packet, and each condition in the order in which they are
decided, with the bytes that fulfilled it or what was there instead. The nearest looks come first.
Before them stands how far all packets, chunks and transactions came, and what stopped them.

A rule is looked at where its fast pattern occurs, or everywhere its header fits if it has none.

Examples:
  tapwire rules explain 2001 --rules my.rules upload.pcap      why does it not fire?
  tapwire rules explain 3:2001 --rules rules/ captures/ --limit 1
  tapwire rules explain 2001 --rules my.rules a.pcap --json | jq 'select(.conditions)'

Exit status: 0 the rule raised an alert, 1 it did not, 2 usage, or the rule or a capture cannot be read.";

/// `tapwire rules explain`
#[derive(Clone, Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    settings: Settings,
    /// Rules instead of the configuration's `rule-files`: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    rules: Vec<String>,
    /// The rule: its sid, with its gid where that is not 1, and the tenant before it where it is one's
    #[arg(value_name = "[TENANT/][GID:]SID")]
    rule: RuleId,
    /// Capture files (pcap, pcapng; plain, .gz, .zst, .lz4), or folders of them, read one after the other
    #[arg(required = true, value_name = "CAPTURE|DIR|-")]
    captures: Vec<PathBuf>,
    /// Looks that are shown
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    limit: u16,
    /// One JSON object a line: the rule with what came of it, then each look
    #[arg(long)]
    json: bool,
}

/// What there is to tell.
struct Explanation<'a> {
    id: RuleId,
    plan: &'a Plan,
    rule: &'a Rule,
    /// Its file and line.
    place: String,
    kind: Kind,
    estimate: Estimate<'a>,
    watch: Watch,
    looks: Vec<Look>,
    alerts: usize,
    held_back: Vec<(HeldBack, u64)>,
}

impl Explain {
    pub(super) fn run(&self) -> u8 {
        match self.explain() {
            Ok(status) => status,
            Err(error) => {
                say(&format!("error: {error}"));
                2
            }
        }
    }

    fn explain(&self) -> Result<u8, String> {
        let Listing { captures, .. } = Listing::of(&self.captures).map_err(|error| error.to_string())?;
        let mut common = self.settings.common(self.rules.clone());
        common.keep_labels = true;
        let mut prepared = prepared(&common).ok_or("the configuration cannot be used")?;
        let plan = Arc::clone(&prepared.engine.plan);
        let index = self.index(&plan)?;
        let engine = Arc::get_mut(&mut prepared.engine).ok_or("the rules are in use")?;
        engine.matching.watch = Some((index, usize::from(self.limit)));
        let raised = raised(&prepared, &captures);
        for error in &raised.errors {
            say(&format!("error: {error}"));
        }
        let summary = raised.summary.ok_or("the captures could not be read")?;
        let watch = *summary.watched.ok_or("nothing was seen of the rule")?;
        let (rule, kind) = plan.rule(index).zip(plan.kind(index)).ok_or("the rule is gone")?;
        let (file, line) = rule.place;
        let file = prepared.rules.files.get(file as usize).map_or("", String::as_str);
        let held_back = summary.held_back.iter().filter(|((rule, _), _)| *rule == index);
        let explanation = Explanation {
            id: self.rule,
            plan: &plan,
            rule,
            place: format!("{file}:{line}"),
            kind,
            estimate: plan.estimate(index).ok_or("the rule is gone")?,
            looks: watch.clone().into_looks(),
            watch,
            alerts: raised.alerts.iter().filter(|alert| alert.id() == self.rule).count(),
            held_back: held_back.map(|((_, why), count)| (*why, *count)).collect(),
        };
        show(if self.json { json::lines(&explanation) } else { text::report(&explanation).into_bytes() });
        Ok(if raised.errors.is_empty() { u8::from(explanation.alerts == 0) } else { 2 })
    }

    /// The place of the rule that is meant.
    fn index(&self, plan: &Plan) -> Result<RuleIndex, String> {
        let ids = || (0..).take(plan.len()).filter_map(|index| Some((index, RuleId::of(plan, index)?)));
        if let Some((index, _)) = ids().find(|(_, id)| *id == self.rule) {
            return Ok(index);
        }
        let same = ids().filter(|(_, id)| (id.gid, id.sid) == (self.rule.gid, self.rule.sid));
        let same: Vec<String> = same.map(|(_, id)| id.to_string()).collect();
        Err(match same.is_empty() {
            true => {
                format!("no rule {} was loaded; is it in the rules that are named, and was it not refused?", self.rule)
            }
            false => format!("no rule {} was loaded; tenants have {}", self.rule, same.join(", ")),
        })
    }
}

impl Explanation<'_> {
    /// In a sentence, what came of the rule.
    fn conclusion(&self) -> String {
        let watch = &self.watch;
        if !self.rule.later.is_empty() {
            return format!("the rule cannot match yet: this version lacks {}", self.rule.later.join(", "));
        }
        if self.alerts > 0 {
            return format!("the rule fires: {}", counted(self.alerts as u64, "alert", "alerts"));
        }
        if watch.matched > 0 {
            let matches = counted(watch.matched, "match", "matches");
            let why: Vec<String> = self.fates().into_iter().map(|(why, count)| format!("{count} {why}")).collect();
            return format!("the rule matches but raises no alert: {matches}, {}", why.join(", "));
        }
        if let Some(look) = self.looks.first() {
            let stop = look.conditions.iter().find(|c| c.mark == tapwire_signatures::verify::explain::Mark::Failed);
            return match stop {
                Some(condition) if condition.note.is_empty() => format!("nearest, `{}` does not hold", condition.text),
                Some(condition) => format!("nearest, `{}` does not hold: {}", condition.text, condition.note),
                None if look.outcome == Outcome::Open => "nearest, the rule waits for what never came".into(),
                None => "nearest, the rule does not hold".into(),
            };
        }
        self.stopped_early()
    }

    /// Why the rule was never looked at.
    fn stopped_early(&self) -> String {
        let watch = &self.watch;
        let (funnel, what) = self.subjects();
        let (funnel, what) = if funnel.seen == 0 { (&watch.packets, "packet") } else { (funnel, what) };
        if funnel.seen == 0 {
            return match self.id.tenant {
                0 => "no packet was inspected".into(),
                tenant => format!("no packet of tenant {tenant} was inspected"),
            };
        }
        if funnel.passed() == 0 {
            let last = funnel.stages.iter().rev().find(|stage| stage.failed > 0);
            return last.map_or_else(String::new, |stage| {
                let most = stage.instead.iter().max_by_key(|(_, count)| **count);
                let most = most
                    .filter(|(what, _)| !what.is_empty())
                    .map_or_else(String::new, |(what, _)| format!("; most often {what}"));
                format!("no {what} meets `{}`{most}", stage.text)
            });
        }
        let fitting = counted(funnel.passed(), what, &format!("{what}s"));
        match self.estimate.patterns.split_first() {
            Some(((buffer, pattern), _)) if std::ptr::eq(funnel, self.subjects().0) => format!(
                "its fast pattern \"{}\" never occurs in {buffer}: {fitting} would fit otherwise",
                super::list::printable(pattern)
            ),
            _ => format!("{fitting} would fit, but there was no {} to look at", self.subjects().1),
        }
    }

    /// What the rule is asked about: how far that came, and a word for it.
    fn subjects(&self) -> (&tapwire_signatures::verify::explain::Funnel, &'static str) {
        match self.kind {
            Kind::Transaction => (&self.watch.transactions, "transaction"),
            Kind::Stream => (&self.watch.chunks, "chunk"),
            _ => (&self.watch.packets, "packet"),
        }
    }

    /// What became of the matches, in words.
    fn fates(&self) -> Vec<(String, u64)> {
        let of_worker = self.watch.fates.iter().filter_map(|(fate, count)| {
            let why = match fate {
                Fate::Alert => return None,
                Fate::Passes => "took effect as a pass rule".into(),
                Fate::PassedBy(by) => {
                    let by = RuleId::of(self.plan, *by).map_or_else(String::new, |id| id.to_string());
                    format!("silenced by pass rule {by}")
                }
                Fate::Silent => "silent, because the rule raises no alert".into(),
                Fate::AlertLimit => "over the limit of alerts of a packet (packet-alert-max)".into(),
            };
            Some((why, *count))
        });
        let of_writer = self.held_back.iter().map(|(why, count)| (format!("held back by {}", why.name()), *count));
        of_worker.chain(of_writer).collect()
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
