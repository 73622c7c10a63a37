//! TCP as seen from between its ends (RFC 9293, RFC 7323): which segments the ends would take, and in which state they are.
//!
//! A connection is followed from its SYN on; without one only with `midstream`. A segment that the receiver would refuse
//! (outside its window, acknowledging what was never sent, with an old timestamp) raises an anomaly and changes nothing.
//! Payload goes to the [`Stream`] of its direction, and an acknowledgement makes bytes of the other visible.

use smallvec::SmallVec;
use tapwire_parsers::link::{Tcp, tcp_flags};
use tapwire_parsers::protocol::{Anomaly, Both, Direction};
use tapwire_signatures::rule::condition::TcpPhase;

use super::closing::Reset;
use super::overlap::Overlap;
use super::store::Store;
use super::stream::{Chunk, DEPTH_REACHED, Lazy, Stream, StreamSettings};
use super::urgent::UrgentPolicy;

/// How TCP is followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpSettings {
    /// Follow connections whose SYN was not seen.
    pub midstream: bool,
    /// Expect to see one direction only: data is visible without acknowledgement from the other.
    pub async_oneside: bool,
    /// Inspect data before it is acknowledged.
    pub inline: bool,
    /// What becomes of urgent bytes.
    pub urgent: UrgentPolicy,
    /// Limits of the streams.
    pub stream: StreamSettings,
}

/// The state of a connection, named as RFC 9293 names the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TcpState {
    /// The client sent a SYN.
    SynSent,
    /// The server answered it.
    SynRecv,
    /// The handshake is complete.
    Established,
    /// The server closed its side.
    FinWait1,
    /// And the client acknowledged that.
    FinWait2,
    /// Both closed their sides at once.
    Closing,
    /// The client closed its side.
    CloseWait,
    /// And then the server did.
    LastAck,
    /// And then the client did.
    TimeWait,
    /// All is acknowledged, or the connection was reset.
    Closed,
}

impl TcpState {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            TcpState::SynSent => "syn_sent",
            TcpState::SynRecv => "syn_recv",
            TcpState::Established => "established",
            TcpState::FinWait1 => "fin_wait1",
            TcpState::FinWait2 => "fin_wait2",
            TcpState::Closing => "closing",
            TcpState::CloseWait => "close_wait",
            TcpState::LastAck => "last_ack",
            TcpState::TimeWait => "time_wait",
            TcpState::Closed => "closed",
        }
    }

    /// How far it has come, as rules ask.
    pub fn phase(self) -> TcpPhase {
        match self {
            TcpState::SynSent | TcpState::SynRecv => TcpPhase::Setup,
            TcpState::Established => TcpPhase::Established,
            _ => TcpPhase::Closing,
        }
    }

    /// No more requests will come: what is there is inspected without waiting for more.
    pub fn is_ending(self) -> bool {
        matches!(self, TcpState::Closing | TcpState::CloseWait | TcpState::LastAck | TcpState::Closed)
    }

    /// Both sides are done, but for late packets.
    pub fn is_over(self) -> bool {
        matches!(self, TcpState::Closing | TcpState::LastAck | TcpState::TimeWait | TcpState::Closed)
    }
}

/// What a packet did to its connection.
#[derive(Clone, Debug, Default)]
pub struct TcpUpdate {
    /// The packet has a connection that it is part of: it was looked at, and is not refused.
    pub valid: bool,
    /// Some of its payload was new and was taken into the stream.
    pub accepted: bool,
    /// It acknowledged bytes of the other direction that were not acknowledged before.
    pub acknowledged: bool,
    /// It completed the handshake.
    pub established: bool,
    /// It closed or reset the connection: both streams should be made visible and read.
    pub closed: bool,
    /// Bytes of its direction wait behind a hole.
    pub waits: bool,
    /// Holes that were acknowledged, so that nobody fills them any more.
    pub gaps: u64,
    /// Some of its payload had come before.
    pub overlaps: bool,
    /// Another copy of some of it was not kept, for there was no room.
    pub unkept: bool,
    /// It acknowledges bytes that were not seen.
    pub acknowledges_unseen: bool,
    /// Urgent bytes of it that were taken out of the stream.
    pub urgent_bytes: u64,
    /// It shows that the connection was not reset after all.
    pub revived: bool,
    /// What was wrong with it (`stream.est_packet_out_of_window`).
    pub anomalies: SmallVec<[Anomaly; 2]>,
}

