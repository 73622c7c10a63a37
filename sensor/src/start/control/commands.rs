//! What can be asked of a live sensor.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Desk, resident_bytes};
use crate::run::window::{SetOperation, SetQuestion, Snapshot};
use crate::start::engine::RuleCounts;

/// A command.
struct Command {
    name: &'static str,
    /// Suricata's names of it.
    aliases: &'static [&'static str],
    doc: &'static str,
    run: fn(&Desk, &Value) -> Result<Value, String>,
}

const COMMANDS: &[Command] = &[
    Command { name: "status", aliases: &["iface-list"], doc: "How it is, in short", run: status },
    Command { name: "stats", aliases: &["dump-counters"], doc: "All counters by name", run: stats },
    Command {
        name: "reload",
        aliases: &["reload-rules", "ruleset-reload-rules", "ruleset-reload-nonblocking"],
        doc: "Read rules again; what was found",
        run: reload,
    },
    Command {
        name: "rules",
        aliases: &["ruleset-stats"],
        doc: "How many rules are in use, and why others are not",
        run: rules,
    },
    Command { name: "memory", aliases: &["memcap-list"], doc: "Memory by what it is for", run: memory },
    Command {
        name: "datasets",
        aliases: &[],
        doc: "Sets that rules ask about; with `do` (add, remove, lookup), `name`, `value` and perhaps `tenant` one value of one",
        run: datasets,
    },
    Command { name: "dataset-add", aliases: &[], doc: "The same as `datasets` with `do` add", run: dataset_add },
    Command { name: "dataset-remove", aliases: &[], doc: "The same with remove", run: dataset_remove },
    Command { name: "dataset-lookup", aliases: &[], doc: "The same with lookup", run: dataset_lookup },
    Command { name: "uptime", aliases: &[], doc: "Seconds since the run began", run: uptime },
    Command { name: "version", aliases: &[], doc: "The program's version", run: version },
    Command {
        name: "rotate",
        aliases: &["reopen-log-files"],
        doc: "Outputs begin new files, segments are sealed",
        run: rotate,
    },
    Command { name: "shutdown", aliases: &[], doc: "End, with a record for each open flow", run: shutdown },
    Command { name: "help", aliases: &["command-list"], doc: "All commands", run: help },
];

/// Does a command; what it answers.
pub(super) fn run(desk: &Desk, name: &str, arguments: &Value) -> Result<Value, String> {
    let is_meant = |command: &&Command| command.name == name || command.aliases.contains(&name);
    match COMMANDS.iter().find(is_meant) {
        Some(command) => (command.run)(desk, arguments),
        None => {
            let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
            Err(format!("there is no command `{name}`; there are {}", names.join(", ")))
        }
    }
}

fn snapshot(desk: &Desk) -> Result<std::sync::Arc<Snapshot>, String> {
    desk.window.counters().ok_or_else(|| "the run does not answer: it ends, or is stuck".to_owned())
}

fn status(desk: &Desk, _: &Value) -> Result<Value, String> {
    let (about, stuck) = (&desk.about, desk.stuck());
    let snapshot = snapshot(desk)?;
    let count = |name: &str| snapshot.counters.get(name).copied().unwrap_or(0);
    let dropped = snapshot.counters.iter().filter_map(|(name, count)| {
        let reason = name.strip_prefix("tapwire.packets.dropped.")?;
        Some((reason.to_owned(), Value::from(*count)))
    });
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": about.started.elapsed().as_secs(),
        "interfaces": about.interfaces,
        "workers": about.workers,
        "records": about.folder.display().to_string(),
        "sandbox": about.sandbox(),
        "stuck": stuck,
        "rules": desk.rules().in_words(),
        "packets": {
            "seen": count("tapwire.packets.seen"),
            "processed": count("tapwire.packets.processed"),
            "dropped": Value::Object(dropped.collect()),
        },
        "flows": {"total": count("flow.total"), "active": count("flow.active")},
        "alerts": count("detect.alert"),
        "records_lost": count("tapwire.records.shed"),
    }))
}

fn stats(desk: &Desk, _: &Value) -> Result<Value, String> {
    let snapshot = snapshot(desk)?;
    let rules: Vec<Value> = (snapshot.rules.iter())
        .map(|rule| json!({"gid": rule.id.0, "sid": rule.id.1, "tenant": rule.tenant, "matches": rule.matches}))
        .collect();
    let queues: Vec<Value> =
        snapshot.queues.iter().map(|queue| json!({"batches": queue.batches, "bytes": queue.bytes})).collect();
    Ok(json!({"uptime_s": snapshot.uptime_s, "counters": snapshot.counters, "rules": rules, "queues": queues}))
}

