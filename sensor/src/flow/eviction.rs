//! What goes when memory is short.
//!
//! What is missed least goes first: bytes that wait behind a hole for longer than any sender takes to fill it, flows beyond
//! their share that said nothing and were quiet for a while, other bytes behind holes, and then any flow beyond its share.
//! Which flows these are says [`Worth`]; within a worth, those of crowds go before others.

use std::cmp::Reverse;

use tapwire_parsers::link::Timestamp;

use super::crowds::{Crowds, Membership};
use super::exceptions::Exception;
use super::key::Key;
use super::table::Table;
use super::timeouts::Class;
use super::worth::{SHARES, Worth};
use super::{EndReason, Flow, Marks, key};

/// What memory is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// A flow.
    Flow,
    /// Bytes of a stream.
    Bytes,
}

/// Of which flows one goes: those that were quiet for so long, and are worth no more than this.
#[derive(Clone, Copy, Debug)]
struct Of {
    quiet_us: u64,
    most: Worth,
}

const ANY: Of = Of { quiet_us: 0, most: Worth::Known };
/// Those in which nothing was said, and not just because they have just begun.
const IDLE: Of = Of { quiet_us: QUIET_US, most: Worth::Silent };

/// Flows that were ended for their memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// By what they were worth.
    pub worth: [u64; Worth::ALL.len()],
    /// For another flow, and for bytes of streams.
    pub needed_for: [u64; 2],
    /// Those that were of a crowd.
    pub crowded: u64,
}

impl Evictions {
    /// Flows that were never established, or were over.
    pub fn cheap(&self) -> u64 {
        self.worth.iter().take(Worth::Silent as usize).sum()
    }

    /// Flows that were established.
    pub fn dear(&self) -> u64 {
        self.worth.iter().skip(Worth::Silent as usize).sum()
    }

    /// The counters by their names in `stats` records.
    pub fn by_name(&self) -> [(&'static str, u64); 10] {
        let ([over, new, silent, spoken, known], [flows, bytes]) = (self.worth, self.needed_for);
        [
            ("tapwire.flow.evicted_new", self.cheap()),
            ("tapwire.flow.evicted_established", self.dear()),
            ("tapwire.flow.evicted_by_worth.over", over),
            ("tapwire.flow.evicted_by_worth.new", new),
            ("tapwire.flow.evicted_by_worth.silent", silent),
            ("tapwire.flow.evicted_by_worth.spoken", spoken),
            ("tapwire.flow.evicted_by_worth.known", known),
            ("tapwire.flow.evicted_for.flows", flows),
            ("tapwire.flow.evicted_for.bytes", bytes),
            ("tapwire.flow.evicted_of_crowds", self.crowded),
        ]
    }

    fn count(&mut self, worth: Worth, need: Need, is_crowded: bool) {
        let places = [self.worth.get_mut(worth as usize), self.needed_for.get_mut(need as usize)];
        places.into_iter().flatten().for_each(|place| *place += 1);
        self.crowded += u64::from(is_crowded);
    }
}

impl<A: Default> Table<A> {
    /// Gives something up, and tells whether there was anything.
    pub(super) fn relieve(&mut self, need: Need, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) -> bool {
        // Where flows have reached their own limit, bytes of streams are of no use to them.
        if need == Need::Flow && self.flows.is_at_own_limit(Self::FLOW_BYTES) {
            return self.evict(need, now, ANY, ended);
        }
        self.give_up_a_hole(Timestamp(now.0.saturating_sub(HOLE_US)))
            || self.evict(need, now, IDLE, ended)
            || self.give_up_a_hole(now)
            || self.evict(need, now, ANY, ended)
    }

    /// Gives up the bytes of the flow that waits behind a hole for longest, if it does since before a time.
    fn give_up_a_hole(&mut self, before: Timestamp) -> bool {
        while let Some((place, id, since)) = self.holders.pop_front() {
            if since > before {
                self.holders.push_front((place, id, since));
                return false;
            }
            let Self { slots, store, counters, settings, .. } = self;
            let Some(Some(flow)) = slots.get_mut(place as usize) else { continue };
            if flow.id != id {
                continue;
            }
            flow.marks.set(Marks::HOLDS, false);
            let bytes = flow.tcp.as_mut().map_or(0, |tcp| tcp.give_up_early(store));
            if bytes > 0 {
                let before = flow.followed;
                flow.followed.follow(Exception::Starved, settings.exceptions.reassembly);
                counters.tally.policies(before, flow.followed);
                counters.given_up.0 += 1;
                counters.given_up.1 += bytes as u64;
                return true;
            }
        }
        false
    }

