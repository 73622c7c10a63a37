//! Records that are too long are cut, and say so: `tapwire.cut` names the members.
//!
//! What is left out, in this order, until the record fits: the packet; its payload; the same as printable text and the bodies of
//! messages; the ends of lists; the ends of strings; more of both; and objects other than those of alerts and flows. The members
//! that every record begins with stay. What is cut is JSON of our own making, so that it need not be read with suspicion.

use super::slot::Slot;

/// What is left out of a record.
#[derive(Clone, Copy)]
struct Rules {
    /// So many of `BULKY`.
    bulky: usize,
    /// Bytes of a list after which no further item follows.
    list_bytes: usize,
    /// Bytes of a string.
    string_bytes: usize,
    /// Objects are left out.
    no_objects: bool,
}

/// Members that are left out first.
const BULKY: [&[u8]; 7] = [
    b"packet",
    b"payload",
    b"payload_printable",
    b"http_request_body",
    b"http_request_body_printable",
    b"http_response_body",
    b"http_response_body_printable",
];
/// Objects that stay.
const KEPT: [&[u8]; 2] = [b"alert", b"flow"];
/// Members that are named as cut.
const NAMES: usize = 16;

/// The same record in at most about so many bytes. Its slots stay where their values do.
pub fn cut(record: &[u8], limit: usize, slots: &mut Vec<Slot>) -> Vec<u8> {
    const ALL: Rules =
        Rules { bulky: BULKY.len(), list_bytes: usize::MAX, string_bytes: usize::MAX, no_objects: false };
    let nothing = Rules { bulky: 0, ..ALL };
    let steps = [
        Rules { bulky: 1, ..nothing },
        Rules { bulky: 2, ..nothing },
        ALL,
        Rules { list_bytes: limit / 4, ..ALL },
        Rules { list_bytes: limit / 4, string_bytes: limit / 8, ..ALL },
        Rules { list_bytes: limit / 16, string_bytes: limit / 16, ..ALL },
        Rules { list_bytes: 0, string_bytes: 64, no_objects: true, ..ALL },
    ];
    let (mut shorter, mut left) = (Vec::new(), Vec::new());
    for rules in steps {
        let cutter = Cutter { text: record, at: 0, rules, cut: Vec::new(), own: None, slots, left: Vec::new() };
        (shorter, left) = cutter.record();
        if shorter.len() <= limit {
            break;
        }
    }
    *slots = left;
    shorter
}

/// Copies a record without what is cut.
struct Cutter<'t> {
    text: &'t [u8],
    at: usize,
    rules: Rules,
    /// Names of members that were cut.
    cut: Vec<&'t [u8]>,
    /// Where the value of the record's own `tapwire` begins.
    own: Option<usize>,
    slots: &'t [Slot],
    /// Those that are there yet, where they are now.
    left: Vec<Slot>,
}

