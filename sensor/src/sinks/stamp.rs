//! Times of the sensor's own in records: when an alert was decided (`tapwire.matched`), when it was handed to a receiver (`tapwire.emitted`).

use memchr::memmem;
use tapwire_parsers::link::Timestamp;

use crate::records::header::Clock;

/// What the object begins with that has them.
const OWN: &[u8] = br#""tapwire":{"event_id":""#;
/// Where that begins at most.
const HEAD_BYTES: usize = 4 << 10;

/// The record with a time behind its id, made in `room`; as it is where it has no id, as under a configuration of Suricata's.
pub fn stamped<'r>(
    record: &'r [u8],
    name: &str,
    time: Timestamp,
    clock: &mut Clock,
    room: &'r mut Vec<u8>,
) -> &'r [u8] {
    let head = record.get(..HEAD_BYTES).unwrap_or(record);
    // Within a string a quote has a backslash before it, so what is found is a member.
    let id = memmem::find(head, OWN).map(|at| at + OWN.len());
    let end = id.and_then(|id| Some(id + memchr::memchr(b'"', record.get(id..)?)? + 1));
    let Some((before, behind)) = end.and_then(|end| record.split_at_checked(end)) else { return record };
    room.clear();
    for part in [before, b",\"", name.as_bytes(), b"\":\"", clock.timestamp(time).as_bytes(), b"\"", behind] {
        room.extend_from_slice(part);
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_behind_the_id_of_a_record_and_nowhere_else() {
        let (mut clock, mut room) = (Clock::default(), Vec::new());
        let mut with = |record: &str| {
            let text = stamped(record.as_bytes(), "matched", Timestamp(1_000_001), &mut clock, &mut room).to_vec();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            with(r#"{"src_ip":"::1","tapwire":{"event_id":"l1-2","direction":"inbound"},"alert":{"rev":1}}"#),
            r#"{"src_ip":"::1","tapwire":{"event_id":"l1-2","matched":"1970-01-01T00:00:01.000001+0000","direction":"inbound"},"alert":{"rev":1}}"#
        );
        for other in [
            r#"{"src_ip":"::1","alert":{}}"#.to_owned(),
            r#"{"tapwire":{"lost_packets":1}}"#.to_owned(),
            r#"{"host":"\"tapwire\":{\"event_id\":\"x\"}"}"#.to_owned(),
            r#"{"tapwire":{"event_id":"half"#.to_owned(),
            format!(r#"{{"x":"{}","tapwire":{{"event_id":"late"}}}}"#, "x".repeat(5_000)),
        ] {
            assert_eq!(with(&other), other);
        }
    }
}
