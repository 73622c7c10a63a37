//! Tenants, from a configuration to records: each network has its own rules, and nothing that they keep is seen by another's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::Run;
use serde_json::Value;

/// Addresses of a client and a server, and the client's port.
type Ends = ([u8; 4], [u8; 4], u16);

const CLIENT: [u8; 4] = [10, 1, 0, 7];
const SERVER: [u8; 4] = [10, 2, 0, 9];

fn datagram((source, destination, port): Ends, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let mut ip = vec![0x45, 0];
    ip.extend((length + 20).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(source);
    ip.extend(destination);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    for number in [port, to_port, length, 0] {
        ip.extend(number.to_be_bytes());
    }
    ip.extend(payload);
    ip
}

/// A frame with VLAN tags, outermost first.
fn frame(vlans: &[u16], ip: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for vlan in vlans {
        frame.extend([0x81, 0]);
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend([8, 0]);
    frame.extend(ip);
    frame
}

/// A capture of frames, one each second.
fn capture(path: &Path, frames: &[Vec<u8>]) {
    let mut out = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        out.extend(word.to_le_bytes());
    }
    for (second, frame) in (1_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap();
        for word in [second, 0, length, length] {
            out.extend(word.to_le_bytes());
        }
        out.extend(frame);
    }
    fs::write(path, out).unwrap();
}

/// What each network sends: words that rules look for, each in a flow of its own.
fn frames() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let networks: [&[u16]; 4] = [&[10], &[20, 10], &[], &[30]];
    for (at, word) in (0..).zip(["home", "often", "often", "often", "mark"]) {
        for vlans in networks {
            all.push(frame(vlans, &datagram((CLIENT, SERVER, 1000 + at), 99, word.as_bytes())));
        }
    }
    // Only the first network was marked after this; each asks.
    all.push(frame(&[10], &datagram((CLIENT, SERVER, 2000), 99, b"remember")));
    for vlans in networks {
        all.push(frame(vlans, &datagram((CLIENT, SERVER, 2001), 99, b"recall")));
    }
    // The same flow within a tunnel of each network: the first half of what it takes comes in one, the second in the other.
    for (vlans, word) in [(&[10], b"begin"), (&[20], b"going")] {
        all.push(tunnel(vlans, &datagram(INNER, 6, word)));
    }
    all
}

const INNER: Ends = ([192, 0, 2, 1], [192, 0, 2, 2], 5);

/// A VXLAN packet.
fn tunnel(vlans: &[u16], ip: &[u8]) -> Vec<u8> {
    let mut inner = vec![8, 0, 0, 0, 0, 0, 1, 0];
    inner.extend(frame(&[], ip));
    frame(vlans, &datagram((CLIENT, SERVER, 3000), 4789, &inner))
}

/// A datagram in two pieces.
fn pieces(payload: &[u8]) -> [Vec<u8>; 2] {
    let whole = datagram(INNER, 6, payload);
    let (head, body) = whole.split_at(20);
    let (first, second) = body.split_at(16);
    [(0x2000_u16, first), (2, second)].map(|(place, part)| {
        let mut piece = head.to_vec();
        piece[2..4].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
        piece[6..8].copy_from_slice(&place.to_be_bytes());
        piece[10..12].fill(0);
        let sum: u32 = piece.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        piece[10..12].copy_from_slice(&(!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()).to_be_bytes());
        piece.extend(part);
        piece
    })
}

#[test]
fn pieces_from_tunnels_of_two_tenants_are_not_put_together() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    let rule = "alert udp any any -> any any (content:\"remem\"; content:\"ber\"; sid:1;)\n";
    for name in ["one.rules", "two.rules"] {
        fs::write(folder.path().join(name), rule).unwrap();
    }
    let [first, second] = pieces(b"...remem...ber..");
    for (vlans, expected) in [([10, 10], &[(1, 1)][..]), ([20, 20], &[(70_000, 1)]), ([10, 20], &[]), ([20, 30], &[])] {
        let frames = [tunnel(&[vlans[0]], &first), tunnel(&[vlans[1]], &second)];
        capture(&folder.path().join("all.pcap"), &frames);
        let run = replay(folder.path(), 2);
        run.succeed();
        assert_eq!(alerts(&parsed(&run)).into_keys().collect::<Vec<_>>(), expected, "{vlans:?}");
    }
}

