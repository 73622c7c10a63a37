//! What targets about rules share: everything that a plan may be asked about some bytes.

use tapwire_parsers::REGISTRY;
use tapwire_parsers::link::{Packet, Timestamp};
use tapwire_parsers::protocol::{
    Carrier, Direction, Input, NoFiles, Opening, Output, ProtocolId, Settings as ParserSettings,
};
use tapwire_signatures::plan::Plan;
use tapwire_signatures::rule::condition::{PacketView, TransactionView};
use tapwire_signatures::state::flow::FlowState;
use tapwire_signatures::verify::packet::Occasion;
use tapwire_signatures::verify::{Match, Matcher, Settings, TransactionState};

/// Asks a plan about bytes as the payload of a packet, as a chunk of a stream, and as what one protocol's parser makes of them.
/// Evidence never leaves the bytes that it is about.
pub fn ask(plan: &Plan, which: u8, bytes: &[u8]) {
    let mut matcher = Matcher::new(plan, Settings { evidence_pieces: 8, ..Settings::default() });
    let (mut state, mut matches) = (FlowState::default(), Vec::new());
    for protocol in [6, 17] {
        let data = packet(protocol, bytes);
        let packet = Packet::decode(1, Timestamp(0), 101, &data, 0, false);
        let view = PacketView { packet: &packet, flow: None, stream_anomalies: &[], flow_anomalies: &[] };
        let occasion = Occasion { first: true, ..Occasion::default() };
        matcher.begin_packet(Default::default(), 0);
        matcher.packet(plan, &view, occasion, &mut state, &mut matches);
        matcher.chunk(plan, &view, bytes, &mut state, &mut matches);
        matcher.again(plan, &view, bytes, &mut state, &mut matches);
        transactions(plan, which, &view, (&mut matcher, &mut state), &mut matches);
    }
    let longest = bytes.len() + usize::from(u16::MAX);
    for evidence in matches.iter().flat_map(|found| &found.evidence) {
        assert!(evidence.offset as usize + evidence.length as usize <= longest, "{evidence:?}");
    }
}

fn transactions(
    plan: &Plan,
    which: u8,
    view: &PacketView<'_>,
    (matcher, state): (&mut Matcher, &mut FlowState),
    matches: &mut Vec<Match>,
) {
    let number = usize::from(which) % REGISTRY.len();
    let (id, card) = (ProtocolId(number as u8), REGISTRY[number]);
    let carrier = if view.packet.tcp().is_some() { Carrier::Tcp } else { Carrier::Udp };
    if !card.carriers.contains(&carrier) {
        return;
    }
    let mut parser = (card.configure)(&ParserSettings::default())(&Opening::by(carrier));
    let mut known: Vec<TransactionState> = Vec::new();
    for direction in Direction::BOTH {
        let mut files = NoFiles;
        parser.advance(&Input::new(direction, view.packet.payload), &mut Output::new(&mut files));
        parser.close(direction, &mut Output::new(&mut files));
        for (place, id_in_flow) in parser.transactions().range().enumerate() {
            if known.len() <= place {
                known.push(TransactionState::default());
            }
            let Some(transaction) = parser.transactions().get(id_in_flow) else { continue };
            let subject = TransactionView {
                protocol: id,
                id: id_in_flow,
                transaction,
                direction,
                files: &[],
                other_files: &[],
                raw: view.packet.payload,
                flow_anomalies: &[],
            };
            matcher.transaction(plan, view, &subject, &mut known[place], state, matches);
        }
    }
}

/// A TCP segment or a datagram over IPv4, without link header.
fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(60_000)];
    let mut data = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80];
    if protocol == 6 {
        data.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    } else {
        data.extend((8 + payload.len() as u16).to_be_bytes());
        data.extend([0, 0]);
    }
    data.extend(payload);
    let length = (data.len() as u16).to_be_bytes();
    data[2..4].copy_from_slice(&length);
    data
}
