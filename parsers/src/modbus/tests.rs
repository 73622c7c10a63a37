//! Messages through the parser, to transactions, fields and records.

use proptest::prelude::*;

use crate::json::Object;
use crate::modbus::{ModbusTransaction, PROTOCOL};
use crate::protocol::{
    Anomaly, Carrier, Direction, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings, Value,
};

use Direction::{ToClient, ToServer};

const READ_COILS: &[u8] = b"\0\x01\0\0\0\x06\x0a\x01\0\x02\0\x09";
const COILS: &[u8] = b"\0\x01\0\0\0\x05\x0a\x01\x02\xcd\x01";

fn open() -> Box<dyn Parser> {
    (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Tcp))
}

fn message(id: u8, function: &[u8]) -> Vec<u8> {
    let length = u16::try_from(function.len() + 1).unwrap().to_be_bytes();
    [&[0, id, 0, 0][..], &length, &[10], function].concat()
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

/// What is seen of a request stream cut into pieces and a response stream after it, and the work that was done.
fn exchange(request: &[u8], response: &[u8], pieces: &[usize]) -> (Vec<String>, u64) {
    let (mut parser, mut files) = (open(), NoFiles);
    let mut output = Output::new(&mut files);
    for (direction, data) in [(ToServer, request), (ToClient, response)] {
        let (mut start, mut end) = (0, 0);
        for piece in pieces.iter().copied().chain([data.len()]) {
            end = (end + piece).min(data.len());
            start += parser.advance(&Input::new(direction, &data[start..end]), &mut output).consumed;
        }
    }
    let (flow, work) = (std::mem::take(&mut output.anomalies), output.fuel.spent());
    (seen(parser.as_ref(), &flow), work)
}

#[test]
fn an_exchange_becomes_a_record() {
    let head = r#""transaction_id":1,"protocol_id":0,"unit_id":10,"function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE""#;
    let expected = format!(
        r#"{{"modbus":{{"id":1,"request":{{{head},"read":{{"address":2,"quantity":9}}}},"response":{{{head},"read":{{"data":"cd01"}}}}}}}} []"#
    );
    assert_eq!(exchange(READ_COILS, COILS, &[]).0, [expected]);
}

#[test]
fn every_function_is_read_and_matched() {
    for (request, response, shown) in [
        (&b"\x02\0\0\0\x03"[..], &b"\x02\x01\x05"[..], r#""read":{"data":"05"}"#),
        (b"\x03\0\x05\0\x02", b"\x03\x04\0\x09\0\x18", r#""read":{"data":"00090018"}"#),
        (b"\x04\0\x05\0\x01", b"\x04\x02\0\x09", r#""access_type":"READ | INPUT""#),
        (b"\x05\0\x02\xff\0", b"\x05\0\x02\xff\0", r#""write":{"address":2,"data":65280}"#),
        (b"\x06\0\x05\0\x0b", b"\x06\0\x05\0\x0b", r#""write":{"address":5,"data":11}"#),
        (b"\x07", b"\x07\x6d", r#""data":"6d""#),
        (b"\x08\0\x04\0\0", b"\x88\x0b", r#""exception":{"raw":11,"code":"GatewayTargetFailToResp"}"#),
        (b"\x08\0\0\x12\x34", b"\x08\0\0\x12\x34", r#""diagnostic":{"raw":0,"code":"RetQueryData","data":"1234"}"#),
        (b"\x0b", b"\x0b\xff\xff\x01\x08", r#""function_code":"GetCommEventCtr""#),
        (b"\x0c", b"\x0c\x08\0\0\x01\x08\x01\x21\x20\0", r#""function_code":"GetCommEventLog""#),
        (b"\x0f\0\x13\0\x0a\x02\xcd\x01", b"\x0f\0\x13\0\x0a", r#""access_type":"WRITE | COILS | MULTIPLE""#),
        (b"\x10\0\x01\0\x02\x04\0\x0a\x01\x02", b"\x10\0\x01\0\x02", r#""write":{"address":1},"data":"000a0102""#),
        (b"\x11", b"\x11\x02\0\xff", r#""function_code":"ReportServerID""#),
        (b"\x14\x07\x06\0\x04\0\x01\0\x02", b"\x14\x06\x05\x06\x0d\xfe\0\x20", r#""function_code":"RdFileRec""#),
        (
            b"\x15\x09\x06\0\x04\0\x07\0\x01\x06\xaf",
            b"\x15\x09\x06\0\x04\0\x07\0\x01\x06\xaf",
            r#""function_code":"WrFileRec""#,
        ),
        (b"\x16\0\x04\0\xf2\0\x25", b"\x16\0\x04\0\xf2\0\x25", r#""write":{"address":4},"data":"00f20025""#),
        (
            b"\x17\0\x03\0\x01\0\x0e\0\x01\x02\0\xff",
            b"\x17\x02\0\xfe",
            r#""read":{"address":3,"quantity":1},"write":{"address":14},"data":"00ff""#,
        ),
        (b"\x18\x04\xde", b"\x18\0\x04\0\x01\x01\xb8", r#""function_code":"RdFIFOQueue""#),
        (b"\x2b\x0e\x03\x01", b"\x2b\x0e\x03\x01\0\0\0", r#""mei":{"raw":14,"code":"RdDevId","data":"0301"}"#),
        (b"\x46\x01", b"\x46\x02", r#""category":"USER_DEFINED""#),
    ] {
        let seen = exchange(&message(1, request), &message(1, response), &[]).0;
        assert!(seen.len() == 1 && seen[0].contains(shown) && seen[0].ends_with(" []"), "{seen:?}");
    }
}

#[test]
fn what_is_wrong_is_an_anomaly() {
    for (request, response, anomalies) in [
        (message(1, b"\x03\0\0\0\x7e"), vec![], &["modbus.invalid_value"][..]),
        (message(1, b"\x05\0\0\0\x01"), vec![], &["modbus.invalid_value"]),
        (message(1, b"\x10\0\0\0\x02\x03\0\0\0"), vec![], &["modbus.invalid_value"]),
        (message(1, b"\x14\x07\x05\0\x04\0\x01\0\x02"), vec![], &["modbus.invalid_value"]),
        (message(1, b"\x03\0\0\0"), vec![], &["modbus.invalid_length"]),
        (message(1, b"\x03\0\0\0\x01\0"), vec![], &["modbus.invalid_length"]),
        (message(1, b"\x80"), vec![], &["modbus.invalid_function_code"]),
        (message(1, b"\x00"), vec![], &["modbus.invalid_function_code"]),
        (b"\0\x01\0\x01\0\x02\x0a\x07".to_vec(), vec![], &["modbus.invalid_protocol_id"]),
        (vec![], COILS.to_vec(), &["modbus.unsolicited_response"]),
        (READ_COILS.to_vec(), message(1, b"\x81\x63"), &["modbus.invalid_exception_code"]),
        (READ_COILS.to_vec(), message(1, b"\x01\x01\xff"), &["modbus.value_mismatch"]),
        (READ_COILS.to_vec(), message(1, b"\x02\x02\xff\xff"), &["modbus.value_mismatch"]),
    ] {
        let (mut parser, mut files) = (open(), NoFiles);
        let mut output = Output::new(&mut files);
        parser.advance(&Input::new(ToServer, &request), &mut output);
        parser.advance(&Input::new(ToClient, &response), &mut output);
        let names: Vec<&str> = parser.transactions().get(0).unwrap().anomalies().iter().map(|a| a.0).collect();
        assert_eq!(names, anomalies, "{request:?} {response:?}");
        assert!(output.anomalies.is_empty());
    }
}

#[test]
fn pipelined_requests_find_their_responses_in_any_order() {
    let requests: Vec<u8> = (0..4u8).flat_map(|id| message(id, &[3, 0, id, 0, 1])).collect();
    let responses: Vec<u8> = [2u8, 0, 3, 1].into_iter().flat_map(|id| message(id, &[3, 2, 0, id])).collect();
    let seen = exchange(&requests, &responses, &[]).0;
    for (id, record) in seen.iter().enumerate() {
        assert!(
            record.contains(&format!(r#""id":{}"#, id + 1))
                && record.contains(&format!(r#""read":{{"data":"000{id}"}}"#)),
            "{record}"
        );
        assert!(record.ends_with(" []"));
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn requests_without_response_are_bounded_and_end_with_the_stream() {
    let settings = Settings([("request-flood".to_owned(), "3".to_owned())].into());
    let (mut parser, mut files) = ((PROTOCOL.configure)(&settings)(&Opening::by(Carrier::Tcp)), NoFiles);
    let mut output = Output::new(&mut files);
    for _ in 0..5 {
        parser.advance(&Input::new(ToServer, READ_COILS), &mut output);
    }
    let complete = |parser: &dyn Parser| {
        parser.transactions().range().filter(|id| parser.transactions().get(*id).unwrap().is_complete()).count()
    };
    assert_eq!(complete(parser.as_ref()), 2);
    assert_eq!(parser.transactions().get(4).unwrap().anomalies(), [Anomaly("modbus.flooded")]);
    parser.close(ToClient, &mut output);
    assert_eq!(complete(parser.as_ref()), 5);
}

#[test]
fn rules_can_ask_for_addresses_and_values() {
    // Function and data; data addresses read and written; an address and the value that is written to it.
    for (request, read, written, value) in [
        (&b"\x01\0\x02\0\x02"[..], Some(3..=4), None, (3, None)),
        (b"\x05\0\x02\xff\0", None, Some(3..=3), (3, Some(0xff00))),
        (b"\x06\0\x05\0\x0b", None, Some(6..=6), (6, Some(11))),
        (b"\x0f\0\0\0\x0a\x02\x01\x02", None, Some(1..=10), (10, Some(1))),
        (b"\x0f\0\0\0\x0a\x02\x01\x02", None, Some(1..=10), (9, Some(0))),
        (b"\x10\0\x01\0\x02\x04\0\x0a\x01\x02", None, Some(2..=3), (3, Some(258))),
        (b"\x10\0\x01\0\x02\x04\0\x0a\x01\x02", None, Some(2..=3), (4, None)),
        (b"\x10\xff\xff\0\x02\x04\0\x0a\x01\x02", None, Some(65536..=65537), (65536, Some(10))),
        (b"\x16\0\x04\0\xf2\0\x25", None, Some(5..=5), (5, None)),
        (b"\x17\0\x03\0\x01\0\x0e\0\x01\x02\0\xff", Some(4..=4), Some(15..=15), (15, Some(255))),
        (b"\x03\0\0\0\0", None, None, (1, None)),
    ] {
        let (mut parser, mut files) = (open(), NoFiles);
        parser.advance(&Input::new(ToServer, &message(1, request)), &mut Output::new(&mut files));
        let transaction = parser.transactions().get(0).unwrap().as_any().downcast_ref::<ModbusTransaction>().unwrap();
        let request = transaction.request().unwrap();
        assert_eq!((request.read_addresses(), request.written_addresses()), (read, written));
        assert_eq!(request.written_value(value.0), value.1);
    }
}

#[test]
fn fields_are_numbers_of_each_direction() {
    let (mut parser, mut files) = (open(), NoFiles);
    let mut output = Output::new(&mut files);
    parser.advance(&Input::new(ToServer, &message(1, b"\x08\0\x04\0\0")), &mut output);
    parser.advance(&Input::new(ToClient, &message(1, b"\x88\x0b")), &mut output);
    let transaction = parser.transactions().get(0).unwrap();
    for (name, to_server, to_client) in [
        ("modbus.unit", Some(10), Some(10)),
        ("modbus.function", Some(8), Some(0x88)),
        ("modbus.subfunction", Some(4), None),
        ("modbus.category", Some(1), Some(1)),
        ("modbus.access", Some(0), Some(0)),
        ("modbus.exception", None, Some(11)),
    ] {
        let field = PROTOCOL.fields.iter().find(|f| f.name == name).unwrap();
        for (direction, expected) in [(ToServer, to_server), (ToClient, to_client)] {
            assert_eq!((field.read)(transaction.as_any(), direction, 0), expected.map(Value::Number), "{name}");
        }
    }
}

#[test]
fn probes_ask_for_a_header_and_a_function() {
    for (direction, data, expected) in [
        (ToServer, READ_COILS, Probe::Yes),
        (ToClient, COILS, Probe::Yes),
        (ToServer, &READ_COILS[..7], Probe::Unsure),
        (ToServer, b"\0\x01\0\x01", Probe::No),
        (ToServer, b"\0\x01\0\0\x88\x04\x05\x07", Probe::No),
        (ToServer, b"\0\x01\0\0\0\x03\x0a\x81", Probe::No),
        (ToServer, b"\0\x01\0\0\0\x03\x0a\0", Probe::No),
    ] {
        assert_eq!((PROTOCOL.probe)(Carrier::Tcp, direction, data), expected, "{data:?}");
    }
}

#[test]
fn parsing_goes_on_behind_a_gap_or_a_length_that_cannot_be() {
    let data = READ_COILS.repeat(6);
    let one = READ_COILS.len();
    // Bytes handed over before the gap, bytes that never came, messages that are still seen.
    for (before, missing, expected) in
        [(one, one, 5), (one + 8, 2, 5), (one + 8, one, 4), (one + 3, 5, 5), (0, 3 * one, 3)]
    {
        let (mut parser, mut files) = (open(), NoFiles);
        let mut output = Output::new(&mut files);
        parser.advance(&Input::new(ToServer, &data[..before]), &mut output);
        assert!(parser.gap(ToServer, missing as u64, &mut output));
        let mut start = before + missing;
        for end in before + missing..=data.len() {
            start += parser.advance(&Input::new(ToServer, &data[start..end]), &mut output).consumed;
        }
        assert_eq!(parser.transactions().range().end, expected, "{before} {missing}");
    }
    let (seen, _) = exchange(&[READ_COILS, &[0xff; 20], READ_COILS].concat(), &[], &[1; 60]);
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2], "modbus.invalid_length");
}

#[test]
fn twice_the_bytes_cost_twice_the_work() {
    for once in [READ_COILS.repeat(50), vec![0; 4000], vec![0xff; 4000], b"\0\x01\0\0\0\x02\x01".repeat(400)] {
        for pieces in [vec![], vec![1; once.len() * 2]] {
            let twice = exchange(&once.repeat(2), &once.repeat(2), &pieces).1;
            assert!(twice * 10 <= exchange(&once, &once, &pieces).1 * 23);
        }
    }
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_gives_the_same_transactions(
        messages in prop::collection::vec(prop_oneof![
            Just(READ_COILS.to_vec()),
            Just(COILS.to_vec()),
            prop::collection::vec(any::<u8>(), 1..40).prop_map(|function| message(1, &function)),
            prop::collection::vec(any::<u8>(), 0..20),
        ], 0..12),
        pieces in prop::collection::vec(0usize..20, 0..60),
    ) {
        let data = messages.concat();
        prop_assert_eq!(exchange(&data, &data, &pieces).0, exchange(&data, &data, &[]).0);
    }

    #[test]
    fn noise_never_panics(data in prop::collection::vec(any::<u8>(), 0..600), missing in any::<u64>()) {
        exchange(&data, &data, &[]);
        for function in 0..=255u8 {
            let start = [&[function][..], data.get(..30).unwrap_or(&data)].concat();
            let seen = exchange(&message(1, &start), &message(1, &start), &[]).0;
            prop_assert!(!seen.is_empty());
        }
        for direction in Direction::BOTH {
            let (mut parser, mut files) = (open(), NoFiles);
            let mut output = Output::new(&mut files);
            parser.advance(&Input::new(direction, &data), &mut output);
            parser.gap(direction, missing, &mut output);
            prop_assert!(parser.advance(&Input::new(direction, &data), &mut output).consumed <= data.len());
            parser.close(direction, &mut output);
            (PROTOCOL.probe)(Carrier::Tcp, direction, &data);
        }
    }
}
