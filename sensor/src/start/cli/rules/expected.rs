//! The file `expected` of a case: which alerts must come, and what they are raised on.
//!
//! One line for each expected alert: `2001`, `2001 x3`, `2001 pcap_cnt=7`, with `gid:sid` where the gid is not 1 and
//! `tenant/` before that where the rule is a tenant's. Lines of one rule add up. `capture: PATH` and `rules: PATH` name further files, from the folder of the case.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::alerts::Alert;
use super::id::RuleId;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    lines: Vec<Line>,
    /// Captures beside those in the folder, in order.
    pub(super) captures: Vec<String>,
    /// Rule files beside those in the folder, in order.
    pub(super) rules: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    wanted: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    rule: RuleId,
    packet: Option<u64>,
    count: usize,
}

/// Alerts of one line.
const COUNT_LIMIT: usize = 1_000_000;

/// A rule whose alerts are not those that are expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) rule: RuleId,
    pub(super) expected: usize,
    /// Packets on which an alert was expected and did not come.
    pub(super) missed: Vec<u64>,
    pub(super) came: usize,
    /// Packets of the alerts that came.
    pub(super) packets: Vec<u64>,
}

impl Expected {
    /// Reads a file; what is wrong with its first bad line.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let said = line.trim();
            let path = |prefix| said.strip_prefix(prefix).map(str::trim).filter(|path: &&str| !path.is_empty());
            let mut wanted = None;
            if let Some(path) = path("capture:") {
                read.captures.push(path.to_owned());
            } else if let Some(path) = path("rules:") {
                read.rules.push(path.to_owned());
            } else {
                let words = said.split('#').next().unwrap_or_default().trim();
                if !words.is_empty() {
                    let hint = "write SID, SID xCOUNT, SID pcap_cnt=N, capture: PATH, rules: PATH, or # and a comment";
                    let wrong = || format!("line {number}: `{words}` is no expected alert; {hint}");
                    wanted = Some(Wanted::read(words).ok_or_else(wrong)?);
                }
            }
            read.lines.push(Line { text: line.trim_end().to_owned(), wanted });
        }
        Ok(read)
    }

    /// Where the alerts of a run are not those that are expected, by rule.
    pub(super) fn compare(&self, alerts: &[Alert]) -> Vec<Difference> {
        let mut rules: BTreeMap<RuleId, (Vec<Wanted>, Vec<&Alert>)> = BTreeMap::new();
        for wanted in self.lines.iter().filter_map(|line| line.wanted) {
            rules.entry(wanted.rule).or_default().0.push(wanted);
        }
        for alert in alerts {
            rules.entry(alert.id()).or_default().1.push(alert);
        }
        rules.into_iter().filter_map(|(rule, (wanted, came))| difference(rule, &wanted, &came)).collect()
    }

    /// The file that would hold: lines of rules that differ make place for what came, all others stay.
    pub(super) fn blessed(&self, alerts: &[Alert]) -> String {
        let differences = self.compare(alerts);
        let differs = |rule: RuleId| differences.iter().find(|difference| difference.rule == rule);
        let (mut text, mut by_packet) = (String::new(), Vec::new());
        for line in &self.lines {
            match line.wanted {
                Some(wanted) if differs(wanted.rule).is_some() => {
                    by_packet.extend(wanted.packet.map(|_| wanted.rule));
                }
                _ => {
                    text.push_str(&line.text);
                    text.push('\n');
                }
            }
        }
        for Difference { rule, came, packets, .. } in differences.iter().filter(|difference| difference.came > 0) {
            let message = alerts.iter().find(|alert| alert.id() == *rule).map(Alert::message).unwrap_or_default();
            let comment = format!("# {}", message.replace(char::is_control, " "));
            // Whoever named packets goes on to do so.
            if by_packet.contains(rule) && packets.len() == *came {
                for packet in packets {
                    let _ = writeln!(text, "{} pcap_cnt={packet}  {comment}", rule);
                }
            } else if *came == 1 {
                let _ = writeln!(text, "{}  {comment}", rule);
            } else {
                let _ = writeln!(text, "{} x{came}  {comment}", rule);
            }
        }
        text
    }
}

