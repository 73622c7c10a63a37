//! What is counted of connections and of the ends of flows.

use tapwire_parsers::link::{Tcp, tcp_flags};
use tapwire_parsers::protocol::{Both, Direction};

use super::exceptions::{Exception, ExceptionPolicy, Followed};
use super::stream::Stream;
use super::tcp::{TcpFlow, TcpState, TcpUpdate};
use super::{Flow, key};

/// What a table has counted of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets with SYN alone, with SYN and ACK, with RST, and with an urgent pointer.
    flags: [u64; 4],
    /// Connections that began, and those of them that were picked up without their SYN.
    sessions: (u64, u64),
    /// Connections that ended, and those of them that were picked up.
    ended_sessions: (u64, u64),
    /// Segments with bytes that had come before.
    overlaps: u64,
    /// Such segments of which another copy was not kept, for there was no room.
    unkept: u64,
    /// Acknowledgements of bytes that were not seen.
    unseen: u64,
    /// Connections of which only one side is seen, and those of which both are.
    sides: [u64; 2],
    /// Urgent bytes that were taken out of their stream.
    urgent_bytes: u64,
    /// Packets of TCP that got no flow.
    pub(super) without_flow: u64,
    /// Elephants by their direction.
    pub(super) elephants: Both<u64>,
    /// Flows that ended, in the order of [`FlowState`](super::FlowState), and those of TCP in the order of [`TcpState`]; last those without a
    /// connection.
    states: [u64; 4],
    tcp_states: [u64; 11],
    /// Flows that a packet found over, and those that were looked for; each with how many of them were connections.
    pub(super) found_over: (u64, u64),
    pub(super) looked_for: (u64, u64),
    /// Flows whose time was looked at, and how often.
    pub(super) looked_at: (u64, u64),
    /// Flows that an exception policy was followed for: begins that were not seen, and bytes without memory; those that no
    /// rule was asked about any more, and those that nothing was done with.
    pub(super) policies: [[u64; 2]; 2],
    /// The most Ethernet addresses that packets of one flow came from, and went to.
    stations: (u64, u64),
}

impl Tally {
    /// A packet of TCP, whose checksum is right.
    #[inline]
    pub(super) fn packet(&mut self, tcp: &Tcp<'_>) {
        // Nearly all have none of these.
        if tcp.flags & (tcp_flags::SYN | tcp_flags::RST | tcp_flags::URG) == 0 {
            return;
        }
        let [syn, answers, reset, urgent] = &mut self.flags;
        let has = |flag: u8| u64::from(tcp.flags & flag == flag);
        *answers += has(tcp_flags::SYN | tcp_flags::ACK);
        *syn += u64::from(tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN);
        *reset += has(tcp_flags::RST);
        *urgent += has(tcp_flags::URG);
    }

    /// A connection that the packet at hand began.
    pub(super) fn begin(&mut self, connection: &TcpFlow) {
        self.sessions.0 += 1;
        self.sessions.1 += u64::from(connection.midstream);
    }

    /// What a packet did to its connection.
    pub(super) fn update(&mut self, update: &TcpUpdate) {
        self.overlaps += u64::from(update.overlaps);
        self.unkept += u64::from(update.unkept);
        self.unseen += u64::from(update.acknowledges_unseen);
        self.urgent_bytes += update.urgent_bytes;
    }

    /// One side alone is seen of a connection.
    #[cold]
    pub(super) fn one_side(&mut self) {
        let [one, _] = &mut self.sides;
        *one += 1;
    }

    /// Both sides of a connection are seen.
    pub(super) fn both_sides(&mut self) {
        let [_, both] = &mut self.sides;
        *both += 1;
    }

    /// What exception policies say of a flow, before and after something changed them.
    #[cold]
    pub(super) fn policies(&mut self, before: Followed, after: Followed) {
        for (exception, [passed, bypassed]) in
            [Exception::Midstream, Exception::Starved].into_iter().zip(&mut self.policies)
        {
            match after.of(exception).filter(|policy| before.of(exception) != Some(*policy)) {
                Some(ExceptionPolicy::PassFlow) => *passed += 1,
                Some(ExceptionPolicy::Bypass) => *bypassed += 1,
                Some(ExceptionPolicy::Ignore) | None => {}
            }
        }
    }

    /// The most Ethernet addresses that packets of one flow came from, and went to.
    pub fn stations(&self) -> (u64, u64) {
        self.stations
    }

    /// The end of a flow.
    pub(super) fn end<A>(&mut self, flow: &Flow<A>) {
        let state = self.states.get_mut(flow.state() as usize);
        let is_tcp = flow.key.protocol == key::TCP;
        let of_connection = flow.tcp.as_ref().map_or(WITHOUT_CONNECTION, |tcp| tcp.state as usize);
        let tcp_state = self.tcp_states.get_mut(of_connection).filter(|_| is_tcp);
        state.into_iter().chain(tcp_state).for_each(|count| *count += 1);
        if let Some(stations) = flow.stations() {
            let (from, to) = (stations.clients().len() as u64, stations.servers().len() as u64);
            self.stations = (self.stations.0.max(from), self.stations.1.max(to));
        }
        if let Some(connection) = &flow.tcp {
            self.ended_sessions.0 += 1;
            self.ended_sessions.1 += u64::from(connection.midstream);
        }
    }

