//! Kinds of records that are counted apart.

use serde::{Deserialize, Serialize};

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Alerts.
    Alert,
    /// Anomalies.
    Anomaly,
    /// Transactions.
    Transaction,
    /// Files.
    File,
    /// Flows.
    Flow,
    /// Packets.
    Packet,
    /// What the sensor says of itself, which is in no books.
    Sensor,
}

impl Class {
    /// Those that are in the books, with their names in counters.
    pub const BOOKED: [(Self, &'static str); 6] = [
        (Self::Alert, "alert"),
        (Self::Anomaly, "anomaly"),
        (Self::Transaction, "transaction"),
        (Self::File, "file"),
        (Self::Flow, "flow"),
        (Self::Packet, "packet"),
    ];

    /// That of records of an event type.
    pub fn of_event_type(name: &[u8]) -> Self {
        match name {
            b"alert" => Self::Alert,
            b"anomaly" => Self::Anomaly,
            b"fileinfo" => Self::File,
            b"flow" | b"netflow" => Self::Flow,
            b"packet" => Self::Packet,
            b"stats" | b"engine" | b"loss" | b"gap" | b"summary" => Self::Sensor,
            _ => Self::Transaction,
        }
    }
}

/// Numbers of records by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally([u64; Class::BOOKED.len()]);

impl Tally {
    /// Counts a record; none of what the sensor says of itself.
    pub fn add(&mut self, class: Class) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count += 1;
        }
    }

    /// Adds the numbers of another one.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Those of one class.
    pub fn of(&self, class: Class) -> u64 {
        self.0.get(class as usize).copied().unwrap_or(0)
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each class by its name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Class::BOOKED.iter().zip(self.0).map(|((_, name), count)| (*name, count))
    }
}
