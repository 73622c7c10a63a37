//! Elastic's common schema, 9.4. What it has no field for is below `tapwire.eve`, which the index template keeps as one flattened
//! field, so that no number of members of EVE exceeds the limit of a mapping.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::members::{Members, Volume, hyphenated};
use super::tape::Value;
use super::{Encoding, Settings, time};

mod protocols;

pub(super) const ENCODING: Encoding = Encoding {
    name: "ecs",
    doc: "Elastic's common schema 9.4, for Elasticsearch and OpenSearch without an integration",
    media_type: "application/json",
    write,
};

const VERSION: &str = "9.4.0";

/// Kind, categories and types of an event.
type Kinds = (&'static str, &'static [&'static str], &'static [&'static str]);

/// By event type; others are protocols.
const KINDS: &[(&str, Kinds)] = &[
    ("alert", ("alert", &["intrusion_detection", "network"], &["info", "allowed"])),
    ("anomaly", ("event", &["network"], &["info"])),
    ("flow", ("event", &["network"], &["connection", "end"])),
    ("netflow", ("event", &["network"], &["connection", "end"])),
    ("http", ("event", &["network", "web"], &["access", "info"])),
    ("fileinfo", ("event", &["network", "file"], &["info"])),
    ("smtp", ("event", &["network", "email"], &["info"])),
    ("stats", ("metric", &[], &[])),
    ("engine", ("event", &[], &[])),
    ("loss", ("pipeline_error", &[], &[])),
    ("summary", ("event", &["network"], &["info"])),
];
const PROTOCOL: Kinds = ("event", &["network"], &["protocol", "info"]);
const BLOCKED: &[&str] = &["info", "denied"];

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let mut object = Object::new(out);
    if let Some(stamp) = facts.timestamp {
        object.text("@timestamp", time::rfc3339(stamp.text()));
    }
    object.object("ecs", |ecs| {
        ecs.text("version", VERSION);
    });
    object.object("event", |event| self::event(event, facts));
    let message = facts.alert.and_then(|alert| alert.get("signature"));
    let message = message.or(facts.anomaly.and_then(|anomaly| anomaly.get("event"))).or(facts.event_type);
    object.words("message", message);
    let volume = Volume::of(facts);
    let ends = [("source", facts.src_ip, facts.src_port), ("destination", facts.dest_ip, facts.dest_port)];
    for (n, ((name, address, port), mac)) in ends.into_iter().zip(facts.stations()).enumerate() {
        if address.is_none() && mac.is_none() {
            continue;
        }
        object.object(name, |end| {
            end.copy("ip", address);
            end.copy("address", address);
            end.copy("port", port);
            end.whole("bytes", volume.bytes.get(n).copied().flatten());
            end.whole("packets", volume.packets.get(n).copied().flatten());
            if let Some(mac) = mac {
                end.text("mac", hyphenated(mac));
            }
        });
    }
    object.object("network", |network| self::network(network, facts, &volume));
    object.object("observer", |observer| {
        observer.inside("name", facts.host.map_or(settings.sensor.as_str(), Value::text));
        observer.text("type", "ids").text("vendor", "Tapwire").text("product", "Tapwire");
        observer.text("version", env!("CARGO_PKG_VERSION"));
        if let Some(name) = facts.in_iface {
            observer.object("ingress", |ingress| {
                ingress.object("interface", |interface| interface.words("name", Some(name)));
            });
        }
    });
    if let Some(alert) = facts.alert {
        rule(&mut object, facts, alert);
    }
    protocols::write(&mut object, facts);
    related(&mut object, facts);
    object.object("tapwire", |own| {
        own.words("event_type", facts.event_type);
        own.copy("flow_id", facts.flow_id);
        own.object("eve", |eve| eve.rest(facts));
    });
    true
}

fn event(event: &mut Object<'_>, facts: &Facts<'_>) {
    let kind = facts.event_type();
    let (kind_name, categories, mut types) =
        KINDS.iter().find(|(name, _)| *name == kind).map_or(PROTOCOL, |(_, kinds)| *kinds);
    let action = facts.alert.and_then(|alert| alert.get("action"));
    if action.is_some_and(|action| action.text() == "blocked") {
        types = BLOCKED;
    }
    event.inside("id", &facts.event_id());
    event.text("kind", kind_name);
    for (key, names) in [("category", categories), ("type", types)] {
        if !names.is_empty() {
            event.array(key, |list| {
                names.iter().for_each(|name| {
                    list.text(name);
                })
            });
        }
    }
    event.text("module", "tapwire").inside("dataset", &format!("tapwire.{kind}"));
    event.words("action", action.or(facts.anomaly.and_then(|anomaly| anomaly.get("event"))));
    if let Some(severity) = facts.alert.and_then(|alert| alert.get("severity")) {
        event.whole("severity", Some(severity));
    }
    for (key, stamp) in
        [("created", facts.own("emitted")), ("start", facts.of_flow("start")), ("end", facts.of_flow("end"))]
    {
        if let Some(stamp) = stamp {
            event.text(key, time::rfc3339(stamp.text()));
        }
    }
    if let Some(duration) = facts.flow_micros() {
        event.number("duration", duration.saturating_mul(1000));
    }
    event.words("reason", facts.of_flow("reason"));
    if let Some(code) = facts.dns.and_then(|dns| dns.get("rcode")) {
        event.text("outcome", if code.text() == "NOERROR" { "success" } else { "failure" });
    }
}

fn network(network: &mut Object<'_>, facts: &Facts<'_>, volume: &Volume<'_>) {
    if let Some(name) = facts.proto.and_then(Value::plain) {
        network.inside("transport", &name.to_ascii_lowercase());
    }
    network.words("protocol", facts.app_proto.filter(|name| name.text() != "failed"));
    if let Some(version) = facts.ip_version() {
        network.text("type", if version == 6 { "ipv6" } else { "ipv4" });
    }
    network.words("community_id", facts.community_id);
    for (key, sum) in [("bytes", Volume::sum(volume.bytes)), ("packets", Volume::sum(volume.packets))] {
        if let Some(sum) = sum {
            network.number(key, sum);
        }
    }
    let direction = facts.own("direction").map(Value::text);
    if let Some(direction) = direction.filter(|name| ["inbound", "outbound", "lateral", "external"].contains(name)) {
        network.text("direction", if direction == "lateral" { "internal" } else { direction });
    }
    let mut tags = facts.vlan.into_iter().flat_map(Value::items);
    if let Some(tag) = tags.next() {
        network.object("vlan", |vlan| vlan.words("id", Some(tag)));
    }
    if let Some(tag) = tags.next() {
        network.object("inner", |inner| {
            inner.object("vlan", |vlan| vlan.words("id", Some(tag)));
        });
    }
}

fn rule(object: &mut Object<'_>, facts: &Facts<'_>, alert: Value<'_>) {
    object.object("rule", |rule| {
        for (key, name) in [("id", "signature_id"), ("name", "signature"), ("category", "category"), ("version", "rev")]
        {
            rule.words(key, alert.get(name));
        }
    });
    let of = |name: &str| alert.get("metadata").and_then(|metadata| metadata.get(name));
    let names = [
        ("tactic", facts.tactics(), of("mitre_tactic_name")),
        ("technique", facts.techniques(), of("mitre_technique_name")),
    ];
    if names.iter().all(|(_, id, name)| id.or(*name).is_none()) {
        return;
    }
    object.object("threat", |threat| {
        threat.text("framework", "MITRE ATT&CK");
        for (key, id, name) in names {
            if id.or(name).is_some() {
                threat.object(key, |what| {
                    what.list("id", id);
                    what.list("name", name);
                });
            }
        }
    });
}

/// What one searches for in all kinds of events.
fn related(object: &mut Object<'_>, facts: &Facts<'_>) {
    let ips = [facts.src_ip, facts.dest_ip].into_iter().flatten();
    let hosts = [super::members::asked(facts), facts.http.and_then(|http| http.get("hostname"))];
    let hashes = ["md5", "sha1", "sha256"].map(|name| facts.fileinfo.and_then(|file| file.get(name)));
    object.object("related", |related| {
        for (key, values) in [
            ("ip", ips.collect::<Vec<_>>()),
            ("hosts", hosts.into_iter().flatten().collect()),
            ("hash", hashes.into_iter().flatten().collect()),
        ] {
            if !values.is_empty() {
                let json: Vec<&str> = values.into_iter().map(Value::json).collect();
                related.json(key, &format!("[{}]", json.join(",")));
            }
        }
    });
}
