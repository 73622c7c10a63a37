//! Threshold files: thresholds, rate filters and suppressions that are kept apart from the rules.
//!
//! One entry a line (a backslash at its end continues it), `#` begins a comment. A fault skips its line and no other.

use std::borrow::Cow;

use super::point::at_its_word;
use crate::keywords::threshold::{ThresholdParts, positive};
use crate::rule::fault::Fault;
use crate::rule::{Action, Addresses, Threshold, Track};

/// The rules that an entry is about; 0 stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `gen_id`
    pub gid: u32,
    /// `sig_id`
    pub sid: u32,
}

impl Rules {
    /// Whether a rule is among them.
    pub fn contains(self, gid: u32, sid: u32) -> bool {
        (self.gid == 0 || self.gid == gid) && (self.sid == 0 || self.sid == sid)
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `threshold` or `event_filter`: replaces that of the rule.
    Threshold(Threshold),
    /// `rate_filter`: another action when a rule matches too often.
    RateFilter {
        /// How often is too often.
        threshold: Threshold,
        /// The new action.
        action: Action,
        /// How long it holds.
        timeout_s: u32,
    },
    /// `suppress`: no alerts at all, or none about some addresses.
    Suppress(Option<Suppression>),
}

/// Addresses that raise no alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The side that is looked at.
    pub side: Side,
    /// The addresses.
    pub addresses: Addresses,
}

/// The side of a packet that a suppression looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `by_src`
    Source,
    /// `by_dst`
    Destination,
    /// `by_either`
    Either,
}

/// What a threshold file says.
#[derive(Debug, Default)]
pub struct ThresholdFile {
    /// Entries in order, with the rules that they are about.
    pub entries: Vec<(Rules, Entry)>,
    /// Faults with their line, from 1, and the whole entry, in which their span is.
    pub faults: Vec<(usize, Fault, String)>,
}

/// Reads the addresses of a list such as `[10.0.0.0/8,!10.1.1.1]` or `$HOME_NET`.
pub type ReadAddresses<'a> = &'a dyn Fn(&str) -> Result<Addresses, String>;

impl ThresholdFile {
    /// Reads a file's text.
    pub fn read(text: &str, addresses: ReadAddresses<'_>) -> Self {
        let mut file = Self::default();
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let mut whole = line.trim_end().to_owned();
            while whole.ends_with('\\') {
                whole.pop();
                match lines.next() {
                    Some((next, _)) => whole.push_str(next.trim_end()),
                    None => break,
                }
            }
            let entry = whole.trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            match read_entry(entry, addresses) {
                Ok(entry) => file.entries.push(entry),
                Err(message) => {
                    let fault = at_its_word(Fault::new(0..whole.len(), message, HINT), &whole);
                    file.faults.push((number, fault, whole));
                }
            }
        }
        file
    }
}

const HINT: &str = "such as `suppress gen_id 1, sig_id 2000001, track by_src, ip 10.0.0.0/8`";

fn read_entry(line: &str, addresses: ReadAddresses<'_>) -> Result<(Rules, Entry), String> {
    let (word, rest) = line.split_once(char::is_whitespace).ok_or("an entry needs values")?;
    let mut values = Values::read(rest)?;
    let rules = Rules { gid: values.number("gen_id")?, sid: values.number("sig_id")? };
    let entry = match word {
        "threshold" | "event_filter" => Entry::Threshold(ThresholdParts::read(&values.rest())?.threshold()?),
        "rate_filter" => {
            let action = match &*values.take("new_action")? {
                "alert" => Action::Alert,
                "drop" => Action::Drop,
                "pass" => Action::Pass,
                "reject" => Action::Reject,
                other => return Err(format!("`{other}` is no action")),
            };
            let timeout_s = positive(&values.take("timeout")?).ok_or("the timeout is no number above 0")?;
            let threshold = ThresholdParts::read(&values.rest())?.filter()?;
            if threshold.track == Track::Flow {
                return Err("a rate filter cannot track flows".into());
            }
            Entry::RateFilter { threshold, action, timeout_s }
        }
        "suppress" => suppression(&mut values, addresses)?,
        _ => return Err(format!("`{word}` is no entry of a threshold file")),
    };
    Ok((rules, entry))
}

fn suppression(values: &mut Values<'_>, addresses: ReadAddresses<'_>) -> Result<Entry, String> {
    if values.0.is_empty() {
        return Ok(Entry::Suppress(None));
    }
    let side = match &*values.take("track")? {
        "by_src" => Side::Source,
        "by_dst" => Side::Destination,
        "by_either" => Side::Either,
        other => return Err(format!("`{other}` cannot be tracked")),
    };
    let addresses = addresses(&values.take("ip")?)?;
    match values.0.first() {
        Some((key, _)) => Err(format!("`{key}` is unknown here")),
        None => Ok(Entry::Suppress(Some(Suppression { side, addresses }))),
    }
}

