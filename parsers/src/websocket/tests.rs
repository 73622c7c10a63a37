use std::io::Write as _;

use super::PROTOCOL;
use super::transaction::Transaction;
use crate::http::Upgraded;
use crate::protocol::{Carrier, Context, Direction, Input, NoFiles, Opening, Output, Parser, Settings};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

fn parser(extensions: &[u8], limit: &str) -> Box<dyn Parser> {
    let mut settings = Settings::default();
    settings.0.insert("max-payload-size".into(), limit.into());
    let context = Some(Context::new(Upgraded { extensions: extensions.to_vec() }));
    (PROTOCOL.configure)(&settings)(&Opening { context, ..Opening::by(Carrier::Tcp) })
}

/// A frame; those to the server are masked.
fn frame(direction: Direction, first: u8, payload: &[u8]) -> Vec<u8> {
    let (mask, bit) = if direction == TO_SERVER { ([1, 2, 3, 4], 0x80) } else { ([0; 4], 0) };
    let mut out = match u16::try_from(payload.len()).unwrap() {
        short @ 0..126 => vec![first, u8::try_from(short).unwrap() | bit],
        long => [&[first, 126 | bit][..], &long.to_be_bytes()].concat(),
    };
    if direction == TO_SERVER {
        out.extend(mask);
    }
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    out
}

/// Hands over bytes in pieces of a size; each frame as `opcode payload [anomalies]`, `…` where it is not whole.
fn told(parser: &mut dyn Parser, direction: Direction, bytes: &[u8], size: usize) -> Vec<String> {
    let (mut files, mut waiting) = (NoFiles, Vec::new());
    let mut output = Output::new(&mut files);
    for piece in bytes.chunks(size) {
        waiting.extend_from_slice(piece);
        let done = parser.advance(&Input::new(direction, &waiting), &mut output).consumed;
        waiting.drain(..done);
    }
    tell(parser)
}

fn tell(parser: &mut dyn Parser) -> Vec<String> {
    let mut all = Vec::new();
    for id in parser.transactions().range() {
        let Some(transaction) = parser.transactions_mut().retire(id) else { continue };
        let tx = transaction.as_any().downcast_ref::<Transaction>().unwrap();
        let payload = String::from_utf8_lossy(tx.payload(tx.direction()).unwrap()).into_owned();
        let anomalies: Vec<&str> =
            transaction.anomalies().iter().map(|a| a.0.trim_start_matches("websocket.")).collect();
        let whole = if transaction.is_complete() { "" } else { "…" };
        let opcode = tx.header(tx.direction()).unwrap().opcode;
        all.push(format!("{opcode} {payload}{whole} [{}]", anomalies.join(" ")));
    }
    all
}

fn deflated(encoder: &mut flate2::write::DeflateEncoder<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    let before = encoder.get_ref().len();
    encoder.write_all(text).unwrap();
    encoder.flush().unwrap();
    let made = encoder.get_ref()[before..].to_vec();
    // The end of each flush is left out (RFC 7692 section 7.2.1).
    made.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

#[test]
fn messages_are_put_together_and_control_frames_lie_between() {
    let bytes = [
        frame(TO_SERVER, 0x01, b"Hel"),
        frame(TO_SERVER, 0x89, b"?"),
        frame(TO_SERVER, 0x80, b"lo"),
        frame(TO_SERVER, 0x82, &[b'x'; 300]),
        frame(TO_SERVER, 0x88, b""),
    ]
    .concat();
    for size in [1, 2, 7, bytes.len()] {
        let seen = told(&mut *parser(b"", "64kb"), TO_SERVER, &bytes, size);
        let long = format!("2 {} []", "x".repeat(300));
        assert_eq!(seen, ["1 Hel []", "9 ? []", "0 Hello []", &long, "8  []"], "{size}");
    }
}

#[test]
fn what_is_wrong_with_a_frame_is_said() {
    for (direction, bytes, expected) in [
        (TO_SERVER, frame(TO_CLIENT, 0x81, b"a"), "1 a [unmasked_request]"),
        (TO_CLIENT, frame(TO_SERVER, 0x81, b"a"), "1 a [masked_response]"),
        (TO_CLIENT, frame(TO_CLIENT, 0x83, b"a"), "3 a [unknown_opcode]"),
        (TO_CLIENT, frame(TO_CLIENT, 0xc1, b"a"), "1 a [reserved_bits]"),
        (TO_CLIENT, frame(TO_CLIENT, 0x09, b"a"), "9 a [bad_control_frame]"),
        (TO_CLIENT, frame(TO_CLIENT, 0x80, b"a"), "0 a [unexpected_continuation]"),
        (TO_CLIENT, vec![0x81, 126, 0, 1, b'a'], "1 a [bad_length]"),
        (TO_CLIENT, vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, b'a'], "2 … [bad_length]"),
    ] {
        assert_eq!(told(&mut *parser(b"", "64kb"), direction, &bytes, 99), [expected], "{bytes:?}");
    }
    let two = [frame(TO_CLIENT, 0x01, b"a"), frame(TO_CLIENT, 0x81, b"b")].concat();
    assert_eq!(told(&mut *parser(b"", "64kb"), TO_CLIENT, &two, 99), ["1 a []", "1 b [unfinished_message]"]);
}

