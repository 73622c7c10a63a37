//! The books of records: whatever was made is somewhere.
//!
//! Each number is counted where that happens, by whom it happens to, and none from others: made in the worker, held back and summed
//! up in their steps, delivered and shed where bytes reach a file or are dropped. That they add up says that nothing was forgotten.

use std::collections::BTreeMap;

use crate::records::class::Tally;

/// What became of records.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// What each worker has made.
    made: Vec<Tally>,
    /// They went to a second output as they are.
    pub(super) copied: Tally,
    /// A threshold, a tag or another rule left them out.
    pub(super) held_back: Tally,
    /// A summary stands for them, by event type.
    pub(super) summed: BTreeMap<&'static str, u64>,
    /// They are in their file.
    pub(super) delivered: Tally,
    /// They are lost.
    pub(super) shed: Tally,
    /// They wait for their file.
    pub(super) waiting: Tally,
    /// The bytes of those.
    pub(super) waiting_bytes: u64,
    /// Those that were cut, which are among the others.
    pub(super) cut: u64,
}

impl Books {
    /// Takes note of how many a worker has made in all.
    pub(super) fn made_by(&mut self, worker: u16, so_far: Tally) {
        let place = usize::from(worker);
        if self.made.len() <= place {
            self.made.resize(place + 1, Tally::default());
        }
        if let Some(made) = self.made.get_mut(place) {
            *made = so_far;
        }
    }

    /// Those that were made, each for every output that it goes to.
    fn made(&self) -> u64 {
        self.made.iter().map(Tally::total).sum::<u64>() + self.copied.total()
    }

    fn summed(&self) -> u64 {
        self.summed.values().sum()
    }

    /// Those of which it is known what became of them.
    fn accounted(&self) -> u64 {
        let counted = [self.held_back, self.delivered, self.shed, self.waiting];
        counted.iter().map(Tally::total).sum::<u64>() + self.summed()
    }

    /// That they do not add up, which is a mistake of the sensor.
    pub(super) fn mistake(&self) -> Option<String> {
        let (made, accounted) = (self.made(), self.accounted());
        (made != accounted).then(|| {
            format!("the books of records do not add up, which is a mistake of Tapwire: {made} were made, and {accounted} are accounted for")
        })
    }

    /// Adds them to counters.
    pub(super) fn count(&self, counters: &mut BTreeMap<String, u64>) {
        for (name, count) in [
            ("made", self.made()),
            ("held_back", self.held_back.total()),
            ("summed", self.summed()),
            ("delivered", self.delivered.total()),
            ("shed", self.shed.total()),
            ("waiting", self.waiting.total()),
            ("waiting_bytes", self.waiting_bytes),
            ("cut", self.cut),
        ] {
            counters.insert(format!("tapwire.records.{name}"), count);
        }
        for (class, count) in self.shed.by_name() {
            counters.insert(format!("tapwire.records.lost.{class}"), count);
        }
        for (kind, count) in &self.summed {
            counters.insert(format!("tapwire.records.summed_by_type.{kind}"), *count);
        }
    }
}
