//! IBM's Log Event Extended Format 2.0, with tabs between its pairs.
//!
//! It has no escapes: what would end a pair or a line stands there as JSON escapes it. QRadar tells events apart by the event id and
//! `cat`, which are the same for all events of a kind.

use super::facts::Facts;
use super::members::{Volume, asked};
use super::tape::{Kind, Value};
use super::words::Words;
use super::{Encoding, Settings};

pub(super) const ENCODING: Encoding = Encoding {
    name: "leef",
    doc: "IBM's Log Event Extended Format 2.0, which QRadar reads",
    media_type: "text/plain",
    write,
};

const HEADER: Words = Words { marks: &[('|', "/"), ('\\', "/")], backslash: "/" };
const VALUE: Words = Words { marks: &[], backslash: "\\" };
/// Bytes of a name, and of a value.
const NAME_BYTES: usize = 512;
const VALUE_BYTES: usize = 2048;

/// Members of objects, and the keys that they have: QRadar's own where it has one.
const KEYS: &[(&str, &str, &str)] = &[
    ("http", "http_method", "httpMethod"),
    ("http", "hostname", "httpHost"),
    ("http", "http_user_agent", "userAgent"),
    ("http", "http_refer", "referrer"),
    ("http", "status", "httpStatus"),
    ("fileinfo", "filename", "fileName"),
    ("fileinfo", "size", "fileSize"),
    ("fileinfo", "sha256", "fileHash"),
    ("tls", "ja4", "ja4"),
    ("tls", "subject", "tlsSubject"),
    ("dns", "rcode", "dnsResponse"),
    ("smb", "command", "smbCommand"),
    ("smb", "share", "resource"),
    ("ftp", "command", "ftpCommand"),
    ("krb5", "cname", "usrName"),
    ("anomaly", "event", "anomaly"),
];

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(concat!("LEEF:2.0|Tapwire|Tapwire|", env!("CARGO_PKG_VERSION"), "|").as_bytes());
    let kind = facts.event_type();
    let alert = facts.alert.filter(|_| kind == "alert");
    let of_alert = |name: &str| alert.and_then(|alert| alert.get(name)).filter(|value| !value.text().is_empty());
    HEADER.write(out, of_alert("signature_id").map_or(kind, Value::text), NAME_BYTES);
    out.extend_from_slice(b"|x09|");
    let mut pairs = Pairs { out, is_first: true, cut: Vec::new() };
    pairs.text("cat", of_alert("category").map_or(kind, Value::text));
    pairs.text("sev", &facts.severity().leef.to_string());
    if let Some(stamp) = facts.timestamp.map(Value::text).filter(|stamp| stamp.is_ascii() && stamp.len() == 31) {
        // Their format has three digits of a second.
        let (begin, zone) = (stamp.get(..23).unwrap_or_default(), stamp.get(26..).unwrap_or_default());
        pairs.text("devTime", &format!("{begin}{zone}"));
        pairs.text("devTimeFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSZ");
    }
    pairs.value("src", facts.src_ip);
    pairs.value("dst", facts.dest_ip);
    pairs.value("srcPort", facts.src_port);
    pairs.value("dstPort", facts.dest_port);
    pairs.value("proto", facts.proto);
    for (key, mac) in ["srcMAC", "dstMAC"].into_iter().zip(facts.stations()) {
        pairs.value(key, mac);
    }
    let Volume { bytes: [bytes_out, bytes_in], packets: [packets_out, packets_in] } = Volume::of(facts);
    for (key, value) in
        [("srcBytes", bytes_out), ("dstBytes", bytes_in), ("srcPackets", packets_out), ("dstPackets", packets_in)]
    {
        pairs.value(key, value);
    }
    pairs.value("policy", of_alert("signature"));
    pairs.value("action", of_alert("action"));
    pairs.value("sid", of_alert("signature_id"));
    pairs.value("gid", of_alert("gid"));
    pairs.value("rev", of_alert("rev"));
    let techniques: Vec<&str> = facts.techniques().into_iter().flat_map(Value::items).map(Value::text).collect();
    pairs.text("attackTechnique", &techniques.join(","));
    pairs.text("eventType", kind);
    pairs.value("app", facts.app_proto);
    pairs.text("eventId", &facts.event_id());
    pairs.value("flowId", facts.flow_id);
    pairs.value("communityId", facts.community_id);
    pairs.text("sensor", facts.host.map_or(settings.sensor.as_str(), Value::text));
    pairs.value("interface", facts.in_iface);
    pairs.value("direction", facts.own("direction"));
    pairs.value("srcZone", facts.own("src.zone"));
    pairs.value("dstZone", facts.own("dest.zone"));
    pairs.value("queriedName", asked(facts));
    pairs.value("url", facts.http.and_then(|http| http.get("url")));
    for (name, object) in facts.record.members().filter(|(_, value)| value.kind() == Kind::Object) {
        for (_, member, key) in KEYS.iter().filter(|(of, ..)| *of == name) {
            pairs.value(key, object.get(member));
        }
    }
    if let Some(told) = facts.application.map(|(_, value)| value).or(facts.flow) {
        pairs.json("msg", told.json());
    }
    let names = facts.own("cut").into_iter().flat_map(Value::items).map(Value::text);
    let cut = names.chain(pairs.cut.iter().copied()).collect::<Vec<_>>().join(",");
    pairs.text("cut", &cut);
    true
}

