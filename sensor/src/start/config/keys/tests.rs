use super::*;
use crate::start::config::node::{Node, Value};
use crate::start::config::{Given, load};

fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().flat_map(|(_, keys)| keys.iter().copied())
}

/// A source file of this room, without its tests.
fn source(file: &str) -> String {
    let path = format!("{}/src/start/config/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// What stands in quotes behind a call.
fn named<'t>(text: &'t str, call: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(call).skip(1).filter_map(|rest| rest.strip_prefix('"')?.split('"').next())
}

#[test]
fn each_key_is_there_once_and_has_its_sentence() {
    let configuration = Configuration::default();
    let mut paths: Vec<&str> = all().map(|key| key.path).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count, "a key is there twice");
    assert!(count > 250);
    for key in all() {
        assert!(key.doc.len() > 10 && key.doc.ends_with('.'), "{}: {}", key.path, key.doc);
        match key.effect {
            Effect::Used => drop(key.default(&configuration)),
            Effect::No(why) => assert!(!why.is_empty() && !why.ends_with('.'), "{}: {why}", key.path),
        }
    }
    for (part, keys) in &*KEYS {
        let last = |key: &Key| key.path.rsplit('.').next().map(is_open);
        assert!(keys.iter().all(|key| last(key) != Some(true) || key.effect == Effect::Used), "{part}");
    }
}

#[test]
fn keys_that_are_read_are_in_the_table_as_used() {
    let text = ["read.rs", "tunnels.rs", "exceptions.rs", "lists.rs", "hosts.rs", "interfaces.rs"].map(source).concat();
    let calls = ["self.bytes(", "self.seconds(", "self.switch(", "self.path(", "root.at(", "on(", "one(root, "];
    let read: Vec<&str> = calls.into_iter().flat_map(|call| named(&text, call)).collect();
    assert!(read.len() > 90, "{read:?}");
    for path in &read {
        let found = all().find(|key| key.path == *path);
        let is_section = all().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
        assert!(found.map_or(is_section, |key| key.effect == Effect::Used), "{path} is read");
    }
}

#[test]
fn a_key_that_is_said_to_be_used_is_read_somewhere() {
    let files = [
        "read",
        "data",
        "deliveries",
        "deliveries/suricata",
        "deliveries/ways",
        "packets",
        "tunnels",
        "exceptions",
        "lists",
        "hosts",
        "interfaces",
        "outputs",
        "stores",
        "tenants",
        "threads",
        "variables",
        "node",
        "process",
        "mod",
    ];
    let own = files.map(|file| source(&format!("{file}.rs"))).concat();
    let parsers = concat!(env!("CARGO_MANIFEST_DIR"), "/../parsers/src");
    let mut all_text = own.clone();
    for folder in std::fs::read_dir(parsers).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            all_text.push_str(&std::fs::read_to_string(file).unwrap_or_default());
        }
    }
    for file in ["mod.rs", "environment.rs"] {
        let path = format!("{}/src/start/engine/{file}", env!("CARGO_MANIFEST_DIR"));
        all_text.push_str(&std::fs::read_to_string(path).unwrap());
    }
    for key in all() {
        let last = key.path.rsplit('.').find(|part| !is_open(part)).unwrap();
        // Timeouts and fingerprints are put together from parts.
        let part = last.trim_start_matches("emergency-").trim_end_matches("-fingerprints").trim_start_matches("ja3");
        let is_there = [format!("\"{last}\""), format!(".{last}\""), format!("\"{part}\"")];
        let is_whole = own.contains(&format!("\"{}\"", key.path));
        match key.effect {
            Effect::Used => assert!(is_there.iter().any(|text| all_text.contains(text)), "{} is not read", key.path),
            Effect::No(_) => assert!(!is_whole || !key.path.contains('.'), "{} is read", key.path),
        }
    }
}

#[test]
fn every_key_of_the_table_is_known_and_others_are_named() {
    let unknown = |path: &str| {
        // A variable of addresses that is none keeps everything from starting.
        let set = [(path.to_owned(), if path.starts_with("vars.a") { "::7" } else { "7" }.to_owned())];
        let loaded = load(Given { set: &set, ..Given::default() }).unwrap();
        loaded.warnings.iter().filter(|problem| problem.message.contains("is not known")).count()
    };
    for key in all() {
        let part = |part: &'static str| match part {
            "N" => "0",
            "NAME" if key.path.starts_with("app-layer") || key.path.starts_with("outputs") => "http",
            "NAME" | "ID" => "1",
            _ => part,
        };
        let path = key.path.split('.').map(part).collect::<Vec<_>>().join(".");
        assert_eq!(unknown(&path), 0, "{path}");
    }
    for section in
        ["stream.reassembly", "flow-timeouts.tcp", "tapwire.rules.cost", "outputs.0.eve-log", "outputs.0.lua", "detect"]
    {
        assert_eq!(unknown(&format!("{section}.waldo")), 1, "{section}");
    }
    assert_eq!((unknown("waldo"), unknown("app-layer.protocols.waldo.enabled")), (1, 1));
}

