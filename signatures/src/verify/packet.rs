//! Rules on packets and on chunks of a stream.

use std::borrow::Cow;
use std::net::IpAddr;

use tapwire_parsers::link::{Layer4, Packet};
use tapwire_parsers::protocol::{Anomaly, Direction, Protocol, ProtocolId};

use super::evidence::{place_in_chunk, place_in_packet};
use super::explain::Subject;
use super::fuel::{CONDITION, SCRIPT};
use super::payload::{View, section_holds};
use super::{Ground, Inspection, Match, Matcher, header, memory};
use crate::lua::Context;
use crate::plan::{Chance, Glance, Kind, Plan, RuleIndex};
use crate::rule::condition::{PacketView, SideProtocol, TransactionView, Verdict};
use crate::rule::transform::Transform;
use crate::rule::{Action, AppProtocolTest, Buffer, PacketHook, ProtocolSide, Rule, Section};
use crate::state::flow::FlowState;

/// What is special about a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occasion {
    /// It is the first of its flow in its direction (or has no flow): rules on addresses alone are due.
    pub first: bool,
    /// Its payload went into a stream and is inspected there.
    pub streamed: bool,
    /// The connection is established with it, and was not before it.
    pub establishes: bool,
    /// The recognition of its flow's protocol ended with it.
    pub recognised: bool,
    /// Its payload is encrypted: nothing in it is looked for.
    pub encrypted: bool,
    /// There is none: it stands for the end of its flow, or for what is left of a direction.
    pub without_packet: bool,
}

/// What candidates are decided on.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) ground: Ground,
    /// The packet's payload, the chunk or the frame.
    pub(super) payload: View<'a>,
}

impl Matcher {
    /// Appends the rules that match a packet, in order.
    pub fn packet(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        occasion: Occasion,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        self.packet_beside(plan, view, None, occasion, state, matches);
    }

    /// The same, with a transaction of the flow that scripts may look at.
    pub fn packet_beside(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        open: Option<&TransactionView<'_>>,
        occasion: Occasion,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        if plan.is_empty() {
            return;
        }
        if occasion.without_packet && !occasion.recognised && view.flow_anomalies.is_empty() {
            return;
        }
        state.begin_packet();
        let packet = view.packet;
        self.costs.inspect(packet.payload.len());
        let candidates = &mut self.candidates;
        let raised = [&packet.anomalies, view.stream_anomalies, view.flow_anomalies];
        if raised.iter().any(|anomalies| !anomalies.is_empty()) {
            candidates.extend_from_slice(&plan.anomalies);
        }
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let rules = match packet.layer4 {
            Layer4::Tcp(_) => &plan.tcp_packets,
            Layer4::Udp(_) => &plan.udp_packets,
            _ => &plan.other_packets,
        };
        let group = rules.by_payload.of(direction);
        if !packet.payload.is_empty() && !occasion.encrypted && !group.is_empty() {
            let began = self.costs.begin_scan(packet.payload.len());
            group.scan(packet.payload, packet.ports(), (&mut self.folded, &mut self.scratch), |rule| {
                candidates.push(rule)
            });
            self.costs.end_scan(began);
        }
        candidates.extend_from_slice(&rules.any);
        if let Some(ip) = &packet.ip {
            plan.by_address.find(ip.source, ip.destination, |rule| candidates.push(rule));
            let (source, destination) = packet.ports();
            for port in [source, destination] {
                candidates.extend_from_slice(plan.by_port.get(&port).map_or(&[], |rules| rules));
            }
        }
        if occasion.recognised {
            candidates.extend_from_slice(&plan.recognised);
        }
        let inspection = Inspection { plan, view, open };
        if let Some(watch) = self.watch.as_mut().filter(|_| !occasion.without_packet) {
            watch.packet(&inspection, state);
        }
        let mut candidates = self.take_candidates(&inspection);
        candidates.retain(|&rule| plan.kind(rule).is_some_and(|kind| is_due(kind, occasion, view)));
        let about = About { ground: Ground::Packet, payload: View::whole(packet.payload) };
        self.decide(&inspection, &candidates, about, state, matches);
        self.return_candidates(candidates);
    }

