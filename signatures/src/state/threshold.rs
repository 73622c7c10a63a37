//! How many matches make an alert: `threshold`, `detection_filter`, and what a threshold file says in their place.
//!
//! Time is that of the packets. A window opens at the first match and is over when a match comes more than its seconds later; that match
//! opens the next one. The table is bounded: where it is full, the window that opened first makes room.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::Timestamp;

use crate::rule::{Threshold, ThresholdKind, Track, UniquePort};

/// A rule, over all loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId {
    /// Whose it is: the number of a tenant, 0 where it is nobody's.
    pub tenant: u32,
    /// `gid`
    pub gid: u32,
    /// `sid`
    pub sid: u32,
}

/// Whom a match is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The packet's source.
    pub source: IpAddr,
    /// The packet's destination.
    pub destination: IpAddr,
    /// Its source and destination port.
    pub ports: (u16, u16),
    /// The flow's id, where it has one.
    pub flow: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum By {
    Rule,
    Host(IpAddr),
    /// The smaller address first, so that both directions are one pair.
    Pair(IpAddr, IpAddr),
    Flow(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    rule: RuleId,
    purpose: Purpose,
    by: By,
}

/// A rule may have a threshold and, from the threshold file, a rate filter: each counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Threshold,
    Rate,
}

#[derive(Debug)]
struct Entry {
    /// When the window opened.
    anchor: Timestamp,
    /// When it is of no use any more.
    until: Timestamp,
    count: u64,
    /// `backoff`: the count that alerts next.
    next: u64,
    /// `unique_on`: the ports so far, no more than are needed to decide.
    ports: SmallVec<[u16; 4]>,
    /// A rate filter's new action holds until then.
    active_until: Option<Timestamp>,
}

/// The table of windows.
#[derive(Debug)]
pub struct Thresholds {
    limit: usize,
    entries: HashMap<Key, Entry, foldhash::fast::RandomState>,
    order: VecDeque<Key>,
    evicted: u64,
}

impl Thresholds {
    /// A table of at most `limit` windows.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), entries: HashMap::default(), order: VecDeque::new(), evicted: 0 }
    }

    /// Counts a match of a rule and decides whether it is an alert.
    pub fn decide(&mut self, rule: RuleId, threshold: &Threshold, subject: &Subject, now: Timestamp) -> bool {
        let Some(by) = by(threshold.track, subject) else { return true };
        let entry = self.entry(Key { rule, purpose: Purpose::Threshold, by }, threshold, now);
        entry.count(threshold, subject);
        let count = u64::from(threshold.count);
        match threshold.kind {
            ThresholdKind::Limit => entry.count <= count,
            ThresholdKind::Both => entry.count == count,
            ThresholdKind::Filter => entry.count > count,
            ThresholdKind::Threshold => {
                let reached = entry.count >= count;
                if reached {
                    entry.count = 0;
                }
                reached
            }
            ThresholdKind::Backoff => {
                let reached = entry.count == entry.next;
                if reached {
                    entry.next = entry.next.saturating_mul(threshold.multiplier.into());
                }
                reached
            }
        }
    }

    /// Counts a match for a `rate_filter` and decides whether its new action is in force: from the match after `count` on,
    /// for `timeout_s` seconds.
    pub fn rate_exceeded(
        &mut self,
        rule: RuleId,
        threshold: &Threshold,
        timeout_s: u32,
        subject: &Subject,
        now: Timestamp,
    ) -> bool {
        let Some(by) = by(threshold.track, subject) else { return false };
        let entry = self.entry(Key { rule, purpose: Purpose::Rate, by }, threshold, now);
        if let Some(until) = entry.active_until {
            if now <= until {
                return true;
            }
            entry.active_until = None;
            entry.restart(threshold, now);
        }
        entry.count(threshold, subject);
        let exceeded = entry.count > u64::from(threshold.count);
        if exceeded {
            let until = after(now, timeout_s);
            entry.active_until = Some(until);
            entry.until = entry.until.max(until);
        }
        exceeded
    }

    /// Number of windows that had to go before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Memory of the windows kept, and of as many as may be, in bytes.
    pub fn memory_bytes(&self) -> (u64, u64) {
        ((self.entries.len() * WINDOW_BYTES) as u64, (self.limit * WINDOW_BYTES) as u64)
    }

    /// Number of windows kept, those that are over and were not yet dropped included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&mut self, key: Key, threshold: &Threshold, now: Timestamp) -> &mut Entry {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
            self.order.push_back(key);
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(threshold, now));
        let over = threshold.kind != ThresholdKind::Backoff
            && now.since(entry.anchor) > u64::from(threshold.seconds) * 1_000_000;
        if over && entry.active_until.is_none() {
            entry.restart(threshold, now);
        }
        entry
    }

    /// Two looks for each new window drop those that are over faster than they can gather.
    fn make_room(&mut self, now: Timestamp) {
        for _ in 0..2 {
            let Some(oldest) = self.order.pop_front() else { return };
            if self.entries.get(&oldest).is_none_or(|entry| entry.until < now) {
                self.entries.remove(&oldest);
            } else if self.entries.len() >= self.limit {
                self.entries.remove(&oldest);
                self.evicted += 1;
            } else {
                self.order.push_back(oldest);
            }
        }
    }
}

/// What a window takes, with its place in the order.
const WINDOW_BYTES: usize = 2 * size_of::<Key>() + size_of::<Entry>();

