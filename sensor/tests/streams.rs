//! Connections as attackers, lossy mirrors and half-closed sockets make them, and what rules and records make of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::Run;
use common::wire::{ACK, FIN, Wire};
use serde_json::Value;

/// The records of a wire, with rules and further arguments.
fn replay(wire: &Wire, rules: &str, arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let (capture, own) = (folder.path().join("wire.pcap"), folder.path().join("own.rules"));
    wire.write(&capture);
    std::fs::write(&own, rules).unwrap();
    let mut run = Run::replay(&capture).arg("--checksums").arg("off").arg("--strict");
    run = if rules.is_empty() { run.arg("--no-rules") } else { run.arg("--rules").path(&own) };
    let run = arguments.iter().fold(run, |run, argument| run.arg(argument));
    run.succeed();
    run.records().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those of a type.
fn of_type<'r>(records: &'r [Value], event_type: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["event_type"] == event_type).collect()
}

/// The rules that alerted, in order.
fn alerts(records: &[Value]) -> Vec<u64> {
    of_type(records, "alert").iter().map(|alert| alert["alert"]["signature_id"].as_u64().unwrap()).collect()
}

/// A question for a name of one letter over TCP, or its answer.
fn dns(answers: bool, name: u8) -> Vec<u8> {
    let flags = if answers { 0x80 } else { 0 };
    vec![0, 19, 0, name, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, name, 0, 0, 1, 0, 1]
}

#[test]
fn what_a_server_says_last_is_read() {
    let mut wire = Wire::to(53);
    wire.handshake();
    let questions = [dns(false, b'a'), dns(false, b'b')].concat();
    wire.segment(true, ACK, 0, 0, &questions).segment(true, FIN | ACK, 42, 0, b"");
    wire.segment(false, ACK, 0, 43, &dns(true, b'a')).segment(true, ACK, 43, 21, b"");
    // The answer to the second one comes with the FIN, and is acknowledged last.
    wire.segment(false, FIN | ACK, 21, 43, &dns(true, b'b')).segment(true, ACK, 43, 43, b"");
    let records = replay(&wire, "", &[]);
    let answers = of_type(&records, "dns").into_iter().filter(|record| record["dns"]["type"] == "response");
    assert_eq!(answers.count(), 2);
}

#[test]
fn a_flow_that_begins_with_the_server_is_turned_at_its_end() {
    let mut wire = Wire::to(80);
    wire.segment(false, ACK, 0, 0, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let rule = "alert http any any -> any any (msg:\"none\"; flow:to_client; http.stat_code; content:\"404\"; sid:1;)";
    let records = replay(&wire, rule, &["--set", "stream.midstream=true"]);
    assert_eq!(alerts(&records), [1]);
    let flow = of_type(&records, "flow")[0];
    assert_eq!((&flow["app_proto"], &flow["dest_port"]), (&"http".into(), &80.into()));
}

#[test]
fn what_encryption_begins_with_is_inspected_and_what_follows_is_not() {
    let keys: &[u8] = &[0, 0, 0, 12, 10, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let greeting = [b"SSH-2.0-client\r\n", keys].concat();
    let mut wire = Wire::to(22);
    wire.handshake();
    wire.segment(false, ACK, 0, 0, b"SSH-2.0-server\r\n").segment(true, ACK, 0, 16, &greeting);
    wire.segment(false, ACK, 16, 32, keys).segment(true, ACK, 32, 32, b"SECRET");
    wire.segment(false, ACK, 32, 38, b"SECRET").segment(true, ACK, 38, 38, b"SECRET").segment(false, ACK, 38, 44, b"");
    let rules = "alert tcp any any -> any 22 (msg:\"to server\"; content:\"|00 00 00 0c 0a 15|\"; sid:1;)\n\
                 alert tcp any 22 -> any any (msg:\"to client\"; content:\"|00 00 00 0c 0a 15|\"; sid:2;)\n\
                 alert tcp any any -> any any (msg:\"secret\"; content:\"SECRET\"; sid:3;)\n";
    assert_eq!(alerts(&replay(&wire, rules, &[])), [1, 2]);
}

#[test]
fn an_event_of_a_flow_is_asked_about_with_the_packet_that_it_came_with() {
    let rule = "alert tcp any any -> any any (msg:\"odd\"; flow:established; \
                app-layer-event:applayer_detect_protocol_only_one_direction; sid:1;)";
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let garbage = [7; 700];
    for (acknowledged, number) in [(true, 7), (false, 0)] {
        let mut wire = Wire::to(80);
        wire.handshake()
            .segment(true, ACK, 0, 0, request)
            .segment(false, ACK, 0, 27, b"")
            .segment(false, ACK, 0, 27, &garbage);
        if acknowledged {
            wire.segment(true, ACK, 27, 700, b"").segment(false, ACK, 700, 27, b"");
        }
        let records = replay(&wire, rule, &[]);
        assert_eq!(alerts(&records), [1], "acknowledged: {acknowledged}");
        assert_eq!(of_type(&records, "alert")[0]["pcap_cnt"].as_u64().unwrap_or(0), number);
        let told = of_type(&records, "anomaly").into_iter().map(|record| &record["anomaly"]["event"]);
        assert_eq!(told.filter(|event| *event == "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION").count(), 1);
    }
}

#[test]
fn behind_its_depth_a_packet_is_inspected_once() {
    let mut wire = Wire::to(4_444);
    wire.handshake();
    for at in 0..8 {
        wire.segment(true, ACK, at * 1_000, 0, &[b'.'; 1_000]).segment(false, ACK, 0, (at + 1) * 1_000, b"");
    }
    wire.segment(true, ACK, 8_000, 0, b"EVIL").segment(false, ACK, 0, 8_004, b"");
    let rules = "alert tcp any any -> any any (msg:\"at the begin\"; content:\"EVIL\"; startswith; sid:1;)\n\
                 alert tcp any any -> any any (msg:\"anywhere\"; content:\"EVIL\"; sid:2;)\n";
    assert_eq!(alerts(&replay(&wire, rules, &["--set", "stream.reassembly.depth=4kb"])), [1, 2]);
}