struct Pairs<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
    /// Keys whose values were too long.
    cut: Vec<&'static str>,
}

impl Pairs<'_> {
    /// What stands between the quotes of a JSON string; nothing where that is nothing.
    fn text(&mut self, key: &'static str, json: &str) {
        if json.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b'\t');
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
        if !VALUE.write(self.out, json, VALUE_BYTES) {
            self.cut.push(key);
        }
    }

    fn value(&mut self, key: &'static str, value: Option<Value<'_>>) {
        let value = value.filter(|value| matches!(value.kind(), Kind::Text | Kind::Plain));
        self.text(key, value.map(Value::text).unwrap_or_default());
    }

    /// JSON as text, with its own escapes.
    fn json(&mut self, key: &'static str, json: &str) {
        let begin = json.get(..json.floor_char_boundary(VALUE_BYTES + 1)).unwrap_or_default();
        self.text(key, &begin.replace('\\', "\\\\"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::encoded;

    #[test]
    fn pairs_stand_between_tabs() {
        let record = concat!(
            r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","event_type":"alert","src_ip":"192.0.2.22","src_port":22,"#,
            r#""dest_ip":"192.0.2.10","dest_port":80,"proto":"TCP","tapwire":{"event_id":"r1.2"},"alert":{"action":"allowed","gid":1,"#,
            r#""signature_id":4,"rev":2,"signature":"a|b\tc=d\ne","category":"Bad","severity":1},"flow":{"bytes_toserver":7,"#,
            r#""bytes_toclient":9,"src_ip":"192.0.2.10","src_port":80},"http":{"url":"/\t"}}"#
        );
        let expected = concat!(
            "|4|x09|cat=Bad\tsev=8\tdevTime=2026-11-24T12:35:06.357+0000\tdevTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ\tsrc=192.0.2.22\t",
            "dst=192.0.2.10\tsrcPort=22\tdstPort=80\tproto=TCP\tsrcBytes=9\tdstBytes=7\tpolicy=a|b\\u0009c=d\\u000ae\taction=allowed\t",
            "sid=4\tgid=1\trev=2\teventType=alert\teventId=r1.2\tsensor=sensor1\turl=/\\u0009\tmsg={\"url\":\"/\\t\"}"
        );
        let line = encoded("leef", record).unwrap();
        assert_eq!(
            line.strip_prefix(concat!("LEEF:2.0|Tapwire|Tapwire|", env!("CARGO_PKG_VERSION"))).unwrap(),
            expected
        );
    }
}
