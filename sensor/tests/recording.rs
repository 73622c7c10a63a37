//! Recorded packets: which are, how they are found again, and what damage to a recording costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Run;
use common::wire::{ACK, FIN, Wire};
use serde_json::Value;

/// An alert, on port 9001, in the middle of a connection.
const RULES: &str = r#"alert tcp any any -> any 9001 (msg:"second"; content:"second"; sid:7;)
alert tcp any any -> any 9002 (msg:"tagged"; content:"second"; tag:session,2,packets; sid:8;)
pass tcp any any -> any 9003 (msg:"passed"; content:"second"; sid:9;)
alert udp any any -> any 53 (msg:"whole"; content:"whole datagram"; sid:10;)
alert ip any any -> any any (msg:"alone"; ip_proto:89; sid:11;)"#;

/// Connections to these ports, one packet of each in turn: a handshake, three pieces of data with their acknowledgements, an end.
const PORTS: [u16; 4] = [9_000, 9_001, 9_002, 9_003];
/// Packets of each connection.
const PACKETS: usize = 12;

fn capture(folder: &Path) -> PathBuf {
    let mut wire = Wire::to(0);
    for step in 0..PACKETS {
        for port in PORTS {
            wire.port = port;
            let text = [&b"first "[..], b"second", b"third "];
            let sent = |count: usize| u32::try_from(6 * count).unwrap();
            match step {
                0 => wire.segment(true, 2, u32::MAX, 0, b""),
                1 => wire.segment(false, 2 | ACK, u32::MAX, 0, b""),
                2 => wire.segment(true, ACK, 0, 0, b""),
                3..=8 if step % 2 == 1 => wire.segment(true, ACK, sent((step - 3) / 2), 0, text[(step - 3) / 2]),
                3..=8 => wire.segment(false, ACK, 0, sent((step - 2) / 2), b""),
                9 => wire.segment(true, FIN | ACK, 18, 0, b""),
                10 => wire.segment(false, FIN | ACK, 0, 19, b""),
                _ => wire.segment(true, ACK, 19, 1, b""),
            };
        }
    }
    // A datagram in two pieces, and a packet of no flow.
    let udp = [&[0x9c, 0x40, 0, 53, 0, 40, 0, 0][..], b"the whole datagram is 32 bytes!!"].concat();
    for (piece, flags) in [(&udp[..16], [0x20, 0]), (&udp[16..], [0, 2])] {
        let length = u8::try_from(20 + piece.len()).unwrap();
        let head = [0x45, 0, 0, length, 0, 77, flags[0], flags[1], 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        wire.raw(&[&head[..], piece].concat());
    }
    wire.ip(true, 89, b"no flow of this one");
    let path = folder.join("capture.pcap");
    wire.write(&path);
    path
}

/// A replay that records.
fn record(folder: &Path, settings: &str, threads: &str) -> Run {
    let (config, rules) = (folder.join("site.yaml"), folder.join("own.rules"));
    let outputs = "- eve-log: {enabled: yes, community-id: yes, types: [alert, flow, stats]}\n";
    fs::write(&config, format!("outputs:\n{outputs}{settings}")).unwrap();
    fs::write(&rules, RULES).unwrap();
    let run = Run::replay(&capture(folder)).arg("--threads").arg(threads).arg("--checksums").arg("off");
    run.arg("--strict").arg("--config").path(&config).arg("--rules").path(&rules)
}

/// The disk of a machine that builds may be full.
const RING: &str = "tapwire: {recording: {enabled: yes, free-percent: 0}}\n";

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder).map_or(Vec::new(), |all| all.map(|e| e.unwrap().path()).collect());
    all.retain(|path| path.file_name().unwrap() != "tapwire.lock");
    all.sort();
    all
}

/// Packets: time and bytes.
type Found = Vec<(u64, Vec<u8>)>;

/// Packets of a plain capture.
fn packets(bytes: &[u8]) -> Found {
    let word = |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    let (mut at, mut all) = (24, Vec::new());
    while at + 16 <= bytes.len() {
        let len = usize::try_from(word(at + 8)).unwrap();
        all.push((word(at) * 1_000_000 + word(at + 4), bytes[at + 16..at + 16 + len].to_vec()));
        at += 16 + len;
    }
    all
}