impl Wanted {
    fn read(words: &str) -> Option<Self> {
        let mut words = words.split_whitespace();
        let mut wanted = Self { rule: words.next()?.parse().ok()?, packet: None, count: 1 };
        let mut counted = false;
        for word in words {
            if let Some(packet) = word.strip_prefix("pcap_cnt=").filter(|_| wanted.packet.is_none()) {
                wanted.packet = Some(packet.parse().ok()?);
            } else {
                wanted.count =
                    word.strip_prefix('x').filter(|_| !counted)?.parse().ok().filter(|n| *n <= COUNT_LIMIT)?;
                counted = true;
            }
        }
        Some(wanted)
    }
}

fn difference(rule: RuleId, wanted: &[Wanted], came: &[&Alert]) -> Option<Difference> {
    let packets: Vec<u64> = came.iter().filter_map(|alert| alert.packet).collect();
    let mut left = packets.clone();
    let mut missed = Vec::new();
    for wanted in wanted {
        for packet in wanted.packet.iter().flat_map(|packet| std::iter::repeat_n(*packet, wanted.count)) {
            match left.iter().position(|came| *came == packet) {
                Some(place) => drop(left.swap_remove(place)),
                None => missed.push(packet),
            }
        }
    }
    let expected = wanted.iter().fold(0_usize, |sum, wanted| sum.saturating_add(wanted.count));
    let right = expected == came.len() && missed.is_empty();
    (!right).then_some(Difference { rule, expected, missed, came: came.len(), packets })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(sid: u32, packet: u64) -> Alert {
        let text = format!(
            r#"{{"timestamp":"t","pcap_cnt":{packet},"alert":{{"gid":1,"signature_id":{sid},"signature":"m{sid}"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn lines_of_a_rule_add_up() {
        let alerts = [alert(1, 7), alert(1, 9), alert(1, 9), alert(2, 3)];
        for (text, differing) in [
            ("1 x3\n2", &[][..]),
            ("# both\n1 pcap_cnt=7\n1 x2 # twice\n\n1:2 pcap_cnt=3", &[]),
            ("1 pcap_cnt=9 x2\n1\n2", &[]),
            ("1 x3", &[2]),
            ("1 x2\n2", &[1]),
            ("1 pcap_cnt=8\n1 x2\n2\n3", &[1, 3]),
            ("3:1\n1 x3\n2", &[1]),
            ("", &[1, 2]),
        ] {
            let differences = Expected::read(text).unwrap().compare(&alerts);
            assert_eq!(differences.iter().map(|d| d.rule.sid).collect::<Vec<_>>(), differing, "{text}");
        }
        let missed = Expected::read("1 pcap_cnt=8").unwrap().compare(&alerts[..2]);
        assert_eq!(
            missed,
            [Difference {
                rule: RuleId { tenant: 0, gid: 1, sid: 1 },
                expected: 1,
                missed: vec![8],
                came: 2,
                packets: vec![7, 9]
            }]
        );
    }

    #[test]
    fn what_is_no_line_is_named() {
        for wrong in ["x", "1 x", "1 2", "1 x2 x3", "1 pcap_cnt=", "1:2:3", "capture:", "-1", "99999999999"] {
            let error = Expected::read(&format!("1\n{wrong}")).unwrap_err();
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }

    #[test]
    fn blessing_keeps_what_holds() {
        let alerts = [alert(1, 7), alert(2, 3), alert(2, 4), alert(3, 5)];
        let text = "# about\ncapture: ../a b.pcap\n1  # stays\n2 pcap_cnt=3\n9\n";
        let blessed = Expected::read(text).unwrap().blessed(&alerts);
        let expected = "# about\ncapture: ../a b.pcap\n1  # stays\n2 pcap_cnt=3  # m2\n2 pcap_cnt=4  # m2\n3  # m3\n";
        assert_eq!(blessed, expected);
        let again = Expected::read(&blessed).unwrap();
        assert_eq!((again.compare(&alerts), again.captures), (Vec::new(), vec!["../a b.pcap".to_owned()]));
    }
}
