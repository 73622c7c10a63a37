use super::PROTOCOL;
use super::transaction::Transaction;
use crate::protocol::{Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Settings};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

fn packet(unit: &[u8]) -> Vec<u8> {
    let length = u16::try_from(unit.len() + 4).unwrap().to_be_bytes();
    [&[3, 0, length[0], length[1]], unit].concat()
}

/// A request for rack 0, slot 2 of a controller.
fn request() -> Vec<u8> {
    packet(b"\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02")
}

fn confirm() -> Vec<u8> {
    packet(b"\x11\xd0\x00\x01\x00\x05\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02")
}

fn data(is_end: bool, text: &[u8]) -> Vec<u8> {
    packet(&[&[2, 0xf0, if is_end { 0x80 } else { 0 }], text].concat())
}

/// What is carried and what is wrong, of bytes that come in pieces of a size.
fn read(parser: &mut dyn Parser, direction: Direction, bytes: &[u8], size: usize) -> Vec<String> {
    let (mut files, mut waiting) = (NoFiles, Vec::new());
    let mut output = Output::new(&mut files);
    for piece in bytes.chunks(size) {
        waiting.extend_from_slice(piece);
        let done = parser.advance(&Input::new(direction, &waiting), &mut output).consumed;
        waiting.drain(..done);
    }
    let carried = output.carried.iter().map(|(message, data)| {
        assert_eq!((message.channel, message.direction), (0, direction));
        String::from_utf8_lossy(data).into_owned()
    });
    carried.chain(output.anomalies.iter().map(|anomaly| anomaly.0.to_owned())).collect()
}

fn parser() -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Tcp))
}

#[test]
fn a_connection_has_its_addresses_and_its_answer() {
    for size in [1, 3, 99] {
        let mut parser = parser();
        assert!(read(&mut *parser, TO_SERVER, &request(), size).is_empty());
        assert!(!parser.transactions().get(0).unwrap().is_complete());
        assert!(read(&mut *parser, TO_CLIENT, &confirm(), size).is_empty());
        let open = parser.transactions().get(0).unwrap();
        assert!(open.is_complete());
        let tx = open.as_any().downcast_ref::<Transaction>().unwrap();
        let (asked, answered) = (tx.tpdu(TO_SERVER).unwrap(), tx.tpdu(TO_CLIENT).unwrap());
        assert_eq!((asked.called.as_deref(), asked.size_bytes), (Some(&[1, 2][..]), Some(1024)));
        assert_eq!((answered.source, answered.destination), (Some(5), Some(1)));
    }
}

#[test]
fn messages_are_put_together_and_handed_on() {
    let mut parser = parser();
    read(&mut *parser, TO_SERVER, &request(), 99);
    let bytes = [data(true, b"one"), data(false, b"tw"), data(true, b"o"), data(true, b"three")].concat();
    for size in [1, 4, bytes.len()] {
        assert_eq!(read(&mut *parser, TO_SERVER, &bytes, size), ["one", "two", "three"]);
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (bytes, expected) in [
        (data(true, b"x"), &["x", "cotp.data_without_connection"][..]),
        (packet(b"\x05\xe0\x00"), &["cotp.malformed_unit"]),
        (packet(b"\x01\x60"), &["cotp.unexpected_unit"]),
        (packet(b"\x01\x90"), &["cotp.unknown_unit"]),
        (vec![3, 0, 0, 2], &["cotp.malformed_packet"]),
        (vec![4, 0, 0, 9, 0], &["cotp.malformed_packet"]),
    ] {
        assert_eq!(read(&mut *parser(), TO_SERVER, &bytes, 99), expected, "{bytes:?}");
    }
    let mut parser = parser();
    read(&mut *parser, TO_SERVER, &request(), 99);
    let long: Vec<u8> = (0..3).flat_map(|_| data(false, &[b'a'; 40_000])).collect();
    assert_eq!(read(&mut *parser, TO_SERVER, &long, 1000), ["cotp.message_too_long"]);
    assert_eq!(read(&mut *parser, TO_SERVER, &data(true, b"end"), 99), [""; 0]);
    assert_eq!(read(&mut *parser, TO_SERVER, &data(true, b"next"), 99), ["next"]);
}

#[test]
fn it_is_told_by_two_lengths_that_agree() {
    for (bytes, expected) in [
        (&request()[..], Probe::Either),
        (&request()[..5], Probe::Unsure),
        (&[3][..], Probe::Unsure),
        (b"\x03\x00\x00\x06\x11\xe0", Probe::No),
        (b"\x03\x00\x00\x16\x11\x91", Probe::No),
        (b"GET / HTTP/1.1", Probe::No),
    ] {
        assert_eq!((PROTOCOL.probe)(Carrier::Tcp, TO_SERVER, bytes), expected, "{bytes:?}");
    }
}
