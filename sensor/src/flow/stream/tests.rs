//! Streams, against a model of the bytes and by example.

use proptest::prelude::*;

use super::*;
use crate::decode::memory::{Account, Budget};

fn store() -> Store {
    Store::new(Account::new(Budget::new(1 << 20)))
}

fn text(stream: &Stream) -> &[u8] {
    match stream.parser_next() {
        Chunk::Data(data) => data,
        _ => b"",
    }
}

/// Reads all there is, gaps as their length in brackets.
fn drain(stream: &mut Stream) -> String {
    let mut out = String::new();
    loop {
        match stream.parser_next() {
            Chunk::Data(data) => {
                out.push_str(&String::from_utf8_lossy(data));
                let count = data.len();
                stream.parser_consume(count);
            }
            Chunk::Gap(length) => {
                out.push_str(&format!("[{length}]"));
                stream.parser_skip_gap();
            }
            Chunk::Nothing => return out,
        }
    }
}

#[test]
fn only_what_is_acknowledged_is_seen() {
    let (mut stream, mut store, settings) = (Stream::new(100, Overlap::Bsd), store(), StreamSettings::default());
    assert!(stream.insert(100, b"hello", None, &settings, &mut store).accepted);
    assert_eq!(stream.parser_next(), Chunk::Nothing);
    assert!(stream.acknowledge(103, &mut store));
    assert_eq!(text(&stream), b"hel");
    stream.parser_consume(2);
    assert!(stream.acknowledge(105, &mut store));
    assert_eq!(text(&stream), b"llo");
    assert_eq!(stream.raw_next(), Chunk::Data(b"hello"));
    stream.parser_consume(3);
    stream.raw_consume(5);
    stream.settle(&mut store);
    assert_eq!((stream.held_bytes(), store.used_bytes()), (0, 0));
}

#[test]
fn a_hole_that_is_acknowledged_is_a_gap_for_each_reader() {
    let (mut stream, mut store, settings) = (Stream::new(0, Overlap::Bsd), store(), StreamSettings::default());
    stream.insert(0, b"ab", None, &settings, &mut store);
    stream.insert(5, b"fg", None, &settings, &mut store);
    stream.acknowledge(7, &mut store);
    assert_eq!(drain(&mut stream), "ab[3]fg");
    assert!(stream.gap_seen());
    assert_eq!(stream.raw_next(), Chunk::Data(b"ab"));
    stream.raw_consume(2);
    assert_eq!(stream.raw_next(), Chunk::Gap(3));
    stream.raw_skip_gap();
    assert_eq!((stream.raw_next(), stream.unread_raw()), (Chunk::Data(b"fg"), 2));
    assert_eq!((stream.holes(), stream.max_regions()), (1, 1));
}

#[test]
fn bytes_that_are_lost_of_what_nobody_reads_are_told() {
    let (mut stream, mut store, settings) = (Stream::new(0, Overlap::Bsd), store(), StreamSettings::default());
    stream.insert(0, b"0123456789", None, &settings, &mut store);
    stream.insert(20, b"0123456789", None, &settings, &mut store);
    stream.acknowledge(10, &mut store);
    stream.parser_off();
    stream.raw_off();
    stream.raw_consume(10);
    assert!(!stream.raw_on() && stream.early_bytes() == 0);
    // What waited is not kept, but that it came is known.
    stream.insert(10, b"0123456789", None, &settings, &mut store);
    stream.insert(40, b"0123456789", None, &settings, &mut store);
    stream.acknowledge(30, &mut store);
    assert!(!stream.gap_seen());
    stream.acknowledge(50, &mut store);
    assert!(stream.gap_seen());
}

#[test]
fn what_a_parser_left_before_a_gap_is_dropped_with_it() {
    let (mut stream, mut store, settings) = (Stream::new(0, Overlap::Bsd), store(), StreamSettings::default());
    stream.insert(0, b"ab", None, &settings, &mut store);
    stream.acknowledge(2, &mut store);
    stream.parser_consume(1);
    assert!(!stream.parser_drop_before_gap(), "more may come");
    stream.insert(5, b"fg", None, &settings, &mut store);
    assert!(!stream.parser_drop_before_gap(), "the hole may be filled");
    stream.acknowledge(7, &mut store);
    assert_eq!(text(&stream), b"b");
    assert!(stream.parser_drop_before_gap());
    assert_eq!(drain(&mut stream), "[3]fg");
    assert_eq!(stream.raw_next(), Chunk::Data(b"ab"));
}

