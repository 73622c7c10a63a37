//! Rules on packets and on chunks of a stream.

use std::borrow::Cow;
use std::net::IpAddr;

use tapwire_parsers::link::{Layer4, Packet};
use tapwire_parsers::protocol::Direction;

use super::condition::{PacketView, SideProtocol, Verdict};
use super::payload::{View, section_holds};
use super::transform::Transform;
use super::{Context as AlertContext, Ground, Inspection, Match, Matcher, header, memory};
use crate::language::rule::{AppProtocolTest, Buffer, ProtocolSide, Rule, Section};
use crate::lua::Context;
use crate::plan::{Kind, Plan, RuleIndex};
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
        if plan.is_empty() {
            return;
        }
        state.begin_packet();
        let packet = view.packet;
        let candidates = &mut self.candidates;
        if !packet.anomalies.is_empty() || !view.stream_anomalies.is_empty() {
            candidates.extend_from_slice(&plan.anomalies);
        }
        let group = match packet.layer4 {
            Layer4::Tcp(_) => &plan.tcp_packets,
            Layer4::Udp(_) => &plan.udp_packets,
            _ => &plan.other_packets,
        };
        if !packet.payload.is_empty() && !group.is_empty() {
            group.scan(packet.payload, packet.ports(), (&mut self.folded, &mut self.scratch), |rule| {
                candidates.push(rule)
            });
        }
        candidates.extend_from_slice(&plan.any_packet);
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
        let inspection = Inspection { plan, view };
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let candidates = self.take_candidates();
        for &rule in &candidates {
            if let Some(context) = self.packet_rule(&inspection, rule, occasion, state) {
                let steps = self.notes.take_steps();
                matches.push(Match { rule, ground: Ground::Packet, direction, context, steps });
            }
        }
        self.return_candidates(candidates);
    }

    fn packet_rule(
        &mut self,
        inspection: &Inspection<'_>,
        index: RuleIndex,
        occasion: Occasion,
        state: &mut FlowState,
    ) -> Option<AlertContext> {
        let planned = inspection.plan.rules.get(index as usize)?;
        let (rule, view) = (&planned.rule, inspection.view);
        let due = match planned.kind {
            Kind::IpOnly => occasion.first,
            Kind::PacketAndStream | Kind::Packet | Kind::Anomaly | Kind::Recognised => true,
            Kind::PayloadOrStream => !occasion.streamed,
            Kind::Stream => !occasion.streamed && view.flow.is_none(),
            Kind::ApplicationPacket => view.flow.is_some_and(|f| f.protocol.is_some()),
            Kind::Transaction => false,
        };
        self.notes.clear();
        let held = due
            && header::holds(rule, view)
            && rule.packet.iter().all(|condition| condition.holds(view))
            && rule.app_protocol.iter().all(|test| app_protocol_holds(test, view))
            && memory::holds(rule, state)
            && self.sections_hold(
                rule,
                view.packet.payload,
                &mut Context::new(inspection.plan, rule, view, None, state),
            );
        held.then(|| memory::apply(rule, state, &mut self.notes))
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
        if plan.streams.is_empty() {
            return;
        }
        let candidates = &mut self.candidates;
        plan.streams
            .scan(chunk, view.packet.ports(), (&mut self.folded, &mut self.scratch), |rule| candidates.push(rule));
        let direction = view.flow.map_or(Direction::ToServer, |f| f.direction);
        let candidates = self.take_candidates();
        for &index in &candidates {
            let Some(planned) = plan.rules.get(index as usize) else { continue };
            let rule = &planned.rule;
            self.notes.clear();
            if header::holds(rule, view)
                && rule.packet.iter().all(|condition| condition.holds(view))
                && rule.app_protocol.iter().all(|test| app_protocol_holds(test, view))
                && memory::holds(rule, state)
                && self.sections_hold(rule, chunk, &mut Context::new(plan, rule, view, None, state))
            {
                let context = memory::apply(rule, state, &mut self.notes);
                let steps = self.notes.take_steps();
                matches.push(Match { rule: index, ground: Ground::Stream, direction, context, steps });
            }
        }
        self.return_candidates(candidates);
    }

    fn sections_hold(&mut self, rule: &Rule, payload: &[u8], context: &mut Context<'_>) -> bool {
        let variables = usize::from(rule.variables);
        let sections = (0..).zip(&rule.sections).all(|(position, section)| {
            self.notes.place = (position, 0);
            match section.buffer {
                Buffer::Payload => self.section(section, View::whole(payload), variables, context) == Verdict::Yes,
                Buffer::Header(name) => self.header_holds(section, name, variables, context),
                Buffer::Field(_) | Buffer::File(_) | Buffer::Later(_) => false,
            }
        });
        sections && rule.scripts.iter().all(|test| self.lua.holds(test, None, context))
    }

    /// Whether a section holds on the bytes of a packet's headers that a name means, or on one of several such.
    pub(super) fn header_holds(
        &mut self,
        section: &Section,
        name: &str,
        variables: usize,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(packet) = context.packet.map(|view| view.packet) else { return false };
        let mut holds = |data: &[u8]| self.section(section, View::whole(data), variables, context) == Verdict::Yes;
        match name {
            "sctp.chunk_data" => packet.sctp().is_some_and(|sctp| sctp.user_data().any(holds)),
            _ => header_bytes(packet, name).is_some_and(|data| holds(&data)),
        }
    }

    /// Decides a section on one buffer, after its transforms.
    pub(super) fn section(
        &mut self,
        section: &Section,
        view: View<'_>,
        variables: usize,
        context: &mut Context<'_>,
    ) -> Verdict {
        self.notes.buffer = section.buffer.name();
        if section.transforms.is_empty() {
            let scripts = (&mut self.lua, context);
            return section_holds(&section.items, view, variables, &mut self.limits, &mut self.notes, scripts);
        }
        let made = self.transform(&section.transforms, view.data);
        let [from, _] = &made;
        let view = View { data: from, size: from.len() as u64, complete: view.complete };
        let scripts = (&mut self.lua, context);
        let verdict = section_holds(&section.items, view, variables, &mut self.limits, &mut self.notes, scripts);
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
            match transform {
                Transform::Script(script) => self.lua.transform(script, &from, &mut to),
                plain => plain.apply(&from, &mut to),
            }
            std::mem::swap(&mut from, &mut to);
        }
        [from, to]
    }
}

fn app_protocol_holds(test: &AppProtocolTest, view: &PacketView<'_>) -> bool {
    let Some(flow) = view.flow else { return false };
    let now = match flow.protocol {
        Some(id) => SideProtocol::Known(id),
        None if flow.protocol_failed => SideProtocol::Failed,
        None => SideProtocol::Open,
    };
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
        "igmp.hdr" if matches!(packet.layer4, Layer4::Igmp(_)) => packet.ip.and_then(|ip| ip.payload.get(..8)),
        _ => None,
    };
    bytes.map(Cow::Borrowed)
}
