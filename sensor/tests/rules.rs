//! `tapwire rules` as it is called: rules are listed, tested and compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Run, captures};
use serde_json::Value;

/// Standard output, standard error and the exit status.
fn rules(arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_tapwire")).arg("rules").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn web() -> PathBuf {
    captures().join("http/get-and-upload")
}

const RULES: &str = r#"# What the capture holds, seen from each side of HTTP.
alert http any any -> any any (msg:"a page was asked for"; flow:established,to_server; http.method; content:"GET"; http.uri; content:"/long.txt"; endswith; sid:1; rev:1;)
alert http any any -> any any (msg:"a percent sign hid a letter"; flow:established,to_server; http.uri; content:"/missing?q="; startswith; http.uri.raw; content:"%41"; sid:2; rev:1;)
alert http any any -> any any (msg:"text within a compressed body"; flow:established,to_client; file.data; content:"line 42 of a text"; sid:3; rev:1;)
alert http any any -> any any (msg:"a page is missing"; flow:established,to_client; http.stat_code; content:"404"; sid:4; rev:1;)
alert tcp any any -> any 80 (msg:"a user agent in raw bytes"; flow:established,to_server; content:"User-Agent|3a 20|case/"; nocase; threshold:type limit, track by_src, count 1, seconds 60; sid:5; rev:1;)
"#;

/// A case of the web capture.
fn case(folder: &Path, expected: Option<&str>) {
    fs::create_dir_all(folder).unwrap();
    fs::copy(web().join("capture.pcap"), folder.join("capture.pcap")).unwrap();
    fs::write(folder.join("local.rules"), RULES).unwrap();
    if let Some(expected) = expected {
        fs::write(folder.join("expected"), expected).unwrap();
    }
}

const RIGHT: &str = "# each side of HTTP\n1\n2 pcap_cnt=10\n3\n4 x1\n5\n";

#[test]
fn rules_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("web.rules"), RULES).unwrap();
    let folder = folder.path().to_str().unwrap();
    let (out, err, status) = rules(&["list", "--rules", folder]);
    assert_eq!((status, out.lines().count()), (0, 6), "{out}{err}");
    assert!(err.contains("5 of 5 rules shown"), "{err}");
    let (out, _, _) = rules(&["list", "--rules", folder, "--json", "--text", "page", "--sort", "cost"]);
    let sids: Vec<u64> = lines(&out).iter().map(|row| row["sid"].as_u64().unwrap()).collect();
    assert!(sids.len() == 2 && sids.contains(&1) && sids.contains(&4), "{out}");
    assert_eq!(rules(&["list"]).2, 1);
    assert_eq!(rules(&["list", "--rules", "/no/such/*.rules"]).2, 1);
    assert_eq!(rules(&["list", "--sid", "9-1"]).2, 2);
}

#[test]
fn cases_pass_fail_and_are_blessed() {
    let top = tempfile::tempdir().unwrap();
    let path = |name: &str| top.path().join(name);
    case(&path("a/right"), Some(RIGHT));
    case(&path("b/wrong"), Some("1\n2 x2\n3 pcap_cnt=1\n4\n77\n"));
    case(&path("c/new"), None);
    fs::create_dir_all(path("d/elsewhere")).unwrap();
    fs::write(
        path("d/elsewhere/expected"),
        format!("capture: ../../a/right/capture.pcap\nrules: ../../a/right/local.rules\n{RIGHT}"),
    )
    .unwrap();
    let folder = top.path().to_str().unwrap();

    let (out, err, status) = rules(&["test", folder]);
    assert_eq!(status, 1, "{out}{err}");
    let verdicts: Vec<&str> = out.lines().filter(|line| line.contains(" alert")).map(|l| &l[..7]).collect();
    assert_eq!(verdicts[..2], ["ok     ", "FAILED "], "{out}");
    for part in [
        "2 a percent sign hid a letter: expected 2, came 1; came on packet 10",
        "missed on packet 1; came on",
        "5 a user agent in raw bytes: expected 0, came 1",
        "77: expected 1, came 0; no rule has this sid",
        "there is no file `expected`, and 5 alerts came",
        "4 cases: 2 ok, 2 FAILED; ",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }

    let (out, _, status) = rules(&["test", folder, "--json", "--name", "b/wrong", "--jobs", "1"]);
    let told = lines(&out);
    assert_eq!((status, told.len()), (1, 2), "{out}");
    assert_eq!((&told[0]["status"], told[0]["differences"].as_array().unwrap().len()), (&"failed".into(), 4));
    assert_eq!((&told[1]["cases"], &told[1]["failed"]), (&1.into(), &1.into()));

    assert_eq!(rules(&["test", folder, "--bless"]).2, 0);
    assert_eq!(fs::read_to_string(path("a/right/expected")).unwrap(), RIGHT, "what holds is not touched");
    let (out, _, status) = rules(&["test", folder]);
    assert!(status == 0 && out.contains("4 cases: 4 ok, 0 FAILED"), "{out}");
}

