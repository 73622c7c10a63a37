//! What a record shows of a TLS flow.

use data_encoding::BASE64;

use super::certificates::{Certificates, Leaf};
use super::dates;
use super::fingerprint::Ja3;
use super::hello::Hello;
use super::tables::{is_grease, version_name};
use super::transaction::Transaction;
use crate::json::Object;
use crate::protocol::{self, Direction, Purpose, Recorder, Settings};

/// Names of members as the setting `custom` lists them.
const NAMES: [&str; 22] = [
    "subject",
    "issuer",
    "subjectaltname",
    "session_resumed",
    "serial",
    "fingerprint",
    "sni",
    "version",
    "not_before",
    "not_after",
    "ja3",
    "ja3s",
    "ja4",
    "client_alpns",
    "server_alpns",
    "client",
    "certificate",
    "chain",
    "client_certificate",
    "client_chain",
    "client_handshake",
    "server_handshake",
];

/// How many of [`NAMES`] are shown without `extended`, and how many with it.
const BASIC: usize = 4;
const EXTENDED: usize = 16;

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let custom = settings.list("custom");
    let extended = settings.switch("extended", false);
    let mut shown: Vec<&'static str> = match (custom.is_empty(), extended) {
        (false, _) => NAMES.into_iter().filter(|name| custom.contains(name)).collect(),
        (true, true) => NAMES.into_iter().take(EXTENDED).collect(),
        (true, false) => NAMES.into_iter().take(BASIC).collect(),
    };
    for name in ["ja3", "ja3s", "ja4"] {
        if settings.switch(name, false) && !shown.contains(&name) {
            shown.push(name);
        }
        if !settings.switch(name, true) {
            shown.retain(|shown| *shown != name);
        }
    }
    // Where nothing but the name of the type is written, resumed sessions are left out.
    let resumed = settings.switch("session-resumption", !settings.is_bare());
    let all: Vec<&'static str> = NAMES.into_iter().take(EXTENDED).collect();
    Recorder::new(move |transaction, purpose, record| {
        let transaction: &dyn protocol::Transaction = transaction;
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        let has_hello = transaction.seen.client_hello || transaction.seen.server_hello;
        if purpose == Purpose::Record && (transaction.is_resumed() && !resumed || !has_hello) {
            return false;
        }
        let shown = if purpose == Purpose::Reference { &all } else { &shown };
        record.object("tls", |tls| write(transaction, shown, tls));
        true
    })
}

fn write(transaction: &Transaction, shown: &[&str], tls: &mut Object<'_>) {
    let has = |name: &str| shown.contains(&name);
    let server = transaction.certificates(Direction::ToClient);
    let client = transaction.certificates(Direction::ToServer);
    let client_hello = transaction.hello.to_server.as_deref();
    let server_hello = transaction.hello.to_client.as_deref();
    write_names(server.and_then(|c| c.leaf.as_ref()), &has, tls);
    if has("session_resumed") && transaction.is_resumed() {
        tls.boolean("session_resumed", true);
    }
    if let Some(server) = server {
        if has("serial") {
            write_serial(server.leaf.as_ref(), tls);
        }
        if has("fingerprint") {
            tls.text("fingerprint", &server.fingerprint);
        }
    }
    if let Some(name) = transaction.server_name().filter(|_| has("sni")) {
        tls.text("sni", name);
    }
    if has("version") {
        tls.text("version", version_name(transaction.negotiated_version()));
    }
    write_dates(server.and_then(|c| c.leaf.as_ref()), has("not_before"), has("not_after"), tls);
    write_ja3("ja3", transaction.ja3.to_server.as_ref().filter(|_| has("ja3")), tls);
    write_ja3("ja3s", transaction.ja3.to_client.as_ref().filter(|_| has("ja3s")), tls);
    if let Some(ja4) = transaction.ja4.as_ref().filter(|_| has("ja4")) {
        tls.text("ja4", ja4);
    }
    write_alpn("client_alpns", client_hello.filter(|_| has("client_alpns")), tls);
    write_alpn("server_alpns", server_hello.filter(|_| has("server_alpns")), tls);
    if let Some(server) = server {
        write_raw(server, has("certificate"), has("chain"), tls);
    }
    if let Some(before) = transaction.before {
        tls.text("from_proto", before);
    }
    if let Some(client) = client.filter(|_| has("client") || has("client_certificate") || has("client_chain")) {
        tls.object("client", |object| write_client(client, &has, object));
    }
    write_handshakes(
        transaction,
        client_hello.filter(|_| has("client_handshake")),
        server_hello.filter(|_| has("server_handshake")),
        tls,
    );
}