/// A connection.
#[derive(Debug)]
pub struct TcpFlow {
    /// Its state.
    pub state: TcpState,
    /// It was once established.
    pub was_established: bool,
    /// It was picked up without its SYN.
    pub midstream: bool,
    /// What was odd and is told once only, a bit for each [`Oddity`].
    told: u8,
    /// The server sent a SYN of its own, which the client answered.
    pub(super) split: bool,
    pub(super) sides: Both<Side>,
    pub(super) unusual: Option<Box<Unusual>>,
}

/// What only some connections have.
#[derive(Debug, Default)]
pub(super) struct Unusual {
    /// It was reset, unless somebody goes on as if it was not.
    pub(super) reset: Option<Reset>,
    /// SYNs of the client, and answers of the server to one, that differ from the first, oldest first: what the other end
    /// acknowledges tells which one counts.
    pub(super) others: Vec<Opening>,
    /// The highest acknowledgement of each side's bytes that was beyond what it could have sent, as far as was seen.
    pub(super) refused: Both<Option<u32>>,
}

/// What is told once in each connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Oddity {
    /// One side goes on, but the other one was never seen.
    OneSide,
    /// Bytes went to the receiver by another way.
    UrgentToServer,
    UrgentToClient,
    /// A direction has more bytes than are inspected.
    Depth,
}

/// What a SYN says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) sequence: u32,
    /// What it acknowledges, if it answers another one.
    pub(super) answers: Option<u32>,
    pub(super) window: u16,
    pub(super) scale: Option<u8>,
    pub(super) timestamp: Option<u32>,
    pub(super) signed: bool,
}

/// What one end has sent.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) initial: u32,
    /// Sequence number behind the last byte that it sent.
    pub(super) next: u32,
    /// It was told that all before this arrived.
    pub(super) acknowledged: u32,
    /// It may send up to here.
    pub(super) limit: u32,
    /// The window that it offers, scaled.
    pub(super) window: u32,
    /// The largest one that it ever offered.
    pub(super) max_window: u32,
    /// Shift of its windows, if it offered one.
    pub(super) scale: Option<u8>,
    /// Its last timestamp, if it sends them.
    pub(super) timestamp: Option<u32>,
    /// Packets of it were seen.
    pub(super) seen: bool,
    /// It signs its segments.
    pub(super) signed: bool,
    /// The timestamp of its first SYN.
    pub(super) opened: Option<u32>,
    /// Bytes that came with its SYN.
    pub(super) early: u32,
    pub(super) stream: Lazy,
}

impl TcpFlow {
    /// A connection that begins with this packet, unless it is none that can begin one.
    pub(super) fn begin(tcp: &Tcp<'_>, payload: usize, settings: &TcpSettings) -> Option<Self> {
        use tcp_flags::{ACK, FIN, RST, SYN};
        let syn = tcp.flags & SYN != 0;
        if tcp.flags & RST != 0 || (syn && tcp.flags & FIN != 0) {
            return None;
        }
        let mut flow = Self::new();
        match (syn, tcp.flags & ACK != 0) {
            (true, false) => flow.sides.to_server.open(Opening::of(tcp)),
            (true, true) if settings.midstream || settings.async_oneside => {
                // The caller has seen to it that its sender is the server.
                flow.midstream = true;
                flow.state = TcpState::SynRecv;
                flow.sides.to_client.open(Opening::of(tcp));
                flow.sides.to_server.pick_up(tcp.acknowledgement);
                flow.sides.to_server.limit = tcp.acknowledgement.wrapping_add(u32::from(tcp.window));
            }
            _ if !settings.midstream => return None,
            (false, true) if tcp.flags & FIN == 0 || payload > 0 => {
                flow.midstream = true;
                flow.state = TcpState::Established;
                flow.was_established = true;
                flow.sides.to_server.pick_up(tcp.sequence);
                flow.sides.to_client.pick_up(tcp.acknowledgement);
                // Scaling is unknown: assume the most common large one.
                flow.sides.to_server.scale = Some(MIDSTREAM_SCALE);
                flow.sides.to_client.scale = Some(MIDSTREAM_SCALE);
            }
            _ => return None,
        }
        Some(flow)
    }

    fn new() -> Self {
        Self {
            state: TcpState::SynSent,
            was_established: false,
            midstream: false,
            told: 0,
            split: false,
            sides: Both::default(),
            unusual: None,
        }
    }

