//! Pieces in any order, copies, floods.

use proptest::prelude::*;

use super::*;
use crate::start::config::{self, Given};

const HEADER: [u8; 20] = [0x45, 0, 0, 0, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

fn ipv4(offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
    let mut data = [&HEADER[..], body].concat();
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    data[2..4].copy_from_slice(&len);
    data[6..8].copy_from_slice(&(u16::try_from(offset / 8).unwrap() | u16::from(more) << 13).to_be_bytes());
    data
}

fn ipv6(offset: usize, more: bool, body: &[u8]) -> Vec<u8> {
    let mut data = vec![0x60, 0, 0, 0, 0, 0, 44, 64];
    data.extend([[1; 16], [2; 16]].concat());
    data.extend([17, 0, 0, 0, 0, 0, 0, 7]);
    data[42..44].copy_from_slice(&(u16::try_from(offset).unwrap() | u16::from(more)).to_be_bytes());
    data.extend(body);
    let len = u16::try_from(data.len() - 40).unwrap().to_be_bytes();
    data[4..6].copy_from_slice(&len);
    data
}

fn defragmenter(policy: &str) -> Defragmenter {
    let said = format!("host-os-policy.{policy}");
    let set = [(said, "10.0.0.0/8".into())];
    let loaded = config::load(Given { set: &set, ..Given::default() }).unwrap();
    assert!(policy == "none" || loaded.faults.is_empty(), "{:?}", loaded.faults);
    Defragmenter::new(Defrag::default(), loaded.configuration.systems, true)
}

fn give(all: &mut Defragmenter, second: u64, data: &[u8]) -> Outcome {
    all.packet(&Packet::decode(1, Timestamp(second * 1_000_000), 101, data, 0, false), None)
}

/// The bytes behind the headers of what is whole, and the anomaly. Pieces are small here.
fn seen(outcome: Outcome, head: usize) -> (Vec<Vec<u8>>, Option<&'static str>) {
    let bodies = outcome.datagrams.iter().map(|data| data[head..].to_vec()).collect();
    (bodies, outcome.anomaly.map(|anomaly| anomaly.0).filter(|name| *name != SMALL))
}

const SMALL: &str = "decoder.ipv6.frag_too_small";

#[test]
fn pieces_that_are_smaller_than_every_link_takes_are_named() {
    let name = |data: &[u8]| give(&mut defragmenter("none"), 0, data).anomaly.map(|anomaly| anomaly.0);
    assert_eq!(name(&ipv6(0, true, &[1; 1224])), Some(SMALL));
    assert_eq!(name(&ipv6(0, true, &[1; 1232])), None);
    assert_eq!(name(&ipv6(8, false, &[1; 8])), None);
    assert_eq!(name(&ipv4(0, true, &[1; 8])), None);
}

/// What a host with a policy makes of pieces that overlap, byte for byte.
fn model(policy: Policy, pieces: &[(usize, Vec<u8>)], len: usize) -> Option<Vec<u8>> {
    let mut bytes: Vec<Option<(u8, (u32, u32))>> = vec![None; len];
    for (offset, body) in pieces {
        let own = (u32::try_from(*offset).unwrap(), u32::try_from(offset + body.len()).unwrap());
        for (place, byte) in bytes[*offset..].iter_mut().zip(body) {
            if place.is_none_or(|(_, old)| policy.prefers_new(old, own)) {
                *place = Some((*byte, own));
            }
        }
    }
    bytes.into_iter().map(|byte| byte.map(|(byte, _)| byte)).collect()
}

#[test]
fn pieces_make_the_datagram_in_any_order() {
    let body: Vec<u8> = (0..40).collect();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        for (build, head) in [(ipv4 as fn(usize, bool, &[u8]) -> Vec<u8>, 20), (ipv6, 40)] {
            let mut all = defragmenter("none");
            let mut last = Outcome::default();
            for index in order {
                assert!(last.datagrams.is_empty());
                let (from, upto) = (index * 16, (index * 16 + 16).min(40));
                last = give(&mut all, 0, &build(from, upto < 40, &body[from..upto]));
                // The same once more changes nothing, unless it was the last one.
                if last.datagrams.is_empty() {
                    let again = give(&mut all, 0, &build(from, upto < 40, &body[from..upto]));
                    assert_eq!(seen(again, head), (vec![], None));
                }
            }
            assert_eq!(seen(last, head), (vec![body.clone()], None), "{order:?}");
            assert_eq!((all.memory_bytes(), all.pieces), (0, 0));
        }
    }
}

