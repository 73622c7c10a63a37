//! `threshold` and `detection_filter`: how many matches make an alert. `tag`: what is recorded after one.

use super::Keyword;
use crate::builder::{Argument, Builder};
use crate::rule::fault::Fault;
use crate::rule::{Tag, TagUnit, Threshold, ThresholdKind, Track, UniquePort};

/// The family.
pub(super) static KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "threshold",
        aliases: &[],
        doc: "Alerts on the first `count` matches in `seconds` (limit), on every `count`th (threshold), on the `count`th once (both), or in a flow at `count` and multiples that grow by `multiplier` (backoff).",
        examples: &[
            "threshold:type limit, track by_src, count 1, seconds 60",
            "threshold:type backoff, track by_flow, count 1, multiplier 10",
        ],
        parse: threshold,
    },
    Keyword {
        name: "detection_filter",
        aliases: &[],
        doc: "Alerts on matches after the first `count` in `seconds`; with `unique_on src_port` or `dst_port` different ports are counted.",
        examples: &["detection_filter:track by_src, count 15, seconds 2"],
        parse: detection_filter,
    },
    Keyword {
        name: "tag",
        aliases: &[],
        doc: "Records packets that follow an alert: of the flow (`session`) or of a host (`src` or `dst`), for a number of packets, seconds or bytes.",
        examples: &["tag:session,5,packets", "tag:host,100,packets,src"],
        parse: tag,
    },
];

fn threshold(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let rule = &mut builder.rule;
    // Of two `threshold`s the later one counts; beside a `detection_filter` there is no telling which is meant.
    if rule.detection_filter.is_some() {
        return Err(argument.fault("a second threshold", "a rule has one `threshold` or one `detection_filter`"));
    }
    let threshold = ThresholdParts::read(argument.required()?).and_then(|parts| parts.threshold());
    rule.threshold =
        Some(threshold.map_err(|m| argument.fault(m, "such as `type limit, track by_src, count 1, seconds 60`"))?);
    Ok(())
}

fn detection_filter(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let rule = &mut builder.rule;
    if rule.threshold.is_some() || rule.detection_filter.is_some() {
        return Err(argument.fault("a second threshold", "a rule has one `threshold` or one `detection_filter`"));
    }
    let filter = ThresholdParts::read(argument.required()?).and_then(|parts| parts.filter());
    rule.detection_filter = Some(filter.map_err(|m| argument.fault(m, "such as `track by_src, count 15, seconds 2`"))?);
    Ok(())
}

/// The parts of a threshold as they stand in a rule or in a threshold file, in any order.
#[derive(Debug, Default)]
pub(crate) struct ThresholdParts {
    kind: Option<ThresholdKind>,
    track: Option<Track>,
    count: Option<u32>,
    seconds: Option<u32>,
    multiplier: Option<u32>,
    unique_on: Option<UniquePort>,
}

