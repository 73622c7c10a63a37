//! The line of an alert as Snort writes it, which stock parsers of QRadar and NetWitness read. Other records have none.

use std::net::IpAddr;

use super::tape::Value;
use super::words::Words;
use super::{Encoding, Facts, Settings};

pub(super) const ENCODING: Encoding = Encoding {
    name: "fast",
    doc: "one line for each alert, as Snort writes it; nothing for other records",
    media_type: "text/plain",
    write,
};

/// Brackets would end a field before its end.
const WORDS: Words = Words { marks: &[('[', "("), (']', ")")], backslash: "\\" };
/// Bytes of a message or of a class.
const LIMIT_BYTES: usize = 512;

fn write(facts: &Facts<'_>, _: &Settings, out: &mut Vec<u8>) -> bool {
    let Some(alert) = facts.alert.filter(|_| facts.event_type() == "alert") else { return false };
    let stamp = facts.timestamp.map(Value::text).unwrap_or_default();
    let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or_default().as_bytes();
    for bytes in [part(5, 7), b"/", part(8, 10), b"/", part(0, 4), b"-", part(11, 26)] {
        out.extend_from_slice(bytes);
    }
    let text = |name: &str| alert.get(name).map(Value::text).unwrap_or_default();
    for (before, name) in [("  [**] [", "gid"), (":", "signature_id"), (":", "rev")] {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(if text(name).is_empty() { b"0" } else { text(name).as_bytes() });
    }
    out.extend_from_slice(b"] ");
    WORDS.write(out, text("signature"), LIMIT_BYTES);
    out.extend_from_slice(b" [**] [Classification: ");
    WORDS.write(out, if text("category").is_empty() { "(null)" } else { text("category") }, LIMIT_BYTES);
    out.extend_from_slice(b"] [Priority: ");
    out.extend_from_slice(text("severity").as_bytes());
    out.extend_from_slice(b"] {");
    WORDS.write(out, facts.proto.map(Value::text).unwrap_or_default(), LIMIT_BYTES);
    out.extend_from_slice(b"} ");
    end(out, facts.src_ip, facts.src_port.or(facts.icmp_type));
    out.extend_from_slice(b" -> ");
    end(out, facts.dest_ip, facts.dest_port.or(facts.icmp_code));
    true
}

fn end(out: &mut Vec<u8>, address: Option<Value<'_>>, port: Option<Value<'_>>) {
    let text = address.map(Value::text).unwrap_or("0.0.0.0");
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => out.extend_from_slice(address.to_string().as_bytes()),
        _ => drop(WORDS.write(out, text, LIMIT_BYTES)),
    }
    if let Some(port) = port {
        out.push(b':');
        out.extend_from_slice(port.text().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::encoded;

    #[test]
    fn an_alert_is_one_line() {
        let record = r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","event_type":"alert","src_ip":"2001:0db8:0000:0000:0000:0000:0000:0022",
            "src_port":22,"dest_ip":"192.0.2.10","proto":"TCP","alert":{"gid":1,"signature_id":4,"rev":2,"signature":"a [**] [1:9:9]\n\u001b[2J {TCP}","category":"","severity":3}}"#;
        assert_eq!(
            encoded("fast", &record.replace("\n            ", "")).unwrap(),
            "11/24/2026-12:35:06.357488  [**] [1:4:2] a (**) (1:9:9)\\u000a\\u001b(2J {TCP} [**] [Classification: (null)] [Priority: 3] {TCP} 2001:db8::22:22 -> 192.0.2.10"
        );
        assert_eq!(encoded("fast", r#"{"event_type":"flow"}"#), None);
    }
}
