//! What the configuration says of protocols, and what is kept of their certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::fs;

use common::{Run, captures};

#[test]
fn what_is_said_of_a_carrier_outweighs_what_is_said_of_the_protocol() {
    for (all, tcp, udp, expected) in [
        ("no", Some("yes"), None, (true, false)),
        ("no", None, Some("yes"), (false, true)),
        ("yes", Some("no"), None, (false, true)),
        ("yes", None, None, (true, true)),
        ("no", None, None, (false, false)),
    ] {
        let mut run = Run::replay(&captures().join("dns/lookup/capture.pcap"))
            .arg("--no-rules")
            .arg("--set")
            .arg(&format!("app-layer.protocols.dns.enabled={all}"));
        for (carrier, said) in [("tcp", tcp), ("udp", udp)] {
            if let Some(said) = said {
                run = run.arg("--set").arg(&format!("app-layer.protocols.dns.{carrier}.enabled={said}"));
            }
        }
        run.succeed();
        let records = run.records();
        let has = |carrier: &str| {
            let is_record = |line: &&str| line.contains(r#""event_type":"dns""#);
            records.lines().filter(is_record).any(|line| line.contains(&format!(r#""proto":"{carrier}""#)))
        };
        assert_eq!((has("TCP"), has("UDP")), expected, "{all} {tcp:?} {udp:?}");
    }
}

#[test]
fn certificates_of_both_sides_are_stored_where_a_rule_matches_what_goes_to_the_server() {
    for (flow, buffer, stored) in [
        ("to_client", "tls.cert_subject; content:\"CN=server.example\"", [1, 0]),
        ("to_server", "tls.cert_subject; content:\"CN=client.example\"", [1, 1]),
        ("to_server", "tls.sni; content:\"server.example\"", [1, 1]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("local.rules");
        fs::write(&rules, format!("alert tls any any -> any any (flow:{flow}; {buffer}; tls.store; sid:1;)")).unwrap();
        let config = folder.path().join("config.yaml");
        fs::write(&config, "outputs:\n- tls-store: {enabled: yes, certs-log-dir: certs}\n").unwrap();
        let run = Run::replay(&captures().join("tls/tls12-client-certificate/capture.pcap"))
            .arg("--rules")
            .path(&rules)
            .arg("--config")
            .path(&config);
        run.succeed();
        let names: Vec<String> = (fs::read_dir(run.folder().join("certs")).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let count = |of_client: bool| {
            let is_chain = |name: &&String| name.ends_with(".pem") && name.starts_with("client-") == of_client;
            names.iter().filter(is_chain).count()
        };
        assert_eq!([count(false), count(true)], stored, "{names:?}");
    }
}
