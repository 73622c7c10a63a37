//! Which class a record has, and which activity of it.

use crate::sinks::encode::facts::Facts;
use crate::sinks::encode::tape::Value;

/// A class of events.
#[derive(Clone, Copy)]
pub(super) struct Class {
    /// Its number.
    pub(super) uid: u32,
    /// What it is called.
    pub(super) name: &'static str,
    /// The number and name of its category.
    pub(super) category: (u32, &'static str),
    /// Where its activity is read, and what the words there mean.
    activities: (&'static str, &'static [(&'static str, u32, &'static str)]),
}

pub(super) const BASE: u32 = 0;
pub(super) const FINDING: u32 = 2004;
pub(super) const NETWORK: u32 = 4001;
pub(super) const HTTP: u32 = 4002;
pub(super) const DNS: u32 = 4003;
pub(super) const DHCP: u32 = 4004;
pub(super) const SMB: u32 = 4006;
pub(super) const SSH: u32 = 4007;
pub(super) const FTP: u32 = 4008;
pub(super) const NTP: u32 = 4013;

const ACTIVITY: (u32, &str) = (4, "Network Activity");

const fn activity(
    uid: u32,
    name: &'static str,
    path: &'static str,
    words: &'static [(&'static str, u32, &'static str)],
) -> Class {
    Class { uid, name, category: ACTIVITY, activities: (path, words) }
}

const CLASSES: &[(&[&str], Class)] = &[
    (
        &["flow", "netflow"],
        activity(NETWORK, "Network Activity", "event_type", &[("flow", 2, "Close"), ("netflow", 6, "Traffic")]),
    ),
    (
        &["dns", "mdns", "llmnr"],
        activity(
            DNS,
            "DNS Activity",
            "type",
            &[("request", 1, "Query"), ("query", 1, "Query"), ("response", 2, "Response"), ("answer", 2, "Response")],
        ),
    ),
    (
        &["http"],
        activity(
            HTTP,
            "HTTP Activity",
            "http_method",
            &[
                ("CONNECT", 1, "Connect"),
                ("DELETE", 2, "Delete"),
                ("GET", 3, "Get"),
                ("HEAD", 4, "Head"),
                ("OPTIONS", 5, "Options"),
                ("POST", 6, "Post"),
                ("PUT", 7, "Put"),
                ("TRACE", 8, "Trace"),
                ("PATCH", 9, "Patch"),
            ],
        ),
    ),
    (
        &["dhcp"],
        activity(
            DHCP,
            "DHCP Activity",
            "dhcp_type",
            &[
                ("discover", 1, "Discover"),
                ("offer", 2, "Offer"),
                ("request", 3, "Request"),
                ("decline", 4, "Decline"),
                ("ack", 5, "Ack"),
                ("nak", 6, "Nak"),
                ("release", 7, "Release"),
                ("inform", 8, "Inform"),
            ],
        ),
    ),
    (
        &["smb"],
        activity(
            SMB,
            "SMB Activity",
            "disposition",
            &[
                ("FILE_SUPERSEDE", 1, "File Supersede"),
                ("FILE_OPEN", 2, "File Open"),
                ("FILE_CREATE", 3, "File Create"),
                ("FILE_OPEN_IF", 4, "File Open If"),
                ("FILE_OVERWRITE", 5, "File Overwrite"),
                ("FILE_OVERWRITE_IF", 6, "File Overwrite If"),
            ],
        ),
    ),
    (&["ssh"], activity(SSH, "SSH Activity", "", &[("", 1, "Open")])),
    (
        &["ftp", "ftp_data"],
        activity(
            FTP,
            "FTP Activity",
            "command",
            &[
                ("STOR", 1, "Put"),
                ("APPE", 1, "Put"),
                ("STOU", 1, "Put"),
                ("RETR", 2, "Get"),
                ("DELE", 4, "Delete"),
                ("RNTO", 5, "Rename"),
                ("LIST", 6, "List"),
                ("NLST", 6, "List"),
                ("MLSD", 6, "List"),
            ],
        ),
    ),
    (
        &["ntp"],
        activity(
            NTP,
            "NTP Activity",
            "mode",
            &[
                ("1", 1, "Symmetric Active Exchange"),
                ("2", 2, "Symmetric Passive Response"),
                ("3", 3, "Client Synchronization"),
                ("4", 4, "Server Response"),
                ("5", 5, "Broadcast"),
                ("6", 6, "Control"),
                ("7", 7, "Private Use Case"),
            ],
        ),
    ),
];

const OTHER: Class = activity(NETWORK, "Network Activity", "", &[("", 6, "Traffic")]);
const ALERT: Class = Class {
    uid: FINDING,
    name: "Detection Finding",
    category: (2, "Findings"),
    activities: ("", &[("", 1, "Create")]),
};
const OF_SENSOR: Class = Class { uid: BASE, name: "Base Event", category: (0, "Uncategorized"), activities: ("", &[]) };

impl Class {
    /// The one of a record.
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let kind = facts.event_type();
        if kind == "alert" && facts.alert.is_some() {
            return ALERT;
        }
        let [source, destination] = facts.stations();
        if facts.src_ip.or(facts.dest_ip).or(source).or(destination).is_none() {
            return OF_SENSOR;
        }
        let listed = CLASSES.iter().find(|(kinds, _)| kinds.contains(&kind)).map(|(_, class)| *class);
        let lacks = |name: &str| facts.application.is_none_or(|(_, value)| value.get(name).is_none());
        match listed.map(|class| class.uid) {
            // What each of these has to say is not in all records.
            Some(HTTP) if ["url", "http_method", "hostname", "status"].into_iter().all(lacks) => OTHER,
            Some(NTP) if lacks("version") => OTHER,
            _ => listed.unwrap_or(OTHER),
        }
    }

    /// The activity of a record: its number and, inside of quotes, its name.
    pub(super) fn activity<'t>(&self, facts: &Facts<'t>) -> (u32, &'t str) {
        let (path, words) = self.activities;
        let said = match path {
            "" => "",
            "event_type" => facts.event_type(),
            _ => facts.application.and_then(|(_, value)| value.get(path)).map(Value::text).unwrap_or_default(),
        };
        match words.iter().find(|(word, ..)| *word == said) {
            Some((_, id, name)) => (*id, name),
            None if said.is_empty() => (0, "Unknown"),
            None => (99, said),
        }
    }
}
