use serde_json::Value;

use super::super::cause::{Charge, Occasion, Volume};
use super::super::header::Header;
use super::*;

/// Books, and the traffic that they were told of.
struct Run {
    ledger: Ledger,
    clock: Clock,
    traffic: u64,
    whole: u64,
    octets: u64,
}

impl Run {
    fn new(settings: LedgerSettings) -> Self {
        Self { ledger: Ledger::new(settings, 2), clock: Clock::default(), traffic: 0, whole: 0, octets: 0 }
    }

    /// A record of 600 bytes that a packet of 60 caused, unless said otherwise.
    fn record(&mut self, kind: &'static str, source: &str, micros: u64, change: impl FnOnce(Cause) -> Cause) -> Booked {
        let header = Header {
            time: Timestamp(micros),
            flow_id: Some(7),
            source: source.parse().ok(),
            destination: "192.0.2.7".parse().ok(),
            protocol: Some(17),
            ..Header::default()
        };
        self.traffic += 60;
        let occasion = Occasion { now: Timestamp(micros), last: false, traffic: self.traffic };
        let cause = change(Cause::new(&header, kind, Charge { bytes: 60, answered: false }, occasion));
        let booked = self.ledger.book(0, &cause, 600, &mut self.clock);
        self.whole += u64::from(booked == Booked::Whole);
        self.octets += if booked == Booked::Whole { 600 } else { 0 };
        booked
    }

    /// The summaries so far, or all if it is the end.
    fn summaries(&mut self, is_end: bool) -> Vec<Value> {
        let written = if is_end { self.ledger.finish(&mut self.clock) } else { self.ledger.take_due() };
        written.iter().map(|(_, line)| serde_json::from_slice(line).unwrap()).collect()
    }
}

fn source(n: u64) -> String {
    format!("10.{}.{}.1", n / 256 % 256, n % 256)
}

#[test]
fn a_flood_has_no_more_octets_of_records_than_of_packets() {
    let spoofed: fn(u64) -> String = |n| format!("{}.{}.{}.9", n % 223 + 1, n / 223 % 256, n * 7 % 256);
    let floods = [
        ("one host", (|_| source(1)) as fn(u64) -> String, false),
        ("one host, answered", |_| source(1), true),
        ("spoofed", spoofed, false),
        ("from everywhere, answered", spoofed, true),
    ];
    for (name, from, answered) in floods {
        for kind in ["dns", "alert", "anomaly"] {
            let mut run = Run::new(LedgerSettings::default());
            for n in 0..40_000 {
                run.record(kind, &from(n), n * 10, |cause| {
                    let charge = Charge { answered, ..cause.charge };
                    let rule = if kind == "alert" { Name::Rule(1, 2) } else { Name::None };
                    Cause { charge, flow: Some(n), ..cause.named(rule) }
                });
            }
            let left_out: u64 = run.ledger.summed.values().sum();
            let summaries = run.summaries(true);
            let octets = run.octets + summaries.iter().map(|s| s.to_string().len() as u64).sum::<u64>();
            assert!(run.whole >= 64 && octets <= run.traffic, "{name}, {kind}: {octets} of {}", run.traffic);
            assert_eq!(run.whole + left_out, 40_000);
            let counted = |s: &Value| s["tapwire"]["summary"]["records"].as_u64().unwrap();
            assert_eq!(summaries.iter().map(counted).sum::<u64>(), left_out, "{name}, {kind}");
        }
    }
}

#[test]
fn what_is_no_flood_is_written_whatever_its_share_of_the_traffic() {
    // Records of ten times the traffic, for a minute: 200 a second, and 50 of what anybody can forge.
    for (answered, each_us) in [(true, 5_000), (false, 20_000)] {
        let mut run = Run::new(LedgerSettings::default());
        for n in 0..60_000_000 / each_us {
            let charged = |cause: Cause| Cause { charge: Charge { answered, ..cause.charge }, ..cause };
            assert_eq!(run.record("dns", &source(n % 4), n * each_us, charged), Booked::Whole, "{n}");
        }
        assert!(run.summaries(true).is_empty());
    }
}

