//! Transport Layer Security (RFC 8446, RFC 5246) and the Secure Sockets Layer before it, back to version 2.
//!
//! A flow is one transaction. What is in the clear is read: the hellos, the certificates up to TLS 1.2, alerts and heartbeats
//! before encryption.

mod certificates;
mod dates;
mod fingerprint;
mod handshake;
mod hello;
mod record;
mod record_layer;
mod sslv2;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;
mod x509;

pub use certificates::{Certificates, Leaf};
pub use fingerprint::Ja3;
pub use tables::{is_tls13, version_name};
pub use transaction::{Seen, Transaction};

use record_layer::{Encrypted, Options, TlsParser};
use tables::{client, content, message, server};
use transaction::Fingerprints;

use crate::fields;
use crate::protocol::{
    Both, Carrier, Direction, Field, Opener, Pattern, Probe, Protocol, Setting, Settings, Usual, Value,
};

/// The card of TLS.
pub static PROTOCOL: Protocol = Protocol {
    name: "tls",
    aliases: &["ssl"],
    doc: "Transport Layer Security 1.0 to 1.3 (RFC 8446) and Secure Sockets Layer 2 and 3.",
    parsed: Usual::Always,
    carriers: &[Carrier::Tcp],
    link: None,
    patterns: PATTERNS,
    stands_alone: true,
    ports: &[443],
    probe,
    states: Both { to_server: tables::CLIENT_STATES, to_client: tables::SERVER_STATES },
    fields: FIELDS,
    anomalies: tables::ANOMALIES,
    features: &[("ja3", "ja3-fingerprints"), ("ja4", "ja4-fingerprints")],
    retired_anomalies: &[],
    event_type: Some("tls"),
    shows_transaction_id: false,
    listed_as: None,
    settings: SETTINGS,
    is_own: false,
    configure,
    recorder: record::recorder,
};

static SETTINGS: &[Setting] = &[
    Setting::of_parser(
        "encryption-handling",
        "`track-only`",
        "What becomes of a flow once it is encrypted, as for SSH: `full`, `bypass` or anything else.",
    ),
    Setting::of_parser(
        "handshake-message-limit",
        "128 KiB",
        "How much of a handshake message is read; where more comes, what came first counts (`tls.handshake_cut`).",
    ),
    Setting::of_parser("ja3-fingerprints", "yes", "JA3 fingerprints are made, and rules may require them."),
    Setting::of_parser("ja4-fingerprints", "yes", "JA4 fingerprints are made, and rules may require them."),
    Setting::of_records("extended", "no; without `--config` yes", "More of each handshake is shown."),
    Setting::of_records("custom", "none", "Names of the members that are shown instead."),
    Setting::of_records("ja3", "with `extended`", "The JA3 fingerprint is shown."),
    Setting::of_records("ja3s", "with `extended`", "That of the server is shown."),
    Setting::of_records("ja4", "with `extended`", "The JA4 fingerprint is shown."),
    Setting::of_records(
        "session-resumption",
        "yes; no for a type of which nothing but the name is written (`- tls`)",
        "Resumed sessions have records.",
    ),
];

const PATTERNS: &[Pattern] = &[
    start(Direction::ToServer, &[0x16, 0x03, 0x00], 0),
    start(Direction::ToServer, &[0x16, 0x03, 0x01], 0),
    start(Direction::ToServer, &[0x16, 0x03, 0x02], 0),
    start(Direction::ToServer, &[0x16, 0x03, 0x03], 0),
    start(Direction::ToServer, &[0x16, 0x03, 0x04], 0),
    start(Direction::ToClient, &[0x16, 0x03, 0x00], 0),
    start(Direction::ToClient, &[0x16, 0x03, 0x01], 0),
    start(Direction::ToClient, &[0x16, 0x03, 0x02], 0),
    start(Direction::ToClient, &[0x16, 0x03, 0x03], 0),
    start(Direction::ToClient, &[0x16, 0x03, 0x04], 0),
    start(Direction::ToServer, &[0x01, 0x00, 0x02], 2),
    start(Direction::ToServer, &[0x01, 0x03, 0x00], 2),
    start(Direction::ToServer, &[0x01, 0x03, 0x01], 2),
    start(Direction::ToServer, &[0x01, 0x03, 0x02], 2),
    start(Direction::ToServer, &[0x01, 0x03, 0x03], 2),
];

