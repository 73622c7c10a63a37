//! What rules, names and whoever else may write cannot do to the sensor's own files, its cache and a terminal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{Run, captures};

/// A rule that always finds something in the capture, to see whether others go on.
const OTHER: &str = "alert http any any -> any any (msg:\"other\"; http.method; content:\"GET\"; sid:2;)\n";

fn web() -> PathBuf {
    captures().join("http/get-and-upload/capture.pcap")
}

/// A run of a rule and the other one, whose rules lie in a folder.
fn run(rule: &str, rules: &Path, data: Option<&Path>) -> (Run, String) {
    let file = rules.join("own.rules");
    fs::write(&file, format!("{rule}\n{OTHER}")).unwrap();
    let run = Run::replay(&web()).arg("--rules").path(&file);
    let run = if let Some(data) = data { run.arg("--data-dir").path(data) } else { run };
    let output = run.succeed();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(run.records().contains(r#""signature_id":2,"#), "{rule}: {said}");
    (run, said)
}

fn kept(options: &str) -> String {
    format!("alert http any any -> any any (msg:\"x\"; http.uri; dataset:set,x,type string,{options}; sid:1;)")
}

#[test]
fn sets_of_rules_do_not_replace_what_the_sensor_writes() {
    for name in [
        "eve.json.zst",
        "./eve.json.zst",
        "eve.json.zst/x",
        "cache/rules.tapwire",
        "cache/key",
        ".hidden",
        "x.lock",
        "../x",
        "/x",
    ] {
        for word in ["save", "state"] {
            let rules = tempfile::tempdir().unwrap();
            let (run, said) = run(&kept(&format!("{word} {name}")), rules.path(), None);
            assert!(said.contains("own.rules:1:") && run.records().contains("event_type"), "{word} {name}: {said}");
        }
    }
    let (rules, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(data.path().join("notes.txt"), "nobody's set\n").unwrap();
    let (_, said) = run(&kept("save notes.txt"), rules.path(), Some(data.path()));
    assert!(said.contains("no set of its type"), "{said}");
    for _ in 0..2 {
        let (_, said) = run(&kept("state seen.lst"), rules.path(), Some(data.path()));
        assert!(said.is_empty(), "{said}");
        assert!(fs::read_to_string(data.path().join("seen.lst")).unwrap().lines().count() > 1);
    }
}

#[test]
fn files_that_rules_name_stay_below_their_folders() {
    let outer = tempfile::tempdir().unwrap();
    let rules = outer.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let script = "function init() return {} end function match() return 1 end";
    let digest = "00".repeat(32);
    for (name, text) in [("s.lua", script), ("l.txt", &digest), ("v.lst", "YQ==\n")] {
        fs::write(outer.path().join(name), text).unwrap();
        fs::write(rules.join(name), text).unwrap();
        symlink(outer.path().join(name), rules.join(format!("link-{name}"))).unwrap();
    }
    let above = outer.path().display().to_string();
    for (options, name) in [
        ("lua:NAME;", "s.lua"),
        ("http.uri; luaxform:NAME; content:\"a\";", "s.lua"),
        ("filesha256:NAME;", "l.txt"),
        ("http.uri; dataset:isset,v,type string,load NAME;", "v.lst"),
        ("http.uri; datarep:v,>,1,load NAME,type string;", "v.lst"),
    ] {
        for (place, below) in [
            (name.to_owned(), true),
            (format!("./{name}"), true),
            (format!("../{name}"), false),
            (format!("{above}/{name}"), false),
            (format!("link-{name}"), false),
            ("/dev/zero".into(), false),
        ] {
            let rule =
                format!("alert http any any -> any any (msg:\"x\"; {}; sid:1;)", options.replace("NAME", &place));
            let rule = rule.replace(";;", ";");
            let (_, said) = run(&rule, &rules, None);
            let leads_out = said.contains("leads out of");
            // Sets are loaded from where their rules say. What a script or list does not have is told as well, but only of what was read.
            let is_free = options.contains("; data") && place.starts_with(['.', '/']);
            assert_eq!(leads_out, !below && !is_free, "{rule}: {said}");
        }
    }
    let file = rules.join("own.rules");
    fs::write(&file, "alert http any any -> any any (msg:\"x\"; lua:../s.lua; sid:1;)\n").unwrap();
    let allowed = Run::replay(&web()).arg("--set").arg("tapwire.rules.files-anywhere=yes").arg("--strict");
    allowed.arg("--rules").path(&file).succeed();
}

#[test]
fn the_cache_of_rules_is_believed_only_where_nobody_else_can_write_it() {
    let rules = tempfile::tempdir().unwrap();
    let secret = "alert http any any -> any any (msg:\"x\"; http.uri; content:\"/long.txt\"; sid:1;)";
    let alerts = |run: &Run| run.records().matches(r#""signature_id":1,"#).count();
    for (mode, folder_mode) in [(0o600, 0o700), (0o666, 0o777), (0o666, 0o700), (0o600, 0o770)] {
        let data = tempfile::tempdir().unwrap();
        let (first, _) = run(secret, rules.path(), Some(data.path()));
        let (folder, cache) = (data.path().join("cache"), data.path().join("cache/rules.tapwire"));
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.join("key")).unwrap().mode() & 0o777, 0o600);
        let bytes = fs::read(&cache).unwrap();
        let patched = bytes.windows(9).position(|part| part == b"/long.txt").expect("the cache has the content");
        let mut other = bytes.clone();
        other[patched..patched + 9].copy_from_slice(b"/LONG.TXT");
        fs::write(&cache, other).unwrap();
        fs::set_permissions(&cache, Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(folder_mode)).unwrap();
        let file = rules.path().join("own.rules");
        let again = Run::new("replay").path(&web()).arg("--rules").path(&file).arg("--data-dir").path(data.path());
        let said = String::from_utf8(again.succeed().stderr).unwrap();
        assert!(alerts(&first) > 0 && alerts(&again) == alerts(&first), "{mode:o} {folder_mode:o}");
        let open = mode | folder_mode != 0o700;
        assert_eq!(said.matches("left aside").count(), usize::from(open), "{mode:o} {folder_mode:o} {said}");
    }
}

#[test]
fn captures_of_one_name_keep_their_records() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["a", "b"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        fs::copy(web(), folder.path().join(part).join("x.pcap")).unwrap();
    }
    let run = Run::new("replay").arg("--each").arg("--no-rules").path(folder.path());
    run.succeed();
    for own in ["x.pcap", "x.pcap.2"] {
        assert!(run.folder().join(own).join("eve.json.zst").metadata().unwrap().len() > 100, "{own}");
    }
}

#[test]
fn no_name_and_no_text_acts_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let odd = "a\u{1b}[31m\u{7}\r\nerror: another\u{9b}5m\u{202e}\u{2028}";
    let (capture, rules) = (folder.path().join(format!("{odd}.pcap")), folder.path().join(format!("{odd}.rules")));
    fs::write(&capture, "no capture").unwrap();
    fs::write(
        &rules,
        format!("alert tcp any any -> any any (msg:\"{}\"; contnt:\"x\"; sid:1;)\n", odd.replace(['\r', '\n'], " ")),
    )
    .unwrap();
    let site = folder.path().join(format!("{odd}.yaml"));
    fs::write(&site, "%YAML 1.1\n---\n\"od\\ed\\x9b\": 1\nvars: {port-groups: {\"A\\e\": \"\\ex\"}}\n").unwrap();
    for run in [
        Run::new("replay").arg("--no-rules").path(&capture),
        Run::new("replay").arg("--rules").path(&rules).path(&web()),
        Run::new("check").arg("--rules").path(&rules),
        Run::new("check").arg("--no-rules").arg("--config").path(&site),
        Run::new("check").arg(odd),
        Run::new("replay").arg("--no-rules").arg("--set").arg(&format!("stream.memcap={odd}")).path(&web()),
        Run::new("run").arg("--no-rules").arg("-i").arg(odd),
    ] {
        let output = run.output();
        let shown = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(shown).unwrap();
        assert!(!text.is_empty());
        let acts = |c: char| c != '\n' && tapwire_parsers::json::needs_escape(c);
        assert!(!text.contains(acts) && !text.contains("\nerror: another"), "{text:?}");
    }
}

