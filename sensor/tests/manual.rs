//! The pages of the manual in `docs/` are what the program writes, and its table of counters has all that there are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Run, captures, cases};
use serde_json::Value;
use tapwire::counters::{COUNTERS, counter};
use tapwire::start::cli::manual::Page;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn manual(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapwire")).arg("manual").args(arguments).output().unwrap()
}

#[test]
fn the_pages_in_docs_are_those_that_the_program_gives() {
    for page in Page::ALL {
        let name = page.file_name();
        let output = manual(&[name.trim_end_matches(".md")]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let given = String::from_utf8(output.stdout).unwrap();
        let kept = std::fs::read_to_string(docs().join(name)).unwrap_or_default();
        let differs = given.lines().zip(kept.lines()).find(|(given, kept)| given != kept);
        assert!(
            given == kept,
            "docs/{name} is not what the program gives; `cargo run -p tapwire -- manual --write docs` rewrites all pages; first difference: {differs:?}"
        );
    }
}

#[test]
fn all_pages_are_written_into_a_folder_and_shown_in_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("new");
    assert!(manual(&["--write", below.to_str().unwrap()]).status.success());
    let written: String =
        Page::ALL.iter().map(|page| std::fs::read_to_string(below.join(page.file_name())).unwrap()).collect();
    assert_eq!(std::fs::read_dir(&below).unwrap().count(), Page::ALL.len());
    assert_eq!(String::from_utf8(manual(&[]).stdout).unwrap(), written);
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = manual(&["--write", folder.path().join("file").to_str().unwrap()]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert_eq!(manual(&["waldo"]).status.code(), Some(2));
}

#[test]
fn links_of_the_pages_lead_somewhere() {
    for page in Page::ALL {
        for link in page.text().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { page.file_name() } else { file };
            let text = std::fs::read_to_string(docs().join(file)).expect(link);
            let anchor = |line: &str| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
            let headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(heading.is_empty() || headings.into_iter().any(|anchor| anchor == heading), "{link}");
        }
    }
}

#[test]
fn the_readme_names_every_page() {
    let readme = std::fs::read_to_string(docs().join("../README.md")).unwrap();
    for page in Page::ALL {
        assert!(readme.contains(&format!("(docs/{})", page.file_name())), "{}", page.file_name());
    }
}

/// The dotted names of all that a value has, positions of lists as numbers.
fn names(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| names(member, &below(name), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| names(item, &below(&at.to_string()), all))
        }
        _ => drop(all.insert(path.to_owned())),
    }
}

#[test]
fn every_counter_is_in_the_table_and_the_table_has_no_others() {
    let mut all = BTreeSet::new();
    for case in cases() {
        let rules = case.join("local.rules");
        let run = Run::replay(&case.join("capture.pcap"));
        let run = if rules.exists() { run.arg("--rules").path(&rules) } else { run.arg("--no-rules") };
        run.succeed();
        names(&run.stats(), "", &mut all);
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("store.yaml");
    let outputs = "outputs:\n- eve-log: {enabled: yes, types: [flow, stats]}\n- file-store: {version: 2, enabled: yes}\n\
        - pcap-log: {enabled: yes}\n\
        tapwire: {recording: {enabled: yes, free-percent: 0}, outputs: [{name: none, type: lines, to: /nowhere, types: [none]}]}\n\
        exception-policy: pass-flow\nstats: {stream-events: yes, exception-policy: {per-app-proto-errors: yes}}\n";
    std::fs::write(&config, outputs).unwrap();
    let stored = Run::replay(&captures().join("http/get-and-upload/capture.pcap")).arg("--config").path(&config);
    stored.succeed();
    names(&stored.stats(), "", &mut all);

    let unknown: Vec<&String> = all.iter().filter(|name| counter(name).is_none()).collect();
    assert!(unknown.is_empty(), "sensor/src/counters.rs says nothing of {unknown:?}");
    let seen: BTreeSet<&str> = all.iter().filter_map(|name| counter(name)).map(|counter| counter.name).collect();
    let missing: Vec<&str> = COUNTERS.iter().map(|counter| counter.name).filter(|name| !seen.contains(name)).collect();
    assert_eq!(missing, ELSEWHERE, "counters that no run of this test has");
}

/// Counters that are only there live, after a flood, after a reload, with tenants, or where something went wrong.
const ELSEWHERE: &[&str] = &[
    "capture.errors",
    "capture.kernel_drops",
    "capture.kernel_ifdrops",
    "capture.kernel_packets",
    "detect.engines.N.last_reload",
    "tapwire.capture.filtered",
    "tapwire.capture.ring_full",
    "tapwire.health.FINDING",
    "tapwire.latency.alert.count",
    "tapwire.latency.alert.longest_ms",
    "tapwire.latency.alert.p50_ms",
    "tapwire.latency.alert.p99_ms",
    "tapwire.latency.alert.sum_ms",
    "tapwire.latency.alert.within_10000_ms",
    "tapwire.latency.alert.within_1000_ms",
    "tapwire.latency.alert.within_100_ms",
    "tapwire.latency.alert.within_10_ms",
    "tapwire.latency.alert.within_200_ms",
    "tapwire.latency.alert.within_20_ms",
    "tapwire.latency.alert.within_500_ms",
    "tapwire.latency.alert.within_50_ms",
    "tapwire.latency.alert.within_5_ms",
    "tapwire.packets.tunnels_ring_full",
    "tapwire.records.summed_by_type.TYPE",
    "tapwire.rules.dearest.N.skipped",
    "tapwire.rules.dearest.N.suspended",
    "tapwire.rules.dearest.N.tenant_id",
    "tapwire.rules.stores_left_out",
];
