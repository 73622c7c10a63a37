use super::*;

fn counters(values: &[(&str, u64)]) -> BTreeMap<String, u64> {
    values.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn at(second: u64) -> (Timestamp, Duration) {
    (Timestamp(second * 1_000_000), Duration::from_secs(second))
}

/// Looks at the counters of each second in turn; what was told, and when.
fn told(
    checks: &'static [Check],
    settings: Settings,
    seconds: &[&[(&str, u64)]],
) -> Vec<(usize, &'static str, State, String)> {
    let mut monitor = Monitor::new(checks, settings, true);
    let mut all = Vec::new();
    for (second, values) in seconds.iter().enumerate() {
        let (time, clock) = at(second as u64);
        let findings = monitor.look(counters(values), time, clock);
        all.extend(findings.into_iter().map(|finding| (second, finding.name, finding.state, finding.in_words())));
    }
    all
}

#[test]
fn loss_is_told_when_it_begins_and_once_it_is_over() {
    let dropped = "tapwire.packets.dropped.ring_full";
    let mut seconds: Vec<Vec<(&str, u64)>> = vec![vec![(dropped, 0), (PACKETS, 1)]];
    seconds.extend([10, 30, 30, 35].map(|count| vec![(dropped, count), (PACKETS, count + 1)]));
    seconds.extend((0..8).map(|second| vec![(dropped, 35), (PACKETS, 50 + second)]));
    let seconds: Vec<&[(&str, u64)]> = seconds.iter().map(Vec::as_slice).collect();
    let told = told(QUICK, Settings::default(), &seconds);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].0, told[0].1, told[0].2), (1, "packets_lost", State::Begun));
    assert!(told[0].3.starts_with("packets are lost: 10 because a worker was too far behind; "), "{}", told[0].3);
    assert_eq!((told[1].0, told[1].2), (9, State::Over), "five seconds after the last one");
    assert_eq!(told[1].3, "no more packets are lost (in all 35 packets lost)");
}

use super::checks::PACKETS;

#[test]
fn silence_is_told_after_its_time_and_its_end_at_once() {
    let settings = Settings { silence_s: 3, ..Settings::default() };
    let seconds: Vec<[(&str, u64); 1]> = [7, 7, 7, 7, 7, 8, 8].iter().map(|count| [(PACKETS, *count)]).collect();
    let seconds: Vec<&[(&str, u64)]> = seconds.iter().map(<[_; 1]>::as_slice).collect();
    let said: Vec<_> =
        told(QUICK, settings, &seconds).into_iter().map(|(second, _, state, _)| (second, state)).collect();
    assert_eq!(said, [(3, State::Begun), (5, State::Over)]);
    assert_eq!(told(QUICK, Settings { silence_s: 0, ..settings }, &seconds), []);
}

#[test]
fn each_check_is_found_by_its_counters_and_not_by_few_of_them() {
    for (name, much, little) in [
        (
            "checksums_refused",
            &[("tapwire.checksums.refused", 60), ("decoder.tcp", 100)][..],
            &[("tapwire.checksums.refused", 40), ("decoder.tcp", 100)][..],
        ),
        (
            "one_sided",
            &[("tapwire.flow.one_sided", 10), ("tapwire.flow.two_sided", 20)],
            &[("tapwire.flow.one_sided", 10), ("tapwire.flow.two_sided", 90)],
        ),
        (
            "data_unseen",
            &[("tcp.ack_unseen_data", 30), ("decoder.tcp", 9_000)],
            &[("tcp.ack_unseen_data", 30), ("decoder.tcp", 90_000)],
        ),
        (
            "packets_cut",
            &[("tapwire.packets.cut", 60), ("decoder.pkts", 100)],
            &[("tapwire.packets.cut", 40), ("decoder.pkts", 100)],
        ),
        ("packets_glued", &[("tapwire.packets.glued", 10)], &[("tapwire.packets.glued", 9)]),
        (
            "group_traffic_only",
            &[("tapwire.packets.group", 100), ("decoder.ethernet", 100)],
            &[("tapwire.packets.group", 150), ("decoder.ethernet", 200)],
        ),
        (
            "duplicates",
            &[("tapwire.packets.duplicates", 100), ("decoder.pkts", 300)],
            &[("tapwire.packets.duplicates", 3), ("decoder.pkts", 300)],
        ),
        ("limits", &[("flow.memcap", 60), ("tapwire.parsers_dry", 60)], &[("flow.memcap", 60)]),
    ] {
        let found = |values: &[(&str, u64)]| -> Vec<&str> {
            of_run(&counters(values), Timestamp(0), true).into_iter().map(|finding| finding.name).collect()
        };
        assert_eq!(found(much), [name], "{much:?}");
        assert_eq!(found(little), [""; 0], "{little:?}");
    }
    assert!(
        of_run(&counters(&[("tapwire.packets.glued", 10)]), Timestamp(0), false).is_empty(),
        "a host may capture so"
    );
}

#[test]
fn what_is_only_away_for_a_moment_goes_on() {
    let values = |refused: u64, all: u64| [("tapwire.checksums.refused", refused), ("decoder.tcp", all)];
    let seconds = [values(0, 0), values(90, 100), values(90, 200), values(180, 300), values(180, 300)];
    let seconds: Vec<&[(&str, u64)]> = seconds.iter().map(<[_; 2]>::as_slice).collect();
    let told = told(SLOW, Settings::default(), &seconds);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].3.contains("90 of 100 TCP and UDP packets") && told[0].3.contains("--checksums auto"));
}

#[test]
fn names_are_those_of_counters() {
    let mut all: Vec<&str> = names().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), QUICK.len() + SLOW.len());
}
