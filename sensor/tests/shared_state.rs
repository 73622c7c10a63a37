//! Rules that ask about more than one flow: sets of values, bits of hosts, lists of addresses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Run, captures};

const RULES: &str = r#"
alert dns any any -> any any (dns.query; dataset:set,names,type string,state names.lst; sid:1;)
alert dns any any -> any any (dns.query; content:"www"; dataset:isset,names; threshold:type limit,track by_rule,count 1,seconds 999999; sid:2;)
alert dns any any -> any any (dns.query; dataset:isnotset,known,type string,load known.lst; sid:3;)
alert http any any -> any any (http.method; content:"GET"; xbits:set,seen,track ip_src,expire 9999999; noalert; sid:4;)
alert http any any -> any any (http.method; content:"POST"; xbits:isset,seen,track ip_src; sid:5;)
alert http any any -> any any (http.method; content:"POST"; xbits:isset,seen,track ip_dst; sid:6;)
alert tcp any any -> any any (flags:S,12; geoip:src,DE; geoip:dst,!FR; sid:7;)
alert tcp any any -> any any (flags:S,12; geoip:any,AT; sid:8;)
alert tcp any any -> any any (flags:S,12; iprep:src,clients,>,50; sid:9;)
alert http any any -> any any (http.method; content:"POST"; ip.src; dataset:isset,hosts,type ip,load hosts.json,format json,value_key ip,context_key host; sid:10;)
alert dns any any -> any any (dns.query; datarep:scores,>,10,type string,load scores.rep; sid:11;)
"#;

/// How often each rule alerts on the project's captures of protocols, with so many workers.
fn alerts(threads: usize) -> (String, BTreeMap<u64, usize>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let encoded = |name: &str| data_encoding::BASE64.encode(name.as_bytes());
    write("own.rules", RULES);
    write("known.lst", &format!("{}\n{}\n", encoded("www.example.test"), encoded("example.test")));
    write("scores.rep", &format!("{},10\n{},11\n", encoded("www.example.test"), encoded("example.test")));
    write("hosts.json", r#"[{"ip": "192.0.2.10", "owner": {"name": "lab"}}]"#);
    write("categories", "1,clients,Clients\n");
    write("reputation", "192.0.2.0/24,1,50\n192.0.2.10,1,51\n");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let countries = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lists/countries.mmdb");
    // Those that show forms of packets have names and hosts of their own.
    let mut folders: Vec<_> = std::fs::read_dir(captures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| !folder.ends_with("link"));
    folders.sort();
    let run = folders.iter().fold(Run::new("replay").arg("--quiet"), |run, folder| run.path(folder));
    let run = run
        .arg("--strict")
        .arg("--rules")
        .arg(&path("own.rules"))
        .arg("--data-dir")
        .arg(&path("data"))
        .arg("--threads")
        .arg(&threads.to_string())
        .arg("--set")
        .arg(&format!("geoip-database={}", countries.display()))
        .arg("--set")
        .arg(&format!("reputation-categories-file={}", path("categories")))
        .arg("--set")
        .arg(&format!("reputation-files={}", path("reputation")));
    run.succeed();
    let state = std::fs::read_to_string(folder.path().join("data/names.lst")).unwrap();
    assert_eq!(state.lines().count(), 7, "every name once");
    let records = run.records();
    let mut counts = BTreeMap::new();
    for line in records.lines().filter(|line| line.contains(r#""event_type":"alert""#)) {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        let sid = alert["alert"]["signature_id"].as_u64().unwrap();
        if sid == 10 {
            assert_eq!(alert["alert"]["context"]["host"]["owner"]["name"], "lab");
        }
        *counts.entry(sid).or_default() += 1;
    }
    let own = records.lines().filter(|line| !line.contains(r#""event_type":"stats""#)).collect::<Vec<_>>().join("\n");
    (own, counts)
}

#[test]
fn rules_see_what_other_flows_did_and_what_lists_say() {
    let (records, counts) = alerts(1);
    let names = 7;
    // Two connections are begun by a server of FTP, whose address has no such score.
    let scored = counts[&7] - 2;
    let posts =
        records.lines().filter(|l| l.contains(r#""event_type":"http""#) && l.contains(r#""http_method":"POST""#));
    let expected = [(1, names), (2, 1), (3, 6), (5, 1), (7, counts[&7]), (9, scored), (10, posts.count()), (11, 3)];
    assert_eq!(counts, expected.into());
    for threads in [2, 3, 5] {
        let other = alerts(threads).0;
        assert!(records == other, "{threads} workers give other records than one");
    }
}

#[test]
fn a_rate_filter_gives_alerts_another_action_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, file) = (folder.path().join("own.rules"), folder.path().join("threshold.config"));
    std::fs::write(
        &rules,
        "alert dns any any -> any any (dns.query; content:\"example\"; sid:1;)\nalert dns any any -> any any (dns.query; content:\"www\"; sid:2;)\n",
    )
    .unwrap();
    std::fs::write(
        &file,
        "rate_filter gen_id 1, sig_id 1, track by_rule, count 2, seconds 999999, new_action reject, timeout 999999\n\
         rate_filter gen_id 1, sig_id 2, track by_rule, count 1, seconds 999999, new_action pass, timeout 999999\n",
    )
    .unwrap();
    let run = Run::replay(&captures().join("dns"))
        .arg("--strict")
        .arg("--rules")
        .path(&rules)
        .arg("--set")
        .arg(&format!("threshold-file={}", file.display()));
    run.succeed();
    let mut actions = BTreeMap::<(u64, String), usize>::new();
    for line in run.records().lines().filter(|line| line.contains(r#""event_type":"alert""#)) {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        let action = alert["alert"]["action"].as_str().unwrap().to_owned();
        *actions.entry((alert["alert"]["signature_id"].as_u64().unwrap(), action)).or_default() += 1;
    }
    let blocked = actions[&(1, "blocked".to_owned())];
    assert!(blocked > 3);
    let expected =
        [((1, "allowed".to_owned()), 2), ((1, "blocked".to_owned()), blocked), ((2, "allowed".to_owned()), 1)];
    assert_eq!(actions, expected.into());
}
