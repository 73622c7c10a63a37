//! The fourth step: which packets are recorded because a rule with `tag` raised an alert before.
//!
//! Thresholds decide over alerts and hosts belong to no worker, so the writer keeps the tags: workers hand it every packet that
//! may be wanted, behind the alerts of the same packet. The packet of the alert counts, and has no record of its own.

use std::net::IpAddr;

use hashlink::LinkedHashMap;
use tapwire_parsers::link::Timestamp;
use tapwire_signatures::rule::{Tag, TagUnit};

use super::decide::{Decided, Decision};
use crate::inspect::Engine;
use crate::records::finding::{Finding, Gate, PacketGate, Place};

/// Flows and hosts whose packets are recorded at once.
const OWNER_LIMIT: usize = 65_536;
/// Rules whose tags one of them may have.
const RULE_LIMIT: usize = 50;
/// Alerts of a rule that begin a running tag of it again; then it runs out before it can begin anew.
const RENEWAL_LIMIT: u8 = 10;

/// Whose packets are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// A flow, by its id.
    Flow(u64),
    /// A host, as a tenant sees it; 0 where there are none.
    Host(u32, IpAddr),
}

#[derive(Debug)]
struct Running {
    rule: u32,
    tag: Tag,
    /// Place of the alert's packet in the order of all.
    begun: u64,
    begun_at: Timestamp,
    packets: u64,
    bytes: u64,
    renewals: u8,
}

/// The tags of flows and hosts.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// By owner, in the order of their first tag that runs.
    running: LinkedHashMap<Owner, Vec<Running>, foldhash::fast::RandomState>,
    /// Tags that had to end, or could not begin, for lack of room.
    pub(super) lost: u64,
    /// The packet that was looked at last: another output has its record as well.
    last: Option<(u64, bool)>,
}

impl Tags {
    /// Begins what the rule of an alert says of the packets that follow it.
    pub(super) fn decided(&mut self, decided: &Decided<'_>, engine: &Engine) {
        let Decided { gate, .. } = decided;
        if matches!(decided.decision, Decision::Nothing(_)) || !decided.is_recorded {
            return;
        }
        let Some(rule) = engine.plan.rule(gate.rule) else { return };
        let tenant = engine.own_of_rule(gate.rule).tenant;
        for tag in &rule.tags {
            let owner = match tag.host {
                Some(true) => Some(Owner::Host(tenant, gate.source)),
                Some(false) => Some(Owner::Host(tenant, gate.destination)),
                None => decided.flow.map(Owner::Flow),
            };
            if let Some(owner) = owner {
                self.begin(owner, gate.rule, *tag, (decided.packet, gate.time));
            }
        }
    }

    /// Whether a finding has its record.
    pub(super) fn passes(&mut self, finding: &Finding) -> bool {
        let Some(Gate::Packet(packet)) = finding.gate() else { return true };
        let taken = match self.last {
            Some((place, taken)) if place == finding.place.packet => taken,
            _ => self.takes(finding.place, packet),
        };
        self.last = Some((finding.place.packet, taken));
        taken
    }

    /// Ends a batch.
    pub(super) fn end_batch(&mut self) {
        self.last = None;
    }

    /// Begins the tag of a rule with the packet at a place, or begins it again.
    fn begin(&mut self, owner: Owner, rule: u32, tag: Tag, (place, time): (u64, Timestamp)) {
        if !self.running.contains_key(&owner) {
            self.make_room();
        }
        let tags = self.running.entry(owner).or_insert_with(Vec::new);
        let renewals = match tags.iter().position(|running| (running.rule, running.tag) == (rule, tag)) {
            Some(at) if tags.get(at).is_some_and(|known| known.renewals < RENEWAL_LIMIT) => {
                tags.remove(at).renewals.saturating_add(1)
            }
            Some(_) => return,
            None if tags.len() >= RULE_LIMIT => {
                self.lost += 1;
                return;
            }
            None => 0,
        };
        tags.push(Running { rule, tag, begun: place, begun_at: time, packets: 0, bytes: 0, renewals });
    }

