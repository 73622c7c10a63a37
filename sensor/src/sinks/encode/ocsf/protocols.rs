//! Attributes of the classes of protocols.

use tapwire_parsers::json::Object;

use super::class::{DHCP, DNS, FTP, HTTP, NETWORK, NTP, SMB, SSH};
use crate::sinks::encode::facts::Facts;
use crate::sinks::encode::members::Members;
use crate::sinks::encode::tape::{Kind, Value};
use crate::sinks::encode::time;

pub(super) fn write(object: &mut Object<'_>, facts: &Facts<'_>, class: u32) {
    let Some((name, value)) = facts.application else { return };
    match class {
        HTTP => {
            request(object, value);
            response(object, value);
        }
        DNS => dns(object, value),
        DHCP => object.words("transaction_uid", value.get("id")),
        SMB => {
            object.words("command", value.get("command"));
            object.words("share", value.get("share"));
            object.words("dialect", value.get("dialect"));
            object.list("client_dialects", value.get("client_dialects"));
            file(object, value.get("filename"), None);
        }
        SSH => ssh(object, value),
        FTP => {
            object.words("command", value.get("command"));
            object.list("command_responses", value.get("reply"));
            file(object, value.get("filename"), None);
        }
        NTP => object.words("version", value.get("version")),
        NETWORK if name == "tls" => tls(object, value),
        _ => {}
    }
}

/// What an alert shows of the protocol.
pub(super) fn evidence(object: &mut Object<'_>, facts: &Facts<'_>) {
    if let Some(http) = facts.http {
        request(object, http);
        response(object, http);
    }
    if let Some(dns) = facts.named() {
        query(object, dns);
    }
    if let Some(value) = facts.tls {
        tls(object, value);
    }
    let files = facts.fileinfo.or(facts.record.root().get("files").and_then(|files| files.items().next()));
    if let Some(found) = files {
        file(object, found.get("filename"), Some(found));
    }
}

fn request(object: &mut Object<'_>, http: Value<'_>) {
    object.object("http_request", |request| {
        let method = http.get("http_method").filter(|method| METHODS.contains(&method.text()));
        request.words("http_method", method);
        let url = http.get("url").map(Value::text).unwrap_or_default();
        if !url.is_empty() || http.get("hostname").is_some() {
            request.object("url", |object| {
                object.words("url_string", http.get("url"));
                object.words("hostname", http.get("hostname"));
                if url.starts_with('/') {
                    let (path, query) = url.split_once('?').unwrap_or((url, ""));
                    object.inside("path", path);
                    if !query.is_empty() {
                        object.inside("query_string", query);
                    }
                } else if url.is_empty() {
                    object.text("path", "/");
                }
            });
        }
        request.words("user_agent", http.get("http_user_agent"));
        request.words("referrer", http.get("http_refer"));
        if let Some(version) = http.get("protocol").and_then(|name| name.text().strip_prefix("HTTP/")) {
            request.inside("version", version);
        }
    });
}

fn response(object: &mut Object<'_>, http: Value<'_>) {
    let Some(code) = http.get("status").filter(|code| code.number().is_some_and(|code| code < 1000)) else { return };
    object.object("http_response", |response| {
        response.whole("code", Some(code));
        response.words("content_type", http.get("http_content_type"));
        response.whole("length", http.get("length"));
    });
}

fn query(object: &mut Object<'_>, dns: Value<'_>) {
    let query = dns.get("queries").and_then(|list| list.items().next()).unwrap_or(dns);
    let Some(name) = query.get("rrname").filter(|name| !name.text().is_empty()) else { return };
    object.object("query", |o| {
        o.words("hostname", Some(name));
        o.words("type", query.get("rrtype"));
        o.whole("packet_uid", dns.get("id"));
        if let Some(opcode) = dns.get("opcode").and_then(Value::number).filter(|opcode| *opcode <= 6) {
            o.number("opcode_id", opcode);
        }
    });
}