    /// Connections that are there now.
    fn active(&self) -> u64 {
        self.sessions.0 - self.ended_sessions.0
    }

    /// All by their names in `stats` records, but for what a table knows of itself.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let [syn, answers, reset, urgent] = self.flags;
        let [one, both] = self.sides;
        let [[midstream_passed, midstream_bypassed], [starved_passed, starved_bypassed]] = self.policies;
        let ended: u64 = self.states.iter().sum();
        let of_tcp = [
            ("tcp.syn", syn),
            ("tcp.synack", answers),
            ("tcp.rst", reset),
            ("tcp.urg", urgent),
            ("tcp.urgent_oob_data", self.urgent_bytes),
            ("tcp.sessions", self.sessions.0),
            ("tcp.midstream_pickups", self.sessions.1),
            ("tcp.active_sessions", self.active()),
            ("tcp.memuse", self.active() * SESSION_BYTES),
            ("tcp.overlap", self.overlaps),
            ("tcp.insert_data_overlap_fail", self.unkept),
            ("tcp.ack_unseen_data", self.unseen),
            ("tapwire.flow.one_sided", one),
            ("tapwire.flow.two_sided", both),
            ("tcp.no_flow", self.without_flow),
            ("flow.elephant_toclient", self.elephants.to_client),
            ("flow.elephant_toserver", self.elephants.to_server),
            ("flow.end.tcp_liberal", self.ended_sessions.1),
            ("flow.recycler.recycled", ended),
            ("flow.wrk.flows_evicted", self.found_over.0),
            ("flow.wrk.flows_evicted_needs_work", self.found_over.1),
            ("flow.mgr.flows_timeout", self.looked_for.0),
            ("flow.mgr.flows_evicted", self.looked_for.0),
            ("flow.mgr.flows_evicted_needs_work", self.looked_for.1),
            ("flow.mgr.flows_checked", self.looked_at.0),
            ("flow.mgr.flows_notimeout", self.looked_at.0 - self.looked_for.0),
            ("flow.mgr.full_hash_pass", self.looked_at.1),
            ("exception_policy.tcp.midstream.pass_flow", midstream_passed),
            ("exception_policy.tcp.midstream.bypass", midstream_bypassed),
            ("exception_policy.tcp.reassembly.pass_flow", starved_passed),
            ("exception_policy.tcp.reassembly.bypass", starved_bypassed),
        ];
        let states = STATES.into_iter().zip(self.states);
        of_tcp.into_iter().chain(states).chain(TCP_STATES.into_iter().zip(self.tcp_states))
    }
}

/// A flow that ends because its time is over, among those that are counted so.
pub(super) fn count_over<A>((flows, connections): &mut (u64, u64), flow: &Flow<A>) {
    *flows += 1;
    *connections += u64::from(flow.tcp.is_some());
}

/// In the order of [`FlowState`](super::FlowState).
const STATES: [&str; 4] =
    ["flow.end.state.new", "flow.end.state.established", "flow.end.state.closed", "flow.end.state.local_bypassed"];

/// In the order of [`TcpState`].
const TCP_STATES: [&str; 11] = [
    "flow.end.tcp_state.syn_sent",
    "flow.end.tcp_state.syn_recv",
    "flow.end.tcp_state.established",
    "flow.end.tcp_state.fin_wait1",
    "flow.end.tcp_state.fin_wait2",
    "flow.end.tcp_state.closing",
    "flow.end.tcp_state.close_wait",
    "flow.end.tcp_state.last_ack",
    "flow.end.tcp_state.time_wait",
    "flow.end.tcp_state.closed",
    "flow.end.tcp_state.none",
];
const WITHOUT_CONNECTION: usize = TcpState::Closed as usize + 1;

/// What a connection with both streams takes, without bytes.
const SESSION_BYTES: u64 = (size_of::<TcpFlow>() + Direction::BOTH.len() * size_of::<Stream>()) as u64;

#[cfg(test)]
mod tests {
    use super::super::FlowState;
    use super::*;

    #[test]
    fn states_are_counted_under_their_own_names() {
        let ends = |name: &str, end: &str| name.rsplit('.').next() == Some(end);
        for state in [FlowState::New, FlowState::Established, FlowState::Closed] {
            assert!(ends(STATES[state as usize], state.name()));
        }
        assert!(ends(STATES[FlowState::Bypassed as usize], "local_bypassed"));
        let states = [
            TcpState::SynSent,
            TcpState::SynRecv,
            TcpState::Established,
            TcpState::FinWait1,
            TcpState::FinWait2,
            TcpState::Closing,
            TcpState::CloseWait,
            TcpState::LastAck,
            TcpState::TimeWait,
            TcpState::Closed,
        ];
        for state in states {
            assert!(ends(TCP_STATES[state as usize], state.name()));
        }
    }
}
