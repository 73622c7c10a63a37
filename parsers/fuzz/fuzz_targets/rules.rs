//! Any text as a rule file, and whatever of it loads asked about any bytes: neither panics, and each fault names a place in the
//! text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapwire_fuzz::ask;
use tapwire_parsers::REGISTRY;
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::{Source, load};
use tapwire_signatures::plan::Plan;

fuzz_target!(|input: (u8, &str, &[u8])| {
    let (which, written, bytes) = input;
    let protocol = REGISTRY[usize::from(which) % REGISTRY.len()].name;
    // Half of the texts are all of a file, the others the options of a rule: what makes them one is hard to come by.
    let text = match which & 0x80 {
        0 => written.to_owned(),
        _ => format!("alert {protocol} any any -> any any ({written}; sid:1;)"),
    };
    let environment = Environment { version: (9, 0, 0), keep_labels: true, ..Environment::default() };
    let lines = text.lines().count().max(1);
    let loaded = load(&[Source { name: "fuzz.rules".into(), text }], &environment);
    for located in &loaded.faults {
        assert!((1..=lines + 1).contains(&(located.line as usize)) && located.column > 0, "{located:?}");
    }
    if !loaded.set.rules.is_empty() {
        ask(&Plan::new(loaded.set, &Default::default()), which, bytes);
    }
});
