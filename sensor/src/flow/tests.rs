//! Conversations played through a table, packet by packet.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tapwire_parsers::link::{Icmp, Ip, Layer4, Packet, Tcp, TcpOptions, Timestamp, Udp};
use tapwire_parsers::protocol::{Anomaly, Direction};
use tapwire_signatures::keywords::packet_event::STREAM_EVENTS;

use super::stream::Chunk;
use super::*;
use crate::decode::memory::Budget;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A table, the time and number of the next packet, and what ended so far.
struct Play {
    table: Table<()>,
    time_s: u64,
    /// Microseconds besides that.
    time_us: u64,
    /// The client's address, and the ports of both.
    source: String,
    ports: (u16, u16),
    number: u64,
    ended: Vec<(u64, EndReason)>,
}

/// What a packet did.
#[derive(Debug, Default)]
struct Seen {
    direction: Option<Direction>,
    state: Option<TcpState>,
    anomalies: Vec<&'static str>,
    new: bool,
    established: bool,
    closed: bool,
    read: Vec<u8>,
}

impl Play {
    fn new(settings: Settings) -> Self {
        Self::with_memory(settings, 0, 0)
    }

    fn with_memory(settings: Settings, flows: usize, streams: usize) -> Self {
        let table = Table::new(settings, Budget::new(flows), Budget::new(streams));
        let (source, ports) = ("10.0.0.1".to_owned(), (4000, 80));
        Self { table, time_s: 1000, time_us: 0, source, ports, number: 0, ended: Vec::new() }
    }

    fn packet(&mut self, source: &str, destination: &str, protocol: u8, layer4: Layer4<'_>, payload: &[u8]) -> Seen {
        self.number += 1;
        let data = [0; 60];
        let mut packet = Packet::new(self.number, Timestamp(self.time_s * 1_000_000 + self.time_us), 1, &data, 60);
        packet.ip = Some(Ip {
            missing: 0,
            source: source.parse::<IpAddr>().unwrap(),
            destination: destination.parse::<IpAddr>().unwrap(),
            protocol,
            ttl: 64,
            tos: 0,
            id: 0,
            fragment: None,
            flags: 0,
            header: &[],
            payload,
            detour: false,
            checksum_ok: true,
        });
        packet.layer4 = layer4;
        packet.payload = payload;
        let ended = &mut self.ended;
        let mut end = |flow: Flow<()>, reason| ended.push((flow.first_packet, reason));
        self.table.advance(packet.time);
        let Some(arrival) = self.table.packet(&packet, 0, &mut end) else { return Seen::default() };
        let mut seen = Seen {
            direction: Some(arrival.direction),
            state: arrival.flow.tcp.as_ref().map(|tcp| tcp.state),
            anomalies: arrival.tcp.anomalies.iter().map(|Anomaly(name)| *name).collect(),
            new: arrival.new,
            established: arrival.established,
            closed: arrival.tcp.closed,
            read: Vec::new(),
        };
        if let Some(stream) = arrival.flow.stream_mut(arrival.direction.reverse()) {
            stream.raw_off();
            if let Chunk::Data(data) = stream.parser_next() {
                seen.read = data.to_vec();
                let count = data.len();
                stream.parser_consume(count);
            }
        }
        let place = arrival.place;
        self.table.settle(place);
        seen
    }

    fn tcp(&mut self, to_server: bool, flags: u8, sequence: u32, acknowledgement: u32, payload: &[u8]) -> Seen {
        self.segment(to_server, flags, sequence, acknowledgement, TcpOptions::default(), payload)
    }

    fn segment(
        &mut self,
        to_server: bool,
        flags: u8,
        sequence: u32,
        ack: u32,
        options: TcpOptions,
        payload: &[u8],
    ) -> Seen {
        self.tcp_with(to_server, flags, (sequence, ack), options, payload, true)
    }

    fn tcp_with(
        &mut self,
        to_server: bool,
        flags: u8,
        (sequence, acknowledgement): (u32, u32),
        options: TcpOptions,
        payload: &[u8],
        checksum_ok: bool,
    ) -> Seen {
        let (client, (own, other)) = (self.source.clone(), self.ports);
        let (from, to) = if to_server { (own, other) } else { (other, own) };
        let (source, destination) = if to_server { (&*client, "10.0.0.2") } else { ("10.0.0.2", &*client) };
        let tcp = Tcp {
            missing: 0,
            source_port: from,
            destination_port: to,
            sequence,
            acknowledgement,
            flags,
            window: 8000,
            urgent: 0,
            header: &[],
            options,
            checksum_ok,
        };
        self.packet(source, destination, key::TCP, Layer4::Tcp(tcp), payload)
    }

    fn udp(&mut self, source: &str, from: u16, destination: &str, to: u16) -> Seen {
        let udp = Udp { source_port: from, destination_port: to, header: &[], checksum_ok: true };
        self.packet(source, destination, key::UDP, Layer4::Udp(udp), b"x")
    }

    fn icmp(&mut self, source: &str, destination: &str, kind: u8, payload: &[u8]) -> Seen {
        let icmp = Icmp { kind, code: 0, id: None, sequence: None, header: &[0; 8], checksum_ok: true };
        self.packet(source, destination, key::ICMP, Layer4::Icmp(icmp), payload)
    }