const MAIN: &str = "%YAML 1.1
---
vars:
  address-groups: {HOME_NET: 10.0.0.0/8}
default-rule-path: FOLDER
rule-files: [main.rules]
outputs:
- eve-log:
    enabled: yes
    filename: eve.json
    types: [alert, flow, stats]
multi-detect:
  enabled: yes
  selector: vlan
  config-path: FOLDER
  tenants:
  - id: 1
    yaml: one.yaml
  - id: 70000
    yaml: two.yaml
  mappings:
  - vlan-id: 10
    tenant-id: 1
  - vlan-id: 20
    tenant-id: 70000
";

/// The rules of each tenant: the same sids, with another limit and another state of a set.
fn rules(limit: u32) -> String {
    format!(
        r#"alert udp $HOME_NET any -> any any (msg:"from home"; content:"home"; classtype:own; sid:1;)
alert udp any any -> any any (content:"often"; threshold:type limit,track by_src,count {limit},seconds 600; sid:2;)
alert udp any any -> any any (content:"remember"; xbits:set,seen,track ip_src,expire 600; sid:3;)
alert udp any any -> any any (content:"recall"; xbits:isset,seen,track ip_src; sid:4;)
alert udp any any -> any any (content:"mark"; ip.src; dataset:set,hosts,type ip,state hosts.lst; sid:5;)
alert udp any any -> any any (content:"begin"; flowbits:set,half; noalert; sid:6;)
alert udp any any -> any any (content:"going"; flowbits:isset,half; sid:7;)
alert udp any any -> any any (content:"going"; sid:8;)
"#
    )
}

/// Writes everything below a folder.
fn site(folder: &Path) {
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    };
    write("main.yaml", MAIN);
    write("main.rules", "alert udp any any -> any any (content:\"home\"; sid:1;)\n");
    write("one.yaml", "default-rule-path: FOLDER\nrule-files: [one.rules]\nclassification-file: FOLDER/classes\n");
    write("classes", "config classification: own,Of the first one,2\n");
    write("one.rules", &rules(1));
    write(
        "two.yaml",
        "default-rule-path: FOLDER\nrule-files: [two.rules]\nclassification-file: FOLDER/classes\nthreshold-file: FOLDER/two.conf
vars:\n  address-groups: {HOME_NET: 192.168.0.0/16}\n",
    );
    write("two.rules", &rules(2));
    write("two.conf", "suppress gen_id 1, sig_id 8\n");
    capture(&folder.join("all.pcap"), &frames());
}

fn replay(folder: &Path, threads: usize) -> Run {
    let run = Run::replay(&folder.join("all.pcap")).arg("--strict").arg("--config").path(&folder.join("main.yaml"));
    run.arg("--threads").arg(&threads.to_string()).arg("--data-dir").path(&folder.join("data"))
}

fn parsed(run: &Run) -> Vec<Value> {
    run.records().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often rules of tenants alerted.
fn alerts(records: &[Value]) -> BTreeMap<(u64, u64), usize> {
    let mut counts = BTreeMap::new();
    for alert in records.iter().filter(|record| record["event_type"] == "alert") {
        let tenant = alert["tenant_id"].as_u64().unwrap_or(0);
        *counts.entry((tenant, alert["alert"]["signature_id"].as_u64().unwrap())).or_default() += 1;
    }
    counts
}

#[test]
fn no_tenant_sees_what_is_anothers() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    let (one, two) = (1, 70_000);
    let run = replay(folder.path(), 1);
    run.succeed();
    let records = parsed(&run);
    let expected = [
        // Two networks are nobody's.
        ((0, 1), 2),
        ((one, 1), 1),
        ((one, 2), 1),
        ((one, 3), 1),
        ((one, 4), 1),
        ((one, 5), 1),
        ((two, 2), 2),
        ((two, 5), 1),
    ];
    assert_eq!(alerts(&records), expected.into());
    let first = records.iter().find(|record| record["alert"]["category"] == "Of the first one").unwrap();
    assert_eq!((&first["tenant_id"], &first["vlan"]), (&1.into(), &serde_json::json!([10])));
    let engines = &run.stats()["detect"]["engines"];
    for (at, id, loaded) in [(0, 0, 1), (1, one, 8), (2, two, 8)] {
        assert_eq!((&engines[at]["id"], &engines[at]["rules_loaded"]), (&id.into(), &loaded.into()), "{engines}");
    }
    let flows = |tenant: Value| {
        let of = |record: &&Value| record["event_type"] == "flow" && record["tenant_id"] == tenant;
        records.iter().filter(of).count()
    };
    assert_eq!([flows(one.into()), flows(two.into()), flows(Value::Null)], [9, 8, 12]);
    for tenant in [one, two] {
        let state = fs::read_to_string(folder.path().join(format!("data/tenants/{tenant}/hosts.lst"))).unwrap();
        assert_eq!(state, "10.1.0.7\n", "tenant {tenant}");
    }
}

