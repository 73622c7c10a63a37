//! What records are found by, read from their text: addresses, names, digests, flows, rules.
//!
//! Every record passes here on its way to the disk, so its text is gone through once for quotes and nothing is built; serde_json takes
//! ten times as long. The text is this program's own and is valid; of any other something is found or not, and nothing else happens.

use memchr::{memchr, memchr2, memmem};

use crate::records::class::Class;

/// What the name of its kind stands behind in a record, and how far from its begin at most.
const EVENT_TYPE: &[u8] = b"\"event_type\":\"";
const HEAD_BYTES: usize = 1 << 10;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// When, as `2019-12-22T12:33:20.837297+0000`.
    Time,
    /// The event type.
    Type,
    /// An address.
    Address,
    /// A host's or domain's name.
    Name,
    /// A digest or a fingerprint.
    Hash,
    /// A community id.
    Community,
    /// The number of a rule.
    Rule,
    /// The number of a flow.
    Flow,
}

impl Kind {
    /// Those that have a filter.
    pub(crate) const FILTERED: [Self; 6] =
        [Self::Address, Self::Name, Self::Hash, Self::Community, Self::Rule, Self::Flow];

    fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"timestamp" => Self::Time,
            b"event_type" => Self::Type,
            b"src_ip" | b"dest_ip" | b"ip" | b"xff" | b"assigned_ip" | b"client_ip" => Self::Address,
            b"rrname" | b"hostname" | b"sni" | b"query" | b"host" | b"domain" | b"client_id" | b"helo" => Self::Name,
            b"rdata" => Self::Name,
            b"md5" | b"sha1" | b"sha256" | b"hash" | b"fingerprint" | b"ja4" | b"ja4s" | b"hassh" => Self::Hash,
            b"community_id" => Self::Community,
            b"signature_id" => Self::Rule,
            b"flow_id" => Self::Flow,
            _ => return None,
        })
    }
}

/// Gives each value of a record that is known by its key to `take`, as it is written between its quotes.
pub(crate) fn values<'t>(record: &'t [u8], mut take: impl FnMut(Kind, &'t [u8])) {
    let (mut rest, mut kind) = (record, None);
    while let Some(quote) = memchr(b'"', rest) {
        let Some((text, behind)) = rest.get(quote + 1..).and_then(text_of) else { return };
        rest = behind;
        if behind.first() != Some(&b':') {
            // A value, or one of a list.
            if let Some(kind) = kind {
                take(kind, text);
            }
            continue;
        }
        kind = Kind::of(text);
        rest = behind.get(1..).unwrap_or(&[]);
        if let Some(known) = kind {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if let Some(number) = rest.get(..digits).filter(|number| !number.is_empty()) {
                take(known, number);
            }
        }
    }
}

/// The text up to the quote that ends it, and what is behind that.
fn text_of(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', rest.get(at..)?)?;
        if rest.get(at) == Some(&b'"') {
            return Some((rest.get(..at)?, rest.get(at + 1..)?));
        }
        at += 2;
    }
}

/// What a record is, by its text. What names it stands at its begin, and a quote within a value would have a backslash before it.
pub(crate) fn class_of(record: &[u8]) -> Class {
    let head = record.get(..HEAD_BYTES).unwrap_or(record);
    let Some(at) = memmem::find(head, EVENT_TYPE) else { return Class::Sensor };
    let text = record.get(at + EVENT_TYPE.len()..).and_then(text_of);
    text.map_or(Class::Sensor, |(name, _)| Class::of_event_type(name))
}

/// Microseconds since 1970 of a time stamp of ours.
pub(crate) fn time_of(text: &[u8]) -> Option<u64> {
    let number = |from: usize, to: usize| {
        text.get(from..to)?
            .iter()
            .try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let of_day = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    // Days since 1970 in the Gregorian calendar, whose year begins in March here.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day - 1 - 719_468;
    u64::try_from((days * 86_400 + of_day) * 1_000_000 + number(20, 26)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::header::Clock;
    use tapwire_parsers::link::Timestamp;

    fn found(record: &str) -> Vec<(Kind, &str)> {
        let mut all = Vec::new();
        values(record.as_bytes(), |kind, text| all.push((kind, std::str::from_utf8(text).unwrap())));
        all
    }

    #[test]
    fn values_are_found_by_their_keys_at_any_depth() {
        let record = r#"{"timestamp":"t","flow_id":12,"event_type":"tls","src_ip":"::1","x":{"y":["src_ip","sni"],"sni":"a\"b"},"alert":{"signature_id":7},"ips":"no"}"#;
        assert_eq!(
            found(record),
            [
                (Kind::Time, "t"),
                (Kind::Flow, "12"),
                (Kind::Type, "tls"),
                (Kind::Address, "::1"),
                (Kind::Name, r#"a\"b"#),
                (Kind::Rule, "7"),
            ]
        );
        assert_eq!(found(r#"{"hostname":["a","b"],"z":"c","md5":null,"sha1":"d"}"#).len(), 3);
    }

    #[test]
    fn what_is_broken_ends_and_nothing_else() {
        let whole = r#"{"src_ip":"10.0.0.1","sni":"x\\\"y","flow_id":5}"#;
        for cut in 0..whole.len() {
            found(&whole[..cut]);
        }
        assert_eq!(found(r#"{"sni":"\"#), []);
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let mut clock = Clock::default();
        for micros in [0, 1, 951_782_399_999_999, 951_868_800_000_000, 1_796_119_068_123_456, 4_107_542_400_000_000] {
            assert_eq!(time_of(clock.timestamp(Timestamp(micros)).as_bytes()), Some(micros));
        }
        assert_eq!((time_of(b"yesterday"), time_of(b"")), (None, None));
    }

    #[test]
    fn records_have_their_class() {
        for (kind, class) in [
            ("alert", Class::Alert),
            ("dns", Class::Transaction),
            ("netflow", Class::Flow),
            ("fileinfo", Class::File),
            ("stats", Class::Sensor),
        ] {
            assert_eq!(
                class_of(format!(r#"{{"flow_id":1,"event_type":"{kind}","x":{{"event_type":"y"}}}}"#).as_bytes()),
                class
            );
        }
    }
}
