//! What tells records, flows and sensors apart, and where each encoding has it: one table for all.

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Where it stands in a stored record.
    pub eve: &'static str,
    /// What it tells apart.
    pub doc: &'static str,
    /// Where each encoding has it, by the encoding's name.
    pub places: &'static [(&'static str, &'static str)],
}

/// All of them.
pub const IDENTITIES: [Identity; 5] = [
    Identity {
        eve: "tapwire.event_id",
        doc: "the record, among those of all sensors; where a record has none, the MD5 of its text",
        places: &[
            ("cef", "externalId"),
            ("leef", "eventId"),
            ("ecs", "event.id"),
            ("ocsf", "metadata.uid"),
            ("asim", "EventOriginalUid"),
            ("gelf", "_event_id"),
        ],
    },
    Identity {
        eve: "flow_id",
        doc: "the flow, at one sensor; at most 51 bits, so that no reader of JSON rounds it",
        places: &[
            ("cef", "cn1"),
            ("leef", "flowId"),
            ("ecs", "tapwire.flow_id"),
            ("ocsf", "connection_info.uid"),
            ("asim", "NetworkSessionId"),
            ("gelf", "_flow_id"),
        ],
    },
    Identity {
        eve: "community_id",
        doc: "the flow, for every tool that computes it",
        places: &[
            ("cef", "cs1"),
            ("leef", "communityId"),
            ("ecs", "network.community_id"),
            ("ocsf", "connection_info.community_uid"),
            ("asim", "AdditionalFields.CommunityId"),
            ("gelf", "_community_id"),
        ],
    },
    Identity {
        eve: "host",
        doc: "the sensor; where records do not name it, what the delivery calls it",
        places: &[
            ("cef", "dvchost"),
            ("leef", "sensor"),
            ("ecs", "observer.name"),
            ("ocsf", "metadata.log_source"),
            ("asim", "Dvc"),
            ("gelf", "host"),
        ],
    },
    Identity {
        eve: "tapwire.attack.techniques",
        doc: "the ATT&CK technique that a rule names; also read from `alert.metadata.mitre_technique_id`",
        places: &[
            ("cef", "cs2"),
            ("leef", "attackTechnique"),
            ("ecs", "threat.technique.id"),
            ("ocsf", "finding_info.attacks.technique.uid"),
            ("asim", "ThreatId"),
            ("gelf", "_tapwire_attack_techniques"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::super::tape::Tape;
    use super::super::tests::encoded;
    use super::*;

    #[test]
    fn each_encoding_has_each_identity_where_the_table_says() {
        let record = concat!(
            r#"{"timestamp":"2026-11-24T12:35:06.357488+0000","flow_id":17,"event_type":"alert","host":"h-1","src_ip":"192.0.2.22","#,
            r#""dest_ip":"192.0.2.10","proto":"TCP","community_id":"1:abc","tapwire":{"event_id":"r1.2","attack":{"techniques":["T1190"]}},"alert":{"action":"allowed","#,
            r#""gid":1,"signature_id":4,"signature":"s","severity":1}}"#
        );
        let mut own = Tape::default();
        let stored = own.read(record.as_bytes()).unwrap().root();
        for identity in &IDENTITIES {
            let value = stored.at(identity.eve).unwrap();
            let value = value.items().next().unwrap_or(value).text();
            for (name, place) in identity.places {
                let line = encoded(name, record).unwrap();
                let found = match *name {
                    "cef" => line.contains(&format!(" {place}={value} ")),
                    "leef" => format!("{line}\t").contains(&format!("\t{place}={value}\t")),
                    _ => {
                        let mut tape = Tape::default();
                        let root = tape.read(line.as_bytes()).unwrap().root();
                        // Findings of OCSF have the connection among their evidence.
                        let found = root.at(place).or(root.at(&format!("evidences.{place}"))).unwrap();
                        found.items().next().unwrap_or(found).text() == value
                    }
                };
                assert!(found, "{place} of {name} is not {value}: {line}");
            }
        }
    }
}