    /// Counts a packet; whether it is recorded.
    fn takes(&mut self, place: Place, packet: &PacketGate) -> bool {
        if self.running.is_empty() {
            return false;
        }
        let hosts = [Some(packet.source), Some(packet.destination).filter(|to| *to != packet.source)];
        let hosts = hosts.into_iter().flatten().map(|host| Owner::Host(packet.tenant, host));
        let mut taken = false;
        for owner in place.flow.map(Owner::Flow).into_iter().chain(hosts) {
            let Some(tags) = self.running.get_mut(&owner) else { continue };
            tags.retain_mut(|running| {
                let goes_on = running.counts(packet);
                taken |= goes_on && running.begun != place.packet;
                goes_on
            });
            if tags.is_empty() {
                self.running.remove(&owner);
            }
        }
        taken
    }

    /// Forgets a flow that ended.
    pub(super) fn end(&mut self, flow: u64) {
        self.running.remove(&Owner::Flow(flow));
    }

    fn make_room(&mut self) {
        while self.running.len() >= OWNER_LIMIT {
            self.lost += self.running.pop_front().map_or(0, |(_, tags)| tags.len() as u64);
        }
    }
}

impl Running {
    /// Counts a packet; whether it still belongs to what is recorded.
    fn counts(&mut self, packet: &PacketGate) -> bool {
        self.packets += 1;
        self.bytes += u64::from(packet.length);
        let limit = u64::from(self.tag.count);
        match self.tag.unit {
            TagUnit::Packets => self.packets <= limit,
            TagUnit::Bytes => self.bytes <= limit,
            TagUnit::Seconds => packet.time.since(self.begun_at) <= limit * 1_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    fn packet(seconds: u64) -> PacketGate {
        let destination = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        PacketGate { tenant: 0, source: HOST, destination, time: Timestamp(seconds * 1_000_000), length: 100 }
    }

    fn place(packet: u64) -> Place {
        Place { packet, ended: Place::PACKET, flow: Some(7) }
    }

    /// How many of 20 packets, one a second, are recorded after an alert on the first.
    fn taken(owner: Owner, count: u32, unit: TagUnit) -> usize {
        let (mut tags, tag) = (Tags::default(), Tag { host: None, count, unit });
        tags.begin(owner, 1, tag, (0, Timestamp(0)));
        (0..20).filter(|&second| tags.takes(place(second), &packet(second))).count()
    }

    #[test]
    fn the_packet_of_the_alert_counts_and_is_not_recorded() {
        for owner in [Owner::Flow(7), Owner::Host(0, HOST)] {
            assert_eq!(taken(owner, 9, TagUnit::Packets), 8);
            assert_eq!(taken(owner, 500, TagUnit::Bytes), 4);
            assert_eq!(taken(owner, 5, TagUnit::Seconds), 5);
        }
        assert_eq!(taken(Owner::Flow(8), 9, TagUnit::Packets), 0);
        assert_eq!(taken(Owner::Host(1, HOST), 9, TagUnit::Packets), 0, "a host of another tenant");
    }

    #[test]
    fn a_tag_is_begun_again_so_many_times() {
        let (mut tags, tag) = (Tags::default(), Tag { host: None, count: 2, unit: TagUnit::Packets });
        let mut recorded = 0;
        for second in 0..40 {
            if second % 2 == 0 {
                tags.begin(Owner::Flow(7), 1, tag, (second, Timestamp(0)));
            }
            recorded += usize::from(tags.takes(place(second), &packet(second)));
        }
        // Eleven, then none while it runs out, then again.
        assert_eq!(recorded, 11 + 8);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let (mut tags, tag) = (Tags::default(), Tag { host: None, count: 2, unit: TagUnit::Packets });
        for flow in 0..=OWNER_LIMIT as u64 {
            tags.begin(Owner::Flow(flow), 1, tag, (0, Timestamp(0)));
        }
        assert_eq!((tags.running.len(), tags.lost), (OWNER_LIMIT, 1));
    }

    #[test]
    fn what_has_ended_takes_no_room() {
        let (mut tags, tag) = (Tags::default(), Tag { host: None, count: 60, unit: TagUnit::Seconds });
        tags.begin(Owner::Host(0, HOST), 1, tag, (0, Timestamp(0)));
        for flow in 0..2 * OWNER_LIMIT as u64 {
            tags.begin(Owner::Flow(flow), 1, tag, (0, Timestamp(0)));
            tags.end(flow);
        }
        assert!(tags.takes(place(1), &packet(1)) && tags.lost == 0);
    }
}