#[test]
fn numbers_are_written_for_people() {
    let sizes = [0, 100, 18_432, 65_536, 144 << 20, 3 << 30].map(size);
    assert_eq!(sizes, ["0 bytes", "100 bytes", "18 KiB", "64 KiB", "144 MiB", "3 GiB"]);
    assert_eq!([7, 999, 1_000, 16_776_960].map(number), ["7", "999", "1,000", "16,776,960"]);
}

#[test]
fn keys_below_a_path_are_those_of_the_table() {
    assert_eq!(below("security.lua"), ["allow-restricted-functions", "allow-rules", "max-bytes", "max-instructions"]);
    assert_eq!(below("vars"), ["address-groups", "port-groups"]);
    assert_eq!(below("stream.reassembly.urgent"), ["oob-limit-policy", "policy"]);
    assert!(below("vars.address-groups").is_empty() && below("").contains(&"tapwire"));
}

/// What a configuration of one key says of it: how often it is not known, and the keys without effect.
fn accounted(path: &str) -> (Vec<String>, Vec<Idle>) {
    let mut root = Node::default();
    let parts: Vec<&str> = path.split('.').map(|part| if part == "N" { "0" } else { part }).collect();
    root.put(&parts, Node { value: Value::Scalar("7".into()), ..Node::default() });
    let mut warnings = Vec::new();
    let idle = account(&root, &mut warnings);
    (warnings.into_iter().map(|problem| problem.message).collect(), idle)
}

#[test]
fn each_key_of_a_stock_configuration_is_obeyed_or_named() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lists/suricata-keys.txt");
    let list = std::fs::read_to_string(list).unwrap();
    let paths = list.lines().filter(|line| !line.starts_with('#'));
    let wrong: Vec<String> = paths.flat_map(|path| accounted(path).0).collect();
    assert_eq!(wrong, Vec::<String>::new());
    for (path, named) in [
        ("outputs.0.syslog.enabled", "outputs.syslog"),
        ("outputs.N.eve-log.threaded", "outputs.eve-log.threaded"),
        ("outputs.N.eve-log.types.N.smb.types", "outputs.eve-log.types.smb"),
        ("app-layer.protocols.nfs.max-tx", "app-layer.protocols.nfs"),
        ("profiling.rules.enabled", "profiling"),
        ("stream.memcap", "stream.memcap"),
    ] {
        let idle: Vec<String> = accounted(path).1.into_iter().map(|idle| idle.path).collect();
        assert_eq!(idle, [named], "{path}");
    }
    assert_eq!(accounted("stream.midstream"), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_switched_off_or_empty_is_not_named_and_lists_of_types_are_read() {
    let idle = |text: &str| {
        let mut warnings = Vec::new();
        let idle = account(&Node::parse(text), &mut warnings);
        let unknown: Vec<String> = warnings.into_iter().map(|problem| problem.message).collect();
        (in_one_line(&idle), unknown.join("; "))
    };
    for (text, named, unknown) in [
        ("outputs:\n- syslog: {enabled: no, identity: x}\nheartbeat:\n", "", ""),
        (
            "outputs:\n- eve-log:\n    types: [alert, smb, {nfs: {enabled: no}}, {rdp: {enabled: yes}}]\n",
            "outputs.eve-log.types.{smb,rdp}",
            "",
        ),
        ("outputs:\n- eve-log: {enabled: no, threaded: yes, types: [waldo]}\n", "", ""),
        ("outputs:\n- eve-log: {types: [waldo, http]}\n", "", "the type `waldo` is not known and ignored"),
        (
            "mpm-algo: auto\nthreading: {autopin: no}\nstream: {memcap: 1, raw: 2}\n",
            "mpm-algo, threading.autopin, stream.memcap",
            "the key `stream.raw` is not known and ignored",
        ),
    ] {
        assert_eq!(idle(text), (named.to_owned(), unknown.to_owned()), "{text}");
    }
}
