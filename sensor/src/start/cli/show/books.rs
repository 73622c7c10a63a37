//! What records add up to. Each table is bounded: what comes when it is full is counted as others.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::records::{Record, counters};

/// Rows of a table.
const ROWS: usize = 1 << 16;
/// Hosts of a rule that are told apart.
const HOSTS: usize = 4_096;

/// A table of bounded size.
#[derive(Debug)]
pub(super) struct Table<V> {
    pub(super) rows: HashMap<String, V>,
    /// What was added to none of its rows.
    pub(super) others: u64,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), others: 0 }
    }
}

impl<V: Default> Table<V> {
    fn row(&mut self, key: &str) -> Option<&mut V> {
        if self.rows.len() >= ROWS && !self.rows.contains_key(key) {
            self.others += 1;
            return None;
        }
        Some(self.rows.entry(key.to_owned()).or_default())
    }
}

/// Alerts of a rule.
#[derive(Debug, Default)]
pub(super) struct OfRule {
    pub(super) count: u64,
    pub(super) severity: u8,
    pub(super) message: String,
    pub(super) category: String,
    pub(super) sources: HashSet<String>,
    pub(super) targets: HashSet<String>,
}

/// What is counted of an address.
#[derive(Debug, Default)]
pub(super) struct OfHost {
    pub(super) flows: u64,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) alerts: u64,
}

/// What is counted of a protocol.
#[derive(Debug, Default)]
pub(super) struct OfProtocol {
    pub(super) flows: u64,
    pub(super) to_server_bytes: u64,
    pub(super) to_client_bytes: u64,
}

/// Everything that tables show.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) records: u64,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) events: Table<u64>,
    pub(super) rules: Table<OfRule>,
    pub(super) hosts: Table<OfHost>,
    pub(super) protocols: Table<OfProtocol>,
    pub(super) anomalies: Table<u64>,
    /// The last counters.
    pub(super) counters: BTreeMap<String, u64>,
}

impl Books {
    /// Counts a record.
    pub(super) fn add(&mut self, record: &Record) {
        self.records += 1;
        if !record.timestamp.is_empty() {
            if self.first.is_empty() || record.timestamp < self.first {
                self.first.clone_from(&record.timestamp);
            }
            if record.timestamp > self.last {
                self.last.clone_from(&record.timestamp);
            }
        }
        self.events.row(&record.event_type).into_iter().for_each(|count| *count += 1);
        match record.event_type.as_str() {
            "alert" => self.alert(record),
            "flow" => self.flow(record),
            "anomaly" => {
                if let Some(anomaly) = &record.anomaly {
                    let name = format!("{} {}", anomaly.kind, anomaly.event);
                    self.anomalies.row(&name).into_iter().for_each(|count| *count += 1);
                }
            }
            "stats" => self.counters = record.stats.as_ref().map(counters).unwrap_or_default(),
            _ => {}
        }
    }

    fn alert(&mut self, record: &Record) {
        let Some(alert) = &record.alert else { return };
        if let Some(rule) = self.rules.row(&format!("{}:{}", alert.gid, alert.signature_id)) {
            rule.count += 1;
            rule.severity = alert.severity;
            if rule.message.is_empty() {
                rule.message.clone_from(&alert.signature);
                rule.category.clone_from(&alert.category);
            }
            for (set, end) in [(&mut rule.sources, &record.src_ip), (&mut rule.targets, &record.dest_ip)] {
                set.extend(end.clone().filter(|_| set.len() < HOSTS));
            }
        }
        for end in [&record.src_ip, &record.dest_ip].into_iter().flatten() {
            self.hosts.row(end).into_iter().for_each(|host| host.alerts += 1);
        }
    }

    fn flow(&mut self, record: &Record) {
        let Some(flow) = &record.flow else { return };
        let (to_server, to_client) = (flow.bytes_toserver, flow.bytes_toclient);
        for (end, sent, received) in [(&record.src_ip, to_server, to_client), (&record.dest_ip, to_client, to_server)] {
            let host = end.as_ref().and_then(|end| self.hosts.row(end));
            host.into_iter().for_each(|host| {
                host.flows += 1;
                host.sent_bytes += sent;
                host.received_bytes += received;
            });
        }
        let transport = record.proto.as_deref().unwrap_or("no IP").to_lowercase();
        let name = match record.app_proto.as_deref() {
            None | Some("failed") => format!("{transport}, not recognised"),
            Some(name) => format!("{name} over {transport}"),
        };
        if let Some(protocol) = self.protocols.row(&name) {
            protocol.flows += 1;
            protocol.to_server_bytes += to_server;
            protocol.to_client_bytes += to_client;
        }
    }
}