    /// A connection that was known before, if this packet of one of its ends continues where they were.
    pub(super) fn resume(tcp: &Tcp<'_>, next: Both<u32>, sender: Direction) -> Option<Self> {
        use tcp_flags::{ACK, RST, SYN};
        // A keep-alive has the number before the next one.
        let gap = tcp.sequence.wrapping_sub(next.of(sender).wrapping_sub(1));
        if tcp.flags & (SYN | ACK | RST) != ACK || gap > MAX_WINDOW || tcp.acknowledgement != *next.of(sender.reverse())
        {
            return None;
        }
        let mut flow = Self { state: TcpState::Established, was_established: true, midstream: true, ..Self::new() };
        for direction in Direction::BOTH {
            let side = flow.sides.of_mut(direction);
            side.pick_up(*next.of(direction));
            side.scale = Some(MIDSTREAM_SCALE);
        }
        Some(flow)
    }

    /// Whether nothing is left for a parser: both sides closed or it was reset, and all of it was read. What is left may be a message that
    /// only its end makes whole.
    pub fn is_read_out(&self) -> bool {
        let is_reset = self.reset().is_some();
        let is_read = |stream: &Stream| {
            (is_reset || stream.closed())
                && match stream.parser_next() {
                    Chunk::Nothing => true,
                    Chunk::Gap(_) => is_reset,
                    Chunk::Data(_) => false,
                }
        };
        Direction::BOTH.into_iter().all(|direction| is_read(self.stream(direction)))
    }

    pub(super) fn unusual(&mut self) -> &mut Unusual {
        self.unusual.get_or_insert_default()
    }

    /// How it was before it was reset.
    pub(super) fn reset(&self) -> Option<Reset> {
        self.unusual.as_ref()?.reset
    }

    /// Openings besides the first.
    pub(super) fn others(&self) -> &[Opening] {
        self.unusual.as_ref().map_or(&[], |unusual| &unusual.others)
    }

    /// The highest acknowledgement of a side's bytes that was refused.
    pub(super) fn refused(&self, direction: Direction) -> Option<u32> {
        *self.unusual.as_ref()?.refused.of(direction)
    }

    /// Where both ends are in an open connection.
    pub(super) fn open_ends(&self) -> Option<Both<u32>> {
        let Both { to_server, to_client } = &self.sides;
        (self.state == TcpState::Established).then_some(Both { to_server: to_server.next, to_client: to_client.next })
    }

    /// Whether a packet is the server's answer to the SYN.
    pub(super) fn is_answered_by(&self, tcp: &Tcp<'_>) -> bool {
        let answer = tcp.flags & SYN_ACK == SYN_ACK || tcp.flags & tcp_flags::RST != 0;
        let of_syn = || self.acknowledges_syn(tcp) || self.others().iter().any(|other| other.is_opened_by(tcp));
        self.state == TcpState::SynSent && answer && of_syn()
    }

    /// The bytes of one direction.
    pub fn stream(&self, direction: Direction) -> &Stream {
        self.sides.of(direction).stream.get()
    }

    /// The bytes of one direction, to read them.
    pub fn stream_mut(&mut self, direction: Direction) -> &mut Stream {
        self.sides.of_mut(direction).stream.get_mut()
    }

    /// The bytes of one direction, if anything happened to them.
    pub fn touched_stream_mut(&mut self, direction: Direction) -> Option<&mut Stream> {
        self.sides.of_mut(direction).stream.touched_mut()
    }

    /// What counts of bytes of one direction that came twice.
    pub(super) fn set_overlap(&mut self, direction: Direction, overlap: Overlap) {
        self.sides.of_mut(direction).stream.set_overlap(overlap);
    }

    /// Whether a SYN begins a new connection between the same ports.
    pub(super) fn is_followed_by(&self, tcp: &Tcp<'_>, direction: impl FnOnce() -> Direction) -> bool {
        use tcp_flags::{ACK, RST, SYN};
        let syn_only = tcp.flags & (SYN | ACK | RST) == SYN;
        syn_only && self.state >= TcpState::LastAck && self.sides.of(direction()).initial != tcp.sequence
    }

