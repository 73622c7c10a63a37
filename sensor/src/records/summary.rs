//! Summaries: what a flood brings beyond its budget shares one record for each event, network and interval.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashlink::LinkedHashMap;
use ipnet::IpNet;
use tapwire_parsers::json::Object;
use tapwire_parsers::link::Timestamp;

use super::cause::{Cause, Name};
use super::header::{Clock, Header, protocol_name, record};
use super::ledger::{Written, network};

/// Which end is in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// What shares a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    kind: &'static str,
    name: Name,
    tenant: u32,
    /// Flows of one packet.
    alone: bool,
    /// Nothing for what has no address, or is of many networks.
    network: Option<(End, IpNet)>,
}

impl Place {
    /// Where a record belongs whose networks have too many at one end.
    pub fn of(cause: &Cause, end: End) -> Self {
        let address = if end == End::Source { cause.source } else { cause.destination };
        Self {
            kind: cause.kind,
            name: cause.name,
            tenant: cause.tenant,
            alone: cause.volume.alone,
            network: address.map(|address| (end, network(address))),
        }
    }

    /// Where those belong that are too few, or too many, to have a record for each network.
    fn wider(self) -> Self {
        Self { network: None, name: Name::None, ..self }
    }
}

/// What was counted of a place in an interval.
struct Tally {
    records: u64,
    octets: u64,
    packets: [u64; 2],
    bytes: [u64; 2],
    first: Timestamp,
    last: Timestamp,
    /// TCP, UDP, ICMP, others.
    by_protocol: [u64; 4],
    sources: HashSet<IpAddr, RandomState>,
    destinations: HashSet<IpAddr, RandomState>,
    example: Cause,
}

/// Counts records that are not written.
#[derive(Default)]
pub struct Summaries {
    tallies: LinkedHashMap<(u16, Place), Tally, RandomState>,
    /// Places of each output and event type.
    places: HashMap<(u16, &'static str), usize, RandomState>,
    due: Vec<Written>,
}

impl Summaries {
    /// Counts a record.
    pub fn add(&mut self, output: u16, place: Place, cause: &Cause, octets: u64) {
        let mut key = (output, place);
        if !self.tallies.contains_key(&key) {
            let places = self.places.entry((output, place.kind)).or_default();
            if *places < PLACES {
                *places += 1;
            } else {
                key = (output, place.wider());
            }
        }
        self.tallies.entry(key).or_insert_with(|| Tally::new(*cause)).add(cause, octets);
    }

    /// Summaries that are to be written.
    pub fn take_due(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.due)
    }

    /// Ends an interval: the octets of each output's summaries.
    pub fn close(&mut self, clock: &mut Clock) -> Vec<(u16, u64)> {
        self.places.clear();
        let all = std::mem::replace(&mut self.tallies, LinkedHashMap::with_hasher(RandomState::default()));
        let mut kept: LinkedHashMap<(u16, Place), Tally, RandomState> =
            LinkedHashMap::with_hasher(RandomState::default());
        for ((output, place), tally) in all {
            let key = if tally.records < FEW { (output, place.wider()) } else { (output, place) };
            match kept.get_mut(&key) {
                Some(known) => known.merge(tally),
                None => drop(kept.insert(key, tally)),
            }
        }
        let written = kept.into_iter().map(|((output, place), tally)| {
            let mut line = Vec::new();
            write(&mut line, &place, &tally, clock);
            (output, line)
        });
        let from = self.due.len();
        self.due.extend(written);
        self.due.iter().skip(from).map(|(output, line)| (*output, line.len() as u64)).collect()
    }
}

impl Tally {
    fn new(example: Cause) -> Self {
        Self {
            records: 0,
            octets: 0,
            packets: [0; 2],
            bytes: [0; 2],
            first: example.time,
            last: example.time,
            by_protocol: [0; 4],
            sources: HashSet::default(),
            destinations: HashSet::default(),
            example,
        }
    }

