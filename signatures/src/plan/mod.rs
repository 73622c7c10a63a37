//! Rule set to an immutable plan.
//!
//! The plan sorts the rules into the order in which they are evaluated, decides for each what it is asked about ([`Kind`]),
//! picks its fast pattern, and puts it into the groups where its candidates are found: one prefilter for all rules that look at the
//! same bytes. A plan never changes; a reload builds a new one.

mod addresses;
mod builder;
mod cost;
mod fast_pattern;
mod files;
mod gate;
mod group;
mod kind;
pub mod order;
mod outline;
mod scopes;
mod succession;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tapwire_parsers::protocol::{Both, Direction, Field, ProtocolId};

pub(crate) use addresses::AddressIndex;
pub use cost::{Estimate, Found};
pub use files::FileNeeds;
pub(crate) use gate::{Chance, Gate, Glance};
pub(crate) use group::Group;
pub use kind::Kind;
use kind::find_field;
pub(crate) use kind::hook_progress;
pub(crate) use outline::Outline;
pub(crate) use scopes::Scope;
use scopes::Scopes;
pub(crate) use succession::Succession;

use crate::rule::dataset::Dataset;
use crate::rule::digest::Digest;
use crate::rule::entry::Entry;
use crate::rule::item::{Content, Item};
use crate::rule::transform::Transform;
use crate::rule::{Rule, RuleSet, Section};
use crate::state::flow::FlowState;
use builder::PlanBuilder;
use group::Prefilters;
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
    pub(crate) by_port: HashMap<u16, Vec<RuleIndex>, foldhash::fast::RandomState>,
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
    /// What of files rules ask for.
    pub files: FileNeeds,
    /// Fields of protocols that some rule looks at.
    pub fields: BTreeSet<&'static str>,
    /// Whether a rule looks at decode or stream anomalies of packets.
    pub wants_packet_anomalies: bool,
    /// Whether rules tag packets of hosts, if any tags.
    pub tags_hosts: Option<bool>,
    /// Whether a rule looks at requests and their responses together.
    pub(crate) is_transactional: bool,
    /// Whether rules say what has no record.
    pub is_of_records: bool,
    /// Some rule has a script.
    pub has_scripts: bool,
    scopes: Scopes,
    history: History,
}

/// A rule in the plan.
pub(crate) struct Planned {
    entry: Arc<Entry>,
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
    /// Rules on names of files, candidates once there is one.
    pub(crate) of_files: Vec<RuleIndex>,
    /// Rules on types of files, candidates once that of one is known.
    pub(crate) of_described_files: Vec<RuleIndex>,
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
        let RuleSet { mut rules, flowbits, flowints, hostbits, datasets } = set;
        // Rules of a tenant stand together: which they are is told by their places.
        rules.sort_by_key(|entry| entry.tenant());
        let mut builder = PlanBuilder::default();
        for own in rules.chunk_by(|a, b| a.tenant() == b.tenant()) {
            let outlined = own.iter().filter_map(|entry| Some((Outline::of_entry(entry)?, Arc::clone(entry))));
            let mut outlined: Vec<(Outline, Arc<Entry>)> = outlined.collect();
            outlined.sort_by_cached_key(|(outline, entry)| {
                (actions.place(outline.action), outline.memory, outline.severity, entry.sid, entry.gid)
            });
            outlined.into_iter().for_each(|(outline, entry)| builder.add(outline, entry));
        }
        let mut plan = builder.finish(&Prefilters::of(before.into_iter().flat_map(Self::groups)));
        if let Some(before) = before {
            plan.history = before.history.next(&before.rules, &plan.rules);
        }
        plan.wants_packet_anomalies = !plan.anomalies.is_empty();
        plan.names = [flowbits, flowints, hostbits];
        plan.datasets = datasets;
        plan.scopes = Scopes::of(plan.entries().map(|entry| entry.tenant()));
        plan
    }

    /// Whether a rule may hold, as far as a few bytes tell.
    #[inline]
    pub(crate) fn may_hold(&self, index: RuleIndex, glance: &Glance, state: &FlowState) -> Chance {
        self.gates.get(index as usize).map_or(Chance::None, |gate| gate.allows(glance, state))
    }

    /// A rule.
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.rules.get(index as usize)?.entry.rule()
    }

    /// The same, to be kept.
    pub fn entry(&self, index: RuleIndex) -> Option<&Arc<Entry>> {
        self.rules.get(index as usize).map(|planned| &planned.entry)
    }

    /// All rules, in the order in which they are evaluated.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.rules.iter().map(|planned| &planned.entry)
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

    /// The rules for packets of a tenant; those for packets of nobody where it is 0.
    #[inline]
    pub(crate) fn scope(&self, tenant: u32) -> Scope {
        self.scopes.of_tenant(tenant)
    }

    /// Whose rule it is: the number of a tenant, 0 where it is nobody's.
    pub fn tenant(&self, index: RuleIndex) -> u32 {
        self.rules.get(index as usize).map_or(0, |planned| planned.entry.tenant())
    }

    /// Which of the plans that followed each other this is.
    pub fn generation(&self) -> u32 {
        self.history.generation()
    }

    /// What became of the rules of an earlier plan in this one; `None` if that is too long ago.
    pub(crate) fn since(&self, generation: u32) -> Option<&Succession> {
        self.history.since(generation)
    }

    /// How the rules of this plan differ from those of the one before.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let id = |rule: &Entry| (rule.tenant(), rule.gid, rule.sid);
        let mut old: HashMap<_, Digest> = before.entries().map(|rule| (id(rule), rule.digest)).collect();
        let mut changes = Changes::default();
        for rule in self.entries() {
            match old.remove(&id(rule)) {
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
