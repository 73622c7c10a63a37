//! Packets add up: seen = processed + dropped by reason, on every capture that is at hand. Every record is valid JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::{Run, captures, captures_below, shared};

#[test]
fn packets_and_records_add_up() {
    let mut all = captures_below(&captures());
    if let Some(shared) = shared() {
        // A seventh of the captures keeps the test short; the scores run on all of them.
        all.extend(captures_below(&shared.join("truth/captures")).into_iter().step_by(7));
    }
    for capture in all {
        let run = Run::replay(&capture).arg("--no-rules");
        let status = run.output().status.code();
        assert!(matches!(status, Some(0 | 3 | 4 | 5)), "{} ended with {status:?}", capture.display());
        let stats = run.stats();
        let books = &stats["tapwire"]["packets"];
        let count = |name: &str| books[name].as_u64().unwrap_or_else(|| panic!("{name} in {}", capture.display()));
        let dropped: u64 = books["dropped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(count("seen"), count("processed") + dropped, "{}", capture.display());
        let records = run.records();
        let records = records.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        // What the sensor says of itself is not among them, and rules that hold records back were not there.
        let made = records.filter(|record| !["stats", "health"].iter().any(|own| record["event_type"] == *own)).count();
        let books = &stats["tapwire"]["records"];
        assert_eq!(books["made"].as_u64(), Some(made as u64), "{}", capture.display());
        assert_eq!((&books["delivered"], &books["held_back"]), (&books["made"], &0.into()), "{}", capture.display());
    }
}
