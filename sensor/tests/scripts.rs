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

/// A run over all captures of the project with a script of each of the names.
fn run(scripts: &[(&str, &str)], threads: &str, folder: &Path) -> Run {
    let mut text = format!("outputs:\n- lua:\n    enabled: yes\n    scripts-dir: {}\n    scripts:\n", folder.display());
    for (name, script) in scripts {
        std::fs::write(folder.join(name), script).unwrap();
        text.push_str(&format!("    - {name}\n"));
    }
    let config = folder.join("site.yaml");
    std::fs::write(&config, text).unwrap();
    Run::new("replay").path(&captures()).arg("--no-rules").arg("--threads").arg(threads).arg("--config").path(&config)
}

#[test]
fn scripts_write_the_same_for_any_number_of_workers() {
    let mut written = Vec::new();
    for threads in ["1", "3"] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(&[("packets.lua", PACKETS), ("flows.lua", FLOWS)], threads, folder.path());
        let output = run.succeed();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("packets.lua:16: the third one"), "{said}");
        assert!(!run.folder().parent().unwrap().join("outside.log").exists());
        let read = |name: &str| std::fs::read_to_string(run.folder().join(name)).unwrap();
        written.push((read("packets.log"), read("flows.log")));
    }
    assert_eq!(written[0], written[1]);
    let (packets, flows) = &written[0];
    assert!(packets.lines().count() > 20 && packets.ends_with("end\n"), "{packets}");
    assert!(flows.lines().count() > 5 && flows.contains(" http ") && flows.contains(" dns "), "{flows}");
}

#[test]
fn a_script_that_cannot_be_used_is_told_at_its_place() {
    for (text, place, why) in [
        ("function init( return end", "site.yaml:6:7", "one.lua:1:"),
        ("function init() return {type = 'packet'} end", "site.yaml:6:7", "no function `log`"),
        ("function init() return {} end function log() end", "site.yaml:6:7", "does not say what it needs"),
        ("function init() while true do end end function log() end", "site.yaml:6:7", "instruction limit"),
        ("function init() return {protocol = 'dns'} end function log() end", "site.yaml:6:7", "protocol dns"),
        (
            "function init() return {type = 'flow'} end function setup() error('no') end function log() end",
            "one.lua:1:",
            "no",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&[("one.lua", text)], "1", folder.path()).arg("--strict").output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(place) && said.contains(why), "{text}: {said}");
        let left_out = text.contains("dns");
        assert_eq!(output.status.code(), Some(if left_out { 0 } else { 1 }), "{text}: {said}");
    }
}