const fn start(direction: Direction, bytes: &'static [u8], offset: usize) -> Pattern {
    Pattern { carrier: Carrier::Tcp, direction, bytes, nocase: false, offset, depth: offset + bytes.len() }
}

const CLIENT_HELLO: Option<u8> = Some(client::HELLO_DONE);
const CLIENT_CERTIFICATE: Option<u8> = Some(client::CERT_DONE);
const SERVER_HELLO: Option<u8> = Some(server::HELLO);
const SERVER_CERTIFICATE: Option<u8> = Some(server::CERT_DONE);

static FIELDS: &[Field] = fields! { Transaction:
    "tls.sni" | "tls_sni": Domain, "The server name that the client asks for.", [CLIENT_HELLO, None], false,
        |tx, _, i| first(i, tx.server_name());
    "tls.certs": Bytes, "Each certificate of the chain that the side sent, as DER.", [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], true,
        |tx, d, i| tx.certificates(d)?.chain.get(i).map(|der| Value::Bytes(der));
    "tls.cert_subject" | "tls_cert_subject": Text, "Whom the certificate is for.", [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], false,
        |tx, d, i| first(i, leaf(tx, d).and_then(|leaf| leaf.subject.as_deref()));
    "tls.cert_issuer" | "tls_cert_issuer": Text, "Who signed the certificate.", [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], false,
        |tx, d, i| first(i, leaf(tx, d).and_then(|leaf| leaf.issuer.as_deref()));
    "tls.cert_serial" | "tls_cert_serial": Text, "Serial number of the certificate, upper-case hex with colons.",
        [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], false,
        |tx, d, i| first(i, leaf(tx, d).and_then(|leaf| leaf.serial.as_deref()).map(str::as_bytes));
    "tls.cert_fingerprint" | "tls_cert_fingerprint": Hash, "SHA-1 of the certificate, lower-case hex with colons.",
        [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], false,
        |tx, d, i| first(i, tx.certificates(d).map(|c| c.fingerprint.as_bytes()));
    "tls.subjectaltname": Domain, "Each further name that the certificate is for.", [CLIENT_CERTIFICATE, SERVER_CERTIFICATE], true,
        |tx, d, i| leaf(tx, d)?.alternative_names.get(i).map(|name| Value::Bytes(name));
    "tls.alpn": Text, "Each application protocol that the hello names.", [CLIENT_HELLO, SERVER_HELLO], true,
        |tx, d, i| tx.hello.of(d).as_ref()?.alpn.get(i).map(|name| Value::Bytes(name));
    "tls.random": Bytes, "The random value of the hello, 32 octets.", [CLIENT_HELLO, SERVER_HELLO], false,
        |tx, d, i| first(i, random(tx, d));
    "tls.random_time": Bytes, "The first 4 octets of the random value.", [CLIENT_HELLO, SERVER_HELLO], false,
        |tx, d, i| first(i, random(tx, d)?.get(..4));
    "tls.random_bytes": Bytes, "The last 28 octets of the random value.", [CLIENT_HELLO, SERVER_HELLO], false,
        |tx, d, i| first(i, random(tx, d)?.get(4..));
    "ja3.hash" | "ja3_hash": Hash, "JA3 of the client.", [CLIENT_HELLO, None], false,
        |tx, _, i| first(i, tx.ja3.to_server.as_ref().map(|ja3| ja3.hash.as_bytes()));
    "ja3.string" | "ja3_string": Text, "The numbers that the JA3 of the client is made of.", [CLIENT_HELLO, None], false,
        |tx, _, i| first(i, tx.ja3.to_server.as_ref().map(|ja3| ja3.string.as_bytes()));
    "ja3s.hash" | "ja3s_hash": Hash, "JA3S of the server.", [None, SERVER_HELLO], false,
        |tx, _, i| first(i, tx.ja3.to_client.as_ref().map(|ja3| ja3.hash.as_bytes()));
    "ja3s.string" | "ja3s_string": Text, "The numbers that the JA3S of the server is made of.", [None, SERVER_HELLO], false,
        |tx, _, i| first(i, tx.ja3.to_client.as_ref().map(|ja3| ja3.string.as_bytes()));
    "ja4.hash": Hash, "JA4 of the client.", [CLIENT_HELLO, None], false,
        |tx, _, i| first(i, tx.ja4.as_ref().map(String::as_bytes));
    frame "frame:tls.pdu", "A record as it travels.", [true, true];
    frame "frame:tls.hdr", "Type, version and length of a record, five octets.", [true, true];
    frame "frame:tls.data", "What a record carries.", [true, true];
    frame "frame:tls.alert", "What an alert carries.", [true, true];
    frame "frame:tls.heartbeat", "What a heartbeat carries.", [true, true];
    frame "frame:tls.ssl2.pdu", "A record of SSL 2 as it travels.", [true, true];
    frame "frame:tls.ssl2.hdr", "The header of such a record.", [true, true];
    frame "frame:tls.ssl2.data", "What such a record carries.", [true, true];
};

