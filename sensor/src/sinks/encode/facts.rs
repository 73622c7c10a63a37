//! What encodings ask of every record: found in one pass over its members.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

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
                    if key == "arp" {
                        facts.arp(value);
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
    /// Records of ARP have their ends in its object.
    fn arp(&mut self, arp: Value<'t>) {
        self.src_ip = self.src_ip.or(arp.get("src_ip"));
        self.dest_ip = self.dest_ip.or(arp.get("dest_ip"));
        self.ether = self.ether.or(Some(arp));
    }

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

    /// What tells it from all records of all sensors. A record that does not say so has that of its text.
    pub fn event_id(&self) -> Cow<'t, str> {
        match self.own("event_id") {
            Some(id) => Cow::Borrowed(id.text()),
            None => Cow::Owned(HEXLOWER.encode(&Md5::digest(self.record.line()))),
        }
    }

    /// A transaction of DNS, or of its kin.
    pub fn named(&self) -> Option<Value<'t>> {
        let kin = self.application.filter(|(name, _)| ["mdns", "llmnr"].contains(name)).map(|(_, value)| value);
        self.dns.or(kin)
    }

    /// A member of the flow's sums.
    pub fn of_flow(&self, name: &str) -> Option<Value<'t>> {
        self.flow.or(self.netflow)?.get(name)
    }

    /// How long the flow was, in microseconds.
    pub fn flow_micros(&self) -> Option<u64> {
        let at = |name| self.of_flow(name).and_then(|stamp| time::micros(stamp.text()));
        u64::try_from(at("end")?.saturating_sub(at("start")?)).ok()
    }

    /// 4 or 6, of the addresses.
    pub fn ip_version(&self) -> Option<u8> {
        let address = self.src_ip.or(self.dest_ip)?;
        Some(if address.text().contains(':') { 6 } else { 4 })
    }

    /// The hardware addresses of source and destination; of several of a flow the first.
    pub fn stations(&self) -> [Option<Value<'t>>; 2] {
        let names = [("src_mac", "src_macs"), ("dest_mac", "dest_macs")];
        names.map(|(one, many)| {
            let ether = self.ether?;
            ether.get(one).or_else(|| ether.get(many)?.items().next())
        })
    }

    /// The techniques of ATT&CK that the rule of an alert names.
    pub fn techniques(&self) -> Option<Value<'t>> {
        self.own("attack.techniques").or(self.alert?.at("metadata.mitre_technique_id"))
    }

    /// The tactics.
    pub fn tactics(&self) -> Option<Value<'t>> {
        self.own("attack.tactics").or(self.alert?.at("metadata.mitre_tactic_id"))
    }

    /// A member of Tapwire's own.
    pub fn own(&self, path: &str) -> Option<Value<'t>> {
        self.tapwire?.at(path)
    }
}
