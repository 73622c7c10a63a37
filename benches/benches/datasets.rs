//! A set of a million values: how long it takes to load, and to ask for one.

use divan::counter::ItemsCount;
use tapwire_benches::Dice;
use tapwire_signatures::rule::dataset::{Entries, Kind, Layout};

const VALUES: u64 = 1_000_000;

fn main() {
    divan::main();
}

fn entries() -> Entries {
    let file: String = (0..VALUES).map(|number| format!("{number:032x}\n")).collect();
    Layout::default().read(Kind::Md5, file.as_bytes()).unwrap_or_default().entries
}

#[divan::bench(sample_count = 5)]
fn load_a_million() -> usize {
    entries().len()
}

/// Every second one is there.
#[divan::bench(sample_count = 20)]
fn look_up_among_a_million(bencher: divan::Bencher<'_, '_>) {
    let (entries, mut dice) = (entries(), Dice(7));
    let keys: Vec<[u8; 16]> = (0..100_000).map(|_| u128::from(dice.roll(2 * VALUES)).to_be_bytes()).collect();
    bencher
        .counter(ItemsCount::new(keys.len()))
        .bench_local(|| keys.iter().filter(|key| entries.get(key.as_slice()).is_some()).count());
}