fn first(index: usize, value: Option<&[u8]>) -> Option<Value<'_>> {
    value.filter(|_| index == 0).map(Value::Bytes)
}

fn leaf(transaction: &Transaction, direction: Direction) -> Option<&Leaf> {
    transaction.certificates(direction)?.leaf.as_ref()
}

fn random(transaction: &Transaction, direction: Direction) -> Option<&[u8]> {
    transaction.hello.of(direction).as_ref().map(|hello| hello.random.as_slice())
}

fn probe(_: Carrier, direction: Direction, data: &[u8]) -> Probe {
    if direction == Direction::ToServer {
        match sslv2::is_client_hello(data) {
            Some(true) => return Probe::Yes,
            None => return Probe::Unsure,
            Some(false) => {}
        }
    }
    let expected = match direction {
        Direction::ToServer => message::CLIENT_HELLO,
        Direction::ToClient => message::SERVER_HELLO,
    };
    let begins = |index: usize, right: fn(u8) -> bool| data.get(index).is_none_or(|&octet| right(octet));
    if !begins(1, |major| major == 3) || !begins(2, |minor| minor <= 4) {
        return Probe::No;
    }
    match (data.first(), data.get(5)) {
        (Some(&content::HANDSHAKE), Some(&kind)) if kind == expected => Probe::Yes,
        (Some(&content::HANDSHAKE), Some(&(message::CLIENT_HELLO | message::SERVER_HELLO))) => Probe::Reversed,
        // An empty record comes before the hello: the next header is there instead of a message.
        (Some(&content::HANDSHAKE), Some(&content::HANDSHAKE)) if data.get(3..5) == Some(&[0, 0]) => Probe::Yes,
        // A server may refuse with an alert.
        (Some(&content::ALERT), Some(1 | 2)) if direction == Direction::ToClient && data.get(3..5) == Some(&[0, 2]) => {
            Probe::Yes
        }
        (Some(&(content::HANDSHAKE | content::ALERT)), None) | (None, _) => Probe::Unsure,
        _ => Probe::No,
    }
}

fn configure(settings: &Settings) -> Opener {
    let encrypted = match settings.text("encryption-handling") {
        Some("full") => Encrypted::ReadOn,
        _ => Encrypted::LeaveAside,
    };
    let fingerprints =
        Fingerprints { ja3: settings.switch("ja3-fingerprints", true), ja4: settings.switch("ja4-fingerprints", true) };
    let message_limit = settings.bytes("handshake-message-limit", record_layer::MESSAGE_LIMIT_BYTES);
    let message_limit = usize::try_from(message_limit).unwrap_or(usize::MAX);
    let options = Options { message_limit, encrypted, fingerprints };
    Box::new(move |opening| Box::new(TlsParser::new(options, opening.before)))
}