fn write_names(leaf: Option<&Leaf>, has: &dyn Fn(&str) -> bool, object: &mut Object<'_>) {
    let Some(leaf) = leaf else { return };
    for (name, key, value) in [("subject", "subject", &leaf.subject), ("issuer", "issuerdn", &leaf.issuer)] {
        if let Some(value) = value.as_ref().filter(|_| has(name)) {
            object.text(key, value);
        }
    }
    if has("subjectaltname") && !leaf.alternative_names.is_empty() {
        object.array("subjectaltname", |names| {
            leaf.alternative_names.iter().for_each(|name| {
                names.text(name);
            });
        });
    }
}

fn write_client(client: &Certificates, has: &dyn Fn(&str) -> bool, object: &mut Object<'_>) {
    let all = has("client");
    write_names(client.leaf.as_ref(), &|name| all && name != "subjectaltname", object);
    if all {
        object.text("fingerprint", &client.fingerprint);
        write_serial(client.leaf.as_ref(), object);
        write_dates(client.leaf.as_ref(), true, true, object);
    }
    write_raw(client, has("client_certificate"), has("client_chain"), object);
}

fn write_raw(certificates: &Certificates, first: bool, chain: bool, object: &mut Object<'_>) {
    if let Some(der) = certificates.chain.first().filter(|_| first) {
        object.text("certificate", BASE64.encode(der));
    }
    if chain {
        object.array("chain", |array| {
            certificates.chain.iter().for_each(|der| {
                array.text(BASE64.encode(der));
            });
        });
    }
}

fn write_serial(leaf: Option<&Leaf>, object: &mut Object<'_>) {
    if let Some(serial) = leaf.and_then(|leaf| leaf.serial.as_ref()) {
        object.text("serial", serial);
    }
}

fn write_dates(leaf: Option<&Leaf>, start: bool, end: bool, object: &mut Object<'_>) {
    let date = |date: fn(&Leaf) -> Option<i64>| leaf.and_then(date).map(dates::text);
    if let Some(date) = date(|leaf| leaf.not_before).filter(|_| start) {
        object.text("notbefore", date);
    }
    if let Some(date) = date(|leaf| leaf.not_after).filter(|_| end) {
        object.text("notafter", date);
    }
}

fn write_ja3(key: &'static str, ja3: Option<&Ja3>, object: &mut Object<'_>) {
    if let Some(ja3) = ja3 {
        object.object(key, |object| {
            object.text("hash", &ja3.hash).text("string", &ja3.string);
        });
    }
}

fn write_alpn(key: &'static str, hello: Option<&Hello>, object: &mut Object<'_>) {
    if let Some(hello) = hello.filter(|hello| !hello.alpn.is_empty()) {
        object.array(key, |names| {
            hello.alpn.iter().for_each(|name| {
                names.text(name);
            });
        });
    }
}

fn write_handshakes(
    transaction: &Transaction,
    client: Option<&Hello>,
    server: Option<&Hello>,
    object: &mut Object<'_>,
) {
    if let Some(hello) = client {
        object.object("client_handshake", |object| {
            object.text("version", version_name(hello.version()));
            write_numbers("ciphers", &hello.ciphers, object);
            write_numbers("exts", &hello.extensions, object);
            write_numbers("sig_algs", &hello.signature_algorithms, object);
        });
    }
    if let Some(hello) = server {
        object.object("server_handshake", |object| {
            object.text("version", version_name(transaction.version(Direction::ToClient)));
            if let Some(cipher) = hello.ciphers.first() {
                object.number("cipher", *cipher);
            }
            write_numbers("exts", &hello.extensions, object);
        });
    }
}

fn write_numbers(key: &'static str, values: &[u16], object: &mut Object<'_>) {
    if values.iter().any(|&value| !is_grease(value)) {
        object.array(key, |array| {
            values.iter().filter(|&&value| !is_grease(value)).for_each(|value| {
                array.number(*value);
            });
        });
    }
}
