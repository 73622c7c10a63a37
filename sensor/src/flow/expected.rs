//! Flows that others announced: the port that a server sends a file from, the port that it takes one at.
//!
//! The worker that inspects a flow owns those that it announces as well ([`crate::capture::shard`]), so the table is its own. Each
//! announcement is met once, within its time. There is room for so many, and a few between the same two hosts; where there is none,
//! the oldest goes.

use std::collections::VecDeque;
use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use smallvec::SmallVec;
use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::{Carrier, Expected};

use super::Flow;
use super::key::{self, Key, TenantNumber};

/// The announced flows of a worker.
#[derive(Debug)]
pub struct ExpectedFlows {
    by_hosts: HashMap<Hosts, SmallVec<[Announced; 1]>, RandomState>,
    /// In the order of their announcement; some of them may be gone.
    order: VecDeque<(Hosts, u64)>,
    limit: usize,
    next: u64,
    counters: ExpectedCounters,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCounters {
    /// Flows that were announced.
    pub announced: u64,
    /// Those of them that came.
    pub met: u64,
    /// Those that had to go for others.
    pub evicted: u64,
}

/// A flow that was announced.
#[derive(Clone, Debug)]
pub struct Announced {
    /// What is known of it.
    pub expected: Expected,
    /// The flow that announced it.
    pub parent: u64,
    until: Timestamp,
    number: u64,
}

/// Who begins a flow, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hosts {
    tenant: TenantNumber,
    carrier: Carrier,
    from: IpAddr,
    to: IpAddr,
}

impl ExpectedFlows {
    /// An empty table with room for so many.
    pub fn new(limit: usize) -> Self {
        Self {
            by_hosts: HashMap::default(),
            order: VecDeque::new(),
            limit,
            next: 0,
            counters: ExpectedCounters::default(),
        }
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.by_hosts.is_empty()
    }

    /// How many there are, those included whose time may be over.
    pub fn len(&self) -> usize {
        self.by_hosts.values().map(SmallVec::len).sum()
    }

    /// What was counted so far.
    pub fn counters(&self) -> ExpectedCounters {
        self.counters
    }

    /// The flow with a key announces another one. The same one, announced again, is waited for anew.
    pub fn announce(&mut self, by: &Key, parent: u64, now: Timestamp, expected: Expected) {
        if self.limit == 0 {
            return;
        }
        self.counters.announced += 1;
        let hosts = Hosts { tenant: by.tenant, carrier: expected.carrier, from: expected.from.0, to: expected.to.0 };
        let until = Timestamp(now.0.saturating_add(u64::from(expected.within_s) * 1_000_000));
        let number = self.next;
        self.next += 1;
        let between = self.by_hosts.entry(hosts).or_default();
        let is_same = |other: &Announced| {
            (other.expected.from, other.expected.to, other.expected.protocol)
                == (expected.from, expected.to, expected.protocol)
        };
        between.retain(|other| !is_same(other) && now <= other.until);
        if between.len() >= BETWEEN_HOSTS {
            between.remove(0);
            self.counters.evicted += 1;
        }
        between.push(Announced { expected, parent, until, number });
        self.order.push_back((hosts, number));
        while self.order.len() > self.limit
            && let Some((hosts, number)) = self.order.pop_front()
        {
            self.counters.evicted += u64::from(self.forget(hosts, number));
        }
    }

    /// What was announced of a flow that begins now.
    pub fn meet(&mut self, key: &Key, now: Timestamp) -> Option<Announced> {
        let ends = key.ip()?;
        let carrier = match ends.protocol {
            key::TCP => Carrier::Tcp,
            key::UDP => Carrier::Udp,
            _ => return None,
        };
        let hosts = Hosts { tenant: key.tenant, carrier, from: ends.source, to: ends.destination };
        let between = self.by_hosts.get_mut(&hosts)?;
        let fits = |known: Option<u16>, port: u16| known.is_none_or(|known| known == port);
        let at = between.iter().position(|announced| {
            let Expected { from, to, .. } = &announced.expected;
            now <= announced.until && fits(from.1, ends.source_port) && fits(to.1, ends.destination_port)
        })?;
        let met = between.remove(at);
        if between.is_empty() {
            self.by_hosts.remove(&hosts);
        }
        self.counters.met += 1;
        Some(met)
    }

