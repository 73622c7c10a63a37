use super::PROTOCOL;
use super::transaction::Transaction;
use crate::protocol::{Carrier, Direction, Input, NoFiles, Opening, Output, Probe, Settings};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

fn job(reference: u8, function: u8) -> Vec<u8> {
    vec![0x32, 1, 0, 0, 0, reference, 0, 2, 0, 0, function, 0]
}

fn ack(reference: u8, function: u8, error: u8) -> Vec<u8> {
    vec![0x32, 3, 0, 0, 0, reference, 0, 2, 0, 0, error, 4, function, 0]
}

fn userdata(reference: u8, kind: u8) -> Vec<u8> {
    vec![0x32, 7, 0, 0, 0, reference, 0, 8, 0, 0, 0, 1, 0x12, 4, 0x11, kind, 1, 0]
}

/// Transactions as `reference functions [anomalies]`, and what is wrong with none of them.
fn told(messages: &[(Direction, Vec<u8>)]) -> Vec<String> {
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Within("cotp")));
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    for (direction, message) in messages {
        assert_eq!(parser.advance(&Input::new(*direction, message), &mut output).consumed, message.len());
    }
    let mut all: Vec<String> = Vec::new();
    for id in parser.transactions().range() {
        let open = parser.transactions().get(id).unwrap();
        let tx = open.as_any().downcast_ref::<Transaction>().unwrap();
        let side = |direction| {
            tx.message(direction).map_or("-".into(), |m| format!("{:?}", m.function.or(m.group).unwrap_or(255)))
        };
        let anomalies: Vec<&str> = open.anomalies().iter().map(|a| a.0.trim_start_matches("s7comm.")).collect();
        let waits = if open.is_complete() { "" } else { " …" };
        all.push(format!("{} {}{waits} [{}]", side(TO_SERVER), side(TO_CLIENT), anomalies.join(" ")));
    }
    all.extend(output.anomalies.iter().map(|anomaly| anomaly.0.to_owned()));
    all
}

#[test]
fn a_job_and_its_acknowledgement_are_one_transaction() {
    let messages = [
        (TO_SERVER, job(1, 0xf0)),
        (TO_SERVER, job(2, 4)),
        (TO_CLIENT, ack(2, 4, 0)),
        (TO_CLIENT, ack(1, 0xf0, 0)),
        (TO_SERVER, job(3, 0x29)),
        (TO_SERVER, userdata(4, 0x44)),
        (TO_CLIENT, userdata(4, 0x84)),
    ];
    assert_eq!(told(&messages), ["240 240 []", "4 4 []", "41 - … []", "4 4 []"]);
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(told(&[(TO_CLIENT, ack(9, 4, 0x81))]), ["- 4 [unrequested_answer]"]);
    assert_eq!(told(&[(TO_SERVER, job(1, 0x77))]), ["119 - … [unknown_function]"]);
    let twice = [(TO_SERVER, job(1, 4)), (TO_SERVER, job(1, 5))];
    assert_eq!(told(&twice), ["4 - []", "5 - … [reused_reference]"]);
    for bytes in
        [&b"\x32\x01"[..], b"\x32\x09\0\0\0\x01\0\x01\0\0\x04", b"\x32\x01\0\0\0\x01\0\x05\0\0\x04", b"\x72\x01"]
    {
        assert_eq!(told(&[(TO_SERVER, bytes.to_vec())]), ["s7comm.malformed_message"]);
        assert_eq!((PROTOCOL.probe)(Carrier::Within("cotp"), TO_SERVER, bytes), Probe::No);
    }
    assert_eq!((PROTOCOL.probe)(Carrier::Within("cotp"), TO_SERVER, &job(1, 4)), Probe::Yes);
}

#[test]
fn jobs_that_wait_are_bounded() {
    let many: Vec<_> = (0..200).map(|reference| (TO_SERVER, job(reference, 4))).collect();
    let waiting = told(&many).iter().filter(|text| text.contains('…')).count();
    assert_eq!(waiting, super::parser::WAITING_LIMIT);
}
