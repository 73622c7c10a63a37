//! Flows whose first datagrams say nothing of their protocol, and parsers that work too much.

use std::sync::atomic::{AtomicU64, Ordering};

use tapwire_parsers::protocol::{Advance, Ends, Sides, Transaction, TransactionList, Transactions};

use super::*;

fn input(data: &[u8]) -> Input<'_> {
    let unknown = Ends::UNKNOWN.ip().unwrap();
    let ends = Ends::Ip(Sides { client: (unknown.client.0, 4000), server: (unknown.server.0, 53) });
    Input { ends, ..Input::new(Direction::ToServer, data) }
}
const QUERY: &[u8] = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x03net\x00\x00\x01\x00\x01";

/// An inspector that knows DNS.
fn inspector() -> Inspector {
    let id = protocol_id("dns").unwrap();
    let mut recogniser = Recogniser::default();
    recogniser.add(id, Carrier::Udp, vec![(53, 53)]);
    let openers = REGISTRY.iter().map(|card| Some((card.configure)(&Default::default()))).collect();
    Inspector::new(Arc::new(Engine {
        recogniser,
        openers,
        parser_fuel: ParserFuel { most: 10_000, ..ParserFuel::default() },
        ..Engine::bare()
    }))
}

#[test]
fn a_datagram_that_nobody_claims_hides_no_protocol() {
    for (junk, count) in [("", 0), ("junk, and more of it", 1), ("\r\n\r\n", 4), ("\0\0\0\0", 300)] {
        let (mut inspector, mut app) = (inspector(), Application::default());
        for round in 0..count {
            inspector.bytes(&mut app, Carrier::Udp, &input(junk.as_bytes()));
            assert!(app.failed && app.protocol.is_none(), "{round}");
            // Rules on the end of recognition are asked once.
            assert_eq!(std::mem::take(&mut app.recognition_due.to_server), round == 0);
        }
        inspector.bytes(&mut app, Carrier::Udp, &input(QUERY));
        assert!(app.protocol.is_some() && !app.failed, "{junk:?}");
        let failed = inspector.counters().find(|(name, _)| name == "app_layer.flow.failed_udp").unwrap().1;
        assert_eq!(failed, u64::from(count > 0));
    }
}

#[test]
fn memory_is_told_of_the_protocols_that_eve_names() {
    let kept = |name: &str| {
        let mut app = Application { protocol: protocol_id(name), ..Application::default() };
        app.raise(Direction::ToServer, Anomaly("applayer_memory_limit"));
        app
    };
    let apps = ["http", "http", "dns"].map(kept);
    let bytes = apps[0].held_bytes() as u64;
    assert!(bytes > 0);
    assert_eq!(memory(apps.iter()).collect::<Vec<_>>(), [("http.memuse", 2 * bytes), ("ftp.memuse", 0)]);
}

/// A parser that looks at all that waits again with each byte, and never has enough.
struct Wasteful {
    looked: Arc<AtomicU64>,
    none: Transactions<Never, 1>,
}

#[derive(Debug)]
struct Never;

impl Transaction for Never {
    fn progress(&self, _: Direction) -> u8 {
        0
    }
    fn is_complete(&self) -> bool {
        true
    }
    fn only_direction(&self) -> Option<Direction> {
        None
    }
    fn anomalies(&self) -> &[Anomaly] {
        &[]
    }
    fn held_bytes(&self) -> usize {
        0
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Parser for Wasteful {
    fn advance(&mut self, input: &Input<'_>, output: &mut Output<'_>) -> Advance {
        output.spend(input.data.len() as u64);
        self.looked.fetch_add(input.data.len() as u64, Ordering::Relaxed);
        Advance::consumed(0)
    }
    fn gap(&mut self, _: Direction, _: u64, _: &mut Output<'_>) -> bool {
        true
    }
    fn close(&mut self, _: Direction, _: &mut Output<'_>) {}
    fn held_bytes(&self) -> usize {
        0
    }
    fn transactions(&self) -> &dyn TransactionList {
        &self.none
    }
    fn transactions_mut(&mut self) -> &mut dyn TransactionList {
        &mut self.none
    }
}

#[test]
fn a_parser_that_works_too_much_waits_and_is_named_once() {
    let (mut inspector, mut app) = (inspector(), Application::default());
    let looked = Arc::new(AtomicU64::new(0));
    let parser = Wasteful { looked: Arc::clone(&looked), none: Transactions::default() };
    app.protocol = protocol_id("dns");
    let known = Recognition::Found(app.protocol.unwrap(), false);
    app.recognised = Both { to_server: known, to_client: known };
    app.parsed = Some(Parsed::new(Box::new(parser), inspector.engine.parser_fuel));
    let bytes = vec![b'a'; 30_000];
    for end in 1..=bytes.len() {
        assert_eq!(inspector.bytes(&mut app, Carrier::Tcp, &input(&bytes[..end])), 0);
    }
    let ParserFuel { byte, packet, most } = inspector.engine.parser_fuel;
    let worth = u64::from(most) + bytes.len() as u64 * u64::from(byte + packet);
    let all = bytes.len() as u64 * bytes.len() as u64 / 2;
    let looked = looked.load(Ordering::Relaxed);
    assert!(looked < worth + 30_000 && looked < all / 3, "{looked} of {worth}, {all} without fuel");
    let dry = app.take_unrecorded();
    assert_eq!((dry.len(), dry[0].1, inspector.parsers_dry), (1, Anomaly("applayer_parser_out_of_fuel"), 1));
}
