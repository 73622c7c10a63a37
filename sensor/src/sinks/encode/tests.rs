//! What holds for every encoding.

use std::path::Path;

use proptest::prelude::*;
use tapwire_parsers::json::{Object, needs_escape};

use super::*;

/// A record in an encoding.
pub(super) fn encoded(name: &str, record: &str) -> Option<String> {
    let settings = Settings { sensor: "sensor1".into(), ..Settings::default() };
    let mut out = Vec::new();
    let encoder = Encoder::new(by_name(name).unwrap(), settings);
    let mut tape = Tape::default();
    let done = encoder.encode(&Facts::of(tape.read(record.as_bytes()).unwrap()), &mut out);
    assert_eq!(done == Encoded::Nothing, out.is_empty());
    (!out.is_empty()).then(|| String::from_utf8(out).unwrap())
}

/// Records of all cases of the project.
fn records() -> Vec<String> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let folders =
        |path: &Path| -> Vec<_> { std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect() };
    let files = folders(&cases).into_iter().filter(|path| path.is_dir()).flat_map(|protocol| folders(&protocol));
    let texts = files.filter_map(|case| std::fs::read_to_string(case.join("expected.json")).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Whether a text is one line that neither a reader of lines nor a terminal obeys, and JSON where it says so.
fn is_harmless(encoding: &Encoding, text: &str) -> bool {
    // LEEF has tabs between its fields, and nowhere else.
    let is_mark = |c: char| c == '\t' && encoding.name == "leef";
    let is_json = encoding.media_type != "application/json"
        || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    is_json && !text.chars().any(|c| needs_escape(c) && !is_mark(c))
}

/// Bytes in which each record fits, if enough is left out.
fn least(encoding: &Encoding) -> usize {
    if encoding.media_type == "application/json" && encoding.name != "eve" { 3072 } else { 1100 }
}

#[test]
fn every_record_of_every_case_has_every_form() {
    let records = records();
    assert!(records.len() > 900);
    let mut tape = Tape::default();
    for record in &records {
        let facts = Facts::of(tape.read(record.as_bytes()).unwrap());
        for encoding in ENCODINGS {
            for limit_bytes in [64 << 10, least(encoding)] {
                let mut out = b"before".to_vec();
                let encoder = Encoder::new(encoding, Settings { limit_bytes, ..Settings::default() });
                let done = encoder.encode(&facts, &mut out);
                assert!(done != Encoded::TooLong, "{} of {record}", encoding.name);
                let text = std::str::from_utf8(out.strip_prefix(b"before").unwrap()).unwrap();
                let has_ends = facts.src_ip.is_some() || facts.stations().iter().any(Option::is_some);
                let has_form = match encoding.name {
                    "fast" => facts.event_type() == "alert",
                    "asim" => has_ends,
                    _ => true,
                };
                assert_eq!(!text.is_empty(), has_form, "{} of {record}", encoding.name);
                assert!(text.is_empty() || is_harmless(encoding, text), "{text}");
                assert!(
                    text.len() <= limit_bytes && (done == Encoded::Cut || limit_bytes > 1100 || text.len() <= 1100)
                );
            }
        }
    }
}

#[test]
fn what_is_cut_is_named_and_identities_stay() {
    let long = "x".repeat(10_000);
    let record = format!(
        r#"{{"timestamp":"2026-11-24T12:35:06.357488+0000","flow_id":7,"event_type":"http","src_ip":"192.0.2.22","community_id":"1:abc","http":{{"url":"/{long}"}},"tapwire":{{"event_id":"r1.2","other":{{"a":"{long}"}}}},"payload":"{long}"}}"#
    );
    let mut tape = Tape::default();
    let facts = Facts::of(tape.read(record.as_bytes()).unwrap());
    for encoding in ENCODINGS.iter().filter(|encoding| encoding.name != "fast") {
        for limit_bytes in [20_000, 8 << 10, 4096, least(encoding), 10] {
            let mut out = Vec::new();
            let done = Encoder::new(encoding, Settings { limit_bytes, ..Settings::default() }).encode(&facts, &mut out);
            let text = String::from_utf8(out).unwrap();
            if limit_bytes == 10 {
                assert_eq!((done, text.as_str()), (Encoded::TooLong, ""));
                continue;
            }
            assert!(text.len() <= limit_bytes && is_harmless(encoding, &text), "{text}");
            for identity in ["r1.2", "1:abc", "192.0.2.22"] {
                assert!(text.contains(identity), "{identity} in {text}");
            }
            let names_payload = text.contains("payload") || text.contains("cut");
            assert!(done == Encoded::Whole || names_payload, "{text}");
        }
    }
}

/// Bytes that attackers would like to see written.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"\n",
        b"\r\n",
        b"\t",
        b"\0",
        b"\x1b[2J",
        b"\x9b",
        b"\"",
        b"\\",
        b"\\n",
        b"\\u000a",
        b"=",
        b"|",
        b",",
        b"'",
        b"}",
        b"{",
        b" src=1.2.3.4",
        b"|CEF:0|",
        b"LEEF:2.0|",
        b"[1:2:3]",
        b"=cmd()",
        b"@x",
        "\u{202e}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{85}".as_bytes(),
        "\u{feff}".as_bytes(),
        "\u{1f600}".as_bytes(),
        b"\xff\xfe",
        b"\\xff",
        b"<script>",
        b"%0a",
        b"a",
        b"\x7f",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_of_the_wire_break_no_line(values in proptest::collection::vec(hostile(), 12), limit_bytes in 1200usize..5000) {
        let mut line = Vec::new();
        {
            let mut object = Object::new(&mut line);
            object.text("timestamp", "2026-11-24T12:35:06.357488+0000").text("event_type", "alert").text("src_ip", "192.0.2.1");
            object.text("in_iface", &values[0]).text("host", &values[1]).text("proto", &values[2]).text("app_proto", &values[3]);
            object.object("alert", |alert| {
                alert.number("gid", 1).number("signature_id", 2).number("rev", 3).text("signature", &values[4]).text("category", &values[5]);
                alert.object("metadata", |metadata| {
                    metadata.array("mitre_technique_id", |list| {
                        list.text(&values[6]);
                    });
                });
            });
            object.object("http", |http| {
                http.text("hostname", &values[7]).text("url", &values[8]).text("http_user_agent", &values[9]).text("http_method", &values[10]);
            });
            object.object("dns", |dns| {
                dns.text("rrname", &values[11]);
            });
        }
        let mut tape = Tape::default();
        let facts = Facts::of(tape.read(&line).unwrap());
        for encoding in ENCODINGS {
            let mut out = Vec::new();
            let done = Encoder::new(encoding, Settings { limit_bytes, ..Settings::default() }).encode(&facts, &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(done == Encoded::TooLong, text.is_empty());
            prop_assert!(text.is_empty() || is_harmless(encoding, &text), "{} of {:?}", text, line);
            prop_assert!(text.len() <= limit_bytes);
        }
    }
}
