//! Rule set to an immutable plan.
//!
//! The plan sorts the rules into the order in which they are evaluated, decides for each what it is asked about ([`Kind`]),
//! picks its fast pattern, and puts it into the groups where its candidates are found: one prefilter for all rules that look at the
//! same bytes. A plan never changes; a reload builds a new one.

mod addresses;
mod cost;
mod fast_pattern;
mod gate;
mod group;
mod kind;
pub mod order;
mod succession;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Both, Direction, Field, ProtocolId};

pub(crate) use addresses::AddressIndex;
pub use cost::{Estimate, Found};
pub(crate) use gate::{Chance, Gate, Glance};
pub(crate) use group::Group;
pub use kind::Kind;
pub(crate) use kind::{applies_to, find_field, hook_progress};
pub(crate) use succession::Succession;

use crate::language::digest::Digest;
use crate::language::item::{Content, Item};
use crate::language::rule::{Arrow, Buffer, Ports, Rule, RuleProtocol, RuleSet, Section};
use crate::state::dataset::Dataset;
use crate::state::flow::FlowState;
use crate::verify::transform::Transform;
use group::{GroupBuilder, ListedPorts, Pattern, Prefilters};
use order::ActionOrder;
use succession::History;

/// Index of a rule in the plan: rules with a lower one are evaluated first.
pub type RuleIndex = u32;

/// The compiled form of all rules.
#[derive(Default)]
pub struct Plan {
    pub(crate) rules: Vec<Planned>,
    /// Their gates, in the same order.
    gates: Vec<Gate>,
    /// Rules on packets, by what carries the payload.
    pub(crate) tcp_packets: PacketRules,
    pub(crate) udp_packets: PacketRules,
    pub(crate) other_packets: PacketRules,
    /// Rules that look at reassembled bytes.
    pub(crate) streams: Both<Group>,
    /// Rules on packets that only their addresses tell apart.
    pub(crate) by_address: AddressIndex,
    /// Rules on packets that have no pattern, by port.
    pub(crate) by_port: HashMap<u16, Vec<RuleIndex>>,
    /// Rules about packets with anomalies.
    pub(crate) anomalies: Vec<RuleIndex>,
    /// Rules that hold when the recognition of a flow's protocol ended.
    pub(crate) recognised: Vec<RuleIndex>,
    /// For each protocol of the registry.
    pub(crate) transactions: Vec<Both<TransactionPlan>>,
    /// Rules on frames, by the name of the frame's field.
    pub(crate) frames: HashMap<&'static str, Both<Group>>,
    /// Names of flowbits, flowints and hostbits by index.
    pub names: [Vec<String>; 3],
    /// Sets of values by index.
    pub datasets: Vec<Arc<Dataset>>,
    /// Hashes of files that some rule asks for: MD5, SHA-1, SHA-256.
    pub file_hashes: [bool; 3],
    /// Fields of protocols that some rule looks at.
    pub fields: BTreeSet<&'static str>,
    /// Whether a rule looks at decode or stream anomalies of packets.
    pub wants_packet_anomalies: bool,
    /// Whether a rule looks at requests and their responses together.
    pub(crate) is_transactional: bool,
    environment: Digest,
    history: History,
}

/// A rule in the plan.
pub(crate) struct Planned {
    pub(crate) rule: Arc<Rule>,
    pub(crate) kind: Kind,
}

/// Rules on the packets of one carrier.
#[derive(Default)]
pub(crate) struct PacketRules {
    /// Rules that look at the payload, by its direction.
    pub(crate) by_payload: Both<Group>,
    /// Rules that nothing tells apart before they are decided.
    pub(crate) any: Vec<RuleIndex>,
}

/// What is done with a transaction in one direction.
#[derive(Default)]
pub(crate) struct TransactionPlan {
    /// Prefilters by buffer, in order of the progress at which the buffer is there.
    pub(crate) engines: Vec<Engine>,
    /// Rules without a pattern: always candidates.
    pub(crate) always: Vec<RuleIndex>,
    /// Rules about an anomaly, by its name.
    pub(crate) by_event: HashMap<String, Vec<RuleIndex>>,
}

/// All fast patterns of one buffer, after the same transforms.
pub(crate) struct Engine {
    pub(crate) field: &'static Field,
    pub(crate) from: u8,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) group: Group,
}

impl Plan {
    /// Compiles a rule set. Rules that cannot match yet (see [`Rule::later`]) stay out of every group.
    pub fn new(set: RuleSet, actions: &ActionOrder) -> Self {
        Self::build(set, actions, None)
    }

    /// Compiles the rule set that follows that of a plan: prefilters whose patterns are the same are shared with it.
    pub fn after(before: &Self, set: RuleSet, actions: &ActionOrder) -> Self {
        Self::build(set, actions, Some(before))
    }

