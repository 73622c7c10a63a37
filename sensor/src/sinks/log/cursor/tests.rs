use super::*;
use crate::sinks::log::segments::{Segments, Settings};

const ALL: Limits = Limits { bytes: usize::MAX, records: usize::MAX };

fn record(n: u32) -> String {
    let kind = ["flow", "dns", "alert"][n as usize % 3];
    format!("{{\"timestamp\":\"2026-12-01T09:00:00.000000+0000\",\"event_type\":\"{kind}\",\"n\":{n}}}\n")
}

fn log(folder: &Path) -> Segments {
    let settings = Settings { sensor: "s".into(), segment_bytes: 1 << 20, reserve_bytes: 0, ..Settings::default() };
    Segments::open(folder, settings, Timestamp(0)).unwrap()
}

fn write(log: &mut Segments, numbers: std::ops::Range<u32>) {
    log.write(numbers.map(record).collect::<String>().as_bytes(), false, Timestamp(0)).unwrap();
}

fn numbers(batch: &Batch) -> Vec<u32> {
    let number = |record: Record<'_>| serde_json::from_slice::<serde_json::Value>(record.line).unwrap()["n"].as_u64();
    batch.records().map(|record| u32::try_from(number(record).unwrap()).unwrap()).collect()
}

#[test]
fn records_come_in_order_over_segments_and_from_any_place_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(folder.path());
    let mut cursor = Cursor::open(folder.path(), None).unwrap();
    assert!(cursor.next(ALL).unwrap().is_empty(), "nothing is there yet");
    write(&mut log, 0..3);
    assert_eq!(numbers(&cursor.next(ALL).unwrap()), [0, 1, 2], "what is finished of the segment that is written");
    write(&mut log, 3..10);
    log.rotate(Timestamp(0)).unwrap();
    write(&mut log, 10..11);
    log.rotate(Timestamp(0)).unwrap();
    write(&mut log, 11..15);
    assert_eq!(numbers(&cursor.next(ALL).unwrap()), (3..15).collect::<Vec<_>>());
    assert!(cursor.next(ALL).unwrap().is_empty());
    // From each place on the rest follows, whatever comes at once.
    let whole = Cursor::open(folder.path(), None).unwrap().next(ALL).unwrap();
    let classes: Vec<Class> = whole.records().take(3).map(|record| record.class).collect();
    assert_eq!(classes, [Class::Flow, Class::Transaction, Class::Alert]);
    assert!(whole.records().map(|record| record.after).is_sorted());
    for (n, record) in (1..).zip(whole.records()) {
        for limits in [
            ALL,
            Limits { bytes: 1, records: 1 },
            Limits { bytes: 200, records: 9 },
            Limits { bytes: usize::MAX, records: 2 },
        ] {
            let mut cursor = Cursor::open(folder.path(), Some(record.after)).unwrap();
            let mut rest = Vec::new();
            loop {
                let batch = cursor.next(limits).unwrap();
                assert!(batch.len() <= limits.records && batch.gaps.is_empty());
                assert!(batch.records().last().is_none_or(|record| record.after <= batch.after));
                if batch.is_empty() {
                    break;
                }
                rest.extend(numbers(&batch));
            }
            assert_eq!(rest, (n..15).collect::<Vec<u32>>());
        }
    }
    assert_eq!((end(folder.path()).unwrap(), whole.records().last().unwrap().after), (whole.after, whole.after));
}

#[test]
fn what_was_removed_or_is_damaged_is_a_gap_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(folder.path());
    for n in 0..6 {
        write(&mut log, n * 10..n * 10 + 5);
        write(&mut log, n * 10 + 5..n * 10 + 10);
        log.rotate(Timestamp(0)).unwrap();
    }
    let place = |number: u64| {
        let names = segments(&Folder::at(folder.path()).names().unwrap());
        folder.path().join(names.into_iter().find(|name| name.number == number).unwrap().file())
    };
    let mut early = Cursor::open(folder.path(), None).unwrap();
    assert_eq!(numbers(&early.next(Limits { bytes: usize::MAX, records: 7 }).unwrap()).len(), 7);
    for number in [2, 3] {
        std::fs::remove_file(place(number)).unwrap();
    }
    let damaged = place(5);
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[30] ^= 0xff;
    std::fs::write(&damaged, bytes).unwrap();
    let batch = early.next(ALL).unwrap();
    let wanted: Vec<u32> = (7..10).chain(30..40).chain(45..60).collect();
    assert_eq!(numbers(&batch), wanted);
    let gaps: Vec<(u64, Missing)> = batch.gaps.iter().map(|gap| (gap.segment, gap.reason)).collect();
    assert_eq!(gaps, [(2, Missing::Unknown), (5, Missing::Damaged)]);
    let fresh = Cursor::open(folder.path(), None).unwrap().next(ALL).unwrap();
    assert_eq!((fresh.len(), fresh.gaps.len()), (35, 2));
}

#[test]
fn a_cursor_that_is_behind_a_segment_that_lost_its_end_goes_on_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = log(folder.path());
    write(&mut first, 0..3);
    let mut cursor = Cursor::open(folder.path(), None).unwrap();
    let after = cursor.next(ALL).unwrap().after;
    acknowledge(folder.path(), "siem", after).unwrap();
    drop(first);
    // The machine went down before any of it came to the disk.
    let name = segments(&Folder::at(folder.path()).names().unwrap()).pop().unwrap();
    std::fs::File::options().write(true).open(folder.path().join(name.file())).unwrap().set_len(0).unwrap();
    let mut second = log(folder.path());
    write(&mut second, 3..6);
    let from = acknowledged(folder.path(), "siem").unwrap();
    assert_eq!(from, Some(after));
    for mut cursor in [cursor, Cursor::open(folder.path(), from).unwrap()] {
        assert_eq!(numbers(&cursor.next(ALL).unwrap()), [3, 4, 5]);
    }
}

#[test]
fn a_reader_beside_a_writer_sees_every_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(folder.path());
    let path = folder.path().to_owned();
    let reader = std::thread::spawn(move || {
        let (mut cursor, mut seen) = (Cursor::open(&path, None).unwrap(), Vec::new());
        while seen.last() != Some(&9_999) {
            let batch = cursor.next(Limits { bytes: 10_000, records: 70 }).unwrap();
            assert_eq!(batch.gaps, []);
            seen.extend(numbers(&batch));
        }
        seen
    });
    for n in 0..1_000 {
        write(&mut log, n * 10..n * 10 + 10);
        if n % 37 == 0 {
            log.rotate(Timestamp(0)).unwrap();
        }
    }
    assert_eq!(reader.join().unwrap(), (0..10_000).collect::<Vec<_>>());
}
