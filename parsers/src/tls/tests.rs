//! Properties of the whole parser, and flows of every version from the first byte to encryption.

use proptest::prelude::*;

use super::PROTOCOL;
use super::transaction::Transaction;
use crate::json::Object;
use crate::protocol::{
    Both, Carrier, Course, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings,
};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

fn open(settings: &[(&str, &str)]) -> Box<dyn Parser> {
    let settings = Settings(settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
    (PROTOCOL.configure)(&settings)(&Opening::by(Carrier::Tcp))
}

/// Hands bytes over in pieces; returns the course and the work.
fn feed(parser: &mut dyn Parser, direction: Direction, bytes: &[u8], piece: usize) -> (Course, u64) {
    let (mut work, mut course) = (0, Course::Parse);
    for chunk in bytes.chunks(piece.max(1)) {
        let mut files = NoFiles;
        let mut output = Output::new(&mut files);
        assert_eq!(parser.advance(&Input::new(direction, chunk), &mut output).consumed, chunk.len());
        work += output.fuel.spent();
        if output.course != Course::Parse {
            course = output.course;
        }
    }
    (course, work)
}

fn transaction(parser: &dyn Parser) -> &Transaction {
    parser.transactions().get(0).unwrap().as_any().downcast_ref().unwrap()
}

fn anomalies(parser: &dyn Parser) -> Vec<&'static str> {
    parser.transactions().get(0).unwrap().anomalies().iter().map(|a| a.0).collect()
}

fn progress(parser: &dyn Parser) -> [&'static str; 2] {
    let transaction = parser.transactions().get(0).unwrap();
    Direction::BOTH.map(|d| PROTOCOL.states.of(d)[usize::from(transaction.progress(d))])
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let [a, b] = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3, a, b], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, a, b, c], body].concat()
}

fn extension(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0, kind, 0, u8::try_from(body.len()).unwrap()], body].concat()
}

fn client_hello(padding: usize) -> Vec<u8> {
    let mut extensions = [
        extension(0, &[0, 4, 0, 0, 1, b'x']),
        extension(16, &[0, 3, 2, b'h', b'2']),
        extension(43, &[4, 3, 4, 3, 3]),
        vec![0, 21],
    ]
    .concat();
    extensions.extend(u16::try_from(padding).unwrap().to_be_bytes());
    extensions.extend(vec![0; padding]);
    let mut body = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(1, &body)
}

fn server_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = [&[3, 3][..], &[2; 32], &[0, 0x13, 1, 0]].concat();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(2, &body)
}

/// A flow of TLS 1.2 with a certificate that is none.
fn flow12() -> Both<Vec<u8>> {
    let server = [
        server_hello(&extension(16, &[0, 3, 2, b'h', b'2'])),
        message(11, &[0, 0, 4, 0, 0, 1, b'a']),
        message(12, &[]),
        message(14, &[]),
    ]
    .concat();
    let finish = [record(20, &[1]), record(22, &[9; 40])].concat();
    Both {
        to_server: [record(22, &client_hello(10)), record(22, &message(16, &[1])), finish.clone()].concat(),
        to_client: [record(22, &server), finish].concat(),
    }
}

fn shown(parser: &dyn Parser) -> String {
    shown_with(parser, &[])
}

fn shown_with(parser: &dyn Parser, settings: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    let recorder = (PROTOCOL.recorder)(&Settings(
        [("extended", "yes")].iter().chain(settings).map(|(k, v)| ((*k).into(), (*v).into())).collect(),
    ));
    recorder.write(parser.transactions().get(0).unwrap(), Purpose::Record, &mut Object::new(&mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_record_says_what_was_spoken_before() {
    let opening = Opening { before: Some("http"), ..Opening::by(Carrier::Tcp) };
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&opening);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(10)), 99);
    assert!(shown(&*parser).contains(r#""from_proto":"http""#));
}

#[test]
fn a_flow_of_tls12_is_recorded_and_left_aside() {
    let (flow, mut parser) = (flow12(), open(&[]));
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(10)), 99);
    assert_eq!(progress(&*parser), ["client_hello_done", "server_in_progress"]);
    feed(&mut *parser, TO_CLIENT, &flow.to_client, 99);
    let rest = &flow.to_server[record(22, &client_hello(10)).len()..];
    assert_eq!(feed(&mut *parser, TO_SERVER, rest, 99).0, Course::Parse);
    assert_eq!(progress(&*parser), ["client_handshake_done", "server_handshake_done"]);
    assert!(parser.transactions().get(0).unwrap().is_recordable());
    assert_eq!(feed(&mut *parser, TO_SERVER, &record(23, b"secret"), 99).0, Course::Encrypted);
    let record = shown(&*parser);
    for part in [
        r#""sni":"x","version":"TLS 1.2""#,
        r#""fingerprint":"86:f7"#,
        r#""client_alpns":["h2"],"server_alpns":["h2"]"#,
    ] {
        assert!(record.contains(part), "{part} in {record}");
    }
}

