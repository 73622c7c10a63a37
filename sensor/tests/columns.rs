//! The columns that Parquet has for members of records: `sensor/src/sinks/parquet/columns.txt` has all that records of the cases show.
//!
//! `TAPWIRE_BLESS=1 cargo nextest run columns` adds those that are new; what is there stays, for files of columns live long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Members that every record may have, whatever its type.
const EVERY: [&str; 20] = [
    "timestamp",
    "flow_id",
    "parent_id",
    "in_iface",
    "host",
    "vlan",
    "tenant_id",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "ip_v",
    "proto",
    "icmp_type",
    "icmp_code",
    "app_proto",
    "direction",
    "community_id",
    "tx_id",
    "tapwire",
];
/// What the folder says, what stands there twice, and what has names that rules or counters make up.
const NONE: [&str; 7] = [
    "event_type",
    "dns.grouped",
    "stats",
    "health.counts",
    "metadata.flowints",
    "metadata.flowvars",
    "metadata.pktvars",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    name: &'static str,
    is_list: bool,
}

impl Kind {
    fn with(self, other: Self) -> Self {
        let name = match (self.name, other.name) {
            (one, another) if one == another => one,
            ("integer" | "number", "integer" | "number") => "number",
            _ => "text",
        };
        Self { name, is_list: self.is_list || other.is_list }
    }

    fn of(value: &Value, is_list: bool) -> Option<Self> {
        let name = match value {
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(text) if is_time(text) => "time",
            Value::String(_) => "text",
            _ => return None,
        };
        Some(Self { name, is_list })
    }

    fn read(text: &str) -> Self {
        let names = ["boolean", "number", "integer", "time", "text"];
        let bare = text.trim_end_matches("[]");
        Self { name: names.into_iter().find(|name| *name == bare).expect(text), is_list: bare.len() < text.len() }
    }

    fn text(self) -> String {
        format!("{}{}", self.name, if self.is_list { "[]" } else { "" })
    }
}

/// `2026-11-24T12:35:06.357488+0000`, or up to the second.
fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000000+0000";
    let has_form = text.len() == 31 || text.len() == 19;
    has_form
        && text
            .chars()
            .zip(form.chars())
            .all(|(c, wanted)| if wanted == '0' { c.is_ascii_digit() } else { c == wanted })
}

/// All columns.
#[derive(Clone, Default, PartialEq)]
struct Columns {
    /// The objects of each type.
    types: BTreeMap<String, BTreeSet<String>>,
    /// Each member that is a column.
    members: BTreeMap<String, Kind>,
}

impl Columns {
    fn read(text: &str) -> Self {
        let (types, members) = text.split_once("\n\n").unwrap_or_default();
        let types = types.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
        let types = types.map(|(name, objects)| (name.to_owned(), objects.split(' ').map(str::to_owned).collect()));
        let members = members.lines().filter_map(|line| line.split_once(' '));
        Self {
            types: types.collect(),
            members: members.map(|(path, kind)| (path.to_owned(), Kind::read(kind))).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Columns of Parquet: what each type of record has, and what every member is. Written by TAPWIRE_BLESS=1 cargo nextest run columns\n",
        );
        // In the order in which columns stand.
        text.push_str(&format!("every: {}\n", EVERY.join(" ")));
        for (name, objects) in self.types.iter().filter(|(name, _)| *name != "every") {
            text.push_str(&format!("{name}: {}\n", objects.iter().cloned().collect::<Vec<_>>().join(" ")));
        }
        text.push('\n');
        for (path, kind) in &self.members {
            text.push_str(&format!("{path} {}\n", kind.text()));
        }
        text
    }

    fn take(&mut self, record: &Value) {
        let kind = record["event_type"].as_str().unwrap();
        for (name, value) in record.as_object().unwrap() {
            if NONE.contains(&name.as_str()) {
                continue;
            }
            if !EVERY.contains(&name.as_str()) {
                self.types.entry(kind.to_owned()).or_default().insert(name.clone());
            }
            self.member(name, value, false);
        }
    }

    fn member(&mut self, path: &str, value: &Value, in_list: bool) {
        if NONE.contains(&path) {
            return;
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| self.member(&format!("{path}.{name}"), value, in_list));
            }
            Value::Array(items) => items.iter().for_each(|item| self.member(path, item, true)),
            scalar => {
                let Some(kind) = Kind::of(scalar, in_list) else { return };
                self.members.entry(path.to_owned()).and_modify(|known| *known = known.with(kind)).or_insert(kind);
            }
        }
    }
}

/// The records of all cases, and those that encodings are tried with.
fn records() -> Vec<Value> {
    let mut text = std::fs::read_to_string(root().join("tests/encodings/records.json")).unwrap();
    for protocol in std::fs::read_dir(root().join("../pcaps")).unwrap() {
        let Ok(cases) = std::fs::read_dir(protocol.unwrap().path()) else { continue };
        for case in cases {
            text += &std::fs::read_to_string(case.unwrap().path().join("expected.json")).unwrap_or_default();
        }
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn columns_are_there_for_what_records_show() {
    let path = root().join("src/sinks/parquet/columns.txt");
    let known = Columns::read(&std::fs::read_to_string(&path).unwrap_or_default());
    let mut found = known.clone();
    found.types.entry("every".to_owned()).or_default().extend(EVERY.map(str::to_owned));
    records().iter().for_each(|record| found.take(record));
    let columns: BTreeSet<_> = found.members.keys().map(|path| path.replace('.', "_")).collect();
    assert_eq!(columns.len(), found.members.len(), "two members have the same column");
    for (path, kind) in &known.members {
        assert_eq!(found.members[path], *kind, "{path} is of another kind than in the files that are there");
    }
    if std::env::var_os("TAPWIRE_BLESS").is_some() {
        std::fs::write(path, found.text()).unwrap();
    } else {
        assert!(known == found, "members without a column: TAPWIRE_BLESS=1 cargo nextest run columns writes them");
    }
}
