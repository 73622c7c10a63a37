//! Messages through the parser, to fields and records.

use crate::dns::PROTOCOL;
use crate::json::Object;
use crate::protocol::{
    Anomaly, Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings, Value,
};
use proptest::prelude::*;

use Direction::{ToClient, ToServer};

const QUERY: &[u8] = b"\x10\x32\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06google\x03com\x00\x00\x10\x00\x01";
const ANSWER: &[u8] = b"\x10\x32\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x06google\x03com\x00\x00\x01\x00\x01\
    \xc0\x0c\x00\x01\x00\x01\x00\x01\x40\xef\x00\x04\x01\x02\x03\x04\
    \xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x03\x00\x07\x03abc\x02\xff\x01";

fn open(carrier: Carrier) -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(&Opening::by(carrier))
}

/// The records and anomalies of all transactions, then the anomalies of the flow.
fn seen(parser: &dyn Parser, flow: &[Anomaly]) -> Vec<String> {
    let record = (PROTOCOL.recorder)(&Settings::default());
    let list = parser.transactions();
    let transactions = list.range().filter_map(|id| list.get(id)).map(|tx| {
        let mut out = Vec::new();
        record.write(tx, Purpose::Record, &mut Object::new(&mut out));
        format!("{} {:?}", String::from_utf8(out).unwrap(), tx.anomalies())
    });
    transactions.chain(flow.iter().map(|a| a.0.to_owned())).collect()
}

/// What is seen of a datagram.
fn datagram(direction: Direction, data: &[u8]) -> Vec<String> {
    let (mut parser, mut files) = (open(Carrier::Udp), NoFiles);
    let mut output = Output::new(&mut files);
    parser.advance(&Input::new(direction, data), &mut output);
    let flow = std::mem::take(&mut output.anomalies);
    seen(parser.as_ref(), &flow)
}

/// What is seen of a stream cut into pieces, and the work that was done.
fn stream(direction: Direction, data: &[u8], pieces: &[usize]) -> (Vec<String>, u64) {
    let (mut parser, mut files) = (open(Carrier::Tcp), NoFiles);
    let mut output = Output::new(&mut files);
    let (mut start, mut end) = (0, 0);
    for piece in pieces.iter().copied().chain([data.len()]) {
        end = (end + piece).min(data.len());
        start += parser.advance(&Input::new(direction, &data[start..end]), &mut output).consumed;
    }
    let (flow, work) = (std::mem::take(&mut output.anomalies), output.fuel.spent());
    (seen(parser.as_ref(), &flow), work)
}

fn framed(messages: &[&[u8]]) -> Vec<u8> {
    let frame = |m: &&[u8]| [&u16::try_from(m.len()).unwrap().to_be_bytes()[..], m].concat();
    messages.iter().flat_map(frame).collect()
}

#[test]
fn messages_become_records() {
    for (direction, data, expected) in [
        (
            ToServer,
            QUERY,
            r#"{"dns":{"version":3,"type":"request","tx_id":0,"id":4146,"flags":"100","rd":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"google.com","rrtype":"TXT"}]}} []"#,
        ),
        (
            ToClient,
            ANSWER,
            r#"{"dns":{"version":3,"type":"response","tx_id":0,"id":4146,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","queries":[{"rrname":"google.com","rrtype":"A"}],"answers":[{"rrname":"google.com","rrtype":"A","ttl":82159,"rdata":"1.2.3.4"},{"rrname":"google.com","rrtype":"TXT","ttl":3,"rdata":"abc"},{"rrname":"google.com","rrtype":"TXT","ttl":3,"rdata":"\\xff\u0001"}],"grouped":{"A":["1.2.3.4"],"TXT":["abc","\\xff\u0001"]}}} []"#,
        ),
    ] {
        assert_eq!(datagram(direction, data), [expected]);
    }
}

