//! Counters of `stats` records, each with traffic that moves it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::wire::{ACK, FIN, RST, SYN, Wire};
use common::{Run, captures};
use serde_json::Value;

const URG: u8 = 32;

/// What is asked of a counter.
#[derive(Debug)]
enum Is {
    /// Its value.
    Number(u64),
    /// It is not 0.
    Counted,
    /// It is not there.
    Absent,
}
use Is::{Absent, Counted, Number};

/// Traffic, settings as `key=value`, rules, and what the counters are then.
type Case<'c> = (&'c Wire, &'c [&'c str], &'c str, &'c [(&'c str, Is)]);

/// A segment without bytes: whether it goes to the server, its flags, its number and what it acknowledges.
type Segment = (bool, u8, u32, u32);

/// The counter of a dotted name.
fn counter<'v>(stats: &'v Value, name: &str) -> Option<&'v Value> {
    name.split('.').try_fold(stats, |value, part| value.get(part))
}

fn check((wire, settings, rules, wanted): Case<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let (capture, file) = (folder.path().join("capture.pcap"), folder.path().join("local.rules"));
    wire.write(&capture);
    std::fs::write(&file, rules).unwrap();
    for threads in ["1", "3"] {
        let run = Run::replay(&capture).arg("--checksums").arg("off").arg("--threads").arg(threads);
        let run = settings.iter().fold(run, |run, setting| run.arg("--set").arg(setting));
        let run = if rules.is_empty() { run.arg("--no-rules") } else { run.arg("--rules").path(&file) };
        run.output();
        let stats = run.stats();
        for (name, is) in wanted {
            let count = counter(&stats, name).map(|value| value.as_u64().unwrap());
            let holds = match is {
                Number(number) => count == Some(*number),
                Counted => count.is_some_and(|count| count > 0),
                Absent => count.is_none(),
            };
            assert!(holds, "{name} with {threads} workers and {settings:?}: {count:?}, and not {is:?}");
        }
    }
}

/// A wire on which a connection is open, and more.
fn connection(more: impl FnOnce(&mut Wire)) -> Wire {
    let mut wire = Wire::to(80);
    wire.handshake();
    more(&mut wire);
    wire
}

#[test]
fn packets_and_bytes_of_connections() {
    let wire = connection(|wire| {
        wire.segment(true, ACK, 0, 0, b"abcd").segment(true, ACK, 0, 0, b"abcd").segment(true, ACK, 2, 0, b"XYef");
        wire.urgent = 1;
        wire.segment(true, ACK | URG, 6, 0, b"g");
        wire.urgent = 0;
        wire.segment(false, ACK, 0, 107, b"").segment(false, RST | ACK, 0, 107, b"");
    });
    let counts = [
        ("tcp.syn", Number(1)),
        ("tcp.synack", Number(1)),
        ("tcp.rst", Number(1)),
        ("tcp.urg", Number(1)),
        ("tcp.urgent_oob_data", Number(1)),
        ("tcp.overlap", Number(2)),
        ("tcp.overlap_diff_data", Number(1)),
        ("tcp.ack_unseen_data", Number(1)),
        ("tcp.sessions", Number(1)),
        ("tcp.active_sessions", Number(0)),
        ("tcp.insert_data_overlap_fail", Number(0)),
        ("tcp.pseudo", Counted),
        ("tcp.segment_from_pool", Counted),
        ("flow.active", Number(0)),
        ("flow.recycler.recycled", Number(1)),
        ("flow.end.state.closed", Number(1)),
        ("flow.end.tcp_state.closed", Number(1)),
        ("flow.wrk.flows_evicted_pkt_inject", Counted),
        ("stream.reassembly_overlap_different_data", Absent),
    ];
    check((&wire, &[], "", &counts));
    check((&wire, &["tapwire.rival-bytes=0"], "", &[("tcp.insert_data_overlap_fail", Number(1))]));
    let events = [
        ("stream.reassembly_overlap_different_data", Number(1)),
        ("stream.3whs_synack_resend_with_diff_ack", Number(0)),
        ("stream.one_side_seen", Absent),
        ("decoder.event.ipv4.trunc_pkt", Absent),
    ];
    check((&wire, &["stats.stream-events=yes", "stats.decoder-events=no"], "", &events));
    let deep = [("tcp.stream_depth_reached", Number(1)), ("tcp.sessions", Number(1))];
    check((&wire, &["stream.reassembly.depth=3"], "", &deep));
    let holes = connection(|wire| {
        (1..9).for_each(|place| {
            wire.segment(true, ACK, place * 10, 0, b"abc");
        });
    });
    check((&holes, &["tapwire.early-segments=3"], "", &[("tcp.insert_data_normal_fail", Number(5))]));
    let long = connection(|wire| {
        for place in 0..40 {
            wire.segment(true, ACK, place * 1000, 0, &[b'a'; 1000]);
            wire.segment(false, ACK, 0, (place + 1) * 1000, b"");
        }
        wire.segment(false, ACK, 0, 40_000, &[b'b'; 1000]);
    });
    check((&long, &[], "", &[("tcp.segment_from_cache", Counted)]));
}

