//! Records of every type in every encoding, byte for byte: `records.json`, and beside it a file for each encoding and profile.
//!
//! `TAPWIRE_BLESS=1 cargo nextest run encodings` writes what is given now. The files are also what `benches/encodings` hands to
//! validators of other authors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says what is wrong by failing"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tapwire::sinks::encode::{ENCODINGS, Encoder, Facts, PROFILES, Settings, Tape, by_name};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encodings")
}

fn is_blessed() -> bool {
    std::env::var_os("TAPWIRE_BLESS").is_some()
}

/// The first record of each type among the cases of the project, in their order.
fn first_of_each_type() -> BTreeMap<String, String> {
    let below = |path: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let mut firsts = BTreeMap::new();
    let protocols = below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps"));
    for case in protocols.iter().filter(|path| path.is_dir()).flat_map(|path| below(path)) {
        for line in std::fs::read_to_string(case.join("expected.json")).unwrap_or_default().lines() {
            firsts.entry(kind(line)).or_insert_with(|| line.to_owned());
        }
    }
    firsts
}

fn kind(line: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    record["event_type"].as_str().unwrap().to_owned()
}

/// Records of every type, and some whose members are rare.
fn records() -> Vec<String> {
    let path = folder().join("records.json");
    let mut records: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let known: Vec<String> = records.iter().map(|line| kind(line)).collect();
    let missing: Vec<_> = first_of_each_type().into_iter().filter(|(kind, _)| !known.contains(kind)).collect();
    if is_blessed() {
        records.extend(missing.into_iter().map(|(_, line)| line));
        std::fs::write(path, records.join("\n") + "\n").unwrap();
    } else {
        assert!(missing.is_empty(), "types without a record in records.json: {missing:?}");
    }
    records
}

#[test]
fn every_type_of_record_has_the_form_that_stands_here() {
    let records = records();
    let mut tape = Tape::default();
    let mut wrong = Vec::new();
    let settings = Settings { sensor: "sensor1".into(), ..Settings::default() };
    let plain = ENCODINGS.iter().map(|encoding| (encoding.name.to_owned(), *encoding, settings.clone()));
    let eve = by_name("eve").unwrap();
    let profiles = PROFILES
        .iter()
        .skip(1)
        .map(|profile| (format!("eve-{}", profile.name), eve, Settings { profile, ..settings.clone() }));
    for (name, encoding, settings) in plain.chain(profiles) {
        let encoder = Encoder::new(encoding, settings);
        let mut given = Vec::new();
        for record in &records {
            let before = given.len();
            encoder.encode(&Facts::of(tape.read(record.as_bytes()).unwrap()), &mut given);
            if given.len() > before {
                given.push(b'\n');
            }
        }
        let path = folder().join(format!("{name}.txt"));
        if is_blessed() {
            std::fs::write(path, given).unwrap();
        } else if std::fs::read(path).unwrap_or_default() != given {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "records differ from what stands in sensor/tests/encodings for {wrong:?}");
}
