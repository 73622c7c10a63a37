//! What settings of an output add to its records.
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

/// The records of a capture under an output with settings, one to a line, and with rules.
fn records(capture: &str, output: &str, types: &str, rules: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let config = format!(
        "%YAML 1.1\n---\noutputs:\n  - eve-log:\n      enabled: yes\n      filename: eve.json\n{output}      types:\n{types}"
    );
    let (config, rules) = (write("config.yaml", &config), write("own.rules", rules));
    let run = Run::replay(&captures().join(capture).join("capture.pcap"));
    let run = run.arg("--config").path(&config).arg("--rules").path(&rules);
    run.succeed();
    run.records().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'r>(records: &'r [Value], kind: &'static str) -> impl Iterator<Item = &'r Value> {
    records.iter().filter(move |record| record["event_type"] == kind)
}

const WEB: &str = "http/get-and-upload";

#[test]
fn ethernet_addresses_are_those_of_the_records_ends() {
    let rules = "alert http any any -> any any (flow:to_client; http.stat_code; content:\"200\"; sid:1;)\n\
                 alert arp any any -> any any (sid:2;)\n";
    let shown = records(
        WEB,
        "      ethernet: yes\n",
        "        - alert\n        - http\n        - flow\n        - netflow\n",
        rules,
    );
    let http = of(&shown, "http").next().unwrap();
    let (client, server) = (&http["ether"]["src_mac"], &http["ether"]["dest_mac"]);
    assert!(client.is_string() && server.is_string() && client != server, "{http}");
    assert!(of(&shown, "http").all(|record| record["ether"]["src_mac"] == *client), "a request comes from the client");
    let alert = of(&shown, "alert").next().unwrap();
    assert_eq!(
        alert["ether"],
        json!({"ether_type": 0x800, "src_mac": server, "dest_mac": client}),
        "an answer does not"
    );
    for flow in of(&shown, "flow") {
        assert_eq!(flow["ether"], json!({"src_macs": [client], "dest_macs": [server]}));
    }
    assert!(of(&shown, "netflow").all(|record| record["ether"]["src_macs"].is_array()));
    let plain = records(WEB, "", "        - http\n        - flow\n", rules);
    assert!(plain.iter().all(|record| record.get("ether").is_none()));
}

#[test]
fn payloads_of_streams_are_the_stream_up_to_there() {
    let rules = "alert http any any -> any any (http.method; content:\"POST\"; sid:1;)\n";
    let types = "        - alert:\n            payload-printable: yes\n            payload-length: yes\n";
    let shown = records(WEB, "", types, rules);
    let alert = of(&shown, "alert").next().unwrap();
    let text = alert["payload_printable"].as_str().unwrap();
    assert!(text.starts_with("POST /form HTTP/1.1\r\n"), "{text}");
    assert_eq!(alert["payload_length"], text.len());
}

#[test]
fn variables_of_packets_have_records() {
    let rules =
        "alert http any any -> any any (http.user_agent; pcre:\"/case.(\\d)/, pkt:version\"; noalert; sid:1;)\n";
    let shown = records(WEB, "", "        - metadata\n", rules);
    assert!(!shown.is_empty());
    for record in &shown {
        assert_eq!(
            (&record["event_type"], &record["metadata"]["pktvars"]),
            (&json!("metadata"), &json!([{"version": "1"}]))
        );
    }
}
