//! `tapwire outputs test`: one sample of each type of record to each receiver.

use std::borrow::Cow;
use std::time::Instant;

use clap::Args;
use data_encoding::HEXLOWER;
use tapwire_parsers::json::Object;

use super::Which;
use crate::capture::clock;
use crate::records::header::Clock;
use crate::sinks::deliver::{Answer, Head, Item, Settings};
use crate::sinks::encode::{self, Encoded, Encoder, Facts, Tape};
use crate::start::terminal::show;

/// One record of each type, without its time.
const SAMPLES: &str = include_str!("samples.json");

/// `tapwire outputs test`
#[derive(Clone, Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    which: Which,
}

/// What became of a sample.
enum Outcome {
    Delivered,
    LeftOut(&'static str),
    Wrong(String),
}

/// A sample with its time and an id.
struct Sample {
    line: Vec<u8>,
    id: String,
}

impl Test {
    /// Does it; the exit status.
    pub(super) fn run(&self) -> u8 {
        let (outputs, folder) = match self.which.outputs() {
            Ok(found) => found,
            Err(status) => return status,
        };
        let mut status = 0;
        let samples = samples();
        for settings in outputs {
            let settings = Settings { way: settings.way.below(&folder), ..settings };
            let began = Instant::now();
            let outcomes = sent(&settings, &samples);
            let took = began.elapsed().as_millis();
            let is_wrong = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Wrong(_)));
            status = status.max(u8::from(is_wrong));
            show(if self.which.json { json(&settings, &outcomes, took) } else { text(&settings, &outcomes, took) });
        }
        status
    }
}

fn samples() -> Vec<Sample> {
    let (mut clock, mut chance) = (Clock::default(), [0; 8]);
    // Without chance two tests have the same ids, and receivers may take the second for the first.
    getrandom::fill(&mut chance).ok();
    let now = clock.timestamp(clock::now()).to_owned();
    let sample = |(number, text): (usize, &str)| {
        let id = format!("sample-{}-{number}", HEXLOWER.encode(&chance));
        let mut line = Vec::new();
        let mut object = Object::new(&mut line);
        let members = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        object.text("timestamp", &now).members(members.as_bytes());
        object.object("tapwire", |own| {
            own.text("event_id", &id).text("emitted", &now).boolean("sample", true);
        });
        drop(object);
        Sample { line, id }
    };
    SAMPLES.lines().enumerate().map(sample).collect()
}

/// Sends samples; each type with what became of it.
fn sent(settings: &Settings, samples: &[Sample]) -> Vec<(String, Outcome)> {
    let encoder = encode::Settings {
        limit_bytes: settings.record_bytes,
        sensor: settings.sensor_of_records().to_owned(),
        profile: settings.profile,
    };
    let encoder = Encoder::new(settings.encoding, encoder);
    let (mut tape, mut transport, mut away) = (Tape::default(), settings.way.open(), None);
    let mut outcomes = Vec::new();
    for Sample { line, id } in samples {
        let head = Head::of(line);
        let name = head.event_type.clone().into_owned();
        let mut body = Vec::new();
        let outcome = if let Some(words) = &away {
            Outcome::Wrong(format!("not sent: {words}"))
        } else if !settings.filter.passes(&head) {
            Outcome::LeftOut("the filter keeps it back")
        } else {
            match tape.read(line).map(|record| encoder.encode(&Facts::of(record), &mut body)) {
                Some(Encoded::Whole | Encoded::Cut) => {
                    let item = Item { body: &body, line, head, id: Cow::Borrowed(id) };
                    let mut answers = [Answer::Open];
                    let result = transport.send(&[item], &mut answers);
                    match (result, answers) {
                        (_, [Answer::Delivered]) => Outcome::Delivered,
                        (_, [Answer::Refused(words)]) => Outcome::Wrong(words),
                        (Ok(()), _) => Outcome::Wrong("it says nothing of it".to_owned()),
                        (Err(trouble), _) => {
                            if matches!(trouble, crate::sinks::deliver::Trouble::Away { .. }) {
                                away = Some(trouble.to_string());
                            }
                            Outcome::Wrong(trouble.to_string())
                        }
                    }
                }
                Some(Encoded::Nothing) => Outcome::LeftOut("the encoding has no form for it"),
                _ => Outcome::Wrong("it does not fit into `record-bytes`".to_owned()),
            }
        };
        outcomes.push((name, outcome));
    }
    outcomes
}

fn text(settings: &Settings, outcomes: &[(String, Outcome)], took_ms: u128) -> String {
    let Settings { name, to, .. } = settings;
    let is = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| wanted(outcome)).count();
    let delivered = is(|outcome| matches!(outcome, Outcome::Delivered));
    let mut text = format!("{name}: {to}, as {}: {delivered} samples delivered in {took_ms} ms\n", settings.form());
    let left_out = is(|outcome| matches!(outcome, Outcome::LeftOut(_)));
    if left_out > 0 {
        let names: Vec<String> = outcomes
            .iter()
            .filter_map(|(name, outcome)| match outcome {
                Outcome::LeftOut(why) => Some(format!("{name} ({why})")),
                _ => None,
            })
            .collect();
        text.push_str(&format!("  left out: {}\n", names.join(", ")));
    }
    let mut told: Option<&str> = None;
    for (name, outcome) in outcomes {
        // What is wrong with all of them is said once.
        if let Outcome::Wrong(words) = outcome
            && told != Some(words)
        {
            text.push_str(&format!("  {name}: {words}\n"));
            told = Some(words);
        }
    }
    text
}

fn json(settings: &Settings, outcomes: &[(String, Outcome)], took_ms: u128) -> String {
    let mut line = Vec::new();
    let mut object = Object::new(&mut line);
    object.text("output", &settings.name).text("to", &settings.to).text("encoding", settings.form());
    object.number("took_ms", u64::try_from(took_ms).unwrap_or(u64::MAX));
    object.object("answers", |answers| {
        for (name, outcome) in outcomes {
            let words = match outcome {
                Outcome::Delivered => "delivered",
                Outcome::LeftOut(why) => why,
                Outcome::Wrong(words) => words,
            };
            answers.named(name).text(words);
        }
    });
    drop(object);
    line.push(b'\n');
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_records_of_different_types_that_every_encoding_reads() {
        let samples = samples();
        let mut types: Vec<String> = Vec::new();
        for Sample { line, id } in &samples {
            let record: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert_eq!(record["tapwire"]["event_id"], id.as_str());
            assert!(Head::of(line).time_us().is_some());
            types.push(record["event_type"].as_str().unwrap().to_owned());
            for encoding in encode::ENCODINGS {
                let encoder = Encoder::new(encoding, encode::Settings::default());
                let mut tape = Tape::default();
                let record = tape.read(line).unwrap();
                let encoded = encoder.encode(&Facts::of(record), &mut Vec::new());
                assert!(matches!(encoded, Encoded::Whole | Encoded::Nothing), "{}", encoding.name);
            }
        }
        types.dedup();
        assert!(types.len() == samples.len() && types.len() > 20 && types.contains(&"alert".to_owned()));
    }
}
