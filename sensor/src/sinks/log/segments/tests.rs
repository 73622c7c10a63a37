use std::fs;

use super::*;
use crate::sinks::log::cursor::{Cursor, Limits};
use crate::sinks::log::index::Index;
use crate::sinks::log::scan::Kind;

fn settings() -> Settings {
    Settings { sensor: "dmz".into(), segment_bytes: 2_000, reserve_bytes: 0, ..Settings::default() }
}

fn line(n: u32) -> String {
    let noise = n.wrapping_mul(2_654_435_761);
    format!(
        "{{\"timestamp\":\"2026-12-01T09:00:00.000000+0000\",\"event_type\":\"alert\",\"src_ip\":\"10.0.0.{n}\",\"noise\":\"{noise:x}{noise:o}\"}}\n"
    )
}

fn files(folder: &Path) -> Vec<String> {
    Folder::at(folder).names().unwrap()
}

fn lines(folder: &Path) -> usize {
    Cursor::open(folder, None).unwrap().next(Limits { bytes: usize::MAX, records: usize::MAX }).unwrap().len()
}

#[test]
fn segments_are_finished_by_size_with_their_index_and_end_when_the_log_does() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp(1_796_119_068_000_000);
    let mut log = Segments::open(folder.path(), settings(), now).unwrap();
    (0..100).for_each(|n| log.write(line(n).as_bytes(), true, now).unwrap());
    let names = files(folder.path());
    let sealed = names.iter().filter(|name| name.ends_with(".json.zst")).count();
    let indexed = names.iter().filter(|name| name.ends_with(".index")).count();
    assert!(sealed > 3 && sealed == indexed, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".open")).count(), 1);
    assert!(names.iter().all(|name| name.starts_with("eve-dmz-20261201T09")), "{names:?}");
    log.rotate(now).unwrap();
    assert!(!files(folder.path()).iter().any(|name| name.ends_with(".open")));
    let index =
        Index::read(&Folder::at(folder.path()), names.iter().find(|name| name.ends_with(".index")).unwrap()).unwrap();
    assert!(index.may_hold(Kind::Address, "10.0.0.1") && !index.may_hold(Kind::Address, "10.9.9.9"));
    assert_eq!(index.records.total(), index.types["alert"]);
    let all: Vec<u8> = files(folder.path())
        .iter()
        .filter(|name| name.ends_with(".zst"))
        .flat_map(|name| zstd::decode_all(&fs::read(folder.path().join(name)).unwrap()[..]).unwrap())
        .collect();
    assert_eq!(all, (0..100).map(line).collect::<String>().into_bytes(), "any reader of zstd has all of it");
}

#[test]
fn what_a_crash_left_is_finished_and_its_index_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp(0);
    let mut log = Segments::open(folder.path(), settings(), now).unwrap();
    (0..5).for_each(|n| log.write(line(n).as_bytes(), false, now).unwrap());
    drop(log);
    let open = files(folder.path()).into_iter().find(|name| name.ends_with(".open")).unwrap();
    let path = folder.path().join(&open);
    let len = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(len - 3).unwrap();
    let mut log = Segments::open(folder.path(), settings(), now).unwrap();
    assert!(log.take_notes()[0].contains("bytes are cut off"));
    assert_eq!(lines(folder.path()), 4);
    while log.tick(now).unwrap() {}
    let sealed = open.replace(".json.zst.open", ".index");
    assert!(files(folder.path()).contains(&sealed), "{:?}", files(folder.path()));
    log.write(line(9).as_bytes(), false, now).unwrap();
    assert!(files(folder.path()).iter().any(|name| name.ends_with("-0000000002.json.zst.open")));
    // Damage before whole frames is nobody's to cut.
    log.write(line(10).as_bytes(), false, now).unwrap();
    drop(log);
    let open = files(folder.path()).into_iter().find(|name| name.ends_with(".open")).unwrap();
    let mut bytes = fs::read(folder.path().join(&open)).unwrap();
    bytes[..4].fill(b'x');
    fs::write(folder.path().join(&open), &bytes).unwrap();
    let mut log = Segments::open(folder.path(), settings(), now).unwrap();
    assert!(log.take_notes()[0].contains("kept as"));
    assert_eq!(fs::read(folder.path().join(format!("{open}.damaged-1"))).unwrap(), bytes);
    log.write(line(11).as_bytes(), false, now).unwrap();
    assert!(
        files(folder.path()).iter().any(|name| name.ends_with("-0000000003.json.zst.open")),
        "no number comes twice"
    );
}

#[test]
fn a_folder_that_is_taken_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let mut log = Segments::open(&logs, settings(), Timestamp(0)).unwrap();
    log.write(line(1).as_bytes(), false, Timestamp(0)).unwrap();
    fs::rename(&logs, folder.path().join("old")).unwrap();
    log.write(line(2).as_bytes(), false, Timestamp(0)).unwrap();
    assert_eq!((lines(&logs), lines(&folder.path().join("old"))), (1, 1));
    assert_eq!(log.take_notes().len(), 1);
}

#[test]
fn a_clock_that_jumps_makes_nothing_old() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { age_s: 3_600, ..Retention::default() };
    let now = Timestamp(1_796_119_068_000_000);
    let log = |now| Segments::open(folder.path(), Settings { retention, ..settings() }, now).unwrap();
    let mut first = log(now);
    first.write(line(1).as_bytes(), false, now).unwrap();
    first.rotate(now).unwrap();
    let later = Timestamp(now.0 + 10 * 365 * 86_400_000_000);
    first.look(later).unwrap();
    first.look(Timestamp(0)).unwrap();
    assert_eq!(lines(folder.path()), 1);
    let mut again = log(later);
    assert_eq!((lines(folder.path()), again.take_gone().len()), (0, 1), "a start at that time is believed");
}