#[test]
fn states_in_which_flows_end() {
    let ends: &[(&str, &[Segment])] = &[
        ("established", &[]),
        ("close_wait", &[(true, FIN | ACK, 0, 0), (false, ACK, 0, 1)]),
        ("last_ack", &[(true, FIN | ACK, 0, 0), (false, FIN | ACK, 0, 1)]),
        ("fin_wait1", &[(false, FIN | ACK, 0, 0)]),
        ("fin_wait2", &[(false, FIN | ACK, 0, 0), (true, ACK, 0, 1)]),
        ("closing", &[(false, FIN | ACK, 0, 0), (true, FIN | ACK, 0, 0)]),
        ("time_wait", &[(false, FIN | ACK, 0, 0), (true, FIN | ACK, 0, 1)]),
        ("closed", &[(true, RST, 0, 0)]),
    ];
    for (state, segments) in ends {
        let wire = connection(|wire| {
            segments.iter().for_each(|(to_server, flags, at, acknowledged)| {
                wire.segment(*to_server, *flags, *at, *acknowledged, b"");
            });
        });
        check((&wire, &[], "", &[(&format!("flow.end.tcp_state.{state}"), Number(1))]));
    }
    let mut wire = Wire::to(80);
    wire.segment(true, SYN, u32::MAX, 0, b"");
    check((&wire, &[], "", &[("flow.end.tcp_state.syn_sent", Number(1)), ("flow.end.state.new", Number(1))]));
    wire.segment(false, SYN | ACK, u32::MAX, 0, b"");
    check((&wire, &[], "", &[("flow.end.tcp_state.syn_recv", Number(1)), ("flow.end.state.new", Number(1))]));

    let mut middle = Wire::to(80);
    middle.segment(true, ACK, 0, 0, b"abcd").segment(false, ACK, 0, 4, b"efgh");
    let none = [("flow.end.tcp_state.none", Number(1)), ("exception_policy.tcp.midstream.bypass", Absent)];
    check((&middle, &[], "", &none));
    let picked_up = [
        ("tcp.midstream_pickups", Number(1)),
        ("flow.end.tcp_liberal", Number(1)),
        ("flow.end.state.established", Number(1)),
        ("exception_policy.tcp.midstream.pass_flow", Number(1)),
        ("exception_policy.tcp.reassembly.pass_flow", Absent),
    ];
    check((&middle, &["stream.midstream=yes", "stream.midstream-policy=pass-flow"], "", &picked_up));
    let bypassed = [("exception_policy.tcp.midstream.bypass", Number(1)), ("flow.end.state.local_bypassed", Number(1))];
    check((&middle, &["stream.midstream-policy=bypass"], "", &bypassed));

    let mut late = connection(|wire| {
        wire.segment(true, ACK, 0, 0, b"abcd");
    });
    late.time_us += 100_000_000_000;
    late.segment(true, SYN, 900_000, 0, b"");
    let over = [("flow.wrk.flows_evicted", Number(1)), ("flow.wrk.flows_evicted_needs_work", Number(1))];
    check((&late, &[], "", &over));

    let large = connection(|wire| {
        wire.segment(true, ACK, 0, 0, &[b'a'; 300]).segment(false, ACK, 0, 300, &[b'b'; 300]);
    });
    let elephants =
        [("flow.elephant", Number(1)), ("flow.elephant_toserver", Number(1)), ("flow.elephant_toclient", Number(1))];
    check((&large, &["flow.rate-tracking.bytes=300", "flow.rate-tracking.interval=10"], "", &elephants));
}