/// What `tapwire packets` finds, with its exit status and what it says.
fn fetch(run: &Run, arguments: &[&str]) -> (Found, Option<i32>, String) {
    let out = run.folder().join("found.pcap");
    fs::remove_file(&out).ok();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapwire"));
    command.arg("packets").arg("--log-dir").arg(run.folder()).arg("-o").arg(&out).args(arguments);
    let output = command.output().unwrap();
    let found = fs::read(out).map_or(Vec::new(), |bytes| packets(&bytes));
    (found, output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn found(run: &Run, arguments: &[&str]) -> Found {
    fetch(run, arguments).0
}

/// The ports of packets of TCP, as far as they are those of the servers.
fn ports(packets: &[(u64, Vec<u8>)]) -> Vec<u16> {
    let port = |data: &[u8], at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let tcp = packets.iter().filter(|(_, data)| data[9] == 6);
    tcp.map(|(_, data)| port(data, 20).min(port(data, 22))).collect()
}

/// The record of a flow to a port.
fn flow(run: &Run, port: u16) -> Value {
    let records = run.records();
    let mut all = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.find(|record| record["event_type"] == "flow" && record["dest_port"] == port).unwrap()
}

#[test]
fn packets_of_flows_and_alerts_are_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = record(folder.path(), RING, "2");
    run.succeed();
    let id = |port: u16| flow(&run, port)["flow_id"].to_string();
    let first = found(&run, &["--flow-id", &id(9_000)]);
    assert_eq!(ports(&first), [9_000; PACKETS]);
    assert!(first.is_sorted_by_key(|(time, _)| *time));
    assert_eq!(found(&run, &["--alert", "7"]), found(&run, &["--flow-id", &id(9_001)]));
    assert_eq!(found(&run, &["--alert", "2:7"]), []);
    let community = flow(&run, 9_001)["community_id"].as_str().unwrap().to_owned();
    assert_eq!(ports(&found(&run, &["--community-id", &community])), [9_001; PACKETS]);
    assert_eq!(ports(&found(&run, &["--filter", "tcp port 9002 and len > 40"])), [9_002; 3]);
    let both = found(&run, &["--flow-id", &id(9_000), "--flow-id", &id(9_002), "--filter", "tcp[13] & 2 != 0"]);
    assert_eq!(ports(&both), [9_000, 9_002, 9_000, 9_002]);
    assert_eq!(found(&run, &["--from", "1600000000.004", "--to", "1600000000.007"]).len(), 4);
    // All pieces of the datagram, by its flow, its alert or its community id.
    let pieces = found(&run, &["--flow-id", &id(53)]);
    assert_eq!(pieces.iter().map(|(_, data)| data.len()).collect::<Vec<_>>(), [36, 44]);
    assert_eq!(found(&run, &["--alert", "1:10"]), pieces);
    let alone = found(&run, &["--alert", "11"]);
    assert!(alone.iter().any(|(_, data)| data.ends_with(b"no flow of this one")), "{alone:?}");
    // A record says which alert is meant.
    let record = run.records().lines().find(|line| line.contains(r#""signature_id":7"#)).unwrap().to_owned();
    assert_eq!(found(&run, &["--alert", &record]), found(&run, &["--alert", "7"]));
    let (nothing, status, said) = fetch(&run, &["--flow-id", "1"]);
    assert_eq!((nothing.len(), status), (0, Some(1)), "{said}");
    assert_eq!(fetch(&run, &[]).1, Some(2), "everything is not what one asks for by chance");
    let written = run.stats()["tapwire"]["recording"]["written"].as_u64().unwrap();
    assert_eq!(written, PORTS.len() as u64 * PACKETS as u64 + 3);
}

#[test]
fn a_recording_is_the_same_for_any_number_of_workers_and_a_capture_itself() {
    let mut all = Vec::new();
    for threads in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let run = record(folder.path(), RING, threads);
        run.succeed();
        let segments = files(&run.folder().join("recording"));
        assert_eq!(segments.len(), 1, "{segments:?}");
        let again = Run::replay(&segments[0]).arg("--checksums").arg("off").arg("--no-rules");
        again.succeed();
        assert_eq!(again.stats()["decoder"]["pkts"], run.stats()["decoder"]["pkts"]);
        all.push((segments[0].file_name().unwrap().to_owned(), fs::read(&segments[0]).unwrap()));
    }
    assert!(all[0] == all[1]);
}

#[test]
fn only_what_is_wanted_is_recorded() {
    let of_alerts: Vec<u16> = vec![9_001; PACKETS];
    let tagged = vec![9_002; 11];
    for (settings, expected) in [
        ("mode: alerts", [of_alerts.clone(), vec![9_002; PACKETS]].concat()),
        ("mode: alerts, filter: not port 9002", of_alerts.clone()),
        // The alert's packet with what came before, and two that the tag counts, of which the alert's is the first.
        ("mode: tagged", tagged),
        ("mode: none", vec![]),
        ("protocols: [http]", vec![]),
        ("flow-bytes: 100, filter: port 9000 or port 9001", [vec![9_000; 3], of_alerts].concat()),
        ("except-protocols: [http], filter: port 9000", vec![9_000; PACKETS]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = record(
            folder.path(),
            &format!("tapwire: {{recording: {{enabled: yes, free-percent: 0, {settings}}}}}\n"),
            "2",
        );
        run.succeed();
        let mut found = ports(&found(&run, &["--from", "0"]));
        found.sort_unstable();
        assert_eq!(found, expected, "{settings}");
    }
}

#[test]
fn plain_captures_have_what_their_keys_say() {
    let expected = |name: &str| match name {
        "alerts" => vec![(9_001, 6), (9_002, 6)],
        "tag" => vec![(9_002, 5)],
        "pass" => vec![(9_000, PACKETS), (9_001, PACKETS), (9_002, PACKETS), (9_003, 9)],
        "multi.1" => vec![(9_000, PACKETS), (9_001, PACKETS), (9_002, PACKETS), (9_003, PACKETS)],
        other => panic!("{other}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let logs = "
- pcap-log: {enabled: yes, filename: alerts, conditional: alerts, bpf-filter: tcp}
- pcap-log: {enabled: yes, filename: tag, conditional: tag, bpf-filter: tcp}
- pcap-log: {enabled: yes, filename: pass, honor-pass-rules: yes, bpf-filter: tcp}
- pcap-log: {enabled: yes, filename: \"multi.%n\", mode: multi, bpf-filter: tcp}
- pcap-log: {enabled: yes, filename: small, dir: small, limit: 1kb, max-files: 2, ts-format: usec, compression: zstd}
";
    let run = record(folder.path(), logs, "1");
    run.succeed();
    for name in ["alerts", "tag", "pass", "multi.1"] {
        let file = run.folder().join(format!("{name}.1600000000"));
        let mut found: Vec<(u16, usize)> = Vec::new();
        let mut all = ports(&packets(&fs::read(file).unwrap()));
        all.sort_unstable();
        for port in all {
            match found.last_mut().filter(|(known, _)| *known == port) {
                Some((_, count)) => *count += 1,
                None => found.push((port, 1)),
            }
        }
        assert_eq!(found, expected(name), "{name}");
    }
    let small = files(&run.folder().join("small"));
    assert!(small.len() <= 2 && small.iter().all(|path| path.extension().is_some_and(|e| e == "zst")), "{small:?}");
    assert!(run.stats()["pcap_log"]["written"].as_u64().unwrap() > 100);
}

#[test]
fn a_damaged_recording_loses_what_is_damaged_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let run = record(folder.path(), RING, "1");
    run.succeed();
    let id = flow(&run, 9_001)["flow_id"].to_string();
    let whole = found(&run, &["--flow-id", &id]);
    let segment = files(&run.folder().join("recording")).remove(0);
    let bytes = fs::read(&segment).unwrap();
    // Without its end, and with an index that lies: the heads of blocks say the same.
    let tables = bytes.len() - 4_096 * 5;
    for damaged in [bytes[..bytes.len() - 90].to_vec(), {
        let mut damaged = bytes.clone();
        damaged[tables..tables + 4_096 * 4].iter_mut().step_by(97).for_each(|byte| *byte ^= 0xff);
        damaged
    }] {
        fs::write(&segment, damaged).unwrap();
        assert_eq!(found(&run, &["--flow-id", &id]), whole);
    }
    // The next run mends what the last one could not finish.
    fs::write(&segment, &bytes[..bytes.len() - 90]).unwrap();
    fs::remove_file(run.folder().join("eve.json")).unwrap();
    run.succeed();
    assert!(fs::read(&segment).unwrap() == bytes, "the index is made again");
    assert_eq!(files(&run.folder().join("recording")).len(), 2);
    // A block that is damaged is told of; nothing hangs or falls, whatever the bytes are.
    let mut damaged = bytes.clone();
    let frames = bytes.windows(4).enumerate().filter(|(_, magic)| *magic == [0x28, 0xb5, 0x2f, 0xfd]);
    let block = frames.map(|(at, _)| at).nth(1).unwrap();
    damaged[block + 100] ^= 0xff;
    fs::write(&segment, damaged).unwrap();
    let (_, _, said) = fetch(&run, &["--flow-id", &id]);
    assert!(said.contains("damaged"), "{said}");
    for noise in [&b""[..], &[0; 100_000], &b"TWb1".repeat(50_000)] {
        fs::write(&segment, noise).unwrap();
        assert_eq!(found(&run, &["--flow-id", &id]), whole, "the second one is whole");
    }
}

#[test]
fn the_oldest_go_and_what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "tapwire: {recording: {enabled: yes, free-percent: 0, size: 1, segment: 1}}\n";
    let run = record(folder.path(), settings, "1");
    for _ in 0..4 {
        run.succeed();
    }
    let left = files(&run.folder().join("recording"));
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].to_str().unwrap().ends_with("-00000004.pcapng.zst"), "{left:?}");

    let folder = tempfile::tempdir().unwrap();
    let settings = "tapwire: {recording: {enabled: yes, free-percent: 99}}\n";
    let run = record(folder.path(), settings, "1");
    let output = run.succeed();
    let said = String::from_utf8(output.stderr).unwrap();
    let stats = run.stats()["tapwire"]["recording"].clone();
    // Where nearly all of the disk is free, there is room after all.
    if stats["written"] == 0 {
        assert!(said.contains("packets cannot be recorded in"), "{said}");
        assert_eq!(stats["lost"], PORTS.len() * PACKETS + 3);
    }
    assert!(run.records().contains(r#""signature_id":7"#), "records go on");
}
