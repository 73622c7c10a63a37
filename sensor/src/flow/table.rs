//! The flows of one worker.
//!
//! Flows lie in a slab; a hash table finds them by key, and a list for each timeout class holds them in the order of their
//! last packets, so that both expiry and eviction look at list heads only. What happens never depends on the hash secret.
//! The lists' links lie by themselves, packed: a packet moves its flow to the end of a list, and must not touch its neighbours.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashTable};
use hashlink::LinkedHashMap;
use tapwire_parsers::link::{Layer4, Packet, Tcp, Timestamp, tcp_flags};
use tapwire_parsers::protocol::{Anomaly, Both, Direction};

use super::key::{self, Key, flow_id};
use super::memory::{Account, Budget, Overdraft};
use super::store::Store;
use super::stream::Stream;
use super::tcp::{TcpFlow, TcpSettings, TcpUpdate};
use super::timeouts::{Class, Timeouts};
use super::weights::Weights;
use super::{Elephant, EndReason, Flow, Overlap};
use crate::config::{ByNetwork, ExceptionPolicies, System};

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            emergency: Timeouts::emergency(),
            recovery_percent: 30,
            use_vlans: true,
            use_interfaces: false,
            checksums: true,
            tcp: TcpSettings::default(),
            systems: ByNetwork::default(),
            exceptions: ExceptionPolicies::default(),
            elephant: None,
        }
    }
}

/// What a table has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Flows begun, by protocol: TCP, UDP, ICMP, others.
    pub begun: [u64; 4],
    /// Flows ended by timeout.
    pub timed_out: u64,
    /// Flows ended for their memory that were never established.
    pub evicted_new: u64,
    /// Flows ended for their memory that were established.
    pub evicted_established: u64,
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
    settings: Settings,
    secret: RandomState,
    index: HashTable<u32>,
    slots: Vec<Option<Flow<A>>>,
    /// For each slot its place in the list of the flows with the same timeout.
    links: Vec<Links>,
    free: Vec<u32>,
    lists: [List; Class::ALL.len()],
    flows: Account,
    store: Store,
    /// What applications keep.
    state: Account,
    weights: Weights,
    /// The last flow with VLANs by its key without them: answers may come with others.
    tagged: HashMap<Key, u32, RandomState>,
    /// Flows by the keys of their answers, where those have other VLANs.
    answers: HashMap<Key, u32, RandomState>,
    /// Connections that were open when their time was over.
    parked: LinkedHashMap<Key, Both<u32>, RandomState>,
    /// Flows that hold bytes behind holes, by place and id, in the order in which they began to, and when that was.
    holders: VecDeque<(u32, u64, Timestamp)>,
    /// Memory is short.
    emergency: bool,
    counters: Counters,
    /// Nothing ends before this time.
    next_end: Timestamp,
}

/// A list of flows.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// The neighbours of a flow in its list.
#[derive(Clone, Copy, Debug)]
struct Links {
    class: Class,
    before: u32,
    behind: u32,
}

/// The place of no flow.
const NONE: u32 = u32::MAX;

impl<A: Default> Table<A> {
    /// An empty table. Flows and stream bytes are charged to budgets that tables may share.
    pub fn new(settings: Settings, flows: Arc<Budget>, streams: Arc<Budget>) -> Self {
        Self {
            settings,
            secret: RandomState::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            links: Vec::new(),
            free: Vec::new(),
            lists: [List { first: NONE, last: NONE }; Class::ALL.len()],
            flows: Account::new(flows),
            store: Store::new(Account::new(streams)),
            state: Account::new(Budget::new(0)),
            weights: Weights::default(),
            tagged: HashMap::with_hasher(RandomState::default()),
            answers: HashMap::with_hasher(RandomState::default()),
            parked: LinkedHashMap::with_hasher(RandomState::default()),
            holders: VecDeque::new(),
            emergency: false,
            counters: Counters::default(),
            next_end: Timestamp(u64::MAX),
        }
    }

