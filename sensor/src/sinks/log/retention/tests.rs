use super::*;
use crate::sinks::log::cursor::Missing;
use crate::sinks::log::segments::{Segments, Settings};
use crate::sinks::log::volume::Folder;

/// Segments of a record each, some of them alerts.
fn log(folder: &std::path::Path, alerts: &[bool]) -> Segments {
    let settings = Settings { sensor: "s".into(), reserve_bytes: 0, ..Settings::default() };
    let mut log = Segments::open(folder, settings, Timestamp(0)).unwrap();
    for is_alert in alerts {
        let kind = if *is_alert { "alert" } else { "flow" };
        let one = format!("{{\"timestamp\":\"2026-12-01T09:00:00.000000+0000\",\"event_type\":\"{kind}\"}}\n");
        log.write(one.as_bytes(), false, Timestamp(0)).unwrap();
        log.write(one.as_bytes(), false, Timestamp(0)).unwrap();
        log.rotate(Timestamp(0)).unwrap();
    }
    log
}

fn left(volume: &Folder) -> Vec<u64> {
    segments(&volume.names().unwrap()).iter().map(|name| name.number).collect()
}

/// Keeps as many segments as there is room for.
fn keep(volume: &Folder, count: u64) -> Gone {
    let mut inventory = Inventory::default();
    inventory.look(volume).unwrap();
    let each = inventory.totals().1 / inventory.totals().0;
    let limits = Retention { bytes: each * count + each / 2, share_percent: 0, age_s: 0 };
    inventory.enforce(volume, limits, 0, None).unwrap()
}

#[test]
fn what_all_sinks_have_goes_first_then_what_has_no_alerts_and_alerts_last() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Folder::at(folder.path());
    drop(log(folder.path(), &[true, false, true, false, false, true]));
    let at = |segment| Position { segment, ..Position::default() };
    positions::acknowledge(&volume, "fast", at(9)).unwrap();
    positions::acknowledge(&volume, "slow", at(2)).unwrap();
    assert_eq!((keep(&volume, 5).missed.len(), left(&volume)), (0, vec![2, 3, 4, 5, 6]), "both have the first");
    let gone = keep(&volume, 3);
    assert_eq!(left(&volume), [3, 5, 6], "then flows");
    assert_eq!(gone.missed.keys().collect::<Vec<_>>(), ["slow"]);
    assert_eq!(gone.missed["slow"].records.of(Class::Flow), 4);
    keep(&volume, 1);
    assert_eq!(left(&volume), [6], "and the latest alerts stay longest");
    // What is missing is told where it was.
    let mut cursor = Cursor::of(volume.clone(), Some(at(2)));
    let batch = cursor.next(COUNTED).unwrap();
    let gaps: Vec<_> = batch.gaps.iter().map(|gap| (gap.segment, gap.records.total())).collect();
    assert_eq!((gaps, batch.len()), (vec![(2, 2), (3, 2), (4, 2), (5, 2)], 2));
    // When the last sink is past it, it is forgotten.
    positions::acknowledge(&volume, "slow", batch.after).unwrap();
    positions::note_removed(&volume, positions::removed(&volume), &positions::all(&volume).unwrap()).unwrap();
    assert_eq!(positions::removed(&volume), []);
}

#[test]
fn a_sink_within_a_segment_misses_only_what_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Folder::at(folder.path());
    drop(log(folder.path(), &[false, true]));
    let mut cursor = Cursor::of(volume.clone(), None);
    let first = cursor.next(Limits { bytes: 1, records: 1 }).unwrap();
    positions::acknowledge(&volume, "siem", first.after).unwrap();
    let gone = keep(&volume, 1);
    assert_eq!((gone.missed["siem"].records.total(), left(&volume)), (1, vec![2]));
    let batch = Cursor::of(volume, Some(first.after)).next(COUNTED).unwrap();
    assert_eq!(batch.gaps[0].records.total(), 1);
    assert_eq!((batch.gaps[0].reason, batch.len()), (Missing::Removed, 2));
}

#[test]
fn without_sinks_alerts_stay_longest() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Folder::at(folder.path());
    drop(log(folder.path(), &[true, false, true, false]));
    let gone = keep(&volume, 2);
    assert_eq!((gone.segments, gone.missed.len(), left(&volume)), (2, 0, vec![1, 3]));
}

#[test]
fn what_is_too_old_goes_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Folder::at(folder.path());
    drop(log(folder.path(), &[true, false]));
    let mut inventory = Inventory::default();
    inventory.look(&volume).unwrap();
    let limits = Retention { bytes: 0, share_percent: 0, age_s: 60 };
    let record = 1_796_115_600_000_000;
    let at = |s: u64| Some(Timestamp(record + s * 1_000_000));
    assert_eq!(inventory.enforce(&volume, limits, 0, at(59)).unwrap().segments, 0);
    assert_eq!(inventory.enforce(&volume, limits, 0, None).unwrap().segments, 0);
    assert_eq!(inventory.enforce(&volume, limits, 0, at(61)).unwrap().segments, 2);
    assert_eq!(left(&volume), Vec::<u64>::new());
}
