//! Names of application protocols that rules may use, parsed already or not.

/// Canonical name, then other names.
const NAMES: &[&[&str]] = &[
    &["http"],
    &["http1"],
    &["http2"],
    &["doh2"],
    &["websocket"],
    &["dns"],
    &["mdns"],
    &["llmnr"],
    &["tls", "ssl"],
    &["quic"],
    &["ssh"],
    &["smtp"],
    &["pop3"],
    &["imap"],
    &["ftp"],
    &["ftp-data"],
    &["tftp"],
    &["smb"],
    &["dcerpc"],
    &["nfs"],
    &["krb5"],
    &["ldap"],
    &["sip"],
    &["mqtt"],
    &["rdp"],
    &["rfb"],
    &["snmp"],
    &["ike", "ikev2"],
    &["dhcp"],
    &["ntp"],
    &["bittorrent-dht"],
    &["telnet"],
    &["modbus"],
    &["dnp3"],
    &["enip"],
    &["pgsql"],
    &["jabber"],
    &["irc"],
    &["msn"],
];

/// The canonical name of an application protocol.
pub fn canonical_protocol(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|names| names.contains(&name)).and_then(|names| names.first().copied())
}

/// Whether flows of this protocol are parsed.
pub fn is_parsed(name: &str) -> bool {
    tapwire_parsers::protocol_id(name).is_some()
}