#[test]
fn records_are_the_same_for_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    let all = [1, 2, 3].map(|threads| {
        let _ = fs::remove_dir_all(folder.path().join("data"));
        let run = replay(folder.path(), threads);
        run.succeed();
        run.records().lines().filter(|line| !line.contains(r#""event_type":"stats""#)).collect::<Vec<_>>().join("\n")
    });
    assert!(all[0] == all[1] && all[0] == all[2]);
}

#[test]
fn a_capture_may_be_that_of_one_tenant_and_strangers_may_have_no_rules() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    let with = |set: &[&str]| {
        let _ = fs::remove_dir_all(folder.path().join("data"));
        let run = set.iter().fold(replay(folder.path(), 1), |run, set| run.arg("--set").arg(set));
        run.succeed();
        alerts(&parsed(&run))
    };
    let direct = with(&["multi-detect.selector=direct", "pcap-file.tenant-id=1"]);
    assert!(direct.keys().all(|(tenant, _)| *tenant == 1) && direct[&(1, 1)] == 4, "{direct:?}");
    let nobody = with(&["multi-detect.selector=direct"]);
    assert_eq!(nobody, [((0, 1), 4)].into());
    let strangers = with(&["multi-detect.default=no"]);
    assert!(strangers.keys().all(|(tenant, _)| *tenant > 0), "{strangers:?}");
}

#[test]
fn what_tenants_have_wrong_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    fs::write(folder.path().join("one.rules"), "alert udp any any -> any any (contnt:\"x\"; sid:1;)\n").unwrap();
    fs::write(folder.path().join("two.conf"), "# a remark\nsuppress gen_id 1\n").unwrap();
    let config = folder.path().join("main.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_tapwire")).args(["check", "--json", "--config"]).arg(config).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<_> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let name = Path::new(error["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
            (name, error["line"].as_u64().unwrap(), error["column"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(places, [("one.rules".to_owned(), 1, 31), ("two.conf".to_owned(), 2, 1)]);
    let counts = |at: usize| ["id", "loaded", "failed"].map(|key| report["tenants"][at][key].as_u64().unwrap());
    assert_eq!([counts(0), counts(1), counts(2)], [[0, 1, 0], [1, 0, 1], [70_000, 8, 0]]);
}

#[test]
fn a_rule_of_a_tenant_is_listed_profiled_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    site(folder.path());
    let (config, all) = (folder.path().join("main.yaml"), folder.path().join("all.pcap"));
    let ask = |command: &str, arguments: &[&str], captures: bool| {
        let mut tapwire = Command::new(env!("CARGO_BIN_EXE_tapwire"));
        tapwire.args(["rules", command]).args(arguments).args(["--json", "--config"]).arg(&config);
        let output = if captures { tapwire.arg(&all).output() } else { tapwire.output() }.unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let values: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (values, output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (rows, ..) = ask("list", &["--sid", "1"], false);
    let tenants: Vec<_> = rows.iter().map(|row| row["tenant_id"].as_u64()).collect();
    assert_eq!(tenants, [None, Some(1), Some(70_000)]);
    let (rows, ..) = ask("profile", &["--limit", "0"], true);
    let of_two = rows.iter().find(|row| row["sid"] == 2 && row["tenant_id"] == 70_000).unwrap();
    assert_eq!(of_two["matches"], 3);
    for (rule, status) in [("1/1", 0), ("70000/1", 1), ("1/1:2", 0), ("9/1", 2), ("70000/7", 1)] {
        assert_eq!(ask("explain", &[rule], true).1, status, "{rule}");
    }
    let (rows, ..) = ask("explain", &["70000/1"], true);
    assert_eq!(rows[0]["tenant_id"], 70_000, "{}", rows[0]);
    assert!(ask("explain", &["2"], true).2.contains("1/2, 70000/2"), "it is told whose rules have the number");
}
