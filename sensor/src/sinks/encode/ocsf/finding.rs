//! What a Detection Finding has beside what all events have.

use tapwire_parsers::json::Object;

use super::{connection, ends, millis, protocols};
use crate::sinks::encode::facts::Facts;
use crate::sinks::encode::members::Members;
use crate::sinks::encode::tape::Value;

pub(super) fn write(object: &mut Object<'_>, facts: &Facts<'_>) {
    let Some(alert) = facts.alert else { return };
    object.number("status_id", 1).text("status", "New").boolean("is_alert", true);
    let gid = alert.get("gid").map_or("1", Value::text);
    let sid = alert.get("signature_id").map_or("0", Value::text);
    object.object("finding_info", |info| {
        info.inside("uid", &facts.event_id());
        info.words("title", alert.get("signature"));
        if let Some(at) = millis(facts.timestamp) {
            info.number("created_time", at);
        }
        info.list("types", alert.get("category"));
        info.object("analytic", |analytic| {
            analytic.number("type_id", 1).text("type", "Rule");
            analytic.inside("uid", &format!("{gid}:{sid}"));
            analytic.words("name", alert.get("signature"));
            analytic.words("version", alert.get("rev"));
            analytic.words("category", alert.get("category"));
        });
        attacks(info, facts, alert);
    });
    object.array("evidences", |list| {
        list.object(|evidence| {
            ends(evidence, facts);
            connection(evidence, facts);
            protocols::evidence(evidence, facts);
        });
    });
}

/// Tactics and techniques, which rules name in lists of the same length.
fn attacks<'t>(info: &mut Object<'_>, facts: &Facts<'t>, alert: Value<'t>) {
    let named = |name: &str| alert.get("metadata").and_then(|metadata| metadata.get(name));
    let lists = [facts.tactics(), named("mitre_tactic_name"), facts.techniques(), named("mitre_technique_name")];
    let [tactic_ids, tactics, technique_ids, techniques] =
        lists.map(|list| list.into_iter().flat_map(Value::items).collect::<Vec<_>>());
    let count = tactic_ids.len().max(technique_ids.len()).min(ATTACKS);
    if count == 0 {
        return;
    }
    info.array("attacks", |list| {
        for n in 0..count {
            list.object(|attack| {
                for (key, ids, names) in [("tactic", &tactic_ids, &tactics), ("technique", &technique_ids, &techniques)]
                {
                    if let Some(id) = ids.get(n) {
                        attack.object(key, |what| {
                            what.words("uid", Some(*id));
                            what.words("name", names.get(n).copied());
                        });
                    }
                }
            });
        }
    });
}

/// Pairs that are written at most.
const ATTACKS: usize = 16;
