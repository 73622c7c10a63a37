//! What holds for every protocol of the registry, shown on the streams of its captures under `pcaps/<protocol>/`: however a
//! stream is cut it gives the same transactions, noise breaks nothing, and twice the input costs twice the work.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code reads what is bounded"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tapwire_parsers::json::Object;
use tapwire_parsers::link::{Layer4, Packet, Timestamp, tcp_flags};
use tapwire_parsers::protocol::{
    Both, Carrier, Course, Direction, Ends, FileHandle, FileRange, FileSink, Fuel, Input, NoFiles, Opening, Output,
    Parser, Probe, Protocol, Purpose, Settings, Sides, Value,
};
use tapwire_parsers::{REGISTRY, carried_by};

/// What one side sent before the other spoke again; for datagrams, one of them.
type Turn = (Direction, Vec<u8>);

/// A conversation of a capture.
struct Conversation {
    protocol: &'static Protocol,
    carrier: Carrier,
    ends: Ends,
    turns: Vec<Turn>,
}

/// What became of a conversation in a parser.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Records and buffers of each transaction.
    transactions: Vec<String>,
    /// Files with their contents.
    files: Vec<String>,
    work: u64,
}

/// Takes files as texts.
struct Files<'a> {
    card: &'a Protocol,
    open: HashMap<FileHandle, String>,
    closed: Vec<String>,
}

impl FileSink for Files<'_> {
    fn open(&mut self, handle: FileHandle, id: u64, name: &[u8], range: Option<FileRange>) {
        self.close(handle, false);
        let contents = self.card.fields.iter().find(|field| field.name == "file.data");
        let declared = contents.is_some_and(|contents| contents.from.of(handle.direction).is_some());
        assert!(declared, "{} has files {:?} and its fields none", self.card.name, handle.direction);
        self.open.insert(handle, format!("{id} {:?} {} {range:?}: ", handle.direction, name.escape_ascii()));
    }
    fn append(&mut self, handle: FileHandle, data: &[u8]) {
        self.open.entry(handle).and_modify(|text| text.push_str(&data.escape_ascii().to_string()));
    }
    fn gap(&mut self, handle: FileHandle, missing: u64) {
        self.open.entry(handle).and_modify(|text| text.push_str(&format!("<{missing}>")));
    }
    fn close(&mut self, handle: FileHandle, complete: bool) {
        self.closed.extend(self.open.remove(&handle).map(|text| format!("{text} {complete}")));
    }
}

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// The conversations of a protocol's captures that its parser has something to say of.
fn conversations(protocol: &'static Protocol) -> Vec<Conversation> {
    let cases = folders(&pcaps().join(protocol.name));
    let all = cases.iter().flat_map(|case| read(protocol, &std::fs::read(case.join("capture.pcap")).unwrap()));
    all.filter(|c| !run(c, &[]).transactions.is_empty()).collect()
}

/// Conversations in a capture in the host's byte order, made on a cable that loses nothing.
fn read(protocol: &'static Protocol, file: &[u8]) -> Vec<Conversation> {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let link_type = number(20);
    let mut flows: BTreeMap<_, Conversation> = BTreeMap::new();
    let mut sent: BTreeMap<_, u32> = BTreeMap::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let length = number(at + 8) as usize;
        let packet = Packet::decode(0, Timestamp(0), link_type, &file[at + 16..at + 16 + length], 0, false);
        at += 16 + length;
        let carrier = match &packet.layer4 {
            Layer4::Tcp(_) => Carrier::Tcp,
            Layer4::Udp(_) => Carrier::Udp,
            _ if !packet.invalid && carried_by(packet.ether_type).is_some() => Carrier::Link(packet.ether_type),
            _ => continue,
        };
        let ends = match packet.ip {
            Some(ip) => {
                let (from, to) = packet.ports();
                Ends::Ip(Sides { client: (ip.source, from), server: (ip.destination, to) })
            }
            None => {
                let header = packet.ethernet.unwrap();
                Ends::Link(Sides { client: header.source, server: header.destination })
            }
        };
        let id = protocol.link.map_or(0, |link| (link.id)(packet.payload));
        let (own, other) = match ends {
            Ends::Ip(ends) => (format!("{:?}", ends.client), format!("{:?}", ends.server)),
            Ends::Link(ends) => (format!("{:?} {id}", ends.client), format!("{:?} {id}", ends.server)),
        };
        if let Layer4::Tcp(tcp) = &packet.layer4 {
            let end = tcp.sequence.wrapping_add(u32::try_from(packet.payload.len()).unwrap());
            let next = sent.entry((own.clone(), other.clone())).or_insert(tcp.sequence);
            if tcp.flags & tcp_flags::SYN != 0 {
                *next = end.wrapping_add(1);
                continue;
            }
            // What was sent before is sent again.
            if *next != tcp.sequence || packet.payload.is_empty() {
                continue;
            }
            *next = end;
        }
        let is_answer = flows.contains_key(&(other.clone(), own.clone()));
        let direction = if is_answer { Direction::ToClient } else { Direction::ToServer };
        let key = if direction == Direction::ToServer { (own, other) } else { (other, own) };
        let flow = flows.entry(key).or_insert_with(|| Conversation { protocol, carrier, ends, turns: Vec::new() });
        match flow.turns.last_mut().filter(|last| carrier == Carrier::Tcp && last.0 == direction) {
            Some(last) => last.1.extend_from_slice(packet.payload),
            None => flow.turns.push((direction, packet.payload.to_vec())),
        }
    }
    flows.into_values().map(inside).filter(|c| protocol.carriers.contains(&c.carrier)).collect()
}