#[test]
fn an_acknowledgement_that_overtook_its_segment_is_no_gap() {
    let (mut stream, mut store, settings) = (Stream::new(0, Overlap::Bsd), store(), StreamSettings::default());
    stream.acknowledge(4, &mut store);
    assert_eq!(stream.parser_next(), Chunk::Nothing);
    stream.insert(0, b"late", None, &settings, &mut store);
    assert_eq!(text(&stream), b"late");
    assert!(!stream.gap_seen());
}

#[test]
fn a_flush_shows_what_waits() {
    let (mut stream, mut store, settings) = (Stream::new(0, Overlap::Bsd), store(), StreamSettings::default());
    stream.insert(0, b"ab", None, &settings, &mut store);
    stream.insert(4, b"ef", None, &settings, &mut store);
    stream.insert(8, b"ij", None, &settings, &mut store);
    stream.flush();
    assert!(stream.closed());
    // The parser stops at the first hole that nobody acknowledged, raw inspection goes on.
    assert_eq!(drain(&mut stream), "ab");
    let mut raw = Vec::new();
    loop {
        match stream.raw_next() {
            Chunk::Data(data) => {
                raw.push(data.to_vec());
                let count = data.len();
                stream.raw_consume(count);
            }
            Chunk::Gap(_) => stream.raw_skip_gap(),
            Chunk::Nothing => break,
        }
    }
    assert_eq!(raw, [b"ab", b"ef", b"ij"]);
}

#[test]
fn the_depth_ends_what_is_stored() {
    let settings = StreamSettings { depth_bytes: 4, ..StreamSettings::default() };
    let (mut stream, mut store) = (Stream::new(0, Overlap::Bsd), store());
    let stored = stream.insert(0, b"abcdef", None, &settings, &mut store);
    assert_eq!(stored.anomaly, Some(Anomaly("stream.reassembly_depth_reached")));
    assert_eq!(stream.insert(6, b"gh", None, &settings, &mut store), Stored::default());
    stream.acknowledge(8, &mut store);
    assert_eq!(drain(&mut stream), "abcd");
    assert!(stream.depth_reached() && !stream.gap_seen());
}

#[test]
fn a_protocol_may_have_a_depth_of_its_own() {
    let settings = StreamSettings { depth_bytes: 4, ..StreamSettings::default() };
    let (mut stream, mut store) = (Stream::new(0, Overlap::Bsd), store());
    stream.set_depth(0);
    stream.insert(0, b"abcdef", None, &settings, &mut store);
    stream.acknowledge(6, &mut store);
    assert_eq!((drain(&mut stream), stream.depth_reached()), ("abcdef".into(), false));
}

#[test]
fn the_policy_says_which_of_two_early_copies_counts() {
    let cases = [
        // policy, first copy at, second copy at, what is read of 1..7
        (Overlap::First, (3, "BBB"), (2, "cccc"), "acBBB"),
        (Overlap::Bsd, (3, "BBB"), (2, "cccc"), "acccc"),
        (Overlap::Bsd, (3, "BBB"), (3, "ccc"), "a[1]BBB"),
        (Overlap::Linux, (3, "BB"), (3, "ccc"), "a[1]ccc"),
        (Overlap::Linux, (3, "BBB"), (3, "ccc"), "a[1]BBB"),
        (Overlap::OldLinux, (3, "BBB"), (3, "ccc"), "a[1]ccc"),
        (Overlap::Last, (3, "BBB"), (4, "ccc"), "a[1]Bccc"),
        (Overlap::First, (3, "BBB"), (4, "ccc"), "a[1]BBBc"),
    ];
    for (overlap, old, new, expected) in cases {
        let settings = StreamSettings::default();
        let (mut stream, mut store) = (Stream::new(1, overlap), store());
        stream.insert(1, b"a", None, &settings, &mut store);
        stream.insert(old.0, old.1.as_bytes(), None, &settings, &mut store);
        let stored = stream.insert(new.0, new.1.as_bytes(), None, &settings, &mut store);
        assert_eq!(stored.anomaly, Some(DIFFERENT), "{overlap:?}");
        stream.acknowledge(7, &mut store);
        assert_eq!(drain(&mut stream), expected, "{overlap:?} {old:?} {new:?}");
    }
}