    /// Decides candidates of a packet, a chunk or a frame.
    pub(super) fn decide(
        &mut self,
        inspection: &Inspection<'_>,
        candidates: &[RuleIndex],
        about: About<'_>,
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let Inspection { plan, view, .. } = *inspection;
        let About { ground, payload } = about;
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let glance = Glance::at(view);
        for &index in candidates {
            match self.may_hold(plan, index, &glance, state) {
                Chance::Open => {}
                Chance::AtABit => {
                    self.held_back.keep(ground, index);
                    continue;
                }
                Chance::None => continue,
            }
            let Some(rule) = plan.rule(index) else { continue };
            // Of a packet and the chunk that it stands in a rule on both tells once.
            if ground == Ground::Stream
                && matches
                    .iter()
                    .any(|known| known.rule == index && matches!(known.ground, Ground::Packet | Ground::Stream))
            {
                continue;
            }
            if !self.begin(inspection, index, Subject { ground, transaction: None }, state) {
                continue;
            }
            let verdict = self.payload_rule(inspection, rule, payload, state);
            match verdict {
                Verdict::Yes => {
                    let context = self.change(index, rule, state);
                    let (steps, mut evidence) = (self.notes.take_steps(), self.take_evidence());
                    let chunk = self.chunk_kept(rule, about);
                    match ground {
                        Ground::Stream if chunk.is_empty() => {
                            place_in_packet(&mut evidence, payload.data, view.packet.payload);
                        }
                        Ground::Stream => place_in_chunk(&mut evidence, &chunk),
                        _ => {}
                    }
                    matches.push(Match {
                        rule: index,
                        ground,
                        direction,
                        file: None,
                        is_other_copy: false,
                        context,
                        steps,
                        evidence,
                        chunk,
                    });
                }
                Verdict::NotYet => self.held_back.keep(ground, index),
                Verdict::No => {}
            }
            self.end(plan, index, verdict);
        }
    }

    /// The first bytes of the chunk that a rule with alerts matched in, where they are wanted.
    fn chunk_kept(&self, rule: &Rule, about: About<'_>) -> Box<[u8]> {
        let wanted = about.ground == Ground::Stream && !rule.noalert && rule.action != Action::Config;
        let kept = if wanted { self.shown_bytes.min(about.payload.data.len()) } else { 0 };
        about.payload.data.get(..kept).unwrap_or_default().into()
    }

    /// Whether a rule holds for a payload; not yet where a flowbit is missing, before the payload is looked at.
    fn payload_rule(
        &mut self,
        inspection: &Inspection<'_>,
        rule: &Rule,
        payload: View<'_>,
        state: &mut FlowState,
    ) -> Verdict {
        let before_its_flow = PacketView { flow: None, ..*inspection.view };
        let view = if rule.packet_hook == Some(PacketHook::PreFlow) { &before_its_flow } else { inspection.view };
        if !header::holds(rule, view) {
            return Verdict::No;
        }
        self.notes.clear();
        if !rule.packet.iter().all(|condition| condition.holds(view))
            || !rule.app_protocol.iter().all(|test| app_protocol_holds(test, view))
            || !rule.events.iter().all(|event| view.flow_anomalies.iter().any(|raised| raised.0 == event))
        {
            return Verdict::No;
        }
        if !memory::holds(rule, state) {
            return if memory::awaits_bit(rule, state) { Verdict::NotYet } else { Verdict::No };
        }
        let mut context = Context::new(inspection.plan, rule, view, inspection.open, state);
        if self.sections_hold(rule, payload, &mut context) { Verdict::Yes } else { Verdict::No }
    }

    /// Appends the rules that match a chunk of reassembled bytes of the view's direction, in order.
    pub fn chunk(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        chunk: &[u8],
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let group = plan.streams.of(direction);
        if group.is_empty() {
            return;
        }
        self.costs.inspect(chunk.len());
        let candidates = &mut self.candidates;
        let began = self.costs.begin_scan(chunk.len());
        group.scan(chunk, view.packet.ports(), (&mut self.folded, &mut self.scratch), |rule| candidates.push(rule));
        self.costs.end_scan(began);
        let inspection = Inspection { plan, view, open: None };
        if let Some(watch) = &mut self.watch {
            watch.chunk(&inspection, state);
        }
        self.held_back.chunk.clear();
        let candidates = self.take_candidates(&inspection);
        let about = About { ground: Ground::Stream, payload: View::whole(chunk) };
        self.decide(&inspection, &candidates, about, state, matches);
        self.return_candidates(candidates);
    }