#[test]
fn records_behind_encryption_are_frames_where_somebody_wants_them() {
    let (flow, mut parser) = (flow12(), open(&[]));
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(10)), 99);
    feed(&mut *parser, TO_CLIENT, &flow.to_client, 99);
    feed(&mut *parser, TO_SERVER, &flow.to_server[record(22, &client_hello(10)).len()..], 99);
    let name = |parser: &mut dyn Parser, bytes: &[u8]| {
        let mut files = NoFiles;
        let mut output = Output { wants_frames: true, ..Output::new(&mut files) };
        parser.advance(&Input::new(TO_SERVER, bytes), &mut output);
        (output.course, output.frames.len())
    };
    assert_eq!(name(&mut *parser, &record(23, b"secret")), (Course::FramesOnly, 3));
    let raised = anomalies(&*parser).len();
    // Whatever is in them is none of the transaction's business, and they go on when that is gone.
    let odd = [record(22, b""), record(24, b"\x07"), record(21, b"\x09")].concat();
    assert_eq!(name(&mut *parser, &odd), (Course::FramesOnly, 11));
    assert_eq!(anomalies(&*parser).len(), raised);
    parser.transactions_mut().retire(0);
    assert_eq!(name(&mut *parser, &[record(23, b"more"), record(22, b"x")].concat()), (Course::FramesOnly, 6));
    assert_eq!(name(&mut *parser, b"no record at all"), (Course::Stop, 0));
    // Where nobody wants them any more, the flow is left aside.
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(10)), 99);
    feed(&mut *parser, TO_CLIENT, &flow.to_client, 99);
    feed(&mut *parser, TO_SERVER, &flow.to_server[record(22, &client_hello(10)).len()..], 99);
    assert_eq!(name(&mut *parser, &record(23, b"secret")).0, Course::FramesOnly);
    assert_eq!(feed(&mut *parser, TO_SERVER, &record(23, b"secret"), 99).0, Course::Encrypted);
}

#[test]
fn a_flow_of_tls13_is_done_with_the_first_protected_record_of_the_client() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
    let hello = record(22, &server_hello(&extension(43, &[3, 4])));
    feed(&mut *parser, TO_CLIENT, &[hello, record(20, &[1]), record(23, &[0; 50])].concat(), 99);
    assert_eq!(progress(&*parser), ["client_hello_done", "server_handshake_done"]);
    assert_eq!(
        feed(&mut *parser, TO_SERVER, &[record(20, &[1]), record(23, &[0; 50])].concat(), 99).0,
        Course::Encrypted
    );
    assert_eq!((transaction(&*parser).negotiated_version(), transaction(&*parser).is_resumed()), (0x0304, false));
}

