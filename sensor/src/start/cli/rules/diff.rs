//! `tapwire rules diff`: what another rule set changes about the alerts of some captures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use tapwire_parsers::json::Object;

use super::alerts::{Alert, Raised, raised};
use super::id::RuleId;
use super::{Settings, jobs, plural, prepared, say, show};
use crate::capture::listing::Listing;
use crate::start::engine::Prepared;
use crate::start::terminal::escaped;

pub(super) const HELP: &str =
    "Each capture is a run of its own. A rule differs where its alerts appear, vanish, change in
count, or move to other packets.

Examples:
  tapwire rules diff rules.old/ rules.new/ captures/          one line for each rule that differs
  tapwire rules diff old.rules new.rules day.pcap --verbose   with the packet and flow of each alert
  tapwire rules diff old.rules new.rules day.pcap --json | jq 'select(.change == \"vanishes\")'

Exit status: 0 nothing differs, 1 something does, 2 usage, or rules or captures that cannot be read.";

/// `tapwire rules diff`
#[derive(Clone, Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    settings: Settings,
    /// The rules as they were: a file, a folder or a pattern
    #[arg(value_name = "OLD")]
    old: String,
    /// The rules as they shall be
    #[arg(value_name = "NEW")]
    new: String,
    /// Capture files (pcap, pcapng; plain, .gz, .zst, .lz4), or folders of them
    #[arg(required = true, value_name = "CAPTURE|DIR")]
    captures: Vec<PathBuf>,
    /// Show the packet and the flow of each alert that is gone (-) or new (+)
    #[arg(long, short)]
    verbose: bool,
    /// One JSON object a line: each rule that differs, then the counts
    #[arg(long)]
    json: bool,
    /// Stop with status 2 where a rule or a value cannot be right, instead of comparing the rest
    #[arg(long)]
    strict: bool,
    /// Runs at once; as many as cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

/// An alert and the capture that it came from.
type Seen<'a> = (&'a Path, &'a Alert);

/// A rule whose alerts differ.
struct Change<'a> {
    rule: RuleId,
    message: &'a str,
    old: usize,
    new: usize,
    gone: Vec<Seen<'a>>,
    came: Vec<Seen<'a>>,
}

impl Diff {
    pub(super) fn run(&self) -> u8 {
        match self.compare() {
            Ok(status) => status,
            Err(error) => {
                say(&format!("error: {error}"));
                2
            }
        }
    }

    fn compare(&self) -> Result<u8, String> {
        if self.captures.iter().any(|path| path.as_os_str() == "-") {
            return Err("standard input can be read only once and here captures are read twice; name a file".into());
        }
        let Listing { captures, others } = Listing::of(&self.captures).map_err(|error| error.to_string())?;
        if !others.is_empty() {
            let word = plural(others.len(), "file that is no capture", "files that are no captures");
            say(&format!("left out: {} {word}", others.len()));
        }
        let (old, new) = (self.prepared(&self.old)?, self.prepared(&self.new)?);
        let work: Vec<(&Path, &Prepared)> =
            captures.iter().flat_map(|capture| [(capture.as_path(), &old), (capture.as_path(), &new)]).collect();
        let mut results = Vec::with_capacity(work.len());
        let run = |&(capture, rules): &(&Path, &Prepared)| raised(rules, &[capture.to_owned()]);
        jobs::in_order(&work, self.jobs, run, |result| results.push(result));

        let (mut sides, mut errors) = ([Vec::new(), Vec::new()], Vec::new());
        for (at, ((capture, _), Raised { alerts, errors: wrong, .. })) in work.iter().zip(&results).enumerate() {
            if let Some(side) = sides.get_mut(at % 2) {
                side.extend(alerts.iter().map(|alert| (*capture, alert)));
            }
            // What a capture has wrong, it has wrong for both.
            for error in wrong {
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
        for error in &errors {
            say(&format!("error: {error}"));
        }
        let [before, after] = sides;
        let changes = changes(&before, &after);
        let totals = [before.len(), after.len(), captures.len()];
        show(if self.json { json(&changes, totals) } else { text(&changes, totals, self.verbose).into_bytes() });
        Ok(if errors.is_empty() { u8::from(!changes.is_empty()) } else { 2 })
    }

    fn prepared(&self, rules: &str) -> Result<Prepared, String> {
        let prepared = prepared(&self.settings.common(vec![rules.to_owned()]));
        let prepared = prepared.ok_or("the configuration cannot be used")?;
        let faults = prepared.found.faults.len();
        if self.strict && faults > 0 {
            let word = plural(faults, "problem", "problems");
            return Err(format!("{rules}: {faults} {word}; nothing was compared, because --strict was given"));
        }
        if prepared.engine.plan.is_empty() && faults > 0 {
            return Err(format!("{rules}: there is no rule that can be used"));
        }
        Ok(prepared)
    }
}

/// The rules whose alerts differ, by sid.
fn changes<'a>(old: &[Seen<'a>], new: &[Seen<'a>]) -> Vec<Change<'a>> {
    let mut rules: BTreeMap<RuleId, (Vec<Seen<'a>>, Vec<Seen<'a>>)> = BTreeMap::new();
    for &seen in old {
        rules.entry(seen.1.id()).or_default().0.push(seen);
    }
    for &seen in new {
        rules.entry(seen.1.id()).or_default().1.push(seen);
    }
    let changed = rules.into_iter().filter_map(|(rule, (old, new))| {
        let (gone, came) = (without(&old, &new), without(&new, &old));
        let message = new.first().or(old.first()).map(|(_, alert)| alert.message()).unwrap_or_default();
        let differs = !gone.is_empty() || !came.is_empty();
        differs.then_some(Change { rule, message, old: old.len(), new: new.len(), gone, came })
    });
    changed.collect()
}

/// Where an alert stands: another revision or message of its rule makes it no other alert.
fn place<'a>((capture, alert): Seen<'a>) -> (&'a Path, Option<u64>, &'a str, String) {
    (capture, alert.packet, &alert.timestamp, alert.flow())
}

/// What is in one list and not in the other, each as often as it is.
fn without<'a>(these: &[Seen<'a>], those: &[Seen<'a>]) -> Vec<Seen<'a>> {
    let mut left: BTreeMap<_, usize> = BTreeMap::new();
    for &seen in those {
        *left.entry(place(seen)).or_default() += 1;
    }
    let missing = |seen: &&Seen<'a>| match left.get_mut(&place(**seen)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(missing).copied().collect()
}

impl Change<'_> {
    fn name(&self) -> &'static str {
        match (self.old, self.new) {
            (0, _) => "appears",
            (_, 0) => "vanishes",
            (old, new) if old == new => "moves",
            _ => "changes",
        }
    }
}

