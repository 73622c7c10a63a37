//! One request of HTTP for tests of rules on transactions.
#![allow(dead_code, clippy::unwrap_used, reason = "a test says what is wrong by failing, and needs not all of it")]

use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::{Both, Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Settings};
use tapwire_parsers::{protocol, protocol_id};
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::condition::{FileView, FlowView, Layers, PacketView, SideProtocol, TransactionView};
use tapwire_signatures::state::flow::FlowState;
use tapwire_signatures::verify::{Match, Matcher, TransactionState};

/// One request of HTTP, looked at as it grows.
pub(crate) struct Request {
    parser: Box<dyn Parser>,
    waiting: Vec<u8>,
    known: TransactionState,
    pub(crate) state: FlowState,
    pub(crate) matcher: Matcher,
    /// Names of the files in it.
    pub(crate) files: Vec<&'static str>,
}

impl Request {
    pub(crate) fn new() -> Self {
        let card = protocol(protocol_id("http").unwrap());
        Self {
            parser: (card.configure)(&Settings::default())(&Opening::by(Carrier::Tcp)),
            waiting: Vec::new(),
            known: TransactionState::default(),
            state: FlowState::default(),
            matcher: Matcher::default(),
            files: Vec::new(),
        }
    }

    /// The sids that match when some bytes more were sent.
    pub(crate) fn send(&mut self, plan: &Plan, bytes: &str) -> Vec<u32> {
        self.look(Direction::ToServer, plan, bytes)
    }

    /// The sids that match when some bytes of the answer came.
    pub(crate) fn answer(&mut self, plan: &Plan, bytes: &str) -> Vec<u32> {
        self.look(Direction::ToClient, plan, bytes)
    }

    fn look(&mut self, direction: Direction, plan: &Plan, bytes: &str) -> Vec<u32> {
        let id = protocol_id("http").unwrap();
        self.waiting.extend_from_slice(bytes.as_bytes());
        loop {
            let done =
                self.parser.advance(&Input::new(direction, &self.waiting), &mut Output::new(&mut NoFiles)).consumed;
            self.waiting.drain(..done);
            if done == 0 || self.waiting.is_empty() {
                break;
            }
        }
        let packet = Packet::new(1, Timestamp(0), 0, &[], 0);
        let both = |value| Both { to_server: value, to_client: value };
        let flow = FlowView {
            layers: Layers::default(),
            id: 1,
            alerted: false,
            direction,
            established: true,
            tcp_phase: None,
            protocol: Some(id),
            protocol_failed: false,
            sides: Both { to_server: SideProtocol::Known(id), to_client: SideProtocol::Open },
            original: None,
            agreed: None,
            start: Timestamp(0),
            now: Timestamp(0),
            packets: both(1),
            bytes: both(1),
            stream_bytes: Both { to_server: 1, to_client: 1 },
            elephant: Both { to_server: false, to_client: false },
        };
        let view = PacketView { packet: &packet, flow: Some(&flow), stream_anomalies: &[], flow_anomalies: &[] };
        let transaction = self.parser.transactions().get(0).unwrap();
        let file = |(number, name): (u64, &&'static str)| FileView {
            number,
            name: name.as_bytes(),
            size: 0,
            begins: 0,
            contents: None,
            kind: None,
            closed: false,
            complete: false,
            md5: None,
            sha1: None,
            sha256: None,
        };
        let files: Vec<FileView<'_>> = (1..).zip(&self.files).map(file).collect();
        let subject = TransactionView {
            protocol: id,
            id: 0,
            transaction,
            direction,
            files: &files,
            other_files: &[],
            raw: &[],
            flow_anomalies: &[],
        };
        let mut matches: Vec<Match> = Vec::new();
        self.matcher.transaction(plan, &view, &subject, &mut self.known, &mut self.state, &mut matches);
        matches.iter().map(|found| plan.rule(found.rule).unwrap().sid).collect()
    }
}