#[test]
fn what_packets_carry() {
    let inner = |v6: bool| {
        let udp = [0x10, 0, 0x20, 0, 0, 12, 0, 0, 1, 2, 3, 4];
        let (from, to) = ([0xfd_u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [2_u8; 16]);
        if v6 {
            [&[0x60, 0, 0, 0, 0, 12, 17, 64][..], &from, &to, &udp].concat()
        } else {
            [&[0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2][..], &udp].concat()
        }
    };
    let frame = [&[2; 12][..], &[8, 0], &inner(false)].concat();
    let in_v6 = |next: u8, packet: &[u8]| {
        let length = u8::try_from(packet.len()).unwrap();
        [&[0x60, 0, 0, 0, 0, length, next, 64][..], &[7; 32], packet].concat()
    };
    let mut wire = Wire::default();
    wire.ip(true, 4, &inner(false)).ip(true, 41, &inner(true));
    wire.raw(&in_v6(4, &inner(false))).raw(&in_v6(41, &inner(true)));
    wire.ip(true, 47, &[&[0, 0, 0x88, 0xbe][..], &frame].concat());
    for (port, packet) in [
        (4789, [&[8, 0, 0, 0, 0, 0, 9, 0][..], &frame].concat()),
        (6081, [&[0, 0, 0x65, 0x58, 0, 0, 9, 0][..], &frame].concat()),
        (3544, inner(true)),
    ] {
        wire.port = port;
        wire.datagram(true, &packet);
    }
    let chunks: &[&[u8]] = &[&[1, 0, 0, 4], &[2, 0, 0, 4], &[0, 0, 0, 4, 0, 0, 0, 4], &[6, 0, 0, 4], &[7, 0, 0, 4]];
    for chunk in chunks {
        wire.ip(true, 132, &[&[0, 9, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0][..], chunk].concat());
    }
    let once = [
        "decoder.ipv4_in_ipv4",
        "decoder.ipv6_in_ipv4",
        "decoder.ipv4_in_ipv6",
        "decoder.ipv6_in_ipv6",
        "decoder.erspan",
        "decoder.vxlan",
        "decoder.geneve",
        "decoder.teredo",
        "sctp.init",
        "sctp.init_ack",
        "sctp.data",
        "sctp.abort",
        "sctp.shutdown",
    ];
    check((&wire, &[], "", &once.map(|name| (name, Number(1)))));
    check((&wire, &["decoder.vxlan.enabled=no"], "", &[("decoder.vxlan", Number(0)), ("decoder.geneve", Number(1))]));

    let mut packet = inner(false);
    for _ in 0..20 {
        let [high, low] = u16::try_from(packet.len() + 20).unwrap().to_be_bytes();
        packet = [&[0x45, 0, high, low, 0, 0, 0, 0, 64, 4, 0, 0][..], &[10; 8], &packet].concat();
    }
    let mut wire = Wire::default();
    wire.raw(&packet);
    check((&wire, &[], "", &[("decoder.too_many_layers", Number(1))]));

    let mut wire = Wire::to(80);
    wire.ethernet = true;
    for (last, tags) in [(1, 1), (2, 2), (3, 3)] {
        let tags = [0x81, 0, 0, 5].repeat(tags);
        wire.raw(&[&[2; 11][..], &[last], &tags, &[8, 0], &inner(false)].concat());
    }
    wire.raw(&[&[2; 12][..], &[0x77, 0x77], &[0; 46]].concat());
    let counts = [
        ("decoder.vlan", Number(3)),
        ("decoder.vlan_qinq", Number(2)),
        ("decoder.vlan_qinqinq", Number(1)),
        ("decoder.unknown_ethertype", Number(1)),
    ];
    check((&wire, &[], "", &counts));
    let mut wire = Wire::to(80);
    wire.ethernet = true;
    for last in 1..4 {
        wire.raw(&[&[2; 11][..], &[last, 8, 0], &inner(false)].concat());
    }
    let stations = [("decoder.max_mac_addrs_src", Number(3)), ("decoder.max_mac_addrs_dst", Number(1))];
    check((&wire, &["outputs.0.eve-log.ethernet=yes"], "", &stations));
}

#[test]
fn what_rules_remember() {
    let wire = connection(|wire| {
        wire.segment(true, ACK, 0, 0, b"abcd");
    });
    let rules = r#"
alert tcp any any -> any any (threshold:type limit, track by_src, count 1, seconds 60; sid:1;)
alert tcp any any -> any any (flags:S; xbits:set,here,track ip_src; sid:2;)
alert tcp any any -> any any (flags:S; xbits:set,there,track ip_pair; sid:3;)
alert tcp any any -> any any (content:"abcd"; sid:4;)
alert tcp any any -> any any (sid:5;)
"#;
    let counts = [
        ("detect.thresholds.memuse", Counted),
        ("detect.thresholds.memcap", Counted),
        ("host.memuse", Counted),
        ("ippair.memuse", Counted),
        ("detect.match_list", Counted),
        ("detect.mpm_list", Counted),
    ];
    check((&wire, &[], rules, &counts));
    let parts = [("http.byterange.memcap", Number(5_000)), ("http.byterange.memuse", Number(0))];
    check((&wire, &["app-layer.protocols.http.byterange.memcap=5000"], "", &parts));
}

#[test]
fn protocols_are_counted_by_flow_and_transaction() {
    let run = Run::replay(&captures().join("tls/tls13/capture.pcap")).arg("--no-rules");
    run.succeed();
    let stats = run.stats();
    let number = |name: &str| counter(&stats, name).unwrap_or_else(|| panic!("no {name}")).as_u64();
    assert_eq!((number("app_layer.flow.tls"), number("app_layer.tx.tls")), (Some(2), Some(2)));
    for awaited in ["app_layer.flow.quic", "app_layer.tx.nfs_udp", "app_layer.error.smtp.parser"] {
        assert_eq!(number(awaited), Some(0));
    }
}

#[test]
fn what_becomes_of_flows_whose_parser_gives_up() {
    let mut wire = Wire::to(22);
    wire.handshake();
    wire.segment(true, ACK, 0, 0, b"SSH-2.0-client\r\n").segment(false, ACK, 0, 16, b"SSH-2.0-server\r\n");
    wire.segment(true, ACK, 16, 16, &[0xff; 64]).segment(false, ACK, 16, 80, b"");
    wire.segment(true, ACK, 80, 16, b"evil").segment(false, ACK, 16, 84, b"");
    let rules = "alert tcp any any -> any any (content:\"evil\"; sid:1;)\n";
    let (all, own) = ("exception_policy.app_layer.error", "app_layer.error.ssh.exception_policy");
    let (pass, bypass) = ("pass_flow", "bypass");
    let below = |group: &str, policy: &str| format!("{group}.{policy}");
    let given_up = || ("app_layer.error.ssh.parser", Number(1));
    let ignored = [given_up(), ("detect.alert", Number(1)), (&below(all, pass), Absent), (&below(own, pass), Absent)];
    check((&wire, &["stats.exception-policy.per-app-proto-errors=yes"], rules, &ignored));
    for (setting, done, other) in [("pass-flow", pass, bypass), ("bypass", bypass, pass)] {
        let policy = format!("app-layer.error-policy={setting}");
        let counts = [
            given_up(),
            ("detect.alert", Number(0)),
            (&below(all, done), Number(1)),
            (&below(all, other), Number(0)),
            (&below(own, done), Absent),
        ];
        check((&wire, &[&policy], rules, &counts));
        let counts = [
            (&*below(own, done), Number(1)),
            (&below(own, other), Number(0)),
            ("app_layer.error.smtp.exception_policy.bypass", Number(0)),
        ];
        check((&wire, &[&policy, "stats.exception-policy.per-app-proto-errors=yes"], rules, &counts));
    }
}

#[test]
fn an_output_leaves_counters_out_that_are_0() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, config) = (folder.path().join("capture.pcap"), folder.path().join("tapwire.yaml"));
    connection(|_| ()).write(&capture);
    for (setting, there) in [("", true), ("null-values: yes", true), ("null-values: no", false)] {
        let text = format!("outputs: [eve-log: {{enabled: yes, types: [stats: {{{setting}}}]}}]\n");
        std::fs::write(&config, text).unwrap();
        let run = Run::replay(&capture).arg("--no-rules").arg("--config").path(&config);
        run.output();
        let stats = run.stats();
        assert!(counter(&stats, "tcp.sessions").is_some());
        assert_eq!(counter(&stats, "decoder.ipv6").is_some(), there, "{setting}");
    }
}

