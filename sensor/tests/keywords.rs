//! What rules do beside raising alerts, and what they remember: each over a capture of the project, with one worker and with three.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeMap;

use common::{Run, captures};
use serde_json::Value;

/// The records of a run over a capture with rules, which are the same for any number of workers.
fn records(capture: &str, rules: &str, settings: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.rules");
    std::fs::write(&path, rules).unwrap();
    let run = |threads: &str| {
        let mut run = Run::replay(&captures().join(capture).join("capture.pcap")).arg("--strict").arg("--rules");
        run = run.path(&path).arg("--threads").arg(threads);
        for setting in settings {
            run = run.arg("--set").arg(setting);
        }
        run.succeed();
        let records = run.records();
        // Counters of threads and memory may differ.
        records.lines().filter(|line| !line.contains(r#""event_type":"stats""#)).collect::<Vec<_>>().join("\n")
    };
    let text = run("1");
    assert_eq!(text, run("3"), "{rules}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often each rule raised an alert.
fn alerts(records: &[Value]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for sid in records.iter().filter_map(|record| record["alert"]["signature_id"].as_u64()) {
        *counts.entry(sid).or_default() += 1;
    }
    counts
}

fn count(records: &[Value], event_type: &str) -> usize {
    records.iter().filter(|record| record["event_type"] == event_type).count()
}

const WEB: &str = "http/get-and-upload";

#[test]
fn variables_are_asked_for_after_they_were_captured() {
    let rules = r#"
alert http any any -> any any (http.method; pcre:"/^(?P<flow_method>[A-Z]+)/"; noalert; sid:1;)
alert http any any -> any any (http.method; content:"POST"; flowvar:method,"POST"; sid:2;)
alert http any any -> any any (http.method; content:"POST"; flowvar:method,!"POST"; sid:3;)
alert http any any -> any any (http.method; content:"POST"; flowvar:other,"POST"; sid:4;)
alert tcp any any -> any any (flags:S,12; flowvar:method,"GET"; sid:5;)
"#;
    let found = alerts(&records(WEB, rules, &[]));
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [2], "{found:?}");
}

#[test]
fn what_is_bypassed_is_inspected_no_more() {
    let all = records(WEB, "alert http any any -> any any (http.method; content:\"POST\"; sid:1;)", &[]);
    assert!(alerts(&all).contains_key(&1));
    let rules = r#"
alert tcp any any -> any any (flow:established; bypass; noalert; sid:2;)
alert http any any -> any any (http.method; sid:1; content:"POST";)
"#;
    let bypassed = records(WEB, rules, &[]);
    assert_eq!((alerts(&bypassed).len(), count(&bypassed, "http")), (0, 0));
    let flow = bypassed.iter().find(|record| record["event_type"] == "flow").unwrap();
    assert_eq!((&flow["flow"]["state"], &flow["flow"]["bypass"]), (&"bypassed".into(), &"local".into()));
    assert_eq!(flow["tapwire"]["bypass"], "rule");
}

#[test]
fn what_is_too_large_is_passed_over_where_that_is_said() {
    let why = |settings: &[&str]| -> Vec<Value> {
        let all = records(WEB, "alert http any any -> any any (http.method; content:\"POST\"; sid:1;)", settings);
        all.into_iter().filter(|r| r["event_type"] == "flow").map(|r| r["tapwire"]["bypass"].clone()).collect()
    };
    assert!(why(&[]).iter().all(Value::is_null));
    assert!(why(&["tapwire.bypass-bytes=400"]).contains(&"bytes".into()));
    assert!(why(&["tapwire.bypass-bytes=1gb"]).iter().all(Value::is_null));
    let depth = why(&["stream.bypass=yes", "stream.reassembly.depth=200"]);
    assert!(depth.contains(&"depth".into()), "{depth:?}");
}

#[test]
fn what_a_rule_silences_has_no_record() {
    let all = records("dns/lookup", "", &[]);
    let names = |records: &[Value]| -> Vec<String> {
        records.iter().map(|record| record["dns"]["queries"][0]["rrname"].to_string()).filter(|n| n != "null").collect()
    };
    let rule = |what: &str| {
        format!(
            "config dns any any -> any any (dns.query; content:\"missing.example.test\"; config:logging disable, {what}; sid:1;)"
        )
    };
    assert!(names(&all).iter().any(|name| name.contains("missing.example.test")));
    let some = records("dns/lookup", &rule("type tx, scope tx"), &[]);
    assert!(!names(&some).iter().any(|name| name.contains("missing.example.test")), "{:?}", names(&some));
    assert!(!names(&some).is_empty());
    let flowless = records("dns/lookup", &rule("type flow, scope flow"), &[]);
    assert!(count(&flowless, "flow") < count(&all, "flow"));
    assert_eq!(names(&flowless), names(&all));
}

#[test]
fn states_of_transactions_are_told() {
    let rules = r#"
alert http any any -> any any (app-layer-state:request_complete; http.method; content:"POST"; sid:1;)
alert http any any -> any any (app-layer-state:<request_line; http.method; content:"POST"; sid:2;)
alert http any any -> any any (app-layer-state:>request_headers; http.method; content:"POST"; sid:3;)
alert http any any -> any any (app-layer-state:response_complete; http.stat_code; content:"404"; sid:4;)
"#;
    let found = alerts(&records(WEB, rules, &[]));
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 3, 4], "{found:?}");
}

#[test]
fn what_flows_share_may_silence_records() {
    let names = |records: &[Value]| -> Vec<String> {
        records.iter().map(|record| record["dns"]["queries"][0]["rrname"].to_string()).filter(|n| n != "null").collect()
    };
    let all = records("dns/lookup", "", &[]);
    let missing = |records: &[Value]| names(records).iter().filter(|name| name.contains("missing.example")).count();
    let rules = |condition: &str, what: &str| {
        format!(
            r#"
alert dns any any -> any any (dns.query; content:"www"; xbits:set,seen,track ip_src,expire 9999; noalert; sid:1;)
config dns any any -> any any (dns.query; content:"missing"; {condition}; config:logging disable, {what}; sid:2;)
"#
        )
    };
    let seen = "xbits:isset,seen,track ip_src";
    let quiet = records("dns/lookup", &rules(seen, "type tx, scope tx"), &[]);
    assert_eq!((missing(&all) > 0, missing(&quiet)), (true, 0), "{:?}", names(&quiet));
    assert_eq!(names(&quiet).len(), names(&all).len() - missing(&all), "nothing else is silent");
    let other = records("dns/lookup", &rules("xbits:isset,never,track ip_src", "type tx, scope tx"), &[]);
    assert_eq!(missing(&other), missing(&all));
    let flowless = records("dns/lookup", &rules(seen, "type flow, scope flow"), &[]);
    assert!(count(&flowless, "flow") < count(&all, "flow"));
    assert_eq!(names(&flowless), names(&all));
    // One that only sets a bit holds whatever it is.
    let setter = records("dns/lookup", &rules("xbits:set,it,track ip_src", "type tx, scope tx"), &[]);
    assert_eq!(missing(&setter), 0);
}

#[test]
fn what_a_question_over_tcp_says_holds_for_its_answer() {
    let of_tcp = |records: &[Value]| {
        let dns = records.iter().filter(|record| record["event_type"] == "dns" && record["proto"] == "TCP");
        dns.map(|record| record["dns"]["type"].to_string()).collect::<Vec<_>>()
    };
    let rule = |protocol: &str| {
        format!(
            "config {protocol} any any -> any 53 (dns.query; content:\"example\"; config:logging disable, type tx, scope tx; sid:1;)"
        )
    };
    let all = of_tcp(&records("dns/lookup", "", &[]));
    assert!(all.len() >= 2 && all.len().is_multiple_of(2), "{all:?}");
    assert_eq!(of_tcp(&records("dns/lookup", &rule("tcp"), &[])), [""; 0]);
    assert_eq!(of_tcp(&records("dns/lookup", &rule("udp"), &[])), all);
}

#[test]
fn packets_behind_the_depth_of_a_stream_are_looked_at_one_by_one() {
    let rules = r#"
alert tcp any any -> any any (flow:to_server,established; content:"line 150 of"; sid:1;)
alert tcp any any -> any any (flow:to_server,established; content:"line 245 of a text that packs"; sid:2;)
"#;
    let within = alerts(&records(WEB, rules, &["stream.reassembly.depth=0"]));
    assert_eq!(within, [(1, 1), (2, 1)].into());
    // The second one lies in two packets.
    let behind = alerts(&records(WEB, rules, &["stream.reassembly.depth=2048"]));
    assert_eq!(behind, [(1, 1)].into());
}

#[test]
fn a_bit_of_a_transaction_is_seen_by_rules_on_packets_from_the_next_packet_on() {
    let rules = r#"
alert http any any -> any any (http.method; content:"POST"; flowbits:set,posted; sid:1;)
alert tcp any any -> any any (flow:to_server; tcp.flags:A+; flowbits:isset,posted; sid:2;)
alert http any any -> any any (http.uri; content:"/form"; flowbits:isset,posted; sid:3;)
"#;
    let found = packets(&records(WEB, rules, &["packet-alert-max=100"]));
    let first = |sid: u64| *found[&sid].iter().min().unwrap();
    assert!(first(2) > first(1), "{found:?}");
    assert_eq!(first(3), first(1), "transactions come last, and see what one of them did: {found:?}");
}

#[test]
fn phases_of_connections_are_told() {
    let rules = r#"
alert tcp any any -> any any (tcp.session:setup; sid:1;)
alert tcp any any -> any any (tcp.session:established; sid:2;)
alert ip any any -> any any (tcp.session:closing; sid:3;)
alert tcp any any -> any any (tcp.session:setup,established,closing; sid:4;)
alert tcp any any -> any any (tcp.session:setup; tcp.flags:F+; sid:5;)
alert tcp any any -> any any (tcp.session:closing; tcp.flags:F+; sid:6;)
"#;
    let found = records(WEB, rules, &[]);
    let count = alerts(&found);
    let flows: Vec<&Value> = found.iter().filter(|record| record["event_type"] == "flow").collect();
    let packets = |key: &str| flows.iter().map(|flow| flow["flow"][key].as_u64().unwrap()).sum::<u64>();
    let packets = usize::try_from(packets("pkts_toserver") + packets("pkts_toclient")).unwrap();
    assert_eq!(count[&1], 2 * flows.len(), "each SYN and its answer: {count:?}");
    assert_eq!(count[&1] + count[&2] + count[&3], packets);
    assert_eq!((count[&4], count.get(&5), count[&6]), (packets, None, 2 * flows.len()), "{count:?}");
}

#[test]
fn elephants_are_told() {
    let rules = r#"
alert tcp any any -> any any (flow.elephant:toserver; threshold:type limit, track by_flow, count 1, seconds 999; sid:1;)
alert tcp any any -> any any (flow.elephant:both; sid:2;)
"#;
    let settings = ["flow.rate-tracking.bytes=2000", "flow.rate-tracking.interval=10"];
    let found = alerts(&records(WEB, rules, &settings));
    assert!(found.contains_key(&1), "{found:?}");
    assert!(alerts(&records(WEB, rules, &[])).is_empty());
}

/// An output with tagged packets.
const TAGGED: [&str; 3] = [
    "outputs.0.eve-log.enabled=yes",
    "outputs.0.eve-log.filename=eve.json",
    "outputs.0.eve-log.types.0.alert.tagged-packets=yes",
];

#[test]
fn packets_behind_an_alert_are_recorded() {
    let syn = |tag: &str| {
        format!(
            "alert tcp any any -> any any (flags:S,12; threshold:type limit, track by_rule, count 1, seconds 999; {tag}; sid:1;)"
        )
    };
    for (tag, packets) in [
        // Of 12, 10 and 22 packets in three connections of one client to one server.
        ("tag:session", 11),
        ("tag:session,5,packets", 4),
        ("tag:host,100,packets,src", 43),
        ("tag:host,20,packets,dst", 19),
        ("tag:host,20,packets,dst; tag:session", 19),
        ("noalert; tag:session", 0),
    ] {
        let found = records(WEB, &syn(tag), &TAGGED);
        assert_eq!(count(&found, "packet"), packets, "{tag}");
        assert!(found.iter().filter(|r| r["event_type"] == "packet").all(|r| r["packet_info"]["linktype"] == 1));
    }
}

/// The packets on which each rule raised its alerts.
fn packets(records: &[Value]) -> BTreeMap<u64, Vec<u64>> {
    let mut packets: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for record in records.iter().filter(|record| record["event_type"] == "alert") {
        let sid = record["alert"]["signature_id"].as_u64().unwrap();
        packets.entry(sid).or_default().push(record["pcap_cnt"].as_u64().unwrap());
    }
    packets
}

#[test]
fn a_bit_is_seen_on_the_packet_that_sets_it_by_rules_that_come_later_in_order() {
    let rules = r#"
alert tcp any any -> any any (content:"GET /long"; flowbits:set,asked; sid:1;)
alert tcp any any -> any any (flow:to_server; flags:A,12; flowbits:isset,asked; flowbits:set,told; sid:2;)
alert tcp any any -> any any (content:"HTTP/1.1"; flowbits:isset,told; flowbits:isnotset,never; sid:3;)
alert http any any -> any any (http.uri; content:"/long"; flowbits:isset,told; sid:4;)
pass tcp any any -> any any (flow:to_server; flags:A,12; flowbits:isset,asked; flowbits:isset,never; sid:5;)
"#;
    let found = packets(&records(WEB, rules, &[]));
    let set = found[&1][0];
    for later in [2, 3, 4] {
        assert_eq!(found[&later][0], set, "{later}: {found:?}");
    }
    // A rule on transactions comes after all on packets: what it sets is seen on the next one.
    let rules = r#"
alert http any any -> any any (http.uri; content:"/long"; flowbits:set,asked; sid:1;)
alert tcp any any -> any any (flow:to_server; flags:A,12; flowbits:isset,asked; sid:2;)
"#;
    let found = packets(&records(WEB, rules, &[]));
    assert!(found[&2][0] > found[&1][0], "{found:?}");
}

#[test]
fn a_rule_on_request_and_response_asks_for_the_files_of_one() {
    let rule = |size: &str| {
        format!(
            "alert http any any => any any (http.uri; content:\"/long\"; http.stat_code; content:\"200\"; filesize:to_client,{size}; sid:1;)"
        )
    };
    assert!(alerts(&records(WEB, &rule(">100"), &[])).contains_key(&1));
    assert!(alerts(&records(WEB, &rule("<100"), &[])).is_empty());
}

#[test]
fn codes_of_dns_have_names() {
    let rules = r#"
alert dns any any -> any any (dns.rcode:nxdomain; sid:1;)
alert dns any any -> any any (dns.rcode:3; sid:2;)
alert dns any any -> any any (dns.rrtype:AAAA; sid:3;)
alert dns any any -> any any (dns.rrtype:28; sid:4;)
"#;
    let found = alerts(&records("dns/lookup", rules, &[]));
    assert!(found[&1] > 0 && found[&1] == found[&2] && found.get(&3) == found.get(&4), "{found:?}");
}

#[test]
fn frames_are_looked_at_and_shown() {
    let rules = r#"
alert dns any any -> any any (frame:dns.pdu; content:"|07|missing"; nocase; sid:1;)
alert dns any any -> any any (frame:pdu; content:"|07|missing"; nocase; bsize:>12; flow:to_server; sid:2;)
alert dns any any -> any any (frame:dns.pdu; content:"no such bytes"; sid:3;)
alert dns any any -> any any (frame:dns.pdu; to_md5; bsize:16; sid:4;)
"#;
    let settings = [
        "outputs.0.eve-log.types.0.alert.enabled=yes",
        "outputs.0.eve-log.types.1=frame",
        "outputs.0.eve-log.filename=eve.json",
    ];
    let found = records("dns/lookup", rules, &settings);
    let counts = alerts(&found);
    assert!(counts[&1] > counts[&2] && counts[&2] > 0 && !counts.contains_key(&3), "{counts:?}");
    assert_eq!(counts[&4], count(&found, "frame"), "each frame is asked about once");
    for record in found.iter().filter(|record| record["event_type"] == "frame" || record["frame"].is_object()) {
        let frame = &record["frame"];
        assert_eq!((&frame["type"], &frame["complete"]), (&"pdu".into(), &true.into()), "{record}");
        assert!(frame["length"].as_u64().unwrap() >= 12 && frame["payload"].is_string(), "{record}");
    }
    let rules = r#"
alert ssh any any -> any any (frame:ssh.record.hdr; bsize:6; content:"|14|"; endswith; sid:1;)
alert ssh any any -> any any (frame:ssh.record.data; content:"curve25519"; sid:2;)
alert ssh any any -> any any (frame:ssh.record.pdu; content:"|14|"; offset:5; depth:1; content:"curve25519"; sid:3;)
"#;
    let found = alerts(&records("ssh/login", rules, &[]));
    assert!(found[&1] >= 2 && found[&2] >= 2 && found[&2] == found[&3], "{found:?}");
}

#[test]
fn rules_see_files_that_ended_within_one_packet() {
    let all = records(WEB, "", &[]);
    let files: Vec<&Value> = all.iter().filter(|record| record["event_type"] == "fileinfo").collect();
    let small: Vec<&&Value> = files.iter().filter(|file| file["fileinfo"]["size"].as_u64().unwrap() < 100).collect();
    assert!(!small.is_empty(), "the capture has answers of one packet");
    let rules = "alert http any any -> any any (filesize:<100; sid:1;)\n\
                 alert http any any -> any any (filename:!\"no such name\"; sid:2;)";
    let found = records(WEB, rules, &[]);
    let counts = alerts(&found);
    assert_eq!(counts.get(&1), Some(&small.len()), "{counts:?}");
    assert_eq!(counts.get(&2), Some(&files.len()), "{counts:?}");
    for alert in found.iter().filter(|record| record["alert"].is_object()) {
        let shown = &alert["files"][0];
        assert!(shown["filename"].is_string() && shown["size"].is_u64(), "{alert}");
    }
}