#[test]
fn bytes_that_were_in_order_stay_but_a_difference_is_told() {
    for (overlap, expected) in [(Overlap::Bsd, "abcdef"), (Overlap::OldLinux, "abXYZf"), (Overlap::Last, "abXYZf")] {
        let settings = StreamSettings::default();
        let (mut stream, mut store) = (Stream::new(0, overlap), store());
        stream.insert(0, b"abcdef", None, &settings, &mut store);
        stream.acknowledge(2, &mut store);
        assert_eq!(stream.insert(1, b"bXYZ", None, &settings, &mut store).anomaly, Some(DIFFERENT));
        stream.acknowledge(6, &mut store);
        assert_eq!(drain(&mut stream), expected);
    }
}

#[test]
fn another_version_is_shown_however_finely_the_real_one_is_cut() {
    let settings = StreamSettings::default();
    let (mut stream, mut store) = (Stream::new(0, Overlap::Bsd), store());
    let (phantom, real) = ([b'a'; 2_000], [b'b'; 2_000]);
    stream.insert(0, &phantom, None, &settings, &mut store);
    let mut copied = 0;
    for (at, byte) in (0..).zip(real) {
        stream.insert(at, &[byte], None, &settings, &mut store);
        stream.acknowledge(at + 1, &mut store);
        copied += stream.parser_alternative(0).map_or(0, |copy| copy.len());
    }
    let last = stream.parser_alternative(1).unwrap();
    assert_eq!(last.len(), real.len());
    assert!(last.starts_with(&[b'b'; 600]), "as many copies as there is room for");
    assert!(copied < 3 * real.len(), "{copied} bytes were copied");
    assert_eq!(stream.parser_alternative(1), None, "nothing came since");
    assert_eq!(stream.raw_alternative().map(|copy| copy.len()), Some(real.len()));
}

#[test]
fn memory_that_ran_out_leaves_a_gap() {
    let (mut stream, settings) = (Stream::new(0, Overlap::Bsd), StreamSettings::default());
    let mut store = Store::new(Account::new(Budget::new(400)));
    stream.insert(0, &[b'a'; 200], None, &settings, &mut store);
    stream.insert(200, &[b'b'; 200], None, &settings, &mut store);
    assert_eq!(store.refused(), (1, 200));
    stream.acknowledge(200, &mut store);
    stream.parser_consume(200);
    stream.raw_consume(200);
    stream.settle(&mut store);
    stream.insert(400, b"c", None, &settings, &mut store);
    stream.acknowledge(401, &mut store);
    assert_eq!(drain(&mut stream), "[200]c");
}

#[test]
fn bytes_that_come_backwards_one_by_one_cost_linear_work() {
    let settings = StreamSettings { early_segments: usize::MAX, ..StreamSettings::default() };
    let mut store = Store::new(Account::new(Budget::new(0)));
    let mut stream = Stream::new(0, Overlap::Bsd);
    for at in (0..50_000_u32).rev() {
        stream.insert(at, b"x", None, &settings, &mut store);
    }
    stream.acknowledge(50_000, &mut store);
    assert_eq!(text(&stream).len(), 50_000);
}

#[test]
fn runs_stay_few_however_finely_and_in_whatever_order_they_were_cut() {
    let forth: Vec<u32> = (1..4000).collect();
    let back: Vec<u32> = forth.iter().rev().copied().collect();
    let mixed: Vec<u32> = forth.iter().map(|at| at * 1237 % 4000).collect();
    for overlap in [Overlap::First, Overlap::Last, Overlap::Bsd] {
        for (order, length) in [(&forth, 1), (&back, 1), (&mixed, 1), (&forth, 700), (&back, 700), (&mixed, 700)] {
            let (mut stream, mut store, settings) = (Stream::new(0, overlap), store(), StreamSettings::default());
            for at in order {
                stream.insert(*at, &vec![b'x'; length], None, &settings, &mut store);
            }
            let runs = stream.rare.as_ref().unwrap().early.spans().count();
            assert!(runs <= 6, "{overlap:?}: {runs} runs of {length} octets each");
        }
    }
}

