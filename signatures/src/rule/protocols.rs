//! Names of application protocols that rules may use, parsed already or not.
//!
//! Those that are parsed say themselves what they are called and what rules can look at: their cards do. Of the others rules may
//! speak as well; they are loaded, counted, and cannot match so far. As soon as a card has a name, that of this table is passed over.

use tapwire_parsers::{REGISTRY, protocol, protocol_id};

/// A protocol that is not parsed yet, or of which not all can be looked at.
pub struct Later {
    /// Its names, the canonical one first.
    pub names: &'static [&'static str],
    /// Its sticky buffers, each with its other names behind it.
    pub buffers: &'static [&'static [&'static str]],
    /// Its other keywords.
    pub conditions: &'static [&'static str],
}

const fn named(names: &'static [&'static str]) -> Later {
    Later { names, buffers: &[], conditions: &[] }
}

/// All of them.
pub static LATER: &[Later] = &[
    Later {
        names: &["http2"],
        buffers: &[&["http2.header_name", "http2.header"]],
        conditions: &[
            "http2.frametype",
            "http2.errorcode",
            "http2.priority",
            "http2.window",
            "http2.size_update",
            "http2.settings",
        ],
    },
    named(&["doh2"]),
    named(&["websocket"]),
    Later {
        names: &["quic"],
        buffers: &[&["quic.version"], &["quic.sni"], &["quic.ua"], &["quic.cyu.hash"], &["quic.cyu.string"]],
        conditions: &[],
    },
    Later {
        names: &["smtp"],
        buffers: &[
            &["smtp.helo"],
            &["smtp.mail_from"],
            &["smtp.rcpt_to"],
            &["email.from"],
            &["email.to"],
            &["email.cc"],
            &["email.subject"],
            &["email.date"],
            &["email.message_id"],
            &["email.x_mailer"],
            &["email.url"],
            &["email.received"],
            &["email.body_md5"],
        ],
        conditions: &[],
    },
    named(&["pop3"]),
    named(&["imap"]),
    Later {
        names: &["ftp"],
        buffers: &[&["ftp.command"], &["ftp.command_data"], &["ftp.reply"], &["ftp.completion_code"]],
        conditions: &["ftp.mode", "ftp.dynamic_port", "ftp.reply_received", "ftpbounce"],
    },
    Later { names: &["ftp-data"], buffers: &[], conditions: &["ftpdata_command"] },
    named(&["tftp"]),
    Later {
        names: &["smb"],
        buffers: &[
            &["smb.share", "smb_share"],
            &["smb.named_pipe", "smb_named_pipe"],
            &["smb.ntlmssp_user", "smb.ntlmssp.user"],
            &["smb.ntlmssp_domain"],
        ],
        conditions: &["smb.version", "smb.ntlmssp"],
    },
    Later {
        names: &["dcerpc"],
        buffers: &[&["dcerpc.stub_data", "dce_stub_data"]],
        conditions: &["dce_iface", "dcerpc.iface", "dce_opnum", "dcerpc.opnum"],
    },
    Later {
        names: &["nfs"],
        buffers: &[],
        conditions: &["nfs_procedure", "nfs.procedure", "nfs_version", "nfs.version"],
    },
    Later {
        names: &["krb5"],
        buffers: &[&["krb5.cname", "krb5_cname"], &["krb5.sname", "krb5_sname"]],
        conditions: &[
            "krb5_msg_type",
            "krb5_err_code",
            "krb5.weak_encryption",
            "krb5.malformed_ticket",
            "krb5.ticket_encryption",
        ],
    },
    Later {
        names: &["ldap"],
        buffers: &[
            &["ldap.request.dn"],
            &["ldap.responses.dn"],
            &["ldap.responses.message"],
            &["ldap.request.attribute_type"],
            &["ldap.responses.attribute_type"],
        ],
        conditions: &[
            "ldap.request.operation",
            "ldap.responses.operation",
            "ldap.responses.count",
            "ldap.responses.result_code",
        ],
    },
    Later {
        names: &["mqtt"],
        buffers: &[
            &["mqtt.connect.clientid"],
            &["mqtt.connect.username"],
            &["mqtt.connect.password"],
            &["mqtt.connect.willtopic"],
            &["mqtt.connect.willmessage"],
            &["mqtt.connect.protocol_string"],
            &["mqtt.publish.topic"],
            &["mqtt.publish.message"],
            &["mqtt.subscribe.topic"],
            &["mqtt.unsubscribe.topic"],
        ],
        conditions: &[
            "mqtt.type",
            "mqtt.flags",
            "mqtt.qos",
            "mqtt.reason_code",
            "mqtt.protocol_version",
            "mqtt.connect.flags",
            "mqtt.connack.session_present",
            "mqtt.connack.return_code",
            "mqtt.connack.sessionpresent",
        ],
    },
    named(&["rdp"]),
    Later { names: &["rfb"], buffers: &[&["rfb.name"]], conditions: &["rfb.sectype", "rfb.secresult"] },
    Later {
        names: &["snmp"],
        buffers: &[&["snmp.community"], &["snmp.usm"], &["snmp.trap_oid"], &["snmp.trap_address"]],
        conditions: &["snmp.version", "snmp.pdu_type", "snmp.trap_type"],
    },
    Later {
        names: &["ike", "ikev2"],
        buffers: &[
            &["ike.init_spi"],
            &["ike.resp_spi"],
            &["ike.vendor"],
            &["ike.key_exchange_payload"],
            &["ike.nonce_payload"],
        ],
        conditions: &[
            "ike.exchtype",
            "ike.chosen_sa_attribute",
            "ike.nonce_payload_length",
            "ike.key_exchange_payload_length",
        ],
    },
    named(&["bittorrent-dht"]),
    named(&["telnet"]),
    Later {
        names: &["enip"],
        buffers: &[&["enip.product_name"], &["enip.service_name"]],
        conditions: &[
            "enip_command",
            "enip.command",
            "enip.status",
            "enip.capabilities",
            "enip.protocol_version",
            "enip.identity_status",
            "enip.serial",
            "enip.state",
            "enip.vendor_id",
            "enip.revision",
            "enip.product_code",
            "enip.device_type",
            "cip_service",
            "enip.cip_attribute",
            "enip.cip_class",
            "enip.cip_instance",
            "enip.cip_status",
            "enip.cip_extendedstatus",
        ],
    },
    Later { names: &["pgsql"], buffers: &[&["pgsql.query"]], conditions: &[] },
    named(&["jabber"]),
    named(&["irc"]),
    named(&["msn"]),
];

/// The canonical name of an application protocol.
pub fn canonical_protocol(name: &str) -> Option<&'static str> {
    let parsed = protocol_id(name).map(|id| protocol(id).name);
    let later =
        || LATER.iter().find(|later| later.names.contains(&name)).and_then(|later| later.names.first().copied());
    parsed.or_else(later)
}

/// All names of application protocols.
pub(crate) fn protocol_names() -> impl Iterator<Item = &'static str> {
    let parsed = REGISTRY.iter().flat_map(|card| std::iter::once(card.name).chain(card.aliases.iter().copied()));
    parsed.chain(LATER.iter().flat_map(|later| later.names.iter().copied()))
}

/// Whether flows of this protocol are parsed.
pub fn is_parsed(name: &str) -> bool {
    protocol_id(name).is_some()
}
