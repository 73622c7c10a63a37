//! `tapwire rules stress`: which rules can be made expensive by who writes the bytes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use clap::Args;
use tapwire_parsers::json::Object;
use tapwire_signatures::plan::{Plan, RuleIndex};
use tapwire_signatures::rule::Rule;
use tapwire_signatures::verify::stress::{Stress, stress};

use super::id::RuleId;
use super::list::{printable, sids};
use super::{Settings, plural, prepared, say, show};

pub(super) const HELP: &str =
    "Each section of a rule is played buffers that are made to cost much: its contents and what its
expressions match, repeated, whole and without their last byte. Work is counted in units, about a
nanosecond each, and is the same in every run. Ordinary traffic takes about 5 units a byte for all
rules together; a flow gets 80 a byte, so what takes more of one rule can run out of fuel: it is then
not decided on that flow, which a record tells, and the other rules go on.

GROWTH is the work of a buffer of twice the length, in percent: 200 grows with the bytes.

Examples:
  tapwire rules stress --rules rules/                    rules that can run out of fuel
  tapwire rules stress --rules my.rules --above 0        the worst of every rule
  tapwire rules stress --rules my.rules --strict         for CI: status 1 if there is one

Exit status: 0 played, 1 no rule could be read or, with --strict, one takes more than --above.";

/// `tapwire rules stress`
#[derive(Clone, Debug, Default, Args)]
pub(super) struct StressTest {
    #[command(flatten)]
    settings: Settings,
    /// Rules instead of the configuration's `rule-files`: a file, a folder or a pattern
    #[arg(long, value_name = "FILE|DIR|GLOB")]
    rules: Vec<String>,
    /// Only rules with this sid or one of a range (repeatable)
    #[arg(long, value_name = "N|A-B", value_parser = sids)]
    sid: Vec<(u32, u32)>,
    /// Only rules that can be made to take more units a byte than this
    #[arg(long, value_name = "UNITS", default_value_t = 80)]
    above: u64,
    /// Bytes of the shorter buffer
    #[arg(long, value_name = "N", default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    bytes: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// End with status 1 if a rule is shown
    #[arg(long)]
    strict: bool,
}

struct Row {
    id: RuleId,
    message: String,
    worst: Stress,
}

impl StressTest {
    pub(super) fn run(&self) -> u8 {
        let Some(prepared) = prepared(&self.settings.common(self.rules.clone())) else { return 1 };
        let plan = &prepared.engine.plan;
        if plan.is_empty() {
            say("error: there is no rule; name a file, a folder or a pattern with --rules");
            return 1;
        }
        let played = all(plan, self.bytes as usize, |rule| {
            self.sid.is_empty() || self.sid.iter().any(|(from, to)| (*from..=*to).contains(&rule.sid))
        });
        let count = played.len();
        let rows =
            played.into_iter().filter(|(_, worst)| worst.units_a_byte > self.above).filter_map(|(index, worst)| {
                Some(Row { id: RuleId::of(plan, index)?, message: plan.rule(index)?.message.to_string(), worst })
            });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.worst.units_a_byte), row.id));
        show(if self.json { json(&rows) } else { table(&rows).into_bytes() });
        if !self.json {
            let (shown, above) = (rows.len(), self.above);
            say(&format!(
                "{shown} of {count} {} can take more than {above} units a byte",
                plural(count, "rule", "rules")
            ));
        }
        u8::from(self.strict && !rows.is_empty())
    }
}

/// The worst of each rule that looks at bytes, in the order of the plan.
pub(super) fn all(plan: &Plan, bytes: usize, wants: impl Fn(&Rule) -> bool + Sync) -> Vec<(RuleIndex, Stress)> {
    let next = AtomicU32::new(0);
    let work = || {
        let mut played = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index as usize >= plan.len() {
                return played;
            }
            let rule = plan.rule(index).filter(|rule| wants(rule));
            played.extend(rule.and_then(|rule| stress(rule, bytes)).map(|worst| (index, worst)));
        }
    };
    let mut played: Vec<(RuleIndex, Stress)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    played.sort_by_key(|(index, _)| *index);
    played
}

fn json(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    for Row { id, message, worst } in rows {
        let mut object = Object::new(&mut out);
        id.write(&mut object);
        object.text("msg", message).text("buffer", worst.buffer);
        object.number("units_a_byte", worst.units_a_byte).number("growth_percent", worst.growth_percent);
        object.text("head", printable(&worst.head)).text("filler", printable(&worst.filler));
        drop(object);
        out.push(b'\n');
    }
    out
}

fn table(rows: &[Row]) -> String {
    const WIDEST: usize = 40;
    let mut out =
        format!("{:<12} {:>6} {:>6}  {:<22} {:<WIDEST$} MESSAGE\n", "RULE", "UNITS", "GROWTH", "BUFFER", "FILLER");
    for Row { id, message, worst } in rows {
        let mut filler: String = printable(&worst.filler).chars().take(WIDEST).collect();
        if !worst.head.is_empty() && filler.len() < WIDEST - 3 {
            filler.insert_str(0, "..");
        }
        let message = message.replace(char::is_control, " ");
        let (id, units, growth, buffer) = (id.to_string(), worst.units_a_byte, worst.growth_percent, worst.buffer);
        out.push_str(&format!("{id:<12} {units:>6} {growth:>6}  {buffer:<22} {filler:<WIDEST$} {message}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapwire_signatures::builder::Environment;
    use tapwire_signatures::language::load::{Source, load};
    use tapwire_signatures::plan::order::ActionOrder;

    #[test]
    fn rows_name_the_rule_and_the_bytes() {
        let rules = "alert tcp any any -> any any (msg:\"dear\"; content:\"a\"; pcre:!\"/(a+)+$/R\"; sid:7;)\n\
                     alert tcp any any -> any any (msg:\"cheap\"; content:\"abcd\"; sid:8;)";
        let loaded = load(&[Source { name: "t".into(), text: rules.into() }], &Environment::default());
        let plan = Plan::new(loaded.set, &ActionOrder::default());
        let played = all(&plan, 1_024, |_| true);
        assert_eq!(played.len(), 2);
        let rows: Vec<Row> = played
            .into_iter()
            .map(|(index, worst)| Row {
                id: RuleId::of(&plan, index).unwrap(),
                message: plan.rule(index).unwrap().message.to_string(),
                worst,
            })
            .collect();
        let dear = rows.iter().find(|row| row.id.sid == 7).unwrap();
        assert!(dear.worst.units_a_byte > 80 && dear.worst.filler.contains(&b'a'), "{:?}", dear.worst);
        assert!(table(&rows).lines().any(|line| line.starts_with("7 ") && line.ends_with("dear")));
        for line in String::from_utf8(json(&rows)).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(row["units_a_byte"].is_u64() && row["filler"].is_string(), "{line}");
        }
    }
}