#[test]
fn hosts_of_today_drop_a_datagram_that_overlaps_and_begin_again() {
    for (build, head, name) in [
        (ipv4 as fn(usize, bool, &[u8]) -> Vec<u8>, 20, "decoder.ipv4.frag_overlap"),
        (ipv6, 40, "decoder.ipv6.frag_overlap"),
    ] {
        let mut all = defragmenter("none");
        give(&mut all, 0, &build(0, true, &[1; 16]));
        assert_eq!(seen(give(&mut all, 0, &build(8, true, &[2; 16])), head), (vec![], Some(name)));
        assert_eq!(seen(give(&mut all, 0, &build(24, false, &[3; 8])), head), (vec![], None));
        give(&mut all, 0, &build(0, true, &[4; 16]));
        let body = [[4; 16], [5; 16]].concat();
        let last = give(&mut all, 0, &build(16, true, &body[16..24]));
        assert_eq!(seen(last, head), (vec![[&[4; 16][..], &[5; 8], &[3; 8]].concat()], None));
        assert_eq!(all.counters.contradicting, 1);
    }
}

#[test]
fn another_copy_of_a_piece_makes_a_second_version() {
    let mut all = defragmenter("none");
    give(&mut all, 0, &ipv4(0, true, &[1; 16]));
    let other = give(&mut all, 0, &ipv4(0, true, &[2; 8]));
    assert_eq!(seen(other, 20), (vec![], Some("decoder.ipv4.frag_overlap")));
    let (versions, _) = seen(give(&mut all, 0, &ipv4(16, false, &[3; 4])), 20);
    let version = |a: u8| [&[a; 8][..], &[1; 8], &[3; 4]].concat();
    assert_eq!(versions, [version(1), version(2)]);
}

#[test]
fn ends_that_contradict_each_other_and_datagrams_that_are_too_long_are_named() {
    let mut all = defragmenter("none");
    give(&mut all, 0, &ipv4(16, false, &[1; 8]));
    let beyond = give(&mut all, 0, &ipv4(24, true, &[1; 8]));
    assert_eq!(seen(beyond, 20), (vec![], Some("decoder.ipv4.frag_overlap")));
    let long = give(&mut all, 0, &ipv4(65_528, false, &[1; 8]));
    assert_eq!(seen(long, 20), (vec![], Some("decoder.ipv4.frag_pkt_too_large")));
    let long = give(&mut all, 0, &ipv6(65_528, false, &[1; 8]));
    assert_eq!(seen(long, 40), (vec![], Some("decoder.ipv6.frag_pkt_too_large")));
}

