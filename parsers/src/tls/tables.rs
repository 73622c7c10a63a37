//! Numbers of TLS and what they are called.

use crate::protocol::AnomalyKind;

/// Record and handshake protocol version 1.3 (only ever found in extensions).
pub(super) const TLS13: u16 = 0x0304;
/// Version 1.2.
pub(super) const TLS12: u16 = 0x0303;
/// SSL 2 as written in an SSL 2 hello.
pub(super) const SSL2: u16 = 0x0002;
/// SSL 3.
pub(super) const SSL3: u16 = 0x0300;

/// Record types (RFC 8446, section 5.1; RFC 6520).
pub(super) mod content {
    pub(in crate::tls) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in crate::tls) const ALERT: u8 = 21;
    pub(in crate::tls) const HANDSHAKE: u8 = 22;
    pub(in crate::tls) const APPLICATION_DATA: u8 = 23;
    pub(in crate::tls) const HEARTBEAT: u8 = 24;
}

/// Handshake message types.
pub(super) mod message {
    pub(in crate::tls) const CLIENT_HELLO: u8 = 1;
    pub(in crate::tls) const SERVER_HELLO: u8 = 2;
    pub(in crate::tls) const CERTIFICATE: u8 = 11;
    pub(in crate::tls) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(in crate::tls) const CERTIFICATE_REQUEST: u8 = 13;
    pub(in crate::tls) const SERVER_HELLO_DONE: u8 = 14;
    pub(in crate::tls) const CLIENT_KEY_EXCHANGE: u8 = 16;

    /// Whether a type was ever assigned.
    pub(in crate::tls) fn is_known(kind: u8) -> bool {
        matches!(kind, 0..=6 | 8 | 11..=16 | 20..=25 | 67 | 254)
    }
}

/// Extension types.
pub(super) mod extension {
    pub(in crate::tls) const SERVER_NAME: u16 = 0;
    pub(in crate::tls) const SUPPORTED_GROUPS: u16 = 10;
    pub(in crate::tls) const POINT_FORMATS: u16 = 11;
    pub(in crate::tls) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in crate::tls) const ALPN: u16 = 16;
    pub(in crate::tls) const SUPPORTED_VERSIONS: u16 = 43;
}

/// The progress to server, in order.
pub(super) static CLIENT_STATES: &[&str] =
    &["client_in_progress", "client_hello_done", "client_cert_done", "client_handshake_done", "client_finished"];

/// The progress to client, in order.
pub(super) static SERVER_STATES: &[&str] = &[
    "server_in_progress",
    "server_hello",
    "server_cert_done",
    "server_hello_done",
    "server_handshake_done",
    "server_finished",
];

/// Indices into [`CLIENT_STATES`].
pub(super) mod client {
    pub(in crate::tls) const HELLO_DONE: u8 = 1;
    pub(in crate::tls) const CERT_DONE: u8 = 2;
    pub(in crate::tls) const HANDSHAKE_DONE: u8 = 3;
    pub(in crate::tls) const FINISHED: u8 = 4;
}

/// Indices into [`SERVER_STATES`].
pub(super) mod server {
    pub(in crate::tls) const HELLO: u8 = 1;
    pub(in crate::tls) const CERT_DONE: u8 = 2;
    pub(in crate::tls) const HELLO_DONE: u8 = 3;
    pub(in crate::tls) const HANDSHAKE_DONE: u8 = 4;
    pub(in crate::tls) const FINISHED: u8 = 5;
}

/// Whether a value is reserved to exercise extensibility (RFC 8701).
pub(super) fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// Whether a number is version 1.3, one of its drafts or one of the drafts of Facebook.
pub fn is_tls13(version: u16) -> bool {
    version == TLS13 || matches!(version >> 8, 0x7f | 0xfb)
}

/// The name of a version as records show it.
pub fn version_name(version: u16) -> String {
    let name = match version {
        0 => "UNDETERMINED",
        SSL2 | 0x0200 => "SSLv2",
        SSL3 => "SSLv3",
        0x0301 => "TLSv1",
        0x0302 => "TLS 1.1",
        TLS12 => "TLS 1.2",
        TLS13 => "TLS 1.3",
        _ => {
            return match version >> 8 {
                0x7f if version & 0xff < 16 => "TLS 1.3 draft-<16".into(),
                0x7f => format!("TLS 1.3 draft-{}", version & 0xff),
                0xfb => format!("TLS 1.3 draft-{}-fb", version & 0xff),
                _ => format!("0x{version:04x}"),
            };
        }
    };
    name.into()
}

macro_rules! anomalies {
    ($($name:literal, $record_name:literal, $doc:literal;)*) => {
        &[$(AnomalyKind { name: concat!("tls.", $name), record_name: $record_name, doc: $doc }),*]
    };
}