    fn build(set: RuleSet, actions: &ActionOrder, before: Option<&Self>) -> Self {
        let RuleSet { rules, flowbits, flowints, hostbits, datasets, environment } = set;
        let mut rules: Vec<Planned> = rules.into_iter().map(|rule| Planned { kind: kind::of(&rule), rule }).collect();
        rules.sort_by_cached_key(|p| order::key(&p.rule, actions));
        let mut builder = PlanBuilder::default();
        for (index, planned) in (0..).zip(&rules) {
            if planned.rule.later.is_empty() {
                builder.add(index, planned);
            }
        }
        let mut plan = builder.finish(&Prefilters::of(before.into_iter().flat_map(Self::groups)));
        if let Some(before) = before {
            plan.history = before.history.next(&before.rules, &rules);
        }
        for file in rules.iter().flat_map(|p| &p.rule.file) {
            for (all, one) in plan.file_hashes.iter_mut().zip(file.hashes()) {
                *all |= one;
            }
        }
        let sections = rules.iter().filter(|p| p.rule.later.is_empty()).flat_map(|p| &p.rule.sections);
        plan.fields = sections
            .filter_map(|section| match section.buffer {
                Buffer::Field(name) => Some(name),
                _ => None,
            })
            .collect();
        plan.wants_packet_anomalies = !plan.anomalies.is_empty();
        plan.names = [flowbits, flowints, hostbits];
        plan.datasets = datasets;
        plan.is_transactional = rules.iter().any(|planned| planned.rule.arrow == Arrow::Transactional);
        plan.environment = environment;
        plan.gates = rules.iter().map(|planned| Gate::of(&planned.rule)).collect();
        plan.rules = rules;
        plan
    }

    /// Whether a rule may hold, as far as a few bytes tell.
    #[inline]
    pub(crate) fn may_hold(&self, index: RuleIndex, glance: &Glance, state: &FlowState) -> Chance {
        self.gates.get(index as usize).map_or(Chance::None, |gate| gate.allows(glance, state))
    }

    /// A rule.
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(index as usize).map(|p| &*p.rule)
    }

    /// All rules, in the order in which they are evaluated.
    pub(crate) fn shared_rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().map(|planned| &planned.rule)
    }

    /// What a rule is asked about.
    pub fn kind(&self, index: RuleIndex) -> Option<Kind> {
        self.rules.get(index as usize).map(|p| p.kind)
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn transaction_plan(&self, protocol: ProtocolId, direction: Direction) -> Option<&TransactionPlan> {
        self.transactions.get(usize::from(protocol.0)).map(|both| both.of(direction))
    }

    /// Bytes of memory that the prefilters hold.
    pub fn prefilter_bytes(&self) -> usize {
        self.groups().map(Group::memory_bytes).sum()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        let engines = self.transactions.iter().flat_map(|b| b.to_server.engines.iter().chain(&b.to_client.engines));
        let packets = [&self.tcp_packets, &self.udp_packets, &self.other_packets].map(|rules| &rules.by_payload);
        let groups = packets.into_iter().chain([&self.streams]);
        let groups = groups.chain(self.frames.values());
        groups.flat_map(|both| [&both.to_server, &both.to_client]).chain(engines.map(|e| &e.group))
    }

    /// Whether a rule looks at a frame of a protocol.
    pub fn wants_frames(&self, protocol: ProtocolId) -> bool {
        !self.frames.is_empty() && frame_fields(protocol).any(|field| self.frames.contains_key(field.name))
    }

    /// That of what the rules were read with.
    pub(crate) fn environment(&self) -> Digest {
        self.environment
    }

    /// Which of the plans that followed each other this is.
    pub(crate) fn generation(&self) -> u32 {
        self.history.generation()
    }

    /// What became of the rules of an earlier plan in this one; `None` if that is too long ago.
    pub(crate) fn since(&self, generation: u32) -> Option<&Succession> {
        self.history.since(generation)
    }

    /// How the rules of this plan differ from those of the one before.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let mut old: HashMap<(u32, u32), Digest> =
            before.shared_rules().map(|rule| ((rule.gid, rule.sid), rule.digest)).collect();
        let mut changes = Changes::default();
        for rule in self.shared_rules() {
            match old.remove(&(rule.gid, rule.sid)) {
                Some(digest) if digest == rule.digest => changes.unchanged += 1,
                Some(_) => changes.changed += 1,
                None => changes.added += 1,
            }
        }
        changes.removed = old.len();
        changes
    }
}

/// How many rules of a plan are not as they were in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rules that were not there.
    pub added: usize,
    /// Rules that are not there any more.
    pub removed: usize,
    /// Rules whose text is another one.
    pub changed: usize,
    /// The others.
    pub unchanged: usize,
}

