//! Messages in datagrams and streams, and what can be wrong with them.

use super::PROTOCOL;
use crate::json::Object;
use crate::protocol::{
    Advance, Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings, Value,
};

const TO_SERVER: Direction = Direction::ToServer;

const INVITE: &str = "INVITE sip:bob@example.test SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1\r\nVia: SIP/2.0/UDP 192.0.2.2\r\n\
    From: \"a\"\r\n <sip:alice@example.test>\r\nt: <sip:bob@example.test>\r\nUser-Agent: phone\r\nc: application/SDP\r\nl: 151\r\n\r\n\
    v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nr=1 2\r\nt=3 4\r\na=all\r\nm=audio 9 RTP/AVP 0\r\nb=AS:64\r\n\
    a=ptime:20\r\nm=video 0 RTP/AVP 31\r\n";
const TRYING: &str = "SIP/2.0 100 Trying to\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

fn open(carrier: Carrier) -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(&Opening::by(carrier))
}

/// Hands bytes over in pieces; returns the anomalies of the flow and the work.
fn feed(parser: &mut dyn Parser, bytes: &[u8], piece: usize) -> (Vec<&'static str>, u64) {
    let (mut anomalies, mut work) = (Vec::new(), 0);
    let (mut left, mut wanted) = (Vec::new(), 0);
    for chunk in bytes.chunks(piece) {
        left.extend_from_slice(chunk);
        if left.len() < wanted {
            continue;
        }
        let mut files = NoFiles;
        let mut output = Output::new(&mut files);
        let advance: Advance = parser.advance(&Input::new(TO_SERVER, &left), &mut output);
        left.drain(..advance.consumed);
        wanted = advance.wanted;
        anomalies.extend(output.anomalies.iter().map(|a| a.0));
        work += output.fuel.spent();
    }
    (anomalies, work)
}

fn shown(parser: &dyn Parser, id: u64) -> String {
    let mut out = Vec::new();
    let recorder = (PROTOCOL.recorder)(&Settings::default());
    recorder.write(parser.transactions().get(id).unwrap(), Purpose::Record, &mut Object::new(&mut out));
    String::from_utf8(out).unwrap()
}

fn values(parser: &dyn Parser, name: &str) -> Vec<String> {
    let field = PROTOCOL.fields.iter().find(|f| f.name == name).unwrap();
    let message = parser.transactions().get(0).unwrap();
    (0..if field.multi { usize::MAX } else { 1 })
        .map_while(|index| (field.read)(message.as_any(), TO_SERVER, index))
        .map(|value| match value {
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        })
        .collect()
}

fn own_anomalies(parser: &dyn Parser, id: u64) -> Vec<&'static str> {
    parser.transactions().get(id).unwrap().anomalies().iter().map(|a| a.0).collect()
}

const INVITE_SHOWN: &str = r#"{"sip":{"method":"INVITE","uri":"sip:bob@example.test","version":"SIP/2.0","sdp":{"origin":"- 1 1 IN IP4 192.0.2.1","session_name":"call","connection_data":"IN IP4 192.0.2.1","time_descriptions":[{"time":"0 0","repeat_time":"1 2"},{"time":"3 4"}],"attributes":["all"],"media_descriptions":[{"media":"audio 9 RTP/AVP 0","bandwidths":["AS:64"],"attributes":["ptime:20"]},{"media":"video 0 RTP/AVP 31"}]},"request_line":"INVITE sip:bob@example.test SIP/2.0"}}"#;
const TRYING_SHOWN: &str =
    r#"{"sip":{"version":"SIP/2.0","code":"100","reason":"Trying to","response_line":"SIP/2.0 100 Trying to"}}"#;

#[test]
fn datagrams_and_streams_in_any_pieces_give_the_same() {
    let both = [INVITE, "\r\n\r\n", TRYING].concat();
    for piece in [1, 2, 3, 7, 100, both.len()] {
        let mut parser = open(Carrier::Tcp);
        let (anomalies, work) = feed(&mut *parser, both.as_bytes(), piece);
        assert!(anomalies.is_empty() && work <= 5 * both.len() as u64, "{anomalies:?} {work}");
        assert_eq!([shown(&*parser, 0), shown(&*parser, 1)], [INVITE_SHOWN, TRYING_SHOWN], "{piece}");
    }
    let mut parser = open(Carrier::Udp);
    for datagram in [INVITE, "\r\n\r\n", "     ", "\0\0\0\0", TRYING] {
        assert_eq!(feed(&mut *parser, datagram.as_bytes(), datagram.len()).0, [""; 0]);
    }
    assert_eq!([shown(&*parser, 0), shown(&*parser, 1)], [INVITE_SHOWN, TRYING_SHOWN]);
}

#[test]
fn rules_see_headers_in_either_form_and_lines_joined() {
    let mut parser = open(Carrier::Udp);
    feed(&mut *parser, INVITE.as_bytes(), INVITE.len());
    for (name, expected) in [
        ("sip.via", &["SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.2"][..]),
        ("sip.from", &["\"a\"   <sip:alice@example.test>"]),
        ("sip.to", &["<sip:bob@example.test>"]),
        ("sip.user_agent", &["phone"]),
        ("sip.content_type", &["application/SDP"]),
        ("sip.content_length", &["151"]),
        ("sip.stat_code", &[]),
        ("sip.response_line", &[]),
        ("sdp.session_name", &["call"]),
        ("sdp.time", &["0 0", "3 4"]),
        ("sdp.attribute", &["all"]),
        ("sdp.media.media", &["audio 9 RTP/AVP 0", "video 0 RTP/AVP 31"]),
        ("sdp.media.attribute", &["ptime:20"]),
    ] {
        let all = values(&*parser, name);
        assert_eq!(all, expected, "{name}");
    }
}

