//! One packet of a flow, or a flow's end: its bytes are read, rules are asked, and what was found is recorded.

use tapwire_parsers::link::{Layer4, Packet, Timestamp};
use tapwire_parsers::protocol::{Anomaly, Carrier, Direction, Input};
use tapwire_signatures::lua::Piece;
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::condition::{FlowView, PacketView};
use tapwire_signatures::verify::packet::Occasion;
use tapwire_signatures::verify::{Ground, Match};

use super::Settings;
use crate::flow::exceptions::{Exception, ExceptionPolicy};
use crate::flow::stream::{Chunk, Stream};
use crate::flow::{self, Bypass, Flow, key, pseudo};
use crate::inspect::alerts::{is_open, settle};
use crate::inspect::{Application, Inspector, view_of};
use crate::records::report::{Moment, Reporter};
use crate::stats::Counters;

/// What is at hand while one packet, or the end of one flow, is worked on.
pub(super) struct Place<'w> {
    pub(super) settings: &'w Settings,
    pub(super) plan: &'w Plan,
    pub(super) inspector: &'w mut Inspector,
    pub(super) reporter: &'w mut Reporter,
    pub(super) matches: &'w mut Vec<Match>,
    pub(super) counters: &'w mut Counters,
}

impl Place<'_> {
    pub(super) fn packet_of_flow(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Flow<Application>,
        mut direction: Direction,
        tcp: &flow::TcpUpdate,
        moment: &Moment,
    ) {
        if flow.is_bypassed() {
            self.leave_out();
            return;
        }
        flow.app.passed |= flow.is_passed();
        let encrypted = flow.app.encrypted;
        // Of what murmurs nobody looks for flows: each of its packets counts as the first.
        let first = *flow.packets.of(direction) == 1 || flow.key.is_background();
        flow.app.turnable = flow.is_turnable() && flow.app.protocol.is_none();
        self.reporter.stream_anomalies(&tcp.anomalies, flow, packet, moment);
        for anomaly in &tcp.anomalies {
            *self.counters.events.entry(anomaly.0).or_default() += 1;
        }
        let mut datagram: &[u8] = &[];
        if let Layer4::Udp(udp) = &packet.layer4 {
            if udp.checksum_ok {
                datagram = packet.payload;
                let input = Input { direction, data: datagram, offset: 0, time: packet.time, ends: flow.key.sides() };
                self.inspector.bytes(&mut flow.app, Carrier::Udp, &input);
                if flow.app.turned {
                    flow.turn();
                    direction = direction.reverse();
                    let input = Input { direction, ends: flow.key.sides(), ..input };
                    self.inspector.bytes(&mut flow.app, Carrier::Udp, &input);
                }
                *flow.app.updated.of_mut(direction) = true;
            }
        } else if tcp.valid {
            if tcp.closed {
                for side in Direction::BOTH {
                    if let Some(stream) = flow.stream_mut(side) {
                        stream.expose();
                    }
                }
            }
            if tcp.revived {
                self.inspector.revive(&mut flow.app, Carrier::Tcp);
            }
            if self.inspector.read_both(flow, direction.reverse()) {
                direction = direction.reverse();
            }
        } else if let Some(ends) = flow.key.link() {
            datagram = packet.payload;
            let (carrier, ends) = (Carrier::Link(ends.ether_type), flow.key.sides());
            self.inspector.bytes(
                &mut flow.app,
                carrier,
                &Input { direction, data: datagram, offset: 0, time: packet.time, ends },
            );
            *flow.app.updated.of_mut(direction) = true;
        }
        if std::mem::take(&mut flow.app.given_up) {
            self.follow_error_policy(flow);
        }
        if flow.app.passed || flow.is_bypassed() {
            self.reporter.pieces(flow, moment);
            self.leave_out();
            return;
        }
        let occasion = Occasion {
            first,
            streamed: tcp.accepted,
            establishes: tcp.established,
            recognised: std::mem::take(flow.app.recognition_due.of_mut(direction)),
            encrypted,
            without_packet: false,
        };
        self.inspect(packet, flow, direction, &tcp.anomalies, occasion, datagram, tcp.closed, moment);
        if flow.bypassed.is_none()
            && !flow.app.passed
            && let Some(due) = self.bypass_due(flow)
        {
            flow.bypassed = Some(due);
            // Nothing comes of the other side any more that its last bytes could be inspected with.
            self.inspect_without_packet(flow, direction.reverse(), moment);
        }
        if flow.tcp.as_ref().is_some_and(|tcp| tcp.is_read_out()) {
            flow.app.release();
        }
    }

    /// Does what the configuration says of a flow whose parser gave up.
    #[cold]
    fn follow_error_policy(&mut self, flow: &mut Flow<Application>) {
        let policy = self.settings.error_policy;
        if policy == ExceptionPolicy::Ignore {
            return;
        }
        flow.followed.follow(Exception::GivenUp, policy);
        flow.app.passed |= flow.is_passed();
        self.counters.add(format!("{POLICIES}{}", policy.name()), 1);
        if let Some(name) = flow.app.counted_as() {
            self.counters.add(format!("app_layer.error.{name}.exception_policy.{}", policy.name()), 1);
        }
    }

    /// Why the configuration says that a flow as it is now is not followed any more, if it does.
    fn bypass_due(&self, flow: &Flow<Application>) -> Option<Bypass> {
        let Settings { bypass_depth, bypass_bytes, .. } = *self.settings;
        let depth_reached = |tcp: &flow::tcp::TcpFlow| Direction::BOTH.iter().any(|d| tcp.stream(*d).depth_reached());
        let encrypted = || flow.app.protocol.filter(|_| flow.app.encrypted);
        if bypass_depth && flow.tcp.as_ref().is_some_and(|tcp| depth_reached(tcp)) {
            Some(Bypass::Depth)
        } else if encrypted().is_some_and(|id| self.inspector.engine().bypassed.contains(&id)) {
            Some(Bypass::Encrypted)
        } else if bypass_bytes > 0 && flow.bytes.to_server.max(flow.bytes.to_client) >= bypass_bytes {
            Some(Bypass::Bytes)
        } else {
            None
        }
    }

    /// Does what rules that matched do beside raising alerts.
    fn act(&mut self, plan: &Plan, flow: &mut Flow<Application>) {
        for found in self.matches.iter() {
            let Some(rule) = plan.rule(found.rule) else { continue };
            flow.app.tag_asked |= !rule.tags.is_empty();
            let open = is_open(rule, found);
            match rule.silence {
                // Whether it holds is the writer's to say, and then to follow it.
                Some(_) if open => flow.app.ask_silence(),
                Some(silence) => flow.app.silence(silence, flow.app.silenced(found)),
                None => {}
            }
            if open {
                if rule.filestore.is_some() || rule.keeps_certificates {
                    self.counters.add("tapwire.rules.stores_left_out", 1);
                }
                continue;
            }
            let stores = self.inspector.engine().files.storing.is_some();
            if let (true, Some(store), Ground::Transaction(id)) = (stores, rule.filestore, found.ground) {
                let wholes = &mut self.inspector.wholes;
                flow.app.files.keep(store, rule.sid, (id, found.direction), found.file, wholes);
            }
            if rule.keeps_certificates {
                flow.app.want_certificates(found.direction);
            }
            flow.bypassed = flow.bypassed.or(rule.bypass.then_some(Bypass::Rule));
        }
    }

    /// Tells a rule that is explained of a packet that no rule is asked about.
    fn leave_out(&mut self) {
        if let Some(watch) = &mut self.inspector.matcher.watch {
            watch.uninspected += 1;
        }
    }

    /// Asks the rules about what is left of a direction, of which nothing more will come, and records what was found.
    fn inspect_without_packet(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) {
        let recognised = std::mem::take(flow.app.recognition_due.of_mut(direction));
        let occasion = Occasion { recognised, without_packet: true, ..Occasion::default() };
        let pseudo = pseudo_packet(flow, direction, moment.time);
        self.counters.add(PSEUDO_PACKETS, 1);
        if flow.tcp.is_some() {
            self.counters.add(PSEUDO_TCP, 1);
        }
        self.inspect(&pseudo, flow, direction, &[], occasion, &[], true, moment);
    }

    /// Asks the rules about a packet and about what is new in its direction, and records what was found.
    #[expect(clippy::too_many_arguments, reason = "everything that surrounds one look at a flow")]
    fn inspect(
        &mut self,
        packet: &Packet<'_>,
        flow: &mut Flow<Application>,
        direction: Direction,
        anomalies: &[Anomaly],
        occasion: Occasion,
        datagram: &[u8],
        closing: bool,
        moment: &Moment,
    ) {
        let is_asked = !self.plan.is_empty() || self.reporter.shows_pieces();
        let mut view =
            if is_asked { view_of(flow, direction, packet.time) } else { FlowView::unasked(direction, packet.time) };
        view.established &= !occasion.establishes;
        let raised = flow.app.take_unasked();
        let view = PacketView { packet, flow: Some(&view), stream_anomalies: anomalies, flow_anomalies: &raised };
        let plan = self.plan;
        self.matches.clear();
        if !plan.is_empty() {
            self.inspector.matcher.begin_packet(flow.app.take_fuel(), packet.payload.len());
            self.inspector.packet(&mut flow.app, &view, occasion, self.matches);
        }
        // There is no stream to look at without a connection, and none any more behind its depth.
        let is_apart = match &flow.tcp {
            None => packet.tcp().is_some(),
            Some(tcp) => !occasion.streamed && !occasion.encrypted && tcp.stream(direction).depth_reached(),
        };
        if is_apart && !packet.payload.is_empty() {
            let (matcher, payload) = (&mut self.inspector.matcher, packet.payload);
            flow.app.rules.lend(|rules| {
                matcher.chunk(plan, &view, payload, rules, self.matches);
                matcher.again(plan, &view, payload, rules, self.matches);
            });
        }
        if *flow.app.updated.of(direction) || closing {
            self.inspector.frames(&mut flow.app, &view, closing, self.matches);
        }
        let due = self.settings.chunk_bytes.get(direction.index()).copied().unwrap_or(0);
        let Flow { tcp, app, key, .. } = flow;
        let (mut raw_seen, excerpt_bytes) = (false, self.settings.excerpt_bytes);
        if let Some(tcp) = tcp {
            let ending = std::mem::take(app.flush_raw.of_mut(direction)) || closing || tcp.state.is_ending();
            while let Some(stream) = tcp.touched_stream_mut(direction) {
                let flush = ending || stream.raw_ends();
                match stream.raw_next() {
                    Chunk::Data(chunk) if flush || chunk.len() >= due => {
                        raw_seen = true;
                        let length = chunk.len();
                        if excerpt_bytes > 0 {
                            app.excerpt_mut(direction).append(chunk, excerpt_bytes);
                        }
                        let rival = if stream.has_rivals() { stream.raw_alternative() } else { None };
                        let matcher = &mut self.inspector.matcher;
                        app.rules.lend(|rules| {
                            matcher.chunk(plan, &view, chunk, rules, self.matches);
                            matcher.again(plan, &view, chunk, rules, self.matches);
                        });
                        self.inspector.transactions(app, &view, chunk, self.matches);
                        let opens = stream.raw_offset() == 0;
                        let piece = Piece { data: chunk, opens, closes: false, direction };
                        self.reporter.shown_piece((key, view.flow), None, piece, moment);
                        stream.raw_consume(length);
                        if let Some(rival) = rival {
                            let mut further = Vec::new();
                            let matcher = &mut self.inspector.matcher;
                            app.rules.lend(|rules| matcher.chunk(plan, &view, &rival, rules, &mut further));
                            self.matches.extend(only_new(self.matches, further));
                        }
                    }
                    Chunk::Gap(missing) => {
                        if excerpt_bytes > 0 {
                            app.excerpt_mut(direction).gap(missing, excerpt_bytes);
                        }
                        stream.raw_skip_gap();
                    }
                    _ => break,
                }
            }
        }
        let updated = std::mem::take(app.updated.of_mut(direction));
        if !raw_seen && (updated || closing) {
            self.inspector.transactions(app, &view, datagram, self.matches);
        }
        if let Some(mut rival) = app.take_rival(direction) {
            let mut further = Vec::new();
            self.inspector.transactions(&mut rival, &view, &[], &mut further);
            self.matches.extend(only_new(self.matches, further));
        }
        if excerpt_bytes > 0 && !self.matches.is_empty() {
            let Flow { tcp, app, .. } = flow;
            let stream = tcp.as_mut().and_then(|tcp| tcp.touched_stream_mut(direction));
            if let Some(Chunk::Data(ahead)) = stream.map(|stream| stream.raw_next()) {
                app.excerpt_mut(direction).look_ahead(ahead, excerpt_bytes);
            }
        }
        self.act(plan, flow);
        let watch = self.inspector.matcher.watch.as_deref_mut();
        let settled = settle(plan, self.matches, self.settings.alert_limit, watch);
        flow.app.passed |= settled.pass_flow;
        let alerts = &mut self.counters.alerts;
        alerts.asked = true;
        alerts.raised += settled.alerts as u64;
        alerts.overflow += settled.overflow;
        alerts.suppressed += settled.silent;
        self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
        for found in self.matches.iter() {
            let certain = self.reporter.alert(plan, found, packet, flow, (direction, settled.verdict()), moment);
            flow.note_alert(certain);
        }
        self.reporter.variables(flow, direction, moment);
        self.reporter.frames(flow, direction, moment);
        flow.app.retire_frames(direction);
        if flow.app.files.has_lent() {
            self.give_back(flow, direction, moment);
        }
        self.reporter.transactions(flow, moment, false);
        if flow.app.changes() {
            self.change_protocol(packet, flow, moment);
        }
        if !plan.is_empty() {
            let (fuel, dry) = self.inspector.matcher.end_packet();
            if !dry.is_empty() {
                self.reporter.dry_rules(dry, flow, direction, moment);
            }
            flow.app.return_fuel(fuel);
        }
    }

    /// Gives files that are put together back. What others have brought of them meanwhile, rules are asked about as well.
    #[cold]
    fn give_back(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) {
        if !self.inspector.give_back(&mut flow.app, direction) {
            return;
        }
        if self.plan.is_empty() {
            return self.inspect_without_packet(flow, direction, moment);
        }
        let (fuel, dry) = self.inspector.matcher.end_packet();
        self.reporter.dry_rules(dry, flow, direction, moment);
        flow.app.return_fuel(fuel);
        self.inspect_without_packet(flow, direction, moment);
        self.inspector.matcher.begin_packet(flow.app.take_fuel(), 0);
    }

    /// Everything of the old protocol is inspected and recorded before the new one begins.
    fn change_protocol(&mut self, packet: &Packet<'_>, flow: &mut Flow<Application>, moment: &Moment) {
        self.inspect_last(packet, flow, moment);
        self.inspector.change_protocol(&mut flow.app, Carrier::Tcp);
        for direction in Direction::BOTH {
            self.inspector.read(flow, direction);
        }
    }

    /// What an application keeps is inspected and recorded as it is, and let go.
    pub(super) fn let_go(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        flow.app.note_memory_limit();
        Direction::BOTH.into_iter().for_each(|direction| flow.app.end_files(direction));
        if flow.app.passed || flow.is_bypassed() {
            self.reporter.transactions(flow, moment, true);
        } else {
            let pseudo = pseudo_packet(flow, Direction::ToServer, moment.time);
            self.inspect_last(&pseudo, flow, moment);
        }
        flow.app.let_go();
    }

    /// Inspects and records everything that an application keeps, in both directions.
    fn inspect_last(&mut self, packet: &Packet<'_>, flow: &mut Flow<Application>, moment: &Moment) {
        let plan = self.plan;
        for direction in Direction::BOTH {
            let flow_view = view_of(flow, direction, moment.time);
            let pseudo = pseudo_packet(flow, direction, moment.time);
            let view =
                PacketView { packet: &pseudo, flow: Some(&flow_view), stream_anomalies: &[], flow_anomalies: &[] };
            self.matches.clear();
            self.inspector.transactions(&mut flow.app, &view, &[], self.matches);
            self.act(plan, flow);
            let watch = self.inspector.matcher.watch.as_deref_mut();
            let settled = settle(plan, self.matches, self.settings.alert_limit, watch);
            self.reporter.additions(self.inspector.matcher.lua.take_additions(), moment);
            for found in self.matches.iter() {
                let certain = self.reporter.alert(plan, found, packet, flow, (direction, settled.verdict()), moment);
                flow.note_alert(certain);
            }
        }
        self.reporter.transactions(flow, moment, true);
    }

    /// What is left in both directions is read, inspected and recorded, without a packet.
    pub(super) fn flow_end(&mut self, flow: &mut Flow<Application>, moment: &Moment) {
        if flow.is_bypassed() {
            Direction::BOTH.into_iter().for_each(|direction| flow.app.end_files(direction));
            self.reporter.transactions(flow, moment, true);
            return;
        }
        flow.app.turnable = flow.is_turnable() && flow.app.protocol.is_none();
        if Direction::BOTH.into_iter().any(|direction| self.side_end(flow, direction, moment)) {
            // Who is who is only known now.
            for direction in Direction::BOTH {
                self.side_end(flow, direction, moment);
            }
        }
        if flow.app.is_left_open(Direction::ToServer) {
            // Only the answer told what the request was.
            self.side_end(flow, Direction::ToServer, moment);
        }
        self.reporter.transactions(flow, moment, true);
    }

    /// What is left in one direction is read, inspected and recorded. Whether it shows instead that the client is the server.
    ///
    /// What the server's last bytes bring is not there yet when the client's are inspected, as with any other packets.
    fn side_end(&mut self, flow: &mut Flow<Application>, direction: Direction, moment: &Moment) -> bool {
        flow.stream_mut(direction).into_iter().for_each(Stream::flush);
        self.inspector.read(flow, direction);
        if flow.app.turned {
            flow.turn();
            return true;
        }
        self.reporter.anomalies(flow, direction, moment);
        self.inspector.end(flow, direction);
        self.reporter.anomalies(flow, direction, moment);
        flow.app.end_files(direction);
        if !flow.app.passed {
            self.inspect_without_packet(flow, direction, moment);
        }
        self.reporter.shown_end(flow, direction, moment);
        false
    }
}

