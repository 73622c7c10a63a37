use std::net::IpAddr;

use super::transaction::Transaction;
use super::*;
use crate::protocol::{Anomaly, Ends, Expected, FileSink, FileText, Input, NoFiles, Opening, Output, Parser, Sides};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

type Datagrams<'a> = [(Direction, &'a [u8])];

fn open(opening: &Opening) -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(opening)
}

fn ends() -> Sides<(IpAddr, u16)> {
    Sides { client: (IpAddr::from([10, 0, 0, 1]), 4000), server: (IpAddr::from([10, 0, 0, 2]), 69) }
}

/// Gives datagrams to a parser: what it announced, and what was odd.
fn play(
    parser: &mut dyn Parser,
    datagrams: &[(Direction, &[u8])],
    files: &mut dyn FileSink,
) -> (Vec<Expected>, Vec<Anomaly>) {
    let mut output = Output::new(files);
    for (direction, data) in datagrams {
        let input = Input { ends: Ends::Ip(ends()), ..Input::new(*direction, data) };
        assert_eq!(parser.advance(&input, &mut output).consumed, data.len());
    }
    (output.expected, output.anomalies)
}

/// The transfer that a request announces.
fn transfer(request: &[u8], datagrams: &Datagrams) -> (Box<dyn Parser>, String, Vec<Anomaly>) {
    let (expected, _) = play(&mut *open(&Opening::by(Carrier::Udp)), &[(TO_SERVER, request)], &mut NoFiles);
    let mut parser = open(&Opening { context: Some(expected[0].context.clone()), ..Opening::by(Carrier::Udp) });
    let mut text = FileText::default();
    let (announced, anomalies) = play(&mut *parser, datagrams, &mut text);
    assert!(announced.is_empty());
    (parser, text.0, anomalies)
}

fn transactions(parser: &dyn Parser) -> Vec<&Transaction> {
    let list = parser.transactions();
    list.range().filter_map(|id| list.get(id)?.as_any().downcast_ref()).collect()
}

const REQUEST: &[u8] = b"\0\x01a.txt\0octet\0blksize\x008\0tsize\x000\0";

#[test]
fn a_request_announces_the_transfer() {
    let mut parser = open(&Opening::by(Carrier::Udp));
    let (expected, anomalies) = play(&mut *parser, &[(TO_SERVER, REQUEST)], &mut NoFiles);
    assert!(anomalies.is_empty());
    let Expected { from, to, protocol, .. } = &expected[0];
    assert_eq!((from, to), (&(ends().server.0, None), &(ends().client.0, Some(4000))));
    assert_eq!((*protocol, expected.len()), ("tftp", 1));
    let request = transactions(&*parser)[0];
    assert_eq!((request.name(), request.mode(), request.is_read()), (&b"a.txt"[..], &b"octet"[..], true));
    assert_eq!(
        (request.option(0), request.option(1), request.option(2)),
        (Some(&b"blksize=8"[..]), Some(&b"tsize=0"[..]), None)
    );
}

