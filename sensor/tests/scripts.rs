//! Scripts as outputs: what they write, whatever the number of workers, and how their faults are told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::path::Path;

use common::{Run, captures};

const PACKETS: &str = r#"
local packet, flow = require("suricata.packet"), require("suricata.flow")
local config = require("suricata.config")
function init() return {type = "packet"} end
function setup()
  count = 0
  file = assert(io.open(config.log_path() .. "/packets.log", "w"))
  assert(io.open("../outside.log", "w") == nil and io.open("packets.log") == nil)
end
function log()
  count = count + 1
  local p, f = packet.get(), flow.get()
  local _, source, destination, protocol, from, to = p:tuple()
  file:write(count, " ", p:pcap_cnt(), " ", source, " ", from, " ", destination, " ", to, " ", protocol, " ",
    #(p:payload() or ""), "/", #p:packet(), " ", f and f:id() or "alone", "\n")
  if count == 3 then error("the third one") end
end
function deinit() file:write("end\n") file:close() end
"#;

const FLOWS: &str = r#"
local flow = require("suricata.flow")
function init() return {type = "flow"} end
function setup() file = assert(io.open("flows.log", "a")) end
function log()
  local f = flow.get()
  local _, source, destination, protocol, from, to = f:tuple()
  local packets, bytes = f:stats()
  file:write(f:timestring_iso8601(), " ", source, " ", from, " ", destination, " ", to, " ", protocol, " ",
    f:app_layer_proto(), " ", packets, " ", bytes, " ", tostring(f:has_alerts()), "\n")
end
"#;

const TRANSACTIONS: &str = r#"
local dns, flow = require("suricata.dns"), require("suricata.flow")
function init() return {protocol = "dns"} end
function setup() file = assert(io.open("dns.log", "w")) end
function log()
  local tx, f = dns.get_tx(), flow.get()
  local _, source, destination, protocol, from, to = f:tuple()
  local queries = tx:queries()
  file:write(source, " ", from, " ", destination, " ", to, " ", f:app_layer_proto(), " ", queries[0].rrname, "\n")
end
"#;

/// A transform of rules that adds what it sees to a set and says whether the set's file has it.
const ADD: &str = r#"
local dataset = require("suricata.dataset")
function thread_init()
  set = dataset.new()
  assert(set:get("uris") and not dataset.new():get("others"))
  local other = dataset.new()
  other:get("uris")
  assert(other:add("/known", 6) == 0)
end
function transform(input)
  assert(set:get("uris"))
  local new = set:add(input, #input)
  local text = new == 1 and "new" or "old"
  return text, #text
end
"#;

/// A run over all captures of the project with a script of each of the names.
fn run(scripts: &[(&str, &str)], threads: &str, folder: &Path) -> Run {
    let mut text = format!("outputs:\n- lua:\n    enabled: yes\n    scripts-dir: {}\n    scripts:\n", folder.display());
    for (name, script) in scripts {
        std::fs::write(folder.join(name), script).unwrap();
        text.push_str(&format!("    - {name}\n"));
    }
    let config = folder.join("site.yaml");
    std::fs::write(&config, text).unwrap();
    Run::new("replay").path(&captures()).arg("--threads").arg(threads).arg("--config").path(&config)
}

#[test]
fn scripts_write_the_same_for_any_number_of_workers() {
    let mut written = Vec::new();
    for threads in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let scripts = [("packets.lua", PACKETS), ("flows.lua", FLOWS), ("dns.lua", TRANSACTIONS)];
        let run = run(&scripts, threads, folder.path()).arg("--no-rules");
        let output = run.succeed();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("packets.lua:16: the third one"), "{said}");
        assert!(!run.folder().parent().unwrap().join("outside.log").exists());
        let read = |name: &str| std::fs::read_to_string(run.folder().join(name)).unwrap();
        let shown = read("dns.log");
        assert!(shown.lines().count() > 10, "{shown}");
        assert!(shown.contains(" 53 dns www.example.test\n"), "{shown}");
        written.push((read("packets.log"), read("flows.log"), shown));
    }
    assert_eq!(written[0], written[1]);
    let (packets, flows, _) = &written[0];
    assert!(packets.lines().count() > 20 && packets.ends_with("end\n"), "{packets}");
    assert!(flows.lines().count() > 5 && flows.contains(" http ") && flows.contains(" dns "), "{flows}");
}

#[test]
fn what_a_rule_silences_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("own.rules");
    let rule =
        "config dns any any -> any any (dns.query; content:\"www\"; config:logging disable, type tx, scope tx; sid:1;)";
    std::fs::write(&rules, rule).unwrap();
    let run = run(&[("dns.lua", TRANSACTIONS)], "1", folder.path()).arg("--rules").path(&rules);
    run.succeed();
    let shown = std::fs::read_to_string(run.folder().join("dns.log")).unwrap();
    assert!(!shown.is_empty() && !shown.contains("www.example.test"), "{shown}");
}

#[test]
fn scripts_of_rules_add_to_sets() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("add.lua", ADD);
    write("known.lst", &format!("{}\n", data_encoding::BASE64.encode(b"/known")));
    write(
        "own.rules",
        r#"
alert http any any -> any any (http.uri; luaxform:add.lua; content:"new"; sid:1;)
alert http any any -> any any (http.uri; dataset:isset,uris,type string,load known.lst; sid:2;)
alert http any any -> any any (http.uri; dataset:isnotset,uris; sid:3;)
"#,
    );
    let mut runs = Vec::new();
    for threads in ["1", "3"] {
        let rules = folder.path().join("own.rules");
        let run = Run::replay(&captures().join("http")).arg("--strict").arg("--threads").arg(threads).arg("--rules");
        let run = run.path(&rules);
        run.succeed();
        let records = run.records();
        let alerts = records.lines().filter(|line| line.contains(r#""event_type":"alert""#));
        let sids = alerts.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let count = |sid: u64, all: &[serde_json::Value]| {
            all.iter().filter(|alert| alert["alert"]["signature_id"] == sid).count()
        };
        let all: Vec<_> = sids.collect();
        let requests = records.lines().filter(|line| line.contains(r#""event_type":"http""#)).count();
        assert!(requests > 0);
        assert_eq!([1, 2, 3].map(|sid| count(sid, &all)), [requests, requests, 0]);
        runs.push(all.len());
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn a_script_that_cannot_be_used_is_told_at_its_place() {
    for (text, place, why) in [
        ("function init( return end", "site.yaml:6:7", "one.lua:1:"),
        ("function init() return {type = 'packet'} end", "site.yaml:6:7", "no function `log`"),
        ("function init() return {} end function log() end", "site.yaml:6:7", "does not say what it needs"),
        ("function init() while true do end end function log() end", "site.yaml:6:7", "instruction limit"),
        ("function init() return {type = 'file'} end function log() end", "site.yaml:6:7", "type file"),
        (
            "function init() return {type = 'flow'} end function setup() error('no') end function log() end",
            "one.lua:1:",
            "no",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&[("one.lua", text)], "1", folder.path()).arg("--no-rules").arg("--strict").output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(place) && said.contains(why), "{text}: {said}");
        let left_out = text.contains("file");
        assert_eq!(output.status.code(), Some(if left_out { 0 } else { 1 }), "{text}: {said}");
    }
}