impl Flow<Application> {
    /// Whether its first packet need not be the client's: that of datagrams never need be.
    fn is_turnable(&self) -> bool {
        self.tcp.as_ref().map_or(self.key.protocol == key::UDP, |tcp| tcp.midstream)
    }

    /// An alert was raised in it, or will be if the writer says so.
    fn note_alert(&mut self, certain: bool) {
        self.alerted |= certain;
        self.alerts_asked |= !certain;
    }
}

/// Packets that stand for what is left of a flow, and those of them that are of a connection.
const PSEUDO_PACKETS: &str = "flow.wrk.flows_evicted_pkt_inject";
const PSEUDO_TCP: &str = "tcp.pseudo";
/// What was done with flows whose parser gave up.
const POLICIES: &str = "exception_policy.app_layer.error.";

/// Of matches on another version of what was inspected those of rules that did not match on that one. They are on no
/// transaction that would be recorded.
fn only_new(matches: &[Match], mut further: Vec<Match>) -> Vec<Match> {
    further.retain(|new| matches.iter().all(|known| known.rule != new.rule));
    for new in &mut further {
        (new.ground, new.is_other_copy) = (Ground::Stream, true);
    }
    further
}

/// A packet without bytes that stands for a flow in a direction: rules compare its addresses and ports.
fn pseudo_packet(flow: &Flow<Application>, direction: Direction, time: Timestamp) -> Packet<'static> {
    let key = match direction {
        Direction::ToServer => flow.key,
        Direction::ToClient => flow.key.reverse(),
    };
    pseudo::packet(&key, time)
}