    /// Both directions change places: it turned out that the client is the server.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.sides.to_server, &mut self.sides.to_client);
    }

    /// Gives up what waits behind holes.
    pub(super) fn give_up_early(&mut self, store: &mut Store) -> usize {
        let mut bytes = 0;
        for direction in Direction::BOTH {
            bytes += self.touched_stream_mut(direction).map_or(0, |stream| stream.give_up_early(store));
        }
        bytes
    }

    pub(super) fn settle(&mut self, store: &mut Store) {
        for direction in Direction::BOTH {
            if let Some(stream) = self.touched_stream_mut(direction) {
                stream.settle(store);
            }
        }
    }

    pub(super) fn discharge(&mut self, store: &mut Store) {
        for direction in Direction::BOTH {
            self.sides.of_mut(direction).discharge(store);
        }
    }

    /// Takes a packet of the connection, the first one included.
    pub(super) fn packet(
        &mut self,
        tcp: &Tcp<'_>,
        payload: &[u8],
        direction: Direction,
        settings: &TcpSettings,
        store: &mut Store,
    ) -> TcpUpdate {
        use tcp_flags::{ACK, RST, SYN};
        let mut step = Step { tcp, payload, direction, settings, store, update: TcpUpdate::default() };
        self.sides.of_mut(direction).seen = true;
        if tcp.flags & ACK == 0 && tcp.acknowledgement != 0 && tcp.flags & (SYN | RST) == 0 {
            step.anomaly("stream.pkt_broken_ack");
        }
        let before = self.state;
        if !self.is_acceptable(&mut step) {
            return step.update;
        }
        if let Some(reset) = self.reset() {
            self.after_reset(reset, &mut step);
        } else if tcp.flags & RST != 0 {
            self.rst(&mut step);
        } else if tcp.flags & SYN != 0 {
            self.syn(&mut step);
        } else {
            match self.state {
                TcpState::SynSent => self.in_syn_sent(&mut step),
                TcpState::SynRecv => self.in_syn_recv(&mut step),
                TcpState::Closed => {}
                _ => self.in_established(&mut step),
            }
        }
        let mut update = step.update;
        update.revived = before == TcpState::Closed && self.state != TcpState::Closed;
        update.established = before < TcpState::Established && self.state == TcpState::Established;
        update.closed = before != TcpState::Closed && self.state == TcpState::Closed;
        self.was_established |= update.established;
        update
    }

    /// Raises what is told once.
    pub(super) fn raise_once(&mut self, step: &mut Step<'_, '_>, oddity: Oddity) {
        let bit = 1 << oddity as u8;
        if self.told & bit == 0 {
            self.told |= bit;
            step.anomaly(match oddity {
                Oddity::OneSide => "stream.one_side_seen",
                Oddity::UrgentToServer | Oddity::UrgentToClient => "stream.urgent_data",
                Oddity::Depth => DEPTH_REACHED.0,
            });
        }
    }

    /// Whether the options let the receiver look at the packet at all.
    fn is_acceptable(&self, step: &mut Step<'_, '_>) -> bool {
        let options = &step.tcp.options;
        // A signature is only expected where the SYN had one; else the segment is dropped, but fools who ignores the option.
        let opened = self.state != TcpState::SynSent || step.direction == Direction::ToClient;
        if opened && options.signed && !self.sides.to_server.signed {
            if step.tcp.flags & tcp_flags::RST != 0 {
                step.anomaly("stream.suspected_rst_inject");
            }
            return false;
        }
        if self.state == TcpState::SynSent && step.direction == Direction::ToClient && !self.echoes_syn(step.tcp) {
            step.anomaly("stream.pkt_invalid_timestamp");
            return false;
        }
        true
    }

    /// Whether a timestamp in an answer to a SYN is the echo of what that had. In another SYN it says nothing where the first had
    /// none (RFC 7323 section 3.2), or is not known; who resets a connection in this way hopes that the client sees it otherwise.
    fn echoes_syn(&self, tcp: &Tcp<'_>) -> bool {
        let Some((_, echo)) = tcp.options.timestamps else { return true };
        let (client, opens) = (&self.sides.to_server, tcp.flags & tcp_flags::SYN != 0);
        if let Some(other) = self.others().iter().find(|other| other.is_opened_by(tcp)) {
            return other.timestamp.map_or(opens, |sent| sent == echo);
        }
        match (client.opened, client.timestamp) {
            _ if opens && !self.acknowledges_syn(tcp) => true,
            (Some(first), Some(last)) => echo == 0 || (!after(first, echo) && !after(echo, last)),
            _ => opens,
        }
    }

    /// Whether a packet acknowledges the client's first SYN, with or without the bytes on it.
    pub(super) fn acknowledges_syn(&self, tcp: &Tcp<'_>) -> bool {
        let client = &self.sides.to_server;
        [client.next, client.next.wrapping_add(client.early)].contains(&tcp.acknowledgement)
    }

    /// Data, acknowledgements and FIN once the handshake is complete.
    pub(super) fn in_established(&mut self, step: &mut Step<'_, '_>) {
        let (tcp, direction) = (step.tcp, step.direction);
        if !self.timestamp_is_fresh(step) {
            step.anomaly("stream.pkt_invalid_timestamp");
            return;
        }
        if !self.acknowledgement_is_plausible(step) || !self.is_in_window(step) {
            return;
        }
        // RFC 9293 drops a segment without ACK once both know each other.
        let acknowledges = tcp.flags & tcp_flags::ACK != 0;
        if !acknowledges && !step.settings.async_oneside {
            return;
        }
        step.update.valid = true;
        self.store(step);
        if acknowledges {
            self.acknowledge(step);
        }
        if step.settings.async_oneside || step.settings.inline {
            let sender = self.sides.of_mut(direction);
            sender.stream.get_mut().acknowledge(sender.next, step.store);
        }
        if tcp.flags & tcp_flags::FIN != 0 {
            self.fin(step);
        } else if acknowledges {
            self.acknowledged_fin(direction);
        }
    }

    /// Whether its timestamp is older than the sender's last one (RFC 7323 section 5).
    pub(super) fn is_stale(&self, step: &Step<'_, '_>) -> bool {
        let times = self.sides.of(step.direction).timestamp.zip(step.tcp.options.timestamps);
        times.is_some_and(|(last, (value, _))| after(last, value))
    }

    pub(super) fn timestamp_is_fresh(&mut self, step: &Step<'_, '_>) -> bool {
        if self.is_stale(step) {
            return false;
        }
        let sender = self.sides.of_mut(step.direction);
        if !after(step.tcp.sequence, sender.next) && sender.timestamp.is_some() {
            sender.timestamp = step.tcp.options.timestamps.map(|(value, _)| value).or(sender.timestamp);
        }
        true
    }

    fn acknowledgement_is_plausible(&mut self, step: &mut Step<'_, '_>) -> bool {
        if step.tcp.flags & tcp_flags::ACK == 0 || step.settings.async_oneside {
            return true;
        }
        let receiver = self.sides.of(step.direction.reverse());
        let acknowledgement = step.tcp.acknowledgement;
        // RFC 5961 section 5.2; what lies before the first byte was never sent.
        let known = receiver.acknowledged.wrapping_sub(receiver.initial.wrapping_add(1));
        let window = if self.midstream { MAX_WINDOW } else { self.sides.of(step.direction).max_window.min(known) };
        let oldest = receiver.acknowledged.wrapping_sub(window);
        let too_new = after(acknowledgement, receiver.highest_allowed());
        if !too_new && !after(oldest, acknowledgement) {
            return true;
        }
        if too_new {
            // It may be the bytes before it that were lost to us.
            let refused = self.unusual().refused.of_mut(step.direction.reverse());
            *refused = Some(refused.map_or(acknowledgement, |known| known.max_of(acknowledgement)));
        }
        step.anomaly("stream.pkt_invalid_ack");
        step.anomaly(match self.state {
            TcpState::FinWait1 => "stream.fin1_invalid_ack",
            TcpState::FinWait2 => "stream.fin2_invalid_ack",
            TcpState::Closing => "stream.closing_invalid_ack",
            TcpState::CloseWait => "stream.closewait_invalid_ack",
            TcpState::LastAck => "stream.lastack_invalid_ack",
            TcpState::TimeWait => "stream.timewait_invalid_ack",
            _ if step.tcp.flags & tcp_flags::FIN != 0 => "stream.fin_invalid_ack",
            _ => "stream.est_invalid_ack",
        });
        false
    }

    pub(super) fn is_in_window(&self, step: &mut Step<'_, '_>) -> bool {
        let sender = self.sides.of(step.direction);
        let tcp = step.tcp;
        let end = tcp.sequence.wrapping_add(length(step.payload));
        // A keep-alive repeats the byte before the next one.
        let keep_alive = step.payload.len() <= 1 && tcp.sequence == sender.next.wrapping_sub(1);
        if keep_alive && tcp.flags & tcp_flags::FIN == 0 {
            return true;
        }
        let fin = tcp.flags & tcp_flags::FIN != 0;
        if !step.payload.is_empty() && after(sender.acknowledged, end) {
            step.anomaly(match self.state {
                TcpState::CloseWait => "stream.closewait_pkt_before_last_ack",
                _ => "stream.est_pkt_before_last_ack",
            });
        }
        if !step.payload.is_empty() && !after(end, sender.acknowledged) {
            step.anomaly("stream.pkt_spurious_retransmission");
        }
        // A closed window may be probed with one byte.
        let probe = step.payload.len() == 1 && tcp.sequence == sender.next && tcp.sequence == sender.limit;
        if self.midstream || probe || step.settings.async_oneside || !after(end, sender.limit.max_of(sender.next)) {
            return true;
        }
        step.anomaly(match self.state {
            TcpState::FinWait1 if fin => "stream.fin1_fin_wrong_seq",
            TcpState::FinWait1 => "stream.fin1_ack_wrong_seq",
            TcpState::FinWait2 if fin => "stream.fin2_fin_wrong_seq",
            TcpState::FinWait2 => "stream.fin2_ack_wrong_seq",
            TcpState::Closing => "stream.closing_ack_wrong_seq",
            TcpState::CloseWait if fin => "stream.closewait_fin_out_of_window",
            TcpState::CloseWait => "stream.closewait_ack_out_of_window",
            TcpState::LastAck => "stream.lastack_ack_wrong_seq",
            TcpState::TimeWait => "stream.timewait_ack_wrong_seq",
            _ if fin => "stream.fin_out_of_window",
            _ => "stream.est_packet_out_of_window",
        });
        false
    }

    pub(super) fn store(&mut self, step: &mut Step<'_, '_>) {
        if step.payload.is_empty() {
            return;
        }
        let urgent = urgent_byte(step);
        if urgent.is_some() && step.settings.urgent == UrgentPolicy::Drop {
            return;
        }
        let urgent = urgent.filter(|_| step.settings.urgent == UrgentPolicy::OutOfBand);
        if urgent.is_some() {
            self.raise_once(
                step,
                match step.direction {
                    Direction::ToServer => Oddity::UrgentToServer,
                    Direction::ToClient => Oddity::UrgentToClient,
                },
            );
        }
        let sender = self.sides.of_mut(step.direction);
        let end = step.tcp.sequence.wrapping_add(length(step.payload));
        if !after(end, sender.next) {
            step.update.anomalies.push(Anomaly("stream.pkt_retransmission"));
        } else {
            sender.next = end;
        }
        let stream = sender.stream.get_mut();
        let (holes, urgent_bytes) = (stream.holes(), stream.urgent_bytes());
        let stored = stream.insert(step.tcp.sequence, step.payload, urgent, &step.settings.stream, step.store);
        step.update.accepted = stored.accepted;
        (step.update.overlaps, step.update.unkept) = (stored.overlaps, stored.unkept);
        step.update.urgent_bytes += stream.urgent_bytes() - urgent_bytes;
        step.update.waits = stream.early_bytes() > 0;
        if stored.anomaly == Some(DEPTH_REACHED) {
            self.raise_once(step, Oddity::Depth);
        } else {
            step.update.anomalies.extend(stored.anomaly);
        }
        let stream = self.stream(step.direction);
        step.update.gaps += stream.holes() - holes;
        if stream.holes() > holes {
            step.anomaly("stream.reassembly_seq_gap");
        }
    }

    pub(super) fn acknowledge(&mut self, step: &mut Step<'_, '_>) {
        let tcp = step.tcp;
        let sender = self.sides.of_mut(step.direction);
        sender.window = u32::from(tcp.window) << sender.scale.unwrap_or(0).min(MAX_SCALE);
        let window = sender.window;
        sender.max_window = sender.max_window.max(window);
        if self.sides.of(step.direction.reverse()).stream.get().disproves_finish(tcp.acknowledgement) {
            self.unfinish(step);
        }
        let receiver = self.sides.of_mut(step.direction.reverse());
        let limit = tcp.acknowledgement.wrapping_add(window);
        if after(limit, receiver.limit) {
            receiver.limit = limit;
        }
        if !after(tcp.acknowledgement, receiver.acknowledged) {
            return;
        }
        receiver.acknowledged = tcp.acknowledgement;
        let stream = receiver.stream.get_mut();
        // A FIN counts one.
        let seen = receiver.next.wrapping_add(receiver.early).wrapping_add(u32::from(stream.fin_seen()));
        step.update.acknowledges_unseen |= after(tcp.acknowledgement, seen);
        let holes = stream.holes();
        step.update.acknowledged |= stream.acknowledge(tcp.acknowledgement, step.store);
        step.update.gaps += stream.holes() - holes;
        if stream.holes() > holes {
            step.anomaly("stream.reassembly_seq_gap");
        }
    }
}

