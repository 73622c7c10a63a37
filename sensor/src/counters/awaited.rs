//! Counters of protocols that are not parsed yet: they are 0, and there all the same, because who watches counters looks them up.

/// The protocols by their names in counters, in order. One that is parsed says itself how it is counted.
pub(super) const PROTOCOLS: &[&str] = &[
    "bittorrent_dht",
    "dcerpc_tcp",
    "dcerpc_udp",
    "doh2",
    "enip_tcp",
    "enip_udp",
    "http2",
    "ike",
    "imap",
    "krb5_tcp",
    "krb5_udp",
    "ldap_tcp",
    "ldap_udp",
    "mqtt",
    "nfs_tcp",
    "nfs_udp",
    "pgsql",
    "pop3",
    "quic",
    "rdp",
    "rfb",
    "smb",
    "smtp",
    "snmp",
    "telnet",
];

/// The names of their counters.
pub fn awaited() -> impl Iterator<Item = String> {
    let of = |name: &'static str| {
        let errors = ["alloc", "gap", "internal", "parser"].map(|kind| format!("app_layer.error.{name}.{kind}"));
        ["flow", "tx"].map(|group| format!("app_layer.{group}.{name}")).into_iter().chain(errors)
    };
    PROTOCOLS.iter().flat_map(move |name| of(name))
}
