use super::message::Message;
use super::transaction::What;
use super::*;
use crate::link::Timestamp;
use crate::protocol::{Direction, Input, NoFiles, Opening, Output, Parser};

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat()
}

/// A frame of a control block, from behind the Ethernet type.
struct Frame {
    name: &'static str,
    st_num: u32,
    sq_num: u32,
    conf_rev: u8,
    nds_com: u8,
    reserved1: u16,
    entries: u8,
    data: Vec<u8>,
}

impl Frame {
    fn new(st_num: u32, sq_num: u32) -> Self {
        let data = [tlv(0x83, &[1]), tlv(0xa2, &[tlv(0x85, &[0xff]), tlv(0x84, &[6, 0x40])].concat())].concat();
        Self { name: "LD/LLN0$GO$a", st_num, sq_num, conf_rev: 1, nds_com: 0, reserved1: 0, entries: 2, data }
    }

    fn bytes(&self) -> Vec<u8> {
        let fields = [
            tlv(0x80, self.name.as_bytes()),
            tlv(0x81, &[3, 0xe8]),
            tlv(0x82, b"LD/LLN0$a"),
            tlv(0x83, b"a"),
            tlv(0x84, &[0, 0, 0, 9, 0x80, 0, 0, 0x0a]),
            tlv(0x85, &self.st_num.to_be_bytes()),
            tlv(0x86, &self.sq_num.to_be_bytes()),
            tlv(0x87, &[0]),
            tlv(0x88, &[self.conf_rev]),
            tlv(0x89, &[self.nds_com]),
            tlv(0x8a, &[self.entries]),
            tlv(0xab, &self.data),
        ];
        framed(self.reserved1, &tlv(0x61, &fields.concat()))
    }
}

fn framed(reserved1: u16, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + pdu.len()).unwrap();
    [&[0x10, 1][..], &length.to_be_bytes(), &reserved1.to_be_bytes(), &[0, 0], pdu].concat()
}

fn open() -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Link(0x88b8)))
}

/// Gives a frame at a time in milliseconds: what is told of it, and what is odd.
fn give(parser: &mut dyn Parser, data: &[u8], millis: u64) -> (Vec<What>, Vec<&'static str>) {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let from = parser.transactions().range().end;
    let input = Input { time: Timestamp(millis * 1_000), ..Input::new(Direction::ToServer, data) };
    assert_eq!(parser.advance(&input, &mut output).consumed, data.len());
    let (told, mut odd) = told(parser, from);
    odd.extend(output.anomalies.iter().map(|anomaly| anomaly.0));
    (told, odd)
}

fn told(parser: &dyn Parser, from: u64) -> (Vec<What>, Vec<&'static str>) {
    let list = parser.transactions();
    let new = (from..list.range().end).filter_map(|id| list.get(id)?.as_any().downcast_ref::<Transaction>());
    let (told, odd): (Vec<_>, Vec<_>) = new.map(|tx| (tx.what, tx.anomalies.iter().map(|a| a.0))).unzip();
    (told, odd.into_iter().flatten().collect())
}

/// What is odd about the second of two frames.
fn odd(first: &Frame, second: &Frame, millis: u64) -> Vec<&'static str> {
    let mut parser = open();
    give(&mut *parser, &first.bytes(), 0);
    give(&mut *parser, &second.bytes(), millis).1
}

#[test]
fn a_state_is_told_when_it_begins_and_with_how_often_it_was_said() {
    let mut parser = open();
    assert_eq!(give(&mut *parser, &Frame::new(5, 0).bytes(), 0), (vec![What::Begin], vec![]));
    for sq_num in 1..=4 {
        assert_eq!(give(&mut *parser, &Frame::new(5, sq_num).bytes(), sq_num.into()), (vec![], vec![]));
    }
    let (changed, odd) = give(&mut *parser, &Frame::new(6, 0).bytes(), 900);
    let [What::Change(previous)] = changed[..] else { unreachable!("{changed:?}") };
    assert_eq!((previous.st_num, previous.sq_num, previous.frames, odd), (5, 4, 5, vec![]));
    let mut files = NoFiles;
    let end = parser.transactions().range().end;
    for direction in Direction::BOTH {
        parser.close(direction, &mut Output::new(&mut files));
    }
    assert_eq!(told(&*parser, end).0, [What::Published { frames: 6, state_frames: 1 }]);
}

#[test]
fn each_minute_tells_of_its_frames() {
    let mut parser = open();
    let all: Vec<What> =
        (0..2_001).flat_map(|n| give(&mut *parser, &Frame::new(5, n).bytes(), u64::from(n) * 100).0).collect();
    let told: Vec<u64> = all
        .iter()
        .filter_map(|what| if let What::Published { frames, .. } = what { Some(*frames) } else { None })
        .collect();
    assert_eq!(told, [600, 600, 600]);
}

