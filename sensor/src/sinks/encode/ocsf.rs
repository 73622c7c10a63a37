//! Open Cybersecurity Schema Framework 1.8: alerts are Detection Findings, everything else is an activity of the network.
//!
//! The class follows from the event type ([`class`]); what its schema has no attribute for is in `unmapped` as EVE has it, for the
//! schema allows nothing else.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::members::{Members, Volume};
use super::tape::Value;
use super::{Encoding, Settings, time};

mod class;
mod finding;
mod protocols;

use class::Class;

pub(super) const ENCODING: Encoding = Encoding {
    name: "ocsf",
    doc: "Open Cybersecurity Schema Framework 1.8, for Amazon Security Lake and other lakes",
    media_type: "application/json",
    write,
};

const VERSION: &str = "1.8.0";

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let mut object = Object::new(out);
    let class = Class::of(facts);
    let activity = class.activity(facts);
    object.number("class_uid", class.uid).text("class_name", class.name);
    object.number("category_uid", class.category.0).text("category_name", class.category.1);
    object.number("activity_id", activity.0).inside("activity_name", activity.1);
    object.number("type_uid", class.uid * 100 + activity.0);
    object.number("time", millis(facts.timestamp).unwrap_or(0));
    let severity = facts.severity();
    object.number("severity_id", severity.ocsf).text("severity", severity.ocsf_name);
    object.object("metadata", |metadata| self::metadata(metadata, facts, settings));
    let message = facts.alert.and_then(|alert| alert.get("signature"));
    object.words("message", message.or(facts.anomaly.and_then(|anomaly| anomaly.get("event"))));
    for (key, stamp) in [("start_time", facts.of_flow("start")), ("end_time", facts.of_flow("end"))] {
        if let Some(at) = millis(stamp) {
            object.number(key, at);
        }
    }
    if let Some(micros) = facts.flow_micros() {
        object.number("duration", micros / 1000);
    }
    match class.uid {
        class::FINDING => finding::write(&mut object, facts),
        class::BASE => {}
        _ => {
            ends(&mut object, facts);
            connection(&mut object, facts);
            traffic(&mut object, facts);
            object.words("app_name", facts.app_proto);
            // A sensor at a mirror port is neither end.
            object.number("observation_point_id", 3);
            protocols::write(&mut object, facts, class.uid);
        }
    }
    object.object("unmapped", |unmapped| {
        unmapped.copy("flow_id", facts.flow_id);
        unmapped.copy("vlan", facts.vlan);
        unmapped.words("in_iface", facts.in_iface);
        unmapped.rest(facts);
    });
    true
}

/// Milliseconds since 1970.
fn millis(stamp: Option<Value<'_>>) -> Option<i64> {
    time::micros(stamp?.text()).map(|micros| micros.div_euclid(1000))
}

fn metadata(metadata: &mut Object<'_>, facts: &Facts<'_>, settings: &Settings) {
    metadata.text("version", VERSION);
    metadata.object("product", |product| {
        product.text("name", "Tapwire").text("vendor_name", "Tapwire").text("version", env!("CARGO_PKG_VERSION"));
    });
    metadata.inside("uid", &facts.event_id());
    metadata.inside("log_name", facts.event_type());
    metadata.words("original_time", facts.timestamp);
    let sensor = facts.host.map_or(settings.sensor.as_str(), Value::text);
    if !sensor.is_empty() {
        metadata.inside("log_source", sensor);
    }
    if let Some(at) = millis(facts.own("emitted")) {
        metadata.number("logged_time", at);
    }
    metadata.words("correlation_uid", facts.community_id);
    if facts.own("cut").is_some() {
        metadata.boolean("is_truncated", true);
    }
}

/// Both ends, as far as they are known; without addresses by their stations.
fn ends(object: &mut Object<'_>, facts: &Facts<'_>) {
    let ends = [
        ("src_endpoint", facts.src_ip, facts.src_port, "src"),
        ("dst_endpoint", facts.dest_ip, facts.dest_port, "dest"),
    ];
    for ((name, address, port, side), mac) in ends.into_iter().zip(facts.stations()) {
        if address.or(mac).is_none() {
            continue;
        }
        object.object(name, |end| {
            end.words("ip", address);
            end.whole("port", port);
            end.words("mac", mac);
            if address.is_none() {
                end.words("uid", mac);
            }
            end.words("zone", facts.own(side).and_then(|own| own.get("zone")));
            end.words("vlan_uid", facts.vlan);
        });
    }
}

fn connection(object: &mut Object<'_>, facts: &Facts<'_>) {
    let (id, name) = match facts.own("direction").map(Value::text) {
        Some("inbound") => (1, "Inbound"),
        Some("outbound") => (2, "Outbound"),
        Some("lateral") => (3, "Lateral"),
        Some("external") => (99, "external"),
        _ => (0, "Unknown"),
    };
    object.object("connection_info", |info| {
        info.number("direction_id", id).text("direction", name);
        info.words("uid", facts.flow_id);
        info.words("community_uid", facts.community_id);
        if let Some(protocol) = facts.proto.and_then(Value::plain) {
            info.inside("protocol_name", &protocol.to_ascii_lowercase());
            if let Some((_, number)) = PROTOCOLS.iter().find(|(name, _)| *name == protocol) {
                info.number("protocol_num", *number);
            }
        }
        if let Some(version) = facts.ip_version() {
            info.number("protocol_ver_id", version);
        }
        let flags = facts.tcp.and_then(|tcp| tcp.get("tcp_flags")).map(Value::text);
        if let Some(flags) = flags.and_then(|flags| u8::from_str_radix(flags, 16).ok()) {
            info.number("tcp_flags", flags);
        }
    });
}

fn traffic(object: &mut Object<'_>, facts: &Facts<'_>) {
    let volume = Volume::of(facts);
    let Some(bytes) = Volume::sum(volume.bytes) else { return };
    object.object("traffic", |traffic| {
        traffic.number("bytes", bytes).number("packets", Volume::sum(volume.packets).unwrap_or(0));
        for (key, value) in ["bytes_out", "bytes_in"].into_iter().zip(volume.bytes) {
            traffic.whole(key, value);
        }
        for (key, value) in ["packets_out", "packets_in"].into_iter().zip(volume.packets) {
            traffic.whole(key, value);
        }
    });
}

/// Names of protocols in records, and their numbers.
const PROTOCOLS: [(&str, u8); 11] = [
    ("TCP", 6),
    ("UDP", 17),
    ("ICMP", 1),
    ("IPv6-ICMP", 58),
    ("SCTP", 132),
    ("IGMP", 2),
    ("GRE", 47),
    ("ESP", 50),
    ("AH", 51),
    ("IP-in-IP", 4),
    ("IPv6", 41),
];
