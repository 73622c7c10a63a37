//! Members of JSON that are copied from a record: what is JSON there stays as it is.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::tape::{Kind, Value};

/// Writes values of a record into an object.
pub(super) trait Members {
    /// A value as it is.
    fn copy(&mut self, key: &'static str, value: Option<Value<'_>>);
    /// A value as text; of a list its first item. Nothing where there is none, or an empty one.
    fn words(&mut self, key: &'static str, value: Option<Value<'_>>);
    /// A whole number; nothing where it is none.
    fn whole(&mut self, key: &'static str, value: Option<Value<'_>>);
    /// A list of texts, also of one; nothing where there is none.
    fn list(&mut self, key: &'static str, value: Option<Value<'_>>);
    /// What stands between the quotes of a JSON string.
    fn inside(&mut self, key: &'static str, json: &str) -> &mut Self;
    /// All that has no place of its own elsewhere.
    fn rest(&mut self, facts: &Facts<'_>);
}

impl Members for Object<'_> {
    fn copy(&mut self, key: &'static str, value: Option<Value<'_>>) {
        if let Some(value) = value {
            self.json(key, value.json());
        }
    }

    fn words(&mut self, key: &'static str, value: Option<Value<'_>>) {
        let first = value.and_then(|value| if value.kind() == Kind::List { value.items().next() } else { Some(value) });
        let Some(value) = first.filter(|value| !value.text().is_empty()) else { return };
        match value.kind() {
            Kind::Text => self.copy(key, Some(value)),
            Kind::Plain => {
                self.text(key, value.text());
            }
            Kind::Object | Kind::List => {}
        }
    }

    fn whole(&mut self, key: &'static str, value: Option<Value<'_>>) {
        if let Some(number) = value.and_then(Value::number) {
            self.number(key, number);
        }
    }

    fn list(&mut self, key: &'static str, value: Option<Value<'_>>) {
        let Some(value) = value else { return };
        match value.kind() {
            Kind::List if value.items().next().is_some_and(|first| first.kind() == Kind::Text) => {
                self.json(key, value.json());
            }
            Kind::Text if !value.text().is_empty() => drop(self.json(key, &format!("[{}]", value.json()))),
            _ => {}
        }
    }

    fn inside(&mut self, key: &'static str, json: &str) -> &mut Self {
        self.json(key, &format!("\"{json}\""))
    }

    fn rest(&mut self, facts: &Facts<'_>) {
        for (key, value) in facts.record.members().filter(|(key, _)| !ELSEWHERE.contains(key)) {
            self.named(key).json(value.json());
        }
    }
}

/// Members that every encoding writes in its own words.
const ELSEWHERE: [&str; 14] = [
    "timestamp",
    "flow_id",
    "in_iface",
    "event_type",
    "host",
    "vlan",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "community_id",
    "ip_v",
];

/// A hardware address as six pairs of digits with hyphens, in capitals.
pub(super) fn hyphenated(mac: Value<'_>) -> String {
    mac.plain().unwrap_or_default().replace(':', "-").to_ascii_uppercase()
}

/// Bytes and packets of a flow, of the record's source and of its destination.
pub(super) struct Volume<'t> {
    /// Bytes of both.
    pub(super) bytes: [Option<Value<'t>>; 2],
    /// Packets of both.
    pub(super) packets: [Option<Value<'t>>; 2],
}

impl<'t> Volume<'t> {
    /// That of the record's flow, if it shows it.
    pub(super) fn of(facts: &Facts<'t>) -> Self {
        if let Some(one) = facts.netflow {
            return Self { bytes: [one.get("bytes"), None], packets: [one.get("pkts"), None] };
        }
        let of = |name: &str| facts.flow.and_then(|flow| flow.get(name));
        let mut volume = Self {
            bytes: [of("bytes_toserver"), of("bytes_toclient")],
            packets: [of("pkts_toserver"), of("pkts_toclient")],
        };
        // A record of what the server sent has the server as its source.
        let client = of("src_ip").zip(of("src_port").or(of("src_ip")));
        let source = facts.src_ip.zip(facts.src_port.or(facts.src_ip));
        let is_turned = client.zip(source).is_some_and(|((ip, port), (own_ip, own_port))| {
            ip.text() != own_ip.text() || port.text() != own_port.text()
        });
        if is_turned {
            volume.bytes.reverse();
            volume.packets.reverse();
        }
        volume
    }

    /// The sum of both, where there is any.
    pub(super) fn sum(values: [Option<Value<'t>>; 2]) -> Option<u64> {
        let [one, other] = values.map(|value| value.and_then(Value::number));
        one.or(other)?;
        Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0)))
    }
}

/// The name that was asked for, in a record of DNS and its kin, or by a client of TLS or HTTP.
pub(super) fn asked<'t>(facts: &Facts<'t>) -> Option<Value<'t>> {
    let names = |object: Value<'t>| object.at("queries.rrname").or(object.get("rrname"));
    let dns = facts.named().and_then(names);
    dns.or(facts.tls?.get("sni")).filter(|name| !name.text().is_empty())
}
