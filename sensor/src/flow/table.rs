//! The flows of one worker.
//!
//! Flows lie in a slab; a hash table finds them by key, and a list for each timeout class holds them in the order of their
//! last packets, so that both expiry and eviction look at list heads only. What happens never depends on the hash secret.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;
use tapwire_parsers::link::{Layer4, Packet, Tcp, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Both, Direction};

use super::crowds::Crowds;
use super::eviction::{Evictions, Need};
use super::exceptions::{ExceptionPolicies, Followed};
use super::key::{self, Key, flow_id};
use super::lists::{Lists, NONE};
use super::parked::{Ends, Parked};
use super::store::Store;
use super::stream::Stream;
use super::tally::{Tally, count_over};
use super::tcp::{TcpFlow, TcpSettings, TcpUpdate};
use super::timeouts::{Class, Timeouts};
use super::weights::Weights;
use super::worth::Worth;
use super::{Elephant, EndReason, Flow, Marks, Rare};
use crate::decode::hosts::{ByNetwork, System};
use crate::decode::memory::{Account, Budget, Overdraft};

/// How flows are followed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long flows are kept.
    pub timeouts: Timeouts,
    /// How long they are kept while memory is short.
    pub emergency: Timeouts,
    /// How much of the memory has to be free again for that to end, in percent.
    pub recovery_percent: u64,
    /// Whether VLAN ids separate flows.
    pub use_vlans: bool,
    /// Whether an answer in other VLANs than its question belongs to its flow where no handshake proves it.
    pub join_vlans: bool,
    /// Whether every protocol over IP has flows, and not only those that have ports or the like, or carry IP.
    pub all_protocols: bool,
    /// Whether interfaces separate flows.
    pub use_interfaces: bool,
    /// Whether packets with a wrong checksum are kept from streams.
    pub checksums: bool,
    /// How TCP is followed.
    pub tcp: TcpSettings,
    /// What hosts are.
    pub systems: ByNetwork<System>,
    /// What is done with flows that cannot be inspected as they should be.
    pub exceptions: ExceptionPolicies,
    /// When a flow is an elephant, where that is asked for.
    pub elephant: Option<Elephant>,
    /// Whether flows note the Ethernet addresses of their packets.
    pub stations: bool,
    /// Connections of each kind that are remembered when their flow ends before them.
    pub remembered: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            emergency: Timeouts::emergency(),
            recovery_percent: 30,
            use_vlans: true,
            join_vlans: true,
            all_protocols: true,
            use_interfaces: false,
            checksums: true,
            tcp: TcpSettings::default(),
            systems: ByNetwork::default(),
            exceptions: ExceptionPolicies::default(),
            elephant: None,
            stations: false,
            remembered: 32_768,
        }
    }
}

/// What a table has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Flows begun, by protocol: TCP, UDP, ICMP, ICMPv6, others over IP.
    pub begun: [u64; 5],
    /// Flows begun without IP.
    pub begun_without_ip: u64,
    /// Flows ended by timeout.
    pub timed_out: u64,
    /// Flows ended for their memory.
    pub evicted: Evictions,
    /// Connections without a flow that went on where they were known to be, and that went on without being remembered.
    pub resumed: (u64, u64),
    /// Flows whose bytes behind holes were given up for their memory, and those bytes.
    pub given_up: (u64, u64),
    /// How often memory became short, and was there again.
    pub emergencies: (u64, u64),
    /// Flows ended by a new connection with the same ports.
    pub reused: u64,
    /// Packets that got no flow because the memory had run out.
    pub refused_packets: u64,
    /// TCP packets with a wrong checksum.
    pub bad_checksums: u64,
    /// TCP packets that belong to no known connection.
    pub without_connection: u64,
    /// Holes in streams that their receivers had acknowledged.
    pub gaps: u64,
    /// Flows that were elephants.
    pub elephants: u64,
    /// Packets of flows that are passed over, and their bytes.
    pub bypassed: (u64, u64),
    /// Connections, and ends of flows.
    pub tally: Tally,
}

