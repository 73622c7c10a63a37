//! Microsoft's Advanced Security Information Model, as rows of Sentinel's tables: DNS (schema 0.1.7), web sessions (0.2.6), and
//! network sessions (0.2.7) for everything else. What has no column is in `AdditionalFields`. Records without ends, which the sensor
//! makes of itself, have no form here.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::members::{Members, Volume};
use super::tape::{Kind, Value};
use super::{Encoding, Settings, time};

mod columns;

pub(super) const ENCODING: Encoding = Encoding {
    name: "asim",
    doc: "Microsoft's information model, rows for Sentinel's tables; nothing for records without ends",
    media_type: "application/json",
    write,
};

/// Which table a record is a row of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Schema {
    Dns,
    Web,
    Network,
}

fn write(facts: &Facts<'_>, settings: &Settings, out: &mut Vec<u8>) -> bool {
    let [source, destination] = facts.stations();
    if facts.src_ip.or(source).is_none() && facts.dest_ip.or(destination).is_none() {
        return false;
    }
    let kind = facts.event_type();
    let has_query = facts.dns.is_some_and(|dns| dns.at("queries.rrname").or(dns.get("rrname")).is_some());
    let schema = match kind {
        "dns" if has_query => Schema::Dns,
        "http" if facts.dest_ip.is_some() => Schema::Web,
        _ => Schema::Network,
    };
    let mut object = Object::new(out);
    let stamp = |value: Option<Value<'_>>| value.map(|value| time::rfc3339(value.text()));
    let now = stamp(facts.timestamp).unwrap_or_default();
    object.text("TimeGenerated", &now);
    object.text("EventStartTime", stamp(facts.of_flow("start")).unwrap_or(now.clone()));
    object.text("EventEndTime", stamp(facts.of_flow("end")).unwrap_or(now));
    object.number("EventCount", 1).text("EventVendor", "Tapwire").text("EventProduct", "Tapwire");
    object.text("EventProductVersion", env!("CARGO_PKG_VERSION"));
    object.text("EventSeverity", facts.severity().asim);
    let alert = facts.alert.filter(|_| kind == "alert");
    object.words("EventOriginalSeverity", alert.and_then(|alert| alert.get("severity")));
    object.inside("EventOriginalUid", &facts.event_id());
    object.inside("EventOriginalType", kind);
    let sensor = facts.host.map_or(settings.sensor.as_str(), Value::text);
    object.inside("Dvc", if sensor.is_empty() { "tapwire" } else { sensor });
    let message = alert.and_then(|alert| alert.get("signature"));
    object.words("EventMessage", message.or(facts.anomaly.and_then(|anomaly| anomaly.get("event"))));
    ends(&mut object, facts, schema);
    match schema {
        Schema::Dns => columns::dns(&mut object, facts),
        Schema::Web => columns::web(&mut object, facts),
        Schema::Network => columns::network(&mut object, facts, alert),
    }
    if let Some(version) = facts.ip_version() {
        object.text("NetworkProtocolVersion", if version == 6 { "IPv6" } else { "IPv4" });
    }
    if let Some(protocol) = facts.proto.and_then(Value::plain) {
        let name = if protocol == "IPv6-ICMP" { "ICMP".to_owned() } else { protocol.to_ascii_uppercase() };
        object.inside("NetworkProtocol", &name);
    }
    object.object("AdditionalFields", |more| {
        more.words("CommunityId", facts.community_id);
        more.words("Interface", facts.in_iface);
        more.rest(facts);
    });
    true
}

/// The columns of one end.
struct Columns {
    end: &'static str,
    address: &'static str,
    mac: &'static str,
    zone: &'static str,
    port: &'static str,
    bytes: &'static str,
    packets: &'static str,
}

const SOURCE: Columns = Columns {
    end: "Src",
    address: "SrcIpAddr",
    mac: "SrcMacAddr",
    zone: "SrcZone",
    port: "SrcPortNumber",
    bytes: "SrcBytes",
    packets: "SrcPackets",
};
const DESTINATION: Columns = Columns {
    end: "Dst",
    address: "DstIpAddr",
    mac: "DstMacAddr",
    zone: "DstZone",
    port: "DstPortNumber",
    bytes: "DstBytes",
    packets: "DstPackets",
};

fn ends(object: &mut Object<'_>, facts: &Facts<'_>, schema: Schema) {
    let volume = Volume::of(facts);
    let ends = [(SOURCE, facts.src_ip, facts.src_port, "src"), (DESTINATION, facts.dest_ip, facts.dest_port, "dest")];
    for (n, ((of, address, port, side), mac)) in ends.into_iter().zip(facts.stations()).enumerate() {
        let known = address.or(mac);
        object.words(of.end, known);
        object.words(of.address, address);
        if schema != Schema::Dns {
            object.words(of.mac, mac);
            object.words(of.zone, facts.own(side).and_then(|own| own.get("zone")));
        }
        // Both columns have to be there.
        if known.is_none() {
            object.text(of.end, "N/A");
        }
        object.whole(of.port, port);
        if schema == Schema::Network {
            object.whole(of.bytes, volume.bytes.get(n).copied().flatten());
            object.whole(of.packets, volume.packets.get(n).copied().flatten());
        }
    }
    if schema == Schema::Dns {
        object.words("DnsSessionId", facts.flow_id);
        return;
    }
    object.words("NetworkSessionId", facts.flow_id);
    if let Some(name) = facts.app_proto.and_then(Value::plain).filter(|name| *name != "failed") {
        object.inside("NetworkApplicationProtocol", &name.to_ascii_uppercase());
    }
    object.words("DvcInboundInterface", facts.in_iface);
    let direction = match facts.own("direction").map(Value::text) {
        Some("inbound") => "Inbound",
        Some("outbound") => "Outbound",
        Some("lateral") => "Local",
        Some("external") => "External",
        _ => "Unknown",
    };
    object.text("NetworkDirection", direction);
    if schema == Schema::Network {
        for (key, sum) in [("NetworkBytes", Volume::sum(volume.bytes)), ("NetworkPackets", Volume::sum(volume.packets))]
        {
            if let Some(sum) = sum {
                object.number(key, sum);
            }
        }
        let tags = facts.vlan.filter(|tags| tags.kind() == Kind::List);
        object.words("SrcVlanId", tags);
        object.words("DstVlanId", tags);
    }
}