    fn add(&mut self, cause: &Cause, octets: u64) {
        self.records += 1;
        self.octets += octets;
        for (sum, more) in self.packets.iter_mut().zip(cause.volume.packets) {
            *sum += more;
        }
        for (sum, more) in self.bytes.iter_mut().zip(cause.volume.bytes) {
            *sum += more;
        }
        self.first = self.first.min(cause.time);
        self.last = self.last.max(cause.time);
        let protocol = match cause.protocol {
            Some(6) => 0,
            Some(17) => 1,
            Some(1 | 58) => 2,
            _ => 3,
        };
        if let Some(count) = self.by_protocol.get_mut(protocol) {
            *count += 1;
        }
        let ends = [(&mut self.sources, cause.source), (&mut self.destinations, cause.destination)];
        for (known, address) in ends {
            known.extend(address.filter(|_| known.len() < ADDRESSES));
        }
    }

    fn merge(&mut self, other: Tally) {
        self.records += other.records;
        self.octets += other.octets;
        let sums = self.packets.iter_mut().chain(&mut self.bytes).chain(&mut self.by_protocol);
        for (sum, more) in sums.zip(other.packets.into_iter().chain(other.bytes).chain(other.by_protocol)) {
            *sum += more;
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        let room = |known: &HashSet<IpAddr, RandomState>| ADDRESSES.saturating_sub(known.len());
        let (sources, destinations) = (room(&self.sources), room(&self.destinations));
        self.sources.extend(other.sources.into_iter().take(sources));
        self.destinations.extend(other.destinations.into_iter().take(destinations));
    }
}

fn write(line: &mut Vec<u8>, place: &Place, tally: &Tally, clock: &mut Clock) {
    let (source, destination) = match place.network {
        Some((End::Source, network)) => (Some(network.addr()), None),
        Some((End::Destination, network)) => (None, Some(network.addr())),
        None => (None, None),
    };
    let (first, last) = (clock.timestamp(tally.first).to_owned(), clock.timestamp(tally.last).to_owned());
    // What adds up flows goes on to find all of them.
    let is_flow = place.kind == "flow";
    let event_type = if is_flow { "flow" } else { "summary" };
    let header =
        Header { time: tally.last, event_type, tenant: place.tenant, source, destination, ..Header::default() };
    record(line, &header, clock, |object| {
        if is_flow {
            object.object("flow", |flow| {
                flow.number("pkts_toserver", tally.packets[0]).number("pkts_toclient", tally.packets[1]);
                flow.number("bytes_toserver", tally.bytes[0]).number("bytes_toclient", tally.bytes[1]);
                flow.text("start", &first).text("end", &last);
                if place.alone {
                    flow.text("state", "new");
                }
            });
        }
        object.object("tapwire", |own| {
            own.object("summary", |summary| {
                summary.text("of", place.kind);
                match place.name {
                    Name::None => {}
                    Name::Anomaly(name) => drop(summary.text("event", name)),
                    Name::Rule(gid, sid) => drop(summary.number("gid", gid).number("signature_id", sid)),
                }
                if let Some((end, network)) = place.network {
                    summary.text("network", network.to_string());
                    summary.text("end", if end == End::Source { "source" } else { "destination" });
                }
                summary.number("records", tally.records).number("bytes", tally.octets);
                for (name, count) in ["tcp", "udp", "icmp", "other"].into_iter().zip(tally.by_protocol) {
                    if count > 0 {
                        summary.number(name, count);
                    }
                }
                for (name, more, known) in [
                    ("sources", "more_sources", &tally.sources),
                    ("destinations", "more_destinations", &tally.destinations),
                ] {
                    summary.number(name, known.len());
                    if known.len() >= ADDRESSES {
                        summary.boolean(more, true);
                    }
                }
                summary.text("first", &first).text("last", &last);
                summary.object("example", |o| example(o, &tally.example));
            });
        });
    });
}

fn example(object: &mut Object<'_>, cause: &Cause) {
    if let Some(flow) = cause.flow {
        object.number("flow_id", flow);
    }
    for (address, port, end, number) in [
        ("src_ip", "src_port", cause.source, cause.ports.map(|ports| ports.0)),
        ("dest_ip", "dest_port", cause.destination, cause.ports.map(|ports| ports.1)),
    ] {
        if let Some(end) = end {
            object.address(address, end);
        }
        if let Some(number) = number {
            object.number(port, number);
        }
    }
    if let Some(protocol) = cause.protocol {
        object.text("proto", protocol_name(protocol).as_bytes());
    }
}

/// Records of an event type in an interval that have a summary for their network.
const PLACES: usize = 16;
/// Records that are too few for a summary of their own.
const FEW: u64 = 16;
/// Addresses that are told apart.
const ADDRESSES: usize = 256;