#[test]
fn what_does_not_follow_is_odd() {
    let of = |st_num, sq_num| Frame::new(st_num, sq_num);
    let one = || of(5, 7);
    for (second, expected) in [
        (of(5, 8), vec![]),
        (of(5, 7), vec![]),
        (of(6, 0), vec![]),
        (of(6, 1), vec![]),
        (of(5, 9), vec!["goose.sq_num_jump"]),
        (of(5, 6), vec!["goose.sq_num_jump"]),
        (of(6, 3), vec!["goose.sq_num_jump"]),
        (of(8, 0), vec!["goose.st_num_jump"]),
        (of(4, 0), vec!["goose.st_num_back"]),
        (of(1, 1), vec!["goose.st_num_back"]),
        (Frame { conf_rev: 2, ..of(5, 8) }, vec!["goose.conf_rev_changed"]),
        (Frame { nds_com: 1, ..of(5, 8) }, vec!["goose.needs_commissioning"]),
        (Frame { reserved1: 0x8000, ..of(5, 8) }, vec!["goose.simulation"]),
        (Frame { data: [tlv(0x83, &[0]), tlv(0x85, &[1])].concat(), ..of(5, 8) }, vec!["goose.data_changed"]),
        (Frame { entries: 3, ..of(5, 8) }, vec!["goose.entries_mismatch"]),
        (Frame { reserved1: 4, ..of(5, 8) }, vec!["goose.invalid_length"]),
        (
            Frame { nds_com: 1, name: "a name with\tin it", ..of(5, 8) },
            vec!["goose.invalid_value", "goose.needs_commissioning"],
        ),
    ] {
        assert_eq!(odd(&one(), &second, 10), expected, "{} {}", second.st_num, second.sq_num);
    }
    assert_eq!(odd(&one(), &of(5, 8), 1_001), ["goose.ttl_expired"]);
    assert!(odd(&of(u32::MAX, 7), &of(1, 0), 10).is_empty() && odd(&of(5, u32::MAX), &of(5, 1), 10).is_empty());
}

#[test]
fn what_is_no_message_is_named() {
    let good = Frame::new(5, 0).bytes();
    let name = |data: &[u8]| Message::read(data).unwrap_err().0;
    for cut in 0..good.len() {
        assert_eq!(name(&good[..cut]), "goose.malformed_message", "{cut}");
    }
    let padded = [&good[..], &[0; 20]].concat();
    assert!(Message::read(&padded).unwrap().notes.is_empty(), "what fills a frame up is no part of it");
    assert_eq!(name(&framed(0, &tlv(0x60, &[]))), "goose.unknown_function");
    assert_eq!(name(&framed(0, &tlv(0x61, &tlv(0x80, b"a")))), "goose.malformed_message");
}

#[test]
fn values_are_told_with_their_places() {
    let deep = (0..40).fold(tlv(0x83, &[1]), |inner, _| tlv(0xa2, &inner));
    let items = data::Items::read(&[Frame::new(1, 1).data, tlv(0x87, &[8, 0x41, 0x20, 0, 0]), deep].concat());
    let text: Vec<String> = items.kept.iter().map(|i| format!("{}={}:{}", i.place, i.kind, i.value)).collect();
    assert_eq!(text[..4], ["[0]=boolean:1", "[1][0]=integer:-1", "[1][1]=bits:40", "[2]=float:10"]);
    assert!(text[4].starts_with("[3][0][0][0][0]") && items.total == 5, "{text:?}");
    let many = data::Items::read(&tlv(0x83, &[0]).repeat(100));
    assert_eq!((many.kept.len(), many.total), (64, 100));
}

#[test]
fn few_control_blocks_are_known_at_once() {
    let mut parser = open();
    let names: Vec<&'static str> = (0..100).map(|n| &*format!("LD/LLN0$GO${n}").leak()).collect();
    let before = parser.held_bytes();
    for (n, name) in (0..).zip(&names) {
        let (told, odd) = give(&mut *parser, &Frame { name, ..Frame::new(5, 0) }.bytes(), n);
        let full = n >= 8;
        assert_eq!((told.len(), odd), if full { (2, vec!["goose.flooded"]) } else { (1, vec![]) }, "{n}");
        for id in parser.transactions().range() {
            parser.transactions_mut().retire(id);
        }
    }
    parser.transactions_mut().take_touched(&mut |_| ());
    assert!(parser.held_bytes() < before + 8_000, "{}", parser.held_bytes());
}