#[test]
fn a_flood_leaves_room_for_the_first_of_other_types_and_for_quiet_networks() {
    let mut run = Run::new(LedgerSettings::default());
    for n in 0..20_000 {
        run.record("dns", &source(1), n * 10, |cause| cause);
    }
    let answered = |cause: Cause| Cause { charge: Charge { answered: true, ..cause.charge }, ..cause };
    assert_eq!(run.record("dns", &source(1), 200_000, |cause| cause), Booked::Summed);
    assert_eq!(run.record("dns", "203.0.113.9", 200_000, answered), Booked::Whole);
    assert_eq!(run.record("http", &source(1), 200_000, |cause| cause), Booked::Whole);
}

#[test]
fn first_alerts_of_a_rule_between_two_hosts_are_written_in_any_flood() {
    let mut run = Run::new(LedgerSettings::default());
    for n in 0..20_000 {
        run.record("alert", &source(1), n * 10, |cause| cause.named(Name::Rule(1, 1)));
    }
    assert_eq!(run.record("alert", &source(1), 200_000, |cause| cause.named(Name::Rule(1, 1))), Booked::Summed);
    for n in 0..LedgerSettings::default().first_alerts {
        for sid in 2..200 {
            let booked = run.record("alert", &source(1), 200_000, |cause| cause.named(Name::Rule(1, sid)));
            assert_eq!(booked, Booked::Whole, "alert {n} of rule {sid}");
        }
    }
    let summaries = run.summaries(true);
    let summary = &summaries[0]["tapwire"]["summary"];
    assert_eq!((&summary["of"], &summary["gid"], &summary["signature_id"]), (&"alert".into(), &1.into(), &1.into()));
    assert_eq!(summary["example"]["dest_ip"], "192.0.2.7");
}

#[test]
fn flows_of_one_packet_are_counted_at_both_ends_and_still_add_up() {
    let settings = LedgerSettings { rate: 2, ..LedgerSettings::default() };
    let mut run = Run::new(settings);
    let alone = Volume { packets: [1, 0], bytes: [60, 0], alone: true };
    for n in 0..30 {
        run.record("flow", &source(n * 256), 3_000_000, |cause| cause.of_flow(alone));
    }
    assert_eq!((run.whole, run.ledger.summed["flow"]), (20, 10));
    // The next interval brings the summary of the one before, and begins anew.
    assert_eq!(run.record("flow", &source(1), 11_000_000, |cause| cause.of_flow(alone)), Booked::Whole);
    let summaries = run.summaries(false);
    assert_eq!((&summaries[0]["event_type"], &summaries[0]["dest_ip"]), (&"flow".into(), &Value::Null));
    assert_eq!(summaries[0]["flow"]["pkts_toserver"], 10);
    assert_eq!(summaries[0]["flow"]["bytes_toserver"], 600);
    assert_eq!((&summaries[0]["tapwire"]["summary"]["udp"], summaries.len()), (&10.into(), 1));
    for n in 0..40 {
        run.record("flow", &source(n * 256), 12_000_000, |cause| cause.of_flow(alone));
    }
    let summaries = run.summaries(true);
    let summary = &summaries[0]["tapwire"]["summary"];
    assert_eq!((&summaries[0]["dest_ip"], &summary["end"]), (&"192.0.2.0".into(), &"destination".into()));
    assert_eq!((&summary["network"], &summary["records"]), (&"192.0.2.0/24".into(), &21.into()));
    assert_eq!((&summary["sources"], &summary["destinations"]), (&21.into(), &1.into()));
}