fn reload(desk: &Desk, _: &Value) -> Result<Value, String> {
    let answer = desk.requests.reload().ok_or("there is no answer: the sensor ends, or has been asked too often")?;
    if answer.done {
        return Ok(json!({"lines": answer.lines}));
    }
    Err(answer.lines.join("\n"))
}

fn rules(desk: &Desk, _: &Value) -> Result<Value, String> {
    let rules = desk.rules();
    let RuleCounts { loaded, failed, skipped, later, prefilter_bytes, files, .. } = &rules;
    Ok(json!({
        "in_use": rules.in_use(),
        "loaded": loaded,
        "refused": failed,
        "left_out": skipped,
        "not_active_yet": later,
        "files": files,
        "prefilter_bytes": prefilter_bytes,
    }))
}

fn memory(desk: &Desk, _: &Value) -> Result<Value, String> {
    let snapshot = snapshot(desk)?;
    let parts = snapshot.counters.iter().filter(|(name, _)| {
        name.ends_with("memuse")
            || name.ends_with("memcap")
            || name.starts_with("memcap.")
            || name.ends_with("waiting_bytes")
    });
    let parts: serde_json::Map<String, Value> = parts.map(|(name, count)| (name.clone(), (*count).into())).collect();
    Ok(json!({
        "resident_bytes": resident_bytes(),
        "prefilter_bytes": desk.rules().prefilter_bytes,
        "parts": parts,
    }))
}

fn datasets(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    match arguments.get("do").and_then(Value::as_str) {
        None => {
            let sets = desk.window.sets().ok_or("the run does not answer: it ends, or is stuck")?;
            let told = sets.iter().map(|set| {
                json!({
                    "name": set.name, "tenant": set.tenant, "type": set.kind, "values": set.values,
                    "changed_by_rules": set.is_changed_by_rules,
                })
            });
            Ok(Value::Array(told.collect()))
        }
        Some("add") => dataset_add(desk, arguments),
        Some("remove") => dataset_remove(desk, arguments),
        Some("lookup") => dataset_lookup(desk, arguments),
        Some(other) => Err(format!("`{other}` cannot be done to a set; there are add, remove and lookup")),
    }
}

fn dataset_add(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    dataset(desk, SetOperation::Add, arguments)
}

fn dataset_remove(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    dataset(desk, SetOperation::Remove, arguments)
}

fn dataset_lookup(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    dataset(desk, SetOperation::Lookup, arguments)
}

/// Does something with a value of a set. Suricata's client calls the parts `setname` and `datavalue`.
fn dataset(desk: &Desk, what: SetOperation, arguments: &Value) -> Result<Value, String> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| arguments.get(*name)?.as_str()).map(str::to_owned);
    let name = text(["name", "setname"]).ok_or("there is no `name` of a set")?;
    let value = text(["value", "datavalue"]).ok_or("there is no `value`")?;
    let tenant = arguments.get("tenant").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    let answer = desk.window.set(SetQuestion { tenant, name, what, value });
    let holds = answer.ok_or("the run does not answer: it ends, or is stuck")??;
    Ok(match what {
        SetOperation::Add => json!({"added": holds}),
        SetOperation::Remove => json!({"removed": holds}),
        SetOperation::Lookup => json!({"found": holds}),
    })
}

fn uptime(desk: &Desk, _: &Value) -> Result<Value, String> {
    Ok(desk.about.started.elapsed().as_secs().into())
}

fn version(_: &Desk, _: &Value) -> Result<Value, String> {
    Ok(concat!("tapwire ", env!("CARGO_PKG_VERSION")).into())
}

fn rotate(desk: &Desk, _: &Value) -> Result<Value, String> {
    desk.switches.reopen.iter().for_each(|reopen| reopen.store(true, Ordering::Relaxed));
    Ok("outputs begin new files".into())
}

fn shutdown(desk: &Desk, _: &Value) -> Result<Value, String> {
    desk.switches.stop.store(true, Ordering::Relaxed);
    Ok("it ends".into())
}

fn help(_: &Desk, _: &Value) -> Result<Value, String> {
    let all = COMMANDS.iter().map(|command| (command.name.to_owned(), Value::from(command.doc)));
    Ok(Value::Object(all.collect()))
}
