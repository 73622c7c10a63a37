//! Floods of flows of one packet: those above a rate, from or to a network, share one record each interval.
//!
//! Every flow below the rate keeps its own record. What is counted is decided where the records of all workers stand in one
//! order, so that it is the same for any number of workers.

use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;
use ipnet::IpNet;
use tapwire_parsers::link::Timestamp;

use super::header::{Clock, Header, record};

/// A flow of one packet that left nothing but its record.
#[derive(Clone, Copy, Debug)]
pub struct Lone {
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Bytes of the packet.
    pub bytes: u64,
    /// Time of the packet.
    pub time: Timestamp,
}

/// When flows are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummarySettings {
    /// `tapwire.flow-summary.rate`: flows of one packet a second that a network may begin, or be sent, with a record each; 0
    /// means any number.
    pub rate: u64,
    /// `tapwire.flow-summary.interval`: seconds that a record stands for.
    pub interval_s: u64,
}

impl Default for SummarySettings {
    fn default() -> Self {
        Self { rate: 200, interval_s: 10 }
    }
}

/// Which end of the flows is in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Source,
    Destination,
}

type Network = (u16, End, IpNet);

/// What was counted of a network in an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    interval: u64,
    seen: u64,
    flows: u64,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
    /// TCP, UDP, ICMP, others.
    by_protocol: [u64; 4],
}

/// Counts flows of one packet by network.
pub struct Summaries {
    settings: SummarySettings,
    networks: LinkedHashMap<Network, Tally, RandomState>,
    /// Flows that share a record.
    pub summed: u64,
}

/// A record, and the output that it goes to.
pub type Written = (u16, Vec<u8>);

impl Summaries {
    /// One that has counted nothing.
    pub fn new(settings: SummarySettings) -> Self {
        Self { settings, networks: LinkedHashMap::with_hasher(RandomState::default()), summed: 0 }
    }

    /// Whether a flow keeps the record that goes to `output`. Records of intervals that are over go to `written`.
    pub fn keeps_own(&mut self, output: u16, lone: &Lone, clock: &mut Clock, written: &mut Vec<Written>) -> bool {
        if self.settings.rate == 0 {
            return true;
        }
        let limit = self.settings.rate.saturating_mul(self.settings.interval_s.max(1));
        let mut over = None;
        for (end, address) in [(End::Source, lone.source), (End::Destination, lone.destination)] {
            let network = (output, end, network(address));
            if self.count(network, lone, clock, written) > limit {
                over = Some(network);
            }
        }
        let Some(tally) = over.and_then(|network| self.networks.get_mut(&network)) else { return true };
        if tally.flows == 0 {
            tally.first = lone.time;
        }
        tally.flows += 1;
        tally.bytes += lone.bytes;
        tally.first = tally.first.min(lone.time);
        tally.last = tally.last.max(lone.time);
        let kind = match lone.protocol {
            6 => 0,
            17 => 1,
            1 | 58 => 2,
            _ => 3,
        };
        if let Some(count) = tally.by_protocol.get_mut(kind) {
            *count += 1;
        }
        self.summed += 1;
        false
    }

    /// The records of what is not written yet.
    pub fn finish(&mut self, clock: &mut Clock) -> Vec<Written> {
        let networks = std::mem::replace(&mut self.networks, LinkedHashMap::with_hasher(RandomState::default()));
        networks.into_iter().filter_map(|(network, tally)| write(network, &tally, clock)).collect()
    }

    /// Counts a flow of a network; how many there were in its interval.
    fn count(&mut self, network: Network, lone: &Lone, clock: &mut Clock, written: &mut Vec<Written>) -> u64 {
        let interval = lone.time.0 / 1_000_000 / self.settings.interval_s.max(1);
        if self.networks.len() >= NETWORKS && !self.networks.contains_key(&network) {
            let oldest = self.networks.pop_front();
            written.extend(oldest.and_then(|(network, tally)| write(network, &tally, clock)));
        }
        let tally = self.networks.entry(network).or_insert_with(|| Tally { interval, ..Tally::default() });
        if interval > tally.interval {
            written.extend(write(network, tally, clock));
            *tally = Tally { interval, ..Tally::default() };
        }
        tally.seen += 1;
        let seen = tally.seen;
        self.networks.to_back(&network);
        seen
    }
}

fn network(address: IpAddr) -> IpNet {
    let bits = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, bits).map_or(IpNet::from(address), |network| network.trunc())
}