#[test]
fn a_flow_of_anomalies_has_few_records() {
    let mut run = Run::new(LedgerSettings::default());
    for n in 0..1_000 {
        run.record("anomaly", &source(1), n, |cause| cause.named(Name::Anomaly("http.noise")));
        run.record("http", &source(1), n, |cause| cause);
    }
    assert!((24..=64).contains(&run.whole), "{}", run.whole);
    assert_eq!(run.record("http", &source(1), 1_000, |cause| Cause { flow: Some(8), ..cause }), Booked::Whole);
    let summaries = run.summaries(true);
    let events: Vec<_> = summaries.iter().map(|s| &s["tapwire"]["summary"]["event"]).collect();
    assert_eq!(events, [&Value::from("http.noise"), &Value::Null]);
}

#[test]
fn what_a_flow_brought_has_room_for_all_of_its_records() {
    let mut run = Run::new(LedgerSettings::default());
    for n in 0..10_000 {
        run.traffic += 3_000;
        // The first of them is charged with all that the flow brought.
        for (kind, bytes) in [("fileinfo", 3_000), ("http", 0), ("flow", 120)] {
            let charge = Charge { bytes, answered: true };
            let booked = run.record(kind, &source(1), n * 100, |cause| Cause { charge, flow: Some(n), ..cause });
            assert_eq!(booked, Booked::Whole, "{kind} of flow {n}");
        }
    }
}

#[test]
fn long_records_of_a_flood_are_cut_before_they_are_summed_up() {
    let mut run = Run::new(LedgerSettings::default());
    let mut cut = 0;
    for n in 0..2_000 {
        let header = Header { source: source(1).parse().ok(), ..Header::default() };
        let (now, charge) = (Timestamp(n * 10), Charge { bytes: 1_200, answered: false });
        let cause = Cause::new(&header, "mdns", charge, Occasion { now, last: false, traffic: n * 1_200 });
        cut += u64::from(run.ledger.book(0, &cause, 16_000, &mut run.clock) == Booked::Short(2_048));
    }
    assert!(cut > 200, "{cut}");
}

#[test]
fn flows_that_end_with_the_run_get_what_others_left_when_they_began() {
    // Traffic of 180 KB a second, which records of 600 bytes for each 180 would have more of than time alone allows.
    for (what, kind) in [("with records of their own before", Some("http")), ("alone", None)] {
        let mut run = Run::new(LedgerSettings::default());
        for n in 0..10_000 {
            run.traffic += 360;
            if let Some(kind) = kind {
                run.record(kind, &source(n), n * 1_000, |cause| Cause { flow: Some(n), ..cause });
            }
        }
        for n in 0..10_000 {
            let late = |cause: Cause| {
                let occasion = Occasion { last: true, ..cause.occasion };
                Cause { charge: Charge { bytes: 0, answered: true }, occasion, ..cause }
            };
            run.traffic -= 60;
            run.record("flow", &source(n), n * 1_000, late);
        }
        let most = run.traffic.max(10 * (256 << 10));
        assert!(run.octets <= most + (256 << 10) && run.whole > 3_000, "{what}: {} of {most}", run.octets);
    }
}

#[test]
fn one_output_does_not_speak_for_another_and_none_is_asked_where_it_is_switched_off() {
    let mut run = Run::new(LedgerSettings { enabled: false, ..LedgerSettings::default() });
    assert!((0..20_000).all(|n| run.record("dns", &source(1), n, |cause| cause) == Booked::Whole));
    let mut run = Run::new(LedgerSettings::default());
    for n in 0..20_000 {
        run.record("dns", &source(1), n, |cause| cause);
    }
    let header = Header { source: source(1).parse().ok(), time: Timestamp(20_000), ..Header::default() };
    let occasion = Occasion { now: Timestamp(20_000), last: false, traffic: run.traffic };
    let cause = Cause::new(&header, "dns", Charge::default(), occasion);
    assert_eq!(run.ledger.book(1, &cause, 600, &mut run.clock), Booked::Whole);
    assert_eq!(run.ledger.book(9, &cause, 600, &mut run.clock), Booked::Whole);
}