impl Side {
    /// Begins with a SYN.
    pub(super) fn open(&mut self, opening: Opening) {
        self.initial = opening.sequence;
        self.next = opening.sequence.wrapping_add(1);
        self.acknowledged = self.next;
        self.limit = self.next;
        self.window = u32::from(opening.window);
        self.max_window = self.window;
        self.scale = opening.scale;
        self.timestamp = opening.timestamp;
        self.opened = opening.timestamp;
        self.signed = opening.signed;
        self.early = 0;
        self.stream.restart(self.next);
    }

    /// Gives the memory of its stream back.
    pub(super) fn discharge(&mut self, store: &mut Store) {
        if let Some(stream) = self.stream.touched_mut() {
            stream.discharge(store);
        }
    }

    /// Begins in the middle.
    pub(super) fn pick_up(&mut self, sequence: u32) {
        self.initial = sequence.wrapping_sub(1);
        self.next = sequence;
        self.acknowledged = sequence;
        self.limit = sequence.wrapping_add(MAX_WINDOW);
        self.max_window = MAX_WINDOW;
        self.stream.restart(sequence);
    }

    /// The highest number that an acknowledgement of its bytes may have: some may have passed unseen, and a FIN counts one.
    pub(super) fn highest_allowed(&self) -> u32 {
        self.limit.max_of(self.next).wrapping_add(1)
    }
}