    /// Ends the flow that is missed least, of some.
    fn evict(&mut self, need: Need, now: Timestamp, of: Of, ended: &mut dyn FnMut(Flow<A>, EndReason)) -> bool {
        let Some((place, worth, is_crowded)) = self.victim(now, of) else { return false };
        self.counters.evicted.count(worth, need, is_crowded);
        let established_us = self.settings.timeouts.of(Class::TcpEstablished);
        if let Some(flow) = self.flow(place) {
            flow.emergency = true;
            if worth >= Worth::Silent && flow.key.protocol == key::TCP {
                self.pick_up_until = self.pick_up_until.max(Timestamp(now.0.saturating_add(established_us)));
            }
        }
        self.end(place, EndReason::Forced, ended);
        true
    }

    /// The flow that is missed least: the quietest one of the lowest worth of which there are more than its share.
    fn victim(&self, now: Timestamp, of: Of) -> Option<(u32, Worth, bool)> {
        let all = self.lists.total();
        let beyond_share = |worth: &Worth| u64::from(self.lists.count(*worth)) * SHARES >= (all * worth.share()).max(1);
        Worth::ALL.into_iter().filter(|worth| *worth <= of.most).filter(beyond_share).find_map(|worth| {
            let heads = self.heads(Class::of_worth(worth)).filter(|(.., flow)| now.since(flow.end) >= of.quiet_us);
            let quietest = heads.max_by_key(|(_, is_crowded, _, flow)| {
                let quiet = now.since(flow.end);
                (counted_as(quiet, *is_crowded), Reverse((flow.end, flow.first_packet, flow.first_place)))
            });
            quietest.map(|(_, is_crowded, place, _)| (place, worth, is_crowded))
        })
    }

    /// Begins to count who holds the flows once there are many, and ends that once there are few again.
    pub(super) fn watch_crowds(&mut self) {
        let percent = self.flows.budget_percent();
        if self.crowds.is_some() {
            self.crowds = self.crowds.take().filter(|_| percent >= FEW_PERCENT);
            return;
        }
        if percent < MANY_PERCENT {
            return;
        }
        let mut crowds = Crowds::default();
        for (place, slot) in (0..).zip(&self.slots) {
            let (Some(flow), Some((class, _))) = (slot, self.lists.of(place)) else { continue };
            let worth = class.worth();
            self.lists.set_member(
                place,
                crowds.enter(worth, self.lists.count(worth), &flow.key, flow.marks.has(Marks::SWAPPED)),
            );
        }
        self.crowds = Some(crowds);
    }

    /// Counts a flow that is worth something else now, or is new.
    pub(super) fn enter(&mut self, worth: Worth, key: &Key, swapped: bool) -> Membership {
        let all = self.lists.count(worth);
        self.crowds.as_mut().map(|crowds| crowds.enter(worth, all, key, swapped)).unwrap_or_default()
    }

    /// Leaves flows that are over out of the list of holders when most of it is such.
    pub(super) fn forget_holders(&mut self) {
        if self.holders.len() > 2 * self.index.len() + 1024 {
            let slots = &self.slots;
            let lives =
                |place: u32, id| slots.get(place as usize).and_then(Option::as_ref).is_some_and(|flow| flow.id == id);
            self.holders.retain(|(place, id, _)| lives(*place, *id));
        }
    }
}

/// How long a flow counts as quiet. One of a crowd goes before all others once nobody can say any more that it is at work.
fn counted_as(quiet_us: u64, is_crowded: bool) -> u64 {
    match is_crowded {
        true if quiet_us >= QUIET_US => u64::MAX,
        true => quiet_us * CROWD,
        false => quiet_us,
    }
}

/// How long a hole takes to be filled by most senders, which is their shortest retransmission timeout, in microseconds.
const HOLE_US: u64 = 200_000;
/// How long a conversation that is going on may be quiet: some round trips, in microseconds.
const QUIET_US: u64 = 1_000_000;
/// So many times longer than it is.
const CROWD: u64 = 8;
/// Of the memory of flows, from where on there are many, and below which there are few again.
const MANY_PERCENT: u64 = 60;
const FEW_PERCENT: u64 = 45;
