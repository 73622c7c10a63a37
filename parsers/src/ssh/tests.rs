//! Flows from the first line to encryption, and what goes wrong on the way.

use super::PROTOCOL;
use crate::json::Object;
use crate::protocol::{
    Carrier, Course, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings, Transaction, Value,
};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

fn open(settings: &[(&str, &str)]) -> Box<dyn Parser> {
    let settings = Settings(settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
    (PROTOCOL.configure)(&settings)(&Opening::by(Carrier::Tcp))
}

fn feed(parser: &mut dyn Parser, direction: Direction, bytes: &[u8]) -> Course {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    assert_eq!(parser.advance(&Input::new(direction, bytes), &mut output).consumed, bytes.len());
    assert!(output.fuel.spent() <= 3 * bytes.len() as u64 + 3);
    output.course
}

fn transaction(parser: &dyn Parser) -> &dyn Transaction {
    parser.transactions().get(0).unwrap()
}

fn anomalies(parser: &dyn Parser) -> Vec<&'static str> {
    transaction(parser).anomalies().iter().map(|a| a.0).collect()
}

fn field(parser: &dyn Parser, name: &str, direction: Direction) -> String {
    let field = PROTOCOL.fields.iter().find(|f| f.name == name).unwrap();
    match (field.read)(transaction(parser).as_any(), direction, 0) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

fn shown(parser: &dyn Parser) -> String {
    let mut out = Vec::new();
    let recorder = (PROTOCOL.recorder)(&Settings::default());
    recorder.write(transaction(parser), Purpose::Record, &mut Object::new(&mut out));
    String::from_utf8(out).unwrap()
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let padding = [0; 7];
    let length = u32::try_from(2 + body.len() + padding.len()).unwrap();
    [&length.to_be_bytes()[..], &[7, number], body, &padding].concat()
}

fn key_exchange(lists: [&str; 8]) -> Vec<u8> {
    let mut body = vec![0xaa; 16];
    for list in lists {
        body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list.as_bytes());
    }
    body.extend([0; 5]);
    packet(20, &body)
}

const LISTS: [&str; 8] = ["kex", "host", "enc-up", "enc-down", "mac-up", "mac-down", "none", "zlib"];

#[test]
fn a_flow_is_read_up_to_its_new_keys() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    feed(&mut *parser, TO_CLIENT, b"SSH-1.99-dropbear\n");
    assert!(!transaction(&*parser).is_recordable());
    feed(&mut *parser, TO_SERVER, &[key_exchange(LISTS), packet(30, b"0123")].concat());
    feed(&mut *parser, TO_CLIENT, &key_exchange(LISTS));
    assert!(transaction(&*parser).is_recordable() && !transaction(&*parser).is_complete());
    let encrypted = [packet(21, b""), vec![0xff; 50]].concat();
    assert_eq!(feed(&mut *parser, TO_SERVER, &encrypted), Course::Parse);
    assert_eq!(feed(&mut *parser, TO_CLIENT, &encrypted), Course::Encrypted);
    assert!(transaction(&*parser).is_complete() && anomalies(&*parser).is_empty());
    assert_eq!(
        shown(&*parser),
        r#"{"ssh":{"client":{"proto_version":"2.0","software_version":"OpenSSH_9.2p1","hassh":{"hash":"b24bd9679b2d538c6045b028c2e0dc7c","string":"kex;enc-up;mac-up;none"}},"server":{"proto_version":"1.99","software_version":"dropbear","hassh":{"hash":"62c3aaa5253739a5ce75b4d85ba39881","string":"kex;enc-down;mac-down;zlib"}}}}"#
    );
    assert_eq!(field(&*parser, "ssh.hassh.string", TO_SERVER), "kex;enc-up;mac-up;none");
    assert_eq!(field(&*parser, "ssh.hassh.server.string", TO_CLIENT), "kex;enc-down;mac-down;zlib");
}

#[test]
fn fingerprints_are_made_where_they_are_wanted() {
    for (settings, wanted) in [
        (&[("hassh", "no")][..], false),
        (&[("hassh", "yes"), ("rules.ssh.hassh", "no")], true),
        (&[("rules.ssh.hassh", "no"), ("rules.ssh.hassh.server", "yes")], true),
        (&[("extended", "yes"), ("rules.ssh.hassh", "no")], true),
        (&["ssh.hassh", "ssh.hassh.string", "ssh.hassh.server", "ssh.hassh.server.string"].map(no_rule)[..], false),
    ] {
        let mut parser = open(settings);
        for direction in Direction::BOTH {
            feed(&mut *parser, direction, b"SSH-2.0-x\r\n");
        }
        assert_eq!(transaction(&*parser).is_recordable(), !wanted, "{settings:?}");
        feed(&mut *parser, TO_SERVER, &key_exchange(LISTS));
        assert_eq!(!field(&*parser, "ssh.hassh", TO_SERVER).is_empty(), wanted, "{settings:?}");
    }
}

