//! Kinds of records that are counted apart.

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
}

/// Numbers of records by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each class by its name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Class::BOOKED.iter().zip(self.0).map(|((_, name), count)| (*name, count))
    }
}