#[test]
fn what_is_wrong_is_an_anomaly_of_the_message() {
    for (headers, body, expected) in [
        ("l: x", "", "sip.invalid_content_length"),
        ("l: 1\r\nContent-Length: 2", "v", "sip.invalid_content_length"),
        ("c: application/sdp", "o=early\r\n", "sip.invalid_sdp"),
        ("c: application/sdp", "v=0\r\nno line\r\n", "sip.invalid_sdp"),
        ("c: application/sdp", &format!("v=0\r\n{}", "a=x\n".repeat(2000)), "sip.too_many_sdp_lines"),
        (&["v: x"; 100].join("\r\n"), "", "sip.too_many_headers"),
    ] {
        let mut parser = open(Carrier::Udp);
        let datagram = format!("BYE sip:x SIP/2.0\r\n{headers}\r\n\r\n{body}");
        feed(&mut *parser, datagram.as_bytes(), datagram.len());
        assert_eq!(own_anomalies(&*parser, 0), [expected], "{headers}");
    }
}

#[test]
fn a_datagram_is_read_to_its_end() {
    let datagram = INVITE.replace("l: 151", "l: 30");
    let mut parser = open(Carrier::Udp);
    feed(&mut *parser, datagram.as_bytes(), datagram.len());
    assert_eq!(shown(&*parser, 0), INVITE_SHOWN);
}

#[test]
fn a_stream_goes_on_behind_what_is_no_message() {
    let long_line = format!("INVITE {} SIP/2.0\r\n", "x".repeat(9_000));
    let long_head = format!("INVITE x SIP/2.0\r\n{}", "X: y\r\n".repeat(20_000));
    let many_begins = "INVITE x SIP/2.0\r\n".repeat(20_000) + "\r\n";
    let big_body = format!("INVITE x SIP/2.0\r\nl: 100000\r\n\r\n{}", "x".repeat(100_000));
    for (before, expected, opened) in [
        ("what is this\r\n", &["sip.invalid_data"][..], 1),
        ("INVITE x SIP/2.0\r\nl: none\r\n\r\nv=0\r\n", &[], 2),
        (&long_line, &["sip.invalid_data"], 1),
        (&long_head, &["sip.headers_too_long"], 1),
        (&many_begins, &["sip.headers_too_long"; 5], 2),
        (&big_body, &[], 2),
    ] {
        let bytes = [before, TRYING].concat();
        for piece in [1, 1000, bytes.len()] {
            let mut parser = open(Carrier::Tcp);
            let (anomalies, work) = feed(&mut *parser, bytes.as_bytes(), piece);
            assert_eq!(
                (&anomalies[..], parser.transactions().range()),
                (expected, 0..opened),
                "{}",
                &before[..20.min(before.len())]
            );
            assert!(work <= 5 * bytes.len() as u64 + 100, "{work} of {}", bytes.len());
            assert_eq!(shown(&*parser, opened - 1), TRYING_SHOWN);
        }
    }
}

#[test]
fn behind_a_gap_or_at_the_end_the_headers_are_shown_all_the_same() {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    for ends in [true, false] {
        let mut parser = open(Carrier::Tcp);
        feed(&mut *parser, &INVITE.as_bytes()[..INVITE.len() - 10], 5000);
        if ends {
            parser.close(TO_SERVER, &mut output);
        } else {
            parser.gap(TO_SERVER, 10, &mut output);
            feed(&mut *parser, [TRYING, TRYING].concat().as_bytes(), 5000);
            assert_eq!(shown(&*parser, 2), TRYING_SHOWN);
        }
        assert!(shown(&*parser, 0).starts_with(r#"{"sip":{"method":"INVITE""#));
    }
}

#[test]
fn it_is_recognised_by_its_first_line() {
    for (data, tcp, udp) in [
        (&b"REGISTER sip:x SIP/2.0\r\n"[..], Probe::Yes, Probe::Yes),
        (b"SIP/2.0 200 OK\r\n", Probe::Yes, Probe::Yes),
        (b"SIP/2.0 200\n", Probe::Yes, Probe::Yes),
        (b"NOTIFY * HTTP/1.1\r\n", Probe::No, Probe::No),
        (b"OPTIONS rtsp://x RTSP/1.0\r\n", Probe::No, Probe::No),
        (b"SIP/2.0 2x0 OK\r\n", Probe::No, Probe::No),
        (b"REGISTER sip:x", Probe::Unsure, Probe::No),
        (b"\0\0hello", Probe::No, Probe::No),
    ] {
        let probed = [Carrier::Tcp, Carrier::Udp].map(|carrier| (PROTOCOL.probe)(carrier, TO_SERVER, data));
        assert_eq!(probed, [tcp, udp], "{}", data.escape_ascii());
    }
}