/// The part of a conversation that is in its protocol, where another one begins it: what that one carries, or what follows it.
fn inside(whole: Conversation) -> Conversation {
    let Conversation { protocol, carrier, ref turns, ends } = whole;
    let outer = REGISTRY.iter().copied().find(|card| match protocol.carriers {
        [Carrier::Within(name)] => card.name == *name,
        _ => {
            let is_begun = !std::ptr::eq(*card, protocol) && protocol.ports.is_empty() && protocol.patterns.is_empty();
            let probe = || turns.first().map(|(direction, data)| (card.probe)(carrier, *direction, data));
            is_begun && card.carriers.contains(&carrier) && probe() == Some(Probe::Yes)
        }
    });
    let Some(outer) = outer else { return whole };
    let mut parser = (outer.configure)(&Settings::default())(&Opening::by(carrier));
    let (mut left, mut inner, mut is_over): (Both<Vec<u8>>, Vec<Turn>, bool) = (Both::default(), Vec::new(), false);
    for (direction, data) in turns {
        let buffer = left.of_mut(*direction);
        buffer.extend_from_slice(data);
        while !buffer.is_empty() && !is_over {
            let mut files = NoFiles;
            let mut output = Output::new(&mut files);
            let done = parser.advance(&Input::new(*direction, buffer), &mut output).consumed;
            buffer.drain(..done);
            inner.extend(output.carried.iter().map(|(message, bytes)| (message.direction, bytes.to_vec())));
            is_over = matches!(output.course, Course::Change(_));
            if done == 0 {
                break;
            }
        }
        if is_over {
            inner.push((*direction, std::mem::take(left.of_mut(*direction))));
        }
    }
    let carrier = if is_over { carrier } else { Carrier::Within(outer.name) };
    Conversation { protocol, carrier, turns: inner, ends }
}

/// More than any call here is worth: who spends it goes in circles.
const CALL_FUEL: u64 = 100_000_000;

/// Hands a conversation to a parser, its turns cut into pieces whose sizes `cuts` gives in turn (none: whole).
fn run(conversation: &Conversation, cuts: &[usize]) -> Outcome {
    let Conversation { protocol, carrier, ends, turns } = conversation;
    let mut parser = (protocol.configure)(&Settings::default())(&Opening::by(*carrier));
    let mut outcome = Outcome::default();
    let mut left: Both<Vec<u8>> = Both::default();
    let mut wanted: Both<usize> = Both::default();
    let mut cuts = cuts.iter().copied().cycle();
    let mut course = Course::Parse;
    let mut files = Files { card: protocol, open: HashMap::new(), closed: Vec::new() };
    for (direction, data) in turns {
        let mut rest = &data[..];
        while !rest.is_empty() && course == Course::Parse {
            let size = match carrier {
                Carrier::Tcp => cuts.next().unwrap_or(rest.len()).clamp(1, rest.len()),
                _ => rest.len(),
            };
            let (piece, later) = rest.split_at(size);
            rest = later;
            let buffer = left.of_mut(*direction);
            buffer.extend_from_slice(piece);
            while buffer.len() >= (*wanted.of(*direction)).max(1) && course == Course::Parse {
                let mut output = Output::new(&mut files);
                output.fuel = Fuel::of(CALL_FUEL);
                let advance = parser.advance(&Input { ends: *ends, ..Input::new(*direction, buffer) }, &mut output);
                (course, outcome.work) = (output.course, outcome.work + output.fuel.spent());
                assert!(!output.fuel.is_empty(), "{}: endless work on {} bytes", protocol.name, buffer.len());
                assert!(advance.consumed <= buffer.len(), "{}: consumed more than there was", protocol.name);
                buffer.drain(..advance.consumed);
                *wanted.of_mut(*direction) = advance.wanted;
                if carrier.has_messages() {
                    buffer.clear();
                }
                if advance.consumed == 0 {
                    break;
                }
            }
        }
    }
    for direction in Direction::BOTH.into_iter().filter(|_| course == Course::Parse) {
        parser.close(direction, &mut Output::new(&mut files));
    }
    outcome.files = files.closed;
    outcome.files.sort();
    outcome.transactions = shown(protocol, &*parser);
    outcome
}