#[test]
fn what_closes_the_first_hole_is_taken_though_no_more_may_wait() {
    let settings = StreamSettings { early_segments: 8, ..StreamSettings::default() };
    let (mut stream, mut store) = (Stream::new(0, Overlap::Bsd), store());
    for at in 1..20 {
        stream.insert(at, b"b", None, &settings, &mut store);
    }
    assert_eq!(store.refused(), (11, 11));
    assert!(stream.insert(0, b"a", None, &settings, &mut store).accepted);
    stream.acknowledge(9, &mut store);
    assert_eq!(drain(&mut stream), "abbbbbbbb");
}

fn pieces() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0..300_usize, 1..40_usize), 0..120)
}

#[test]
fn an_urgent_byte_is_taken_out_also_of_what_is_sent_again() {
    let (mut stream, mut store, settings) = (Stream::new(u32::MAX, Overlap::Bsd), store(), StreamSettings::default());
    let sequence = |at: u32| u32::MAX.wrapping_add(at);
    stream.insert(sequence(0), b"maliX", Some(4), &settings, &mut store);
    assert_eq!(stream.insert(sequence(3), b"iXci", None, &settings, &mut store).anomaly, None);
    stream.insert(sequence(7), b"ousY", Some(3), &settings, &mut store);
    stream.acknowledge(sequence(10), &mut store);
    stream.insert(sequence(12), b"!", None, &settings, &mut store);
    stream.insert(sequence(11), b" ", None, &settings, &mut store);
    stream.acknowledge(sequence(13), &mut store);
    assert_eq!((text(&stream), stream.urgent_bytes()), (b"malicious !".as_slice(), 2));
    assert_eq!(stream.holes(), 0);
}

/// What a host with a policy makes of segments, byte for byte: (offset, bytes), and what it has acknowledged before each.
fn model(overlap: Overlap, segments: &[(usize, Vec<u8>, usize)], len: usize) -> Vec<Option<u8>> {
    let mut bytes: Vec<Option<(u8, (u64, u64))>> = vec![None; len];
    let mut in_order = 0;
    for (offset, body, acknowledged) in segments {
        let own = (*offset as u64, (offset + body.len()) as u64);
        for (at, byte) in (*offset..).zip(body) {
            let takes = match bytes[at] {
                None => true,
                Some(_) if at < in_order => matches!(overlap, Overlap::Last | Overlap::OldLinux) && at >= *acknowledged,
                Some((_, old)) => overlap.prefers_new(old, own),
            };
            if takes {
                bytes[at] = Some((*byte, own));
            }
        }
        in_order = bytes.iter().position(Option::is_none).unwrap_or(len);
    }
    bytes.into_iter().map(|byte| byte.map(|(byte, _)| byte)).collect()
}

