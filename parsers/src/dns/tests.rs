//! Messages through the parser, to fields and records.

use crate::dns::message::{Answer, Data, Message};
use crate::dns::{DIALECT, PROTOCOL};
use crate::json::Object;
use crate::protocol::{
    Anomaly, Carrier, Direction, Fuel, Input, NoFiles, Opening, Output, Parser, Probe, Purpose, Settings, Value,
};
use data_encoding::HEXLOWER;
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

/// What dnspython makes of the same bytes, but for final dots of names and for numbers that it shows by name.
const SHOWN: &[(u16, &str, &str)] = &[
    (13, "06504320227822066c69096e7578", r#""PC \"x\"" "li\009nux""#),
    (17, "0161076578616d706c650000", r#"a.example ."#),
    (18, "00010161076578616d706c6500", r#"1 a.example"#),
    (19, "0c333131303631373030393536", r#""311061700956""#),
    (20, "0f31353038363230323830303332313703303034", r#""150862028003217" "004""#),
    (21, "000a0161076578616d706c6500", r#"10 a.example"#),
    (22, "47000580", r#"47000580"#),
    (26, "000a0161076578616d706c65000162076578616d706c6500", r#"10 a.example b.example"#),
    (27, "082d33322e36383832083131362e383635320431302e30", r#"-32.6882 116.8652 10.0"#),
    (29, "000016138b3cf0187ef34320009895b8", r#"52 22 23.000 N 4 53 32.000 W -2.00m 0.00m 10000.00m 10.00m"#),
    (
        35,
        "006400320173075349502b4432550c215e2e2a24217369703a7821045f736970045f756470076578616d706c6500",
        r#"100 50 "s" "SIP+D2U" "!^.*$!sip:x!" _sip._udp.example"#,
    ),
    (36, "000a0161076578616d706c6500", r#"10 a.example"#),
    (37, "0001303908313233", r#"1 12345 8 MTIz"#),
    (39, "0161076578616d706c6500", r#"a.example"#),
    (42, "00011503c0a82000011c83c0a82600020801ff", r#"1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8"#),
    (45, "0a0102c0000226010351537986", r#"10 1 2 192.0.2.38 AQNRU3mG"#),
    (45, "0a020220010db8000000000000000000000001010351537986", r#"10 2 2 2001:db8::1 AQNRU3mG"#),
    (45, "0a0302026777076578616d706c6500010351537986", r#"10 3 2 gw.example AQNRU3mG"#),
    (
        46,
        "000108020000012c697e977f6955b9003039076578616d706c6500313233",
        r#"A 8 2 300 20260131235959 20260101000000 12345 example MTIz"#,
    ),
    (47, "0162076578616d706c65000006400100000003010140", r#"b.example A MX RRSIG NSEC CAA"#),
    (48, "01010308010351537986", r#"257 3 8 AQNRU3mG"#),
    (49, "0002016366", r#"AAIBY2Y="#),
    (
        50,
        "0101000c04aabbccdd14174eb2409fe28bcb4887a1836f957f0a8425e27b0006400000000002",
        r#"1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG"#,
    ),
    (50, "010000000014174eb2409fe28bcb4887a1836f957f0a8425e27b", r#"1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr"#),
    (51, "0100000c04aabbccdd", r#"1 0 12 aabbccdd"#),
    (
        55,
        "10020006200100107b1a74df365639cc39f1d57803010001b7710472767331076578616d706c65000472767332076578616d706c6500",
        r#"2 200100107b1a74df365639cc39f1d578 AwEAAbdx rvs1.example rvs2.example"#,
    ),
    (56, "016103622063", r#""a" "b c""#),
    (60, "01010308010351537986", r#"257 3 8 AQNRU3mG"#),
    (61, "010351537986", r#"AQNRU3mG"#),
    (62, "000000420003000460000008", r#"66 3 A NS AAAA"#),
    (64, "00000161076578616d706c6500", r#"0 a.example"#),
    (65, "00010000010003026833", r#"1 . alpn="h3""#),
    (99, "0b763d73706631202d616c6c", r#""v=spf1 -all""#),
    (105, "000ac0000201", r#"10 192.0.2.1"#),
    (107, "000a0161076578616d706c6500", r#"10 a.example"#),
    (108, "00005e00532a", r#"00-00-5e-00-53-2a"#),
    (109, "00005eef1000002a", r#"00-00-5e-ef-10-00-00-2a"#),
    (256, "000a000168747470733a2f2f612e6578616d706c652f782079", r#"10 1 "https://a.example/x y""#),
    (257, "0005697373756563612e6578616d706c653b20783d79", r#"0 issue "ca.example; x=y""#),
    (258, "0161", r#""a""#),
    (260, "0a83026777076578616d706c6500", r#"10 1 3 gw.example"#),
    (260, "0a00", r#"10 0 0 ."#),
    (261, "08716e616d656d696e", r#""qnamemin""#),
    (262, "01780179", r#""x" "y""#),
    (66, "003b0114ef0161076578616d706c6500", r#"CDS 1 5359 a.example"#),
    (1234, "0a0b0c", r#"\# 3 0a0b0c"#),
    (
        64,
        "00100000000004000100030001000702683303682c32000200000003000220fb00040008c0000201c000020200050004454348210006001020010db8000000000000000000000001000700082f717b3f646e737d0008000000090002001dff000003612201",
        r#"16 . mandatory=alpn,port alpn="h3,h\\,2" no-default-alpn port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=RUNIIQ== ipv6hint=2001:db8::1 dohpath="/q{?dns}" ohttp tls-supported-groups=29 key65280="a\"\001""#,
    ),
    (14, "016100016200", r#"a b"#),
    (43, "30390802aabbcc", r#"12345 8 2 aabbcc"#),
    (52, "030101aabbcc", r#"3 1 1 aabbcc"#),
    (63, "7848d32c0101aabb", r#"2018038572 1 1 aabb"#),
    (104, "000a00144fffff20ee64", r#"10 14:4fff:ff20:ee64"#),
    (38, "400000000000000001016100", r#"64 ::1 a"#),
    (11, "c00002010600000040", r#"192.0.2.1 6 00000040"#),
    (249, "016100697e977f697e977f000300000002aabb0000", r#"a 20260131235959 20260131235959 3 0 2 qrs= 0"#),
    (250, "0161000000697e977f012c0002aabb000100100000", r#"a 1769903999 300 2 qrs= 1 16 0"#),
    (259, "0000000100000002010161010203", r#"1 2 1 "a" AQID"#),
    (264, "0000000000000007", r#"7"#),
    (43, "3039", r#"\# 2 3039"#),
    (47, "0161", r#"\# 2 0161"#),
    (65, "0001000001000303", r#"\# 8 0001000001000303"#),
    (65280, "0a00", r#"\# 2 0a00"#),
];

#[test]
fn records_of_each_type_have_the_form_of_zone_files() {
    for (kind, data, expected) in SHOWN {
        let data = HEXLOWER.decode(data.as_bytes()).unwrap();
        let (kind, length) = (kind.to_be_bytes(), u16::try_from(data.len()).unwrap().to_be_bytes());
        let record = [b"\0", &kind[..], b"\0\x01\0\0\0\x09", &length, &data].concat();
        let message = [b"\0\x01\x80\0\0\0\0\x01\0\0\0\0", &record[..]].concat();
        let read = Message::read(&message, ToClient, 0, &DIALECT, &mut Fuel::ENDLESS.clone()).unwrap();
        let [Answer { data: Data::Text(text), .. }] = &read.answers[..] else { panic!("{expected}") };
        assert_eq!(String::from_utf8_lossy(read.text(*text)), *expected);
        assert_eq!(read.anomalies, []);
    }
}

#[test]
fn the_result_takes_in_the_bits_of_an_opt_record() {
    for (bits, extended, expected) in [(7, 1, "BADCOOKIE"), (0, 1, "BADVERS"), (3, 0, "NXDOMAIN"), (15, 255, "4095")] {
        let opt = [&b"\0\0\x29\x04\xd0"[..], &[extended, 0, 0, 0, 0, 0]].concat();
        let data = [&b"\0\x01\x80"[..], &[bits], b"\0\0\0\0\0\0\0\x01", &opt].concat();
        let seen = datagram(ToClient, &data);
        assert!(seen[0].contains(&format!(r#""rcode":"{expected}""#)), "{seen:?}");
    }
}

#[test]
fn a_fault_is_that_of_its_section() {
    // An address of three octets, and a name that leads out of the message.
    for record in [&b"\0\0\x01\0\x01\0\0\0\0\0\x03abc"[..], b"\xcf\xff\0\x01\0\x01\0\0\0\0\0\x04abcd"] {
        for (section, event) in [(1, "malformed_data"), (2, "invalid_authorities"), (3, "invalid_additionals")] {
            let mut header = *b"\0\x01\x80\0\0\0\0\0\0\0\0\0";
            header[5 + 2 * section] = 1;
            let seen = datagram(ToClient, &[&header, record].concat());
            assert!(seen[0].ends_with(&format!(r#"[Anomaly("dns.{event}")]"#)), "{seen:?}");
        }
    }
}

#[test]
fn a_question_whose_name_leads_out_of_the_message_asks_for_nothing() {
    let data = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x011\xdd0\x03127\0\0\x0c\0\x01";
    assert_eq!(datagram(ToServer, data), ["dns.malformed_data"]);
    // Nor does one of a class that there is not, where the message breaks or goes on behind it.
    for (answers, rest, expected) in [(0, "", "[]"), (1, "", "dns.malformed_data"), (0, "rest", "dns.malformed_data")] {
        let question = [b"\0\0\0\0\x01a\0\x5f\x75\x64\x70", rest.as_bytes()].concat();
        let data = [&b"\0\x01\x01\0\0\x01\0"[..], &[answers], &question].concat();
        assert!(datagram(ToServer, &data)[0].ends_with(expected), "{:?}", datagram(ToServer, &data));
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