#[test]
fn a_case_that_cannot_run_has_failed() {
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().to_str().unwrap();
    assert_eq!(rules(&["test", folder]).2, 2, "nothing found");
    assert_eq!(rules(&["test", "/no/such/folder"]).2, 2);
    assert_eq!(rules(&["test"]).2, 2);
    for (name, file, text, told) in [
        ("rule", "local.rules", "alert tcp any any -> any any (contnet:\"x\"; sid:1;)", "`contnet` is no keyword"),
        ("capture", "capture.pcap", "no capture", "neither pcap nor pcapng"),
        ("expected", "expected", "one\n", "line 1: `one` is no expected alert"),
        ("config", "config.yaml", "outputs: [", "config.yaml"),
    ] {
        let own = top.path().join(name);
        case(&own, Some(RIGHT));
        fs::write(own.join(file), text).unwrap();
        let (out, _, status) = rules(&["test", own.to_str().unwrap()]);
        assert!(status == 1 && out.contains(told), "{told} in {out}");
        let json = lines(&rules(&["test", own.to_str().unwrap(), "--json"]).0);
        let error = &json[0]["errors"][0];
        let column = if name == "rule" { 31 } else { error["column"].as_u64().unwrap() };
        assert!(error.to_string().contains(told) && error["column"] == column, "{error}");
    }
}

#[test]
fn rule_sets_are_compared() {
    let top = tempfile::tempdir().unwrap();
    let (old, new) = (top.path().join("old.rules"), top.path().join("new.rules"));
    fs::write(&old, RULES).unwrap();
    let text = RULES.replace("content:\"404\"; sid:4;", "content:\"200\"; sid:6;").replace("rev:1", "rev:2");
    fs::write(&new, text).unwrap();
    let (capture, old, new) = (web().join("capture.pcap"), old.to_str().unwrap().to_owned(), new.to_str().unwrap());
    let capture = capture.to_str().unwrap();

    let (out, err, status) = rules(&["diff", &old, new, capture, "--verbose"]);
    assert_eq!(status, 1, "{out}{err}");
    assert!(out.contains("vanishes  4  1 -> 0  a page is missing\n    - "), "{out}");
    assert!(out.contains("appears   6  0 -> ") && out.contains("2 rules differ: 5 alerts before"), "{out}");
    let told = lines(&rules(&["diff", &old, new, capture, "--json"]).0);
    assert_eq!((&told[0]["change"], &told[0]["old"], &told[2]["rules"]), (&"vanishes".into(), &1.into(), &2.into()));

    let (out, _, status) = rules(&["diff", &old, &old, capture]);
    assert_eq!((status, out.as_str()), (0, "no rule differs: 5 alerts before, 5 after, in 1 capture\n"));
    for wrong in [&["diff", &old, "/no/such.rules", capture][..], &["diff", &old, new, "-"], &["diff", &old, new]] {
        assert_eq!(rules(wrong).2, 2, "{wrong:?}");
    }
    assert_eq!(rules(&["diff", &old, new, &old]).2, 2, "a rule file is no capture");
}

