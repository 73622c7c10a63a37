//! What packets are looked for by, as it is given.

use std::io::Read;
use std::str::FromStr;

use serde_json::Value;
use tapwire_parsers::link::Timestamp;

use crate::recording::fetch::Query;
use crate::recording::recorder::alias_of_community;

/// Bytes of a record on standard input.
const RECORD_LIMIT: u64 = 16 << 20;

/// An alert: a rule, or a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Alert {
    /// All of a rule, by its group, if that is said, and id.
    Rule(Option<u32>, u32),
    /// That of a record.
    Record(Value),
    /// Those of records on standard input, one a line.
    Input,
}

impl FromStr for Alert {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Input);
        }
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map(Self::Record).map_err(|error| format!("it is no record: {error}"));
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| "write SID, GID:SID, a record or -".to_owned());
        match text.split_once(':') {
            Some((gid, sid)) => Ok(Self::Rule(Some(number(gid)?), number(sid)?)),
            None => Ok(Self::Rule(None, number(text)?)),
        }
    }
}

impl Alert {
    /// Adds what it is about to what is looked for.
    pub(super) fn add_to(&self, query: &mut Query) -> Result<(), String> {
        match self {
            Self::Rule(gid, sid) => query.rules.push((*gid, *sid)),
            Self::Record(record) => add_record(record, query)?,
            Self::Input => {
                let mut text = String::new();
                let read = std::io::stdin().lock().take(RECORD_LIMIT).read_to_string(&mut text);
                read.map_err(|error| format!("standard input cannot be read: {error}"))?;
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    let record: Value =
                        serde_json::from_str(line).map_err(|error| format!("standard input has no record: {error}"))?;
                    add_record(&record, query)?;
                }
            }
        }
        Ok(())
    }
}

/// The flow of a record or, where it has none, its packet.
fn add_record(record: &Value, query: &mut Query) -> Result<(), String> {
    let number = |key: &str| record.get(key).and_then(Value::as_u64);
    let at = record.get("timestamp").and_then(Value::as_str).and_then(|text| time(text).ok());
    match (number("flow_id"), number("pcap_cnt"), at) {
        (Some(flow), ..) => query.flows.push(flow),
        (None, Some(packet), Some(at)) => query.packets.push((packet, at)),
        _ => return Err("a record has neither `flow_id` nor `pcap_cnt` with `timestamp`".to_owned()),
    }
    Ok(())
}

/// The name that packets with a community id are found by.
pub(super) fn community(text: &str) -> Result<u64, String> {
    alias_of_community(text).ok_or_else(|| "a community id is 1: and 28 letters, as in records".to_owned())
}

/// A time: RFC 3339 (without a zone it is UTC), or seconds since 1970.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let seconds = || {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let micros = format!("{part:0<6}");
        let micros: u64 = micros.get(..6)?.parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
    };
    let stamp = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
    let civil = || {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        jiff::tz::Offset::UTC.to_timestamp(civil).ok().map(jiff::Timestamp::as_microsecond)
    };
    let micros = seconds().or_else(|| stamp().or_else(civil).and_then(|micros| u64::try_from(micros).ok()));
    micros
        .map(Timestamp)
        .ok_or_else(|| "write 2026-12-01T10:00:00Z, 2026-12-01T10:00:00 in UTC, or seconds since 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_records_and_people_have() {
        let second = Timestamp(1_444_144_603_000_000);
        for text in [
            "1444144603",
            "2015-10-06T15:16:43Z",
            "2015-10-06 15:16:43",
            "2015-10-06T15:16:43.000000+0000",
            "2015-10-06T17:16:43+02:00",
        ] {
            assert_eq!(time(text), Ok(second), "{text}");
        }
        assert_eq!(time("1444144603.1363"), Ok(Timestamp(1_444_144_603_136_300)));
        assert_eq!(time("2015-10-06"), Ok(Timestamp(1_444_089_600_000_000)));
        for text in ["", "now", "-5", "2015-13-06", "99999999999999999999"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_alert_is_a_rule_or_a_record() {
        assert_eq!("7".parse(), Ok(Alert::Rule(None, 7)));
        assert_eq!("1:7".parse(), Ok(Alert::Rule(Some(1), 7)));
        assert_eq!("-".parse(), Ok(Alert::Input));
        assert!("x".parse::<Alert>().is_err() && "{".parse::<Alert>().is_err());
        let mut query = Query::default();
        for record in [r#"{"flow_id":5}"#, r#"{"pcap_cnt":3,"timestamp":"2015-10-06T15:16:43.000000+0000"}"#] {
            record.parse::<Alert>().unwrap().add_to(&mut query).unwrap();
        }
        assert_eq!((query.flows, query.packets), (vec![5], vec![(3, Timestamp(1_444_144_603_000_000))]));
        assert!(r#"{"event_type":"stats"}"#.parse::<Alert>().unwrap().add_to(&mut Query::default()).is_err());
        assert!(community("1:ZRNmF0FaMuh1NOhaRO+EBjrcEgg=").is_ok() && community("1:abc").is_err());
    }
}