impl<'t> Cutter<'t> {
    fn record(mut self) -> (Vec<u8>, Vec<Slot>) {
        let mut out = Vec::with_capacity(self.text.len().min(64 << 10));
        self.object(&mut out, 0);
        // The brace opens again for what says what was cut.
        out.pop();
        out.extend_from_slice(if out.len() > 1 { b",\"tapwire\":" } else { b"\"tapwire\":" });
        match self.own {
            Some(own) => {
                self.at = own;
                self.object(&mut out, 1);
                out.pop();
                if out.last() != Some(&b'{') {
                    out.push(b',');
                }
            }
            _ => out.push(b'{'),
        }
        out.extend_from_slice(b"\"cut\":[");
        for (n, name) in self.cut.iter().take(NAMES).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(name);
            out.push(b'"');
        }
        out.extend_from_slice(b"]}}\n");
        (out, self.left)
    }

    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn note(&mut self, name: &'t [u8]) {
        if !self.cut.contains(&name) && self.cut.len() < NAMES {
            self.cut.push(name);
        }
    }

    /// Copies a value; `name` is that of the member that it belongs to.
    fn value(&mut self, name: &'t [u8], out: &mut Vec<u8>, depth: usize) {
        let here = self.slots.iter().find(|slot| slot.at == self.at);
        self.left.extend(here.map(|slot| Slot { at: out.len(), ..*slot }));
        match self.peek() {
            b'{' if depth < DEPTH => self.object(out, depth),
            b'[' if depth < DEPTH => self.list(name, out, depth),
            b'"' => self.string(name, out),
            _ => out.extend_from_slice(self.skip()),
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) {
        self.at += 1;
        out.push(b'{');
        let mut is_first = true;
        while self.peek() != b'}' && self.at < self.text.len() {
            if self.peek() == b',' {
                self.at += 1;
            }
            let key = self.skip();
            self.at += 1;
            let name = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
            if depth == 0 && name == b"tapwire" {
                self.own = Some(self.at);
                self.skip();
                continue;
            }
            let is_bulky = BULKY.iter().take(self.rules.bulky).any(|bulky| *bulky == name);
            let is_object = self.rules.no_objects && self.peek() == b'{' && !KEPT.contains(&name);
            if is_bulky || is_object {
                self.skip();
                self.note(name);
                continue;
            }
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            out.extend_from_slice(key);
            out.push(b':');
            self.value(name, out, depth + 1);
        }
        self.at += 1;
        out.push(b'}');
    }

    fn list(&mut self, name: &'t [u8], out: &mut Vec<u8>, depth: usize) {
        self.at += 1;
        let start = out.len();
        out.push(b'[');
        while self.peek() != b']' && self.at < self.text.len() {
            if self.peek() == b',' {
                self.at += 1;
            }
            let before = out.len();
            if before > start + 1 {
                out.push(b',');
            }
            self.value(name, out, depth + 1);
            if out.len() - start > self.rules.list_bytes {
                out.truncate(before);
                self.note(name);
                self.rest_of_list();
                break;
            }
        }
        self.at += 1;
        out.push(b']');
    }

    /// Passes over what is left of a list.
    fn rest_of_list(&mut self) {
        while self.peek() != b']' && self.at < self.text.len() {
            if self.peek() == b',' {
                self.at += 1;
            }
            self.skip();
        }
    }

    fn string(&mut self, name: &'t [u8], out: &mut Vec<u8>) {
        let whole = self.skip();
        if whole.len() <= self.rules.string_bytes.saturating_add(2) {
            out.extend_from_slice(whole);
            return;
        }
        self.note(name);
        // Neither an escape nor a character is cut in two.
        let mut end = 1;
        while let Some(byte) = whole.get(end) {
            let length = match (byte, whole.get(end + 1)) {
                (b'\\', Some(b'u')) => 6,
                (b'\\', _) => 2,
                (0xf0.., _) => 4,
                (0xe0.., _) => 3,
                (0xc0.., _) => 2,
                _ => 1,
            };
            if end + length > self.rules.string_bytes + 1 {
                break;
            }
            end += length;
        }
        out.extend_from_slice(whole.get(..end).unwrap_or_default());
        out.push(b'"');
    }

    /// Passes over a value.
    fn skip(&mut self) -> &'t [u8] {
        let (start, mut depth) = (self.at, 0_usize);
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    while let Some(&byte) = self.text.get(self.at).filter(|byte| **byte != b'"') {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' | b':' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }
}

/// Values within values that are looked into.
const DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tapwire_parsers::json::Object;

    use super::*;
    use crate::records::slot::Blank;

    fn shorter(value: &Value, limit: usize) -> Value {
        let text = cut(format!("{value}\n").as_bytes(), limit, &mut Vec::new());
        assert!(text.len() <= limit.max(1024) && text.ends_with(b"}\n"), "{}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn bulky_members_go_first_and_in_their_order() {
        let bytes = "A".repeat(3_000);
        let record = json!({"event_type": "alert", "alert": {"signature_id": 1}, "payload": bytes, "payload_printable": bytes,
            "packet": bytes, "tapwire": {"evidence": [1, 2]}});
        for (limit, cut, left) in [
            (7_000, json!(["packet"]), vec!["payload", "payload_printable"]),
            (4_000, json!(["packet", "payload"]), vec!["payload_printable"]),
            (1_500, json!(["packet", "payload", "payload_printable"]), vec![]),
        ] {
            let record = shorter(&record, limit);
            let mut names: Vec<_> = record["tapwire"]["cut"].as_array().unwrap().clone();
            names.sort_by_key(|name| name.as_str().map(str::to_owned));
            assert_eq!(Value::from(names), cut);
            assert_eq!(record["tapwire"]["evidence"], json!([1, 2]));
            let found = ["payload", "payload_printable"].into_iter().filter(|name| record.get(name).is_some());
            assert_eq!(found.collect::<Vec<_>>(), left);
        }
    }

    #[test]
    fn lists_and_strings_keep_their_beginning() {
        let answers: Vec<_> = (0..500).map(|n| json!({"rrname": format!("{n}.example"), "ttl": n})).collect();
        let record = shorter(&json!({"event_type": "dns", "dns": {"id": 7, "answers": answers}, "last": 1}), 4_096);
        assert_eq!((&record["dns"]["id"], &record["last"]), (&json!(7), &json!(1)));
        assert_eq!(record["dns"]["answers"][0]["rrname"], "0.example");
        assert!(record["dns"]["answers"].as_array().unwrap().len() < 100);
        assert_eq!(record["tapwire"]["cut"], json!(["answers"]));
        let record = shorter(&json!({"event_type": "http", "http": {"url": "ü\\\"\n".repeat(3_000)}}), 2_048);
        assert!(record["http"]["url"].as_str().unwrap().starts_with("ü\\\"\nü"));
        assert_eq!(record["tapwire"]["cut"], json!(["url"]));
    }

    #[test]
    fn slots_stay_where_their_values_are() {
        let text = format!(r#"{{"payload":"{}","alert":{{"action":"allowed","gid":1}}}}"#, "A".repeat(3_000));
        let at = |text: &[u8]| text.windows(9).position(|part| part == br#""allowed""#).unwrap();
        let mut slots = vec![Slot { blank: Blank::Action, at: at(text.as_bytes()) }];
        let shorter = cut(text.as_bytes(), 1_024, &mut slots);
        assert_eq!(slots, [Slot { blank: Blank::Action, at: at(&shorter) }]);
    }

    proptest! {
        #[test]
        fn what_is_left_is_json_and_short(
            strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..40),
            limit in 1_024_usize..4_096,
        ) {
            let mut text = Vec::new();
            {
                let mut object = Object::new(&mut text);
                object.number("a", 1).text("event_type", "x");
                for (n, string) in strings.iter().enumerate() {
                    object.named(&format!("o{}", n % 7)).object(|o| {
                        o.text("s", string).array("list", |list| {
                            list.text(string).number(n);
                            list.object(|o| {
                                o.text("t", string);
                            });
                        });
                    });
                }
            }
            text.push(b'\n');
            let shorter = cut(&text, limit, &mut Vec::new());
            prop_assert!(shorter.len() <= limit);
            let value: Value = serde_json::from_slice(&shorter).unwrap();
            prop_assert_eq!(&value["event_type"], "x");
            prop_assert!(!shorter[..shorter.len() - 1].contains(&b'\n'));
        }
    }
}
