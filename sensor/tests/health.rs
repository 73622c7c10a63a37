//! What the sensor could not see is told on the terminal, in the summary, in counters and in a record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::path::Path;

use common::Run;
use common::wire::{ACK, FIN, SYN, Wire};
use serde_json::Value;

/// What a replay leaves: records of the type `health`, counters, its summary, and what it said.
struct Told {
    health: Vec<Value>,
    flows: Vec<Value>,
    stats: Value,
    summary: Value,
    said: String,
}

fn replay(wire: &Wire, more: &[&str]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.pcap");
    wire.write(&capture);
    told(&capture, more)
}

fn told(capture: &Path, more: &[&str]) -> Told {
    let mut first: Option<Told> = None;
    for threads in ["1", "3"] {
        let run = Run::new("replay").arg("--json").arg("--no-rules").arg("--threads").arg(threads).path(capture);
        let run = more.iter().fold(run, |run, argument| run.arg(argument));
        let output = run.succeed();
        let records = run.records();
        let of_type = |kind: &str| -> Vec<Value> {
            let all = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            all.filter(|record| record["event_type"] == kind).collect()
        };
        let told = Told {
            health: of_type("health").into_iter().map(|record| record["health"].clone()).collect(),
            flows: of_type("flow"),
            stats: run.stats(),
            summary: serde_json::from_slice(&output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        };
        if let Some(first) = &first {
            assert_eq!((&told.health, &told.flows), (&first.health, &first.flows), "with {threads} workers");
        }
        first = Some(told);
    }
    first.unwrap()
}

/// Connections of several clients; of each the packets that a choice lets through.
fn connections(count: u8, shown: impl Fn(bool) -> bool) -> Wire {
    let mut wire = Wire::to(80);
    for number in 0..count {
        wire.port = 80 + u16::from(number);
        for (to_server, flags, at, acknowledged, payload) in [
            (true, SYN, u32::MAX, 0, &b""[..]),
            (false, SYN | ACK, u32::MAX, 0, b""),
            (true, ACK, 0, 0, b""),
            (true, ACK, 0, 0, b"abcd"),
            (false, ACK, 0, 4, b"efgh"),
            (true, ACK | FIN, 4, 4, b""),
            (false, ACK | FIN, 4, 5, b""),
        ] {
            if shown(to_server) {
                wire.segment(to_server, flags, at, acknowledged, payload);
            }
        }
    }
    wire
}

#[test]
fn most_packets_refused_for_their_checksum_are_told_with_what_to_do() {
    let wire = connections(5, |_| true);
    let told = replay(&wire, &["--checksums", "on"]);
    assert_eq!(told.health.len(), 1);
    let record = &told.health[0];
    assert_eq!((&record["name"], &record["state"]), (&"checksums_refused".into(), &"begun".into()));
    assert_eq!((&record["counts"]["packets_refused"], &record["counts"]["packets"]), (&35.into(), &35.into()));
    assert!(record["advice"].as_str().unwrap().contains("--checksums auto"));
    let sentence = "35 of 35 TCP and UDP packets have a wrong checksum and are not inspected; if they were captured";
    assert!(told.said.contains(sentence), "{}", told.said);
    let warnings = told.summary["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains(sentence)), "{warnings:?}");
    assert!(replay(&wire, &["--checksums", "auto"]).health.is_empty());
    assert!(replay(&wire, &["--checksums", "on", "--set", "tapwire.records=no"]).health.is_empty());
    let config = tempfile::NamedTempFile::new().unwrap();
    for (types, count) in
        [("flow, stats", 1), ("stats, health: {enabled: no}", 0), ("flow, health: {enabled: yes}", 1), ("flow", 0)]
    {
        let text = format!("tapwire: {{}}\noutputs: [eve-log: {{enabled: yes, types: [{types}]}}]\n");
        std::fs::write(config.path(), text).unwrap();
        let run = Run::new("replay").arg("--no-rules").arg("--checksums").arg("on").arg("--config").path(config.path());
        let folder = tempfile::tempdir().unwrap();
        wire.write(&folder.path().join("capture.pcap"));
        let run = run.path(&folder.path().join("capture.pcap"));
        run.succeed();
        assert_eq!(run.records().matches("\"event_type\":\"health\"").count(), count, "{types}");
    }
}

#[test]
fn one_side_alone_of_connections_is_told() {
    for side in [true, false] {
        let told = replay(&connections(12, |to_server| to_server == side), &["--checksums", "off"]);
        assert_eq!(told.health.len(), 1, "{:?}", told.health);
        assert_eq!(
            (&told.health[0]["name"], &told.health[0]["counts"]["one_sided"]),
            (&"one_sided".into(), &12.into())
        );
        assert!(told.said.contains("of 12 of 12 TCP connections only one side is seen"), "{}", told.said);
    }
    let both = replay(&connections(12, |_| true), &["--checksums", "off"]);
    let flows = &both.stats["tapwire"]["flow"];
    assert_eq!((both.health.len(), &flows["one_sided"], &flows["two_sided"]), (0, &0.into(), &12.into()));
}

#[test]
fn packets_that_were_cut_are_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.pcap");
    connections(12, |_| true).write(&capture);
    // Each packet was longer by one than what is there.
    let mut bytes = std::fs::read(&capture).unwrap();
    let mut at = 24;
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        bytes[at + 12..at + 16].copy_from_slice(&(length + 1).to_be_bytes());
        at += 16 + length as usize;
    }
    std::fs::write(&capture, bytes).unwrap();
    let told = told(&capture, &["--checksums", "off"]);
    assert_eq!(
        (told.health[0]["name"].as_str(), told.stats["tapwire"]["packets"]["cut"].as_u64()),
        (Some("packets_cut"), Some(84))
    );
}

#[test]
fn copies_are_counted_or_left_out_where_that_is_asked_for() {
    let single = connections(20, |_| true);
    let mut double = Wire::to(80);
    double.spacing_us = 100;
    for packet in single.packets() {
        double.raw(packet).raw(packet);
    }
    let plain = replay(&single, &["--checksums", "off"]);
    let ignored = replay(&double, &["--checksums", "off"]);
    assert_eq!((ignored.health.len(), &ignored.stats["tapwire"]["packets"]["duplicates"]), (0, &0.into()));
    let counted = replay(&double, &["--checksums", "off", "--set", "tapwire.duplicates.mode=count"]);
    assert_eq!(
        (&counted.health[0]["name"], &counted.health[0]["counts"]["duplicates"]),
        (&"duplicates".into(), &140.into())
    );
    let left_out = replay(&double, &["--checksums", "off", "--set", "tapwire.duplicates.mode=drop"]);
    let packets = &left_out.stats["tapwire"]["packets"];
    assert_eq!(
        (&packets["seen"], &packets["processed"], &packets["dropped"]["duplicate"]),
        (&280.into(), &140.into(), &140.into())
    );
    let counts = |told: &Told| -> Vec<Value> {
        told.flows
            .iter()
            .map(|flow| serde_json::json!([flow["flow"]["pkts_toserver"], flow["flow"]["pkts_toclient"], flow["tcp"]]))
            .collect()
    };
    assert_eq!(counts(&left_out), counts(&plain), "flows are as if each packet had come once");
    for wrong in
        ["tapwire.duplicates.window=1000", "tapwire.duplicates.packets=5000", "tapwire.duplicates.mode=perhaps"]
    {
        let output = Run::new("check").arg("--no-rules").arg("--set").arg(wrong).output();
        assert_eq!(output.status.code(), Some(1), "{wrong}");
    }
}
