//! One scan of a buffer for many patterns, against the simplest matcher that does the same.

use divan::counter::BytesCount;
use tapwire_benches::{patterns, traffic};
use tapwire_signatures::prefilter::{Folded, PatternSet, Scratch};

fn main() {
    divan::main();
}

#[divan::bench(args = [100, 4_000, 25_000])]
fn grams(bencher: divan::Bencher<'_, '_>, count: usize) {
    let mut set = PatternSet::default();
    for pattern in patterns(count, 7) {
        set.add(&pattern);
    }
    let (prefilter, text) = (set.compile(), traffic(1 << 20, 3));
    let (mut scratch, mut folded) = (Scratch::default(), Folded::default());
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        let mut found = 0;
        for chunk in text.chunks(2_560) {
            folded.fold(chunk);
            prefilter.scan(&folded, &mut scratch, |_| found += 1);
        }
        found
    });
}

#[divan::bench(args = [4_000, 25_000])]
fn compile(count: usize) -> usize {
    let mut set = PatternSet::default();
    for pattern in patterns(count, 7) {
        set.add(&pattern);
    }
    set.compile().memory_bytes()
}