    fn forget(&mut self, hosts: Hosts, number: u64) -> bool {
        let Some(between) = self.by_hosts.get_mut(&hosts) else { return false };
        let before = between.len();
        between.retain(|announced| announced.number != number);
        let is_gone = between.len() < before;
        if between.is_empty() {
            self.by_hosts.remove(&hosts);
        }
        is_gone
    }
}

/// Announcements between two hosts in one direction.
const BETWEEN_HOSTS: usize = 64;

/// Whether a packet brings the first bytes of a connection.
pub fn is_early<A>(packet: &Packet<'_>, flow: &Flow<A>) -> bool {
    packet.tcp().is_some()
        && !packet.payload.is_empty()
        && flow.packets.to_server + flow.packets.to_client <= EARLY_PACKETS
}

/// Packets of a connection in which it may still turn out to have been announced.
const EARLY_PACKETS: u64 = 16;

#[cfg(test)]
mod tests {
    use tapwire_parsers::link::Vlans;
    use tapwire_parsers::protocol::Context;

    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + last).to_be_bytes())
    }

    fn key(from: (u32, u16), to: (u32, u16)) -> Key {
        Key {
            source: address(from.0).into(),
            destination: address(to.0).into(),
            source_port: from.1,
            destination_port: to.1,
            protocol: key::UDP,
            tunnel_depth: 0,
            vlans: Vlans::default(),
            interface: 0,
            tenant: TenantNumber::default(),
        }
    }

    fn expected(to: u32, port: u16) -> Expected {
        Expected {
            from: (address(2), None),
            to: (address(to), Some(port)),
            carrier: Carrier::Udp,
            protocol: "tftp",
            context: Context::new(port),
            within_s: 10,
        }
    }

    const SECOND: u64 = 1_000_000;

    #[test]
    fn an_announced_flow_is_met_once_and_in_time() {
        let mut flows = ExpectedFlows::new(8);
        let by = key((1, 4000), (2, 69));
        flows.announce(&by, 7, Timestamp(0), expected(1, 4000));
        for other in [key((2, 5), (1, 4001)), key((3, 5), (1, 4000)), key((1, 4000), (2, 5))] {
            assert!(flows.meet(&other, Timestamp(SECOND)).is_none());
        }
        assert!(flows.meet(&key((2, 5), (1, 4000)), Timestamp(11 * SECOND)).is_none());
        let met = flows.meet(&key((2, 5), (1, 4000)), Timestamp(10 * SECOND)).unwrap();
        assert_eq!((met.parent, met.expected.context.get::<u16>()), (7, Some(&4000)));
        assert!(flows.meet(&key((2, 6), (1, 4000)), Timestamp(SECOND)).is_none() && flows.is_empty());
    }

    #[test]
    fn the_newest_are_kept_and_the_same_one_counts_once() {
        let mut flows = ExpectedFlows::new(100);
        let by = key((1, 4000), (2, 69));
        for host in 0..1_000 {
            flows.announce(&by, 7, Timestamp(0), expected(host, 1));
        }
        assert_eq!((flows.len(), flows.counters().evicted), (100, 900));
        for port in 0..1_000 {
            flows.announce(&by, 7, Timestamp(0), expected(9_999, port));
        }
        assert_eq!(flows.len(), BETWEEN_HOSTS);
        for _ in 0..1_000 {
            flows.announce(&by, 7, Timestamp(0), expected(9_999, 999));
        }
        assert!(flows.len() <= BETWEEN_HOSTS && flows.order.len() <= 100);
        assert!(flows.meet(&key((2, 5), (9_999, 999)), Timestamp(0)).is_some());
    }
}
