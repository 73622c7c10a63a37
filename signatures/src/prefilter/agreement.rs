//! Every matcher agrees with the simplest one: with vectors and without, and the automaton of last resort, on real traffic, on noise
//! and on near misses.

use proptest::prelude::*;

use super::*;

/// Patterns that occur, by the simplest matcher there is.
pub(super) fn simplest(patterns: &[Vec<u8>], text: &[u8]) -> Vec<PatternId> {
    let lower = text.to_ascii_lowercase();
    let occurs = |pattern: &Vec<u8>| memchr::memmem::find(&lower, &pattern.to_ascii_lowercase()).is_some();
    (0..).zip(patterns).filter(|(_, pattern)| occurs(pattern)).map(|(id, _)| id).collect()
}

fn agree(patterns: &[Vec<u8>], texts: &[Vec<u8>]) -> u64 {
    let mut set = PatternSet::default();
    for pattern in patterns {
        set.add(pattern);
    }
    let (prefilter, mut folded, mut scratch) = (set.compile(), Folded::default(), Scratch::default());
    for text in texts {
        let expected = simplest(patterns, text);
        folded.fold(text);
        let mut found = Vec::new();
        prefilter.scan(&folded, &mut scratch, |id| found.push(id));
        let others = prefilter.floating.scan_otherwise(folded.text(), &prefilter.patterns);
        let others = others.map(|answer| answer.into_iter().map(|(id, _)| id).collect());
        for mut answer in std::iter::once(found).chain(others) {
            answer.sort_unstable();
            answer.dedup();
            assert_eq!(answer, expected, "{:?}", String::from_utf8_lossy(text));
        }
    }
    scratch.odd_buffers
}

/// The captures of the golden cases.
fn traffic() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pcaps");
    let below = |path: &std::path::Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let cases =
        below(folder.as_ref()).filter(|path| path.is_dir()).flat_map(|protocol| below(&protocol).collect::<Vec<_>>());
    let mut captures: Vec<_> = cases.map(|case| case.join("capture.pcap")).filter(|path| path.is_file()).collect();
    captures.sort();
    captures.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Pieces of texts, as rules have them, some of them with a byte that is another one.
fn pieces(texts: &[Vec<u8>], count: usize) -> Vec<Vec<u8>> {
    let mut state = 17_u64;
    let mut roll = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % sides
    };
    let piece = |number: usize| {
        let text = &texts[roll(texts.len())];
        let length = 1 + roll(if number.is_multiple_of(8) { 3 } else { 20 });
        let start = roll(text.len() - length);
        let mut piece = text[start..start + length].to_vec();
        if number.is_multiple_of(2) {
            piece[length - 1] ^= 1;
        }
        piece
    };
    (0..count).map(piece).collect()
}

#[test]
fn on_real_traffic() {
    let traffic = traffic();
    assert!(traffic.len() > 5, "there are captures");
    let buffers: Vec<Vec<u8>> =
        traffic.iter().flat_map(|capture| capture.chunks(700).take(12)).map(<[u8]>::to_vec).collect();
    agree(&pieces(&traffic, 300), &buffers);
    agree(&pieces(&traffic, 3), &buffers);
}

#[test]
fn on_near_misses() {
    let patterns = pieces(&traffic(), 200);
    let nearly = |pattern: &Vec<u8>| {
        let mut text = pattern.repeat(20);
        let last = pattern.len() - 1;
        text.chunks_mut(pattern.len()).for_each(|part| part[last] ^= 2);
        text
    };
    let mut texts: Vec<Vec<u8>> = patterns.iter().map(nearly).collect();
    texts.push(patterns.concat());
    agree(&patterns, &texts);
}

#[test]
fn what_costs_too_much_is_left_to_the_automaton() {
    let patterns: Vec<Vec<u8>> =
        (0..64_u8).map(|n| [b"\x9c\x81\xd2\xeeea".as_slice(), &[b'a' + n / 8, b'a' + n % 8]].concat()).collect();
    let mut text = b"\x9c\x81\xd2\xee....".repeat(200);
    assert!(agree(&patterns, std::slice::from_ref(&text)) > 0);
    text.extend_from_slice(&patterns[63]);
    agree(&patterns, &[text]);
}

proptest! {
    #[test]
    fn on_noise(
        patterns in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abAB\x00 ".to_vec()), 1..9), 1..30),
        text in prop::collection::vec(prop::sample::select(b"abAB\x00 ".to_vec()), 0..300),
    ) {
        agree(&patterns, &[text]);
    }
}
