use super::*;
use crate::protocol::{Direction, Ends, Input, NoFiles, Opening, Output, Parser, Sides, Transaction};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const ALL: [u8; 6] = [0xff; 6];

fn message(operation: u8, sender: ([u8; 6], [u8; 4]), target: ([u8; 6], [u8; 4])) -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4, 0, operation][..], &sender.0, &sender.1, &target.0, &target.1].concat()
}

/// What a frame from one station to another one is read as.
fn read(from: [u8; 6], to: [u8; 6], data: &[u8]) -> (Box<dyn Parser>, Vec<&'static str>) {
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Link(0x0806)));
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let ends = Ends::Link(Sides { client: from, server: to });
    parser.advance(&Input { ends, ..Input::new(Direction::ToServer, data) }, &mut output);
    let list = parser.transactions();
    let of_message = list.get(0).map_or(&[][..], Transaction::anomalies);
    let all = output.anomalies.iter().chain(of_message).map(|anomaly| anomaly.0).collect();
    (parser, all)
}

fn field(parser: &dyn Parser, name: &str) -> String {
    let field = FIELDS.iter().find(|field| field.name == name).unwrap();
    match (field.read)(parser.transactions().get(0).unwrap().as_any(), Direction::ToServer, 0).unwrap() {
        Value::Number(number) => number.to_string(),
        Value::Bytes(data) => String::from_utf8(data.to_vec()).unwrap(),
        Value::Stream { .. } => unreachable!("no field grows"),
    }
}

#[test]
fn a_question_is_read() {
    let (parser, anomalies) = read(OWN, ALL, &message(1, (OWN, [10, 0, 0, 1]), ([0; 6], [10, 0, 0, 2])));
    assert!(anomalies.is_empty(), "{anomalies:?}");
    for (name, expected) in [
        ("arp.opcode", "1"),
        ("arp.hw_type", "1"),
        ("arp.proto_type", "2048"),
        ("arp.src_mac", "02:00:00:00:00:01"),
        ("arp.src_ip", "10.0.0.1"),
        ("arp.dest_mac", "00:00:00:00:00:00"),
        ("arp.dest_ip", "10.0.0.2"),
        ("arp.form", "0"),
    ] {
        assert_eq!(field(&*parser, name), expected, "{name}");
    }
}

#[test]
fn probes_and_announcements_are_told_apart() {
    let (own, free) = ((OWN, [10, 0, 0, 1]), (OWN, [0; 4]));
    for (operation, sender, form) in [(1, free, "1"), (1, own, "2"), (2, own, "3"), (2, free, "0")] {
        let (parser, _) = read(OWN, ALL, &message(operation, sender, ([0; 6], [10, 0, 0, 1])));
        assert_eq!(field(&*parser, "arp.form"), form, "{operation} {sender:?}");
    }
}

#[test]
fn senders_that_are_not_who_they_say_are_noticed() {
    let target = (OTHER, [10, 0, 0, 2]);
    for (from, to, sender, expected) in [
        (OWN, OTHER, (OWN, [10, 0, 0, 1]), vec![]),
        (OTHER, OTHER, (OWN, [10, 0, 0, 1]), vec!["arp.sender_mismatch"]),
        // A capture without Ethernet headers does not tell.
        ([0; 6], [0; 6], (OWN, [10, 0, 0, 1]), vec![]),
        (OWN, OWN, (OWN, [10, 0, 0, 1]), vec!["arp.target_mismatch"]),
        (OWN, ALL, (OWN, [10, 0, 0, 1]), vec![]),
        (ALL, OTHER, (ALL, [224, 0, 0, 1]), vec!["arp.group_sender", "arp.invalid_sender_ip"]),
    ] {
        assert_eq!(read(from, to, &message(2, sender, target)).1, expected, "{from:?} {sender:?}");
    }
    assert_eq!(read(OWN, ALL, &[0, 1, 8, 0]).1, ["arp.malformed_message"]);
}