#[test]
fn a_table_for_people_has_the_same_counters() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.pcap");
    connection(|wire| {
        wire.segment(true, ACK, 0, 0, b"abcd");
    })
    .write(&capture);
    let table = |more: &[&str]| {
        let run = Run::replay(&capture).arg("--no-rules").arg("--checksums").arg("off");
        let settings = ["outputs.2.stats.enabled=yes", "outputs.2.stats.filename=counted.log"];
        let settings = settings.iter().chain(more);
        let run = settings.fold(run, |run, setting| run.arg("--set").arg(setting));
        run.succeed();
        let text = std::fs::read_to_string(run.folder().join("counted.log")).unwrap();
        let rows = text.lines().filter_map(|line| {
            let [name, "Total", count] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else { return None };
            Some((name.to_owned(), count.parse::<u64>().unwrap()))
        });
        (rows.collect::<Vec<_>>(), run.stats())
    };
    let (rows, stats) = table(&[]);
    assert!(rows.len() > 20 && rows.iter().all(|(_, count)| *count > 0), "{rows:?}");
    // Those of time are not the same in two looks at the clock.
    for (name, count) in rows.iter().filter(|(name, _)| !name.contains("latency")) {
        assert_eq!(counter(&stats, name).and_then(Value::as_u64), Some(*count), "{name}");
    }
    let (with_zeros, _) = table(&["outputs.2.stats.null-values=yes"]);
    assert!(with_zeros.len() > rows.len() && with_zeros.contains(&("tcp.rst".into(), 0)));
}