    fn handshake(&mut self, client: u32, server: u32) {
        assert_eq!(self.tcp(true, SYN, client, 0, b"").state, Some(TcpState::SynSent));
        assert_eq!(self.tcp(false, SYN | ACK, server, client.wrapping_add(1), b"").state, Some(TcpState::SynRecv));
        let last = self.tcp(true, ACK, client.wrapping_add(1), server.wrapping_add(1), b"");
        assert_eq!((last.state, last.established), (Some(TcpState::Established), true));
    }
}

#[test]
fn a_stream_takes_memory_once_bytes_come() {
    let touched = |play: &mut Play| {
        let place = play.table.by_begin()[0].1;
        let tcp = play.table.flow(place).unwrap().tcp.as_mut().unwrap();
        Direction::BOTH.map(|direction| tcp.touched_stream_mut(direction).is_some())
    };
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(false, SYN | ACK, 900, 101, b"");
    play.tcp(true, ACK, 101, 901, b"");
    assert_eq!(touched(&mut play), [false, false]);
    play.tcp(true, ACK, 101, 901, b"hello");
    assert_eq!(touched(&mut play), [true, false]);
    let read = play.tcp(false, ACK, 901, 106, b"");
    assert_eq!((read.read.as_slice(), touched(&mut play)), (&b"hello"[..], [true, false]));
    play.tcp(false, FIN | ACK, 901, 106, b"");
    assert_eq!(touched(&mut play), [true, true]);
    let bytes = (size_of::<TcpFlow>(), size_of::<Option<Flow<crate::inspect::Application>>>());
    assert!(bytes.0 <= 168 && bytes.1 <= 256, "{bytes:?} is what each of a million flows takes");
}

#[test]
fn a_connection_is_followed_from_syn_to_close() {
    // Both sequence numbers wrap.
    let (client, server) = (u32::MAX - 2, u32::MAX);
    let mut play = Play::new(Settings::default());
    play.handshake(client, server);
    let request = play.tcp(true, ACK, client.wrapping_add(1), server.wrapping_add(1), b"request");
    assert_eq!(request.direction, Some(Direction::ToServer));
    let answer = play.tcp(false, ACK, server.wrapping_add(1), client.wrapping_add(8), b"answer");
    assert_eq!(answer.read, b"request");
    let fin = play.tcp(true, FIN | ACK, client.wrapping_add(8), server.wrapping_add(7), b"");
    assert_eq!((fin.read.as_slice(), fin.state), (b"answer".as_slice(), Some(TcpState::CloseWait)));
    let fin = play.tcp(false, FIN | ACK, server.wrapping_add(7), client.wrapping_add(9), b"");
    assert_eq!(fin.state, Some(TcpState::LastAck));
    let last = play.tcp(true, ACK, client.wrapping_add(9), server.wrapping_add(8), b"");
    assert_eq!((last.state, last.closed), (Some(TcpState::Closed), true));
    let (_, place) = play.table.by_begin()[0];
    play.table.shut_down(place, &mut |flow, reason| {
        assert_eq!((flow.state(), reason), (FlowState::Closed, EndReason::Shutdown));
        assert_eq!((flow.packets.to_server, flow.bytes.to_client), (5, 180));
        let tcp = flow.tcp.as_ref().unwrap();
        assert_eq!(flow.tcp_flags.to_server, FIN | SYN | ACK);
        assert!(tcp.stream(Direction::ToServer).closed() && tcp.stream(Direction::ToClient).closed());
        assert!(!tcp.stream(Direction::ToServer).gap_seen());
    });
    assert_eq!(play.table.store().used_bytes(), 0);
}

#[test]
fn what_the_receiver_would_refuse_changes_nothing() {
    type Case = (&'static str, bool, u8, u32, u32, &'static [u8], &'static str);
    let cases: [Case; 7] = [
        ("beyond the window", true, ACK, 20_000_101, 201, b"evil", "stream.est_packet_out_of_window"),
        ("acknowledges what was not sent", true, ACK, 101, 90_000, b"evil", "stream.est_invalid_ack"),
        ("a SYN in the middle", true, SYN, 5000, 0, b"", "stream.est_syn_resend_diff_seq"),
        ("a SYN from the server", false, SYN, 5000, 0, b"", "stream.est_syn_toclient"),
        ("a reset within the window", true, RST, 150, 0, b"", "stream.suspected_rst_inject"),
        ("no ACK flag", true, 8, 101, 0, b"evil", ""),
        ("a FIN beyond the window", true, FIN | ACK, 20_000_101, 201, b"", "stream.fin_out_of_window"),
    ];
    for (name, to_server, flags, sequence, acknowledgement, payload, anomaly) in cases {
        let mut play = Play::new(Settings::default());
        play.handshake(100, 200);
        let seen = play.tcp(to_server, flags, sequence, acknowledgement, payload);
        assert!(anomaly.is_empty() || seen.anomalies.contains(&anomaly), "{name}: {:?}", seen.anomalies);
        assert_eq!(seen.state, Some(TcpState::Established), "{name}");
        play.tcp(true, ACK, 101, 201, b"good");
        assert_eq!(play.tcp(false, ACK, 201, 105, b"").read, b"good", "{name}");
    }
}

#[test]
fn an_answer_that_the_client_would_drop_for_its_options_changes_nothing() {
    let mut play = Play::new(Settings::default());
    let stamped = |value, echo| TcpOptions { timestamps: Some((value, echo)), ..TcpOptions::default() };
    play.segment(true, SYN, 100, 0, stamped(5000, 0), b"");
    let reset = play.segment(false, RST | ACK, 0, 101, stamped(100, 100), b"");
    assert_eq!((reset.state, reset.anomalies), (Some(TcpState::SynSent), vec!["stream.pkt_invalid_timestamp"]));
    assert_eq!(play.segment(false, SYN | ACK, 200, 101, stamped(9, 5000), b"").state, Some(TcpState::SynRecv));
    play.segment(true, ACK, 101, 201, stamped(5001, 9), b"");
    let signed = TcpOptions { signed: true, ..TcpOptions::default() };
    let reset = play.segment(true, RST | ACK, 101, 201, signed, b"");
    assert_eq!((reset.state, reset.anomalies), (Some(TcpState::Established), vec!["stream.suspected_rst_inject"]));
    let old = play.segment(true, ACK, 101, 201, stamped(4000, 9), b"evil");
    assert_eq!(old.anomalies, ["stream.pkt_invalid_timestamp"]);
    play.segment(true, ACK, 101, 201, stamped(5002, 9), b"good");
    assert_eq!(play.segment(false, ACK, 201, 105, stamped(10, 5002), b"").read, b"good");
}

#[test]
fn an_exact_reset_closes_and_a_new_syn_begins_another_flow() {
    let mut play = Play::new(Settings::default());
    play.handshake(100, 200);
    let reset = play.tcp(false, RST, 201, 0, b"");
    assert!(reset.closed);
    let syn = play.tcp(true, SYN, 9000, 0, b"");
    assert!(syn.new);
    assert_eq!(play.ended, [(1, EndReason::TcpReuse)]);
}

#[test]
fn a_handshake_in_four_steps_is_complete_with_the_last() {
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 1000, 0, b"");
    play.tcp(false, SYN, 3000, 0, b"");
    assert_eq!(play.tcp(true, SYN | ACK, 1000, 3001, b"").state, Some(TcpState::SynRecv));
    assert_eq!(play.tcp(false, ACK, 3001, 1001, b"").state, Some(TcpState::Established));
    play.tcp(true, ACK, 1001, 3001, b"data");
    assert_eq!(play.tcp(false, ACK, 3001, 1005, b"").read, b"data");
}