proptest! {
    #[test]
    fn overlaps_are_what_the_model_of_a_policy_says(
        which in 0..5_usize,
        base in any::<u32>(),
        cuts in proptest::collection::vec((0..90_usize, 1..12_usize, 0..100_usize), 1..30),
    ) {
        let overlap = [Overlap::First, Overlap::Last, Overlap::Bsd, Overlap::Linux, Overlap::OldLinux][which];
        let (mut stream, mut store, settings) = (Stream::new(base, overlap), store(), StreamSettings::default());
        let sequence = |at: usize| base.wrapping_add(u32::try_from(at).unwrap());
        let mut segments: Vec<(usize, Vec<u8>, usize)> = Vec::new();
        let mut acknowledged = 0;
        let holes = (0..100).map(|at| (at, 1, 0));
        for (number, (at, length, wanted)) in cuts.into_iter().chain(holes).enumerate() {
            let end = (at + length).min(100);
            // At the end only what is missing comes.
            let before = model(overlap, &segments, 100);
            if number >= 30 && length == 1 && before[at].is_some() {
                continue;
            }
            let body = vec![u8::try_from(number % 251).unwrap(); end - at];
            segments.push((at, body.clone(), acknowledged));
            stream.insert(sequence(at), &body, None, &settings, &mut store);
            let have = model(overlap, &segments, 100).iter().position(Option::is_none).unwrap_or(100);
            acknowledged = acknowledged.max(wanted.min(have));
            stream.acknowledge(sequence(acknowledged), &mut store);
        }
        stream.acknowledge(sequence(100), &mut store);
        let expected: Option<Vec<u8>> = model(overlap, &segments, 100).into_iter().collect();
        prop_assert_eq!(Some(text(&stream).to_vec()), expected);
    }

    #[test]
    fn any_cut_order_and_repetition_gives_the_same_bytes(
        base in prop_oneof![any::<u32>(), (0..400_u32).prop_map(|back| u32::MAX - back)],
        pieces in pieces(),
        acknowledgements in proptest::collection::vec(0..340_usize, 0..60),
    ) {
        let bytes: Vec<u8> = (0..340_u32).map(|i| (i % 251) as u8).collect();
        let (mut stream, mut store, settings) = (Stream::new(base, Overlap::Bsd), store(), StreamSettings::default());
        let sequence = |at: usize| base.wrapping_add(u32::try_from(at).unwrap());
        let mut seen = [false; 340];
        let mut read = Vec::new();
        let whole = (0..34).map(|i| (i * 10, 10));
        for (step, (at, length)) in pieces.into_iter().chain(whole).enumerate() {
            let end = (at + length).min(340);
            let stored = stream.insert(sequence(at), &bytes[at..end], None, &settings, &mut store);
            prop_assert_eq!(stored.anomaly, None);
            seen[at..end].fill(true);
            // A receiver acknowledges what it has.
            let have = seen.iter().position(|seen| !seen).unwrap_or(340);
            let acknowledged = acknowledgements.get(step).map_or(have, |wanted| (*wanted).min(have));
            stream.acknowledge(sequence(acknowledged), &mut store);
            let done = text(&stream).len() * (step % 3) / 2;
            read.extend_from_slice(&text(&stream)[..done.min(text(&stream).len())]);
            stream.parser_consume(done);
            if let Chunk::Data(data) = stream.raw_next() {
                let count = data.len();
                prop_assert_eq!(data, &bytes[index(stream.raw_offset())..][..count]);
                stream.raw_consume(count);
            }
            stream.settle(&mut store);
            prop_assert!(store.used_bytes() <= stream.held_bytes() + EARLY_BYTES);
        }
        stream.acknowledge(sequence(340), &mut store);
        let rest = text(&stream).len();
        read.extend_from_slice(text(&stream));
        stream.parser_consume(rest);
        prop_assert_eq!(read, bytes);
        prop_assert!(!stream.gap_seen());
    }

    #[test]
    fn noise_keeps_its_limits(
        steps in proptest::collection::vec((any::<u32>(), 0..2000_usize, 0..8_u8), 0..200),
    ) {
        let settings = StreamSettings { depth_bytes: 100_000, early_segments: 16, ..StreamSettings::default() };
        let mut store = Store::new(Account::new(Budget::new(50_000)));
        let mut stream = Stream::new(7, Overlap::Last);
        for (number, length, kind) in steps {
            match kind {
                0 => { stream.acknowledge(number % 200_000, &mut store); }
                1 => stream.parser_skip_gap(),
                2 => stream.raw_skip_gap(),
                3 => stream.parser_consume(length),
                4 => stream.raw_consume(length),
                5 => { stream.insert(number, &vec![1; length], (number % 3 == 0).then_some(length / 2), &settings, &mut store); }
                _ => { stream.insert(number % 150_000, &vec![2; length], (number % 3 == 0).then_some(length / 2), &settings, &mut store); }
            }
            prop_assert!(stream.rare.as_ref().map_or(0, |rare| rare.early.places()) <= 2 * 16 + 1);
            prop_assert!(stream.pieces().count() <= MAX_PIECES);
            prop_assert!(store.used_bytes() <= 50_000);
        }
        stream.flush();
        drain(&mut stream);
        stream.discharge(&mut store);
        prop_assert_eq!(store.used_bytes(), 0);
    }
}
