//! Profiles: EVE JSON for consumers that lag behind it, or want less of it. Each is a table of what is left out, moved or called
//! otherwise.

use tapwire_parsers::json::Object;

use super::facts::Facts;
use super::flat;
use super::tape::{Kind, Value};

/// What a consumer gets of records.
#[derive(Debug)]
pub struct Profile {
    /// What the configuration calls it.
    pub name: &'static str,
    /// For whom it is.
    pub doc: &'static str,
    /// Members that are left, with what is inside of them; all of them where none is named.
    kept: &'static [&'static str],
    /// Members that are left out.
    dropped: &'static [&'static str],
    /// Values that stand in another place as well, if nothing stands there.
    copied: &'static [(&'static str, &'static str)],
    /// Values that are others there.
    renamed: &'static [(&'static str, &'static str, &'static str)],
    /// What stands between the names on the way to a value, where there are no objects in objects.
    flat: Option<char>,
    /// Members at most, where it is flat.
    members: usize,
}

/// Records as they are.
pub(super) const ALL: Profile = Profile {
    name: "suricata8",
    doc: "all of it, as it is stored",
    kept: &[],
    dropped: &[],
    copied: &[],
    renamed: &[],
    flat: None,
    members: usize::MAX,
};

/// Where version 2 of the records of DNS has the name and the type that were asked for.
const ASKED: &[(&str, &str)] = &[("dns.queries.rrname", "dns.rrname"), ("dns.queries.rrtype", "dns.rrtype")];

/// All of them; the first leaves records as they are.
pub const PROFILES: &[Profile] = &[
    ALL,
    Profile {
        name: "suricata7",
        doc: "for what reads Suricata 7: DNS in version 2, no members that came later or are Tapwire's own",
        dropped: &["tapwire", "ip_v", "ts_progress", "tc_progress", "tx_guessed", "app_proto_carried", "dns.queries"],
        copied: ASKED,
        renamed: &[("dns.version", "3", "2"), ("dns.type", "request", "query"), ("dns.type", "response", "answer")],
        ..ALL
    },
    Profile {
        name: "elastic",
        doc: "for Elastic's integration of Suricata: the names of DNS where it looks for them, nothing that its mapping has no room for",
        dropped: &["tapwire.evidence", "packet", "packet_info", "stats.tapwire"],
        copied: ASKED,
        ..ALL
    },
    Profile {
        name: "wazuh-flat",
        doc: "for Wazuh's decoder of JSON: one object with at most 200 members, no packets and payloads",
        dropped: &["packet", "packet_info", "payload", "payload_printable", "tapwire.evidence"],
        copied: ASKED,
        flat: Some('.'),
        // The sensor's name is one more.
        members: 199,
        ..ALL
    },
    Profile {
        name: "minimal",
        doc: "who, when, what and how bad, and nothing else",
        kept: &[
            "timestamp",
            "flow_id",
            "in_iface",
            "event_type",
            "host",
            "vlan",
            "src_ip",
            "src_port",
            "dest_ip",
            "dest_port",
            "proto",
            "app_proto",
            "community_id",
            "tapwire.event_id",
            "tapwire.direction",
            "tapwire.cut",
            "alert.action",
            "alert.gid",
            "alert.signature_id",
            "alert.rev",
            "alert.signature",
            "alert.category",
            "alert.severity",
            "anomaly.event",
            "flow.bytes_toserver",
            "flow.bytes_toclient",
            "flow.start",
            "flow.end",
            "dns.type",
            "dns.rrname",
            "dns.rrtype",
            "dns.rcode",
            "http.hostname",
            "http.url",
            "http.http_method",
            "http.status",
            "tls.sni",
            "tls.ja4",
            "fileinfo.filename",
            "fileinfo.sha256",
        ],
        copied: ASKED,
        ..ALL
    },
];

