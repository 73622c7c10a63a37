//! ArcSight's Common Event Format, version 0, as strict parsers accept it.
//!
//! In the header, `|` and `\` become `/` and `=` becomes `:`, for parsers do not agree on escapes there. In the extension `\` and
//! `=` are escaped, line ends are `\n`; a `|` needs no escape there, but some parsers take it for one of the header's and others
//! do not know its escape, so that it stands there as JSON would escape it. Keys are those of the dictionary; what has none is in
//! `msg` as JSON.

use smallvec::SmallVec;

use super::facts::Facts;
use super::members::asked;
use super::tape::{Kind, Value};
use super::words::Words;
use super::{Encoding, Settings, time};

pub(super) const ENCODING: Encoding = Encoding {
    name: "cef",
    doc: "ArcSight's Common Event Format, which Sentinel, NetWitness, ArcSight and most collectors of syslog read",
    media_type: "text/plain",
    write,
};

const HEADER: Words = Words { marks: &[('|', "/"), ('\\', "/"), ('=', ":")], backslash: "/" };
const EXTENSION: Words = Words {
    marks: &[('=', "\\="), ('|', "\\\\u007c"), ('\\', "\\\\"), ('\n', "\\n"), ('\r', "\\n")],
    backslash: "\\\\",
};

/// Bytes of a name, and of a value; the dictionary has no longer ones but for custom texts.
const NAME_BYTES: usize = 512;
const VALUE_BYTES: usize = 1023;

/// Members of protocols and the keys that they have.
const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "http",
        &[
            ("http_method", "requestMethod"),
            ("http_user_agent", "requestClientApplication"),
            ("http_refer", "requestContext"),
            ("hostname", "dhost"),
            ("status", "outcome"),
        ],
    ),
    (
        "fileinfo",
        &[
            ("filename", "fname"),
            ("size", "fsize"),
            ("magic", "fileType"),
            ("sha256", "fileHash"),
            ("file_id", "fileId"),
        ],
    ),
    ("smb", &[("filename", "fname"), ("share", "filePath")]),
    ("ftp_data", &[("filename", "fname")]),
    ("tftp", &[("file", "fname")]),
    ("email", &[("from", "suser"), ("to", "duser")]),
    ("dhcp", &[("hostname", "shost")]),
    ("krb5", &[("cname", "suser"), ("sname", "destinationServiceName")]),
    ("flow", &[("bytes_toserver", "in"), ("bytes_toclient", "out"), ("reason", "reason")]),
];

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(concat!("CEF:0|Tapwire|Tapwire|", env!("CARGO_PKG_VERSION"), "|").as_bytes());
    let (kind, alert) = (facts.event_type(), facts.alert.filter(|_| facts.event_type() == "alert"));
    let of_alert = |name: &str| alert.and_then(|alert| alert.get(name));
    let event = facts.anomaly.and_then(|anomaly| anomaly.get("event"));
    if let Some(sid) = of_alert("signature_id") {
        HEADER.write(out, of_alert("gid").map_or("1", Value::text), NAME_BYTES);
        out.push(b':');
        HEADER.write(out, sid.text(), NAME_BYTES);
    } else {
        HEADER.write(out, kind, NAME_BYTES);
    }
    out.push(b'|');
    let name = of_alert("signature").or(event).map_or(kind, Value::text);
    HEADER.write(out, name, NAME_BYTES);
    out.push(b'|');
    let severity = facts.severity().cef;
    out.extend_from_slice(severity.to_string().as_bytes());
    out.push(b'|');

    let mut extension = Extension { out, is_first: true, cut: SmallVec::new() };
    extension.time("rt", facts.timestamp);
    extension.text("cat", of_alert("category").filter(|class| !class.text().is_empty()).map_or(kind, Value::text));
    extension.value("act", of_alert("action"));
    ends(&mut extension, facts);
    extension.value("proto", facts.proto);
    extension.value("app", facts.app_proto);
    extension.value("deviceInboundInterface", facts.in_iface);
    let sensor = facts.host.map_or(settings.sensor.as_str(), Value::text);
    extension.text("dvchost", sensor);
    extension.text("deviceExternalId", sensor);
    extension.text("externalId", &facts.event_id());
    match facts.own("direction").map(Value::text) {
        Some("inbound") => extension.text("deviceDirection", "0"),
        Some("outbound") => extension.text("deviceDirection", "1"),
        _ => {}
    }
    extension.labelled("cn1", "flowId", facts.flow_id);
    extension.labelled("cn2", "rev", of_alert("rev"));
    extension.labelled("cn3", "gid", of_alert("gid"));
    extension.labelled("cs1", "communityId", facts.community_id);
    extension.listed("cs2", "attackTechnique", facts.techniques());
    extension.labelled("cs3", "ja4", facts.tls.and_then(|tls| tls.get("ja4")));
    extension.labelled("cs4", "classification", of_alert("category"));
    extension.labelled("cs5", "queriedName", asked(facts));
    extension.labelled("cs6", "zone", facts.own("src.zone").or(facts.own("dest.zone")));
    extension.time("start", facts.of_flow("start"));
    extension.time("end", facts.of_flow("end"));
    extension.url(facts.http);
    by_table(&mut extension, facts);
    let told = facts.application.map(|(_, value)| value).or(facts.anomaly).or(facts.flow);
    if let Some(told) = told {
        extension.json("msg", told.json());
    }
    let names = facts.own("cut").into_iter().flat_map(Value::items).map(Value::text);
    let cut = names.chain(extension.cut.iter().copied()).collect::<Vec<_>>().join(",");
    if !cut.is_empty() {
        extension.text("flexString1", &cut);
        extension.text("flexString1Label", "cut");
    }
    true
}

