//! How long a stored record takes to be read and written in another form: those of all cases of the project.

use std::path::Path;

use divan::counter::ItemsCount;
use tapwire::sinks::encode::{ENCODINGS, Encoder, Facts, Settings, Tape, by_name};

fn main() {
    divan::main();
}

fn records() -> Vec<String> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let below = |path: &Path| {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let files = below(&cases).into_iter().flat_map(|protocol| below(&protocol)).map(|case| case.join("expected.json"));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[divan::bench(args = ENCODINGS.iter().map(|encoding| encoding.name))]
fn encode(bencher: divan::Bencher<'_, '_>, name: &str) {
    let (records, mut tape, mut out) = (records(), Tape::default(), Vec::new());
    let Some(encoding) = by_name(name) else { return };
    let encoder = Encoder::new(encoding, Settings { sensor: "sensor1".into(), ..Settings::default() });
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        out.clear();
        for record in &records {
            if let Some(record) = tape.read(record.as_bytes()) {
                encoder.encode(&Facts::of(record), &mut out);
            }
        }
        out.len()
    });
}