#[test]
fn bytes_on_the_syn_count_if_the_server_acknowledges_them() {
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"early");
    let answer = play.tcp(false, SYN | ACK, 200, 106, b"");
    assert_eq!((answer.state, answer.read.as_slice()), (Some(TcpState::SynRecv), b"early".as_slice()));
    assert_eq!(play.tcp(true, ACK, 106, 201, b" bird").state, Some(TcpState::Established));
    assert_eq!(play.tcp(false, ACK, 201, 111, b"").read, b" bird");

    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"evil!");
    let answer = play.tcp(false, SYN | ACK, 200, 101, b"");
    assert_eq!(answer.anomalies, ["stream.3whs_synack_tfo_data_ignored"]);
    play.tcp(true, ACK, 101, 201, b"good!");
    assert_eq!(play.tcp(false, ACK, 201, 106, b"").read, b"good!");
}

#[test]
fn of_several_openings_the_acknowledged_one_counts() {
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(true, SYN, 700, 0, b"");
    assert_eq!(play.tcp(false, SYN | ACK, 200, 701, b"").state, Some(TcpState::SynRecv));
    let other = play.tcp(false, SYN | ACK, 300, 701, b"");
    assert_eq!(other.anomalies, ["stream.3whs_synack_resend_with_diff_seq"]);
    assert_eq!(play.tcp(true, ACK, 701, 301, b"good").state, Some(TcpState::Established));
    assert_eq!(play.tcp(false, ACK, 301, 705, b"").read, b"good");
}

#[test]
fn no_number_of_false_openings_shuts_out_the_one_that_counts() {
    // The client's own SYN comes first, among or behind others, or not at all.
    for own in [0, 5, 14, 15] {
        let mut play = Play::new(Settings::default());
        for number in 0..15 {
            play.tcp(true, SYN, if number == own { 700 } else { 10_000 + number }, 0, b"");
        }
        for number in 0..3 {
            play.tcp(false, SYN | ACK, 9_000, 50_000 + number, b"");
        }
        let stamps = TcpOptions { timestamps: Some((9, 5)), window_scale: Some(7), ..TcpOptions::default() };
        play.segment(false, SYN | ACK, 200, 701, stamps, b"");
        assert_eq!(play.tcp(true, ACK, 701, 201, b"good").state, Some(TcpState::Established), "{own}");
        assert_eq!(play.tcp(false, ACK, 201, 705, b"fine").read, b"good", "{own}");
        assert_eq!(play.tcp(true, ACK, 705, 205, b"").read, b"fine", "{own}");
    }
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(false, SYN | ACK, 200, 701, b"");
    let other = play.tcp(true, ACK, 701, 999, b"evil");
    assert_eq!(other.state, Some(TcpState::SynSent), "one number alone confirms nothing");
}

#[test]
fn options_of_an_answer_that_the_syn_did_not_have_say_nothing() {
    let mut play = Play::new(Settings::default());
    let stamped = |value, echo| TcpOptions { timestamps: Some((value, echo)), ..TcpOptions::default() };
    play.tcp(true, SYN, 100, 0, b"");
    assert_eq!(play.segment(false, SYN | ACK, 200, 101, stamped(9, 77), b"").state, Some(TcpState::SynRecv));
    play.tcp(true, ACK, 101, 201, b"");
    play.segment(false, ACK, 201, 101, stamped(9, 0), b"one");
    let older = play.segment(false, ACK, 204, 101, stamped(8, 0), b"two");
    assert!(older.anomalies.is_empty(), "{:?}", older.anomalies);
    assert_eq!(play.tcp(true, ACK, 101, 207, b"").read, b"onetwo");
}

