//! What a user is told, and what of it reaches the exit status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test says what is wrong by failing, and reads what is bounded"
)]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, captures};
use serde_json::Value;

fn web() -> PathBuf {
    captures().join("http/get-and-upload/capture.pcap")
}

/// A rule that the capture fulfils, with more options.
fn rule(options: &str) -> String {
    format!(
        "alert http any any -> any any (http.method; content:\"GET\"; http.uri; content:\"/long.txt\"; {options})\n"
    )
}

/// What a run leaves that reads the capture with a file of rules and a configuration.
fn replay(rules: &str, more: &[&str]) -> (Run, Option<i32>, String, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.rules");
    fs::write(&path, rules).unwrap();
    let mut run = Run::new("replay").arg("--json").arg("--rules").path(&path).path(&web());
    for argument in more {
        run = run.arg(argument);
    }
    let output = run.output();
    let summary = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (run, output.status.code(), String::from_utf8(output.stderr).unwrap(), summary)
}

#[test]
fn rules_in_use_are_told_and_none_of_those_that_were_named_is_the_end() {
    let (_, status, said, summary) = replay(&(rule("sid:1;") + "alert tcp any any -> any any (wrong; sid:2;)\n"), &[]);
    assert_eq!((status, &summary["rules"]["in_use"], &summary["rules"]["refused"]), (Some(0), &1.into(), &1.into()));
    assert_eq!(said.matches("1 rule in use, 1 refused").count(), 2, "at the begin and at the end: {said}");
    let (run, status, said, _) = replay("alert tcp any any -> any any (wrong; sid:2;)\n", &[]);
    assert!(status == Some(1) && said.contains("none of the rules that were named can be used"), "{said}");
    assert!(!run.folder().join("eve.json.zst").exists());
    let output = Run::new("replay").arg("--rules").arg("/no/such.rules").path(&web()).output();
    assert_eq!(output.status.code(), Some(1));
    let (_, status, _, summary) = replay("# none yet\n", &[]);
    assert_eq!((status, &summary["rules"]["in_use"]), (Some(0), &0.into()));
}

