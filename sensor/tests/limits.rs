//! The table of limits names keys that are read and counters that exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::path::Path;

use common::{Run, captures};
use tapwire::start::config;

/// The cells of a row of a table of `docs/limits.md`.
fn rows() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md");
    let text = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = text.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
    assert!(rows.len() > 20 && rows.iter().all(|row| row.len() == 4), "{rows:?}");
    rows
}

/// What stands in code quotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_key_is_read() {
    for row in rows() {
        for key in quoted(&row[2]) {
            let said = |value: &str| {
                let set = [(key.to_owned(), value.to_owned())];
                let loaded = config::load(config::Given { set: &set, ..config::Given::default() }).unwrap();
                (loaded.faults.len(), loaded.warnings.len())
            };
            assert_eq!(said("7"), (0, 0), "{key}");
            assert!(said("[not, this]").0 > 0 || said("much").0 > 0, "{key} takes anything");
        }
    }
}

#[test]
fn every_counter_exists() {
    let run = Run::replay(&captures().join("http/get-and-upload/capture.pcap")).arg("--no-rules");
    run.succeed();
    let stats = run.stats();
    for row in rows() {
        for name in quoted(&row[3]).filter(|name| {
            ["tapwire.", "flow.", "tcp.", "defrag.", "memcap.", "detect."].iter().any(|p| name.starts_with(p))
        }) {
            if ["flow.state", "flow.reason"].contains(&name) {
                continue;
            }
            let found = name.split('.').try_fold(&stats, |object, part| object.get(part));
            assert!(found.is_some_and(serde_json::Value::is_u64), "{name} is not in stats");
        }
    }
}

#[test]
fn a_stream_that_is_full_ends_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("hooks.rules");
    let text = "alert http1:response_body any any -> any any (sid:1;)\nalert http1:response_complete any any -> any any (sid:2;)\n";
    std::fs::write(&rules, text).unwrap();
    let run = Run::replay(&captures().join("http/get-and-upload/capture.pcap")).arg("--set");
    let run = run.arg("stream.reassembly.depth=600b").arg("--rules").path(&rules);
    run.succeed();
    let alerts = run.records();
    let alerts = alerts.lines().filter(|line| line.contains(r#""signature_id":2,"#));
    let cut = alerts.filter(|line| line.contains(r#""pcap_cnt":"#)).count();
    assert!(cut > 0, "what its depth cuts is complete at that packet, not at the end of the flow");
}
