//! The log under crashes at any step: what was safe is there, in order and whole; what a sink has is not sent again, what it lacks is.

use std::collections::{BTreeMap, BTreeSet};

use tapwire_parsers::link::Timestamp;

use super::*;
use crate::sinks::log::cursor::{Cursor, Limits, Missing, Position};
use crate::sinks::log::positions;
use crate::sinks::log::retention::Retention;
use crate::sinks::log::segments::{Segments, Settings};

const ALL: Limits = Limits { bytes: usize::MAX, records: usize::MAX };
const NOW: Timestamp = Timestamp(1_796_115_600_000_000);

/// What is known at a step.
#[derive(Clone, Default)]
struct Known {
    /// Records that are safe, from 1 on; those that were given to the log.
    safe: u32,
    given: u32,
    /// What the sink has acknowledged, and what it may have: places, and records before them.
    acknowledged: (Position, u32),
    acknowledging: (Position, u32),
    /// Records that retention may have removed.
    removed: BTreeSet<u32>,
}

fn line(n: u32) -> String {
    let noise: String =
        (0..n % 7 * 20).map(|k| char::from(b'a' + (n.wrapping_mul(31).wrapping_add(k * k) % 26) as u8)).collect();
    let kind = if n.is_multiple_of(11) { "alert" } else { "flow" };
    format!(
        "{{\"timestamp\":\"2026-12-01T09:00:00.000000+0000\",\"event_type\":\"{kind}\",\"n\":{n},\"noise\":\"{noise}\"}}"
    )
}

fn number(line: &[u8]) -> u32 {
    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
    u32::try_from(value["n"].as_u64().unwrap()).unwrap()
}

fn settings(bytes: u64) -> Settings {
    let retention = Retention { bytes, share_percent: 0, age_s: 0 };
    Settings { sensor: "s".into(), segment_bytes: 1_500, segment_s: 0, retention, reserve_bytes: 0 }
}

fn read(memory: &Memory, from: Option<Position>) -> (Vec<u32>, Position, bool) {
    let mut cursor = Cursor::of(memory.clone(), from);
    let (mut numbers, mut has_gap) = (Vec::new(), false);
    loop {
        let batch = cursor.next(ALL).unwrap();
        has_gap |= batch.gaps.iter().any(|gap| gap.reason == Missing::Removed);
        if batch.is_empty() {
            return (numbers, cursor.position(), has_gap);
        }
        for record in batch.records() {
            let n = number(record.line);
            assert_eq!(std::str::from_utf8(record.line).unwrap(), line(n), "a record is torn");
            numbers.push(n);
        }
    }
}

/// Writes, syncs, reads, acknowledges and removes by chance; what was known before each step.
fn scenario(seed: u64) -> (Vec<Step>, BTreeMap<u64, Known>) {
    let (memory, mut chance) = (Memory::default(), Chance(seed));
    *memory.steps.borrow_mut() = Some(Vec::new());
    let mut history = BTreeMap::from([(0, Known::default())]);
    let mut known = Known::default();
    let mut note = |known: &Known| {
        let mark = *memory.mark.borrow() + 1;
        *memory.mark.borrow_mut() = mark;
        history.insert(mark, known.clone());
    };
    let has_limit = chance.below(2) == 0;
    let mut log = Segments::on(memory.clone(), settings(if has_limit { 4_000 } else { 0 }), NOW).unwrap();
    let mut sink = Cursor::of(memory.clone(), None);
    for _ in 0..60 {
        match chance.below(10) {
            0..=4 => {
                let count = 1 + u32::try_from(chance.below(6)).unwrap();
                let text: String = (known.given + 1..=known.given + count).map(|n| line(n) + "\n").collect();
                known.given += count;
                if has_limit {
                    // A rotation may remove anything that is finished.
                    known.removed.extend(1..=known.given);
                }
                note(&known);
                log.write(text.as_bytes(), false, NOW).unwrap();
            }
            5 | 6 => {
                log.sync().unwrap();
                known.safe = known.given;
                note(&known);
            }
            7 => drop(log.tick(NOW).unwrap()),
            8 if chance.below(3) == 0 => {
                log.rotate(NOW).unwrap();
                known.safe = known.given;
                note(&known);
            }
            _ => {
                let batch = sink.next(Limits { bytes: usize::MAX, records: 1 + chance.below(9) }).unwrap();
                let last = batch.records().last().map_or(known.acknowledging.1, |record| number(record.line));
                known.acknowledging = (batch.after, last);
                note(&known);
                positions::acknowledge(&memory, "sink", batch.after).unwrap();
                known.acknowledged = known.acknowledging;
                note(&known);
            }
        }
    }
    let steps = memory.steps.borrow_mut().take().unwrap();
    (steps, history)
}

