//! What is to be sent of a batch: what the filter lets pass, in the form that the receiver wants.

use std::borrow::Cow;
use std::ops::Range;

use super::dead_letters::DeadLetters;
use super::gap;
use super::head::Head;
use super::report::Report;
use super::settings::Settings;
use super::transport::Item;
use crate::capture::clock;
use crate::records::header::Clock;
use crate::sinks::encode::{self, Encoded, Encoder, Facts, Tape};
use crate::sinks::log::cursor::{Batch, Position};
use crate::sinks::stamp::stamped;

/// Makes it, in the same memory each time.
pub(super) struct Outgoing {
    settings: Settings,
    encoder: Encoder,
    tape: Tape,
    clock: Clock,
    /// Lines that are not from the log.
    own: Vec<Vec<u8>>,
    encoded: Vec<u8>,
    /// Alerts say when they are handed on.
    live: bool,
    room: Vec<u8>,
}

/// What is counted while that is done.
#[derive(Default)]
struct Counts {
    left_out: u64,
    cut: u64,
    refused: u64,
}

impl Outgoing {
    pub(super) fn new(settings: Settings, live: bool) -> Self {
        let encoding = encode::Settings {
            limit_bytes: settings.record_bytes,
            sensor: settings.sensor_of_records().to_owned(),
            profile: settings.profile,
        };
        let encoder = Encoder::new(settings.encoding, encoding);
        Self {
            settings,
            encoder,
            tape: Tape::default(),
            clock: Clock::default(),
            own: Vec::new(),
            encoded: Vec::new(),
            live,
            room: Vec::new(),
        }
    }

    /// The records of a batch that are sent. What no receiver could take is a dead letter.
    pub(super) fn fill<'b>(
        &'b mut self,
        batch: &'b Batch,
        letters: &mut DeadLetters,
        report: &mut Report,
    ) -> Vec<Item<'b>> {
        let Self { settings, encoder, tape, clock, own, encoded, live, room } = self;
        own.clear();
        encoded.clear();
        for gap in &batch.gaps {
            let mut line = Vec::new();
            gap::write(&mut line, gap, &settings.name, clock);
            own.push(line);
            report.gaps += 1;
            report.missed += gap.records.total();
        }
        let gaps = own.iter().zip(&batch.gaps).filter(|(line, _)| !line.is_empty());
        let gaps = gaps.map(|(line, gap)| (&line[..], true, Position { segment: gap.segment, ..batch.after }));
        let read = batch.records().map(|record| (record.line, false, record.after));
        let mut counts = Counts::default();
        let mut chosen: Vec<(Item<'b>, Range<usize>)> = Vec::new();
        for (line, is_gap, place) in gaps.chain(read) {
            let head = Head::of(line).at(&settings.host);
            if !is_gap && !settings.filter.passes(&head) {
                counts.left_out += 1;
                continue;
            }
            let begin = encoded.len();
            // What tells a record apart stays what is stored: a time of delivery is another each time.
            let is_told = *live && head.event_type == "alert";
            let told = if is_told { stamped(line, "emitted", clock::now(), clock, room) } else { line };
            if encode(told, line, (encoder, tape), encoded, letters, &mut counts) {
                let id = head.id().map_or_else(|| id_of(settings, is_gap, place), str::to_owned);
                // Its body is known when all are encoded and none moves any more.
                chosen.push((Item { body: &[], line, head, id: Cow::Owned(id) }, begin..encoded.len()));
            }
        }
        report.left_out += counts.left_out;
        report.cut += counts.cut;
        report.refused += counts.refused;
        let encoded: &'b [u8] = encoded;
        chosen.into_iter().map(|(item, place)| Item { body: encoded.get(place).unwrap_or_default(), ..item }).collect()
    }
}

/// Encodes a record as it is told; false if there is nothing to be sent. As it is stored it may become a dead letter.
fn encode(
    told: &[u8],
    line: &[u8],
    (encoder, tape): (&Encoder, &mut Tape),
    out: &mut Vec<u8>,
    letters: &mut DeadLetters,
    counts: &mut Counts,
) -> bool {
    let result = tape.read(told).map(|record| encoder.encode(&Facts::of(record), out));
    match result {
        Some(Encoded::Whole) => return true,
        Some(Encoded::Cut) => {
            counts.cut += 1;
            return true;
        }
        Some(Encoded::Nothing) => counts.left_out += 1,
        Some(Encoded::TooLong) | None => {
            let words = if result.is_none() { "it is no record" } else { "it is too long, whatever is left out" };
            letters.push(line, words);
            counts.refused += 1;
        }
    }
    false
}

/// What tells a record apart that has no id of its own: its place in the log.
fn id_of(settings: &Settings, is_gap: bool, Position { segment, offset, record }: Position) -> String {
    let host = &settings.host;
    if is_gap {
        format!("{host}-gap-{}-{segment}", settings.name)
    } else {
        format!("{host}-{segment}-{offset}-{record}")
    }
}