#[test]
fn bytes_on_the_answer_count_if_the_client_acknowledges_them() {
    for (acknowledged, again, read) in [(206, 206, &b"hello more"[..]), (201, 201, b"HELLO more")] {
        let mut play = Play::new(Settings::default());
        play.tcp(true, SYN, 100, 0, b"");
        play.tcp(false, SYN | ACK, 200, 101, b"hello");
        assert_eq!(play.tcp(true, ACK, 101, acknowledged, b"").state, Some(TcpState::Established));
        let rest = if again == 201 { &b"HELLO more"[..] } else { b" more" };
        play.tcp(false, ACK, again, 101, rest);
        let mut all = if again == 206 { b"hello".to_vec() } else { Vec::new() };
        all.extend(play.tcp(true, ACK, 101, 211, b"").read);
        assert_eq!(all, read);
    }
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(false, SYN | ACK, 200, 101, b"hello");
    play.tcp(false, ACK, 206, 101, b" more");
    assert_eq!(play.tcp(true, ACK, 101, 211, b"").read, b"hello more", "before our copy of the last step");
}

#[test]
fn what_was_acknowledged_beyond_the_window_was_delivered() {
    let mut play = Play::new(Settings::default());
    play.handshake(100, 200);
    play.tcp(false, ACK, 201, 101, b"one");
    play.tcp(true, ACK, 101, 204, b"");
    // Three segments were lost to us, and one came.
    let seen = play.tcp(true, ACK, 101, 20_204, b"");
    assert_eq!(seen.anomalies, ["stream.pkt_invalid_ack", "stream.est_invalid_ack"]);
    play.tcp(false, ACK, 5_000, 101, b"two");
    let reset = play.tcp(false, RST, 20_204, 0, b"");
    assert!(reset.closed && reset.anomalies.is_empty(), "{:?}", reset.anomalies);
    let mut ends = Vec::new();
    play.table.shut_down(0, &mut |mut flow, _| {
        let stream = flow.stream_mut(Direction::ToClient).unwrap();
        stream.parser_skip_gap();
        ends.push((stream.parser_next() == Chunk::Data(b"two"), stream.gap_seen(), flow.state()));
    });
    assert_eq!(ends, [(true, true, FlowState::Closed)]);
}

#[test]
fn a_reset_with_an_old_timestamp_counts_and_is_told() {
    let mut play = Play::new(Settings::default());
    let stamped = |value| TcpOptions { timestamps: Some((value, 0)), ..TcpOptions::default() };
    play.segment(true, SYN, 100, 0, stamped(500), b"");
    play.segment(false, SYN | ACK, 200, 101, stamped(9), b"");
    play.segment(true, ACK, 101, 201, stamped(501), b"");
    let reset = play.segment(true, RST, 101, 0, stamped(400), b"");
    assert_eq!((reset.closed, reset.anomalies), (true, vec!["stream.pkt_invalid_timestamp"]));
}

#[test]
fn a_connection_that_both_close_at_once_is_closed_when_both_know() {
    for first in [true, false] {
        let mut play = Play::new(Settings::default());
        play.handshake(100, 200);
        let (own, other) = if first { (101, 201) } else { (201, 101) };
        play.tcp(first, FIN | ACK, own, other, b"");
        play.tcp(!first, FIN | ACK, other, own, b"");
        play.tcp(!first, ACK, other + 1, own + 1, b"");
        assert_eq!(play.tcp(first, ACK, own + 1, other + 1, b"").state, Some(TcpState::Closed), "{first}");
    }
}

#[test]
fn that_one_side_alone_is_seen_is_told_where_it_is_so() {
    let told = |seen: &Seen| seen.anomalies.contains(&"stream.one_side_seen");
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(true, ACK, 101, 201, b"");
    assert!(told(&play.tcp(true, ACK, 101, 201, b"client")) && !told(&play.tcp(true, ACK, 107, 201, b"more")));
    for midstream in [false, true] {
        let mut settings = Settings::default();
        settings.tcp.midstream = midstream;
        let mut play = Play::new(settings);
        play.tcp(false, SYN | ACK, 200, 101, b"");
        assert!(told(&play.tcp(false, ACK, 201, 101, b"server")) && !told(&play.tcp(false, ACK, 207, 101, b"more")));
    }
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.tcp(false, SYN | ACK, 200, 999, b"");
    assert!(!told(&play.tcp(true, ACK, 101, 205, b"client")), "the server is there, though its answer is odd");
}

#[test]
fn flags_are_noted_without_a_connection() {
    let mut play = Play::new(Settings::default());
    play.tcp(true, ACK | 8, 100, 200, b"data");
    play.tcp(false, RST, 200, 0, b"");
    play.table.shut_down(0, &mut |flow, _| {
        assert!(flow.tcp.is_none());
        assert_eq!((flow.tcp_flags.to_server, flow.tcp_flags.to_client), (ACK | 8, RST));
    });
}

#[test]
fn without_a_syn_there_is_no_connection_unless_asked_for() {
    let mut play = Play::new(Settings::default());
    assert_eq!(play.tcp(true, ACK, 100, 200, b"data").state, None);
    let mut settings = Settings::default();
    settings.tcp.midstream = true;
    let mut play = Play::new(settings);
    assert_eq!(play.tcp(true, ACK, 100, 200, b"data").state, Some(TcpState::Established));
    assert_eq!(play.tcp(false, ACK, 200, 104, b"").read, b"data");
}