#[test]
fn late_pieces_find_nothing_and_floods_push_out_what_came_first() {
    let mut all = defragmenter("none");
    give(&mut all, 0, &ipv4(0, true, &[1; 16]));
    let late = give(&mut all, 31, &ipv4(16, false, &[2; 8]));
    assert!(late.datagrams.is_empty());
    assert_eq!((all.counters.timed_out, all.counters.found_over, all.datagrams.len()), ([1, 0], 0, 1));
    let [given_up] = &all.take_given_up()[..] else { panic!("one is given up") };
    assert_eq!((given_up.anomaly.0, given_up.head.len()), ("decoder.ipv4.frag_incomplete", 20));
    let mut all = defragmenter("none");
    let mut other = ipv4(0, true, &[1; 16]);
    other[5] = 9;
    give(&mut all, 0, &ipv4(0, true, &[1; 16]));
    give(&mut all, 20, &other);
    give(&mut all, 25, &ipv4(16, true, &[1; 8]));
    give(&mut all, 31, &ipv4(24, false, &[1; 8]));
    assert_eq!((all.counters.timed_out, all.counters.found_over), ([1, 0], 1), "its own last piece came too late");
    let mut all = defragmenter("none");
    all.settings.pieces = 3;
    for id in 0..10 {
        let mut data = ipv4(0, true, &[1; 16]);
        data[5] = id;
        give(&mut all, 0, &data);
    }
    assert_eq!((all.counters.too_many_pieces, all.counters.too_many, all.pieces), (7, 0, 3));
    let hard = all.counters.by_name().into_iter().find(|(name, _)| *name == "defrag.tracker_hard_reuse");
    assert_eq!(hard.map(|(_, count)| count), Some(7));
    let mut all = defragmenter("none");
    all.settings.trackers = 3;
    for id in 0..10 {
        let mut data = ipv4(0, true, &[1; 16]);
        data[5] = id;
        give(&mut all, 0, &data);
    }
    assert_eq!((all.datagrams.len(), all.counters.too_many, all.pieces), (3, 7, 3));
    let defrag = Defrag { memory_bytes: 5_000, ..Defrag::default() };
    let mut all = Defragmenter::new(defrag, ByNetwork::default(), true);
    for id in 0..100 {
        let mut data = ipv4(0, true, &[1; 160]);
        data[5] = id;
        give(&mut all, 0, &data);
        assert!(all.memory_bytes() <= 5_000);
    }
    assert!(all.counters.evicted > 80 && !all.datagrams.is_empty());
}

#[test]
fn a_datagram_that_is_written_over_and_over_is_given_up() {
    let mut all = defragmenter("bsd");
    for round in 0..200u8 {
        give(&mut all, 0, &ipv4(8, true, &[round; 1480]));
    }
    assert!(all.counters.contradicting >= 2 && all.memory_bytes() < 400_000);
}

proptest! {
    #[test]
    fn overlaps_are_what_the_model_of_a_policy_says(
        which in 0usize..7,
        pieces in proptest::collection::vec((0usize..12, 1usize..6, any::<bool>()), 1..12),
    ) {
        let (name, policy) = [
            ("bsd", Policy::Bsd),
            ("bsd-right", Policy::BsdRight),
            ("old-linux", Policy::OldLinux),
            ("solaris", Policy::Solaris),
            ("hpux11", Policy::First),
            ("windows", Policy::Windows),
            ("linux", Policy::Drop),
        ][which];
        let len = 8 * 17;
        let mut taken: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut all = defragmenter(name);
        let mut value = 0;
        let mut overlaps = false;
        let mut every = pieces.iter().map(|(at, units, _)| (at * 8, units * 8)).collect::<Vec<_>>();
        // What fills all holes comes last, so that the datagram becomes whole with it.
        every.push((0, 0));
        for (at, size) in every {
            value += 1;
            let (at, size) = if size == 0 { (len - 8, 8) } else { (at, size) };
            let body = vec![value; size];
            overlaps |= taken.iter().any(|(o, b)| *o < at + size && at < o + b.len());
            taken.push((at, body.clone()));
            let outcome = give(&mut all, 0, &ipv4(at, at + size < len, &body));
            prop_assert!(outcome.datagrams.is_empty() || model(policy, &taken, len).is_some());
        }
        for at in (0..len).step_by(8) {
            if policy == Policy::Drop && overlaps {
                return Ok(());
            }
            if taken.iter().all(|(o, b)| at < *o || at >= o + b.len()) {
                value += 1;
                taken.push((at, vec![value; 8]));
                let outcome = give(&mut all, 0, &ipv4(at, at + 8 < len, &[value; 8]));
                match model(policy, &taken, len) {
                    None => prop_assert!(outcome.datagrams.is_empty()),
                    Some(expected) => prop_assert_eq!(&seen(outcome, 20).0[0], &expected),
                }
            }
        }
    }

    #[test]
    fn noise_never_panics_and_never_holds_more_than_it_may(
        packets in proptest::collection::vec((0usize..40, 0usize..60, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let mut all = defragmenter("bsd");
        for (at, size, more, v6) in packets {
            let data = if v6 { ipv6(at * 8, more, &vec![7; size]) } else { ipv4(at * 8, more, &vec![7; size]) };
            give(&mut all, 0, &data);
            prop_assert!(all.memory_bytes() <= 2 * (2 * 65_535 + 16_384));
        }
    }
}