fn text(changes: &[Change<'_>], [before, after, captures]: [usize; 3], verbose: bool) -> String {
    let mut text = String::new();
    let width = changes.iter().map(|change| change.rule.to_string().len()).max().unwrap_or(0);
    for change in changes {
        let Change { rule, message, old, new, .. } = change;
        let (id, message) = (rule.to_string(), message.replace(char::is_control, " "));
        text.push_str(&format!("{:8}  {id:width$}  {old} -> {new}  {message}\n", change.name()));
        if !verbose {
            continue;
        }
        for (mark, list) in [('-', &change.gone), ('+', &change.came)] {
            for (capture, alert) in list {
                let packet = alert.packet.map_or_else(|| "end of a flow".to_owned(), |n| format!("packet {n}"));
                text.push_str(&format!(
                    "    {mark} {} {packet}  {}\n",
                    escaped(&capture.display().to_string(), false),
                    alert.flow()
                ));
            }
        }
    }
    let differ = match changes.len() {
        0 => "no rule differs".to_owned(),
        1 => "1 rule differs".to_owned(),
        many => format!("{many} rules differ"),
    };
    let word = plural(captures, "capture", "captures");
    text.push_str(&format!("{differ}: {before} alerts before, {after} after, in {captures} {word}\n"));
    text
}

fn json(changes: &[Change<'_>], [before, after, captures]: [usize; 3]) -> Vec<u8> {
    let mut out = Vec::new();
    for change in changes {
        let mut object = Object::new(&mut out);
        change.rule.write(&mut object);
        object.text("msg", change.message);
        object.text("change", change.name()).number("old", change.old).number("new", change.new);
        for (key, list) in [("gone", &change.gone), ("came", &change.came)] {
            object.array(key, |array| {
                for (capture, alert) in list {
                    array.object(|o| {
                        o.text("capture", capture.display().to_string());
                        if let Some(packet) = alert.packet {
                            o.number("pcap_cnt", packet);
                        }
                        o.text("timestamp", &alert.timestamp).text("flow", alert.flow());
                    });
                }
            });
        }
        drop(object);
        out.push(b'\n');
    }
    let mut object = Object::new(&mut out);
    object.number("rules", changes.len()).number("captures", captures);
    object.number("alerts_before", before).number("alerts_after", after);
    drop(object);
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(sid: u32, packet: u64) -> Alert {
        let text = format!(
            r#"{{"timestamp":"t","pcap_cnt":{packet},"alert":{{"gid":1,"signature_id":{sid},"signature":"m{sid}"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn alerts_appear_vanish_change_and_move() {
        let capture = Path::new("a.pcap");
        let seen =
            |list: &'static [(u32, u64)]| list.iter().map(|&(sid, packet)| alert(sid, packet)).collect::<Vec<_>>();
        let old = seen(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (5, 1)]);
        let new = seen(&[(6, 1), (2, 1), (3, 1), (3, 2), (4, 9), (5, 1)]);
        let on = |alerts: &'static [Alert]| alerts.iter().map(|alert| (capture, alert)).collect::<Vec<_>>();
        let (old, new) = (on(old.leak()), on(new.leak()));
        let changes = changes(&old, &new);
        let names: Vec<_> = changes.iter().map(|change| (change.rule.sid, change.name())).collect();
        assert_eq!(names, [(1, "vanishes"), (3, "changes"), (4, "moves"), (5, "changes"), (6, "appears")]);
        let report = text(&changes, [6, 6, 1], true);
        assert!(report.contains("changes   3  1 -> 2  m3\n    + a.pcap packet 2"), "{report}");
        assert!(report.ends_with("5 rules differ: 6 alerts before, 6 after, in 1 capture\n"), "{report}");
        assert_eq!(json(&changes, [6, 6, 1]).iter().filter(|&&byte| byte == b'\n').count(), 6);
    }
}
