//! `stats`: counters of the program, by dotted name.

use tapwire_parsers::json::Object;
use tapwire_parsers::link::Timestamp;

use tapwire_signatures::verify::cost::RuleCost;

use super::header::{Clock, Header, record};
use crate::inspect::tenants::RuleNumbers;

/// A rule among those that cost most.
#[derive(Clone, Copy, Debug)]
pub struct DearRule {
    /// Whose it is: the number of a tenant, 0 for nobody.
    pub tenant: u32,
    /// Its gid and sid.
    pub id: (u32, u32),
    /// What it cost.
    pub cost: RuleCost,
    /// Percent of the work of all rules and of what was inspected.
    pub percent: u64,
}

/// What is told of rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// How many there are, of nobody first, then of each tenant.
    pub numbers: &'a [RuleNumbers],
    /// Those that cost most, the dearest first.
    pub dearest: &'a [DearRule],
}

/// What a record of counters shows besides them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// Of rules.
    pub rules: Rules<'a>,
    /// Where an interface is watched: how far the sensor has given up its rights.
    pub sandbox: Option<&'a str>,
}

/// Writes the counters, which are in the order of their names, dots in their names as nested objects.
pub fn write(
    out: &mut Vec<u8>,
    time: Timestamp,
    uptime_s: u64,
    counters: &[(&str, u64)],
    shown: Shown<'_>,
    clock: &mut Clock,
) {
    let header = Header { time, event_type: "stats", packet_source: None, ..Header::default() };
    record(out, &header, clock, |object| {
        object.object("stats", |stats| {
            stats.number("uptime", uptime_s);
            nested(stats, counters, 0, shown);
        });
    });
}

/// Writes sorted names from position `skip` on; names that share a part become one object.
fn nested(object: &mut Object<'_>, counters: &[(&str, u64)], skip: usize, shown: Shown<'_>) {
    let mut rest = counters;
    while let Some(((name, count), behind)) = rest.split_first() {
        let tail = name.get(skip..).unwrap_or_default();
        match tail.split_once('.') {
            None => {
                object.named(tail).number(*count);
                rest = behind;
            }
            Some((part, _)) => {
                let until = skip + part.len() + 1;
                let shared = |other: &str| other.get(..until) == name.get(..until);
                let size = rest.iter().take_while(|(other, _)| shared(other)).count();
                let (inside, behind) = rest.split_at_checked(size).unwrap_or((rest, &[]));
                object.named(part).object(|o| {
                    match name.get(..until) {
                        Some("detect.") => engines(o, shown.rules.numbers),
                        Some("tapwire.rules.") => dearest(o, shown.rules.dearest),
                        Some("tapwire.") => {
                            if let Some(level) = shown.sandbox {
                                o.text("sandbox", level);
                            }
                        }
                        _ => {}
                    }
                    nested(o, inside, until, shown);
                });
                rest = behind;
            }
        }
    }
}

/// Each tenant has rules of its own.
fn engines(object: &mut Object<'_>, all: &[RuleNumbers]) {
    object.array("engines", |engines| {
        for rules in all {
            engines.object(|o| {
                o.number("id", rules.tenant);
                if let Some(time) = rules.last_reload {
                    o.text("last_reload", Clock::default().timestamp(time));
                }
                o.number("rules_loaded", rules.loaded).number("rules_failed", rules.failed);
                o.number("rules_skipped", rules.skipped);
            });
        }
    });
}

/// The rules that cost most. No time is among it: it is not the same in every run.
fn dearest(object: &mut Object<'_>, rules: &[DearRule]) {
    if rules.is_empty() {
        return;
    }
    object.array("dearest", |array| {
        for DearRule { tenant, id: (gid, sid), cost, percent } in rules {
            array.object(|o| {
                if *tenant > 0 {
                    o.number("tenant_id", *tenant);
                }
                o.number("gid", *gid).number("signature_id", *sid);
                o.number("checks", cost.checks).number("matches", cost.matches).number("work", cost.work);
                o.number("percent", *percent);
                if cost.suspended {
                    o.boolean("suspended", true).number("skipped", cost.skipped);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_become_objects() {
        let counters = [("a.b", 1), ("a.c.d", 2), ("a.c.e", 3), ("f", 4)];
        let mut out = Vec::new();
        write(&mut out, Timestamp(0), 9, &counters, Shown::default(), &mut Clock::default());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["stats"], serde_json::json!({"uptime": 9, "a": {"b": 1, "c": {"d": 2, "e": 3}}, "f": 4}));
    }

    #[test]
    fn the_level_of_the_sandbox_stands_among_what_only_tapwire_says() {
        let mut out = Vec::new();
        let shown = Shown { sandbox: Some("full"), ..Shown::default() };
        write(&mut out, Timestamp(0), 9, &[("tapwire.a", 1), ("z", 2)], shown, &mut Clock::default());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({"uptime": 9, "tapwire": {"sandbox": "full", "a": 1}, "z": 2});
        assert_eq!(value["stats"], expected);
    }
}