/// A packet's flow, and what the packet did to it.
#[derive(Debug)]
pub struct Arrival<'t, A> {
    /// The flow.
    pub flow: &'t mut Flow<A>,
    /// The way that the packet goes.
    pub direction: Direction,
    /// It is the flow's first packet.
    pub new: bool,
    /// It is the first packet that makes the flow established.
    pub established: bool,
    /// What it did to its TCP connection; empty for others.
    pub tcp: TcpUpdate,
    /// Where the flow lies, for [`Table::flow`] and [`Table::settle`].
    pub place: u32,
}

/// The flows of one worker, with application state `A` in each.
#[derive(Debug)]
pub struct Table<A> {
    pub(super) settings: Settings,
    secret: RandomState,
    pub(super) index: HashTable<u32>,
    pub(super) slots: Vec<Option<Flow<A>>>,
    free: Vec<u32>,
    /// The flows of each class, in the order of their last packets.
    pub(super) lists: Lists,
    /// Who holds many of them, while there are many.
    pub(super) crowds: Option<Crowds>,
    pub(super) flows: Account,
    pub(super) store: Store,
    /// What applications keep.
    state: Account,
    weights: Weights,
    /// The last flow with VLANs by its key without them: answers may come with others.
    tagged: HashMap<Key, u32, RandomState>,
    /// Flows by the keys of their answers, where those have other VLANs.
    answers: HashMap<Key, u32, RandomState>,
    /// Connections that were open when their flow ended.
    parked: Parked,
    /// A connection that is not known may be one that was evicted, until then.
    pub(super) pick_up_until: Timestamp,
    /// Flows that hold bytes behind holes, by place and id, in the order in which they began to, and when that was.
    pub(super) holders: VecDeque<(u32, u64, Timestamp)>,
    /// Memory is short.
    emergency: bool,
    pub(super) counters: Counters,
    /// The latest time so far.
    now: Timestamp,
    /// Flows that had packets since that was known.
    fresh: SmallVec<[u32; 4]>,
    /// Nothing ends before this time.
    next_end: Timestamp,
}

impl<A: Default> Table<A> {
    /// An empty table. Flows and stream bytes are charged to budgets that tables may share.
    pub fn new(settings: Settings, flows: Arc<Budget>, streams: Arc<Budget>) -> Self {
        let parked = Parked::new(settings.remembered);
        Self {
            settings,
            secret: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            lists: Lists::new(),
            crowds: None,
            flows: Account::new(flows),
            store: Store::new(Account::new(streams)),
            state: Account::new(Budget::new(0)),
            weights: Weights::default(),
            tagged: HashMap::with_hasher(RandomState::default()),
            answers: HashMap::with_hasher(RandomState::default()),
            parked,
            pick_up_until: Timestamp(0),
            holders: VecDeque::new(),
            emergency: false,
            counters: Counters::default(),
            now: Timestamp::default(),
            fresh: SmallVec::new(),
            next_end: Timestamp(u64::MAX),
        }
    }

    /// The same table, with a budget that what applications keep is charged to.
    pub fn with_state(mut self, state: Arc<Budget>) -> Self {
        self.state = Account::new(state);
        self
    }