#[test]
fn compressed_messages_are_undone_with_the_window_of_those_before() {
    for (extensions, anew) in
        [(&b"permessage-deflate"[..], false), (b"x, permessage-deflate; server_no_context_takeover", true)]
    {
        let new = || flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        let mut encoder = new();
        let first = deflated(&mut encoder, b"the same words, the same words");
        if anew {
            encoder = new();
        }
        let second = deflated(&mut encoder, b"the same words, the same words again");
        let (begin, end) = second.split_at(3);
        let bytes = [
            frame(TO_CLIENT, 0xc1, &first),
            frame(TO_CLIENT, 0x41, begin),
            frame(TO_CLIENT, 0x80, end),
            frame(TO_CLIENT, 0x81, b"plain"),
        ]
        .concat();
        for size in [1, 5, bytes.len()] {
            let seen = told(&mut *parser(extensions, "64kb"), TO_CLIENT, &bytes, size);
            assert_eq!(seen[0], "1 the same words, the same words []", "{size}");
            assert_eq!(seen[2..], ["0 the same words, the same words again []", "1 plain []"], "{size}");
        }
    }
    let broken = frame(TO_CLIENT, 0xc1, b"\xff\xff\xff");
    let seen = told(&mut *parser(b"permessage-deflate", "64kb"), TO_CLIENT, &broken, 99);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].ends_with("[inflate_failed]"), "{seen:?}");
}

#[test]
fn a_small_message_that_becomes_large_is_given_up() {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let bomb = deflated(&mut encoder, &vec![b'a'; 1 << 20]);
    let mut parser = parser(b"permessage-deflate", "1kb");
    let seen = told(&mut *parser, TO_CLIENT, &frame(TO_CLIENT, 0xc1, &bomb), 4096);
    assert!(seen[0].contains("inflate_limit"), "{seen:?}");
    assert!(parser.held_bytes() < 64 << 10);
}

#[test]
fn long_frames_and_messages_are_cut_and_the_next_ones_seen() {
    let bytes = [
        frame(TO_CLIENT, 0x82, &[b'a'; 20]),
        frame(TO_CLIENT, 0x02, &[b'b'; 8]),
        frame(TO_CLIENT, 0x80, &[b'c'; 8]),
        frame(TO_CLIENT, 0x81, b"d"),
    ]
    .concat();
    for size in [1, 3, bytes.len()] {
        let seen = told(&mut *parser(b"", "10"), TO_CLIENT, &bytes, size);
        let expected = [
            "2 aaaaaaaaaa [skip_end_of_payload]",
            "2 bbbbbbbb []",
            "0 bbbbbbbbcc [reassembly_limit_reached]",
            "1 d []",
        ];
        assert_eq!(seen, expected, "{size}");
    }
}

#[test]
fn a_hole_within_a_frame_is_bridged_and_one_over_its_end_is_not() {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let bytes = frame(TO_CLIENT, 0x82, b"0123456789");
    let mut parser = parser(b"", "64kb");
    parser.advance(&Input::new(TO_CLIENT, &bytes[..5]), &mut output);
    assert!(parser.gap(TO_CLIENT, 7, &mut output));
    assert_eq!(
        told(&mut *parser, TO_CLIENT, &frame(TO_CLIENT, 0x81, b"a"), 9),
        ["2 012 [skip_end_of_payload]", "1 a []"]
    );
    parser.advance(&Input::new(TO_CLIENT, &bytes[..5]), &mut output);
    assert!(!parser.gap(TO_CLIENT, 8, &mut output));
}
