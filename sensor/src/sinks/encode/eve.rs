//! EVE JSON: the stored form as it is, or as a profile has it, with the sensor's name where a delivery says that.

use tapwire_parsers::json::Object;

use super::{Encoding, Facts, Settings};

pub(super) const ENCODING: Encoding = Encoding {
    name: "eve",
    doc: "EVE JSON, the stored form itself, or what a profile leaves of it; deliveries have the sensor's name in `host`",
    media_type: "application/json",
    write,
};

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    if settings.profile.is_all() {
        out.extend_from_slice(facts.record.line().as_bytes());
    } else {
        settings.profile.write(facts, out);
    }
    if !settings.sensor.is_empty() && facts.host.is_none() {
        name_sensor(out, start, &settings.sensor);
    }
    true
}

/// Puts the sensor's name into a record, behind its time: that stays first, for some look for it there.
fn name_sensor(out: &mut Vec<u8>, start: usize, sensor: &str) {
    const TIME: &[u8] = br#"{"timestamp":""#;
    let mut member = Vec::new();
    Object::new(&mut member).text("host", sensor);
    let record = out.get(start..).unwrap_or_default();
    let behind_time = record.strip_prefix(TIME).and_then(|rest| rest.iter().position(|byte| *byte == b'"'));
    let at = behind_time.map_or(1, |length| TIME.len() + length + 1);
    // Of `{"host":"…"}`, what is between the braces, with the comma on the side where it is needed.
    let member = member.get(1..member.len().saturating_sub(1)).unwrap_or_default();
    let commas: (&[u8], &[u8]) = match record.get(at) {
        _ if behind_time.is_some() => (b",", b""),
        Some(b'}') | None => (b"", b""),
        Some(_) => (b"", b","),
    };
    let member = [commas.0, member, commas.1].concat();
    out.splice(start + at..start + at, member);
}

#[cfg(test)]
mod tests {
    use super::super::tests::encoded;

    #[test]
    fn a_delivery_names_the_sensor_behind_the_time() {
        for (record, expected) in [
            (
                r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","event_type":"flow"}"#,
                r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","host":"sensor1","event_type":"flow"}"#,
            ),
            (
                r#"{"timestamp":"2026-11-24T12:35:06.357488+0000"}"#,
                r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","host":"sensor1"}"#,
            ),
            (r#"{"event_type":"flow"}"#, r#"{"host":"sensor1","event_type":"flow"}"#),
            ("{}", r#"{"host":"sensor1"}"#),
            (r#"{"event_type":"flow","host":"its own"}"#, r#"{"event_type":"flow","host":"its own"}"#),
        ] {
            assert_eq!(encoded("eve", record).unwrap(), expected);
        }
    }
}
