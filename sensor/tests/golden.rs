//! Every case under `pcaps/` gives the records that stand beside its capture, byte for byte.
//!
//! `TAPWIRE_BLESS=1 cargo nextest run golden` writes what is given now, so that a review reads the difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{Run, cases};

/// The run of a case: its rules, and its configuration where it has one.
fn replay(case: &Path, threads: usize) -> Run {
    let mut run = Run::replay(&case.join("capture.pcap")).arg("--strict").arg("--threads").arg(&threads.to_string());
    let (rules, config) = (case.join("local.rules"), case.join("config.yaml"));
    run = if rules.exists() { run.arg("--rules").path(&rules) } else { run.arg("--no-rules") };
    if config.exists() {
        run = run.arg("--config").path(&config);
    }
    run
}

/// Records without `stats`, which has counters of the program and not of the case.
fn records(case: &Path, threads: usize) -> String {
    let run = replay(case, threads);
    run.succeed();
    run.records()
        .lines()
        .filter(|line| !line.contains(r#""event_type":"stats""#))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn cases_give_their_records() {
    let bless = std::env::var_os("TAPWIRE_BLESS").is_some();
    let mut wrong: Vec<PathBuf> = Vec::new();
    for case in cases() {
        let given = records(&case, 2);
        let expected = case.join("expected.json");
        if bless {
            std::fs::write(&expected, &given).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != given {
            wrong.push(case);
        }
    }
    assert!(wrong.is_empty(), "records differ from expected.json in {wrong:?}");
}

#[test]
fn records_do_not_depend_on_the_number_of_workers() {
    for case in cases() {
        let one = records(&case, 1);
        for threads in [2, 3, 5] {
            assert!(records(&case, threads) == one, "{} with {threads} workers", case.display());
        }
    }
}

#[test]
fn every_record_has_an_id_of_its_own() {
    for case in cases() {
        let text = records(&case, 2);
        let mut ids: Vec<String> = Vec::new();
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            ids.extend(record["tapwire"]["event_id"].as_str().map(str::to_owned));
            let is_own = case.join("config.yaml").exists() || record["event_type"] == "summary";
            assert!(is_own || !record["tapwire"]["event_id"].is_null(), "{line}");
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{}", case.display());
    }
}