fn shown(protocol: &Protocol, parser: &dyn Parser) -> Vec<String> {
    let recorder = (protocol.recorder)(&Settings::default());
    let list = parser.transactions();
    let open = list.range().filter_map(|id| list.get(id));
    open.map(|transaction| {
        let mut out = Vec::new();
        recorder.write(transaction, Purpose::Reference, &mut Object::new(&mut out));
        let mut text = String::from_utf8(out).unwrap();
        let mut anomalies: Vec<&str> = transaction.anomalies().iter().map(|a| a.0).collect();
        anomalies.sort_unstable();
        text.push_str(&format!(" {anomalies:?}"));
        for (field, direction) in protocol.fields.iter().flat_map(|f| Direction::BOTH.map(|d| (f, d))) {
            let values = (0..).map_while(|index| (field.read)(transaction.as_any(), direction, index));
            for value in values.take(if field.multi { 16 } else { 1 }) {
                match value {
                    Value::Bytes(data) | Value::Stream { data, .. } => {
                        text.push_str(&format!(" {}={}", field.name, data.escape_ascii()));
                    }
                    Value::Number(number) => text.push_str(&format!(" {}={number}", field.name)),
                }
            }
        }
        text
    })
    .collect()
}

#[test]
fn each_protocol_has_a_folder_and_cases_and_each_folder_is_registered() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let shared = ["link", "protocol"];
    for folder in folders(&source) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let known = shared.contains(&&*name) || REGISTRY.iter().any(|p| p.name.replace('-', "_") == name);
        assert!(known, "parsers/src/{name} is in no registry entry");
    }
    for protocol in REGISTRY {
        assert!(
            source.join(protocol.name.replace('-', "_")).join("mod.rs").exists(),
            "{} has no folder",
            protocol.name
        );
        assert!(!conversations(protocol).is_empty(), "pcaps/{} has no conversation", protocol.name);
    }
}

#[test]
fn cards_say_what_holds() {
    for protocol in REGISTRY {
        for anomaly in protocol.anomalies {
            let own = anomaly.name.strip_prefix(protocol.name).is_some_and(|rest| rest.starts_with('.'));
            assert!(own && !anomaly.doc.is_empty(), "{}", anomaly.name);
        }
        for field in protocol.fields {
            for direction in Direction::BOTH {
                let states = protocol.states.of(direction).len();
                let from = field.from.of(direction);
                assert!(from.is_none_or(|from| usize::from(from) < states), "{} is there too late", field.name);
            }
            assert!(!field.doc.is_empty(), "{}", field.name);
        }
        assert!(protocol.doc.ends_with('.') && !protocol.carriers.is_empty(), "{}", protocol.name);
    }
}

#[test]
fn twice_the_input_costs_twice_the_work() {
    for conversation in REGISTRY.iter().flat_map(|p| conversations(p)) {
        let Conversation { protocol, carrier, ends, ref turns } = conversation;
        let doubled = Conversation { protocol, carrier, ends, turns: [&turns[..], &turns[..]].concat() };
        for cuts in [&[][..], &[1], &[7, 1, 300]] {
            let (once, twice) = (run(&conversation, cuts).work, run(&doubled, cuts).work);
            assert!(twice * 10 <= once * 23 + 1_000, "{}: {once} and {twice} in {cuts:?}", protocol.name);
        }
    }
}

#[test]
fn streams_cut_into_single_bytes_give_the_same_transactions() {
    for conversation in REGISTRY.iter().flat_map(|p| conversations(p)) {
        assert_eq!(
            run(&conversation, &[1]).transactions,
            run(&conversation, &[]).transactions,
            "{}",
            conversation.protocol.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_segmentation_gives_the_same_transactions(cuts in prop::collection::vec(1usize..400, 1..12)) {
        for conversation in REGISTRY.iter().flat_map(|p| conversations(p)) {
            prop_assert_eq!(
                run(&conversation, &cuts).transactions,
                run(&conversation, &[]).transactions,
                "{} cut at {:?}",
                conversation.protocol.name,
                cuts
            );
        }
    }

    #[test]
    fn damage_breaks_nothing(
        cuts in prop::collection::vec(1usize..400, 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        missing in any::<u64>(),
    ) {
        for mut conversation in REGISTRY.iter().flat_map(|p| conversations(p)) {
            for (_, data) in &mut conversation.turns {
                for (place, byte) in &damage {
                    let at = place.index(data.len().max(1));
                    if let Some(byte_there) = data.get_mut(at) {
                        *byte_there ^= byte;
                    }
                }
            }
            run(&conversation, &cuts);
            let mut files = NoFiles;
            let mut output = Output::new(&mut files);
            let mut parser = (conversation.protocol.configure)(&Settings::default())(&Opening::by(conversation.carrier));
            for (direction, data) in &conversation.turns {
                let half = &data[..data.len() / 2];
                output.fuel = Fuel::of(CALL_FUEL);
                prop_assert!(parser.advance(&Input::new(*direction, half), &mut output).consumed <= half.len());
                prop_assert!(!output.fuel.is_empty(), "{}: endless work", conversation.protocol.name);
                parser.gap(*direction, missing, &mut output);
                (conversation.protocol.probe)(conversation.carrier, *direction, half);
            }
        }
    }
}