const NEAR: &str = r#"alert http any any -> any any (msg:"after a place"; flow:established,to_server; http.method; content:"GET"; http.uri; content:"long.txt"; depth:8; sid:101;)
alert tcp any any -> any 8080 (msg:"at another port"; flow:established,to_server; content:"User-Agent"; sid:102;)
alert tcp any any -> any any (msg:"after a bit"; flow:established,to_server; flowbits:isset,seen; content:"User-Agent"; sid:103;)
alert tcp any any -> any any (msg:"sets a bit"; content:"no such text"; flowbits:set,seen; noalert; sid:104;)
alert dns any any -> any any (msg:"of another protocol"; dns.query; content:"x"; sid:105;)
alert tcp any any -> any 80 (msg:"seldom"; flow:established,to_server; content:"User-Agent|3a 20|"; threshold:type limit, track by_src, count 1, seconds 60; sid:106;)
pass tcp any any -> any 80 (msg:"goes before"; content:"GET /missing"; sid:107;)
alert tcp any any -> any 80 (msg:"is passed"; content:"GET /missing"; sid:108;)
alert http any any -> any any (msg:"\u{202e}hidden|\u{7}"; http.uri; content:"/long"; sid:109;)
alert tcp-pkt any any -> any 80 (msg:"in a packet"; content:"GET /long"; sid:110;)
"#;

#[test]
fn a_rule_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("near.rules");
    fs::write(&file, NEAR).unwrap();
    let (file, capture) = (file.to_str().unwrap(), web().join("capture.pcap"));
    let explain = |rule: &str, more: &[&str]| {
        let mut arguments = vec!["explain", rule, "--rules", file, capture.to_str().unwrap()];
        arguments.extend(more);
        rules(&arguments)
    };
    for (rule, status, conclusion) in [
        ("101", 1, "=> nearest, `content:\"long.txt\"; depth:8` does not hold: occurs at 1, outside of 0 to 8"),
        ("1:102", 1, "=> no chunk meets `destination port 8080`; most often it is 80"),
        ("103", 1, "does not hold: not set in this flow; rules that set it: 104"),
        ("104", 1, "=> its fast pattern \"no such text\" never occurs in payload: 8 chunks would fit otherwise"),
        ("105", 1, "=> no transaction meets `protocol dns`; most often the flow is http"),
        ("106", 0, "2 held back by threshold"),
        ("108", 1, "silenced by pass rule 107"),
        ("109", 0, "=> the rule fires: 1 alert"),
    ] {
        let (out, err, code) = explain(rule, &["--limit", "1"]);
        assert!(code == status && out.contains(conclusion), "{rule}: {code}, {out}{err}");
        assert!(!out.contains(['\u{202e}', '\u{7}']), "what a terminal obeys is escaped: {out}");
    }
    assert!(
        explain("103", &["--limit", "1"]).0.ends_with("4 looks came less near and are left out; --limit shows more\n")
    );

    let (out, _, _) = explain("101", &["--json"]);
    let lines = lines(&out);
    assert_eq!((&lines[0]["looks"], &lines[0]["alerts"], lines.len()), (&1.into(), &0.into(), 2), "{out}");
    assert_eq!(lines[0]["packets"]["conditions"][0]["instead"]["the flow's protocol is not recognised yet"], 12);
    let (look, conditions) = (&lines[1], lines[1]["conditions"].as_array().unwrap());
    assert_eq!(
        (&look["pcap_cnt"], &look["kind"], &look["outcome"]),
        (&19.into(), &"transaction".into(), &"failed".into())
    );
    let last = conditions.last().unwrap();
    assert_eq!((&last["buffer"], &last["size"], &last["offset"]), (&"http.uri".into(), &9.into(), &1.into()), "{last}");

    assert_eq!(explain("999", &[]).2, 2);
    assert_eq!(explain("x", &[]).2, 2);
}

