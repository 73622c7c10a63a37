//! Flows whose first datagrams say nothing of their protocol.

use tapwire_signatures::language::rule::RuleSet;

use tapwire_parsers::protocol::{Ends, Sides};

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
        plan: Arc::new(Plan::new(RuleSet::default(), &Default::default())),
        recogniser,
        openers,
        depths: Vec::new(),
        bypassed: Vec::new(),
        files: FileSettings::default(),
        tenants: Default::default(),
        framed: Vec::new(),
        matching: Default::default(),
    }))
}

#[test]
fn a_datagram_that_nobody_claims_hides_no_protocol() {
    for (junk, known) in [(0, true), (1, true), (FURTHER_LOOKS, true), (FURTHER_LOOKS + 1, false)] {
        let (mut inspector, mut app) = (inspector(), Application::default());
        for round in 0..junk {
            inspector.bytes(&mut app, Carrier::Udp, &input(b"junk, and more of it"));
            assert!(app.failed && app.protocol.is_none(), "{round}");
            // Rules on the end of recognition are asked once.
            assert_eq!(std::mem::take(&mut app.recognition_due.to_server), round == 0);
        }
        inspector.bytes(&mut app, Carrier::Udp, &input(QUERY));
        assert_eq!((app.protocol.is_some(), app.failed), (known, !known), "{junk}");
        let failed = inspector.counters().find(|(name, _)| name == "app_layer.flow.failed_udp").unwrap().1;
        assert_eq!(failed, u64::from(junk > 0));
    }
}
