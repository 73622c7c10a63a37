//! Which members of records are columns, and what those hold: a table that a test writes from the records of all cases
//! (`sensor/tests/columns.rs`), so that a new protocol has its columns as it has its case.
//!
//! A member has the same kind in every record, and so in every file. What is inside of lists is a list.

use std::collections::BTreeMap;

const TABLE: &str = include_str!("columns.txt");

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A time.
    Time,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The member, with dots between names.
    pub(super) path: &'static str,
    /// What its values are.
    pub(super) kind: Kind,
    /// Whether it holds lists of them.
    pub(super) is_list: bool,
}

impl Column {
    /// Its name: SQL has another use for dots.
    pub(super) fn name(&self) -> String {
        self.path.replace('.', "_")
    }

    fn read(line: &'static str) -> Option<Self> {
        let (path, kind) = line.split_once(' ')?;
        let (kind, is_list) = kind.strip_suffix("[]").map_or((kind, false), |kind| (kind, true));
        let kind = match kind {
            "text" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "time" => Kind::Time,
            _ => return None,
        };
        Some(Self { path, kind, is_list })
    }
}

/// The columns of a type of records: first those that all types have. A type that is not known has only those.
pub(super) fn of_type(name: &str) -> Vec<Column> {
    let Some((types, members)) = TABLE.split_once("\n\n") else { return Vec::new() };
    let objects = |wanted: &str| {
        let line = types.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(": "));
        line.unwrap_or_default().split(' ').filter(|object| !object.is_empty())
    };
    let mut by_object: BTreeMap<&str, Vec<Column>> = BTreeMap::new();
    for column in members.lines().filter_map(Column::read) {
        by_object.entry(column.path.split('.').next().unwrap_or_default()).or_default().push(column);
    }
    objects("every").chain(objects(name)).flat_map(|object| by_object.remove(object).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_types_have_columns_in_common_and_each_has_its_own() {
        let (dns, other) = (of_type("dns"), of_type("never heard of"));
        assert!(dns.starts_with(&other) && other.len() > 20);
        assert_eq!(other[0], Column { path: "timestamp", kind: Kind::Time, is_list: false });
        let has = |path: &'static str, kind, is_list| assert!(dns.contains(&Column { path, kind, is_list }), "{path}");
        has("tapwire.event_id", Kind::Text, false);
        has("src_port", Kind::Integer, false);
        has("dns.aa", Kind::Boolean, false);
        has("dns.queries.rrname", Kind::Text, true);
        assert!(of_type("alert").iter().any(|column| column.path == "http.hostname"), "alerts show what was said");
        let lines = TABLE.split_once("\n\n").unwrap().1.lines();
        assert!(lines.clone().count() > 300 && lines.clone().all(|line| Column::read(line).is_some()));
    }
}