impl ThresholdParts {
    /// Reads `key value` pairs between commas.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut parts = Self::default();
        for part in text.split(',').map(str::trim) {
            let whole =
                parts.kind.is_some() && parts.track.is_some() && parts.count.is_some() && parts.seconds.is_some();
            let (key, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            // What follows the value (an option whose semicolon was forgotten) is passed over, as rule sets rely on it.
            let value = value.split_whitespace().next().unwrap_or_default();
            match parts.set(key, value) {
                Err(_) if whole && !matches!(key, "multiplier" | "unique_on") => break,
                other => other?,
            }
        }
        Ok(parts)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "type" => put(&mut self.kind, (key, value), kind(value)),
            "track" => put(&mut self.track, (key, value), track(value)),
            "count" => put(&mut self.count, (key, value), positive(value)),
            "seconds" => put(&mut self.seconds, (key, value), positive(value)),
            "multiplier" => put(&mut self.multiplier, (key, value), positive(value)),
            "unique_on" => put(&mut self.unique_on, (key, value), unique_port(value)),
            _ => Err(format!("`{key}` is none of type, track, count, seconds, multiplier and unique_on")),
        }
    }

    /// For `threshold` and `event_filter`.
    pub(crate) fn threshold(&self) -> Result<Threshold, String> {
        let kind = self.kind.ok_or("the type is missing")?;
        let backoff = kind == ThresholdKind::Backoff;
        if backoff != (self.track == Some(Track::Flow) && self.multiplier.is_some())
            && (backoff || self.multiplier.is_some())
        {
            return Err("`multiplier` goes with `type backoff, track by_flow`".into());
        }
        if backoff && self.seconds.is_some() {
            return Err("`backoff` has no seconds".into());
        }
        if self.unique_on.is_some() {
            return Err("`unique_on` goes with `detection_filter`".into());
        }
        self.build(kind)
    }

    /// For `detection_filter` and `rate_filter`.
    pub(crate) fn filter(&self) -> Result<Threshold, String> {
        if self.kind.is_some() || self.multiplier.is_some() {
            return Err("`type` and `multiplier` go with `threshold`".into());
        }
        self.build(ThresholdKind::Filter)
    }

    fn build(&self, kind: ThresholdKind) -> Result<Threshold, String> {
        let seconds = if kind == ThresholdKind::Backoff { Some(0) } else { self.seconds };
        Ok(Threshold {
            kind,
            track: self.track.ok_or("what is tracked is missing")?,
            count: self.count.ok_or("the count is missing")?,
            seconds: seconds.ok_or("the seconds are missing")?,
            multiplier: self.multiplier.unwrap_or(1),
            unique_on: self.unique_on,
        })
    }
}

fn put<T>(place: &mut Option<T>, (key, value): (&str, &str), read: Option<T>) -> Result<(), String> {
    if place.is_some() {
        return Err(format!("`{key}` stands twice"));
    }
    *place = read;
    if place.is_some() { Ok(()) } else { Err(format!("`{value}` is no value of `{key}`")) }
}

fn kind(text: &str) -> Option<ThresholdKind> {
    match text {
        "limit" => Some(ThresholdKind::Limit),
        "threshold" => Some(ThresholdKind::Threshold),
        "both" => Some(ThresholdKind::Both),
        "backoff" => Some(ThresholdKind::Backoff),
        _ => None,
    }
}

/// What is counted by, by its name.
pub(crate) fn track(text: &str) -> Option<Track> {
    match text {
        "by_src" => Some(Track::Source),
        "by_dst" => Some(Track::Destination),
        "by_both" => Some(Track::Pair),
        "by_rule" => Some(Track::Rule),
        "by_flow" => Some(Track::Flow),
        _ => None,
    }
}

fn unique_port(text: &str) -> Option<UniquePort> {
    match text {
        "src_port" => Some(UniquePort::Source),
        "dst_port" => Some(UniquePort::Destination),
        _ => None,
    }
}

/// A number that is not 0.
pub(crate) fn positive(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&number| number > 0)
}

/// Packets that are recorded where the rule gives no number.
const TAG_PACKETS: u32 = 256;

fn tag(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let hint = "such as `session,5,packets` or `host,100,packets,src`";
    let parts: Vec<&str> = argument.required()?.split(',').map(str::trim).collect();
    let (what, count, unit, side) = match parts.as_slice() {
        [what] => (*what, None, "packets", None),
        [what, count, unit] => (*what, Some(*count), *unit, None),
        [what, count, unit, side] => (*what, Some(*count), *unit, Some(*side)),
        _ => return Err(argument.fault("a number goes with its unit", hint)),
    };
    let host = match (what, side) {
        ("session", None) => None,
        ("host", Some("src")) => Some(true),
        ("host", Some("dst")) => Some(false),
        ("host", _) => return Err(argument.fault("`host` needs `src` or `dst` at its end", hint)),
        _ => return Err(argument.fault(format!("`{what}` cannot be tagged so"), hint)),
    };
    let unit = match unit {
        "packets" => TagUnit::Packets,
        "seconds" => TagUnit::Seconds,
        "bytes" => TagUnit::Bytes,
        _ => return Err(argument.fault(format!("`{unit}` is no unit"), "packets, seconds or bytes")),
    };
    let count = count
        .map_or(Some(TAG_PACKETS), positive)
        .ok_or_else(|| argument.fault("the number is not one above 0", hint))?;
    builder.rule.tags.push(Tag { host, count, unit });
    Ok(())
}