/// Groups while they are filled.
#[derive(Default)]
struct PlanBuilder<'r> {
    tcp_packets: Both<GroupBuilder>,
    udp_packets: Both<GroupBuilder>,
    other_packets: Both<GroupBuilder>,
    streams: Both<GroupBuilder>,
    by_address: addresses::AddressIndexBuilder,
    frames: HashMap<&'static str, Both<GroupBuilder>>,
    engines: HashMap<EngineKey, (Vec<&'r Transform>, GroupBuilder)>,
    plan: Plan,
}

/// Protocol, direction, index of the field in the protocol's card, and the transforms as text.
type EngineKey = (usize, Direction, usize, String);

impl<'r> PlanBuilder<'r> {
    fn add(&mut self, index: RuleIndex, planned: &'r Planned) {
        let rule = &planned.rule;
        match planned.kind {
            Kind::Anomaly => self.plan.anomalies.push(index),
            Kind::Recognised => self.plan.recognised.push(index),
            Kind::IpOnly | Kind::Packet | Kind::ApplicationPacket => self.add_packet(index, rule),
            Kind::PacketAndStream => {
                self.add_packet(index, rule);
                add_payload(&mut [&mut self.streams], index, rule, fast_pattern::of_payload(rule));
            }
            Kind::Stream => add_payload(&mut [&mut self.streams], index, rule, fast_pattern::of_payload(rule)),
            Kind::PayloadOrStream => {
                let Self { streams, udp_packets, other_packets, .. } = self;
                add_payload(&mut [streams, udp_packets, other_packets], index, rule, fast_pattern::of_payload(rule));
            }
            Kind::Frame => self.add_frame(index, rule),
            Kind::Transaction => self.add_transaction(index, rule),
        }
    }

    fn add_packet(&mut self, index: RuleIndex, rule: &Rule) {
        let (tcp, udp, other) = carriers(rule);
        let pattern = fast_pattern::of_payload(rule);
        if pattern.is_some() {
            let groups = [(tcp, &mut self.tcp_packets), (udp, &mut self.udp_packets), (other, &mut self.other_packets)];
            let mut wanted: Vec<&mut Both<GroupBuilder>> =
                groups.into_iter().filter_map(|(wanted, group)| wanted.then_some(group)).collect();
            add_payload(&mut wanted, index, rule, pattern);
        } else if !self.by_address.add(index, rule) {
            let plan = &mut self.plan;
            if let Some(ports) = listed_ports(rule) {
                ports.all().iter().for_each(|port| plan.by_port.entry(*port).or_default().push(index));
                return;
            }
            // Among others are the later fragments of what TCP and UDP carry.
            let rules = [(tcp, &mut plan.tcp_packets), (udp, &mut plan.udp_packets), (true, &mut plan.other_packets)];
            rules.into_iter().filter(|(wanted, _)| *wanted).for_each(|(_, rules)| rules.any.push(index));
        }
    }

    fn add_frame(&mut self, index: RuleIndex, rule: &Rule) {
        let names = rule.sections.iter().filter_map(|section| match section.buffer {
            Buffer::Frame(name) => Some(name),
            _ => None,
        });
        let Some(name) = names.into_iter().next() else { return };
        let best = fast_pattern::choose(rule, |section| section.transforms.is_empty());
        let pattern = best.map(|(_, content)| Pattern::anywhere(fast_pattern::bytes(content)));
        add_payload(&mut [self.frames.entry(name).or_default()], index, rule, pattern);
    }

    fn add_transaction(&mut self, index: RuleIndex, rule: &'r Rule) {
        for (position, protocol) in REGISTRY.iter().enumerate() {
            for direction in applies_to(rule, protocol) {
                self.ensure(position);
                let best = fast_pattern::choose(rule, |section| match section.buffer {
                    Buffer::Field(name) => find_field(protocol, name).is_some_and(|f| f.from.of(direction).is_some()),
                    _ => false,
                });
                if let Some((section, content)) = best
                    && let Buffer::Field(name) = section.buffer
                    && let Some(field) = protocol.fields.iter().position(|f| f.name == name)
                {
                    let key = (position, direction, field, format!("{:?}", section.transforms));
                    let (_, group) = self
                        .engines
                        .entry(key)
                        .or_insert_with(|| (section.transforms.iter().collect(), GroupBuilder::default()));
                    group.add(index, Some(Pattern::anywhere(fast_pattern::bytes(content))), None);
                } else if let Some(both) = self.plan.transactions.get_mut(position) {
                    let plan = both.of_mut(direction);
                    match rule.events.first() {
                        Some(event) => plan.by_event.entry(event.clone()).or_default().push(index),
                        None => plan.always.push(index),
                    }
                }
            }
        }
    }

