//! Files that a client fetches in parts, over several connections.
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
use sha2::{Digest, Sha256};

/// Bytes of a segment; the parts are three and two of them.
const SEGMENT: usize = 30_000;
const PARTS: [(u16, usize, usize); 2] = [(40_001, 0, 3), (40_002, 3, 5)];

/// What is fetched: a word lies over the border between two segments of the first part, and one over that of the parts.
fn text() -> Vec<u8> {
    let mut text: Vec<u8> = (0..5 * SEGMENT).map(|at| b"abcdefghijk"[at % 11]).collect();
    for (at, word) in [(2 * SEGMENT - 3, b"within-one"), (3 * SEGMENT - 3, b"over-parts")] {
        text[at..at + word.len()].copy_from_slice(word);
    }
    text
}

/// Two connections that each ask for a part, and bring segments of it in an order of connections.
fn wire(order: &[usize]) -> Wire {
    let mut wire = Wire::to(80);
    let text = text();
    let mut sent = [(0, 0); 2];
    let request = |from: usize, to: usize| {
        format!("GET /all.bin HTTP/1.1\r\nHost: a\r\nRange: bytes={}-{}\r\n\r\n", from * SEGMENT, to * SEGMENT - 1)
    };
    for (place, (port, from, to)) in PARTS.into_iter().enumerate() {
        wire.client_port = port;
        let (asks, size) = (request(from, to), text.len());
        let (first, last) = (from * SEGMENT, to * SEGMENT - 1);
        let length = last + 1 - first;
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\nContent-Length: {length}\r\n\r\n"
        );
        let (asked, head) = (u32::try_from(asks.len()).unwrap(), u32::try_from(answer.len()).unwrap());
        wire.handshake().segment(true, ACK, 0, 0, asks.as_bytes());
        wire.segment(false, ACK, 0, asked, answer.as_bytes()).segment(true, ACK, asked, head, b"");
        sent[place] = (asked, head);
    }
    let mut next = [PARTS[0].1, PARTS[1].1];
    for &place in order {
        wire.client_port = PARTS[place].0;
        let (asked, seq) = sent[place];
        let begin = next[place] * SEGMENT;
        next[place] += 1;
        let end = seq + u32::try_from(SEGMENT).unwrap();
        wire.segment(false, ACK, seq, asked, &text[begin..begin + SEGMENT]).segment(true, ACK, asked, end, b"");
        sent[place].1 = end;
    }
    for (place, (asked, seq)) in sent.into_iter().enumerate() {
        wire.client_port = PARTS[place].0;
        wire.segment(true, ACK | FIN, asked, seq, b"").segment(false, ACK | FIN, seq, asked + 1, b"");
        wire.segment(true, ACK, asked + 1, seq + 1, b"");
    }
    wire
}

/// The records of a run over segments in an order, with settings of HTTP; and the whole file in its store.
fn run(order: &[usize], threads: &str, http: &str) -> (Vec<Value>, Option<Vec<u8>>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let outputs =
        "outputs:\n- eve-log: {enabled: yes, types: [stats, files, alert]}\n- file-store: {version: 2, enabled: yes}\n";
    let limits = "{default-config: {request-body-limit: 0, response-body-limit: 0}}";
    let http = format!("app-layer: {{protocols: {{http: {{enabled: yes, libhtp: {limits}, {http}}}}}}}\n");
    std::fs::write(place("site.yaml"), format!("{outputs}{http}stream: {{reassembly: {{depth: 0}}}}\ntapwire: {{}}\n"))
        .unwrap();
    let rules = r#"alert http any any -> any any (file.data; content:"within-one"; filestore; sid:7;)
alert http any any -> any any (file.data; content:"over-parts"; sid:8;)"#;
    std::fs::write(place("own.rules"), rules).unwrap();
    wire(order).write(&place("parts.pcap"));
    let run = Run::replay(&place("parts.pcap")).arg("--threads").arg(threads).arg("--strict");
    let run = run.arg("--config").path(&place("site.yaml")).arg("--rules").path(&place("own.rules"));
    run.succeed();
    let records = run.records();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records = records.filter(|record| record["event_type"] != "stats").collect();
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text()));
    let stored = std::fs::read(run.folder().join("filestore").join(&digest[..2]).join(&digest)).ok();
    (records, stored, run.stats())
}

fn count(records: &[Value], wanted: impl Fn(&Value) -> bool) -> usize {
    records.iter().filter(|record| wanted(record)).count()
}

#[test]
fn parts_of_one_file_are_joined_over_connections_by_any_number_of_workers() {
    for order in [[0, 0, 0, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0]] {
        let (records, stored, stats) = run(&order, "1", "");
        let whole = |record: &Value| record["fileinfo"]["size"] == 5 * SEGMENT && record["fileinfo"]["start"].is_null();
        assert_eq!(count(&records, whole), 1, "{order:?}: {records:#?}");
        assert_eq!(count(&records, |record| whole(record) && record["fileinfo"]["stored"] == true), 1, "{order:?}");
        assert_eq!(count(&records, |record| record["event_type"] == "fileinfo"), 3, "its parts have records as well");
        assert_eq!(count(&records, |record| record["alert"]["signature_id"] == 8), 1, "{order:?}");
        assert!(stored.as_ref() == Some(&text()), "{order:?}");
        assert_eq!(stats["tapwire"]["files_joined"], 1);
        assert_eq!(stats["http"]["byterange"]["memuse"], 0);
        for threads in ["2", "4"] {
            let (others, again, _) = run(&order, threads, "");
            assert!(records == others && stored == again, "{order:?}, {threads} workers");
        }
    }
}

#[test]
fn parts_are_joined_within_a_budget_and_a_time() {
    let order = [1, 1, 0, 0, 0];
    let (records, _, stats) = run(&order, "1", "byterange: {memcap: 50kb}");
    assert_eq!(count(&records, |record| record["fileinfo"]["size"] == 5 * SEGMENT), 0);
    assert!(stats["tapwire"]["files_unjoined"].as_u64().unwrap() > 0);
    assert_eq!(stats["http"]["byterange"]["memcap"], 50 << 10);
}
