//! How long it takes from a packet on the wire to its alert in a file that can be read.
//!
//! An alert says itself when its packet came. It can be read once the frame, or the lines, that it stands in were written whole.

use tapwire_parsers::link::Timestamp;

use super::piece::Piece;

/// Times that alerts took, in classes whose bounds grow by about a fifth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    counts: [u64; CLASSES],
    sum_us: u64,
    longest_us: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: [0; CLASSES], sum_us: 0, longest_us: 0 }
    }
}

impl Latency {
    /// The alerts of a piece can be read now.
    pub fn note(&mut self, piece: &Piece, now: Timestamp) {
        for time in piece.alerts().filter_map(packet_time) {
            self.add(now.0.saturating_sub(time.0));
        }
    }

    fn add(&mut self, time_us: u64) {
        if let Some(count) = self.counts.get_mut(class(time_us)) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(time_us);
        self.longest_us = self.longest_us.max(time_us);
    }

    /// Adds those of another output.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.longest_us = self.longest_us.max(other.longest_us);
    }

    /// How many there are, and how many of them took no longer than each bound; percentiles and the longest, in milliseconds.
    pub fn by_name(&self) -> impl Iterator<Item = (String, u64)> {
        let all: u64 = self.counts.iter().sum();
        let within = BOUNDS_MS.map(|bound| (format!("within_{bound}_ms"), self.within(bound * 1_000)));
        let measures = [
            ("count", all),
            ("sum_ms", self.sum_us / 1_000),
            ("p50_ms", self.percentile(all, 50)),
            ("p99_ms", self.percentile(all, 99)),
            ("longest_ms", self.longest_us.div_ceil(1_000)),
        ];
        let measures = measures.map(|(name, count)| (name.to_owned(), count));
        within.into_iter().chain(measures).map(|(name, count)| (format!("tapwire.latency.alert.{name}"), count))
    }

    fn within(&self, bound_us: u64) -> u64 {
        self.counts.iter().take(class(bound_us) + 1).sum()
    }

    /// The bound of the class that a percentile is in, in milliseconds.
    fn percentile(&self, all: u64, percent: u64) -> u64 {
        let mut rest = (all * percent).div_ceil(100);
        let class = self.counts.iter().position(|count| {
            rest = rest.saturating_sub(*count);
            rest == 0
        });
        if all == 0 { 0 } else { class.map_or(self.longest_us, bound_us).min(self.longest_us).div_ceil(1_000) }
    }
}

/// When the packet of an EVE record came.
fn packet_time(record: &[u8]) -> Option<Timestamp> {
    let stamp = record.strip_prefix(br#"{"timestamp":""#)?.get(..STAMP.len())?;
    let time = jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", stamp).ok()?;
    u64::try_from(time.as_microsecond()).ok().map(Timestamp)
}

/// The class of a time: four for each doubling.
fn class(time_us: u64) -> usize {
    let time = time_us.max(SHORTEST_US);
    let doublings = time.ilog2() - SHORTEST_US.ilog2();
    // The two bits below the first one.
    let quarter = time >> (time.ilog2() - 2) & 3;
    usize::try_from(u64::from(doublings) * 4 + quarter).unwrap_or(CLASSES).min(CLASSES - 1)
}

/// The longest time of a class.
fn bound_us(class: usize) -> u64 {
    let next = class as u64 + 1;
    let (doublings, quarter) = (next / 4, next % 4);
    (SHORTEST_US << doublings) + (SHORTEST_US << doublings) / 4 * quarter - 1
}

/// What a time stamp looks like.
const STAMP: &str = "2019-12-22T12:33:20.837297+0000";
/// Shorter times are not told apart.
const SHORTEST_US: u64 = 128;
/// Up to more than an hour.
const CLASSES: usize = 100;
/// Bounds under which alerts are counted, as classes have them: the real one is at most a fifth higher.
const BOUNDS_MS: [u64; 9] = [5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::class::Class;

    #[test]
    fn classes_are_side_by_side_and_a_time_is_in_its_own() {
        assert_eq!((class(0), class(127), bound_us(0)), (0, 0, 159));
        for at in 0..CLASSES - 1 {
            assert_eq!((class(bound_us(at)), class(bound_us(at) + 1)), (at, at + 1), "{at}");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn an_alert_says_when_its_packet_came() {
        let mut piece = Piece::default();
        piece.push(Class::Alert, b"{\"timestamp\":\"1970-01-01T00:00:02.500000+0000\",\"event_type\":\"alert\"}\n");
        piece.push(Class::Flow, b"{\"timestamp\":\"1970-01-01T00:00:00.500000+0000\",\"event_type\":\"flow\"}\n");
        piece.push(Class::Alert, b"12/22/2019-12:33:20.837297  [**] [1:1:1] x\n");
        let mut latency = Latency::default();
        latency.note(&piece, Timestamp(2_540_000));
        let by_name: Vec<_> = latency.by_name().filter(|(_, count)| *count > 0).collect();
        let wanted = [("within_50_ms", 1), ("within_100_ms", 1), ("within_200_ms", 1), ("within_500_ms", 1)];
        let wanted =
            wanted.into_iter().chain([("within_1000_ms", 1), ("within_10000_ms", 1), ("count", 1), ("sum_ms", 40)]);
        let wanted = wanted.chain([("p50_ms", 40), ("p99_ms", 40), ("longest_ms", 40)]);
        let wanted: Vec<_> = wanted.map(|(name, count)| (format!("tapwire.latency.alert.{name}"), count)).collect();
        assert_eq!(by_name, wanted);
    }

    #[test]
    fn percentiles_are_those_of_all_outputs() {
        let (mut one, mut other) = (Latency::default(), Latency::default());
        (0..98).for_each(|_| one.add(10_000));
        (0..2).for_each(|_| other.add(900_000));
        one.merge(&other);
        assert!((10..=12).contains(&one.percentile(100, 50)));
        assert_eq!(one.percentile(100, 99), 900);
        assert_eq!(Latency::default().percentile(0, 99), 0);
    }
}