#[test]
fn settings_say_what_a_record_shows() {
    let (flow, mut parser) = (flow12(), open(&[("ja3-fingerprints", "no")]));
    for direction in Direction::BOTH {
        feed(&mut *parser, direction, flow.of(direction), 99);
    }
    for (settings, expected) in [
        (&[("extended", "no")][..], r#"{"tls":{}}"#),
        (&[("custom.0", "version"), ("custom.1", "chain")], r#"{"tls":{"version":"TLS 1.2","chain":["YQ=="]}}"#),
        (&[("custom.0", "sni"), ("ja3", "on")], r#"{"tls":{"sni":"x"}}"#),
        (
            &[("custom.0", "client_handshake"), ("custom.1", "server_handshake")],
            r#"{"tls":{"client_handshake":{"version":"TLS 1.3","ciphers":[4865],"exts":[0,16,43,21]},"server_handshake":{"version":"TLS 1.2","cipher":4865,"exts":[16]}}}"#,
        ),
    ] {
        assert_eq!(shown_with(&*parser, settings), expected);
    }
}

#[test]
fn a_resumed_flow_is_recorded_unless_the_setting_says_no() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
    feed(&mut *parser, TO_CLIENT, &[record(22, &server_hello(&[])), record(20, &[1])].concat(), 99);
    assert!(shown(&*parser).starts_with(r#"{"tls":{"session_resumed":true,"sni":"x""#));
    assert_eq!(shown_with(&*parser, &[("session-resumption", "no")]), "{}");
}

#[test]
fn a_hello_without_answer_shows_what_the_client_offers() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
    assert!(shown(&*parser).contains(r#""version":"TLS 1.3""#));
}

#[test]
fn a_hello_answered_by_an_alert_has_no_version() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
    feed(&mut *parser, TO_CLIENT, &record(21, &[2, 70]), 99);
    assert!(shown(&*parser).contains(r#""version":"UNDETERMINED""#));
}

#[test]
fn a_session_is_resumed_where_the_server_sends_nothing_but_a_hello() {
    let hello = record(22, &server_hello(&[]));
    let encrypts = record(20, &[1]);
    for (bytes, is_resumed) in [
        ([&hello[..], &encrypts].concat(), true),
        ([&hello[..], &record(22, &message(11, &[0, 0, 9, 9])), &encrypts].concat(), false),
        ([&hello[..], &record(22, &message(14, &[])), &encrypts].concat(), false),
    ] {
        let mut parser = open(&[]);
        feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
        feed(&mut *parser, TO_CLIENT, &bytes, 99);
        parser.close(TO_CLIENT, &mut Output::new(&mut NoFiles));
        assert_eq!(transaction(&*parser).is_resumed(), is_resumed, "{bytes:?}");
        // Where nothing but the name of the type is written, records leave it out.
        let (mut bare, mut out) = (Settings::default(), Vec::new());
        bare.note_bare();
        let transaction = parser.transactions().get(0).unwrap();
        let recorder = (PROTOCOL.recorder)(&bare);
        assert_eq!(recorder.write(transaction, Purpose::Record, &mut Object::new(&mut out)), !is_resumed);
    }
}

#[test]
fn of_a_message_that_is_too_long_or_ends_early_the_first_certificates_are_read() {
    let certificate = [0, 0, 1, b'a'];
    let list = [&[8, 0, 0][..], &certificate, &[7, 0, 0], &[9; 5000]].concat();
    // Over the limit that the settings say; cut by the end of the connection; cut by bytes that are missing.
    for (limit, end) in [("1kb", 0), ("1mb", 1), ("1mb", 2)] {
        let mut parser = open(&[("handshake-message-limit", limit)]);
        feed(&mut *parser, TO_SERVER, &record(22, &client_hello(0)), 99);
        feed(&mut *parser, TO_CLIENT, &record(22, &server_hello(&[])), 99);
        feed(&mut *parser, TO_CLIENT, &record(22, &[&[11, 8, 0, 3][..], &list].concat()), 99);
        let mut files = NoFiles;
        let mut output = Output::new(&mut files);
        match end {
            0 => {}
            1 => parser.close(TO_CLIENT, &mut output),
            _ => assert!(!parser.gap(TO_CLIENT, 99, &mut output)),
        }
        assert_eq!(transaction(&*parser).chain_length(TO_CLIENT), 1, "{limit} {end}");
        assert_eq!(anomalies(&*parser).contains(&"tls.handshake_cut"), end == 0, "{limit} {end}");
        assert!(!transaction(&*parser).is_resumed());
    }
}

#[test]
fn bytes_after_the_transaction_was_retired_are_taken() {
    let (flow, mut parser) = (flow12(), open(&[]));
    feed(&mut *parser, TO_SERVER, &flow.to_server, 99);
    parser.transactions_mut().retire(0);
    feed(&mut *parser, TO_SERVER, &flow.to_server, 99);
    assert!(parser.transactions().range().is_empty());
}

#[test]
fn encrypted_flows_are_read_on_where_the_setting_says_so() {
    let (flow, mut parser) = (flow12(), open(&[("encryption-handling", "full")]));
    feed(&mut *parser, TO_SERVER, &flow.to_server, 7);
    feed(&mut *parser, TO_CLIENT, &flow.to_client, 7);
    assert_eq!(feed(&mut *parser, TO_CLIENT, &record(23, b"secret"), 99).0, Course::Parse);
}

#[test]
fn what_is_wrong_is_an_anomaly() {
    let heartbeat = |body: &[u8]| record(24, body);
    for (direction, bytes, name) in [
        (TO_SERVER, heartbeat(&[1, 0x40, 0]), "tls.overflow_heartbeat_message"),
        (TO_SERVER, heartbeat(&[9, 0, 0]), "tls.invalid_heartbeat_message"),
        (TO_SERVER, heartbeat(&[1, 0, 0]), "tls.heartbeat_message"),
        (TO_SERVER, record(21, &[7, 7]), "tls.invalid_alert_message"),
        (TO_SERVER, record(99, &[]), "tls.invalid_record_type"),
        (TO_SERVER, vec![22, 9, 9, 0, 0], "tls.invalid_record_version"),
        (TO_SERVER, b"GET / HTTP/1.1".to_vec(), "tls.invalid_tls_header"),
        (TO_SERVER, [record(21, &[1, 0]), b"GET /".to_vec()].concat(), "tls.invalid_record_type"),
        (TO_SERVER, record(22, &message(2, &[])), "tls.invalid_handshake_message"),
        (TO_SERVER, record(22, &message(99, &[])), "tls.invalid_handshake_message"),
        (TO_CLIENT, record(22, &[99, 0xff, 0xff, 0xff, 7]), "tls.invalid_handshake_message"),
        (TO_SERVER, vec![23, 3, 3, 0xff, 0xff], "tls.invalid_record_length"),
        (TO_SERVER, vec![0x80, 9, 1, 0, 2, 0, 9, 0, 0, 0, 0], "tls.invalid_sslv2_header"),
        (TO_CLIENT, record(22, &message(11, &[0, 9, 9])), "tls.certificate_invalid_length"),
        (TO_CLIENT, record(22, &message(11, &[0, 0, 4, 0, 0, 1, 7])), "tls.certificate_invalid_length"),
        (TO_SERVER, record(22, &[]).repeat(300), "tls.too_many_records_in_packet"),
    ] {
        let mut parser = open(&[]);
        feed(&mut *parser, direction, &bytes, usize::MAX);
        assert!(anomalies(&*parser).contains(&name), "{name} in {:?}", anomalies(&*parser));
        assert!(anomalies(&*parser).iter().all(|a| PROTOCOL.anomalies.iter().any(|kind| kind.name == *a)));
    }
}

#[test]
fn an_encrypted_heartbeat_answer_longer_than_the_request_is_a_leak() {
    let (flow, mut parser) = (flow12(), open(&[]));
    feed(&mut *parser, TO_SERVER, &[flow.to_server, record(24, &[0; 60])].concat(), 99);
    feed(&mut *parser, TO_CLIENT, &[flow.to_client, record(24, &[0; 900])].concat(), 99);
    assert!(anomalies(&*parser).contains(&"tls.dataleak_heartbeat_mismatch"));
}

#[test]
fn an_ssl2_hello_may_lead_to_a_later_version() {
    let mut hello = vec![0x80, 28, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 5];
    hello.extend([9; 16]);
    for piece in [1, 99] {
        let mut parser = open(&[]);
        feed(&mut *parser, TO_SERVER, &hello, piece);
        feed(&mut *parser, TO_CLIENT, &record(22, &server_hello(&[])), piece);
        feed(&mut *parser, TO_SERVER, &record(22, &message(16, &[1])), piece);
        assert_eq!(anomalies(&*parser), [""; 0]);
        assert_eq!(progress(&*parser), ["client_hello_done", "server_hello"]);
        assert!(transaction(&*parser).seen().client_key_exchange);
    }
}

#[test]
fn a_hello_of_40_kilobytes_in_records_of_one_octet_is_read() {
    let hello: Vec<u8> = client_hello(40_000).iter().flat_map(|&octet| record(22, &[octet])).collect();
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &hello, 200);
    assert_eq!(transaction(&*parser).server_name(), Some(&b"x"[..]));
    assert_eq!(anomalies(&*parser), ["tls.fragmented_handshake_header"]);
}

#[test]
fn what_no_honest_client_sends_is_named() {
    let hello = client_hello(0);
    for (before, expected) in [
        (record(20, &[1]), "tls.record_before_hello"),
        (record(21, &[1, 90]), "tls.record_before_hello"),
        (record(22, &[]), "tls.empty_handshake_record"),
    ] {
        let mut parser = open(&[]);
        feed(&mut *parser, TO_SERVER, &[before, record(22, &hello)].concat(), 1000);
        assert_eq!(anomalies(&*parser), [expected]);
    }
    let mut odd = record(22, &hello);
    odd[2] = 0x99;
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, &odd, 1000);
    assert_eq!(anomalies(&*parser), ["tls.invalid_record_version"]);
    assert_eq!(transaction(&*parser).server_name(), Some(&b"x"[..]));
}

#[test]
fn missing_bytes_are_passed_over_inside_application_data_only() {
    let flow = flow12();
    let data = record(23, &[7; 1000]);
    for (sent, missing, goes_on) in [(100, 500, true), (100, 905, true), (100, 906, false), (3, 2, false)] {
        let mut parser = open(&[("encryption-handling", "full")]);
        feed(&mut *parser, TO_SERVER, &[&flow.to_server, &data[..sent]].concat(), 99);
        let mut files = NoFiles;
        let mut output = Output::new(&mut files);
        assert_eq!(parser.gap(TO_SERVER, missing, &mut output), goes_on, "{sent} {missing}");
    }
}

#[test]
fn recognition_waits_for_the_type_of_the_first_message() {
    let hello = record(22, &client_hello(0));
    let answer = record(22, &server_hello(&[]));
    for (direction, data, expected) in [
        (TO_SERVER, &hello[..], Probe::Yes),
        (TO_SERVER, &hello[..5], Probe::Unsure),
        (TO_SERVER, &answer, Probe::Reversed),
        (TO_CLIENT, &answer, Probe::Yes),
        (TO_CLIENT, &record(21, &[2, 40]), Probe::Yes),
        (TO_SERVER, b"GET / HTTP/1.1", Probe::No),
        (TO_SERVER, &[22, 3, 9], Probe::No),
        (TO_SERVER, &[0x80, 28], Probe::Unsure),
    ] {
        assert_eq!((PROTOCOL.probe)(Carrier::Tcp, direction, data), expected, "{data:?}");
    }
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_transaction(piece in 1usize..80) {
        let flow = flow12();
        let (mut whole, mut cut) = (open(&[]), open(&[]));
        for direction in Direction::BOTH {
            feed(&mut *whole, direction, flow.of(direction), usize::MAX);
            feed(&mut *cut, direction, flow.of(direction), piece);
        }
        prop_assert_eq!(transaction(&*whole), transaction(&*cut));
    }

    #[test]
    fn noise_never_panics(
        noise in prop::collection::vec(any::<u8>(), 0..600),
        place in 0usize..400,
        start in 0usize..4,
        piece in 1usize..100,
    ) {
        for direction in Direction::BOTH {
            let mut bytes = flow12().of(direction).clone();
            match start {
                0 => bytes = noise.clone(),
                // An SSL 2 hello that may have any lengths.
                3 => bytes = [&[0x80, 60, if direction == TO_SERVER { 1 } else { 4 }, 0, 2][..], &noise].concat(),
                1 => drop(bytes.splice(place.min(bytes.len()).., noise.iter().copied())),
                _ => {
                    for (index, octet) in noise.iter().enumerate().filter(|(_, octet)| **octet < 8) {
                        if let Some(slot) = bytes.get_mut(place + index) {
                            *slot ^= octet;
                        }
                    }
                }
            }
            let mut parser = open(&[]);
            feed(&mut *parser, direction, &bytes, piece);
            shown(&*parser);
        }
    }

    #[test]
    fn twice_the_bytes_are_twice_the_work(records in 20usize..200, octets in 1usize..50, piece in 1usize..200) {
        let work = |count: usize| {
            let mut parser = open(&[("encryption-handling", "full")]);
            let body = vec![0; octets];
            feed(&mut *parser, TO_SERVER, &[message(1, &[0; 60]), record(22, &body).repeat(count)].concat()[64..], piece).1
        };
        prop_assert!(work(2 * records) * 10 <= work(records) * 23);
    }
}