/// Keys and values that are not used yet.
struct Values<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Values<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let mut depth = 0_u32;
        // Commas within brackets belong to a list of addresses, and so do those before an address without a key.
        let parts = text.split(|c: char| {
            match c {
                '[' => depth = depth.saturating_add(1),
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        let mut values: Vec<(&'a str, Cow<'a, str>)> = Vec::new();
        for part in parts.map(str::trim) {
            match (part.split_once(char::is_whitespace), values.last_mut()) {
                (Some((key, value)), _) if !is_address(key) => values.push((key, value.trim().into())),
                (_, Some(("ip", list))) if !part.is_empty() => {
                    list.to_mut().push(',');
                    list.to_mut().push_str(part);
                }
                _ => return Err(format!("`{part}` has no value")),
            }
        }
        Ok(Self(values))
    }

    fn take(&mut self, key: &str) -> Result<Cow<'a, str>, String> {
        let place = self.0.iter().position(|pair| pair.0 == key).ok_or_else(|| format!("`{key}` is missing"))?;
        Ok(self.0.remove(place).1)
    }

    fn number(&mut self, key: &str) -> Result<u32, String> {
        self.take(key)?.parse().map_err(|_| format!("`{key}` is no number"))
    }

    fn rest(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(",")
    }
}

/// Whether a word begins an address or a variable, and is no key.
fn is_address(word: &str) -> bool {
    word.starts_with(['!', '$', '[']) || word.contains(['.', ':', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::ThresholdKind;

    fn read(text: &str) -> ThresholdFile {
        ThresholdFile::read(text, &|list| match list {
            "[10.0.0.0/8, 1.1.1.1]" | "$HOME_NET" | "10.0.0.1" | "10.0.0.1,2001:db8::/32,$HOME_NET,!10.0.0.2" => {
                Ok(Addresses { v4: vec![(10, 20)], v6: vec![] })
            }
            _ => Err(format!("`{list}` is no list of addresses")),
        })
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let file = read(
            "# comment\n\
             threshold gen_id 1, sig_id 1000001, type limit, track by_rule, count 3, seconds 1000\n\
             event_filter gen_id 0, sig_id 0, type both, track by_src, count 1, seconds 60\n\
             rate_filter gen_id 1, sig_id 5, track by_dst, count 2, seconds 3, \\\n  new_action drop, timeout 30\n\
             suppress gen_id 1, sig_id 7\n\
             suppress gen_id 1, sig_id 7, track by_either, ip [10.0.0.0/8, 1.1.1.1]\n\
             suppress gen_id 1, ip 10.0.0.1, 2001:db8::/32,$HOME_NET, !10.0.0.2, track by_src, sig_id 8\n",
        );
        assert!(file.faults.is_empty(), "{:?}", file.faults);
        let threshold =
            |kind, track, count, seconds| Threshold { kind, track, count, seconds, multiplier: 1, unique_on: None };
        let addresses = || Addresses { v4: vec![(10, 20)], v6: vec![] };
        let suppressed = |side| Entry::Suppress(Some(Suppression { side, addresses: addresses() }));
        let expected = [
            (Rules { gid: 1, sid: 1_000_001 }, Entry::Threshold(threshold(ThresholdKind::Limit, Track::Rule, 3, 1000))),
            (Rules { gid: 0, sid: 0 }, Entry::Threshold(threshold(ThresholdKind::Both, Track::Source, 1, 60))),
            (
                Rules { gid: 1, sid: 5 },
                Entry::RateFilter {
                    threshold: threshold(ThresholdKind::Filter, Track::Destination, 2, 3),
                    action: Action::Drop,
                    timeout_s: 30,
                },
            ),
            (Rules { gid: 1, sid: 7 }, Entry::Suppress(None)),
            (Rules { gid: 1, sid: 7 }, suppressed(Side::Either)),
            (Rules { gid: 1, sid: 8 }, suppressed(Side::Source)),
        ];
        assert_eq!(file.entries, expected);
        assert!(Rules { gid: 0, sid: 0 }.contains(1, 9) && !Rules { gid: 1, sid: 5 }.contains(1, 6));
    }

    #[test]
    fn a_fault_names_its_line_and_skips_no_other() {
        let file = read(
            "this is not correct\nsuppress gen_id 1, sig_id 7\nsuppress gen_id 1, sig_id 8, track by_src, ip x\nrate_filter gen_id 1\nsuppress gen_id 1, sig_id 9, 10.0.0.1",
        );
        assert_eq!(file.faults.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 3, 4, 5]);
        let slip = read("suppress gen_id 1, sig_id 7, track by_scr, ip 10.0.0.1");
        let (_, fault, text) = &slip.faults[0];
        assert_eq!(
            (text.get(fault.span.clone()), fault.hint.contains("`by_src`")),
            (Some("by_scr"), true),
            "{fault:?}"
        );
        assert_eq!(file.entries.len(), 1);
    }
}