    /// The same table, with a budget that what applications keep is charged to.
    pub fn with_state(mut self, state: Arc<Budget>) -> Self {
        self.state = Account::new(state);
        self
    }

    /// Takes a packet. `None` if it has no flow: it is no IP packet, it is broken, it is an ICMP error about no known flow, its
    /// protocol has none, or memory has run out. Flows that end
    /// because of it are handed to `ended`.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        tunnel_depth: u8,
        ended: &mut dyn FnMut(Flow<A>, EndReason),
    ) -> Option<Arrival<'_, A>> {
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
        let parked = if new && key.protocol == key::TCP { self.resume(&key) } else { None };
        let Self { settings, slots, store, counters, .. } = self;
        let flow = slots.get_mut(place as usize)?.as_mut()?;
        let was_established = flow.established();
        let mut direction = if answered { Direction::ToClient } else { flow.direction_of(&key, packet) };
        flow.count(packet, direction);
        if let Some(elephant) = &settings.elephant {
            let before = flow.elephant();
            flow.measure(packet, direction, elephant);
            counters.elephants += u64::from(before == Both::default() && before != flow.elephant());
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
                let resumed = parked.is_some_and(|parked| flow.resume(tcp, parked, &mut direction, settings));
                update = flow.connection(tcp, packet.payload, &mut direction, settings, store);
                counters.gaps += update.gaps;
                if resumed {
                    update.anomalies.push(Anomaly("stream.resumed_after_idle"));
                }
                counters.without_connection += u64::from(flow.tcp.is_none());
            }
        }
        if answered && *flow.packets.of(direction) == 1 {
            update.anomalies.push(Anomaly("stream.vlan_differs_by_direction"));
        }
        let established = !was_established && flow.established();
        if update.waits && !flow.holds {
            flow.holds = true;
            self.holders.push_back((place, flow.id, packet.time));
            self.forget_holders();
        }
        self.touch(place);
        let flow = self.slots.get_mut(place as usize)?.as_mut()?;
        Some(Arrival { flow, direction, new, established, tcp: update, place })
    }

    /// Ends flows that had no packet for too long at `now`, in the order of their last packets. Without it they end when a
    /// packet with their key comes late, when their memory is needed, or at shutdown.
    pub fn expire(&mut self, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        if now <= self.next_end {
            return;
        }
        let timeouts = *self.timeouts();
        loop {
            let mut next_end = Timestamp(u64::MAX);
            let over = self
                .heads(&Class::ALL)
                .filter(|(class, _, flow)| {
                    let end = Timestamp(flow.end.0.saturating_add(timeouts.of(*class)));
                    next_end = next_end.min(end);
                    now > end
                })
                .min_by_key(|(_, _, flow)| (flow.end, flow.first_packet))
                .map(|(_, place, _)| place);
            let Some(place) = over else {
                self.next_end = next_end;
                return;
            };
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

    /// Ends the flow at a place because the run ends.
    pub fn shut_down(&mut self, place: u32, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        self.end(place, EndReason::Shutdown, ended);
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
        while self.state.overdraft() == Overdraft::Others && self.relieve(now, ended) {}
        let place = if self.state.overdraft() == Overdraft::None { None } else { self.weights.heaviest() }?;
        Some((place, self.slots.get_mut(place as usize)?.as_mut()?))
    }

    /// The application of a flow cannot keep less than it does: it is not named again until it keeps more or less.
    pub fn leave(&mut self, place: u32) {
        self.weights.leave(place);
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

    /// The memory of streams.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where both ends of a connection were when its time was over, and whether the key is that of its client.
    fn resume(&mut self, key: &Key) -> Option<(Both<u32>, Direction)> {
        if self.parked.is_empty() {
            return None;
        }
        let own = self.parked.remove(key).map(|next| (next, Direction::ToServer));
        own.or_else(|| self.parked.remove(&key.reverse()).map(|next| (next, Direction::ToClient)))
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
            (None, None) => true,
            _ => false,
        };
        if !answers || flow.key.untagged() != question || flow.packets.to_client > 0 || flow.answer_vlans().is_some() {
            return None;
        }
        flow.rare.get_or_insert_default().answer_vlans = Some(key.vlans);
        self.answers.insert(*key, place);
        Some(place)
    }

    /// Whether a packet comes too late for the flow with its key, or begins another one.
    fn is_over(&self, place: u32, packet: &Packet<'_>, key: &Key) -> Option<EndReason> {
        let flow = self.slots.get(place as usize)?.as_ref()?;
        if packet.time.since(flow.end) > self.timeouts().of(self.links.get(place as usize)?.class) {
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
        while !self.flows.take(Self::FLOW_BYTES) {
            if !self.emergency {
                self.emergency = true;
                self.counters.emergencies.0 += 1;
                self.next_end = Timestamp(0);
            }
            // Those whose time is over anyway go first.
            let before = self.len();
            self.expire(packet.time, ended);
            if self.len() == before && !self.relieve(packet.time, ended) {
                self.counters.refused_packets += 1;
                return None;
            }
        }
        if self.emergency && self.flows.budget_percent() + self.settings.recovery_percent <= 100 {
            self.emergency = false;
            self.counters.emergencies.1 += 1;
        }
        let flow = Flow {
            key,
            id: flow_id(&key, packet.number),
            first_packet: packet.number,
            first_place: (packet.joined, packet.depth),
            start: packet.time,
            end: packet.time,
            packets: Both::default(),
            bytes: Both::default(),
            ttl: Both::default(),
            alerted: false,
            alerts_asked: false,
            rare: None,
            midstream: None,
            starved: None,
            bypassed: false,
            icmp_answer: None,
            tcp: None,
            app: A::default(),
            emergency: false,
            holds: false,
            hash,
        };
        let kind = match key.protocol {
            key::TCP => 0,
            key::UDP => 1,
            key::ICMP | key::ICMP_V6 => 2,
            _ => 3,
        };
        if let Some(count) = self.counters.begun.get_mut(kind) {
            *count += 1;
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.slots.len()).ok().filter(|place| *place != NONE)?;
                self.slots.push(None);
                self.links.push(Links { class: Class::OtherNew, before: NONE, behind: NONE });
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
        self.link(place, Class::OtherNew);
        Some(place)
    }

    fn timeouts(&self) -> &Timeouts {
        if self.emergency { &self.settings.emergency } else { &self.settings.timeouts }
    }

    /// Sees to it that there is memory for a segment of a flow.
    fn make_room(&mut self, bytes: usize, place: u32, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        while !self.store.has(bytes) {
            let own = self.links.get(place as usize).map(|links| links.class);
            // The flow itself stays.
            self.unlink(place);
            let relieved = self.relieve(now, ended);
            self.link(place, own.unwrap_or(Class::OtherNew));
            if !relieved {
                return;
            }
        }
    }

    /// Gives up what is missed least: what waits behind a hole for so long that nobody fills it, then flows that were never
    /// established or are over, then what waits behind a hole at all, then any flow.
    fn relieve(&mut self, now: Timestamp, ended: &mut dyn FnMut(Flow<A>, EndReason)) -> bool {
        self.give_up_a_hole(Timestamp(now.0.saturating_sub(HOLE_US)))
            || self.evict(true, ended)
            || self.give_up_a_hole(now)
            || self.evict(false, ended)
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
            flow.holds = false;
            let bytes = flow.tcp.as_mut().map_or(0, |tcp| tcp.give_up_early(store));
            if bytes > 0 {
                flow.starved = Some(settings.exceptions.reassembly);
                counters.given_up.0 += 1;
                counters.given_up.1 += bytes as u64;
                return true;
            }
        }
        false
    }

    /// Leaves flows that are over out of the list of holders when most of it is such.
    fn forget_holders(&mut self) {
        if self.holders.len() > 2 * self.index.len() + 1024 {
            let slots = &self.slots;
            let lives =
                |place: u32, id| slots.get(place as usize).and_then(Option::as_ref).is_some_and(|flow| flow.id == id);
            self.holders.retain(|(place, id, _)| lives(*place, *id));
        }
    }

    /// Ends the flow that was quiet for longest, of those that were never established or are closed (`cheap`), or of the others.
    fn evict(&mut self, cheap: bool, ended: &mut dyn FnMut(Flow<A>, EndReason)) -> bool {
        let (new, dear) = Class::ALL.split_at(Class::CHEAP);
        let classes = if cheap { new } else { dear };
        let oldest = self.heads(classes).min_by_key(|(_, _, flow)| (flow.end, flow.first_packet));
        let Some((_, place, _)) = oldest else { return false };
        self.counters.evicted_new += u64::from(cheap);
        self.counters.evicted_established += u64::from(!cheap);
        if let Some(flow) = self.flow(place) {
            flow.emergency = true;
        }
        self.end(place, EndReason::Forced, ended);
        true
    }

    fn end(&mut self, place: u32, reason: EndReason, ended: &mut dyn FnMut(Flow<A>, EndReason)) {
        self.unlink(place);
        let Some(mut flow) = self.slots.get_mut(place as usize).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(flow.hash, |other| *other == place) {
            entry.remove();
        }
        if flow.key.vlans.count > 0 && self.tagged.get(&flow.key.untagged()) == Some(&place) {
            self.tagged.remove(&flow.key.untagged());
        }
        if let Some(vlans) = flow.answer_vlans() {
            self.answers.remove(&Key { vlans, ..flow.key.reverse() });
        }
        self.free.push(place);
        self.flows.give(Self::FLOW_BYTES);
        let (held_bytes, _) = self.weights.set(place, 0);
        self.state.give(held_bytes);
        if let Some(tcp) = &mut flow.tcp {
            tcp.discharge(&mut self.store);
        }
        match reason {
            EndReason::Timeout => {
                self.counters.timed_out += 1;
                if let Some(next) = flow.tcp.as_ref().and_then(|tcp| tcp.open_ends()) {
                    while self.parked.len() >= PARKED {
                        self.parked.pop_front();
                    }
                    self.parked.insert(flow.key, next);
                }
            }
            EndReason::TcpReuse => self.counters.reused += 1,
            EndReason::Forced | EndReason::Shutdown => {}
        }
        ended(flow, reason);
    }

    /// The flow has had a packet: it is the last of its class now.
    fn touch(&mut self, place: u32) {
        let Some(Some(flow)) = self.slots.get(place as usize) else { return };
        let (class, end) = (flow.class(), flow.end);
        let known = self.links.get(place as usize).is_some_and(|links| links.class == class);
        if !known || self.lists.get(class as usize).is_none_or(|list| list.last != place) {
            self.unlink(place);
            self.link(place, class);
        }
        let ends = Timestamp(end.0.saturating_add(self.timeouts().of(class)));
        self.next_end = self.next_end.min(ends);
    }

    fn heads<'t>(&'t self, classes: &'t [Class]) -> impl Iterator<Item = (Class, u32, &'t Flow<A>)> {
        classes.iter().filter_map(|&class| {
            let place = self.lists.get(class as usize)?.first;
            Some((class, place, self.slots.get(place as usize)?.as_ref()?))
        })
    }

    fn link(&mut self, place: u32, class: Class) {
        let Some(list) = self.lists.get_mut(class as usize) else { return };
        let before = std::mem::replace(&mut list.last, place);
        if list.first == NONE {
            list.first = place;
        }
        if let Some(links) = self.links.get_mut(before as usize) {
            links.behind = place;
        }
        if let Some(links) = self.links.get_mut(place as usize) {
            *links = Links { class, before, behind: NONE };
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some(&Links { class, before, behind }) = self.links.get(place as usize) else { return };
        if let Some(links) = self.links.get_mut(before as usize) {
            links.behind = behind;
        }
        if let Some(links) = self.links.get_mut(behind as usize) {
            links.before = before;
        }
        let Some(list) = self.lists.get_mut(class as usize) else { return };
        if list.first == place {
            list.first = behind;
        }
        if list.last == place {
            list.last = before;
        }
    }

    /// What a flow is charged: its slot, its places in a list and in the index, and a connection with both streams.
    const FLOW_BYTES: usize =
        size_of::<Option<Flow<A>>>() + size_of::<Links>() + 16 + size_of::<TcpFlow>() + 2 * size_of::<Stream>();
}

/// Connections that are remembered after their time was over.
const PARKED: usize = 16_384;
/// How long a hole takes to be filled by most senders, which is their shortest retransmission timeout, in microseconds.
const HOLE_US: u64 = 200_000;
/// What a segment may cost besides its bytes.
const SEGMENT_BYTES: usize = 1024;

impl<A> Flow<A> {
    /// Goes on with a connection whose time was over, if the packet does.
    fn resume(
        &mut self,
        tcp: &Tcp<'_>,
        (next, sender): (Both<u32>, Direction),
        direction: &mut Direction,
        settings: &Settings,
    ) -> bool {
        let Some(resumed) = TcpFlow::resume(tcp, next, sender) else { return false };
        if *direction != sender {
            self.swap();
            *direction = sender;
        }
        self.tcp = Some(Box::new(resumed));
        self.set_overlaps(settings);
        true
    }

    /// What counts of overlapping data is what its receiver does.
    fn set_overlaps(&mut self, settings: &Settings) {
        let overlap = |address| Overlap::of(settings.systems.of(address).unwrap_or_default());
        let Some(tcp) = &mut self.tcp else { return };
        for (direction, address) in
            [(Direction::ToServer, self.key.destination), (Direction::ToClient, self.key.source)]
        {
            tcp.set_overlap(direction, overlap(address));
        }
    }

    /// A TCP packet of the flow: it goes to its connection, which it may begin.
    fn connection(
        &mut self,
        tcp: &Tcp<'_>,
        payload: &[u8],
        direction: &mut Direction,
        settings: &Settings,
        store: &mut Store,
    ) -> TcpUpdate {
        if self.tcp.is_none() {
            let answers = tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN | tcp_flags::ACK;
            // Whoever sends the SYN is the client, and who answers one is not.
            let client_sends = if answers { Direction::ToClient } else { Direction::ToServer };
            let Some(begun) = TcpFlow::begin(tcp, payload.len(), &settings.tcp) else {
                return self.without_connection(tcp, settings);
            };
            if begun.midstream {
                self.midstream = Some(settings.exceptions.midstream);
                if self.is_bypassed() {
                    return TcpUpdate::default();
                }
            }
            if *direction != client_sends {
                self.swap();
                *direction = client_sends;
            }
            self.tcp = Some(Box::new(begun));
            self.set_overlaps(settings);
        }
        let Some(connection) = &mut self.tcp else { return TcpUpdate::default() };
        let refused = store.refused().0;
        let update = connection.packet(tcp, payload, *direction, &settings.tcp, store);
        if store.refused().0 > refused {
            self.starved = Some(settings.exceptions.reassembly);
        }
        update
    }

    fn without_connection(&mut self, tcp: &Tcp<'_>, settings: &Settings) -> TcpUpdate {
        let mut update = TcpUpdate::default();
        if tcp.flags & tcp_flags::RST != 0 {
            update.anomalies.push(Anomaly("stream.rst_but_no_session"));
            return update;
        }
        if tcp.flags & tcp_flags::FIN != 0 {
            update.anomalies.push(Anomaly("stream.fin_but_no_session"));
        }
        self.midstream = Some(settings.exceptions.midstream);
        update
    }
}
