//! Graylog's Extended Log Format 1.1: one flat object. Names have underscores between their parts, lists are text.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::members::Members;
use super::tape::{Kind, Value};
use super::{Encoding, Settings, flat, time};

pub(super) const ENCODING: Encoding = Encoding {
    name: "gelf",
    doc: "Graylog's Extended Log Format 1.1, flat and with a numeric time",
    media_type: "application/json",
    write,
};

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let mut object = Object::new(out);
    object.text("version", "1.1");
    let host = facts.host.map_or(settings.sensor.as_str(), Value::text);
    object.inside("host", if host.is_empty() { "tapwire" } else { host });
    let message = facts.alert.and_then(|alert| alert.get("signature"));
    let message =
        message.filter(|text| !text.text().is_empty()).or(facts.anomaly.and_then(|anomaly| anomaly.get("event")));
    object.inside("short_message", message.or(facts.event_type).map_or("record", Value::text));
    if let Some(micros) = facts.micros() {
        object.json("timestamp", &time::seconds(micros));
    }
    object.number("level", facts.severity().syslog);
    object.inside("_event_id", &facts.event_id());
    let mut name = String::new();
    flat::each(facts.record.root(), '_', &mut name, &mut |name, value| member(&mut object, name, value));
    true
}

fn member(object: &mut Object<'_>, name: &str, value: Value<'_>) {
    if matches!(name, "host" | "tapwire_event_id") {
        return;
    }
    // What is no letter or digit may not be in a name, and `_id` is Graylog's.
    let clean = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let mut key: String = "_".chars().chain(name.chars().map(clean)).collect();
    if key == "_id" {
        key.push('_');
    }
    match value.kind() {
        Kind::Text => object.named(&key).json(value.json()),
        Kind::Plain if matches!(value.text(), "true" | "false" | "null") => object.named(&key).text(value.text()),
        Kind::Plain => object.named(&key).json(value.text()),
        Kind::List if value.items().all(|item| matches!(item.kind(), Kind::Text | Kind::Plain)) => {
            let items: Vec<&str> = value.items().map(Value::text).collect();
            object.named(&key).json(&format!("\"{}\"", items.join(", ")));
        }
        Kind::List | Kind::Object => object.named(&key).shown(value.json()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::encoded;

    #[test]
    fn a_record_is_flat() {
        let record = concat!(
            r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","event_type":"dns","id":3,"dns":{"id":7,"aa":true,"queries":[{"rrname":"a\nb"}],"#,
            r#""grouped":{"A":["192.0.2.1","192.0.2.2"],"odd key":"é"}},"tapwire":{"event_id":"r1.2"}}"#
        );
        let expected = concat!(
            r#"{"version":"1.1","host":"sensor1","short_message":"dns","timestamp":1795523706.357488,"level":6,"_event_id":"r1.2","#,
            r#""_timestamp":"2026-11-24T12:35:06.357488+0000","_event_type":"dns","_id_":3,"_dns_id":7,"_dns_aa":"true","#,
            r#""_dns_queries":"[{\"rrname\":\"a\\nb\"}]","_dns_grouped_A":"192.0.2.1, 192.0.2.2","_dns_grouped_odd_key":"é"}"#
        );
        assert_eq!(encoded("gelf", record).unwrap(), expected);
    }
}
