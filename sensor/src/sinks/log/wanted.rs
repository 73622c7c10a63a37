//! Which records are wanted: by time, type, and what is in them. A segment's index tells whether it can have any.

use std::net::IpAddr;

use tapwire_parsers::link::Timestamp;

use super::index::Index;
pub use super::scan::Kind;
use super::scan::{time_of, values};

/// Which records are wanted; those that all of it holds for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// One of these event types, or any.
    pub types: Vec<String>,
    /// For each kind that is asked for, one of these.
    pub values: Vec<(Kind, Vec<String>)>,
    /// One of these texts is in it, or any.
    pub texts: Vec<String>,
    /// Whatever case letters of those have.
    pub any_case: bool,
}

impl Wanted {
    /// Whether a segment may have one.
    pub(crate) fn may_be_in(&self, index: &Index) -> bool {
        let (first, last) = index.times;
        self.since.is_none_or(|since| last >= since.0)
            && self.until.is_none_or(|until| first < until.0)
            && (self.types.is_empty() || self.types.iter().any(|name| index.may_have_type(name)))
            && self.values.iter().all(|(kind, any)| any.iter().any(|value| index.may_hold(*kind, value)))
    }

    /// Where in a segment the first one may be.
    pub(crate) fn begin_in(&self, index: &Index) -> u64 {
        let early = |since: Timestamp| index.marks.iter().find(|mark| mark.last >= since.0);
        self.since.and_then(early).map_or(0, |mark| mark.offset)
    }

    /// Whether a record is one.
    pub fn holds(&self, record: &[u8]) -> bool {
        self.has_text(record) && self.has_values(record)
    }

    fn has_text(&self, record: &[u8]) -> bool {
        if self.texts.is_empty() {
            return true;
        }
        if self.any_case {
            let record = String::from_utf8_lossy(record).to_lowercase();
            return self.texts.iter().any(|text| record.contains(&text.to_lowercase()));
        }
        self.texts.iter().any(|text| memchr::memmem::find(record, text.as_bytes()).is_some())
    }

    fn has_values(&self, record: &[u8]) -> bool {
        let has_times = self.since.is_some() || self.until.is_some();
        if !has_times && self.types.is_empty() && self.values.is_empty() {
            return true;
        }
        let (mut time, mut is_type) = (None, None);
        let mut found = vec![false; self.values.len()];
        values(record, |kind, value| match kind {
            Kind::Time => time = time.or_else(|| time_of(value)),
            Kind::Type => {
                let is_wanted = || self.types.iter().any(|name| name.as_bytes() == value);
                is_type.get_or_insert_with(is_wanted);
            }
            _ => {
                for ((wanted, any), found) in self.values.iter().zip(&mut found) {
                    *found |= *wanted == kind && any.iter().any(|one| is_same(kind, one, value));
                }
            }
        });
        let is_in_time =
            |time: u64| self.since.is_none_or(|since| time >= since.0) && self.until.is_none_or(|until| time < until.0);
        (!has_times || time.is_some_and(is_in_time))
            && (self.types.is_empty() || is_type == Some(true))
            && found.iter().all(|found| *found)
    }
}

/// Whether a value of a record is the one that is asked for; a domain is in each of its hosts.
fn is_same(kind: Kind, asked: &str, value: &[u8]) -> bool {
    match kind {
        Kind::Address | Kind::Name => {
            let text = std::str::from_utf8(value).unwrap_or_default();
            let addresses = (asked.parse::<IpAddr>(), text.parse::<IpAddr>());
            if let (Ok(asked), Ok(value)) = addresses {
                return asked.to_canonical() == value.to_canonical();
            }
            let (asked, text) = (asked.trim_end_matches('.'), text.trim_end_matches('.'));
            let begin = text.len().checked_sub(asked.len());
            begin.and_then(|begin| text.get(begin..)).is_some_and(|end| end.eq_ignore_ascii_case(asked))
                && (text.len() == asked.len()
                    || text.get(..text.len() - asked.len()).is_some_and(|sub| sub.ends_with('.')))
        }
        Kind::Hash => asked.as_bytes().eq_ignore_ascii_case(value),
        _ => asked.as_bytes() == value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::log::index::Indexer;

    const RECORD: &str = r#"{"timestamp":"2026-12-01T09:00:00.000000+0000","flow_id":7,"event_type":"tls","src_ip":"2001:0db8:0000:0000:0000:0000:0000:0001","tls":{"sni":"www.Example.com","ja3":{"hash":"ABC"}}}"#;

    fn of(kind: Kind, value: &str) -> Wanted {
        Wanted { values: vec![(kind, vec!["no".into(), value.into()])], ..Wanted::default() }
    }

    #[test]
    fn a_record_is_wanted_where_all_holds_and_its_index_agrees() {
        let mut indexer = Indexer::default();
        indexer.add(RECORD.as_bytes(), 0);
        let index = indexer.finish(100);
        let nine = 1_796_115_600_000_000;
        let times = |since: u64, until: u64| Wanted {
            since: Some(Timestamp(since)),
            until: Some(Timestamp(until)),
            ..Wanted::default()
        };
        let types = |name: &str| Wanted { types: vec!["dns".into(), name.into()], ..Wanted::default() };
        for (wanted, holds) in [
            (Wanted::default(), true),
            (of(Kind::Address, "2001:db8::1"), true),
            (of(Kind::Address, "2001:db8::2"), false),
            (of(Kind::Name, "www.example.com."), true),
            (of(Kind::Name, "example.com"), true),
            (of(Kind::Name, "ample.com"), false),
            (of(Kind::Hash, "abc"), true),
            (of(Kind::Flow, "7"), true),
            (of(Kind::Flow, "77"), false),
            (of(Kind::Rule, "7"), false),
            (types("tls"), true),
            (types("flow"), false),
            (times(nine, nine + 1), true),
            (times(nine + 1, nine + 2), false),
            (times(nine - 1, nine), false),
            (
                Wanted {
                    values: [of(Kind::Flow, "7").values, of(Kind::Hash, "x").values].concat(),
                    ..Wanted::default()
                },
                false,
            ),
        ] {
            assert_eq!((wanted.holds(RECORD.as_bytes()), wanted.may_be_in(&index)), (holds, holds), "{wanted:?}");
        }
    }

    #[test]
    fn text_is_found_as_it_stands_or_in_any_case() {
        let text = |text: &str, any_case| Wanted { texts: vec![text.into()], any_case, ..Wanted::default() };
        assert!(text("Example", false).holds(RECORD.as_bytes()));
        assert!(!text("example", false).holds(RECORD.as_bytes()) && text("eXAMPLE", true).holds(RECORD.as_bytes()));
    }
}