#[test]
fn the_sender_of_the_syn_is_the_client_even_if_the_server_was_seen_first() {
    let mut play = Play::new(Settings::default());
    play.tcp(false, ACK, 7, 7, b"");
    let syn = play.tcp(true, SYN, 100, 0, b"");
    assert_eq!((syn.direction, syn.new), (Some(Direction::ToServer), false));
}

#[test]
fn a_wrong_checksum_keeps_a_packet_from_the_stream() {
    let mut play = Play::new(Settings::default());
    play.handshake(100, 200);
    play.tcp_with(true, ACK, (101, 201), TcpOptions::default(), b"evil", false);
    play.tcp(true, ACK, 101, 201, b"good");
    assert_eq!(play.tcp(false, ACK, 201, 105, b"").read, b"good");
    assert_eq!(play.table.counters().bad_checksums, 1);
}

#[test]
fn a_flow_that_was_quiet_for_too_long_ends_and_the_packet_begins_another() {
    let mut play = Play::new(Settings::default());
    play.udp("10.0.0.1", 5000, "10.0.0.2", 53);
    play.time_s += 30;
    assert!(!play.udp("10.0.0.1", 5000, "10.0.0.2", 53).new);
    play.time_s += 31;
    assert!(play.udp("10.0.0.1", 5000, "10.0.0.2", 53).new);
    let answer = play.udp("10.0.0.2", 53, "10.0.0.1", 5000);
    assert_eq!((answer.direction, answer.established), (Some(Direction::ToClient), true));
    play.time_s += 300;
    assert!(!play.udp("10.0.0.1", 5000, "10.0.0.2", 53).new);
    assert_eq!(play.ended, [(1, EndReason::Timeout)]);
}

#[test]
fn flows_expire_in_the_order_of_their_last_packets() {
    let mut play = Play::new(Settings::default());
    for port in [1, 2, 3] {
        play.udp("10.0.0.1", port, "10.0.0.2", 53);
        play.time_s += 1;
    }
    play.udp("10.0.0.1", 1, "10.0.0.2", 53);
    play.icmp("10.0.0.1", "10.0.0.2", 8, b"");
    let mut ended = Vec::new();
    play.table.expire(Timestamp(1_032_500_000), &mut |flow, _| ended.push(flow.first_packet));
    assert_eq!(ended, [2, 3]);
    play.table.expire(Timestamp(2_000_000_000), &mut |flow, _| ended.push(flow.first_packet));
    assert_eq!(ended, [2, 3, 1, 5]);
    assert!(play.table.is_empty());
}

#[test]
fn flows_that_began_are_counted_by_their_protocol() {
    let mut play = Play::new(Settings::default());
    play.tcp(true, SYN, 100, 0, b"");
    play.icmp("10.0.0.1", "10.0.0.2", 8, b"");
    let echo = Icmp { kind: 128, code: 0, id: None, sequence: None, header: &[0; 8], checksum_ok: true };
    play.packet("fe80::1", "fe80::2", key::ICMP_V6, Layer4::Icmp(echo), b"");
    play.packet("fe80::3", "fe80::2", key::ICMP_V6, Layer4::Icmp(echo), b"");
    assert_eq!(play.table.counters().begun, [1, 0, 1, 2, 0]);
}

/// A frame from one station to another one, with a number that a card reads.
fn frame(vlan: u8, from: u8, to: u8, kind: u16, number: u8) -> Vec<u8> {
    let tag = [0x81, 0, 0, vlan];
    let tag = if vlan > 0 { &tag[..] } else { &[] };
    [&[2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from][..], tag, &kind.to_be_bytes(), &[0, number, 0, 8, 0, 0, 0, 0]].concat()
}

#[test]
fn frames_of_a_card_have_flows_without_ip() {
    const KIND: u16 = 0x88b8;
    let mut play = Play::new(Settings::default());
    let seen: Vec<_> = [
        frame(0, 1, 2, KIND, 7),
        frame(0, 1, 2, KIND, 7),
        frame(0, 2, 1, KIND, 7),
        frame(0, 1, 2, KIND, 8),
        frame(0, 1, 3, KIND, 7),
        frame(5, 1, 2, KIND, 7),
        frame(0, 1, 2, 0x1234, 7),
    ]
    .iter()
    .map(|data| {
        let packet = Packet::decode(1, Timestamp(1_000_000_000), 1, data, 0, false);
        play.table.advance(packet.time);
        let arrival = play.table.packet(&packet, 0, &mut |_, _| ())?;
        Some((arrival.new, arrival.direction == Direction::ToServer))
    })
    .collect();
    let (new, more, answer) = (Some((true, true)), Some((false, true)), Some((false, false)));
    assert_eq!(seen, [new, more, answer, new, new, new, None]);
    let counters = play.table.counters();
    assert_eq!((counters.begun, counters.begun_without_ip), ([0; 5], 4));
    play.table.expire(Timestamp(1_000_000_000 + 601_000_000), &mut |flow, reason| {
        play.ended.push((flow.bytes.to_server, reason));
    });
    assert_eq!(play.ended.len(), 4, "they end as those of other protocols do");
}

