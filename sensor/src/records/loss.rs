//! `loss`: what the sensor could not write, said in the stream that lacks it; `gap`: what a sink of the log did not get.

use tapwire_parsers::link::Timestamp;

use super::header::{Clock, Header, record};

/// Who lacks records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An output, which could not write them.
    Output,
    /// A sink, which had not read them when they were removed.
    Sink,
}

/// Records that are lost.
#[derive(Clone, Debug)]
pub struct Loss<'a> {
    /// Who lacks them.
    pub whose: Whose,
    /// Its name.
    pub of: &'a str,
    /// When the first was lost, or was.
    pub from: Timestamp,
    /// When the last was.
    pub to: Timestamp,
    /// When it is told.
    pub told: Timestamp,
    /// Why.
    pub reason: &'a str,
    /// How many, by class.
    pub records: &'a [(&'static str, u64)],
}

/// Writes what was lost: a record of its own, or in Suricata's form of what an engine says of itself.
pub fn write(out: &mut Vec<u8>, loss: &Loss<'_>, own: bool, clock: &mut Clock) {
    let [from, to] = [loss.from, loss.to].map(|time| clock.timestamp(time).to_owned());
    let (name, of) = match loss.whose {
        Whose::Output => ("loss", "output"),
        Whose::Sink => ("gap", "sink"),
    };
    let event_type = if own { name } else { "engine" };
    let header = Header { time: loss.told, event_type, packet_source: None, ..Header::default() };
    record(out, &header, clock, |object| {
        if own {
            object.object(name, |o| {
                o.text(of, loss.of).text("from", &from).text("to", &to).text("reason", loss.reason);
                o.object("records", |records| {
                    for (class, count) in loss.records {
                        records.number(class, *count);
                    }
                });
            });
        } else {
            let counts: Vec<String> =
                loss.records.iter().filter(|(_, n)| *n > 0).map(|(class, n)| format!("{class} {n}")).collect();
            let (output, reason, counts) = (loss.of, loss.reason, counts.join(", "));
            let message = format!("records lost in {output} from {from} to {to} ({reason}): {counts}");
            object.object("engine", |o| {
                o.text("message", &message).text("module", "output");
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_says_class_by_class_what_is_missing_and_since_when() {
        let records = [("alert", 0), ("flow", 12)];
        let loss = Loss {
            whose: Whose::Output,
            of: "eve.json",
            told: Timestamp(2_000_000),
            from: Timestamp(0),
            to: Timestamp(1_000_000),
            reason: "full",
            records: &records,
        };
        let mut out = Vec::new();
        write(&mut out, &loss, true, &mut Clock::default());
        write(&mut out, &loss, false, &mut Clock::default());
        write(&mut out, &Loss { whose: Whose::Sink, of: "siem", ..loss }, true, &mut Clock::default());
        let lines: Vec<serde_json::Value> =
            out.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
        assert_eq!(lines[0]["loss"]["records"], serde_json::json!({"alert": 0, "flow": 12}));
        assert_eq!(lines[0]["loss"]["from"], "1970-01-01T00:00:00.000000+0000");
        assert_eq!((&lines[2]["event_type"], &lines[2]["gap"]["sink"]), (&"gap".into(), &"siem".into()));
        assert_eq!(lines[1]["event_type"], "engine");
        assert!(lines[1]["engine"]["message"].as_str().unwrap().ends_with("(full): flow 12"));
    }
}
