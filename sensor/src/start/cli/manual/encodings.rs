//! The page of encodings.

use super::text::{Text, code};
use crate::sinks::encode::{ENCODINGS, IDENTITIES, PROFILES, SEVERITIES};

pub(super) fn page() -> String {
    let about = "Records are stored as EVE JSON, and written for other systems in the form that these read. A record that is longer than its delivery allows is cut as \
                 [records](records.md) says, never its time, ends and identities, and says what it lacks. \
                 What is installed over there: [packs](../packs/README.md).";
    let mut text = Text::new("Encodings", about);
    text.table(["name", "what"], ENCODINGS.iter().map(|encoding| [code(encoding.name), encoding.doc.into()]));
    text.heading("Profiles");
    text.paragraph("What `eve` writes for consumers that lag behind it, or want less. A profile is a table of what is left out, moved or called otherwise.");
    text.table(["name", "what"], PROFILES.iter().map(|profile| [code(profile.name), profile.doc.into()]));
    text.heading("Severities");
    text.paragraph("One table for all encodings; EVE counts `alert.severity` down, 1 is worst.");
    text.table(
        [
            "severity",
            "records",
            "CEF",
            "LEEF `sev`",
            "OCSF `severity_id`",
            "Splunk CIM",
            "ASIM",
            "syslog, GELF `level`",
        ],
        SEVERITIES.iter().map(|row| {
            [
                row.name.into(),
                row.of.into(),
                row.cef.to_string(),
                row.leef.to_string(),
                format!("{} {}", row.ocsf, row.ocsf_name),
                row.cim.into(),
                row.asim.into(),
                row.syslog.to_string(),
            ]
        }),
    );
    text.heading("Identities");
    text.paragraph(
        "What tells records, flows and sensors apart, and where each encoding has it. `fast` has none of them; findings of OCSF have \
         the connection among their `evidences`.",
    );
    text.table(
        ["in records", "what", "CEF", "LEEF", "ECS", "OCSF", "ASIM", "GELF"],
        IDENTITIES.iter().map(|row| {
            let of = |name: &str| {
                row.places.iter().find(|(of, _)| *of == name).map(|(_, place)| code(place)).unwrap_or_default()
            };
            let [cef, leef, ecs, ocsf, asim, gelf] = ["cef", "leef", "ecs", "ocsf", "asim", "gelf"].map(of);
            [code(row.eve), row.doc.into(), cef, leef, ecs, ocsf, asim, gelf]
        }),
    );
    text.finish()
}