#[test]
fn answers_in_other_vlans_and_protocols_without_ports_have_flows_where_that_is_wanted() {
    let tagged = |vlan: u8, protocol: u8, ends: [u8; 2], ports: [u8; 2]| {
        let head = [&[2; 12][..], &[0x81, 0, 0, vlan, 8, 0, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, protocol, 0, 0]].concat();
        [&head[..], &[10, 0, 0, ends[0], 10, 0, 0, ends[1]], &[0, ports[0], 0, ports[1], 0, 8, 0, 0]].concat()
    };
    for wanted in [true, false] {
        let settings = Settings { join_vlans: wanted, all_protocols: wanted, ..Settings::default() };
        let mut play = Play::new(settings);
        let mut give = |data: &[u8]| {
            let packet = Packet::decode(1, Timestamp(1_000_000_000), 1, data, 0, false);
            play.table.packet(&packet, 0, &mut |_, _| ()).map(|arrival| (arrival.new, arrival.direction))
        };
        assert_eq!(give(&tagged(5, 17, [1, 2], [9, 53])), Some((true, Direction::ToServer)));
        let answer = give(&tagged(6, 17, [2, 1], [53, 9]));
        assert_eq!(answer, Some(if wanted { (false, Direction::ToClient) } else { (true, Direction::ToServer) }));
        assert_eq!(give(&tagged(5, 89, [1, 2], [0, 0])).is_some(), wanted);
        assert!(give(&tagged(5, 4, [1, 2], [0, 0])).is_some(), "IP in IP");
    }
}

#[test]
fn stations_that_hold_many_flows_go_first() {
    let mut play = Play::with_memory(Settings::default(), 400 * Table::<()>::FLOW_BYTES, 0);
    let mut others = 0;
    for number in 0..2_000_u64 {
        // One flow of one station, and many flows of another one.
        let data = if number % 8 == 0 {
            frame(0, 1, 2, 0x88b8, 9)
        } else {
            frame(0, 3, (number % 251) as u8, 0x88b8, (number % 253) as u8)
        };
        let packet = Packet::decode(number + 1, Timestamp(1_000_000_000 + number), 1, &data, 0, false);
        play.table.packet(&packet, 0, &mut |flow, _| others += u32::from(flow.key.link().unwrap().source[5] == 1));
    }
    assert_eq!(others, 0, "the one flow of the other station stays");
    assert!(play.table.len() <= 400 && play.table.counters().evicted != Evictions::default());
}

#[test]
fn an_icmp_error_belongs_to_the_flow_that_caused_it() {
    let mut play = Play::new(Settings::default());
    play.udp("10.0.0.1", 5000, "10.0.0.2", 53);
    let mut inner = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    inner.extend([0x13, 0x88, 0, 53]);
    let error = play.icmp("10.0.0.9", "10.0.0.1", 3, &inner);
    assert_eq!((error.new, error.direction, error.established), (false, Some(Direction::ToClient), false));
    inner[12] = 99;
    assert_eq!(play.icmp("10.0.0.9", "10.0.0.1", 3, &inner).direction, None);
    let place = play.table.by_begin()[0].1;
    assert_eq!(play.table.flow(place).unwrap().state(), FlowState::New, "an error is no answer");
    assert!(play.udp("10.0.0.2", 53, "10.0.0.1", 5000).established);
    let echo = play.icmp("10.0.0.1", "10.0.0.2", 8, b"");
    let reply = play.icmp("10.0.0.2", "10.0.0.1", 0, b"");
    assert_eq!((echo.new, reply.new, reply.direction), (true, false, Some(Direction::ToClient)));
}

#[test]
fn when_memory_runs_out_the_flow_that_is_missed_least_goes() {
    let mut play = Play::with_memory(Settings::default(), 64 * 1024, 0);
    play.udp("10.0.0.1", 1, "10.0.0.2", 53);
    play.udp("10.0.0.2", 53, "10.0.0.1", 1);
    for port in 2..2000 {
        assert!(play.udp("10.0.0.1", port, "10.0.0.2", 53).new);
    }
    assert!(play.ended.iter().all(|(number, reason)| *number != 1 && *reason == EndReason::Forced));
    assert_eq!(play.ended.first(), Some(&(3, EndReason::Forced)));
    assert!(play.table.len() < 200);
    assert_eq!(play.table.counters().evicted.cheap(), play.ended.len() as u64);
    play.ended.clear();
    play.time_s += 31;
    play.udp("10.0.0.1", 2500, "10.0.0.2", 53);
    assert!(play.ended.iter().all(|(number, reason)| *number != 1 && *reason == EndReason::Timeout));
    assert_eq!(play.table.len(), 2);
}

/// Handshakes of as many clients as there are ports from `from` on, each with a packet more if there is data for it.
fn handshakes(play: &mut Play, source: &str, ports: std::ops::Range<u16>, data: &[u8]) {
    for port in ports {
        play.ports.0 = port;
        play.source = source.to_owned();
        play.handshake(1000, 5000);
        if !data.is_empty() {
            play.tcp(true, ACK, 1001, 5001, data);
        }
        play.time_us += 10;
    }
    play.ports.0 = 4000;
    play.source = "10.0.0.1".to_owned();
}

#[test]
fn a_handshake_that_just_began_outlives_connections_that_carry_nothing() {
    for (name, data) in [("nothing", &b""[..]), ("bytes", b"x")] {
        let mut play = Play::with_memory(Settings::default(), 256 * 1024, 0);
        handshakes(&mut play, "10.9.0.1", 1..1000, data);
        play.tcp(true, SYN, 100, 0, b"");
        handshakes(&mut play, "10.9.0.2", 1..20, data);
        assert_eq!(play.tcp(false, SYN | ACK, 900, 101, b"").state, Some(TcpState::SynRecv), "among flows with {name}");
        handshakes(&mut play, "10.9.0.3", 1..20, data);
        assert_eq!(play.tcp(true, ACK, 101, 901, b"hello").state, Some(TcpState::Established));
        handshakes(&mut play, "10.9.0.4", 1..20, data);
        assert_eq!(play.tcp(false, ACK, 901, 106, b"").read, b"hello", "among flows with {name}");
        let evicted = play.table.counters().evicted;
        assert!(evicted.dear() > 600 && evicted.cheap() < 20, "{evicted:?}");
    }
}

