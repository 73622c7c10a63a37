//! What parsers keep has a budget: who keeps most is let go of, with an event and with its records, and is inspected on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::Run;

/// A capture of packets without a link header.
struct Capture(Vec<u8>);

/// The client's side of a connection, whose server only acknowledges.
struct Client {
    address: u8,
    sent: u32,
}

impl Capture {
    fn new() -> Self {
        let mut head = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        head.extend([0; 8]);
        head.extend(65_535_u32.to_le_bytes());
        head.extend(101_u32.to_le_bytes());
        Self(head)
    }

    fn packet(
        &mut self,
        (from, to): (u8, u8),
        ports: (u16, u16),
        (sequence, acknowledged): (u32, u32),
        flags: u8,
        data: &[u8],
    ) {
        let length = u16::try_from(40 + data.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
        packet.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat());
        packet.extend([sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend_from_slice(data);
        let second = u32::try_from(self.0.len() / 1_000_000).unwrap();
        let micros = u32::try_from(self.0.len() % 1_000_000).unwrap();
        let size = u32::from(length).to_le_bytes();
        self.0.extend([(1_700_000_000 + second).to_le_bytes(), micros.to_le_bytes(), size, size].concat());
        self.0.extend(packet);
    }

    fn open(&mut self, address: u8) -> Client {
        let ends = (address, 200);
        self.packet(ends, (4000, 80), (0, 0), 2, b"");
        self.packet((200, address), (80, 4000), (0, 1), 18, b"");
        self.packet(ends, (4000, 80), (1, 1), 16, b"");
        Client { address, sent: 1 }
    }

    fn send(&mut self, client: &mut Client, data: &[u8]) {
        for piece in data.chunks(1400) {
            self.packet((client.address, 200), (4000, 80), (client.sent, 1), 24, piece);
            client.sent += u32::try_from(piece.len()).unwrap();
            self.packet((200, client.address), (80, 4000), (1, client.sent), 16, b"");
        }
    }
}

#[test]
fn who_keeps_most_is_let_go_of_and_inspected_on() {
    let mut capture = Capture::new();
    let mut small = capture.open(1);
    capture.send(&mut small, &b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
    let mut large = capture.open(2);
    capture.send(&mut large, &b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(450));
    capture.send(&mut small, b"GET /evil-small HTTP/1.1\r\nHost: a\r\n\r\n");
    capture.send(&mut large, b"GET /evil-large HTTP/1.1\r\nHost: a\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    let (path, rules) = (folder.path().join("capture.pcap"), folder.path().join("own.rules"));
    std::fs::write(&path, &capture.0).unwrap();
    let text = "alert http any any -> any any (msg:\"limit\"; app-layer-event:applayer_memory_limit; sid:1;)\n\
                alert http any any -> any any (msg:\"evil\"; http.uri; content:\"/evil-\"; startswith; sid:2;)\n";
    std::fs::write(&rules, text).unwrap();
    for (budget, limits) in [("200kb", 1), ("64mb", 0)] {
        let run =
            Run::replay(&path).arg("--rules").path(&rules).arg("--checksums").arg("off").arg("--threads").arg("1");
        let run = run.arg("--set").arg(&format!("tapwire.parser-memory={budget}"));
        let run = run.arg("--set").arg("tapwire.record-summary.enabled=no");
        run.succeed();
        let records: Vec<serde_json::Value> =
            run.records().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &str| records.iter().filter(|record| record["event_type"] == kind).collect::<Vec<_>>();
        let alerts = |sid: u32| {
            let all = of("alert").into_iter().filter(|alert| alert["alert"]["signature_id"] == sid);
            all.map(|alert| alert["src_ip"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(alerts(2), ["10.0.0.1", "10.0.0.2"], "{budget}");
        let asked = |url: &str| of("http").iter().filter(|record| record["http"]["url"] == url).count();
        assert_eq!((asked("/small"), asked("/evil-small"), asked("/evil-large")), (20, 1, 1), "{budget}");
        assert!(asked("/large") >= 449 && asked("/large") <= 450, "{budget}: {}", asked("/large"));
        let limited = alerts(1);
        assert!(limited.iter().all(|source| source == "10.0.0.2"), "{limited:?}");
        assert_eq!(limited.is_empty(), limits == 0, "{budget}");
        let events = of("anomaly").iter().filter(|a| a["anomaly"]["event"] == "APPLAYER_MEMORY_LIMIT").count();
        let evicted = run.stats()["tapwire"]["app_layer"]["evicted"].as_u64().unwrap();
        assert_eq!(usize::try_from(evicted).unwrap(), events, "{budget}");
        assert_eq!(run.stats()["http"]["memcap"], evicted, "{budget}");
        assert_eq!(events == 0, limits == 0, "{budget}");
    }
}