fn write((output, end, network): Network, tally: &Tally, clock: &mut Clock) -> Option<Written> {
    if tally.flows == 0 {
        return None;
    }
    let mut line = Vec::new();
    let address = Some(network.addr());
    let (source, destination) = match end {
        End::Source => (address, None),
        End::Destination => (None, address),
    };
    let (start, last) = (clock.timestamp(tally.first).to_owned(), clock.timestamp(tally.last).to_owned());
    let header = Header { time: tally.last, event_type: "flow", source, destination, ..Header::default() };
    record(&mut line, &header, clock, |object| {
        object.object("flow", |flow| {
            flow.number("pkts_toserver", tally.flows).number("pkts_toclient", 0);
            flow.number("bytes_toserver", tally.bytes).number("bytes_toclient", 0);
            flow.text("start", &start).text("end", &last).text("state", "new");
        });
        object.object("tapwire", |own| {
            own.object("flow_summary", |summary| {
                summary.text("network", network.to_string());
                summary.text("end", if end == End::Source { "source" } else { "destination" });
                summary.number("flows", tally.flows);
                for (name, count) in ["tcp", "udp", "icmp", "other"].into_iter().zip(tally.by_protocol) {
                    if count > 0 {
                        summary.number(name, count);
                    }
                }
            });
        });
    });
    Some((output, line))
}

/// Networks that are counted at once.
const NETWORKS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn lone(source: &str, destination: &str, second: u64) -> Lone {
        Lone {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: 17,
            bytes: 60,
            time: Timestamp(second * 1_000_000),
        }
    }

    fn summaries(rate: u64) -> Summaries {
        Summaries::new(SummarySettings { rate, interval_s: 10 })
    }

    fn value(written: &Written) -> serde_json::Value {
        serde_json::from_slice(&written.1).unwrap()
    }

    #[test]
    fn flows_below_the_rate_keep_their_records_and_the_others_share_one() {
        let (mut all, mut clock, mut written) = (summaries(2), Clock::default(), Vec::new());
        let own = (0..30u64)
            .filter(|n| all.keeps_own(0, &lone(&format!("10.{n}.0.1"), "192.0.2.7", 3), &mut clock, &mut written))
            .count();
        assert_eq!((own, written.len(), all.summed), (20, 0, 10));
        assert!(all.keeps_own(0, &lone("10.0.0.1", "198.51.100.1", 3), &mut clock, &mut written));
        assert!(all.keeps_own(0, &lone("10.0.0.1", "192.0.2.8", 11), &mut clock, &mut written));
        let record = value(&written[0]);
        assert_eq!((&record["event_type"], &record["dest_ip"]), (&"flow".into(), &"192.0.2.0".into()));
        assert_eq!((&record["flow"]["pkts_toserver"], &record["flow"]["bytes_toserver"]), (&10.into(), &600.into()));
        let summary = &record["tapwire"]["flow_summary"];
        assert_eq!(summary["network"], "192.0.2.0/24");
        assert_eq!(
            (&summary["end"], &summary["flows"], &summary["udp"]),
            (&"destination".into(), &10.into(), &10.into())
        );
        assert_eq!(all.finish(&mut clock).len(), 0);
    }

    #[test]
    fn a_network_that_floods_many_is_found_by_its_own_end() {
        let (mut all, mut clock, mut written) = (summaries(1), Clock::default(), Vec::new());
        for n in 0..25 {
            all.keeps_own(1, &lone("2001:db8::1", &format!("2001:db8:{n}::1"), 0), &mut clock, &mut written);
        }
        let last = all.finish(&mut clock);
        assert_eq!((last.len(), last[0].0), (1, 1));
        let record = value(&last[0]);
        assert_eq!(record["tapwire"]["flow_summary"]["network"], "2001:db8::/64");
        assert_eq!(record["flow"]["pkts_toserver"], 15);
    }

    #[test]
    fn no_rate_means_no_summaries_and_networks_are_bounded() {
        let (mut clock, mut written) = (Clock::default(), Vec::new());
        let mut all = summaries(0);
        assert!((0..100).all(|_| all.keeps_own(0, &lone("10.0.0.1", "10.0.0.2", 0), &mut clock, &mut written)));
        let mut all = summaries(1);
        for n in 0..20_000u32 {
            let source = IpAddr::from((n << 8).to_be_bytes());
            all.keeps_own(0, &Lone { source, ..lone("10.0.0.1", "10.9.9.9", 0) }, &mut clock, &mut written);
        }
        assert!(all.networks.len() <= NETWORKS && written.is_empty());
        assert_eq!(all.summed, 20_000 - 10);
    }
}
