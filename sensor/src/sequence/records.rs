//! The sixth step: records with their slots filled, as long as their budget lasts; what is beyond it is summed up.

use crate::records::class::{Class, Tally};
use crate::records::cut::cut;
use crate::records::finding::Record;
use crate::records::header::Clock;
use crate::records::ledger::{Booked, Ledger, Written};
use crate::records::slot::{Blank, Slot, Value, filled};

use super::Settings;
use super::log::Log;

/// Writes records.
pub(super) struct Records {
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    /// Records that were cut.
    pub(super) cut: u64,
    /// Alerts, as the first output that takes some has them.
    alerts: u64,
    /// That output; the one of lines for people where no other does.
    alert_output: Option<u16>,
    /// Records that an earlier step kept back.
    pub(super) held_back: Tally,
    /// Room for the text of a record.
    room: Vec<u8>,
}

impl Records {
    /// Nothing was written yet.
    pub(super) fn new(settings: &Settings) -> Self {
        let takes_alerts =
            settings.eve.iter().map(|eve| eve.alerts.is_some()).chain(settings.fast.iter().map(|_| true));
        Self {
            ledger: Ledger::new(settings.summaries, settings.eve.len()),
            clock: Clock::default(),
            cut: 0,
            alerts: 0,
            alert_output: (0..).zip(takes_alerts).find(|(_, takes)| *takes).map(|(place, _)| place),
            held_back: Tally::default(),
            room: Vec::new(),
        }
    }

    /// Alerts of the run, where an output takes some.
    pub(super) fn alerts(&self) -> Option<u64> {
        self.alert_output.map(|_| self.alerts)
    }

    /// Takes note of a record that has no place in its output, as rules say.
    pub(super) fn hold_back(&mut self, record: &Record) {
        self.held_back.add(record.class);
    }

    /// Writes a record; `known` fills its slots.
    pub(super) fn write(
        &mut self,
        record: &Record,
        (text, slots): (&[u8], &[Slot]),
        known: impl Fn(Blank) -> Option<Value>,
        log: &mut Log,
    ) {
        let mut room = std::mem::take(&mut self.room);
        self.book(record, filled(text, slots, &mut room, known), log);
        self.room = room;
    }

    fn book(&mut self, record: &Record, text: &[u8], log: &mut Log) {
        self.alerts += u64::from(Some(record.output) == self.alert_output && record.class == Class::Alert);
        if let Some(cause) = &record.cause {
            let booked = self.ledger.book(record.output, cause, text.len(), &mut self.clock);
            write_all(self.ledger.take_due(), log);
            match booked {
                Booked::Whole => {}
                Booked::Short(bytes) => {
                    self.cut += 1;
                    return log.write(record.output, record.class, &cut(text, bytes, &mut Vec::new()));
                }
                Booked::Summed => return,
            }
        }
        log.write(record.output, record.class, text);
    }

    /// Writes the summaries of all that is left.
    pub(super) fn finish(&mut self, log: &mut Log) {
        write_all(self.ledger.finish(&mut self.clock), log);
    }
}

fn write_all(written: Vec<Written>, log: &mut Log) {
    for (output, text) in written {
        log.write(output, Class::Sensor, &text);
    }
}
