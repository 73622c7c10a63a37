//! `health`: what the sensor could not see, and what to do about it.

use super::header::{Clock, Header, record};
use crate::health::Finding;

/// Writes a finding: a record of its own, or in Suricata's form of what an engine says of itself.
pub fn write(out: &mut Vec<u8>, finding: &Finding, own: bool, clock: &mut Clock) {
    let since = clock.timestamp(finding.since).to_owned();
    let event_type = if own { "health" } else { "engine" };
    let header = Header { time: finding.time, event_type, packet_source: None, ..Header::default() };
    record(out, &header, clock, |object| {
        if own {
            object.object("health", |o| {
                o.text("name", finding.name).text("state", finding.state.name()).text("since", &since);
                o.text("what", &finding.what).text("advice", finding.advice);
                if !finding.counts.is_empty() {
                    o.object("counts", |counts| {
                        for (name, count) in &finding.counts {
                            counts.number(name, *count);
                        }
                    });
                }
            });
        } else {
            object.object("engine", |o| {
                o.text("message", finding.in_words()).text("module", "health");
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Timestamp;

    use super::*;
    use crate::health::State;

    #[test]
    fn a_finding_is_told_in_words_and_numbers() {
        let finding = Finding {
            name: "one_sided",
            state: State::Begun,
            time: Timestamp(1_000_000),
            since: Timestamp(0),
            what: "one side".into(),
            advice: "mirror both",
            counts: vec![("one_sided", 12)],
        };
        let mut out = Vec::new();
        write(&mut out, &finding, true, &mut Clock::default());
        write(&mut out, &finding, false, &mut Clock::default());
        let lines: Vec<serde_json::Value> =
            out.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
        let own = &lines[0]["health"];
        assert_eq!(
            (&own["name"], &own["state"], &own["counts"]["one_sided"]),
            (&"one_sided".into(), &"begun".into(), &12.into())
        );
        assert_eq!(own["since"], "1970-01-01T00:00:00.000000+0000");
        assert_eq!(lines[1]["engine"]["message"], "one side; mirror both");
    }
}
