//! What a run did, told at its end: in words on standard error, or as JSON on standard output.

use std::path::PathBuf;

use tapwire_parsers::json::Object;

use super::plural;
use crate::run::{RunError, Summary};
use crate::sequence::in_words;
use crate::start::engine::RuleCounts;
use crate::start::terminal::{say, show};

/// How a run is told of.
pub(super) struct Told<'a> {
    /// The rules at its begin, where there are any.
    pub(super) rules: Option<&'a RuleCounts>,
    /// A capture that is cut off or damaged counts for the exit status.
    pub(super) damage_status: bool,
    /// Only what is wrong is told in words.
    pub(super) quiet: bool,
    /// It is told as JSON as well.
    pub(super) json: bool,
}

/// Why packets never come to be inspected, as counters have it and in words.
const LOST: [(&str, &str); 3] = [
    ("kernel", "by the system, whose buffer was full"),
    ("interface", "by the interface or its driver"),
    ("ring_full", "because a worker was too far behind"),
];

/// What is counted of packets.
struct Packets {
    seen: u64,
    processed: u64,
    not_decodable: u64,
    lost: u64,
}

impl Told<'_> {
    /// Tells how a run over some inputs went; its exit status.
    pub(super) fn of(&self, summary: &Summary, inputs: &[PathBuf]) -> u8 {
        if !self.quiet {
            self.counts(summary).iter().for_each(|line| say(line));
        }
        warnings(summary).iter().for_each(|line| say(&format!("warning: {line}")));
        let mut status = 0;
        for error in &summary.errors {
            let fatal = self.is_fatal(error);
            say(&format!("{}: {error}", if fatal { "error" } else { "warning" }));
            status = status.max(if fatal { error.exit_status() } else { 0 });
        }
        if self.json {
            show(self.json(summary, inputs, status));
        }
        status
    }

    fn is_fatal(&self, error: &RunError) -> bool {
        error.exit_status() > 0 && (self.damage_status || !error.is_damage())
    }

    fn counts(&self, summary: &Summary) -> Vec<String> {
        let Packets { seen, processed, not_decodable, .. } = Packets::of(summary);
        let (flows, alerts) = (count(summary, "flow.total"), count(summary, "detect.alert"));
        let counted = |count: u64, one, many| {
            let word = plural(usize::try_from(count).unwrap_or(usize::MAX), one, many);
            format!("{count} {word}")
        };
        let packets = counted(seen, "packet", "packets");
        let (flows, alerts) = (counted(flows, "flow", "flows"), counted(alerts, "alert", "alerts"));
        let mut lines =
            vec![format!("{packets} seen, {processed} processed, {not_decodable} not decodable; {flows}, {alerts}")];
        lines.extend(self.rules.filter(|rules| !rules.files.is_empty()).map(RuleCounts::in_words));
        let written = summary.written.iter().map(|(path, records)| format!("{path} ({records})"));
        let written = written.collect::<Vec<_>>().join(", ");
        lines.extend((!written.is_empty()).then(|| format!("records: {written}")));
        lines
    }

    fn json(&self, summary: &Summary, inputs: &[PathBuf], status: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        texts(&mut object, "inputs", inputs.iter().map(|input| input.display().to_string()));
        object.object("packets", |o| {
            let Packets { seen, processed, not_decodable, lost } = Packets::of(summary);
            o.number("seen", seen).number("processed", processed).number("not_decodable", not_decodable);
            o.number("lost", lost);
        });
        object.number("flows", count(summary, "flow.total")).number("alerts", count(summary, "detect.alert"));
        if let Some(rules) = self.rules {
            object.object("rules", |o| {
                o.number("in_use", rules.in_use()).number("refused", rules.failed).number("left_out", rules.skipped);
                o.object("not_active_yet", |o| {
                    for (name, count) in &rules.later {
                        o.named(name).number(*count);
                    }
                });
            });
        }
        object.array("records", |array| {
            for (path, records) in &summary.written {
                array.object(|o| {
                    o.text("file", path).number("records", *records);
                });
            }
        });
        object.number("records_lost", summary.lost.total());
        let (fatal, mild): (Vec<_>, Vec<_>) = summary.errors.iter().partition(|error| self.is_fatal(error));
        texts(&mut object, "warnings", warnings(summary).into_iter().chain(mild.iter().map(ToString::to_string)));
        texts(&mut object, "errors", fatal.iter().map(ToString::to_string));
        object.number("status", status);
        drop(object);
        out.push(b'\n');
        out
    }
}

fn texts(object: &mut Object<'_>, key: &'static str, all: impl Iterator<Item = String>) {
    object.array(key, |array| {
        for text in all {
            array.text(&text);
        }
    });
}

impl Packets {
    fn of(summary: &Summary) -> Self {
        let (decoded, not_decodable) = (count(summary, "decoder.pkts"), count(summary, "decoder.invalid"));
        let lost = LOST.iter().map(|(reason, _)| lost(summary, reason)).sum();
        Self { seen: decoded + lost, processed: decoded - not_decodable, not_decodable, lost }
    }
}

fn warnings(summary: &Summary) -> Vec<String> {
    let mut told: Vec<String> = lost_packets(summary).into_iter().collect();
    if summary.lost.total() > 0 {
        told.push(format!("lost are {}", in_words(&summary.lost)));
    }
    told.extend(summary.unseen.iter().cloned());
    if summary.panics > 0 {
        told.push(format!(
            "{} packets made a worker panic and were dropped with their flows; the first are kept as panic-*.pcap beside the records: \
             please report them",
            summary.panics
        ));
    }
    told.extend(summary.script_failures.iter().map(|failure| format!("the script of a rule failed: {failure}")));
    told.extend(summary.output_failures.iter().map(|failure| format!("the script of an output failed: {failure}")));
    told
}

fn count(summary: &Summary, name: &str) -> u64 {
    summary.counters.get(name).copied().unwrap_or(0)
}

fn lost(summary: &Summary, reason: &str) -> u64 {
    summary.dropped.get(reason).copied().unwrap_or(0)
}

/// Packets that never came to be inspected, by reason, in words.
fn lost_packets(summary: &Summary) -> Option<String> {
    let all: u64 = LOST.iter().map(|(reason, _)| lost(summary, reason)).sum();
    let reasons = LOST.iter().filter(|(reason, _)| lost(summary, reason) > 0);
    let said: Vec<String> = reasons.map(|(reason, words)| format!("{} {words}", lost(summary, reason))).collect();
    (all > 0).then(|| format!("{all} packets were lost: {}", said.join(", ")))
}
