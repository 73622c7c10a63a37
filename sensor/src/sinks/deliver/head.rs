//! What a delivery has to know of a record: what tells it apart, and what filters ask for.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;

/// The members of a record that deliveries look at.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Head<'a> {
    /// When it happened.
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    /// What kind of record it is.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// The flow; 0 where there is none.
    pub flow_id: u64,
    /// The flow, as other tools name it.
    #[serde(borrow)]
    pub community_id: Cow<'a, str>,
    /// The sensor.
    #[serde(borrow)]
    pub host: Cow<'a, str>,
    #[serde(borrow)]
    src_ip: Cow<'a, str>,
    #[serde(borrow)]
    dest_ip: Cow<'a, str>,
    #[serde(borrow)]
    alert: AlertHead<'a>,
    #[serde(borrow)]
    tapwire: OwnHead<'a>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct AlertHead<'a> {
    severity: u8,
    #[serde(borrow)]
    metadata: RuleTags<'a>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct RuleTags<'a> {
    #[serde(borrow)]
    tag: Vec<Cow<'a, str>>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct OwnHead<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    matched: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Reads it; what is no record has an empty one.
    pub fn of(line: &'a [u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_default()
    }

    /// The same, of that sensor where the record names none.
    pub fn at(mut self, sensor: &'a str) -> Self {
        if self.host.is_empty() {
            self.host = Cow::Borrowed(sensor);
        }
        self
    }

    /// Its id, where it has one.
    pub fn id(&self) -> Option<&str> {
        Some(&*self.tapwire.event_id).filter(|id| !id.is_empty())
    }

    /// What keeps records of one flow together.
    pub fn key(&self) -> Cow<'_, str> {
        match (&*self.community_id, self.flow_id) {
            ("", 0) => Cow::Borrowed(self.id().unwrap_or_default()),
            ("", flow) => Cow::Owned(flow.to_string()),
            (community, _) => Cow::Borrowed(community),
        }
    }

    /// How grave its alert is: 1 is worst, 0 is none.
    pub fn severity(&self) -> u8 {
        self.alert.severity
    }

    /// `tag` of the metadata of its rule.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.alert.metadata.tag.iter().map(|tag| &**tag)
    }

    /// Both of its ends.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [&self.src_ip, &self.dest_ip].into_iter().filter_map(|text| text.parse().ok())
    }

    /// When it happened, in microseconds since 1970.
    pub fn time_us(&self) -> Option<i64> {
        micros(&self.timestamp)
    }

    /// When it was decided, where it says so.
    pub fn matched_us(&self) -> Option<i64> {
        micros(&self.tapwire.matched)
    }
}

fn micros(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_a_record_apart_is_read_and_the_rest_passed_over() {
        let line = br#"{"timestamp":"2019-12-22T12:33:20.837297+0000","flow_id":7,"event_type":"alert","src_ip":"10.0.0.1","dest_ip":"2001:db8::1",
            "alert":{"severity":2,"signature":"a\"b","metadata":{"tag":["Cobalt"],"created_at":["2020"]}},"community_id":"1:x","tapwire":{"event_id":"e1","matched":"1970-01-01T00:00:01Z"},"x":[1,{}]}"#;
        let head = Head::of(line);
        assert_eq!((&*head.event_type, head.id(), &*head.key(), head.severity()), ("alert", Some("e1"), "1:x", 2));
        assert_eq!((head.time_us(), head.matched_us()), (Some(1_577_018_000_837_297), Some(1_000_000)));
        assert_eq!((head.tags().collect::<Vec<_>>(), head.addresses().count()), (vec!["Cobalt"], 2));
        assert!(matches!(head.event_type, Cow::Borrowed(_)));
        assert_eq!(Head::of(br#"{"flow_id":7}"#).key(), "7");
        for odd in [&b"no json"[..], b"{\"flow_id\":\"x\"}", b"[]", b"{\"alert\":3}", b"\xff"] {
            assert_eq!(Head::of(odd), Head::default());
        }
    }
}
