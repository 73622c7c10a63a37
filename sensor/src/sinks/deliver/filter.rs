//! Which records a sink gets.

use ipnet::IpNet;

use super::head::Head;

/// Conditions that hold together; an empty one asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only records of these types.
    pub types: Vec<String>,
    /// None of these types.
    pub without: Vec<String>,
    /// Of alerts those that are as grave as that or graver: 1 is worst, 0 asks for nothing.
    pub severity: u8,
    /// An end of them is in one of these networks.
    pub networks: Vec<IpNet>,
    /// Of alerts those whose rule has one of these tags.
    pub tags: Vec<String>,
}

impl Filter {
    /// Whether a record passes.
    pub fn passes(&self, head: &Head<'_>) -> bool {
        let is = |name: &String| *name == head.event_type;
        let is_alert = head.severity() > 0;
        (self.types.is_empty() || self.types.iter().any(is))
            && !self.without.iter().any(is)
            && (self.severity == 0 || !is_alert || head.severity() <= self.severity)
            && (self.networks.is_empty()
                || head.addresses().any(|address| self.networks.iter().any(|network| network.contains(&address))))
            && (self.tags.is_empty() || !is_alert || head.tags().any(|tag| self.tags.iter().any(|known| known == tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_together() {
        let alert = br#"{"event_type":"alert","src_ip":"10.0.0.1","dest_ip":"192.0.2.1","alert":{"severity":2,"metadata":{"tag":["C2"]}}}"#;
        let flow = br#"{"event_type":"flow","src_ip":"198.51.100.1","dest_ip":"192.0.2.1"}"#;
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let networks = |text: &str| vec![text.parse().unwrap()];
        for (filter, expected) in [
            (Filter::default(), (true, true)),
            (Filter { types: list(&["alert"]), ..Filter::default() }, (true, false)),
            (Filter { without: list(&["alert"]), ..Filter::default() }, (false, true)),
            (Filter { severity: 1, ..Filter::default() }, (false, true)),
            (Filter { severity: 2, ..Filter::default() }, (true, true)),
            (Filter { networks: networks("10.0.0.0/8"), ..Filter::default() }, (true, false)),
            (Filter { networks: networks("192.0.2.0/24"), ..Filter::default() }, (true, true)),
            (Filter { tags: list(&["C2"]), ..Filter::default() }, (true, true)),
            (Filter { tags: list(&["other"]), ..Filter::default() }, (false, true)),
        ] {
            let passes = (filter.passes(&Head::of(alert)), filter.passes(&Head::of(flow)));
            assert_eq!(passes, expected, "{filter:?}");
        }
    }
}
