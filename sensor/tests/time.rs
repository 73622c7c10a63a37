//! What time does to flows of a capture: one whose time is over ends so whatever comes later, and a clock that was set ends none early.
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

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const TEN_YEARS: u64 = 87_600 * HOUR;

/// Packets to the server, packets to the client and reason of each flow to a port, whatever the number of workers.
fn flows(wire: &Wire, port: u16) -> Vec<(u64, u64, String)> {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.pcap");
    wire.write(&capture);
    let of = |threads: &str| -> Vec<(u64, u64, String)> {
        let run = Run::replay(&capture).arg("--no-rules").arg("--checksums").arg("off").arg("--threads").arg(threads);
        run.succeed();
        let records = run.records();
        let all = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let flows = all.filter(|record| record["event_type"] == "flow" && record["dest_port"] == port);
        let flow = |record: Value| {
            let flow = &record["flow"];
            let count = |key: &str| flow[key].as_u64().unwrap();
            (count("pkts_toserver"), count("pkts_toclient"), flow["reason"].as_str().unwrap().to_owned())
        };
        flows.map(flow).collect()
    };
    let one = of("1");
    assert_eq!(of("3"), one);
    one
}

/// Some other traffic, a packet a second.
fn others(wire: &mut Wire, seconds: u64) {
    wire.port = 9;
    for _ in 0..seconds {
        wire.datagram(true, b"x");
        wire.time_us += SECOND;
    }
}

#[test]
fn a_flow_whose_time_is_over_ends_so_whatever_comes_later() {
    let mut wire = Wire::to(7);
    wire.datagram(true, b"question").datagram(false, b"answer");
    wire.port = 80;
    wire.handshake();
    wire.segment(true, ACK | FIN, 0, 0, b"").segment(false, ACK | FIN, 0, 1, b"").segment(true, ACK, 1, 1, b"");
    others(&mut wire, 400);
    wire.port = 7;
    wire.datagram(true, b"again");
    assert_eq!(flows(&wire, 7), [(1, 1, "timeout".into()), (1, 0, "shutdown".into())]);
    assert_eq!(flows(&wire, 80), [(4, 2, "timeout".into())], "it was closed, and the capture went on for its time");
}

#[test]
fn a_clock_that_was_set_back_ends_no_flow_and_one_odd_time_neither() {
    for step in [HOUR, TEN_YEARS] {
        let mut wire = Wire::to(7);
        wire.time_us = 1_700_000_000 * SECOND;
        wire.datagram(true, b"one").datagram(false, b"two");
        wire.time_us -= step;
        wire.datagram(true, b"three");
        others(&mut wire, 20);
        wire.port = 7;
        wire.datagram(false, b"four");
        assert_eq!(flows(&wire, 7), [(2, 2, "shutdown".into())], "set back by {step} us");

        let mut wire = Wire::to(7);
        wire.datagram(true, b"one").datagram(false, b"two");
        let now = wire.time_us;
        wire.time_us += step;
        others(&mut wire, 1);
        wire.time_us = now;
        wire.port = 7;
        wire.datagram(true, b"three");
        assert_eq!(flows(&wire, 7), [(2, 1, "shutdown".into())], "one packet is {step} us ahead");
    }
}

#[test]
fn a_connection_goes_on_behind_a_clock_that_was_set_forward() {
    for step in [HOUR, TEN_YEARS / 2] {
        let mut wire = Wire::to(80);
        wire.time_us = 1_000_000_000 * SECOND;
        wire.handshake().segment(true, ACK, 0, 0, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.time_us += step;
        wire.segment(false, ACK, 0, 26, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        wire.segment(true, ACK, 26, 38, b"").segment(true, ACK | FIN, 26, 38, b"");
        wire.segment(false, ACK | FIN, 38, 27, b"").segment(true, ACK, 27, 39, b"");
        let flows = flows(&wire, 80);
        let packets: u64 = flows.iter().map(|(to_server, to_client, _)| to_server + to_client).sum();
        assert_eq!(packets, 9, "{flows:?}");
        assert!(flows.iter().all(|flow| flow.1 > 0), "both sides are in one flow: {flows:?}");
    }
}