#[test]
fn version_2_records_and_filters_follow_the_settings() {
    let settings =
        |pairs: &[(&str, &str)]| Settings(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    for (pairs, direction, data, expected) in [
        (
            &[("version", "2")][..],
            ToServer,
            QUERY,
            r#"{"dns":{"version":2,"type":"query","id":4146,"rrname":"google.com","rrtype":"TXT","tx_id":0,"opcode":0}}"#,
        ),
        (
            &[("version", "2"), ("formats.0", "grouped")],
            ToClient,
            ANSWER,
            r#"{"dns":{"version":2,"type":"answer","id":4146,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rrname":"google.com","rrtype":"A","rcode":"NOERROR","grouped":{"A":["1.2.3.4"],"TXT":["abc","\\xff\u0001"]}}}"#,
        ),
        (&[("requests", "no")], ToServer, QUERY, "{}"),
        (&[("responses", "no")], ToClient, ANSWER, "{}"),
        (&[("types.0", "aaaa")], ToServer, QUERY, "{}"),
        (&[("enabled", "no")], ToServer, QUERY, "{}"),
    ] {
        let (mut parser, mut files) = (open(Carrier::Udp), NoFiles);
        parser.advance(&Input::new(direction, data), &mut Output::new(&mut files));
        let mut out = Vec::new();
        let wanted = (PROTOCOL.recorder)(&settings(pairs)).write(
            parser.transactions().get(0).unwrap(),
            Purpose::Record,
            &mut Object::new(&mut out),
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{pairs:?}");
        assert_eq!(wanted, expected != "{}");
    }
}

#[test]
fn broken_messages_raise_anomalies_and_keep_what_was_read() {
    let header = |flags: u16, counts: [u8; 4]| {
        let [q, an, ns, ar] = counts;
        let [high, low] = flags.to_be_bytes();
        vec![0, 1, high, low, 0, q, 0, an, 0, ns, 0, ar]
    };
    let with = |header: Vec<u8>, rest: &[u8]| [&header[..], rest].concat();
    for (direction, data, expected) in [
        (ToServer, vec![0; 11], "dns.malformed_data"),
        (ToServer, header(0x8000, [0; 4]), "dns.not_request"),
        (ToClient, header(0, [0; 4]), "dns.not_response"),
        (ToServer, header(0x40, [0; 4]), "dns.z_flag_set"),
        (ToServer, header(0x4800, [0; 4]), "dns.invalid_opcode"),
        (ToServer, header(0, [1, 0, 0, 0]), "dns.malformed_data"),
        (ToServer, header(0, [0, 0, 1, 0]), "dns.invalid_authorities"),
        (ToServer, header(0, [0, 0, 0, 1]), "dns.invalid_additionals"),
        (ToServer, with(header(0, [1, 0, 0, 0]), b"\xc0\x0c\0\x01\0\x01"), "dns.infinite_loop"),
        (ToServer, with(header(0, [1, 0, 0, 0]), b"\x01a\xc0\x0c\0\x01\0\x01"), "dns.too_many_labels"),
        (ToServer, with(header(0, [1, 0, 0, 0]), b"\xc0\xff\0\x01\0\x01"), "dns.malformed_data"),
        (ToClient, with(header(0x8000, [0, 1, 0, 0]), b"\0\0\x01\0\x01\0\0\0\0\0\x01x"), "dns.malformed_data"),
    ] {
        let seen = datagram(direction, &data);
        assert!(seen.len() == 1 && seen[0].contains(expected), "{expected} {seen:?}");
    }
}

#[test]
fn a_section_keeps_a_bounded_number_of_entries() {
    let mut data = b"\0\x01\x80\0\0\0\x01\x2c\0\0\0\0".to_vec();
    data.extend(b"\x01a\0\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04".repeat(300));
    let seen = datagram(ToClient, &data);
    assert!(seen[0].ends_with(r#"[Anomaly("dns.too_many_records")]"#));
    assert_eq!(seen[0].matches("rrname").count(), 256);
}

#[test]
fn fields_are_read_in_the_direction_of_the_message() {
    let read = |name: &str, direction, data: &[u8]| {
        let field = PROTOCOL.fields.iter().find(|f| f.name == name).unwrap();
        let (mut parser, mut files) = (open(Carrier::Udp), NoFiles);
        parser.advance(&Input::new(direction, data), &mut Output::new(&mut files));
        let transaction = parser.transactions().get(0).unwrap();
        let take = if field.multi { 9 } else { 1 };
        let text = |value| match value {
            Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
            Value::Number(n) => n.to_string(),
            Value::Stream { .. } => unreachable!(),
        };
        assert!((field.read)(transaction.as_any(), direction.reverse(), 0).is_none());
        let values: Vec<String> =
            (0..take).map_while(|i| (field.read)(transaction.as_any(), direction, i)).map(text).collect();
        values.join(" ")
    };
    for (name, direction, expected) in [
        ("dns.query", ToServer, "google.com"),
        ("dns.queries.rrname", ToServer, "google.com"),
        ("dns.queries.rrname", ToClient, "google.com"),
        ("dns.query.name", ToClient, "google.com"),
        ("dns.answers.rrname", ToClient, "google.com google.com google.com"),
        ("dns.authorities.rrname", ToClient, ""),
        ("dns.response.rrname", ToClient, "google.com google.com google.com google.com"),
        ("dns.response.rrname", ToServer, ""),
        ("dns.rrtype", ToServer, "16"),
        ("dns.rrtype", ToClient, "1 16 16"),
        ("dns.opcode", ToServer, "0"),
        ("dns.rcode", ToClient, "0"),
    ] {
        let data = if direction == ToServer { QUERY } else { ANSWER };
        assert_eq!(read(name, direction, data), expected, "{name} {direction:?}");
    }
}

#[test]
fn probes_tell_messages_and_their_direction() {
    for (carrier, direction, data, expected) in [
        (Carrier::Udp, ToServer, QUERY.to_vec(), Probe::Yes),
        (Carrier::Udp, ToServer, ANSWER.to_vec(), Probe::Reversed),
        (Carrier::Udp, ToClient, ANSWER.to_vec(), Probe::Yes),
        (Carrier::Udp, ToServer, b"0@\x02\x01\x03\x30\x0f\x02\x03\x00\x91\xc8\x02\x02".to_vec(), Probe::No),
        (Carrier::Tcp, ToServer, framed(&[QUERY]), Probe::Yes),
        (Carrier::Tcp, ToServer, framed(&[QUERY])[..20].to_vec(), Probe::Yes),
        (Carrier::Tcp, ToServer, framed(&[QUERY])[..9].to_vec(), Probe::Unsure),
        (Carrier::Tcp, ToServer, b"GET / HTTP/1.1\r\n".to_vec(), Probe::No),
        (Carrier::Tcp, ToServer, vec![0], Probe::Unsure),
    ] {
        assert_eq!((PROTOCOL.probe)(carrier, direction, &data), expected, "{data:?}");
    }
}

#[test]
fn parsing_goes_on_behind_a_gap() {
    let data = framed(&[QUERY; 6]);
    let one = QUERY.len() + 2;
    // Bytes handed over before the gap, bytes that never came, messages that are still seen.
    for (before, missing, expected) in
        [(one, one, 5), (one + 10, 5, 5), (one + 10, one, 4), (one + 1, 7, 5), (one, 3, 5), (0, 3 * one, 3)]
    {
        let (mut parser, mut files) = (open(Carrier::Tcp), NoFiles);
        let mut output = Output::new(&mut files);
        parser.advance(&Input::new(ToServer, &data[..before]), &mut output);
        assert!(parser.gap(ToServer, missing as u64, &mut output));
        let mut start = before + missing;
        for end in before + missing..=data.len() {
            start += parser.advance(&Input::new(ToServer, &data[start..end]), &mut output).consumed;
        }
        assert_eq!(parser.transactions().range().end, expected, "{before} {missing}");
        assert_eq!(start, data.len());
    }
}

#[test]
fn twice_the_bytes_cost_twice_the_work() {
    let hostile =
        framed(&[&[&b"\0\x01\0\0\0\xff\0\0\0\0\0\0"[..], &b"\x01a\xc0\x0c\0\x01\0\x01".repeat(255)].concat()]);
    for once in [framed(&[QUERY; 40]), hostile, vec![0; 4000], vec![0xff; 200_000]] {
        for pieces in [vec![], vec![1; once.len() * 2]] {
            let twice = stream(ToServer, &once.repeat(2), &pieces).1;
            assert!(twice * 10 <= stream(ToServer, &once, &pieces).1 * 23);
        }
    }
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_transactions(
        messages in prop::collection::vec(prop_oneof![
            Just(QUERY.to_vec()),
            Just(ANSWER.to_vec()),
            prop::collection::vec(any::<u8>(), 0..60),
        ], 0..12),
        pieces in prop::collection::vec(0usize..40, 0..60),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let data = framed(&messages);
        for direction in Direction::BOTH {
            prop_assert_eq!(stream(direction, &data, &pieces).0, stream(direction, &data, &[]).0);
        }
    }

    #[test]
    fn noise_never_panics(data in prop::collection::vec(any::<u8>(), 0..600), missing in any::<u64>()) {
        for direction in Direction::BOTH {
            datagram(direction, &data);
            let (mut parser, mut files) = (open(Carrier::Tcp), NoFiles);
            let mut output = Output::new(&mut files);
            parser.advance(&Input::new(direction, &data), &mut output);
            parser.gap(direction, missing, &mut output);
            let consumed = parser.advance(&Input::new(direction, &data), &mut output).consumed;
            prop_assert!(consumed <= data.len());
            parser.close(direction, &mut output);
            for carrier in [Carrier::Tcp, Carrier::Udp] {
                (PROTOCOL.probe)(carrier, direction, &data);
            }
        }
    }
}
