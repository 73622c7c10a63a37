//! Columns of each table.

use tapwire_parsers::json::Object;

use crate::sinks::encode::facts::Facts;
use crate::sinks::encode::members::Members;
use crate::sinks::encode::tape::Value;

/// `Dns`
pub(super) fn dns(object: &mut Object<'_>, facts: &Facts<'_>) {
    let Some(dns) = facts.dns else { return };
    object.text("EventSchema", "Dns").text("EventSchemaVersion", "0.1.7");
    let kind = match dns.get("opcode").and_then(Value::number) {
        Some(2) => "Status",
        Some(4) => "Notify",
        Some(5) => "Update",
        Some(6) => "DNS Stateful Operations",
        _ => "Query",
    };
    object.text("EventType", kind);
    let is_response = matches!(dns.get("type").map(Value::text), Some("response" | "answer"));
    object.text("EventSubType", if is_response { "response" } else { "request" });
    let code = dns.get("rcode").filter(|_| is_response);
    object.text(
        "EventResult",
        match code.map(Value::text) {
            Some("NOERROR") => "Success",
            Some(_) => "Failure",
            None => "NA",
        },
    );
    for column in ["EventResultDetails", "DnsResponseCodeName"] {
        object.inside(column, code.map_or("NA", Value::text));
    }
    let query = dns.get("queries").and_then(|list| list.items().next()).unwrap_or(dns);
    object.words("DnsQuery", query.get("rrname"));
    object.words("DnsQueryTypeName", query.get("rrtype"));
    object.text("DnsQueryClassName", "IN");
    if let Some(id) = dns.get("id").and_then(Value::number) {
        object.text("TransactionIdHex", format!("{id:04x}"));
    }
    for (column, flag) in [
        ("DnsFlagsAuthoritative", "aa"),
        ("DnsFlagsTruncated", "tc"),
        ("DnsFlagsRecursionDesired", "rd"),
        ("DnsFlagsRecursionAvailable", "ra"),
        ("DnsFlagsAuthenticated", "ad"),
        ("DnsFlagsCheckingDisabled", "cd"),
        ("DnsFlagsZ", "z"),
    ] {
        if dns.get(flag).is_some_and(Value::is_true) {
            object.boolean(column, true);
        }
    }
    object.words("DnsFlags", dns.get("flags"));
    if let Some(answers) = dns.get("answers") {
        let data = answers.items().filter_map(|answer| answer.get("rdata"));
        let texts: Vec<&str> = data.map(Value::text).filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            object.inside("DnsResponseName", &texts.join(", "));
        }
    }
}

/// `WebSession`
pub(super) fn web(object: &mut Object<'_>, facts: &Facts<'_>) {
    let Some(http) = facts.http else { return };
    object.text("EventSchema", "WebSession").text("EventSchemaVersion", "0.2.6").text("EventType", "HTTPsession");
    let status = http.get("status");
    object.text(
        "EventResult",
        match status.and_then(Value::number) {
            Some(status) if status >= 400 => "Failure",
            Some(_) => "Success",
            None => "NA",
        },
    );
    for column in ["EventResultDetails", "HttpStatusCode"] {
        object.inside(column, status.map_or("NA", Value::text));
    }
    let host = http.get("hostname").map(Value::text).unwrap_or_default();
    let url = http.get("url").map(Value::text).unwrap_or_default();
    if url.starts_with('/') && !host.is_empty() {
        object.inside("Url", &format!("http://{host}{url}"));
    } else {
        object.inside("Url", url);
    }
    for (column, name) in [
        ("UrlOriginal", "url"),
        ("HttpHost", "hostname"),
        ("HttpUserAgent", "http_user_agent"),
        ("HttpReferrer", "http_refer"),
        ("HttpRequestMethod", "http_method"),
        ("HttpContentType", "http_content_type"),
    ] {
        object.words(column, http.get(name));
    }
    if let Some(version) = http.get("protocol").and_then(|name| name.text().strip_prefix("HTTP/")) {
        object.inside("HttpVersion", version);
    }
    object.whole("HttpResponseBodyBytes", http.get("length"));
}

/// `NetworkSession`
pub(super) fn network(object: &mut Object<'_>, facts: &Facts<'_>, alert: Option<Value<'_>>) {
    let kind = facts.event_type();
    object.text("EventSchema", "NetworkSession").text("EventSchemaVersion", "0.2.7");
    let event = match kind {
        _ if alert.is_some() => "IDS",
        _ if facts.src_ip.or(facts.dest_ip).is_none() => "L2NetworkSession",
        "netflow" => "Flow",
        _ => "NetworkSession",
    };
    object.text("EventType", event);
    let action = alert.and_then(|alert| alert.get("action"));
    let is_blocked = action.is_some_and(|action| action.text() == "blocked");
    object.text("EventResult", if is_blocked { "Failure" } else { "Success" });
    if kind == "flow" {
        object.text("EventSubType", "End");
        let details = match facts.of_flow("reason").map(Value::text) {
            Some("timeout") => "Timeout",
            Some("shutdown") => "Terminated",
            _ => "NA",
        };
        object.text("EventResultDetails", details);
        object.words("EventOriginalResultDetails", facts.of_flow("state"));
    }
    if let Some(micros) = facts.flow_micros() {
        object.number("NetworkDuration", micros / 1000);
    }
    object.words("NetworkIcmpType", facts.icmp_type);
    object.whole("NetworkIcmpCode", facts.icmp_code);
    if let Some(tcp) = facts.tcp {
        for (column, flag) in [
            ("TcpFlagsSyn", "syn"),
            ("TcpFlagsFin", "fin"),
            ("TcpFlagsRst", "rst"),
            ("TcpFlagsPsh", "psh"),
            ("TcpFlagsAck", "ack"),
            ("TcpFlagsUrg", "urg"),
        ] {
            if let Some(set) = tcp.get(flag).filter(|set| matches!(set.text(), "true" | "false")) {
                object.copy(column, Some(set));
            }
        }
    }
    let Some(alert) = alert else { return };
    object.text("DvcAction", if is_blocked { "Deny" } else { "Allow" });
    object.words("DvcOriginalAction", action);
    object.words("NetworkRuleName", alert.get("signature"));
    object.whole("NetworkRuleNumber", alert.get("signature_id"));
    object.words("Rule", alert.get("signature"));
    object.words("ThreatName", alert.get("signature"));
    object.words("ThreatCategory", alert.get("category"));
    object.words("ThreatId", facts.techniques().or(alert.get("signature_id")));
    object.number("ThreatRiskLevel", u32::from(facts.severity().cef) * 10);
    object.words("ThreatOriginalRiskLevel", alert.get("severity"));
}
