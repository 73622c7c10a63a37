//! Fields of protocols.

use tapwire_parsers::json::Object;

use crate::sinks::encode::facts::Facts;
use crate::sinks::encode::members::Members;
use crate::sinks::encode::tape::{Kind, Value};

pub(super) fn write(object: &mut Object<'_>, facts: &Facts<'_>) {
    if let Some(dns) = facts.named() {
        object.object("dns", |o| self::dns(o, dns));
    }
    if let Some(http) = facts.http {
        self::http(object, http);
    }
    if let Some(tls) = facts.tls {
        object.object("tls", |o| self::tls(o, tls));
    }
    if let Some(file) = facts.fileinfo {
        object.object("file", |o| self::file(o, file));
    }
    if let Some(email) = facts.email {
        object.object("email", |o| {
            for key in ["from", "to", "cc"] {
                let addresses = email.get(key);
                if addresses.is_some() {
                    o.object(key, |end| end.list("address", addresses));
                }
            }
            o.words("subject", email.get("subject"));
        });
    }
}

fn dns(object: &mut Object<'_>, dns: Value<'_>) {
    match dns.get("type").map(Value::text) {
        Some("request" | "query") => drop(object.text("type", "query")),
        Some("response" | "answer") => drop(object.text("type", "answer")),
        _ => {}
    }
    object.words("id", dns.get("id"));
    object.words("op_code", dns.get("opcode"));
    object.words("response_code", dns.get("rcode"));
    let flags = ["aa", "tc", "rd", "ra", "ad", "cd"];
    let set: Vec<&str> = flags.into_iter().filter(|name| dns.get(name).is_some_and(Value::is_true)).collect();
    if !set.is_empty() {
        object.array("header_flags", |list| {
            set.iter().for_each(|name| {
                list.text(name.to_ascii_uppercase());
            })
        });
    }
    let query = dns.get("queries").and_then(|list| list.items().next()).unwrap_or(dns);
    if query.get("rrname").is_some() {
        object.object("question", |question| {
            question.words("name", query.get("rrname"));
            question.words("type", query.get("rrtype"));
        });
    }
    let answers = dns.get("answers").filter(|answers| answers.kind() == Kind::List);
    if let Some(answers) = answers.filter(|answers| answers.items().next().is_some()) {
        object.array("answers", |list| {
            for answer in answers.items() {
                list.object(|o| {
                    o.words("name", answer.get("rrname"));
                    o.words("type", answer.get("rrtype"));
                    o.whole("ttl", answer.get("ttl"));
                    o.words("data", answer.get("rdata"));
                });
            }
        });
    }
    let grouped = ["A", "AAAA"].map(|kind| dns.get("grouped").and_then(|grouped| grouped.get(kind)));
    let resolved: Vec<&str> = grouped.into_iter().flatten().flat_map(Value::items).map(Value::json).collect();
    if !resolved.is_empty() {
        object.json("resolved_ip", &format!("[{}]", resolved.join(",")));
    }
}

fn http(object: &mut Object<'_>, http: Value<'_>) {
    object.object("http", |o| {
        if let Some(version) = http.get("protocol").and_then(|name| name.text().strip_prefix("HTTP/")) {
            o.inside("version", version);
        }
        o.object("request", |request| {
            request.words("method", http.get("http_method"));
            request.words("referrer", http.get("http_refer"));
        });
        o.object("response", |response| {
            response.whole("status_code", http.get("status"));
            response.words("mime_type", http.get("http_content_type"));
            if let Some(length) = http.get("length") {
                response.object("body", |body| body.whole("bytes", Some(length)));
            }
        });
    });
    object.object("url", |url| {
        url.words("original", http.get("url"));
        let text = http.get("url").map(Value::text).unwrap_or_default();
        if text.starts_with('/') {
            let (path, query) = text.split_once('?').unwrap_or((text, ""));
            url.inside("path", path);
            if !query.is_empty() {
                url.inside("query", query);
            }
        }
        url.words("domain", http.get("hostname"));
    });
    if http.get("http_user_agent").is_some() {
        object.object("user_agent", |agent| agent.words("original", http.get("http_user_agent")));
    }
}

fn tls(object: &mut Object<'_>, tls: Value<'_>) {
    let version = tls.get("version").map(Value::text).unwrap_or_default();
    if let Some(number) = version.strip_prefix("TLS ").or(version.strip_prefix("TLSv")) {
        object.inside("version", number).text("version_protocol", "tls");
    }
    object.object("client", |client| {
        client.words("server_name", tls.get("sni"));
        client.words("ja3", tls.at("ja3.hash"));
        client.words("subject", tls.at("client.subject"));
        client.words("issuer", tls.at("client.issuerdn"));
    });
    object.object("server", |server| {
        server.words("subject", tls.get("subject"));
        server.words("issuer", tls.get("issuerdn"));
        server.words("ja3s", tls.at("ja3s.hash"));
        server.words("not_before", tls.get("notbefore"));
        server.words("not_after", tls.get("notafter"));
        if let Some(fingerprint) = tls.get("fingerprint").and_then(Value::plain) {
            let digits = fingerprint.replace(':', "").to_ascii_uppercase();
            server.object("hash", |hash| {
                hash.inside("sha1", &digits);
            });
        }
    });
}

fn file(object: &mut Object<'_>, file: Value<'_>) {
    let path = file.get("filename").map(Value::text).unwrap_or_default();
    if !path.is_empty() {
        let name = path.rsplit('/').next().unwrap_or(path);
        object.inside("name", if name.is_empty() { path } else { name });
        object.inside("path", path);
    }
    object.whole("size", file.get("size"));
    object.words("mime_type", file.get("mimetype"));
    let hashes = ["md5", "sha1", "sha256"].map(|name| (name, file.get(name)));
    if hashes.iter().any(|(_, hash)| hash.is_some()) {
        object.object("hash", |o| hashes.into_iter().for_each(|(name, hash)| o.words(name, hash)));
    }
}