    fn ensure(&mut self, position: usize) {
        if self.plan.transactions.len() <= position {
            self.plan.transactions.resize_with(position + 1, Default::default);
        }
    }

    fn finish(mut self, known: &Prefilters) -> Plan {
        self.plan.transactions.resize_with(REGISTRY.len(), Default::default);
        let mut engines: Vec<_> = self.engines.into_iter().collect();
        engines.sort_by(|a, b| a.0.cmp(&b.0));
        for ((position, direction, field, _), (transforms, group)) in engines {
            let Some(field) = REGISTRY.get(position).and_then(|p| p.fields.get(field)) else { continue };
            if let (Some(both), Some(from)) = (self.plan.transactions.get_mut(position), *field.from.of(direction)) {
                let transforms = transforms.into_iter().cloned().collect();
                both.of_mut(direction).engines.push(Engine { field, from, transforms, group: group.finish(known) });
            }
        }
        for both in &mut self.plan.transactions {
            both.to_server.engines.sort_by_key(|e| e.from);
            both.to_client.engines.sort_by_key(|e| e.from);
        }
        let finish = |both: Both<GroupBuilder>| Both {
            to_server: both.to_server.finish(known),
            to_client: both.to_client.finish(known),
        };
        self.plan.tcp_packets.by_payload = finish(self.tcp_packets);
        self.plan.udp_packets.by_payload = finish(self.udp_packets);
        self.plan.other_packets.by_payload = finish(self.other_packets);
        self.plan.streams = finish(self.streams);
        self.plan.frames = self.frames.into_iter().map(|(name, both)| (name, finish(both))).collect();
        self.plan.by_address = self.by_address.finish();
        self.plan
    }
}

/// Adds a rule with its pattern in the payload to groups, in the directions that it is about.
fn add_payload(groups: &mut [&mut Both<GroupBuilder>], index: RuleIndex, rule: &Rule, pattern: Option<Pattern<'_>>) {
    let ports = listed_ports(rule);
    for direction in Direction::BOTH.into_iter().filter(|&d| rule.flow.direction.is_none_or(|own| own == d)) {
        groups.iter_mut().for_each(|group| group.of_mut(direction).add(index, pattern, ports.as_ref()));
    }
}

/// Whether a rule means packets of TCP, of UDP, and of others.
fn carriers(rule: &Rule) -> (bool, bool, bool) {
    let allowed = |number| rule.packet.iter().all(|condition| condition.allows_protocol(number));
    let (tcp, udp, other) = match rule.protocol {
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => (true, false, false),
        RuleProtocol::Udp => (false, true, false),
        RuleProtocol::Application(_) => (true, true, false),
        RuleProtocol::Icmp | RuleProtocol::Icmpv4 | RuleProtocol::Icmpv6 | RuleProtocol::Igmp | RuleProtocol::Sctp => {
            (false, false, true)
        }
        _ => (true, true, true),
    };
    (tcp && allowed(TCP), udp && allowed(UDP), other)
}

/// Numbers of protocols above IP.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The ports by which a rule on packets can be found, where they are few: those of the side that names them.
fn listed_ports(rule: &Rule) -> Option<ListedPorts> {
    const LISTED_LIMIT: usize = 64;
    if rule.arrow == Arrow::BothWays {
        return None;
    }
    let few = |ports: &Ports| {
        let count: usize = ports.0.iter().map(|r| usize::from(r.1 - r.0) + 1).sum();
        (count <= LISTED_LIMIT).then(|| ports.0.iter().flat_map(|r| r.0..=r.1).collect())
    };
    let destination = few(&rule.destination.ports).map(ListedPorts::Destination);
    destination.or_else(|| few(&rule.source.ports).map(ListedPorts::Source))
}

/// Whether an item or those inside it is a content.
pub(crate) fn contents(section: &Section) -> impl Iterator<Item = &Content> {
    section.items.iter().filter_map(|item| match item {
        Item::Content(content) => Some(content),
        _ => None,
    })
}

/// The fields of a protocol that name its frames.
fn frame_fields(id: ProtocolId) -> impl Iterator<Item = &'static Field> {
    tapwire_parsers::protocol(id).fields.iter().filter(|field| field.name.starts_with("frame:"))
}

/// The name of the field of a frame (`frame:dns.pdu`) that a parser named (`pdu`).
pub(crate) fn frame_field(id: ProtocolId, name: &str) -> Option<&'static str> {
    let own = tapwire_parsers::protocol(id).name;
    let short = |field: &Field| field.name.strip_prefix("frame:")?.strip_prefix(own)?.strip_prefix('.');
    frame_fields(id).find(|field| short(field) == Some(name)).map(|field| field.name)
}
