//! What a site knows of its networks, on records.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use common::{Run, captures};
use serde_json::{Value, json};

/// Records of a case of DNS: 192.0.2.10 asks 192.0.2.53.
fn records(home: &str, table: &str, more: &[&str]) -> (String, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let (config, networks) = (folder.path().join("config.yaml"), folder.path().join("networks.csv"));
    std::fs::write(&networks, table).unwrap();
    let outputs = "outputs:\n- eve-log: {enabled: yes, types: [dns, flow, netflow]}\n";
    let context = format!("tapwire: {{context: {}}}\n", networks.display());
    std::fs::write(&config, format!("%YAML 1.1\n---\n{home}{outputs}{context}")).unwrap();
    let capture = captures().join("dns").read_dir().unwrap().next().unwrap().unwrap().path().join("capture.pcap");
    let mut run = Run::replay(&capture).arg("--no-rules").arg("--config").path(&config);
    for argument in more {
        run = run.arg(argument);
    }
    let output = run.output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, run.records().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn records_name_the_networks_of_their_ends_and_who_asked_whom() {
    let home = "vars: {address-groups: {HOME_NET: '192.0.2.10'}}\n";
    let (_, records) = records(home, "192.0.2.0/24,office\n192.0.2.53,servers,\"operations, night\",high\n", &[]);
    let (asked, answered) =
        (json!({"zone": "office"}), json!({"zone": "servers", "owner": "operations, night", "criticality": "high"}));
    let mut kinds = std::collections::BTreeSet::new();
    for record in records.iter().filter(|record| record["dest_ip"] == "192.0.2.53" || record["src_ip"] == "192.0.2.53")
    {
        let own = &record["tapwire"];
        let (client, server) = if record["src_ip"] == "192.0.2.53" { ("dest", "src") } else { ("src", "dest") };
        assert_eq!((&own[client], &own[server]), (&asked, &answered), "{record}");
        assert_eq!(own["direction"], "outbound", "{record}");
        kinds.insert((record["event_type"].as_str().unwrap().to_owned(), client));
    }
    let expected = ["dns", "flow", "netflow"].map(str::to_owned);
    assert!(expected.iter().all(|kind| kinds.contains(&(kind.clone(), "src"))), "{kinds:?}");
    assert!(kinds.contains(&("dns".into(), "dest")) && kinds.contains(&("netflow".into(), "dest")), "{kinds:?}");
}

#[test]
fn a_wrong_line_is_told_with_its_place_and_the_rest_is_used() {
    let (said, records) = records("", "network,zone\n192.0.2.0/99,a\n192.0.2.0/24,b\n", &[]);
    assert!(said.contains("networks.csv:2") && said.contains("`192.0.2.0/99` is no network"), "{said}");
    assert!(records.iter().any(|record| record["tapwire"]["src"]["zone"] == "b"));
    assert!(records.iter().all(|record| record["tapwire"]["direction"].is_null()), "nobody said what is home");
}