/// What can be wrong with a TLS flow.
pub(super) static ANOMALIES: &[AnomalyKind] = anomalies! {
    "invalid_sslv2_header", "INVALID_SSLV2_HEADER", "An SSL 2 record header or hello that cannot be right.";
    "invalid_tls_header", "INVALID_TLS_HEADER", "A record header that cannot be right where one is expected.";
    "invalid_record_version", "INVALID_RECORD_VERSION", "A record header with an unknown version.";
    "invalid_record_type", "INVALID_RECORD_TYPE", "A record of an unknown type.";
    "invalid_record_length", "INVALID_RECORD_LENGTH", "A record that is longer than the standard allows.";
    "record_before_hello", "RECORD_BEFORE_HELLO", "A client sends something else before its hello.";
    "empty_handshake_record", "EMPTY_HANDSHAKE_RECORD", "A handshake record with nothing in it.";
    "fragmented_handshake_header", "FRAGMENTED_HANDSHAKE_HEADER", "The header of a handshake message lies in two records.";
    "invalid_handshake_message", "INVALID_HANDSHAKE_MESSAGE", "A handshake message that cannot be read or that is not allowed in its direction.";
    "invalid_certificate", "INVALID_CERTIFICATE", "A certificate message or a certificate that cannot be read.";
    "certificate_missing_element", "CERTIFICATE_MISSING_ELEMENT", "A certificate ends before a part that it must have.";
    "certificate_unknown_element", "CERTIFICATE_UNKNOWN_ELEMENT", "A certificate has a part of an unexpected type.";
    "certificate_invalid_length", "CERTIFICATE_INVALID_LENGTH", "A length in a certificate message or a certificate points past its end.";
    "certificate_invalid_string", "CERTIFICATE_INVALID_STRING", "A name in a certificate has text that its type does not allow.";
    "error_message_encountered", "ERROR_MESSAGE_ENCOUNTERED", "An SSL 2 error message instead of an answer.";
    "invalid_ssl_record", "INVALID_SSL_RECORD", "The bytes of a direction are not TLS, or records are missing, and the rest cannot be read.";
    "heartbeat_message", "HEARTBEAT_MESSAGE", "A heartbeat message was sent.";
    "overflow_heartbeat_message", "OVERFLOW_HEARTBEAT_MESSAGE", "A heartbeat states more payload than it carries (CVE-2014-0160).";
    "invalid_heartbeat_message", "INVALID_HEARTBEAT_MESSAGE", "A heartbeat of an unknown type or without its header.";
    "dataleak_heartbeat_mismatch", "DATALEAK_HEARTBEAT_MISMATCH", "An encrypted heartbeat answer is longer than the request (CVE-2014-0160).";
    "multiple_sni_extensions", "MULTIPLE_SNI_EXTENSIONS", "A client hello with more than one server name extension.";
    "invalid_sni_type", "INVALID_SNI_TYPE", "A server name of a type that is not a host name.";
    "invalid_sni_length", "INVALID_SNI_LENGTH", "A server name extension whose lengths do not fit.";
    "handshake_invalid_length", "HANDSHAKE_INVALID_LENGTH", "A length in a handshake message points past its end.";
    "handshake_cut", "HANDSHAKE_CUT", "More of a handshake came than is kept: of a message, of a chain (32 certificates), of the names of a certificate (2,048) or of application protocols (64). What came first is read.";
    "too_many_records_in_packet", "TOO_MANY_RECORDS_IN_PACKET", "Very many records at once before the handshake was over.";
    "certificate_invalid_version", "CERTIFICATE_INVALID_VERSION", "A certificate of an unknown version.";
    "certificate_invalid_serial", "CERTIFICATE_INVALID_SERIAL", "A certificate whose serial number cannot be read.";
    "certificate_invalid_algorithmidentifier", "CERTIFICATE_INVALID_ALGORITHMIDENTIFIER", "A certificate whose algorithm cannot be read.";
    "certificate_invalid_x509name", "CERTIFICATE_INVALID_X509NAME", "A certificate with a name that cannot be read.";
    "certificate_invalid_date", "CERTIFICATE_INVALID_DATE", "A certificate with a date that cannot be read.";
    "certificate_invalid_extensions", "CERTIFICATE_INVALID_EXTENSIONS", "A certificate whose extensions cannot be read.";
    "certificate_invalid_der", "CERTIFICATE_INVALID_DER", "A certificate that is no valid DER.";
    "certificate_invalid_subject", "CERTIFICATE_INVALID_SUBJECT", "A certificate whose subject cannot be read.";
    "certificate_invalid_issuer", "CERTIFICATE_INVALID_ISSUER", "A certificate whose issuer cannot be read.";
    "certificate_invalid_validity", "CERTIFICATE_INVALID_VALIDITY", "A certificate whose validity cannot be read.";
    "invalid_alert_message", "INVALID_ALERT_MESSAGE", "An alert before encryption that is not two octets long.";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_names_of_records() {
        for (version, name) in [
            (0, "UNDETERMINED"),
            (2, "SSLv2"),
            (0x300, "SSLv3"),
            (0x301, "TLSv1"),
            (0x304, "TLS 1.3"),
            (0x7f17, "TLS 1.3 draft-23"),
            (0xfb1a, "TLS 1.3 draft-26-fb"),
            (0x9999, "0x9999"),
        ] {
            assert_eq!(version_name(version), name);
        }
    }

    #[test]
    fn events_have_the_names_that_records_have_always_had() {
        for kind in ANOMALIES {
            assert_eq!(kind.record_name, kind.name.trim_start_matches("tls.").to_ascii_uppercase());
        }
    }

    #[test]
    fn grease_is_both_octets_alike_ending_in_a() {
        for (value, is) in [(0x0a0a, true), (0xfafa, true), (0x1a2a, false), (0x0303, false)] {
            assert_eq!(is_grease(value), is);
        }
    }
}