/// What the table says of objects of protocols; each key once.
fn by_table(extension: &mut Extension<'_>, facts: &Facts<'_>) {
    let mut done: SmallVec<[&str; 16]> = SmallVec::new();
    for (name, object) in facts.record.members().filter(|(_, value)| value.kind() == Kind::Object) {
        let Some((_, keys)) = KEYS.iter().find(|(of, _)| *of == name) else { continue };
        for (member, value) in object.members() {
            let Some((_, key)) = keys.iter().find(|(of, _)| *of == member) else { continue };
            if !done.contains(key) {
                done.push(key);
                extension.value(key, if value.kind() == Kind::List { value.items().next() } else { Some(value) });
            }
        }
    }
}

/// Addresses, ports and stations of both ends.
fn ends(extension: &mut Extension<'_>, facts: &Facts<'_>) {
    for (key, address, at, label) in [
        ("src", facts.src_ip, "c6a2", "Source IPv6 Address"),
        ("dst", facts.dest_ip, "c6a3", "Destination IPv6 Address"),
    ] {
        extension.value(key, address);
        if let Some(address) = address.filter(|address| address.text().contains(':')) {
            extension.labelled(at, label, Some(address));
        }
    }
    extension.value("spt", facts.src_port);
    extension.value("dpt", facts.dest_port);
    for (key, mac) in ["smac", "dmac"].into_iter().zip(facts.stations()) {
        extension.value(key, mac);
    }
}

/// Pairs of keys and values.
struct Extension<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
    /// Keys whose values were too long.
    cut: SmallVec<[&'static str; 4]>,
}