    /// Appends the rules on events of a protocol that match anomalies of its flow while that has no transaction.
    pub fn events(
        &mut self,
        plan: &Plan,
        view: &PacketView<'_>,
        (protocol, anomalies): (ProtocolId, &[Anomaly]),
        state: &mut FlowState,
        matches: &mut Vec<Match>,
    ) {
        let direction = view.flow.map_or(Direction::ToServer, |flow| flow.direction);
        let Some(of_protocol) = plan.transaction_plan(protocol, direction) else { return };
        for anomaly in anomalies {
            let rules = of_protocol.by_event.get(anomaly.0).into_iter().flatten();
            let asks_no_more = |index: &&RuleIndex| plan.rule(**index).is_some_and(is_of_events_alone);
            self.candidates.extend(rules.filter(asks_no_more));
        }
        let view = PacketView { flow_anomalies: anomalies, ..*view };
        let inspection = Inspection { plan, view: &view, open: None };
        let candidates = self.take_candidates(&inspection);
        let about = About { ground: Ground::Packet, payload: View::whole(view.packet.payload) };
        self.decide(&inspection, &candidates, about, state, matches);
        self.return_candidates(candidates);
    }

    fn sections_hold(&mut self, rule: &Rule, payload: View<'_>, context: &mut Context<'_>) -> bool {
        let sections = (0..).zip(&rule.sections).all(|(position, section)| {
            self.notes.place = (position, 0);
            let held = self.notes.variables.has(section.wanted)
                && match section.buffer {
                    Buffer::Payload | Buffer::Frame(_) => self.section(section, payload, context) == Verdict::Yes,
                    Buffer::Header(name) => self.header_holds(section, name, context),
                    Buffer::Field(_) | Buffer::File(_) | Buffer::Later(_) => false,
                };
            self.notes.trail.decide(position, if held { Verdict::Yes } else { Verdict::No });
            held
        });
        sections && self.scripts_hold(rule, context)
    }

    /// Whether the scripts of a rule that stand for themselves hold.
    pub(super) fn scripts_hold(&mut self, rule: &Rule, context: &mut Context<'_>) -> bool {
        if !rule.scripts.is_empty() {
            context.variables = self.notes.variables.all().into();
        }
        rule.scripts.iter().all(|test| {
            let held = self.notes.tank.spend(SCRIPT) && self.lua.holds(test, None, context);
            self.notes.tank.spend(self.lua.take_work());
            held
        })
    }

    /// Whether a section holds on the bytes of a packet's headers that a name means, or on one of several such.
    pub(super) fn header_holds(&mut self, section: &Section, name: &str, context: &mut Context<'_>) -> bool {
        let Some(packet) = context.packet.map(|view| view.packet) else { return false };
        let mut holds = |data: &[u8]| self.section(section, View::whole(data), context) == Verdict::Yes;
        match name {
            "sctp.chunk_data" => packet.sctp().is_some_and(|sctp| sctp.user_data().any(holds)),
            _ => header_bytes(packet, name).is_some_and(|data| holds(&data)),
        }
    }

    /// Decides a section on one buffer, after its transforms.
    pub(super) fn section(&mut self, section: &Section, view: View<'_>, context: &mut Context<'_>) -> Verdict {
        self.notes.buffer = section.buffer.name();
        self.notes.trail.transformed = !section.transforms.is_empty();
        self.notes.trail.enter(self.notes.place, view.size);
        if section.transforms.is_empty() {
            let scripts = (&mut self.lua, context);
            return section_holds(&section.items, view, &mut self.limits, &mut self.notes, scripts);
        }
        let made = self.transform(&section.transforms, view.data);
        let [from, _] = &made;
        let view = View { data: from, size: from.len() as u64, complete: view.complete };
        let scripts = (&mut self.lua, context);
        let verdict = section_holds(&section.items, view, &mut self.limits, &mut self.notes, scripts);
        self.transformed = made;
        verdict
    }

    /// What transforms make of bytes, in the first of the two, which are to be given back.
    pub(super) fn transform<'t>(
        &mut self,
        transforms: impl IntoIterator<Item = &'t Transform>,
        data: &[u8],
    ) -> [Vec<u8>; 2] {
        let [mut from, mut to] = std::mem::take(&mut self.transformed);
        from.clear();
        from.extend_from_slice(data);
        for transform in transforms {
            let tank = &mut self.notes.tank;
            match transform {
                Transform::Script(script) if tank.spend(SCRIPT) => {
                    self.lua.transform(script, &from, &mut to);
                    tank.spend(self.lua.take_work());
                }
                plain => plain.apply(&from, &mut to, tank),
            }
            // Each byte is read or written about once.
            self.notes.tank.spend(2 * CONDITION + from.len().max(to.len()) as u64);
            std::mem::swap(&mut from, &mut to);
        }
        [from, to]
    }
}