/// What holds after a crash, and after another one while that is being mended.
fn check(crashed: &Memory, known: &Known, what: &str) {
    let mut log = Segments::on(crashed.clone(), settings(0), NOW).unwrap();
    let (all, ..) = read(crashed, None);
    assert!(all.is_sorted_by(|a, b| a < b), "{what}: out of order or twice: {all:?}");
    assert!(all.iter().all(|n| *n <= known.given), "{what}: never given");
    let lost: Vec<u32> = (1..=known.safe).filter(|n| !all.contains(n) && !known.removed.contains(n)).collect();
    assert_eq!(lost, Vec::<u32>::new(), "{what}: safe records are lost");
    let from = positions::acknowledged(crashed, "sink").unwrap();
    let acknowledged = [Some(known.acknowledged), Some(known.acknowledging)];
    let had = acknowledged.into_iter().flatten().find(|(position, _)| Some(*position) == from);
    let had =
        had.or((from.is_none() && known.acknowledged.0 == Position::default()).then_some((Position::default(), 0)));
    let (_, had) = had.unwrap_or_else(|| panic!("{what}: the sink's place is {from:?}"));
    // The sensor goes on, and so does the sink.
    let new = 1_000_000..1_000_005;
    let text: String = new.clone().map(|n| line(n) + "\n").collect();
    log.write(text.as_bytes(), false, NOW).unwrap();
    let (rest, ..) = read(crashed, from);
    let wanted: Vec<u32> = all.iter().copied().filter(|n| *n > had).chain(new).collect();
    assert_eq!(rest, wanted, "{what}: the sink has {had} at {from:?}");
    log.rotate(NOW).unwrap();
    assert_eq!(read(crashed, from).0, wanted, "{what}: when it is finished");
}

/// Crashes of each test; the whole number is tried by CI.
fn wanted() -> usize {
    std::env::var("TAPWIRE_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

/// Crashes at every step of scenarios, until there were enough and the last of those is done.
fn crashes(seeds: std::ops::RangeFrom<u64>) {
    let (mut count, wanted) = (0, wanted());
    for seed in seeds {
        let (steps, history) = scenario(seed);
        let mut chance = Chance(seed ^ 0x5eed);
        for (nth, (state, mark)) in steps.iter().enumerate() {
            let (known, crashed) = (&history[mark], state.crashed(&mut chance));
            let what = format!("seed {seed}, step {nth}");
            if chance.below(4) == 0 {
                // It crashes again while it starts.
                *crashed.steps.borrow_mut() = Some(Vec::new());
                drop(Segments::on(crashed.clone(), settings(0), NOW).unwrap());
                let again = crashed.steps.borrow_mut().take().unwrap();
                let (state, _) = &again[chance.below(again.len())];
                check(&state.crashed(&mut chance), known, &format!("{what}, and again"));
                count += 1;
            }
            check(&crashed, known, &what);
            count += 1;
        }
        if count >= wanted {
            return;
        }
    }
}

#[test]
fn what_was_safe_survives_crashes() {
    crashes(0..);
}

#[test]
fn what_was_safe_survives_other_crashes() {
    crashes(1_000_000..);
}