#[test]
fn no_kind_of_flow_takes_the_share_of_another() {
    let mut play = Play::with_memory(Settings::default(), 256 * 1024, 0);
    handshakes(&mut play, "10.9.0.1", 1..40, b"x");
    let spoken = play.number;
    handshakes(&mut play, "10.9.0.2", 1..2000, b"");
    for port in 1..2000 {
        play.udp("10.9.0.3", port, "10.0.0.2", 53);
    }
    assert!(play.ended.iter().all(|(number, _)| *number > spoken), "39 of about 300 are less than four sixteenths");
    let silent = play.table.lists.count(Worth::Silent);
    assert!(u64::from(silent) >= play.table.len() as u64 * Worth::Silent.share() / worth::SHARES, "{silent}");
}

#[test]
fn who_holds_more_than_a_share_loses_it_first() {
    let mut play = Play::with_memory(Settings::default(), 512 * 1024, 0);
    for host in 1..=60 {
        play.ports.1 = 1000 + host;
        handshakes(&mut play, &format!("10.{host}.0.1"), 1..3, b"x");
    }
    let others = play.number;
    play.time_us += 10_000_000;
    play.ports.1 = 80;
    for port in (1..6000).step_by(100) {
        handshakes(&mut play, "172.16.0.1", port..port + 100, b"x");
        play.time_us += 1_000_000;
    }
    assert!(
        play.ended.iter().all(|(number, _)| *number > others),
        "they were quiet for longer, but are nobody's crowd"
    );
    assert!(play.table.counters().evicted.crowded > 4000, "{:?}", play.table.counters().evicted);
}

