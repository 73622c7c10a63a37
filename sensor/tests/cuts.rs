//! The alerts of a connection do not depend on how its streams were cut into segments, in which order those came, or whether
//! some came twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeSet;
use std::io::Write;

use common::Run;
use etherparse::{PacketBuilder, TcpHeader};
use proptest::prelude::*;

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 1];
const RULES: &str = r#"
alert http any any -> any any (http.uri; content:"/first/marker"; sid:1;)
alert http any any -> any any (http.user_agent; content:"cut-agent"; sid:2;)
alert http any any -> any any (http.request_body; content:"posted-marker"; sid:3;)
alert http any any -> any any (flow:to_client; file.data; content:"answer-marker"; sid:4;)
alert tcp any any -> any any (flow:established,to_server; content:"posted-"; content:"marker"; distance:0; within:6; sid:5;)
alert tcp any any -> any any (flow:established,to_client; content:"answer-|0d 0a|6|0d 0a|marker"; sid:6;)
alert http any any -> any any (http.uri; content:"/second/marker"; sid:7;)
alert http any any -> any any (http.stat_code; content:"404"; sid:8;)
alert tcp any any -> any any (content:"nowhere-to-be-seen"; sid:9;)
"#;

const REQUESTS: &[u8] =
    b"POST /first/marker HTTP/1.1\r\nHost: a.example\r\nUser-Agent: cut-agent/1\r\nContent-Length: 25\r\n\r\n\
some posted-marker bytes!GET /second/marker HTTP/1.1\r\nHost: a.example\r\n\r\n";
const ANSWERS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
7\r\nanswer-\r\n6\r\nmarker\r\n0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// Packets of one connection in a capture of raw IP.
struct Capture {
    bytes: Vec<u8>,
    number: u32,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(101_u32.to_le_bytes());
        Self { bytes, number: 0 }
    }

    fn packet(&mut self, to_server: bool, sequence: u32, acknowledgement: u32, flags: &str, data: &[u8]) {
        let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (source, destination) = if to_server { (40_000, 80) } else { (80, 40_000) };
        let mut header = TcpHeader::new(source, destination, sequence, 65_000);
        header.syn = flags.contains('S');
        header.fin = flags.contains('F');
        header.ack = flags.contains('A');
        header.acknowledgment_number = acknowledgement;
        let mut packet = Vec::new();
        PacketBuilder::ipv4(from, to, 64).tcp_header(header).write(&mut packet, data).unwrap();
        self.number += 1;
        for field in [
            1_700_000_000,
            self.number * 1000,
            u32::try_from(packet.len()).unwrap(),
            u32::try_from(packet.len()).unwrap(),
        ] {
            self.bytes.extend(field.to_le_bytes());
        }
        self.bytes.extend(packet);
    }

    /// One direction's bytes in segments that end at `cuts`, in an order that `keys` give, every `again`th twice, and an
    /// acknowledgement of all that is in order behind each.
    fn carry(
        &mut self,
        to_server: bool,
        (own, other): (u32, u32),
        data: &[u8],
        cuts: &[usize],
        keys: &[u8],
        again: usize,
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % data.len()).chain([0, data.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut segments: Vec<(usize, usize)> = ends.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let key = |at: usize| keys.get(at % keys.len().max(1)).copied().unwrap_or(0);
        let mut order: Vec<usize> = (0..segments.len()).collect();
        order.sort_by_key(|at| usize::from(key(*at)) + at);
        segments = order.into_iter().map(|at| segments[at]).collect();
        let mut have = vec![false; data.len()];
        for (number, (from, upto)) in segments.into_iter().enumerate() {
            for _ in 0..=usize::from(again > 0 && number % again == 0) {
                self.packet(to_server, own + u32::try_from(from).unwrap(), other, "A", &data[from..upto]);
            }
            have[from..upto].fill(true);
            let in_order = have.iter().position(|have| !have).unwrap_or(data.len());
            self.packet(!to_server, other, own + u32::try_from(in_order).unwrap(), "A", &[]);
        }
    }
}

fn alerts(capture: &Capture, rules: &tempfile::NamedTempFile) -> BTreeSet<u64> {
    let mut file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
    file.write_all(&capture.bytes).unwrap();
    let run = Run::replay(file.path()).arg("--rules").path(rules.path());
    run.succeed();
    let records = run.records();
    let alerts = records.lines().filter(|line| line.contains(r#""event_type":"alert""#));
    alerts
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["alert"]["signature_id"].as_u64().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cuts_orders_and_repetitions_do_not_change_the_alerts(
        client_cuts in proptest::collection::vec(any::<usize>(), 0..40),
        server_cuts in proptest::collection::vec(any::<usize>(), 0..40),
        keys in proptest::collection::vec(0..6_u8, 1..12),
        again in 0..4_usize,
        first in any::<u32>(),
    ) {
        let mut rules = tempfile::Builder::new().suffix(".rules").tempfile().unwrap();
        rules.write_all(RULES.as_bytes()).unwrap();
        let (client, server) = (first.min(u32::MAX - 10_000), 7_000);
        let mut capture = Capture::new();
        capture.packet(true, client, 0, "S", &[]);
        capture.packet(false, server, client + 1, "SA", &[]);
        capture.packet(true, client + 1, server + 1, "A", &[]);
        capture.carry(true, (client + 1, server + 1), REQUESTS, &client_cuts, &keys, again);
        let end = client + 1 + u32::try_from(REQUESTS.len()).unwrap();
        capture.carry(false, (server + 1, end), ANSWERS, &server_cuts, &keys, again);
        let answered = server + 1 + u32::try_from(ANSWERS.len()).unwrap();
        capture.packet(true, end, answered, "FA", &[]);
        capture.packet(false, answered, end + 1, "FA", &[]);
        capture.packet(true, end + 1, answered + 1, "A", &[]);
        prop_assert_eq!(alerts(&capture, &rules), BTreeSet::from([1, 2, 3, 4, 5, 6, 7, 8]));
    }
}