impl Entry {
    fn new(threshold: &Threshold, now: Timestamp) -> Self {
        let mut entry = Self {
            anchor: now,
            until: Timestamp(u64::MAX),
            count: 0,
            next: threshold.count.into(),
            ports: SmallVec::new(),
            active_until: None,
        };
        entry.restart(threshold, now);
        entry
    }

    fn restart(&mut self, threshold: &Threshold, now: Timestamp) {
        self.anchor = now;
        self.count = 0;
        self.ports.clear();
        if threshold.kind != ThresholdKind::Backoff {
            self.until = after(now, threshold.seconds);
        }
    }

    fn count(&mut self, threshold: &Threshold, subject: &Subject) {
        let port = match threshold.unique_on {
            None => {
                self.count = self.count.saturating_add(1);
                return;
            }
            Some(UniquePort::Source) => subject.ports.0,
            Some(UniquePort::Destination) => subject.ports.1,
        };
        if self.ports.len() as u64 <= u64::from(threshold.count)
            && let Err(place) = self.ports.binary_search(&port)
        {
            self.ports.insert(place, port);
        }
        self.count = self.ports.len() as u64;
    }
}

fn by(track: Track, subject: &Subject) -> Option<By> {
    Some(match track {
        Track::Source => By::Host(subject.source),
        Track::Destination => By::Host(subject.destination),
        Track::Pair => By::Pair(subject.source.min(subject.destination), subject.source.max(subject.destination)),
        Track::Rule => By::Rule,
        Track::Flow => By::Flow(subject.flow?),
    })
}

fn after(now: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::from(seconds) * 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    const RULE: RuleId = RuleId { tenant: 0, gid: 1, sid: 5 };

    fn subject(source: u32, port: u16) -> Subject {
        Subject { source: IpAddr::V4(source.into()), destination: HOST, ports: (port, 80), flow: Some(1) }
    }

    fn threshold(kind: ThresholdKind, count: u32) -> Threshold {
        Threshold { kind, track: Track::Source, count, seconds: 10, multiplier: 2, unique_on: None }
    }

    /// The matches that alert among matches at the given seconds.
    fn alerts(threshold: &Threshold, seconds: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut table = Thresholds::new(10);
        let matches = seconds.into_iter().zip(1..);
        matches
            .filter(|&(s, _)| table.decide(RULE, threshold, &subject(1, 9), Timestamp(s * 1_000_000)))
            .map(|(_, number)| number)
            .collect()
    }

    #[test]
    fn each_kind_lets_its_own_matches_through() {
        use ThresholdKind::{Backoff, Both, Filter, Limit};
        for (kind, count, expected) in [
            (Limit, 2, vec![1, 2]),
            (ThresholdKind::Threshold, 3, vec![3, 6, 9]),
            (Both, 3, vec![3]),
            (Filter, 7, vec![8, 9, 10]),
            (Backoff, 1, vec![1, 2, 4, 8]),
            (Backoff, 3, vec![3, 6]),
        ] {
            assert_eq!(alerts(&threshold(kind, count), [1; 10]), expected, "{kind:?} {count}");
        }
    }

    #[test]
    fn a_window_is_over_after_its_seconds() {
        assert_eq!(alerts(&threshold(ThresholdKind::Limit, 1), [0, 5, 10, 11, 12, 22]), [1, 4, 6]);
        assert_eq!(alerts(&threshold(ThresholdKind::Both, 2), [0, 11, 12, 13]), [3]);
        assert_eq!(alerts(&threshold(ThresholdKind::Filter, 1), [0, 11, 12, 23]), [3]);
    }

    #[test]
    fn different_ports_are_counted_where_asked_for() {
        let mut table = Thresholds::new(10);
        let filter = Threshold { unique_on: Some(UniquePort::Source), ..threshold(ThresholdKind::Filter, 2) };
        let answers: Vec<bool> =
            [1, 1, 2, 2, 3, 4].map(|port| table.decide(RULE, &filter, &subject(1, port), Timestamp(0))).to_vec();
        assert_eq!(answers, [false, false, false, false, true, true]);
    }

    #[test]
    fn the_same_sid_of_another_tenant_counts_for_itself() {
        let mut table = Thresholds::new(10);
        let mut at = |tenant| {
            table.decide(RuleId { tenant, ..RULE }, &threshold(ThresholdKind::Limit, 1), &subject(1, 1), Timestamp(0))
        };
        assert_eq!([0, 1, 1, 0].map(&mut at), [true, true, false, false]);
    }

    #[test]
    fn a_rate_filter_stays_in_force_for_its_timeout() {
        let mut table = Thresholds::new(10);
        let filter = threshold(ThresholdKind::Filter, 2);
        let mut at = |s: u64| table.rate_exceeded(RULE, &filter, 5, &subject(1, 1), Timestamp(s * 1_000_000));
        assert_eq!([0, 1, 2, 3, 7, 8, 9, 10].map(&mut at), [false, false, true, true, true, false, false, true]);
    }

    #[test]
    fn the_table_never_grows_beyond_its_limit() {
        let mut table = Thresholds::new(100);
        for number in 0..10_000 {
            table.decide(RULE, &threshold(ThresholdKind::Limit, 1), &subject(number, 1), Timestamp(0));
            assert!(table.len() <= 100);
        }
        assert_eq!(table.evicted(), 9_900);
        table.decide(RULE, &threshold(ThresholdKind::Limit, 1), &subject(1, 1), Timestamp(60_000_000));
        assert_eq!((table.len(), table.evicted()), (99, 9_900));
    }
}