impl Opening {
    /// Whether a packet acknowledges it, as one of the client.
    pub(super) fn is_opened_by(&self, tcp: &Tcp<'_>) -> bool {
        self.answers.is_none() && self.sequence.wrapping_add(1) == tcp.acknowledgement
    }

    pub(super) fn of(tcp: &Tcp<'_>) -> Self {
        Self {
            sequence: tcp.sequence,
            answers: (tcp.flags & tcp_flags::ACK != 0).then_some(tcp.acknowledgement),
            window: tcp.window,
            scale: tcp.options.window_scale.map(|shift| shift.min(MAX_SCALE)),
            timestamp: tcp.options.timestamps.map(|(value, _)| value),
            signed: tcp.options.signed,
        }
    }
}

/// A packet on its way through the states.
pub(super) struct Step<'a, 'p> {
    pub(super) tcp: &'a Tcp<'p>,
    pub(super) payload: &'a [u8],
    pub(super) direction: Direction,
    pub(super) settings: &'a TcpSettings,
    pub(super) store: &'a mut Store,
    pub(super) update: TcpUpdate,
}

impl Step<'_, '_> {
    pub(super) fn anomaly(&mut self, name: &'static str) {
        if self.update.anomalies.len() < MAX_ANOMALIES {
            self.update.anomalies.push(Anomaly(name));
        }
    }
}

/// Order of sequence numbers, which wrap.
pub(super) trait Sequence {
    fn max_of(self, other: Self) -> Self;
}

impl Sequence for u32 {
    fn max_of(self, other: Self) -> Self {
        if after(other, self) { other } else { self }
    }
}

pub(super) fn after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

pub(super) fn in_window(sequence: u32, sender: &Side) -> bool {
    !after(sender.acknowledged, sequence) && !after(sequence, sender.limit.max_of(sender.next))
}

/// Where in the payload the urgent byte is: the pointer, which counts with its flag only, points behind it.
fn urgent_byte(step: &Step<'_, '_>) -> Option<usize> {
    let points = step.tcp.flags & tcp_flags::URG != 0;
    usize::from(step.tcp.urgent).checked_sub(1).filter(|at| points && *at < step.payload.len())
}

pub(super) fn length(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}

pub(super) const SYN_ACK: u8 = tcp_flags::SYN | tcp_flags::ACK;
const MAX_SCALE: u8 = 14;
pub(super) const MIDSTREAM_SCALE: u8 = 14;
pub(super) const MAX_WINDOW: u32 = 1 << 30;
const MAX_ANOMALIES: usize = 4;