#[test]
fn an_alert_says_which_bytes_fulfilled_its_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("near.rules");
    fs::write(&file, NEAR.replace("pass tcp", "alert tcp")).unwrap();
    let config = folder.path().join("site.yaml");
    let outputs = "outputs:\n  - eve-log:\n      enabled: yes\n      filename: eve.json\n      types:\n        - alert:\n            payload-printable: yes\n";
    fs::write(&config, format!("%YAML 1.1\n---\n{outputs}tapwire:\n  records: yes\n")).unwrap();
    let run = |setting: &str| {
        let run = Run::replay(&web().join("capture.pcap")).arg("--config").path(&config);
        let run = run.arg("--set").arg(setting).arg("--rules").path(&file);
        run.succeed();
        let alerts: Vec<Value> = lines(&run.records()).into_iter().filter(|r| r["event_type"] == "alert").collect();
        alerts
    };
    let alerts = run("packet-alert-max=15");
    let of = |sid: u64| alerts.iter().find(|a| a["alert"]["signature_id"] == sid).unwrap();
    assert_eq!(
        of(109)["tapwire"]["evidence"],
        serde_json::json!([{"buffer": "http.uri", "keyword": "content", "offset": 0, "length": 5}])
    );
    // The bytes can be cut out of the payload that the record shows: that of the packet, or the chunk of the stream.
    for (sid, text, stream) in [(110, "GET /long", 0), (106, "User-Agent: ", 1)] {
        let alert = of(sid);
        let piece = &alert["tapwire"]["evidence"][0];
        let number = |name: &str| usize::try_from(piece[name].as_u64().unwrap()).unwrap();
        let (from, shown) = (number("offset"), alert["payload_printable"].as_str().unwrap());
        assert_eq!((&shown[from..from + number("length")], &piece["buffer"]), (text, &"payload".into()), "{alert}");
        assert_eq!(alert["stream"], stream, "{alert}");
    }
    let short = run("outputs.0.eve-log.types.0.alert.payload-buffer-size=8");
    let short = short.iter().find(|alert| alert["alert"]["signature_id"] == 106).unwrap();
    assert_eq!(short["payload_printable"], "GET / HT");
    assert_eq!(short["tapwire"]["evidence"][0]["buffer"], "stream", "it is not among the bytes that are shown");
    assert!(run("tapwire.records=no").iter().all(|alert| alert["tapwire"]["evidence"].is_null()));
    assert!(run("tapwire.evidence=no").iter().all(|alert| alert["tapwire"]["evidence"].is_null()));
    assert!(
        run("tapwire.evidence-pieces=1")
            .iter()
            .all(|alert| alert["tapwire"]["evidence"].as_array().unwrap().len() == 1)
    );
}

/// A capture of one packet, from its IPv4 header on.
fn capture_of(packet: &[u8]) -> Vec<u8> {
    const RAW: u32 = 101;
    let length = u32::try_from(packet.len()).unwrap();
    let numbers = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, RAW, 1, 0, length, length];
    let mut capture: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    capture.extend_from_slice(packet);
    capture
}

#[test]
fn an_alert_on_a_packet_without_a_flow_shows_its_payload() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, config) = (folder.path().join("all.rules"), folder.path().join("site.yaml"));
    fs::write(&rules, "alert ip any any -> any any (msg:\"any\"; sid:1;)\n").unwrap();
    let alert = "        - alert: {payload: yes, payload-printable: yes}\n";
    fs::write(
        &config,
        format!("outputs:\n  - eve-log:\n      enabled: yes\n      filename: eve.json\n      types:\n{alert}"),
    )
    .unwrap();
    // A later fragment, and one without bytes.
    let header = |length: u8| [0x45, 0, 0, length, 0, 1, 0x20, 8, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let with = [&header(26)[..], b"behind"].concat();
    for (packet, payload) in [(with, serde_json::json!("behind")), (header(20).to_vec(), Value::Null)] {
        let capture = folder.path().join("one.pcap");
        fs::write(&capture, capture_of(&packet)).unwrap();
        let run = Run::replay(&capture).arg("--config").path(&config).arg("--checksums").arg("off");
        let run = run.arg("--rules").path(&rules);
        run.succeed();
        let records = lines(&run.records());
        let alert = records.iter().find(|record| record["event_type"] == "alert").unwrap();
        assert_eq!((&alert["payload_printable"], &alert["stream"]), (&payload, &0.into()), "{alert}");
    }
}