fn dns(object: &mut Object<'_>, dns: Value<'_>) {
    query(object, dns);
    let answers = dns.get("answers").filter(|answers| answers.kind() == Kind::List);
    let told = |answer: &Value<'_>| {
        answer.get("rdata").is_some_and(|data| data.kind() == Kind::Text && !data.text().is_empty())
    };
    if let Some(answers) = answers.filter(|answers| answers.items().any(|answer| told(&answer))) {
        object.array("answers", |list| {
            for answer in answers.items().filter(told) {
                list.object(|o| {
                    o.words("rdata", answer.get("rdata"));
                    o.words("type", answer.get("rrtype"));
                    o.whole("ttl", answer.get("ttl"));
                });
            }
        });
    }
    if let Some(code) = dns.get("rcode") {
        let known = RETURN_CODES.iter().find(|(name, id)| *name == code.text() || Some(*id) == code.number());
        object.number("rcode_id", known.map_or(99, |(_, id)| *id));
        object.words("rcode", Some(code));
    }
}

fn ssh(object: &mut Object<'_>, ssh: Value<'_>) {
    object.words("protocol_ver", ssh.at("client.proto_version").or(ssh.at("server.proto_version")));
    for (key, path) in [("client_hassh", "client.hassh"), ("server_hassh", "server.hassh")] {
        let Some(hash) = ssh.at(path).and_then(|hassh| hassh.get("hash")) else { continue };
        object.object(key, |hassh| {
            hassh.words("algorithm", ssh.at(path).and_then(|hassh| hassh.get("string")));
            hassh.object("fingerprint", |print| {
                print.number("algorithm_id", 20);
                print.words("value", Some(hash));
            });
        });
    }
}

fn tls(object: &mut Object<'_>, tls: Value<'_>) {
    if let Some(ja4) = tls.get("ja4") {
        object.array("ja4_fingerprint_list", |list| {
            list.object(|print| {
                print.number("type_id", 1);
                print.words("value", Some(ja4));
            });
        });
    }
    let Some(version) = tls.get("version").filter(|version| !version.text().is_empty()) else { return };
    object.object("tls", |o| {
        o.words("version", Some(version));
        o.words("sni", tls.get("sni"));
        for (key, path) in [("ja3_hash", "ja3.hash"), ("ja3s_hash", "ja3s.hash")] {
            if let Some(hash) = tls.at(path) {
                o.object(key, |print| {
                    print.number("algorithm_id", 1);
                    print.words("value", Some(hash));
                });
            }
        }
        let named = |name: &str| tls.get(name).filter(|value| !value.text().is_empty());
        if let Some((issuer, serial)) = named("issuerdn").zip(named("serial")) {
            o.object("certificate", |certificate| {
                certificate.words("issuer", Some(issuer));
                certificate.words("subject", tls.get("subject"));
                certificate.words("serial_number", Some(serial));
                for (key, name) in [("created_time", "notbefore"), ("expiration_time", "notafter")] {
                    let stamp = tls.get(name).map(|date| format!("{}.000000+0000", date.text()));
                    if let Some(micros) = stamp.and_then(|stamp| time::micros(&stamp)) {
                        certificate.number(key, micros / 1000);
                    }
                }
                if let Some(print) = tls.get("fingerprint") {
                    certificate.array("fingerprints", |list| {
                        list.object(|o| {
                            o.number("algorithm_id", 2);
                            o.words("value", Some(print));
                        });
                    });
                }
            });
        }
    });
}

fn file(object: &mut Object<'_>, name: Option<Value<'_>>, file: Option<Value<'_>>) {
    let Some(name) = name.filter(|name| !name.text().is_empty()) else { return };
    object.object("file", |o| {
        let last = name.text().rsplit(['/']).next().filter(|last| !last.is_empty());
        o.inside("name", last.unwrap_or(name.text()));
        o.number("type_id", 1);
        let Some(file) = file else { return };
        o.whole("size", file.get("size"));
        let hashes = [("md5", 1), ("sha1", 2), ("sha256", 3)].map(|(name, id)| (file.get(name), id));
        if hashes.iter().any(|(hash, _)| hash.is_some()) {
            o.array("hashes", |list| {
                for (hash, id) in hashes.into_iter().filter(|(hash, _)| hash.is_some()) {
                    list.object(|print| {
                        print.number("algorithm_id", id);
                        print.words("value", hash);
                    });
                }
            });
        }
    });
}

/// Methods that the schema knows.
const METHODS: [&str; 9] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"];
/// Names of return codes in records.
const RETURN_CODES: [(&str, u64); 20] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("DSOTYPENI", 11),
    ("BADVERS", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];
