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

/// Scripts that are shown something else, with the file that each writes.
const OTHERS: [(&str, &str); 6] = [
    (
        "alerts",
        r#"
local packet, rule = require("suricata.packet"), require("suricata.rule")
function init() return {type = "packet", filter = "alerts"} end
function setup() file = assert(io.open("alerts.log", "w")) end
function log()
  local r, p = rule.get_rule(), packet.get()
  local class, priority = r:class()
  local _, source, _, _, port = p:tuple()
  file:write(r:sid(), ":", r:gid(), ":", r:rev(), " ", r:action(), " ", r:msg(), " ", priority, " ", source, " ", port, "\n")
end
"#,
    ),
    (
        "files",
        r#"
local filelib, flow = require("suricata.file"), require("suricata.flow")
function init() return {type = "file", protocol = "http"} end
function setup() file = assert(io.open("files.log", "w")) end
function log()
  local f = filelib.get_file()
  local md5, why = f:md5()
  assert(md5 == nil and why ~= nil and f:is_stored() == false and flow.get():app_layer_proto() == "http")
  file:write(f:file_id(), " ", f:tx_id(), " ", f:name(), " ", f:size(), " ", f:get_state(), "\n")
end
"#,
    ),
    (
        "stream",
        r#"
local flow = require("suricata.flow")
function init() return {type = "streaming", filter = "tcp"} end
function setup() file, whole = assert(io.open("stream.log", "w")), {} end
function log(args)
  local s = args.stream
  local key = flow.get():id() .. tostring(s.toserver)
  assert(s.toserver ~= s.toclient and (s.open == (whole[key] == nil)))
  whole[key] = (whole[key] or 0) + #s.data
  if s.close then file:write(whole[key], " ", s.toserver and "to server" or "to client", "\n") end
end
"#,
    ),
    (
        "bodies",
        r#"
function init() return {type = "streaming", protocol = "http"} end
function setup() file = assert(io.open("bodies.log", "w")) end
function log(args)
  local s = args.stream
  if s.open then file:write(s.toserver and "sent " or "got ") end
  file:write((s.data:gsub("[^%w ]", "."):sub(1, 20)))
  if s.close then file:write("\n") end
end
"#,
    ),
    (
        "stats",
        r#"
function init() return {type = "stats"} end
function setup() file = assert(io.open("stats.log", "w")) end
function log(args)
  for _, counter in ipairs(args) do
    if counter.name == "decoder.pkts" then file:write(counter.tmname, " ", counter.value, " ", counter.pvalue, "\n") end
  end
end
"#,
    ),
    (
        "web",
        r#"
local packet = require("suricata.packet")
function init() return {type = "packet", protocol = "http"} end
function setup() file = assert(io.open("web.log", "w")) end
function log()
  local p = packet.get()
  file:write(p:sp() == 80 and "server\n" or p:dp() == 80 and "client\n" or "other\n")
end
"#,
    ),
];

#[test]
fn scripts_are_shown_alerts_files_streams_bodies_and_counters() {
    let folder = tempfile::tempdir().unwrap();
    let web = captures().join("http/get-and-upload");
    let mut text =
        format!("outputs:\n- lua:\n    enabled: yes\n    scripts-dir: {}\n    scripts:\n", folder.path().display());
    for (name, script) in OTHERS {
        std::fs::write(folder.path().join(format!("{name}.lua")), script).unwrap();
        text.push_str(&format!("    - {name}.lua\n"));
    }
    let config = folder.path().join("site.yaml");
    std::fs::write(&config, text).unwrap();
    let mut written = Vec::new();
    for threads in ["1", "3"] {
        let run = Run::replay(&web.join("capture.pcap")).arg("--threads").arg(threads).arg("--config").path(&config);
        let run = run.arg("--rules").path(&web.join("local.rules"));
        let said = String::from_utf8(run.succeed().stderr).unwrap();
        assert!(said.is_empty(), "{said}");
        let read = |name: &str| std::fs::read_to_string(run.folder().join(format!("{name}.log"))).unwrap();
        written.push(OTHERS.map(|(name, _)| read(name)));
    }
    assert_eq!(written[0], written[1]);
    let [alerts, files, stream, bodies, stats, web] = &written[0];
    let raw = alerts.lines().filter(|line| line.starts_with("5:1:1 ")).count();
    assert!(alerts.contains("1:1:1 alert a page was asked for 3 ") && raw == 1, "thresholds hold as well: {alerts}");
    assert!(files.contains("/long.txt") && files.contains(" CLOSED"), "{files}");
    assert!(stream.lines().count() >= 2 && stream.contains(" to server") && stream.contains(" to client"), "{stream}");
    assert!(bodies.contains("got line 0 of a text") || bodies.contains("got line"), "{bodies}");
    assert!(bodies.contains("sent "), "{bodies}");
    assert!(stats.starts_with("Total ") && stats.ends_with(" 0\n"), "{stats}");
    assert!(web.contains("server") && web.contains("client") && !web.contains("other"), "{web}");
}

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
        (
            "function init() return {type = 'stats', filter = 'tcp'} end function log() end",
            "site.yaml:6:7",
            "filter tcp, type stats",
        ),
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
        let left_out = text.contains("stats");
        assert_eq!(output.status.code(), Some(if left_out { 0 } else { 1 }), "{text}: {said}");
    }
}