#[test]
fn a_connection_that_was_evicted_is_gone_on_with() {
    // What comes first behind the eviction, and what its receiver has of it.
    type Case = (&'static str, usize, u32, &'static [u8], &'static [u8]);
    let cases: [Case; 4] = [
        ("remembered", 1000, 106, b"GET / HTTP/1.1", b"GET / HTTP/1.1"),
        ("remembered, a keep-alive first", 1000, 105, b"\0", b""),
        ("not remembered", 0, 106, b"GET / HTTP/1.1", b"GET / HTTP/1.1"),
        ("not remembered, and somewhere else", 0, 5106, b"GET / HTTP/1.1", b"GET / HTTP/1.1"),
    ];
    for (name, remembered, sequence, data, read) in cases {
        let settings = Settings { remembered, ..Settings::default() };
        let mut play = Play::with_memory(settings, 1 << 20, 0);
        play.handshake(100, 900);
        play.tcp(true, ACK, 101, 901, b"hello");
        play.tcp(false, ACK, 901, 106, b"");
        for host in 1..=100 {
            play.ports.1 = 1000 + host;
            handshakes(&mut play, &format!("10.{host}.0.1"), 1..21, b"x");
        }
        play.ports.1 = 80;
        assert!(play.ended.contains(&(1, EndReason::Forced)), "{name}");
        let seen = play.tcp(true, ACK, sequence, 901, data);
        assert!(seen.new && seen.anomalies.contains(&"stream.resumed_after_eviction"), "{name}: {:?}", seen.anomalies);
        let end = sequence.wrapping_add(u32::try_from(data.len()).unwrap());
        assert_eq!(play.tcp(false, ACK, 901, end, b"").read, read, "{name}");
        play.tcp(true, ACK, end, 901, b"more");
        assert_eq!(play.tcp(false, ACK, 901, end.wrapping_add(4), b"").read, b"more", "{name}");
    }
}

#[test]
fn without_evictions_nothing_is_picked_up() {
    let mut play = Play::with_memory(Settings::default(), 64 * 1024, 0);
    for port in 1..2000 {
        play.udp("10.9.0.3", port, "10.0.0.2", 53);
    }
    assert_eq!(play.tcp(true, ACK, 100, 200, b"data").state, None, "only what was never answered went");
    let mut first = Play::new(Settings::default());
    // A capture's clock may begin anywhere.
    first.time_s = 0;
    assert_eq!(first.tcp(true, ACK, 100, 200, b"data").state, None);
}

#[test]
fn what_is_charged_is_given_back() {
    let mut play = Play::with_memory(Settings { remembered: 0, ..Settings::default() }, 512 * 1024, 0);
    handshakes(&mut play, "10.9.0.1", 1..2000, b"x");
    handshakes(&mut play, "10.9.0.2", 1..2000, b"");
    play.table.expire(Timestamp(u64::MAX / 2), &mut |_, _| {});
    assert_eq!((play.table.len(), play.table.flows.used_bytes(), play.table.lists.total()), (0, 0, 0));
}

proptest! {
    #[test]
    fn random_packets_never_break_anything(
        steps in proptest::collection::vec(
            (any::<bool>(), any::<u8>(), prop_oneof![0..400_u32, any::<u32>()], 0..400_u32, 0..64_usize, 0..20_u64),
            1..200,
        ),
        midstream in any::<bool>(),
        async_oneside in any::<bool>(),
    ) {
        let mut settings = Settings::default();
        (settings.tcp.midstream, settings.tcp.async_oneside) = (midstream, async_oneside);
        let mut play = Play::with_memory(settings, 1 << 16, 4096);
        for (to_server, flags, sequence, acknowledgement, length, wait_s) in steps {
            play.time_s += wait_s;
            play.tcp(to_server, flags, sequence, acknowledgement, &vec![b'x'; length]);
            prop_assert!(play.table.store().used_bytes() <= 4096);
            prop_assert!(play.table.len() <= 1);
        }
        for (_, place) in play.table.by_begin() {
            play.table.shut_down(place, &mut |_, _| {});
        }
        prop_assert_eq!(play.table.store().used_bytes(), 0);
    }
}

#[test]
fn interfaces_separate_flows_where_that_is_asked_for() {
    for use_interfaces in [false, true] {
        let settings = Settings { use_interfaces, ..Settings::default() };
        let mut table: Table<()> = Table::new(settings, Budget::new(0), Budget::new(0));
        let mut data = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        data.extend([1, 1, 0, 99, 0, 8, 0, 0]);
        for interface in [0, 1] {
            let mut packet = Packet::decode(1, Timestamp(0), 101, &data, 0, false);
            packet.interface = interface;
            table.packet(&packet, 0, &mut |_, _| {});
        }
        assert_eq!(table.len(), if use_interfaces { 2 } else { 1 });
    }
}

#[test]
fn every_anomaly_of_streams_is_known_to_rules() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/flow");
    let mut seen = 0;
    for file in files_below(Path::new(folder)) {
        let text = std::fs::read_to_string(file).unwrap();
        let quoted = text.split("\"stream.").skip(1).filter_map(|rest| rest.split('"').next());
        for name in quoted.filter(|name| name.starts_with(|first: char| first.is_ascii_alphanumeric())) {
            assert!(STREAM_EVENTS.binary_search_by_key(&name, |(name, _)| name).is_ok(), "{name} is not listed");
            seen += 1;
        }
    }
    assert!(seen > 50 && STREAM_EVENTS.is_sorted_by_key(|(name, _)| name));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

#[test]
fn what_is_there_now_is_counted_now() {
    let count = |play: &Play, name: &str| play.table.by_name().find(|(known, _)| *known == name).unwrap().1;
    let mut play = Play::with_memory(Settings::default(), 2 * Table::<()>::FLOW_BYTES, 0);
    play.handshake(100, 500);
    play.udp("10.0.0.1", 5000, "10.0.0.2", 53);
    let counts = |play: &Play, names: &[&str]| names.iter().map(|name| count(play, name)).collect::<Vec<_>>();
    let now = ["flow.active", "tcp.active_sessions", "tcp.sessions", "flow.memcap", "flow.get_used"];
    assert_eq!(counts(&play, &now), [2, 1, 1, 0, 0]);
    let memory = usize::try_from(count(&play, "tcp.memuse")).unwrap();
    assert!((size_of::<TcpFlow>()..Table::<()>::FLOW_BYTES).contains(&memory));
    play.time_s += 2;
    play.udp("10.0.0.1", 5001, "10.0.0.2", 53);
    assert_eq!(counts(&play, &now), [2, 1, 1, 1, 1]);
    assert_eq!(counts(&play, &["flow.get_used_eval", "flow.get_used_failed"]), [1, 0]);
    play.table.expire(Timestamp(100_000_000_000), &mut |_, _| ());
    assert_eq!(counts(&play, &now), [0, 0, 1, 1, 1]);
    let managed = ["flow.mgr.flows_timeout", "flow.mgr.flows_evicted", "flow.mgr.flows_evicted_needs_work"];
    assert_eq!(counts(&play, &managed), [2, 2, 1]);
    assert_eq!(count(&play, "flow.mgr.full_hash_pass"), 2, "one when memory was short");
    let looked = counts(&play, &["flow.mgr.flows_checked", "flow.mgr.flows_notimeout"]);
    assert_eq!(looked[0], looked[1] + 2);

    let mut none = Play::with_memory(Settings::default(), 1, 0);
    none.tcp(true, SYN, 100, 0, b"");
    assert_eq!(counts(&none, &["tcp.no_flow", "flow.get_used_failed", "flow.memcap", "flow.active"]), [1, 1, 1, 0]);
}

#[test]
fn where_vlans_tell_no_flows_apart_records_still_know_them() {
    for (use_vlans, expected) in [(true, &[&[7][..], &[8]][..]), (false, &[&[7]])] {
        let mut play = Play::new(Settings { use_vlans, ..Settings::default() });
        for vlan in [7, 8] {
            let data = frame(vlan, 1, 2, 0x88b8, 1);
            let packet = Packet::decode(vlan.into(), Timestamp(1_000_000_000), 1, &data, 0, false);
            play.table.packet(&packet, 0, &mut |_, _| ());
        }
        let mut vlans = Vec::new();
        for (_, place) in play.table.by_begin() {
            vlans.push(play.table.flow(place).unwrap().vlans().as_slice().to_vec());
        }
        assert_eq!(vlans, expected);
    }
}

#[test]
fn the_only_flow_of_a_table_ends_when_its_time_is_over() {
    let mut play = Play::new(Settings::default());
    let data = frame(0, 1, 2, 0x88b8, 1);
    let packet = Packet::decode(1, Timestamp(1_000_000_000), 1, &data, 0, false);
    play.table.packet(&packet, 0, &mut |_, _| ());
    let mut ended = Vec::new();
    play.table.expire(Timestamp(1_601_000_000), &mut |_, reason| ended.push(reason));
    assert_eq!(ended, [EndReason::Timeout]);
}