    /// Takes a packet. `None` if it has no flow: it has no IP header and no card names its Ethernet type, it is broken, it is an ICMP
    /// error about no known flow, or memory has run out. Flows that end because of it are handed to `ended`.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        tunnel_depth: u8,
        ended: &mut dyn FnMut(Flow<A>, EndReason),
    ) -> Option<Arrival<'_, A>> {
        if !self.settings.all_protocols && packet.ip.is_some_and(|ip| !key::FOLLOWED.contains(&ip.protocol)) {
            return None;
        }
        let mut key = Key::of(packet, self.settings.use_vlans, self.settings.use_interfaces, tunnel_depth)?;
        let mut hash = key.digest(&self.secret);
        let mut found = self.find(&key, hash);
        let mut answered = false;
        // An ICMP error belongs to the flow that caused it, if there is one.
        if let Some(cause) = Key::of_cause(packet, &key) {
            let cause_hash = cause.digest(&self.secret);
            if let Some(place) = self.find(&cause, cause_hash) {
                (key, hash, found) = (cause, cause_hash, Some(place));
            }
        }
        if found.is_none() {
            found = self.find_by_answer(packet, &key);
            answered = found.is_some();
        }
        if let Some(place) = found
            && let Some(reason) = self.is_over(place, packet, &key)
        {
            if let (EndReason::Timeout, Some(Some(flow))) = (reason, self.slots.get(place as usize)) {
                count_over(&mut self.counters.tally.found_over, flow);
            }
            self.end(place, reason, ended);
            found = None;
        }
        let (place, new) = match found {
            Some(place) => (place, false),
            None if key.is_error() => return None,
            None => (self.begin(packet, key, hash, ended)?, true),
        };
        if packet.tcp().is_some() && !packet.payload.is_empty() {
            self.make_room(packet.payload.len() + SEGMENT_BYTES, place, packet.time, ended);
        }
        let Self { settings, slots, store, counters, parked, flows, pick_up_until, .. } = self;
        let flow = slots.get_mut(place as usize)?.as_mut()?;
        let was_established = flow.established();
        let mut direction = if answered { Direction::ToClient } else { flow.direction_of(&key, packet) };
        flow.count(packet, direction);
        if settings.stations {
            flow.note_stations(packet, direction);
        }
        if let Some(elephant) = &settings.elephant {
            let before = flow.elephant();
            flow.measure(packet, direction, elephant);
            let now = flow.elephant();
            counters.elephants += u64::from(before == Both::default() && before != now);
            *counters.tally.elephants.of_mut(direction) += u64::from(before.of(direction) != now.of(direction));
        }
        if flow.is_bypassed() {
            counters.bypassed.0 += 1;
            counters.bypassed.1 += packet.data.len() as u64;
        }
        let mut update = TcpUpdate::default();
        if let (Layer4::Tcp(tcp), false) = (&packet.layer4, flow.is_bypassed()) {
            if settings.checksums && !tcp.checksum_ok {
                counters.bad_checksums += 1;
            } else {
                counters.tally.packet(tcp);
                *flow.tcp_flags.of_mut(direction) |= tcp.flags;
                let (had_connection, followed) = (flow.tcp.is_some(), flow.followed);
                let ends = match flow.tcp {
                    None => parked.get(hash).filter(|ends| flow.resume(tcp, ends, &key, &mut direction, settings)),
                    Some(_) => None,
                };
                let picks_up = ends.is_none() && flow.tcp.is_none() && packet.time < *pick_up_until;
                let picked_up = picks_up && flow.pick_up(tcp, packet.payload, &mut direction, settings);
                update = flow.connection(tcp, packet.payload, &mut direction, settings, store);
                counters.gaps += update.gaps;
                counters.tally.update(&update);
                if followed != flow.followed {
                    counters.tally.policies(followed, flow.followed);
                }
                if let (false, Some(connection)) = (had_connection, &flow.tcp) {
                    counters.tally.begin(connection);
                }
                if ends.is_some() {
                    parked.take(hash, flows);
                }
                counters.resumed.0 += u64::from(ends.is_some());
                counters.resumed.1 += u64::from(picked_up);
                match ends {
                    Some(Ends { evicted: false, .. }) => update.anomalies.push(Anomaly("stream.resumed_after_idle")),
                    Some(_) => update.anomalies.push(Anomaly("stream.resumed_after_eviction")),
                    None if picked_up => update.anomalies.push(Anomaly("stream.resumed_after_eviction")),
                    None => {}
                }
                counters.without_connection += u64::from(flow.tcp.is_none());
            }
        }
        if answered && *flow.packets.of(direction) == 1 {
            update.anomalies.push(Anomaly("stream.vlan_differs_by_direction"));
        }
        let established = !was_established && flow.established();
        if packet.tcp().is_some() {
            if established {
                counters.tally.both_sides();
            }
            if update.anomalies.iter().any(|anomaly| anomaly.0 == ONE_SIDE_SEEN) {
                counters.tally.one_side();
            }
        }
        if update.waits && !flow.marks.has(Marks::HOLDS) {
            flow.marks.set(Marks::HOLDS, true);
            self.holders.push_back((place, flow.id, packet.time));
            self.forget_holders();
        }
        self.touch(place);
        let flow = self.slots.get_mut(place as usize)?.as_mut()?;
        Some(Arrival { flow, direction, new, established, tcp: update, place })
    }

    /// Ends flows that had no packet for too long at `now`, in the order of their last packets. Without it they end when a
    /// packet with their key comes late, when their memory is needed, or at shutdown.
    #[inline]
    pub fn expire(&mut self, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        self.advance(now);
        if self.now > self.next_end {
            self.expire_due(ended);
        }
    }

    fn expire_due(&mut self, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        let now = self.now;
        let timeouts = *self.timeouts();
        loop {
            let (mut next_end, mut looked_at) = (Timestamp(u64::MAX), 0);
            let over = self
                .heads(&Class::ALL)
                .filter(|(class, _, place, _)| {
                    let end = Timestamp(self.lists.since(*place).0.saturating_add(timeouts.of(*class)));
                    next_end = next_end.min(end);
                    looked_at += 1;
                    now > end
                })
                .min_by_key(|(_, _, place, flow)| (self.lists.since(*place), flow.end, flow.first_packet))
                .map(|(_, _, place, _)| place);
            self.counters.tally.looked_at.0 += looked_at;
            let Some(place) = over else {
                self.counters.tally.looked_at.1 += 1;
                self.next_end = next_end;
                return;
            };
            if let Some(Some(flow)) = self.slots.get(place as usize) {
                count_over(&mut self.counters.tally.looked_for, flow);
            }
            self.end(place, EndReason::Timeout, ended);
        }
    }

    /// The places of all flows with the numbers of their first packets, in the order in which they began.
    pub fn by_begin(&self) -> Vec<(u64, u32)> {
        let flows = (0..).zip(&self.slots).filter_map(|(place, slot)| Some((place, slot.as_ref()?)));
        let mut places: Vec<_> = flows.map(|(place, flow)| (flow.first_packet, flow.first_place, place)).collect();
        places.sort_unstable();
        places.into_iter().map(|(number, _, place)| (number, place)).collect()
    }

    /// Ends the flow at a place because the run ends, if its time is not over anyway.
    pub fn shut_down(&mut self, place: u32, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        let timeout = self.lists.of(place).map_or(u64::MAX, |(class, _)| self.timeouts().of(class));
        let is_over = self.now.0 > self.lists.since(place).0.saturating_add(timeout);
        self.end(place, if is_over { EndReason::Timeout } else { EndReason::Shutdown }, ended);
    }

    /// When the time of a flow was over that had no further packet.
    pub fn over_at(&self, flow: &Flow<A>) -> Timestamp {
        Timestamp(flow.end.0.saturating_add(self.timeouts().of(flow.class())))
    }

    /// Goes on to a time. It never goes back: where packets do, as in a capture behind a later one, flows do not age until it
    /// is later again, and how they do does not depend on which other ones there are.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        // What had the last packet is as old as that, now that its time is known to be one.
        for place in self.fresh.iter().copied() {
            if let Some(Some(flow)) = self.slots.get(place as usize) {
                self.lists.set_since(place, flow.end.min(self.now));
            }
        }
        self.fresh.clear();
    }

    /// The flow at a place.
    pub fn flow(&mut self, place: u32) -> Option<&mut Flow<A>> {
        self.slots.get_mut(place as usize)?.as_mut()
    }

    /// Gives back what was read of a flow's streams. To be called when a packet is done with.
    pub fn settle(&mut self, place: u32) {
        if let Some(Some(flow)) = self.slots.get_mut(place as usize)
            && let Some(tcp) = &mut flow.tcp
        {
            tcp.settle(&mut self.store);
        }
        // What is not the packet's own doing: its protocol became known, or it is not followed any more.
        let Some(Some(flow)) = self.slots.get_mut(place as usize) else { return };
        let became_known = flow.marks.has(Marks::RECOGNISED) && !flow.marks.has(Marks::LISTED);
        if became_known || flow.is_bypassed() {
            flow.marks.set(Marks::LISTED, flow.marks.has(Marks::RECOGNISED));
            self.touch(place);
        }
    }

    /// Charges what the application of a flow keeps now.
    pub fn charge(&mut self, place: u32, held_bytes: usize) {
        let (before, now) = self.weights.set(place, held_bytes);
        match now.checked_sub(before) {
            Some(more) => self.state.take_anyway(more),
            None => self.state.give(before - now),
        }
    }

    /// The flow whose application keeps most, where all of them together keep more than there is memory for. Up to a share of it they
    /// need not give way: then other flows are given up for them.
    pub fn heaviest_over_budget(
        &mut self,
        now: Timestamp,
        ended: &mut dyn FnMut(Flow<A>, EndReason),
    ) -> Option<(u32, &mut Flow<A>)> {
        while self.state.overdraft() == Overdraft::Others && self.relieve(Need::Bytes, now, ended) {}
        let place = if self.state.overdraft() == Overdraft::None { None } else { self.weights.heaviest() }?;
        Some((place, self.slots.get_mut(place as usize)?.as_mut()?))
    }

    /// The application of a flow cannot keep less than it does: it is not named again until it keeps more or less.
    pub fn leave(&mut self, place: u32) {
        self.weights.leave(place);
    }

    /// All flows.
    pub fn flows(&self) -> impl Iterator<Item = &Flow<A>> {
        self.slots.iter().flatten()
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Remembered connections that were forgotten for others.
    pub fn forgotten(&self) -> u64 {
        self.parked.forgotten()
    }

    /// The memory of streams.
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn find(&self, key: &Key, hash: u64) -> Option<u32> {
        let same = |place: &u32| {
            let flow = self.slots.get(*place as usize).and_then(Option::as_ref);
            flow.is_some_and(|flow| flow.hash == hash && (flow.key == *key || flow.key.is_reverse_of(key)))
        };
        self.index.find(hash, same).copied()
    }

    /// A flow without an answer so far that a packet answers but for its VLANs. It is found by those as well from now on.
    fn find_by_answer(&mut self, packet: &Packet<'_>, key: &Key) -> Option<u32> {
        if let Some(place) = self.answers.get(key) {
            let flow = self.slots.get(*place as usize).and_then(Option::as_ref);
            return flow.filter(|flow| flow.answer_vlans() == Some(key.vlans)).map(|_| *place);
        }
        if self.tagged.is_empty() && key.vlans.count == 0 {
            return None;
        }
        let question = key.reverse().untagged();
        let place = self.tagged.get(&question).copied().or_else(|| {
            let tagged = key.vlans.count > 0;
            tagged.then(|| self.find(&question, question.digest(&self.secret))).flatten()
        })?;
        let flow = self.slots.get_mut(place as usize)?.as_mut()?;
        let answers = match (&flow.tcp, packet.tcp()) {
            (Some(connection), Some(tcp)) => connection.is_answered_by(tcp),
            (None, None) => self.settings.join_vlans,
            _ => false,
        };
        if !answers || flow.key.untagged() != question || flow.packets.to_client > 0 || flow.answer_vlans().is_some() {
            return None;
        }
        if !self.flows.take(ANSWER_BYTES) {
            return None;
        }
        flow.rare.get_or_insert_default().answer_vlans = Some(key.vlans);
        self.answers.insert(*key, place);
        Some(place)
    }

    /// Whether a packet comes too late for the flow with its key, or begins another one.
    fn is_over(&self, place: u32, packet: &Packet<'_>, key: &Key) -> Option<EndReason> {
        let flow = self.slots.get(place as usize)?.as_ref()?;
        if packet.time.since(flow.end) > self.timeouts().of(self.lists.of(place)?.0) {
            return Some(EndReason::Timeout);
        }
        let checked = |tcp: &&Tcp<'_>| tcp.checksum_ok || !self.settings.checksums;
        let (connection, tcp) = (flow.tcp.as_ref()?, packet.tcp().filter(checked)?);
        connection.is_followed_by(tcp, || flow.direction_of(key, packet)).then_some(EndReason::TcpReuse)
    }

    fn begin(
        &mut self,
        packet: &Packet<'_>,
        key: Key,
        hash: u64,
        ended: &mut dyn FnMut(Flow<A>, EndReason),
    ) -> Option<u32> {
        let bytes = self.cost(&key);
        while !self.flows.take(bytes) {
            if !self.emergency {
                self.emergency = true;
                self.counters.emergencies.0 += 1;
                self.next_end = Timestamp(0);
            }
            // Those whose time is over anyway go first.
            let before = self.len();
            self.expire_due(ended);
            if self.len() == before && !self.relieve(Need::Flow, packet.time, ended) {
                self.counters.refused_packets += 1;
                self.counters.tally.without_flow += u64::from(key.protocol == key::TCP);
                return None;
            }
        }
        if self.emergency && self.flows.budget_percent() + self.settings.recovery_percent <= 100 {
            self.emergency = false;
            self.counters.emergencies.1 += 1;
        }
        let begun = self.counters.begun.iter().sum::<u64>() + self.counters.begun_without_ip;
        if begun.is_multiple_of(WATCHED_EVERY) {
            self.watch_crowds();
        }
        let first_vlans = Some(packet.vlans).filter(|vlans| !self.settings.use_vlans && vlans.count > 0);
        let flow = Flow {
            key,
            id: flow_id(&key, packet.number),
            first_packet: packet.number,
            first_place: (packet.joined, packet.depth),
            interface: packet.interface,
            start: packet.time,
            end: packet.time,
            packets: Both::default(),
            bytes: Both::default(),
            tcp_flags: Both::default(),
            ttl: Both::default(),
            alerted: false,
            alerts_asked: false,
            rare: first_vlans.map(|first_vlans| Box::new(Rare { first_vlans, ..Rare::default() })),
            followed: Followed::default(),
            bypassed: None,
            tcp: None,
            app: A::default(),
            emergency: false,
            marks: Marks::default(),
            hash,
        };
        let [tcp, udp, icmp, icmp_v6, others] = &mut self.counters.begun;
        *match key.protocol {
            key::TCP => tcp,
            key::UDP => udp,
            key::ICMP => icmp,
            key::ICMP_V6 => icmp_v6,
            key::LINK => &mut self.counters.begun_without_ip,
            _ => others,
        } += 1;
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.slots.len()).ok().filter(|place| *place != NONE)?;
                self.slots.push(None);
                self.lists.push();
                place
            }
        };
        *self.slots.get_mut(place as usize)? = Some(flow);
        if key.vlans.count > 0 {
            self.tagged.insert(key.untagged(), place);
        }
        let slots = &self.slots;
        let hash_of = |place: &u32| slots.get(*place as usize).and_then(Option::as_ref).map_or(0, |flow| flow.hash);
        self.index.insert_unique(hash, place, hash_of);
        let member = self.enter(Worth::New, &key, false);
        self.lists.link(place, Class::OtherNew, member, self.now);
        self.end_by(Class::OtherNew);
        Some(place)
    }

    fn timeouts(&self) -> &Timeouts {
        if self.emergency { &self.settings.emergency } else { &self.settings.timeouts }
    }

    /// Sees to it that there is memory for a segment of a flow.
    fn make_room(&mut self, bytes: usize, place: u32, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        while !self.store.has(bytes) {
            let Some((class, member)) = self.lists.of(place) else { return };
            // The flow itself stays.
            self.lists.unlink(place);
            let relieved = self.relieve(Need::Bytes, now, ended);
            self.lists.link(place, class, member, self.now);
            if !relieved {
                return;
            }
        }
    }

    /// What a flow is charged.
    fn cost(&self, key: &Key) -> usize {
        let tagged = if key.vlans.count > 0 { ANSWER_BYTES } else { 0 };
        let Settings { elephant, stations, use_vlans, .. } = &self.settings;
        let measured = if elephant.is_some() || *stations || !use_vlans { size_of::<Rare>() } else { 0 };
        Self::FLOW_BYTES + tagged + measured
    }

    pub(super) fn end(&mut self, place: u32, reason: EndReason, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        self.lists.unlink(place);
        let Some(mut flow) = self.slots.get_mut(place as usize).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(flow.hash, |other| *other == place) {
            entry.remove();
        }
        if let (Some(crowds), Some((class, member))) = (&mut self.crowds, self.lists.of(place)) {
            crowds.leave(class.worth(), &flow.key, flow.marks.has(Marks::SWAPPED), member);
        }
        if flow.key.vlans.count > 0 && self.tagged.get(&flow.key.untagged()) == Some(&place) {
            self.tagged.remove(&flow.key.untagged());
        }
        if let Some(vlans) = flow.answer_vlans() {
            self.answers.remove(&Key { vlans, ..flow.key.reverse() });
            self.flows.give(ANSWER_BYTES);
        }
        self.free.push(place);
        self.flows.give(self.cost(&flow.key));
        let (held_bytes, _) = self.weights.set(place, 0);
        self.state.give(held_bytes);
        if let Some(tcp) = &mut flow.tcp {
            tcp.believe_refused(&mut self.store);
            tcp.discharge(&mut self.store);
        }
        self.counters.tally.end(&flow);
        match reason {
            EndReason::Timeout | EndReason::Forced => {
                self.counters.timed_out += u64::from(reason == EndReason::Timeout);
                if let Some(next) = flow.tcp.as_ref().and_then(|tcp| tcp.open_ends()) {
                    let spoken = flow.class().worth() > Worth::Silent;
                    self.parked.put(flow.hash, Ends::new(next, reason, &flow.key), spoken, &mut self.flows);
                }
            }
            EndReason::TcpReuse => self.counters.reused += 1,
            EndReason::Shutdown => {}
        }
        ended(flow, reason);
    }

    /// The flow has had a packet: it is the last of its class now.
    fn touch(&mut self, place: u32) {
        let Some(Some(flow)) = self.slots.get(place as usize) else { return };
        let class = flow.class();
        if self.fresh.last() != Some(&place) && self.fresh.len() < FRESH_LIMIT {
            self.fresh.push(place);
        }
        if !self.lists.renew(place, class, self.now) {
            self.reclass(place, class);
        }
    }

    /// Puts a flow into the lists of another class.
    fn reclass(&mut self, place: u32, class: Class) {
        let (Some(Some(flow)), Some((before, mut member))) = (self.slots.get(place as usize), self.lists.of(place))
        else {
            return;
        };
        let (key, swapped) = (flow.key, flow.marks.has(Marks::SWAPPED));
        self.lists.unlink(place);
        if class.worth() != before.worth() {
            if let Some(crowds) = &mut self.crowds {
                crowds.leave(before.worth(), &key, swapped, member);
            }
            member = self.enter(class.worth(), &key, swapped);
        }
        self.lists.link(place, class, member, self.now);
        self.end_by(class);
    }

    /// A flow that is now the last of its class is looked at when its time is over.
    fn end_by(&mut self, class: Class) {
        let ends = Timestamp(self.now.0.saturating_add(self.timeouts().of(class)));
        self.next_end = self.next_end.min(ends);
    }

    /// The first flow of each list of some classes, with whether that is one of crowds.
    pub(super) fn heads(&self, classes: &[Class]) -> impl Iterator<Item = (Class, bool, u32, &Flow<A>)> {
        let flow = |place: u32| self.slots.get(place as usize)?.as_ref();
        self.lists.firsts(classes).filter_map(move |(class, crowd, place)| Some((class, crowd, place, flow(place)?)))
    }

    /// What a flow takes: its slot, its places in a list, in the index and among the free ones, and a connection with both
    /// streams.
    pub(super) const FLOW_BYTES: usize = size_of::<Option<Flow<A>>>()
        + Lists::BYTES
        + 16
        + size_of::<TcpFlow>()
        + 2 * size_of::<Stream>()
        + 3 * ALLOCATION_BYTES;
}

/// What one allocation takes besides its bytes.
const ALLOCATION_BYTES: usize = 16;
/// What it takes that a flow is found by its key with other VLANs.
const ANSWER_BYTES: usize = 2 * size_of::<(Key, u32)>() + size_of::<Rare>() + ALLOCATION_BYTES;
/// The event that tells that one side alone of a connection is seen.
const ONE_SIDE_SEEN: &str = "stream.one_side_seen";
/// What a segment may cost besides its bytes.
const SEGMENT_BYTES: usize = 1024;
/// Flows that one captured packet, with all that it carries, may concern.
const FRESH_LIMIT: usize = 32;
/// Flows that begin between two looks at how many there are.
const WATCHED_EVERY: u64 = 64;