impl Extension<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
    }

    /// What stands between the quotes of a JSON string; nothing where that is nothing.
    fn text(&mut self, key: &'static str, json: &str) {
        if !json.is_empty() {
            self.key(key);
            if !EXTENSION.write(self.out, json, VALUE_BYTES) {
                self.cut.push(key);
            }
        }
    }

    fn value(&mut self, key: &'static str, value: Option<Value<'_>>) {
        if let Some(value) = value {
            self.text(key, value.text());
        }
    }

    fn labelled(&mut self, key: &'static str, label: &str, value: Option<Value<'_>>) {
        if let Some(value) = value.filter(|value| !value.text().is_empty()) {
            self.text(key, value.text());
            self.label(key, label);
        }
    }

    /// The items of a list, with commas.
    fn listed(&mut self, key: &'static str, label: &str, list: Option<Value<'_>>) {
        let Some(list) = list.filter(|list| list.items().next().is_some()) else { return };
        let items: Vec<&str> = list.items().map(Value::text).collect();
        self.text(key, &items.join(","));
        self.label(key, label);
    }

    fn label(&mut self, key: &str, label: &str) {
        self.key(key);
        self.out.pop();
        self.out.extend_from_slice(b"Label=");
        self.out.extend_from_slice(label.as_bytes());
    }

    /// JSON as text: what stands there has escapes of its own, which are kept.
    fn json(&mut self, key: &'static str, json: &str) {
        let begin = json.get(..json.floor_char_boundary(VALUE_BYTES + 1)).unwrap_or_default();
        self.text(key, &begin.replace('\\', "\\\\"));
    }

    /// Milliseconds since 1970.
    fn time(&mut self, key: &'static str, stamp: Option<Value<'_>>) {
        if let Some(micros) = stamp.and_then(|stamp| time::micros(stamp.text())).and_then(|at| u64::try_from(at).ok()) {
            self.text(key, &(micros / 1000).to_string());
        }
    }

    /// The address of a page, with its host.
    fn url(&mut self, http: Option<Value<'_>>) {
        let Some(path) = http.and_then(|http| http.get("url")) else { return };
        let host = http.and_then(|http| http.get("hostname")).map(Value::text).unwrap_or_default();
        if path.text().starts_with('/') && !host.is_empty() {
            self.text("request", &format!("http://{host}{}", path.text()));
        } else {
            self.text("request", path.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::encoded;

    #[test]
    fn an_alert_has_the_keys_of_the_dictionary() {
        let record = concat!(
            r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","flow_id":7,"event_type":"alert","src_ip":"192.0.2.22","src_port":22,"#,
            r#""dest_ip":"192.0.2.10","dest_port":80,"proto":"TCP","community_id":"1:a=","tapwire":{"event_id":"r1.2"},"alert":{"action":"allowed","#,
            r#""gid":1,"signature_id":4,"rev":2,"signature":"a|b\\c\nd","category":"Bad = worse","severity":1,"#,
            r#""metadata":{"mitre_technique_id":["T1190","T1071"]}},"http":{"hostname":"h","url":"/x?a=b|c","http_method":"GET"},"app_proto":"http"}"#
        );
        let expected = concat!(
            "|1:4|a/b/c/u000ad|8|rt=1795523706357 cat=Bad \\= worse act=allowed src=192.0.2.22 dst=192.0.2.10 spt=22 dpt=80 proto=TCP app=http ",
            "dvchost=sensor1 deviceExternalId=sensor1 externalId=r1.2 cn1=7 cn1Label=flowId cn2=2 cn2Label=rev cn3=1 cn3Label=gid ",
            "cs1=1:a\\= cs1Label=communityId cs2=T1190,T1071 cs2Label=attackTechnique cs4=Bad \\= worse cs4Label=classification ",
            r#"request=http://h/x?a\=b\\u007cc dhost=h requestMethod=GET msg={"hostname":"h","url":"/x?a\=b\\u007cc","http_method":"GET"}"#
        );
        let line = encoded("cef", record).unwrap();
        assert_eq!(line.strip_prefix(concat!("CEF:0|Tapwire|Tapwire|", env!("CARGO_PKG_VERSION"))).unwrap(), expected);
    }

    #[test]
    fn what_is_too_long_is_named() {
        let record = format!(
            r#"{{"event_type":"http","http":{{"url":"{}","http_refer":"\\{}"}}}}"#,
            "=".repeat(600),
            "\\\"".repeat(2000)
        );
        let line = encoded("cef", &record).unwrap();
        assert!(line.ends_with(" flexString1=request,requestContext,msg flexString1Label=cut"), "{line}");
        assert!(line.len() < 3 * 1100);
    }
}