#[test]
fn alerts_are_those_of_the_run_whatever_output_takes_them() {
    let eve = |file: &str, kind: &str| format!("- eve-log: {{enabled: yes, filename: {file}.json, types: [{kind}]}}\n");
    for (outputs, expected) in [
        (eve("a", "flow") + &eve("b", "alert") + &eve("c", "alert"), [1, 1, 1]),
        (eve("a", "flow") + "- fast: {enabled: yes}\n", [1, 1, 0]),
        (eve("a", "flow"), [1, 0, 0]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("s.yaml");
        fs::write(&config, format!("tapwire: {{}}\noutputs:\n{outputs}")).unwrap();
        let (_, _, said, summary) = replay(&rule("sid:1;"), &["--config", config.to_str().unwrap()]);
        assert_eq!(summary["alerts"], 1, "{said}");
        let files = summary["records"].as_array().unwrap();
        let alerts = files.iter().skip(1).map(|file| &file["records"]);
        assert!(alerts.eq(expected[1..files.len()].iter()), "{summary}");
        assert!(files.iter().all(|file| Path::new(file["file"].as_str().unwrap()).file_name().is_some()));
    }
}

#[test]
fn classes_are_known_without_a_file_and_one_beside_the_rules_is_taken() {
    let alert = |run: &Run| -> Value {
        let records = run.records();
        let line = records.lines().find(|line| line.contains("\"event_type\":\"alert\"")).unwrap().to_owned();
        serde_json::from_str::<Value>(&line).unwrap()["alert"].clone()
    };
    let (run, _, said, _) = replay(&rule("classtype:attempted-admin; sid:1;"), &[]);
    let seen = alert(&run);
    assert_eq!((&seen["category"], &seen["severity"]), (&"Attempted Administrator Privilege Gain".into(), &1.into()));
    assert!(!said.contains("class"), "{said}");
    let (_, status, said, _) = replay(&rule("classtype:atempted-admin; sid:1;"), &[]);
    assert!(
        status == Some(0) && said.contains("`atempted-admin` is not known") && said.contains("`attempted-admin`?"),
        "{said}"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.rules"), rule("classtype:ours; sid:1;")).unwrap();
    fs::write(folder.path().join("classification.config"), "config classification: ours,What we look for,2\n").unwrap();
    let run = Run::replay(&web()).arg("--rules").path(folder.path());
    run.succeed();
    assert_eq!(alert(&run)["category"], "What we look for");
}

#[test]
fn records_of_several_captures_name_theirs() {
    let name = |run: &Run| -> Vec<String> {
        let records = run.records();
        let all = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["event_type"] == "http")
            .map(|record| record["pcap_filename"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let other = captures().join("dns/lookup/capture.pcap");
    let run = Run::replay(&web());
    run.succeed();
    assert!(name(&run).iter().all(String::is_empty));
    let mut first: Option<String> = None;
    for threads in ["1", "2", "3"] {
        let run = Run::replay(&other).path(&web()).arg("--threads").arg(threads);
        run.succeed();
        let web = web().display().to_string();
        assert!(!name(&run).is_empty() && name(&run).iter().all(|name| *name == web), "{:?}", name(&run));
        let records = run.records();
        let records: String = records.lines().filter(|line| !line.contains("\"stats\"")).collect();
        assert!(*first.get_or_insert_with(|| records.clone()) == records, "{threads} workers write other records");
    }
}

#[test]
fn an_interrupted_replay_ends_with_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapwire"))
        .args(["replay", "--json", "--no-rules", "--log-dir", folder.path().to_str().unwrap(), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let capture = fs::read(web()).unwrap();
    let packets = |count: usize| capture[24..].repeat(count);
    input.write_all(&capture[..24]).unwrap();
    // More than a batch: the first ones are inspected while the input stays open.
    input.write_all(&packets(200)).unwrap();
    let start = Instant::now();
    while !folder.path().join("eve.json.zst").exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing was begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(50));
    // It is at a packet that it reads that it looks.
    let _ = input.write_all(&packets(400));
    drop(input);
    let output = child.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{summary}");
    assert!(summary["flows"].as_u64() > Some(0) && summary["records"][0]["records"].as_u64() > Some(1), "{summary}");
    let bytes = fs::read(folder.path().join("eve.json.zst")).unwrap();
    let records = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    assert!(records.contains("\"event_type\":\"flow\"") && records.contains("\"event_type\":\"stats\""));
}

#[test]
fn a_check_is_wrong_where_something_was_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let rules = write("own.rules", &rule("sid:1;"));
    let check = |config: &str, more: &[&str]| {
        let config = write("s.yaml", config);
        let mut run = Run::new("check").arg("--config").path(&config).arg("--rules").path(&rules);
        for argument in more {
            run = run.arg(argument);
        }
        let output = run.output();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for (config, expected) in [
        ("tapwire: {}\n", 0),
        ("tapwire: {}\nstream: {midstream: yes}\nstream: {midstream: no}\n", 0),
        ("tapwire: {}\nstream: {midstrem: yes}\n", 1),
        ("tapwire: {}\nstream: {midstream: perhaps}\n", 1),
        ("tapwire: {}\nvars: {address-groups: {HOME_NET: 10.0.0.0/40}}\n", 1),
        ("- tapwire\n", 1),
    ] {
        let (status, said) = check(config, &[]);
        assert_eq!(status, Some(expected), "{config}: {said}");
    }
    let (status, said) = check("vars: {address-groups: {HOME_NET: 10.0.0.0/40}}\n", &["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &report["errors"][0]["line"], &report["errors"][0]["column"]),
        (Some(1), &1.into(), &35.into())
    );
    let (status, said) = check("stream: {midstream: yes}\nstream.memcap: 1mb\n", &["--dump-config", "--set", "a.b=c"]);
    let lines: Vec<&str> = said.lines().map(|line| line.split("    # ").next().unwrap()).collect();
    assert_eq!((status, lines), (Some(0), vec!["stream.midstream = yes", "stream.memcap = 1mb", "a.b = c"]), "{said}");
    let (_, said) = check("stream: {midstrem: yes}\n", &["--format", "github"]);
    assert!(said.starts_with("::warning file=") && said.contains("did you mean `midstream`?"), "{said}");
}

#[test]
fn a_thousand_rules_with_the_same_fault_are_a_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let rules: String =
        (1..=1_000).map(|sid| format!("alert tcp any any -> $NO_NET any (msg:\"x\"; sid:{sid};)\n")).collect();
    let path = folder.path().join("own.rules");
    fs::write(&path, rules + &rule("sid:5000;")).unwrap();
    for (more, most) in [(vec![], 40), (vec!["--verbose"], 10_000)] {
        let mut run = Run::new("check").arg("--rules").path(&path);
        for argument in more {
            run = run.arg(argument);
        }
        let said = String::from_utf8(run.output().stdout).unwrap();
        assert!(said.lines().count() < most && said.contains("NO_NET"), "{said}");
        assert_eq!(said.contains("997 more like these"), most == 40);
    }
}

#[test]
fn a_file_is_no_folder_for_records() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tapwire"))
        .args(["replay", "--no-rules", "--log-dir"])
        .args([file.path(), &web()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("is no folder") && said.contains("--log-dir"), "{said}");
}

/// Standard output and standard error of a command, which ends well.
fn said(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tapwire")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn records_are_shown_without_other_programs() {
    let rules = rule("msg:\"a page\"; classtype:attempted-admin; sid:7;");
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(config.path(), "tapwire: {}\noutputs:\n- eve-log: {enabled: yes, types: [alert, flow, stats]}\n")
        .unwrap();
    for more in [vec![], vec!["--config", config.path().to_str().unwrap()]] {
        let (run, ..) = replay(&rules, &more);
        let folder = run.folder().to_str().unwrap();
        let (alerts, _) = said(&["alerts", folder]);
        assert!(
            alerts.lines().count() == 1 && alerts.contains("1  1:7 ") && alerts.contains("a page  [Attempted"),
            "{alerts}"
        );
        assert_eq!(said(&["alerts", folder, "--sid", "8"]).0, "");
        let (overview, _) = said(&["show", folder]);
        for part in ["Alerts by rule", "1:7", "http over tcp", "192.0.2.80"] {
            assert!(overview.contains(part), "{part}: {overview}");
        }
        assert!(!overview.contains('\u{1b}'), "no colours where there is no terminal");
        assert!(said(&["show", folder, "--color", "always"]).0.contains("\u{1b}["));
        let (flows, _) = said(&["show", "flows", folder, "--top", "1"]);
        assert!(flows.lines().count() == 1 && flows.contains("to server"), "{flows}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    fs::write(&path, "{\"event_type\":\"alert\",\"alert\":{\"signature\":\"\\u001b[2Jx\"}}\nno record\n").unwrap();
    let (out, err) = said(&["alerts", path.to_str().unwrap()]);
    assert!(out.contains("\\x1b[2Jx") && err.contains("1 of 2 lines are no records"), "{out}{err}");
}

#[test]
fn the_examples_are_right() {
    let examples = captures().join("../examples");
    let command = |folder: &str, arguments: &[&str]| {
        let folder = examples.join(folder);
        let output = Command::new(env!("CARGO_BIN_EXE_tapwire")).args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = command("site", &["check", "--config", "site.yaml"]);
    assert!(said.contains("1 rule loaded, 0 refused"), "{said}");
    command("rules-in-ci", &["check", "--format", "github", "--rules", "rules/"]);
    assert!(command("rules-in-ci", &["rules", "test", "tests/"]).contains("1 ok"));
}

#[test]
fn the_command_line_of_another_sensor_is_translated() {
    let (_, err) = said(&["-r", "a.pcap", "-S", "my.rules", "-l", "out"]);
    assert!(err.contains("tapwire replay --rules my.rules --log-dir out a.pcap"), "{err}");
    assert!(!said(&["replay", "--nothing"]).1.contains("Suricata"));
    assert!(said(&["completions", "bash"]).0.contains("_tapwire") && said(&["man"]).0.contains(".TH tapwire"));
}

#[test]
fn keys_without_effect_are_named_in_one_line_by_whatever_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s.yaml");
    let text = "mpm-algo: ac\nthreading: {autopin: yes}\nnapatech: {hba: -1}\n\
                outputs:\n- eve-log: {enabled: yes, types: [flow, smb]}\n- syslog: {enabled: no}\n";
    fs::write(&config, text).unwrap();
    let line = "has no effect here: mpm-algo, threading.autopin, napatech, outputs.eve-log.types.smb; ";
    let check = |more: &[&str]| {
        let run = Run::new("check").arg("--no-rules").arg("--config").path(&config);
        let output = more.iter().fold(run, |run, argument| run.arg(argument)).output();
        assert_eq!(output.status.code(), Some(0), "it is no fault: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(check(&[]).matches(line).count(), 1);
    assert!(check(&["--verbose"]).contains("`mpm-algo` has no effect here: the sensor chooses that"));
    let report: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let keys: Vec<_> = report["no_effect"].as_array().unwrap().iter().map(|key| (&key["key"], &key["line"])).collect();
    assert_eq!((keys.len(), keys[1]), (4, (&"threading.autopin".into(), &2.into())));
    let output = Run::new("replay").arg("--no-rules").arg("--config").path(&config).path(&web()).output();
    assert!(String::from_utf8(output.stderr).unwrap().contains(line));
    let quiet = Run::replay(&web()).arg("--no-rules").arg("--config").path(&config).output();
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
    // An interface is not needed to be told.
    let run = Run::new("run").arg("-i").arg("no/such").arg("--no-rules").arg("--config").path(&config);
    let output = run.output();
    assert!(String::from_utf8(output.stderr).unwrap().contains(line));
}
