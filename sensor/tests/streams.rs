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
use common::wire::{ACK, FIN, RST, Wire};
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
fn a_message_that_only_its_end_makes_whole_is_read_after_a_reset() {
    let mut wire = Wire::to(80);
    wire.handshake().segment(true, ACK, 0, 0, b"GET /");
    wire.segment(false, ACK, 0, 5, b"<html>hi</html>").segment(true, RST, 5, 0, b"");
    let records = replay(&wire, "", &[]);
    assert_eq!(of_type(&records, "http").len(), 1);
    assert_eq!(of_type(&records, "http")[0]["http"]["url"], "/");
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

#[test]
fn what_lies_behind_a_limit_is_told_once_and_how_much_was_inspected() {
    let mut wire = Wire::to(4_444);
    wire.handshake();
    for at in 0..8 {
        wire.segment(true, ACK, at * 1_000, at * 1_000, &[7; 1_000]);
        wire.segment(false, ACK, at * 1_000, (at + 1) * 1_000, &[7; 1_000]);
    }
    let records = replay(&wire, "", &["--set", "stream.reassembly.depth=4kb"]);
    let told = |records: &[Value], event: &str| {
        of_type(records, "anomaly").iter().filter(|record| record["anomaly"]["event"] == event).count()
    };
    assert_eq!(told(&records, "stream.reassembly_depth_reached"), 1);
    let inspected = &of_type(&records, "flow")[0]["tapwire"]["inspected"];
    assert_eq!((&inspected["bytes_toserver"], &inspected["bytes_toclient"]), (&4_096.into(), &4_096.into()));

    let mut wire = Wire::to(80);
    wire.handshake().segment(true, ACK, 0, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", &[b'.'; 3_000][..]].concat();
    wire.segment(false, ACK, 0, 27, &answer).segment(true, ACK, 27, 3_041, b"");
    let limit = "app-layer.protocols.http.libhtp.default-config.response-body-limit=";
    for (size, times) in [("2kb", 1), ("3kb", 0)] {
        let records = replay(&wire, "", &["--set", &format!("{limit}{size}")]);
        assert_eq!(told(&records, "APPLAYER_INSPECTION_LIMIT"), times, "{size}");
    }
}

#[test]
fn of_two_copies_both_alert_or_the_policy_alone_counts() {
    let mut wire = Wire::to(4_444);
    wire.handshake().segment(true, ACK, 0, 0, b"GOOD").segment(true, ACK, 0, 0, b"EVIL").segment(false, ACK, 0, 4, b"");
    wire.segment(true, ACK, 4, 0, b"....");
    let rules = "alert tcp-stream any any -> any any (msg:\"good\"; content:\"GOOD\"; sid:1;)\n\
                 alert tcp-stream any any -> any any (msg:\"evil\"; content:\"EVIL\"; sid:2;)\n";
    let records = replay(&wire, rules, &[]);
    assert_eq!(alerts(&records), [1, 2]);
    let marks: Vec<_> =
        of_type(&records, "alert").into_iter().map(|alert| alert["tapwire"]["other_copy"] == true).collect();
    assert_eq!(marks, [false, true]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.yaml");
    std::fs::write(&config, "%YAML 1.1\n---\noutputs:\n  - eve-log: {enabled: yes, types: [alert]}\n").unwrap();
    let with = |set: &str| alerts(&replay(&wire, rules, &["--config", config.to_str().unwrap(), "--set", set]));
    assert_eq!(with("stream.midstream=no"), [1]);
    assert_eq!(with("tapwire.rival-bytes=64kb"), [1, 2]);
}

#[test]
fn flows_end_when_their_time_is_over_whoever_sees_the_packet() {
    let mut wire = Wire::to(9_999);
    let begun = wire.time_us;
    for (second, port) in [(0, 9_999), (1, 9_998), (2, 53), (40, 7), (41, 7), (80, 7)] {
        (wire.time_us, wire.port) = (begun + second * 1_000_000, port);
        wire.datagram(true, if port == 7 { b"" } else { b"x" });
    }
    let records: Vec<_> = ["1", "2", "3", "5"].map(|threads| replay(&wire, "", &["--threads", threads])).into();
    let ends: Vec<_> = of_type(&records[0], "flow")
        .into_iter()
        .map(|flow| (flow["dest_port"].as_u64().unwrap(), flow["flow"]["reason"].as_str().unwrap().to_owned()))
        .collect();
    let over = |port: u64, reason: &str| (port, reason.to_owned());
    let expected = [(9_999, "timeout"), (9_998, "timeout"), (53, "timeout"), (7, "timeout"), (7, "shutdown")];
    assert_eq!(ends, expected.map(|(port, reason)| over(port, reason)));
    assert!(of_type(&records[0], "flow").iter().all(|flow| flow["app_proto"] == "failed"));
    let without_stats =
        |records: &[Value]| records.iter().filter(|r| r["event_type"] != "stats").cloned().collect::<Vec<_>>();
    assert!(records.iter().all(|other| without_stats(other) == without_stats(&records[0])));
}

#[test]
fn a_flow_that_changes_to_a_protocol_without_a_parser_is_not_what_it_was() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chess\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: chess\r\n\r\n";
    let [asked, answered] = [request.len(), answer.len()].map(|length| u32::try_from(length).unwrap());
    let moves = [7; 900];
    let mut wire = Wire::to(80);
    wire.handshake().segment(true, ACK, 0, 0, request).segment(false, ACK, 0, asked, answer);
    wire.segment(true, ACK, asked, answered, &moves).segment(false, ACK, answered, asked + 900, &moves);
    wire.segment(true, ACK, asked + 900, answered + 900, b"");
    let records = replay(&wire, "", &[]);
    let flow = of_type(&records, "flow")[0];
    assert_eq!((&flow["app_proto"], &flow["app_proto_orig"]), (&"failed".into(), &"http".into()));
}