/// One rule that is cheap to find, and one that is asked about everything.
const DEAR: &str = r#"alert http any any -> any any (msg:"found by a pattern"; http.uri; content:"/long.txt"; sid:201;)
alert tcp any any -> any any (msg:"asked about everything"; pcre:"/(x+x+)+y{3}$/"; sid:202;)
"#;

#[test]
fn rules_are_profiled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dear.rules");
    fs::write(&file, DEAR).unwrap();
    let (file, capture) = (file.to_str().unwrap(), web().join("capture.pcap"));
    let profile = |more: &[&str]| {
        let mut arguments = vec!["profile", "--rules", file, capture.to_str().unwrap()];
        arguments.extend(more);
        rules(&arguments)
    };
    let (out, err, status) = profile(&[]);
    assert!(status == 0 && out.contains("2 of 2 rules shown that were asked; 2 loaded"), "{out}{err}");
    assert!(out.contains("1 rule that never matched") && out.contains("\nprefilter "), "{out}");
    assert!(profile(&["--sort", "misses"]).0.lines().nth(1).unwrap().contains("asked about everything"));
    let (out, _, _) = profile(&["--json", "--sort", "checks"]);
    let all = lines(&out);
    let count = |row: &Value| (row["sid"].clone(), row["checks"].clone(), row["matches"].clone());
    assert_eq!(count(&all[1]), (202.into(), 9.into(), 0.into()), "{out}");
    assert_eq!(count(&all[2]), (201.into(), 1.into(), 1.into()), "{out}");
    assert!(all[0]["prefilter_bytes"].as_u64().unwrap() > 0 && all[1]["time_ns"].as_u64().unwrap() > 0, "{out}");
    assert_eq!(rules(&["profile", capture.to_str().unwrap()]).2, 1);
}

#[test]
fn a_rule_that_takes_more_than_its_share_is_named_and_suspended_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dear.rules");
    fs::write(&file, DEAR).unwrap();
    let replay = |threads: &str, settings: &[&str]| {
        let mut run = Run::replay(&web().join("capture.pcap")).arg("--threads").arg(threads).arg("--rules").path(&file);
        for setting in settings {
            run = run.arg("--set").arg(setting);
        }
        let said = String::from_utf8(run.succeed().stderr).unwrap();
        (said, run.stats())
    };
    let small = "tapwire.rules.cost.window=600";
    let (said, stats) = replay("1", &[small]);
    assert!(
        said.contains("rule 1:202 (asked about everything) takes ") && said.matches("warning").count() == 1,
        "{said}"
    );
    let dearest = &stats["tapwire"]["rules"]["dearest"];
    assert_eq!((&dearest[0]["signature_id"], &dearest[0]["checks"]), (&202.into(), &9.into()), "{dearest}");
    assert_eq!(stats["tapwire"]["rules"]["suspended"], 0);
    // What is told in records is the same for any number of workers and any window.
    assert_eq!(*dearest, replay("3", &[]).1["tapwire"]["rules"]["dearest"]);
    assert_eq!(replay("1", &[small, "tapwire.rules.cost.share-percent=0"]).0, "");

    let (said, stats) = replay("1", &[small, "tapwire.rules.cost.suspend=yes"]);
    assert!(said.contains("and is suspended"), "{said}");
    let (rules, dearest) = (&stats["tapwire"]["rules"], &stats["tapwire"]["rules"]["dearest"][0]);
    assert_eq!((&rules["suspended"], &dearest["suspended"]), (&1.into(), &true.into()), "{rules}");
    let decided = dearest["checks"].as_u64().unwrap();
    assert_eq!(decided + rules["skipped"].as_u64().unwrap(), 9, "{rules}");
    assert!(replay("2", &["tapwire.records=no"]).1.get("tapwire").is_none());
}
