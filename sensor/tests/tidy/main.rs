//! Rules of the house that no compiler knows: rooms import each other in no circle, and files stay short.
//!
//! A room is a module at the top of a crate, a folder of its `src` or a file. What it imports is read from its source, without tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what is wrong by failing")]

mod rooms;
mod source;

use std::path::Path;

use rooms::Rooms;
use source::{Source, sources};

/// Crates whose rooms import each other in no circle.
const WITHOUT_CIRCLES: &[&str] = &["signatures", "sensor"];
/// Crates whose files are counted.
const COUNTED: &[&str] = &["parsers", "signatures", "sensor"];
/// Lines that half of the files have at most, and 95 of 100.
const LINES: [usize; 2] = [150, 450];

fn read(name: &str) -> Vec<Source> {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"))
}

#[test]
fn rooms_import_each_other_in_no_circle() {
    for name in WITHOUT_CIRCLES {
        let rooms = Rooms::of(&read(name));
        assert!(rooms.len() > 1, "{name} has no rooms");
        if let Some(circle) = rooms.circle() {
            panic!("rooms of {name} import each other in a circle:\n{}", rooms.explain(&circle));
        }
    }
}

#[test]
fn files_are_short() {
    for name in COUNTED {
        let mut lines: Vec<usize> = read(name).iter().map(|source| source.code.lines().count()).collect();
        lines.sort_unstable();
        let [half, most] = [lines[lines.len() / 2], lines[lines.len() * 95 / 100]];
        assert!(half < LINES[0] && most < LINES[1], "{name}: half have up to {half} lines, 95 of 100 up to {most}");
    }
}