#[test]
fn blocks_make_a_file() {
    let block = |number: u8, data: &[u8]| [&[0, 3, 0, number][..], data].concat();
    let (one, two, three, five) = (block(1, b"12345678"), block(2, b"abcdefgh"), block(3, b"end"), block(5, b"end"));
    let agreed = b"\0\x06blksize\x008\0";
    let ack = b"\0\x04\0\x01";
    let cases: [(&Datagrams, &str); 6] = [
        (
            &[(TO_SERVER, agreed), (TO_CLIENT, ack), (TO_SERVER, &one), (TO_SERVER, &two), (TO_SERVER, &three)],
            "a.txt:12345678abcdefghend.",
        ),
        // Sent again, for its acknowledgement got lost.
        (&[(TO_SERVER, agreed), (TO_SERVER, &one), (TO_SERVER, &one), (TO_SERVER, &two)], "a.txt:12345678abcdefgh"),
        (&[(TO_SERVER, agreed), (TO_SERVER, &one), (TO_SERVER, &five)], "a.txt:12345678????????????????????????end."),
        // Without options a block has 512 bytes.
        (&[(TO_SERVER, &one)], "a.txt:12345678."),
        (&[(TO_SERVER, agreed), (TO_SERVER, &one), (TO_CLIENT, b"\0\x05\0\x03full\0")], "a.txt:12345678!"),
        (&[(TO_SERVER, b"\0\x05\0\x01File not found\0")], ""),
    ];
    for (datagrams, file) in cases {
        let (parser, text, anomalies) = transfer(REQUEST, datagrams);
        assert_eq!((text.as_str(), anomalies.len()), (file, 0));
        let all = transactions(&*parser);
        assert_eq!((all.len(), all[0].is_request(), all[0].name()), (1, false, &b"a.txt"[..]));
    }
    let (parser, ..) = transfer(REQUEST, &[(TO_SERVER, b"\0\x05\0\x01no such file")]);
    let error = |direction| transactions(&*parser)[0].error(direction);
    assert_eq!((error(TO_SERVER), error(TO_CLIENT)), (Some((1, &b"no such file"[..])), None));
}

#[test]
fn the_number_of_a_block_begins_anew() {
    let mut datagrams = vec![b"\0\x06blksize\x008\0".to_vec()];
    datagrams.extend((1..=65_540_u32).map(|block| [&[0, 3][..], &block.to_be_bytes()[2..], b"12345678"].concat()));
    let datagrams: Vec<(Direction, &[u8])> = datagrams.iter().map(|data| (TO_SERVER, data.as_slice())).collect();
    let (_, text, anomalies) = transfer(REQUEST, &datagrams);
    assert_eq!((text.len(), anomalies.len()), ("a.txt:".len() + 65_540 * 8, 0));
}

#[test]
fn what_is_no_tftp_is_noticed() {
    for (datagram, anomaly) in [
        (&b"\0\x07x"[..], "tftp.malformed_message"),
        (b"\0\x01a.txt\0octet", "tftp.malformed_message"),
        (b"\0", "tftp.malformed_message"),
        (b"\0\x03\0\x01data", "tftp.unexpected_message"),
        (b"\0\x05\0\x01", "tftp.unexpected_message"),
        (b"\0\x06", "tftp.unexpected_message"),
    ] {
        let mut parser = open(&Opening::by(Carrier::Udp));
        assert_eq!(play(&mut *parser, &[(TO_SERVER, datagram)], &mut NoFiles).1, [Anomaly(anomaly)], "{datagram:?}");
    }
    let mut parser = open(&Opening::by(Carrier::Udp));
    play(&mut *parser, &[(TO_SERVER, b"\0\x02a\0binary\0")], &mut NoFiles);
    let list = parser.transactions();
    assert_eq!(list.get(0).unwrap().anomalies(), [Anomaly("tftp.unknown_mode")]);
    let (_, text, anomalies) = transfer(REQUEST, &[(TO_SERVER, &b"\0\x03\0\x01a"[..]), (TO_CLIENT, b"\0\x03\0\x02b")]);
    assert_eq!((text.as_str(), anomalies), ("a.txt:a.", vec![Anomaly("tftp.unexpected_message")]));
}

#[test]
fn what_is_kept_is_bounded() {
    let long = [b"\0\x01", &[b'a'; 5_000][..], b"\0octet\0", &b"x\0y\0".repeat(1_000)].concat();
    let mut parser = open(&Opening::by(Carrier::Udp));
    let (expected, anomalies) = play(&mut *parser, &vec![(TO_SERVER, &long[..]); 100], &mut NoFiles);
    assert!(expected.len() <= 16);
    assert!(anomalies.contains(&Anomaly("tftp.too_many_messages")));
    assert!(parser.held_bytes() < 128 << 10, "{}", parser.held_bytes());
}
