//! Records on their way to a file: whole lines, what each of them is, and how many there are of each kind.

use crate::records::class::{Class, Tally};

/// What is given up first where there is no room for all: flows and packets, then what is neither, alerts last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Flows and packets.
    Flows = 0,
    /// Transactions, files, anomalies.
    Others = 1,
    /// Alerts, and what the sensor says of itself.
    Alerts = 2,
}

impl Lane {
    /// In the order in which they are given up.
    pub const ALL: [Self; 3] = [Self::Flows, Self::Others, Self::Alerts];

    fn of(class: Class) -> Self {
        match class {
            Class::Flow | Class::Packet => Self::Flows,
            Class::Anomaly | Class::Transaction | Class::File => Self::Others,
            Class::Alert | Class::Sensor => Self::Alerts,
        }
    }
}

/// Some records of one output, in order.
#[derive(Debug, Default)]
pub struct Piece {
    text: Vec<u8>,
    /// What each record is, and where it ends.
    records: Vec<(Class, u32)>,
    /// Bytes of each lane.
    lanes: [usize; Lane::ALL.len()],
}

impl Piece {
    /// Appends a record.
    pub fn push(&mut self, class: Class, record: &[u8]) {
        self.text.extend_from_slice(record);
        // A piece is a few MiB at most.
        self.records.push((class, u32::try_from(self.text.len()).unwrap_or(u32::MAX)));
        if let Some(bytes) = self.lanes.get_mut(Lane::of(class) as usize) {
            *bytes += record.len();
        }
    }

    /// Its records as text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of memory that it counts for.
    pub fn held_bytes(&self) -> usize {
        self.text.len() + self.records.len() * size_of::<(Class, u32)>()
    }

    /// Whether it has records of a lane.
    pub fn has(&self, lane: Lane) -> bool {
        self.lanes.get(lane as usize).is_some_and(|bytes| *bytes > 0)
    }

    /// Its records by class.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.records.iter().for_each(|(class, _)| tally.add(*class));
        tally
    }

    /// Its alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.records.iter().map(|(_, end)| usize::try_from(*end).unwrap_or(usize::MAX));
        let starts = std::iter::once(0).chain(ends.clone());
        let alerts = self.records.iter().zip(starts.zip(ends)).filter(|((class, _), _)| *class == Class::Alert);
        alerts.map(|(_, (start, end))| self.text.get(start..end).unwrap_or(&[]))
    }

    /// Takes all records of a lane out; the others stay in their order.
    pub fn take(&mut self, lane: Lane) -> Self {
        let (mut taken, mut left) = (Self::default(), Self::default());
        let mut start = 0;
        for (class, end) in &self.records {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let into = if Lane::of(*class) == lane { &mut taken } else { &mut left };
            into.push(*class, self.text.get(start..end).unwrap_or(&[]));
            start = end;
        }
        *self = left;
        taken
    }

    /// Appends the records of another one.
    pub fn append(&mut self, other: &Self) {
        let mut start = 0;
        for (class, end) in &other.records {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            self.push(*class, other.text.get(start..end).unwrap_or(&[]));
            start = end;
        }
    }

    /// Takes all records out and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
        self.lanes = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_taken_out_in_order() {
        let mut piece = Piece::default();
        for (class, text) in [
            (Class::Flow, "f1\n"),
            (Class::Alert, "a1\n"),
            (Class::Anomaly, "o1\n"),
            (Class::Flow, "f2\n"),
            (Class::Sensor, "s1\n"),
            (Class::Alert, "a2\n"),
        ] {
            piece.push(class, text.as_bytes());
        }
        assert_eq!(piece.tally().total(), 5, "what the sensor says of itself is in no books");
        let flows = piece.take(Lane::Flows);
        assert_eq!((flows.text(), flows.tally().total()), (&b"f1\nf2\n"[..], 2));
        assert!(!piece.has(Lane::Flows) && piece.has(Lane::Others));
        assert_eq!(piece.take(Lane::Alerts).text(), b"a1\ns1\na2\n");
        assert_eq!(piece.text(), b"o1\n");
        let counted: Vec<_> = piece.tally().by_name().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("anomaly", 1)]);
    }
}