/// Whether a rule of a kind is to be asked about a packet at all.
fn is_due(kind: Kind, occasion: Occasion, view: &PacketView<'_>) -> bool {
    match kind {
        Kind::Anomaly | Kind::Recognised => true,
        _ if occasion.without_packet => false,
        Kind::IpOnly => occasion.first,
        Kind::PacketAndStream | Kind::Packet => true,
        Kind::PayloadOrStream => !occasion.streamed,
        Kind::Stream => !occasion.streamed && view.flow.is_none(),
        Kind::ApplicationPacket => view.packet.ip.is_none() || view.flow.is_some_and(|f| f.protocol.is_some()),
        Kind::Frame | Kind::Transaction => false,
    }
}

/// Whether a rule on transactions asks nothing of them but what went wrong.
fn is_of_events_alone(rule: &Rule) -> bool {
    rule.transaction.is_empty() && rule.file.is_empty() && rule.hook.is_none() && rule.filestore.is_none()
}

pub(super) fn app_protocol_holds(test: &AppProtocolTest, view: &PacketView<'_>) -> bool {
    let Some(flow) = view.flow else { return false };
    let now = match flow.protocol {
        Some(id) => SideProtocol::Known(id),
        None if flow.protocol_failed => SideProtocol::Failed,
        None => SideProtocol::Open,
    };
    // What is inside counts as what is outside; to speak none of some is to speak none of them in any layer.
    let is_named = |card: &Protocol| {
        test.names.iter().any(|name| name == card.name || card.aliases.iter().any(|alias| name == alias))
    };
    if test.side != ProtocolSide::Original && flow.layers.iter().any(|id| is_named(tapwire_parsers::protocol(id))) {
        return !test.negated;
    }
    match test.side {
        ProtocolSide::Own => is_protocol(test, *flow.sides.of(flow.direction)),
        ProtocolSide::Of(direction) => is_protocol(test, *flow.sides.of(direction)),
        ProtocolSide::Either => Direction::BOTH.iter().any(|d| is_protocol(test, *flow.sides.of(*d))),
        ProtocolSide::Final => is_protocol(test, now),
        ProtocolSide::Original => flow.original.is_some_and(|id| is_protocol(test, SideProtocol::Known(id))),
    }
}

/// Whether a protocol is one that is asked for, or none of them where those are excluded. What is not known yet is neither.
fn is_protocol(test: &AppProtocolTest, protocol: SideProtocol) -> bool {
    let named = |name: &str| test.names.iter().any(|known| known == name);
    match protocol {
        SideProtocol::Known(id) => {
            let card = tapwire_parsers::protocol(id);
            (named(card.name) || card.aliases.iter().any(|alias| named(alias))) != test.negated
        }
        SideProtocol::Failed => named("failed") != test.negated,
        SideProtocol::Open => named("unknown") && !test.negated,
    }
}

/// The bytes that a header buffer means.
fn header_bytes<'a>(packet: &Packet<'a>, name: &str) -> Option<Cow<'a, [u8]>> {
    let octets = |address| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let bytes = match name {
        "ip.src" => return packet.ip.map(|ip| octets(ip.source).into()),
        "ip.dst" => return packet.ip.map(|ip| octets(ip.destination).into()),
        "ether.hdr" => packet.ethernet.and_then(|_| packet.data.get(..14)),
        "ipv4.hdr" => packet.ip.filter(|ip| ip.source.is_ipv4()).map(|ip| ip.header),
        "ipv6.hdr" => packet.ip.filter(|ip| ip.source.is_ipv6()).map(|ip| ip.header),
        "tcp.hdr" => packet.tcp().map(|t| t.header),
        "udp.hdr" => packet.udp().map(|u| u.header),
        "icmpv4.hdr" => packet.icmp().filter(|_| packet.ip.is_some_and(|ip| ip.source.is_ipv4())).map(|i| i.header),
        "icmpv6.hdr" => packet.icmp().filter(|_| packet.ip.is_some_and(|ip| ip.source.is_ipv6())).map(|i| i.header),
        "sctp.hdr" => packet.sctp().map(|sctp| sctp.header),
        "igmp.hdr" => match &packet.layer4 {
            Layer4::Igmp(igmp) => Some(igmp.header),
            _ => None,
        },
        _ => None,
    };
    bytes.map(Cow::Borrowed)
}