fn no_rule(field: &'static str) -> (&'static str, &'static str) {
    let key = match field {
        "ssh.hassh" => "rules.ssh.hassh",
        "ssh.hassh.string" => "rules.ssh.hassh.string",
        "ssh.hassh.server" => "rules.ssh.hassh.server",
        _ => "rules.ssh.hassh.server.string",
    };
    (key, "no")
}

#[test]
fn lines_that_cannot_be_are_anomalies_and_the_next_one_is_read() {
    let long = [b"SSH-2.0-x".repeat(100), b"\r\n".to_vec()].concat();
    for (bytes, expected, software) in [
        (&b"SSH-2.0-x\n"[..], &[][..], "x"),
        (b"SSH-2.0\r\nSSH-2.0-late\r\n", &["ssh.invalid_banner"], "late"),
        (b"welcome\r\nSSH-2.0-late\r\n", &["ssh.invalid_banner"], "late"),
        (b"SSH--x\r\n", &["ssh.invalid_banner"], ""),
        (&long, &["ssh.long_banner"], &"SSH-2.0-x".repeat(100)[8..256]),
    ] {
        let mut parser = open(&[]);
        feed(&mut *parser, TO_CLIENT, bytes);
        assert_eq!(anomalies(&*parser), expected, "{}", bytes.escape_ascii());
        assert_eq!(field(&*parser, "ssh.software", TO_CLIENT), software);
        assert_eq!(transaction(&*parser).progress(TO_CLIENT) >= 2, !software.is_empty());
    }
    let mut parser = open(&[]);
    assert_eq!(feed(&mut *parser, TO_CLIENT, &b"hello\n".repeat(100)), Course::Stop);
}

#[test]
fn packets_that_cannot_be_are_anomalies() {
    for (bytes, expected, course) in [
        (vec![0xff; 6], "ssh.invalid_record", Course::Stop),
        (vec![0, 0, 0, 1, 0, 20], "ssh.invalid_record", Course::Stop),
        (packet(20, b"too short"), "ssh.invalid_record", Course::Parse),
        (packet(20, &vec![0; 40_000]), "ssh.long_kex_record", Course::Parse),
    ] {
        let mut parser = open(&[]);
        feed(&mut *parser, TO_SERVER, b"SSH-2.0-x\r\n");
        feed(&mut *parser, TO_CLIENT, b"SSH-2.0-x\r\n");
        assert_eq!(feed(&mut *parser, TO_SERVER, &bytes), course);
        assert_eq!(anomalies(&*parser), [expected]);
    }
}

#[test]
fn a_server_may_refuse_in_plain_text() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_CLIENT, b"SSH-2.0-x\r\n");
    feed(&mut *parser, TO_SERVER, b"GET / HTTP/1.0\r\n");
    assert_eq!(feed(&mut *parser, TO_CLIENT, b"Protocol mismatch.\n"), Course::Stop);
    assert_eq!(anomalies(&*parser), ["ssh.invalid_banner"]);
}

#[test]
fn version_1_is_read_no_further_than_its_lines() {
    let mut parser = open(&[]);
    feed(&mut *parser, TO_CLIENT, b"SSH-1.99-x\n");
    assert_eq!(feed(&mut *parser, TO_SERVER, b"SSH-1.5-1.2.26\n\xff\xff\xff\xff\xff\xff"), Course::Parse);
    assert_eq!(feed(&mut *parser, TO_CLIENT, &[0xff; 20]), Course::Stop);
    assert!(transaction(&*parser).is_recordable() && anomalies(&*parser).is_empty());
}

#[test]
fn a_gap_in_a_packet_is_stepped_over_and_any_other_ends_the_direction() {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let mut parser = open(&[]);
    feed(&mut *parser, TO_SERVER, b"SSH-2.0-x\r\n");
    let whole = packet(30, &[1; 100]);
    feed(&mut *parser, TO_SERVER, &whole[..20]);
    assert!(parser.gap(TO_SERVER, whole.len() as u64 - 20, &mut output));
    feed(&mut *parser, TO_SERVER, &packet(21, b""));
    assert_eq!(transaction(&*parser).progress(TO_SERVER), 4);
    assert!(parser.gap(TO_CLIENT, 100, &mut output));
    assert_eq!(output.course, Course::Encrypted);

    let mut parser = open(&[]);
    let mut output = Output::new(&mut files);
    assert!(parser.gap(TO_CLIENT, 100, &mut output));
    assert!(!parser.gap(TO_SERVER, 100, &mut output));
    assert_eq!(output.course, Course::Stop);
}

#[test]
fn it_is_recognised_by_its_first_bytes() {
    for (bytes, answer) in [(&b"SSH-2.0-"[..], Probe::Yes), (b"SSH2", Probe::No), (b"GET ", Probe::No)] {
        assert_eq!((PROTOCOL.probe)(Carrier::Tcp, TO_SERVER, bytes), answer);
    }
}
