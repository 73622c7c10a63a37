//! `tapwire cat`, `tail` and `grep` over a log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tapwire::sinks::log::{Segments, Settings};
use tapwire_parsers::link::Timestamp;

fn tapwire(arguments: &[&str], folder: &Path) -> (Vec<String>, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_tapwire")).args(arguments).arg(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout).lines().map(str::to_owned).collect(), text(output.stderr), output.status.code().unwrap())
}

fn record(n: u32) -> String {
    let kind = ["flow", "dns", "alert"][n as usize % 3];
    let more = match kind {
        "dns" => format!(",\"dns\":{{\"rrname\":\"host{n}.example.com\"}}"),
        "alert" => format!(",\"alert\":{{\"signature_id\":{}}},\"md5\":\"abc{n}\"", 2_000 + n % 2),
        _ => String::new(),
    };
    format!(
        "{{\"timestamp\":\"2026-12-01T09:{:02}:{:02}.000000+0000\",\"flow_id\":{n},\"event_type\":\"{kind}\",\"src_ip\":\"10.0.0.{}\",\"community_id\":\"1:c{n}\"{more}}}",
        n / 60,
        n % 60,
        n % 200
    )
}

/// Three segments of a hundred records, the last of them open.
fn log(folder: &Path) -> Segments {
    let settings = Settings { sensor: "dmz".into(), reserve_bytes: 0, ..Settings::default() };
    let mut log = Segments::open(folder, settings, Timestamp(0)).unwrap();
    for segment in 0..3 {
        if segment > 0 {
            log.rotate(Timestamp(0)).unwrap();
        }
        for n in segment * 100..segment * 100 + 100 {
            log.write((record(n) + "\n").as_bytes(), false, Timestamp(0)).unwrap();
        }
    }
    log
}

#[test]
fn cat_gives_all_or_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let _log = log(folder.path());
    let all: Vec<String> = (0..300).map(record).collect();
    let (lines, told, status) = tapwire(&["cat"], folder.path());
    assert!(lines == all && status == 0, "{told}");
    let of = |wanted: &dyn Fn(u32) -> bool| -> Vec<String> { (0..300).filter(|n| wanted(*n)).map(record).collect() };
    for (arguments, wanted) in [
        (&["--type", "alert"][..], of(&|n| n % 3 == 2)),
        (&["--type", "alert", "--type", "dns"], of(&|n| n % 3 > 0)),
        (&["--ip", "10.0.0.7"], of(&|n| n % 200 == 7)),
        (&["--sid", "2001", "--since", "2026-12-01T09:03:00Z"], of(&|n| n % 3 == 2 && n % 2 == 1 && n >= 180)),
        (&["--flow-id", "222"], of(&|n| n == 222)),
        (&["--name", "host100.example.com"], of(&|n| n == 100)),
        (&["--name", "example.com", "--until", "2026-12-01T09:00:10"], of(&|n| n % 3 == 1 && n < 10)),
        (&["--hash", "ABC5"], of(&|n| n == 5)),
        (&["--community-id", "1:c299"], of(&|n| n == 299)),
        (&["--since", "2026-12-01T09:01:00Z", "--until", "2026-12-01T09:02:00Z"], of(&|n| n / 60 == 1)),
        (&["--ip", "192.0.2.1"], Vec::new()),
    ] {
        let (lines, told, status) = tapwire(&[&["cat"], arguments].concat(), folder.path());
        assert!(lines == wanted && status == 0, "{arguments:?}: {} of {}, {told}", lines.len(), wanted.len());
    }
    // The index alone tells that a segment has nothing: its records need not be read, nor even be there.
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let first = names.iter().find(|path| path.to_string_lossy().ends_with("0000000001.json.zst")).unwrap();
    let len = std::fs::metadata(first).unwrap().len();
    std::fs::write(first, vec![0; usize::try_from(len).unwrap()]).unwrap();
    let (lines, told, status) = tapwire(&["cat", "--flow-id", "222"], folder.path());
    assert_eq!((lines, told.as_str(), status), (vec![record(222)], "", 0));
}

#[test]
fn cat_writes_other_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let _log = log(folder.path());
    let (lines, told, status) = tapwire(&["cat", "--as", "cef", "--type", "alert"], folder.path());
    assert!(lines.len() == 100 && lines.iter().all(|line| line.starts_with("CEF:0|")) && status == 0, "{told}");
    let (_, told, status) = tapwire(&["cat", "--as", "waldo"], folder.path());
    assert!(status == 2 && told.contains("ocsf"), "{told}");
}

#[test]
fn grep_finds_text_and_files_are_read_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let _log = log(folder.path());
    let found = |arguments: &[&str], path: &Path| tapwire(arguments, path).0;
    assert_eq!(found(&["grep", "host100."], folder.path()), [record(100)]);
    assert_eq!(found(&["grep", "HOST100."], folder.path()), Vec::<String>::new());
    assert_eq!(found(&["grep", "-i", "HOST100.", "-e", "Host4."], folder.path()), [record(4), record(100)]);
    assert_eq!(found(&["grep", "host", "--flow-id", "4"], folder.path()), [record(4)]);
    let plain = folder.path().join("eve.json");
    std::fs::write(&plain, format!("{}\n{}\n", record(1), record(2))).unwrap();
    assert_eq!(found(&["cat", "--type", "alert"], &plain), [record(2)]);
    let (lines, told, status) = tapwire(&["cat"], tempfile::tempdir().unwrap().path());
    assert!(lines.is_empty() && told.contains("holds no log") && status == 1, "{told}");
}

#[test]
fn tail_shows_the_last_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log(folder.path());
    let last = |count: u32| -> Vec<String> { (300 - count..300).map(record).collect() };
    assert_eq!(tapwire(&["tail"], folder.path()).0, last(10));
    assert_eq!(tapwire(&["tail", "-n", "250"], folder.path()).0, last(250), "over segments");
    assert_eq!(tapwire(&["tail", "-n", "2", "--type", "dns"], folder.path()).0, [record(295), record(298)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapwire"))
        .args(["tail", "-n", "1", "-f", "--type", "alert", "--type", "flow"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), record(299));
    for n in 300..306 {
        log.write((record(n) + "\n").as_bytes(), true, Timestamp(0)).unwrap();
        if n == 302 {
            log.rotate(Timestamp(0)).unwrap();
        }
    }
    let came: Vec<String> = lines.by_ref().take(4).collect();
    assert_eq!(came, [300, 302, 303, 305].map(record));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_has_enough_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { sensor: "s".into(), reserve_bytes: 0, ..Settings::default() };
    let mut log = Segments::open(folder.path(), settings, Timestamp(0)).unwrap();
    let text: String = (0..20_000).map(|n| record(n % 3_000) + "\n").collect();
    log.write(text.as_bytes(), false, Timestamp(0)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapwire"))
        .arg("cat")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first.trim_end(), record(0));
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}