#[test]
fn configurations_and_rules_are_plain_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let pipe = pipe.display().to_string();
    for (place, key) in [("/dev/zero", "include"), (&pipe, "include"), ("/proc/self/mem", "include"), (".", "include")]
    {
        let site = write("site.yaml", &format!("%YAML 1.1\n---\n{key}: {place}\n"));
        let output = Run::new("check").arg("--no-rules").arg("--config").path(&site).output();
        assert_eq!(output.status.code(), Some(1), "{place}");
    }
    // Each includes the next one twice.
    for number in 0..8 {
        write(&format!("{number}.yaml"), &format!("%YAML 1.1\n---\ninclude: [{0}.yaml, {0}.yaml]\n", number + 1));
    }
    write("8.yaml", "%YAML 1.1\n---\na: 1\n");
    let output = Run::new("check").arg("--no-rules").arg("--config").path(&folder.path().join("0.yaml")).output();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("limit of a configuration"), "{said}");
    for place in ["/dev/zero", &pipe] {
        let output = Run::new("check").arg("--rules").arg(place).output();
        assert_eq!(output.status.code(), Some(1), "{place}");
        for key in ["threshold-file", "classification-file", "reference-config-file", "geoip-database"] {
            let set = format!("{key}={place}");
            Run::new("check").arg("--no-rules").arg("--set").arg(&set).output();
        }
    }
}

#[test]
fn what_is_written_is_not_for_all_to_read() {
    let (rules, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (run, _) = run(&kept("save seen.lst"), rules.path(), Some(data.path()));
    for path in [run.folder().join("eve.json.zst"), data.path().join("seen.lst")] {
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o137, 0, "{}", path.display());
    }
}
