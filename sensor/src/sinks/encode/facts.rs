//! What encodings ask of every record: found in one pass over its members.

use super::severity::{self, Severity};
use super::tape::{Kind, Record, Value};
use super::time;

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// The members that records have in common, and the object that one is about.
        #[derive(Clone, Copy, Debug)]
        pub struct Facts<'t> {
            /// The record.
            pub record: Record<'t>,
            $($(#[doc = $doc])* pub $name: Option<Value<'t>>,)*
            /// What was said in the application protocol, with the name of its object.
            pub application: Option<(&'t str, Value<'t>)>,
        }

        impl<'t> Facts<'t> {
            /// Those of a record.
            pub fn of(record: Record<'t>) -> Self {
                let mut facts = Self { record, $($name: None,)* application: None };
                for (key, value) in record.members() {
                    match key {
                        $(stringify!($name) => facts.$name = facts.$name.or(Some(value)),)*
                        _ => {}
                    }
                    if facts.application.is_none() && value.kind() == Kind::Object && !IN_ANY_PROTOCOL.contains(&key) {
                        facts.application = Some((key, value));
                    }
                }
                facts
            }
        }
    };
}

facts! {
    /// When.
    timestamp,
    /// The flow.
    flow_id,
    /// The flow that announced it.
    parent_id,
    /// The interface.
    in_iface,
    /// The kind of record.
    event_type,
    /// The sensor.
    host,
    /// VLAN ids.
    vlan,
    /// Where it comes from.
    src_ip,
    /// The port there.
    src_port,
    /// Where it goes.
    dest_ip,
    /// The port there.
    dest_port,
    /// TCP, UDP and so on.
    proto,
    /// The type of ICMP.
    icmp_type,
    /// Its code.
    icmp_code,
    /// Ethernet.
    ether,
    /// The key of the flow that other tools have as well.
    community_id,
    /// The transaction.
    tx_id,
    /// The application protocol.
    app_proto,
    /// To which side.
    direction,
    /// The rule that matched.
    alert,
    /// What the traffic did wrong.
    anomaly,
    /// The flow's sums.
    flow,
    /// Those of one direction.
    netflow,
    /// What was seen of TCP.
    tcp,
    /// A file.
    fileinfo,
    /// A transaction of DNS.
    dns,
    /// A transaction of HTTP.
    http,
    /// A handshake of TLS.
    tls,
    /// A handshake of SSH.
    ssh,
    /// A transaction of SMB.
    smb,
    /// A mail.
    smtp,
    /// Its header.
    email,
    /// A command of FTP.
    ftp,
    /// An address that was given out.
    dhcp,
    /// What only Tapwire says.
    tapwire,
}

/// Objects that are of no application protocol.
const IN_ANY_PROTOCOL: [&str; 14] = [
    "ether",
    "alert",
    "anomaly",
    "flow",
    "netflow",
    "tcp",
    "fileinfo",
    "tapwire",
    "tunnel",
    "verdict",
    "metadata",
    "packet_info",
    "frame",
    "traffic",
];

impl<'t> Facts<'t> {
    /// The kind of record.
    pub fn event_type(&self) -> &'t str {
        self.event_type.map(Value::text).unwrap_or_default()
    }

    /// How bad it is.
    pub fn severity(&self) -> &'static Severity {
        severity::of_alert(self.alert.filter(|_| self.event_type() == "alert"))
    }

    /// When it was, in microseconds since 1970.
    pub fn micros(&self) -> Option<i64> {
        time::micros(self.timestamp?.text())
    }

    /// What is its own among all records of all sensors.
    pub fn event_id(&self) -> Option<&'t str> {
        self.tapwire?.get("event_id").map(Value::text)
    }

    /// A member of Tapwire's own.
    pub fn own(&self, path: &str) -> Option<Value<'t>> {
        self.tapwire?.at(path)
    }
}