/// The profile that is called so.
pub fn profile_by_name(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

impl Profile {
    /// Whether records stay as they are.
    pub(super) fn is_all(&self) -> bool {
        self.name == ALL.name
    }

    /// Writes a record.
    pub(super) fn write(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        let (root, mut path) = (facts.record.root(), String::new());
        let mut object = Object::new(out);
        match self.flat {
            None => self.members(&mut object, root, root, &mut path),
            Some(between) => self.flattened(&mut object, root, between, &mut path),
        }
    }

    fn members(&self, object: &mut Object<'_>, root: Value<'_>, value: Value<'_>, path: &mut String) {
        for (key, inner) in value.members() {
            let before = path.len();
            if before > 0 {
                path.push('.');
            }
            path.push_str(key);
            if self.takes(path) {
                if inner.kind() == Kind::Object {
                    object.named(key).object(|o| self.members(o, root, inner, path));
                } else {
                    object.named(key).json(&self.said(path, inner));
                }
            }
            path.truncate(before);
        }
        for (from, to) in self.copied {
            let (parent, name) = to.rsplit_once('.').unwrap_or(("", to));
            if parent == path
                && value.get(name).is_none()
                && self.takes(to)
                && let Some(copied) = root.at(from)
            {
                object.json(name, copied.json());
            }
        }
    }

    fn flattened(&self, object: &mut Object<'_>, root: Value<'_>, between: char, path: &mut String) {
        let (mut left, mut is_cut) = (self.members.saturating_sub(self.copied.len() + 1), false);
        flat::each(root, between, path, &mut |name, value| {
            if !self.takes(name) {
                return;
            }
            if left == 0 {
                is_cut = true;
                return;
            }
            left -= 1;
            if value.kind() == Kind::List && value.items().any(|item| matches!(item.kind(), Kind::Object | Kind::List))
            {
                object.named(name).shown(value.json());
            } else {
                object.named(name).json(&self.said(name, value));
            }
        });
        for (from, to) in self.copied.iter().filter(|(_, to)| root.at(to).is_none()) {
            if let Some(copied) = root.at(from) {
                object.json(to, copied.json());
            }
        }
        if is_cut {
            object.text("tapwire.cut_members", "yes");
        }
    }

    /// Whether a member is written: it is left and not left out, or something inside of it is.
    fn takes(&self, path: &str) -> bool {
        let is_in = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_kept = self.kept.is_empty() || self.kept.iter().any(|kept| is_in(kept, path) || is_in(path, kept));
        is_kept && !self.dropped.iter().any(|dropped| is_in(dropped, path))
    }

    /// What a value is there.
    fn said(&self, path: &str, value: Value<'_>) -> String {
        let other = self.renamed.iter().find(|(of, from, _)| *of == path && *from == value.text());
        match (other, value.kind()) {
            (Some((_, _, to)), Kind::Text) => format!("\"{to}\""),
            (Some((_, _, to)), _) => (*to).to_owned(),
            (None, _) => value.json().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::Tape;
    use super::*;

    fn written(profile: &str, record: &str) -> String {
        let (mut tape, mut out) = (Tape::default(), Vec::new());
        profile_by_name(profile).unwrap().write(&Facts::of(tape.read(record.as_bytes()).unwrap()), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_profile_leaves_out_copies_and_renames() {
        let record = r#"{"event_type":"dns","ip_v":4,"dns":{"version":3,"type":"request","queries":[{"rrname":"a\"b","rrtype":"A"}],"rcode":"NOERROR"},"tapwire":{"event_id":"r1","evidence":[{"a":1}]},"packet":"AA=="}"#;
        for (profile, expected) in [
            (
                "suricata7",
                r#"{"event_type":"dns","dns":{"version":2,"type":"query","rcode":"NOERROR","rrname":"a\"b","rrtype":"A"},"packet":"AA=="}"#,
            ),
            (
                "elastic",
                r#"{"event_type":"dns","ip_v":4,"dns":{"version":3,"type":"request","queries":[{"rrname":"a\"b","rrtype":"A"}],"rcode":"NOERROR","rrname":"a\"b","rrtype":"A"},"tapwire":{"event_id":"r1"}}"#,
            ),
            (
                "wazuh-flat",
                r#"{"event_type":"dns","ip_v":4,"dns.version":3,"dns.type":"request","dns.queries":"[{\"rrname\":\"a\\\"b\",\"rrtype\":\"A\"}]","dns.rcode":"NOERROR","tapwire.event_id":"r1","dns.rrname":"a\"b","dns.rrtype":"A"}"#,
            ),
            (
                "minimal",
                r#"{"event_type":"dns","dns":{"type":"request","rcode":"NOERROR","rrname":"a\"b","rrtype":"A"},"tapwire":{"event_id":"r1"}}"#,
            ),
            ("suricata8", record),
        ] {
            assert_eq!(written(profile, record), expected, "{profile}");
        }
    }

    #[test]
    fn a_flat_record_has_not_too_many_members() {
        let many: Vec<String> = (0..500).map(|n| format!("\"m{n}\":{n}")).collect();
        let flat = written("wazuh-flat", &format!("{{\"event_type\":\"stats\",\"stats\":{{{}}}}}", many.join(",")));
        let flat: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&flat).unwrap();
        assert!(flat.len() <= 200 && flat["tapwire.cut_members"] == "yes" && flat["stats.m0"] == 0);
    }
}
