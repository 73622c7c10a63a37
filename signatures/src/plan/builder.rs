//! Outlines to groups: each rule goes where its candidates are found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Both, Direction, Field};

use super::addresses::AddressIndexBuilder;
use super::group::{GroupBuilder, ListedPorts, Pattern, Prefilters};
use super::outline::{ByTransaction, Outline, Payloads, Site};
use super::{Engine, Plan, Planned, RuleIndex};
use crate::rule::entry::Entry;
use crate::rule::transform::Transform;

/// Groups while they are filled.
#[derive(Default)]
pub(super) struct PlanBuilder {
    tcp_packets: Both<GroupBuilder>,
    udp_packets: Both<GroupBuilder>,
    other_packets: Both<GroupBuilder>,
    streams: Both<GroupBuilder>,
    by_address: AddressIndexBuilder,
    frames: HashMap<&'static str, Both<GroupBuilder>>,
    engines: HashMap<EngineKey, (Vec<Transform>, GroupBuilder)>,
    /// Names of fields that rules look at.
    fields: HashSet<String>,
    plan: Plan,
}

/// Protocol, direction, index of the field in the protocol's card, and the transforms as text.
type EngineKey = (usize, Direction, usize, String);

impl PlanBuilder {
    /// Adds the rule that is evaluated next.
    pub(super) fn add(&mut self, outline: Outline, entry: Arc<Entry>) {
        let index = RuleIndex::try_from(self.plan.rules.len()).unwrap_or(RuleIndex::MAX);
        for site in outline.sites {
            self.add_at(index, site, &entry);
        }
        self.fields.extend(outline.fields);
        let plan = &mut self.plan;
        plan.files.add(outline.files);
        plan.is_transactional |= outline.is_transactional;
        plan.is_of_records |= outline.is_of_records;
        plan.has_scripts |= outline.has_script;
        if let Some(hosts) = outline.tags_hosts {
            *plan.tags_hosts.get_or_insert_default() |= hosts;
        }
        plan.gates.push(outline.gate);
        plan.rules.push(Planned { entry, kind: outline.kind });
    }

    fn add_at(&mut self, index: RuleIndex, site: Site, entry: &Entry) {
        let plan = &mut self.plan;
        match site {
            Site::Anomaly => plan.anomalies.push(index),
            Site::Recognised => plan.recognised.push(index),
            Site::Payload { payloads, directions, pattern, ports } => {
                let pattern = pattern.as_ref().map(|(bytes, place)| Pattern { bytes, place: *place });
                for group in self.groups(payloads) {
                    add_to(group, index, directions, (pattern, ports.as_ref()));
                }
            }
            Site::Addresses { of_source, addresses } => self.by_address.add(index, of_source, &addresses),
            Site::Ports(ports) => ports.into_iter().for_each(|port| plan.by_port.entry(port).or_default().push(index)),
            Site::Packets(Payloads { tcp, udp, other, .. }) => {
                let lots =
                    [(tcp, &mut plan.tcp_packets), (udp, &mut plan.udp_packets), (other, &mut plan.other_packets)];
                lots.into_iter().filter(|(wanted, _)| *wanted).for_each(|(_, lot)| lot.any.push(index));
            }
            Site::Frame { name, directions, pattern } => {
                let Some(field) = known_field(&name) else { return };
                let pattern = pattern.as_deref().map(Pattern::anywhere);
                add_to(self.frames.entry(field.name).or_default(), index, directions, (pattern, None));
            }
            Site::Transaction { protocol, to_server, by } => {
                let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
                self.add_transaction(index, (protocol, direction), by, entry);
            }
        }
    }

    fn groups(&mut self, payloads: Payloads) -> impl Iterator<Item = &mut Both<GroupBuilder>> {
        let Self { tcp_packets, udp_packets, other_packets, streams, .. } = self;
        let Payloads { tcp, udp, other, streams: of_streams } = payloads;
        let groups = [(tcp, tcp_packets), (udp, udp_packets), (other, other_packets), (of_streams, streams)];
        groups.into_iter().filter_map(|(wanted, group)| wanted.then_some(group))
    }

    fn add_transaction(
        &mut self,
        index: RuleIndex,
        (protocol, direction): (usize, Direction),
        by: ByTransaction,
        entry: &Entry,
    ) {
        if self.plan.transactions.len() < REGISTRY.len() {
            self.plan.transactions.resize_with(REGISTRY.len(), Default::default);
        }
        let Some(both) = self.plan.transactions.get_mut(protocol) else { return };
        let plan = both.of_mut(direction);
        match by {
            ByTransaction::Any => plan.always.push(index),
            ByTransaction::File { described: false } => plan.of_files.push(index),
            ByTransaction::File { described: true } => plan.of_described_files.push(index),
            ByTransaction::Event(event) => plan.by_event.entry(event).or_default().push(index),
            ByTransaction::Field { field, section, transforms, pattern } => {
                let own = || {
                    let section = entry.rule().and_then(|rule| rule.sections.get(section));
                    section.map(|section| section.transforms.clone()).unwrap_or_default()
                };
                let is_plain = transforms == "[]";
                let key = (protocol, direction, field, transforms);
                let make = || (if is_plain { Vec::new() } else { own() }, GroupBuilder::default());
                let (_, group) = self.engines.entry(key).or_insert_with(make);
                group.add(index, Some(Pattern::anywhere(&pattern)), None);
            }
        }
    }

    /// Compiles the groups; prefilters that are known already are shared.
    pub(super) fn finish(mut self, known: &Prefilters) -> Plan {
        self.plan.transactions.resize_with(REGISTRY.len(), Default::default);
        let mut engines: Vec<_> = self.engines.into_iter().collect();
        engines.sort_by(|a, b| a.0.cmp(&b.0));
        for ((position, direction, field, _), (transforms, group)) in engines {
            let Some(field) = REGISTRY.get(position).and_then(|p| p.fields.get(field)) else { continue };
            if let (Some(both), Some(from)) = (self.plan.transactions.get_mut(position), *field.from.of(direction)) {
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
        self.plan.fields = self.fields.iter().filter_map(|name| known_field(name)).map(|field| field.name).collect();
        self.plan.rules.shrink_to_fit();
        self.plan
    }
}

/// Adds a rule to a group, in the directions that it is about.
fn add_to(
    group: &mut Both<GroupBuilder>,
    index: RuleIndex,
    directions: [bool; 2],
    (pattern, ports): (Option<Pattern<'_>>, Option<&ListedPorts>),
) {
    for (direction, _) in Direction::BOTH.into_iter().zip(directions).filter(|(_, wanted)| *wanted) {
        group.of_mut(direction).add(index, pattern, ports);
    }
}

/// A field of whatever protocol, by name.
fn known_field(name: &str) -> Option<&'static Field> {
    REGISTRY.iter().flat_map(|protocol| protocol.fields).find(|field| field.name == name)
}
